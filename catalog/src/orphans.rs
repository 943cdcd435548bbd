//! Which files does nothing in the catalog refer to?
//!
//! A statement that dies between writing files and its catalog entry leaves them behind, and so does a
//! drop. They are removed when the catalog is opened, while nobody can be using them. Only files of some
//! age go, so that whoever puts an older `catalog.sqlite` back by hand has time to notice.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::artefact::TEMPORARY_EXTENSION;
use crate::data_dir::{DataDir, list};
use crate::error::CatalogError;
use crate::state::State;

/// How long ago something without a referrer must have been changed last to be removed.
pub const ORPHAN_AGE_MIN: Duration = Duration::from_secs(24 * 60 * 60);

/// Removes temporary artefacts at once, and artefacts and table directories that nothing refers to once
/// they are old. What can't be removed is logged and left.
pub(crate) fn sweep(data_dir: &DataDir, state: &State) -> Result<(), CatalogError> {
    let used = used_paths(data_dir, state);
    for model_dir in list(&data_dir.models_path())? {
        if !model_dir.is_dir() {
            continue;
        }
        for file in list(&model_dir)? {
            let is_temporary = file
                .extension()
                .is_some_and(|extension| extension == TEMPORARY_EXTENSION);
            if is_temporary || (!used.contains(&file) && is_old(&file)) {
                remove(&file);
            }
        }
        // Fails while artefacts are in it, which is what is wanted.
        let _ = fs::remove_dir(&model_dir);
    }
    for table_dir in list(&data_dir.tables_path())? {
        if !used.contains(&table_dir) && is_old(&table_dir.join("_delta_log")) && is_old(&table_dir)
        {
            remove(&table_dir);
        }
    }
    Ok(())
}

/// The artefacts and table directories that the catalog refers to, also those owed by intents.
fn used_paths(data_dir: &DataDir, state: &State) -> BTreeSet<PathBuf> {
    let tables = state
        .relations
        .values()
        .filter_map(|relation| relation.table())
        .map(|table| &table.location);
    let intents = state
        .intents
        .values()
        .flat_map(|intent| &intent.tables)
        .map(|table| &table.location);
    let models = state
        .models
        .values()
        .flat_map(|model| &model.versions)
        .map(|version| &version.artefact);
    tables
        .chain(intents)
        .chain(models)
        .map(|location| used_path(data_dir.root(), location))
        .collect()
}

/// A location may be relative, absolute or a file URL: an external table may lie in our directory too.
fn used_path(root: &Path, location: &str) -> PathBuf {
    let path = match url::Url::parse(location)
        .ok()
        .and_then(|url| url.to_file_path().ok())
    {
        Some(path) => path,
        None => root.join(location),
    };
    // Component by component, so that a trailing slash makes no difference.
    path.components().collect()
}

/// Whether it was changed last long ago; what is not there counts as old, what can't be seen as new.
fn is_old(path: &Path) -> bool {
    match fs::metadata(path).and_then(|metadata| metadata.modified()) {
        Ok(modified) => SystemTime::now()
            .duration_since(modified)
            .is_ok_and(|age| age >= ORPHAN_AGE_MIN),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

fn remove(path: &Path) {
    let is_dir = path
        .symlink_metadata()
        .is_ok_and(|metadata| metadata.is_dir());
    let removed = if is_dir {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    match removed {
        Ok(()) => tracing::info!(path = %path.display(), "removed what nothing refers to"),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "could not remove what nothing refers to")
        }
    }
}
