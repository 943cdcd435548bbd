//! What does the finished model consist of? The winners, fitted again on all rows.

use std::sync::{Arc, Mutex, PoisonError};

use tarn_gpu::error::GpuError;
use tarn_gpu::fit::{Fit, FitOutcome};
use tarn_udfs::model::trained::Member;

use super::evaluate::{Workshop, data_of, target_of};
use super::problem::Problem;
use super::search::{Found, Trial};
use tarn_udfs::fit::candidates::Candidate;
use tarn_udfs::fit::error::TrainError;

/// Fits per winner, with different seeds, when it gains from seeds.
pub const BAGS: usize = 3;
/// Rounds of a fit on all rows, compared with the mean over the folds: more rows bear more rounds.
const ROUNDS_FACTOR: f64 = 1.1;

/// A winner with its share.
#[derive(Debug, Clone)]
pub struct Winner {
    /// What is fitted.
    pub candidate: Candidate,
    /// Its share of the blend.
    pub weight: f64,
    /// Rounds, when early stopping found them; the candidate's own otherwise.
    pub rounds: Option<u32>,
    /// Fits with different seeds.
    pub bags: usize,
}

/// The winners of a search.
pub fn winners(found: &Found) -> Vec<Winner> {
    let of = |share: &super::ensemble::Share| {
        let trial = &found.trials[share.trial];
        let bags = if trial.candidate.gains_from_seeds() {
            found.plan.bags
        } else {
            1
        };
        Winner {
            candidate: trial.candidate.clone(),
            weight: share.weight,
            rounds: rounds_of(trial),
            bags,
        }
    };
    found.plan.shares.iter().map(of).collect()
}

/// Rounds of a fit on all rows; `None` when the candidate's own number stands.
pub fn rounds_of(trial: &Trial) -> Option<u32> {
    let rounds = (f64::from(trial.rounds()) * ROUNDS_FACTOR).round() as u32;
    trial.candidate.stops_early().then_some(rounds.max(1))
}

/// Fitted winners, and what each source column contributes to them.
#[derive(Debug)]
pub struct Refitted {
    /// Members of the model; their weights sum to 1.
    pub members: Vec<Member>,
    /// Share of each model column, summing to 1 unless none matters.
    pub importance: Vec<f64>,
}

/// Fits every winner on `rows`.
pub fn refit(
    workshop: Workshop<'_>,
    problem: &Problem,
    winners: &[Winner],
    rows: &[u32],
    seed: u64,
) -> Result<Refitted, TrainError> {
    let train: Arc<[u32]> = rows.into();
    let mut fits = Vec::new();
    let mut owners = Vec::new();
    for winner in winners {
        let learner = winner
            .candidate
            .learner(winner.rounds)
            .map_err(GpuError::from)?;
        for bag in 0..winner.bags {
            fits.push(Fit {
                data: Arc::clone(data_of(problem, &winner.candidate)),
                train: Arc::clone(&train),
                valid: Arc::from([]),
                learner: learner.clone(),
                seed: seed.wrapping_add(bag as u64),
            });
            owners.push(winner);
        }
    }
    let outcomes: Mutex<Vec<Option<Result<FitOutcome, GpuError>>>> =
        Mutex::new(fits.iter().map(|_| None).collect());
    // The refit runs to its end: a search leaves time for it, and a model that is late is better than none.
    let limits = tarn_udfs::fit::queue::FitLimits {
        deadline: None,
        ..workshop.limits.clone()
    };
    workshop.queue.run(&fits, &limits, |position, outcome| {
        outcomes.lock().unwrap_or_else(PoisonError::into_inner)[position] = Some(outcome);
    })?;
    let outcomes = outcomes
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    let mut refitted = Refitted {
        members: Vec::new(),
        importance: Vec::new(),
    };
    for (winner, outcome) in owners.into_iter().zip(outcomes) {
        let outcome = outcome.unwrap_or(Err(GpuError::Cancelled))?;
        let weight = winner.weight / winner.bags as f64;
        refitted.importance.resize(outcome.importance.len(), 0.0);
        for (sum, share) in refitted.importance.iter_mut().zip(&outcome.importance) {
            *sum += weight * share;
        }
        refitted.members.push(Member {
            weight,
            target: target_of(&winner.candidate),
            learner: outcome.model,
        });
    }
    Ok(refitted)
}
