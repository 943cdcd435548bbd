//! How do our own statement parsers read words that sqlparser does not know as keywords?

use datafusion::sql::sqlparser::ast::Ident;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::ReadError;
use crate::error::PgError;

/// The first words of the statement in lower case; stops at the first token that is no unquoted word.
pub(super) fn leading_words(parser: &Parser, count_max: usize) -> Vec<String> {
    let mut words = Vec::with_capacity(count_max);
    for index in 0..count_max {
        match &parser.peek_nth_token_ref(index).token {
            Token::Word(word) if word.quote_style.is_none() => {
                words.push(word.value.to_lowercase())
            }
            _ => break,
        }
    }
    words
}

/// Is the next token this unquoted word?
pub(super) fn next_is(parser: &Parser, expected: &str) -> bool {
    matches!(&parser.peek_token_ref().token,
        Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(expected))
}

/// Consumes the word if it is next.
pub(super) fn take(parser: &mut Parser, expected: &str) -> bool {
    let found = next_is(parser, expected);
    if found {
        parser.next_token();
    }
    found
}

/// Consumes the words if they are next, all or none.
pub(super) fn take_all(parser: &mut Parser, expected: &[&str]) -> bool {
    let words = leading_words(parser, expected.len());
    let found = words.len() == expected.len() && words.iter().zip(expected).all(|(a, b)| a == b);
    if found {
        for _ in expected {
            parser.next_token();
        }
    }
    found
}

/// Consumes the word or fails.
pub(super) fn expect(parser: &mut Parser, expected: &str) -> Result<(), ReadError> {
    if take(parser, expected) {
        return Ok(());
    }
    let message = format!("Expected: {}", expected.to_uppercase());
    Err(unexpected(parser, &message))
}

/// The error for the token that stands next.
pub(super) fn unexpected(parser: &Parser, detail: &str) -> ReadError {
    let token = parser.peek_token_ref();
    let location = token.span.start;
    let found = match &token.token {
        Token::EOF => "EOF".to_string(),
        other => other.to_string(),
    };
    let place = if location.line == 0 {
        String::new()
    } else {
        format!(" at Line: {}, Column: {}", location.line, location.column)
    };
    ReadError::Parser(
        datafusion::sql::sqlparser::parser::ParserError::ParserError(format!(
            "{detail}, found: {found}{place}"
        )),
    )
}

/// An identifier folded as Postgres folds: lower case unless quoted.
pub(super) fn fold(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

/// Reads an identifier and folds it.
pub(super) fn name(parser: &mut Parser) -> Result<String, ReadError> {
    Ok(fold(&parser.parse_identifier()?))
}

/// `( name [, …] )`
pub(super) fn names_in_parentheses(parser: &mut Parser) -> Result<Vec<String>, ReadError> {
    parser.expect_token(&Token::LParen)?;
    let mut names = vec![name(parser)?];
    while parser.consume_token(&Token::Comma) {
        names.push(name(parser)?);
    }
    parser.expect_token(&Token::RParen)?;
    Ok(names)
}

/// A string literal.
pub(super) fn text(parser: &mut Parser) -> Result<String, ReadError> {
    match &parser.peek_token_ref().token {
        Token::SingleQuotedString(value) | Token::EscapedStringLiteral(value) => {
            let value = value.clone();
            parser.next_token();
            Ok(value)
        }
        Token::DollarQuotedString(quoted) => {
            let value = quoted.value.clone();
            parser.next_token();
            Ok(value)
        }
        _ => Err(unexpected(parser, "Expected: a string")),
    }
}

/// A clause that a later version will have.
pub(super) fn later(clause: &str, hint: &str) -> ReadError {
    ReadError::Said(PgError::unsupported(format!("{clause} is not supported yet")).with_hint(hint))
}
