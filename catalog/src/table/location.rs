//! Where do the files of a table lie?

use std::fmt;
use std::path::{Path as FilePath, PathBuf};

use object_store::path::Path;
use url::Url;

use crate::table::error::{Result, TableError};

/// The directory of a table on the local file system, absolute.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Location {
    directory: PathBuf,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.directory.display().fmt(f)
    }
}

impl Location {
    /// A URL, an absolute path, or a path relative to `data_directory`.
    pub fn resolve(location: &str, data_directory: &FilePath) -> Result<Location> {
        let refused = |reason: &str| TableError::Location {
            location: location.to_string(),
            reason: reason.to_string(),
        };
        let path = if location.contains("://") {
            let url = Url::parse(location).map_err(|error| refused(&error.to_string()))?;
            if url.scheme() != "file" {
                return Err(refused("only the local file system is supported"));
            }
            url.to_file_path()
                .map_err(|()| refused("it is not a local path"))?
        } else {
            data_directory.join(location)
        };
        let absolute = std::path::absolute(&path).map_err(|error| refused(&error.to_string()))?;
        if absolute.components().any(|part| part.as_os_str() == "..") {
            return Err(refused("it contains \"..\""));
        }
        Ok(Location {
            directory: absolute,
        })
    }

    /// The directory.
    pub fn directory(&self) -> &FilePath {
        &self.directory
    }

    /// As a URL with a closing slash.
    pub fn url(&self) -> Result<Url> {
        Url::from_directory_path(&self.directory).map_err(|()| TableError::Location {
            location: self.to_string(),
            reason: "it is not an absolute path".to_string(),
        })
    }

    /// The table's directory as a path of an object store over the whole file system.
    pub fn root(&self) -> Result<Path> {
        Path::from_absolute_path(&self.directory).map_err(|error| TableError::Location {
            location: self.to_string(),
            reason: error.to_string(),
        })
    }

    /// A file of the table, by its path in the log, as a path of that object store.
    pub fn file(&self, path: &str) -> Result<Path> {
        Path::parse(format!("{}/{path}", self.root()?)).map_err(|error| TableError::Location {
            location: format!("{self}/{path}"),
            reason: error.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_absolute_and_local() {
        let data = FilePath::new("/data");
        let of = |text: &str| Location::resolve(text, data).map(|location| location.to_string());
        assert_eq!(of("tables/a").unwrap(), "/data/tables/a");
        assert_eq!(of("/elsewhere/t").unwrap(), "/elsewhere/t");
        assert_eq!(of("file:///else%20where/t").unwrap(), "/else where/t");
        assert!(of("s3://bucket/t").is_err());
        assert!(of("../t").is_err());
    }
}
