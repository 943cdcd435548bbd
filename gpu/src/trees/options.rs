//! Which trees does the caller want? Raw options as a user spells them, and the checked ones that a fit accepts.

use crate::error::{DataError, OptionError, check_count, check_real};
use crate::matrix::Task;

/// What a tree leaf is asked to minimise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Objective {
    /// Squared error for numbers, logistic for two classes, softmax for more.
    Auto,
    /// Squared error; the mean.
    Squared,
    /// Absolute error; the median.
    Absolute,
    /// Pinball loss; the `alpha` quantile.
    Quantile {
        /// Between 0 and 1, exclusive.
        alpha: f64,
    },
    /// Squared below `delta`, absolute beyond.
    Huber {
        /// Where the loss turns straight, in units of the label.
        delta: f64,
    },
    /// Counts, by a log link.
    Poisson,
    /// Non-negative amounts with many zeros, by a log link.
    Tweedie {
        /// Variance power between 1 (Poisson) and 2 (gamma), exclusive.
        power: f64,
    },
    /// Two classes, log loss.
    Logistic,
    /// Any number of classes, log loss; one tree per class and round.
    Softmax,
}

impl Objective {
    /// Name as users spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Squared => "squared",
            Self::Absolute => "absolute",
            Self::Quantile { .. } => "quantile",
            Self::Huber { .. } => "huber",
            Self::Poisson => "poisson",
            Self::Tweedie { .. } => "tweedie",
            Self::Logistic => "logistic",
            Self::Softmax => "softmax",
        }
    }

    /// Replaces [`Objective::Auto`] and refuses an objective of another task.
    pub(crate) fn resolve(self, task: Task) -> Result<Self, DataError> {
        let wrong = |task| DataError::WrongTask {
            learner: self.name(),
            task,
        };
        match (task, self) {
            (Task::Regression, Self::Auto) => Ok(Self::Squared),
            (Task::Regression, Self::Logistic | Self::Softmax) => {
                Err(wrong("numbers, it needs classes"))
            }
            (Task::Regression, numeric) => Ok(numeric),
            (Task::Classification { classes }, Self::Auto | Self::Logistic | Self::Softmax) => {
                match (classes, self) {
                    (0..=2, Self::Auto | Self::Logistic) => Ok(Self::Logistic),
                    (_, Self::Logistic) => Err(wrong("more than two classes")),
                    _ => Ok(Self::Softmax),
                }
            }
            (Task::Classification { .. }, _) => Err(wrong("classes, it needs numbers")),
        }
    }
}

/// In which order leaves are split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// The leaf of the largest gain first, as LightGBM does.
    Leaf,
    /// Level by level, as XGBoost does.
    Depth,
}

/// How trees combine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Each tree corrects the sum of those before it.
    Boost,
    /// Independent trees on bootstrap samples, averaged.
    Forest,
    /// Independent trees with one random cut per feature and node, averaged.
    ExtraTrees,
}

/// Tree options as a user gives them; [`TreesOptions::check`] makes them fit to use.
#[derive(Debug, Clone, PartialEq)]
pub struct TreesOptions {
    /// Boosting or an average of independent trees.
    pub mode: Mode,
    /// What is minimised.
    pub objective: Objective,
    /// Order of splits.
    pub growth: Growth,
    /// Trees per output at most.
    pub rounds: u32,
    /// Factor on every leaf value; ignored by forests.
    pub learning_rate: f64,
    /// Most leaves of one tree; 0 is no limit.
    pub max_leaves: u32,
    /// Most splits between root and leaf; 0 is no limit.
    pub max_depth: u32,
    /// Fewest rows of a leaf (estimated from the hessian when that is not constant, as LightGBM does).
    pub min_rows: u32,
    /// Smallest hessian sum of a leaf.
    pub min_hessian: f64,
    /// Smallest improvement G²/(H+l2) that a split must bring.
    pub min_gain: f64,
    /// L1 penalty on leaf values.
    pub l1: f64,
    /// L2 penalty on leaf values.
    pub l2: f64,
    /// Largest magnitude of a leaf value before the learning rate; 0 is no limit.
    pub max_delta_step: f64,
    /// Most bins of a feature, missing not counted; 0 adapts to the number of rows.
    pub max_bins: u32,
    /// Fewest rows of a bin.
    pub min_bin_rows: u32,
    /// Share of the rows each tree sees (without replacement; forests at 1 draw a bootstrap sample).
    pub row_fraction: f64,
    /// Share of the columns each tree sees.
    pub column_fraction: f64,
    /// Share of the tree's columns each node sees.
    pub node_column_fraction: f64,
    /// Rounds without improvement on the held-out rows after which to stop; 0 is never.
    pub early_stopping: u32,
    /// Whether the outcome carries the training loss of every round.
    pub train_loss: bool,
    /// Per column: 1 never falls, -1 never rises, 0 free. Empty is all free.
    pub monotone: Vec<i8>,
    /// Categories with at most this many levels split one level against the rest; others become target statistics.
    pub one_vs_rest_levels: u32,
    /// Rows' worth of prior mixed into each category's target statistic.
    pub category_smoothing: f64,
    /// L2 penalty added for the children of splits on categories of more than 4 levels.
    pub category_l2: f64,
    /// Factor on the hessian of softmax; 0 is classes / (classes - 1), Friedman's for coupled trees.
    pub softmax_factor: f64,
}

