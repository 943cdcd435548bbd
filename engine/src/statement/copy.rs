//! How does COPY move rows between a client and a table?
//!
//! FROM STDIN decodes the client's chunks into batches that go straight to the table's writer: one commit at
//! the end, nothing kept when the client gives up. TO STDOUT streams like a query. `WITH (CREATE)` makes the
//! table from the first rows. Files on the server are read with `read_csv` and its kin, not with COPY.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::datatypes::{Field, Schema, SchemaRef};
use bytes::Bytes;
use datafusion::common::DFSchema;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::{ExprSchemable, LogicalPlanBuilder};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::sql::sqlparser::ast;
use futures::{StreamExt, stream};
use tarn_catalog::state::Relation;
use tokio::sync::mpsc::Receiver;

use super::constraints::Constraints;
use super::insert::{column_index, table_of, target_table};
use super::{create_table, query};
use crate::error::PgError;
use crate::parser::{Copy, CopyDirection, CopyFormat, CopyOptions, CopySource};
use crate::postgres::copy::decoder::CopyDecoder;
use crate::postgres::copy::encoder::CopyEncoder;
use crate::postgres::copy::form::CopyForm;
use crate::postgres::copy::inference::CsvInference;
use crate::postgres::message::format_settings;
use crate::session::Session;
use crate::session::outcome::{BatchStream, Outcome};
use crate::session::prepared::Parameters;
use crate::sqlstate;

/// Rows that decide the types of a created table.
const INFERENCE_ROWS: usize = 10_000;

/// A COPY FROM STDIN that waits for its data.
pub struct CopyIn {
    /// Overall format and formats of the columns, for CopyInResponse.
    pub formats: (i8, Vec<i16>),
    target: CopyTarget,
    options: CopyOptions,
}

enum CopyTarget {
    Table {
        relation: Arc<Relation>,
        schema: SchemaRef,
        columns: Vec<usize>,
    },
    NewTable(ast::ObjectName),
}

/// A COPY TO STDOUT that is ready to send.
pub struct CopyOut {
    /// Writes the messages.
    pub encoder: CopyEncoder,
    /// The rows.
    pub batches: BatchStream,
}

/// What a client sends during COPY FROM STDIN.
pub type CopyChunk = Result<Bytes, PgError>;

/// COPY
pub async fn run(
    session: &mut Session,
    copy: &Copy,
    parameters: &Parameters,
) -> Result<Outcome, PgError> {
    match &copy.direction {
        CopyDirection::FromClient => begin_in(session, copy).await,
        CopyDirection::ToClient => begin_out(session, copy, parameters).await,
        CopyDirection::FromFile(path) => Err(files_refused(path)
            .with_hint("Use psql's \\copy, or INSERT INTO … SELECT * FROM read_csv('file').")),
        CopyDirection::ToFile(path) => {
            Err(files_refused(path).with_hint("Use psql's \\copy, or COPY … TO STDOUT."))
        }
    }
}

fn files_refused(path: &str) -> PgError {
    PgError::new(
        sqlstate::INSUFFICIENT_PRIVILEGE,
        format!("COPY with the server's file \"{path}\" is refused"),
    )
}

async fn begin_in(session: &mut Session, copy: &Copy) -> Result<Outcome, PgError> {
    session.check_writable("COPY FROM")?;
    let CopySource::Table(name, columns) = &copy.source else {
        return Err(PgError::syntax("COPY FROM needs a table"));
    };
    let options = copy.options.clone();
    if options.create {
        return begin_create(session, name, columns, options);
    }
    let relation = target_table(session, name)?;
    let schema = session.transaction()?.snapshot(&relation).await?.schema();
    let columns = column_indices(columns, &schema, &relation)?;
    let names: Vec<String> = columns
        .iter()
        .map(|i| schema.field(*i).name().clone())
        .collect();
    CopyForm::check(&options, &names)?;
    let code = i16::from(options.format == CopyFormat::Binary);
    Ok(Outcome::CopyIn(Box::new(CopyIn {
        formats: (code as i8, vec![code; columns.len()]),
        target: CopyTarget::Table {
            relation,
            schema,
            columns,
        },
        options,
    })))
}

fn begin_create(
    session: &Session,
    name: &ast::ObjectName,
    columns: &[String],
    options: CopyOptions,
) -> Result<Outcome, PgError> {
    if options.format != CopyFormat::Csv || !columns.is_empty() {
        return Err(
            PgError::syntax("COPY … WITH (CREATE) reads CSV without a column list")
                .with_hint("Write WITH (CREATE, FORMAT csv, HEADER)."),
        );
    }
    let written = crate::plan::names::qualified(name)?;
    if session.names().find_relation(&written).is_some() {
        return Err(PgError::new(
            sqlstate::DUPLICATE_TABLE,
            format!("relation \"{}\" already exists", written.name),
        )
        .with_hint("Leave CREATE away to add rows to it."));
    }
    CopyForm::check(&options, &[])?;
    Ok(Outcome::CopyIn(Box::new(CopyIn {
        // The number of columns is not known yet; clients do not rely on it for text.
        formats: (0, Vec::new()),
        target: CopyTarget::NewTable(name.clone()),
        options,
    })))
}

