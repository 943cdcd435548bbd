//! Does the state machine keep its promises?

mod histories;
mod invariants;
mod races;
mod rules;

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::state::{
    Constraint, ConstraintKind, Entry, FORMAT_VERSION, Model, ModelVersion, ObjectId, Op, Relation,
    RelationKind, Schema, Sequence, SequenceType, State, Table, View,
};

/// A small generator of numbers (splitmix64), so that a failing test is repeated by its seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn pick<'a, T>(&mut self, values: &'a [T]) -> Option<&'a T> {
        if values.is_empty() {
            None
        } else {
            Some(&values[self.below(values.len())])
        }
    }

    pub(crate) fn uuid(&mut self) -> Uuid {
        Uuid::from_u64_pair(self.next(), self.next())
    }
}

/// The state after one more entry with these operations, proposed from that very state.
pub(crate) fn after(state: &State, ops: Vec<Op>) -> State {
    state.apply(&entry(state, state.seq, ops)).unwrap()
}

/// An entry that follows `state` and was proposed at `base_seq`.
pub(crate) fn entry(state: &State, base_seq: u64, ops: Vec<Op>) -> Entry {
    Entry {
        format_version: FORMAT_VERSION,
        seq: state.seq + 1,
        base_seq,
        uuid: Uuid::from_u128(u128::from(state.seq) + 1),
        principal: "tarn".to_string(),
        at_micros: 0,
        ops,
    }
}

pub(crate) fn schema(oid: u32, name: &str) -> Schema {
    Schema {
        oid,
        name: name.to_string(),
        owner: "tarn".to_string(),
        comment: None,
    }
}

pub(crate) fn relation(oid: u32, id: Uuid, name: &str, kind: RelationKind) -> Relation {
    Relation {
        oid,
        id,
        schema: "public".to_string(),
        name: name.to_string(),
        owner: "tarn".to_string(),
        comment: None,
        kind,
    }
}

pub(crate) fn table_kind(id: Uuid) -> RelationKind {
    RelationKind::Table(Table {
        location: format!("tables/{id}"),
        managed: true,
        ..Table::default()
    })
}

pub(crate) fn view_kind(depends_on: Vec<ObjectId>) -> RelationKind {
    let columns = vec![("x".to_string(), "integer".to_string())];
    RelationKind::View(View {
        sql: "SELECT …".to_string(),
        columns,
        depends_on,
        ..View::default()
    })
}

pub(crate) fn sequence_kind() -> RelationKind {
    RelationKind::Sequence(Sequence::ascending(SequenceType::Integer))
}

pub(crate) fn foreign_key(name: &str, references: Uuid) -> Constraint {
    let columns = vec!["a".to_string()];
    let kind = ConstraintKind::ForeignKey {
        columns: columns.clone(),
        references,
        referenced_columns: columns,
    };
    Constraint {
        name: name.to_string(),
        kind,
    }
}

pub(crate) fn model(oid: u32, id: Uuid, name: &str) -> Model {
    Model {
        oid,
        id,
        schema: "public".to_string(),
        name: name.to_string(),
        owner: "tarn".to_string(),
        comment: None,
        versions: vec![version(1)],
        aliases: BTreeMap::from([("default".to_string(), 1)]),
    }
}

pub(crate) fn version(number: u32) -> ModelVersion {
    ModelVersion {
        number,
        created_at_micros: i64::from(number),
        statement: "CREATE MODEL …".to_string(),
        artefact: format!("models/m/{number}.model"),
        sha256: "0".repeat(64),
        bytes: 10,
        signature: "{}".to_string(),
        summary: "{}".to_string(),
    }
}
