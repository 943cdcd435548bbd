//! Does a data directory open, stay ours, and keep what was acknowledged?

use std::fs;
use std::time::Instant;

use uuid::Uuid;

use crate::error::{CatalogError, ObjectKind};
use crate::state::{
    CommentTarget, Op, Relation, RelationKind, Sequence, SequenceType, State, Table,
};
use crate::store::sqlite::SqliteStore;
use crate::test_dir::TestDir;
use crate::{Catalog, data_dir::DataDir};

fn table(catalog: &Catalog, name: &str) -> Relation {
    let table = Table {
        location: format!("tables/{name}"),
        managed: true,
        ..Table::default()
    };
    relation(catalog, name, RelationKind::Table(table))
}

fn relation(catalog: &Catalog, name: &str, kind: RelationKind) -> Relation {
    Relation {
        oid: catalog.allocate_oid().unwrap(),
        id: Uuid::new_v4(),
        schema: "public".to_string(),
        name: name.to_string(),
        owner: "tarn".to_string(),
        comment: None,
        kind,
    }
}

#[test]
fn what_was_committed_is_there_after_opening_again() {
    let dir = TestDir::new();
    let catalog = Catalog::open(dir.path()).unwrap();
    let relation = table(&catalog, "t");
    let state = catalog
        .commit(
            "tarn",
            0,
            vec![Op::CreateRelation {
                relation: relation.clone(),
            }],
        )
        .unwrap();
    assert_eq!(*catalog.state(), *state);
    drop(catalog);
    let catalog = Catalog::open(dir.path()).unwrap();
    assert_eq!(*catalog.state(), *state);
    assert_eq!(**catalog.state().relation("public", "t").unwrap(), relation);
    assert!(catalog.allocate_oid().unwrap() > relation.oid);
}

#[test]
fn a_refused_change_leaves_no_trace() {
    let dir = TestDir::new();
    let catalog = Catalog::open(dir.path()).unwrap();
    let first = table(&catalog, "t");
    let before = catalog
        .commit("tarn", 0, vec![Op::CreateRelation { relation: first }])
        .unwrap();
    let ops = ["u", "t"].map(|name| Op::CreateRelation {
        relation: table(&catalog, name),
    });
    let error = catalog
        .commit("tarn", before.seq, ops.to_vec())
        .unwrap_err();
    assert!(
        matches!(&error, CatalogError::AlreadyExists { kind: ObjectKind::Relation, name } if name == "t"),
        "{error}"
    );
    assert_eq!(*catalog.state(), *before);
    drop(catalog);
    assert_eq!(*Catalog::open(dir.path()).unwrap().state(), *before);
}

