//! How does CREATE SCHEMA work?

use datafusion::sql::sqlparser::ast::SchemaName;
use tarn_catalog::error::{CatalogError, ObjectKind};
use tarn_catalog::state::{Op, Schema};

use crate::error::PgError;
use crate::plan::names::{fold, qualified};
use crate::session::Session;
use crate::session::notice::Notice;
use crate::session::outcome::Outcome;
use crate::sqlstate;

/// CREATE SCHEMA [IF NOT EXISTS] name
pub fn create(
    session: &mut Session,
    name: &SchemaName,
    if_not_exists: bool,
) -> Result<Outcome, PgError> {
    session.check_writable("CREATE SCHEMA")?;
    let name = match name {
        SchemaName::Simple(name) | SchemaName::NamedAuthorization(name, _) => qualified(name)?.name,
        SchemaName::UnnamedAuthorization(role) => fold(role),
    };
    if name.starts_with("pg_") {
        let kind = ObjectKind::Schema;
        return Err(CatalogError::ReservedName { kind, name }.into());
    }
    let done = Outcome::Command("CREATE SCHEMA".to_string());
    let state = session.catalog_state();
    if state.schema(&name).is_some() {
        if if_not_exists {
            session.notify(exists_notice(ObjectKind::Schema, &name));
            return Ok(done);
        }
        let kind = ObjectKind::Schema;
        return Err(CatalogError::AlreadyExists { kind, name }.into());
    }
    let schema = Schema {
        oid: session.engine.catalog.allocate_oid()?,
        name,
        owner: session.user.clone(),
        comment: None,
    };
    session.transaction()?.apply(Op::CreateSchema { schema })?;
    Ok(done)
}

/// `… already exists, skipping`
pub fn exists_notice(kind: ObjectKind, name: &str) -> Notice {
    Notice {
        code: match kind {
            ObjectKind::Schema => sqlstate::DUPLICATE_SCHEMA,
            ObjectKind::Model => sqlstate::DUPLICATE_OBJECT,
            _ => sqlstate::DUPLICATE_TABLE,
        },
        ..Notice::plain(format!("{kind} \"{name}\" already exists, skipping"))
    }
}
