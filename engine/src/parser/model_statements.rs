//! How are DROP MODEL, DESCRIBE MODEL and SHOW MODELS read?

use datafusion::sql::sqlparser::ast::ObjectName;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::reader::{expect, take, take_all, text};
use super::{ReadError, Statement};

/// DROP MODEL [IF EXISTS] name [, …] [CASCADE | RESTRICT]
#[derive(Debug, Clone)]
pub struct DropModel {
    /// A notice instead of an error.
    pub if_exists: bool,
    /// Which models.
    pub names: Vec<ObjectName>,
    /// Dependent views go too.
    pub cascade: bool,
}

pub(super) fn parse_drop(parser: &mut Parser) -> Result<Statement, ReadError> {
    expect(parser, "drop")?;
    expect(parser, "model")?;
    let if_exists = take_all(parser, &["if", "exists"]);
    let mut names = vec![parser.parse_object_name(false)?];
    while parser.consume_token(&Token::Comma) {
        names.push(parser.parse_object_name(false)?);
    }
    let cascade = take(parser, "cascade");
    if !cascade {
        take(parser, "restrict");
    }
    Ok(Statement::DropModel(DropModel {
        if_exists,
        names,
        cascade,
    }))
}

pub(super) fn parse_describe(parser: &mut Parser) -> Result<Statement, ReadError> {
    parser.next_token();
    expect(parser, "model")?;
    Ok(Statement::DescribeModel(parser.parse_object_name(false)?))
}

pub(super) fn parse_describe_table(parser: &mut Parser) -> Result<Statement, ReadError> {
    parser.next_token();
    take(parser, "table");
    Ok(Statement::DescribeTable(parser.parse_object_name(false)?))
}

pub(super) fn parse_show(parser: &mut Parser) -> Result<Statement, ReadError> {
    expect(parser, "show")?;
    expect(parser, "models")?;
    let pattern = if take(parser, "like") {
        Some(text(parser)?)
    } else {
        None
    };
    Ok(Statement::ShowModels(pattern))
}
