//! How do the query's rows reach the trainer, and the model its file?
//!
//! Rows are polled by the caller's async task and handed through a short channel to a thread of their own, where all
//! computing happens: a query's runtime never waits for a fit.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::record_batch::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::MemoryPool;
use futures::StreamExt;
use tarn_gpu::control::CancelToken;
use tarn_udfs::fit::places::FitPlaces;
use tarn_udfs::fit::queue::{FitLimits, FitQueue};
use tokio::sync::{mpsc, oneshot};

use super::evaluate::Workshop;
use super::group_sample::GroupCells;
use super::spec::CheckedTrainSpec;
use super::training_set::{TrainingSet, TrainingSetBuilder};
use tarn_udfs::fit::error::TrainError;

/// Batches between the query and the trainer.
const BATCHES_IN_FLIGHT: usize = 4;
/// How often a waiting task looks at its cancel token.
const CANCEL_POLL: Duration = Duration::from_millis(100);
/// Longest pause between two batches of the training query.
const READ_PAUSE_MAX: Duration = Duration::from_millis(20);
/// Shortest time between two progress notices.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// Where a training runs and what it may use.
#[derive(Clone)]
pub struct TrainContext {
    /// Raised to stop the statement.
    pub cancel: CancelToken,
    /// Told how far the training is, at most once a second.
    pub progress: Arc<dyn Fn(String) + Send + Sync>,
    /// Memory of queries, training and models together.
    pub memory: Arc<dyn MemoryPool>,
    /// Folder for rows that do not fit in memory.
    pub spill_dir: PathBuf,
    /// File that the model is written to; its folder exists.
    pub artefact_path: PathBuf,
    /// The process's fit queue.
    pub queue: Arc<FitQueue>,
    /// Threads that this statement may use at most; 0 is all of the queue's.
    pub threads_max: usize,
    /// Size from which on a part of the groups chooses for all.
    pub group_cells: GroupCells,
}

/// A trained model, complete on disk and not yet visible.
#[derive(Debug, Clone)]
pub struct Trained {
    /// The signature for the catalog.
    pub signature_json: String,
    /// The row of ml.versions.
    pub summary_json: String,
    /// Rows of ml.trials.
    pub trials: RecordBatch,
    /// Rows of ml.groups.
    pub groups: RecordBatch,
    /// Rows of ml.metrics.
    pub metrics: RecordBatch,
    /// What the user should read, in order; the last one sums up.
    pub notices: Vec<String>,
    /// Length of the artefact.
    pub artefact_bytes: u64,
}

/// Trains a model from the query's rows and writes its artefact.
///
/// Dropping the future cancels the training within a second.
pub async fn train(
    spec: CheckedTrainSpec,
    rows: SendableRecordBatchStream,
    context: TrainContext,
) -> Result<Trained, TrainError> {
    let mut on_drop = CancelOnDrop {
        cancel: context.cancel.clone(),
        armed: true,
    };
    let (to_trainer, batches) = mpsc::channel(BATCHES_IN_FLIGHT);
    let (answer, mut answered) = oneshot::channel();
    let trainer_context = context.clone();
    std::thread::Builder::new()
        .name("train".into())
        .spawn(move || {
            let outcome = run(&spec, batches, &trainer_context);
            // The receiver is gone only when the statement is, and then nobody wants the answer.
            let _ = answer.send(outcome);
        })?;
    feed(rows, to_trainer, &context).await?;
    let outcome = (&mut answered).await;
    on_drop.armed = false;
    outcome.unwrap_or(Err(TrainError::Cancelled))
}

/// Raises the statement's token when its future is dropped.
struct CancelOnDrop {
    cancel: CancelToken,
    armed: bool,
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if self.armed {
            self.cancel.cancel();
        }
    }
}

enum Message {
    Rows(RecordBatch),
    End,
}

async fn feed(
    mut rows: SendableRecordBatchStream,
    to_trainer: mpsc::Sender<Message>,
    context: &TrainContext,
) -> Result<(), TrainError> {
    loop {
        let asked = Instant::now();
        let message = match tokio::time::timeout(CANCEL_POLL, rows.next()).await {
            Err(_) if context.cancel.is_cancelled() => return Err(TrainError::Cancelled),
            Err(_) => continue,
            Ok(Some(batch)) => Message::Rows(batch?),
            Ok(None) => Message::End,
        };
        // Interactive statements go first: the query of a training keeps half of its speed while they run.
        if context.queue.is_pressed() {
            tokio::time::sleep(asked.elapsed().min(READ_PAUSE_MAX)).await;
        }
        let is_end = matches!(message, Message::End);
        // A closed channel means that the trainer has failed; its answer says why.
        if to_trainer.send(message).await.is_err() || is_end {
            return Ok(());
        }
    }
}

fn run(
    spec: &CheckedTrainSpec,
    mut batches: mpsc::Receiver<Message>,
    context: &TrainContext,
) -> Result<Trained, TrainError> {
    let started = Instant::now();
    let mut builder = TrainingSetBuilder::new(
        &spec.schema,
        spec.layout.clone(),
        &context.memory,
        &context.spill_dir,
    )?;
    let mut progress = Progress::new(context);
    let mut rows = 0;
    loop {
        match batches.blocking_recv() {
            Some(Message::Rows(batch)) => rows += builder.push(&batch)?,
            Some(Message::End) => break,
            None => return Err(TrainError::Cancelled),
        }
        if context.cancel.is_cancelled() {
            return Err(TrainError::Cancelled);
        }
        progress.tell(|| format!("{rows} rows read"));
    }
    let set = builder.finish()?;
    // The default timeout is for searches: a setting that the statement names is fitted to its end.
    let timeout = spec.options.timeout;
    let timeout = timeout.filter(|_| spec.algorithm.is_none() || spec.options.timeout_given);
    let deadline = timeout.map(|timeout| started + timeout);
    let limits = FitLimits {
        cancel: context.cancel.clone(),
        deadline,
        threads_max: context.threads_max,
        device: spec.options.device,
        places: FitPlaces::default(),
    };
    let workshop = Workshop {
        queue: &context.queue,
        limits: &limits,
    };
    let training = Training {
        spec,
        context,
        set,
        workshop,
        started,
    };
    if training.spec.layout.keys.is_empty() {
        super::single::train(training, &mut progress)
    } else {
        super::grouped::train(training, &mut progress)
    }
}

/// Everything that a way through the trainer needs.
pub struct Training<'a> {
    /// The checked statement.
    pub spec: &'a CheckedTrainSpec,
    /// Where it runs.
    pub context: &'a TrainContext,
    /// The rows.
    pub set: TrainingSet,
    /// Where fits run.
    pub workshop: Workshop<'a>,
    /// When the statement started.
    pub started: Instant,
}

/// Tells the user how far the training is, at most once a second.
pub struct Progress<'a> {
    context: &'a TrainContext,
    last: Option<Instant>,
}

impl<'a> Progress<'a> {
    fn new(context: &'a TrainContext) -> Self {
        Self {
            context,
            last: Some(Instant::now()),
        }
    }

    /// Passes a line on, unless the last one is less than a second old.
    pub fn tell(&mut self, line: impl FnOnce() -> String) {
        if self
            .last
            .is_none_or(|last| last.elapsed() >= PROGRESS_EVERY)
        {
            self.last = Some(Instant::now());
            (self.context.progress)(line());
        }
    }
}
