//! Where do tests put their files?

use std::path::{Path, PathBuf};

use uuid::Uuid;

/// A directory of its own for one test, removed when the test ends.
pub(crate) struct TestDir {
    path: PathBuf,
}

impl TestDir {
    /// A path where nothing is yet.
    pub(crate) fn new() -> TestDir {
        let path = std::env::temp_dir().join(format!("tarn-catalog-{}", Uuid::new_v4().simple()));
        TestDir { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TestDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
