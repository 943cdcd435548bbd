//! Where does a transaction begin and end?
//!
//! Every statement runs in a transaction. Outside a block it is the statement's own; the statements of one
//! simple-query string share an implicit block; BEGIN opens an explicit one, which fails as a whole (25P02)
//! until ROLLBACK.

use std::collections::HashMap;

use tarn_catalog::state::Op;
use tarn_catalog::transaction::{Savepoint, Transaction};

use super::Session;
use super::notice::Notice;
use super::outcome::Outcome;
use crate::error::PgError;
use crate::parser::{Begin, Statement, TransactionStatement};
use crate::sqlstate;

/// Where the session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    /// Outside: each statement is its own transaction.
    Idle,
    /// Several statements of one string.
    Implicit,
    /// Between BEGIN and COMMIT.
    Open,
    /// After an error in a block.
    Failed,
}

/// A savepoint with its name.
pub struct SavedPoint {
    name: String,
    point: Savepoint,
}

pub(super) fn none_open() -> PgError {
    PgError::new(
        sqlstate::NO_ACTIVE_SQL_TRANSACTION,
        "there is no transaction in progress",
    )
}

impl Session {
    /// Where the session stands.
    pub fn block(&self) -> Block {
        self.block
    }

    /// The statements of one string share a transaction.
    pub fn begin_implicit(&mut self) {
        if self.block == Block::Idle {
            self.block = Block::Implicit;
        }
    }

    /// The string is over: commits what is open unless the client opened a block.
    pub async fn end_implicit(&mut self) -> Result<(), PgError> {
        if self.block == Block::Implicit {
            self.block = Block::Idle;
            return self.commit_open().await;
        }
        Ok(())
    }

    /// 25P02 in a failed block, except for statements that end it.
    pub fn check_block(&self, statement: &Statement) -> Result<(), PgError> {
        if self.block == Block::Failed && !statement.ends_transaction() {
            return Err(PgError::new(
                sqlstate::IN_FAILED_SQL_TRANSACTION,
                "current transaction is aborted, commands ignored until end of transaction block",
            ));
        }
        Ok(())
    }

    pub(super) async fn open_transaction(&mut self) -> Result<(), PgError> {
        if self.transaction.is_none() {
            self.transaction = Some(self.engine.catalog.begin());
            self.transaction_micros = Some(chrono::Utc::now().timestamp_micros());
        }
        self.refresh_view();
        Ok(())
    }

    /// Commits or fails what a statement outside a block did.
    pub async fn close_statement(
        &mut self,
        executed: Result<Outcome, PgError>,
    ) -> Result<Outcome, PgError> {
        match executed {
            Ok(outcome) => {
                if self.block == Block::Idle && !outcome.keeps_transaction() {
                    self.commit_open().await?;
                }
                Ok(outcome)
            }
            Err(error) => {
                self.fail();
                Err(error)
            }
        }
    }

    /// A statement failed, perhaps while its rows were on the way.
    pub fn fail(&mut self) {
        match self.block {
            Block::Open => {
                self.block = Block::Failed;
                // Savepoints still need the transaction; without one nothing can come back.
                if self.savepoints.is_empty() {
                    self.drop_transaction();
                }
            }
            Block::Failed => {}
            Block::Idle | Block::Implicit => {
                self.block = Block::Idle;
                self.drop_transaction();
            }
        }
    }

    /// The numbers that were taken of sequences which the transaction itself has made.
    fn publish_sequences(&self, transaction: &mut Transaction) -> Result<(), PgError> {
        for (sequence, position) in self.system.sequences.take_unpublished() {
            let state = transaction.state();
            let Some(relation) = state.relation_by_id(sequence) else {
                continue;
            };
            transaction.apply(Op::SetSequence {
                target: relation.reference(),
                next: position.next,
                last: position.last,
            })?;
        }
        Ok(())
    }

