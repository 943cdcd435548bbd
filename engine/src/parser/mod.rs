//! What did the client ask for?
//!
//! The text is tokenised once, with spans; the leading words of each statement choose its parser. Our own
//! statements have a file each, everything else goes to sqlparser. A parsed statement is never printed to be
//! parsed again; the original text stays beside it for logs and for `ml.versions`.

mod alter_role;
mod backup;
mod copy;
mod create_model;
mod create_table;
mod cursor;
mod insert;
mod model_statements;
mod place;
mod prepared;
mod reader;
mod sequence;
mod set_schema;
mod settings;
pub mod time_travel;
mod transaction;

use std::sync::Arc;

use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{
    Location, Token, TokenWithSpan, Tokenizer, TokenizerError,
};

use crate::error::PgError;

pub use alter_role::{AlterRole, RoleChange};
pub use copy::{Copy, CopyDirection, CopyFormat, CopyOptions, CopySource};
pub use create_model::{CreateModel, Learner, OptionValue};
pub use create_table::{CreateTableAt, CreateTableLike, LikeClause};
pub use cursor::{DeclareCursor, Fetch, FetchDirection};
pub use insert::Overriding;
pub use model_statements::DropModel;
pub use prepared::{ExecutePrepared, Prepare};
pub use sequence::{AlterSequence, CreateSequence, SequenceAction, SequenceClauses};
pub use set_schema::SetSchema;
pub use settings::{SetScope, SetVariable};
pub use transaction::{Begin, TransactionStatement};

/// The dialect of everything that is read.
const DIALECT: PostgreSqlDialect = PostgreSqlDialect {};

/// One statement of a string.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// What it says.
    pub statement: Statement,
    /// Its own text, without the semicolon.
    pub text: String,
    /// The whole string that it stood in, which positions count in.
    pub source: Arc<str>,
    /// Where its text begins in that string, in bytes.
    pub start: usize,
}

impl Parsed {
    /// Turns what an error says of its place into an offset.
    pub fn locate(&self, error: PgError) -> PgError {
        place::locate(self, error)
    }
}

/// Every statement that the server knows.
#[derive(Debug, Clone)]
pub enum Statement {
    /// Queries, DML and DDL in sqlparser's words.
    Sql(Box<ast::Statement>),
    /// INSERT with OVERRIDING
    InsertOverriding(Box<ast::Statement>, Overriding),
    /// ALTER … SET SCHEMA
    SetSchema(SetSchema),
    /// CREATE SEQUENCE
    CreateSequence(Box<CreateSequence>),
    /// ALTER SEQUENCE
    AlterSequence(Box<AlterSequence>),
    /// CREATE TABLE … LOCATION '…' over an existing Delta table.
    CreateTableAt(CreateTableAt),
    /// CREATE TABLE (LIKE …)
    CreateTableLike(Box<CreateTableLike>),
    /// CREATE MODEL
    CreateModel(Box<CreateModel>),
    /// EXPLAIN CREATE MODEL and other EXPLAINs that need the inner statement as ours.
    DropModel(DropModel),
    /// DESCRIBE MODEL name
    DescribeModel(ast::ObjectName),
    /// DESCRIBE name
    DescribeTable(ast::ObjectName),
    /// SHOW MODELS [LIKE pattern]
    ShowModels(Option<String>),
    /// BACKUP TO: the folder.
    Backup(String),
    /// COPY
    Copy(Box<Copy>),
    /// SET
    Set(SetVariable),
    /// ALTER ROLE … SET and RESET
    AlterRole(AlterRole),
    /// SHOW name; None is ALL.
    Show(Option<String>),
    /// RESET name; None is ALL.
    Reset(Option<String>),
    /// BEGIN, COMMIT, ROLLBACK, SAVEPOINT …
    Transaction(TransactionStatement),
    /// PREPARE
    Prepare(Box<Prepare>),
    /// EXECUTE
    Execute(ExecutePrepared),
    /// DEALLOCATE name; None is ALL.
    Deallocate(Option<String>),
    /// DISCARD ALL | PLANS | SEQUENCES | TEMP
    Discard(String),
    /// DECLARE … CURSOR FOR
    Declare(Box<DeclareCursor>),
    /// FETCH and MOVE
    Fetch(Fetch),
    /// CLOSE name; None is ALL.
    CloseCursor(Option<String>),
    /// LISTEN, UNLISTEN: the channel, None is all.
    Unlisten(Option<String>),
}

impl Statement {
    /// May it run inside a failed transaction block?
    pub fn ends_transaction(&self) -> bool {
        matches!(
            self,
            Statement::Transaction(
                TransactionStatement::Commit { .. }
                    | TransactionStatement::Rollback { .. }
                    | TransactionStatement::RollbackTo(_)
            )
        )
    }
}

/// Splits a string into statements and parses each. Empty statements vanish.
pub fn parse(sql: &str) -> Result<Vec<Parsed>, PgError> {
    let tokens = tokenize(sql)?;
    let mut statements = Vec::new();
    let source: Arc<str> = Arc::from(sql);
    for piece in split(sql, tokens) {
        statements.push(parse_piece(sql, piece, &source)?);
    }
    Ok(statements)
}

