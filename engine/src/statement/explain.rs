//! What does EXPLAIN [ANALYZE] show?
//!
//! One text column named QUERY PLAN, a line per row, as Postgres clients expect. EXPLAIN ANALYZE runs the
//! statement.

use std::sync::Arc;

use datafusion::arrow::array::{Array, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::sql::sqlparser::ast;
use futures::TryStreamExt;

use super::query;
use crate::error::PgError;
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
    let (analyze, verbose) = match statement {
        ast::Statement::Explain {
            analyze,
            verbose,
            statement,
            ..
        } if matches!(statement.as_ref(), ast::Statement::Query(_)) => (*analyze, *verbose),
        _ => {
            return Err(
                PgError::unsupported("EXPLAIN of this statement is not supported")
                    .with_hint("EXPLAIN shows the plans of queries."),
            );
        }
    };
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
    let mut lines: Vec<Vec<Option<String>>> = Vec::new();
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
            if verbose || analyze || kinds.value(row) == "physical_plan" {
                lines.extend(
                    plans
                        .value(row)
                        .lines()
                        .map(|line| vec![Some(line.to_string())]),
                );
            }
        }
    }
    let rows = Rows::texts(&["QUERY PLAN"], &lines, RowsTag::Fixed("EXPLAIN"))?;
    Ok(Outcome::Rows(rows))
}
