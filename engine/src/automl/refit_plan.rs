//! What can be fitted on all rows in the time that is left?
//!
//! A search ends with a blend of trials, and each of them is to be fitted again, on all rows and with several seeds.
//! When the clock does not allow that, the plan gives up seeds first, then members of the blend, then rows. Without a
//! clock nothing is given up; what a clock made of a plan can be repeated by [`RefitOptions`].

use super::ensemble::{MEMBERS_MAX, Share};
use super::refit::BAGS;
use super::search::{SearchTask, Trial, TrialStatus, choose};

/// Relative distance to the best trial beyond which a cheaper trial does not stand in for it; rows are given up instead.
const STAND_IN_MARGIN: f64 = 0.05;

/// What the statement itself says of the refit; the rest is planned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RefitOptions {
    /// Fits per winner, with different seeds.
    pub bags: Option<usize>,
    /// Numbers of the trials that may be in the blend; empty allows all.
    pub blend_trials: Vec<u32>,
    /// Most rows to fit.
    pub rows_max: Option<usize>,
}

/// What is fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct RefitPlan {
    /// Shares of the winning blend; `trial` is an index into the trials.
    pub shares: Vec<Share>,
    /// Fits per winner, for those that gain from seeds.
    pub bags: usize,
    /// Most rows to fit; `None` is all.
    pub rows_max: Option<usize>,
}

/// The time that is left, and the threads to use it.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// Wall seconds until the statement should be over.
    pub left_seconds: f64,
    /// Threads that fit.
    pub threads: usize,
}

/// Chooses the blend and how it is fitted.
pub fn plan(
    task: &SearchTask<'_>,
    trials: &[Trial],
    options: &RefitOptions,
    clock: Option<Clock>,
) -> RefitPlan {
    let allowed = |trial: &Trial| {
        let numbers = &options.blend_trials;
        is_candidate(trial) && (numbers.is_empty() || numbers.contains(&trial.number))
    };
    let Some(clock) = clock else {
        return RefitPlan {
            shares: choose(task, trials, allowed, MEMBERS_MAX),
            bags: options.bags.unwrap_or(BAGS),
            rows_max: options.rows_max,
        };
    };
    let fits = |trial: &Trial| allowed(trial) && cost_seconds(task, trial) <= clock.left_seconds;
    let best = best_of(trials, allowed);
    let stand_in = best_of(trials, fits);
    match (best, stand_in) {
        (Some(best), stand_in) if stand_in.is_none_or(|trial| is_behind(trial, best)) => {
            fewer_rows(task, trials, best, options, clock)
        }
        _ => fewer_members(task, trials, fits, options, clock),
    }
}

/// Wall seconds of the refit of the best trials so far, when it gives up nothing.
pub fn expected_seconds(task: &SearchTask<'_>, trials: &[Trial], threads: usize) -> f64 {
    let mut complete: Vec<&Trial> = trials.iter().filter(|trial| is_candidate(trial)).collect();
    complete.sort_by(|a, b| a.loss.total_cmp(&b.loss));
    let members = complete.into_iter().take(MEMBERS_MAX);
    let costs: Vec<f64> = members
        .flat_map(|trial| std::iter::repeat_n(cost_seconds(task, trial), bags_of(trial, BAGS)))
        .collect();
    makespan(costs, threads)
}

fn is_candidate(trial: &Trial) -> bool {
    trial.status == TrialStatus::Complete && trial.loss.is_finite()
}

fn best_of(trials: &[Trial], allowed: impl Fn(&Trial) -> bool) -> Option<&Trial> {
    let allowed = trials.iter().filter(|trial| allowed(trial));
    allowed.min_by(|a, b| a.loss.total_cmp(&b.loss).then(a.number.cmp(&b.number)))
}

fn is_behind(trial: &Trial, best: &Trial) -> bool {
    trial.loss > best.loss + STAND_IN_MARGIN * best.loss.abs()
}

/// The best trial alone, on as many rows as there is time for.
fn fewer_rows(
    task: &SearchTask<'_>,
    trials: &[Trial],
    best: &Trial,
    options: &RefitOptions,
    clock: Clock,
) -> RefitPlan {
    let rows = task.problem.data.rows();
    let share = clock.left_seconds / cost_seconds(task, best);
    // Not below what a fold has learned from: the search has shown that this much can be done.
    let searched = task.folds.iter().map(|fold| fold.train.len()).max();
    let affordable = ((rows as f64 * share) as usize).max(searched.unwrap_or(rows));
    RefitPlan {
        shares: choose(task, trials, |trial| trial.number == best.number, 1),
        bags: options.bags.unwrap_or(1),
        rows_max: options
            .rows_max
            .or((affordable < rows).then_some(affordable)),
    }
}

/// The largest blend that fits the time, with as many seeds as the rest of it allows.
fn fewer_members(
    task: &SearchTask<'_>,
    trials: &[Trial],
    fits: impl Fn(&Trial) -> bool,
    options: &RefitOptions,
    clock: Clock,
) -> RefitPlan {
    let seconds = |shares: &[Share], bags: usize| {
        let members = shares.iter().map(|share| &trials[share.trial]);
        let costs = members
            .flat_map(|trial| std::iter::repeat_n(cost_seconds(task, trial), bags_of(trial, bags)));
        makespan(costs.collect(), clock.threads)
    };
    let mut shares = Vec::new();
    for members_max in (1..=MEMBERS_MAX).rev() {
        shares = choose(task, trials, &fits, members_max);
        if seconds(&shares, 1) <= clock.left_seconds {
            break;
        }
    }
    let affordable = (1..=BAGS).rev();
    let mut affordable = affordable.filter(|&bags| seconds(&shares, bags) <= clock.left_seconds);
    RefitPlan {
        bags: options.bags.or(affordable.next()).unwrap_or(1),
        shares,
        rows_max: options.rows_max,
    }
}

fn bags_of(trial: &Trial, bags: usize) -> usize {
    if trial.candidate.gains_from_seeds() {
        bags
    } else {
        1
    }
}

/// Expected seconds of one fit on all rows, on one thread.
fn cost_seconds(task: &SearchTask<'_>, trial: &Trial) -> f64 {
    trial.seconds / trial.folds.len().max(1) as f64 * task.refit_factor
}

/// Wall seconds of fits on some threads, the longest first (Graham, SIAM J. Appl. Math. 1969).
fn makespan(mut costs: Vec<f64>, threads: usize) -> f64 {
    costs.sort_by(|a, b| b.total_cmp(a));
    let mut busy_until = vec![0.0_f64; threads.max(1)];
    for cost in costs {
        if let Some(first) = busy_until.iter_mut().min_by(|a, b| a.total_cmp(b)) {
            *first += cost;
        }
    }
    busy_until.into_iter().fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_makespan_is_that_of_the_longest_first() {
        assert_eq!(makespan(vec![], 2), 0.0);
        assert_eq!(makespan(vec![5.0], 2), 5.0);
        assert_eq!(makespan(vec![1.0, 2.0, 3.0], 2), 3.0);
        assert_eq!(makespan(vec![2.0; 3], 2), 4.0);
        assert_eq!(makespan(vec![2.0; 3], 1), 6.0);
    }
}
