//! How do the rows of many groups become a model of each?
//!
//! One flat list goes to the fit queue, largest group first: for a named learner a piece of work per group, which
//! encodes, fits and writes; for a search first the encoding of some groups, then every group × candidate × fold at
//! once, then the winners on all rows of their groups.

use std::sync::{Mutex, PoisonError};

use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use tarn_gpu::error::GpuError;
use tarn_gpu::fit::{Fit, FitOutcome, fit_one};

use super::call_spec::{CheckedCall, Choice};
use super::candidates::{Candidate, Portfolio};
use super::family::Family;
use super::group_model::{PreparedGroup, Unfit, prepare};
use super::group_rows::SortedGroups;
use super::metric::{Measured, Metric};
use super::queue::{FitLimits, WorkerSeat};
use super::seat::Seat;
use crate::error::ModelError;
use crate::model::label::Task;

/// Encoded cells of the groups that are held at a time where encoding and fitting are apart.
const CHUNK_CELLS_MAX: usize = 1 << 26;
/// Bytes of an encoded cell.
const CELL_BYTES: usize = 4;

/// A model per group, or None where the rows cannot give one.
pub type GroupModels = Vec<Option<Vec<u8>>>;

/// Fits every group.
///
/// # Errors
/// [`ModelError::Cancelled`] when the statement is stopped, and out-of-memory errors of the statement's budget. A group
/// that cannot be fitted has no model, and the user is told how many there are and why.
pub fn fit_groups(
    groups: &SortedGroups,
    call: &CheckedCall,
    task: Task,
    seat: &Seat,
) -> datafusion::error::Result<GroupModels> {
    let _underway = (seat.begin)();
    let run = Run {
        groups,
        call,
        task,
        seat,
        limits: seat.limits(call.device),
        memory: MemoryConsumer::new("group fits").register(&seat.memory),
    };
    let gpu = seat.queue.gpu(call.device);
    let has_gpu = gpu
        .map_err(|error| ModelError::Device(error.to_string()))?
        .is_some();
    let outcomes = match &call.choice {
        Choice::Named(candidate) if has_gpu => {
            run.in_chunks(|chunk| run.fit_chunk(chunk, candidate))?
        }
        Choice::Named(candidate) => run.named(candidate)?,
        Choice::Search { folds, families } => {
            run.in_chunks(|chunk| run.search_chunk(chunk, *folds as usize, families))?
        }
    };
    if run.limits.places.used_gpu() {
        (seat.notify)(format!("fitted on {}", run.limits.places.words()));
    }
    run.settle(outcomes)
}

type Outcome = Result<Vec<u8>, Unfit>;

struct Run<'a> {
    groups: &'a SortedGroups,
    call: &'a CheckedCall,
    task: Task,
    seat: &'a Seat,
    limits: FitLimits,
    memory: MemoryReservation,
}

