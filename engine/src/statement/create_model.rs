//! How does CREATE MODEL run?
//!
//! Check everything that needs no rows, run the query once into the trainer, then make the artefact, the new
//! version and its reports visible in one transaction. Until then nobody sees anything, and OR REPLACE keeps
//! serving the old version.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::Schema;
use tarn_catalog::artefact::ArtefactWriter;
use tarn_catalog::error::{CatalogError, ObjectKind};
use tarn_catalog::state::{DEFAULT_ALIAS, Model, ModelVersion, Op};
use tarn_gpu::control::CancelToken;
use uuid::Uuid;

use super::query;
use super::schema::exists_notice;
use crate::automl::group_sample::GroupCells;
use crate::automl::spec::{CheckedTrainSpec, LearnerSpec, TrainSpec, check};
use crate::automl::train::{TrainContext, Trained, train};
use crate::error::PgError;
use crate::ml_tables;
use crate::parser::{CreateModel, OptionValue};
use crate::plan::names::qualified;
use crate::session::Session;
use crate::session::notice::Notice;
use crate::session::outcome::Outcome;
use crate::session::prepared::Parameters;
use tarn_udfs::fit::option_value::OptionValue as TrainValue;

/// Where the model goes.
struct Place {
    schema: String,
    name: String,
    existing: Option<Arc<Model>>,
}

/// CREATE [OR REPLACE] MODEL
pub async fn run(
    session: &mut Session,
    create: &CreateModel,
    text: &str,
    parameters: &Parameters,
) -> Result<Outcome, PgError> {
    session.check_writable("CREATE MODEL")?;
    let done = Outcome::Command("CREATE MODEL".to_string());
    let place = place(session, create)?;
    if let (Some(model), true) = (&place.existing, create.if_not_exists) {
        session.notify(exists_notice(ObjectKind::Model, &model.name));
        return Ok(done);
    }
    let mut planner = session.planner()?;
    let planned = planner
        .query((*create.query).clone(), &parameters.fields)
        .await?;
    let tables_read = std::mem::take(&mut planner.used.table_versions);
    let plan = parameters.fill(planned)?;
    let schema: Schema = plan.schema().as_arrow().clone();
    let checked = check(&train_spec(create, &place), &schema)?;
    for notice in &checked.notices {
        session.notify(Notice::plain(notice.clone()));
    }
    let trained_file = TemporaryFile::new(session);
    let rows = query::stream(session, &plan).await?;
    let trained = run_training(session, &place, checked, rows, &trained_file.path).await?;
    publish(
        session,
        &place,
        text,
        &trained,
        &trained_file.path,
        &tables_read,
    )
    .await?;
    for notice in &trained.notices {
        session.notify(Notice::plain(notice.clone()));
    }
    Ok(done)
}

fn place(session: &Session, create: &CreateModel) -> Result<Place, PgError> {
    let written = qualified(&create.name)?;
    let names = session.names();
    let schema = names.schema_for_new(&written)?;
    let existing = names.state.model(&schema, &written.name).cloned();
    if existing.is_some() && !create.or_replace && !create.if_not_exists {
        return Err(PgError {
            hint: Some("CREATE OR REPLACE MODEL makes a new version.".to_string()),
            ..PgError::from(CatalogError::AlreadyExists {
                kind: ObjectKind::Model,
                name: written.name,
            })
        });
    }
    Ok(Place {
        schema,
        name: written.name,
        existing,
    })
}

fn train_spec(create: &CreateModel, place: &Place) -> TrainSpec {
    let parameters = values(&create.learner.parameters);
    TrainSpec {
        model_name: place.name.clone(),
        target: create.target.clone(),
        partition_by: create.partition_by.clone(),
        order_by: create.order_by.clone(),
        exclude: create.exclude.clone(),
        options: values(&create.options),
        learner: match create.learner.name.as_str() {
            "automl" => LearnerSpec::Automl(parameters),
            name => LearnerSpec::Named {
                name: name.to_string(),
                params: parameters,
            },
        },
    }
}

fn values(options: &[(String, OptionValue)]) -> Vec<(String, TrainValue)> {
    options
        .iter()
        .map(|(name, value)| {
            let value = match value {
                OptionValue::Number(digits) => TrainValue::Number(digits.clone()),
                OptionValue::Text(text) => TrainValue::Text(text.clone()),
                OptionValue::Word(word) => TrainValue::Word(word.clone()),
                OptionValue::Boolean(truth) => TrainValue::Word(truth.to_string()),
            };
            (name.clone(), value)
        })
        .collect()
}

