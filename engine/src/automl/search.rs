//! Which settings and which blend of them do best? Trials in waves, until time, trials or progress end.

use std::time::{Duration, Instant};

use tarn_gpu::error::GpuError;

use super::candidates::{Candidate, Portfolio};
use super::ensemble::{self, Share};
use super::error::TrainError;
use super::evaluate::{Evaluation, FoldAnswers, Workshop, evaluate};
use super::metric::{Measured, Metric};
use super::options::Family;
use super::problem::Problem;
use super::split::Fold;

/// Candidates of one wave; a constant, so that waves are the same on any number of threads.
const WAVE: usize = 2;
/// Folds after which a trial that is clearly behind stops.
const PRUNING_FOLDS: usize = 2;
/// Relative distance to the best trial, on the same folds, at which a trial is clearly behind.
const PRUNING_MARGIN: f64 = 0.04;
/// Trials without progress after which a search ends, once the fixed candidates are through.
const PATIENCE_TRIALS: usize = 10;
/// Relative improvement that counts as progress.
const PROGRESS_MIN: f64 = 1e-3;
/// Trials of a search that neither clock nor statement ends.
const TRIALS_DEFAULT: usize = 60;

/// What became of a trial.
#[derive(Debug, Clone, PartialEq)]
pub enum TrialStatus {
    /// Every fold answered.
    Complete,
    /// Clearly behind after the first folds.
    Pruned,
    /// A fit failed, with its reason.
    Failed(String),
}

/// One setting that was tried.
#[derive(Debug, Clone)]
pub struct Trial {
    /// Position in the search, from 1.
    pub number: u32,
    /// What was tried.
    pub candidate: Candidate,
    /// How it ended.
    pub status: TrialStatus,
    /// Loss over the held-out rows of all its folds; infinite when it failed.
    pub loss: f64,
    /// Answers, one entry per fold.
    pub folds: Vec<FoldAnswers>,
    /// Wall seconds of its fits.
    pub seconds: f64,
}

impl Trial {
    /// Mean rounds over the folds.
    pub fn rounds(&self) -> u32 {
        let sum: u64 = self.folds.iter().map(|fold| u64::from(fold.rounds)).sum();
        (sum as f64 / self.folds.len().max(1) as f64).round() as u32
    }

    /// Answers for the held-out rows, fold after fold.
    pub fn held_out(&self) -> Vec<f64> {
        held_out(&self.folds)
    }

    /// Mean answers of the folds' models for the further rows.
    pub fn further(&self) -> Vec<f64> {
        let share = 1.0 / self.folds.len().max(1) as f64;
        let parts: Vec<(f64, &[f64])> = self
            .folds
            .iter()
            .map(|fold| (share, fold.further.as_slice()))
            .collect();
        ensemble::blend(&parts)
    }
}

fn held_out(folds: &[FoldAnswers]) -> Vec<f64> {
    folds
        .iter()
        .flat_map(|fold| fold.held_out.iter().copied())
        .collect()
}

/// When a search ends.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// When the statement started.
    pub started: Instant,
    /// Time for search and refit together.
    pub timeout: Option<Duration>,
    /// Most trials.
    pub trials_max: Option<u32>,
}

/// What a search works on.
#[derive(Debug)]
pub struct SearchTask<'a> {
    /// The rows.
    pub problem: &'a Problem,
    /// Folds of the rows that the search may see.
    pub folds: &'a [Fold],
    /// Rows that only the report sees; they are answered and never judged here.
    pub further: &'a [u32],
    /// What is optimised.
    pub metric: Metric,
    /// Seed of the fits.
    pub seed: u64,
    /// How many times the fit of all rows takes, compared with a fold's.
    pub refit_factor: f64,
}

impl SearchTask<'_> {
    /// Labels of the held-out rows, fold after fold.
    pub fn held_out_labels(&self, folds: usize) -> Vec<f64> {
        let rows = self.folds.iter().take(folds).flat_map(|fold| &fold.valid);
        rows.map(|&row| self.problem.data.labels()[row as usize])
            .collect()
    }

    /// The loss of answers for these labels.
    pub fn loss(&self, labels: &[f64], predictions: &[f64]) -> f64 {
        let (outputs, positive) = (self.problem.outputs, self.problem.positive);
        self.metric.loss(Measured {
            labels,
            predictions,
            outputs,
            positive,
        })
    }
}

/// What a search found.
#[derive(Debug)]
pub struct Found {
    /// Everything tried, in order.
    pub trials: Vec<Trial>,
    /// Shares of the winning blend; `trial` is an index into `trials`.
    pub shares: Vec<Share>,
    /// Why it ended, for the notice.
    pub ended: &'static str,
}

