//! Which objects exist, as a pure function of the log?
//!
//! [`State`] is the fold of [`State::apply`] over the entries of the log: no clock, no randomness, no
//! I/O, so two replicas that read the same log agree, and property tests can replay it. Readers hold an
//! immutable `Arc<State>`; a change makes a new one.
//!
//! What applying checks, so that two sessions that race get a typed answer and no surprise:
//!
//! - a name that is taken is `AlreadyExists`; a target that is gone is `DoesNotExist`;
//! - a target that another session changed after the proposer's base is `Conflict`, and so is a name that
//!   means another object now;
//! - a drop or rename that would break others is `DependentObjects`, unless it cascades;
//! - a table can owe the commits of at most one intent.
//!
//! An entry that fails leaves the state untouched.

mod apply;
mod dependency;
pub mod entry;
mod image;
pub mod intent;
pub mod model;
pub mod op;
pub mod relation;
pub mod sequence;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use crate::error::CatalogError;
pub use entry::{Entry, FORMAT_VERSION};
pub use intent::{Intent, IntentTable};
pub use model::{DEFAULT_ALIAS, Model, ModelRef, ModelVersion};
pub use op::{CommentTarget, DropBehavior, Op, TableOptions};
pub use relation::{
    Constraint, ConstraintKind, Identity, ObjectId, Relation, RelationKind, RelationRef, Schema,
    Table, View,
};
pub use sequence::{Sequence, SequenceBlock, SequencePosition, SequenceType};

/// The first OID that an object gets; smaller ones belong to the built-in catalog of PostgreSQL.
pub const FIRST_OID: u32 = 16384;

/// The schema that unqualified names of a fresh session are created in.
pub const PUBLIC_SCHEMA: &str = "public";

/// The schema of the system's own model views; it can't be dropped.
pub const MODEL_SCHEMA: &str = "ml";

/// The role that owns a fresh data directory.
pub const FIRST_OWNER: &str = "tarn";

/// In [`State::role_settings`]: every role.
pub const EVERY_ROLE: &str = "";

/// What sessions of a role begin with: values of settings by name, by role.
pub type RoleSettings = BTreeMap<String, BTreeMap<String, String>>;

/// Everything that exists after `seq` entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The last entry applied; 0 in a fresh data directory.
    pub seq: u64,
    /// The schemas by name.
    pub schemas: BTreeMap<String, Arc<Schema>>,
    /// Tables, views and sequences by schema and name.
    pub relations: BTreeMap<(String, String), Arc<Relation>>,
    /// The models by schema and name.
    pub models: BTreeMap<(String, String), Arc<Model>>,
    /// Where each sequence stands, by the id of its relation.
    pub sequences: BTreeMap<Uuid, SequencePosition>,
    /// Decided transactions whose table commits are owed.
    pub intents: BTreeMap<Uuid, Arc<Intent>>,
    /// ALTER ROLE … SET; a role's own values go before those of [`EVERY_ROLE`].
    pub role_settings: RoleSettings,
    /// The entry that last changed each object, by OID: what conflicts are decided on.
    pub changed_seq: BTreeMap<u32, u64>,
    /// Greater than the OID of every object that ever was.
    pub next_oid: u32,
    /// `relations` by identity, kept in step with it.
    relations_by_id: BTreeMap<Uuid, Arc<Relation>>,
    /// `models` by identity, kept in step with it.
    models_by_id: BTreeMap<Uuid, Arc<Model>>,
}

impl State {
    /// The state of a fresh data directory.
    pub fn initial() -> State {
        let schema = |oid, name: &str| {
            let schema = Schema {
                oid,
                name: name.to_string(),
                owner: FIRST_OWNER.to_string(),
                comment: None,
            };
            (schema.name.clone(), Arc::new(schema))
        };
        State {
            seq: 0,
            schemas: BTreeMap::from([
                schema(FIRST_OID, PUBLIC_SCHEMA),
                schema(FIRST_OID + 1, MODEL_SCHEMA),
            ]),
            relations: BTreeMap::new(),
            models: BTreeMap::new(),
            sequences: BTreeMap::new(),
            intents: BTreeMap::new(),
            role_settings: BTreeMap::new(),
            changed_seq: BTreeMap::from([(FIRST_OID, 0), (FIRST_OID + 1, 0)]),
            next_oid: FIRST_OID + 2,
            relations_by_id: BTreeMap::new(),
            models_by_id: BTreeMap::new(),
        }
    }

    /// The state after `entry`, which must be the next one.
    pub fn apply(&self, entry: &Entry) -> Result<State, CatalogError> {
        self.clone().apply_owned(entry)
    }

    /// [`State::apply`] without the copy, for replay.
    pub fn apply_owned(self, entry: &Entry) -> Result<State, CatalogError> {
        apply::apply_entry(self, entry)
    }

    /// The state as a session sees it that has made `ops` but not committed them. `seq` stays, so the
    /// result can be the base of the next preview, and of the commit.
    pub fn preview(&self, ops: &[Op]) -> Result<State, CatalogError> {
        apply::apply_ops(self.clone(), self.seq, self.seq + 1, ops)
    }

    /// The schema of this name.
    pub fn schema(&self, name: &str) -> Option<&Arc<Schema>> {
        self.schemas.get(name)
    }

    /// The table, view or sequence of this name.
    pub fn relation(&self, schema: &str, name: &str) -> Option<&Arc<Relation>> {
        self.relations.get(&(schema.to_string(), name.to_string()))
    }

    /// The table, view or sequence with this identity.
    pub fn relation_by_id(&self, id: Uuid) -> Option<&Arc<Relation>> {
        self.relations_by_id.get(&id)
    }

    /// The table, view or sequence with this OID.
    pub fn relation_by_oid(&self, oid: u32) -> Option<&Arc<Relation>> {
        self.relations.values().find(|relation| relation.oid == oid)
    }

    /// The model of this name.
    pub fn model(&self, schema: &str, name: &str) -> Option<&Arc<Model>> {
        self.models.get(&(schema.to_string(), name.to_string()))
    }

    /// The model with this identity.
    pub fn model_by_id(&self, id: Uuid) -> Option<&Arc<Model>> {
        self.models_by_id.get(&id)
    }

    /// The model with this OID.
    pub fn model_by_oid(&self, oid: u32) -> Option<&Arc<Model>> {
        self.models.values().find(|model| model.oid == oid)
    }

    /// Adds a relation, or a new definition of one that keeps its name.
    fn put_relation(&mut self, relation: Relation) {
        let relation = Arc::new(relation);
        self.relations_by_id
            .insert(relation.id, Arc::clone(&relation));
        self.relations
            .insert((relation.schema.clone(), relation.name.clone()), relation);
    }

    /// Takes a relation out.
    fn take_relation(&mut self, id: Uuid) -> Option<Arc<Relation>> {
        let relation = self.relations_by_id.remove(&id)?;
        self.relations
            .remove(&(relation.schema.clone(), relation.name.clone()));
        Some(relation)
    }

    /// Adds a model, or a new definition of one that keeps its name.
    fn put_model(&mut self, model: Model) {
        let model = Arc::new(model);
        self.models_by_id.insert(model.id, Arc::clone(&model));
        self.models
            .insert((model.schema.clone(), model.name.clone()), model);
    }

    /// Takes a model out.
    fn take_model(&mut self, id: Uuid) -> Option<Arc<Model>> {
        let model = self.models_by_id.remove(&id)?;
        self.models
            .remove(&(model.schema.clone(), model.name.clone()));
        Some(model)
    }
}
