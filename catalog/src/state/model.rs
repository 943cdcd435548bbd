//! What does the catalog know about a model, and which version answers to a name?
//!
//! The catalog keeps a model's signature, summary and bytes and decodes none of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The alias that a bare model name stands for.
pub const DEFAULT_ALIAS: &str = "default";

/// A trained model: immutable versions and movable names for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Stable number of the model, unique over all objects.
    pub oid: u32,
    /// Identity that survives renames.
    pub id: Uuid,
    /// The schema it is in.
    pub schema: String,
    /// Its name, unique among the models of the schema.
    pub name: String,
    /// The role that owns it.
    pub owner: String,
    /// COMMENT ON MODEL.
    pub comment: Option<String>,
    /// Its versions by ascending number; at least one.
    pub versions: Vec<ModelVersion>,
    /// Alias to version number.
    pub aliases: BTreeMap<String, u32>,
}

/// One training of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelVersion {
    /// 1, 2, 3 …; never reused.
    pub number: u32,
    /// When it was made, microseconds since 1970 UTC.
    pub created_at_micros: i64,
    /// The statement that made it.
    pub statement: String,
    /// The artefact file, relative to the data directory.
    pub artefact: String,
    /// SHA-256 of the artefact, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Length of the artefact in bytes.
    pub bytes: u64,
    /// Names and types of inputs and outputs: JSON that only `udfs` decodes.
    pub signature: String,
    /// What the training found: JSON that only its writers and readers decode.
    pub summary: String,
}

/// A model as a session saw it: the identity decides, the names are for finding it and for messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRef {
    /// Its identity.
    pub id: Uuid,
    /// The schema it was seen in.
    pub schema: String,
    /// The name it was seen under.
    pub name: String,
}

impl Model {
    /// This model as the target of an operation.
    pub fn reference(&self) -> ModelRef {
        ModelRef {
            id: self.id,
            schema: self.schema.clone(),
            name: self.name.clone(),
        }
    }

    /// The version with this number.
    pub fn version(&self, number: u32) -> Option<&ModelVersion> {
        self.versions
            .iter()
            .find(|version| version.number == number)
    }

    /// The version that `name@selector` means: a number, an alias, or nothing for the default alias.
    pub fn resolve(&self, selector: Option<&str>) -> Option<&ModelVersion> {
        let selector = selector.unwrap_or(DEFAULT_ALIAS);
        match selector.parse::<u32>() {
            Ok(number) => self.version(number),
            Err(_) => self.version(*self.aliases.get(selector)?),
        }
    }

    /// The number that the next version gets.
    pub fn next_version_number(&self) -> u32 {
        self.versions
            .last()
            .map_or(1, |version| version.number.saturating_add(1))
    }
}
