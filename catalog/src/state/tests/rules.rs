//! One rule, one test: who may do what to what?

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{
    after, entry, foreign_key, model, relation, schema, sequence_kind, table_kind, version,
    view_kind,
};
use crate::error::{CatalogError, ObjectKind};
use crate::state::{
    DropBehavior, Intent, IntentTable, ObjectId, Op, Relation, RelationKind, Sequence,
    SequencePosition, SequenceType, State, TableOptions,
};

const T: Uuid = Uuid::from_u128(1);
const U: Uuid = Uuid::from_u128(2);
const V: Uuid = Uuid::from_u128(3);
const S: Uuid = Uuid::from_u128(4);
const M: Uuid = Uuid::from_u128(5);

/// Table t fed by sequence s, table u with a foreign key to t, view v over t and model m.
fn sample() -> State {
    let mut fed = relation(20_002, T, "t", table_kind(T));
    let mut referring = relation(20_003, U, "u", table_kind(U));
    if let (RelationKind::Table(t), RelationKind::Table(u)) = (&mut fed.kind, &mut referring.kind) {
        t.identity = BTreeMap::from([("id".to_string(), S)]);
        u.constraints = vec![foreign_key("u_t_fkey", T)];
    }
    let reads = vec![ObjectId::Relation(T), ObjectId::Model(M)];
    let relations = [relation(20_001, S, "s", sequence_kind()), fed, referring];
    let mut ops: Vec<Op> = relations
        .map(|relation| Op::CreateRelation { relation })
        .to_vec();
    ops.push(Op::CreateModel {
        model: model(20_004, M, "m"),
    });
    ops.push(Op::CreateRelation {
        relation: relation(20_005, V, "v", view_kind(reads)),
    });
    after(&State::initial(), ops)
}

fn find(state: &State, id: Uuid) -> Relation {
    Relation::clone(state.relation_by_id(id).unwrap())
}

fn refuse(state: &State, op: Op) -> CatalogError {
    let before = state.clone();
    let error = state.apply(&entry(state, state.seq, vec![op])).unwrap_err();
    assert_eq!(*state, before);
    error
}

fn drop_op(state: &State, id: Uuid, behavior: DropBehavior) -> Op {
    Op::DropRelation {
        target: find(state, id).reference(),
        behavior,
    }
}

