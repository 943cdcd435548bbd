//! `AS trees (…)`, `AS linear (…)` and their kin: which learner with which parameters did the statement name?
//!
//! Parameters have our names, and XGBoost's and LightGBM's as aliases. `xgboost` and `lightgbm` are trees with that
//! library's growth, bins and defaults.

use tarn_gpu::baseline::{BaselineOptions, Centre};
use tarn_gpu::error::OptionError;
use tarn_gpu::linear::LinearOptions;
use tarn_gpu::logistic::LogisticOptions;
use tarn_gpu::trees::{Growth, Mode, Objective, TreesOptions};

use super::candidates::{Candidate, CandidateLearner};
use super::error::TrainError;
use super::option_value::{OptionValue, bad_value, unknown_option};
use crate::suggest::nearest;

/// Algorithm names that a statement may use.
pub const ALGORITHMS: [&str; 8] = [
    "trees",
    "linear",
    "logistic",
    "baseline",
    "xgboost",
    "lightgbm",
    "forest",
    "extra_trees",
];

/// A named algorithm, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Algorithm {
    /// Learner and parameters.
    pub candidate: Candidate,
    /// `seed` among the parameters.
    pub seed: Option<u64>,
    /// Notices about parameters that were read and have no effect here.
    pub notices: Vec<String>,
}

/// Reads and checks `name (params)`.
pub fn check(name: &str, params: &[(String, OptionValue)]) -> Result<Algorithm, TrainError> {
    let name = name.to_ascii_lowercase();
    let mut seen: Vec<&'static str> = Vec::new();
    let mut algorithm = Algorithm {
        candidate: start(&name)?,
        seed: None,
        notices: Vec::new(),
    };
    for (param, value) in params {
        let canonical = canonical(&name, param)?;
        if seen.contains(&canonical) {
            return Err(TrainError::DuplicateOption {
                name: canonical.to_owned(),
            });
        }
        seen.push(canonical);
        algorithm.set(canonical, param, value)?;
    }
    algorithm.finish_objective(&seen)?;
    // The check of the learner's own crate has the last word on ranges.
    algorithm
        .candidate
        .learner(None)
        .map_err(|error| out_of_range(error, params))?;
    Ok(algorithm)
}

fn out_of_range(error: OptionError, params: &[(String, OptionValue)]) -> TrainError {
    let written = params.iter().find(|(param, _)| {
        ["trees", "linear"]
            .iter()
            .any(|name| canonical(name, param).is_ok_and(|canonical| canonical == error.name))
    });
    let (name, value) = match written {
        Some((param, value)) => (param.clone(), value.spelling().to_owned()),
        None => (error.name.to_owned(), error.reason.clone()),
    };
    TrainError::OptionValue {
        name,
        value,
        accepted: error.range,
    }
}

fn start(name: &str) -> Result<Candidate, TrainError> {
    let learner = match name {
        "trees" => CandidateLearner::Trees(Box::default()),
        "xgboost" => CandidateLearner::Trees(Box::new(TreesOptions::xgboost_defaults())),
        "lightgbm" => CandidateLearner::Trees(Box::new(TreesOptions::lightgbm_defaults())),
        "forest" => CandidateLearner::Trees(Box::new(TreesOptions::forest_defaults())),
        "extra_trees" => CandidateLearner::Trees(Box::new(TreesOptions::extra_trees_defaults())),
        "linear" => CandidateLearner::Linear(LinearOptions::default()),
        "logistic" => CandidateLearner::Logistic(LogisticOptions::default()),
        "baseline" => CandidateLearner::Baseline(BaselineOptions::default()),
        _ => {
            return Err(TrainError::UnknownAlgorithm {
                name: name.to_owned(),
                suggestion: nearest(name, ALGORITHMS.into_iter()),
            });
        }
    };
    Ok(Candidate {
        learner,
        log_target: false,
    })
}

