//! How are rows changed in files that never change?
//!
//! Copy on write, in one stream: the rows that match are found, changed and written, and their places are noted;
//! then the files that they lie in are read again and all their other rows are written behind them. The
//! transaction swaps the files for the new ones.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::error::Result as DfResult;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::session_state::SessionState;
use datafusion::physical_plan::execute_stream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use tarn_catalog::error::CatalogError;
use tarn_catalog::table::snapshot::TableSnapshot;
use tarn_catalog::table::version::FileId;

use super::change_rows::{Change, Kind, PLACE, plan_change};
use super::constraints::Constraints;
use super::query;
use super::returning::{self, Buffer, Layout};
use crate::error::PgError;
use crate::session::Session;
use crate::session::outcome::Outcome;
use crate::session::prepared::Parameters;
use crate::sqlstate;

/// Changes the rows and answers.
pub async fn run(
    session: &mut Session,
    change: &Change,
    parameters: &Parameters,
) -> Result<Outcome, PgError> {
    let Changes {
        places,
        buffer,
        rows,
    } = find(session, change, parameters).await?;
    let rows = with_kept_rows(session, &change.snapshot, &places, rows);
    let word = change.kind.word();
    let removed = places.clone();
    session
        .transaction()?
        .rewrite(&change.relation, rows, || removed.files(), word)
        .await?;
    match (&change.returning, buffer) {
        (Some(items), Some(buffer)) => {
            returning::rows(session, items, buffer, parameters, word).await
        }
        _ => Ok(Outcome::Command(format!("{word} {}", places.rows()))),
    }
}

/// The matching rows of a change on their way.
pub struct Changes {
    /// Noted while the rows flow.
    pub places: Places,
    /// Filled while the rows flow, when somebody wants them back.
    pub buffer: Option<Buffer>,
    /// What is written for them.
    pub rows: BoxStream<'static, DfResult<RecordBatch>>,
}

/// Starts to find and change the rows that match.
pub async fn find(
    session: &mut Session,
    change: &Change,
    parameters: &Parameters,
) -> Result<Changes, PgError> {
    let planned = plan_change(session, change, &parameters.fields).await?;
    let plan = parameters.fill(planned.plan)?;
    let is_returned = change.returning.is_some();
    let buffer = is_returned.then(|| Buffer::new(session, &planned.layout));
    let places = Places::default();
    let found = query::stream(session, &plan).await?;
    let step = Step {
        places: places.clone(),
        schema: Arc::clone(&change.schema),
        kind: change.kind,
        layout: planned.layout,
        buffer: buffer.clone(),
        constraints: Constraints::new(session, &change.relation, Arc::clone(&change.schema))?,
    };
    let rows = found.map(move |batch| step.take(&batch?).map_err(PgError::into_datafusion));
    Ok(Changes {
        places,
        buffer,
        rows: rows.boxed(),
    })
}

/// The changed rows, then the others of the files that they came from.
pub fn with_kept_rows(
    session: &Session,
    snapshot: &TableSnapshot,
    places: &Places,
    changed: impl futures::Stream<Item = DfResult<RecordBatch>> + Send + 'static,
) -> SendableRecordBatchStream {
    let schema = snapshot.schema();
    let state = session.state().clone();
    let (snapshot, places) = (snapshot.clone(), places.clone());
    let kept = futures::stream::once(kept_rows(state, snapshot, places)).try_flatten();
    let all = changed.chain(kept).then(|batch| async {
        // Between two batches a cancel is heard.
        tokio::task::yield_now().await;
        batch
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, all))
}

/// The rows that nobody marked, of the files that hold a marked one.
async fn kept_rows(
    state: SessionState,
    snapshot: TableSnapshot,
    places: Places,
) -> DfResult<SendableRecordBatchStream> {
    let schema = snapshot.schema();
    let partly: Vec<FileId> = places
        .files()
        .into_iter()
        .filter(|file| snapshot.file_rows(file) != Some(places.rows_of(file)))
        .collect();
    let provider = snapshot
        .provider_with_places(PLACE, Some(&partly))
        .map_err(|error| PgError::from(CatalogError::from(error)).into_datafusion())?;
    let plan = provider.scan(&state, None, &[], None).await?;
    let columns: Vec<usize> = (0..schema.fields().len()).collect();
    let rows = execute_stream(plan, state.task_ctx())?.map(move |batch| {
        let batch = batch?;
        let keep = places
            .unmarked(&batch, columns.len())
            .map_err(PgError::into_datafusion)?;
        Ok(filter_record_batch(&batch.project(&columns)?, &keep)?)
    });
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
}