/// Parses one scalar expression, such as a stored column default.
pub fn parse_expression(sql: &str) -> Result<ast::Expr, PgError> {
    let mut parser = Parser::new(&DIALECT).with_tokens_with_locations(tokenize(sql)?);
    let expression = parser
        .parse_expr()
        .map_err(|e| syntax_error(sql, e, &parser))?;
    expect_end(sql, &mut parser)?;
    Ok(expression)
}

/// Parses one query, such as a stored view body.
pub fn parse_query(sql: &str) -> Result<ast::Query, PgError> {
    let mut parser = Parser::new(&DIALECT).with_tokens_with_locations(tokenize(sql)?);
    let query = parser
        .parse_query()
        .map_err(|e| syntax_error(sql, e, &parser))?;
    expect_end(sql, &mut parser)?;
    Ok(*query)
}

/// The text from a location on, without a closing semicolon.
pub fn text_from(sql: &str, start: Location) -> Option<String> {
    if start.line == 0 {
        return None;
    }
    sql.get(byte_position(sql, start)..)
        .map(|text| text.trim().trim_end_matches(';').trim_end().to_string())
}

struct Piece {
    tokens: Vec<TokenWithSpan>,
    text: String,
    start: usize,
}

fn tokenize(sql: &str) -> Result<Vec<TokenWithSpan>, PgError> {
    tokens_of(sql)
        .map_err(|error| unreadable(sql, error))
        .and_then(time_travel::rewrite)
}

/// The tokens of a statement's text, as they were written.
fn tokens_of(sql: &str) -> Result<Vec<TokenWithSpan>, TokenizerError> {
    Tokenizer::new(&DIALECT, sql).tokenize_with_location()
}

fn split(sql: &str, tokens: Vec<TokenWithSpan>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut current: Vec<TokenWithSpan> = Vec::new();
    for token in tokens {
        if token.token == Token::SemiColon {
            push_piece(sql, std::mem::take(&mut current), &mut pieces);
        } else if token.token != Token::EOF {
            current.push(token);
        }
    }
    push_piece(sql, current, &mut pieces);
    pieces
}

fn push_piece(sql: &str, tokens: Vec<TokenWithSpan>, pieces: &mut Vec<Piece>) {
    let mut solid = tokens
        .iter()
        .filter(|token| !matches!(token.token, Token::Whitespace(_)));
    let Some(first) = solid.next() else { return };
    let last = solid.next_back().unwrap_or(first);
    let start = byte_position(sql, first.span.start);
    let end = byte_position(sql, last.span.end).max(start);
    let text = sql.get(start..end).unwrap_or(sql).trim().to_string();
    pieces.push(Piece {
        tokens,
        text,
        start,
    });
}

fn parse_piece(sql: &str, piece: Piece, source: &Arc<str>) -> Result<Parsed, PgError> {
    let mut parser = Parser::new(&DIALECT).with_tokens_with_locations(piece.tokens);
    let statement = dispatch(&mut parser).map_err(|error| match error {
        ReadError::Parser(inner) => syntax_error(sql, inner, &parser),
        ReadError::Said(said) => said,
    })?;
    expect_end(sql, &mut parser)?;
    Ok(Parsed {
        statement,
        text: piece.text,
        source: Arc::clone(source),
        start: piece.start,
    })
}

/// What a statement's own parser may answer: sqlparser's complaint or our own error.
#[derive(Debug)]
pub(crate) enum ReadError {
    Parser(ParserError),
    Said(PgError),
}

impl From<ParserError> for ReadError {
    fn from(error: ParserError) -> Self {
        ReadError::Parser(error)
    }
}

impl From<PgError> for ReadError {
    fn from(error: PgError) -> Self {
        ReadError::Said(error)
    }
}

/// The one place that looks at leading words.
fn dispatch(parser: &mut Parser) -> Result<Statement, ReadError> {
    let words = reader::leading_words(parser, 5);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["create", "model", ..] | ["create", "or", "replace", "model", ..] => {
            create_model::parse(parser)
        }
        ["create", "table", ..]
        | ["create", "external" | "temp" | "temporary", "table", ..]
        | ["create", "or", "replace", "table", ..] => create_table::parse(parser),
        ["insert", ..] => insert::parse(parser),
        ["alter", "role" | "user", ..] => alter_role::parse(parser),
        ["alter", "table" | "view" | "sequence", ..] => set_schema::parse(parser),
        ["create", "sequence", ..] | ["create", "temp" | "temporary", "sequence", ..] => {
            sequence::parse_create(parser)
        }
        ["drop", "model", ..] => model_statements::parse_drop(parser),
        ["describe" | "desc", "model", ..] => model_statements::parse_describe(parser),
        ["describe" | "desc", ..] => model_statements::parse_describe_table(parser),
        ["show", "models", ..] => model_statements::parse_show(parser),
        ["backup", ..] => backup::parse(parser),
        ["copy", ..] => copy::parse(parser),
        ["set", ..] => settings::parse_set(parser),
        ["show", ..] => settings::parse_show(parser),
        ["reset", ..] => settings::parse_reset(parser),
        ["discard", ..] => settings::parse_discard(parser),
        [
            "begin" | "start" | "commit" | "end" | "rollback" | "abort" | "savepoint" | "release",
            ..,
        ] => transaction::parse(parser),
        ["prepare", ..] => prepared::parse_prepare(parser),
        ["execute", ..] => prepared::parse_execute(parser),
        ["deallocate", ..] => prepared::parse_deallocate(parser),
        ["declare", ..] => cursor::parse_declare(parser),
        ["fetch" | "move", ..] => cursor::parse_fetch(parser),
        ["close", ..] => cursor::parse_close(parser),
        ["unlisten", ..] => cursor::parse_unlisten(parser),
        _ => Ok(Statement::Sql(Box::new(parser.parse_statement()?))),
    }
}

