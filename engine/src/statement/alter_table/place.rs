//! How do relations get another name, another schema, another owner?

use datafusion::sql::sqlparser::ast;
use tarn_catalog::state::{Op, Relation, RelationKind};

use super::options_of;
use crate::error::PgError;
use crate::plan::names::{fold, missing_schema, system_schema_refused};
use crate::session::Session;
use crate::session::temporary::is_temporary;
use crate::sqlstate;
use crate::statement::table_definition::nextval_of;

/// RENAME TO name
pub(super) fn rename(
    session: &mut Session,
    relation: &Relation,
    name: &str,
) -> Result<(), PgError> {
    session.transaction()?.apply(Op::RenameRelation {
        target: relation.reference(),
        schema: relation.schema.clone(),
        name: name.to_string(),
    })?;
    Ok(())
}

/// SET SCHEMA schema: the sequences of a table move along.
pub(super) fn set_schema(
    session: &mut Session,
    relation: &std::sync::Arc<Relation>,
    schema: &str,
) -> Result<(), PgError> {
    if let Some(refused) = system_schema_refused(schema, &relation.name) {
        return Err(refused);
    }
    if is_temporary(schema) || is_temporary(&relation.schema) {
        return Err(PgError::unsupported(
            "cannot move objects into or out of temporary schemas",
        ));
    }
    let state = session.catalog_state();
    if state.schema(schema).is_none() {
        return Err(missing_schema(schema));
    }
    if relation.schema == schema {
        return Ok(());
    }
    if state.relation(schema, &relation.name).is_some() {
        let error = format!(
            "relation \"{}\" already exists in schema \"{schema}\"",
            relation.name
        );
        return Err(PgError::new(sqlstate::DUPLICATE_TABLE, error));
    }
    move_to(session, relation, schema)?;
    let RelationKind::Table(table) = &relation.kind else {
        return Ok(());
    };
    let mut defaults = table.defaults.clone();
    for (column, sequence) in &table.identity {
        let Some(sequence) = state.relation_by_id(*sequence) else {
            continue;
        };
        let before = nextval_of(sequence);
        move_to(session, sequence, schema)?;
        let mut moved = Relation::clone(sequence);
        moved.schema = schema.to_string();
        if let Some(default) = defaults.get_mut(column).filter(|text| **text == before) {
            *default = nextval_of(&moved);
        }
    }
    if defaults == table.defaults {
        return Ok(());
    }
    let state = session.catalog_state();
    let Some(moved) = state.relation_by_id(relation.id) else {
        return Ok(());
    };
    let mut options = options_of(table);
    options.defaults = defaults;
    session.transaction()?.apply(Op::SetTableOptions {
        target: moved.reference(),
        options,
    })?;
    Ok(())
}

fn move_to(session: &mut Session, relation: &Relation, schema: &str) -> Result<(), PgError> {
    session.transaction()?.apply(Op::RenameRelation {
        target: relation.reference(),
        schema: schema.to_string(),
        name: relation.name.clone(),
    })?;
    Ok(())
}

/// OWNER TO role: there is one role, who owns everything already.
pub(super) fn check_owner(session: &Session, owner: &ast::Owner) -> Result<(), PgError> {
    match owner {
        ast::Owner::Ident(role) => check_owner_name(session, role),
        _ => Ok(()),
    }
}

/// 42704 for a role that nobody has.
pub fn check_owner_name(session: &Session, role: &ast::Ident) -> Result<(), PgError> {
    let name = fold(role);
    let is_known = ["current_user", "session_user", "current_role"].contains(&name.as_str());
    match is_known || name == session.user {
        true => Ok(()),
        false => Err(PgError::new(
            sqlstate::UNDEFINED_OBJECT,
            format!("role \"{name}\" does not exist"),
        )),
    }
}