#[test]
fn a_second_open_is_refused_and_told_the_process() {
    let dir = TestDir::new();
    let catalog = Catalog::open(dir.path()).unwrap();
    match Catalog::open(dir.path()).map(|_| ()) {
        Err(CatalogError::Locked { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
        other => panic!("{other:?}"),
    }
    drop(catalog);
    Catalog::open(dir.path()).unwrap();
}

#[test]
fn a_newer_layout_is_refused_and_left_alone() {
    let dir = TestDir::new();
    drop(Catalog::open(dir.path()).unwrap());
    fs::write(dir.path().join("FORMAT"), "tarn-data 7\n").unwrap();
    fs::write(dir.path().join("spill/kept"), "").unwrap();
    let error = Catalog::open(dir.path()).map(|_| ()).unwrap_err();
    assert!(
        matches!(
            error,
            CatalogError::FormatTooNew {
                found: 7,
                supported: 1,
                ..
            }
        ),
        "{error}"
    );
    assert!(dir.path().join("spill/kept").exists());
}

#[test]
fn a_newer_catalog_file_or_entry_is_refused() {
    let dir = TestDir::new();
    let catalog = Catalog::open(dir.path()).unwrap();
    let relation = table(&catalog, "t");
    catalog
        .commit("tarn", 0, vec![Op::CreateRelation { relation }])
        .unwrap();
    let file = catalog.data_dir().catalog_path();
    drop(catalog);
    let execute = |sql: &str| {
        rusqlite::Connection::open(&file)
            .unwrap()
            .execute_batch(sql)
            .unwrap()
    };
    execute("UPDATE meta SET format_version = 9");
    let error = SqliteStore::open(&file).map(|_| ()).unwrap_err();
    assert!(
        matches!(error, CatalogError::FormatTooNew { found: 9, .. }),
        "{error}"
    );
    // An entry of a newer format may hold anything else, and still says so and not "damaged".
    execute(
        "UPDATE meta SET format_version = 1; UPDATE log SET entry = CAST('{\"format_version\": 2, \"new\": []}' AS BLOB)",
    );
    let error = Catalog::open(dir.path()).map(|_| ()).unwrap_err();
    assert!(
        matches!(error, CatalogError::FormatTooNew { found: 2, .. }),
        "{error}"
    );
}

#[test]
fn damage_is_told_apart_from_a_fresh_directory() {
    let dir = TestDir::new();
    let catalog = Catalog::open(dir.path()).unwrap();
    for name in ["t", "u", "v"] {
        let relation = table(&catalog, name);
        catalog
            .commit(
                "tarn",
                catalog.state().seq,
                vec![Op::CreateRelation { relation }],
            )
            .unwrap();
    }
    let file = catalog.data_dir().catalog_path();
    drop(catalog);
    rusqlite::Connection::open(&file)
        .unwrap()
        .execute_batch("DELETE FROM log WHERE seq = 2")
        .unwrap();
    let error = Catalog::open(dir.path()).map(|_| ()).unwrap_err();
    assert!(matches!(error, CatalogError::Corrupt { .. }), "{error}");
    fs::write(
        &file,
        "this is no database, and it is longer than a header of one hundred bytes is. ".repeat(9),
    )
    .unwrap();
    let error = Catalog::open(dir.path()).map(|_| ()).unwrap_err();
    assert!(matches!(error, CatalogError::Corrupt { .. }), "{error}");
    fs::create_dir(dir.path().join("tables/t")).unwrap();
    fs::remove_file(&file).unwrap();
    let error = Catalog::open(dir.path()).map(|_| ()).unwrap_err();
    assert!(matches!(error, CatalogError::Corrupt { .. }), "{error}");
}

#[test]
fn a_directory_of_somebody_else_is_left_alone() {
    let dir = TestDir::new();
    fs::create_dir(dir.path()).unwrap();
    fs::write(dir.path().join("thesis.txt"), "").unwrap();
    let error = DataDir::open(dir.path()).unwrap_err();
    assert!(
        matches!(error, CatalogError::NotADataDirectory { .. }),
        "{error}"
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_first_start_that_died_early_starts_again() {
    let dir = TestDir::new();
    fs::create_dir(dir.path()).unwrap();
    fs::write(dir.path().join("LOCK"), "1\n").unwrap();
    fs::write(dir.path().join("FORMAT.tmp"), "tarn-d").unwrap();
    drop(Catalog::open(dir.path()).unwrap());
    fs::remove_file(dir.path().join("catalog.sqlite")).unwrap();
    assert_eq!(
        *Catalog::open(dir.path()).unwrap().state(),
        State::initial()
    );
}

#[test]
fn spill_files_are_purged_but_not_what_a_link_there_points_to() {
    let dir = TestDir::new();
    drop(Catalog::open(dir.path()).unwrap());
    let kept = dir.path().join("tables/kept");
    fs::create_dir_all(&kept).unwrap();
    fs::write(kept.join("file"), "").unwrap();
    fs::create_dir_all(dir.path().join("spill/a/b")).unwrap();
    fs::write(dir.path().join("spill/a/b/c"), "").unwrap();
    std::os::unix::fs::symlink(&kept, dir.path().join("spill/link")).unwrap();
    drop(Catalog::open(dir.path()).unwrap());
    assert_eq!(fs::read_dir(dir.path().join("spill")).unwrap().count(), 0);
    assert!(kept.join("file").exists());
}

#[test]
fn relative_paths_stay_inside() {
    let dir = TestDir::new();
    let data_dir = DataDir::open(dir.path()).unwrap();
    assert!(
        data_dir
            .resolve("models/a/1.model")
            .unwrap()
            .starts_with(data_dir.root())
    );
    for path in ["", "../x", "models/../../x", "/etc/passwd", "./x"] {
        assert!(data_dir.resolve(path).is_err(), "{path}");
    }
}

#[test]
fn numbers_are_given_once_and_survive_opening_again() {
    let dir = TestDir::new();
    let catalog = Catalog::open(dir.path()).unwrap();
    let kind = RelationKind::Sequence(Sequence::ascending(SequenceType::BigInt));
    let sequence = relation(&catalog, "s", kind);
    let id = sequence.id;
    catalog
        .commit("tarn", 0, vec![Op::CreateRelation { relation: sequence }])
        .unwrap();
    let mut taken: Vec<i64> = std::thread::scope(|scope| {
        let take = || {
            (0..20)
                .flat_map(|_| catalog.take_numbers("tarn", id, 7).unwrap().values())
                .collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(take)).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    taken.sort();
    assert_eq!(taken, (1..=420).collect::<Vec<i64>>());
    drop(catalog);
    let catalog = Catalog::open(dir.path()).unwrap();
    assert_eq!(catalog.take_numbers("tarn", id, 1).unwrap().first, 421);
}

#[test]
fn sessions_that_create_different_things_do_not_collide() {
    let dir = TestDir::new();
    let catalog = Catalog::open(dir.path()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let catalog = &catalog;
            scope.spawn(move || {
                for index in 0..10 {
                    let relation = table(catalog, &format!("t{thread}_{index}"));
                    catalog
                        .commit("tarn", 0, vec![Op::CreateRelation { relation }])
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(catalog.state().relations.len(), 40);
    assert_eq!(catalog.state().seq, 40);
}

#[tokio::test]
async fn commits_can_be_awaited() {
    let dir = TestDir::new();
    let catalog = Catalog::open(dir.path()).unwrap();
    let relation = table(&catalog, "t");
    let state = catalog
        .commit_async("tarn", 0, vec![Op::CreateRelation { relation }])
        .await
        .unwrap();
    assert_eq!(state.seq, 1);
}

/// Ten thousand changes, written without their fsync to keep the test short, open in well under a second:
/// the snapshot does it, which is also checked to be what full replay gives.
#[test]
fn a_long_log_opens_fast() {
    let dir = TestDir::new();
    let catalog = Catalog::open(dir.path()).unwrap();
    let mut state = State::initial();
    let connection = rusqlite::Connection::open(catalog.data_dir().catalog_path()).unwrap();
    connection.execute_batch("BEGIN").unwrap();
    for seq in 1..=10_000 {
        let op = if seq <= 1_000 {
            let mut relation = table(&catalog, &format!("t{seq}"));
            relation.oid = state.next_oid;
            Op::CreateRelation { relation }
        } else {
            let relation = state
                .relation("public", &format!("t{}", seq % 1_000 + 1))
                .unwrap();
            let target = CommentTarget::Relation(relation.reference());
            Op::SetComment {
                target,
                comment: Some(format!("comment {seq}")),
            }
        };
        let entry = crate::state::Entry {
            format_version: 1,
            seq,
            base_seq: seq - 1,
            uuid: Uuid::new_v4(),
            principal: "tarn".to_string(),
            at_micros: 0,
            ops: vec![op],
        };
        state = state.apply_owned(&entry).unwrap();
        let bytes = entry.encode().unwrap();
        connection
            .execute(
                "INSERT INTO log VALUES (?1, ?2)",
                rusqlite::params![seq as i64, bytes],
            )
            .unwrap();
    }
    connection.execute_batch("COMMIT").unwrap();
    drop(connection);
    drop(catalog);
    let start = Instant::now();
    assert_eq!(*Catalog::open(dir.path()).unwrap().state(), state);
    println!("full replay: {:?}", start.elapsed());
    let start = Instant::now();
    let catalog = Catalog::open(dir.path()).unwrap();
    let elapsed = start.elapsed();
    println!("snapshot: {elapsed:?}");
    assert_eq!(*catalog.state(), state);
    assert!(elapsed.as_millis() < 1000, "opening took {elapsed:?}");
}
