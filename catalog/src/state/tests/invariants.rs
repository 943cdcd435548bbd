//! What holds in every state, whatever happened before?

use std::collections::BTreeSet;

use crate::state::{ConstraintKind, ObjectId, Relation, RelationKind, State};

/// Panics when a state contradicts itself.
pub(super) fn check(state: &State) {
    check_names_and_numbers(state);
    state
        .relations
        .values()
        .for_each(|relation| check_references(state, relation));
    check_sequences(state);
    for model in state.models.values() {
        assert!(!model.versions.is_empty());
        assert!(
            model
                .versions
                .is_sorted_by(|left, right| left.number < right.number)
        );
        assert!(
            model
                .aliases
                .values()
                .all(|number| model.version(*number).is_some())
        );
    }
    let owed = state
        .intents
        .values()
        .flat_map(|intent| &intent.tables)
        .map(|table| table.relation);
    let owed: Vec<_> = owed.collect();
    assert_eq!(
        owed.len(),
        owed.iter().collect::<BTreeSet<_>>().len(),
        "a table owes two commits"
    );
}

fn check_names_and_numbers(state: &State) {
    let mut oids = BTreeSet::new();
    for (name, schema) in &state.schemas {
        assert_eq!(*name, schema.name);
        assert!(oids.insert(schema.oid));
    }
    for ((schema, name), relation) in &state.relations {
        assert_eq!((schema, name), (&relation.schema, &relation.name));
        assert!(state.schemas.contains_key(schema), "{name} is in no schema");
        assert!(oids.insert(relation.oid));
        assert_eq!(state.relation_by_id(relation.id), Some(relation));
    }
    for ((schema, name), model) in &state.models {
        assert_eq!((schema, name), (&model.schema, &model.name));
        assert!(state.schemas.contains_key(schema), "{name} is in no schema");
        assert!(oids.insert(model.oid));
        assert_eq!(state.model_by_id(model.id), Some(model));
    }
    assert_eq!(state.relations_by_id.len(), state.relations.len());
    assert_eq!(state.models_by_id.len(), state.models.len());
    assert_eq!(
        oids,
        state.changed_seq.keys().copied().collect(),
        "who has an OID"
    );
    assert!(oids.last().is_none_or(|last| *last < state.next_oid));
    assert!(state.schemas.contains_key("ml"));
}

fn check_references(state: &State, relation: &Relation) {
    match &relation.kind {
        RelationKind::View(view) => {
            for object in &view.depends_on {
                assert!(
                    exists(state, *object),
                    "view {} reads what is gone",
                    relation.name
                );
            }
            assert!(
                !state.reads(&view.depends_on, relation.id),
                "view {} reads itself",
                relation.name
            );
        }
        RelationKind::Table(table) => {
            for constraint in &table.constraints {
                if let ConstraintKind::ForeignKey { references, .. } = constraint.kind {
                    assert!(
                        exists(state, ObjectId::Relation(references)),
                        "a key of {} dangles",
                        relation.name
                    );
                }
            }
            for sequence in table.identity.values() {
                let sequence = state
                    .relation_by_id(*sequence)
                    .and_then(|found| found.sequence());
                assert!(
                    sequence.is_some(),
                    "a column of {} has no sequence",
                    relation.name
                );
            }
        }
        RelationKind::Sequence(_) => {}
    }
}

fn exists(state: &State, object: ObjectId) -> bool {
    match object {
        ObjectId::Relation(id) => state.relation_by_id(id).is_some(),
        ObjectId::Model(id) => state.model_by_id(id).is_some(),
    }
}

fn check_sequences(state: &State) {
    let sequences = state
        .relations
        .values()
        .filter(|relation| relation.sequence().is_some());
    let ids: BTreeSet<_> = sequences.map(|relation| relation.id).collect();
    assert_eq!(
        ids,
        state.sequences.keys().copied().collect(),
        "who has a position"
    );
    let owned = state
        .relations
        .values()
        .filter_map(|relation| relation.table())
        .flat_map(|table| table.identity.values());
    let owned: Vec<_> = owned.collect();
    assert_eq!(
        owned.len(),
        owned.iter().collect::<BTreeSet<_>>().len(),
        "a sequence feeds two columns"
    );
}
