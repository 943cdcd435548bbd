//! What does AUTOML try, and in which order?
//!
//! Good settings in a good order first, then changes of the best one so far, drawn from the statement's seed: the list is
//! a function of the trials before it, so that counting trials replays a run that the clock had stopped.

use crate::model::label::Task;
use tarn_gpu::baseline::BaselineOptions;
use tarn_gpu::error::OptionError;
use tarn_gpu::fit::Learner;
use tarn_gpu::linear::LinearOptions;
use tarn_gpu::logistic::LogisticOptions;
use tarn_gpu::random::philox;
use tarn_gpu::trees::{Growth, TreesOptions};

use super::family::Family;

/// Rounds at most; early stopping ends nearly every fit long before.
const ROUNDS_MAX: u32 = 4_000;
/// Rounds without improvement after which a fit stops.
const PATIENCE_ROUNDS: u32 = 40;

/// One setting to try.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Learner and its options.
    pub learner: CandidateLearner,
    /// Whether a regression learns ln(1 + y).
    pub log_target: bool,
}

/// Options before their check, so that they can be shown and changed.
#[derive(Debug, Clone, PartialEq)]
pub enum CandidateLearner {
    /// Boosted or averaged trees.
    Trees(Box<TreesOptions>),
    /// Linear regression.
    Linear(LinearOptions),
    /// Logistic regression.
    Logistic(LogisticOptions),
    /// A constant.
    Baseline(BaselineOptions),
}

impl Candidate {
    fn trees(options: TreesOptions) -> Self {
        Self {
            learner: CandidateLearner::Trees(Box::new(options)),
            log_target: false,
        }
    }

    /// The family that it belongs to.
    pub fn family(&self) -> Family {
        match self.learner {
            CandidateLearner::Trees(_) => Family::Trees,
            CandidateLearner::Linear(_) => Family::Linear,
            CandidateLearner::Logistic(_) => Family::Logistic,
            CandidateLearner::Baseline(_) => Family::Baseline,
        }
    }

    /// The checked learner of a fit; `rounds` replaces early stopping when a refit knows how long to go on.
    pub fn learner(&self, rounds: Option<u32>) -> Result<Learner, OptionError> {
        Ok(match &self.learner {
            CandidateLearner::Trees(options) => {
                let mut options = options.as_ref().clone();
                options.train_loss = false;
                if let Some(rounds) = rounds {
                    options.rounds = rounds.max(1);
                    options.early_stopping = 0;
                }
                Learner::Trees(options.check()?)
            }
            CandidateLearner::Linear(options) => Learner::Linear(options.check()?),
            CandidateLearner::Logistic(options) => Learner::Logistic(options.check()?),
            CandidateLearner::Baseline(options) => Learner::Baseline(options.check()?),
        })
    }

    /// Whether the mean of several fits with different seeds is steadier than one: boosting on samples. Forests are such
    /// means already.
    pub fn gains_from_seeds(&self) -> bool {
        match &self.learner {
            CandidateLearner::Trees(options) => {
                let sampled = options
                    .row_fraction
                    .min(options.column_fraction)
                    .min(options.node_column_fraction);
                sampled < 1.0 && options.mode == tarn_gpu::trees::Mode::Boost
            }
            _ => false,
        }
    }

    /// Whether held-out rows decide how many rounds a fit has.
    pub fn stops_early(&self) -> bool {
        matches!(&self.learner, CandidateLearner::Trees(options) if options.early_stopping > 0)
    }

    /// Its parameters, as `name = value` pairs in SQL.
    pub fn parameters(&self) -> String {
        let mut parameters = match &self.learner {
            CandidateLearner::Trees(options) => trees_parameters(options),
            CandidateLearner::Linear(options) => {
                format!(
                    "penalty = {}, l1_ratio = {}",
                    options.penalty, options.l1_ratio
                )
            }
            CandidateLearner::Logistic(options) => {
                format!(
                    "penalty = {}, l1_ratio = {}",
                    options.penalty, options.l1_ratio
                )
            }
            CandidateLearner::Baseline(_) => String::new(),
        };
        if self.log_target {
            parameters.push_str(", log_target = true");
        }
        parameters
    }
}

fn trees_parameters(options: &TreesOptions) -> String {
    let mode = match options.mode {
        tarn_gpu::trees::Mode::Boost => "boost",
        tarn_gpu::trees::Mode::Forest => "forest",
        tarn_gpu::trees::Mode::ExtraTrees => "extra_trees",
    };
    let growth = if options.growth == Growth::Leaf {
        "leaf"
    } else {
        "depth"
    };
    format!(
        "mode = {mode}, growth = {growth}, rounds = {}, learning_rate = {}, max_leaves = {}, max_depth = {}, \
         min_rows = {}, l2 = {}, max_bins = {}, row_fraction = {}, column_fraction = {}, node_column_fraction = {}, \
         early_stopping = {}",
        options.rounds,
        options.learning_rate,
        options.max_leaves,
        options.max_depth,
        options.min_rows,
        options.l2,
        options.max_bins,
        options.row_fraction,
        options.column_fraction,
        options.node_column_fraction,
        options.early_stopping,
    )
}

