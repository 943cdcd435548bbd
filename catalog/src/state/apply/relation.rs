//! How do tables, views and sequences come, change and go?

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use super::{Change, already_exists, conflict, invalid};
use crate::error::{CatalogError, Dependent, ObjectKind};
use crate::state::dependency::shown_name;
use crate::state::op::{DropBehavior, TableOptions};
use crate::state::relation::{
    ConstraintKind, ObjectId, Relation, RelationKind, RelationRef, Table, View,
};

impl Change {
    pub(super) fn create_relation(&mut self, relation: &Relation) -> Result<(), CatalogError> {
        self.find_schema(&relation.schema)?;
        self.check_relation_name_free(&relation.schema, &relation.name)?;
        if self.state.relation_by_id(relation.id).is_some() {
            return Err(conflict(format!("relation id {} was taken", relation.id)));
        }
        self.check_definition(relation)?;
        self.claim_oid(relation.oid)?;
        if let RelationKind::Sequence(sequence) = &relation.kind {
            self.state
                .sequences
                .insert(relation.id, sequence.initial_position());
        }
        self.put_relation(relation.clone());
        Ok(())
    }

    pub(super) fn replace_relation(&mut self, relation: &Relation) -> Result<(), CatalogError> {
        let old = self.find_relation(&relation.reference())?;
        self.check_unchanged(old.oid, &old.name)?;
        if old.object_kind() != relation.object_kind() {
            return Err(CatalogError::WrongKind {
                expected: relation.object_kind(),
                found: old.object_kind(),
                name: relation.name.clone(),
            });
        }
        if old.oid != relation.oid {
            return Err(invalid(
                relation.object_kind(),
                &relation.name,
                "a replacement keeps its object identifier",
            ));
        }
        self.check_definition(relation)?;
        self.put_relation(relation.clone());
        self.drop_sequences_left_by(&old, relation)
    }

    pub(super) fn drop_relation(
        &mut self,
        target: &RelationRef,
        behavior: DropBehavior,
    ) -> Result<(), CatalogError> {
        let relation = self.find_relation(target)?;
        self.check_unchanged(relation.oid, &relation.name)?;
        if behavior == DropBehavior::Restrict {
            self.check_no_dependents(&relation)?;
        }
        self.remove_cascade(ObjectId::Relation(relation.id));
        Ok(())
    }

    pub(super) fn rename_relation(
        &mut self,
        target: &RelationRef,
        schema: &str,
        name: &str,
    ) -> Result<(), CatalogError> {
        let old = self.find_relation(target)?;
        self.check_unchanged(old.oid, &old.name)?;
        self.find_schema(schema)?;
        self.check_relation_name_free(schema, name)?;
        self.check_no_views(&old)?;
        let mut relation = Relation::clone(&*old);
        relation.schema = schema.to_string();
        relation.name = name.to_string();
        self.state
            .relations
            .remove(&(target.schema.clone(), target.name.clone()));
        self.put_relation(relation);
        Ok(())
    }

    pub(super) fn set_table_options(
        &mut self,
        target: &RelationRef,
        options: &TableOptions,
    ) -> Result<(), CatalogError> {
        let old = self.find_relation(target)?;
        self.alter_relation(target, |relation| {
            let found = relation.object_kind();
            let RelationKind::Table(table) = &mut relation.kind else {
                let name = relation.name.clone();
                return Err(CatalogError::WrongKind {
                    expected: ObjectKind::Table,
                    found,
                    name,
                });
            };
            table.defaults = options.defaults.clone();
            table.checks = options.checks.clone();
            table.constraints = options.constraints.clone();
            table.identity = options.identity.clone();
            table.generated = options.generated.clone();
            Ok(())
        })?;
        let new = self.find_relation(target)?;
        self.drop_sequences_left_by(&old, &new)
    }

    pub(super) fn set_column_comment(
        &mut self,
        target: &RelationRef,
        column: &str,
        comment: Option<String>,
    ) -> Result<(), CatalogError> {
        self.alter_relation(target, |relation| {
            let comments = match &mut relation.kind {
                RelationKind::Table(table) => &mut table.column_comments,
                RelationKind::View(view) => &mut view.column_comments,
                RelationKind::Sequence(_) => {
                    return Err(CatalogError::WrongKind {
                        expected: ObjectKind::Table,
                        found: ObjectKind::Sequence,
                        name: relation.name.clone(),
                    });
                }
            };
            match comment {
                Some(text) => comments.insert(column.to_string(), text),
                None => comments.remove(column),
            };
            Ok(())
        })
    }

