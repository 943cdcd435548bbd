//! How do changes of tables and of the catalog become visible, all or none?
//!
//! A [`Transaction`] pins each table at the version it first touches, keeps what it adds and removes in memory on top of that
//! version, and so reads its own writes. Data files are written at once but no commit names them before COMMIT:
//!
//! - one table and no DDL: one Delta commit;
//! - DDL alone, new tables included: version 0 of the new tables, then one catalog entry;
//! - anything else: one catalog entry with an [`Intent`](crate::state::Intent), which is the commit point; then the Delta commits,
//!   each findable by its `txn` action; then the entry that completes the intent. A crash in between is completed when the
//!   catalog is opened ([`recovery`]).
//!
//! ROLLBACK, a failed COMMIT and dropping the transaction delete the files that it wrote.

mod draft;
mod publish;
pub mod recovery;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use uuid::Uuid;

use crate::Catalog;
use crate::error::{CatalogError, ObjectKind};
use crate::state::{FIRST_OWNER, Op, Relation, State};
use crate::table::commit::TransactionId;
use crate::table::error::TableError;
use crate::table::location::Location;
use crate::table::snapshot::TableSnapshot;
use crate::table::version::{FileId, TableVersion};
use crate::table::write::{WriteTarget, WrittenFiles, delete_files, write_rows};
use draft::Draft;

/// Which state of a table `VERSION AS OF` and `TIMESTAMP AS OF` ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// the version of this number
    Version(u64),
    /// the newest version at this time, in microseconds since the epoch
    TimestampMicros(i64),
}

/// What becomes of a table's columns.
#[derive(Debug)]
pub struct Redefinition<'a> {
    /// all columns, logical
    pub schema: &'a SchemaRef,
    /// columns that partition the table; `None` leaves them as they are
    pub partition_by: Option<Vec<String>>,
    /// for the table's history
    pub operation: &'static str,
}

/// What a transaction has made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// `seq` of the catalog with the transaction's changes
    pub seq: u64,
    /// version of each table that was changed, by the id of its relation
    pub versions: BTreeMap<Uuid, u64>,
}

/// Everything that ROLLBACK TO takes back.
#[derive(Debug, Clone)]
struct Pending {
    ops: Vec<Op>,
    state: Arc<State>,
    drafts: BTreeMap<Uuid, Draft>,
}

/// A point in a transaction to which it can go back.
#[derive(Debug, Clone)]
pub struct Savepoint(Pending);

/// Changes that nobody else sees yet.
#[must_use = "a transaction that is dropped is rolled back"]
pub struct Transaction {
    catalog: Catalog,
    principal: String,
    id: TransactionId,
    base_seq: u64,
    /// the first look at each table holds for the whole transaction, whatever is rolled back
    pinned: HashMap<Uuid, Arc<TableVersion>>,
    pending: Pending,
    leftovers: Leftovers,
}

/// What must not stay on disk unless a commit names it. Dropping this deletes it.
#[derive(Debug, Default)]
struct Leftovers {
    files: Vec<PathBuf>,
    /// directories of new managed tables
    directories: Vec<Location>,
}

impl Leftovers {
    /// Keeps everything from now on, and returns what that is.
    fn disarm(&mut self) -> (Vec<PathBuf>, Vec<Location>) {
        (
            std::mem::take(&mut self.files),
            std::mem::take(&mut self.directories),
        )
    }
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        delete_files(&self.files);
        for location in &self.directories {
            if let Err(error) = std::fs::remove_dir_all(location.directory())
                && error.kind() != std::io::ErrorKind::NotFound
            {
                tracing::warn!(table = %location, %error, "cannot delete an unpublished table");
            }
        }
    }
}

impl Catalog {
    /// Begins a transaction on the current state, in the name of the first owner.
    pub fn begin(&self) -> Transaction {
        self.begin_as(FIRST_OWNER)
    }

    /// Begins a transaction on the current state in the name of a role.
    pub fn begin_as(&self, principal: &str) -> Transaction {
        let state = self.state();
        Transaction {
            catalog: self.clone(),
            principal: principal.to_string(),
            id: TransactionId(Uuid::new_v4()),
            base_seq: state.seq,
            pinned: HashMap::new(),
            pending: Pending {
                ops: Vec::new(),
                state,
                drafts: BTreeMap::new(),
            },
            leftovers: Leftovers::default(),
        }
    }

    /// Where the files of a table lie.
    ///
    /// Errors: `WrongKind` for views and sequences; a location that cannot be reached.
    pub fn location_of(&self, relation: &Relation) -> Result<Location, CatalogError> {
        let table = relation.table().ok_or_else(|| CatalogError::WrongKind {
            expected: ObjectKind::Table,
            found: relation.object_kind(),
            name: relation.name.clone(),
        })?;
        Ok(Location::resolve(&table.location, self.data_dir().root())?)
    }
}

impl Transaction {
    /// Identity of the transaction, in the `txn` actions of its commits.
    pub fn id(&self) -> Uuid {
        self.id.0
    }

    /// The catalog as this transaction sees it, own changes included.
    pub fn state(&self) -> Arc<State> {
        Arc::clone(&self.pending.state)
    }

