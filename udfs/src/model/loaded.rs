//! What does a model answer for a batch of rows? The one scorer behind predict, predict_proba, predict_struct and HTTP.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use tarn_gpu::matrix::{Column, Matrix};

use super::artefact::{Artefact, ReadAt};
use super::cache::ModelCache;
use super::features::TextHasher;
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
        let mut columns = shared.features.encode(feature_arrays)?;
        if shared.keys.is_empty() {
            let matrix = matrix(columns, rows)?;
            let values = self.parent.score(&matrix, &shared.label)?;
            let outputs = shared.label.outputs();
            return Ok(Scores {
                outputs,
                values,
                levels: vec![Level::Model; rows],
            });
        }
        let key_of = |name: &str| shared.keys.iter().position(|key| key.name == name);
        let key_columns = shared.key_features.columns.iter();
        let used: Vec<ArrayRef> = key_columns
            .filter_map(|column| key_of(&column.name).map(|key| Arc::clone(&key_arrays[key])))
            .collect();
        columns.extend(shared.key_features.encode(&used)?);
        self.score_groups(key_arrays, &matrix(columns, rows)?, rows)
    }

    fn score_groups(
        &self,
        key_arrays: &[ArrayRef],
        features: &Matrix,
        rows: usize,
    ) -> Result<Scores, ModelError> {
        let shared = self.artefact.shared();
        let outputs = shared.label.outputs();
        let mut values = vec![0.0; rows * outputs];
        let mut levels = vec![Level::Parent; rows];
        let mut parent_share = vec![1.0; rows];
        for (group, members) in self.rows_by_group(key_arrays, rows)? {
            let Some(entry) = self.artefact.entry(group) else {
                continue;
            };
            let model = self.group_model(group)?;
            let scores = model.score_rows(features, &members, &shared.label)?;
            for (&row, scores) in members.iter().zip(scores.chunks_exact(outputs)) {
                let row = row as usize;
                levels[row] = Level::Group;
                parent_share[row] = 1.0 - entry.own_weight;
                for (value, score) in values[row * outputs..].iter_mut().zip(scores) {
                    *value = entry.own_weight * score;
                }
            }
        }
        self.add_parent(features, &parent_share, &mut values)?;
        Ok(Scores {
            outputs,
            values,
            levels,
        })
    }

    /// The groups of these rows that have models of their own, with their rows in order.
    fn rows_by_group(
        &self,
        key_arrays: &[ArrayRef],
        rows: usize,
    ) -> Result<Vec<(usize, Vec<u32>)>, ModelError> {
        let keys = group_keys(&self.artefact.shared().keys, key_arrays, rows)?;
        let mut known: HashMap<Vec<u8>, Option<usize>, BuildHasherDefault<TextHasher>> =
            HashMap::default();
        let mut found: Vec<(usize, Vec<u32>)> = Vec::new();
        let mut key = Vec::new();
        for row in 0..keys.rows() {
            keys.read(row, &mut key);
            let place = match known.get(&key) {
                Some(&place) => place,
                None => {
                    let place = self.artefact.find(&key).map(|group| {
                        found.push((group, Vec::new()));
                        found.len() - 1
                    });
                    known.insert(key.clone(), place);
                    place
                }
            };
            if let Some(place) = place {
                found[place].1.push(row as u32);
            }
        }
        Ok(found)
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
    Matrix::new(columns, rows).map_err(|error| ModelError::Learner(error.to_string()))
}
