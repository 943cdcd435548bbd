//! Which typed errors of the other crates may come out of a running plan?

use crate::error::PgError;

/// The user's words for an error that travelled through DataFusion as a boxed source.
pub(crate) fn from_external(
    error: &(dyn std::error::Error + Send + Sync + 'static),
) -> Option<PgError> {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = source {
        if let Some(known) = current.downcast_ref::<PgError>() {
            return Some(known.clone());
        }
        source = current.source();
    }
    None
}
