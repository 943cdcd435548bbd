//! Where does a scoring call find its model?
//!
//! A call names `schema.model@version#sha`: the hash makes the name immutable, so a dropped and re-created
//! model can never be mistaken for the old one. Opened models are kept while somebody may use them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tarn_catalog::state::{Model, ModelVersion};
use tarn_udfs::error::ModelError;
use tarn_udfs::model::artefact::ReadAt;
use tarn_udfs::model::cache::ModelCache;
use tarn_udfs::model::loaded::LoadedModel;
use tarn_udfs::model::registry::ModelSource;

/// Opened models beyond this many are closed, the longest unused first.
const OPEN_MODELS_MAX: usize = 256;

/// The models of this process.
#[derive(Debug)]
pub struct Models {
    data_dir: PathBuf,
    cache: Arc<ModelCache>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    files: HashMap<String, (PathBuf, i64)>,
    open: HashMap<String, (Arc<LoadedModel>, u64)>,
    clock: u64,
}

impl Models {
    /// An empty cache over the models below `data_dir`; `cache_bytes` bounds the groups' models in memory.
    pub fn new(data_dir: PathBuf, cache_bytes: usize) -> Self {
        Models {
            data_dir,
            cache: ModelCache::new(cache_bytes),
            inner: Mutex::default(),
        }
    }

    /// Makes a version known and returns the name that calls use.
    pub fn register(&self, model: &Model, version: &ModelVersion) -> String {
        let hash: String = version.sha256.chars().take(12).collect();
        let id = format!("{}.{}@{}#{hash}", model.schema, model.name, version.number);
        let path = self.data_dir.join(&version.artefact);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner
            .files
            .insert(id.clone(), (path, i64::from(version.number)));
        id
    }
}

impl ModelSource for Models {
    fn loaded(&self, id: &str) -> Result<Arc<LoadedModel>, ModelError> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.clock += 1;
        let clock = inner.clock;
        if let Some((model, used)) = inner.open.get_mut(id) {
            *used = clock;
            return Ok(Arc::clone(model));
        }
        let (path, version) =
            inner
                .files
                .get(id)
                .cloned()
                .ok_or_else(|| ModelError::UnknownModel {
                    model: id.to_string(),
                })?;
        let file = std::fs::File::open(&path)
            .map_err(|error| ModelError::damaged(format!("{}: {error}", path.display())))?;
        let file: Arc<dyn ReadAt> = Arc::new(file);
        let model = Arc::new(LoadedModel::open(id, version, file, &self.cache)?);
        if inner.open.len() >= OPEN_MODELS_MAX {
            let oldest = inner.open.iter().min_by_key(|(_, (_, used))| *used);
            if let Some(oldest) = oldest.map(|(id, _)| id.clone()) {
                inner.open.remove(&oldest);
            }
        }
        inner
            .open
            .insert(id.to_string(), (Arc::clone(&model), clock));
        Ok(model)
    }
}
