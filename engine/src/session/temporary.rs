//! Where do temporary tables live, and when do they go?
//!
//! In a schema of the session's own, `pg_temp_<process id>`, which comes first when a name without a schema is
//! looked up and is called `pg_temp` by the session itself. They are tables like others, in the session's
//! transactions, and nobody else comes across them. They go with the session; what a crash leaves behind goes at
//! the next start.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::ast::OnCommit;
use tarn_catalog::Catalog;
use tarn_catalog::error::CatalogError;
use tarn_catalog::state::{DropBehavior, Op, Schema, State};
use tarn_catalog::transaction::Transaction;
use uuid::Uuid;

use super::Session;
use crate::error::PgError;

/// Every session's own schema begins so.
const PREFIX: &str = "pg_temp_";

/// What a session remembers of its temporary tables.
#[derive(Debug, Default)]
pub struct Temporary {
    is_used: bool,
    on_commit: BTreeMap<Uuid, OnCommit>,
}

impl Session {
    /// The name of the session's own schema, which is there once it is needed.
    pub fn temporary_schema(&self) -> String {
        format!("{PREFIX}{}", self.entry.pid)
    }

    /// Makes the session's own schema if it is not there.
    pub fn open_temporary_schema(&mut self) -> Result<String, PgError> {
        let name = self.temporary_schema();
        if self.catalog_state().schema(&name).is_none() {
            let schema = Schema {
                oid: self.engine.catalog.allocate_oid()?,
                name: name.clone(),
                owner: self.user.clone(),
                comment: None,
            };
            self.transaction()?.apply(Op::CreateSchema { schema })?;
        }
        self.temporary.is_used = true;
        Ok(name)
    }

    /// What becomes of a temporary table at the end of each transaction.
    pub fn set_on_commit(&mut self, table: Uuid, rule: OnCommit) {
        self.temporary.on_commit.insert(table, rule);
    }

    /// Applies ON COMMIT before the transaction is published.
    pub(super) async fn apply_on_commit(
        &mut self,
        transaction: &mut Transaction,
    ) -> Result<(), PgError> {
        for (table, rule) in &self.temporary.on_commit {
            let state = transaction.state();
            let Some(relation) = state.relation_by_id(*table).cloned() else {
                continue;
            };
            match rule {
                OnCommit::Drop => transaction.apply(Op::DropRelation {
                    target: relation.reference(),
                    behavior: DropBehavior::Cascade,
                })?,
                OnCommit::DeleteRows => transaction.truncate(&relation).await?,
                OnCommit::PreserveRows => {}
            }
        }
        Ok(())
    }

    /// Drops all temporary tables, in a transaction of its own.
    pub async fn discard_temporary(&mut self) -> Result<(), PgError> {
        if std::mem::take(&mut self.temporary.is_used) {
            self.temporary.on_commit.clear();
            drop_schema(&self.engine.catalog, &self.temporary_schema()).await?;
        }
        Ok(())
    }

    /// The session ends: its tables go while nobody waits.
    pub(super) fn leave_temporary(&mut self) {
        if !self.temporary.is_used {
            return;
        }
        let (catalog, name) = (self.engine.catalog.clone(), self.temporary_schema());
        // Without a runtime the server is going down; the next start sweeps.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = drop_schema(&catalog, &name).await {
                    tracing::warn!(schema = name, %error, "cannot drop temporary tables");
                }
            });
        }
    }
}

/// Is it a schema of temporary tables?
pub fn is_temporary(schema: &str) -> bool {
    schema.starts_with(PREFIX)
}

/// Drops the temporary tables of sessions that a crash has ended.
pub async fn sweep(catalog: &Catalog) -> Result<(), CatalogError> {
    let left = temporary_schemas(&catalog.state());
    for name in left {
        drop_schema(catalog, &name).await?;
    }
    Ok(())
}

fn temporary_schemas(state: &State) -> Vec<String> {
    let names = state.schemas.keys();
    names.filter(|name| is_temporary(name)).cloned().collect()
}

async fn drop_schema(catalog: &Catalog, name: &str) -> Result<(), CatalogError> {
    let mut transaction = catalog.begin();
    let Some(schema) = transaction.state().schema(name).cloned() else {
        return Ok(());
    };
    transaction.apply(Op::DropSchema {
        name: schema.name.clone(),
        oid: schema.oid,
        behavior: DropBehavior::Cascade,
    })?;
    transaction.commit().await.map(|_| ())
}
