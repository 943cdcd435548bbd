//! What is there when the catalog is opened again after a crash?

use tarn_catalog::Catalog;
use tarn_catalog::state::{Intent, IntentTable, Op, Relation};
use tarn_catalog::table::commit::{self, Rebase, TransactionId};
use tarn_catalog::table::log::{self, Action};
use tarn_catalog::table::write::{WriteTarget, write_rows};
use uuid::Uuid;

use crate::rows::{Scratch, stream};
use crate::transactions::{add, committed, create, find, keys};

/// The commit that adds one key to a table, its file written.
async fn prepared(catalog: &Catalog, id: TransactionId, table: &Relation, key: i32) -> Vec<Action> {
    let location = catalog.location_of(table).unwrap();
    let read = catalog.tables().newest(&location).await.unwrap();
    let target = WriteTarget::of(&location, &read).unwrap();
    let rows = stream(vec![keys([key])]);
    let written = write_rows(catalog.tables(), &target, rows).await.unwrap();
    let adds = written.keep().0.into_iter().map(Action::from).collect();
    commit::complete(id, "WRITE", Some(read.version), adds)
}

/// A crash after the intent and `written` of its two table commits, and `ended` or not.
async fn crash(catalog: &Catalog, written: usize, ended: bool, foreign: bool) {
    let tables = [find(catalog, "a"), find(catalog, "b")];
    let id = TransactionId(Uuid::new_v4());
    let mut owed = Vec::new();
    let mut commits = Vec::new();
    for table in &tables {
        let actions = prepared(catalog, id, table, 7).await;
        let location = catalog.location_of(table).unwrap();
        let read = catalog.tables().newest(&location).await.unwrap();
        owed.push(IntentTable {
            relation: table.id,
            location: table.table().unwrap().location.clone(),
            read_version: Some(read.version),
            commit_json: log::encode(&actions).unwrap().into_bytes(),
        });
        commits.push((location, read, actions));
    }
    let intent = Intent {
        id: id.0,
        tables: owed,
        ops: Vec::new(),
    };
    let begin = vec![Op::BeginIntent { intent }];
    catalog.commit("tarn", catalog.state().seq, begin).unwrap();
    for (location, read, actions) in commits.into_iter().take(written) {
        commit::publish(
            catalog.tables(),
            &location,
            id,
            &read,
            Rebase::Owed,
            actions,
        )
        .await
        .unwrap();
    }
    if ended {
        let end = vec![Op::CompleteIntent { id: id.0 }];
        catalog.commit("tarn", catalog.state().seq, end).unwrap();
    }
    if foreign {
        // Another program appends to the table whose commit is owed.
        let id = TransactionId(Uuid::new_v4());
        let actions = prepared(catalog, id, &tables[1], 8).await;
        let location = catalog.location_of(&tables[1]).unwrap();
        let read = catalog.tables().newest(&location).await.unwrap();
        commit::publish(
            catalog.tables(),
            &location,
            id,
            &read,
            Rebase::Append,
            actions,
        )
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn a_crash_at_any_step_is_completed() {
    for (written, ended, foreign) in [
        (0, false, false),
        (1, false, false),
        (2, false, false),
        (2, true, false),
        (0, false, true),
        (1, false, true),
    ] {
        let scratch = Scratch::new();
        let data = scratch.0.join("data");
        let catalog = Catalog::open(&data).unwrap();
        create(&catalog, "a", keys([1])).await;
        create(&catalog, "b", keys([1])).await;
        crash(&catalog, written, ended, foreign).await;
        drop(catalog);
        for reopened in 0..2 {
            let catalog = Catalog::open(&data).unwrap();
            let case = format!("{written} {ended} {foreign} {reopened}");
            assert!(catalog.state().intents.is_empty(), "{case}");
            assert_eq!(
                committed(&catalog, &find(&catalog, "a")).await,
                [1, 7],
                "{case}"
            );
            let expected: &[i32] = if foreign { &[1, 7, 8] } else { &[1, 7] };
            assert_eq!(
                committed(&catalog, &find(&catalog, "b")).await,
                expected,
                "{case}"
            );
        }
    }
}

#[tokio::test]
async fn who_touches_a_table_with_an_owed_commit_finishes_it() {
    let scratch = Scratch::new();
    let catalog = Catalog::open(&scratch.0.join("data")).unwrap();
    let (a, b) = (
        create(&catalog, "a", keys([1])).await,
        create(&catalog, "b", keys([1])).await,
    );
    crash(&catalog, 1, false, false).await;
    assert_eq!(committed(&catalog, &b).await, [1, 7]);
    assert!(catalog.state().intents.is_empty());
    assert_eq!(committed(&catalog, &a).await, [1, 7]);
}

#[tokio::test]
async fn a_crash_before_the_intent_leaves_the_old_state() {
    let scratch = Scratch::new();
    let data = scratch.0.join("data");
    let catalog = Catalog::open(&data).unwrap();
    let a = create(&catalog, "a", keys([1])).await;
    // Data files without a commit, and version 0 of a table that was never published.
    prepared(&catalog, TransactionId(Uuid::new_v4()), &a, 7).await;
    drop(catalog);
    let catalog = Catalog::open(&data).unwrap();
    assert_eq!(committed(&catalog, &a).await, [1]);
    assert_eq!(add(&catalog, &a, 2).await.unwrap().versions[&a.id], 1);
}
