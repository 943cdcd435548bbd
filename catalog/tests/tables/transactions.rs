//! Do transactions show all of themselves to themselves, all or nothing to others, and survive a crash?

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{AsArray, Int32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use tarn_catalog::Catalog;
use tarn_catalog::error::CatalogError;
use tarn_catalog::state::{DropBehavior, Op, Relation, RelationKind, Table};
use tarn_catalog::table::error::TableError;
use tarn_catalog::table::scan::PlaceColumns;
use tarn_catalog::table::version::FileId;
use tarn_catalog::transaction::{AsOf, Receipt, Transaction};
use uuid::Uuid;

use crate::rows::{Scratch, query, stream};

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("k", DataType::Int32, false)]))
}

pub fn keys(values: impl IntoIterator<Item = i32>) -> RecordBatch {
    let column = Int32Array::from_iter_values(values);
    RecordBatch::try_new(schema(), vec![Arc::new(column)]).unwrap()
}

pub fn relation(catalog: &Catalog, name: &str) -> Relation {
    let id = Uuid::new_v4();
    Relation {
        oid: catalog.allocate_oid().unwrap(),
        id,
        schema: "public".to_string(),
        name: name.to_string(),
        owner: "tarn".to_string(),
        comment: None,
        kind: RelationKind::Table(Table {
            location: format!("tables/{id}"),
            managed: true,
            ..Table::default()
        }),
    }
}

pub fn find(catalog: &Catalog, name: &str) -> Relation {
    let state = catalog.state();
    state.relation("public", name).unwrap().as_ref().clone()
}

pub async fn create(catalog: &Catalog, name: &str, rows: RecordBatch) -> Relation {
    let table = relation(catalog, name);
    let mut transaction = catalog.begin();
    transaction
        .create_table(table.clone(), schema(), Vec::new())
        .await
        .unwrap();
    transaction
        .append(&table, stream(vec![rows]))
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    table
}

async fn seen(transaction: &mut Transaction, table: &Relation) -> Vec<i32> {
    let snapshot = transaction.snapshot(table).await.unwrap();
    let found = query(snapshot.provider(), "SELECT k FROM t ORDER BY k").await;
    found
        .column(0)
        .as_primitive::<Int32Type>()
        .values()
        .to_vec()
}

pub async fn committed(catalog: &Catalog, table: &Relation) -> Vec<i32> {
    seen(&mut catalog.begin(), table).await
}

/// Adds one key in a transaction of its own.
pub async fn add(catalog: &Catalog, table: &Relation, key: i32) -> Result<Receipt, CatalogError> {
    let mut transaction = catalog.begin();
    transaction.append(table, stream(vec![keys([key])])).await?;
    transaction.commit().await
}

/// Replaces all rows by their keys plus 100.
async fn rewrite_all(transaction: &mut Transaction, table: &Relation) {
    let snapshot = transaction.snapshot(table).await.unwrap();
    let place = PlaceColumns {
        file: "file",
        row: "row",
    };
    let provider = snapshot.provider_with_places(place, None).unwrap();
    let found = query(provider, "SELECT k, file, row FROM t ORDER BY file, row").await;
    let numbers = found.column(2).as_primitive::<Int64Type>();
    let files = found.column(1).as_string::<i32>();
    let mut removed: Vec<FileId> = files
        .iter()
        .flatten()
        .map(|path| FileId(path.to_string()))
        .collect();
    for row in 0..found.num_rows() {
        let is_first = row == 0 || removed[row - 1] != removed[row];
        let expected = if is_first {
            0
        } else {
            numbers.value(row - 1) + 1
        };
        assert_eq!(numbers.value(row), expected, "row {row}");
    }
    removed.dedup();
    let rows = keys(
        found
            .column(0)
            .as_primitive::<Int32Type>()
            .values()
            .iter()
            .map(|k| k + 100),
    );
    transaction
        .rewrite(table, stream(vec![rows]), || removed, "UPDATE")
        .await
        .unwrap();
}

