//! What does one client's connection remember, and how does it run a statement?
//!
//! [`Session::run`] is the whole pipeline: check the transaction block, execute under the cancel token,
//! commit or fail. Bytes and sockets are `postgres`'s business.

pub mod cancel;
pub mod catalog_view;
pub mod cursor;
pub mod notice;
pub mod outcome;
pub mod prepared;
pub mod repetition;
mod seat;
pub mod settings;
pub mod statement_log;
pub mod temporary;
mod transaction;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use datafusion::execution::session_state::SessionState;
use datafusion::prelude::SessionContext;
use tarn_catalog::state::State;
use tarn_catalog::transaction::Transaction;
use tarn_udfs::time::clock::Clock;
use tarn_udfs::time::zone::Zone;
use tokio::sync::mpsc::UnboundedSender;
use tracing::Instrument;

use crate::engine::Engine;
use crate::error::PgError;
use crate::parser::{Parsed, Statement};
use crate::plan::Planner;
use crate::plan::casts::format::SessionFormat;
use crate::plan::files::FileAccess;
use crate::plan::names::{DATABASE, Names};
use crate::{sqlstate, statement};
use cancel::{SessionEntry, StopReason};
use catalog_view::SystemCatalog;
use cursor::Cursor;
use notice::Notice;
use outcome::Outcome;
use prepared::{Parameters, PreparedStatements};
use settings::Settings;
use statement_log::StatementLog;
use temporary::Temporary;
pub use transaction::Block;
use transaction::SavedPoint;

/// How a client came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// By TCP, from this address.
    Tcp(std::net::SocketAddr, std::net::SocketAddr),
    /// By the Unix socket; the kernel told who it is.
    Unix,
}

/// One connection's private state.
pub struct Session {
    /// What all sessions share.
    pub engine: Arc<Engine>,
    /// Process id, cancel switch, activity.
    pub entry: SessionEntry,
    /// The user.
    pub user: String,
    /// How the client came in.
    pub peer: Peer,
    /// SET and SHOW.
    pub settings: Settings,
    /// Where unsolicited messages go.
    pub notices: UnboundedSender<Notice>,
    /// Named prepared statements, of PREPARE and of the protocol.
    pub prepared: PreparedStatements,
    /// Declared cursors.
    pub cursors: HashMap<String, Cursor>,
    /// pg_catalog and its kin as this session sees them.
    pub system: SystemCatalog,
    /// Which files this session may touch.
    pub files: FileAccess,
    temporary: Temporary,
    /// `ml.max_threads` as the running statement found it.
    fit_threads: Arc<AtomicUsize>,
    state: SessionState,
    block: Block,
    transaction: Option<Transaction>,
    /// When the open transaction began, in µs since 1970.
    transaction_micros: Option<i64>,
    savepoints: Vec<SavedPoint>,
    /// The statement that is being answered.
    log: Option<StatementLog>,
    /// The settings to which a commit goes back: those without SET LOCAL.
    local_settings: Option<Settings>,
    /// The settings to which a rollback goes back.
    settings_at_begin: Option<Settings>,
}

impl Session {
    /// A fresh session.
    pub fn new(
        engine: Arc<Engine>,
        user: String,
        peer: Peer,
        notices: UnboundedSender<Notice>,
    ) -> Result<Self, PgError> {
        let entry = engine
            .sessions
            .register(engine.config.connections_max)
            .ok_or_else(|| {
                PgError::fatal(
                    sqlstate::TOO_MANY_CONNECTIONS,
                    "sorry, too many clients already",
                )
            })?;
        let root = match peer {
            Peer::Tcp(..) => Some(engine.config.files_root.clone()),
            Peer::Unix => None,
        };
        let prepared = PreparedStatements::default();
        let system = SystemCatalog::new(&engine, &entry, &user, &peer, prepared.clone());
        let state = system.register(engine.base.clone())?;
        let fit_threads = Arc::new(AtomicUsize::new(0));
        let state = seat::with_training_functions(state, &engine, &entry, &notices, &fit_threads)?;
        Ok(Session {
            entry,
            user,
            peer,
            settings: Settings::default(),
            notices,
            prepared,
            cursors: HashMap::new(),
            system,
            files: FileAccess {
                root,
                catalog: engine.catalog.clone(),
            },
            temporary: Temporary::default(),
            fit_threads,
            state,
            block: Block::Idle,
            transaction: None,
            transaction_micros: None,
            savepoints: Vec::new(),
            log: None,
            local_settings: None,
            settings_at_begin: None,
            engine,
        })
    }

    /// Runs one statement to its outcome. Rows of a query come later, by the outcome's stream.
    pub async fn run(
        &mut self,
        parsed: &Parsed,
        parameters: &Parameters,
    ) -> Result<Outcome, PgError> {
        self.take_pending_settings();
        let log = StatementLog::begin(&self.engine, self.entry.pid, &parsed.text);
        let span = log.span();
        self.note_activity(&parsed.text, log.query_id);
        self.log = Some(log);
        self.run_logged(parsed, parameters).instrument(span).await
    }

    async fn run_logged(
        &mut self,
        parsed: &Parsed,
        parameters: &Parameters,
    ) -> Result<Outcome, PgError> {
        let fit_threads = self.settings.known("ml.max_threads").parse().unwrap_or(0);
        self.fit_threads.store(fit_threads, Ordering::Relaxed);
        self.check_block(&parsed.statement)?;
        if let Statement::Transaction(moved) = &parsed.statement {
            // Never cancelled half-way: a commit is finished or not begun.
            self.move_transaction(moved).await
        } else {
            self.run_with_repetition(parsed, parameters).await
        }
    }

