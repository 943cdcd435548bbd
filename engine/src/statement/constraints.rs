//! Which rows may enter a table?
//!
//! NOT NULL, lengths of varchar(n) and char(n), the form of uuid and json, and CHECK conditions are tested
//! while the rows stream by, before any file is written.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
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
use crate::postgres::types::row::RowEncoder;
use crate::postgres::types::settings::FormatSettings;
use crate::session::Session;
use crate::sqlstate;

/// The tests of one table.
pub struct Constraints {
    relation: String,
    schema: SchemaRef,
    types: Vec<PgType>,
    checks: Vec<(String, Arc<dyn PhysicalExpr>)>,
    /// how values are shown in messages
    settings: FormatSettings,
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
            settings: crate::postgres::message::format_settings(session),
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
        self.check_columns(batch.columns(), batch.num_rows())
    }

    /// Columns that passed, in the table's own types.
    pub fn check_columns(&self, given: &[ArrayRef], rows: usize) -> Result<RecordBatch, PgError> {
        let mut columns = Vec::with_capacity(given.len());
        for (index, column) in given.iter().enumerate() {
            let field = self.schema.field(index);
            let column = if column.data_type() == field.data_type() {
                Arc::clone(column)
            } else {
                arrow::compute::cast(column, field.data_type())?
            };
            if !field.is_nullable() && column.null_count() > 0 {
                return Err(self.null_violation(given, index));
            }
            columns.push(fit_text(column, self.types[index])?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let checked =
            RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        for (name, condition) in &self.checks {
            self.check_condition(name, condition, &checked)?;
        }
        Ok(checked)
    }

    fn null_violation(&self, given: &[ArrayRef], index: usize) -> PgError {
        let column = &given[index];
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
        .with_detail(self.failing_row(given, row))
    }

    /// Values of one row, as Postgres shows them.
    fn failing_row(&self, given: &[ArrayRef], row: usize) -> String {
        let shown = self.row_texts(given, row).unwrap_or_default();
        let texts = shown
            .into_iter()
            .map(|text| text.map_or_else(|| "null".to_string(), cut));
        let values: Vec<String> = texts.collect();
        format!("Failing row contains ({}).", values.join(", "))
    }

    fn row_texts(&self, given: &[ArrayRef], row: usize) -> Result<Vec<Option<String>>, PgError> {
        let fields = self.schema.fields().iter();
        let nullable: Vec<Field> = fields
            .map(|field| field.as_ref().clone().with_nullable(true))
            .collect();
        let columns = given
            .iter()
            .zip(&nullable)
            .map(|(column, field)| arrow::compute::cast(&column.slice(row, 1), field.data_type()));
        let schema = Arc::new(Schema::new(nullable.clone()));
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns.collect::<Result<_, _>>()?)?;
        let mut encoder = RowEncoder::new(&schema, &[], self.settings.clone())?;
        Ok(encoder.texts(&batch, 0)?)
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
            .with_detail(self.failing_row(batch.columns(), row))),
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

/// A value that cannot be shown in full is cut to this many bytes, as in Postgres.
const SHOWN_BYTES_MAX: usize = 64;

fn cut(text: String) -> String {
    if text.len() <= SHOWN_BYTES_MAX {
        return text;
    }
    let mut end = SHOWN_BYTES_MAX;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}...", &text[..end])
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