fn data_files(directory: &Path) -> usize {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.path().extension().is_some_and(|end| end == "parquet"))
        .count()
}

#[tokio::test]
async fn a_transaction_reads_its_own_writes_and_others_do_not() {
    let scratch = Scratch::new();
    let catalog = Catalog::open(&scratch.0.join("data")).unwrap();
    let table = relation(&catalog, "t");
    let mut transaction = catalog.begin();
    transaction
        .create_table(table.clone(), schema(), Vec::new())
        .await
        .unwrap();
    assert_eq!(seen(&mut transaction, &table).await, Vec::<i32>::new());
    transaction
        .append(&table, stream(vec![keys([1, 2])]))
        .await
        .unwrap();
    assert_eq!(seen(&mut transaction, &table).await, [1, 2]);
    assert!(catalog.state().relation("public", "t").is_none());
    let receipt = transaction.commit().await.unwrap();
    assert_eq!(
        receipt.versions,
        BTreeMap::from([(table.id, 0)]),
        "CTAS is one Delta commit"
    );

    let mut reader = catalog.begin();
    assert_eq!(seen(&mut reader, &table).await, [1, 2]);
    let mut writer = catalog.begin();
    writer
        .append(&table, stream(vec![keys([3])]))
        .await
        .unwrap();
    writer
        .append(&table, stream(vec![keys([4])]))
        .await
        .unwrap();
    assert_eq!(seen(&mut writer, &table).await, [1, 2, 3, 4]);
    rewrite_all(&mut writer, &table).await;
    assert_eq!(seen(&mut writer, &table).await, [101, 102, 103, 104]);
    let receipt = writer.commit().await.unwrap();
    assert_eq!(
        receipt.versions[&table.id], 1,
        "one transaction is one Delta commit"
    );
    assert_eq!(
        seen(&mut reader, &table).await,
        [1, 2],
        "a reader stays at its version"
    );
    assert_eq!(committed(&catalog, &table).await, [101, 102, 103, 104]);
    // The files of keys 3 and 4 were never committed and are gone; that of keys 1 and 2 is history.
    let directory = catalog.location_of(&table).unwrap();
    assert_eq!(data_files(directory.directory()), 2);
}

#[tokio::test]
async fn rollback_leaves_nothing() {
    let scratch = Scratch::new();
    let catalog = Catalog::open(&scratch.0.join("data")).unwrap();
    let table = create(&catalog, "t", keys([1])).await;
    let other = relation(&catalog, "u");
    let mut transaction = catalog.begin();
    transaction
        .append(&table, stream(vec![keys([2])]))
        .await
        .unwrap();
    transaction
        .create_table(other.clone(), schema(), Vec::new())
        .await
        .unwrap();
    transaction
        .append(&other, stream(vec![keys([3])]))
        .await
        .unwrap();
    let directory = catalog.location_of(&other).unwrap();
    assert!(directory.directory().exists());
    transaction.rollback();
    assert!(!directory.directory().exists());
    assert_eq!(
        data_files(catalog.location_of(&table).unwrap().directory()),
        1
    );
    assert_eq!(committed(&catalog, &table).await, [1]);
}

#[tokio::test]
async fn savepoints_take_back_rows_and_tables() {
    let scratch = Scratch::new();
    let catalog = Catalog::open(&scratch.0.join("data")).unwrap();
    let table = create(&catalog, "t", keys([1])).await;
    let mut transaction = catalog.begin();
    transaction
        .append(&table, stream(vec![keys([2])]))
        .await
        .unwrap();
    let savepoint = transaction.savepoint();
    transaction.truncate(&table).await.unwrap();
    assert_eq!(seen(&mut transaction, &table).await, Vec::<i32>::new());
    let other = relation(&catalog, "u");
    transaction
        .create_table(other.clone(), schema(), Vec::new())
        .await
        .unwrap();
    transaction.rollback_to(&savepoint);
    assert_eq!(seen(&mut transaction, &table).await, [1, 2]);
    assert!(transaction.state().relation("public", "u").is_none());
    transaction
        .append(&table, stream(vec![keys([3])]))
        .await
        .unwrap();
    transaction.rollback_to(&savepoint);
    transaction.commit().await.unwrap();
    assert_eq!(committed(&catalog, &table).await, [1, 2]);
    assert!(catalog.state().relation("public", "u").is_none());
    assert!(!catalog.location_of(&other).unwrap().directory().exists());
}

