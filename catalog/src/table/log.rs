//! What do the lines of a Delta commit say?
//!
//! The log is read and written here in the words of the Delta protocol, so that a commit is exactly what we decided:
//! one put-if-absent of `_delta_log/<version>.json`, no hidden retries. Paths of files are plain (decoded) in memory and
//! percent-encoded in the log, which deltalake's `Add` and `Remove` do.

use std::collections::HashMap;

pub use deltalake_core::kernel::{Add, Remove, Transaction as Txn};
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The `protocol` action: what a reader and a writer must understand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Protocol {
    /// reader version; features are named from 3 on
    pub min_reader_version: i32,
    /// writer version; features are named from 7 on
    pub min_writer_version: i32,
    /// features a reader must know
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reader_features: Option<Vec<String>>,
    /// features a writer must know
    #[serde(skip_serializing_if = "Option::is_none")]
    pub writer_features: Option<Vec<String>>,
}

impl Protocol {
    /// What a new table needs: the oldest protocol, or named features where its columns ask for one.
    pub fn for_features(features: &[&str]) -> Protocol {
        let named = || Some(features.iter().map(|name| (*name).to_string()).collect());
        if features.is_empty() {
            return Protocol {
                min_reader_version: 1,
                min_writer_version: 2,
                reader_features: None,
                writer_features: None,
            };
        }
        Protocol {
            min_reader_version: 3,
            min_writer_version: 7,
            reader_features: named(),
            writer_features: named(),
        }
    }

    /// The same with one more feature for readers and writers.
    ///
    /// A protocol that names features names all of them, also those that its old versions stood for.
    pub fn with_feature(mut self, feature: &str) -> Protocol {
        if self.names(feature) {
            return self;
        }
        let implied: &[&str] = match (self.min_writer_version, &self.writer_features) {
            (_, Some(_)) | (..2, None) => &[],
            (2, None) => &["appendOnly", "invariants"],
            (3.., None) => &["appendOnly", "invariants", "checkConstraints"],
        };
        let writers = self.writer_features.get_or_insert_default();
        writers.extend(implied.iter().map(|name| (*name).to_string()));
        writers.push(feature.to_string());
        let readers = self.reader_features.get_or_insert_default();
        readers.push(feature.to_string());
        self.min_reader_version = 3;
        self.min_writer_version = 7;
        self
    }

    /// Is the feature named for readers or writers?
    pub fn names(&self, feature: &str) -> bool {
        [&self.reader_features, &self.writer_features]
            .into_iter()
            .flatten()
            .flatten()
            .any(|name| name == feature)
    }
}

/// Format of the data files; always Parquet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFormat {
    /// `parquet`
    pub provider: String,
    /// unused by the protocol
    #[serde(default)]
    pub options: HashMap<String, String>,
}

/// The `metaData` action: schema, partition columns and properties.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// identity of the table
    pub id: String,
    /// unused here: the catalog names tables
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// comment of foreign tables
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// always Parquet
    pub format: FileFormat,
    /// schema in the protocol's JSON
    pub schema_string: String,
    /// partition columns in order
    #[serde(default)]
    pub partition_columns: Vec<String>,
    /// table properties
    #[serde(default)]
    pub configuration: HashMap<String, String>,
    /// milliseconds since the epoch
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_time: Option<i64>,
}

impl Metadata {
    /// Metadata of a new table.
    pub fn new(id: uuid::Uuid, schema_string: String, partition_columns: Vec<String>) -> Metadata {
        Metadata {
            id: id.to_string(),
            name: None,
            description: None,
            format: FileFormat {
                provider: "parquet".to_string(),
                options: HashMap::new(),
            },
            schema_string,
            partition_columns,
            configuration: HashMap::new(),
            created_time: Some(now_ms()),
        }
    }

    /// The property, if set.
    pub fn property(&self, key: &str) -> Option<&str> {
        self.configuration.get(key).map(String::as_str)
    }

