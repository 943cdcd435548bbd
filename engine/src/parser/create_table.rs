//! How is CREATE TABLE … LOCATION read?
//!
//! Everything else about CREATE TABLE is sqlparser's.

use datafusion::sql::sqlparser::ast::ObjectName;
use datafusion::sql::sqlparser::parser::Parser;

use super::reader::{expect, take, take_all, text};
use super::{ReadError, Statement};

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
            Ok(Statement::Sql(Box::new(parser.parse_statement()?)))
        }
    }
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
