//! Which rows may enter a table?
//!
//! NOT NULL, lengths of varchar(n) and char(n), the form of uuid and json, and CHECK conditions are tested
//! while the rows stream by, before any file is written.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::{DFSchema, cast::as_boolean_array};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use tarn_catalog::state::Relation;
use tarn_catalog::types::{PgType, oid};

use super::insert::table_of;
use crate::error::PgError;
use crate::session::Session;
use crate::sqlstate;

/// The tests of one table.
pub struct Constraints {
    relation: String,
    schema: SchemaRef,
    types: Vec<PgType>,
    checks: Vec<(String, Arc<dyn PhysicalExpr>)>,
}

impl Constraints {
    /// Plans the CHECK conditions of a table.
    pub fn new(
        session: &mut Session,
        relation: &Relation,
        schema: SchemaRef,
    ) -> Result<Self, PgError> {
        let table = table_of(relation)?;
        let columns = DFSchema::try_from(schema.as_ref().clone())?;
        let mut checks = Vec::new();
        for (name, sql) in &table.checks {
            let condition = crate::parser::parse_expression(sql)?;
            let logical = session.planner()?.expression(condition, &columns)?;
            let coerced = coerce(logical, &columns)?;
            let properties = session.state().execution_props();
            let physical = create_physical_expr(
                &coerced,
                &columns,
                properties,
                &PhysicalPlanningContext::default(),
            )?;
            checks.push((name.clone(), physical));
        }
        Ok(Constraints {
            relation: relation.name.clone(),
            types: schema
                .fields()
                .iter()
                .map(|field| PgType::of_field(field))
                .collect(),
            schema,
            checks,
        })
    }

    /// Rows that passed, with the table's own schema.
    pub fn check(self, rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
        let schema = Arc::clone(&self.schema);
        // A batch is checked and encoded without a pause; between two of them a cancel is heard.
        let rows = rows.then(|batch| async {
            tokio::task::yield_now().await;
            batch
        });
        let checked = rows.map(move |batch| {
            let batch = batch?;
            self.check_batch(&batch).map_err(PgError::into_datafusion)
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, checked))
    }

    fn check_batch(&self, batch: &RecordBatch) -> Result<RecordBatch, PgError> {
        let mut columns = Vec::with_capacity(batch.num_columns());
        for (index, column) in batch.columns().iter().enumerate() {
            let field = self.schema.field(index);
            let column = if column.data_type() == field.data_type() {
                Arc::clone(column)
            } else {
                arrow::compute::cast(column, field.data_type())?
            };
            if !field.is_nullable() && column.null_count() > 0 {
                return Err(self.null_violation(batch, index, &column));
            }
            columns.push(fit_text(column, self.types[index])?);
        }
        let checked = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        for (name, condition) in &self.checks {
            self.check_condition(name, condition, &checked)?;
        }
        Ok(checked)
    }

    fn null_violation(&self, batch: &RecordBatch, index: usize, column: &ArrayRef) -> PgError {
        let row = (0..column.len())
            .find(|row| column.is_null(*row))
            .unwrap_or(0);
        PgError::new(
            sqlstate::NOT_NULL_VIOLATION,
            format!(
                "null value in column \"{}\" of relation \"{}\" violates not-null constraint",
                self.schema.field(index).name(),
                self.relation
            ),
        )
        .with_detail(format!("Failing row contains ({}).", row_text(batch, row)))
    }

    fn check_condition(
        &self,
        name: &str,
        condition: &Arc<dyn PhysicalExpr>,
        batch: &RecordBatch,
    ) -> Result<(), PgError> {
        let value = condition.evaluate(batch)?.into_array(batch.num_rows())?;
        let truth: &BooleanArray = as_boolean_array(&value)?;
        // NULL passes, as in Postgres.
        let failed = (0..truth.len()).find(|row| truth.is_valid(*row) && !truth.value(*row));
        match failed {
            Some(row) => Err(PgError::new(
                sqlstate::CHECK_VIOLATION,
                format!(
                    "new row for relation \"{}\" violates check constraint \"{name}\"",
                    self.relation
                ),
            )
            .with_detail(format!("Failing row contains ({}).", row_text(batch, row)))),
            None => Ok(()),
        }
    }
}

/// Applies the type coercion that the planner leaves to the analyzer.
pub(super) fn coerce(
    logical: datafusion::logical_expr::Expr,
    columns: &DFSchema,
) -> Result<datafusion::logical_expr::Expr, PgError> {
    use datafusion::logical_expr::simplify::SimplifyContext;
    use datafusion::optimizer::simplify_expressions::ExprSimplifier;
    let context = SimplifyContext::builder()
        .with_schema(Arc::new(columns.clone()))
        .build();
    Ok(ExprSimplifier::new(context).coerce(logical, columns)?)
}

/// Values of one row for a message, as Postgres shows them.
fn row_text(batch: &RecordBatch, row: usize) -> String {
    let options = arrow::util::display::FormatOptions::default().with_null("null");
    let values: Vec<String> = batch
        .columns()
        .iter()
        .map(|column| {
            arrow::util::display::ArrayFormatter::try_new(column, &options)
                .map(|formatter| formatter.value(row).to_string())
                .unwrap_or_default()
        })
        .collect();
    values.join(", ")
}

/// Lengths and forms that the Arrow type does not say.
fn fit_text(column: ArrayRef, pg_type: PgType) -> Result<ArrayRef, PgError> {
    if column.data_type() != &DataType::Utf8 {
        return Ok(column);
    }
    let Some(texts) = column.as_any().downcast_ref::<StringArray>() else {
        return Ok(column);
    };
    match pg_type.oid {
        oid::VARCHAR | oid::BPCHAR => {
            let fitted = texts
                .iter()
                .map(|text| text.map(|text| value_text(text, pg_type)).transpose())
                .collect::<Result<StringArray, _>>()?;
            Ok(Arc::new(fitted))
        }
        oid::UUID => {
            let fitted = texts
                .iter()
                .map(|text| text.map(uuid_text).transpose())
                .collect::<Result<StringArray, _>>()?;
            Ok(Arc::new(fitted))
        }
        oid::JSON | oid::JSONB => {
            for text in texts.iter().flatten() {
                serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|error| {
                    PgError::new(
                        sqlstate::INVALID_TEXT_REPRESENTATION,
                        "invalid input syntax for type json",
                    )
                    .with_detail(error.to_string())
                })?;
            }
            Ok(column)
        }
        _ => Ok(column),
    }
}

/// Cut to its length where only blanks go, 22001 where more would.
fn value_text(text: &str, pg_type: PgType) -> Result<String, PgError> {
    Ok(crate::postgres::types::fit_text(text, pg_type)?.into_owned())
}

fn uuid_text(text: &str) -> Result<String, PgError> {
    let bare = text.trim_start_matches('{').trim_end_matches('}');
    uuid::Uuid::try_parse(bare)
        .map(|uuid| uuid.hyphenated().to_string())
        .map_err(|_| {
            PgError::new(
                sqlstate::INVALID_TEXT_REPRESENTATION,
                format!("invalid input syntax for type uuid: \"{text}\""),
            )
        })
}
