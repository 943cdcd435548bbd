//! The one handle on what exists.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use datafusion::execution::memory_pool::MemoryPool;
use uuid::Uuid;

use crate::data_dir::DataDir;
use crate::error::CatalogError;
use crate::orphans;
use crate::state::{Op, SequenceBlock, State};
use crate::store::replica::{Proposal, Replica};
use crate::store::sqlite::SqliteStore;
use crate::table::open::Tables;
use crate::transaction::recovery;

/// A data directory, open, with its catalog. Cheap to clone: clones are the same catalog.
#[derive(Clone)]
pub struct Catalog {
    shared: Arc<Shared>,
}

struct Shared {
    /// Readers never wait for a writer's disk: they take the `Arc` and go.
    state: RwLock<Arc<State>>,
    replica: Mutex<Replica>,
    oid_next: AtomicU32,
    publish_gate: Arc<tokio::sync::RwLock<()>>,
    tables: Tables,
    // Last, so that the lock on the directory is released after the log is closed.
    data_dir: DataDir,
}

impl Catalog {
    /// Opens a data directory, or makes one: takes its lock, checks its format, reads the log, removes
    /// what crashed statements left and completes what decided transactions owe. Blocks on the disk.
    ///
    /// Errors: those of [`DataDir::open`], and `Corrupt`, `FormatTooNew` or `Sql` of the log.
    pub fn open(path: &Path) -> Result<Catalog, CatalogError> {
        Self::open_with(path, Tables::new())
    }

    /// [`Catalog::open`] with tables whose writers stay within a budget of memory.
    pub fn open_within(path: &Path, memory: Arc<dyn MemoryPool>) -> Result<Catalog, CatalogError> {
        Self::open_with(path, Tables::new().within(memory))
    }

    fn open_with(path: &Path, tables: Tables) -> Result<Catalog, CatalogError> {
        let data_dir = DataDir::open(path)?;
        let replica = Replica::open(Box::new(SqliteStore::open(&data_dir.catalog_path())?))?;
        let state = Arc::clone(replica.state());
        orphans::sweep(&data_dir, &state)?;
        let shared = Shared {
            oid_next: AtomicU32::new(state.next_oid),
            state: RwLock::new(state),
            replica: Mutex::new(replica),
            publish_gate: Arc::new(tokio::sync::RwLock::new(())),
            tables,
            data_dir,
        };
        let catalog = Catalog {
            shared: Arc::new(shared),
        };
        recovery::complete_all_blocking(&catalog)?;
        Ok(catalog)
    }

    /// What exists now. The value never changes; ask again to see what others did.
    pub fn state(&self) -> Arc<State> {
        let state = self
            .shared
            .state
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&state)
    }

    /// The directory of the catalog.
    pub fn data_dir(&self) -> &DataDir {
        &self.shared.data_dir
    }

    /// The Delta tables, as far as this process knows them.
    pub fn tables(&self) -> &Tables {
        &self.shared.tables
    }

    /// Makes operations durable and visible, all or none, and returns the state with them. `base_seq` is
    /// the `seq` of the state that they were made from. Blocks on the disk; see [`Catalog::commit_async`].
    ///
    /// Errors: those that [`crate::state`] lists, `Sql`, `LimitExceeded`, `OutcomeUnknown`.
    pub fn commit(
        &self,
        principal: &str,
        base_seq: u64,
        ops: Vec<Op>,
    ) -> Result<Arc<State>, CatalogError> {
        let mut replica = self.replica();
        let state = replica.commit(Proposal {
            principal,
            base_seq,
            ops,
        })?;
        self.publish(&state);
        Ok(state)
    }

    /// [`Catalog::commit`] on a thread that may block. It runs to its end even when the caller stops
    /// waiting.
    pub async fn commit_async(
        &self,
        principal: &str,
        base_seq: u64,
        ops: Vec<Op>,
    ) -> Result<Arc<State>, CatalogError> {
        let catalog = self.clone();
        let principal = principal.to_string();
        run_blocking(move || catalog.commit(&principal, base_seq, ops)).await
    }

    /// Takes up to `count` numbers of the sequence with this id, durably before it returns. They are the
    /// caller's even when its transaction rolls back. Blocks on the disk.
    pub fn take_numbers(
        &self,
        principal: &str,
        sequence: Uuid,
        count: u32,
    ) -> Result<SequenceBlock, CatalogError> {
        let mut replica = self.replica();
        let block = replica.take_numbers(principal, sequence, count)?;
        self.publish(&Arc::clone(replica.state()));
        Ok(block)
    }

    /// [`Catalog::take_numbers`] on a thread that may block.
    pub async fn take_numbers_async(
        &self,
        principal: &str,
        sequence: Uuid,
        count: u32,
    ) -> Result<SequenceBlock, CatalogError> {
        let catalog = self.clone();
        let principal = principal.to_string();
        run_blocking(move || catalog.take_numbers(&principal, sequence, count)).await
    }

    /// An OID for a new object. Never given twice, so that two sessions that create different things do
    /// not collide; one that is not used in the end is lost, which is no harm.
    pub fn allocate_oid(&self) -> Result<u32, CatalogError> {
        let take = |next: u32| next.checked_add(1);
        let taken = self
            .shared
            .oid_next
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        taken.map_err(|_| CatalogError::LimitExceeded {
            what: "object identifiers",
            limit: u64::from(u32::MAX),
        })
    }

    /// Held for reading while a transaction publishes its table commits, from the intent to its completion;
    /// held for writing by a backup while it copies the logs. So a backup never holds half a transaction.
    pub fn publish_gate(&self) -> &Arc<tokio::sync::RwLock<()>> {
        &self.shared.publish_gate
    }

    /// Runs `look` while nobody can commit.
    pub(crate) fn while_frozen<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(self.replica().state())
    }

    fn replica(&self) -> MutexGuard<'_, Replica> {
        // A panic in a commit leaves the replica at its old state, which the next append checks anyway.
        self.shared
            .replica
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Called with the replica locked, so states become visible in log order.
    fn publish(&self, state: &Arc<State>) {
        self.shared
            .oid_next
            .fetch_max(state.next_oid, Ordering::Relaxed);
        *self
            .shared
            .state
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::clone(state);
    }
}

/// Runs `work` on tokio's threads for blocking work; a panic there goes on here.
pub(crate) async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
