//! How do written files join a table, all or none?
//!
//! A commit is one put-if-absent of the log file after the version that the transaction read. Rows that are only added may
//! follow commits that came in between (rebase); everything else that finds its version taken is a conflict, because deltalake's
//! own conflict rules let two rewrites of one file both win. Each commit carries a `txn` action with the transaction's id, so a
//! commit whose answer was lost is found again instead of being made twice.

use std::collections::HashSet;
use std::sync::Arc;

use object_store::{ObjectStore, PutMode, PutOptions};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::table::error::{Result, TableError};
use crate::table::location::Location;
use crate::table::log::{self, Action, Txn};
use crate::table::open::{Tables, log_file};
use crate::table::version::TableVersion;

/// How far a commit may move behind commits that came after its read version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rebase {
    /// The next version or none: the rows depend on what was read.
    Never,
    /// Rows are only added: behind any commit that leaves schema and protocol alone.
    Append,
    /// The transaction is decided already: behind any commit that also leaves the files it removes.
    Owed,
}

/// Identity of a transaction, as its `txn` action carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionId(pub Uuid);

impl TransactionId {
    fn action(self) -> Action {
        Txn::new_with_last_update(self.0, 1, Some(log::now_ms())).into()
    }

    /// Is this transaction's mark among the actions?
    pub fn marks(self, actions: &[Action]) -> bool {
        let id = self.0.to_string();
        actions
            .iter()
            .filter_map(|action| action.txn.as_ref())
            .any(|txn| txn.app_id == id)
    }
}

/// All lines of a commit: provenance, the transaction's mark, and what it changes.
pub fn complete(
    transaction: TransactionId,
    operation: &str,
    read_version: Option<u64>,
    actions: Vec<Action>,
) -> Vec<Action> {
    let removes = actions.iter().any(|action| action.remove.is_some());
    let defines = actions.iter().any(|action| action.meta_data.is_some());
    let mut info = json!({
        "timestamp": log::now_ms(),
        "operation": operation,
        "operationParameters": {},
        "isolationLevel": "SnapshotIsolation",
        "isBlindAppend": !removes && !defines,
        "engineInfo": concat!("tarn/", env!("CARGO_PKG_VERSION")),
        "txnId": transaction.0.to_string(),
    });
    if let (Some(version), Value::Object(info)) = (read_version, &mut info) {
        info.insert("readVersion".to_string(), json!(version));
    }
    let mut lines = vec![
        Action {
            commit_info: Some(info),
            ..Action::default()
        },
        transaction.action(),
    ];
    lines.extend(actions);
    lines
}

/// Commits version 0 of a new table.
pub async fn create(
    tables: &Tables,
    location: &Location,
    transaction: TransactionId,
    actions: Vec<Action>,
) -> Result<Arc<TableVersion>> {
    if !put(tables, location, 0, &actions).await? {
        let first = tables.commit(location, 0).await?;
        if !first.is_some_and(|first| transaction.marks(&first)) {
            return Err(TableError::AlreadyExists {
                location: location.to_string(),
            });
        }
    }
    tables.newest(location).await
}

/// Commits to a table that was read at `read`, and returns the version that this made.
pub async fn publish(
    tables: &Tables,
    location: &Location,
    transaction: TransactionId,
    read: &Arc<TableVersion>,
    rebase: Rebase,
    actions: Vec<Action>,
) -> Result<Arc<TableVersion>> {
    let mut base = Arc::clone(read);
    loop {
        match put(tables, location, base.version + 1, &actions).await {
            Ok(true) => {
                let next = Arc::new(base.next(actions)?);
                tables.advance(location, Arc::clone(&next)).await;
                checkpoint_if_due(tables, location, next.version);
                return Ok(next);
            }
            Ok(false) => {}
            // The write may have landed although its answer was lost.
            Err(error) => match tables.commit(location, base.version + 1).await {
                Ok(Some(found)) if transaction.marks(&found) => {}
                _ => return Err(error),
            },
        }
        let other = tables.commit(location, base.version + 1).await?;
        let other = other.ok_or_else(|| TableError::Damaged {
            table: location.to_string(),
            reason: format!("commit {} came and went", base.version + 1),
        })?;
        let ours = transaction.marks(&other);
        if !ours {
            check_rebase(location, rebase, &actions, &other)?;
        }
        base = Arc::new(base.next(other)?);
        if ours {
            tables.advance(location, Arc::clone(&base)).await;
            return Ok(base);
        }
    }
}

