//! How are CREATE SEQUENCE and ALTER SEQUENCE read? Their options stand in any order.

use datafusion::sql::sqlparser::ast::{DataType, Ident, ObjectName};
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::reader::{expect, take, take_all, unexpected};
use super::{ReadError, Statement};
use crate::error::PgError;

/// CREATE SEQUENCE [IF NOT EXISTS] name options
#[derive(Debug, Clone)]
pub struct CreateSequence {
    /// A notice instead of an error.
    pub if_not_exists: bool,
    /// Its name.
    pub name: ObjectName,
    /// What is said of its numbers.
    pub clauses: SequenceClauses,
}

/// ALTER SEQUENCE [IF EXISTS] name action
#[derive(Debug, Clone)]
pub struct AlterSequence {
    /// A notice instead of an error.
    pub if_exists: bool,
    /// Its name.
    pub name: ObjectName,
    /// What to do.
    pub action: SequenceAction,
}

/// What ALTER SEQUENCE does.
#[derive(Debug, Clone)]
pub enum SequenceAction {
    /// Other options.
    Change(SequenceClauses),
    /// RENAME TO
    Rename(Ident),
    /// OWNER TO
    Owner(Ident),
}

/// The options of a sequence. In two layers of `Option`, the inner `None` is the word NO, NONE or nothing.
#[derive(Debug, Clone, Default)]
pub struct SequenceClauses {
    /// AS type
    pub data_type: Option<DataType>,
    /// INCREMENT [BY]
    pub increment: Option<i64>,
    /// MINVALUE, NO MINVALUE
    pub min: Option<Option<i64>>,
    /// MAXVALUE, NO MAXVALUE
    pub max: Option<Option<i64>>,
    /// START [WITH]
    pub start: Option<i64>,
    /// RESTART [[WITH] n]
    pub restart: Option<Option<i64>>,
    /// CACHE
    pub cache: Option<i64>,
    /// CYCLE, NO CYCLE
    pub cycle: Option<bool>,
    /// OWNED BY table.column, OWNED BY NONE
    pub owned_by: Option<Option<ObjectName>>,
}

pub(super) fn parse_create(parser: &mut Parser) -> Result<Statement, ReadError> {
    expect(parser, "create")?;
    if take(parser, "temporary") || take(parser, "temp") {
        return Err(PgError::unsupported("CREATE TEMPORARY SEQUENCE is not supported").into());
    }
    expect(parser, "sequence")?;
    Ok(Statement::CreateSequence(Box::new(CreateSequence {
        if_not_exists: take_all(parser, &["if", "not", "exists"]),
        name: parser.parse_object_name(false)?,
        clauses: clauses(parser)?,
    })))
}

pub(super) fn parse_alter(parser: &mut Parser) -> Result<Statement, ReadError> {
    expect(parser, "alter")?;
    expect(parser, "sequence")?;
    let if_exists = take_all(parser, &["if", "exists"]);
    let name = parser.parse_object_name(false)?;
    let action = if take_all(parser, &["rename", "to"]) {
        SequenceAction::Rename(parser.parse_identifier()?)
    } else if take_all(parser, &["owner", "to"]) {
        SequenceAction::Owner(parser.parse_identifier()?)
    } else if matches!(parser.peek_token_ref().token, Token::EOF) {
        return Err(unexpected(parser, "Expected: an option"));
    } else {
        SequenceAction::Change(clauses(parser)?)
    };
    Ok(Statement::AlterSequence(Box::new(AlterSequence {
        if_exists,
        name,
        action,
    })))
}

fn clauses(parser: &mut Parser) -> Result<SequenceClauses, ReadError> {
    let mut read = SequenceClauses::default();
    while !matches!(parser.peek_token_ref().token, Token::EOF) {
        let place = parser.peek_token_ref().span.start;
        if !clause(parser, &mut read)? {
            let error = PgError::syntax("conflicting or redundant options");
            return Err(ReadError::Said(PgError {
                location: Some(place),
                ..error
            }));
        }
    }
    Ok(read)
}

/// Reads one option; false when it was there already.
fn clause(parser: &mut Parser, read: &mut SequenceClauses) -> Result<bool, ReadError> {
    if take(parser, "as") {
        let data_type = parser.parse_data_type()?;
        return Ok(read.data_type.replace(data_type).is_none());
    }
    if take(parser, "increment") {
        take(parser, "by");
        return Ok(read.increment.replace(whole(parser)?).is_none());
    }
    if take(parser, "minvalue") {
        return Ok(read.min.replace(Some(whole(parser)?)).is_none());
    }
    if take(parser, "maxvalue") {
        return Ok(read.max.replace(Some(whole(parser)?)).is_none());
    }
    if take(parser, "start") {
        take(parser, "with");
        return Ok(read.start.replace(whole(parser)?).is_none());
    }
    if take(parser, "restart") {
        let is_with = take(parser, "with");
        let number = match is_with || starts_number(parser) {
            true => Some(whole(parser)?),
            false => None,
        };
        return Ok(read.restart.replace(number).is_none());
    }
    if take(parser, "cache") {
        return Ok(read.cache.replace(whole(parser)?).is_none());
    }
    if take(parser, "cycle") {
        return Ok(read.cycle.replace(true).is_none());
    }
    if take_all(parser, &["owned", "by"]) {
        let owner = match take(parser, "none") {
            true => None,
            false => Some(parser.parse_object_name(false)?),
        };
        return Ok(read.owned_by.replace(owner).is_none());
    }
    if take(parser, "no") {
        if take(parser, "minvalue") {
            return Ok(read.min.replace(None).is_none());
        }
        if take(parser, "maxvalue") {
            return Ok(read.max.replace(None).is_none());
        }
        expect(parser, "cycle")?;
        return Ok(read.cycle.replace(false).is_none());
    }
    Err(unexpected(parser, "Expected: an option of a sequence"))
}

fn starts_number(parser: &Parser) -> bool {
    matches!(
        parser.peek_token_ref().token,
        Token::Number(..) | Token::Minus | Token::Plus
    )
}

fn whole(parser: &mut Parser) -> Result<i64, ReadError> {
    let is_negative = parser.consume_token(&Token::Minus);
    let _has_plus = !is_negative && parser.consume_token(&Token::Plus);
    let read = match &parser.peek_token_ref().token {
        Token::Number(digits, _) if is_negative => format!("-{digits}").parse().ok(),
        Token::Number(digits, _) => digits.parse().ok(),
        _ => None,
    };
    match read {
        Some(number) => {
            parser.next_token();
            Ok(number)
        }
        None => Err(unexpected(parser, "Expected: a whole number")),
    }
}
