//! Which settings are fitted in the end, and how good are they on rows that no choice has seen?

use std::cell::RefCell;
use std::collections::HashMap;

use tarn_udfs::model::label::Task;

use super::calibrate::{Calibrated, Stated, calibrate};
use super::ensemble::Share;
use super::judge::{Division, Judged, divide, judge_search, judge_setting, nested_factor};
use super::problem::Problem;
use super::refit::{Winner, rounds_of, winners};
use super::report::{MetricRow, metric_rows};
use super::search::{Budget, Found, SearchTask, Trial, search};
use super::single::Prepared;
use super::train::{Progress, Training};
use tarn_udfs::fit::algorithm::Algorithm;
use tarn_udfs::fit::candidates::Portfolio;
use tarn_udfs::fit::error::TrainError;
use tarn_udfs::fit::metric::{Measured, Metric};
use tarn_udfs::fit::split::{Fold, SplitRows};

/// Rows that a search looks at; all of them are fitted in the end.
const SEARCH_ROWS_MAX: usize = 200_000;
/// Rows up to which a search uses five folds, and three.
const FIVE_FOLDS_ROWS_MAX: usize = 50_000;
const THREE_FOLDS_ROWS_MAX: usize = 100_000;
/// Share of the rows held out when one fold has to do.
const HOLDOUT_SHARE: f64 = 0.15;
/// Share of the time that the parent of groups may search.
const PARENT_TIME_SHARE: f64 = 0.5;

/// What a search or a named setting came to.
pub struct Outcome {
    /// Everything tried.
    pub trials: Vec<Trial>,
    /// Shares of the winners.
    pub shares: Vec<Share>,
    /// Fits per winner, for those that gain from seeds.
    pub bags: usize,
    /// Most rows to fit in the end; `None` is all.
    pub refit_rows_max: Option<usize>,
    /// What is fitted in the end.
    pub winners: Vec<Winner>,
    /// Answers on rows that no choice has seen.
    pub judged: Judged,
    /// Correction of probabilities; `None` for a regression.
    pub calibrated: Option<Calibrated>,
    /// Why the search ended.
    pub ended: String,
}

/// A decision, and what it knows of single rows.
pub struct Decided {
    /// What was decided.
    pub outcome: Outcome,
    /// How the rows were divided for it.
    pub division: Division,
    outputs: usize,
    /// Place of a report row among the judged ones.
    report_places: HashMap<u32, usize>,
    /// Place of a row among the out-of-fold answers.
    out_of_fold_places: HashMap<u32, usize>,
}

impl Decided {
    fn new(outcome: Outcome, division: Division, outputs: usize) -> Self {
        let places = |rows: &[u32]| {
            rows.iter()
                .enumerate()
                .map(|(place, &row)| (row, place))
                .collect()
        };
        let report_places = places(&division.report);
        let out_of_fold_places = places(&outcome.judged.out_of_fold_rows);
        Self {
            outcome,
            division,
            outputs,
            report_places,
            out_of_fold_places,
        }
    }

    /// Whether only the report may see a row.
    pub fn is_report(&self, row: u32) -> bool {
        self.report_places.contains_key(&row)
    }

    /// The rows that choices may see.
    pub fn without_report(&self, rows: &[u32]) -> Vec<u32> {
        rows.iter()
            .copied()
            .filter(|row| !self.is_report(*row))
            .collect()
    }

    /// The out-of-fold answer for a row.
    pub fn parent_answer(&self, row: u32) -> Option<&[f64]> {
        let place = self.out_of_fold_places.get(&row)? * self.outputs;
        self.outcome
            .judged
            .out_of_fold
            .1
            .get(place..place + self.outputs)
    }

    /// Blends own answers for report rows into the judged ones, and gives the blend.
    pub fn blend_report(&mut self, rows: &[u32], own: &[f64], own_weight: f64) -> Vec<f64> {
        let mut blended = Vec::with_capacity(own.len());
        for (row, own) in rows.iter().zip(own.chunks_exact(self.outputs)) {
            let Some(place) = self
                .report_places
                .get(row)
                .map(|place| place * self.outputs)
            else {
                continue;
            };
            for (judged, own) in self.outcome.judged.predictions[place..].iter_mut().zip(own) {
                *judged = own_weight * own + (1.0 - own_weight) * *judged;
                blended.push(*judged);
            }
        }
        blended
    }
}

/// Chooses what to fit, and judges the choice. With `groups`, the choice is that of their parent.
pub fn decide(
    training: &Training<'_>,
    prepared: &Prepared,
    problem: &Problem,
    groups: bool,
    progress: &mut Progress<'_>,
) -> Result<Decided, TrainError> {
    let spec = training.spec;
    let division = divide(problem, spec.options.test_size, spec.seed(), groups);
    let mut outcome = match &spec.algorithm {
        Some(algorithm) => decide_by_name(training, prepared, problem, algorithm, &division)?,
        None => decide_by_search(training, prepared, problem, &division, groups, progress)?,
    };
    outcome.calibrated = calibrated(problem, &outcome.judged);
    Ok(Decided::new(outcome, division, problem.outputs))
}

fn decide_by_name(
    training: &Training<'_>,
    prepared: &Prepared,
    problem: &Problem,
    algorithm: &Algorithm,
    division: &Division,
) -> Result<Outcome, TrainError> {
    let spec = training.spec;
    let (judged, trial) = judge_setting(
        training.workshop,
        problem,
        &algorithm.candidate,
        division,
        prepared.metric,
        spec.seed(),
    )?;
    let winner = Winner {
        candidate: trial.candidate.clone(),
        weight: 1.0,
        rounds: rounds_of(&trial),
        bags: 1,
    };
    let shares = vec![Share {
        trial: 0,
        weight: 1.0,
    }];
    let ended = "the statement names the setting".to_owned();
    Ok(Outcome {
        trials: vec![trial],
        shares,
        bags: 1,
        refit_rows_max: None,
        winners: vec![winner],
        judged,
        calibrated: None,
        ended,
    })
}

