//! Which models are being trained right now, and how far are they?

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// One running CREATE MODEL, a row of `ml.progress`.
#[derive(Debug, Clone)]
pub struct Training {
    /// Number of this training since the server started.
    pub id: u64,
    /// The model's name with its schema.
    pub model: String,
    /// The session that trains.
    pub pid: i32,
    /// When it began, µs since the epoch.
    pub started_at_micros: i64,
    /// The newest progress line.
    pub message: String,
}

/// All running trainings.
#[derive(Debug, Default)]
pub struct Trainings {
    inner: Mutex<(u64, BTreeMap<u64, Training>)>,
    running: AtomicUsize,
}

impl Trainings {
    /// Takes up a training; it leaves the list when the guard is dropped.
    pub fn begin(self: &Arc<Self>, model: &str, pid: i32) -> TrainingGuard {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.0 += 1;
        let id = inner.0;
        let training = Training {
            id,
            model: model.to_string(),
            pid,
            started_at_micros: chrono::Utc::now().timestamp_micros(),
            message: "reading rows".to_string(),
        };
        inner.1.insert(id, training);
        self.running.store(inner.1.len(), Ordering::Relaxed);
        TrainingGuard(TrainingHandle {
            trainings: Arc::clone(self),
            id,
        })
    }

    /// How many run; cheap enough to ask between two trees.
    pub fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    /// The running ones, oldest first.
    pub fn list(&self) -> Vec<Training> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.1.values().cloned().collect()
    }
}

/// Keeps a training in the list.
#[derive(Debug)]
pub struct TrainingGuard(TrainingHandle);

/// Says how far a training is.
#[derive(Debug, Clone)]
pub struct TrainingHandle {
    trainings: Arc<Trainings>,
    id: u64,
}

impl TrainingGuard {
    /// For whoever does the work; it may outlive the guard for a moment.
    pub fn handle(&self) -> TrainingHandle {
        self.0.clone()
    }
}

impl TrainingHandle {
    /// Something happened.
    pub fn progress(&self, message: &str) {
        let mut inner = self
            .trainings
            .inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(training) = inner.1.get_mut(&self.id) {
            training.message = message.to_string();
        }
    }
}

impl Drop for TrainingGuard {
    fn drop(&mut self) {
        let mut inner = self
            .0
            .trainings
            .inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        inner.1.remove(&self.0.id);
        self.0
            .trainings
            .running
            .store(inner.1.len(), Ordering::Relaxed);
    }
}
