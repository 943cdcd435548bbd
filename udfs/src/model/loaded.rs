//! What does a model answer for a batch of rows? The one scorer behind predict, predict_proba, predict_struct and HTTP.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use tarn_gpu::error::DataError;
use tarn_gpu::matrix::{Column, Matrix, RowOrder};

use super::artefact::{Artefact, ReadAt};
use super::cache::ModelCache;
use super::distinct_keys::DistinctKeys;
use super::group_key::group_keys;
use super::label::{Label, Task};
use super::signature::Signature;
use super::trained::TrainedModel;
use crate::error::ModelError;

/// Which model of the file answered a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The group's own model, perhaps blended with the parent.
    Group,
    /// The parent, because the group has no model of its own.
    Parent,
    /// The only model of a file without groups.
    Model,
}

impl Level {
    /// The word in `predict_struct`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Parent => "global",
            Self::Model => "model",
        }
    }
}

/// The numbers that a model gives for some rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// Numbers per row: 1, or the number of classes.
    pub outputs: usize,
    /// Row after row: a predicted number, or one probability per class.
    pub values: Vec<f64>,
    /// Which model answered each row.
    pub levels: Vec<Level>,
}

impl Scores {
    /// The code of each row's most probable class; the first of equals.
    pub fn class_codes(&self) -> Vec<u32> {
        let best = |row: &[f64]| {
            let mut best = 0;
            for (code, probability) in row.iter().enumerate() {
                if *probability > row[best] {
                    best = code;
                }
            }
            best as u32
        };
        self.values.chunks_exact(self.outputs).map(best).collect()
    }

    /// The probability of one class, per row.
    pub fn probabilities(&self, class: u32) -> Vec<f64> {
        self.values
            .iter()
            .skip(class as usize)
            .step_by(self.outputs)
            .copied()
            .collect()
    }
}

/// A model that is open for scoring.
#[derive(Debug)]
pub struct LoadedModel {
    id: String,
    version: i64,
    artefact: Artefact,
    parent: TrainedModel,
    cache: Arc<ModelCache>,
    file: u64,
}

impl Drop for LoadedModel {
    fn drop(&mut self) {
        self.cache.forget_file(self.file);
    }
}

impl LoadedModel {
    /// Opens a model file; `id` and `version` are what calls and answers name it.
    pub fn open(
        id: &str,
        version: i64,
        file: Arc<dyn ReadAt>,
        cache: &Arc<ModelCache>,
    ) -> Result<Self, ModelError> {
        let artefact = Artefact::open(file)?;
        let shared = artefact.shared();
        let parent = TrainedModel::from_bytes(&artefact.parent_blob()?, &shared.label)?;
        let file = cache.register_file();
        Ok(Self {
            id: id.to_owned(),
            version,
            artefact,
            parent,
            cache: Arc::clone(cache),
            file,
        })
    }

    /// The id that calls name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The version number.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// What is predicted.
    pub fn label(&self) -> &Label {
        &self.artefact.shared().label
    }

    /// What callers must supply.
    pub fn signature(&self) -> Signature {
        let shared = self.artefact.shared();
        Signature::of(&shared.label, &shared.keys, &shared.features)
    }

    /// Number of column arguments of a call: keys, then features.
    pub fn arity(&self) -> usize {
        let shared = self.artefact.shared();
        shared.keys.len() + shared.features.columns.len()
    }

    /// Whether the model has groups.
    pub fn is_grouped(&self) -> bool {
        !self.artefact.shared().keys.is_empty()
    }

    /// Number of groups with a model of their own.
    pub fn group_count(&self) -> usize {
        self.artefact.group_count()
    }

    /// The opened file.
    pub fn artefact(&self) -> &Artefact {
        &self.artefact
    }

    /// The parent model: the only one of a model without groups.
    pub fn parent(&self) -> &TrainedModel {
        &self.parent
    }

    /// Bytes of memory held by everything but cached groups.
    pub fn memory_bytes(&self) -> usize {
        self.artefact.memory_bytes() + self.parent.memory_bytes()
    }

