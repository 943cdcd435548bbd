//! Where does a scoring function find the model that a call names?

use std::sync::Arc;

use super::loaded::LoadedModel;
use crate::error::ModelError;

/// The models of the process; the engine implements it over the catalog.
pub trait ModelSource: std::fmt::Debug + Send + Sync {
    /// The model with this resolved id, loaded once and shared.
    ///
    /// # Errors
    /// [`ModelError::UnknownModel`], or what opening the file gives.
    fn loaded(&self, id: &str) -> Result<Arc<LoadedModel>, ModelError>;
}