    fn drop_transaction(&mut self) {
        self.system.sequences.take_unpublished();
        self.system.remember_only(HashMap::new());
        if let Some(transaction) = self.transaction.take() {
            transaction.rollback();
        }
    }

    /// Publishes what the open transaction did.
    pub async fn commit_open(&mut self) -> Result<(), PgError> {
        self.restore_local_settings();
        let Some(mut transaction) = self.transaction.take() else {
            return Ok(());
        };
        self.system.remember_only(HashMap::new());
        self.publish_sequences(&mut transaction)?;
        self.apply_on_commit(&mut transaction).await?;
        // On a task of its own: a connection that dies now must not tear the commit apart.
        let committed = tokio::spawn(transaction.commit()).await;
        match committed {
            Ok(result) => result.map(|_| ()).map_err(PgError::from),
            Err(_) => Err(PgError::new(
                sqlstate::INTERNAL_ERROR,
                "the commit was interrupted",
            )),
        }
    }

    pub(super) async fn move_transaction(
        &mut self,
        statement: &TransactionStatement,
    ) -> Result<Outcome, PgError> {
        match statement {
            TransactionStatement::Begin(begin) => {
                self.begin_block(begin).await?;
                let tag = if begin.is_start {
                    "START TRANSACTION"
                } else {
                    "BEGIN"
                };
                Ok(Outcome::Command(tag.to_string()))
            }
            TransactionStatement::Commit { chain } => self.commit_block(*chain).await,
            TransactionStatement::Rollback { chain } => self.rollback_block(*chain).await,
            TransactionStatement::Savepoint(name) => self.set_savepoint(name),
            TransactionStatement::Release(name) => self.release_savepoint(name),
            TransactionStatement::RollbackTo(name) => self.rollback_to(name),
        }
    }

    async fn begin_block(&mut self, begin: &Begin) -> Result<(), PgError> {
        match self.block {
            Block::Open => {
                self.notify(Notice::warning(
                    sqlstate::ACTIVE_SQL_TRANSACTION,
                    "there is already a transaction in progress",
                ));
            }
            _ => {
                self.block = Block::Open;
                self.settings_at_begin = Some(self.settings.clone());
                self.open_transaction().await?;
            }
        }
        let read_only = begin
            .read_only
            .unwrap_or_else(|| self.settings.is_on("default_transaction_read_only"));
        if read_only {
            self.keep_settings_for_transaction();
            self.settings.set("transaction_read_only", "on")?;
        }
        Ok(())
    }

    async fn commit_block(&mut self, chain: bool) -> Result<Outcome, PgError> {
        let block = std::mem::replace(&mut self.block, Block::Idle);
        self.savepoints.clear();
        self.close_cursors_of_transaction(block != Block::Failed);
        let outcome = match block {
            Block::Failed => {
                self.drop_transaction();
                self.restore_settings_at_begin();
                Outcome::Command("ROLLBACK".to_string())
            }
            Block::Open | Block::Implicit => {
                self.commit_open().await?;
                Outcome::Command("COMMIT".to_string())
            }
            Block::Idle => {
                self.notify(Notice::warning(
                    sqlstate::NO_ACTIVE_SQL_TRANSACTION,
                    "there is no transaction in progress",
                ));
                Outcome::Command("COMMIT".to_string())
            }
        };
        self.chain(chain).await?;
        Ok(outcome)
    }

    async fn rollback_block(&mut self, chain: bool) -> Result<Outcome, PgError> {
        let block = std::mem::replace(&mut self.block, Block::Idle);
        self.savepoints.clear();
        self.close_cursors_of_transaction(false);
        self.drop_transaction();
        self.restore_settings_at_begin();
        if block == Block::Idle {
            self.notify(Notice::warning(
                sqlstate::NO_ACTIVE_SQL_TRANSACTION,
                "there is no transaction in progress",
            ));
        }
        self.chain(chain).await?;
        Ok(Outcome::Command("ROLLBACK".to_string()))
    }

