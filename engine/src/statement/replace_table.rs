//! How does CREATE OR REPLACE TABLE give a table other columns and other rows?
//!
//! The table stays the same table: its name, its identity and its history. One Delta commit brings the new columns
//! and swaps all files, so `VERSION AS OF` still reads what was there before. Defaults, constraints and sequences
//! are those of the new definition.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::sql::sqlparser::ast;
use tarn_catalog::state::{Op, Relation, RelationKind, Table};
use tarn_catalog::transaction::Redefinition;

use super::alter_table::{Reason, check_views, options_of};
use super::constraints::Constraints;
use super::create_table::{
    check_expressions, partition_columns, table_of_definition, table_schema,
};
use super::insert::table_of;
use super::query;
use super::table_definition::{INFORMATIONAL, define};
use crate::error::PgError;
use crate::parser::LikeClause;
use crate::plan::names::fold;
use crate::session::Session;
use crate::session::notice::Notice;
use crate::session::outcome::Outcome;
use crate::session::prepared::Parameters;

/// CREATE OR REPLACE TABLE t (…) | AS query, over a table that is there.
pub async fn run(
    session: &mut Session,
    create: &ast::CreateTable,
    likes: &[LikeClause],
    existing: &Arc<Relation>,
    parameters: &Parameters,
) -> Result<Outcome, PgError> {
    table_of(existing)?;
    match &create.query {
        Some(query) => replace_by_query(session, create, query, existing, parameters).await,
        None => replace_by_definition(session, create, likes, existing).await,
    }
}

async fn replace_by_query(
    session: &mut Session,
    create: &ast::CreateTable,
    query: &ast::Query,
    existing: &Relation,
    parameters: &Parameters,
) -> Result<Outcome, PgError> {
    let planned = session
        .planner()?
        .query(query.clone(), &parameters.fields)
        .await?;
    let plan = parameters.fill(planned)?;
    let names: Vec<String> = create
        .columns
        .iter()
        .map(|column| fold(&column.name))
        .collect();
    let schema = table_schema(plan.schema().inner(), &names)?;
    // Started before the table changes: the query may read what it replaces.
    let rows = query::stream(session, &plan).await?;
    let relation = emptied(session, existing)?;
    let constraints = Constraints::new(session, &relation, Arc::clone(&schema))?;
    let rows = constraints.check(rows);
    let partitions = partition_columns(create)?;
    let count = redefine(session, &relation, &schema, partitions, rows).await?;
    check_views(session, &relation, &Reason::Replace, false).await?;
    Ok(Outcome::Command(format!("SELECT {count}")))
}

async fn replace_by_definition(
    session: &mut Session,
    create: &ast::CreateTable,
    likes: &[LikeClause],
    existing: &Relation,
) -> Result<Outcome, PgError> {
    let definition = define(session, create, likes, &existing.name).await?;
    if !definition.constraints.is_empty() {
        session.notify(Notice::plain(INFORMATIONAL));
    }
    let partitions = partition_columns(create)?;
    let mut relation = emptied(session, existing)?;
    let (table, schema) =
        table_of_definition(session, definition, &existing.schema, &existing.name)?;
    session.transaction()?.apply(Op::SetTableOptions {
        target: relation.reference(),
        options: options_of(&table),
    })?;
    if let Some(changed) = session.catalog_state().relation_by_id(relation.id) {
        relation = Relation::clone(changed);
    }
    let nothing = query::of_batches(&schema, Vec::new());
    redefine(session, &relation, &schema, partitions, nothing).await?;
    check_expressions(session, &relation, &schema)?;
    check_views(session, &relation, &Reason::Replace, false).await?;
    Ok(Outcome::Command("CREATE TABLE".to_string()))
}

/// The same table without defaults, constraints and sequences.
fn emptied(session: &mut Session, existing: &Relation) -> Result<Relation, PgError> {
    let old = table_of(existing)?;
    let mut relation = existing.clone();
    relation.kind = RelationKind::Table(Table {
        location: old.location.clone(),
        managed: old.managed,
        column_comments: BTreeMap::new(),
        ..Table::default()
    });
    session.transaction()?.apply(Op::ReplaceRelation {
        relation: relation.clone(),
    })?;
    Ok(relation)
}

async fn redefine(
    session: &mut Session,
    relation: &Relation,
    schema: &SchemaRef,
    partitions: Vec<String>,
    rows: SendableRecordBatchStream,
) -> Result<u64, PgError> {
    let definition = Redefinition {
        schema,
        partition_by: Some(partitions),
        operation: "CREATE OR REPLACE TABLE",
    };
    let count = session
        .transaction()?
        .redefine(relation, definition, Some(rows))
        .await?;
    session.system.remember_columns(relation.oid, schema);
    Ok(count)
}
