//! How a caller stops a fit, watches it, or makes it step aside between two trees.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::GpuError;

/// A flag that any thread raises to stop the fits that hold a clone of it.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A token that is not raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether both are clones of one token.
    pub fn same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Asks every holder to stop; there is no way back.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether [`CancelToken::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Where a fit stands when it offers to step aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Rounds (or solver iterations) done.
    pub rounds_done: u32,
    /// Rounds that will be done at most.
    pub rounds_max: u32,
}

/// A hook called between two trees: it may block to let other work pass.
pub type YieldPoint = Arc<dyn Fn(Progress) + Send + Sync>;

/// The caller's hand on its running fits.
#[derive(Clone, Default)]
pub struct Control {
    /// Raised to stop; looked at before every tree and every solver iteration.
    pub cancel: CancelToken,
    /// Called between trees, outside any lock; `None` costs nothing.
    pub yield_point: Option<YieldPoint>,
}

impl Control {
    /// Fails when cancelled, otherwise reports progress and lets the hook hold the fit back.
    pub fn checkpoint(&self, progress: Progress) -> Result<(), GpuError> {
        if let Some(hook) = &self.yield_point {
            hook(progress);
        }
        if self.cancel.is_cancelled() {
            Err(GpuError::Cancelled)
        } else {
            Ok(())
        }
    }
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control")
            .field("cancelled", &self.cancel.is_cancelled())
            .field("yield_point", &self.yield_point.is_some())
            .finish()
    }
}
