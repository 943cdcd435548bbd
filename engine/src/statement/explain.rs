//! What does EXPLAIN [ANALYZE] show?
//!
//! One text column named QUERY PLAN, a line per row, as Postgres clients expect. EXPLAIN ANALYZE runs the
//! statement, also one that writes.

use std::sync::Arc;
use std::time::Instant;

use datafusion::arrow::array::{Array, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::displayable;
use datafusion::sql::sqlparser::ast;
use futures::TryStreamExt;

use super::{change_rows, create_table, insert, query};
use crate::error::PgError;
use crate::parser::Overriding;
use crate::session::Session;
use crate::session::outcome::{Outcome, Rows, RowsTag};
use crate::session::prepared::Parameters;

/// QUERY PLAN
pub fn columns() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new(
        "QUERY PLAN",
        DataType::Utf8,
        true,
    )]))
}

/// EXPLAIN
pub async fn run(
    session: &mut Session,
    statement: &ast::Statement,
    parameters: &Parameters,
) -> Result<Outcome, PgError> {
    let ast::Statement::Explain {
        analyze,
        verbose,
        statement: inner,
        ..
    } = statement
    else {
        return Err(PgError::syntax("not an EXPLAIN"));
    };
    let lines = match inner.as_ref() {
        ast::Statement::Query(_) => {
            query_lines(session, statement, *analyze || *verbose, parameters).await?
        }
        inner => write_lines(session, inner, *analyze, *verbose, parameters).await?,
    };
    let lines: Vec<Vec<Option<String>>> = lines.into_iter().map(|line| vec![Some(line)]).collect();
    let rows = Rows::texts(&["QUERY PLAN"], &lines, RowsTag::Fixed("EXPLAIN"))?;
    Ok(Outcome::Rows(rows))
}

/// The plan of a query, as DataFusion explains it.
async fn query_lines(
    session: &mut Session,
    statement: &ast::Statement,
    is_whole: bool,
    parameters: &Parameters,
) -> Result<Vec<String>, PgError> {
    let mut plain = statement.clone();
    if let ast::Statement::Explain {
        format, options, ..
    } = &mut plain
    {
        *format = None;
        *options = None;
    }
    let planned = session
        .planner()?
        .statement(plain, &parameters.fields)
        .await?;
    let plan = parameters.fill(planned)?;
    let batches: Vec<_> = query::stream(session, &plan).await?.try_collect().await?;
    let mut lines = Vec::new();
    for batch in &batches {
        let text = |column: usize| {
            let array = datafusion::arrow::compute::cast(batch.column(column), &DataType::Utf8)?;
            Ok::<_, PgError>(array)
        };
        let (kinds, plans) = (text(0)?, text(1)?);
        let (Some(kinds), Some(plans)) = (
            kinds.as_any().downcast_ref::<StringArray>(),
            plans.as_any().downcast_ref::<StringArray>(),
        ) else {
            continue;
        };
        for row in 0..batch.num_rows() {
            if is_whole || kinds.value(row) == "physical_plan" {
                lines.extend(plans.value(row).lines().map(str::to_string));
            }
        }
    }
    Ok(lines)
}

/// What a statement does and the plan of the rows that it does it with; ANALYZE does it, too.
async fn write_lines(
    session: &mut Session,
    statement: &ast::Statement,
    is_run: bool,
    is_verbose: bool,
    parameters: &Parameters,
) -> Result<Vec<String>, PgError> {
    let (header, plan) = write_plan(session, statement, parameters).await?;
    let physical = query::physical(session, &parameters.fill(plan)?).await?;
    let shown = displayable(physical.as_ref())
        .indent(is_verbose)
        .to_string();
    let indent = if header.is_empty() { "" } else { "  " };
    let mut lines: Vec<String> = header.into_iter().collect();
    // Names that nobody can write are told apart by a mark that nobody can read.
    let shown = shown.replace('\u{1f}', ".");
    lines.extend(shown.lines().map(|line| format!("{indent}{line}")));
    if is_run {
        let started = Instant::now();
        let done = execute(session, statement, parameters).await?;
        let elapsed_ms = started.elapsed().as_secs_f64() * 1000.0;
        lines.push(format!("Result: {done}"));
        lines.push(format!("Execution Time: {elapsed_ms:.3} ms"));
    }
    Ok(lines)
}

async fn write_plan(
    session: &mut Session,
    statement: &ast::Statement,
    parameters: &Parameters,
) -> Result<(Vec<String>, LogicalPlan), PgError> {
    let known = &parameters.fields;
    match statement {
        ast::Statement::Insert(insert) => {
            let planned = insert::plan(session, insert, Overriding::Nothing, known).await?;
            let mut header = vec![format!("Insert on {}", planned.relation.name)];
            if let Some(ast::OnInsert::OnConflict(on)) = &insert.on {
                let action = match on.action {
                    ast::OnConflictAction::DoNothing => "NOTHING",
                    ast::OnConflictAction::DoUpdate(_) => "UPDATE",
                };
                header.push(format!("  Conflict Resolution: {action}"));
            }
            Ok((header, planned.source))
        }
        ast::Statement::Update(update) => {
            let (table, plan) = change_rows::explain_update(session, update, known).await?;
            Ok((vec![format!("Update on {table}")], plan))
        }
        ast::Statement::Delete(delete) => {
            let (table, plan) = change_rows::explain_delete(session, delete, known).await?;
            Ok((vec![format!("Delete on {table}")], plan))
        }
        ast::Statement::CreateTable(ast::CreateTable {
            query: Some(query), ..
        }) => {
            let plan = session.planner()?.query((**query).clone(), known).await?;
            Ok((Vec::new(), plan))
        }
        _ => Err(
            PgError::unsupported("EXPLAIN of this statement is not supported").with_hint(
                "EXPLAIN shows the plans of queries, INSERT, UPDATE, DELETE and CREATE TABLE AS.",
            ),
        ),
    }
}

/// Runs the statement and tells its command tag; rows of RETURNING are thrown away, as in Postgres.
async fn execute(
    session: &mut Session,
    statement: &ast::Statement,
    parameters: &Parameters,
) -> Result<String, PgError> {
    let outcome = match statement {
        ast::Statement::Insert(insert) => {
            insert::run(session, insert, Overriding::Nothing, parameters).await?
        }
        ast::Statement::Update(update) => {
            change_rows::update(session, update, None, parameters).await?
        }
        ast::Statement::Delete(delete) => {
            change_rows::delete(session, delete, None, parameters).await?
        }
        ast::Statement::CreateTable(create) => {
            create_table::run(session, create, &[], parameters).await?
        }
        _ => return Err(PgError::syntax("nothing to run")),
    };
    Ok(match outcome {
        Outcome::Command(tag) => tag,
        Outcome::Rows(mut rows) => {
            let mut count = 0;
            while let Some(batch) = rows.batches.try_next().await? {
                count += batch.num_rows() as u64;
            }
            rows.tag.text(count)
        }
        Outcome::CopyIn(_) | Outcome::CopyOut(_) => String::new(),
    })
}
