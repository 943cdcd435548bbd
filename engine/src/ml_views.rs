//! What can be asked about models? The views `ml.models`, `ml.versions`, `ml.aliases` and `ml.progress`.
//!
//! They are made from the catalog's state at planning. `ml.trials`, `ml.groups` and `ml.metrics` grow with
//! every training and are Delta tables of their own (see [`crate::ml_tables`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::{MemTable, TableProvider};
use tarn_catalog::state::{FIRST_OWNER, MODEL_SCHEMA, Model, ModelVersion, State};
use tarn_catalog::system::oids::{self, Derived};
use tarn_catalog::system::snapshot::{Relation, RelationKind};
use tarn_catalog::types::PgType;

use crate::error::PgError;
use crate::training::Trainings;

/// Their names.
const NAMES: [&str; 4] = ["models", "versions", "aliases", "progress"];

/// The views as `pg_class` shows them.
pub fn relations() -> impl Iterator<Item = Relation> {
    NAMES.into_iter().map(|name| Relation {
        oid: oid(name),
        schema: MODEL_SCHEMA.to_string(),
        name: name.to_string(),
        owner: FIRST_OWNER.to_string(),
        comment: None,
        column_comments: BTreeMap::new(),
        // Made by the server; there is no query behind it.
        kind: RelationKind::View {
            sql: format!("TABLE {MODEL_SCHEMA}.{name}"),
        },
    })
}

fn oid(name: &str) -> u32 {
    oids::derived(Derived::View, 0, name)
}

/// The columns of the view of an OID.
pub fn columns(relation_oid: u32, state: &State) -> Option<SchemaRef> {
    let name = NAMES.into_iter().find(|name| oid(name) == relation_oid)?;
    let view = MlViews::new(Arc::default()).table(name, state).ok()??;
    Some(view.schema())
}

/// The views of schema ml.
pub struct MlViews {
    trainings: Arc<Trainings>,
}

impl MlViews {
    /// Over the catalog and the running trainings.
    pub fn new(trainings: Arc<Trainings>) -> Self {
        MlViews { trainings }
    }

    /// The view of a name.
    pub fn table(
        &self,
        name: &str,
        state: &State,
    ) -> Result<Option<Arc<dyn TableProvider>>, PgError> {
        let batch = match name {
            "models" => models(state)?,
            "versions" => versions(state)?,
            "aliases" => aliases(state)?,
            "progress" => self.progress()?,
            _ => return Ok(None),
        };
        let schema = batch.schema();
        Ok(Some(Arc::new(MemTable::try_new(
            schema,
            vec![vec![batch]],
        )?)))
    }

    fn progress(&self) -> Result<RecordBatch, PgError> {
        let running = self.trainings.list();
        batch(vec![
            (
                "model",
                "text",
                texts(running.iter().map(|t| Some(t.model.clone()))),
            ),
            (
                "pid",
                "integer",
                integers(running.iter().map(|t| Some(t.pid))),
            ),
            (
                "started_at",
                "timestamptz",
                times(running.iter().map(|t| t.started_at_micros)),
            ),
            (
                "message",
                "text",
                texts(running.iter().map(|t| Some(t.message.clone()))),
            ),
        ])
    }
}

fn models(state: &State) -> Result<RecordBatch, PgError> {
    let all: Vec<&Arc<Model>> = state.models.values().collect();
    let newest = |model: &Model| model.versions.last().cloned();
    batch(vec![
        (
            "schema",
            "text",
            texts(all.iter().map(|m| Some(m.schema.clone()))),
        ),
        (
            "model",
            "text",
            texts(all.iter().map(|m| Some(m.name.clone()))),
        ),
        (
            "owner",
            "text",
            texts(all.iter().map(|m| Some(m.owner.clone()))),
        ),
        (
            "versions",
            "bigint",
            longs(all.iter().map(|m| m.versions.len() as i64)),
        ),
        (
            "default_version",
            "integer",
            integers(all.iter().map(|m| {
                let number = m.aliases.get(tarn_catalog::state::DEFAULT_ALIAS);
                number.map(|number| *number as i32)
            })),
        ),
        (
            "task",
            "text",
            texts(
                all.iter()
                    .map(|m| newest(m).and_then(|v| signature(&v, "task"))),
            ),
        ),
        (
            "label",
            "text",
            texts(
                all.iter()
                    .map(|m| newest(m).and_then(|v| signature(&v, "label"))),
            ),
        ),
        (
            "updated_at",
            "timestamptz",
            times(
                all.iter()
                    .map(|m| newest(m).map_or(0, |v| v.created_at_micros)),
            ),
        ),
        (
            "comment",
            "text",
            texts(all.iter().map(|m| m.comment.clone())),
        ),
    ])
}