fn column_indices(
    columns: &[String],
    schema: &SchemaRef,
    relation: &Relation,
) -> Result<Vec<usize>, PgError> {
    if columns.is_empty() {
        return Ok((0..schema.fields().len()).collect());
    }
    let mut indices = Vec::with_capacity(columns.len());
    for name in columns {
        let index = column_index(schema, name, relation)?;
        if indices.contains(&index) {
            return Err(PgError::new(
                sqlstate::DUPLICATE_COLUMN,
                format!("column \"{name}\" specified more than once"),
            ));
        }
        indices.push(index);
    }
    Ok(indices)
}

impl Session {
    /// Takes the client's data and stages the rows; then the statement's transaction is closed as usual.
    pub async fn copy_from(
        &mut self,
        copy: CopyIn,
        chunks: Receiver<CopyChunk>,
    ) -> Result<String, PgError> {
        let token = self.entry.cancel.token();
        let copied = tokio::select! {
            biased;
            () = token.cancelled() => Err(self.entry.cancel.reason().error()),
            copied = take_rows(self, copy, chunks) => copied,
        };
        let outcome = copied.map(|rows| Outcome::Command(format!("COPY {rows}")));
        match self.close_statement(outcome).await? {
            Outcome::Command(tag) => Ok(tag),
            _ => Ok("COPY 0".to_string()),
        }
    }
}

async fn take_rows(
    session: &mut Session,
    copy: CopyIn,
    mut chunks: Receiver<CopyChunk>,
) -> Result<u64, PgError> {
    let (relation, schema, columns, sample) = match copy.target {
        CopyTarget::Table {
            relation,
            schema,
            columns,
        } => (relation, schema, columns, Vec::new()),
        CopyTarget::NewTable(name) => {
            let (sample, fields) = infer(&copy.options, &mut chunks).await?;
            let schema: SchemaRef = Arc::new(Schema::new(fields));
            let relation = create_table::with_schema(session, &name, Arc::clone(&schema)).await?;
            let columns = (0..schema.fields().len()).collect();
            (Arc::new(relation), schema, columns, sample)
        }
    };
    let copied: Vec<Field> = columns.iter().map(|i| schema.field(*i).clone()).collect();
    let names: Vec<String> = copied.iter().map(|field| field.name().clone()).collect();
    let form = CopyForm::check(&copy.options, &names)?;
    let settings = format_settings(session);
    let decoder = CopyDecoder::new(
        form,
        Arc::new(Schema::new(copied)),
        &relation.name,
        &settings,
    )?;
    let batches = decode(decoder, chunks, sample);
    let rows = fill_columns(session, &relation, &schema, &columns, batches)?;
    let constraints = Constraints::new(session, &relation, schema)?;
    let checked = constraints.check(rows);
    Ok(session.transaction()?.append(&relation, checked).await?)
}

/// Reads until the types are clear; gives what was read back with the columns.
async fn infer(
    options: &CopyOptions,
    chunks: &mut Receiver<CopyChunk>,
) -> Result<(Vec<Bytes>, Vec<Field>), PgError> {
    let mut inference = CsvInference::new(CopyForm::check(options, &[])?);
    let mut sample = Vec::new();
    let mut is_whole = true;
    while let Some(chunk) = chunks.recv().await {
        let chunk = chunk?;
        inference.push(&chunk)?;
        sample.push(chunk);
        if inference.rows() >= INFERENCE_ROWS {
            is_whole = false;
            break;
        }
    }
    let columns = inference.finish(is_whole)?;
    if columns.is_empty() {
        return Err(PgError::new(
            sqlstate::BAD_COPY_FILE_FORMAT,
            "there is no data to infer columns from",
        ));
    }
    let fields = columns
        .iter()
        .map(|(name, pg_type)| pg_type.field(name, true))
        .collect();
    Ok((sample, fields))
}

type Decoding = (
    CopyDecoder,
    Receiver<CopyChunk>,
    std::vec::IntoIter<Bytes>,
    bool,
);

