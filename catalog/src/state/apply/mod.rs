//! How does the state change, and what must hold before it may?

mod intent;
mod model;
mod relation;
mod schema;
mod sequence;

use std::collections::btree_map::Entry as Slot;
use std::sync::Arc;

use crate::error::{CatalogError, ObjectKind};
use crate::state::entry::{Entry, FORMAT_VERSION};
use crate::state::model::{Model, ModelRef};
use crate::state::op::{CommentTarget, Op};
use crate::state::relation::{Relation, RelationRef};
use crate::state::{FIRST_OID, State};

/// Applies the next entry of the log.
pub(super) fn apply_entry(state: State, entry: &Entry) -> Result<State, CatalogError> {
    if entry.format_version > FORMAT_VERSION {
        return Err(CatalogError::FormatTooNew {
            what: format!("catalog log entry {}", entry.seq),
            found: entry.format_version,
            supported: FORMAT_VERSION,
        });
    }
    if entry.seq != state.seq + 1 || entry.base_seq > state.seq {
        return Err(CatalogError::Corrupt {
            what: format!("catalog log entry {}", entry.seq),
            detail: format!(
                "based on {}, it does not follow entry {}",
                entry.base_seq, state.seq
            ),
        });
    }
    let mut state = apply_ops(state, entry.base_seq, entry.seq, &entry.ops)?;
    state.seq = entry.seq;
    Ok(state)
}

/// Applies operations that were proposed at `base_seq` as if they were entry `seq`.
pub(super) fn apply_ops(
    state: State,
    base_seq: u64,
    seq: u64,
    ops: &[Op],
) -> Result<State, CatalogError> {
    let mut change = Change {
        state,
        base_seq,
        seq,
    };
    for op in ops {
        change.apply(op)?;
    }
    Ok(change.state)
}

/// An entry under way. It works on its own copy of the state, which is dropped when anything fails.
struct Change {
    state: State,
    base_seq: u64,
    seq: u64,
}

impl Change {
    fn apply(&mut self, op: &Op) -> Result<(), CatalogError> {
        match op {
            Op::CreateSchema { schema } => self.create_schema(schema),
            Op::DropSchema {
                name,
                oid,
                behavior,
            } => self.drop_schema(name, *oid, *behavior),
            Op::CreateRelation { relation } => self.create_relation(relation),
            Op::ReplaceRelation { relation } => self.replace_relation(relation),
            Op::DropRelation { target, behavior } => self.drop_relation(target, *behavior),
            Op::RenameRelation {
                target,
                schema,
                name,
            } => self.rename_relation(target, schema, name),
            Op::SetComment { target, comment } => self.set_comment(target, comment.clone()),
            Op::SetRoleSetting { role, name, value } => {
                self.set_role_setting(role, name, value.as_ref());
                Ok(())
            }
            Op::SetTableOptions { target, options } => self.set_table_options(target, options),
            Op::CreateModel { model } => self.create_model(model),
            Op::AddModelVersion {
                target,
                version,
                aliases,
            } => self.add_model_version(target, version, aliases),
            Op::DropModelVersion { target, number } => self.drop_model_version(target, *number),
            Op::DropModel { target, behavior } => self.drop_model(target, *behavior),
            Op::RenameModel {
                target,
                schema,
                name,
            } => self.rename_model(target, schema, name),
            Op::SetAlias {
                target,
                alias,
                version,
            } => self.set_alias(target, alias, *version),
            Op::AdvanceSequence {
                target,
                expected_next,
                count,
            } => self.advance_sequence(target, *expected_next, *count),
            Op::SetSequence { target, next, last } => self.set_sequence(target, *next, *last),
            Op::BeginIntent { intent } => self.begin_intent(intent),
            Op::CompleteIntent { id } => self.end_intent(*id),
            Op::DiscardIntent { id, undo, .. } => {
                self.end_intent(*id)?;
                undo.iter().try_for_each(|op| self.apply(op))
            }
        }
    }

