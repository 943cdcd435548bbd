//! How good are predictions? Metrics by their SQL names, each with a direction.

use crate::model::label::Task;
use tarn_gpu::metric as measure;

/// A metric that a search can optimise and a report can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Mean negative log probability of the true class.
    LogLoss,
    /// Area under the ROC curve; the mean over classes, one against the rest, beyond two classes.
    RocAuc,
    /// Share of rows classified rightly.
    Accuracy,
    /// F1 of the positive class; the unweighted mean over classes beyond two.
    F1,
    /// Root mean squared error.
    Rmse,
    /// Mean absolute error.
    Mae,
    /// Share of variance explained.
    R2,
    /// Mean absolute percentage error, as a share.
    Mape,
    /// Symmetric mean absolute percentage error, as a share.
    Smape,
}

/// What predictions are measured against.
#[derive(Debug, Clone, Copy)]
pub struct Measured<'a> {
    /// Numbers, or class codes.
    pub labels: &'a [f64],
    /// Predicted numbers, or row-major probabilities.
    pub predictions: &'a [f64],
    /// Numbers per row: 1, or the number of classes.
    pub outputs: usize,
    /// Code of the positive class.
    pub positive: u32,
}

impl Metric {
    const ALL: [Self; 9] = [
        Self::LogLoss,
        Self::RocAuc,
        Self::Accuracy,
        Self::F1,
        Self::Rmse,
        Self::Mae,
        Self::R2,
        Self::Mape,
        Self::Smape,
    ];

    /// Its SQL name.
    pub fn name(self) -> &'static str {
        match self {
            Self::LogLoss => "log_loss",
            Self::RocAuc => "roc_auc",
            Self::Accuracy => "accuracy",
            Self::F1 => "f1",
            Self::Rmse => "rmse",
            Self::Mae => "mae",
            Self::R2 => "r2",
            Self::Mape => "mape",
            Self::Smape => "smape",
        }
    }

    /// The metric with this name, or one of its common aliases.
    pub fn parse(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase().replace('-', "_");
        let alias = match name.as_str() {
            "logloss" | "neg_log_loss" | "cross_entropy" => "log_loss",
            "auc" => "roc_auc",
            "root_mean_squared_error" => "rmse",
            "mean_absolute_error" => "mae",
            other => other,
        };
        Self::ALL.into_iter().find(|metric| metric.name() == alias)
    }

    /// All names, for a hint.
    pub fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// What a search optimises when the statement names nothing.
    pub fn default_of(task: Task) -> Self {
        match task {
            Task::Regression => Self::Rmse,
            Task::Classification => Self::LogLoss,
        }
    }

    /// The task whose predictions it measures.
    pub fn task(self) -> Task {
        match self {
            Self::LogLoss | Self::RocAuc | Self::Accuracy | Self::F1 => Task::Classification,
            Self::Rmse | Self::Mae | Self::R2 | Self::Mape | Self::Smape => Task::Regression,
        }
    }

    /// The metrics that a report shows for a task, in order.
    pub fn reported(task: Task) -> &'static [Self] {
        match task {
            Task::Regression => &[Self::Rmse, Self::Mae, Self::R2, Self::Mape, Self::Smape],
            Task::Classification => &[Self::LogLoss, Self::RocAuc, Self::Accuracy, Self::F1],
        }
    }

    /// Whether larger values are better.
    pub fn is_maximised(self) -> bool {
        matches!(self, Self::RocAuc | Self::Accuracy | Self::F1 | Self::R2)
    }

    /// The metric's value; NaN when the rows cannot give one.
    pub fn value(self, rows: Measured<'_>) -> f64 {
        let Measured {
            labels,
            predictions,
            outputs,
            positive,
        } = rows;
        match self {
            Self::LogLoss => measure::log_loss(labels, predictions, outputs, None),
            Self::Accuracy => measure::accuracy(labels, predictions, outputs, None),
            Self::RocAuc => roc_auc(rows),
            Self::F1 if outputs == 2 => {
                measure::f1(labels, predictions, outputs, positive as usize, None)
            }
            Self::F1 => measure::macro_f1(labels, predictions, outputs, None),
            Self::Rmse => measure::rmse(labels, predictions, None),
            Self::Mae => measure::mae(labels, predictions, None),
            Self::R2 => measure::r2(labels, predictions, None),
            Self::Mape => measure::mape(labels, predictions, None),
            Self::Smape => measure::smape(labels, predictions, None),
        }
    }

    /// A loss to minimise: the value, or what is missing to the best value. Never NaN: what cannot be measured is worst.
    pub fn loss(self, rows: Measured<'_>) -> f64 {
        let value = self.value(rows);
        let loss = if self.is_maximised() {
            1.0 - value
        } else {
            value
        };
        if loss.is_nan() { f64::INFINITY } else { loss }
    }
}

/// One class against the rest, averaged over the classes that the rows have; for two classes that is one curve.
fn roc_auc(rows: Measured<'_>) -> f64 {
    let against_rest = |class: usize| {
        let labels: Vec<f64> = rows
            .labels
            .iter()
            .map(|&label| f64::from(label as usize == class))
            .collect();
        let scores: Vec<f64> = rows
            .predictions
            .iter()
            .skip(class)
            .step_by(rows.outputs)
            .copied()
            .collect();
        measure::roc_auc(&labels, &scores, None)
    };
    if rows.outputs == 2 {
        return against_rest(1);
    }
    let areas: Vec<f64> = (0..rows.outputs)
        .map(against_rest)
        .filter(|area| !area.is_nan())
        .collect();
    if areas.is_empty() {
        f64::NAN
    } else {
        areas.iter().sum::<f64>() / areas.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_aliases_and_directions() {
        assert_eq!(Metric::parse("AUC"), Some(Metric::RocAuc));
        assert_eq!(Metric::parse("log-loss"), Some(Metric::LogLoss));
        assert_eq!(Metric::parse("wape"), None);
        for metric in Metric::ALL {
            assert_eq!(Metric::parse(metric.name()), Some(metric));
            assert!(Metric::reported(metric.task()).contains(&metric));
        }
    }

    #[test]
    fn perfect_predictions_have_no_loss() {
        let labels = [0.0, 1.0, 1.0];
        let rows = Measured {
            labels: &labels,
            predictions: &[1.0, 0.0, 0.0, 1.0, 0.0, 1.0],
            outputs: 2,
            positive: 1,
        };
        for &metric in Metric::reported(Task::Classification) {
            assert!(metric.loss(rows).abs() < 1e-9, "{}", metric.name());
        }
        let numbers = Measured {
            labels: &[1.0, 2.0],
            predictions: &[1.0, 2.0],
            outputs: 1,
            positive: 0,
        };
        for &metric in Metric::reported(Task::Regression) {
            assert_eq!(metric.loss(numbers), 0.0, "{}", metric.name());
        }
    }

    #[test]
    fn what_cannot_be_measured_is_worst() {
        let rows = Measured {
            labels: &[1.0],
            predictions: &[0.3, 0.7],
            outputs: 2,
            positive: 1,
        };
        assert_eq!(Metric::RocAuc.loss(rows), f64::INFINITY);
    }
}