#[test]
fn restrict_lists_the_dependents() {
    let state = sample();
    let error = refuse(&state, drop_op(&state, T, DropBehavior::Restrict));
    let CatalogError::DependentObjects {
        kind,
        name,
        dependents,
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!((kind, name.as_str()), (ObjectKind::Table, "t"));
    let shown: Vec<String> = dependents
        .iter()
        .map(|dependent| dependent.to_string())
        .collect();
    assert_eq!(shown, ["view v", "constraint u_t_fkey on table u"]);
    let error = refuse(&state, drop_op(&state, S, DropBehavior::Restrict));
    assert!(
        matches!(&error, CatalogError::DependentObjects { dependents, .. } if dependents[0].name == "id of table t")
    );
    let target = state.model_by_id(M).unwrap().reference();
    let error = refuse(
        &state,
        Op::DropModel {
            target,
            behavior: DropBehavior::Restrict,
        },
    );
    assert!(
        matches!(&error, CatalogError::DependentObjects { dependents, .. } if dependents.len() == 1),
        "{error}"
    );
}

#[test]
fn cascade_takes_views_keys_and_owned_sequences() {
    let state = sample();
    let dropped = after(&state, vec![drop_op(&state, T, DropBehavior::Cascade)]);
    let names: Vec<&str> = dropped
        .relations
        .values()
        .map(|relation| relation.name.as_str())
        .collect();
    assert_eq!(names, ["u"]);
    assert!(find(&dropped, U).table().unwrap().constraints.is_empty());
    assert!(dropped.sequences.is_empty());
    assert!(dropped.model("public", "m").is_some());
}

#[test]
fn a_view_of_an_owned_sequence_holds_its_table() {
    let state = sample();
    let undone = after(&state, vec![drop_op(&state, V, DropBehavior::Restrict)]);
    let reads = view_kind(vec![ObjectId::Relation(S)]);
    let op = Op::CreateRelation {
        relation: relation(21_000, Uuid::from_u128(9), "w", reads),
    };
    let state = after(
        &undone,
        vec![op, drop_op(&undone, U, DropBehavior::Restrict)],
    );
    let target = find(&state, T).reference();
    let release = Op::SetTableOptions {
        target,
        options: TableOptions::default(),
    };
    for op in [drop_op(&state, T, DropBehavior::Restrict), release] {
        let error = refuse(&state, op);
        let shown = matches!(&error, CatalogError::DependentObjects { dependents, .. } if dependents[0].name == "w");
        assert!(shown, "{error}");
    }
}

#[test]
fn a_dropped_sequence_leaves_a_plain_column() {
    let state = sample();
    let dropped = after(&state, vec![drop_op(&state, S, DropBehavior::Cascade)]);
    assert!(find(&dropped, T).table().unwrap().identity.is_empty());
    assert!(dropped.relation_by_id(V).is_some());
}

#[test]
fn schemas_go_with_their_contents_or_not_at_all() {
    let state = sample();
    let oid = state.schema("public").unwrap().oid;
    let drop = |behavior| Op::DropSchema {
        name: "public".to_string(),
        oid,
        behavior,
    };
    let error = refuse(&state, drop(DropBehavior::Restrict));
    assert!(
        matches!(&error, CatalogError::DependentObjects { dependents, .. } if dependents.len() == 5),
        "{error}"
    );
    let dropped = after(&state, vec![drop(DropBehavior::Cascade)]);
    assert!(
        dropped.relations.is_empty()
            && dropped.models.is_empty()
            && dropped.schema("public").is_none()
    );
    let oid = state.schema("ml").unwrap().oid;
    let op = Op::DropSchema {
        name: "ml".to_string(),
        oid,
        behavior: DropBehavior::Cascade,
    };
    assert!(matches!(
        refuse(&state, op),
        CatalogError::ReservedName { .. }
    ));
    for name in ["pg_mine", "information_schema"] {
        let op = Op::CreateSchema {
            schema: schema(21_000, name),
        };
        assert!(
            matches!(refuse(&state, op), CatalogError::ReservedName { .. }),
            "{name}"
        );
    }
}

#[test]
fn names_are_shared_by_relations_but_not_with_models() {
    let state = sample();
    let op = Op::CreateRelation {
        relation: relation(21_000, Uuid::from_u128(9), "v", sequence_kind()),
    };
    assert!(matches!(
        refuse(&state, op),
        CatalogError::AlreadyExists {
            kind: ObjectKind::Relation,
            ..
        }
    ));
    after(
        &state,
        vec![Op::CreateModel {
            model: model(21_000, Uuid::from_u128(9), "t"),
        }],
    );
    let op = Op::CreateModel {
        model: model(21_000, Uuid::from_u128(9), "m"),
    };
    assert!(matches!(
        refuse(&state, op),
        CatalogError::AlreadyExists {
            kind: ObjectKind::Model,
            ..
        }
    ));
}

#[test]
fn a_target_that_others_changed_is_a_conflict() {
    let state = sample();
    let target = state.model_by_id(M).unwrap().reference();
    let replace = |number| Op::AddModelVersion {
        target: target.clone(),
        version: version(number),
        aliases: vec!["default".to_string()],
    };
    let newer = after(&state, vec![replace(2)]);
    // The loser saw version 1, trained version 2 and comes second.
    let error = newer
        .apply(&entry(&newer, state.seq, vec![replace(2)]))
        .unwrap_err();
    assert!(error.is_conflict(), "{error}");
    // Even one who guesses the free number must have seen what it replaces.
    let error = newer
        .apply(&entry(&newer, state.seq, vec![replace(3)]))
        .unwrap_err();
    assert!(error.is_conflict(), "{error}");
    newer
        .apply(&entry(&newer, newer.seq, vec![replace(3)]))
        .unwrap();
    // Something else that changed meanwhile is no obstacle.
    newer
        .apply(&entry(
            &newer,
            state.seq,
            vec![drop_op(&state, U, DropBehavior::Restrict)],
        ))
        .unwrap();
}

#[test]
fn a_name_that_means_another_object_is_a_conflict() {
    let state = sample();
    let stale = drop_op(&state, U, DropBehavior::Restrict);
    let dropped = after(&state, vec![stale.clone()]);
    assert!(matches!(
        refuse(&dropped, stale.clone()),
        CatalogError::DoesNotExist { .. }
    ));
    let again = relation(
        21_000,
        Uuid::from_u128(9),
        "u",
        table_kind(Uuid::from_u128(9)),
    );
    let again = after(&dropped, vec![Op::CreateRelation { relation: again }]);
    assert!(refuse(&again, stale).is_conflict());
}

#[test]
fn renames_keep_identity_and_never_break_a_view() {
    let state = sample();
    let rename = |id, name: &str| Op::RenameRelation {
        target: find(&state, id).reference(),
        schema: "ml".to_string(),
        name: name.to_string(),
    };
    let renamed = after(&state, vec![rename(U, "w")]);
    assert_eq!(find(&renamed, U).oid, find(&state, U).oid);
    assert!(renamed.relation("public", "u").is_none());
    assert!(matches!(
        refuse(&state, rename(T, "w")),
        CatalogError::DependentObjects { .. }
    ));
    let taken = Op::RenameRelation {
        target: find(&state, U).reference(),
        schema: "public".to_string(),
        name: "v".to_string(),
    };
    assert!(matches!(
        refuse(&state, taken),
        CatalogError::AlreadyExists { .. }
    ));
}

#[test]
fn replacing_keeps_kind_and_number_and_makes_no_circle() {
    let state = sample();
    let mut wrong_kind = find(&state, V);
    wrong_kind.kind = table_kind(V);
    let error = refuse(
        &state,
        Op::ReplaceRelation {
            relation: wrong_kind,
        },
    );
    assert!(
        matches!(
            error,
            CatalogError::WrongKind {
                found: ObjectKind::View,
                ..
            }
        ),
        "{error}"
    );
    let w = Uuid::from_u128(9);
    let over_v = relation(21_000, w, "w", view_kind(vec![ObjectId::Relation(V)]));
    let state = after(&state, vec![Op::CreateRelation { relation: over_v }]);
    let mut circle = find(&state, V);
    circle.kind = view_kind(vec![ObjectId::Relation(w)]);
    let error = refuse(&state, Op::ReplaceRelation { relation: circle });
    assert!(
        matches!(error, CatalogError::InvalidDefinition { .. }),
        "{error}"
    );
}

#[test]
fn two_tables_never_share_managed_files() {
    let state = sample();
    let thief = relation(21_000, Uuid::from_u128(9), "thief", table_kind(T));
    let error = refuse(&state, Op::CreateRelation { relation: thief });
    assert!(
        matches!(error, CatalogError::InvalidDefinition { .. }),
        "{error}"
    );
}

#[test]
fn a_table_lets_go_of_a_sequence_that_it_no_longer_names() {
    let state = sample();
    let target = find(&state, T).reference();
    let changed = after(
        &state,
        vec![Op::SetTableOptions {
            target,
            options: TableOptions::default(),
        }],
    );
    assert!(changed.relation_by_id(S).is_none() && changed.sequences.is_empty());
}

fn intent(id: u128, state: &State, table: Uuid, ops: Vec<Op>) -> Intent {
    let location = find(state, table).table().unwrap().location.clone();
    let commit_json = "{\"commitInfo\":{\"user\":\"Zoë\"}}\n".as_bytes().to_vec();
    let table = IntentTable {
        relation: table,
        location,
        read_version: Some(3),
        commit_json,
    };
    Intent {
        id: Uuid::from_u128(id),
        tables: vec![table],
        ops,
    }
}

#[test]
fn an_intent_shows_at_once_and_holds_its_tables() {
    let state = sample();
    let made = relation(
        21_000,
        Uuid::from_u128(9),
        "made",
        table_kind(Uuid::from_u128(9)),
    );
    let first = intent(1, &state, T, vec![Op::CreateRelation { relation: made }]);
    let begun = after(
        &state,
        vec![Op::BeginIntent {
            intent: first.clone(),
        }],
    );
    assert!(begun.relation("public", "made").is_some());
    assert_eq!(*begun.intents[&first.id], first);
    let second = Op::BeginIntent {
        intent: intent(2, &state, T, Vec::new()),
    };
    assert!(
        refuse(&begun, second.clone()).is_conflict(),
        "t owes a commit"
    );
    let done = after(&begun, vec![Op::CompleteIntent { id: first.id }]);
    assert!(done.intents.is_empty() && done.relation("public", "made").is_some());
    after(&done, vec![second]);
    let error = refuse(&done, Op::CompleteIntent { id: first.id });
    assert!(
        matches!(
            error,
            CatalogError::DoesNotExist {
                kind: ObjectKind::Intent,
                ..
            }
        ),
        "{error}"
    );
    let undo = vec![drop_op(&begun, Uuid::from_u128(9), DropBehavior::Restrict)];
    let discarded = after(
        &begun,
        vec![Op::DiscardIntent {
            id: first.id,
            undo,
            reason: "taken".to_string(),
        }],
    );
    assert!(discarded.intents.is_empty() && discarded.relation("public", "made").is_none());
}

#[test]
fn an_intent_on_a_table_that_changed_is_a_conflict() {
    let state = sample();
    let begin = Op::BeginIntent {
        intent: intent(1, &state, U, Vec::new()),
    };
    let dropped = after(&state, vec![drop_op(&state, U, DropBehavior::Restrict)]);
    assert!(refuse(&dropped, begin.clone()).is_conflict());
    let mut replaced = find(&state, U);
    replaced.kind = table_kind(Uuid::from_u128(9));
    let replaced = after(&state, vec![Op::ReplaceRelation { relation: replaced }]);
    assert!(refuse(&replaced, begin).is_conflict());
}

#[test]
fn a_transaction_sees_its_own_changes_and_commits_them_later() {
    let state = sample();
    let id = Uuid::from_u128(9);
    let create = Op::CreateRelation {
        relation: relation(21_000, id, "w", table_kind(id)),
    };
    let first = state.preview(std::slice::from_ref(&create)).unwrap();
    assert_eq!(first.seq, state.seq);
    let comment = Op::RenameRelation {
        target: find(&first, id).reference(),
        schema: "public".to_string(),
        name: "x".to_string(),
    };
    let second = first.preview(std::slice::from_ref(&comment)).unwrap();
    assert!(second.relation("public", "x").is_some());
    // Meanwhile others change other things; the base stays what the transaction saw.
    let moved = after(
        &state,
        vec![Op::CreateSchema {
            schema: schema(22_000, "elsewhere"),
        }],
    );
    let done = moved
        .apply(&entry(&moved, state.seq, vec![create, comment]))
        .unwrap();
    assert!(done.relation("public", "x").is_some());
}

#[test]
fn model_names_and_aliases_are_told_apart() {
    let state = sample();
    let found = state.model_by_id(M).unwrap();
    assert_eq!(found.resolve(None).map(|version| version.number), Some(1));
    assert_eq!(found.resolve(Some("1")), found.resolve(Some("default")));
    assert_eq!(found.resolve(Some("2")), None);
    assert_eq!(found.resolve(Some("champion")), None);
    let alias = |alias: &str| Op::SetAlias {
        target: found.reference(),
        alias: alias.to_string(),
        version: Some(1),
    };
    for bad in ["7", "", "a@b"] {
        assert!(
            matches!(
                refuse(&state, alias(bad)),
                CatalogError::InvalidDefinition { .. }
            ),
            "{bad}"
        );
    }
    after(&state, vec![alias("champion")]);
    let drop = Op::DropModelVersion {
        target: found.reference(),
        number: 1,
    };
    assert!(matches!(
        refuse(&state, drop),
        CatalogError::InvalidDefinition { .. }
    ));
}

#[test]
fn sequences_end_or_start_again_at_their_bounds() {
    let mut sequence = Sequence {
        max: 10,
        ..Sequence::ascending(SequenceType::SmallInt)
    };
    let (block, position) = sequence.take("s", sequence.initial_position(), 7).unwrap();
    assert_eq!((block.first, block.last(), position.next), (1, 7, Some(8)));
    let (block, position) = sequence.take("s", position, 7).unwrap();
    assert_eq!(
        (block.values().collect::<Vec<_>>(), position.next),
        (vec![8, 9, 10], None)
    );
    let error = sequence.take("s", position, 1).unwrap_err();
    assert!(
        matches!(error, CatalogError::SequenceExhausted { limit: 10, .. }),
        "{error}"
    );
    sequence.cycle = true;
    let (_, position) = sequence
        .take(
            "s",
            SequencePosition {
                next: Some(10),
                last: None,
            },
            1,
        )
        .unwrap();
    assert_eq!(position.next, Some(1));
    let down = Sequence {
        start: -1,
        increment: -2,
        min: -5,
        max: -1,
        ..sequence
    };
    let (block, position) = down.take("s", down.initial_position(), 9).unwrap();
    assert_eq!(
        (block.values().collect::<Vec<_>>(), position.next),
        (vec![-1, -3, -5], Some(-1))
    );
}

#[test]
fn the_widest_sequence_does_not_overflow() {
    let wide = Sequence {
        start: i64::MIN,
        increment: i64::MAX,
        min: i64::MIN,
        ..Sequence::ascending(SequenceType::BigInt)
    };
    assert_eq!(wide.fault(), None);
    let (block, position) = wide.take("s", wide.initial_position(), u32::MAX).unwrap();
    assert_eq!(
        block.values().collect::<Vec<_>>(),
        [i64::MIN, -1, i64::MAX - 1]
    );
    assert_eq!((block.last(), position.next), (i64::MAX - 1, None));
}

#[test]
fn entries_are_read_back_and_misplaced_ones_refused() {
    let state = sample();
    let intent = intent(1, &state, T, Vec::new());
    let entry = entry(&state, state.seq, vec![Op::BeginIntent { intent }]);
    let bytes = entry.encode().unwrap();
    assert!(
        String::from_utf8(bytes.clone()).unwrap().contains("Zoë"),
        "commits are readable text"
    );
    assert_eq!(
        crate::state::Entry::decode(entry.seq, &bytes).unwrap(),
        entry
    );
    let misplaced = crate::state::Entry::decode(entry.seq + 1, &bytes).unwrap_err();
    assert!(
        matches!(misplaced, CatalogError::Corrupt { .. }),
        "{misplaced}"
    );
    let gap = State::initial().apply(&entry).unwrap_err();
    assert!(matches!(gap, CatalogError::Corrupt { .. }), "{gap}");
}
