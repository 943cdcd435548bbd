//! How does COMMIT publish?
//!
//! Everything that can be refused is checked before the commit point; what comes after it must succeed or be completed later.
//! Files are deleted after a failure only if it is sure that no commit names them.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

use crate::error::CatalogError;
use crate::state::{Intent, IntentTable, Op};
use crate::table::commit::{self, Rebase};
use crate::table::error::TableError;
use crate::table::location::Location;
use crate::table::log::{self, Action};
use crate::transaction::draft::Draft;
use crate::transaction::{Leftovers, Receipt, Transaction, recovery};

/// A commit to one table.
struct TableCommit {
    relation: Uuid,
    name: String,
    /// as the catalog spells it
    stored_location: String,
    managed: bool,
    draft: Draft,
    rebase: Rebase,
    actions: Vec<Action>,
}

pub(super) async fn publish(mut transaction: Transaction) -> Result<Receipt, CatalogError> {
    let commits = table_commits(&transaction);
    if commits.is_empty() && transaction.pending.ops.is_empty() {
        return Ok(Receipt {
            seq: transaction.base_seq,
            versions: BTreeMap::new(),
        });
    }
    let _gate = Arc::clone(transaction.catalog.publish_gate())
        .read_owned()
        .await;
    let _locks = lock_tables(&transaction, &commits).await?;
    let kept = kept_by(&commits);
    let dropped = dropped_tables(&transaction)?;
    let foreign_logs = new_foreign_logs(&commits);
    let new_tables: Vec<Location> = commits
        .iter()
        .filter(|table| table.draft.is_new)
        .map(|table| table.draft.location.clone())
        .collect();
    // Whatever ends this function early from here on, files that a commit may name must stay.
    let mut unpublished = Unpublished::of(&mut transaction);
    let mut versions = BTreeMap::new();
    match publish_locked(&mut transaction, commits, &mut versions).await {
        Ok(seq) => {
            unpublished.retain_unused(&kept);
            unpublished.delete();
            forget(&transaction, &dropped);
            Ok(Receipt { seq, versions })
        }
        Err(error) => {
            if is_certainly_unpublished(&error) {
                // First the logs, so that no table is left whose files are gone.
                unpublished.files.splice(0..0, foreign_logs);
                unpublished.delete();
                forget(&transaction, &new_tables);
            }
            Err(error)
        }
    }
}

async fn publish_locked(
    transaction: &mut Transaction,
    commits: Vec<TableCommit>,
    versions: &mut BTreeMap<Uuid, u64>,
) -> Result<u64, CatalogError> {
    let (new, existing): (Vec<_>, Vec<_>) =
        commits.into_iter().partition(|commit| commit.draft.is_new);
    for table in new {
        let tables = transaction.catalog.tables();
        let location = &table.draft.location;
        let made = commit::create(tables, location, transaction.id, table.actions).await?;
        versions.insert(table.relation, made.version);
    }
    match (existing.len(), transaction.pending.ops.is_empty()) {
        (0, _) => publish_catalog(transaction).await,
        (1, true) => publish_table(transaction, existing, versions).await,
        _ => publish_intent(transaction, existing, versions).await,
    }
}

/// The changed tables that the transaction has not dropped itself.
fn table_commits(transaction: &Transaction) -> Vec<TableCommit> {
    let pending = &transaction.pending;
    let mut commits = Vec::new();
    for (relation, draft) in &pending.drafts {
        let found = pending.state.relation_by_id(*relation);
        let (Some(found), true) = (found, draft.is_changed()) else {
            continue;
        };
        let Some(table) = found.table() else {
            continue;
        };
        let actions = draft.actions();
        if actions.is_empty() {
            continue;
        }
        let read_version = (!draft.is_new).then_some(draft.read.version);
        commits.push(TableCommit {
            relation: *relation,
            name: found.name.clone(),
            stored_location: table.location.clone(),
            managed: table.managed,
            draft: draft.clone(),
            rebase: draft.rebase(&actions),
            actions: commit::complete(transaction.id, draft.operation(), read_version, actions),
        });
    }
    commits
}

/// Locks the tables that are written or dropped, in one order for all transactions, and finishes what older decided
/// transactions owe them.
async fn lock_tables(
    transaction: &Transaction,
    commits: &[TableCommit],
) -> Result<Vec<OwnedMutexGuard<()>>, CatalogError> {
    let catalog = &transaction.catalog;
    let written = commits.iter().map(|commit| commit.draft.location.clone());
    let locations: BTreeSet<Location> = written.chain(dropped_tables(transaction)?).collect();
    let mut locks = Vec::with_capacity(locations.len());
    for location in &locations {
        locks.push(catalog.tables().commit_lock(location).lock_owned().await);
    }
    recovery::complete_owed_to(catalog, &locations).await?;
    Ok(locks)
}

fn forget(transaction: &Transaction, locations: &[Location]) {
    for location in locations {
        transaction.catalog.tables().forget(location);
    }
}

/// The first log files of new tables in directories that are not ours to delete as a whole.
fn new_foreign_logs(commits: &[TableCommit]) -> Vec<PathBuf> {
    commits
        .iter()
        .filter(|table| table.draft.is_new && !table.managed)
        .map(|table| {
            let directory = table.draft.location.directory();
            directory.join(log::commit_path(0).as_ref())
        })
        .collect()
}

