//! How are DECLARE, FETCH, MOVE, CLOSE and UNLISTEN read?

use datafusion::sql::sqlparser::ast::Query;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::reader::{expect, name, take, take_all, unexpected};
use super::{ReadError, Statement};
use crate::error::PgError;

/// DECLARE name [options] CURSOR [WITH HOLD] FOR query
#[derive(Debug, Clone)]
pub struct DeclareCursor {
    /// The cursor's name.
    pub name: String,
    /// WITH HOLD: outlives its transaction.
    pub hold: bool,
    /// BINARY results.
    pub binary: bool,
    /// The rows.
    pub query: Box<Query>,
}

/// How many rows, forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchDirection {
    /// NEXT, n, FORWARD n
    Forward(u64),
    /// ALL, FORWARD ALL
    All,
}

/// FETCH or MOVE
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// The cursor's name.
    pub name: String,
    /// How far.
    pub direction: FetchDirection,
    /// MOVE skips rows instead of returning them.
    pub is_move: bool,
}

pub(super) fn parse_declare(parser: &mut Parser) -> Result<Statement, ReadError> {
    expect(parser, "declare")?;
    let cursor = name(parser)?;
    let mut binary = false;
    loop {
        if take(parser, "binary") {
            binary = true;
        } else if take_all(parser, &["no", "scroll"])
            || take(parser, "insensitive")
            || take(parser, "asensitive")
        {
            // Cursors read one snapshot forward: these say what is so anyway.
        } else if take(parser, "scroll") {
            return Err(PgError::unsupported("SCROLL cursors are not supported")
                .with_hint("Declare the cursor without SCROLL; it moves forward.")
                .into());
        } else {
            break;
        }
    }
    expect(parser, "cursor")?;
    let hold = take_all(parser, &["with", "hold"]);
    if !hold {
        take_all(parser, &["without", "hold"]);
    }
    expect(parser, "for")?;
    Ok(Statement::Declare(Box::new(DeclareCursor {
        name: cursor,
        hold,
        binary,
        query: parser.parse_query()?,
    })))
}

pub(super) fn parse_fetch(parser: &mut Parser) -> Result<Statement, ReadError> {
    let is_move = !take(parser, "fetch");
    if is_move {
        expect(parser, "move")?;
    }
    let direction = direction(parser)?;
    if !take(parser, "from") {
        take(parser, "in");
    }
    Ok(Statement::Fetch(Fetch {
        name: name(parser)?,
        direction,
        is_move,
    }))
}

fn direction(parser: &mut Parser) -> Result<FetchDirection, ReadError> {
    for word in ["backward", "prior", "first", "last", "absolute", "relative"] {
        if super::reader::next_is(parser, word) {
            return Err(PgError::new(
                crate::sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                "cursor can only scan forward",
            )
            .with_hint("Declare it again to read from the start.")
            .into());
        }
    }
    let forward = take(parser, "forward");
    if take(parser, "all") {
        return Ok(FetchDirection::All);
    }
    if !forward && take(parser, "next") {
        return Ok(FetchDirection::Forward(1));
    }
    let Token::Number(digits, _) = parser.peek_token_ref().token.clone() else {
        return Ok(FetchDirection::Forward(1));
    };
    let Ok(count) = digits.parse() else {
        return Err(unexpected(parser, "Expected: a whole number"));
    };
    parser.next_token();
    Ok(FetchDirection::Forward(count))
}

pub(super) fn parse_close(parser: &mut Parser) -> Result<Statement, ReadError> {
    expect(parser, "close")?;
    if take(parser, "all") {
        return Ok(Statement::CloseCursor(None));
    }
    Ok(Statement::CloseCursor(Some(name(parser)?)))
}

pub(super) fn parse_unlisten(parser: &mut Parser) -> Result<Statement, ReadError> {
    expect(parser, "unlisten")?;
    if parser.consume_token(&Token::Mul) {
        return Ok(Statement::Unlisten(None));
    }
    Ok(Statement::Unlisten(Some(name(parser)?)))
}