impl Default for TreesOptions {
    fn default() -> Self {
        Self {
            mode: Mode::Boost,
            objective: Objective::Auto,
            growth: Growth::Leaf,
            rounds: 100,
            learning_rate: 0.1,
            max_leaves: 31,
            max_depth: 0,
            min_rows: 20,
            min_hessian: 1e-3,
            min_gain: 0.0,
            l1: 0.0,
            l2: 1.0,
            max_delta_step: 0.0,
            max_bins: 0,
            min_bin_rows: 3,
            row_fraction: 1.0,
            column_fraction: 1.0,
            node_column_fraction: 1.0,
            early_stopping: 0,
            train_loss: true,
            monotone: Vec::new(),
            one_vs_rest_levels: 64,
            category_smoothing: 10.0,
            category_l2: 0.0,
            softmax_factor: 0.0,
        }
    }
}

impl TreesOptions {
    /// XGBoost's growth, bins and defaults.
    pub fn xgboost_defaults() -> Self {
        Self {
            growth: Growth::Depth,
            learning_rate: 0.3,
            max_leaves: 0,
            max_depth: 6,
            min_rows: 1,
            min_hessian: 1.0,
            softmax_factor: 2.0,
            l2: 1.0,
            max_bins: 255,
            min_bin_rows: 1,
            ..Self::default()
        }
    }

    /// LightGBM's growth, bins and defaults.
    pub fn lightgbm_defaults() -> Self {
        Self {
            l2: 0.0,
            category_l2: 10.0,
            max_bins: 255,
            ..Self::default()
        }
    }

    /// A random forest: deep trees on bootstrap samples, a third of the columns at each node.
    pub fn forest_defaults() -> Self {
        Self {
            mode: Mode::Forest,
            growth: Growth::Depth,
            max_leaves: 0,
            max_depth: 0,
            min_rows: 2,
            min_hessian: 0.0,
            l2: 0.0,
            node_column_fraction: 0.4,
            min_bin_rows: 1,
            // A random column or cut that isolates one of many levels says too little; their statistics say more.
            one_vs_rest_levels: 8,
            ..Self::default()
        }
    }

    /// Extremely randomised trees (Geurts, Ernst, Wehenkel 2006): all rows, random cuts.
    pub fn extra_trees_defaults() -> Self {
        Self {
            mode: Mode::ExtraTrees,
            node_column_fraction: 0.7,
            ..Self::forest_defaults()
        }
    }