/// Our name of each tree parameter, then its aliases.
const TREES: [&[&str]; 25] = [
    &[
        "rounds",
        "n_estimators",
        "num_boost_round",
        "num_round",
        "num_rounds",
        "num_iterations",
        "num_iteration",
        "n_iter",
        "num_trees",
        "num_tree",
        "max_iter",
        "iterations",
    ],
    &["learning_rate", "eta", "shrinkage_rate"],
    &["max_leaves", "num_leaves", "num_leaf", "max_leaf_nodes"],
    &["max_depth", "depth"],
    &["growth", "grow_policy"],
    &[
        "min_rows",
        "min_child_samples",
        "min_data_in_leaf",
        "min_data",
        "min_samples_leaf",
    ],
    &[
        "min_hessian",
        "min_child_weight",
        "min_sum_hessian_in_leaf",
        "min_sum_hessian",
    ],
    &[
        "min_gain",
        "gamma",
        "min_split_loss",
        "min_gain_to_split",
        "min_split_gain",
    ],
    &["l1", "reg_alpha", "lambda_l1", "alpha"],
    &[
        "l2",
        "reg_lambda",
        "lambda",
        "lambda_l2",
        "l2_regularization",
        "l2_leaf_reg",
    ],
    &["max_delta_step"],
    &["max_bins", "max_bin"],
    &["min_bin_rows", "min_data_in_bin"],
    &["row_fraction", "subsample", "bagging_fraction", "sub_row"],
    &[
        "column_fraction",
        "colsample_bytree",
        "feature_fraction",
        "sub_feature",
    ],
    &[
        "node_column_fraction",
        "colsample_bynode",
        "feature_fraction_bynode",
        "max_features",
    ],
    &[
        "early_stopping",
        "early_stopping_rounds",
        "early_stopping_round",
        "n_iter_no_change",
    ],
    &["objective", "loss", "application"],
    &["quantile", "quantile_alpha"],
    &["delta", "huber_slope"],
    &["power", "tweedie_variance_power"],
    &["mode", "booster", "boosting", "boosting_type"],
    &["one_vs_rest_levels", "max_cat_to_onehot"],
    &["category_smoothing", "cat_smooth"],
    &["seed", "random_state", "random_seed"],
];

/// The same for linear and logistic regression.
const LINES: [&[&str]; 5] = [
    &["penalty", "lambda", "reg_lambda", "regularization"],
    &["l1_ratio", "elastic_net"],
    &["max_iterations", "max_iter"],
    &["tolerance", "tol"],
    &["seed", "random_state"],
];

const BASELINE: [&[&str]; 2] = [&["centre", "center", "strategy"], &["seed", "random_state"]];

/// Parameters by algorithm: our name first, then its aliases.
pub const PARAMETERS: [(&str, &[&[&str]]); 3] = [
    ("trees", &TREES),
    ("linear, logistic", &LINES),
    ("baseline", &BASELINE),
];

/// Parameters of other libraries that ask for what the server decides by itself.
const IGNORED: [&str; 11] = [
    "n_jobs",
    "nthread",
    "num_threads",
    "num_thread",
    "verbose",
    "verbosity",
    "tree_method",
    "device_type",
    "importance_type",
    "force_row_wise",
    "force_col_wise",
];

fn canonical(algorithm: &str, param: &str) -> Result<&'static str, TrainError> {
    let table: &[&[&'static str]] = match algorithm {
        "linear" | "logistic" => &LINES,
        "baseline" => &BASELINE,
        _ => &TREES,
    };
    let param = param.to_ascii_lowercase();
    if let Some(names) = table.iter().find(|names| names.contains(&param.as_str())) {
        return Ok(names[0]);
    }
    if let Some(name) = IGNORED.iter().find(|name| **name == param) {
        return Ok(name);
    }
    let ours: Vec<&str> = table.iter().map(|names| names[0]).collect();
    let mut error = unknown_option(algorithm, &param, &ours);
    if let TrainError::UnknownOption { suggestion, .. } = &mut error {
        *suggestion = nearest(&param, table.iter().flat_map(|names| names.iter().copied()));
    }
    Err(error)
}

fn real(name: &str, value: &OptionValue) -> Result<f64, TrainError> {
    value
        .as_real()
        .ok_or_else(|| bad_value(name, value, "a number"))
}

fn count(name: &str, value: &OptionValue) -> Result<u32, TrainError> {
    // LightGBM and XGBoost write "no limit" as -1 or 0; both are our 0.
    if value.as_real() == Some(-1.0) && ["max_depth", "max_leaves", "num_leaves"].contains(&name) {
        return Ok(0);
    }
    let whole = value.as_count().and_then(|count| u32::try_from(count).ok());
    whole.ok_or_else(|| bad_value(name, value, "a whole number, 0 or more"))
}

