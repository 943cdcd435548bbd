//! What has a transaction done to one table so far?

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use uuid::Uuid;

use crate::table::commit::Rebase;
use crate::table::error::{Result, TableError};
use crate::table::location::Location;
use crate::table::log::{self, Action, Add, Metadata, Protocol};
use crate::table::version::{DataFile, FileId, Files, TableVersion};
use crate::table::{partition, schema};

/// A table with a transaction's own changes.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) location: Location,
    /// the version underneath; for a new table its version 0 without rows
    pub(super) read: Arc<TableVersion>,
    /// the same with the definition that the transaction gave it
    pub(super) seen: Arc<TableVersion>,
    pub(super) is_new: bool,
    /// all files the transaction sees, once they differ from those of `read`
    changed: Option<Arc<Files>>,
    /// what is added depends on what is there: nobody may commit in between
    is_bound_to_read: bool,
    /// the last statement that changed the table, for the history
    operation: &'static str,
}

impl Draft {
    pub(super) fn of_table(location: Location, read: Arc<TableVersion>) -> Draft {
        Draft {
            location,
            seen: Arc::clone(&read),
            read,
            is_new: false,
            changed: None,
            is_bound_to_read: false,
            operation: "WRITE",
        }
    }

    pub(super) fn of_new_table(
        location: &Location,
        logical: &Schema,
        partition_columns: Vec<String>,
        comments: &BTreeMap<String, String>,
    ) -> Result<Draft> {
        let storage = storage_of(logical, &partition_columns, comments)?;
        let metadata = Metadata::new(Uuid::new_v4(), schema::encode(&storage)?, partition_columns);
        let features: &[&str] = match needs_timestamp_ntz(&storage) {
            true => &[TIMESTAMP_NTZ],
            false => &[],
        };
        let protocol = Protocol::for_features(features);
        let read = Arc::new(TableVersion::new(0, protocol, metadata, Files::new())?);
        Ok(Draft {
            location: location.clone(),
            seen: Arc::clone(&read),
            read,
            is_new: true,
            changed: None,
            is_bound_to_read: false,
            operation: "CREATE TABLE",
        })
    }

    /// Gives the table other columns; its files stay.
    pub(super) fn redefine(
        &mut self,
        logical: &Schema,
        partition_columns: Vec<String>,
        comments: &BTreeMap<String, String>,
        operation: &'static str,
    ) -> Result<()> {
        let storage = storage_of(logical, &partition_columns, comments)?;
        let mut metadata = self.seen.metadata.clone();
        metadata.schema_string = schema::encode(&storage)?;
        metadata.partition_columns = partition_columns;
        let mut protocol = self.seen.protocol.clone();
        if needs_timestamp_ntz(&storage) {
            protocol = protocol.with_feature(TIMESTAMP_NTZ);
        }
        let files = self.seen.files.clone();
        let seen = TableVersion::new(self.seen.version, protocol, metadata, files)?;
        self.seen = Arc::new(seen);
        if !self.is_new {
            self.operation = operation;
        }
        Ok(())
    }

    fn is_redefined(&self) -> bool {
        self.seen.metadata != self.read.metadata || self.seen.protocol != self.read.protocol
    }

    /// All files that the transaction sees.
    pub(super) fn files(&self) -> &Files {
        self.changed.as_deref().unwrap_or(&self.read.files)
    }

    pub(super) fn is_changed(&self) -> bool {
        self.is_new || self.changed.is_some() || self.is_redefined()
    }

    /// May these files be removed?
    pub(super) fn check_removed(&self, location: &Location, removed: &[FileId]) -> Result<()> {
        if removed.is_empty() {
            return Ok(());
        }
        if self.read.abilities.append_only {
            return Err(TableError::Unsupported {
                table: location.to_string(),
                action: "changed",
                feature: "delta.appendOnly".to_string(),
            });
        }
        match removed
            .iter()
            .find(|file| !self.files().contains_key(&file.0))
        {
            Some(file) => Err(TableError::Damaged {
                table: location.to_string(),
                reason: format!("file {} is not part of the table", file.0),
            }),
            None => Ok(()),
        }
    }