/// What the order of candidates depends on.
#[derive(Debug, Clone)]
pub struct Portfolio {
    /// Number or class.
    pub task: Task,
    /// Rows that a search sees.
    pub rows: usize,
    /// Families that may be tried.
    pub families: Vec<Family>,
    /// Whether ln(1 + y) is worth a try: labels are positive and skewed.
    pub skewed_target: bool,
    /// Seed of the statement.
    pub seed: u64,
}

impl Portfolio {
    /// The fixed candidates, in order.
    pub fn fixed(&self) -> Vec<Candidate> {
        let mut candidates = vec![Candidate {
            learner: CandidateLearner::Baseline(BaselineOptions::default()),
            log_target: false,
        }];
        candidates.extend(self.straight_lines());
        let trees = self.trees();
        candidates.push(trees[0].clone());
        if self.skewed_target {
            candidates.push(Candidate {
                log_target: true,
                ..trees[0].clone()
            });
        }
        candidates.extend(trees[1..].iter().cloned());
        if self.skewed_target {
            candidates.extend(trees[1..4].iter().map(|candidate| Candidate {
                log_target: true,
                ..candidate.clone()
            }));
        }
        candidates.retain(|candidate| self.families.contains(&candidate.family()));
        candidates
    }

    fn straight_lines(&self) -> Vec<Candidate> {
        let penalties = [(1e-3, 0.0), (3e-3, 0.5)];
        let line = |(penalty, l1_ratio)| match self.task {
            Task::Regression => CandidateLearner::Linear(LinearOptions {
                penalty,
                l1_ratio,
                ..LinearOptions::default()
            }),
            Task::Classification => CandidateLearner::Logistic(LogisticOptions {
                penalty,
                l1_ratio,
                ..LogisticOptions::default()
            }),
        };
        penalties
            .map(|penalty| Candidate {
                learner: line(penalty),
                log_target: false,
            })
            .to_vec()
    }

    fn trees(&self) -> Vec<Candidate> {
        let small = self.rows < 2_000;
        let base = TreesOptions {
            rounds: ROUNDS_MAX,
            early_stopping: PATIENCE_ROUNDS,
            learning_rate: 0.05,
            min_rows: if small { 5 } else { 20 },
            l2: 1.0,
            max_bins: 255,
            train_loss: false,
            ..TreesOptions::default()
        };
        let boost = |change: &dyn Fn(&mut TreesOptions)| {
            let mut options = base.clone();
            change(&mut options);
            Candidate::trees(options)
        };
        let averaged = |options: TreesOptions| {
            Candidate::trees(TreesOptions {
                rounds: 200,
                max_leaves: 4_096,
                train_loss: false,
                max_bins: 255,
                ..options
            })
        };
        vec![
            boost(&|o| {
                (o.max_leaves, o.row_fraction, o.node_column_fraction) = (31, 0.8, 0.7);
            }),
            boost(&|o| {
                (o.max_leaves, o.row_fraction, o.node_column_fraction) = (63, 0.7, 0.4);
                (o.learning_rate, o.l2) = (0.03, 5.0);
            }),
            boost(&|o| {
                (o.growth, o.max_leaves, o.max_depth) = (Growth::Depth, 0, 6);
                (o.row_fraction, o.column_fraction, o.min_rows) = (0.8, 0.8, 5);
            }),
            boost(&|o| {
                (o.max_leaves, o.row_fraction, o.node_column_fraction) = (15, 0.8, 0.5);
                o.l2 = 3.0;
            }),
            averaged(TreesOptions::extra_trees_defaults()),
            boost(&|o| {
                (o.max_leaves, o.row_fraction, o.node_column_fraction) = (127, 0.6, 0.3);
                (o.min_rows, o.learning_rate, o.l2) = (10, 0.04, 10.0);
            }),
            boost(&|o| {
                (o.growth, o.max_leaves, o.max_depth) = (Growth::Depth, 0, 4);
                (o.row_fraction, o.column_fraction) = (0.8, 0.6);
            }),
            averaged(TreesOptions::forest_defaults()),
            boost(&|o| {
                (o.max_leaves, o.row_fraction, o.node_column_fraction) = (31, 0.9, 0.4);
                (o.min_rows, o.one_vs_rest_levels) = (60, 0);
            }),
        ]
    }

