//! How do SET, SHOW, RESET and DISCARD work?

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::error::PgError;
use crate::parser::{SetScope, SetVariable};
use crate::session::notice::Notice;
use crate::session::outcome::{Outcome, Rows, RowsTag};
use crate::session::settings::{SETTINGS, find, unknown};
use crate::session::{Block, Session};

/// SET [SESSION | LOCAL] name = value
pub fn set(session: &mut Session, set: &SetVariable) -> Result<Outcome, PgError> {
    if set.scope == SetScope::Local {
        if session.block() == Block::Idle {
            session.notify(Notice::warning(
                crate::sqlstate::NO_ACTIVE_SQL_TRANSACTION,
                "SET LOCAL can only be used in transaction blocks",
            ));
        }
        session.keep_settings_for_transaction();
    }
    if set.scope == SetScope::Session {
        session.set_for_session(&set.name, set.value.as_deref())?;
    } else {
        match &set.value {
            Some(value) => {
                session.settings.set(&set.name, value)?;
            }
            None => session.settings.reset(&set.name)?,
        }
    }
    session.apply_settings();
    Ok(Outcome::Command("SET".to_string()))
}

/// The columns of SHOW.
pub fn columns(name: Option<&str>) -> SchemaRef {
    let names: Vec<String> = match name {
        None => ["name", "setting", "description"]
            .map(String::from)
            .to_vec(),
        Some(name) => vec![find(name).map_or_else(|| name.to_string(), |s| s.shown.to_string())],
    };
    let fields: Vec<Field> = names
        .into_iter()
        .map(|name| Field::new(name, DataType::Utf8, true))
        .collect();
    Arc::new(Schema::new(fields))
}

/// SHOW name | ALL
pub fn show(session: &Session, name: Option<&str>) -> Result<Outcome, PgError> {
    let Some(name) = name else {
        let rows: Vec<Vec<Option<String>>> = SETTINGS
            .iter()
            .map(|known| {
                vec![
                    Some(known.shown.to_string()),
                    Some(session.settings.shown(known.name).unwrap_or_default()),
                    Some(known.description.to_string()),
                ]
            })
            .collect();
        let names = ["name", "setting", "description"];
        return Ok(Outcome::Rows(Rows::texts(
            &names,
            &rows,
            RowsTag::Fixed("SHOW"),
        )?));
    };
    if session.settings.get(name).is_none() {
        return Err(unknown(name));
    }
    let shown = find(name).map_or(name, |known| known.shown);
    let value = session.settings.shown(name).unwrap_or_default();
    let rows = Rows::texts(&[shown], &[vec![Some(value)]], RowsTag::Fixed("SHOW"))?;
    Ok(Outcome::Rows(rows))
}

/// RESET name | ALL
pub fn reset(session: &mut Session, name: Option<&str>) -> Result<Outcome, PgError> {
    match name {
        Some(name) => session.settings.reset(name)?,
        None => session.settings.reset_all(),
    }
    session.apply_settings();
    Ok(Outcome::Command("RESET".to_string()))
}

/// DISCARD ALL | PLANS | SEQUENCES | TEMP
pub async fn discard(session: &mut Session, what: &str) -> Result<Outcome, PgError> {
    if what == "all" {
        if session.block() == Block::Open {
            return Err(PgError::new(
                crate::sqlstate::ACTIVE_SQL_TRANSACTION,
                "DISCARD ALL cannot run inside a transaction block",
            ));
        }
        session.settings.reset_all();
        session.prepared.clear();
        session.cursors.clear();
        session.apply_settings();
    }
    if ["all", "sequences"].contains(&what) {
        session.system.sequences.forget_values();
    }
    if ["all", "temp", "temporary"].contains(&what) {
        session.discard_temporary().await?;
    }
    Ok(Outcome::Command(format!("DISCARD {}", what.to_uppercase())))
}
