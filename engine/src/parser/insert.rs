//! How is INSERT … OVERRIDING { SYSTEM | USER } VALUE read?
//!
//! sqlparser does not know the clause, so its three words are taken out and kept beside the statement.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::reader::unexpected;
use super::{DIALECT, ReadError, Statement};

/// Which values identity columns take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overriding {
    /// Those given, unless the column is always generated.
    Nothing,
    /// OVERRIDING SYSTEM VALUE: those given.
    System,
    /// OVERRIDING USER VALUE: those of the sequence.
    User,
}

pub(super) fn parse(parser: &mut Parser) -> Result<Statement, ReadError> {
    let Some((position, overriding)) = find(parser) else {
        return Ok(Statement::Sql(Box::new(parser.parse_statement()?)));
    };
    let mut tokens: Vec<TokenWithSpan> = Vec::new();
    while parser.peek_token_ref().token != Token::EOF {
        tokens.push(parser.next_token());
    }
    tokens.drain(position..position + 3);
    let mut rest = Parser::new(&DIALECT).with_tokens_with_locations(tokens);
    let statement = rest.parse_statement()?;
    if rest.peek_token_ref().token != Token::EOF {
        return Err(unexpected(&rest, "Expected: end of statement"));
    }
    Ok(Statement::InsertOverriding(Box::new(statement), overriding))
}

/// Where the clause stands, before the rows, and what it says.
fn find(parser: &Parser) -> Option<(usize, Overriding)> {
    let mut depth = 0;
    for position in 0.. {
        match &parser.peek_nth_token_ref(position).token {
            Token::EOF => return None,
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            Token::Word(word) if depth == 0 && word.quote_style.is_none() => {
                if matches!(
                    word.keyword,
                    Keyword::VALUES | Keyword::SELECT | Keyword::DEFAULT
                ) {
                    return None;
                }
                if word.value.eq_ignore_ascii_case("overriding") {
                    return Some((position, kind(parser, position)?));
                }
            }
            _ => {}
        }
    }
    None
}

fn kind(parser: &Parser, position: usize) -> Option<Overriding> {
    let is = |index: usize, expected: &str| {
        matches!(&parser.peek_nth_token_ref(index).token,
            Token::Word(word) if word.value.eq_ignore_ascii_case(expected))
    };
    match (is(position + 1, "system"), is(position + 1, "user")) {
        _ if !is(position + 2, "value") => None,
        (true, _) => Some(Overriding::System),
        (_, true) => Some(Overriding::User),
        _ => None,
    }
}