    /// Has the transaction changed anything?
    pub fn is_read_only(&self) -> bool {
        self.pending.ops.is_empty() && !self.pending.drafts.values().any(Draft::is_changed)
    }

    /// Changes the catalog, for this transaction only until COMMIT.
    ///
    /// Errors: those of [`State::preview`]; the transaction is then as before.
    pub fn apply(&mut self, op: Op) -> Result<(), CatalogError> {
        let state = self.pending.state.preview(std::slice::from_ref(&op))?;
        self.pending.state = Arc::new(state);
        self.pending.ops.push(op);
        Ok(())
    }

    /// The table at the version of this transaction's first look, with its own changes.
    pub async fn snapshot(&mut self, relation: &Relation) -> Result<TableSnapshot, CatalogError> {
        let location = self.catalog.location_of(relation)?;
        if let Some(draft) = self.pending.drafts.get(&relation.id) {
            let files = draft.files();
            return Ok(TableSnapshot::with_files(
                &location,
                Arc::clone(&draft.seen),
                files,
            ));
        }
        let version = self.pin(relation, &location).await?;
        Ok(TableSnapshot::committed(self.catalog.tables(), &location, version).await?)
    }

    /// The table as it was committed at another version or time.
    ///
    /// Errors: [`TableError::NoSuchVersion`].
    pub async fn snapshot_at(
        &self,
        relation: &Relation,
        as_of: AsOf,
    ) -> Result<TableSnapshot, CatalogError> {
        let location = self.catalog.location_of(relation)?;
        let tables = self.catalog.tables();
        let version = match as_of {
            AsOf::Version(version) => tables.at_version(&location, version).await,
            AsOf::TimestampMicros(micros) => tables.at_time(&location, micros).await,
        };
        let version = version.map_err(|error| error.named(&relation.name))?;
        Ok(TableSnapshot::committed(tables, &location, version).await?)
    }

