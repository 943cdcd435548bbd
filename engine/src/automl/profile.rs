//! Which columns deserve to be features, and which one gives the answer away?

use std::sync::{Mutex, PoisonError};

use tarn_gpu::error::GpuError;
use tarn_gpu::fit::{Fit, Learner};
use tarn_gpu::matrix::{Column, Dataset, Matrix};
use tarn_gpu::metric;
use tarn_gpu::trees::TreesOptions;
use tarn_udfs::model::bytes::mix;
use tarn_udfs::model::datetime::MomentPart;
use tarn_udfs::model::features::{FeatureRole, FeatureSet};
use tarn_udfs::model::label::Task;
use tarn_udfs::model::observe::{ColumnObserver, Dropped, Verdict};

use super::evaluate::Workshop;
use super::problem::Problem;
use super::training_set::TrainingSet;
use tarn_udfs::fit::error::TrainError;

/// Rows looked at to find a column that gives the target away.
const LEAK_ROWS_MAX: usize = 20_000;
/// Fewer rows than this prove nothing about a column.
const LEAK_ROWS_MIN: usize = 100;
/// Share of the label's variance that one honest column never explains.
const LEAK_R2_MIN: f64 = 0.999;
/// Area under the curve that one honest column never reaches.
const LEAK_AUC_MIN: f64 = 0.999;

/// What the profile step decided.
#[derive(Debug)]
pub struct Profile {
    /// The features.
    pub features: FeatureSet,
    /// Position of each feature among the set's feature columns.
    pub positions: Vec<usize>,
    /// Key columns as features of the parent model.
    pub key_features: FeatureSet,
    /// Position of each of those among the key columns.
    pub key_positions: Vec<usize>,
    /// Columns left out, and why.
    pub dropped: Vec<(String, Dropped)>,
}

/// Looks at every column of the set once. `order_by` names the column of ORDER BY, if it is a feature.
pub fn profile(set: &TrainingSet, order_by: Option<&str>) -> Result<Profile, TrainError> {
    let mut observers: Vec<ColumnObserver> = set
        .feature_fields()
        .iter()
        .map(|field| ColumnObserver::new(field, true))
        .collect();
    let mut key_observers: Vec<ColumnObserver> = set
        .key_fields()
        .iter()
        .map(|field| ColumnObserver::new(field, false))
        .collect();
    set.visit_unordered(|rows| {
        for (observer, values) in observers.iter_mut().zip(rows.features()) {
            observer.observe(values)?;
        }
        for (observer, values) in key_observers.iter_mut().zip(rows.keys()) {
            observer.observe(values)?;
        }
        Ok(())
    })?;
    let names: Vec<String> = set
        .feature_fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    let mut profile = Profile {
        features: FeatureSet::default(),
        positions: Vec::new(),
        key_features: FeatureSet::default(),
        key_positions: Vec::new(),
        dropped: Vec::new(),
    };
    for (position, (observer, name)) in observers.into_iter().zip(names).enumerate() {
        match observer.finish() {
            Verdict::Keep(mut feature) => {
                if order_by == Some(name.as_str()) {
                    keep_recurring_parts(&mut feature.role);
                }
                profile.features.columns.push(feature);
                profile.positions.push(position);
            }
            Verdict::Drop(reason) => profile.dropped.push((name, reason)),
        }
    }
    for (position, observer) in key_observers.into_iter().enumerate() {
        if let Verdict::Keep(feature) = observer.finish() {
            profile.key_features.columns.push(feature);
            profile.key_positions.push(position);
        }
    }
    Ok(profile)
}

/// A model that is asked about the future cannot learn from how much time has passed: later values are all new to it.
fn keep_recurring_parts(role: &mut FeatureRole) {
    if let FeatureRole::Moment { parts, .. } = role {
        let recurring = |part: &MomentPart| !matches!(part, MomentPart::Elapsed | MomentPart::Year);
        if parts.iter().any(recurring) {
            parts.retain(recurring);
        }
    }
}