    /// Changes the definition of a relation in place, keeping name and identity.
    pub(super) fn alter_relation(
        &mut self,
        target: &RelationRef,
        alter: impl FnOnce(&mut Relation) -> Result<(), CatalogError>,
    ) -> Result<(), CatalogError> {
        let old = self.find_relation(target)?;
        self.check_unchanged(old.oid, &old.name)?;
        let mut relation = Relation::clone(&*old);
        alter(&mut relation)?;
        self.check_definition(&relation)?;
        self.put_relation(relation);
        Ok(())
    }

    /// Removes an object and everything that needs it. Removing what is gone already is no error, because
    /// two ways can lead to the same view.
    pub(super) fn remove_cascade(&mut self, object: ObjectId) {
        let mut pending = vec![object];
        while let Some(object) = pending.pop() {
            let removed = match object {
                ObjectId::Relation(id) => self.remove_relation(id, &mut pending),
                ObjectId::Model(id) => self.remove_model(id),
            };
            if removed {
                pending.extend(self.views_of(object));
                self.forget_in_tables(object);
            }
        }
    }

    /// Removes a relation; the sequences that it owns are added to `pending`.
    fn remove_relation(&mut self, id: Uuid, pending: &mut Vec<ObjectId>) -> bool {
        let Some(relation) = self.state.take_relation(id) else {
            return false;
        };
        self.state.changed_seq.remove(&relation.oid);
        self.state.sequences.remove(&id);
        if let RelationKind::Table(table) = &relation.kind {
            pending.extend(
                table
                    .identity
                    .values()
                    .map(|sequence| ObjectId::Relation(*sequence)),
            );
        }
        true
    }

    fn views_of(&self, object: ObjectId) -> Vec<ObjectId> {
        let views = self.state.relations.values();
        let reads_it = |view: &View| view.depends_on.contains(&object);
        views
            .filter(|relation| relation.view().is_some_and(reads_it))
            .map(|view| ObjectId::Relation(view.id))
            .collect()
    }

    /// Takes foreign keys to a dropped table, and columns fed by a dropped sequence, out of other tables.
    fn forget_in_tables(&mut self, object: ObjectId) {
        let ObjectId::Relation(id) = object else {
            return;
        };
        let needs_it = |table: &Table| {
            table
                .constraints
                .iter()
                .any(|constraint| constraint.kind.references(id))
                || table.identity.values().any(|sequence| *sequence == id)
        };
        let affected: Vec<Arc<Relation>> = self
            .state
            .relations
            .values()
            .filter(|relation| relation.table().is_some_and(needs_it))
            .map(Arc::clone)
            .collect();
        for relation in affected {
            let mut relation = Relation::clone(&*relation);
            if let RelationKind::Table(table) = &mut relation.kind {
                table
                    .constraints
                    .retain(|constraint| !constraint.kind.references(id));
                let fed = |sequence: &Uuid| *sequence == id;
                table
                    .defaults
                    .retain(|column, _| !table.identity.get(column).is_some_and(fed));
                table.identity.retain(|_, sequence| !fed(sequence));
                let identity = &table.identity;
                table
                    .generated
                    .retain(|column, _| identity.contains_key(column));
            }
            self.put_relation(relation);
        }
    }

    /// Drops the sequences that a table owned and owns no longer; refused when a view reads one.
    fn drop_sequences_left_by(
        &mut self,
        old: &Relation,
        new: &Relation,
    ) -> Result<(), CatalogError> {
        for sequence in owned_sequences(old).difference(&owned_sequences(new)) {
            // Nobody but `old` can have owned it.
            let Some(relation) = self.state.relation_by_id(*sequence).cloned() else {
                continue;
            };
            self.check_no_views(&relation)?;
            self.remove_cascade(ObjectId::Relation(*sequence));
        }
        Ok(())
    }

    fn put_relation(&mut self, relation: Relation) {
        self.touch(relation.oid);
        self.state.put_relation(relation);
    }

    fn check_relation_name_free(&self, schema: &str, name: &str) -> Result<(), CatalogError> {
        if name.is_empty() {
            return Err(invalid(ObjectKind::Relation, name, "the name is empty"));
        }
        match self.state.relation(schema, name) {
            Some(_) => Err(already_exists(ObjectKind::Relation, name)),
            None => Ok(()),
        }
    }

    /// Nothing depends on the relation, or on a sequence that would go with it.
    fn check_no_dependents(&self, relation: &Relation) -> Result<(), CatalogError> {
        let mut dependents = self.state.dependents(ObjectId::Relation(relation.id));
        for sequence in owned_sequences(relation) {
            dependents.extend(self.views_as_dependents(sequence));
        }
        refuse_when_needed(relation, dependents)
    }

    /// A view names what it reads in SQL text, so a rename would break it. Keys and identity columns hold
    /// identities and survive.
    fn check_no_views(&self, relation: &Relation) -> Result<(), CatalogError> {
        refuse_when_needed(relation, self.views_as_dependents(relation.id))
    }

