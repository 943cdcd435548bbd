//! Which views no longer work once a column of a table has changed?
//!
//! A view keeps its text, so whether it still works is found by planning it again. Postgres would rewrite a view
//! whose column is renamed; here the rename is refused.

use std::sync::Arc;

use tarn_catalog::state::{DropBehavior, ObjectId, Op, Relation};
use tarn_catalog::types::PgType;

use crate::error::PgError;
use crate::plan::view_search_path;
use crate::session::Session;
use crate::sqlstate;

/// What happened to which column.
pub enum Reason<'a> {
    /// DROP COLUMN
    Drop(&'a str),
    /// RENAME COLUMN
    Rename(&'a str),
    /// ALTER COLUMN … TYPE
    Type(&'a str),
    /// CREATE OR REPLACE TABLE
    Replace,
}

/// Refuses the change if a view over the table breaks; CASCADE drops such views.
pub async fn check(
    session: &mut Session,
    table: &Relation,
    reason: &Reason<'_>,
    is_cascade: bool,
) -> Result<(), PgError> {
    let state = session.catalog_state();
    let reads_it = ObjectId::Relation(table.id);
    let views: Vec<Arc<Relation>> = state
        .relations
        .values()
        .filter(|relation| {
            let view = relation.view();
            view.is_some_and(|view| view.depends_on.contains(&reads_it))
        })
        .cloned()
        .collect();
    let mut broken = Vec::new();
    for view in views {
        if !works(session, &view).await? {
            broken.push(view);
        }
    }
    if broken.is_empty() {
        return Ok(());
    }
    if is_cascade {
        for view in broken {
            if session.catalog_state().relation_by_id(view.id).is_some() {
                session.transaction()?.apply(Op::DropRelation {
                    target: view.reference(),
                    behavior: DropBehavior::Cascade,
                })?;
            }
        }
        return Ok(());
    }
    Err(refusal(table, reason, &broken))
}

fn refusal(table: &Relation, reason: &Reason<'_>, broken: &[Arc<Relation>]) -> PgError {
    let name = &table.name;
    let depends = |column: &str| {
        let lines = broken.iter().map(|view| {
            format!(
                "view {} depends on column {column} of table {name}",
                view.name
            )
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    match reason {
        Reason::Drop(column) => PgError::new(
            sqlstate::DEPENDENT_OBJECTS,
            format!(
                "cannot drop column {column} of table {name} because other objects depend on it"
            ),
        )
        .with_detail(depends(column))
        .with_hint("Use DROP ... CASCADE to drop the dependent objects too."),
        Reason::Rename(column) => PgError::unsupported(format!(
            "cannot rename column {column} of table {name} because views depend on it"
        ))
        .with_detail(depends(column))
        .with_hint("Drop the views, rename the column, and create the views again."),
        Reason::Replace => {
            let lines = broken
                .iter()
                .map(|view| format!("view {} depends on table {name}", view.name));
            PgError::new(
                sqlstate::DEPENDENT_OBJECTS,
                format!("cannot replace table {name} because other objects depend on it"),
            )
            .with_detail(lines.collect::<Vec<_>>().join("\n"))
            .with_hint("Keep the columns that the views read, or drop the views first.")
        }
        Reason::Type(column) => {
            PgError::unsupported("cannot alter type of a column used by a view or rule")
                .with_detail(depends(column))
        }
    }
}

/// Does a view still plan to the columns that it promised?
async fn works(session: &mut Session, relation: &Relation) -> Result<bool, PgError> {
    let Some(view) = relation.view() else {
        return Ok(true);
    };
    let query = crate::parser::parse_query(&view.sql)?;
    let mut planner = session.planner()?;
    planner.names.search_path = view_search_path(&relation.schema);
    planner.names.temporary = None;
    let Ok(plan) = planner.query(query, &[]).await else {
        return Ok(false);
    };
    let fields = plan.schema().fields();
    if fields.len() < view.columns.len() {
        return Ok(false);
    }
    let same = |(field, (_, spelling)): (&arrow::datatypes::FieldRef, &(String, String))| {
        PgType::of_field(field).sql_name() == *spelling
    };
    Ok(fields.iter().zip(&view.columns).all(same))
}