    /// Checks every option against its range.
    ///
    /// # Errors
    /// The first option that is out of range, by its SQL name.
    pub fn check(self) -> Result<CheckedTreesOptions, OptionError> {
        check_count("rounds", self.rounds, 1, 100_000)?;
        check_real("learning_rate", self.learning_rate, 1e-6, 10.0)?;
        if self.max_leaves == 1 {
            return Err(OptionError::value(
                "max_leaves",
                1,
                "0 (no limit) or 2 to 1000000",
            ));
        }
        check_count("max_leaves", self.max_leaves, 0, 1_000_000)?;
        check_count("max_depth", self.max_depth, 0, 1_000)?;
        check_count("min_rows", self.min_rows, 0, 1 << 30)?;
        check_real("min_hessian", self.min_hessian, 0.0, 1e15)?;
        check_real("min_gain", self.min_gain, 0.0, 1e300)?;
        check_real("l1", self.l1, 0.0, 1e15)?;
        check_real("l2", self.l2, 0.0, 1e15)?;
        check_real("max_delta_step", self.max_delta_step, 0.0, 1e15)?;
        if self.max_bins == 1 {
            return Err(OptionError::value(
                "max_bins",
                1,
                "0 (adapts to the rows) or 2 to 255",
            ));
        }
        check_count("max_bins", self.max_bins, 0, 255)?;
        check_count("min_bin_rows", self.min_bin_rows, 0, 1 << 30)?;
        check_real("row_fraction", self.row_fraction, 1e-3, 1.0)?;
        check_real("column_fraction", self.column_fraction, 1e-3, 1.0)?;
        check_real("node_column_fraction", self.node_column_fraction, 1e-3, 1.0)?;
        check_count("early_stopping", self.early_stopping, 0, 100_000)?;
        check_count("one_vs_rest_levels", self.one_vs_rest_levels, 0, 254)?;
        check_real("category_l2", self.category_l2, 0.0, 1e15)?;
        check_real("softmax_factor", self.softmax_factor, 0.0, 1e3)?;
        check_real("category_smoothing", self.category_smoothing, 1e-3, 1e9)?;
        match self.objective {
            Objective::Quantile { alpha } => check_real("alpha", alpha, 1e-6, 1.0 - 1e-6)?,
            Objective::Huber { delta } => check_real("delta", delta, 1e-12, 1e100)?,
            Objective::Tweedie { power } => check_real("power", power, 1.001, 1.999)?,
            _ => {}
        }
        if let Some(&sign) = self.monotone.iter().find(|sign| !(-1..=1).contains(*sign)) {
            return Err(OptionError::value(
                "monotone",
                sign,
                "-1, 0 or 1 for each column",
            ));
        }
        let link = matches!(
            self.objective,
            Objective::Poisson | Objective::Tweedie { .. }
        );
        if self.mode != Mode::Boost && link {
            let range = "boost when the objective has a log link";
            return Err(OptionError {
                name: "mode",
                reason: "averages trees".to_owned(),
                range: range.to_owned(),
            });
        }
        Ok(CheckedTreesOptions(self))
    }
}

/// Options that passed [`TreesOptions::check`]; the only ones that a fit accepts.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedTreesOptions(TreesOptions);

impl std::ops::Deref for CheckedTreesOptions {
    type Target = TreesOptions;

    fn deref(&self) -> &TreesOptions {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_passes_and_each_bad_value_is_named() {
        for preset in [
            TreesOptions::default(),
            TreesOptions::xgboost_defaults(),
            TreesOptions::lightgbm_defaults(),
            TreesOptions::forest_defaults(),
            TreesOptions::extra_trees_defaults(),
        ] {
            assert!(preset.check().is_ok());
        }
        type Spoil = fn(&mut TreesOptions);
        let cases: [(&str, Spoil); 8] = [
            ("rounds", |o| o.rounds = 0),
            ("learning_rate", |o| o.learning_rate = f64::NAN),
            ("max_leaves", |o| o.max_leaves = 1),
            ("max_bins", |o| o.max_bins = 256),
            ("row_fraction", |o| o.row_fraction = 0.0),
            ("l2", |o| o.l2 = -1.0),
            ("alpha", |o| {
                o.objective = Objective::Quantile { alpha: 1.0 }
            }),
            ("monotone", |o| o.monotone = vec![2]),
        ];
        for (name, spoil) in cases {
            let mut options = TreesOptions::default();
            spoil(&mut options);
            assert_eq!(options.check().unwrap_err().name, name);
        }
    }

    #[test]
    fn the_task_decides_the_automatic_objective() {
        let classes = |classes| Task::Classification { classes };
        assert_eq!(
            Objective::Auto.resolve(Task::Regression),
            Ok(Objective::Squared)
        );
        assert_eq!(Objective::Auto.resolve(classes(2)), Ok(Objective::Logistic));
        assert_eq!(Objective::Auto.resolve(classes(1)), Ok(Objective::Logistic));
        assert_eq!(Objective::Auto.resolve(classes(3)), Ok(Objective::Softmax));
        assert!(Objective::Logistic.resolve(classes(3)).is_err());
        assert!(Objective::Squared.resolve(classes(2)).is_err());
        assert!(Objective::Softmax.resolve(Task::Regression).is_err());
    }
}