    /// The last statement was answered to its end, rows and all.
    pub fn note_answered(&mut self, failed: Option<&PgError>) {
        if let Some(log) = self.log.take() {
            log.end(failed);
        }
    }

    /// Runs a statement once, and commits if it is on its own.
    async fn attempt(
        &mut self,
        parsed: &Parsed,
        parameters: &Parameters,
    ) -> Result<Outcome, PgError> {
        let token = self.entry.cancel.token();
        self.open_transaction().await?;
        let executed = tokio::select! {
            biased;
            () = token.cancelled() => Err(self.entry.cancel.reason().error()),
            executed = statement::execute(self, parsed, parameters) => executed,
        };
        let executed = executed.map_err(|error| parsed.locate(error));
        self.close_statement(executed).await
    }

    /// Starts the clock and the switch of a statement that arrived.
    pub fn begin_statement(&self) -> StatementGuard {
        let token = self.entry.cancel.begin();
        let timeout_ms = self.settings.milliseconds("statement_timeout");
        let timer = (timeout_ms > 0).then(|| {
            let cancel = self.entry.cancel.clone();
            let current = token.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(timeout_ms)).await;
                if !current.is_cancelled() {
                    cancel.stop(StopReason::Timeout);
                }
            })
        });
        StatementGuard {
            cancel: self.entry.cancel.clone(),
            timer,
        }
    }

    /// A planner over this session's transaction.
    pub fn planner(&mut self) -> Result<Planner<'_>, PgError> {
        let names = self.names();
        let format = crate::postgres::message::format_settings(self);
        let transaction = self
            .transaction
            .as_mut()
            .ok_or_else(transaction::none_open)?;
        Ok(Planner::new(
            &self.state,
            transaction,
            names,
            &self.engine.models,
            &self.system,
            &self.files,
            format,
        ))
    }

    /// Has the session begun a transaction?
    pub fn has_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    /// The open transaction.
    pub fn transaction(&mut self) -> Result<&mut Transaction, PgError> {
        self.transaction.as_mut().ok_or_else(transaction::none_open)
    }

    /// What exists, with the transaction's own changes.
    pub fn catalog_state(&self) -> Arc<State> {
        match &self.transaction {
            Some(transaction) => transaction.state(),
            None => self.engine.catalog.state(),
        }
    }

    /// Names as this session sees them.
    pub fn names(&self) -> Names {
        Names {
            state: self.catalog_state(),
            search_path: self.settings.search_path(&self.user),
            temporary: Some(self.temporary_schema()),
        }
    }

    /// Functions and options for planning and execution.
    pub fn state(&self) -> &SessionState {
        &self.state
    }

    /// Sends a message beside the result.
    pub fn notify(&self, notice: Notice) {
        // A client that is gone reads no notices; the statement learns of it elsewhere.
        let _ = self.notices.send(notice);
    }

    /// Brings the options that DataFusion reads in line with the settings.
    pub fn apply_settings(&mut self) {
        self.refresh_view();
    }

    /// Tells functions what the time is, where the session's clocks stand, and how values look as text.
    fn set_clock(&mut self) {
        let now = chrono::Utc::now().timestamp_micros();
        let clock = Clock {
            zone: Zone::parse(self.settings.known("timezone")).unwrap_or(Zone::UTC),
            transaction_micros: self.transaction_micros.unwrap_or(now),
            statement_micros: now,
        };
        let format = Arc::new(crate::postgres::message::format_settings(self));
        let extensions = &mut self.state.config_mut().options_mut().extensions;
        extensions.insert(clock);
        extensions.insert(SessionFormat(format));
    }

    /// Tells the system catalog what this session sees now, and what time it is.
    pub fn refresh_view(&mut self) {
        self.system
            .refresh(self.catalog_state(), &self.settings, &self.user);
        self.set_clock();
        let fresh = SessionContext::new_with_state(self.state.clone()).state();
        self.state = fresh;
    }

    /// Applies what set_config() changed.
    fn take_pending_settings(&mut self) {
        let pending = self.system.take_pending_settings();
        if pending.is_empty() {
            return;
        }
        for setting in pending {
            if setting.is_local {
                self.keep_settings_for_transaction();
            }
            // It was checked when the function ran.
            let _ = self.settings.set(&setting.name, &setting.value);
        }
        self.apply_settings();
    }

    fn note_activity(&self, text: &str, query_id: u64) {
        let mut activity = self
            .entry
            .activity
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        activity.user.clone_from(&self.user);
        activity.database = DATABASE.to_string();
        activity.application_name = self.settings.known("application_name").to_string();
        activity.state = "active";
        activity.query = text.to_string();
        activity.query_id = Some(query_id as i64);
        activity.query_start_micros = Some(chrono::Utc::now().timestamp_micros());
    }

    /// The session waits for its client.
    pub fn note_idle(&self) {
        let mut activity = self
            .entry
            .activity
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        activity.state = match self.block {
            Block::Idle | Block::Implicit => "idle",
            Block::Open => "idle in transaction",
            Block::Failed => "idle in transaction (aborted)",
        };
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(transaction) = self.transaction.take() {
            transaction.rollback();
        }
        self.leave_temporary();
        self.engine.sessions.remove(self.entry.pid);
    }
}

/// Ends a statement's clock and switch when dropped.
pub struct StatementGuard {
    cancel: cancel::StatementCancel,
    timer: Option<tokio::task::JoinHandle<()>>,
}

impl Drop for StatementGuard {
    fn drop(&mut self) {
        if let Some(timer) = &self.timer {
            timer.abort();
        }
        self.cancel.end();
    }
}
