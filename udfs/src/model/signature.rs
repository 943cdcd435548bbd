//! What must a caller know of a model without opening it: its label, columns, keys and classes, as JSON for the catalog.

use serde::{Deserialize, Serialize};

use super::features::{FeatureRole, FeatureSet};
use super::group_key::KeyColumn;
use super::label::Label;
use super::sql_type::sql_type_name;
use crate::error::ModelError;

/// Newest signature format that this program reads.
pub const SIGNATURE_FORMAT: u32 = 1;

/// A column that a call must supply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignatureColumn {
    /// Column name.
    pub name: String,
    /// `boolean`, `number`, `text`, `date` or `timestamp`: any type of the family is accepted.
    pub family: String,
    /// The SQL spelling of its type in training.
    pub sql_type: String,
    /// Model columns that it becomes; empty for key columns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<String>,
    /// Number of known levels of a text column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub levels: Option<usize>,
}

/// What a caller must know of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// Format of this document.
    pub format: u32,
    /// `regression` or `classification`.
    pub task: String,
    /// Label column of the training query.
    pub label: String,
    /// SQL spelling of what `predict` returns.
    pub label_sql_type: String,
    /// Arrow type of what `predict` returns.
    pub label_arrow_type: String,
    /// `tarn.pg_type` metadata of what `predict` returns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_pg_type: Option<String>,
    /// Classes in the order of their codes; empty for a regression.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// The class that `predict_proba` reports when none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positive_class: Option<String>,
    /// Key columns, first among the column arguments of a resolved call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partition_by: Vec<SignatureColumn>,
    /// Feature columns, after the key columns.
    pub features: Vec<SignatureColumn>,
}

impl Signature {
    /// The signature of a model's parts.
    pub fn of(label: &Label, keys: &[KeyColumn], features: &FeatureSet) -> Self {
        let positive = label.classes.get(label.positive as usize).cloned();
        Self {
            format: SIGNATURE_FORMAT,
            task: label.task.word().into(),
            label: label.name.clone(),
            label_sql_type: label
                .pg_type
                .clone()
                .unwrap_or_else(|| sql_type_name(&label.data_type)),
            label_arrow_type: label.data_type.to_string(),
            label_pg_type: label.pg_type.clone(),
            classes: label.classes.clone(),
            positive_class: positive,
            partition_by: keys.iter().map(key_column).collect(),
            features: features.columns.iter().map(feature_column).collect(),
        }
    }

    /// The document for the catalog.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self)
            .expect("a signature has only text keys, so it always serialises")
    }

    /// Reads a document of the catalog.
    pub fn from_json(text: &str) -> Result<Self, ModelError> {
        let signature: Self = serde_json::from_str(text)
            .map_err(|error| ModelError::damaged(format!("signature: {error}")))?;
        if signature.format > SIGNATURE_FORMAT {
            return Err(ModelError::NewerFormat {
                found: signature.format,
                supported: SIGNATURE_FORMAT,
            });
        }
        Ok(signature)
    }

    /// Columns of a resolved call, in order: keys, then features.
    pub fn arguments(&self) -> impl Iterator<Item = &SignatureColumn> {
        self.partition_by.iter().chain(&self.features)
    }
}

fn key_column(key: &KeyColumn) -> SignatureColumn {
    let family =
        super::features::SourceFamily::of(&key.data_type).map_or("text", |family| family.tag());
    SignatureColumn {
        name: key.name.clone(),
        family: family.into(),
        sql_type: key.sql_type(),
        parts: Vec::new(),
        levels: None,
    }
}

fn feature_column(feature: &super::features::FeatureColumn) -> SignatureColumn {
    let levels = match &feature.role {
        FeatureRole::Categorical(dictionary) => Some(dictionary.levels().len()),
        _ => None,
    };
    SignatureColumn {
        name: feature.name.clone(),
        family: feature.family.tag().into(),
        sql_type: feature.sql_type.clone(),
        parts: feature.model_names(),
        levels,
    }
}
