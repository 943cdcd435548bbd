//! What does a table hold at one version?
//!
//! A [`TableVersion`] is immutable and shared. The next version is made from it and the actions of one commit, so following
//! a table costs one small file per commit and no replay.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;

use crate::table::error::{Result, TableError};
use crate::table::log::{Action, Add, Metadata, Protocol};
use crate::table::statistics::FileStatistics;
use crate::table::{partition, schema};

/// The identity of a data file in its table: its path relative to the table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub String);

/// One data file.
#[derive(Debug)]
pub struct DataFile {
    /// its action in the log
    pub add: Add,
    statistics: OnceLock<Arc<FileStatistics>>,
}

impl DataFile {
    /// A file that the log or a writer tells of.
    pub fn new(add: Add) -> DataFile {
        DataFile {
            add,
            statistics: OnceLock::new(),
        }
    }

    /// Its identity.
    pub fn id(&self) -> FileId {
        FileId(self.add.path.clone())
    }

    /// What is known of its content. Every caller passes the same file schema.
    pub fn statistics(&self, file_schema: &Schema) -> Arc<FileStatistics> {
        let parse = || {
            Arc::new(FileStatistics::parse(
                self.add.stats.as_deref(),
                file_schema,
            ))
        };
        let statistics = self.statistics.get_or_init(parse);
        if statistics.columns.len() == file_schema.fields().len() {
            return Arc::clone(statistics);
        }
        // The schema has grown since this file was first looked at.
        parse()
    }

    /// Values of the partition columns.
    pub fn partition_values(
        &self,
        columns: &[arrow::datatypes::FieldRef],
    ) -> Result<Vec<ScalarValue>> {
        columns
            .iter()
            .map(|field| {
                let text = self.add.partition_values.get(field.name());
                partition::parse(text.and_then(Option::as_deref), field.data_type())
            })
            .collect()
    }
}

/// The files of a table, by path.
pub type Files = BTreeMap<String, Arc<DataFile>>;

/// What the protocol and properties of a table allow us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abilities {
    /// Why our own scan cannot read it; deltalake's reader then does.
    pub not_plain: Option<String>,
    /// Why nothing may be written.
    pub read_only: Option<String>,
    /// Why rows may not be changed or deleted although rows may be added.
    pub append_only: bool,
}

/// A table at one version.
#[derive(Debug)]
pub struct TableVersion {
    /// the version
    pub version: u64,
    /// what readers and writers must know
    pub protocol: Protocol,
    /// schema text, partition columns, properties
    pub metadata: Metadata,
    /// storage types, in the order of the table
    pub storage_schema: SchemaRef,
    /// what a query sees
    pub logical_schema: SchemaRef,
    /// derived from protocol, metadata and files
    pub abilities: Abilities,
    /// all data files
    pub files: Files,
}

impl TableVersion {
    /// Builds a version from its parts.
    pub fn new(
        version: u64,
        protocol: Protocol,
        metadata: Metadata,
        files: Files,
    ) -> Result<TableVersion> {
        let storage_schema = schema::decode(&metadata.schema_string)?;
        let logical_schema = schema::logical_schema(&storage_schema);
        let abilities = abilities(&protocol, &metadata, &storage_schema, &files);
        Ok(TableVersion {
            version,
            protocol,
            metadata,
            storage_schema,
            logical_schema,
            abilities,
            files,
        })
    }

    /// The version that a commit makes of this one.
    pub fn next(&self, actions: Vec<Action>) -> Result<TableVersion> {
        let mut protocol = self.protocol.clone();
        let mut metadata = self.metadata.clone();
        let mut files = self.files.clone();
        // The order of actions in a commit means nothing, except that a path is either added or removed.
        for path in actions.iter().filter_map(|action| action.remove.as_ref()) {
            files.remove(&path.path);
        }
        for action in actions {
            if let Some(add) = action.add {
                files.insert(add.path.clone(), Arc::new(DataFile::new(add)));
            }
            if let Some(new) = action.protocol {
                protocol = new;
            }
            if let Some(new) = action.meta_data {
                metadata = new;
            }
        }
        TableVersion::new(self.version + 1, protocol, metadata, files)
    }

