//! What does one call of a training function ask for? Its names and parameters, as a text that travels in a plan.

use serde::{Deserialize, Serialize};
use tarn_gpu::device::DeviceChoice;

use super::algorithm;
use super::candidates::{Candidate, CandidateLearner};
use super::error::TrainError;
use super::family::Family;
use super::option_value::{OptionValue, bad_value, unknown_option};
use super::places::parse_device;
use crate::model::label::Task;

/// The training functions: name, the algorithm of CREATE MODEL behind it, what it is for.
pub const TRAINING_FUNCTIONS: [(&str, &str, &str); 5] = [
    (
        "train_trees",
        "trees",
        "A model of gradient-boosted trees, fitted on the rows of the group",
    ),
    (
        "train_forest",
        "forest",
        "A random forest, fitted on the rows of the group",
    ),
    (
        "train_linear",
        "linear",
        "A linear regression, fitted on the rows of the group",
    ),
    (
        "train_logistic",
        "logistic",
        "A logistic regression, fitted on the rows of the group",
    ),
    (
        "automl",
        "automl",
        "The best of several models, chosen by cross-validation within the group",
    ),
];

/// Folds of a group's cross-validation when the call does not say.
const FOLDS: u32 = 3;
/// Names that `automl(…)` takes.
const AUTOML_OPTIONS: [&str; 5] = ["task", "seed", "folds", "algorithms", "device"];

/// A call as the statement wrote it: everything but the columns themselves.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CallSpec {
    /// `train_trees` and its kin.
    pub function: String,
    /// Name of the label's column.
    pub label: String,
    /// Whether the column after the label holds weights.
    pub weighted: bool,
    /// Names of the feature columns, in the order of the arguments.
    pub features: Vec<String>,
    /// Named arguments that are no columns.
    pub parameters: Vec<(String, OptionValue)>,
}

impl CallSpec {
    /// The text for a plan.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a call holds texts and flags, so it always serialises")
    }

    /// Reads the text back.
    pub fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Columns before the features: the label and perhaps weights.
    pub fn leading(&self) -> usize {
        1 + usize::from(self.weighted)
    }

    /// Checks every parameter.
    ///
    /// # Errors
    /// [`TrainError`] with the parameter's name, what it accepts and what was probably meant.
    pub fn check(&self) -> Result<CheckedCall, TrainError> {
        let known = TRAINING_FUNCTIONS
            .iter()
            .find(|(function, ..)| *function == self.function);
        let (_, algorithm, _) = known.ok_or_else(|| TrainError::UnknownAlgorithm {
            name: self.function.clone(),
            suggestion: None,
        })?;
        let (mut task, mut device) = (None, None);
        let mut rest = Vec::new();
        for (name, value) in &self.parameters {
            if name == "device" {
                if device.is_some() {
                    return Err(TrainError::DuplicateOption { name: name.clone() });
                }
                device = Some(parse_device(name, value)?);
            } else if name == "task" {
                let found = Task::parse(value.spelling());
                let accepted = "'regression' or 'classification'";
                if task.is_some() {
                    return Err(TrainError::DuplicateOption { name: name.clone() });
                }
                task = Some(found.ok_or_else(|| bad_value(name, value, accepted))?);
            } else {
                rest.push((name.clone(), value.clone()));
            }
        }
        let (choice, seed) = if *algorithm == "automl" {
            self.check_search(&rest)?
        } else {
            let named = algorithm::check(algorithm, &rest)?;
            (
                Choice::Named(Box::new(named.candidate)),
                named.seed.unwrap_or(0),
            )
        };
        Ok(CheckedCall {
            choice,
            task,
            seed,
            device: device.unwrap_or_default(),
        })
    }

    fn check_search(
        &self,
        parameters: &[(String, OptionValue)],
    ) -> Result<(Choice, u64), TrainError> {
        let (mut seed, mut folds, mut families) = (0, FOLDS, Family::ALL.to_vec());
        let mut seen: Vec<&str> = Vec::new();
        for (name, value) in parameters {
            if seen.contains(&name.as_str()) {
                return Err(TrainError::DuplicateOption { name: name.clone() });
            }
            seen.push(name);
            match name.as_str() {
                "seed" => {
                    let accepted = "a whole number, 0 or more";
                    seed = value
                        .as_count()
                        .ok_or_else(|| bad_value(name, value, accepted))?;
                }
                "folds" => {
                    let count = value.as_count().filter(|count| (2..=20).contains(count));
                    folds = count.ok_or_else(|| bad_value(name, value, "2 to 20"))? as u32;
                }
                "algorithms" => families = Family::parse_list(name, value)?,
                _ => return Err(unknown_option(&self.function, name, &AUTOML_OPTIONS)),
            }
        }
        Ok((Choice::Search { folds, families }, seed))
    }
}

