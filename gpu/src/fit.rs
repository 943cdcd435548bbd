//! How do many fits run? As one flat list over shared rows, largest first, each worker with working memory of its own
//! that it keeps from fit to fit. The outcome of a fit depends on its rows, options and seed alone.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::baseline::{self, CheckedBaselineOptions};
use crate::control::{Control, Progress};
use crate::error::GpuError;
use crate::linear::{self, CheckedLinearOptions, LinearFit, LinearScratch};
use crate::logistic::{self, CheckedLogisticOptions, LogisticFit, LogisticScratch};
use crate::matrix::{Dataset, FitRows};
use crate::model::{Model, Prediction};
use crate::trees::{self, CheckedTreesOptions, TreesFit, TreesScratch};

/// A learner with its checked options.
#[derive(Debug, Clone, PartialEq)]
pub enum Learner {
    /// Boosted or averaged trees.
    Trees(CheckedTreesOptions),
    /// Ridge or elastic net.
    Linear(CheckedLinearOptions),
    /// Logistic regression.
    Logistic(CheckedLogisticOptions),
    /// A constant.
    Baseline(CheckedBaselineOptions),
}

impl Learner {
    /// Name of the learner, as in SQL.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Trees(_) => "trees",
            Self::Linear(_) => "linear",
            Self::Logistic(_) => "logistic",
            Self::Baseline(_) => "baseline",
        }
    }

    /// A rough count of the elementary steps of a fit, to start the longest first.
    pub fn work(&self, rows: usize, columns: usize) -> f64 {
        let cells = rows as f64 * columns.max(1) as f64;
        match self {
            Self::Trees(options) => {
                let depth = if options.max_depth > 0 {
                    f64::from(options.max_depth.min(12))
                } else {
                    8.0
                };
                f64::from(options.rounds) * (cells * 0.5 * depth + 64.0 * 60.0 * columns as f64)
            }
            Self::Linear(_) => cells * columns.max(1) as f64,
            Self::Logistic(_) => 10.0 * cells * columns.max(1) as f64,
            Self::Baseline(_) => rows as f64,
        }
    }
}

/// One fit: rows of a dataset, a learner and a seed.
#[derive(Debug, Clone)]
pub struct Fit {
    /// Rows shared with other fits.
    pub data: Arc<Dataset>,
    /// Rows to learn from, by position.
    pub train: Arc<[u32]>,
    /// Held-out rows for early stopping and out-of-fold predictions; may be empty.
    pub valid: Arc<[u32]>,
    /// What learns.
    pub learner: Learner,
    /// Seed of everything random.
    pub seed: u64,
}

impl Fit {
    /// The rows as learners take them.
    pub(crate) fn rows(&self) -> FitRows<'_> {
        FitRows {
            train: &self.train,
            valid: &self.valid,
        }
    }
}

/// What a fit gives.
#[derive(Debug, Clone)]
pub struct FitOutcome {
    /// The fitted model.
    pub model: Model,
    /// Rounds or iterations that went into the model.
    pub rounds: u32,
    /// Mean training loss per round, where the learner records it.
    pub train_loss: Vec<f64>,
    /// Mean held-out loss per round, where the learner records it.
    pub valid_loss: Vec<f64>,
    /// The model's answers for the held-out rows, in the order given.
    pub held_out: Prediction,
    /// Share of each column in the model, summing to 1.
    pub importance: Vec<f64>,
    /// Wall time of the fit on its worker; on a GPU, its share of the time of its kernel. The only part of an outcome that
    /// two runs don't share.
    pub seconds: f64,
}

/// Working memory that a worker keeps from fit to fit.
#[derive(Debug, Default)]
pub struct Scratch {
    trees: TreesScratch,
    linear: LinearScratch,
    logistic: LogisticScratch,
}

/// Runs one fit on the calling thread. With `parallel`, a large fit also uses the current rayon pool.
///
/// # Errors
/// [`GpuError`] when the data can't be learned or the caller cancelled.
pub fn fit_one(
    fit: &Fit,
    control: &Control,
    scratch: &mut Scratch,
    parallel: bool,
) -> Result<FitOutcome, GpuError> {
    let started = Instant::now();
    control.checkpoint(Progress {
        rounds_done: 0,
        rounds_max: 1,
    })?;
    let learned = learn(fit, control, scratch, parallel)?;
    complete(fit, learned, 0.0).map(|outcome| FitOutcome {
        seconds: started.elapsed().as_secs_f64(),
        ..outcome
    })
}

/// Adds the answers for the held-out rows to what a learner found on any device.
pub(crate) fn complete(fit: &Fit, learned: Learned, seconds: f64) -> Result<FitOutcome, GpuError> {
    let features = fit.data.features();
    let held_out = learned.model.predict_rows(features, &fit.valid)?;
    let importance = learned.model.importance(features.columns().len());
    Ok(FitOutcome {
        model: learned.model,
        rounds: learned.rounds,
        train_loss: learned.train_loss,
        valid_loss: learned.valid_loss,
        held_out,
        importance,
        seconds,
    })
}

/// What every learner answers.
pub(crate) struct Learned {
    model: Model,
    rounds: u32,
    train_loss: Vec<f64>,
    valid_loss: Vec<f64>,
}

