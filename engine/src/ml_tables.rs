//! Where do the trials, groups and metrics of every training go?
//!
//! Into Delta tables of schema `ml`, appended in the same transaction that makes the model version visible:
//! `ml.trials`, `ml.groups` and `ml.metrics`. Each row names its model and version.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream;
use tarn_catalog::Catalog;
use tarn_catalog::state::{MODEL_SCHEMA, Relation, RelationKind, Table};
use tarn_catalog::transaction::Transaction;
use uuid::Uuid;

use crate::automl::report::{groups_schema, metrics_schema, trials_schema};
use crate::error::PgError;
use crate::sqlstate;

/// A table's name, and the columns that a training reports.
type ReportTable = (&'static str, fn() -> SchemaRef);

/// The tables with the columns that the training reports.
const TABLES: [ReportTable; 3] = [
    ("trials", trials_schema),
    ("groups", groups_schema),
    ("metrics", metrics_schema),
];

/// Model and version, then the reported columns.
fn full_schema(reported: &Schema) -> SchemaRef {
    let mut fields = vec![
        Field::new("schema", DataType::Utf8, false),
        Field::new("model", DataType::Utf8, false),
        Field::new("version", DataType::Int32, false),
    ];
    fields.extend(reported.fields().iter().map(|field| field.as_ref().clone()));
    Arc::new(Schema::new(fields))
}

/// Makes the tables that a fresh data directory lacks.
pub async fn ensure(catalog: &Catalog) -> Result<(), PgError> {
    let mut transaction = catalog.begin();
    for (name, reported) in TABLES {
        if transaction.state().relation(MODEL_SCHEMA, name).is_some() {
            continue;
        }
        let id = Uuid::new_v4();
        let relation = Relation {
            oid: catalog.allocate_oid()?,
            id,
            schema: MODEL_SCHEMA.to_string(),
            name: name.to_string(),
            owner: tarn_catalog::state::FIRST_OWNER.to_string(),
            comment: None,
            kind: RelationKind::Table(Table {
                location: format!("tables/{id}"),
                managed: true,
                ..Table::default()
            }),
        };
        let schema = full_schema(&reported());
        transaction
            .create_table(relation, schema, Vec::new())
            .await?;
    }
    if transaction.is_read_only() {
        transaction.rollback();
        return Ok(());
    }
    transaction.commit().await?;
    Ok(())
}

/// Adds a report's rows for one model version.
pub async fn append(
    transaction: &mut Transaction,
    table: &str,
    model: (&str, &str, u32),
    report: &RecordBatch,
) -> Result<(), PgError> {
    if report.num_rows() == 0 {
        return Ok(());
    }
    let state = transaction.state();
    let relation = state
        .relation(MODEL_SCHEMA, table)
        .cloned()
        .ok_or_else(|| {
            PgError::new(
                sqlstate::UNDEFINED_TABLE,
                format!("relation \"ml.{table}\" does not exist"),
            )
        })?;
    let rows = report.num_rows();
    let (schema_name, model_name, version) = model;
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec![schema_name; rows])),
        Arc::new(StringArray::from(vec![model_name; rows])),
        Arc::new(Int32Array::from(vec![version as i32; rows])),
    ];
    columns.extend(report.columns().iter().cloned());
    let schema = full_schema(report.schema().as_ref());
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
    let rows = RecordBatchStreamAdapter::new(schema, stream::iter(vec![Ok(batch)]));
    transaction.append(&relation, Box::pin(rows)).await?;
    Ok(())
}
