//! How is COPY read?
//!
//! sqlparser swallows everything behind `COPY … FROM STDIN;` as data and does not know `WITH (CREATE)`, so
//! COPY has its own parser: `COPY { table [(columns)] | (query) } { FROM | TO } { STDIN | STDOUT | 'file' }
//! [[WITH] (option [value], …) | old-style options]`.

use datafusion::sql::sqlparser::ast::{ObjectName, Query};
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::reader::{expect, name, names_in_parentheses, next_is, take, text, unexpected};
use super::{ReadError, Statement, starts_query};
use crate::error::PgError;

/// What is copied.
#[derive(Debug, Clone)]
pub enum CopySource {
    /// A table, all columns when the list is empty.
    Table(ObjectName, Vec<String>),
    /// A query (TO only).
    Query(Box<Query>),
}

/// Which way, and which file when it is not the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyDirection {
    /// FROM STDIN
    FromClient,
    /// TO STDOUT
    ToClient,
    /// FROM 'file'
    FromFile(String),
    /// TO 'file'
    ToFile(String),
}

/// The wire form of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CopyFormat {
    /// Tab-separated with backslash escapes.
    #[default]
    Text,
    /// Comma-separated values.
    Csv,
    /// PGCOPY
    Binary,
}

/// Options as written; None where not said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CopyOptions {
    /// FORMAT
    pub format: CopyFormat,
    /// DELIMITER
    pub delimiter: Option<String>,
    /// NULL
    pub null: Option<String>,
    /// HEADER
    pub header: bool,
    /// HEADER MATCH
    pub header_match: bool,
    /// QUOTE
    pub quote: Option<String>,
    /// ESCAPE
    pub escape: Option<String>,
    /// FORCE_QUOTE: all columns when the list is empty.
    pub force_quote: Option<Vec<String>>,
    /// FORCE_NOT_NULL
    pub force_not_null: Vec<String>,
    /// FORCE_NULL
    pub force_null: Vec<String>,
    /// CREATE: make the table, types inferred from the data.
    pub create: bool,
}

/// COPY
#[derive(Debug, Clone)]
pub struct Copy {
    /// What.
    pub source: CopySource,
    /// Which way.
    pub direction: CopyDirection,
    /// How.
    pub options: CopyOptions,
}

pub(super) fn parse(parser: &mut Parser) -> Result<Statement, ReadError> {
    expect(parser, "copy")?;
    let source = source(parser)?;
    let direction = direction(parser)?;
    let options = options(parser)?;
    let inward = matches!(
        direction,
        CopyDirection::FromClient | CopyDirection::FromFile(_)
    );
    if inward && matches!(source, CopySource::Query(_)) {
        return Err(
            PgError::syntax("COPY from a query is not possible: a query only goes TO").into(),
        );
    }
    if options.create && !inward {
        return Err(PgError::syntax("COPY option CREATE goes with FROM only").into());
    }
    Ok(Statement::Copy(Box::new(Copy {
        source,
        direction,
        options,
    })))
}

fn source(parser: &mut Parser) -> Result<CopySource, ReadError> {
    if parser.consume_token(&Token::LParen) {
        if !starts_query(parser) {
            return Err(unexpected(parser, "Expected: a query"));
        }
        let query = parser.parse_query()?;
        parser.expect_token(&Token::RParen)?;
        return Ok(CopySource::Query(query));
    }
    let table = parser.parse_object_name(false)?;
    let columns = if parser.peek_token_ref().token == Token::LParen {
        names_in_parentheses(parser)?
    } else {
        Vec::new()
    };
    Ok(CopySource::Table(table, columns))
}

fn direction(parser: &mut Parser) -> Result<CopyDirection, ReadError> {
    if take(parser, "from") {
        if take(parser, "stdin") {
            return Ok(CopyDirection::FromClient);
        }
        refuse_program(parser)?;
        return Ok(CopyDirection::FromFile(text(parser)?));
    }
    expect(parser, "to")?;
    if take(parser, "stdout") {
        return Ok(CopyDirection::ToClient);
    }
    refuse_program(parser)?;
    Ok(CopyDirection::ToFile(text(parser)?))
}

fn refuse_program(parser: &Parser) -> Result<(), ReadError> {
    if next_is(parser, "program") {
        return Err(PgError::unsupported("COPY PROGRAM is not supported")
            .with_hint("Use psql's \\copy with a pipe.")
            .into());
    }
    Ok(())
}

