//! How do the rows of many groups become a model of each?
//!
//! One flat list goes to the fit queue, largest group first: for a named learner a piece of work per group, which
//! encodes, fits and writes; for a search first the encoding of some groups, then every group × candidate × fold at
//! once, then the winners on all rows of their groups.

use std::sync::{Mutex, PoisonError};

use datafusion::execution::memory_pool::MemoryConsumer;
use tarn_gpu::error::GpuError;
use tarn_gpu::fit::fit_one;

use super::call_spec::{CheckedCall, Choice};
use super::candidates::{Candidate, Portfolio};
use super::family::Family;
use super::group_model::{PreparedGroup, Unfit, prepare};
use super::group_rows::SortedGroups;
use super::metric::{Measured, Metric};
use super::queue::{FitLimits, WorkerSeat};
use super::seat::Seat;
use super::split::Fold;
use crate::error::ModelError;
use crate::model::label::Task;

/// Encoded cells of the groups that a search holds at a time.
const SEARCH_CELLS_MAX: usize = 1 << 26;
/// Bytes of a fit for each cell of its group: numbers, bins, gradients and scores.
const CELL_BYTES: usize = 12;

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
    let largest = (0..groups.count()).map(|group| groups.rows(group)).max();
    let cells = largest.unwrap_or(0) * (groups.features() + 2);
    let reservation = MemoryConsumer::new("group fits").register(&seat.memory);
    reservation.try_grow(cells * CELL_BYTES * seat.queue.threads())?;
    let _underway = (seat.begin)();
    let run = Run {
        groups,
        call,
        task,
        seat,
        limits: seat.limits(),
    };
    let outcomes = match &call.choice {
        Choice::Named(candidate) => run.named(candidate)?,
        Choice::Search { folds, families } => run.search(*folds as usize, families)?,
    };
    run.settle(outcomes)
}

type Outcome = Result<Vec<u8>, Unfit>;

struct Run<'a> {
    groups: &'a SortedGroups,
    call: &'a CheckedCall,
    task: Task,
    seat: &'a Seat,
    limits: FitLimits,
}

impl Run<'_> {
    /// Runs one piece of work per entry of `works` and gathers what they give, in order.
    fn each<T: Send>(
        &self,
        works: &[f64],
        run: impl Fn(usize, &mut WorkerSeat<'_>) -> Result<T, Unfit> + Sync,
    ) -> Result<Vec<Result<T, Unfit>>, ModelError> {
        let slots: Mutex<Vec<Option<Result<T, Unfit>>>> =
            Mutex::new(works.iter().map(|_| None).collect());
        let queue = &self.seat.queue;
        let finished = queue.run_each(works, &self.limits, |position, worker| {
            let outcome = run(position, worker);
            slots.lock().unwrap_or_else(PoisonError::into_inner)[position] = Some(outcome);
        });
        finished.map_err(|error| match error {
            GpuError::Cancelled => ModelError::Cancelled,
            other => ModelError::Learner(other.to_string()),
        })?;
        let slots = slots.into_inner().unwrap_or_else(PoisonError::into_inner);
        let missing = || Err(Unfit::Failed(ModelError::Cancelled));
        Ok(slots
            .into_iter()
            .map(|slot| slot.unwrap_or_else(missing))
            .collect())
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
        self.each(&works, |group, worker| {
            finish(&self.prepare(group)?, candidate, None, worker)
        })
    }

    fn search(&self, folds: usize, families: &[Family]) -> Result<Vec<Outcome>, ModelError> {
        let mut outcomes = Vec::with_capacity(self.groups.count());
        let mut begin = 0;
        while begin < self.groups.count() {
            let end = self.chunk_end(begin);
            outcomes.extend(self.search_chunk(begin..end, folds, families)?);
            begin = end;
        }
        Ok(outcomes)
    }

    fn chunk_end(&self, begin: usize) -> usize {
        let mut cells = 0;
        for group in begin..self.groups.count() {
            cells += self.groups.rows(group) * (self.groups.features() + 2);
            if cells > SEARCH_CELLS_MAX && group > begin {
                return group;
            }
        }
        self.groups.count()
    }

    fn search_chunk(
        &self,
        chunk: std::ops::Range<usize>,
        folds: usize,
        families: &[Family],
    ) -> Result<Vec<Outcome>, ModelError> {
        let rows: Vec<f64> = chunk
            .clone()
            .map(|group| self.groups.rows(group) as f64)
            .collect();
        let prepared = self.each(&rows, |position, _| self.prepare(chunk.start + position))?;
        let candidates = self.candidates(families)?;
        let mut tries: Vec<Try<'_>> = Vec::new();
        for (owner, group) in prepared.iter().enumerate() {
            let Ok(group) = group else { continue };
            let all: Vec<u32> = (0..group.rows() as u32).collect();
            for fold in group.split().folds(&all, folds) {
                tries.extend((0..candidates.len()).map(|candidate| Try {
                    owner,
                    group,
                    candidate,
                    fold: fold.clone(),
                }));
            }
        }
        let works: Vec<f64> = tries
            .iter()
            .map(|one| self.work(chunk.start + one.owner, &candidates[one.candidate]))
            .collect();
        let losses = self.each(&works, |position, worker| {
            tries[position].run(&candidates, worker)
        })?;
        let mut tables = vec![vec![Tally::default(); candidates.len()]; prepared.len()];
        for (one, loss) in tries.iter().zip(losses) {
            tables[one.owner][one.candidate].add(loss, one.fold.valid.len());
        }
        let works: Vec<f64> = rows.clone();
        self.each(&works, |owner, worker| {
            let group = match &prepared[owner] {
                Ok(group) => group,
                Err(unfit) => return Err(unfit.again()),
            };
            let (candidate, rounds) = best(&tables[owner], &candidates, folds);
            finish(group, candidate, rounds, worker)
        })
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

impl Unfit {
    /// The same reason once more.
    fn again(&self) -> Self {
        match self {
            Self::NoRows => Self::NoRows,
            Self::Reason(reason) => Self::Reason(reason.clone()),
            Self::Failed(error) => Self::Failed(error.clone()),
        }
    }
}

fn finish(
    group: &PreparedGroup,
    candidate: &Candidate,
    rounds: Option<u32>,
    worker: &mut WorkerSeat<'_>,
) -> Outcome {
    let fit = group.whole_fit(candidate, rounds)?;
    let outcome = fit_one(&fit, worker.control, worker.scratch, worker.parallel)?;
    group.value(outcome.model)
}

/// One candidate on one fold of a group.
struct Try<'a> {
    owner: usize,
    group: &'a PreparedGroup,
    candidate: usize,
    fold: Fold,
}

/// Loss on the held-out rows, and the rounds that gave it.
struct Held {
    loss: f64,
    rounds: u32,
}

impl Try<'_> {
    fn run(&self, candidates: &[Candidate], worker: &mut WorkerSeat<'_>) -> Result<Held, Unfit> {
        let group = self.group;
        let fit = group.fit(&candidates[self.candidate], None, self.fold.clone())?;
        let outcome = fit_one(&fit, worker.control, worker.scratch, worker.parallel)?;
        let labels: Vec<f64> = self
            .fold
            .valid
            .iter()
            .map(|&row| group.data.labels()[row as usize])
            .collect();
        let loss = Metric::default_of(group.label.task).loss(Measured {
            labels: &labels,
            predictions: outcome.held_out.numbers(),
            outputs: group.label.outputs(),
            positive: group.label.positive,
        });
        Ok(Held {
            loss,
            rounds: outcome.rounds,
        })
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