    /// Fails unless arguments of these types (keys, then features) suit the model.
    pub fn check_types(
        &self,
        function: &'static str,
        types: &[DataType],
    ) -> Result<(), ModelError> {
        let shared = self.artefact.shared();
        if types.len() != self.arity() {
            let (expected, got) = (self.arity(), types.len());
            return Err(ModelError::WrongArity {
                function,
                model: self.id.clone(),
                expected,
                got,
            });
        }
        let (key_types, feature_types) = types.split_at(shared.keys.len());
        for (key, data_type) in shared.keys.iter().zip(key_types) {
            key.check_type(data_type)?;
        }
        for (feature, data_type) in shared.features.columns.iter().zip(feature_types) {
            feature.check_type(data_type)?;
        }
        Ok(())
    }

    /// Scores rows given as key columns, then feature columns.
    pub fn score(&self, arrays: &[ArrayRef], rows: usize) -> Result<Scores, ModelError> {
        let shared = self.artefact.shared();
        let (key_arrays, feature_arrays) = arrays.split_at(shared.keys.len().min(arrays.len()));
        if !shared.keys.is_empty() {
            return self.score_groups(key_arrays, feature_arrays, rows);
        }
        let matrix = matrix(shared.features.encode(feature_arrays)?, rows)?;
        let values = self.parent.score(&matrix, &shared.label)?;
        Ok(Scores {
            outputs: shared.label.outputs(),
            values,
            levels: vec![Level::Model; rows],
        })
    }

    fn score_groups(
        &self,
        key_arrays: &[ArrayRef],
        feature_arrays: &[ArrayRef],
        rows: usize,
    ) -> Result<Scores, ModelError> {
        let outputs = self.label().outputs();
        let GroupOrder { order, at, runs } = self.group_order(key_arrays, rows)?;
        let features = self.features_in_order(key_arrays, feature_arrays, &order)?;
        let places: Vec<u32> = (0..rows as u32).collect();
        let mut values = Vec::with_capacity(rows * outputs);
        let mut parent_share = Vec::with_capacity(rows);
        let mut levels = Vec::with_capacity(rows);
        // The runs follow each other from the first row on.
        for (group, run) in runs {
            let model = self.group_model(group)?;
            let own_weight = self.artefact.entry(group).map_or(0.0, |own| own.own_weight);
            let scores = model.score_rows(&features, &places[run.clone()], self.label())?;
            values.extend(scores.iter().map(|score| own_weight * score));
            parent_share.resize(run.end, 1.0 - own_weight);
            levels.resize(run.end, Level::Group);
        }
        values.resize(rows * outputs, 0.0);
        parent_share.resize(rows, 1.0);
        levels.resize(rows, Level::Parent);
        self.add_parent(&features, &parent_share, &mut values)?;
        Ok(Scores {
            outputs,
            values: put_back(&values, &at, outputs),
            levels: put_back(&levels, &at, 1),
        })
    }

    /// The features, the rows of a group side by side: each column is gone through once, instead of once for each group.
    fn features_in_order(
        &self,
        key_arrays: &[ArrayRef],
        feature_arrays: &[ArrayRef],
        order: &[u32],
    ) -> Result<Matrix, ModelError> {
        let shared = self.artefact.shared();
        let key_of = |name: &str| shared.keys.iter().position(|key| key.name == name);
        let key_columns = shared.key_features.columns.iter();
        let used: Vec<ArrayRef> = key_columns
            .filter_map(|column| key_of(&column.name).map(|key| Arc::clone(&key_arrays[key])))
            .collect();
        let mut row_order = RowOrder::new(order).map_err(learner_error)?;
        let features = &shared.features;
        let mut columns = features.encode_in_order(feature_arrays, &mut row_order)?;
        columns.extend(shared.key_features.encode_in_order(&used, &mut row_order)?);
        matrix(columns, order.len())
    }

