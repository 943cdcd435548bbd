//! What is owed after a crash, and how is it completed?
//!
//! A transaction over several tables is decided by one catalog entry that holds all its Delta commits. Completing it is
//! idempotent: a commit whose `txn` mark is in the log is there already, all others are written now. Under the lock of the data
//! directory only foreign writers can have come in between; rows that are only added move behind their commits.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::Catalog;
use crate::error::CatalogError;
use crate::state::{FIRST_OWNER, Intent, IntentTable, Op};
use crate::table::commit::{self, Rebase, TransactionId};
use crate::table::error::TableError;
use crate::table::location::Location;
use crate::table::log;
use crate::transaction::Receipt;

/// Completes all decided transactions, as after a crash, before the catalog is given to anybody. Blocks.
///
/// A table that is out of reach must not keep the others from being served: it is logged, its commit stays owed, and whoever
/// touches the table tries again and gets the error.
pub(crate) fn complete_all_blocking(catalog: &Catalog) -> Result<(), CatalogError> {
    if catalog.state().intents.is_empty() {
        return Ok(());
    }
    let io = |source| CatalogError::Io {
        action: "recover",
        path: catalog.data_dir().root().to_path_buf(),
        source,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(io)?;
    // A thread of its own: the caller may be inside a runtime, where blocking on another one panics.
    // It takes the runtime along, because dropping one inside another panics too.
    let recover = move || runtime.block_on(complete_all(catalog));
    std::thread::scope(|scope| match scope.spawn(recover).join() {
        Ok(()) => Ok(()),
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

async fn complete_all(catalog: &Catalog) {
    for intent in catalog.state().intents.values() {
        tracing::info!(transaction = %intent.id, tables = intent.tables.len(), "completing a decided transaction");
        if let Err(error) = complete_or_report(catalog, intent).await {
            tracing::error!(transaction = %intent.id, %error, "cannot complete a decided transaction yet");
        }
    }
}

/// Completes what is owed to these tables, which the caller has locked.
pub(super) async fn complete_owed_to(
    catalog: &Catalog,
    locations: &BTreeSet<Location>,
) -> Result<(), CatalogError> {
    for intent in catalog.state().intents.values() {
        let root = catalog.data_dir().root();
        let mut owed = intent.tables.iter();
        let touches = owed.any(|table| {
            Location::resolve(&table.location, root).is_ok_and(|at| locations.contains(&at))
        });
        if touches {
            complete_or_report(catalog, intent).await?;
        }
    }
    Ok(())
}

/// A transaction that a foreign writer has overtaken must not keep the catalog from opening.
async fn complete_or_report(catalog: &Catalog, intent: &Intent) -> Result<(), CatalogError> {
    match complete_intent(catalog, intent).await {
        Err(CatalogError::Table(error)) if matches!(*error, TableError::Overtaken { .. }) => {
            tracing::error!(transaction = %intent.id, %error, "part of a decided transaction is lost");
            Ok(())
        }
        other => other.map(|_| ()),
    }
}

/// Writes the owed commits of an intent and ends it.
///
/// Errors: `Conflict` if nothing could be written and nothing else was decided, so that the transaction has not happened;
/// [`TableError::Overtaken`] if a part of it is lost; storage errors leave the intent for another try.
pub(super) async fn complete_intent(
    catalog: &Catalog,
    intent: &Intent,
) -> Result<Receipt, CatalogError> {
    let mut versions = BTreeMap::new();
    let mut lost = None;
    for table in &intent.tables {
        match complete_table(catalog, intent.id, table).await {
            Ok(version) => {
                versions.insert(table.relation, version);
            }
            Err(error @ TableError::Conflict { .. }) => lost = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    let base_seq = catalog.state().seq;
    let end = match &lost {
        None => Op::CompleteIntent { id: intent.id },
        Some(error) => Op::DiscardIntent {
            id: intent.id,
            undo: Vec::new(),
            reason: error.to_string(),
        },
    };
    let state = catalog
        .commit_async(FIRST_OWNER, base_seq, vec![end])
        .await?;
    match lost {
        None => Ok(Receipt {
            seq: state.seq,
            versions,
        }),
        Some(error) if versions.is_empty() && intent.ops.is_empty() => Err(error.into()),
        Some(error) => Err(TableError::Overtaken {
            transaction: intent.id,
            reason: error.to_string(),
        }
        .into()),
    }
}

async fn complete_table(
    catalog: &Catalog,
    intent: Uuid,
    owed: &IntentTable,
) -> Result<u64, TableError> {
    let location = Location::resolve(&owed.location, catalog.data_dir().root())?;
    let damaged = |reason: String| TableError::Damaged {
        table: location.to_string(),
        reason,
    };
    let transaction = TransactionId(intent);
    let tables = catalog.tables();
    let actions = log::decode(&owed.commit_json).map_err(|error| damaged(error.to_string()))?;
    let Some(read_version) = owed.read_version else {
        return Ok(commit::create(tables, &location, transaction, actions)
            .await?
            .version);
    };
    let newest = tables.newest(&location).await?;
    if commit::is_published(tables, &location, transaction, read_version).await? {
        return Ok(newest.version);
    }
    let read = match newest.version == read_version {
        true => newest,
        false => tables.at_version(&location, read_version).await?,
    };
    let made =
        commit::publish(tables, &location, transaction, &read, Rebase::Owed, actions).await?;
    Ok(made.version)
}
