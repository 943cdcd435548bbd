//! What will the views ml.trials, ml.groups and ml.metrics and the row of ml.versions say of a training?

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::Serialize;
use tarn_udfs::model::features::FeatureSet;

use super::ensemble::Share;
use super::search::{Trial, TrialStatus};
use tarn_udfs::fit::error::TrainError;
use tarn_udfs::fit::metric::{Measured, Metric};

/// One line of ml.metrics.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricRow {
    /// `report` for rows that no choice has seen.
    pub split: &'static str,
    /// Metric name.
    pub metric: &'static str,
    /// Its value; not a number when the rows cannot give one.
    pub value: f64,
    /// Rows measured.
    pub rows: i64,
}

/// Every reported metric of some answers.
pub fn metric_rows(
    split: &'static str,
    metrics: &[Metric],
    measured: Measured<'_>,
) -> Vec<MetricRow> {
    let rows = measured.labels.len() as i64;
    metrics
        .iter()
        .map(|metric| MetricRow {
            split,
            metric: metric.name(),
            value: metric.value(measured),
            rows,
        })
        .collect()
}

/// One line of ml.groups.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupRow {
    /// Key columns as text, joined.
    pub key: String,
    /// `trained`, `global` when the parent answers, or `failed`.
    pub status: &'static str,
    /// Why the parent answers.
    pub reason: Option<String>,
    /// Rows with a label.
    pub rows: i64,
    /// Algorithm of the group's own model.
    pub algorithm: Option<&'static str>,
    /// Share of the group's own model in its answers.
    pub own_weight: f64,
    /// The optimised metric on the group's report rows.
    pub value: Option<f64>,
}

/// Schema of ml.trials' own columns.
pub fn trials_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("trial", DataType::Int64, false),
        Field::new("algorithm", DataType::Utf8, false),
        Field::new("parameters", DataType::Utf8, false),
        Field::new("status", DataType::Utf8, false),
        Field::new("reason", DataType::Utf8, true),
        Field::new("metric", DataType::Utf8, false),
        Field::new("value", DataType::Float64, true),
        Field::new("rounds", DataType::Int64, true),
        Field::new("weight", DataType::Float64, false),
        Field::new("seconds", DataType::Float64, false),
    ]))
}

/// The trials as rows, with their shares of the winning blend.
pub fn trials_batch(
    trials: &[Trial],
    shares: &[Share],
    metric: Metric,
) -> Result<RecordBatch, TrainError> {
    let text = |of: &dyn Fn(&Trial) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(trials.iter().map(of)))
    };
    let status = |trial: &Trial| match trial.status {
        TrialStatus::Complete => "complete".to_owned(),
        TrialStatus::Pruned => "pruned".to_owned(),
        TrialStatus::Failed(_) => "failed".to_owned(),
    };
    let reason = |trial: &Trial| match &trial.status {
        TrialStatus::Failed(reason) => Some(reason.clone()),
        _ => None,
    };
    let value = |trial: &Trial| {
        let value = if metric.is_maximised() {
            1.0 - trial.loss
        } else {
            trial.loss
        };
        trial.loss.is_finite().then_some(value)
    };
    let weight = |index: usize| {
        shares
            .iter()
            .filter(|share| share.trial == index)
            .map(|share| share.weight)
            .sum::<f64>()
    };
    let rounds = |trial: &Trial| (!trial.folds.is_empty()).then(|| i64::from(trial.rounds()));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(
            trials.iter().map(|trial| i64::from(trial.number)),
        )),
        text(&|trial| trial.candidate.family().name().to_owned()),
        text(&|trial| trial.candidate.parameters()),
        text(&status),
        Arc::new(StringArray::from_iter(trials.iter().map(reason))),
        text(&|_| metric.name().to_owned()),
        Arc::new(Float64Array::from_iter(trials.iter().map(value))),
        Arc::new(Int64Array::from_iter(trials.iter().map(rounds))),
        Arc::new(Float64Array::from_iter_values(
            (0..trials.len()).map(weight),
        )),
        Arc::new(Float64Array::from_iter_values(
            trials.iter().map(|trial| trial.seconds),
        )),
    ];
    Ok(RecordBatch::try_new(trials_schema(), columns)?)
}

/// Schema of ml.metrics' own columns.
pub fn metrics_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("split", DataType::Utf8, false),
        Field::new("metric", DataType::Utf8, false),
        Field::new("value", DataType::Float64, true),
        Field::new("rows", DataType::Int64, false),
        Field::new("optimised", DataType::Boolean, false),
    ]))
}

