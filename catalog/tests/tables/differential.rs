//! Does our scan read the same rows as deltalake's, partition values included?

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::util::pretty::pretty_format_batches;
use datafusion::catalog::TableProvider;
use deltalake_core::DeltaTable;
use deltalake_core::protocol::SaveMode;
use tarn_catalog::table::commit;
use tarn_catalog::table::location::Location;
use tarn_catalog::table::log;
use tarn_catalog::table::open::Tables;

use crate::rows::{Scratch, append, create, provider, pushing_session, query, query_in};

const TEXTS: [Option<&str>; 7] = [
    Some("plain"),
    Some("a%b c/d=e"),
    Some("50%25"),
    Some("ü"),
    None,
    Some(" "),
    Some("x:y?z#1"),
];

fn partitioned_rows() -> RecordBatch {
    let times: Vec<Option<i64>> = vec![
        Some(0),
        Some(-1),
        Some(1_700_000_000_123_456),
        None,
        Some(1_700_000_000_000_000),
        Some(253_402_300_799_999_999),
        Some(1_000_000),
    ];
    RecordBatch::try_from_iter_with_nullable(vec![
        (
            "k",
            Arc::new(Int32Array::from_iter_values(0..7)) as ArrayRef,
            false,
        ),
        (
            "p_text",
            Arc::new(StringArray::from(TEXTS.to_vec())) as ArrayRef,
            true,
        ),
        (
            "p_utc",
            Arc::new(TimestampMicrosecondArray::from(times.clone()).with_timezone("UTC"))
                as ArrayRef,
            true,
        ),
        (
            "v",
            Arc::new(Int64Array::from_iter_values((0..7).map(|v| v * 10))) as ArrayRef,
            true,
        ),
        (
            "p_ntz",
            Arc::new(TimestampMicrosecondArray::from(times)) as ArrayRef,
            true,
        ),
        (
            "p_date",
            Arc::new(Date32Array::from(vec![
                Some(0),
                None,
                Some(-1),
                Some(19_000),
                Some(1),
                Some(2),
                Some(3),
            ])) as ArrayRef,
            true,
        ),
        (
            "p_bool",
            Arc::new(BooleanArray::from(vec![
                Some(true),
                Some(false),
                None,
                None,
                None,
                None,
                None,
            ])) as ArrayRef,
            true,
        ),
    ])
    .unwrap()
}

const PARTITIONS: [&str; 5] = ["p_date", "p_text", "p_ntz", "p_utc", "p_bool"];

const QUERIES: [&str; 12] = [
    "SELECT k, p_text, p_utc, v, p_ntz, p_date, p_bool FROM t ORDER BY k",
    "SELECT k FROM t WHERE p_text IS NULL ORDER BY k",
    "SELECT k FROM t WHERE p_text IS NOT NULL ORDER BY k",
    "SELECT k FROM t WHERE p_text = 'a%b c/d=e' ORDER BY k",
    "SELECT k FROM t WHERE p_text IN ('50%25', ' ') ORDER BY k",
    "SELECT k FROM t WHERE p_utc < TIMESTAMP '2000-01-01T00:00:00Z' ORDER BY k",
    "SELECT k FROM t WHERE p_ntz IS NULL OR p_bool ORDER BY k",
    "SELECT k FROM t WHERE NOT p_bool ORDER BY k",
    "SELECT k FROM t WHERE p_date > DATE '1970-01-01' ORDER BY k",
    "SELECT k FROM t WHERE v >= 30 AND v < 60 ORDER BY k",
    "SELECT p_text, count(*) AS n FROM t GROUP BY p_text ORDER BY p_text",
    "SELECT count(*) AS n, count(p_date) AS d, min(v) AS lo, max(v) AS hi FROM t",
];

async fn theirs(location: &Location) -> Arc<dyn TableProvider> {
    let table = deltalake_core::open_table(location.url().unwrap())
        .await
        .unwrap();
    Arc::new(table.table_provider().build().await.unwrap())
}

/// The rows as text, all columns in the types of ours.
async fn answer(provider: Arc<dyn TableProvider>, sql: &str) -> String {
    text(query(provider, sql).await)
}

