//! How are CREATE TABLE … LOCATION and CREATE TABLE (LIKE …) read?
//!
//! Everything else about CREATE TABLE is sqlparser's: LIKE clauses are taken out from between the columns before
//! it reads the rest.

use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::ast::ObjectName;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::reader::{expect, name, next_is, take, take_all, text, unexpected};
use super::{DIALECT, ReadError, Statement};

/// CREATE TABLE [IF NOT EXISTS] name [USING delta] LOCATION 'path'
#[derive(Debug, Clone)]
pub struct CreateTableAt {
    /// A notice instead of an error.
    pub if_not_exists: bool,
    /// The table's name.
    pub name: ObjectName,
    /// Path of an existing Delta table.
    pub location: String,
}

pub(super) fn parse(parser: &mut Parser) -> Result<Statement, ReadError> {
    let start = parser.get_current_index();
    match try_parse(parser) {
        Some(statement) => Ok(Statement::CreateTableAt(statement)),
        None => {
            while parser.get_current_index() > start {
                parser.prev_token();
            }
            parse_with_likes(parser)
        }
    }
}

/// CREATE TABLE with LIKE clauses between its columns.
#[derive(Debug, Clone)]
pub struct CreateTableLike {
    /// All the rest.
    pub create: ast::CreateTable,
    /// The clauses in order.
    pub likes: Vec<LikeClause>,
}

/// LIKE table [INCLUDING part | EXCLUDING part]…
#[derive(Debug, Clone)]
pub struct LikeClause {
    /// How many columns stand before it.
    pub position: usize,
    /// The table whose columns it copies.
    pub table: ObjectName,
    /// What is copied beside names, types and NOT NULL, in lower case; `all` is spelled out.
    pub including: Vec<String>,
}

/// The words behind INCLUDING that mean something here, all of which ALL stands for.
const LIKE_PARTS: [&str; 5] = ["defaults", "constraints", "identity", "indexes", "comments"];

/// Words behind INCLUDING that a table without such things takes and ignores.
const LIKE_PARTS_IGNORED: [&str; 4] = ["generated", "storage", "statistics", "compression"];

fn parse_with_likes(parser: &mut Parser) -> Result<Statement, ReadError> {
    let found = like_ranges(parser);
    let mut tokens: Vec<TokenWithSpan> = Vec::new();
    while parser.peek_token_ref().token != Token::EOF {
        tokens.push(parser.next_token());
    }
    order_identity_options(&mut tokens);
    let mut likes = Vec::with_capacity(found.len());
    for (range, position) in found.iter().rev() {
        let piece: Vec<TokenWithSpan> = tokens.drain(range.clone()).collect();
        // One comma goes with it.
        let before = range.start.checked_sub(1);
        match before.filter(|before| tokens[*before].token == Token::Comma) {
            Some(before) => drop(tokens.remove(before)),
            None if tokens
                .get(range.start)
                .is_some_and(|t| t.token == Token::Comma) =>
            {
                tokens.remove(range.start);
            }
            None => {}
        }
        likes.insert(0, like_clause(piece, *position)?);
    }
    let mut rest = Parser::new(&DIALECT).with_tokens_with_locations(tokens);
    let statement = rest.parse_statement()?;
    if rest.peek_token_ref().token != Token::EOF {
        return Err(unexpected(&rest, "Expected: end of statement"));
    }
    match statement {
        ast::Statement::CreateTable(create) if !likes.is_empty() => {
            Ok(Statement::CreateTableLike(Box::new(CreateTableLike {
                create,
                likes,
            })))
        }
        other => Ok(Statement::Sql(Box::new(other))),
    }
}

/// sqlparser reads the options behind `AS IDENTITY (` in this order only.
const IDENTITY_OPTIONS: [&str; 6] = [
    "increment",
    "minvalue",
    "maxvalue",
    "start",
    "cache",
    "cycle",
];

/// Puts the options of identity columns into sqlparser's order.
fn order_identity_options(tokens: &mut Vec<TokenWithSpan>) {
    let word = |token: &TokenWithSpan| match &token.token {
        Token::Word(word) if word.quote_style.is_none() => word.value.to_lowercase(),
        _ => String::new(),
    };
    let mut index = 0;
    while index + 1 < tokens.len() {
        index += 1;
        if word(&tokens[index - 1]) != "identity" || tokens[index].token != Token::LParen {
            continue;
        }
        let start = index + 1;
        let length = tokens[start..]
            .iter()
            .position(|token| token.token == Token::RParen);
        let end = start + length.unwrap_or(0);
        let mut options: Vec<(usize, Vec<TokenWithSpan>)> = Vec::new();
        let mut is_negated = false;
        for token in tokens[start..end].iter().cloned() {
            let rank = IDENTITY_OPTIONS
                .iter()
                .position(|known| *known == word(&token));
            let is_no = word(&token) == "no";
            match options.last_mut() {
                Some((last, option)) if is_negated => {
                    *last = rank.unwrap_or(IDENTITY_OPTIONS.len());
                    option.push(token);
                }
                Some((_, option)) if rank.is_none() && !is_no => option.push(token),
                _ => options.push((rank.unwrap_or(IDENTITY_OPTIONS.len()), vec![token])),
            }
            is_negated = is_no;
        }
        options.sort_by_key(|(rank, _)| *rank);
        let ordered: Vec<TokenWithSpan> =
            options.into_iter().flat_map(|(_, option)| option).collect();
        tokens.splice(start..end, ordered);
        index = end;
    }
}