fn versions(state: &State) -> Result<RecordBatch, PgError> {
    let all: Vec<(&Model, &ModelVersion)> = state
        .models
        .values()
        .flat_map(|model| {
            model
                .versions
                .iter()
                .map(move |version| (model.as_ref(), version))
        })
        .collect();
    batch(vec![
        (
            "schema",
            "text",
            texts(all.iter().map(|(m, _)| Some(m.schema.clone()))),
        ),
        (
            "model",
            "text",
            texts(all.iter().map(|(m, _)| Some(m.name.clone()))),
        ),
        (
            "version",
            "integer",
            integers(all.iter().map(|(_, v)| Some(v.number as i32))),
        ),
        (
            "created_at",
            "timestamptz",
            times(all.iter().map(|(_, v)| v.created_at_micros)),
        ),
        (
            "task",
            "text",
            texts(all.iter().map(|(_, v)| signature(v, "task"))),
        ),
        (
            "label",
            "text",
            texts(all.iter().map(|(_, v)| signature(v, "label"))),
        ),
        (
            "bytes",
            "bigint",
            longs(all.iter().map(|(_, v)| v.bytes as i64)),
        ),
        (
            "sha256",
            "text",
            texts(all.iter().map(|(_, v)| Some(v.sha256.clone()))),
        ),
        (
            "statement",
            "text",
            texts(all.iter().map(|(_, v)| Some(v.statement.clone()))),
        ),
        (
            "signature",
            "json",
            texts(all.iter().map(|(_, v)| Some(v.signature.clone()))),
        ),
        (
            "summary",
            "json",
            texts(all.iter().map(|(_, v)| Some(v.summary.clone()))),
        ),
    ])
}

fn aliases(state: &State) -> Result<RecordBatch, PgError> {
    let all: Vec<(&Model, &String, u32)> = state
        .models
        .values()
        .flat_map(|model| {
            model
                .aliases
                .iter()
                .map(move |(alias, v)| (model.as_ref(), alias, *v))
        })
        .collect();
    batch(vec![
        (
            "schema",
            "text",
            texts(all.iter().map(|(m, _, _)| Some(m.schema.clone()))),
        ),
        (
            "model",
            "text",
            texts(all.iter().map(|(m, _, _)| Some(m.name.clone()))),
        ),
        (
            "alias",
            "text",
            texts(all.iter().map(|(_, alias, _)| Some((*alias).clone()))),
        ),
        (
            "version",
            "integer",
            integers(all.iter().map(|(_, _, v)| Some(*v as i32))),
        ),
    ])
}

/// One word of the signature's JSON.
fn signature(version: &ModelVersion, key: &str) -> Option<String> {
    let document: serde_json::Value = serde_json::from_str(&version.signature).ok()?;
    document.get(key)?.as_str().map(str::to_string)
}

fn batch(columns: Vec<(&str, &str, ArrayRef)>) -> Result<RecordBatch, PgError> {
    let mut fields: Vec<Field> = Vec::with_capacity(columns.len());
    let mut arrays = Vec::with_capacity(columns.len());
    for (name, spelling, array) in columns {
        fields.push(PgType::parse(spelling)?.field(name, true));
        arrays.push(array);
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}

fn texts(values: impl Iterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn integers(values: impl Iterator<Item = Option<i32>>) -> ArrayRef {
    Arc::new(values.collect::<Int32Array>())
}

fn longs(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(values.map(Some).collect::<Int64Array>())
}

fn times(values: impl Iterator<Item = i64>) -> ArrayRef {
    let array: TimestampMicrosecondArray = values.map(Some).collect();
    Arc::new(array.with_timezone("UTC"))
}