    async fn chain(&mut self, chain: bool) -> Result<(), PgError> {
        if chain {
            self.block = Block::Open;
            self.open_transaction().await?;
        }
        Ok(())
    }

    fn set_savepoint(&mut self, name: &str) -> Result<Outcome, PgError> {
        if self.block != Block::Open {
            return Err(PgError::new(
                sqlstate::NO_ACTIVE_SQL_TRANSACTION,
                "SAVEPOINT can only be used in transaction blocks",
            ));
        }
        let point = self.transaction()?.savepoint();
        self.savepoints.push(SavedPoint {
            name: name.to_string(),
            point,
        });
        Ok(Outcome::Command("SAVEPOINT".to_string()))
    }

    fn find_savepoint(&mut self, name: &str, statement: &str) -> Result<usize, PgError> {
        if !matches!(self.block, Block::Open | Block::Failed) {
            return Err(PgError::new(
                sqlstate::NO_ACTIVE_SQL_TRANSACTION,
                format!("{statement} can only be used in transaction blocks"),
            ));
        }
        let found = self.savepoints.iter().rposition(|saved| saved.name == name);
        found.ok_or_else(|| {
            self.fail();
            PgError::new(
                sqlstate::INVALID_SAVEPOINT,
                format!("savepoint \"{name}\" does not exist"),
            )
        })
    }

    fn release_savepoint(&mut self, name: &str) -> Result<Outcome, PgError> {
        let index = self.find_savepoint(name, "RELEASE SAVEPOINT")?;
        self.savepoints.truncate(index);
        Ok(Outcome::Command("RELEASE".to_string()))
    }

    fn rollback_to(&mut self, name: &str) -> Result<Outcome, PgError> {
        let index = self.find_savepoint(name, "ROLLBACK TO SAVEPOINT")?;
        self.savepoints.truncate(index + 1);
        let transaction = self.transaction.as_mut().ok_or_else(none_open)?;
        transaction.rollback_to(&self.savepoints[index].point);
        let state = transaction.state();
        let own = transaction
            .own_schemas()
            .into_iter()
            .filter_map(|(id, schema)| {
                let relation = state.relation_by_id(id)?;
                Some((relation.oid, schema))
            });
        self.system.remember_only(own.collect());
        self.block = Block::Open;
        Ok(Outcome::Command("ROLLBACK".to_string()))
    }

    /// SET LOCAL and the transaction's own modes end with it.
    pub fn keep_settings_for_transaction(&mut self) {
        if self.local_settings.is_none() {
            self.local_settings = Some(self.settings.clone());
        }
    }

    /// A SET (not LOCAL) survives the commit.
    pub fn set_for_session(&mut self, name: &str, value: Option<&str>) -> Result<(), PgError> {
        let change = |settings: &mut super::settings::Settings| match value {
            Some(value) => settings.set(name, value).map(|_| ()),
            None => settings.reset(name),
        };
        change(&mut self.settings)?;
        match &mut self.local_settings {
            Some(kept) => change(kept),
            None => Ok(()),
        }
    }

    fn restore_settings_at_begin(&mut self) {
        self.local_settings = None;
        if let Some(settings) = self.settings_at_begin.take() {
            self.settings = settings;
            self.apply_settings();
        }
    }

    fn restore_local_settings(&mut self) {
        self.settings_at_begin = None;
        if let Some(settings) = self.local_settings.take() {
            self.settings = settings;
            self.apply_settings();
        }
    }

    /// 25006 inside a read-only transaction.
    pub fn check_writable(&self, command: &str) -> Result<(), PgError> {
        let default_read_only =
            self.block != Block::Open && self.settings.is_on("default_transaction_read_only");
        if self.settings.is_on("transaction_read_only") || default_read_only {
            return Err(PgError::new(
                sqlstate::READ_ONLY_SQL_TRANSACTION,
                format!("cannot execute {command} in a read-only transaction"),
            ));
        }
        Ok(())
    }
}
