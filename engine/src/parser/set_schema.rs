//! How is ALTER { TABLE | VIEW | SEQUENCE } … SET SCHEMA read?
//!
//! Everything else about ALTER is sqlparser's.

use datafusion::sql::sqlparser::ast::{Ident, ObjectName};
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use tarn_catalog::error::ObjectKind;

use super::reader::{expect, leading_words, take, take_all};
use super::{ReadError, Statement, sequence};

/// ALTER kind [IF EXISTS] name SET SCHEMA schema
#[derive(Debug, Clone)]
pub struct SetSchema {
    /// Table, view or sequence.
    pub kind: ObjectKind,
    /// A notice instead of an error.
    pub if_exists: bool,
    /// What moves.
    pub name: ObjectName,
    /// Where it moves to.
    pub schema: Ident,
}

/// Tries SET SCHEMA first.
pub(super) fn parse(parser: &mut Parser) -> Result<Statement, ReadError> {
    let attempt: Result<Option<SetSchema>, ParserError> = parser
        .maybe_parse(|parser| read(parser).map_err(|_| ParserError::ParserError(String::new())));
    match attempt.ok().flatten() {
        Some(statement) => Ok(Statement::SetSchema(statement)),
        None if leading_words(parser, 2)
            .last()
            .is_some_and(|word| word == "sequence") =>
        {
            sequence::parse_alter(parser)
        }
        None => Ok(Statement::Sql(Box::new(parser.parse_statement()?))),
    }
}

fn read(parser: &mut Parser) -> Result<SetSchema, ReadError> {
    expect(parser, "alter")?;
    let kind = if take(parser, "table") {
        ObjectKind::Table
    } else if take(parser, "view") {
        ObjectKind::View
    } else {
        expect(parser, "sequence")?;
        ObjectKind::Sequence
    };
    let if_exists = take_all(parser, &["if", "exists"]);
    take(parser, "only");
    let name = parser.parse_object_name(false)?;
    expect(parser, "set")?;
    expect(parser, "schema")?;
    Ok(SetSchema {
        kind,
        if_exists,
        name,
        schema: parser.parse_identifier()?,
    })
}