    /// Is a boolean property set to true?
    pub fn enabled(&self, key: &str) -> bool {
        self.property(key)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

/// One line of a commit. Exactly one field is set; an action that we do not know leaves all empty.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// a file joins the table
    #[serde(skip_serializing_if = "Option::is_none")]
    pub add: Option<Add>,
    /// a file leaves the table
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remove: Option<Remove>,
    /// the table's schema or properties are replaced
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meta_data: Option<Metadata>,
    /// the table's protocol is replaced
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// a writer's own version mark
    #[serde(skip_serializing_if = "Option::is_none")]
    pub txn: Option<Txn>,
    /// provenance
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit_info: Option<Value>,
}

impl From<Add> for Action {
    fn from(add: Add) -> Self {
        Action {
            add: Some(add),
            ..Action::default()
        }
    }
}

impl From<Remove> for Action {
    fn from(remove: Remove) -> Self {
        Action {
            remove: Some(remove),
            ..Action::default()
        }
    }
}

impl From<Metadata> for Action {
    fn from(metadata: Metadata) -> Self {
        Action {
            meta_data: Some(metadata),
            ..Action::default()
        }
    }
}

impl From<Protocol> for Action {
    fn from(protocol: Protocol) -> Self {
        Action {
            protocol: Some(protocol),
            ..Action::default()
        }
    }
}

impl From<Txn> for Action {
    fn from(txn: Txn) -> Self {
        Action {
            txn: Some(txn),
            ..Action::default()
        }
    }
}

/// The actions of a commit as the bytes of its file.
pub fn encode(actions: &[Action]) -> serde_json::Result<String> {
    let mut lines = String::new();
    for action in actions {
        lines.push_str(&serde_json::to_string(action)?);
        lines.push('\n');
    }
    Ok(lines)
}

/// The actions of a commit's file.
pub fn decode(bytes: &[u8]) -> serde_json::Result<Vec<Action>> {
    bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.iter().all(u8::is_ascii_whitespace))
        .map(serde_json::from_slice)
        .collect()
}

/// Where a commit's file lies, relative to the table.
pub fn commit_path(version: u64) -> Path {
    Path::from_iter(["_delta_log", &format!("{version:020}.json")])
}

/// The version that a file of the log commits, by its name.
pub fn version_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".json")?;
    (digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| digits.parse().ok())
        .flatten()
}

/// The tombstone of a file.
pub fn remove_of(add: &Add) -> Remove {
    Remove {
        path: add.path.clone(),
        data_change: true,
        deletion_timestamp: Some(now_ms()),
        extended_file_metadata: Some(true),
        partition_values: Some(add.partition_values.clone()),
        size: Some(add.size),
        tags: None,
        deletion_vector: add.deletion_vector.clone(),
        base_row_id: None,
        default_row_commit_version: None,
    }
}

/// Milliseconds since the epoch.
pub fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_encoded_in_the_log_only() {
        let add = Add {
            path: "p=a%25b c/x.parquet".to_string(),
            partition_values: HashMap::from([("p".to_string(), Some("a%b c".to_string()))]),
            size: 1,
            ..Add::default()
        };
        let text = encode(&[add.into()]).unwrap();
        assert!(text.contains("p=a%2525b%20c/x.parquet"), "{text}");
        let back = decode(text.as_bytes()).unwrap().remove(0).add.unwrap();
        assert_eq!(back.path, "p=a%25b c/x.parquet");
        assert_eq!(back.partition_values["p"].as_deref(), Some("a%b c"));
    }

    #[test]
    fn unknown_actions_are_skipped_and_versions_are_read_from_names() {
        let actions = decode(br#"{"domainMetadata":{"domain":"x"}}"#).unwrap();
        assert!(actions[0].add.is_none());
        assert_eq!(version_of("00000000000000000012.json"), Some(12));
        assert_eq!(version_of("00000000000000000012.checkpoint.parquet"), None);
        assert_eq!(version_of("_commit_x.json.tmp"), None);
    }
}
