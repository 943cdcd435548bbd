//! What does a training function know of the statement that calls it?

use std::sync::Arc;

use datafusion::execution::memory_pool::MemoryPool;
use tarn_gpu::control::CancelToken;
use tarn_gpu::device::DeviceChoice;

use super::places::FitPlaces;
use super::queue::{FitLimits, FitQueue};

/// Where a session's training functions fit, and who stops them.
///
/// A function's state cannot reach the task that runs it, so each session registers its own functions over its own seat.
#[derive(Clone)]
pub struct Seat {
    /// The process's fit queue.
    pub queue: Arc<FitQueue>,
    /// Memory of queries, training and models together.
    pub memory: Arc<dyn MemoryPool>,
    /// The token of the statement that runs now.
    pub cancel: Arc<dyn Fn() -> CancelToken + Send + Sync>,
    /// Threads that the session's fits may use at most; 0 is all of the queue's.
    pub threads_max: Arc<dyn Fn() -> usize + Send + Sync>,
    /// Called when fits begin; they are under way until what it gives is dropped.
    pub begin: Arc<dyn Fn() -> Underway + Send + Sync>,
    /// Takes what the user should read.
    pub notify: Arc<dyn Fn(String) + Send + Sync>,
}

/// Kept while fits are under way, so that the queue can tell a statement that trains from one that waits for nobody.
pub type Underway = Box<dyn std::any::Any + Send>;

impl Seat {
    /// A seat that nobody stops and nobody listens to, on a queue of its own: for lists of functions and for tests.
    pub fn alone(threads: usize, memory: &Arc<dyn MemoryPool>) -> Self {
        Self {
            queue: FitQueue::new(threads, None),
            memory: Arc::clone(memory),
            cancel: Arc::new(CancelToken::new),
            threads_max: Arc::new(|| 0),
            begin: Arc::new(|| Box::new(())),
            notify: Arc::new(|_| ()),
        }
    }

    /// What the fits of the running statement obey.
    pub fn limits(&self, device: DeviceChoice) -> FitLimits {
        FitLimits {
            cancel: (self.cancel)(),
            deadline: None,
            threads_max: (self.threads_max)(),
            device,
            places: FitPlaces::default(),
        }
    }
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seat").field("queue", &self.queue).finish()
    }
}