/// Source columns that alone predict held-out labels almost perfectly.
pub fn leaking_columns(
    workshop: Workshop<'_>,
    problem: &Problem,
    features: &FeatureSet,
) -> Result<Vec<String>, TrainError> {
    let rows = sample(problem.data.row_keys());
    if rows.len() < LEAK_ROWS_MIN {
        return Ok(Vec::new());
    }
    let (train, valid) = rows.split_at(rows.len() / 2);
    let options = TreesOptions {
        rounds: 30,
        learning_rate: 0.3,
        max_leaves: 255,
        min_rows: 3,
        min_bin_rows: 1,
        max_bins: 255,
        train_loss: false,
        ..TreesOptions::default()
    };
    let learner = Learner::Trees(options.check().map_err(GpuError::from)?);
    let mut owners: Vec<&str> = Vec::new();
    let mut fits = Vec::new();
    let mut model_column = 0;
    for feature in &features.columns {
        for _ in 0..feature.width() {
            fits.push(Fit {
                data: single_column(problem, model_column, train, valid)?.into(),
                train: (0..train.len() as u32).collect(),
                valid: (train.len() as u32..rows.len() as u32).collect(),
                learner: learner.clone(),
                seed: 0,
            });
            owners.push(&feature.name);
            model_column += 1;
        }
    }
    let labels = problem.labels_of(valid);
    let leaks = Mutex::new(vec![false; fits.len()]);
    workshop
        .queue
        .run(&fits, workshop.limits, |position, outcome| {
            let leak = outcome
                .is_ok_and(|outcome| gives_away(problem, &labels, outcome.held_out.numbers()));
            leaks.lock().unwrap_or_else(PoisonError::into_inner)[position] = leak;
        })?;
    let leaks = leaks.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut names: Vec<String> = owners
        .into_iter()
        .zip(leaks)
        .filter(|(_, leak)| *leak)
        .map(|(name, _)| name.to_owned())
        .collect();
    names.dedup();
    Ok(names)
}

fn gives_away(problem: &Problem, labels: &[f64], answers: &[f64]) -> bool {
    match problem.task {
        Task::Regression => metric::r2(labels, answers, None) >= LEAK_R2_MIN,
        Task::Classification if problem.outputs == 2 => {
            let second: Vec<f64> = answers.iter().skip(1).step_by(2).copied().collect();
            metric::roc_auc(labels, &second, None) >= LEAK_AUC_MIN
        }
        Task::Classification => {
            metric::accuracy(labels, answers, problem.outputs, None) >= LEAK_AUC_MIN
        }
    }
}

/// A sample of rows chosen by content hash, in hash order.
fn sample(row_keys: &[u64]) -> Vec<u32> {
    let mut rows: Vec<u32> = (0..row_keys.len() as u32).collect();
    rows.sort_unstable_by_key(|&row| mix(row_keys[row as usize] ^ 0x1EAC));
    rows.truncate(LEAK_ROWS_MAX);
    rows
}

fn single_column(
    problem: &Problem,
    column: usize,
    train: &[u32],
    valid: &[u32],
) -> Result<Dataset, TrainError> {
    let rows: Vec<u32> = train.iter().chain(valid).copied().collect();
    let taken = match &problem.data.features().columns()[column] {
        Column::Numeric(values) => {
            Column::Numeric(rows.iter().map(|&row| values[row as usize]).collect())
        }
        Column::Categorical { codes, levels } => Column::Categorical {
            codes: rows.iter().map(|&row| codes[row as usize]).collect(),
            levels: *levels,
        },
    };
    let matrix = Matrix::new(vec![taken], rows.len()).map_err(GpuError::from)?;
    let keys = rows
        .iter()
        .map(|&row| problem.data.row_keys()[row as usize])
        .collect();
    Ok(Dataset::new(
        matrix,
        problem.labels_of(&rows),
        None,
        keys,
        problem.data.task(),
    )
    .map_err(GpuError::from)?)
}
