//! Who needs this object?

use uuid::Uuid;

use crate::error::{Dependent, ObjectKind};
use crate::state::{
    ConstraintKind, Model, ObjectId, PUBLIC_SCHEMA, Relation, RelationKind, State, Table,
};

/// A name as messages show it: with its schema unless that is `public`.
pub(crate) fn shown_name(schema: &str, name: &str) -> String {
    if schema == PUBLIC_SCHEMA {
        name.to_string()
    } else {
        format!("{schema}.{name}")
    }
}

impl Relation {
    /// This relation as a line of a "depends on" list.
    pub(crate) fn as_dependent(&self) -> Dependent {
        Dependent {
            kind: self.object_kind(),
            name: shown_name(&self.schema, &self.name),
        }
    }
}

impl Model {
    /// This model as a line of a "depends on" list.
    pub(crate) fn as_dependent(&self) -> Dependent {
        Dependent {
            kind: ObjectKind::Model,
            name: shown_name(&self.schema, &self.name),
        }
    }
}

impl State {
    /// What would break if `object` went: the views that read it directly, the foreign keys that point to
    /// it, the columns that a sequence feeds. Sorted, each once.
    pub fn dependents(&self, object: ObjectId) -> Vec<Dependent> {
        let mut dependents: Vec<Dependent> = self
            .relations
            .values()
            .flat_map(|relation| dependents_in(relation, object))
            .collect();
        dependents.sort();
        dependents.dedup();
        dependents
    }

    /// Whether a view that reads `roots` would, through other views, read the view `id`.
    pub(crate) fn reads(&self, roots: &[ObjectId], id: Uuid) -> bool {
        let mut pending = roots.to_vec();
        let mut seen = std::collections::BTreeSet::new();
        while let Some(object) = pending.pop() {
            if object == ObjectId::Relation(id) {
                return true;
            }
            if !seen.insert(object) {
                continue;
            }
            if let ObjectId::Relation(relation_id) = object
                && let Some(view) = self
                    .relation_by_id(relation_id)
                    .and_then(|relation| relation.view())
            {
                pending.extend(view.depends_on.iter().copied());
            }
        }
        false
    }
}

/// The parts of `relation` that need `object`.
fn dependents_in(relation: &Relation, object: ObjectId) -> Vec<Dependent> {
    match &relation.kind {
        RelationKind::View(view) if view.depends_on.contains(&object) => {
            vec![relation.as_dependent()]
        }
        RelationKind::Table(table) => match object {
            ObjectId::Relation(id) if id != relation.id => parts_of_table(relation, table, id),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn parts_of_table(relation: &Relation, table: &Table, id: Uuid) -> Vec<Dependent> {
    let place = shown_name(&relation.schema, &relation.name);
    let keys = table
        .constraints
        .iter()
        .filter(|constraint| constraint.kind.references(id))
        .map(|constraint| Dependent {
            kind: ObjectKind::Constraint,
            name: format!("{} on table {place}", constraint.name),
        });
    let columns = table
        .identity
        .iter()
        .filter(|(_, sequence)| **sequence == id)
        .map(|(column, _)| Dependent {
            kind: ObjectKind::Column,
            name: format!("{column} of table {place}"),
        });
    keys.chain(columns).collect()
}

impl ConstraintKind {
    /// Whether it is a foreign key to this table.
    pub fn references(&self, id: Uuid) -> bool {
        matches!(self, ConstraintKind::ForeignKey { references, .. } if *references == id)
    }
}