fn expect_end(sql: &str, parser: &mut Parser) -> Result<(), PgError> {
    let next = parser.peek_token();
    if next.token == Token::EOF {
        return Ok(());
    }
    Err(near(&next.token).with_position(char_position(sql, next.span.start)))
}

fn near(token: &Token) -> PgError {
    match token {
        Token::EOF => PgError::syntax("syntax error at end of input"),
        other => PgError::syntax(format!("syntax error at or near \"{other}\"")),
    }
}

/// A text, a name or a comment that does not end, or a character that starts nothing.
fn unreadable(sql: &str, error: TokenizerError) -> PgError {
    let TokenizerError { message, location } = error;
    let at = byte_position(sql, location);
    let rest = |from: usize| sql.get(from..).unwrap_or_default();
    let opened = |mark: &str| sql.get(..at).and_then(|before| before.rfind(mark));
    let (what, from) = if message.contains("multi-line comment") {
        ("/* comment", sql.find("/*").unwrap_or(at))
    } else if message.contains("dollar-quoted") {
        (
            "dollar-quoted string",
            opened("$")
                .and_then(|end| sql[..end].rfind('$'))
                .unwrap_or(at),
        )
    } else if message.contains("close delimiter") {
        ("quoted identifier", at)
    } else if message.contains("nterminated") {
        ("quoted string", at)
    } else {
        return PgError::syntax(format!("syntax error: {message}"))
            .with_position(char_position(sql, location));
    };
    let position = sql.get(..from).map_or(0, |before| before.chars().count()) + 1;
    PgError::syntax(format!("unterminated {what} at or near \"{}\"", rest(from)))
        .with_position(position)
}

/// sqlparser's message names what it expected; the place is the token it stopped at.
fn syntax_error(sql: &str, error: ParserError, parser: &Parser) -> PgError {
    let text = match error {
        ParserError::ParserError(text) | ParserError::TokenizerError(text) => text,
        ParserError::RecursionLimitExceeded => {
            return PgError::from(ParserError::RecursionLimitExceeded);
        }
    };
    let (message, location) = split_location(&text);
    let failure = match message
        .split_once("found: ")
        .map(|(expected, found)| (expected.trim_end_matches(", "), found.trim()))
    {
        Some((_, "EOF")) => PgError::syntax("syntax error at end of input"),
        Some((expected, found)) => PgError::syntax(format!("syntax error at or near \"{found}\""))
            .with_detail(expected.trim().to_string()),
        None => PgError::syntax(format!("syntax error: {message}")),
    };
    let place = location.unwrap_or_else(|| parser.peek_token_ref().span.start);
    failure.with_position(char_position(sql, place))
}

/// sqlparser appends " at Line: 1, Column: 8" to most messages.
fn split_location(text: &str) -> (&str, Option<Location>) {
    let Some((message, place)) = text.rsplit_once(" at Line: ") else {
        return (text, None);
    };
    let Some((line, column)) = place.split_once(", Column: ") else {
        return (text, None);
    };
    match (line.trim().parse(), column.trim().parse()) {
        (Ok(line), Ok(column)) => (message, Some(Location { line, column })),
        _ => (text, None),
    }
}

/// 1-based character offset of a location; the end of the text for an empty location.
fn char_position(sql: &str, location: Location) -> usize {
    let byte = byte_position(sql, location);
    sql.get(..byte).map_or(0, |before| before.chars().count()) + 1
}

/// Byte offset of a 1-based line and column (columns count characters).
fn byte_position(sql: &str, location: Location) -> usize {
    if location.line == 0 {
        return sql.len();
    }
    let mut line = 1;
    let mut column = 1;
    for (offset, character) in sql.char_indices() {
        if line == location.line && column == location.column {
            return offset;
        }
        if character == '\n' {
            line += 1;
            column = 1;
        } else {
            column += 1;
        }
    }
    sql.len()
}

/// Does the next token start a query?
pub(crate) fn starts_query(parser: &Parser) -> bool {
    match &parser.peek_token_ref().token {
        Token::LParen => true,
        Token::Word(word) => matches!(
            word.keyword,
            Keyword::SELECT | Keyword::WITH | Keyword::VALUES | Keyword::TABLE | Keyword::FROM
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
