//! How does a cancel request, a timeout or a vanished client stop a running statement?
//!
//! Each statement runs under its own token. Whoever wants it to stop says why and fires the token; rows,
//! writes and training all watch the same one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tarn_gpu::control::CancelToken;
use tokio_util::sync::CancellationToken;

use crate::error::PgError;
use crate::sqlstate;

/// Why a statement was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// A cancel request of the client or of pg_cancel_backend.
    User,
    /// statement_timeout
    Timeout,
    /// The server is going down.
    Shutdown,
    /// Nobody listens any more.
    ClientGone,
}

impl StopReason {
    /// What the client reads.
    pub fn error(self) -> PgError {
        match self {
            StopReason::User => PgError::new(
                sqlstate::QUERY_CANCELED,
                "canceling statement due to user request",
            ),
            StopReason::Timeout => PgError::new(
                sqlstate::QUERY_CANCELED,
                "canceling statement due to statement timeout",
            ),
            StopReason::Shutdown => PgError::fatal(
                sqlstate::ADMIN_SHUTDOWN,
                "terminating connection due to administrator command",
            ),
            StopReason::ClientGone => {
                PgError::fatal(sqlstate::SqlState("08006"), "the client is gone")
            }
        }
    }
}

/// The stop switch of one session's current statement.
#[derive(Debug, Clone, Default)]
pub struct StatementCancel {
    inner: Arc<Mutex<Current>>,
    /// Statements that run in the whole server.
    running: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Current {
    token: CancellationToken,
    /// The same switch for fits, which run outside of any runtime.
    fits: CancelToken,
    reason: Option<StopReason>,
    running: bool,
}

impl StatementCancel {
    fn lock(&self) -> std::sync::MutexGuard<'_, Current> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new statement begins: a token that nobody has fired.
    pub fn begin(&self) -> CancellationToken {
        let mut current = self.lock();
        current.token = CancellationToken::new();
        current.fits = CancelToken::new();
        current.reason = None;
        if !current.running {
            current.running = true;
            self.running.fetch_add(1, Ordering::Relaxed);
        }
        current.token.clone()
    }

    /// The statement is over; a late cancel request does nothing.
    pub fn end(&self) {
        let mut current = self.lock();
        if current.running {
            current.running = false;
            self.running.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Stops the running statement, if there is one.
    pub fn stop(&self, reason: StopReason) {
        let mut current = self.lock();
        if current.running {
            current.reason.get_or_insert(reason);
            current.token.cancel();
            current.fits.cancel();
        }
    }

    /// The token of the current statement's fits.
    pub fn fits(&self) -> CancelToken {
        self.lock().fits.clone()
    }

    /// The current statement's token.
    pub fn token(&self) -> CancellationToken {
        self.lock().token.clone()
    }

    /// Why the current statement was stopped.
    pub fn reason(&self) -> StopReason {
        self.lock().reason.unwrap_or(StopReason::User)
    }
}

/// What others may know of a session.
#[derive(Debug, Clone)]
pub struct SessionEntry {
    /// The process id that the client was told.
    pub pid: i32,
    /// The secret of its cancel requests.
    pub secret: i32,
    /// Its switch.
    pub cancel: StatementCancel,
    /// Fired to end the whole session.
    pub terminate: CancellationToken,
    /// Shown in pg_stat_activity.
    pub activity: Arc<Mutex<Activity>>,
}

/// What pg_stat_activity shows.
#[derive(Debug, Clone, Default)]
pub struct Activity {
    /// Who.
    pub user: String,
    /// Where.
    pub database: String,
    /// By what program.
    pub application_name: String,
    /// active, idle, idle in transaction
    pub state: &'static str,
    /// The current or last statement.
    pub query: String,
    /// Its number since the server started.
    pub query_id: Option<i64>,
    /// When the session began, in µs since the epoch.
    pub backend_start_micros: i64,
    /// When the statement began, in µs since the epoch.
    pub query_start_micros: Option<i64>,
}

/// Process ids are told from here on, so that nobody takes one for a process of the system.
const FIRST_PID: i32 = 100_000;

/// Every session of this server by process id.
#[derive(Debug, Default)]
pub struct Sessions {
    entries: Mutex<HashMap<i32, SessionEntry>>,
    last_pid: AtomicI32,
    running: Arc<AtomicUsize>,
}

impl Sessions {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<i32, SessionEntry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up a new session; None when there are as many as there may be.
    pub fn register(&self, sessions_max: usize) -> Option<SessionEntry> {
        let mut entries = self.lock();
        if entries.len() >= sessions_max {
            return None;
        }
        let pid = FIRST_PID + self.last_pid.fetch_add(1, Ordering::Relaxed);
        let bytes = uuid::Uuid::new_v4().into_bytes();
        let entry = SessionEntry {
            pid,
            secret: i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
            cancel: StatementCancel {
                running: Arc::clone(&self.running),
                ..StatementCancel::default()
            },
            terminate: CancellationToken::new(),
            activity: Arc::default(),
        };
        entries.insert(pid, entry.clone());
        Some(entry)
    }

    /// The session has ended.
    pub fn remove(&self, pid: i32) {
        self.lock().remove(&pid);
    }

    /// A cancel request from the wire; wrong secrets are ignored without a word, as in Postgres.
    pub fn cancel_by_secret(&self, pid: i32, secret: i32) {
        let found = self.lock().get(&pid).cloned();
        if let Some(entry) = found.filter(|entry| entry.secret == secret) {
            entry.cancel.stop(StopReason::User);
        }
    }

    /// pg_cancel_backend
    pub fn cancel(&self, pid: i32) -> bool {
        let found = self.lock().get(&pid).cloned();
        found.is_some_and(|entry| {
            entry.cancel.stop(StopReason::User);
            true
        })
    }

    /// pg_terminate_backend
    pub fn terminate(&self, pid: i32) -> bool {
        let found = self.lock().get(&pid).cloned();
        found.is_some_and(|entry| {
            entry.terminate.cancel();
            entry.cancel.stop(StopReason::Shutdown);
            true
        })
    }

    /// The server goes down.
    pub fn terminate_all(&self) {
        let all: Vec<i32> = self.lock().keys().copied().collect();
        for pid in all {
            self.terminate(pid);
        }
    }

    /// Statements that run now, trainings included; cheap enough to ask between two trees.
    pub fn statements_running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// All of them, by process id.
    pub fn list(&self) -> Vec<SessionEntry> {
        let mut all: Vec<SessionEntry> = self.lock().values().cloned().collect();
        all.sort_by_key(|entry| entry.pid);
        all
    }
}