    /// Candidates for the small data of a group: few, cheap, and held back more strongly.
    pub fn for_groups(&self) -> Vec<Candidate> {
        let trees = TreesOptions {
            rounds: 400,
            early_stopping: 20,
            learning_rate: 0.05,
            max_leaves: 15,
            min_rows: 5,
            l2: 3.0,
            max_bins: 64,
            row_fraction: 0.8,
            column_fraction: 0.8,
            train_loss: false,
            ..TreesOptions::default()
        };
        let stumps = TreesOptions {
            max_leaves: 4,
            learning_rate: 0.1,
            l2: 1.0,
            ..trees.clone()
        };
        let line = |penalty: f64| match self.task {
            Task::Regression => CandidateLearner::Linear(LinearOptions {
                penalty,
                ..LinearOptions::default()
            }),
            Task::Classification => CandidateLearner::Logistic(LogisticOptions {
                penalty,
                ..LogisticOptions::default()
            }),
        };
        let mut candidates = vec![Candidate::trees(trees), Candidate::trees(stumps)];
        for penalty in [1e-2, 1e-1] {
            candidates.push(Candidate {
                learner: line(penalty),
                log_target: false,
            });
        }
        if self.skewed_target {
            let logs: Vec<Candidate> = candidates
                .iter()
                .map(|candidate| Candidate {
                    log_target: true,
                    ..candidate.clone()
                })
                .collect();
            candidates.extend(logs);
        }
        candidates.retain(|candidate| self.families.contains(&candidate.family()));
        candidates
    }

    /// Candidates for a group that has nobody to lean on: the constant first, so that it wins where nothing is learned.
    pub fn for_one_group(&self) -> Vec<Candidate> {
        let mut candidates = vec![Candidate {
            learner: CandidateLearner::Baseline(BaselineOptions::default()),
            log_target: false,
        }];
        candidates.extend(self.for_groups());
        candidates.retain(|candidate| self.families.contains(&candidate.family()));
        candidates
    }

    /// A change of the best trees so far: the `number`-th draw.
    pub fn variation(&self, best: &Candidate, number: u32) -> Option<Candidate> {
        let CandidateLearner::Trees(options) = &best.learner else {
            return None;
        };
        let mut options = options.as_ref().clone();
        let words = [
            philox(
                [number, 0, 0, 77],
                [self.seed as u32, (self.seed >> 32) as u32],
            ),
            philox(
                [number, 1, 0, 77],
                [self.seed as u32, (self.seed >> 32) as u32],
            ),
        ];
        let unit = |index: usize| f64::from(words[index / 4][index % 4]) / 4_294_967_296.0;
        // Log-normal-like steps: a factor between 1/2 and 2, most of them near 1.
        let factor = |index: usize| 2f64.powf(unit(index) + unit((index + 3) % 8) - 1.0);
        if options.max_leaves > 0 {
            options.max_leaves =
                ((f64::from(options.max_leaves) * factor(0) * factor(1)) as u32).clamp(4, 512);
        } else {
            options.max_depth = (options.max_depth + (unit(0) * 3.0) as u32)
                .saturating_sub(1)
                .clamp(3, 10);
        }
        options.min_rows =
            ((f64::from(options.min_rows) * factor(2) * factor(3)) as u32).clamp(2, 200);
        options.l2 = (options.l2.max(0.1) * factor(4) * factor(5) * factor(6)).clamp(0.01, 100.0);
        options.row_fraction = (0.5 + 0.5 * unit(5)).clamp(0.5, 1.0);
        options.node_column_fraction = (0.25 + 0.75 * unit(6)).clamp(0.2, 1.0);
        if options.early_stopping > 0 {
            options.learning_rate = (options.learning_rate * factor(7)).clamp(0.015, 0.2);
        }
        Some(Candidate {
            learner: CandidateLearner::Trees(Box::new(options)),
            log_target: best.log_target,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn portfolio(task: Task) -> Portfolio {
        Portfolio {
            task,
            rows: 10_000,
            families: Family::ALL.to_vec(),
            skewed_target: true,
            seed: 0,
        }
    }

    #[test]
    fn every_candidate_passes_its_check_and_suits_the_task() {
        for task in [Task::Regression, Task::Classification] {
            let portfolio = portfolio(task);
            let fixed = portfolio.fixed();
            assert_eq!(fixed[0].family(), Family::Baseline);
            for candidate in &fixed {
                candidate.learner(None).unwrap();
                candidate.learner(Some(10)).unwrap();
                let refused = if task == Task::Regression {
                    Family::Logistic
                } else {
                    Family::Linear
                };
                assert_ne!(candidate.family(), refused);
            }
        }
    }

    #[test]
    fn variations_pass_and_depend_on_seed_and_number_alone() {
        let portfolio = portfolio(Task::Regression);
        let best = portfolio.trees()[2].clone();
        for number in 0..200 {
            let variation = portfolio.variation(&best, number).unwrap();
            variation.learner(None).unwrap();
            assert_eq!(Some(variation), portfolio.variation(&best, number));
        }
        assert_ne!(portfolio.variation(&best, 1), portfolio.variation(&best, 2));
    }
}
