//! How does `t VERSION AS OF 3` reach the planner?
//!
//! Neither PostgreSQL's dialect of sqlparser nor DataFusion's planner honours a version, and DataFusion
//! ignores one silently. So this pass over the tokens takes the clause out, moves it into the table's name
//! behind a separator that no user can type unnoticed, and gives the table its own name as alias. The binder
//! splits the name again with [`split_name`].

use datafusion::sql::sqlparser::ast::Ident;
use datafusion::sql::sqlparser::keywords::{Keyword, RESERVED_FOR_TABLE_ALIAS};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use crate::error::PgError;

/// ASCII unit separator: between the name, the kind and the value.
const SEPARATOR: char = '\u{1f}';

/// Which state of a table is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableAsOf {
    /// VERSION AS OF n
    Version(u64),
    /// TIMESTAMP AS OF '…'
    Timestamp(String),
}

/// The table's own name and the state it is asked in.
pub fn split_name(name: &str) -> (&str, Option<TableAsOf>) {
    let mut parts = name.splitn(3, SEPARATOR);
    let table = parts.next().unwrap_or(name);
    let as_of = match (parts.next(), parts.next()) {
        (Some("v"), Some(version)) => version.parse().ok().map(TableAsOf::Version),
        (Some("t"), Some(timestamp)) => Some(TableAsOf::Timestamp(timestamp.to_string())),
        _ => None,
    };
    (table, as_of)
}

/// Moves every `VERSION AS OF n` and `TIMESTAMP AS OF '…'` behind a table name into that name.
pub(super) fn rewrite(tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>, PgError> {
    let mut rewritten: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut index = 0;
    while index < tokens.len() {
        match clause_at(&tokens, index)? {
            Some((as_of, after)) if attach(&mut rewritten, &as_of, has_alias(&tokens, after)) => {
                index = after;
            }
            _ => {
                rewritten.push(tokens[index].clone());
                index += 1;
            }
        }
    }
    Ok(rewritten)
}

/// The clause that starts at `index` and the index behind it.
fn clause_at(
    tokens: &[TokenWithSpan],
    index: usize,
) -> Result<Option<(TableAsOf, usize)>, PgError> {
    let is_version = word_is(&tokens[index], "version");
    if !is_version && !word_is(&tokens[index], "timestamp") {
        return Ok(None);
    }
    let Some(as_index) = next_solid(tokens, index + 1).filter(|i| word_is(&tokens[*i], "as"))
    else {
        return Ok(None);
    };
    let Some(of_index) = next_solid(tokens, as_index + 1).filter(|i| word_is(&tokens[*i], "of"))
    else {
        return Ok(None);
    };
    let Some(value_index) = next_solid(tokens, of_index + 1) else {
        return Ok(None);
    };
    let as_of = match (&tokens[value_index].token, is_version) {
        (Token::Number(digits, _), true) => {
            TableAsOf::Version(digits.parse().map_err(|_| bad_version(digits))?)
        }
        (Token::SingleQuotedString(text), true) => {
            TableAsOf::Version(text.parse().map_err(|_| bad_version(text))?)
        }
        (Token::SingleQuotedString(text), false) => TableAsOf::Timestamp(text.clone()),
        (_, false) => {
            return Err(PgError::unsupported("TIMESTAMP AS OF takes a string")
                .with_hint("Write TIMESTAMP AS OF '2026-01-31 12:00:00'."));
        }
        _ => return Ok(None),
    };
    Ok(Some((as_of, value_index + 1)))
}

fn bad_version(text: &str) -> PgError {
    PgError::new(
        crate::sqlstate::INVALID_PARAMETER_VALUE,
        format!("\"{text}\" is not a table version"),
    )
    .with_hint("Versions are whole numbers from 0.")
}

/// Puts the clause into the last written word; false when no table name stands there.
fn attach(rewritten: &mut Vec<TokenWithSpan>, as_of: &TableAsOf, has_alias: bool) -> bool {
    let Some(position) = rewritten
        .iter()
        .rposition(|token| !matches!(token.token, Token::Whitespace(_)))
    else {
        return false;
    };
    let Token::Word(word) = &rewritten[position].token else {
        return false;
    };
    let own_name = match word.quote_style {
        Some(_) => word.value.clone(),
        None => word.value.to_lowercase(),
    };
    let marked = match as_of {
        TableAsOf::Version(version) => format!("{own_name}{SEPARATOR}v{SEPARATOR}{version}"),
        TableAsOf::Timestamp(text) => format!("{own_name}{SEPARATOR}t{SEPARATOR}{text}"),
    };
    let span = rewritten[position].span;
    rewritten[position] = TokenWithSpan::new(quoted(marked), span);
    if !has_alias {
        rewritten.push(TokenWithSpan::new(Token::make_keyword("AS"), span));
        rewritten.push(TokenWithSpan::new(quoted(own_name), span));
    }
    true
}

fn quoted(value: String) -> Token {
    Token::Word(Word {
        value,
        quote_style: Some('"'),
        keyword: Keyword::NoKeyword,
    })
}

fn has_alias(tokens: &[TokenWithSpan], after: usize) -> bool {
    match next_solid(tokens, after).map(|index| &tokens[index].token) {
        Some(Token::Word(word)) => {
            word.keyword == Keyword::AS || !RESERVED_FOR_TABLE_ALIAS.contains(&word.keyword)
        }
        _ => false,
    }
}

fn next_solid(tokens: &[TokenWithSpan], from: usize) -> Option<usize> {
    (from..tokens.len()).find(|index| !matches!(tokens[*index].token, Token::Whitespace(_)))
}

fn word_is(token: &TokenWithSpan, expected: &str) -> bool {
    matches!(&token.token, Token::Word(word)
        if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(expected))
}

/// The identifier without its time travel, for messages.
pub fn plain_ident(ident: &Ident) -> &str {
    split_name(&ident.value).0
}
