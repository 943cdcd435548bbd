//! How do the rows of one group become numbers, and its fit a model that stands alone?
//!
//! A group knows nothing of the others: its dictionaries, ranges and classes are those of its own rows, so its model is
//! the same in whatever company it was trained.

use std::io::Cursor;
use std::sync::Arc;

use arrow::array::ArrayRef;
use tarn_gpu::error::GpuError;
use tarn_gpu::fit::Fit;
use tarn_gpu::matrix::{self, Dataset, Matrix};
use tarn_gpu::model::Model;

use super::candidates::Candidate;
use super::group_rows::OneGroup;
use super::split::{Fold, SplitRows};
use crate::error::ModelError;
use crate::model::artefact::{ArtefactWriter, Shared};
use crate::model::encode::numbers_of;
use crate::model::features::FeatureSet;
use crate::model::label::{CLASSES_MAX, Label, Task, class_texts, order_classes};
use crate::model::observe::{ColumnObserver, Verdict};
use crate::model::trained::{Member, TargetScale, TrainedModel};

/// Share of the rows on which a fit that stops early watches its error.
const STOPPING_SHARE: f64 = 0.2;

/// Why a group has no model.
#[derive(Debug, Clone)]
pub enum Unfit {
    /// It has no row with a label.
    NoRows,
    /// Its rows cannot be learned, and why.
    Reason(String),
    /// Something else failed, and with it the statement.
    Failed(ModelError),
}

impl From<ModelError> for Unfit {
    fn from(error: ModelError) -> Self {
        Self::Failed(error)
    }
}

impl From<GpuError> for Unfit {
    fn from(error: GpuError) -> Self {
        match error {
            GpuError::Cancelled => Self::Failed(ModelError::Cancelled),
            GpuError::Device(device) => Self::Failed(ModelError::Device(device.to_string())),
            other => Self::Reason(other.to_string()),
        }
    }
}

/// A group's rows as numbers.
#[derive(Debug, Clone)]
pub struct PreparedGroup {
    /// What is predicted.
    pub label: Label,
    /// What is learned from.
    pub features: FeatureSet,
    /// The numbers.
    pub data: Arc<Dataset>,
    seed: u64,
}

/// Encodes the rows of a group.
///
/// # Errors
/// [`Unfit`] when there is nothing to learn from or only one class to learn.
pub fn prepare(group: &OneGroup<'_>, task: Task, seed: u64) -> Result<PreparedGroup, Unfit> {
    if group.label.is_empty() {
        return Err(Unfit::NoRows);
    }
    let (label, labels) = encode_label(group, task)?;
    let (features, kept) = observe(group)?;
    let columns = features.encode(&kept)?;
    let matrix = Matrix::new(columns, labels.len()).map_err(GpuError::from)?;
    let meaning = match task {
        Task::Regression => matrix::Task::Regression,
        Task::Classification => matrix::Task::Classification {
            classes: label.classes.len() as u32,
        },
    };
    let keys = group.row_keys.to_vec();
    let data = Dataset::new(matrix, labels, group.weights.clone(), keys, meaning);
    Ok(PreparedGroup {
        label,
        features,
        data: Arc::new(data.map_err(GpuError::from)?),
        seed,
    })
}

/// Columns that vary, and what they become. Columns that the statement names are never taken for identifiers.
fn observe(group: &OneGroup<'_>) -> Result<(FeatureSet, Vec<ArrayRef>), Unfit> {
    let mut features = FeatureSet::default();
    let mut kept = Vec::with_capacity(group.features.len());
    for (field, values) in group.feature_fields.iter().zip(&group.features) {
        let mut observer = ColumnObserver::new(field, false);
        observer.observe(values)?;
        if let Verdict::Keep(feature) = observer.finish() {
            features.columns.push(feature);
            kept.push(Arc::clone(values));
        }
    }
    Ok((features, kept))
}

fn encode_label(group: &OneGroup<'_>, task: Task) -> Result<(Label, Vec<f64>), Unfit> {
    let (field, values) = (group.label_field, &group.label);
    if task == Task::Regression {
        return Ok((Label::regression(field), numbers_of(field.name(), values)?));
    }
    let texts: Vec<String> = class_texts(field.name(), values)?
        .into_iter()
        .flatten()
        .collect();
    let mut classes = texts.clone();
    classes.sort_unstable();
    classes.dedup();
    match classes.len() {
        0 | 1 => return Err(Unfit::Reason("all rows have the same class".into())),
        count if count > CLASSES_MAX => {
            let reason = format!("more than {CLASSES_MAX} classes");
            return Err(Unfit::Reason(reason));
        }
        _ => {}
    }
    let label = Label::classification(field, order_classes(field.data_type(), classes));
    let codes: std::collections::HashMap<&str, f64> = label
        .classes
        .iter()
        .enumerate()
        .map(|(code, class)| (class.as_str(), code as f64))
        .collect();
    let labels = texts.iter().map(|text| codes[text.as_str()]).collect();
    Ok((label, labels))
}

impl PreparedGroup {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.data.rows()
    }

    /// What a split of the rows looks at.
    pub fn split(&self) -> SplitRows<'_> {
        SplitRows {
            row_keys: self.data.row_keys(),
            labels: self.data.labels(),
            task: self.label.task,
            times: None,
            seed: self.seed,
        }
    }

    /// A fit on some rows; `rounds` replaces early stopping.
    ///
    /// # Errors
    /// [`Unfit`] when the candidate's options are out of range.
    pub fn fit(
        &self,
        candidate: &Candidate,
        rounds: Option<u32>,
        fold: Fold,
    ) -> Result<Fit, Unfit> {
        Ok(Fit {
            data: Arc::clone(&self.data),
            train: fold.train.into(),
            valid: fold.valid.into(),
            learner: candidate.learner(rounds).map_err(GpuError::from)?,
            seed: self.seed,
        })
    }

    /// A fit on all rows; a learner that stops early watches a part of them.
    ///
    /// # Errors
    /// As [`PreparedGroup::fit`].
    pub fn whole_fit(&self, candidate: &Candidate, rounds: Option<u32>) -> Result<Fit, Unfit> {
        let all: Vec<u32> = (0..self.rows() as u32).collect();
        let fold = if rounds.is_none() && candidate.stops_early() {
            self.split().cut(&all, STOPPING_SHARE)
        } else {
            Fold {
                train: all,
                valid: Vec::new(),
            }
        };
        self.fit(candidate, rounds, fold)
    }

    /// The model as a value that stands alone.
    ///
    /// # Errors
    /// [`Unfit::Failed`] when it cannot be written.
    pub fn value(&self, learner: Model) -> Result<Vec<u8>, Unfit> {
        let member = Member {
            weight: 1.0,
            target: TargetScale::IDENTITY,
            learner,
        };
        let shared = Shared {
            label: self.label.clone(),
            keys: Vec::new(),
            features: self.features.clone(),
            key_features: FeatureSet::default(),
        };
        let model = TrainedModel::new(vec![member], Vec::new(), None);
        let writer = ArtefactWriter::new(Cursor::new(Vec::new()), &shared)?;
        let (file, _) = writer.finish(&model.to_bytes())?;
        Ok(file.into_inner())
    }
}