    /// The columns that partition the table, in the order of the metadata.
    pub fn partition_fields(&self) -> Result<Vec<arrow::datatypes::FieldRef>> {
        self.metadata
            .partition_columns
            .iter()
            .map(|name| {
                self.storage_schema
                    .fields()
                    .iter()
                    .find(|field| field.name() == name)
                    .cloned()
                    .ok_or_else(|| TableError::Schema {
                        reason: format!("partition column \"{name}\" is not in the schema"),
                    })
            })
            .collect()
    }

    /// The columns that the data files hold.
    pub fn file_schema(&self) -> SchemaRef {
        file_schema(&self.storage_schema, &self.metadata.partition_columns)
    }
}

/// A schema without the partition columns.
pub fn file_schema(storage: &Schema, partition_columns: &[String]) -> SchemaRef {
    let fields: Vec<_> = storage
        .fields()
        .iter()
        .filter(|field| !partition_columns.contains(field.name()))
        .cloned()
        .collect();
    Arc::new(Schema::new(fields))
}

const READABLE: [&str; 6] = [
    "timestampNtz",
    "appendOnly",
    "invariants",
    "checkConstraints",
    "v2Checkpoint",
    "vacuumProtocolCheck",
];
const WRITABLE: [&str; 5] = [
    "timestampNtz",
    "appendOnly",
    "invariants",
    "checkConstraints",
    "v2Checkpoint",
];

fn abilities(
    protocol: &Protocol,
    metadata: &Metadata,
    storage: &Schema,
    files: &Files,
) -> Abilities {
    let named = |features: &Option<Vec<String>>, known: &[&str]| {
        features
            .iter()
            .flatten()
            .find(|feature| !known.contains(&feature.as_str()))
            .map(|feature| format!("the table feature {feature}"))
    };
    let mode = metadata
        .property("delta.columnMapping.mode")
        .unwrap_or("none");
    let mapped = (mode != "none").then(|| "column mapping".to_string());
    let odd_file = files.values().find_map(|file| {
        if file.add.deletion_vector.is_some() {
            Some("deletion vectors".to_string())
        } else if file.add.path.starts_with('/') || file.add.path.contains("://") {
            Some("files outside its directory".to_string())
        } else {
            None
        }
    });
    let reader = (protocol.min_reader_version > 3)
        .then(|| format!("reader version {}", protocol.min_reader_version));
    let not_plain = named(&protocol.reader_features, &READABLE)
        .or(reader)
        .or(mapped)
        .or(odd_file)
        .or_else(|| {
            metadata
                .enabled("delta.enableRowTracking")
                .then(|| "row tracking".to_string())
        });
    let read_only = not_plain
        .clone()
        .or_else(|| named(&protocol.writer_features, &WRITABLE))
        .or_else(|| rule_of(protocol, metadata, storage));
    Abilities {
        not_plain,
        read_only,
        append_only: metadata.enabled("delta.appendOnly"),
    }
}

/// A rule over rows that the log states and nobody would check: refused rather than ignored.
fn rule_of(protocol: &Protocol, metadata: &Metadata, storage: &Schema) -> Option<String> {
    if let Some(key) = metadata
        .configuration
        .keys()
        .find(|key| key.starts_with("delta.constraints."))
    {
        return Some(format!(
            "the constraint {}",
            &key["delta.constraints.".len()..]
        ));
    }
    if metadata.enabled("delta.enableChangeDataFeed") {
        return Some("a change data feed".to_string());
    }
    if protocol.min_writer_version > 7 {
        return Some(format!("writer version {}", protocol.min_writer_version));
    }
    storage
        .fields()
        .iter()
        .find_map(|field| rule_of_field(field))
}

fn rule_of_field(field: &Field) -> Option<String> {
    for (key, what) in [
        ("delta.invariants", "an invariant"),
        ("delta.generationExpression", "a generated value"),
        ("delta.identity.start", "an identity"),
    ] {
        if field.metadata().contains_key(key) {
            return Some(format!("{what} of column \"{}\"", field.name()));
        }
    }
    match field.data_type() {
        DataType::Struct(fields) => fields.iter().find_map(|field| rule_of_field(field)),
        DataType::List(inner) | DataType::Map(inner, _) => rule_of_field(inner),
        _ => None,
    }
}
