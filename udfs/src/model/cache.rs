//! Which group models stay in memory? The most recently used ones, of all open models together, within a byte budget.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::trained::TrainedModel;
use crate::error::ModelError;

/// One group of one open file.
type CacheKey = (u64, usize);

#[derive(Debug, Default)]
struct Entries {
    models: HashMap<CacheKey, (Arc<TrainedModel>, usize, u64)>,
    by_use: BTreeMap<u64, CacheKey>,
    bytes: usize,
    clock: u64,
}

/// A least-recently-used cache of group models.
#[derive(Debug)]
pub struct ModelCache {
    budget_bytes: usize,
    entries: Mutex<Entries>,
    next_file: AtomicU64,
}

impl ModelCache {
    /// A cache that holds at most this many bytes of models.
    pub fn new(budget_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            budget_bytes,
            entries: Mutex::default(),
            next_file: AtomicU64::new(0),
        })
    }

    /// Bytes held now.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// A number that no other open file has.
    pub(super) fn register_file(&self) -> u64 {
        self.next_file.fetch_add(1, Ordering::Relaxed)
    }

    /// Forgets all models of a file.
    pub(super) fn forget_file(&self, file: u64) {
        let mut entries = self.lock();
        let gone: Vec<CacheKey> = entries
            .models
            .keys()
            .filter(|key| key.0 == file)
            .copied()
            .collect();
        for key in gone {
            entries.remove(key);
        }
    }

    /// The model of a group, loaded by `load` when it is not here.
    pub(super) fn get_or_load(
        &self,
        file: u64,
        group: usize,
        load: impl FnOnce() -> Result<TrainedModel, ModelError>,
    ) -> Result<Arc<TrainedModel>, ModelError> {
        let key = (file, group);
        if let Some(model) = self.lock().touch(key) {
            return Ok(model);
        }
        // Loading happens outside the lock: two threads may load the same model once each, which costs time only.
        let model = Arc::new(load()?);
        let mut entries = self.lock();
        entries.insert(key, Arc::clone(&model), self.budget_bytes);
        Ok(model)
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        // A panic elsewhere cannot leave the maps half-changed in a way that matters: at worst a model is loaded again.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn touch(&mut self, key: CacheKey) -> Option<Arc<TrainedModel>> {
        let (model, _, used) = self.models.get_mut(&key)?;
        self.clock += 1;
        self.by_use.remove(used);
        *used = self.clock;
        self.by_use.insert(self.clock, key);
        Some(Arc::clone(model))
    }

    fn insert(&mut self, key: CacheKey, model: Arc<TrainedModel>, budget_bytes: usize) {
        self.remove(key);
        let bytes = model.memory_bytes();
        self.clock += 1;
        self.models.insert(key, (model, bytes, self.clock));
        self.by_use.insert(self.clock, key);
        self.bytes += bytes;
        while self.bytes > budget_bytes {
            let Some((_, oldest)) = self.by_use.first_key_value() else {
                return;
            };
            let oldest = *oldest;
            self.remove(oldest);
        }
    }

    fn remove(&mut self, key: CacheKey) {
        if let Some((_, bytes, used)) = self.models.remove(&key) {
            self.by_use.remove(&used);
            self.bytes -= bytes;
        }
    }
}
