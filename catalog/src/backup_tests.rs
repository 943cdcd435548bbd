//! Does a backup come back whole, and does anything less than whole come back at all?

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use uuid::Uuid;

use crate::Catalog;
use crate::artefact::{self, ArtefactWriter};
use crate::backup::{backup, backup_closed, restore};
use crate::error::CatalogError;
use crate::state::{
    Intent, IntentTable, Model, ModelVersion, Op, Relation, RelationKind, State, Table,
};
use crate::store::replica::Replica;
use crate::store::sqlite::SqliteStore;
use crate::test_dir::TestDir;

const TABLE: Uuid = Uuid::from_u128(1);
const MODEL: Uuid = Uuid::from_u128(2);

fn table(oid: u32, id: Uuid, name: &str, location: &str, managed: bool) -> Relation {
    let table = Table {
        location: location.to_string(),
        managed,
        ..Table::default()
    };
    Relation {
        oid,
        id,
        schema: "public".to_string(),
        name: name.to_string(),
        owner: "tarn".to_string(),
        comment: None,
        kind: RelationKind::Table(table),
    }
}

fn write_version(catalog: &Catalog) -> ModelVersion {
    let mut writer = ArtefactWriter::create(catalog.data_dir(), MODEL, 1).unwrap();
    writer.write_all(b"weights").unwrap();
    let artefact = writer.finish().unwrap();
    ModelVersion {
        number: 1,
        created_at_micros: 0,
        statement: "CREATE MODEL …".to_string(),
        artefact: artefact.path,
        sha256: artefact.sha256,
        bytes: artefact.bytes,
        signature: "{}".to_string(),
        summary: "{}".to_string(),
    }
}

fn rows() -> (SchemaRef, SendableRecordBatchStream) {
    let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Int64, true)]));
    let column: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![column]).unwrap();
    let stream = futures::stream::iter([Ok(batch)]);
    (
        Arc::clone(&schema),
        Box::pin(RecordBatchStreamAdapter::new(schema, stream)),
    )
}

/// A managed table of three rows, an external one, a model, and an intent that is still owed. Two entries.
async fn fill(catalog: &Catalog) {
    let location = format!("tables/{TABLE}");
    let relation = table(20_001, TABLE, "t", &location, true);
    let (schema, rows) = rows();
    let mut transaction = catalog.begin();
    transaction
        .create_table(relation.clone(), schema, Vec::new())
        .await
        .unwrap();
    assert_eq!(transaction.append(&relation, rows).await.unwrap(), 3);
    let external = table(20_002, Uuid::from_u128(9), "x", "file:///elsewhere", false);
    transaction
        .apply(Op::CreateRelation { relation: external })
        .unwrap();
    transaction.commit().await.unwrap();
    let log = catalog.data_dir().root().join(&location).join("_delta_log");
    fs::write(log.join("00000000000000000001.json#1"), "being written").unwrap();
    let model = Model {
        oid: 20_003,
        id: MODEL,
        schema: "ml".to_string(),
        name: "m".to_string(),
        owner: "tarn".to_string(),
        comment: Some("a model".to_string()),
        versions: vec![write_version(catalog)],
        aliases: BTreeMap::from([("default".to_string(), 1)]),
    };
    let commit_json = b"{\"commitInfo\":{\"operation\":\"WRITE\"}}\n".to_vec();
    let owed = IntentTable {
        relation: TABLE,
        location,
        read_version: Some(0),
        commit_json,
    };
    let ops = vec![Op::CreateModel { model }];
    let intent = Intent {
        id: Uuid::from_u128(3),
        tables: vec![owed],
        ops,
    };
    let seq = catalog.state().seq;
    assert_eq!(
        catalog
            .commit("tarn", seq, vec![Op::BeginIntent { intent }])
            .unwrap()
            .seq,
        2
    );
}

/// What the log of a directory says that nobody has open.
fn stored_state(dir: &TestDir) -> State {
    let store = SqliteStore::open(&dir.path().join("catalog.sqlite")).unwrap();
    State::clone(Replica::open(Box::new(store)).unwrap().state())
}

fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn a_backup_of_an_open_directory_comes_back_equal() {
    let (dir, kept, restored) = (TestDir::new(), TestDir::new(), TestDir::new());
    let catalog = Catalog::open(dir.path()).unwrap();
    fill(&catalog).await;
    let list = backup(&catalog, kept.path()).await.unwrap();
    assert_eq!(
        (list.seq, list.external_tables.as_slice()),
        (2, ["file:///elsewhere".to_string()].as_slice())
    );
    let paths: Vec<&str> = list.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths.len(), 4, "{paths:?}");
    let before = catalog.state();
    let later = table(20_009, Uuid::from_u128(10), "later", "file:///later", false);
    catalog
        .commit("tarn", 2, vec![Op::CreateRelation { relation: later }])
        .unwrap();
    assert_eq!(restore(kept.path(), restored.path()).await.unwrap(), list);
    assert_eq!(stored_state(&restored), *before);
    let copy = Catalog::open(restored.path()).unwrap();
    assert!(
        copy.state().intents.is_empty(),
        "what was owed is completed in the copy"
    );
    let relation = copy.state().relation_by_id(TABLE).cloned().unwrap();
    let snapshot = copy.begin().snapshot(&relation).await.unwrap();
    assert_eq!(
        (snapshot.version(), snapshot.row_count_estimate()),
        (1, Some(3))
    );
    artefact::open(
        copy.data_dir(),
        &copy.state().model("ml", "m").unwrap().versions[0],
    )
    .unwrap();
    // The copy is a catalog like any other.
    let more = table(
        copy.allocate_oid().unwrap(),
        Uuid::from_u128(11),
        "more",
        "file:///more",
        false,
    );
    copy.commit(
        "tarn",
        copy.state().seq,
        vec![Op::CreateRelation { relation: more }],
    )
    .unwrap();
}

#[tokio::test]
async fn a_closed_directory_is_backed_up_and_an_open_one_refused() {
    let (dir, kept, other) = (TestDir::new(), TestDir::new(), TestDir::new());
    let catalog = Catalog::open(dir.path()).unwrap();
    fill(&catalog).await;
    let error = backup_closed(dir.path(), kept.path()).await.unwrap_err();
    assert!(matches!(error, CatalogError::Locked { .. }), "{error}");
    drop(catalog);
    // Opening it completed what was owed, which is one more entry.
    let list = backup_closed(dir.path(), kept.path()).await.unwrap();
    assert_eq!(list.seq, 3);
    let error = backup_closed(other.path(), dir.path()).await.unwrap_err();
    assert!(matches!(error, CatalogError::Io { .. }), "{error}");
    assert!(
        !other.path().exists(),
        "a wrong path makes no data directory"
    );
}