    fn views_as_dependents(&self, id: Uuid) -> Vec<Dependent> {
        let mut dependents = self.state.dependents(ObjectId::Relation(id));
        dependents.retain(|dependent| dependent.kind == ObjectKind::View);
        dependents
    }

    fn check_definition(&self, relation: &Relation) -> Result<(), CatalogError> {
        match &relation.kind {
            RelationKind::Table(table) => self.check_table(relation, table),
            RelationKind::View(view) => self.check_view(relation, view),
            RelationKind::Sequence(sequence) => match sequence.fault() {
                Some(fault) => Err(invalid(ObjectKind::Sequence, &relation.name, fault)),
                None => Ok(()),
            },
        }
    }

    fn check_table(&self, relation: &Relation, table: &Table) -> Result<(), CatalogError> {
        if table.location.is_empty() {
            return Err(invalid(
                ObjectKind::Table,
                &relation.name,
                "it has no location",
            ));
        }
        check_constraint_names(table)?;
        self.check_foreign_keys(relation, table)?;
        self.check_identity(relation, table)?;
        self.check_shares_nothing(relation, table)
    }

    fn check_foreign_keys(&self, relation: &Relation, table: &Table) -> Result<(), CatalogError> {
        for constraint in &table.constraints {
            let ConstraintKind::ForeignKey { references, .. } = constraint.kind else {
                continue;
            };
            let exists = || {
                self.state
                    .relation_by_id(references)
                    .is_some_and(|found| found.table().is_some())
            };
            if references != relation.id && !exists() {
                return Err(conflict(format!(
                    "the table that {:?} refers to was dropped",
                    constraint.name
                )));
            }
        }
        Ok(())
    }

    fn check_identity(&self, relation: &Relation, table: &Table) -> Result<(), CatalogError> {
        for sequence in table.identity.values() {
            if self
                .state
                .relation_by_id(*sequence)
                .and_then(|found| found.sequence().map(|_| ()))
                .is_none()
            {
                return Err(conflict(format!(
                    "a sequence of table {:?} was dropped",
                    relation.name
                )));
            }
        }
        Ok(())
    }

    /// A table's directory and its sequences go with it, so no other table may have them too.
    fn check_shares_nothing(&self, relation: &Relation, table: &Table) -> Result<(), CatalogError> {
        for other in self
            .state
            .relations
            .values()
            .filter(|other| other.id != relation.id)
        {
            let Some(other_table) = other.table() else {
                continue;
            };
            // Two names for one managed directory would make dropping one destroy the other.
            if other_table.location == table.location && (table.managed || other_table.managed) {
                return Err(invalid(
                    ObjectKind::Table,
                    &relation.name,
                    "its location belongs to another table",
                ));
            }
            if other_table
                .identity
                .values()
                .any(|id| table.identity.values().any(|own| own == id))
            {
                return Err(invalid(
                    ObjectKind::Table,
                    &relation.name,
                    "its sequence belongs to another table",
                ));
            }
        }
        Ok(())
    }

    fn check_view(&self, relation: &Relation, view: &View) -> Result<(), CatalogError> {
        for object in &view.depends_on {
            let exists = match object {
                ObjectId::Relation(id) => self.state.relation_by_id(*id).is_some(),
                ObjectId::Model(id) => self.state.model_by_id(*id).is_some(),
            };
            if !exists {
                return Err(conflict(format!(
                    "something that view {:?} reads was dropped",
                    relation.name
                )));
            }
        }
        if self.state.reads(&view.depends_on, relation.id) {
            return Err(invalid(ObjectKind::View, &relation.name, "it reads itself"));
        }
        Ok(())
    }
}

fn check_constraint_names(table: &Table) -> Result<(), CatalogError> {
    let mut names = BTreeSet::new();
    let checks = table.checks.iter().map(|(name, _)| name);
    for name in checks.chain(table.constraints.iter().map(|constraint| &constraint.name)) {
        if !names.insert(name) {
            return Err(already_exists(ObjectKind::Constraint, name));
        }
    }
    Ok(())
}

/// The sequences that feed columns of a table and go with it.
fn owned_sequences(relation: &Relation) -> BTreeSet<Uuid> {
    let identity = relation
        .table()
        .map(|table| table.identity.values().copied());
    identity.into_iter().flatten().collect()
}

fn refuse_when_needed(
    relation: &Relation,
    mut dependents: Vec<Dependent>,
) -> Result<(), CatalogError> {
    if dependents.is_empty() {
        return Ok(());
    }
    dependents.sort();
    dependents.dedup();
    let name = shown_name(&relation.schema, &relation.name);
    Err(CatalogError::DependentObjects {
        kind: relation.object_kind(),
        name,
        dependents,
    })
}