fn options(parser: &mut Parser) -> Result<CopyOptions, ReadError> {
    let mut options = CopyOptions::default();
    take(parser, "with");
    if parser.consume_token(&Token::LParen) {
        loop {
            option(parser, &mut options)?;
            if !parser.consume_token(&Token::Comma) {
                break;
            }
        }
        parser.expect_token(&Token::RParen)?;
    } else {
        while old_option(parser, &mut options)? {}
    }
    Ok(options)
}

fn option(parser: &mut Parser, options: &mut CopyOptions) -> Result<(), ReadError> {
    let option_name = name(parser)?.to_lowercase();
    match option_name.as_str() {
        "format" => options.format = format(parser)?,
        "delimiter" => options.delimiter = Some(text(parser)?),
        "null" => options.null = Some(text(parser)?),
        "quote" => options.quote = Some(text(parser)?),
        "escape" => options.escape = Some(text(parser)?),
        "encoding" => encoding(&text(parser)?)?,
        "header" if take(parser, "match") => {
            options.header = true;
            options.header_match = true;
        }
        "header" => options.header = boolean(parser)?,
        "freeze" => {
            boolean(parser)?;
        }
        "create" => options.create = boolean(parser)?,
        "force_quote" if parser.consume_token(&Token::Mul) => {
            options.force_quote = Some(Vec::new())
        }
        "force_quote" => options.force_quote = Some(names_in_parentheses(parser)?),
        "force_not_null" => options.force_not_null = names_in_parentheses(parser)?,
        "force_null" => options.force_null = names_in_parentheses(parser)?,
        _ => {
            return Err(PgError::syntax(format!("option \"{option_name}\" not recognized")).into());
        }
    }
    Ok(())
}

fn old_option(parser: &mut Parser, options: &mut CopyOptions) -> Result<bool, ReadError> {
    if take(parser, "csv") {
        options.format = CopyFormat::Csv;
    } else if take(parser, "binary") {
        options.format = CopyFormat::Binary;
    } else if take(parser, "header") {
        options.header = true;
    } else if take(parser, "delimiter") {
        take(parser, "as");
        options.delimiter = Some(text(parser)?);
    } else if take(parser, "null") {
        take(parser, "as");
        options.null = Some(text(parser)?);
    } else if take(parser, "quote") {
        take(parser, "as");
        options.quote = Some(text(parser)?);
    } else if take(parser, "escape") {
        take(parser, "as");
        options.escape = Some(text(parser)?);
    } else if take(parser, "encoding") {
        encoding(&text(parser)?)?;
    } else {
        return Ok(false);
    }
    Ok(true)
}

fn format(parser: &mut Parser) -> Result<CopyFormat, ReadError> {
    let word = match text(parser) {
        Ok(quoted) => quoted,
        Err(_) => name(parser)?,
    };
    match word.to_lowercase().as_str() {
        "text" => Ok(CopyFormat::Text),
        "csv" => Ok(CopyFormat::Csv),
        "binary" => Ok(CopyFormat::Binary),
        _ => Err(PgError::new(
            crate::sqlstate::INVALID_PARAMETER_VALUE,
            format!("COPY format \"{word}\" not recognized"),
        )
        .with_hint("Formats are text, csv and binary.")
        .into()),
    }
}

fn encoding(spelling: &str) -> Result<(), ReadError> {
    if ["utf8", "utf-8", "unicode"].contains(&spelling.to_lowercase().as_str()) {
        return Ok(());
    }
    Err(PgError::new(
        crate::sqlstate::INVALID_PARAMETER_VALUE,
        format!("encoding \"{spelling}\" is not supported"),
    )
    .with_hint("Send UTF-8.")
    .into())
}

/// A boolean option may stand alone, which means true.
fn boolean(parser: &mut Parser) -> Result<bool, ReadError> {
    if matches!(parser.peek_token_ref().token, Token::Comma | Token::RParen) {
        return Ok(true);
    }
    let word = match parser.peek_token_ref().token.clone() {
        Token::Number(digits, _) => {
            parser.next_token();
            digits
        }
        Token::SingleQuotedString(_) => text(parser)?,
        _ => name(parser)?,
    };
    match word.to_lowercase().as_str() {
        "true" | "on" | "1" => Ok(true),
        "false" | "off" | "0" => Ok(false),
        _ => Err(PgError::syntax(format!("\"{word}\" is not a boolean value")).into()),
    }
}