impl Algorithm {
    fn set(&mut self, canonical: &str, name: &str, value: &OptionValue) -> Result<(), TrainError> {
        if IGNORED.contains(&canonical) {
            self.notices.push(format!(
                "parameter \"{name}\" has no effect: the server decides"
            ));
            return Ok(());
        }
        if canonical == "seed" {
            let seed = value.as_count();
            self.seed =
                Some(seed.ok_or_else(|| bad_value(name, value, "a whole number, 0 or more"))?);
            return Ok(());
        }
        match &mut self.candidate.learner {
            CandidateLearner::Trees(options) => set_trees(options, canonical, name, value),
            CandidateLearner::Linear(options) => match canonical {
                "penalty" => store(&mut options.penalty, real(name, value)?),
                "l1_ratio" => store(&mut options.l1_ratio, real(name, value)?),
                "max_iterations" => store(&mut options.max_iterations, count(name, value)?),
                _ => store(&mut options.tolerance, real(name, value)?),
            },
            CandidateLearner::Logistic(options) => match canonical {
                "penalty" => store(&mut options.penalty, real(name, value)?),
                "l1_ratio" => store(&mut options.l1_ratio, real(name, value)?),
                "max_iterations" => store(&mut options.max_iterations, count(name, value)?),
                _ => store(&mut options.tolerance, real(name, value)?),
            },
            CandidateLearner::Baseline(options) => {
                options.centre = match value.spelling().to_ascii_lowercase().as_str() {
                    "mean" => Centre::Mean,
                    "median" => Centre::Median,
                    _ => return Err(bad_value(name, value, "'mean' or 'median'")),
                };
                Ok(())
            }
        }
    }

    /// Parameters of an objective mean nothing without it.
    fn finish_objective(&self, seen: &[&str]) -> Result<(), TrainError> {
        let CandidateLearner::Trees(options) = &self.candidate.learner else {
            return Ok(());
        };
        let suits = |param: &str| match param {
            "quantile" => matches!(options.objective, Objective::Quantile { .. }),
            "delta" => matches!(options.objective, Objective::Huber { .. }),
            "power" => matches!(options.objective, Objective::Tweedie { .. }),
            _ => true,
        };
        match seen.iter().find(|param| !suits(param)) {
            Some(param) => Err(TrainError::OptionValue {
                name: (*param).to_owned(),
                value: format!("objective = {}", options.objective.name()),
                accepted: "only with objective = quantile, huber or tweedie respectively".into(),
            }),
            None => Ok(()),
        }
    }
}

fn store<T>(place: &mut T, value: T) -> Result<(), TrainError> {
    *place = value;
    Ok(())
}

fn set_trees(
    options: &mut TreesOptions,
    canonical: &str,
    name: &str,
    value: &OptionValue,
) -> Result<(), TrainError> {
    match canonical {
        "rounds" => options.rounds = count(name, value)?,
        "learning_rate" => options.learning_rate = real(name, value)?,
        "max_leaves" => options.max_leaves = count(name, value)?,
        "max_depth" => options.max_depth = count(name, value)?,
        "growth" => options.growth = growth(name, value)?,
        "min_rows" => options.min_rows = count(name, value)?,
        "min_hessian" => options.min_hessian = real(name, value)?,
        "min_gain" => options.min_gain = real(name, value)?,
        "l1" => options.l1 = real(name, value)?,
        "l2" => options.l2 = real(name, value)?,
        "max_delta_step" => options.max_delta_step = real(name, value)?,
        // XGBoost's 256 bins count the missing one, ours do not.
        "max_bins" => {
            options.max_bins = count(name, value)?.min(if value.as_count() == Some(256) {
                255
            } else {
                u32::MAX
            })
        }
        "min_bin_rows" => options.min_bin_rows = count(name, value)?,
        "row_fraction" => options.row_fraction = real(name, value)?,
        "column_fraction" => options.column_fraction = real(name, value)?,
        "node_column_fraction" => options.node_column_fraction = real(name, value)?,
        "early_stopping" => options.early_stopping = count(name, value)?,
        "objective" => options.objective = objective(options.objective, name, value)?,
        "quantile" => {
            options.objective = Objective::Quantile {
                alpha: real(name, value)?,
            }
        }
        "delta" => {
            options.objective = Objective::Huber {
                delta: real(name, value)?,
            }
        }
        "power" => {
            options.objective = Objective::Tweedie {
                power: real(name, value)?,
            }
        }
        "mode" => options.mode = mode(name, value)?,
        "one_vs_rest_levels" => options.one_vs_rest_levels = count(name, value)?,
        _ => options.category_smoothing = real(name, value)?,
    }
    Ok(())
}

fn growth(name: &str, value: &OptionValue) -> Result<Growth, TrainError> {
    match value.spelling().to_ascii_lowercase().as_str() {
        "leaf" | "lossguide" | "leafwise" => Ok(Growth::Leaf),
        "depth" | "depthwise" => Ok(Growth::Depth),
        _ => Err(bad_value(name, value, "'leaf' or 'depth'")),
    }
}

fn mode(name: &str, value: &OptionValue) -> Result<Mode, TrainError> {
    match value.spelling().to_ascii_lowercase().as_str() {
        "boost" | "gbtree" | "gbdt" => Ok(Mode::Boost),
        "forest" | "rf" => Ok(Mode::Forest),
        "extra_trees" => Ok(Mode::ExtraTrees),
        _ => Err(bad_value(name, value, "'boost', 'forest' or 'extra_trees'")),
    }
}