/// The metrics as rows.
pub fn metrics_batch(rows: &[MetricRow], optimised: Metric) -> Result<RecordBatch, TrainError> {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(
            rows.iter().map(|row| row.split),
        )),
        Arc::new(StringArray::from_iter_values(
            rows.iter().map(|row| row.metric),
        )),
        Arc::new(Float64Array::from_iter(
            rows.iter()
                .map(|row| (!row.value.is_nan()).then_some(row.value)),
        )),
        Arc::new(Int64Array::from_iter_values(
            rows.iter().map(|row| row.rows),
        )),
        Arc::new(BooleanArray::from_iter(
            rows.iter().map(|row| Some(row.metric == optimised.name())),
        )),
    ];
    Ok(RecordBatch::try_new(metrics_schema(), columns)?)
}

/// Schema of ml.groups' own columns.
pub fn groups_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("status", DataType::Utf8, false),
        Field::new("reason", DataType::Utf8, true),
        Field::new("level", DataType::Utf8, false),
        Field::new("rows", DataType::Int64, false),
        Field::new("algorithm", DataType::Utf8, true),
        Field::new("weight", DataType::Float64, false),
        Field::new("metric", DataType::Utf8, false),
        Field::new("value", DataType::Float64, true),
    ]))
}

/// The groups as rows.
pub fn groups_batch(rows: &[GroupRow], metric: Metric) -> Result<RecordBatch, TrainError> {
    let level = |row: &GroupRow| {
        if row.own_weight > 0.0 {
            "group"
        } else {
            "global"
        }
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(
            rows.iter().map(|row| row.key.as_str()),
        )),
        Arc::new(StringArray::from_iter_values(
            rows.iter().map(|row| row.status),
        )),
        Arc::new(StringArray::from_iter(
            rows.iter().map(|row| row.reason.as_deref()),
        )),
        Arc::new(StringArray::from_iter_values(rows.iter().map(level))),
        Arc::new(Int64Array::from_iter_values(
            rows.iter().map(|row| row.rows),
        )),
        Arc::new(StringArray::from_iter(rows.iter().map(|row| row.algorithm))),
        Arc::new(Float64Array::from_iter_values(
            rows.iter().map(|row| row.own_weight),
        )),
        Arc::new(StringArray::from_iter_values(
            rows.iter().map(|_| metric.name()),
        )),
        Arc::new(Float64Array::from_iter(
            rows.iter()
                .map(|row| row.value.filter(|value| !value.is_nan())),
        )),
    ];
    Ok(RecordBatch::try_new(groups_schema(), columns)?)
}

/// The document of ml.versions.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// `classification` or `regression`.
    pub task: &'static str,
    /// Algorithm of the heaviest member: `trees`, `linear`, `logistic` or `baseline`.
    pub algorithm: &'static str,
    /// Optimised metric.
    pub metric: &'static str,
    /// Its value on rows that no choice has seen.
    pub metric_value: Option<f64>,
    /// Rows with a label.
    pub rows: u64,
    /// Rows without a usable label.
    pub rows_skipped: u64,
    /// Source columns that are features.
    pub features: usize,
    /// Source columns left out, with the reason.
    pub dropped: Vec<(String, String)>,
    /// Groups seen, and those with a model of their own.
    pub groups: u64,
    /// Groups with a model of their own.
    pub groups_trained: u64,
    /// Trials done.
    pub trials: usize,
    /// Rows of the last fit: all, or fewer when time, memory or the statement allowed no more.
    pub fitted_rows: u64,
    /// Options that give the same model again from the same rows, without a clock; none for a named algorithm.
    pub replay: Option<String>,
    /// Why the search ended.
    pub ended: String,
    /// Settings of the winning blend, with their shares.
    pub winners: Vec<(String, f64)>,
    /// Calibration error before and after correction; none for a regression.
    pub calibration_error: Option<(f64, f64)>,
    /// Share of each source column in the model, largest first.
    pub importance: Vec<(String, f64)>,
    /// Seed of every random choice.
    pub seed: u64,
    /// Device that fitted.
    pub device: &'static str,
    /// Wall seconds of the whole training.
    pub seconds: f64,
}

/// Importance of source columns from that of model columns, largest first.
pub fn source_importance(features: &[&FeatureSet], importance: &[f64]) -> Vec<(String, f64)> {
    let mut rest = importance.iter();
    let columns = features.iter().flat_map(|set| &set.columns);
    let mut shares: Vec<(String, f64)> = columns
        .map(|column| {
            (
                column.name.clone(),
                rest.by_ref().take(column.width()).sum(),
            )
        })
        .collect();
    shares.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    shares
}