/// Runs trials until something ends the search, then chooses the blend.
///
/// `progress` is told the trials done and the best loss after every wave.
pub fn search(
    task: &SearchTask<'_>,
    portfolio: &Portfolio,
    budget: Budget,
    workshop: Workshop<'_>,
    progress: &dyn Fn(&[Trial]),
) -> Result<Found, TrainError> {
    let mut trials: Vec<Trial> = Vec::new();
    let mut queue = portfolio.fixed();
    queue.reverse();
    let fixed = queue.len();
    let trials_max = budget
        .trials_max
        .map_or(TRIALS_DEFAULT, |count| count as usize);
    let ended = loop {
        if trials.len() >= trials_max {
            break "all trials are done";
        }
        if trials.len() >= fixed && without_progress(&trials) >= PATIENCE_TRIALS {
            break "no progress";
        }
        if out_of_time(task, budget, workshop, &trials) {
            break "the time is up";
        }
        let wave = next_wave(
            &mut queue,
            portfolio,
            &trials,
            WAVE.min(trials_max - trials.len()),
        );
        if wave.is_empty() {
            break "all candidates are done";
        }
        let Some(done) = run_wave(task, workshop, &wave, &trials)? else {
            break "the time is up";
        };
        trials.extend(done);
        progress(&trials);
    };
    let shares = choose(task, &trials);
    if shares.is_empty() {
        return Err(nothing_worked(&trials));
    }
    Ok(Found {
        trials,
        shares,
        ended,
    })
}

fn next_wave(
    queue: &mut Vec<Candidate>,
    portfolio: &Portfolio,
    trials: &[Trial],
    size: usize,
) -> Vec<Candidate> {
    let mut wave = Vec::with_capacity(size);
    while wave.len() < size {
        if let Some(candidate) = queue.pop() {
            wave.push(candidate);
            continue;
        }
        let number = (trials.len() + wave.len()) as u32;
        // Draws alternate between the two best settings of trees.
        let mut best: Vec<&Trial> = trials.iter().filter(|trial| is_tree(trial)).collect();
        best.sort_by(|a, b| a.loss.total_cmp(&b.loss).then(a.number.cmp(&b.number)));
        let base = best.get(number as usize % 2).or(best.first());
        let Some(variation) = base.and_then(|trial| portfolio.variation(&trial.candidate, number))
        else {
            break;
        };
        wave.push(variation);
    }
    wave
}

fn is_tree(trial: &Trial) -> bool {
    trial.status == TrialStatus::Complete && trial.candidate.family() == Family::Trees
}

fn without_progress(trials: &[Trial]) -> usize {
    let mut best = f64::INFINITY;
    let mut last = 0;
    for (index, trial) in trials.iter().enumerate() {
        if trial.status == TrialStatus::Complete
            && trial.loss < best - PROGRESS_MIN * best.abs().min(f64::MAX)
        {
            best = trial.loss;
            last = index;
        }
    }
    trials.len().saturating_sub(last + 1)
}

/// Whether another wave and the fits of the winners would overrun the time.
fn out_of_time(
    task: &SearchTask<'_>,
    budget: Budget,
    workshop: Workshop<'_>,
    trials: &[Trial],
) -> bool {
    let Some(timeout) = budget.timeout else {
        return false;
    };
    let threads = workshop.queue.threads() as f64;
    let wave = trials
        .iter()
        .rev()
        .take(WAVE)
        .map(|trial| trial.seconds)
        .sum::<f64>()
        / threads;
    let needed = 1.2 * wave + refit_seconds(task, trials, threads);
    budget.started.elapsed().as_secs_f64() + needed > timeout.as_secs_f64()
}

/// Expected wall seconds of fitting the likely winners on all rows.
fn refit_seconds(task: &SearchTask<'_>, trials: &[Trial], threads: f64) -> f64 {
    let mut complete: Vec<&Trial> = trials
        .iter()
        .filter(|trial| trial.status == TrialStatus::Complete)
        .collect();
    complete.sort_by(|a, b| a.loss.total_cmp(&b.loss));
    let per_fit = |trial: &&Trial| trial.seconds / trial.folds.len().max(1) as f64;
    let slowest = complete.iter().take(4).map(per_fit);
    slowest.sum::<f64>() * super::refit::BAGS as f64 * task.refit_factor / threads
}

