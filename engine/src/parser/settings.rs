//! How are SET, SHOW, RESET and DISCARD read?

use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::reader::{expect, name, next_is, take, take_all, unexpected};
use super::{ReadError, Statement};

/// How long a SET lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetScope {
    /// Until the session ends.
    Session,
    /// Until the transaction ends.
    Local,
}

/// SET name = value
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetVariable {
    /// SESSION or LOCAL
    pub scope: SetScope,
    /// The setting, folded.
    pub name: String,
    /// Its value; None is DEFAULT.
    pub value: Option<String>,
}

pub(super) fn parse_set(parser: &mut Parser) -> Result<Statement, ReadError> {
    expect(parser, "set")?;
    if take_all(parser, &["session", "characteristics", "as", "transaction"]) {
        return transaction_modes(parser, "default_transaction_");
    }
    if take(parser, "transaction") {
        return transaction_modes(parser, "transaction_");
    }
    let scope = if take(parser, "local") {
        SetScope::Local
    } else {
        take(parser, "session");
        SetScope::Session
    };
    let (name, value) = assignment(parser)?;
    Ok(set(scope, &name, value))
}

/// What stands behind SET and its scope: a name and a value; None is DEFAULT.
pub(super) fn assignment(parser: &mut Parser) -> Result<(String, Option<String>), ReadError> {
    if take_all(parser, &["time", "zone"]) {
        let value = values(parser)?;
        let value = value.filter(|zone| !zone.eq_ignore_ascii_case("local"));
        return Ok(("timezone".to_string(), value));
    }
    if take(parser, "names") {
        return Ok(("client_encoding".to_string(), values(parser)?));
    }
    if take_all(parser, &["session", "authorization"]) || take(parser, "authorization") {
        return Ok(("session_authorization".to_string(), values(parser)?));
    }
    let setting = setting_name(parser)?;
    if setting == "role" && parser.peek_token_ref().token != Token::Eq && !next_is(parser, "to") {
        return Ok((setting, values(parser)?));
    }
    if !parser.consume_token(&Token::Eq) && !take(parser, "to") {
        return Err(unexpected(parser, "Expected: TO or ="));
    }
    Ok((setting, values(parser)?))
}

fn set(scope: SetScope, setting: &str, value: Option<String>) -> Statement {
    Statement::Set(SetVariable {
        scope,
        name: setting.to_string(),
        value,
    })
}

/// `ISOLATION LEVEL x`, `READ ONLY`, `READ WRITE`, `[NOT] DEFERRABLE`; the last mode given is set.
fn transaction_modes(parser: &mut Parser, prefix: &str) -> Result<Statement, ReadError> {
    let scope = if prefix.starts_with("default") {
        SetScope::Session
    } else {
        SetScope::Local
    };
    let modes = super::transaction::modes(parser)?;
    if let Some(read_only) = modes.read_only {
        let value = if read_only { "on" } else { "off" };
        return Ok(set(
            scope,
            &format!("{prefix}read_only"),
            Some(value.to_string()),
        ));
    }
    match modes.isolation {
        Some(level) => Ok(set(scope, &format!("{prefix}isolation"), Some(level))),
        None => Ok(set(
            scope,
            &format!("{prefix}deferrable"),
            Some("off".to_string()),
        )),
    }
}

/// A setting's name, with dots: `ml.max_threads`.
fn setting_name(parser: &mut Parser) -> Result<String, ReadError> {
    let mut whole = name(parser)?.to_lowercase();
    while parser.consume_token(&Token::Period) {
        whole.push('.');
        whole.push_str(&name(parser)?.to_lowercase());
    }
    Ok(whole)
}

/// One value or a comma list, as text; None is DEFAULT.
fn values(parser: &mut Parser) -> Result<Option<String>, ReadError> {
    if next_is(parser, "default") {
        parser.next_token();
        return Ok(None);
    }
    let mut parts = vec![value(parser)?];
    while parser.consume_token(&Token::Comma) {
        parts.push(value(parser)?);
    }
    Ok(Some(parts.join(", ")))
}

fn value(parser: &mut Parser) -> Result<String, ReadError> {
    let sign = if parser.consume_token(&Token::Minus) {
        "-"
    } else {
        let _ = parser.consume_token(&Token::Plus);
        ""
    };
    let token = parser.next_token();
    match token.token {
        Token::Number(digits, _) => Ok(format!("{sign}{digits}")),
        Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) => Ok(text),
        Token::Word(word) if word.quote_style.is_some() => Ok(word.value),
        Token::Word(word) if word.value.eq_ignore_ascii_case("interval") => {
            super::reader::text(parser)
        }
        Token::Word(word) => Ok(word.value.to_lowercase()),
        _ => {
            parser.prev_token();
            Err(unexpected(parser, "Expected: a value"))
        }
    }
}

pub(super) fn parse_show(parser: &mut Parser) -> Result<Statement, ReadError> {
    expect(parser, "show")?;
    if take(parser, "all") {
        return Ok(Statement::Show(None));
    }
    if take_all(parser, &["time", "zone"]) {
        return Ok(Statement::Show(Some("timezone".to_string())));
    }
    if take_all(parser, &["transaction", "isolation", "level"]) {
        return Ok(Statement::Show(Some("transaction_isolation".to_string())));
    }
    if take_all(parser, &["session", "authorization"]) {
        return Ok(Statement::Show(Some("session_authorization".to_string())));
    }
    Ok(Statement::Show(Some(setting_name(parser)?)))
}

pub(super) fn parse_reset(parser: &mut Parser) -> Result<Statement, ReadError> {
    expect(parser, "reset")?;
    Ok(Statement::Reset(resettable(parser)?))
}

/// What stands behind RESET: a name; None is ALL.
pub(super) fn resettable(parser: &mut Parser) -> Result<Option<String>, ReadError> {
    if take(parser, "all") {
        return Ok(None);
    }
    if take_all(parser, &["time", "zone"]) {
        return Ok(Some("timezone".to_string()));
    }
    if take_all(parser, &["session", "authorization"]) {
        return Ok(Some("session_authorization".to_string()));
    }
    Ok(Some(setting_name(parser)?))
}

pub(super) fn parse_discard(parser: &mut Parser) -> Result<Statement, ReadError> {
    expect(parser, "discard")?;
    for what in ["all", "plans", "sequences", "temp", "temporary"] {
        if take(parser, what) {
            return Ok(Statement::Discard(what.to_string()));
        }
    }
    Err(unexpected(
        parser,
        "Expected: ALL, PLANS, SEQUENCES or TEMP",
    ))
}
