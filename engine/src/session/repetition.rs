//! When is a statement run again?
//!
//! Tables change by whole commits, so of two UPDATEs that begin together one finds its version taken, also when
//! they change different rows. Outside a transaction block nobody has seen anything of the loser: it runs again on
//! the new version. Losers of one table queue up, and statements that come later wait for them, so everybody gets
//! a turn. Inside a block the client decides (40001).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use datafusion::sql::sqlparser::ast;
use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

use super::outcome::Outcome;
use super::prepared::Parameters;
use super::{Block, Session};
use crate::error::PgError;
use crate::parser::{Parsed, Statement};
use crate::plan::names::qualified;
use crate::sqlstate;

/// A statement gives up after so many lost races: something else keeps winning, such as a foreign writer.
const ATTEMPTS_MAX: usize = 100;

type Turn = tokio::sync::Mutex<()>;

/// Whose turn it is to write a table, among those who have lost a race for it.
#[derive(Debug, Default)]
pub struct Turns {
    by_table: Mutex<HashMap<Uuid, Weak<Turn>>>,
}

impl Turns {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Weak<Turn>>> {
        self.by_table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nobody has a turn.
    async fn wait(&self, table: Uuid) {
        let turn = self.lock().get(&table).and_then(Weak::upgrade);
        if let Some(turn) = turn {
            drop(turn.lock().await);
        }
    }

    /// Waits for a turn and takes it.
    async fn take(&self, table: Uuid) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.lock();
            turns.retain(|_, turn| turn.strong_count() > 0);
            let known = turns.get(&table).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let turn = Arc::new(Turn::default());
                turns.insert(table, Arc::downgrade(&turn));
                turn
            })
        };
        turn.lock_owned().await
    }
}

impl Session {
    /// Runs a statement, and again when it is on its own and loses a race.
    pub(super) async fn run_with_repetition(
        &mut self,
        parsed: &Parsed,
        parameters: &Parameters,
    ) -> Result<Outcome, PgError> {
        if self.has_transaction() || matches!(self.block(), Block::Open | Block::Failed) {
            return self.attempt(parsed, parameters).await;
        }
        let Some(table) = self.written_table(&parsed.statement) else {
            return self.attempt(parsed, parameters).await;
        };
        let turns = Arc::clone(&self.engine.turns);
        self.unless_cancelled(turns.wait(table)).await?;
        let is_alone = self.block() == Block::Idle;
        match self.attempt(parsed, parameters).await {
            Err(error) if is_alone && is_lost_race(&error) => {
                self.repeat(table, parsed, parameters).await
            }
            other => other,
        }
    }

    /// Runs a statement anew whose own transaction lost a race at its COMMIT.
    pub async fn run_again(
        &mut self,
        parsed: &Parsed,
        parameters: &Parameters,
    ) -> Result<Outcome, PgError> {
        match self.written_table(&parsed.statement) {
            Some(table) => self.repeat(table, parsed, parameters).await,
            None => self.attempt(parsed, parameters).await,
        }
    }

    async fn repeat(
        &mut self,
        table: Uuid,
        parsed: &Parsed,
        parameters: &Parameters,
    ) -> Result<Outcome, PgError> {
        let turns = Arc::clone(&self.engine.turns);
        let _turn = self.unless_cancelled(turns.take(table)).await?;
        let mut attempt = 1;
        loop {
            match self.attempt(parsed, parameters).await {
                Err(error) if is_lost_race(&error) && attempt < ATTEMPTS_MAX => attempt += 1,
                other => return other,
            }
        }
    }

    async fn unless_cancelled<T>(&self, waiting: impl Future<Output = T>) -> Result<T, PgError> {
        let token = self.entry.cancel.token();
        tokio::select! {
            biased;
            () = token.cancelled() => Err(self.entry.cancel.reason().error()),
            done = waiting => Ok(done),
        }
    }

    /// The table whose rows a statement changes.
    fn written_table(&self, statement: &Statement) -> Option<Uuid> {
        let name = match statement {
            Statement::Sql(inner) | Statement::InsertOverriding(inner, _) => target_of(inner)?,
            Statement::Execute(execute) => {
                let prepared = self.prepared.get(&execute.name)?;
                return self.written_table(&prepared.parsed.as_ref()?.statement);
            }
            _ => return None,
        };
        let relation = self.names().find_relation(&qualified(name).ok()?)?;
        Some(relation.id)
    }
}

fn target_of(statement: &ast::Statement) -> Option<&ast::ObjectName> {
    match statement {
        ast::Statement::Insert(insert) => match &insert.table {
            ast::TableObject::TableName(name) => Some(name),
            _ => None,
        },
        ast::Statement::Update(update) => factor_name(&update.table.relation),
        ast::Statement::Delete(delete) => {
            let (ast::FromTable::WithFromKeyword(from) | ast::FromTable::WithoutKeyword(from)) =
                &delete.from;
            factor_name(&from.first()?.relation)
        }
        ast::Statement::Query(query) => match query.body.as_ref() {
            ast::SetExpr::Insert(written)
            | ast::SetExpr::Update(written)
            | ast::SetExpr::Delete(written) => target_of(written),
            _ => None,
        },
        ast::Statement::Truncate(truncated) => Some(&truncated.table_names.first()?.name),
        _ => None,
    }
}

fn factor_name(table: &ast::TableFactor) -> Option<&ast::ObjectName> {
    match table {
        ast::TableFactor::Table { name, .. } => Some(name),
        _ => None,
    }
}

/// Did another transaction come first?
pub fn is_lost_race(error: &PgError) -> bool {
    error.code == sqlstate::SERIALIZATION_FAILURE
}
