//! Which version of a table is the newest, and what did an older one hold?
//!
//! One [`Tables`] per process remembers the newest known version of each table. Following a table asks storage for the one
//! commit after the known version; only the first look at a table that has a checkpoint replays more, through deltalake.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::execution::memory_pool::{MemoryPool, UnboundedMemoryPool};
use deltalake_core::DeltaTable;
use deltalake_core::logstore::{StorageConfig, logstore_with};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use serde_json::Value;

use crate::table::error::{Result, TableError};
use crate::table::fsync_store::FsyncStore;
use crate::table::location::Location;
use crate::table::log::{self, Action, Metadata, Protocol};
use crate::table::version::{DataFile, Files, TableVersion};

/// How many older versions of one table stay in memory.
const OLDER_VERSIONS_MAX: usize = 4;

/// The newest known versions of all tables that this process has touched.
#[derive(Debug)]
pub struct Tables {
    store: Arc<dyn ObjectStore>,
    /// what writers take their memory from
    memory: Arc<dyn MemoryPool>,
    slots: Mutex<HashMap<Location, Arc<Slot>>>,
}

/// What this process knows of one table.
#[derive(Debug, Default)]
struct Slot {
    newest: tokio::sync::Mutex<Option<Arc<TableVersion>>>,
    older: Mutex<Vec<Arc<TableVersion>>>,
    commit: Arc<tokio::sync::Mutex<()>>,
}

impl Default for Tables {
    fn default() -> Self {
        Tables::new()
    }
}

impl Tables {
    /// Tables on the local file system, with durable writes.
    pub fn new() -> Tables {
        Tables::over(Arc::new(FsyncStore::new()))
    }

    /// Tables in a store whose root is the root of the file system.
    pub fn over(store: Arc<dyn ObjectStore>) -> Tables {
        Tables {
            store,
            memory: Arc::new(UnboundedMemoryPool::default()),
            slots: Mutex::new(HashMap::new()),
        }
    }

    /// The same, with writers that stay within a budget of memory.
    pub fn within(self, memory: Arc<dyn MemoryPool>) -> Tables {
        Tables { memory, ..self }
    }

    /// The budget of writers.
    pub fn memory(&self) -> &Arc<dyn MemoryPool> {
        &self.memory
    }

