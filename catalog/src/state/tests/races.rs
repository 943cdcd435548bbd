//! When several processes change one log: is an acknowledged change ever lost, or made twice?

use std::collections::BTreeSet;

use uuid::Uuid;

use super::{Random, relation, sequence_kind, table_kind};
use crate::error::CatalogError;
use crate::state::{Op, State};
use crate::store::MetaStore;
use crate::store::memory::{Fault, MemoryStore};
use crate::store::replica::{Proposal, Replica};
use crate::store::sqlite::SqliteStore;
use crate::test_dir::TestDir;

/// Creates a table under a name that nobody else uses.
fn create(replica: &mut Replica, oid: u32, id: Uuid) -> Result<(), CatalogError> {
    let relation = relation(oid, id, &format!("t{id}"), table_kind(id));
    let base_seq = replica.state().seq;
    let proposal = Proposal {
        principal: "tarn",
        base_seq,
        ops: vec![Op::CreateRelation { relation }],
    };
    replica.commit(proposal).map(|_| ())
}

fn ids(state: &State) -> BTreeSet<Uuid> {
    state
        .relations
        .values()
        .map(|relation| relation.id)
        .collect()
}

#[test]
fn replicas_that_race_under_faults_lose_nothing() {
    for seed in 0..60 {
        let mut random = Random(seed);
        let store = MemoryStore::default();
        let open = || Replica::open(Box::new(store.clone())).unwrap();
        let mut replicas = [open(), open(), open()];
        let (mut acknowledged, mut refused) = (BTreeSet::new(), BTreeSet::new());
        for change in 0..80 {
            let fault =
                [Fault::None, Fault::None, Fault::Refused, Fault::ReplyLost][random.below(4)];
            store.fail_next(fault);
            let (who, id) = (random.below(3), random.uuid());
            match create(&mut replicas[who], 20_000 + change, id) {
                Ok(()) => acknowledged.insert(id),
                Err(error) => {
                    assert_eq!(fault, Fault::Refused, "seed {seed}: {error}");
                    refused.insert(id)
                }
            };
            if random.below(20) == 0 {
                replicas[random.below(3)] = open();
            }
        }
        assert!(refused.len() > 5, "seed {seed}");
        let log = store.clone().read_since(0).unwrap();
        assert_eq!(log.len(), acknowledged.len(), "seed {seed}: each once");
        assert_eq!(ids(open().state()), acknowledged, "seed {seed}");
        for replica in &mut replicas {
            replica.refresh().unwrap();
            assert_eq!(ids(replica.state()), acknowledged, "seed {seed}");
        }
    }
}

#[test]
fn two_connections_to_one_file_lose_nothing() {
    let dir = TestDir::new();
    std::fs::create_dir(dir.path()).unwrap();
    let path = dir.path().join("catalog.sqlite");
    let open = || Replica::open(Box::new(SqliteStore::open(&path).unwrap())).unwrap();
    let sequence = relation(30_000, Uuid::from_u128(1), "s", sequence_kind());
    let sequence_id = sequence.id;
    let ops = vec![Op::CreateRelation { relation: sequence }];
    open()
        .commit(Proposal {
            principal: "tarn",
            base_seq: 0,
            ops,
        })
        .unwrap();
    let work = |worker: u64| {
        let mut replica = open();
        let mut random = Random(worker);
        let mut taken = Vec::new();
        for change in 0..40 {
            // Another process can be faster sixteen times in a row; a client would try again too.
            while create(
                &mut replica,
                20_000 + 100 * worker as u32 + change,
                random.uuid(),
            )
            .is_err()
            {}
            taken.extend(
                replica
                    .take_numbers("tarn", sequence_id, 3)
                    .unwrap()
                    .values(),
            );
        }
        taken
    };
    let mut taken: Vec<i64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2)
            .map(|worker| scope.spawn(move || work(worker)))
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    taken.sort();
    assert_eq!(taken, (1..=240).collect::<Vec<i64>>());
    assert_eq!(open().state().relations.len(), 81);
}

#[test]
fn of_two_who_want_the_same_one_wins() {
    let store = MemoryStore::default();
    let open = || Replica::open(Box::new(store.clone())).unwrap();
    let (mut first, mut second) = (open(), open());
    let propose = |oid: u32, id: u128| {
        let relation = relation(
            oid,
            Uuid::from_u128(id),
            "t",
            table_kind(Uuid::from_u128(id)),
        );
        Proposal {
            principal: "tarn",
            base_seq: 0,
            ops: vec![Op::CreateRelation { relation }],
        }
    };
    first.commit(propose(20_000, 1)).unwrap();
    let error = second.commit(propose(20_001, 2)).unwrap_err();
    assert!(
        matches!(error, CatalogError::AlreadyExists { .. }),
        "{error}"
    );
    // The same object identifier for another name is a lost race, which a new proposal wins.
    let relation = relation(
        20_000,
        Uuid::from_u128(3),
        "u",
        table_kind(Uuid::from_u128(3)),
    );
    let ops = vec![Op::CreateRelation { relation }];
    let error = second
        .commit(Proposal {
            principal: "tarn",
            base_seq: 0,
            ops,
        })
        .unwrap_err();
    assert!(error.is_conflict(), "{error}");
}