impl Learned {
    fn new(model: Model, rounds: u32) -> Self {
        Self {
            model,
            rounds,
            train_loss: Vec::new(),
            valid_loss: Vec::new(),
        }
    }
}

impl From<LinearFit> for Learned {
    fn from(linear: LinearFit) -> Self {
        Self::new(Model::Linear(linear.model), linear.iterations)
    }
}

impl From<LogisticFit> for Learned {
    fn from(logistic: LogisticFit) -> Self {
        Self {
            train_loss: logistic.train_loss,
            ..Self::new(Model::Logistic(logistic.model), logistic.iterations)
        }
    }
}

impl From<TreesFit> for Learned {
    fn from(trees: TreesFit) -> Self {
        let (train_loss, valid_loss) = (trees.train_loss, trees.valid_loss);
        Self {
            train_loss,
            valid_loss,
            ..Self::new(Model::Trees(trees.model), trees.rounds)
        }
    }
}

fn learn(
    fit: &Fit,
    control: &Control,
    scratch: &mut Scratch,
    parallel: bool,
) -> Result<Learned, GpuError> {
    let data = fit.data.as_ref();
    let rows = fit.rows();
    match &fit.learner {
        Learner::Trees(options) => {
            let trees = trees::fit(
                data,
                rows,
                options,
                fit.seed,
                control,
                &mut scratch.trees,
                parallel,
            )?;
            Ok(trees.into())
        }
        Learner::Linear(options) => {
            let linear = linear::fit(data, rows, options, fit.seed, control, &mut scratch.linear)?;
            Ok(linear.into())
        }
        Learner::Logistic(options) => {
            let logistic = logistic::fit(
                data,
                rows,
                options,
                fit.seed,
                control,
                &mut scratch.logistic,
            )?;
            Ok(logistic.into())
        }
        Learner::Baseline(options) => Ok(Learned::new(
            Model::Baseline(baseline::fit(data, rows, options)?),
            1,
        )),
    }
}

/// Runs all fits on `threads` threads and answers in the order given.
///
/// The outcomes (save their seconds) are the same for any number of threads. Memory is the shared datasets, one working
/// set per thread and the outcomes; to keep fewer outcomes, use [`fit_each`].
pub fn fit_all(
    fits: &[Fit],
    threads: usize,
    control: &Control,
) -> Vec<Result<FitOutcome, GpuError>> {
    let outcomes: Mutex<Vec<Option<Result<FitOutcome, GpuError>>>> =
        Mutex::new(fits.iter().map(|_| None).collect());
    let store = |position: usize, outcome| lock(&outcomes)[position] = Some(outcome);
    let started = fit_each(fits, threads, control, store);
    let outcomes = outcomes
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let missing = || Err(started.clone().err().unwrap_or(GpuError::Cancelled));
    outcomes
        .into_iter()
        .map(|outcome| outcome.unwrap_or_else(missing))
        .collect()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A poisoned lock only says that another worker panicked; the slots that are filled are still right.
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Runs all fits on `threads` threads, largest first, and hands each outcome with its position to `deliver` as soon as it
/// is there, from the worker's thread.
///
/// # Errors
/// [`GpuError::Threads`] when the threads can't be started; errors of single fits are delivered.
pub fn fit_each(
    fits: &[Fit],
    threads: usize,
    control: &Control,
    deliver: impl Fn(usize, Result<FitOutcome, GpuError>) + Sync,
) -> Result<(), GpuError> {
    let work = |fit: &Fit| {
        fit.learner.work(
            fit.train.len() + fit.valid.len(),
            fit.data.features().columns().len(),
        )
    };
    let works: Vec<f64> = fits.iter().map(work).collect();
    each_largest_first(&works, threads, |position, scratch, parallel| {
        deliver(
            position,
            fit_one(&fits[position], control, scratch, parallel),
        );
    })
}

/// Calls `run` once for the position of each piece of work, largest first, on `threads` threads. Each thread hands over
/// working memory of its own that it keeps from piece to piece, and whether a large fit may use the other threads.
///
/// # Errors
/// [`GpuError::Threads`] when the threads can't be started.
pub fn each_largest_first(
    works: &[f64],
    threads: usize,
    run: impl Fn(usize, &mut Scratch, bool) + Sync,
) -> Result<(), GpuError> {
    let mut order: Vec<usize> = (0..works.len()).collect();
    order.sort_by(|&a, &b| works[b].total_cmp(&works[a]).then(a.cmp(&b)));
    let next = AtomicUsize::new(0);
    let worker = |parallel: bool| {
        let mut scratch = Scratch::default();
        while let Some(&position) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            run(position, &mut scratch, parallel);
        }
    };
    // Never on the caller's thread: a fit may lower its thread's priority for good.
    let pool = pool(threads)?;
    // A broadcast gives every thread exactly one worker, so that a thread that waits inside a large fit helps that fit
    // instead of starting another.
    pool.broadcast(|_| worker(threads > 1));
    Ok(())
}

/// Threads for a list of fits.
pub(crate) fn pool(threads: usize) -> Result<rayon::ThreadPool, GpuError> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads.max(1))
        .thread_name(|index| format!("fit-{index}"))
        .build()
        .map_err(|error| GpuError::Threads {
            threads,
            reason: error.to_string(),
        })
}
