//! What can change in the catalog?
//!
//! An operation names its target by identity and says everything that the change needs (ids, OIDs,
//! numbers), so applying it needs no clock, no randomness and no I/O. Its preconditions are the
//! identity itself and the base of its [`Entry`]: a target that another session changed after the
//! proposer looked is a `Conflict`, not a silent overwrite.
//!
//! [`Entry`]: crate::state::Entry

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::state::intent::Intent;
use crate::state::model::{Model, ModelRef, ModelVersion};
use crate::state::relation::{Constraint, Identity, Relation, RelationRef, Schema};

/// Whether a drop takes its dependents along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DropBehavior {
    /// Refuse when something depends on the target.
    Restrict,
    /// Drop what depends on the target too.
    Cascade,
}

/// What a comment is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CommentTarget {
    /// COMMENT ON SCHEMA.
    Schema(String),
    /// COMMENT ON TABLE, VIEW or SEQUENCE.
    Relation(RelationRef),
    /// COMMENT ON COLUMN; whether the column exists is for the proposer to know.
    Column(RelationRef, String),
    /// COMMENT ON MODEL.
    Model(ModelRef),
}

/// The parts of a table that ALTER TABLE changes in the catalog (columns are Delta's).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableOptions {
    /// DEFAULT by column, as SQL text.
    pub defaults: BTreeMap<String, String>,
    /// CHECK constraints: name and SQL text.
    pub checks: Vec<(String, String)>,
    /// Keys that are told but not enforced.
    pub constraints: Vec<Constraint>,
    /// Column to the id of the sequence that feeds it.
    pub identity: BTreeMap<String, Uuid>,
    /// Which of them are GENERATED … AS IDENTITY.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub generated: BTreeMap<String, Identity>,
}

/// One change of the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Op {
    /// A new schema.
    CreateSchema {
        /// The whole schema.
        schema: Schema,
    },
    /// Drop a schema; CASCADE takes its relations and models along.
    DropSchema {
        /// Its name.
        name: String,
        /// The OID that the proposer saw, so that a namesake is not dropped.
        oid: u32,
        /// What to do about its contents.
        behavior: DropBehavior,
    },
    /// A new table, view or sequence. A sequence starts at its START value.
    CreateRelation {
        /// The whole relation.
        relation: Relation,
    },
    /// CREATE OR REPLACE: a new definition under the same id, OID, schema, name and kind.
    ReplaceRelation {
        /// The whole new definition.
        relation: Relation,
    },
    /// Drop a table with the sequences that it owns, a view, or a sequence.
    DropRelation {
        /// Which one.
        target: RelationRef,
        /// What to do about dependents.
        behavior: DropBehavior,
    },
    /// ALTER … RENAME TO and SET SCHEMA. Refused while views read it, because they name it in SQL text.
    RenameRelation {
        /// Which one.
        target: RelationRef,
        /// The schema it moves to, or stays in.
        schema: String,
        /// The name it gets, or keeps.
        name: String,
    },
    /// COMMENT ON; `None` removes the comment.
    SetComment {
        /// On what.
        target: CommentTarget,
        /// The text.
        comment: Option<String>,
    },
    /// ALTER TABLE: the new defaults, checks, constraints and identity columns, all of them.
    SetTableOptions {
        /// Which table.
        target: RelationRef,
        /// What replaces the old ones.
        options: TableOptions,
    },
    /// ALTER ROLE … SET and RESET: what sessions of a role begin with. The last one to say so wins.
    SetRoleSetting {
        /// The role, or [`EVERY_ROLE`](crate::state::EVERY_ROLE).
        role: String,
        /// The setting.
        name: String,
        /// Its value; `None` takes it back.
        value: Option<String>,
    },
    /// A new model with at least one version.
    CreateModel {
        /// The whole model.
        model: Model,
    },
    /// CREATE OR REPLACE MODEL: a new version, which these aliases then name.
    AddModelVersion {
        /// Which model.
        target: ModelRef,
        /// The version; its number is the model's next one.
        version: ModelVersion,
        /// The aliases that move to it; often `default`.
        aliases: Vec<String>,
    },
    /// Drop a version that no alias names.
    DropModelVersion {
        /// Which model.
        target: ModelRef,
        /// Which version.
        number: u32,
    },
    /// Drop a model and its versions.
    DropModel {
        /// Which model.
        target: ModelRef,
        /// What to do about views that call it.
        behavior: DropBehavior,
    },
    /// ALTER MODEL … RENAME TO and SET SCHEMA. Refused while views call it.
    RenameModel {
        /// Which model.
        target: ModelRef,
        /// The schema it moves to, or stays in.
        schema: String,
        /// The name it gets, or keeps.
        name: String,
    },
    /// Move an alias to a version, or remove it.
    SetAlias {
        /// Which model.
        target: ModelRef,
        /// The alias.
        alias: String,
        /// The version it names from now on; `None` removes it.
        version: Option<u32>,
    },
    /// Take a block of numbers.
    AdvanceSequence {
        /// Which sequence.
        target: RelationRef,
        /// The `next` that the proposer saw: whoever else took numbers since then makes this a conflict.
        expected_next: Option<i64>,
        /// How many numbers to take.
        count: u32,
    },
    /// setval() and RESTART.
    SetSequence {
        /// Which sequence.
        target: RelationRef,
        /// The number that comes next; `None` when the sequence is exhausted.
        next: Option<i64>,
        /// What clients see as the last value; `None` when the sequence looks unused.
        last: Option<i64>,
    },
    /// The commit point of a transaction over several tables: its operations take effect now, its table
    /// commits are owed.
    BeginIntent {
        /// What is decided.
        intent: Intent,
    },
    /// All table commits of an intent are written.
    CompleteIntent {
        /// Which intent.
        id: Uuid,
    },
    /// The table commits of an intent can't be written (a foreign writer took a version): it is given up,
    /// and the operations given here undo its catalog part.
    DiscardIntent {
        /// Which intent.
        id: Uuid,
        /// Operations that take back what the intent did.
        undo: Vec<Op>,
        /// Why, for the history.
        reason: String,
    },
}
