//! What do the log and the counters say of a statement?
//!
//! A statement is counted and logged when its answer is complete: rows that stream for a minute belong to its
//! time, and an error among them to its result. Everything that is logged on its way carries its query id.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::engine::Engine;
use crate::error::PgError;
use crate::sqlstate;

/// A statement that is being answered.
pub struct StatementLog {
    engine: Arc<Engine>,
    /// Number of the statement since the server started.
    pub query_id: u64,
    pid: i32,
    text: String,
    started: Instant,
}

impl StatementLog {
    /// A statement begins.
    pub fn begin(engine: &Arc<Engine>, pid: i32, text: &str) -> Self {
        let query_id = engine.counters.statements.fetch_add(1, Ordering::Relaxed) + 1;
        tracing::debug!(pid, query_id, statement = text, "statement begins");
        StatementLog {
            engine: Arc::clone(engine),
            query_id,
            pid,
            text: text.to_string(),
            started: Instant::now(),
        }
    }

    /// What is logged while it runs carries this.
    pub fn span(&self) -> tracing::Span {
        tracing::info_span!("statement", pid = self.pid, query_id = self.query_id)
    }

    /// The answer is complete.
    pub fn end(self, failed: Option<&PgError>) {
        let (pid, query_id, statement) = (self.pid, self.query_id, self.text.as_str());
        let elapsed = self.started.elapsed();
        let elapsed_ms = elapsed.as_millis() as u64;
        let counters = &self.engine.counters;
        counters
            .statement_micros
            .fetch_add(elapsed.as_micros() as u64, Ordering::Relaxed);
        if let Some(error) = failed {
            counters.errors.fetch_add(1, Ordering::Relaxed);
            let (code, message) = (error.code.0, error.message.as_str());
            if error.code == sqlstate::INTERNAL_ERROR {
                counters.internal_errors.fetch_add(1, Ordering::Relaxed);
                tracing::error!(pid, query_id, error = message, statement, "internal error");
            } else {
                tracing::debug!(pid, query_id, code, error = message, "statement failed");
            }
        }
        let slow_ms = self.engine.config.slow_statement_ms;
        if slow_ms > 0 && elapsed_ms >= slow_ms {
            tracing::warn!(pid, query_id, elapsed_ms, statement, "slow statement");
        } else {
            tracing::debug!(pid, query_id, elapsed_ms, "statement ends");
        }
    }
}
