//! What does the catalog know about a schema, a table, a view and a sequence?
//!
//! A table's columns and rows are not here: its Delta log is their only truth. The catalog keeps what
//! Delta has no place for: names, owners, defaults, informational constraints, comments.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::ObjectKind;
use crate::state::sequence::Sequence;

/// A namespace of relations and of models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// Stable number of the schema, unique over all objects.
    pub oid: u32,
    /// Its name.
    pub name: String,
    /// The role that owns it.
    pub owner: String,
    /// COMMENT ON SCHEMA.
    pub comment: Option<String>,
}

/// A table, a view or a sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relation {
    /// Stable number of the relation, unique over all objects; clients keep it.
    pub oid: u32,
    /// Identity that survives renames and `CREATE OR REPLACE`.
    pub id: Uuid,
    /// The schema it is in.
    pub schema: String,
    /// Its name, unique among the relations of the schema.
    pub name: String,
    /// The role that owns it.
    pub owner: String,
    /// COMMENT ON TABLE, VIEW or SEQUENCE.
    pub comment: Option<String>,
    /// What it is.
    pub kind: RelationKind,
}

/// What a relation is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RelationKind {
    /// Rows in a Delta table.
    Table(Table),
    /// A stored query.
    View(View),
    /// A source of numbers.
    Sequence(Sequence),
}

/// A Delta table and what Delta can't hold about it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// A URL, or a path relative to the data directory. Never used for two tables.
    pub location: String,
    /// Whether the files are ours, so that they go when the table goes.
    pub managed: bool,
    /// DEFAULT by column, as SQL text.
    pub defaults: BTreeMap<String, String>,
    /// CHECK constraints: name and SQL text.
    pub checks: Vec<(String, String)>,
    /// Keys that are told to clients and planners but not enforced.
    pub constraints: Vec<Constraint>,
    /// Columns (serial, identity) fed by a sequence that the table owns: column to the sequence's id.
    pub identity: BTreeMap<String, Uuid>,
    /// COMMENT ON COLUMN by column.
    pub column_comments: BTreeMap<String, String>,
}

/// An informational key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constraint {
    /// Its name, unique in the table.
    pub name: String,
    /// Which key.
    pub kind: ConstraintKind,
}

/// The keys that a table can tell of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum ConstraintKind {
    /// PRIMARY KEY (columns).
    PrimaryKey {
        /// The columns in key order.
        columns: Vec<String>,
    },
    /// UNIQUE (columns).
    Unique {
        /// The columns in key order.
        columns: Vec<String>,
    },
    /// FOREIGN KEY (columns) REFERENCES table (columns).
    ForeignKey {
        /// The referencing columns.
        columns: Vec<String>,
        /// The id of the referenced table.
        references: Uuid,
        /// The referenced columns, one for each of `columns`.
        referenced_columns: Vec<String>,
    },
}

/// A stored query.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// The query's text as the user wrote it.
    pub sql: String,
    /// Column names and their SQL types, known when the view was made.
    pub columns: Vec<(String, String)>,
    /// What the query reads: tables, views and models, each once.
    pub depends_on: Vec<ObjectId>,
    /// COMMENT ON COLUMN by column.
    pub column_comments: BTreeMap<String, String>,
}

/// The identity of something that a view can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ObjectId {
    /// A table, a view or a sequence.
    Relation(Uuid),
    /// A model.
    Model(Uuid),
}

/// A relation as a session saw it: the identity decides, the names are for finding it and for messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelationRef {
    /// Its identity.
    pub id: Uuid,
    /// The schema it was seen in.
    pub schema: String,
    /// The name it was seen under.
    pub name: String,
}

impl Relation {
    /// This relation as the target of an operation.
    pub fn reference(&self) -> RelationRef {
        RelationRef {
            id: self.id,
            schema: self.schema.clone(),
            name: self.name.clone(),
        }
    }

    /// Whether it is a table, a view or a sequence.
    pub fn object_kind(&self) -> ObjectKind {
        match self.kind {
            RelationKind::Table(_) => ObjectKind::Table,
            RelationKind::View(_) => ObjectKind::View,
            RelationKind::Sequence(_) => ObjectKind::Sequence,
        }
    }

    /// The table, if it is one.
    pub fn table(&self) -> Option<&Table> {
        match &self.kind {
            RelationKind::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The view, if it is one.
    pub fn view(&self) -> Option<&View> {
        match &self.kind {
            RelationKind::View(view) => Some(view),
            _ => None,
        }
    }

    /// The sequence, if it is one.
    pub fn sequence(&self) -> Option<&Sequence> {
        match &self.kind {
            RelationKind::Sequence(sequence) => Some(sequence),
            _ => None,
        }
    }
}
