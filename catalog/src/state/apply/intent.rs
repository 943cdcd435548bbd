//! How is a transaction over several tables decided and settled?

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use super::{Change, conflict, does_not_exist, invalid};
use crate::error::{CatalogError, ObjectKind};
use crate::state::intent::{Intent, IntentTable};
use crate::state::op::Op;

impl Change {
    pub(super) fn begin_intent(&mut self, intent: &Intent) -> Result<(), CatalogError> {
        let shown = intent.id.to_string();
        if self.state.intents.contains_key(&intent.id) {
            return Err(conflict(format!("intent {shown} was begun already")));
        }
        let nested = |op: &Op| {
            matches!(
                op,
                Op::BeginIntent { .. } | Op::CompleteIntent { .. } | Op::DiscardIntent { .. }
            )
        };
        if intent.ops.iter().any(nested) {
            return Err(invalid(
                ObjectKind::Intent,
                &shown,
                "an intent can't hold another one",
            ));
        }
        intent.ops.iter().try_for_each(|op| self.apply(op))?;
        let mut relations = BTreeSet::new();
        for table in &intent.tables {
            if !relations.insert(table.relation) {
                return Err(invalid(
                    ObjectKind::Intent,
                    &shown,
                    "a table has two commits",
                ));
            }
            self.check_owed_commit(&shown, table)?;
        }
        self.state
            .intents
            .insert(intent.id, Arc::new(intent.clone()));
        Ok(())
    }

    pub(super) fn end_intent(&mut self, id: Uuid) -> Result<(), CatalogError> {
        match self.state.intents.remove(&id) {
            Some(_) => Ok(()),
            None => Err(does_not_exist(ObjectKind::Intent, &id.to_string())),
        }
    }

    /// The table must still be the one that the transaction wrote, and nobody else may owe it a commit.
    fn check_owed_commit(&self, shown: &str, table: &IntentTable) -> Result<(), CatalogError> {
        let Some(relation) = self.state.relation_by_id(table.relation) else {
            return Err(conflict(
                "a table of the transaction was dropped".to_string(),
            ));
        };
        if relation
            .table()
            .is_none_or(|found| found.location != table.location)
        {
            return Err(conflict(format!(
                "table {:?} was replaced by a concurrent transaction",
                relation.name
            )));
        }
        self.check_unchanged(relation.oid, &relation.name)?;
        let owed = self
            .state
            .intents
            .values()
            .flat_map(|intent| &intent.tables);
        if owed
            .map(|owed| owed.relation)
            .any(|id| id == table.relation)
        {
            return Err(conflict(format!(
                "table {:?} is being written by another transaction",
                relation.name
            )));
        }
        if std::str::from_utf8(&table.commit_json).is_err() {
            return Err(invalid(
                ObjectKind::Intent,
                shown,
                "a table commit is not UTF-8",
            ));
        }
        Ok(())
    }
}