/// `current` keeps a parameter that was given before its objective.
fn objective(current: Objective, name: &str, value: &OptionValue) -> Result<Objective, TrainError> {
    Ok(
        match (value.spelling().to_ascii_lowercase().as_str(), current) {
            ("auto", _) => Objective::Auto,
            (
                "squared" | "squared_error" | "reg:squarederror" | "regression" | "regression_l2"
                | "l2" | "mse" | "rmse",
                _,
            ) => Objective::Squared,
            (
                "absolute" | "absolute_error" | "reg:absoluteerror" | "regression_l1" | "l1"
                | "mae",
                _,
            ) => Objective::Absolute,
            ("quantile" | "reg:quantileerror", Objective::Quantile { alpha }) => {
                Objective::Quantile { alpha }
            }
            ("quantile" | "reg:quantileerror", _) => Objective::Quantile { alpha: 0.5 },
            ("huber" | "reg:pseudohubererror", Objective::Huber { delta }) => {
                Objective::Huber { delta }
            }
            ("huber" | "reg:pseudohubererror", _) => Objective::Huber { delta: 1.0 },
            ("poisson" | "count:poisson", _) => Objective::Poisson,
            ("tweedie" | "reg:tweedie", Objective::Tweedie { power }) => {
                Objective::Tweedie { power }
            }
            ("tweedie" | "reg:tweedie", _) => Objective::Tweedie { power: 1.5 },
            ("logistic" | "binary:logistic" | "binary" | "log_loss", _) => Objective::Logistic,
            ("softmax" | "multi:softprob" | "multi:softmax" | "multiclass", _) => {
                Objective::Softmax
            }
            _ => {
                let accepted = "auto, squared, absolute, quantile, huber, poisson, tweedie, logistic or softmax";
                return Err(bad_value(name, value, accepted));
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(given: &[(&str, &str)]) -> Vec<(String, OptionValue)> {
        given
            .iter()
            .map(|(name, value)| ((*name).to_owned(), OptionValue::Number((*value).to_owned())))
            .collect()
    }

    fn trees(name: &str, given: &[(&str, &str)]) -> TreesOptions {
        match check(name, &params(given)).unwrap().candidate.learner {
            CandidateLearner::Trees(options) => *options,
            other => panic!("not trees: {other:?}"),
        }
    }

    #[test]
    fn aliases_of_other_libraries_mean_our_parameters() {
        let ours = trees(
            "trees",
            &[
                ("rounds", "7"),
                ("learning_rate", "0.3"),
                ("max_leaves", "9"),
                ("l2", "2"),
            ],
        );
        assert_eq!(
            ours,
            trees(
                "trees",
                &[
                    ("n_estimators", "7"),
                    ("eta", "0.3"),
                    ("num_leaves", "9"),
                    ("lambda_l2", "2")
                ]
            )
        );
        assert_eq!(trees("xgboost", &[]), TreesOptions::xgboost_defaults());
        assert_eq!(
            trees("lightgbm", &[("max_depth", "-1")]),
            TreesOptions::lightgbm_defaults()
        );
        let quantile = trees("trees", &[("quantile", "0.9"), ("objective", "quantile")]);
        assert_eq!(quantile.objective, Objective::Quantile { alpha: 0.9 });
    }

    #[test]
    fn slips_doubles_and_ranges_are_named() {
        let refused = |name: &str, given: &[(&str, &str)]| check(name, &params(given)).unwrap_err();
        assert_eq!(
            refused("tress", &[]).hint().as_deref(),
            Some("Did you mean \"trees\"?")
        );
        assert_eq!(
            refused("trees", &[("lerning_rate", "1")]).hint().as_deref(),
            Some("Did you mean \"learning_rate\"?")
        );
        assert_eq!(
            refused("trees", &[("eta", "1"), ("learning_rate", "1")]).sqlstate(),
            Some("42601")
        );
        let range = refused("trees", &[("subsample", "1.5")]);
        assert_eq!(
            range.to_string(),
            "invalid value for option \"subsample\": 1.5"
        );
        assert_eq!(
            refused("linear", &[("penalty", "-1")]).sqlstate(),
            Some("22023")
        );
        assert_eq!(
            refused("trees", &[("max_depth", "abc")]).sqlstate(),
            Some("22023")
        );
        assert!(
            refused("trees", &[("delta", "1"), ("objective", "squared")])
                .hint()
                .is_some()
        );
        assert_eq!(
            check("trees", &params(&[("n_jobs", "4")]))
                .unwrap()
                .notices
                .len(),
            1
        );
    }
}