/// What is done with a batch of matching rows.
struct Step {
    places: Places,
    schema: SchemaRef,
    kind: Kind,
    layout: Layout,
    buffer: Option<Buffer>,
    constraints: Constraints,
}

impl Step {
    /// The rows to write for the matching rows of a batch.
    fn take(&self, batch: &RecordBatch) -> Result<RecordBatch, PgError> {
        let fresh = self.places.mark(batch)?;
        let rows = filter_record_batch(batch, &fresh)?;
        let columns = rows.columns()[2..].to_vec();
        let own = self.schema.fields().len();
        if self.kind == Kind::Delete {
            if let Some(buffer) = &self.buffer {
                buffer.push(columns, rows.num_rows())?;
            }
            return Ok(RecordBatch::new_empty(Arc::clone(&self.schema)));
        }
        let changed = self
            .constraints
            .check_columns(&columns[..own], rows.num_rows())?;
        if let Some(buffer) = &self.buffer {
            let mut shown = changed.columns().to_vec();
            shown.extend_from_slice(&columns[own..self.layout.columns().len()]);
            buffer.push(shown, rows.num_rows())?;
        }
        Ok(changed)
    }
}

/// Which rows of which files a statement has taken, one bit each.
#[derive(Debug, Clone, Default)]
pub struct Places {
    files: Arc<Mutex<HashMap<String, Marks>>>,
}

#[derive(Debug, Default)]
struct Marks {
    bits: Vec<u64>,
    count: u64,
}

impl Marks {
    /// True for a row that was not marked yet.
    fn mark(&mut self, row: usize) -> bool {
        let (word, bit) = (row / 64, 1_u64 << (row % 64));
        if self.bits.len() <= word {
            self.bits.resize(word + 1, 0);
        }
        let is_fresh = self.bits[word] & bit == 0;
        self.bits[word] |= bit;
        self.count += u64::from(is_fresh);
        is_fresh
    }

    fn has(&self, row: usize) -> bool {
        self.bits
            .get(row / 64)
            .is_some_and(|word| word & (1 << (row % 64)) != 0)
    }
}

impl Places {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Marks>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many rows were marked.
    pub fn rows(&self) -> u64 {
        self.lock().values().map(|marks| marks.count).sum()
    }

    /// How many rows of a file were marked.
    fn rows_of(&self, file: &FileId) -> u64 {
        self.lock().get(&file.0).map_or(0, |marks| marks.count)
    }

    /// The files with marked rows.
    pub fn files(&self) -> Vec<FileId> {
        self.lock().keys().cloned().map(FileId).collect()
    }

    /// Marks the rows of a batch that begins with file and row number; true where a row was not marked before.
    ///
    /// A row that matches several rows of FROM is changed by the first, as in Postgres.
    pub fn mark(&self, batch: &RecordBatch) -> Result<BooleanArray, PgError> {
        let (files, rows) = place_columns(batch, 0)?;
        let mut known = self.lock();
        let mut fresh = Vec::with_capacity(batch.num_rows());
        for index in 0..batch.num_rows() {
            let path = files.value(index);
            if !known.contains_key(path) {
                known.insert(path.to_string(), Marks::default());
            }
            let marks = known.get_mut(path).ok_or_else(lost_place)?;
            let row = usize::try_from(rows.value(index)).map_err(|_| lost_place())?;
            fresh.push(marks.mark(row));
        }
        Ok(BooleanArray::from(fresh))
    }

    /// True for the rows that are not marked, of a batch with file and row number at `first` and behind.
    fn unmarked(&self, batch: &RecordBatch, first: usize) -> Result<BooleanArray, PgError> {
        let (files, rows) = place_columns(batch, first)?;
        let known = self.lock();
        let mut keep = Vec::with_capacity(batch.num_rows());
        for index in 0..batch.num_rows() {
            let row = usize::try_from(rows.value(index)).map_err(|_| lost_place())?;
            let is_marked = known
                .get(files.value(index))
                .is_some_and(|marks| marks.has(row));
            keep.push(!is_marked);
        }
        Ok(BooleanArray::from(keep))
    }
}

fn place_columns(batch: &RecordBatch, first: usize) -> Result<(StringArray, Int64Array), PgError> {
    let files = arrow::compute::cast(batch.column(first), &DataType::Utf8)?;
    let rows = arrow::compute::cast(batch.column(first + 1), &DataType::Int64)?;
    let files = files.as_any().downcast_ref::<StringArray>().cloned();
    let rows = rows.as_any().downcast_ref::<Int64Array>().cloned();
    files.zip(rows).ok_or_else(lost_place)
}

fn lost_place() -> PgError {
    PgError::new(
        sqlstate::INTERNAL_ERROR,
        "a row without its place in a file",
    )
}