/// Has a commit after `version` the transaction's mark?
pub async fn is_published(
    tables: &Tables,
    location: &Location,
    transaction: TransactionId,
    version: u64,
) -> Result<bool> {
    let mut next = version + 1;
    while let Some(actions) = tables.commit(location, next).await? {
        if transaction.marks(&actions) {
            return Ok(true);
        }
        next += 1;
    }
    Ok(false)
}

fn check_rebase(
    location: &Location,
    rebase: Rebase,
    ours: &[Action],
    other: &[Action],
) -> Result<()> {
    let conflict = |reason: &str| {
        Err(TableError::Conflict {
            table: location.to_string(),
            reason: reason.to_string(),
        })
    };
    if rebase == Rebase::Never {
        return conflict("another transaction changed it first");
    }
    if other
        .iter()
        .any(|action| action.meta_data.is_some() || action.protocol.is_some())
    {
        return conflict("another transaction changed its definition");
    }
    let removed: HashSet<&str> = other
        .iter()
        .filter_map(|action| Some(action.remove.as_ref()?.path.as_str()))
        .collect();
    let mut removes = ours.iter().filter_map(|action| action.remove.as_ref());
    if removes.any(|remove| removed.contains(remove.path.as_str())) {
        return conflict("another transaction changed the same rows");
    }
    Ok(())
}