/// Where the tables lie that the transaction drops.
fn dropped_tables(transaction: &Transaction) -> Result<Vec<Location>, CatalogError> {
    let state = transaction.catalog.state();
    let mut locations = Vec::new();
    for op in &transaction.pending.ops {
        if let Op::DropRelation { target, .. } = op
            && let Some(relation) = state.relation_by_id(target.id)
            && relation.table().is_some()
        {
            locations.push(transaction.catalog.location_of(relation)?);
        }
    }
    Ok(locations)
}

async fn publish_catalog(transaction: &mut Transaction) -> Result<u64, CatalogError> {
    let ops = std::mem::take(&mut transaction.pending.ops);
    let catalog = &transaction.catalog;
    let state = catalog
        .commit_async(&transaction.principal, transaction.base_seq, ops)
        .await?;
    Ok(state.seq)
}

async fn publish_table(
    transaction: &Transaction,
    commits: Vec<TableCommit>,
    versions: &mut BTreeMap<Uuid, u64>,
) -> Result<u64, CatalogError> {
    let catalog = &transaction.catalog;
    let state = catalog.state();
    for table in commits {
        let location = &table.draft.location;
        if state.relation_by_id(table.relation).is_none() {
            return Err(conflict(&table.name, "another transaction dropped it"));
        }
        let (id, read) = (transaction.id, &table.draft.read);
        let made = commit::publish(
            catalog.tables(),
            location,
            id,
            read,
            table.rebase,
            table.actions,
        )
        .await
        .map_err(|error| error.named(&table.name))?;
        versions.insert(table.relation, made.version);
    }
    Ok(state.seq)
}

async fn publish_intent(
    transaction: &mut Transaction,
    commits: Vec<TableCommit>,
    versions: &mut BTreeMap<Uuid, u64>,
) -> Result<u64, CatalogError> {
    let catalog = transaction.catalog.clone();
    let mut owed = Vec::with_capacity(commits.len());
    for table in &commits {
        owed.push(owed_commit(transaction, table).await?);
    }
    let intent = Intent {
        id: transaction.id.0,
        tables: owed,
        ops: std::mem::take(&mut transaction.pending.ops),
    };
    let begin = vec![Op::BeginIntent {
        intent: intent.clone(),
    }];
    catalog
        .commit_async(&transaction.principal, transaction.base_seq, begin)
        .await?;
    // Decided: from here on the transaction happens, now or when it is recovered.
    let done = recovery::complete_intent(&catalog, &intent).await?;
    versions.extend(done.versions);
    Ok(done.seq)
}

/// The commit in the form in which the intent keeps it, refused while that is still possible.
async fn owed_commit(
    transaction: &Transaction,
    table: &TableCommit,
) -> Result<IntentTable, CatalogError> {
    let (location, read) = (&table.draft.location, &table.draft.read);
    let newest = transaction.catalog.tables().newest(location).await?;
    let moved = newest.version != read.version;
    let redefined = newest.metadata != read.metadata || newest.protocol != read.protocol;
    if moved && (table.rebase == Rebase::Never || redefined) {
        return Err(conflict(
            &table.name,
            "another transaction changed it first",
        ));
    }
    let text = log::encode(&table.actions).map_err(|error| {
        CatalogError::from(TableError::Schema {
            reason: error.to_string(),
        })
    })?;
    Ok(IntentTable {
        relation: table.relation,
        location: table.stored_location.clone(),
        read_version: Some(newest.version),
        commit_json: text.into_bytes(),
    })
}

fn conflict(table: &str, reason: &str) -> CatalogError {
    CatalogError::from(TableError::Conflict {
        table: table.to_string(),
        reason: reason.to_string(),
    })
}

/// Is it sure that nothing of the transaction has become visible?
fn is_certainly_unpublished(error: &CatalogError) -> bool {
    error.is_conflict()
        || matches!(
            error,
            CatalogError::AlreadyExists { .. }
                | CatalogError::DoesNotExist { .. }
                | CatalogError::DependentObjects { .. }
        )
}

/// What the commits name: the files, and the directories of new tables.
struct Kept {
    files: HashSet<PathBuf>,
    directories: HashSet<Location>,
}

fn kept_by(commits: &[TableCommit]) -> Kept {
    let mut kept = Kept {
        files: HashSet::new(),
        directories: HashSet::new(),
    };
    for table in commits {
        let adds = table
            .actions
            .iter()
            .filter_map(|action| action.add.as_ref());
        let directory = table.draft.location.directory();
        kept.files.extend(adds.map(|add| directory.join(&add.path)));
        kept.directories.insert(table.draft.location.clone());
    }
    kept
}

/// Files and directories of a transaction that is being published: nobody deletes them unless told to.
struct Unpublished {
    files: Vec<PathBuf>,
    directories: Vec<Location>,
}

impl Unpublished {
    fn of(transaction: &mut Transaction) -> Unpublished {
        let (files, directories) = transaction.leftovers.disarm();
        Unpublished { files, directories }
    }

    /// Leaves only what no commit names: files that were rewritten again before COMMIT, tables that were dropped.
    fn retain_unused(&mut self, kept: &Kept) {
        self.files.retain(|file| !kept.files.contains(file));
        self.directories
            .retain(|location| !kept.directories.contains(location));
    }

    fn delete(self) {
        drop(Leftovers {
            files: self.files,
            directories: self.directories,
        });
    }
}