fn decide_by_search(
    training: &Training<'_>,
    prepared: &Prepared,
    problem: &Problem,
    division: &Division,
    groups: bool,
    progress: &mut Progress<'_>,
) -> Result<Outcome, TrainError> {
    let spec = training.spec;
    let split = problem.split_rows(spec.seed());
    let rows = search_rows(problem, &division.chosen_on, spec.seed());
    let folds = search_folds(&split, &rows, spec.options.folds);
    let train_rows = folds.iter().map(|fold| fold.train.len()).max().unwrap_or(1);
    let task = SearchTask {
        problem,
        folds: &folds,
        further: &division.report,
        metric: prepared.metric,
        seed: spec.seed(),
        refit_factor: 1.2 * problem.data.rows() as f64 / train_rows.max(1) as f64,
        judgement_factor: nested_factor(division, folds.len()),
    };
    let portfolio = Portfolio {
        task: problem.task,
        rows: rows.len(),
        families: spec.options.families.clone(),
        skewed_target: problem.log_data.is_some(),
        seed: spec.seed(),
    };
    let progress = RefCell::new(progress);
    let tell = |trials: &[Trial]| {
        let line = || standing(trials, prepared.metric);
        progress.borrow_mut().tell(line);
    };
    let budget = search_budget(training, groups);
    let refit = &spec.options.refit;
    let found = search(&task, &portfolio, budget, refit, training.workshop, &tell)?;
    let judged = judge_search(training.workshop, &task, &found)?;
    let winners = winners(&found);
    let Found {
        trials,
        plan,
        ended,
    } = found;
    Ok(Outcome {
        trials,
        shares: plan.shares,
        bags: plan.bags,
        refit_rows_max: plan.rows_max,
        winners,
        judged,
        calibrated: None,
        ended: ended.to_owned(),
    })
}

/// What a search may spend. The parent of groups leaves some of the time to fitting the groups.
fn search_budget(training: &Training<'_>, groups: bool) -> Budget {
    let options = &training.spec.options;
    let share = if groups { PARENT_TIME_SHARE } else { 1.0 };
    Budget {
        started: training.started,
        timeout: options.timeout.map(|timeout| timeout.mul_f64(share)),
        trials_max: options.trials_max,
    }
}

/// The rows that the winners are fitted on: all, or a sample by content hash when time or statement allow no more.
pub fn refit_rows(problem: &Problem, rows_max: Option<usize>, seed: u64) -> Vec<u32> {
    let rows = problem.all_rows();
    match rows_max {
        Some(most) if most < rows.len() => {
            let share = most as f64 / rows.len() as f64;
            problem.split_rows(seed ^ 0xF17).cut(&rows, share).valid
        }
        _ => rows,
    }
}

/// How far a search is, in a line.
fn standing(trials: &[Trial], metric: Metric) -> String {
    let best = trials
        .iter()
        .map(|trial| trial.loss)
        .fold(f64::INFINITY, f64::min);
    let shown = if metric.is_maximised() {
        1.0 - best
    } else {
        best
    };
    format!("{} trials, best {} {shown:.5}", trials.len(), metric.name())
}

/// The rows that a search looks at: all it may see, or a sample by content hash when they are many.
fn search_rows(problem: &Problem, rows: &[u32], seed: u64) -> Vec<u32> {
    if rows.len() <= SEARCH_ROWS_MAX {
        return rows.to_vec();
    }
    let share = SEARCH_ROWS_MAX as f64 / rows.len() as f64;
    problem.split_rows(seed ^ 0x5A).cut(rows, share).valid
}

fn search_folds(split: &SplitRows<'_>, rows: &[u32], wanted: Option<u32>) -> Vec<Fold> {
    let count = match wanted {
        Some(count) => count as usize,
        None if rows.len() <= FIVE_FOLDS_ROWS_MAX => 5,
        None if rows.len() <= THREE_FOLDS_ROWS_MAX => 3,
        None => 1,
    };
    if count == 1 {
        vec![split.cut(rows, HOLDOUT_SHARE)]
    } else {
        split.folds(rows, count)
    }
}

fn calibrated(problem: &Problem, judged: &Judged) -> Option<Calibrated> {
    if problem.task == Task::Regression || judged.labels.is_empty() {
        return None;
    }
    let (labels, probabilities) = &judged.out_of_fold;
    let report = Stated {
        labels: &judged.labels,
        probabilities: &judged.predictions,
    };
    Some(calibrate(
        Stated {
            labels,
            probabilities,
        },
        report,
        problem.outputs,
    ))
}

/// The reported metrics, after calibration.
pub fn reported(
    problem: &Problem,
    judged: &Judged,
    calibrated: Option<&Calibrated>,
) -> Vec<MetricRow> {
    let mut predictions = judged.predictions.clone();
    if let Some(calibration) = calibrated.and_then(|calibrated| calibrated.calibration.as_ref()) {
        calibration.apply(&mut predictions, problem.outputs);
    }
    let measured = Measured {
        labels: &judged.labels,
        predictions: &predictions,
        outputs: problem.outputs,
        positive: problem.positive,
    };
    metric_rows("report", Metric::reported(problem.task), measured)
}
