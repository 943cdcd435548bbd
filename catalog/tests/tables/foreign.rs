//! Are tables that other programs made read right, and rules that we would not check refused?

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::util::pretty::pretty_format_batches;
use deltalake_core::DeltaTable;
use deltalake_core::protocol::SaveMode;
use tarn_catalog::table::error::TableError;
use tarn_catalog::table::location::Location;
use tarn_catalog::table::open::Tables;

use crate::rows::{Scratch, append, create, every_type, provider, query};

fn rows() -> RecordBatch {
    RecordBatch::try_from_iter(vec![
        ("k", Arc::new(Int32Array::from(vec![1, 2])) as ArrayRef),
        (
            "v",
            Arc::new(StringArray::from(vec![Some("x"), None])) as ArrayRef,
        ),
    ])
    .unwrap()
}

async fn written_by_deltalake(location: &Location, properties: &[(&str, &str)]) {
    std::fs::create_dir_all(location.directory()).unwrap();
    let table = DeltaTable::try_from_url(location.url().unwrap())
        .await
        .unwrap();
    let properties: HashMap<String, Option<String>> = properties
        .iter()
        .map(|(key, value)| ((*key).to_string(), Some((*value).to_string())))
        .collect();
    table
        .write(vec![rows()])
        .with_save_mode(SaveMode::ErrorIfExists)
        .with_configuration(properties)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_table_with_column_mapping_is_read_and_not_written() {
    let scratch = Scratch::new();
    let (tables, location) = (Tables::new(), scratch.location("t"));
    written_by_deltalake(&location, &[("delta.columnMapping.mode", "name")]).await;
    let version = tables.newest(&location).await.unwrap();
    assert!(version.abilities.not_plain.is_some());
    for sql in [
        "SELECT k, v FROM t ORDER BY k",
        "SELECT v FROM t WHERE k = 1",
        "SELECT k FROM t WHERE v IS NULL LIMIT 1",
    ] {
        let found = query(provider(&tables, &location).await, sql).await;
        let session_rows =
            datafusion::datasource::MemTable::try_new(rows().schema(), vec![vec![rows()]]);
        let expected = query(Arc::new(session_rows.unwrap()), sql).await;
        let print = |batch| pretty_format_batches(&[batch]).unwrap().to_string();
        assert_eq!(print(found), print(expected), "{sql}");
    }
    let refused = append(&tables, &location, &rows()).await;
    assert!(matches!(refused, Err(TableError::Unsupported { .. })));
}

#[tokio::test]
async fn constraints_that_nobody_would_check_refuse_writes() {
    let scratch = Scratch::new();
    let (tables, location) = (Tables::new(), scratch.location("t"));
    written_by_deltalake(&location, &[]).await;
    append(&tables, &location, &rows()).await.unwrap();
    let table = deltalake_core::open_table(location.url().unwrap())
        .await
        .unwrap();
    table
        .add_constraint()
        .with_constraint("positive", "k > 0")
        .await
        .unwrap();
    let refused = append(&tables, &location, &rows()).await;
    assert!(
        matches!(&refused, Err(TableError::Unsupported { feature, .. }) if feature.contains("positive")),
        "{refused:?}"
    );
    let found = query(provider(&tables, &location).await, "SELECT k FROM t").await;
    assert_eq!(found.num_rows(), 4);
}

#[tokio::test]
async fn columns_that_were_added_later_are_null_in_older_files() {
    let scratch = Scratch::new();
    let (tables, location) = (Tables::new(), scratch.location("t"));
    create(&tables, &location, &rows(), &[]).await.unwrap();
    let table = deltalake_core::open_table(location.url().unwrap())
        .await
        .unwrap();
    let added =
        deltalake_core::kernel::StructField::new("n", deltalake_core::kernel::DataType::LONG, true);
    table.add_columns().with_fields(vec![added]).await.unwrap();
    let wider = RecordBatch::try_from_iter(vec![
        ("k", Arc::new(Int32Array::from(vec![3])) as ArrayRef),
        ("v", Arc::new(StringArray::from(vec!["z"])) as ArrayRef),
        ("n", Arc::new(Int64Array::from(vec![30])) as ArrayRef),
    ])
    .unwrap();
    append(&tables, &location, &wider).await.unwrap();
    for (sql, expected) in [
        ("SELECT k FROM t WHERE n IS NULL ORDER BY k", 2),
        ("SELECT k FROM t WHERE n = 30", 1),
        ("SELECT k FROM t WHERE n > 30", 0),
        ("SELECT * FROM t", 3),
    ] {
        let found = query(provider(&tables, &location).await, sql).await;
        assert_eq!(found.num_rows(), expected, "{sql}");
    }
}

#[tokio::test]
async fn what_is_not_a_table_is_told_apart() {
    let scratch = Scratch::new();
    let tables = Tables::new();
    let missing = tables.newest(&scratch.location("missing")).await;
    assert!(
        matches!(missing, Err(TableError::NotATable { .. })),
        "{missing:?}"
    );

    let location = scratch.location("t");
    create(&tables, &location, &every_type(), &[])
        .await
        .unwrap();
    std::fs::write(
        location
            .directory()
            .join("_delta_log/00000000000000000001.json"),
        "",
    )
    .unwrap();
    let damaged = tables.newest(&location).await;
    assert!(
        matches!(damaged, Err(TableError::Damaged { .. })),
        "{damaged:?}"
    );
}