#[tokio::test]
async fn nothing_is_overwritten() {
    let (dir, kept) = (TestDir::new(), TestDir::new());
    let catalog = Catalog::open(dir.path()).unwrap();
    fill(&catalog).await;
    backup(&catalog, kept.path()).await.unwrap();
    for error in [
        backup(&catalog, kept.path()).await.unwrap_err(),
        restore(kept.path(), dir.path()).await.unwrap_err(),
    ] {
        assert!(
            matches!(error, CatalogError::NotADataDirectory { .. }),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_damaged_backup_never_becomes_a_data_directory() {
    let (dir, kept) = (TestDir::new(), TestDir::new());
    let catalog = Catalog::open(dir.path()).unwrap();
    fill(&catalog).await;
    let list = backup(&catalog, kept.path()).await.unwrap();
    for file in &list.files {
        let restored = TestDir::new();
        let path = kept.path().join(&file.path);
        damage(&path);
        let error = restore(kept.path(), restored.path()).await.unwrap_err();
        assert!(
            matches!(error, CatalogError::Corrupt { .. }),
            "{}: {error}",
            file.path
        );
        let error = Catalog::open(restored.path()).map(|_| ()).unwrap_err();
        assert!(
            matches!(error, CatalogError::NotADataDirectory { .. }),
            "{}: {error}",
            file.path
        );
        damage(&path);
    }
    let restored = TestDir::new();
    let text = fs::read_to_string(kept.path().join("BACKUP.json")).unwrap();
    fs::write(
        kept.path().join("BACKUP.json"),
        text.replace("\"format_version\": 1", "\"format_version\": 5"),
    )
    .unwrap();
    let error = restore(kept.path(), restored.path()).await.unwrap_err();
    assert!(
        matches!(error, CatalogError::FormatTooNew { found: 5, .. }),
        "{error}"
    );
    // A list that names a file outside is hostile, not a reason to write there.
    fs::write(
        kept.path().join("BACKUP.json"),
        text.replace("tables/", "../tables/"),
    )
    .unwrap();
    let error = restore(kept.path(), TestDir::new().path())
        .await
        .unwrap_err();
    assert!(matches!(error, CatalogError::Corrupt { .. }), "{error}");
}

#[tokio::test]
async fn a_table_or_file_that_is_missing_is_noticed() {
    let (dir, kept, other) = (TestDir::new(), TestDir::new(), TestDir::new());
    let catalog = Catalog::open(dir.path()).unwrap();
    fill(&catalog).await;
    let table = dir.path().join("tables").join(TABLE.to_string());
    let is_data = |path: &PathBuf| {
        path.extension()
            .is_some_and(|extension| extension == "parquet")
    };
    let files = fs::read_dir(&table)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let data: Vec<PathBuf> = files.filter(is_data).collect();
    assert_eq!(data.len(), 1);
    fs::remove_file(&data[0]).unwrap();
    let error = backup(&catalog, other.path()).await.unwrap_err();
    assert!(matches!(error, CatalogError::Corrupt { .. }), "{error}");
    fs::remove_dir_all(&table).unwrap();
    let error = backup(&catalog, kept.path()).await.unwrap_err();
    assert!(error.is_conflict(), "{error}");
    for backup in [kept, other] {
        assert!(!backup.path().join("BACKUP.json").exists());
    }
}

#[tokio::test]
async fn a_table_whose_first_commit_is_owed_has_no_log_yet() {
    let (dir, kept, restored) = (TestDir::new(), TestDir::new(), TestDir::new());
    let catalog = Catalog::open(dir.path()).unwrap();
    let location = format!("tables/{TABLE}");
    let data = dir.path().join(&location);
    fs::create_dir_all(&data).unwrap();
    fs::write(data.join("part-0.parquet"), "PAR1").unwrap();
    let commit_json = b"{}\n".to_vec();
    let owed = IntentTable {
        relation: TABLE,
        location: location.clone(),
        read_version: None,
        commit_json,
    };
    let create = Op::CreateRelation {
        relation: table(20_001, TABLE, "t", &location, true),
    };
    let intent = Intent {
        id: Uuid::from_u128(3),
        tables: vec![owed],
        ops: vec![create],
    };
    catalog
        .commit("tarn", 0, vec![Op::BeginIntent { intent }])
        .unwrap();
    backup(&catalog, kept.path()).await.unwrap();
    restore(kept.path(), restored.path()).await.unwrap();
    assert!(
        restored
            .path()
            .join(&location)
            .join("part-0.parquet")
            .exists()
    );
    assert_eq!(stored_state(&restored), *catalog.state());
}

#[tokio::test]
async fn a_backup_waits_for_publishing_transactions() {
    let (dir, kept) = (TestDir::new(), TestDir::new());
    let catalog = Catalog::open(dir.path()).unwrap();
    fill(&catalog).await;
    let publishing = catalog.publish_gate().read().await;
    let (other, path) = (catalog.clone(), kept.path().to_path_buf());
    let copying = tokio::spawn(async move { backup(&other, &path).await });
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert!(!kept.path().exists());
    drop(publishing);
    copying.await.unwrap().unwrap();
}