    pub(super) fn stage(&mut self, removed: &[FileId], adds: Vec<Add>, operation: &'static str) {
        if removed.is_empty() && adds.is_empty() {
            return;
        }
        let mut files = Files::clone(self.files());
        for file in removed {
            files.remove(&file.0);
        }
        for add in adds {
            files.insert(add.path.clone(), Arc::new(DataFile::new(add)));
        }
        self.changed = Some(Arc::new(files));
        self.operation = match (self.is_new, self.is_redefined()) {
            (true, _) => "CREATE TABLE AS SELECT",
            (_, true) => self.operation,
            (_, false) => operation,
        };
    }

    pub(super) fn operation(&self) -> &'static str {
        self.operation
    }

    /// What the commit must do: the difference between what was read and what the transaction sees.
    pub(super) fn actions(&self) -> Vec<Action> {
        let mut actions: Vec<Action> = Vec::new();
        if self.is_new || self.seen.protocol != self.read.protocol {
            actions.push(self.seen.protocol.clone().into());
        }
        if self.is_new || self.seen.metadata != self.read.metadata {
            actions.push(self.seen.metadata.clone().into());
        }
        let files = self.files();
        let removed = self
            .read
            .files
            .iter()
            .filter(|(path, _)| !files.contains_key(*path));
        actions.extend(removed.map(|(_, file)| log::remove_of(&file.add).into()));
        let added = files
            .iter()
            .filter(|(path, _)| !self.read.files.contains_key(*path));
        actions.extend(added.map(|(_, file)| file.add.clone().into()));
        actions
    }

    /// From here on the commit follows the version that was read, or none.
    pub(super) fn bind_to_read(&mut self) {
        self.is_bound_to_read = true;
    }

    /// How the commit of `actions` may move.
    pub(super) fn rebase(&self, actions: &[Action]) -> Rebase {
        let depends_on_read = |action: &Action| {
            action.remove.is_some() || action.meta_data.is_some() || action.protocol.is_some()
        };
        match self.is_bound_to_read || actions.iter().any(depends_on_read) {
            true => Rebase::Never,
            false => Rebase::Append,
        }
    }
}

/// The table feature of timestamps without time zone.
const TIMESTAMP_NTZ: &str = "timestampNtz";

fn needs_timestamp_ntz(storage: &Schema) -> bool {
    let mut fields = storage.fields().iter();
    fields.any(|field| schema::has_timestamp_ntz(field.data_type()))
}

/// The columns as the log has them, if a table may have them.
fn storage_of(
    logical: &Schema,
    partition_columns: &[String],
    comments: &BTreeMap<String, String>,
) -> Result<SchemaRef> {
    check_names(logical)?;
    let storage = schema::storage_schema(&with_comments(logical, comments))?;
    check_partitions(&storage, partition_columns)?;
    Ok(storage)
}

fn refused(reason: String) -> TableError {
    TableError::Schema { reason }
}

fn check_names(schema: &Schema) -> Result<()> {
    if schema.fields().is_empty() {
        return Err(refused("a table needs at least one column".to_string()));
    }
    let mut seen = BTreeMap::new();
    for field in schema.fields() {
        // Delta compares column names without case.
        if let Some(other) = seen.insert(field.name().to_lowercase(), field.name()) {
            return Err(refused(format!(
                "columns \"{other}\" and \"{}\" have the same name",
                field.name()
            )));
        }
    }
    Ok(())
}

fn check_partitions(storage: &Schema, columns: &[String]) -> Result<()> {
    for (index, column) in columns.iter().enumerate() {
        let field = storage
            .field_with_name(column)
            .map_err(|_| refused(format!("partition column \"{column}\" does not exist")))?;
        if columns[..index].contains(column) {
            return Err(refused(format!(
                "partition column \"{column}\" is named twice"
            )));
        }
        if !partition::is_partition_type(field.data_type()) {
            return Err(refused(format!(
                "column \"{column}\" of type {} cannot partition a table",
                field.data_type()
            )));
        }
    }
    if columns.len() == storage.fields().len() {
        return Err(refused(
            "a table needs a column that does not partition it".to_string(),
        ));
    }
    Ok(())
}

fn with_comments(schema: &Schema, comments: &BTreeMap<String, String>) -> Schema {
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| {
            let mut metadata = field.metadata().clone();
            if let Some(comment) = comments.get(field.name()) {
                metadata.insert("comment".to_string(), comment.clone());
            }
            field.as_ref().clone().with_metadata(metadata)
        })
        .collect();
    Schema::new(fields)
}