/// Where the LIKE clauses stand among the tokens, and behind how many columns.
fn like_ranges(parser: &Parser) -> Vec<(std::ops::Range<usize>, usize)> {
    let mut found = Vec::new();
    let (mut depth, mut columns) = (0, 0);
    let mut starts_element = false;
    let mut like_start: Option<usize> = None;
    for index in 0.. {
        let token = &parser.peek_nth_token_ref(index).token;
        let ends_element = depth == 1 && matches!(token, Token::Comma | Token::RParen);
        if ends_element && let Some(start) = like_start.take() {
            found.push((start..index, columns));
        }
        match token {
            Token::EOF => return found,
            Token::LParen => {
                depth += 1;
                starts_element = depth == 1;
                continue;
            }
            Token::RParen if depth == 1 => return found,
            Token::RParen => depth -= 1,
            Token::Comma if depth == 1 => {
                starts_element = true;
                continue;
            }
            // Only the list right behind the name holds columns.
            Token::Word(word) if depth == 0 && word.value.eq_ignore_ascii_case("as") => {
                return found;
            }
            Token::Word(word) if starts_element => {
                let is = |words: &[&str]| {
                    word.quote_style.is_none()
                        && words
                            .iter()
                            .any(|known| word.value.eq_ignore_ascii_case(known))
                };
                if is(&["like"]) {
                    like_start = Some(index);
                } else if !is(&["constraint", "primary", "unique", "foreign", "check"]) {
                    columns += 1;
                }
            }
            _ => {}
        }
        starts_element = false;
    }
    found
}

fn like_clause(piece: Vec<TokenWithSpan>, position: usize) -> Result<LikeClause, ReadError> {
    let mut parser = Parser::new(&DIALECT).with_tokens_with_locations(piece);
    expect(&mut parser, "like")?;
    let table = parser.parse_object_name(false)?;
    let mut including: Vec<String> = Vec::new();
    while next_is(&parser, "including") || next_is(&parser, "excluding") {
        let adds = take(&mut parser, "including") || !take(&mut parser, "excluding");
        let part = match take(&mut parser, "all") {
            true => "all".to_string(),
            false => name(&mut parser)?,
        };
        let parts: Vec<&str> = match part.as_str() {
            "all" => LIKE_PARTS.to_vec(),
            known if LIKE_PARTS.contains(&known) => vec![known],
            known if LIKE_PARTS_IGNORED.contains(&known) => Vec::new(),
            _ => {
                return Err(unexpected(
                    &parser,
                    "Expected: DEFAULTS, CONSTRAINTS or ALL",
                ));
            }
        };
        including.retain(|known| !parts.contains(&known.as_str()));
        if adds {
            including.extend(parts.into_iter().map(str::to_string));
        }
    }
    if parser.peek_token_ref().token != Token::EOF {
        return Err(unexpected(&parser, "Expected: INCLUDING or EXCLUDING"));
    }
    Ok(LikeClause {
        position,
        table,
        including,
    })
}

fn try_parse(parser: &mut Parser) -> Option<CreateTableAt> {
    let attempt: Result<Option<CreateTableAt>, datafusion::sql::sqlparser::parser::ParserError> =
        parser.maybe_parse(|parser| {
            read(parser).map_err(|_| {
                datafusion::sql::sqlparser::parser::ParserError::ParserError(String::new())
            })
        });
    attempt.ok().flatten()
}

fn read(parser: &mut Parser) -> Result<CreateTableAt, ReadError> {
    expect(parser, "create")?;
    take(parser, "external");
    expect(parser, "table")?;
    let if_not_exists = take_all(parser, &["if", "not", "exists"]);
    let name = parser.parse_object_name(false)?;
    take_all(parser, &["using", "delta"]);
    expect(parser, "location")?;
    Ok(CreateTableAt {
        if_not_exists,
        name,
        location: text(parser)?,
    })
}
