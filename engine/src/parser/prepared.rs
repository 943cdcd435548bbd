//! How are PREPARE, EXECUTE and DEALLOCATE read?

use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::reader::{expect, name, take};
use super::{ReadError, Statement, dispatch};

/// PREPARE name [(types)] AS statement
#[derive(Debug, Clone)]
pub struct Prepare {
    /// The statement's name.
    pub name: String,
    /// Parameter types as written.
    pub types: Vec<ast::DataType>,
    /// What is prepared.
    pub statement: Statement,
}

/// EXECUTE name [(arguments)]
#[derive(Debug, Clone)]
pub struct ExecutePrepared {
    /// The statement's name.
    pub name: String,
    /// One expression per parameter.
    pub arguments: Vec<ast::Expr>,
}

pub(super) fn parse_prepare(parser: &mut Parser) -> Result<Statement, ReadError> {
    expect(parser, "prepare")?;
    let statement_name = name(parser)?;
    let mut types = Vec::new();
    if parser.consume_token(&Token::LParen) {
        loop {
            types.push(parser.parse_data_type()?);
            if !parser.consume_token(&Token::Comma) {
                break;
            }
        }
        parser.expect_token(&Token::RParen)?;
    }
    expect(parser, "as")?;
    let statement = dispatch(parser)?;
    Ok(Statement::Prepare(Box::new(Prepare {
        name: statement_name,
        types,
        statement,
    })))
}

pub(super) fn parse_execute(parser: &mut Parser) -> Result<Statement, ReadError> {
    expect(parser, "execute")?;
    let statement_name = name(parser)?;
    let mut arguments = Vec::new();
    if parser.consume_token(&Token::LParen) && !parser.consume_token(&Token::RParen) {
        loop {
            arguments.push(parser.parse_expr()?);
            if !parser.consume_token(&Token::Comma) {
                break;
            }
        }
        parser.expect_token(&Token::RParen)?;
    }
    Ok(Statement::Execute(ExecutePrepared {
        name: statement_name,
        arguments,
    }))
}

pub(super) fn parse_deallocate(parser: &mut Parser) -> Result<Statement, ReadError> {
    expect(parser, "deallocate")?;
    take(parser, "prepare");
    if take(parser, "all") {
        return Ok(Statement::Deallocate(None));
    }
    Ok(Statement::Deallocate(Some(name(parser)?)))
}