    fn set_comment(
        &mut self,
        target: &CommentTarget,
        comment: Option<String>,
    ) -> Result<(), CatalogError> {
        match target {
            CommentTarget::Schema(name) => self.set_schema_comment(name, comment),
            CommentTarget::Relation(target) => self.alter_relation(target, |relation| {
                relation.comment = comment;
                Ok(())
            }),
            CommentTarget::Column(target, column) => {
                self.set_column_comment(target, column, comment)
            }
            CommentTarget::Model(target) => self.alter_model(target, |model| {
                model.comment = comment;
                Ok(())
            }),
        }
    }

    fn set_role_setting(&mut self, role: &str, name: &str, value: Option<&String>) {
        let own = self
            .state
            .role_settings
            .entry(role.to_string())
            .or_default();
        match value {
            Some(value) => own.insert(name.to_string(), value.clone()),
            None => own.remove(name),
        };
        self.state.role_settings.retain(|_, own| !own.is_empty());
    }

    /// Gives an OID to a new object. Proposers choose them, so the same OID twice is a lost race.
    fn claim_oid(&mut self, oid: u32) -> Result<(), CatalogError> {
        if !(FIRST_OID..u32::MAX).contains(&oid) {
            return Err(CatalogError::LimitExceeded {
                what: "object identifiers",
                limit: u64::from(u32::MAX),
            });
        }
        match self.state.changed_seq.entry(oid) {
            Slot::Occupied(_) => Err(conflict(format!("object identifier {oid} was taken"))),
            Slot::Vacant(slot) => {
                slot.insert(self.seq);
                self.state.next_oid = self.state.next_oid.max(oid + 1);
                Ok(())
            }
        }
    }

    /// The object may be changed: nobody changed it since the proposer looked.
    fn check_unchanged(&self, oid: u32, name: &str) -> Result<(), CatalogError> {
        let changed = self.state.changed_seq.get(&oid).copied().unwrap_or(0);
        // Earlier operations of this same change are no conflict.
        if changed > self.base_seq && changed != self.seq {
            return Err(conflict(format!(
                "{name:?} was changed by a concurrent transaction"
            )));
        }
        Ok(())
    }

    fn touch(&mut self, oid: u32) {
        self.state.changed_seq.insert(oid, self.seq);
    }

    /// The relation that `target` means, if it still means the same one.
    fn find_relation(&self, target: &RelationRef) -> Result<Arc<Relation>, CatalogError> {
        match self.state.relation(&target.schema, &target.name) {
            Some(relation) if relation.id == target.id => Ok(Arc::clone(relation)),
            Some(_) => Err(conflict(format!(
                "{:?} means another relation now",
                target.name
            ))),
            None => Err(does_not_exist(ObjectKind::Relation, &target.name)),
        }
    }

    /// The model that `target` means, if it still means the same one.
    fn find_model(&self, target: &ModelRef) -> Result<Arc<Model>, CatalogError> {
        match self.state.model(&target.schema, &target.name) {
            Some(model) if model.id == target.id => Ok(Arc::clone(model)),
            Some(_) => Err(conflict(format!(
                "{:?} means another model now",
                target.name
            ))),
            None => Err(does_not_exist(ObjectKind::Model, &target.name)),
        }
    }
}

fn conflict(detail: String) -> CatalogError {
    CatalogError::Conflict { detail }
}

fn does_not_exist(kind: ObjectKind, name: &str) -> CatalogError {
    CatalogError::DoesNotExist {
        kind,
        name: name.to_string(),
    }
}

fn already_exists(kind: ObjectKind, name: &str) -> CatalogError {
    CatalogError::AlreadyExists {
        kind,
        name: name.to_string(),
    }
}

fn invalid(kind: ObjectKind, name: &str, detail: impl Into<String>) -> CatalogError {
    CatalogError::InvalidDefinition {
        kind,
        name: name.to_string(),
        detail: detail.into(),
    }
}
