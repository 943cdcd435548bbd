//! Do rows of every type survive the files, for us and for deltalake?

use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::util::pretty::pretty_format_batches;
use datafusion::catalog::TableProvider;
use tarn_catalog::table::commit;
use tarn_catalog::table::error::TableError;
use tarn_catalog::table::location::Location;
use tarn_catalog::table::open::Tables;
use tarn_catalog::table::version::TableVersion;
use tarn_catalog::types::PgType;

use crate::rows::{self, Scratch, append, create, every_type, nested_types, provider, query};

fn assert_same_rows(found: &RecordBatch, expected: &RecordBatch) {
    assert_eq!(found.num_columns(), expected.num_columns());
    for (index, field) in expected.schema().fields().iter().enumerate() {
        assert_eq!(
            found.column(index).to_data(),
            expected.column(index).to_data(),
            "column {}",
            field.name()
        );
        assert_eq!(
            PgType::of_field(found.schema().field(index)),
            PgType::of_field(field),
            "column {}",
            field.name()
        );
    }
}

#[tokio::test]
async fn every_type_survives() {
    let scratch = Scratch::new();
    let (tables, location) = (Tables::new(), scratch.location("t"));
    let rows = every_type();
    create(&tables, &location, &rows, &[]).await.unwrap();
    // Cold: another process opens the table.
    for tables in [tables, Tables::new()] {
        let found = query(
            provider(&tables, &location).await,
            "SELECT * FROM t ORDER BY k",
        )
        .await;
        assert_same_rows(&found, &rows);
    }
}

#[tokio::test]
async fn nested_types_survive() {
    let scratch = Scratch::new();
    let (tables, location) = (Tables::new(), scratch.location("t"));
    let rows = nested_types();
    create(&tables, &location, &rows, &[]).await.unwrap();
    let found = query(
        provider(&tables, &location).await,
        "SELECT * FROM t ORDER BY k",
    )
    .await;
    assert_same_rows(&found, &rows);
}

async fn deltalake_provider(location: &Location, version: u64) -> Arc<dyn TableProvider> {
    let table = deltalake_core::open_table(location.url().unwrap())
        .await
        .unwrap();
    assert_eq!(table.version(), Some(version));
    Arc::new(table.table_provider().build().await.unwrap())
}

async fn assert_same_answer(
    found: Arc<dyn TableProvider>,
    expected: Arc<dyn TableProvider>,
    sql: &str,
) {
    let print = |batch: RecordBatch| pretty_format_batches(&[batch]).unwrap().to_string();
    assert_eq!(
        print(query(found, sql).await),
        print(query(expected, sql).await)
    );
}

/// Leaves a checkpoint of version 1, but not the entry of version 0.
async fn checkpoint_and_clean_up(tables: &Tables, location: &Location) {
    let (store, at) = (Arc::clone(tables.store()), location.clone());
    tokio::task::spawn_blocking(move || commit::checkpoint(store, &at, 1))
        .await
        .unwrap()
        .unwrap();
    let log = location.directory().join("_delta_log");
    assert!(log.join("_last_checkpoint").exists());
    // The log before the checkpoint may be cleaned up by anyone.
    std::fs::remove_file(log.join("00000000000000000000.json")).unwrap();
}

/// A checkpoint must not lose what single entries say about a file.
fn assert_same_files(found: &TableVersion, known: &TableVersion) {
    for (path, file) in &found.files {
        let before = &known.files[path].add;
        assert_eq!(file.add.partition_values, before.partition_values);
        assert_eq!(file.add.tags, before.tags);
        assert_eq!(
            file.statistics(&found.file_schema()),
            known.files[path].statistics(&known.file_schema())
        );
    }
}

#[tokio::test]
async fn deltalake_reads_what_we_write_also_from_a_checkpoint() {
    let scratch = Scratch::new();
    let (tables, location) = (Tables::new(), scratch.location("t"));
    let batch = rows::nested_types();
    create(&tables, &location, &batch, &[]).await.unwrap();
    append(&tables, &location, &batch).await.unwrap();
    assert_same_answer(
        deltalake_provider(&location, 1).await,
        provider(&tables, &location).await,
        "SELECT k, s['x'] AS x, s['y'] AS y, m['p'] AS p FROM t ORDER BY k",
    )
    .await;

    checkpoint_and_clean_up(&tables, &location).await;
    append(&tables, &location, &batch).await.unwrap();
    let cold = Tables::new();
    let version = cold.newest(&location).await.unwrap();
    assert_eq!(version.version, 2);
    assert_eq!(version.files.len(), 3);
    assert_same_files(&version, &tables.newest(&location).await.unwrap());
    let missing = cold.at_version(&location, 0).await;
    assert!(
        matches!(missing, Err(TableError::NoSuchVersion { .. })),
        "{missing:?}"
    );
    assert_eq!(cold.at_version(&location, 1).await.unwrap().files.len(), 2);
    assert_same_answer(
        provider(&cold, &location).await,
        provider(&tables, &location).await,
        "SELECT count(*) AS n, sum(k) AS s FROM t",
    )
    .await;
    assert_same_answer(
        deltalake_provider(&location, 2).await,
        provider(&cold, &location).await,
        "SELECT sum(k) AS s FROM t",
    )
    .await;
}
