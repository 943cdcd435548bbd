//! How do the training functions of a session's queries reach the fit queue, and its statements' switches them?

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use tarn_udfs::fit::seat::{Seat, Underway};
use tokio::sync::mpsc::UnboundedSender;

use super::cancel::SessionEntry;
use super::notice::Notice;
use crate::engine::Engine;
use crate::error::PgError;

/// How `ml.progress` names a query that trains.
const QUERY: &str = "(query)";

/// Registers the training functions over the session's own seat.
pub fn with_training_functions(
    mut state: SessionState,
    engine: &Arc<Engine>,
    entry: &SessionEntry,
    notices: &UnboundedSender<Notice>,
    threads_max: &Arc<AtomicUsize>,
) -> Result<SessionState, PgError> {
    let (cancel, pid) = (entry.cancel.clone(), entry.pid);
    let trainings = Arc::clone(&engine.trainings);
    let (notices, threads_max) = (notices.clone(), Arc::clone(threads_max));
    let seat = Arc::new(Seat {
        queue: Arc::clone(&engine.fits),
        memory: Arc::clone(&engine.base.runtime_env().memory_pool),
        cancel: Arc::new(move || cancel.fits()),
        threads_max: Arc::new(move || threads_max.load(Ordering::Relaxed)),
        begin: Arc::new(move || -> Underway {
            let training = trainings.begin(QUERY, pid);
            training.handle().progress("fitting models");
            Box::new(training)
        }),
        notify: Arc::new(move |message| {
            // A client that is gone reads nothing; the statement is stopped elsewhere.
            let _ = notices.send(Notice::plain(message));
        }),
    });
    for function in tarn_udfs::training_functions(&seat) {
        state.register_udaf(Arc::new(function))?;
    }
    Ok(state)
}