fn run_wave(
    task: &SearchTask<'_>,
    workshop: Workshop<'_>,
    wave: &[Candidate],
    trials: &[Trial],
) -> Result<Option<Vec<Trial>>, TrainError> {
    let first = if task.folds.len() > PRUNING_FOLDS {
        PRUNING_FOLDS
    } else {
        task.folds.len()
    };
    let (early, late) = task.folds.split_at(first);
    let candidates: Vec<&Candidate> = wave.iter().collect();
    let started = evaluate(
        workshop,
        task.problem,
        &candidates,
        early,
        task.further,
        task.seed,
    )?;
    let Some(started) = started else {
        return Ok(None);
    };
    let limit = pruning_limit(task, trials, first);
    let labels = task.held_out_labels(first);
    let survives = |evaluation: &Evaluation| {
        let loss = |folds: &Vec<FoldAnswers>| task.loss(&labels, &held_out(folds));
        evaluation
            .as_ref()
            .is_ok_and(|folds| late.is_empty() || loss(folds) <= limit)
    };
    let going_on: Vec<usize> = (0..wave.len())
        .filter(|&index| survives(&started[index]))
        .collect();
    let survivors: Vec<&Candidate> = going_on.iter().map(|&index| &wave[index]).collect();
    let finished = if late.is_empty() {
        Some(survivors.iter().map(|_| Ok(Vec::new())).collect())
    } else {
        evaluate(
            workshop,
            task.problem,
            &survivors,
            late,
            task.further,
            task.seed,
        )?
    };
    let Some(finished) = finished else {
        return Ok(None);
    };
    let mut finished = finished.into_iter();
    let mut done = Vec::with_capacity(wave.len());
    for (index, (candidate, evaluation)) in wave.iter().zip(started).enumerate() {
        let rest = if going_on.contains(&index) {
            finished.next()
        } else {
            None
        };
        done.push(trial_of(
            task,
            trials.len() + index + 1,
            candidate,
            evaluation,
            rest,
        )?);
    }
    Ok(Some(done))
}

fn trial_of(
    task: &SearchTask<'_>,
    number: usize,
    candidate: &Candidate,
    early: Evaluation,
    late: Option<Evaluation>,
) -> Result<Trial, TrainError> {
    let mut trial = Trial {
        number: number as u32,
        candidate: candidate.clone(),
        status: TrialStatus::Complete,
        loss: f64::INFINITY,
        folds: Vec::new(),
        seconds: 0.0,
    };
    let pruned = late.is_none();
    let parts = early.and_then(|mut folds| match late {
        Some(late) => late.map(|late| {
            folds.extend(late);
            folds
        }),
        None => Ok(folds),
    });
    match parts {
        Ok(folds) => trial.folds = folds,
        Err(GpuError::Cancelled) => return Err(TrainError::Cancelled),
        Err(error) => {
            trial.status = TrialStatus::Failed(error.to_string());
            return Ok(trial);
        }
    }
    trial.seconds = trial.folds.iter().map(|fold| fold.seconds).sum();
    trial.loss = task.loss(&task.held_out_labels(trial.folds.len()), &trial.held_out());
    if pruned {
        trial.status = TrialStatus::Pruned;
    }
    Ok(trial)
}

/// The loss on the first folds beyond which a trial is clearly behind the best one so far.
fn pruning_limit(task: &SearchTask<'_>, trials: &[Trial], folds: usize) -> f64 {
    let complete = trials
        .iter()
        .filter(|trial| trial.status == TrialStatus::Complete);
    let best = complete.min_by(|a, b| a.loss.total_cmp(&b.loss).then(a.number.cmp(&b.number)));
    let Some(best) = best else {
        return f64::INFINITY;
    };
    let answers: Vec<f64> = best
        .folds
        .iter()
        .take(folds)
        .flat_map(|fold| fold.held_out.iter().copied())
        .collect();
    let loss = task.loss(&task.held_out_labels(folds), &answers);
    loss + PRUNING_MARGIN * loss.abs()
}

/// The winning blend over the held-out rows that every complete trial answered.
pub fn choose(task: &SearchTask<'_>, trials: &[Trial]) -> Vec<Share> {
    let labels = task.held_out_labels(task.folds.len());
    let answers: Vec<Option<Vec<f64>>> = trials
        .iter()
        .map(|trial| {
            (trial.status == TrialStatus::Complete && trial.loss.is_finite())
                .then(|| trial.held_out())
        })
        .collect();
    let views: Vec<Option<&[f64]>> = answers.iter().map(Option::as_deref).collect();
    ensemble::select(&views, |blend| task.loss(&labels, blend))
}

fn nothing_worked(trials: &[Trial]) -> TrainError {
    let reason = trials.iter().find_map(|trial| match &trial.status {
        TrialStatus::Failed(reason) => Some(reason.clone()),
        _ => None,
    });
    TrainError::Unlearnable {
        reason: reason.unwrap_or_else(|| "no candidate finished within the time".into()),
        hint: "Raise the timeout: WITH (timeout = '10 min').".into(),
    }
}
