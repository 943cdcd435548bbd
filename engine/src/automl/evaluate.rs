//! How do settings do on rows that they did not learn from? One flat list of fits: settings × folds.

use std::sync::{Arc, Mutex, PoisonError};

use tarn_gpu::error::GpuError;
use tarn_gpu::fit::{Fit, FitOutcome};
use tarn_gpu::model::{Model, Prediction};
use tarn_udfs::fit::queue::{Finished, FitLimits, FitQueue};
use tarn_udfs::model::trained::TargetScale;

use super::problem::Problem;
use tarn_udfs::fit::candidates::Candidate;
use tarn_udfs::fit::error::TrainError;
use tarn_udfs::fit::split::Fold;

/// What one fold says of one setting.
#[derive(Debug, Clone, PartialEq)]
pub struct FoldAnswers {
    /// Answers for the fold's held-out rows, in their order, on the label's scale.
    pub held_out: Vec<f64>,
    /// Answers for the further rows, in their order.
    pub further: Vec<f64>,
    /// Rounds that the fit kept.
    pub rounds: u32,
    /// Wall seconds of the fit.
    pub seconds: f64,
}

/// What the folds say of one setting: one entry per fold, or why there is none.
pub type Evaluation = Result<Vec<FoldAnswers>, GpuError>;

/// Rows to learn from and rows held out, shared by the fits of a fold.
type FoldRows = (Arc<[u32]>, Arc<[u32]>);

/// Where fits run and what stops them.
#[derive(Debug, Clone, Copy)]
pub struct Workshop<'a> {
    /// The process's fit queue.
    pub queue: &'a FitQueue,
    /// Cancel token, deadline and threads of the statement.
    pub limits: &'a FitLimits,
}

impl Workshop<'_> {
    /// Threads that the statement may use.
    pub fn threads(&self) -> usize {
        match self.limits.threads_max {
            0 => self.queue.threads(),
            most => most.min(self.queue.threads()),
        }
    }
}

/// The label scale that a candidate learns on.
pub fn target_of(candidate: &Candidate) -> TargetScale {
    TargetScale {
        log: candidate.log_target,
        ..TargetScale::IDENTITY
    }
}

/// Fits every candidate on every fold and asks it about the held-out and the `further` rows.
///
/// `None` when the deadline came first: a list counts whole or not at all, so that a run can be repeated.
pub fn evaluate(
    workshop: Workshop<'_>,
    problem: &Problem,
    candidates: &[&Candidate],
    folds: &[Fold],
    further: &[u32],
    seed: u64,
) -> Result<Option<Vec<Evaluation>>, TrainError> {
    let shared: Vec<FoldRows> = folds
        .iter()
        .map(|fold| (fold.train.clone().into(), fold.valid.clone().into()))
        .collect();
    let mut fits = Vec::with_capacity(candidates.len() * folds.len());
    for candidate in candidates {
        let learner = candidate.learner(None).map_err(GpuError::from)?;
        let data = data_of(problem, candidate);
        for (train, valid) in &shared {
            fits.push(Fit {
                data: Arc::clone(data),
                train: Arc::clone(train),
                valid: Arc::clone(valid),
                learner: learner.clone(),
                seed,
            });
        }
    }
    let answers: Mutex<Vec<Option<Result<FoldAnswers, GpuError>>>> =
        Mutex::new(vec![None; fits.len()]);
    let finished = workshop
        .queue
        .run(&fits, workshop.limits, |position, outcome| {
            let candidate = candidates[position / folds.len()];
            let answer =
                outcome.and_then(|outcome| answers_of(outcome, problem, candidate, further));
            answers.lock().unwrap_or_else(PoisonError::into_inner)[position] = Some(answer);
        })?;
    if finished == Finished::Deadline {
        return Ok(None);
    }
    let mut answers = answers
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .into_iter();
    let per_candidate = |_| -> Evaluation {
        let parts: Vec<_> = answers.by_ref().take(folds.len()).collect();
        parts
            .into_iter()
            .map(|part| part.unwrap_or(Err(GpuError::Cancelled)))
            .collect()
    };
    Ok(Some((0..candidates.len()).map(per_candidate).collect()))
}

/// The rows with the label that a candidate learns.
pub fn data_of<'a>(
    problem: &'a Problem,
    candidate: &Candidate,
) -> &'a Arc<tarn_gpu::matrix::Dataset> {
    match &problem.log_data {
        Some(log_data) if candidate.log_target => log_data,
        _ => &problem.data,
    }
}

fn answers_of(
    outcome: FitOutcome,
    problem: &Problem,
    candidate: &Candidate,
    further: &[u32],
) -> Result<FoldAnswers, GpuError> {
    let target = target_of(candidate);
    let further = if further.is_empty() {
        Vec::new()
    } else {
        ask(&outcome.model, problem, target, further)?
    };
    Ok(FoldAnswers {
        held_out: on_label_scale(&outcome.held_out, target),
        further,
        rounds: outcome.rounds,
        seconds: outcome.seconds,
    })
}

/// A model's answers for some rows of the problem, on the label's scale.
pub fn ask(
    model: &Model,
    problem: &Problem,
    target: TargetScale,
    rows: &[u32],
) -> Result<Vec<f64>, GpuError> {
    Ok(on_label_scale(
        &model.predict_rows(problem.data.features(), rows)?,
        target,
    ))
}

fn on_label_scale(prediction: &Prediction, target: TargetScale) -> Vec<f64> {
    match prediction {
        Prediction::Values(values) if target != TargetScale::IDENTITY => {
            values.iter().map(|&value| target.back(value)).collect()
        }
        other => other.numbers().to_vec(),
    }
}