async fn run_training(
    session: &Session,
    place: &Place,
    checked: CheckedTrainSpec,
    rows: datafusion::execution::SendableRecordBatchStream,
    artefact_path: &std::path::Path,
) -> Result<Trained, PgError> {
    let engine = &session.engine;
    let listed = engine.trainings.begin(
        &format!("{}.{}", place.schema, place.name),
        session.entry.pid,
    );
    let notices = session.notices.clone();
    let model = place.name.clone();
    let told = listed.handle();
    session.notify(Notice::info(format!("model {model}: reading rows")));
    let progress = move |message: String| {
        told.progress(&message);
        // A client that is gone reads nothing; the statement is stopped elsewhere.
        let _ = notices.send(Notice::info(format!("model {model}: {message}")));
    };
    let context = TrainContext {
        cancel: CancelToken::new(),
        progress: Arc::new(progress),
        memory: Arc::clone(&engine.base.runtime_env().memory_pool),
        spill_dir: engine.config.data_dir.join("spill"),
        artefact_path: artefact_path.to_path_buf(),
        queue: Arc::clone(&engine.fits),
        threads_max: session
            .settings
            .known("ml.max_threads")
            .parse()
            .unwrap_or(0),
        group_cells: GroupCells::default(),
    };
    Ok(train(checked, rows, context).await?)
}

/// A file that goes away with the statement.
struct TemporaryFile {
    path: PathBuf,
}

impl TemporaryFile {
    fn new(session: &Session) -> Self {
        let spill = session.engine.config.data_dir.join("spill");
        TemporaryFile {
            path: spill.join(format!("{}.model", Uuid::new_v4())),
        }
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        // It may never have been written.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The version, its artefact and its reports, in this statement's transaction.
async fn publish(
    session: &mut Session,
    place: &Place,
    text: &str,
    trained: &Trained,
    file: &std::path::Path,
    tables_read: &[(String, u64)],
) -> Result<(), PgError> {
    let id = place
        .existing
        .as_ref()
        .map_or_else(Uuid::new_v4, |model| model.id);
    let number = place
        .existing
        .as_ref()
        .map_or(1, |model| model.next_version_number());
    let bytes = std::fs::read(file)?;
    let mut writer = ArtefactWriter::create(session.engine.catalog.data_dir(), id, number)?;
    writer.write_all(&bytes)?;
    let artefact = writer.finish()?;
    let version = ModelVersion {
        number,
        created_at_micros: chrono::Utc::now().timestamp_micros(),
        statement: text.to_string(),
        artefact: artefact.path.clone(),
        sha256: artefact.sha256.clone(),
        bytes: artefact.bytes,
        signature: trained.signature_json.clone(),
        summary: summary(&trained.summary_json, tables_read),
    };
    let op = match &place.existing {
        Some(model) => Op::AddModelVersion {
            target: model.reference(),
            version,
            aliases: vec![DEFAULT_ALIAS.to_string()],
        },
        None => Op::CreateModel {
            model: Model {
                oid: session.engine.catalog.allocate_oid()?,
                id,
                schema: place.schema.clone(),
                name: place.name.clone(),
                owner: session.user.clone(),
                comment: None,
                versions: vec![version],
                aliases: [(DEFAULT_ALIAS.to_string(), number)].into(),
            },
        },
    };
    let transaction = session.transaction()?;
    transaction.apply(op)?;
    let named = (place.schema.as_str(), place.name.as_str(), number);
    ml_tables::append(transaction, "trials", named, &trained.trials).await?;
    ml_tables::append(transaction, "groups", named, &trained.groups).await?;
    ml_tables::append(transaction, "metrics", named, &trained.metrics).await
}

/// The training's own summary with the versions of the tables that it read.
fn summary(document: &str, tables_read: &[(String, u64)]) -> String {
    let Ok(serde_json::Value::Object(mut fields)) = serde_json::from_str(document) else {
        return document.to_string();
    };
    let tables: serde_json::Map<String, serde_json::Value> = tables_read
        .iter()
        .map(|(table, version)| (table.clone(), (*version).into()))
        .collect();
    fields.insert("table_versions".to_string(), tables.into());
    serde_json::Value::Object(fields).to_string()
}
