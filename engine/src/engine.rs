//! What do all sessions share?

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use datafusion::execution::session_state::SessionState;
use tarn_catalog::Catalog;
use tarn_catalog::system::Callable;
use tarn_udfs::fit::queue::FitQueue;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::models::Models;
use crate::session::cancel::Sessions;
use crate::session::repetition::Turns;
use crate::training::Trainings;

/// The parts of a running server. Parts do not receive the whole: only sessions hold it.
pub struct Engine {
    /// Settings.
    pub config: Config,
    /// What exists.
    pub catalog: Catalog,
    /// Functions, options and the runtime that every session starts from.
    pub base: SessionState,
    /// What `pg_proc` says of those functions.
    pub callables: Arc<Vec<Callable>>,
    /// Opened models.
    pub models: Arc<Models>,
    /// Who is connected.
    pub sessions: Arc<Sessions>,
    /// Which models are being trained, and how far they are.
    pub trainings: Arc<Trainings>,
    /// Who may write which table next.
    pub turns: Arc<Turns>,
    /// The one queue of all fits.
    pub fits: Arc<FitQueue>,
    /// Counters for /metrics.
    pub counters: Counters,
    /// When the server started, in µs since the epoch.
    pub started_at_micros: i64,
    /// Fired when the server goes down.
    pub shutdown: CancellationToken,
}

/// Counters since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections accepted.
    pub connections: AtomicU64,
    /// Statements run.
    pub statements: AtomicU64,
    /// Statements that failed.
    pub errors: AtomicU64,
    /// Failures with SQLSTATE XX000: defects.
    pub internal_errors: AtomicU64,
    /// Rows sent.
    pub rows: AtomicU64,
    /// Time spent in statements, µs.
    pub statement_micros: AtomicU64,
}
