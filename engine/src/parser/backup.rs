//! How is BACKUP read?

use datafusion::sql::sqlparser::parser::Parser;

use super::reader::{expect, text};
use super::{ReadError, Statement};

/// BACKUP TO 'folder'
pub(super) fn parse(parser: &mut Parser) -> Result<Statement, ReadError> {
    expect(parser, "backup")?;
    expect(parser, "to")?;
    Ok(Statement::Backup(text(parser)?))
}