#[tokio::test]
async fn of_two_rewrites_one_wins_and_two_appends_both() {
    let scratch = Scratch::new();
    let catalog = Catalog::open(&scratch.0.join("data")).unwrap();
    let table = create(&catalog, "t", keys([1])).await;
    let (mut first, mut second) = (catalog.begin(), catalog.begin());
    rewrite_all(&mut first, &table).await;
    rewrite_all(&mut second, &table).await;
    first.commit().await.unwrap();
    let files = data_files(catalog.location_of(&table).unwrap().directory());
    assert!(second.commit().await.unwrap_err().is_conflict());
    assert_eq!(committed(&catalog, &table).await, [101]);
    assert_eq!(
        data_files(catalog.location_of(&table).unwrap().directory()),
        files - 1
    );

    let (mut first, mut second, mut third) = (catalog.begin(), catalog.begin(), catalog.begin());
    first.append(&table, stream(vec![keys([2])])).await.unwrap();
    second
        .append(&table, stream(vec![keys([3])]))
        .await
        .unwrap();
    third.truncate(&table).await.unwrap();
    first.commit().await.unwrap();
    assert_eq!(second.commit().await.unwrap().versions[&table.id], 3);
    assert!(third.commit().await.unwrap_err().is_conflict());
    assert_eq!(committed(&catalog, &table).await, [2, 3, 101]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_appends_at_once_lose_nothing() {
    let scratch = Scratch::new();
    let catalog = Catalog::open(&scratch.0.join("data")).unwrap();
    let table = create(&catalog, "t", keys([])).await;
    let tasks: Vec<_> = (0..60)
        .map(|key| {
            let (catalog, table) = (catalog.clone(), table.clone());
            tokio::spawn(async move { add(&catalog, &table, key).await.unwrap() })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(
        committed(&catalog, &table).await,
        (0..60).collect::<Vec<_>>()
    );
    let location = catalog.location_of(&table).unwrap();
    let hint = location.directory().join("_delta_log/_last_checkpoint");
    for _ in 0..200 {
        if hint.exists() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(hint.exists(), "commit 50 makes a checkpoint");
    drop(catalog);
    let catalog = Catalog::open(&scratch.0.join("data")).unwrap();
    assert_eq!(
        committed(&catalog, &table).await,
        (0..60).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn several_tables_and_definitions_commit_together() {
    let scratch = Scratch::new();
    let catalog = Catalog::open(&scratch.0.join("data")).unwrap();
    let (a, b) = (
        create(&catalog, "a", keys([1])).await,
        create(&catalog, "b", keys([1])).await,
    );
    let c = relation(&catalog, "c");
    let mut transaction = catalog.begin();
    transaction
        .append(&a, stream(vec![keys([2])]))
        .await
        .unwrap();
    transaction.truncate(&b).await.unwrap();
    transaction
        .create_table(c.clone(), schema(), Vec::new())
        .await
        .unwrap();
    transaction
        .append(&c, stream(vec![keys([3])]))
        .await
        .unwrap();
    let receipt = transaction.commit().await.unwrap();
    assert_eq!(
        receipt.versions,
        BTreeMap::from([(a.id, 1), (b.id, 1), (c.id, 0)])
    );
    assert!(catalog.state().intents.is_empty());
    assert_eq!(receipt.seq, catalog.state().seq);
    assert_eq!(committed(&catalog, &a).await, [1, 2]);
    assert_eq!(committed(&catalog, &b).await, Vec::<i32>::new());
    assert_eq!(committed(&catalog, &c).await, [3]);

    // One table has moved: nothing of the transaction happens.
    let mut late = catalog.begin();
    late.append(&a, stream(vec![keys([9])])).await.unwrap();
    late.truncate(&b).await.unwrap();
    late.truncate(&c).await.unwrap();
    add(&catalog, &c, 4).await.unwrap();
    assert!(late.commit().await.unwrap_err().is_conflict());
    assert!(catalog.state().intents.is_empty());
    assert_eq!(committed(&catalog, &a).await, [1, 2]);
    assert_eq!(committed(&catalog, &c).await, [3, 4]);
}

#[tokio::test]
async fn a_dropped_table_takes_no_more_rows() {
    let scratch = Scratch::new();
    let catalog = Catalog::open(&scratch.0.join("data")).unwrap();
    let table = create(&catalog, "t", keys([1])).await;
    let mut late = catalog.begin();
    late.append(&table, stream(vec![keys([2])])).await.unwrap();
    let mut dropper = catalog.begin();
    let op = Op::DropRelation {
        target: table.reference(),
        behavior: DropBehavior::Restrict,
    };
    dropper.apply(op).unwrap();
    assert!(dropper.state().relation("public", "t").is_none());
    assert!(catalog.state().relation("public", "t").is_some());
    dropper.commit().await.unwrap();
    assert!(late.commit().await.unwrap_err().is_conflict());
    // The name is free for another table at another location.
    let again = create(&catalog, "t", keys([5])).await;
    assert_eq!(committed(&catalog, &again).await, [5]);
}

#[tokio::test]
async fn of_two_tables_of_one_name_one_wins() {
    let scratch = Scratch::new();
    let catalog = Catalog::open(&scratch.0.join("data")).unwrap();
    let (first_table, second_table) = (relation(&catalog, "t"), relation(&catalog, "t"));
    let (mut first, mut second) = (catalog.begin(), catalog.begin());
    first
        .create_table(first_table.clone(), schema(), Vec::new())
        .await
        .unwrap();
    second
        .create_table(second_table.clone(), schema(), Vec::new())
        .await
        .unwrap();
    first.commit().await.unwrap();
    second.commit().await.unwrap_err();
    assert_eq!(find(&catalog, "t").id, first_table.id);
    assert!(
        !catalog
            .location_of(&second_table)
            .unwrap()
            .directory()
            .exists()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_nobody_waits_for_ends_whole() {
    let scratch = Scratch::new();
    let catalog = Catalog::open(&scratch.0.join("data")).unwrap();
    let (a, b) = (
        create(&catalog, "a", keys([])).await,
        create(&catalog, "b", keys([])).await,
    );
    for key in 0..20 {
        let mut transaction = catalog.begin();
        for table in [&a, &b] {
            let rows = stream(vec![keys([key])]);
            transaction.append(table, rows).await.unwrap();
        }
        let wait = std::time::Duration::from_micros(200 * key as u64);
        // The client is gone before the answer, or just in time.
        let _ = tokio::time::timeout(wait, transaction.commit()).await;
    }
    let expected: Vec<i32> = (0..20).collect();
    for _ in 0..100 {
        if committed(&catalog, &a).await == expected && committed(&catalog, &b).await == expected {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!(
        "{:?} {:?}",
        committed(&catalog, &a).await,
        committed(&catalog, &b).await
    );
}

#[tokio::test]
async fn a_table_elsewhere_is_made_and_found_again() {
    let scratch = Scratch::new();
    let catalog = Catalog::open(&scratch.0.join("data")).unwrap();
    let elsewhere = |name: &str| {
        let mut table = relation(&catalog, name);
        table.kind = RelationKind::Table(Table {
            location: format!("file://{}/elsewhere", scratch.0.display()),
            ..Table::default()
        });
        table
    };
    let (taken, table) = (relation(&catalog, "t"), elsewhere("t"));
    let (mut first, mut second) = (catalog.begin(), catalog.begin());
    first
        .create_table(taken.clone(), schema(), Vec::new())
        .await
        .unwrap();
    second
        .create_table(table.clone(), schema(), Vec::new())
        .await
        .unwrap();
    second
        .append(&table, stream(vec![keys([1])]))
        .await
        .unwrap();
    first.commit().await.unwrap();
    // The name is taken, so the directory is left as it was: without a table.
    second.commit().await.unwrap_err();
    let location = catalog.location_of(&table).unwrap();
    assert!(catalog.tables().newest(&location).await.is_err());
    assert_eq!(data_files(location.directory()), 0);

    let table = elsewhere("u");
    let mut third = catalog.begin();
    third
        .create_table(table.clone(), schema(), Vec::new())
        .await
        .unwrap();
    third.append(&table, stream(vec![keys([2])])).await.unwrap();
    third.commit().await.unwrap();
    let again = elsewhere("v");
    let mut fourth = catalog.begin();
    let refused = fourth
        .create_table(again.clone(), schema(), Vec::new())
        .await;
    assert!(matches!(refused, Err(CatalogError::Table(_))));
    fourth
        .apply(Op::CreateRelation {
            relation: again.clone(),
        })
        .unwrap();
    assert_eq!(seen(&mut fourth, &again).await, [2]);
}

#[tokio::test]
async fn older_versions_are_read_by_number_and_time() {
    let scratch = Scratch::new();
    let catalog = Catalog::open(&scratch.0.join("data")).unwrap();
    let table = create(&catalog, "t", keys([1])).await;
    let mut times = vec![chrono::Utc::now().timestamp_micros()];
    for key in 2..5 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        add(&catalog, &table, key).await.unwrap();
        times.push(chrono::Utc::now().timestamp_micros());
    }
    let transaction = catalog.begin();
    for version in 0..4 {
        let expected: Vec<i32> = (1..version + 2).collect();
        for as_of in [
            AsOf::Version(version as u64),
            AsOf::TimestampMicros(times[version as usize]),
        ] {
            let snapshot = transaction.snapshot_at(&table, as_of).await.unwrap();
            let found = query(snapshot.provider(), "SELECT k FROM t ORDER BY k").await;
            assert_eq!(
                found.column(0).as_primitive::<Int32Type>().values(),
                &expected[..],
                "{as_of:?}"
            );
        }
    }
    for as_of in [AsOf::Version(4), AsOf::TimestampMicros(0)] {
        let error = transaction.snapshot_at(&table, as_of).await.unwrap_err();
        assert!(
            matches!(error, CatalogError::Table(error) if matches!(*error, TableError::NoSuchVersion { .. }))
        );
    }
}

#[tokio::test]
async fn a_failed_or_cancelled_write_leaves_no_files() {
    let scratch = Scratch::new();
    let catalog = Catalog::open(&scratch.0.join("data")).unwrap();
    let table = create(&catalog, "t", keys([1])).await;
    let directory = catalog.location_of(&table).unwrap();
    let files = || std::fs::read_dir(directory.directory()).unwrap().count();
    let before = files();

    let mut transaction = catalog.begin();
    let failing = futures::stream::iter(vec![
        Ok(keys(0..100_000)),
        Err(DataFusionError::Execution("no more".to_string())),
    ]);
    let failing = Box::pin(RecordBatchStreamAdapter::new(schema(), failing));
    transaction.append(&table, failing).await.unwrap_err();

    let nullable = Arc::new(Schema::new(vec![Field::new("k", DataType::Int32, true)]));
    let column = Int32Array::from(vec![Some(1), None]);
    let with_null = RecordBatch::try_new(nullable, vec![Arc::new(column)]).unwrap();
    let error = transaction
        .append(&table, stream(vec![keys([5]), with_null]))
        .await
        .unwrap_err();
    assert!(
        matches!(error, CatalogError::Table(error) if matches!(*error, TableError::NotNull { .. }))
    );

    let endless = futures::stream::repeat_with(|| Ok(keys(0..1_000)));
    let endless = futures::StreamExt::then(endless, |rows| async {
        tokio::task::yield_now().await;
        rows
    });
    let endless = Box::pin(RecordBatchStreamAdapter::new(schema(), endless));
    let wait = std::time::Duration::from_millis(300);
    tokio::time::timeout(wait, transaction.append(&table, endless))
        .await
        .unwrap_err();

    // The statement failed, the transaction did not.
    transaction
        .append(&table, stream(vec![keys([2])]))
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(files(), before + 1);
    assert_eq!(committed(&catalog, &table).await, [1, 2]);
}

#[tokio::test]
async fn many_rows_and_partitions_in_bounded_memory() {
    let scratch = Scratch::new();
    let catalog = Catalog::open(&scratch.0.join("data")).unwrap();
    let schema = Arc::new(Schema::new(vec![
        Field::new("p", DataType::Int32, true),
        Field::new("k", DataType::Int32, false),
    ]));
    let table = relation(&catalog, "t");
    let batches = (0..20).map(|batch| {
        let rows = 10_000;
        let k = Int32Array::from_iter_values((0..rows).map(|row| batch * rows + row));
        let p = Int32Array::from_iter_values((0..rows).map(|row| row % 200));
        RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(p), Arc::new(k)]).unwrap()
    });
    let mut transaction = catalog.begin();
    transaction
        .create_table(table.clone(), Arc::clone(&schema), vec!["p".to_string()])
        .await
        .unwrap();
    let rows = transaction
        .append(&table, stream(batches.collect()))
        .await
        .unwrap();
    assert_eq!(rows, 200_000);
    transaction.commit().await.unwrap();
    let snapshot = catalog.begin().snapshot(&table).await.unwrap();
    assert_eq!(snapshot.row_count_estimate(), Some(200_000));
    let sql = "SELECT count(*) AS n, sum(CAST(k AS BIGINT)) AS s, count(DISTINCT p) AS d FROM t";
    let found = query(snapshot.provider(), sql).await;
    let value = |column: usize| found.column(column).as_primitive::<Int64Type>().value(0);
    assert_eq!(
        (value(0), value(1), value(2)),
        (200_000, 199_999 * 100_000, 200)
    );
}

#[tokio::test]
async fn definitions_that_delta_cannot_hold_are_refused() {
    let scratch = Scratch::new();
    let catalog = Catalog::open(&scratch.0.join("data")).unwrap();
    let of = |fields: Vec<Field>| Arc::new(Schema::new(fields));
    let int = |name: &str| Field::new(name, DataType::Int32, true);
    for (schema, partition_by) in [
        (of(vec![]), vec![]),
        (of(vec![int("a"), int("A")]), vec![]),
        (of(vec![int("a")]), vec!["a"]),
        (of(vec![int("a"), int("b")]), vec!["c"]),
        (of(vec![int("a"), int("b")]), vec!["a", "a"]),
        (
            of(vec![int("a"), Field::new("f", DataType::Float64, true)]),
            vec!["f"],
        ),
        (
            of(vec![Field::new("a", DataType::Decimal256(50, 1), true)]),
            vec![],
        ),
    ] {
        let mut transaction = catalog.begin();
        let partition_by = partition_by.into_iter().map(str::to_string).collect();
        let made = transaction
            .create_table(relation(&catalog, "t"), Arc::clone(&schema), partition_by)
            .await;
        assert!(matches!(made, Err(CatalogError::Table(_))), "{schema:?}");
        assert!(transaction.is_read_only());
    }
}