    /// The store all tables lie in; its root is the root of the file system.
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    fn slot(&self, location: &Location) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(location.clone()).or_default())
    }

    /// The lock that this process holds while it commits to a table.
    pub fn commit_lock(&self, location: &Location) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(&self.slot(location).commit)
    }

    /// The newest version.
    pub async fn newest(&self, location: &Location) -> Result<Arc<TableVersion>> {
        let slot = self.slot(location);
        let mut newest = slot.newest.lock().await;
        let known = match newest.as_ref() {
            Some(known) => Arc::clone(known),
            None => Arc::new(self.load(location, None).await?),
        };
        let current = self.follow(location, known).await?;
        *newest = Some(Arc::clone(&current));
        Ok(current)
    }

    /// The version that the log has under this number.
    pub async fn at_version(&self, location: &Location, version: u64) -> Result<Arc<TableVersion>> {
        let newest = self.newest(location).await?;
        if newest.version == version {
            return Ok(newest);
        }
        let slot = self.slot(location);
        let remembered = || slot.older.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = remembered().iter().find(|older| older.version == version) {
            return Ok(Arc::clone(found));
        }
        let missing = || TableError::NoSuchVersion {
            table: location.to_string(),
            wanted: version.to_string(),
        };
        if version > newest.version {
            return Err(missing());
        }
        let loaded = match self.load(location, Some(version)).await {
            Ok(loaded) if loaded.version == version => Arc::new(loaded),
            Ok(_) => return Err(missing()),
            // The log before a checkpoint may have been cleaned up.
            Err(TableError::Delta(_) | TableError::NotATable { .. })
                if self.commit(location, version).await?.is_none() =>
            {
                return Err(missing());
            }
            Err(error) => return Err(error),
        };
        let mut older = remembered();
        if older.len() == OLDER_VERSIONS_MAX {
            older.remove(0);
        }
        older.push(Arc::clone(&loaded));
        Ok(loaded)
    }

    /// The version that was the newest at a time, in microseconds since the epoch.
    pub async fn at_time(&self, location: &Location, micros: i64) -> Result<Arc<TableVersion>> {
        let newest = self.newest(location).await?;
        let commits = self.commit_times(location).await?;
        let (mut low, mut high) = (0, commits.len());
        // The last commit at or before the time; commit times grow with versions.
        while low < high {
            let middle = low + (high - low) / 2;
            let (version, modified_ms) = commits[middle];
            let committed_ms = self
                .commit_time(location, version)
                .await?
                .unwrap_or(modified_ms);
            if committed_ms.saturating_mul(1_000) <= micros {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        match low.checked_sub(1) {
            Some(index) if commits[index].0 == newest.version => Ok(newest),
            Some(index) => self.at_version(location, commits[index].0).await,
            None => Err(TableError::NoSuchVersion {
                table: location.to_string(),
                wanted: chrono::DateTime::from_timestamp_micros(micros).map_or_else(
                    || micros.to_string(),
                    |time| format!("at {}", time.to_rfc3339()),
                ),
            }),
        }
    }

    /// Records a version that this process has just committed.
    pub async fn advance(&self, location: &Location, version: Arc<TableVersion>) {
        let slot = self.slot(location);
        let mut newest = slot.newest.lock().await;
        if newest
            .as_ref()
            .is_none_or(|known| known.version < version.version)
        {
            *newest = Some(version);
        }
    }

    /// Forgets a table whose directory is gone.
    pub fn forget(&self, location: &Location) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.remove(location);
    }

    /// The actions of one commit, or `None` if the log has no such version.
    pub async fn commit(&self, location: &Location, version: u64) -> Result<Option<Vec<Action>>> {
        let path = location.file(log::commit_path(version).as_ref())?;
        let bytes = match self.store.get(&path).await {
            Ok(result) => result.bytes().await?,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let actions = log::decode(&bytes).map_err(|error| TableError::Damaged {
            table: location.to_string(),
            reason: format!("commit {version}: {error}"),
        })?;
        if actions.is_empty() {
            return Err(TableError::Damaged {
                table: location.to_string(),
                reason: format!("commit {version} is empty"),
            });
        }
        Ok(Some(actions))
    }

    /// deltalake's own view of a table, for what only deltalake does.
    pub async fn deltalake(&self, location: &Location, version: Option<u64>) -> Result<DeltaTable> {
        let log_store = logstore_with(
            Arc::clone(&self.store),
            &location.url()?,
            StorageConfig::default(),
        )?;
        let mut table = DeltaTable::new(log_store);
        let loaded = match version {
            Some(version) => table.load_version(version).await,
            None => table.load().await,
        };
        match loaded {
            Ok(()) => Ok(table),
            Err(deltalake_core::DeltaTableError::NotATable(_)) => Err(not_a_table(location)),
            Err(error) => Err(error.into()),
        }
    }

    /// Applies the commits after a version until there is none.
    async fn follow(
        &self,
        location: &Location,
        mut known: Arc<TableVersion>,
    ) -> Result<Arc<TableVersion>> {
        while let Some(actions) = self.commit(location, known.version + 1).await? {
            known = Arc::new(known.next(actions)?);
        }
        Ok(known)
    }

    /// A version from storage alone: from commit 0 if there is no checkpoint, through deltalake otherwise.
    async fn load(&self, location: &Location, version: Option<u64>) -> Result<TableVersion> {
        let hint = location.file("_delta_log/_last_checkpoint")?;
        let has_checkpoint = match self.store.head(&hint).await {
            Ok(_) => true,
            Err(object_store::Error::NotFound { .. }) => false,
            Err(error) => return Err(error.into()),
        };
        if !has_checkpoint && let Some(first) = self.commit(location, 0).await? {
            return self.replay(location, first, version).await;
        }
        if !location.directory().join("_delta_log").is_dir() {
            return Err(not_a_table(location));
        }
        let table = self.deltalake(location, version).await?;
        from_deltalake(location, &table)
    }

    async fn replay(
        &self,
        location: &Location,
        first: Vec<Action>,
        last: Option<u64>,
    ) -> Result<TableVersion> {
        let (mut protocol, mut metadata, mut files) = (None, None, Files::new());
        let mut version = 0;
        let mut next = Some(first);
        while let Some(actions) = next {
            for remove in actions.iter().filter_map(|action| action.remove.as_ref()) {
                files.remove(&remove.path);
            }
            for action in actions {
                if let Some(add) = action.add {
                    files.insert(add.path.clone(), Arc::new(DataFile::new(add)));
                }
                protocol = action.protocol.or(protocol);
                metadata = action.meta_data.or(metadata);
            }
            if last == Some(version) {
                break;
            }
            next = self.commit(location, version + 1).await?;
            version += u64::from(next.is_some());
        }
        let missing = |what: &str| TableError::Damaged {
            table: location.to_string(),
            reason: format!("the log has no {what}"),
        };
        TableVersion::new(
            version,
            protocol.ok_or_else(|| missing("protocol"))?,
            metadata.ok_or_else(|| missing("metadata"))?,
            files,
        )
    }

    /// All commits that the log still has, in order, with the time of their files in milliseconds.
    async fn commit_times(&self, location: &Location) -> Result<Vec<(u64, i64)>> {
        let directory = location.file("_delta_log")?;
        let listed: Vec<_> = self.store.list(Some(&directory)).try_collect().await?;
        let commits: BTreeMap<u64, i64> = listed
            .iter()
            .filter_map(|object| {
                let version = log::version_of(object.location.filename()?)?;
                Some((version, object.last_modified.timestamp_millis()))
            })
            .collect();
        Ok(commits.into_iter().collect())
    }

    /// The time that a commit says it was made at, in milliseconds: it survives a copy of the table, file times do not.
    async fn commit_time(&self, location: &Location, version: u64) -> Result<Option<i64>> {
        let actions = self.commit(location, version).await?.unwrap_or_default();
        let info = actions.into_iter().find_map(|action| action.commit_info);
        Ok(info.and_then(|info| {
            ["inCommitTimestamp", "timestamp"]
                .into_iter()
                .find_map(|key| info.get(key).and_then(Value::as_i64))
        }))
    }
}

fn not_a_table(location: &Location) -> TableError {
    TableError::NotATable {
        location: location.to_string(),
    }
}

fn from_deltalake(location: &Location, table: &DeltaTable) -> Result<TableVersion> {
    let damaged = |reason: String| TableError::Damaged {
        table: location.to_string(),
        reason,
    };
    let snapshot = table.snapshot()?;
    let reread =
        |value: serde_json::Result<Value>| value.map_err(|error| damaged(error.to_string()));
    let protocol: Protocol =
        serde_json::from_value(reread(serde_json::to_value(snapshot.protocol()))?)
            .map_err(|error| damaged(error.to_string()))?;
    let metadata: Metadata =
        serde_json::from_value(reread(serde_json::to_value(snapshot.metadata()))?)
            .map_err(|error| damaged(error.to_string()))?;
    let files = snapshot
        .log_data()
        .iter()
        .map(|file| {
            // deltalake deprecates the action in favour of Arrow columns, which it keeps private.
            #[expect(deprecated)]
            let add = file.add_action();
            (add.path.clone(), Arc::new(DataFile::new(add)))
        })
        .collect();
    TableVersion::new(snapshot.version(), protocol, metadata, files)
}

/// The path of a log file in the table's store.
pub fn log_file(location: &Location, version: u64) -> Result<Path> {
    location.file(log::commit_path(version).as_ref())
}