    /// The rows group by group, each group's in order, then those whose groups have no models of their own.
    fn group_order(&self, key_arrays: &[ArrayRef], rows: usize) -> Result<GroupOrder, ModelError> {
        let keys = group_keys(&self.artefact.shared().keys, key_arrays, rows)?;
        let distinct = DistinctKeys::of(&keys);
        let mut counts = vec![0; distinct.first_rows.len()];
        for &key in &distinct.of_rows {
            counts[key as usize] += 1;
        }
        let mut key = Vec::new();
        let mut runs = Vec::with_capacity(counts.len());
        let mut strangers = Vec::new();
        let mut nexts = vec![0; counts.len()];
        let mut end = 0;
        for (number, &row) in distinct.first_rows.iter().enumerate() {
            keys.read(row as usize, &mut key);
            let Some(group) = self.artefact.find(&key) else {
                strangers.push(number);
                continue;
            };
            nexts[number] = end;
            runs.push((group, end..end + counts[number]));
            end += counts[number];
        }
        for number in strangers {
            nexts[number] = end;
            end += counts[number];
        }
        let mut order = vec![0; rows];
        let mut at = Vec::with_capacity(rows);
        for (row, &key) in (0..).zip(&distinct.of_rows) {
            let next = &mut nexts[key as usize];
            order[*next] = row;
            at.push(*next as u32);
            *next += 1;
        }
        Ok(GroupOrder { order, at, runs })
    }

    /// Adds the parent's part to the rows in which it has a share.
    fn add_parent(
        &self,
        features: &Matrix,
        parent_share: &[f64],
        values: &mut [f64],
    ) -> Result<(), ModelError> {
        let shared = self.artefact.shared();
        let outputs = shared.label.outputs();
        let members: Vec<u32> = (0..parent_share.len() as u32)
            .filter(|&row| parent_share[row as usize] > 0.0)
            .collect();
        if members.is_empty() {
            return Ok(());
        }
        let scores = self.parent.score_rows(features, &members, &shared.label)?;
        for (&row, scores) in members.iter().zip(scores.chunks_exact(outputs)) {
            let row = row as usize;
            for (value, score) in values[row * outputs..].iter_mut().zip(scores) {
                *value += parent_share[row] * score;
            }
        }
        Ok(())
    }

    fn group_model(&self, group: usize) -> Result<Arc<TrainedModel>, ModelError> {
        let shared = self.artefact.shared();
        self.cache.get_or_load(self.file, group, || {
            TrainedModel::from_bytes(&self.artefact.blob(group)?, &shared.label)
        })
    }

    /// The class whose probability a call without a class gets.
    pub fn positive_class(&self) -> Result<u32, ModelError> {
        match self.label().task {
            Task::Classification => Ok(self.label().positive),
            Task::Regression => Err(ModelError::NoProbability {
                model: self.id.clone(),
            }),
        }
    }

    /// The code of a class named in a call.
    pub fn class(&self, class: &str) -> Result<u32, ModelError> {
        self.positive_class()?;
        self.label()
            .class_code(class)
            .ok_or_else(|| ModelError::UnknownClass {
                model: self.id.clone(),
                class: class.to_owned(),
                classes: self.label().classes.clone(),
            })
    }
}

fn matrix(columns: Vec<Column>, rows: usize) -> Result<Matrix, ModelError> {
    Matrix::new(columns, rows).map_err(learner_error)
}

fn learner_error(error: DataError) -> ModelError {
    ModelError::Learner(error.to_string())
}

/// The rows of a batch by group.
struct GroupOrder {
    /// Rows of the batch, in the order in which they are scored.
    order: Vec<u32>,
    /// Where each row of the batch is in that order.
    at: Vec<u32>,
    /// Groups that have models of their own, and where in the order their rows lie.
    runs: Vec<(usize, Range<usize>)>,
}

/// Brings values, `width` for a row, from the order in which rows were scored back to that of the batch.
fn put_back<T: Copy>(values: &[T], at: &[u32], width: usize) -> Vec<T> {
    if width == 1 {
        return at.iter().map(|&at| values[at as usize]).collect();
    }
    let mut back = Vec::with_capacity(values.len());
    for &at in at {
        let at = at as usize * width;
        back.extend_from_slice(&values[at..at + width]);
    }
    back
}
