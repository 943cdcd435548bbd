//! Where do the project's files lie?

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the clone that this crate was compiled in.
pub fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest
        .parent()
        .expect("the crate lies in the workspace")
        .to_path_buf()
}

/// Folders that hold nothing of ours.
const FOREIGN_FOLDERS: [&str; 4] = [".git", "target", "__pycache__", "tarn-data"];

/// Every file below `folder` whose name ends in `.` and `extension`, in the order of their paths.
///
/// # Panics
/// When a folder cannot be read.
pub fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("cannot list {}: {error}", folder.display()));
        for entry in entries.map(|entry| entry.expect("a listed entry can be read")) {
            let path = entry.path();
            if path.is_dir() {
                if !FOREIGN_FOLDERS.contains(&entry.file_name().to_string_lossy().as_ref()) {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A path as it is written in the documents: relative to the root, with forward slashes.
pub fn relative(path: &Path) -> String {
    let root = root();
    path.strip_prefix(&root)
        .unwrap_or(path)
        .display()
        .to_string()
}

/// The text of a file.
///
/// # Panics
/// When it cannot be read as UTF-8.
pub fn read(path: &Path) -> String {
    fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}
