//! What can go wrong in the catalog, in types that the edge turns into SQLSTATE, message, detail and hint?
//!
//! Variants carry names and values, not sentences for users: `engine::error` owns the words. The
//! `Display` texts here are for logs.

use std::fmt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::table::error::TableError;

/// The kinds of thing that a catalog error can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObjectKind {
    /// A namespace of relations and models.
    Schema,
    /// A table, a view or a sequence: they share one namespace.
    Relation,
    /// A Delta table.
    Table,
    /// A stored query.
    View,
    /// A source of numbers.
    Sequence,
    /// A column of a relation.
    Column,
    /// A constraint of a table.
    Constraint,
    /// A trained model.
    Model,
    /// One version of a model.
    ModelVersion,
    /// A movable name of a model version.
    ModelAlias,
    /// A transaction over several tables that is decided but not yet written to all of them.
    Intent,
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ObjectKind::Schema => "schema",
            ObjectKind::Relation => "relation",
            ObjectKind::Table => "table",
            ObjectKind::View => "view",
            ObjectKind::Sequence => "sequence",
            ObjectKind::Column => "column",
            ObjectKind::Constraint => "constraint",
            ObjectKind::Model => "model",
            ObjectKind::ModelVersion => "model version",
            ObjectKind::ModelAlias => "model alias",
            ObjectKind::Intent => "intent",
        })
    }
}

/// An object that needs another one; the reason why a RESTRICT drop is refused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependent {
    /// What it is.
    pub kind: ObjectKind,
    /// Its name; with the schema in front unless that is `public`.
    pub name: String,
}

impl fmt::Display for Dependent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// Every failure of the catalog.
#[derive(Debug, Error)]
pub enum CatalogError {
    /// The name is taken. `name` is bare, without its schema.
    #[error("{kind} {name:?} already exists")]
    AlreadyExists {
        /// What was to be created (`Relation` for tables, views and sequences).
        kind: ObjectKind,
        /// The name that is taken.
        name: String,
    },

    /// Nothing has this name.
    #[error("{kind} {name:?} does not exist")]
    DoesNotExist {
        /// What was looked for.
        kind: ObjectKind,
        /// The name that was looked for.
        name: String,
    },

    /// The name belongs to an object of another kind (`DROP VIEW` of a table).
    #[error("{name:?} is a {found}, not a {expected}")]
    WrongKind {
        /// The kind that the operation needs.
        expected: ObjectKind,
        /// The kind that the object has.
        found: ObjectKind,
        /// The name of the object.
        name: String,
    },

    /// The object can't go (or be renamed) while others need it.
    #[error("cannot drop or rename {kind} {name}: {} other objects depend on it", .dependents.len())]
    DependentObjects {
        /// What was to go.
        kind: ObjectKind,
        /// Its name.
        name: String,
        /// What needs it, sorted, each once.
        dependents: Vec<Dependent>,
    },

    /// Another session changed the same thing since this one looked: try again (SQLSTATE 40001).
    #[error("conflict with a concurrent change: {detail}")]
    Conflict {
        /// What changed.
        detail: String,
    },

    /// The operation contradicts itself or the state, whatever other sessions do.
    #[error("invalid definition of {kind} {name:?}: {detail}")]
    InvalidDefinition {
        /// What was to be defined.
        kind: ObjectKind,
        /// Its name.
        name: String,
        /// What is wrong with it.
        detail: String,
    },

    /// The name belongs to the system.
    #[error("{kind} name {name:?} is reserved")]
    ReservedName {
        /// What was to get, or has, the name.
        kind: ObjectKind,
        /// The reserved name.
        name: String,
    },

    /// A sequence without CYCLE reached its bound.
    #[error("sequence {name:?} reached its limit {limit}")]
    SequenceExhausted {
        /// `maximum` or `minimum`.
        bound: &'static str,
        /// The sequence.
        name: String,
        /// Its MAXVALUE, or MINVALUE when it descends.
        limit: i64,
    },

    /// A bound that keeps the catalog healthy was met.
    #[error("{what} would exceed the limit of {limit}")]
    LimitExceeded {
        /// What is bounded, with its unit.
        what: &'static str,
        /// The bound.
        limit: u64,
    },

    /// The data was written by a newer version of the program.
    #[error(
        "{what} has format {found}, newer than {supported}, the newest that this program reads"
    )]
    FormatTooNew {
        /// Which file or record.
        what: String,
        /// Its format version.
        found: u32,
        /// The newest version that this program reads.
        supported: u32,
    },

    /// Another process has the data directory open.
    #[error("data directory {} is in use by another process", .path.display())]
    Locked {
        /// The data directory.
        path: PathBuf,
        /// The other process, when its lock file says so.
        pid: Option<u32>,
    },

    /// The directory holds files but no data of ours: it is left alone.
    #[error("{} is not empty and is not a data directory", .path.display())]
    NotADataDirectory {
        /// The directory.
        path: PathBuf,
    },

    /// Stored bytes are not what was written.
    #[error("{what} is damaged: {detail}")]
    Corrupt {
        /// Which file or record.
        what: String,
        /// What does not fit.
        detail: String,
    },

    /// A Delta table could not be read, written or committed; conflicts are [`CatalogError::Conflict`].
    #[error(transparent)]
    Table(Box<TableError>),

    /// The file system refused.
    #[error("{action} {}: {source}", .path.display())]
    Io {
        /// What was tried, such as `open`.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },

    /// The store failed in a way that leaves open whether the change is in the log.
    #[error("whether the change was stored is unknown: {source}")]
    OutcomeUnknown {
        /// What the store said.
        source: Box<CatalogError>,
    },

    /// SQLite refused.
    #[error("catalog store: {action}: {source}")]
    Sql {
        /// What was tried.
        action: &'static str,
        /// SQLite's answer.
        source: rusqlite::Error,
    },
}

impl CatalogError {
    /// For `map_err`: an I/O error with what was tried and where.
    pub fn io(
        action: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(std::io::Error) -> CatalogError {
        let path = path.as_ref().to_path_buf();
        move |source| CatalogError::Io {
            action,
            path,
            source,
        }
    }

    /// For `map_err`: an SQLite error with what was tried.
    pub fn sql(action: &'static str) -> impl FnOnce(rusqlite::Error) -> CatalogError {
        move |source| CatalogError::Sql { action, source }
    }

    /// Whether the same request may succeed when its statement is run again on the new state.
    pub fn is_conflict(&self) -> bool {
        matches!(self, CatalogError::Conflict { .. })
    }
}

impl From<TableError> for CatalogError {
    fn from(error: TableError) -> Self {
        match error {
            TableError::Conflict { .. } => CatalogError::Conflict {
                detail: error.to_string(),
            },
            error => CatalogError::Table(Box::new(error)),
        }
    }
}