impl Run<'_> {
    /// Runs one piece of work per entry of `works` and gathers what they give, in order.
    fn each<T: Send>(
        &self,
        works: &[f64],
        run: impl Fn(usize, &mut WorkerSeat<'_>) -> Result<T, Unfit> + Sync,
    ) -> Result<Vec<Result<T, Unfit>>, ModelError> {
        let slots = Slots::new(works.len());
        let queue = &self.seat.queue;
        let finished = queue.run_each(works, &self.limits, |position, worker| {
            slots.put(position, run(position, worker));
        });
        finished.map_err(stopped)?;
        Ok(slots.into_outcomes())
    }

    fn work(&self, group: usize, candidate: &Candidate) -> f64 {
        let learner = candidate.learner(None);
        learner.map_or(0.0, |learner| {
            learner.work(self.groups.rows(group), self.groups.features())
        })
    }

    fn prepare(&self, group: usize) -> Result<PreparedGroup, Unfit> {
        prepare(&self.groups.group(group)?, self.task, self.call.seed)
    }

    fn named(&self, candidate: &Candidate) -> Result<Vec<Outcome>, ModelError> {
        let works: Vec<f64> = (0..self.groups.count())
            .map(|group| self.work(group, candidate))
            .collect();
        self.each(&works, |position, worker| {
            let group = self.prepare(position)?;
            let fit = group.whole_fit(candidate, None)?;
            let _held = self.hold(CELL_BYTES * self.cells(position) + fit.memory_bytes())?;
            let outcome = fit_one(&fit, worker.control, worker.scratch, worker.parallel)?;
            group.value(outcome.model)
        })
    }

    /// Encoded cells of a group: its features, labels and row keys.
    fn cells(&self, group: usize) -> usize {
        self.groups.rows(group) * (self.groups.features() + 4)
    }

    /// Takes memory from the statement's budget, until it is dropped.
    fn hold(&self, bytes: usize) -> Result<MemoryReservation, ModelError> {
        let held = self.memory.new_empty();
        let taken = held.try_grow(bytes);
        taken.map_err(|error| ModelError::Memory(error.to_string()))?;
        Ok(held)
    }

    /// Some groups after another, so that their encoded rows are bounded.
    fn in_chunks(
        &self,
        fit: impl Fn(std::ops::Range<usize>) -> Result<Vec<Outcome>, ModelError>,
    ) -> Result<Vec<Outcome>, ModelError> {
        let mut outcomes = Vec::with_capacity(self.groups.count());
        let mut begin = 0;
        while begin < self.groups.count() {
            let end = self.chunk_end(begin);
            let cells: usize = (begin..end).map(|group| self.cells(group)).sum();
            let _held = self.hold(CELL_BYTES * cells)?;
            outcomes.extend(fit(begin..end)?);
            begin = end;
        }
        Ok(outcomes)
    }

    fn chunk_end(&self, begin: usize) -> usize {
        let mut cells = 0;
        for group in begin..self.groups.count() {
            cells += self.cells(group);
            if cells > CHUNK_CELLS_MAX && group > begin {
                return group;
            }
        }
        self.groups.count()
    }

    fn prepare_chunk(
        &self,
        chunk: &std::ops::Range<usize>,
    ) -> Result<Vec<Result<PreparedGroup, Unfit>>, ModelError> {
        let rows: Vec<f64> = chunk
            .clone()
            .map(|group| self.groups.rows(group) as f64)
            .collect();
        self.each(&rows, |position, _| self.prepare(chunk.start + position))
    }

    /// Runs fits wherever they may and gathers what `keep` makes of their outcomes, in order.
    fn run_fits<T: Send>(
        &self,
        fits: &[Fit],
        keep: impl Fn(usize, FitOutcome) -> Result<T, Unfit> + Sync,
    ) -> Result<Vec<Result<T, Unfit>>, ModelError> {
        let slots = Slots::new(fits.len());
        let queue = &self.seat.queue;
        let largest = fits.iter().map(Fit::memory_bytes).max().unwrap_or(0);
        let _held = self.hold(largest * queue.threads())?;
        let finished = queue.run(fits, &self.limits, |position, outcome| {
            let kept = outcome.map_err(Unfit::from);
            slots.put(position, kept.and_then(|outcome| keep(position, outcome)));
        });
        finished.map_err(stopped)?;
        Ok(slots.into_outcomes())
    }

    /// One fit for each group of a chunk, as a list that a GPU can take.
    fn fit_chunk(
        &self,
        chunk: std::ops::Range<usize>,
        candidate: &Candidate,
    ) -> Result<Vec<Outcome>, ModelError> {
        let prepared = self.prepare_chunk(&chunk)?;
        self.fit_prepared(&prepared, |_| (candidate, None))
    }

    /// Fits each prepared group by the setting and the rounds that `choose` gives.
    fn fit_prepared<'c>(
        &self,
        prepared: &[Result<PreparedGroup, Unfit>],
        choose: impl Fn(usize) -> (&'c Candidate, Option<u32>),
    ) -> Result<Vec<Outcome>, ModelError> {
        let (mut fits, mut owners) = (Vec::new(), Vec::new());
        for (position, group) in prepared.iter().enumerate() {
            let (candidate, rounds) = choose(position);
            let begun = group.as_ref().map_err(Unfit::clone);
            let begun = begun.and_then(|group| Ok((group, group.whole_fit(candidate, rounds)?)));
            owners.push(begun.map(|(group, fit)| {
                fits.push(fit);
                group
            }));
        }
        let fitted: Vec<&PreparedGroup> = owners.iter().flatten().copied().collect();
        let values = self.run_fits(&fits, |position, outcome| {
            fitted[position].value(outcome.model)
        })?;
        let mut values = values.into_iter();
        let missing = || Err(Unfit::Failed(ModelError::Cancelled));
        Ok(owners
            .into_iter()
            .map(|owner| owner.and_then(|_| values.next().unwrap_or_else(missing)))
            .collect())
    }

    fn search_chunk(
        &self,
        chunk: std::ops::Range<usize>,
        folds: usize,
        families: &[Family],
    ) -> Result<Vec<Outcome>, ModelError> {
        let prepared = self.prepare_chunk(&chunk)?;
        let candidates = self.candidates(families)?;
        let (mut tries, mut fits) = (Vec::new(), Vec::new());
        let mut tables = vec![vec![Tally::default(); candidates.len()]; prepared.len()];
        for (owner, group) in prepared.iter().enumerate() {
            let Ok(group) = group else { continue };
            let all: Vec<u32> = (0..group.rows() as u32).collect();
            for fold in group.split().folds(&all, folds) {
                for (candidate, setting) in candidates.iter().enumerate() {
                    match group.fit(setting, None, fold.clone()) {
                        Ok(fit) => {
                            fits.push(fit);
                            tries.push((owner, candidate, group));
                        }
                        Err(unfit) => tables[owner][candidate].add(Err(unfit), 0),
                    }
                }
            }
        }
        let losses = self.run_fits(&fits, |position, outcome| {
            Ok(held(tries[position].2, &fits[position].valid, &outcome))
        })?;
        for ((&(owner, candidate, _), fit), loss) in tries.iter().zip(&fits).zip(losses) {
            tables[owner][candidate].add(loss, fit.valid.len());
        }
        self.fit_prepared(&prepared, |owner| best(&tables[owner], &candidates, folds))
    }

    fn candidates(&self, families: &[Family]) -> Result<Vec<Candidate>, ModelError> {
        let portfolio = Portfolio {
            task: self.task,
            rows: 0,
            families: families.to_vec(),
            skewed_target: false,
            seed: self.call.seed,
        };
        let candidates = portfolio.for_one_group();
        if candidates.is_empty() {
            let task = self.task.word();
            let reason = format!("none of the algorithms can be used for {task}");
            return Err(ModelError::Learner(reason));
        }
        Ok(candidates)
    }

    /// Says which groups have no model; a failure of one that is not its rows' fault fails the statement.
    fn settle(&self, outcomes: Vec<Outcome>) -> datafusion::error::Result<GroupModels> {
        let mut models = Vec::with_capacity(outcomes.len());
        let (mut unfit, mut reason) = (0usize, None);
        for outcome in outcomes {
            models.push(match outcome {
                Ok(model) => Some(model),
                Err(Unfit::NoRows) => None,
                Err(Unfit::Reason(why)) => {
                    unfit += 1;
                    reason.get_or_insert(why);
                    None
                }
                Err(Unfit::Failed(error)) => return Err(error.into()),
            });
        }
        if let Some(reason) = reason {
            (self.seat.notify)(format!(
                "{unfit} of {} groups have no model; the first because {reason}",
                models.len()
            ));
        }
        Ok(models)
    }
}

