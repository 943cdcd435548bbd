//! How does DROP remove objects?
//!
//! RESTRICT is the default: what others stand on stays.

use datafusion::sql::sqlparser::ast;
use tarn_catalog::error::{CatalogError, ObjectKind};
use tarn_catalog::state::{DropBehavior, Op};

use crate::error::PgError;
use crate::plan::names::{QualifiedName, missing_schema, qualified};
use crate::session::Session;
use crate::session::notice::Notice;
use crate::session::outcome::Outcome;

/// DROP TABLE | VIEW | SCHEMA | SEQUENCE
pub fn run(session: &mut Session, statement: &ast::Statement) -> Result<Outcome, PgError> {
    let ast::Statement::Drop {
        object_type,
        if_exists,
        names,
        cascade,
        ..
    } = statement
    else {
        return Err(PgError::syntax("not a DROP"));
    };
    let (kind, tag) = match object_type {
        ast::ObjectType::Table => (ObjectKind::Table, "DROP TABLE"),
        ast::ObjectType::View => (ObjectKind::View, "DROP VIEW"),
        ast::ObjectType::Sequence => (ObjectKind::Sequence, "DROP SEQUENCE"),
        ast::ObjectType::Schema => (ObjectKind::Schema, "DROP SCHEMA"),
        other => {
            return Err(PgError::unsupported(format!(
                "DROP {other} is not supported"
            )));
        }
    };
    session.check_writable(tag)?;
    let behavior = if *cascade {
        DropBehavior::Cascade
    } else {
        DropBehavior::Restrict
    };
    for name in names {
        let written = qualified(name)?;
        let dropped = match kind {
            ObjectKind::Schema => drop_schema(session, &written, behavior)?,
            _ => drop_relation(session, kind, &written, behavior)?,
        };
        if !dropped {
            missing(session, kind, &written, *if_exists)?;
        }
    }
    Ok(Outcome::Command(tag.to_string()))
}

fn drop_schema(
    session: &mut Session,
    name: &QualifiedName,
    behavior: DropBehavior,
) -> Result<bool, PgError> {
    let Some(schema) = session.catalog_state().schema(&name.name).cloned() else {
        return Ok(false);
    };
    session.transaction()?.apply(Op::DropSchema {
        name: schema.name.clone(),
        oid: schema.oid,
        behavior,
    })?;
    Ok(true)
}

fn drop_relation(
    session: &mut Session,
    kind: ObjectKind,
    name: &QualifiedName,
    behavior: DropBehavior,
) -> Result<bool, PgError> {
    let names = session.names();
    let Some(relation) = names.find_relation(name) else {
        names.refuse_system(name)?;
        return Ok(false);
    };
    if relation.object_kind() != kind {
        return Err(CatalogError::WrongKind {
            expected: kind,
            found: relation.object_kind(),
            name: relation.name.clone(),
        }
        .into());
    }
    session.transaction()?.apply(Op::DropRelation {
        target: relation.reference(),
        behavior,
    })?;
    Ok(true)
}

fn missing(
    session: &Session,
    kind: ObjectKind,
    name: &QualifiedName,
    if_exists: bool,
) -> Result<(), PgError> {
    if if_exists {
        let message = format!("{kind} \"{}\" does not exist, skipping", name.name);
        session.notify(Notice::plain(message));
        return Ok(());
    }
    Err(match kind {
        ObjectKind::Schema => missing_schema(&name.name),
        _ => CatalogError::DoesNotExist {
            kind,
            name: name.name.clone(),
        }
        .into(),
    })
}