/// Writes a log file; false if the version is taken.
async fn put(
    tables: &Tables,
    location: &Location,
    version: u64,
    actions: &[Action],
) -> Result<bool> {
    let text = log::encode(actions).map_err(|error| TableError::Schema {
        reason: error.to_string(),
    })?;
    let path = log_file(location, version)?;
    let options = PutOptions::from(PutMode::Create);
    match tables.store().put_opts(&path, text.into(), options).await {
        Ok(_) => Ok(true),
        Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// A checkpoint after this many commits, so that opening a table reads few log files.
const CHECKPOINT_COMMITS: u64 = 50;

/// Starts a checkpoint in the background when one is due. Its failure is logged and harms nobody.
fn checkpoint_if_due(tables: &Tables, location: &Location, version: u64) {
    if version == 0 || !version.is_multiple_of(CHECKPOINT_COMMITS) {
        return;
    }
    let store = Arc::clone(tables.store());
    let location = location.clone();
    tokio::task::spawn_blocking(move || {
        if let Err(error) = checkpoint(store, &location, version) {
            tracing::warn!(table = %location, version, %error, "cannot write a checkpoint");
        }
    });
}

/// Writes the checkpoint of a version. Blocks: replaying the log and encoding it is deltalake's synchronous work.
pub fn checkpoint(store: Arc<dyn ObjectStore>, location: &Location, version: u64) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let tables = Tables::over(store);
        let table = tables.deltalake(location, Some(version)).await?;
        deltalake_core::checkpoints::create_checkpoint(&table, None).await?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::fmt;
    use std::sync::atomic::{AtomicBool, Ordering};

    use arrow::datatypes::{DataType, Field, Schema};
    use futures::stream::BoxStream;
    use object_store::path::Path;
    use object_store::{
        CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
        PutMultipartOptions, PutPayload, PutResult,
    };

    use super::*;
    use crate::table::fsync_store::FsyncStore;
    use crate::table::log::{Add, Metadata, Protocol};
    use crate::table::schema;

    /// A store whose next answer gets lost: the bytes are there, the caller sees an error.
    #[derive(Debug, Default)]
    struct LossyStore {
        inner: FsyncStore,
        lose_next: AtomicBool,
    }

    impl fmt::Display for LossyStore {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("LossyStore")
        }
    }

    #[async_trait::async_trait]
    impl ObjectStore for LossyStore {
        async fn put_opts(
            &self,
            location: &Path,
            payload: PutPayload,
            options: PutOptions,
        ) -> object_store::Result<PutResult> {
            let result = self.inner.put_opts(location, payload, options).await?;
            if self.lose_next.swap(false, Ordering::Relaxed) {
                return Err(object_store::Error::Generic {
                    store: "LossyStore",
                    source: "the answer got lost".into(),
                });
            }
            Ok(result)
        }

        async fn put_multipart_opts(
            &self,
            location: &Path,
            options: PutMultipartOptions,
        ) -> object_store::Result<Box<dyn MultipartUpload>> {
            self.inner.put_multipart_opts(location, options).await
        }

        async fn get_opts(
            &self,
            location: &Path,
            options: GetOptions,
        ) -> object_store::Result<GetResult> {
            self.inner.get_opts(location, options).await
        }

        fn delete_stream(
            &self,
            locations: BoxStream<'static, object_store::Result<Path>>,
        ) -> BoxStream<'static, object_store::Result<Path>> {
            self.inner.delete_stream(locations)
        }

        fn list(
            &self,
            prefix: Option<&Path>,
        ) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
            self.inner.list(prefix)
        }

        async fn list_with_delimiter(
            &self,
            prefix: Option<&Path>,
        ) -> object_store::Result<ListResult> {
            self.inner.list_with_delimiter(prefix).await
        }

        async fn copy_opts(
            &self,
            from: &Path,
            to: &Path,
            options: CopyOptions,
        ) -> object_store::Result<()> {
            self.inner.copy_opts(from, to, options).await
        }
    }

    fn id() -> TransactionId {
        TransactionId(Uuid::new_v4())
    }

    fn file(path: &str) -> Action {
        Add {
            path: path.to_string(),
            size: 1,
            ..Add::default()
        }
        .into()
    }

    #[tokio::test]
    async fn a_commit_whose_answer_is_lost_is_found_again() {
        let directory = std::env::temp_dir().join(format!("tarn-commit-{}", Uuid::new_v4()));
        let location = Location::resolve("t", &directory).unwrap();
        let store = Arc::new(LossyStore::default());
        let tables = Tables::over(Arc::clone(&store) as Arc<dyn ObjectStore>);
        let columns = Schema::new(vec![Field::new("k", DataType::Int32, true)]);
        let metadata = Metadata::new(Uuid::new_v4(), schema::encode(&columns).unwrap(), vec![]);
        let first = vec![Protocol::for_features(&[]).into(), metadata.into()];
        let base = create(
            &tables,
            &location,
            id(),
            complete(id(), "CREATE TABLE", None, first),
        )
        .await
        .unwrap();

        store.lose_next.store(true, Ordering::Relaxed);
        let own = id();
        let actions = complete(own, "WRITE", Some(0), vec![file("a")]);
        let made = publish(&tables, &location, own, &base, Rebase::Never, actions)
            .await
            .unwrap();
        assert_eq!((made.version, made.files.len()), (1, 1));

        // Somebody else's commit in the way is a conflict for a rewrite and none for rows that are only added.
        let late = id();
        let actions = || complete(late, "WRITE", Some(0), vec![file("b")]);
        let refused = publish(&tables, &location, late, &base, Rebase::Never, actions()).await;
        assert!(matches!(refused, Err(TableError::Conflict { .. })));
        let made = publish(&tables, &location, late, &base, Rebase::Append, actions())
            .await
            .unwrap();
        assert_eq!((made.version, made.files.len()), (2, 2));
        assert!(is_published(&tables, &location, late, 0).await.unwrap());
        assert!(!is_published(&tables, &location, id(), 0).await.unwrap());
        assert_eq!(tables.newest(&location).await.unwrap().version, 2);
        std::fs::remove_dir_all(directory).unwrap();
    }
}