/// What pieces of work gave, in the order of their positions.
struct Slots<T>(Mutex<Vec<Option<Result<T, Unfit>>>>);

impl<T> Slots<T> {
    fn new(count: usize) -> Self {
        Self(Mutex::new((0..count).map(|_| None).collect()))
    }

    fn put(&self, position: usize, outcome: Result<T, Unfit>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[position] = Some(outcome);
    }

    fn into_outcomes(self) -> Vec<Result<T, Unfit>> {
        let slots = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let missing = || Err(Unfit::Failed(ModelError::Cancelled));
        slots
            .into_iter()
            .map(|slot| slot.unwrap_or_else(missing))
            .collect()
    }
}

/// Why a whole list came to nothing.
fn stopped(error: GpuError) -> ModelError {
    match error {
        GpuError::Cancelled => ModelError::Cancelled,
        GpuError::Device(device) => ModelError::Device(device.to_string()),
        other => ModelError::Learner(other.to_string()),
    }
}

/// Loss on the held-out rows, and the rounds that gave it.
struct Held {
    loss: f64,
    rounds: u32,
}

fn held(group: &PreparedGroup, valid: &[u32], outcome: &FitOutcome) -> Held {
    let labels: Vec<f64> = valid
        .iter()
        .map(|&row| group.data.labels()[row as usize])
        .collect();
    let loss = Metric::default_of(group.label.task).loss(Measured {
        labels: &labels,
        predictions: outcome.held_out.numbers(),
        outputs: group.label.outputs(),
        positive: group.label.positive,
    });
    Held {
        loss,
        rounds: outcome.rounds,
    }
}

/// How a candidate did on a group's folds.
#[derive(Debug, Clone, Default)]
struct Tally {
    loss: f64,
    rows: f64,
    rounds: f64,
    folds: f64,
    failed: bool,
}

impl Tally {
    fn add(&mut self, held: Result<Held, Unfit>, rows: usize) {
        match held {
            Ok(held) => {
                self.loss += held.loss * rows as f64;
                self.rows += rows as f64;
                self.rounds += f64::from(held.rounds);
                self.folds += 1.0;
            }
            Err(_) => self.failed = true,
        }
    }

    fn mean(&self) -> f64 {
        if self.failed || self.rows == 0.0 || self.loss.is_nan() {
            f64::INFINITY
        } else {
            self.loss / self.rows
        }
    }
}

/// The candidate with the lowest loss, the simplest of equals, and the rounds for all rows.
fn best<'a>(
    tallies: &[Tally],
    candidates: &'a [Candidate],
    folds: usize,
) -> (&'a Candidate, Option<u32>) {
    let mut winner = 0;
    for (position, tally) in tallies.iter().enumerate() {
        if tally.mean() < tallies[winner].mean() {
            winner = position;
        }
    }
    let candidate = &candidates[winner];
    let tally = &tallies[winner];
    let stops = candidate.stops_early() && tally.folds > 0.0;
    let rounds = stops.then(|| {
        // All rows are more than a fold learned from, and carry a little further.
        let stretch = folds as f64 / (folds as f64 - 1.0);
        (tally.rounds / tally.folds * stretch).round().max(1.0) as u32
    });
    (candidate, rounds)
}