    /// Makes a new table with logical columns, visible to this transaction only until COMMIT.
    ///
    /// Errors: those of [`Transaction::apply`], [`TableError::ColumnType`], [`TableError::Schema`],
    /// [`TableError::AlreadyExists`] if there is a Delta table at the location.
    pub async fn create_table(
        &mut self,
        relation: Relation,
        schema: SchemaRef,
        partition_by: Vec<String>,
    ) -> Result<(), CatalogError> {
        let location = self.catalog.location_of(&relation)?;
        let table = relation.table().cloned().unwrap_or_default();
        let draft = Draft::of_new_table(&location, &schema, partition_by, &table.column_comments)?;
        let log = std::fs::read_dir(location.directory().join("_delta_log"));
        if log.is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(CatalogError::from(TableError::AlreadyExists {
                location: location.to_string(),
            }));
        }
        let id = relation.id;
        self.apply(Op::CreateRelation { relation })?;
        if table.managed {
            self.leftovers.directories.push(location);
        }
        self.pending.drafts.insert(id, draft);
        Ok(())
    }

    /// Adds rows, whose columns are the table's logical ones by position, and returns how many.
    ///
    /// Errors: [`TableError::NotNull`], [`TableError::Unsupported`] for tables with features or rules that we do not write,
    /// and whatever the stream fails with; nothing is added then.
    pub async fn append(
        &mut self,
        relation: &Relation,
        rows: SendableRecordBatchStream,
    ) -> Result<u64, CatalogError> {
        self.change(relation, Vec::new, Some(rows), "WRITE").await
    }

    /// Replaces files by the rows that are to remain of them (UPDATE, DELETE, MERGE), and returns how many rows were written.
    ///
    /// Which files those are is asked when the stream of rows has ended: a stream may find them while it runs.
    ///
    /// Errors: as [`Transaction::append`]; `Unsupported` for tables that only grow.
    pub async fn rewrite(
        &mut self,
        relation: &Relation,
        rows: SendableRecordBatchStream,
        removed: impl FnOnce() -> Vec<FileId>,
        operation: &'static str,
    ) -> Result<u64, CatalogError> {
        self.change(relation, removed, Some(rows), operation).await
    }

    /// What this transaction adds to the table depends on the rows that are there (INSERT … ON CONFLICT): a commit of somebody
    /// else in between is a conflict.
    pub async fn bind_to_read(&mut self, relation: &Relation) -> Result<(), CatalogError> {
        let mut draft = self.draft(relation).await?;
        draft.bind_to_read();
        self.pending.drafts.insert(relation.id, draft);
        Ok(())
    }

    /// Gives a table other columns (ALTER TABLE, CREATE OR REPLACE TABLE), and other rows if there are some: without, the
    /// files stay as they are, and columns that they lack read NULL.
    ///
    /// Errors: as [`Transaction::create_table`] and [`Transaction::rewrite`].
    pub async fn redefine(
        &mut self,
        relation: &Relation,
        definition: Redefinition<'_>,
        rows: Option<SendableRecordBatchStream>,
    ) -> Result<u64, CatalogError> {
        let location = self.catalog.location_of(relation)?;
        let table = relation.table().cloned().unwrap_or_default();
        let mut draft = self.draft(relation).await?;
        WriteTarget::of(&location, &draft.seen).map_err(|error| error.named(&relation.name))?;
        let partition_by = definition.partition_by;
        let partition_by =
            partition_by.unwrap_or_else(|| draft.seen.metadata.partition_columns.clone());
        let operation = definition.operation;
        draft.redefine(
            definition.schema,
            partition_by,
            &table.column_comments,
            operation,
        )?;
        let removed = draft.files().values().map(|file| file.id()).collect();
        let is_rewritten = rows.is_some();
        let before = self.pending.drafts.insert(relation.id, draft);
        if !is_rewritten {
            return Ok(0);
        }
        let written = self.change(relation, || removed, rows, operation).await;
        if written.is_err() {
            match before {
                Some(before) => self.pending.drafts.insert(relation.id, before),
                None => self.pending.drafts.remove(&relation.id),
            };
        }
        written
    }

    /// The columns of the tables that this transaction has touched, by the id of the relation.
    pub fn own_schemas(&self) -> Vec<(Uuid, SchemaRef)> {
        let drafts = self.pending.drafts.iter();
        drafts
            .map(|(id, draft)| (*id, Arc::clone(&draft.seen.logical_schema)))
            .collect()
    }

    /// Removes all rows.
    ///
    /// Errors: `Unsupported` as for [`Transaction::rewrite`].
    pub async fn truncate(&mut self, relation: &Relation) -> Result<(), CatalogError> {
        let draft = self.draft(relation).await?;
        let removed = draft.files().values().map(|file| file.id()).collect();
        self.change(relation, || removed, None, "TRUNCATE").await?;
        Ok(())
    }

    /// The state to which [`Transaction::rollback_to`] goes back.
    pub fn savepoint(&self) -> Savepoint {
        Savepoint(self.pending.clone())
    }

    /// Takes back everything since the savepoint. Files that were written since go when the transaction ends.
    pub fn rollback_to(&mut self, savepoint: &Savepoint) {
        self.pending = savepoint.0.clone();
    }

    /// Takes back everything.
    pub fn rollback(self) {
        drop(self);
    }

    /// Makes all changes durable and visible.
    ///
    /// It runs to its end even when the caller stops waiting.
    ///
    /// Errors: `Conflict` if another transaction changed the same things first (nothing is changed then); `OutcomeUnknown` and
    /// storage errors.
    pub async fn commit(self) -> Result<Receipt, CatalogError> {
        match tokio::spawn(publish::publish(self)).await {
            Ok(receipt) => receipt,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Only the end of the runtime cancels a commit; what it has done is found when the catalog is opened.
                Err(_) => Err(CatalogError::from(TableError::Interrupted)),
            },
        }
    }

    async fn change(
        &mut self,
        relation: &Relation,
        removed: impl FnOnce() -> Vec<FileId>,
        rows: Option<SendableRecordBatchStream>,
        operation: &'static str,
    ) -> Result<u64, CatalogError> {
        let location = self.catalog.location_of(relation)?;
        let mut draft = self.draft(relation).await?;
        let target =
            WriteTarget::of(&location, &draft.seen).map_err(|error| error.named(&relation.name))?;
        let written = match rows {
            Some(rows) => write_rows(self.catalog.tables(), &target, rows).await?,
            None => WrittenFiles::default(),
        };
        let removed = removed();
        draft
            .check_removed(&location, &removed)
            .map_err(|error| error.named(&relation.name))?;
        let count = written.rows;
        let (adds, paths) = written.keep();
        self.leftovers.files.extend(paths);
        draft.stage(&removed, adds, operation);
        self.pending.drafts.insert(relation.id, draft);
        Ok(count)
    }

    /// What this transaction has done to the table so far.
    async fn draft(&mut self, relation: &Relation) -> Result<Draft, CatalogError> {
        if let Some(draft) = self.pending.drafts.get(&relation.id) {
            return Ok(draft.clone());
        }
        let location = self.catalog.location_of(relation)?;
        let version = self.pin(relation, &location).await?;
        Ok(Draft::of_table(location, version))
    }

    async fn pin(
        &mut self,
        relation: &Relation,
        location: &Location,
    ) -> Result<Arc<TableVersion>, CatalogError> {
        if let Some(version) = self.pinned.get(&relation.id) {
            return Ok(Arc::clone(version));
        }
        let tables = self.catalog.tables();
        let owed = |state: &State| {
            let tables = state.intents.values().flat_map(|intent| &intent.tables);
            tables
                .into_iter()
                .any(|table| table.relation == relation.id)
        };
        if owed(&self.catalog.state()) {
            // A transaction over several tables is decided but not written everywhere. If it is still at it, wait, so that
            // all of it is seen; if it has failed, finish it.
            let _lock = tables.commit_lock(location).lock_owned().await;
            recovery::complete_owed_to(&self.catalog, &BTreeSet::from([location.clone()])).await?;
        }
        let version = tables
            .newest(location)
            .await
            .map_err(|error| error.named(&relation.name))?;
        self.pinned.insert(relation.id, Arc::clone(&version));
        Ok(version)
    }
}
