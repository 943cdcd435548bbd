//! What does the model get on rows that no choice has seen?
//!
//! From [`NESTED_ROWS_MAX`] rows on, a report split is kept aside; below, every row is answered once by a model whose
//! settings, rounds and blend were chosen without it (nested cross-validation).

use super::ensemble::{self, MEMBERS_MAX};
use super::evaluate::{Evaluation, Workshop, evaluate};
use super::problem::Problem;
use super::search::{Found, SearchTask, Trial, TrialStatus, choose};
use tarn_udfs::fit::candidates::Candidate;
use tarn_udfs::fit::error::TrainError;
use tarn_udfs::fit::metric::Metric;
use tarn_udfs::fit::split::{Fold, NESTED_ROWS_MAX};

/// Folds of a nested judgement.
const OUTER_FOLDS: usize = 5;
/// Share of the rows that an outer fold learns from, hence of the time of its fits.
const OUTER_TRAIN_SHARE: f64 = 1.0 - 1.0 / OUTER_FOLDS as f64;
/// Share of a fold's training rows that stop its rounds.
const STOPPING_SHARE: f64 = 0.15;

/// Answers for rows that no choice has seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// Labels of the rows.
    pub labels: Vec<f64>,
    /// Answers, row after row.
    pub predictions: Vec<f64>,
    /// Answers for further rows that a calibration may learn from, with their labels; empty when there are none.
    pub out_of_fold: (Vec<f64>, Vec<f64>),
    /// The rows of `out_of_fold`, by position.
    pub out_of_fold_rows: Vec<u32>,
}

/// How rows are divided between choosing and judging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Division {
    /// Rows that choices may see.
    pub chosen_on: Vec<u32>,
    /// Rows that only the report sees; empty when the judgement is nested.
    pub report: Vec<u32>,
}

/// Divides all rows of a problem. The rows of groups always have a report split: blends are judged on it.
pub fn divide(problem: &Problem, test_size: f64, seed: u64, groups: bool) -> Division {
    let rows = problem.all_rows();
    if rows.len() < NESTED_ROWS_MAX && problem.times.is_none() && !groups {
        return Division {
            chosen_on: rows,
            report: Vec::new(),
        };
    }
    let cut = problem.split_rows(seed).cut(&rows, test_size);
    Division {
        chosen_on: cut.train,
        report: cut.valid,
    }
}

/// Judges the winners of a search.
pub fn judge_search(
    workshop: Workshop<'_>,
    task: &SearchTask<'_>,
    found: &Found,
) -> Result<Judged, TrainError> {
    let blend_of = |answers: &dyn Fn(&Trial) -> Vec<f64>| {
        let parts: Vec<(f64, Vec<f64>)> = found
            .plan
            .shares
            .iter()
            .map(|share| (share.weight, answers(&found.trials[share.trial])))
            .collect();
        let views: Vec<(f64, &[f64])> = parts
            .iter()
            .map(|(weight, part)| (*weight, part.as_slice()))
            .collect();
        ensemble::blend(&views)
    };
    let out_of_fold = (
        task.held_out_labels(task.folds.len()),
        blend_of(&Trial::held_out),
    );
    let out_of_fold_rows: Vec<u32> = task
        .folds
        .iter()
        .flat_map(|fold| fold.valid.iter().copied())
        .collect();
    if !task.further.is_empty() {
        let labels = task.problem.labels_of(task.further);
        return Ok(Judged {
            labels,
            predictions: blend_of(&Trial::further),
            out_of_fold,
            out_of_fold_rows,
        });
    }
    let (labels, predictions) = nested(workshop, task, found)?;
    Ok(Judged {
        labels,
        predictions,
        out_of_fold,
        out_of_fold_rows,
    })
}

/// Folds inside an outer fold, for a search with this many folds.
pub fn inner_folds(folds: usize) -> usize {
    folds.clamp(2, 5)
}

/// How many times the nested judgement of a division takes as long as the trials of a search with `folds` folds.
pub fn nested_factor(division: &Division, folds: usize) -> f64 {
    if !division.report.is_empty() {
        return 0.0;
    }
    (OUTER_FOLDS * inner_folds(folds)) as f64 / folds.max(1) as f64 * OUTER_TRAIN_SHARE
}