/// What is fitted on each group.
#[derive(Debug, Clone, PartialEq)]
pub enum Choice {
    /// One setting.
    Named(Box<Candidate>),
    /// The best of the portfolio for groups.
    Search {
        /// Folds of the cross-validation.
        folds: u32,
        /// Families that may be tried.
        families: Vec<Family>,
    },
}

/// A call whose parameters are checked.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedCall {
    /// What is fitted.
    pub choice: Choice,
    /// The task, when the call says it.
    pub task: Option<Task>,
    /// Seed of every random choice.
    pub seed: u64,
    /// Where the fits may run.
    pub device: DeviceChoice,
}

impl CheckedCall {
    /// What is learned of a label: as the call says, else as its learner and the label's type say. Whole numbers are
    /// numbers here, even if there are two of them: a type that depended on the rows could not be told beforehand.
    ///
    /// # Errors
    /// [`TrainError::WrongTask`] when label, learner and option contradict each other.
    pub fn task_of(&self, label: &str, is_number: bool) -> Result<Task, TrainError> {
        let learner_task = match &self.choice {
            Choice::Named(candidate) => match candidate.learner {
                CandidateLearner::Linear(_) => Some(Task::Regression),
                CandidateLearner::Logistic(_) => Some(Task::Classification),
                _ => None,
            },
            Choice::Search { .. } => None,
        };
        let by_label = if is_number {
            Task::Regression
        } else {
            Task::Classification
        };
        let task = self.task.or(learner_task).unwrap_or(by_label);
        if learner_task.is_some_and(|own| own != task) || (task == Task::Regression && !is_number) {
            return Err(TrainError::WrongTask {
                what: format!("column \"{label}\" with this function"),
                task: task.word(),
                hint: "train_linear learns numbers, train_logistic classes; train_trees and train_forest learn both."
                    .into(),
            });
        }
        Ok(task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(function: &str, parameters: &[(&str, &str)]) -> CallSpec {
        CallSpec {
            function: function.into(),
            label: "y".into(),
            weighted: false,
            features: vec!["a".into()],
            parameters: parameters
                .iter()
                .map(|(name, value)| ((*name).into(), OptionValue::Text((*value).into())))
                .collect(),
        }
    }

    #[test]
    fn a_call_travels_as_text() {
        let call = spec("train_trees", &[("max_leaves", "7")]);
        assert_eq!(CallSpec::from_json(&call.to_json()), Some(call));
        assert_eq!(CallSpec::from_json("{"), None);
    }

    #[test]
    fn parameters_are_checked_by_name_and_range() {
        let refused = |function: &str, parameters: &[(&str, &str)]| {
            spec(function, parameters).check().unwrap_err().sqlstate()
        };
        assert_eq!(refused("train_trees", &[("max_leafs", "7")]), Some("22023"));
        assert_eq!(refused("train_trees", &[("eta", "-1")]), Some("22023"));
        assert_eq!(refused("automl", &[("max_leaves", "7")]), Some("22023"));
        assert_eq!(refused("automl", &[("folds", "1")]), Some("22023"));
        let twice = [("seed", "1"), ("seed", "2")];
        assert_eq!(refused("automl", &twice), Some("42601"));
        assert_eq!(refused("train_trees", &twice), Some("42601"));
    }

    #[test]
    fn label_learner_and_option_agree_on_the_task() {
        let task = |function: &str, parameters: &[(&str, &str)], is_number| {
            let call = spec(function, parameters).check().unwrap();
            call.task_of("y", is_number).ok()
        };
        let as_classes = [("task", "classification")];
        let as_number = [("task", "regression")];
        assert_eq!(task("train_trees", &[], true), Some(Task::Regression));
        assert_eq!(task("train_trees", &[], false), Some(Task::Classification));
        assert_eq!(
            task("train_trees", &as_classes, true),
            Some(Task::Classification)
        );
        assert_eq!(
            task("train_logistic", &[], true),
            Some(Task::Classification)
        );
        assert_eq!(task("train_linear", &[], false), None);
        assert_eq!(task("train_linear", &as_classes, true), None);
        assert_eq!(task("train_trees", &as_number, false), None);
    }
}
