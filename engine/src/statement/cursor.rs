//! How do DECLARE, FETCH, MOVE and CLOSE work?

use std::sync::Arc;

use super::query;
use crate::error::PgError;
use crate::parser::{DeclareCursor, Fetch, FetchDirection};
use crate::session::cursor::Cursor;
use crate::session::outcome::{Outcome, Rows, RowsTag};
use crate::session::prepared::Parameters;
use crate::session::{Block, Session};
use crate::sqlstate;

/// DECLARE name CURSOR [WITH HOLD] FOR query
pub async fn declare(
    session: &mut Session,
    declare: &DeclareCursor,
    parameters: &Parameters,
) -> Result<Outcome, PgError> {
    if session.block() == Block::Idle && !declare.hold {
        return Err(PgError::new(
            sqlstate::NO_ACTIVE_SQL_TRANSACTION,
            "DECLARE CURSOR can only be used in transaction blocks",
        ));
    }
    if declare.binary {
        return Err(PgError::unsupported("BINARY cursors are not supported")
            .with_hint("Ask for binary results in the extended protocol."));
    }
    if session.cursors.contains_key(&declare.name) {
        return Err(PgError::new(
            sqlstate::DUPLICATE_CURSOR,
            format!("cursor \"{}\" already exists", declare.name),
        ));
    }
    let rows = query::rows(session, &declare.query, parameters).await?;
    session
        .cursors
        .insert(declare.name.clone(), Cursor::new(rows, declare.hold));
    Ok(Outcome::Command("DECLARE CURSOR".to_string()))
}

/// The cursor of a name, or 34000.
pub fn find<'s>(session: &'s Session, name: &str) -> Result<&'s Cursor, PgError> {
    session.cursors.get(name).ok_or_else(|| missing(name))
}

fn missing(name: &str) -> PgError {
    PgError::new(
        sqlstate::INVALID_CURSOR_NAME,
        format!("cursor \"{name}\" does not exist"),
    )
}

/// FETCH and MOVE
pub async fn fetch(session: &mut Session, fetch: &Fetch) -> Result<Outcome, PgError> {
    let cursor = session
        .cursors
        .get_mut(&fetch.name)
        .ok_or_else(|| missing(&fetch.name))?;
    let rows_max = match fetch.direction {
        FetchDirection::Forward(count) => count,
        FetchDirection::All => u64::MAX,
    };
    let batches = cursor.fetch(rows_max).await?;
    if fetch.is_move {
        let moved: usize = batches.iter().map(|batch| batch.num_rows()).sum();
        return Ok(Outcome::Command(format!("MOVE {moved}")));
    }
    let schema = Arc::clone(&cursor.schema);
    Ok(Outcome::Rows(Rows::of(
        batches,
        schema,
        RowsTag::Counted("FETCH"),
    )))
}

/// CLOSE name | ALL
pub fn close(session: &mut Session, name: Option<&str>) -> Result<Outcome, PgError> {
    match name {
        Some(name) => {
            session.cursors.remove(name).ok_or_else(|| missing(name))?;
            Ok(Outcome::Command("CLOSE CURSOR".to_string()))
        }
        None => {
            session.cursors.clear();
            Ok(Outcome::Command("CLOSE CURSOR ALL".to_string()))
        }
    }
}