/// Repeats the choice among the search's trials inside each outer fold, and answers the rows outside.
fn nested(
    workshop: Workshop<'_>,
    task: &SearchTask<'_>,
    found: &Found,
) -> Result<(Vec<f64>, Vec<f64>), TrainError> {
    let complete = found
        .trials
        .iter()
        .filter(|trial| trial.status == TrialStatus::Complete);
    let candidates: Vec<&Candidate> = complete.map(|trial| &trial.candidate).collect();
    let split = task.problem.split_rows(task.seed ^ 0x0E57);
    let no_deadline = tarn_udfs::fit::queue::FitLimits {
        deadline: None,
        ..workshop.limits.clone()
    };
    let workshop = Workshop {
        limits: &no_deadline,
        ..workshop
    };
    let (mut labels, mut predictions) = (Vec::new(), Vec::new());
    for outer in split.folds(&task.problem.all_rows(), OUTER_FOLDS) {
        let folds = split.folds(&outer.train, inner_folds(task.folds.len()));
        let inner = SearchTask {
            folds: &folds,
            further: &outer.valid,
            ..*task
        };
        let evaluations = evaluate(
            workshop,
            task.problem,
            &candidates,
            &folds,
            &outer.valid,
            task.seed,
        )?;
        let trials = trials_of(&inner, &candidates, evaluations.unwrap_or_default());
        let shares = choose(&inner, &trials, |_| true, MEMBERS_MAX);
        let parts: Vec<(f64, Vec<f64>)> = shares
            .iter()
            .map(|share| (share.weight, trials[share.trial].further()))
            .collect();
        if parts.is_empty() {
            continue;
        }
        let views: Vec<(f64, &[f64])> = parts
            .iter()
            .map(|(weight, part)| (*weight, part.as_slice()))
            .collect();
        labels.extend(task.problem.labels_of(&outer.valid));
        predictions.extend(ensemble::blend(&views));
    }
    Ok((labels, predictions))
}

fn trials_of(
    task: &SearchTask<'_>,
    candidates: &[&Candidate],
    evaluations: Vec<Evaluation>,
) -> Vec<Trial> {
    let labels = task.held_out_labels(task.folds.len());
    let of = |(candidate, evaluation): (&&Candidate, Evaluation)| {
        let (status, folds) = match evaluation {
            Ok(folds) => (TrialStatus::Complete, folds),
            Err(error) => (TrialStatus::Failed(error.to_string()), Vec::new()),
        };
        let mut trial = Trial {
            number: 0,
            candidate: (*candidate).clone(),
            status,
            loss: f64::INFINITY,
            folds,
            seconds: 0.0,
        };
        if trial.status == TrialStatus::Complete {
            trial.loss = task.loss(&labels, &trial.held_out());
        }
        trial
    };
    candidates.iter().zip(evaluations).map(of).collect()
}

/// Judges one named setting. Returns its trial too: folds, rounds and loss.
pub fn judge_setting(
    workshop: Workshop<'_>,
    problem: &Problem,
    candidate: &Candidate,
    division: &Division,
    metric: Metric,
    seed: u64,
) -> Result<(Judged, Trial), TrainError> {
    let split = problem.split_rows(seed);
    let outer = if division.report.is_empty() {
        split.folds(&division.chosen_on, OUTER_FOLDS)
    } else {
        vec![Fold {
            train: division.chosen_on.clone(),
            valid: division.report.clone(),
        }]
    };
    let stops_early = candidate.stops_early();
    let mut folds = Vec::new();
    let (mut labels, mut predictions) = (Vec::new(), Vec::new());
    for fold in outer {
        let inner = if stops_early {
            split.cut(&fold.train, STOPPING_SHARE)
        } else {
            Fold {
                train: fold.train,
                valid: Vec::new(),
            }
        };
        let evaluations = evaluate(workshop, problem, &[candidate], &[inner], &fold.valid, seed)?;
        let answers = evaluations.and_then(|mut evaluations| evaluations.pop());
        let Some(answers) = answers else {
            return Err(too_slow());
        };
        for answer in answers? {
            labels.extend(problem.labels_of(&fold.valid));
            predictions.extend_from_slice(&answer.further);
            folds.push(answer);
        }
    }
    let seconds = folds.iter().map(|fold| fold.seconds).sum();
    let measured = tarn_udfs::fit::metric::Measured {
        labels: &labels,
        predictions: &predictions,
        outputs: problem.outputs,
        positive: problem.positive,
    };
    let loss = metric.loss(measured);
    let trial = Trial {
        number: 1,
        candidate: candidate.clone(),
        status: TrialStatus::Complete,
        loss,
        folds,
        seconds,
    };
    Ok((
        Judged {
            labels,
            predictions,
            out_of_fold: (Vec::new(), Vec::new()),
            out_of_fold_rows: Vec::new(),
        },
        trial,
    ))
}

fn too_slow() -> TrainError {
    TrainError::Unlearnable {
        reason: "the time was up before a fit was done".into(),
        hint: "Raise the timeout: WITH (timeout = '10 min').".into(),
    }
}