fn text(rows: RecordBatch) -> String {
    let schema = rows.schema();
    let columns = rows
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| {
            let is_text = matches!(
                field.data_type(),
                DataType::Utf8View | DataType::Dictionary(_, _)
            );
            let column = match is_text {
                true => cast(column, &DataType::Utf8).unwrap(),
                false => Arc::clone(column),
            };
            (field.name().clone(), column)
        });
    let rows = RecordBatch::try_from_iter(columns).unwrap();
    pretty_format_batches(&[rows]).unwrap().to_string()
}

async fn check(tables: &Tables, location: &Location, rows: usize) {
    for sql in QUERIES {
        let ours = answer(provider(tables, location).await, sql).await;
        assert_eq!(ours, answer(theirs(location).await, sql).await, "{sql}");
        let pushed = query_in(&pushing_session(), provider(tables, location).await, sql).await;
        assert_eq!(ours, text(pushed), "{sql}");
    }
    let all = query(provider(tables, location).await, QUERIES[0]).await;
    assert_eq!(all.num_rows(), rows);
}

#[tokio::test]
async fn partitions_that_we_write() {
    let scratch = Scratch::new();
    let (tables, location) = (Tables::new(), scratch.location("with space/t"));
    create(&tables, &location, &partitioned_rows(), &PARTITIONS)
        .await
        .unwrap();
    check(&tables, &location, 7).await;
    append(&tables, &location, &partitioned_rows())
        .await
        .unwrap();
    check(&Tables::new(), &location, 14).await;
    checkpointed(&tables, &location, 1).await;
    check(&Tables::new(), &location, 14).await;
}

/// Writes a checkpoint and removes the log before it.
async fn checkpointed(tables: &Tables, location: &Location, version: u64) {
    let (store, at) = (Arc::clone(tables.store()), location.clone());
    tokio::task::spawn_blocking(move || commit::checkpoint(store, &at, version))
        .await
        .unwrap()
        .unwrap();
    for version in 0..version {
        let log = log::commit_path(version);
        std::fs::remove_file(location.directory().join(log.as_ref())).unwrap();
    }
}

#[tokio::test]
async fn partitions_that_deltalake_writes() {
    let scratch = Scratch::new();
    let (tables, location) = (Tables::new(), scratch.location("t"));
    std::fs::create_dir_all(location.directory()).unwrap();
    let table = DeltaTable::try_from_url(location.url().unwrap())
        .await
        .unwrap();
    table
        .write(vec![partitioned_rows()])
        .with_save_mode(SaveMode::ErrorIfExists)
        .with_partition_columns(PARTITIONS)
        .await
        .unwrap();
    check(&tables, &location, 7).await;
    append(&tables, &location, &partitioned_rows())
        .await
        .unwrap();
    check(&tables, &location, 14).await;
}

#[tokio::test]
async fn an_empty_text_partition_is_not_null() {
    let scratch = Scratch::new();
    let (tables, location) = (Tables::new(), scratch.location("t"));
    let rows = RecordBatch::try_new(
        Arc::new(Schema::new(vec![
            Field::new("k", DataType::Int32, false),
            Field::new("p", DataType::Utf8, true),
        ])),
        vec![
            Arc::new(Int32Array::from(vec![1, 2])),
            Arc::new(StringArray::from(vec![Some(""), None])),
        ],
    )
    .unwrap();
    create(&tables, &location, &rows, &["p"]).await.unwrap();
    let sql = "SELECT k, p IS NULL AS n, p = '' AS e FROM t ORDER BY k";
    let ours = answer(provider(&tables, &location).await, sql).await;
    assert_eq!(ours, answer(theirs(&location).await, sql).await);
    assert!(ours.contains("| 1 | false | true |"), "{ours}");
    append(&tables, &location, &rows).await.unwrap();
    checkpointed(&tables, &location, 1).await;
    let cold = answer(provider(&Tables::new(), &location).await, sql).await;
    assert_eq!(cold, answer(provider(&tables, &location).await, sql).await);
    assert_eq!(cold, answer(theirs(&location).await, sql).await);
}