/// Batches as the chunks come in.
fn decode(
    decoder: CopyDecoder,
    chunks: Receiver<CopyChunk>,
    sample: Vec<Bytes>,
) -> impl futures::Stream<Item = Result<RecordBatch, PgError>> + Send {
    let start: Decoding = (decoder, chunks, sample.into_iter(), false);
    stream::try_unfold(
        start,
        |(mut decoder, mut chunks, mut sample, done)| async move {
            if done {
                return Ok::<_, PgError>(None);
            }
            let mut batches = Vec::new();
            while batches.is_empty() {
                let chunk = match sample.next() {
                    Some(chunk) => Some(chunk),
                    None => chunks.recv().await.transpose()?,
                };
                match chunk {
                    Some(chunk) => decoder.push(&chunk, &mut batches)?,
                    None => {
                        decoder.finish(&mut batches)?;
                        return Ok(Some((batches, (decoder, chunks, sample, true))));
                    }
                }
            }
            Ok(Some((batches, (decoder, chunks, sample, false))))
        },
    )
    .flat_map(|batches| match batches {
        Ok(batches) => stream::iter(batches.into_iter().map(Ok).collect::<Vec<_>>()),
        Err(error) => stream::iter(vec![Err(error)]),
    })
}

/// Puts the copied columns in their places; the others get their DEFAULT or NULL.
fn fill_columns(
    session: &mut Session,
    relation: &Relation,
    schema: &SchemaRef,
    columns: &[usize],
    batches: impl futures::Stream<Item = Result<RecordBatch, PgError>> + Send + 'static,
) -> Result<SendableRecordBatchStream, PgError> {
    let mut defaults = Vec::new();
    for (index, field) in schema.fields().iter().enumerate() {
        if columns.contains(&index) {
            continue;
        }
        let value = match table_of(relation)?.defaults.get(field.name()) {
            Some(sql) => Some(default_value(session, sql, field)?),
            None => None,
        };
        defaults.push((index, value));
    }
    let (whole, columns) = (Arc::clone(schema), columns.to_vec());
    let filled = batches.map(move |batch| {
        let batch = batch.map_err(PgError::into_datafusion)?;
        let mut arrays: Vec<Option<ArrayRef>> = vec![None; whole.fields().len()];
        for (array, index) in batch.columns().iter().zip(&columns) {
            arrays[*index] = Some(Arc::clone(array));
        }
        for (index, value) in &defaults {
            arrays[*index] = Some(match value {
                Some(expr) => expr.evaluate(&batch)?.into_array(batch.num_rows())?,
                None => new_null_array(whole.field(*index).data_type(), batch.num_rows()),
            });
        }
        let nullable: Vec<Field> = whole
            .fields()
            .iter()
            .map(|field| field.as_ref().clone().with_nullable(true))
            .collect();
        let arrays: Vec<ArrayRef> = arrays.into_iter().flatten().collect();
        Ok(RecordBatch::try_new(
            Arc::new(Schema::new(nullable)),
            arrays,
        )?)
    });
    Ok(Box::pin(RecordBatchStreamAdapter::new(
        Arc::clone(schema),
        filled,
    )))
}

/// A DEFAULT as an operator can evaluate it.
fn default_value(
    session: &mut Session,
    sql: &str,
    field: &Field,
) -> Result<Arc<dyn datafusion::physical_expr::PhysicalExpr>, PgError> {
    let nothing = DFSchema::empty();
    let logical = session
        .planner()?
        .expression(crate::parser::parse_expression(sql)?, &nothing)?
        .cast_to(field.data_type(), &nothing)?;
    let coerced = super::constraints::coerce(logical, &nothing)?;
    let properties = session.state().execution_props();
    Ok(datafusion::physical_expr::create_physical_expr(
        &coerced,
        &nothing,
        properties,
        &datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext::default(),
    )?)
}

async fn begin_out(
    session: &mut Session,
    copy: &Copy,
    parameters: &Parameters,
) -> Result<Outcome, PgError> {
    let plan = match &copy.source {
        CopySource::Query(query) => {
            let planned = session
                .planner()?
                .query((**query).clone(), &parameters.fields)
                .await?;
            parameters.fill(planned)?
        }
        CopySource::Table(name, columns) => {
            let relation = target_table(session, name)?;
            let snapshot = session.transaction()?.snapshot(&relation).await?;
            let indices = column_indices(columns, &snapshot.schema(), &relation)?;
            let source = datafusion::datasource::provider_as_source(snapshot.provider());
            LogicalPlanBuilder::scan(relation.name.as_str(), source, Some(indices))?.build()?
        }
    };
    let schema = Arc::clone(plan.schema().inner());
    let names: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
    let form = CopyForm::check(&copy.options, &names)?;
    let encoder = CopyEncoder::new(form, &schema, format_settings(session))?;
    let rows = query::stream(session, &plan).await?;
    Ok(Outcome::CopyOut(Box::new(CopyOut {
        encoder,
        batches: rows.map(|batch| batch.map_err(PgError::from)).boxed(),
    })))
}
