//! Which settings and which blend of them do best? Trials in waves, until time, trials or progress end.

use std::time::{Duration, Instant};

use tarn_gpu::error::GpuError;
use tarn_udfs::fit::queue::FitLimits;

use super::ensemble::{self, Share};
use super::evaluate::{Evaluation, FoldAnswers, Workshop, evaluate};
use super::problem::Problem;
use super::refit_plan::{self, Clock, RefitOptions, RefitPlan};
use tarn_udfs::fit::candidates::{Candidate, Portfolio};
use tarn_udfs::fit::error::TrainError;
use tarn_udfs::fit::family::Family;
use tarn_udfs::fit::metric::{Measured, Metric};
use tarn_udfs::fit::split::Fold;

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
/// Most of the time that is kept for the refit while there are trials to do.
const REFIT_TIME_SHARE_MAX: f64 = 0.4;
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

impl Budget {
    /// Seconds left when `reserved` seconds are kept for later; `None` without a timeout.
    fn left_seconds(&self, reserved: f64) -> Option<f64> {
        let timeout = self.timeout?.as_secs_f64();
        Some(timeout - reserved - self.started.elapsed().as_secs_f64())
    }
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
    /// How many times the fits of the nested judgement take, compared with all trials'; 0 without one.
    pub judgement_factor: f64,
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
    /// The winning blend and how it is fitted.
    pub plan: RefitPlan,
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
    refit: &RefitOptions,
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
        let Some(limits) = wave_limits(task, budget, workshop, &trials) else {
            break "the time is up";
        };
        let in_time = Workshop {
            limits: &limits,
            ..workshop
        };
        let wave = next_wave(
            &mut queue,
            portfolio,
            &trials,
            WAVE.min(trials_max - trials.len()),
        );
        if wave.is_empty() {
            break "all candidates are done";
        }
        let Some(done) = run_wave(task, in_time, &wave, &trials)? else {
            break "the time is up";
        };
        trials.extend(done);
        progress(&trials);
    };
    let threads = workshop.threads();
    let left = budget.left_seconds(judgement_seconds(task, &trials, threads));
    let clock = left.map(|left| Clock {
        left_seconds: left.max(0.0),
        threads,
    });
    let plan = refit_plan::plan(task, &trials, refit, clock);
    if plan.shares.is_empty() {
        return Err(nothing_worked(&trials, refit));
    }
    Ok(Found {
        trials,
        plan,
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

/// The limits of another wave, which has to leave time for the judgement and the fits of the winners; `None` when a
/// wave like the last one would not be done by then.
fn wave_limits(
    task: &SearchTask<'_>,
    budget: Budget,
    workshop: Workshop<'_>,
    trials: &[Trial],
) -> Option<FitLimits> {
    let Some(timeout) = budget.timeout else {
        return Some(workshop.limits.clone());
    };
    let threads = workshop.threads();
    let last_wave = trials.iter().rev().take(WAVE);
    let wave = last_wave.map(|trial| trial.seconds).sum::<f64>() / threads as f64;
    let refit = refit_plan::expected_seconds(task, trials, threads);
    // A refit can do with less, at the price of seeds and members; more trials are worth that for a while.
    let refit = refit.min(REFIT_TIME_SHARE_MAX * timeout.as_secs_f64());
    let reserved = refit + judgement_seconds(task, trials, threads);
    let left = budget.left_seconds(reserved)?;
    let needed = wave * (1.2 + task.judgement_factor);
    (left > needed).then(|| FitLimits {
        deadline: Some(Instant::now() + Duration::from_secs_f64(left)),
        ..workshop.limits.clone()
    })
}

/// Expected wall seconds of the nested judgement of these trials.
fn judgement_seconds(task: &SearchTask<'_>, trials: &[Trial], threads: usize) -> f64 {
    let complete = trials
        .iter()
        .filter(|trial| trial.status == TrialStatus::Complete);
    complete.map(|trial| trial.seconds).sum::<f64>() * task.judgement_factor / threads as f64
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

/// The winning blend of at most `members_max` trials over the held-out rows that every complete trial answered.
pub fn choose(
    task: &SearchTask<'_>,
    trials: &[Trial],
    allowed: impl Fn(&Trial) -> bool,
    members_max: usize,
) -> Vec<Share> {
    let labels = task.held_out_labels(task.folds.len());
    let answers: Vec<Option<Vec<f64>>> = trials
        .iter()
        .map(|trial| {
            let joins = trial.status == TrialStatus::Complete && trial.loss.is_finite();
            (joins && allowed(trial)).then(|| trial.held_out())
        })
        .collect();
    let views: Vec<Option<&[f64]>> = answers.iter().map(Option::as_deref).collect();
    ensemble::select(&views, members_max, |blend| task.loss(&labels, blend))
}

fn nothing_worked(trials: &[Trial], refit: &RefitOptions) -> TrainError {
    if trials
        .iter()
        .any(|trial| trial.status == TrialStatus::Complete)
    {
        let wanted: Vec<String> = refit.blend_trials.iter().map(u32::to_string).collect();
        return TrainError::Unlearnable {
            reason: format!(
                "none of the {} trials done is one of blend_trials = '{}' and complete",
                trials.len(),
                wanted.join(",")
            ),
            hint: "Raise max_trials, or leave blend_trials out.".into(),
        };
    }
    let reason = trials.iter().find_map(|trial| match &trial.status {
        TrialStatus::Failed(reason) => Some(reason.clone()),
        _ => None,
    });
    TrainError::Unlearnable {
        reason: reason.unwrap_or_else(|| "no candidate finished within the time".into()),
        hint: "Raise the timeout: WITH (timeout = '10 min').".into(),
    }
}
