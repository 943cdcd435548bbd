//! Which directory is ours, and is nobody else using it?
//!
//! | name | what |
//! |---|---|
//! | `FORMAT` | `tarn-data 1`: the layout's version, written first; without it nothing is touched |
//! | `LOCK` | locked by the process that has the directory open; holds its process id |
//! | `catalog.sqlite` | the log of the catalog |
//! | `tables/<uuid>/` | managed Delta tables |
//! | `models/<uuid>/` | model artefacts, immutable files |
//! | `spill/` | files of running statements, emptied at start |

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Component, Path, PathBuf};

use crate::error::CatalogError;

/// The newest layout that this program reads, and the one that it writes.
pub const LAYOUT_VERSION: u32 = 1;

const FORMAT_FILE: &str = "FORMAT";
const FORMAT_WORD: &str = "tarn-data";
const LOCK_FILE: &str = "LOCK";
const CATALOG_FILE: &str = "catalog.sqlite";
const TABLES_DIR: &str = "tables";
const MODELS_DIR: &str = "models";
const SPILL_DIR: &str = "spill";

/// A data directory that this process has to itself until the value is dropped.
#[derive(Debug)]
pub struct DataDir {
    root: PathBuf,
    /// The lock lives as long as this handle; the kernel releases it when the process dies.
    _lock: File,
}

impl DataDir {
    /// Opens a data directory, or makes one where nothing or an empty directory is.
    ///
    /// Errors: `Locked` when another process, or another part of this one, has it open; `FormatTooNew`;
    /// `NotADataDirectory` when it holds something else; `Corrupt` when parts are missing; `Io`.
    pub fn open(path: &Path) -> Result<DataDir, CatalogError> {
        create_private_dir(path)?;
        let root = path
            .canonicalize()
            .map_err(CatalogError::io("find", path))?;
        refuse_foreign_dir(&root)?;
        let lock = take_lock(&root)?;
        let data_dir = DataDir { root, _lock: lock };
        data_dir.check_or_write_format()?;
        for dir in [
            data_dir.tables_path(),
            data_dir.models_path(),
            data_dir.spill_path(),
        ] {
            create_private_dir(&dir)?;
        }
        data_dir.check_catalog_is_there()?;
        data_dir.purge_spill()?;
        sync_dir(&data_dir.root)?;
        Ok(data_dir)
    }

    /// The directory itself, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The file of the catalog's log.
    pub fn catalog_path(&self) -> PathBuf {
        self.root.join(CATALOG_FILE)
    }

    /// Where managed tables are.
    pub fn tables_path(&self) -> PathBuf {
        self.root.join(TABLES_DIR)
    }

    /// Where model artefacts are.
    pub fn models_path(&self) -> PathBuf {
        self.root.join(MODELS_DIR)
    }

    /// Where statements may put files that end with them.
    pub fn spill_path(&self) -> PathBuf {
        self.root.join(SPILL_DIR)
    }

    /// The file that a relative path of the catalog means. A path that leaves the directory is `Corrupt`:
    /// we never write one.
    pub fn resolve(&self, relative: &str) -> Result<PathBuf, CatalogError> {
        resolve_below(&self.root, relative)
    }

    fn check_or_write_format(&self) -> Result<(), CatalogError> {
        match read_format(&self.root)? {
            Some(_) => Ok(()),
            None => write_format(&self.root),
        }
    }

    /// A lost catalog must not look like a fresh directory: its tables would be orphans.
    fn check_catalog_is_there(&self) -> Result<(), CatalogError> {
        if self.catalog_path().exists()
            || (is_empty(&self.tables_path())? && is_empty(&self.models_path())?)
        {
            return Ok(());
        }
        let detail = format!("{CATALOG_FILE} is missing, but there are tables or models");
        Err(CatalogError::Corrupt {
            what: self.root.display().to_string(),
            detail,
        })
    }

    fn purge_spill(&self) -> Result<(), CatalogError> {
        for path in list(&self.spill_path())? {
            let is_dir = path
                .symlink_metadata()
                .map_err(CatalogError::io("look at", &path))?
                .is_dir();
            let removed = if is_dir {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            removed.map_err(CatalogError::io("remove", &path))?;
        }
        Ok(())
    }
}

/// Reads `FORMAT`: `None` when there is none, an error when it is not ours to read.
pub(crate) fn read_format(root: &Path) -> Result<Option<u32>, CatalogError> {
    let path = root.join(FORMAT_FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(CatalogError::io("read", &path)(error)),
    };
    let what = || path.display().to_string();
    let version = text
        .trim()
        .strip_prefix(FORMAT_WORD)
        .and_then(|rest| rest.trim().parse::<u32>().ok());
    match version {
        Some(version) if version > LAYOUT_VERSION => Err(CatalogError::FormatTooNew {
            what: what(),
            found: version,
            supported: LAYOUT_VERSION,
        }),
        Some(version) => Ok(Some(version)),
        None => Err(CatalogError::Corrupt {
            what: what(),
            detail: format!("it does not say {FORMAT_WORD:?}"),
        }),
    }
}

/// Writes `FORMAT`, which makes the directory a data directory.
pub(crate) fn write_format(root: &Path) -> Result<(), CatalogError> {
    write_durably(
        &root.join(FORMAT_FILE),
        format!("{FORMAT_WORD} {LAYOUT_VERSION}\n").as_bytes(),
    )
}

/// Writes a whole small file so that a crash leaves the old one or the new one.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), CatalogError> {
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary).map_err(CatalogError::io("create", &temporary))?;
    file.write_all(bytes)
        .map_err(CatalogError::io("write", &temporary))?;
    file.sync_all()
        .map_err(CatalogError::io("sync", &temporary))?;
    fs::rename(&temporary, path).map_err(CatalogError::io("rename", &temporary))?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Makes new names in a directory survive a power cut.
pub(crate) fn sync_dir(path: &Path) -> Result<(), CatalogError> {
    let sync = || File::open(path)?.sync_all();
    sync().map_err(CatalogError::io("sync", path))
}

/// Joins a relative path that stays below `root`.
pub(crate) fn resolve_below(root: &Path, relative: &str) -> Result<PathBuf, CatalogError> {
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    if relative.is_empty() || !Path::new(relative).components().all(plain) {
        let detail = "it leaves the data directory".to_string();
        return Err(CatalogError::Corrupt {
            what: format!("path {relative:?}"),
            detail,
        });
    }
    Ok(root.join(relative))
}

/// Makes a directory that only its owner can look into, unless it is there.
pub(crate) fn create_private_dir(path: &Path) -> Result<(), CatalogError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(path)
        .map_err(CatalogError::io("create directory", path))
}

/// The paths directly below a directory.
pub(crate) fn list(path: &Path) -> Result<Vec<PathBuf>, CatalogError> {
    let entries = fs::read_dir(path).map_err(CatalogError::io("list", path))?;
    entries
        .map(|entry| {
            entry
                .map(|entry| entry.path())
                .map_err(CatalogError::io("list", path))
        })
        .collect()
}

/// Whether a directory is missing or holds nothing.
pub(crate) fn is_empty(path: &Path) -> Result<bool, CatalogError> {
    Ok(!path.exists() || list(path)?.is_empty())
}

/// Without `FORMAT` only a lock file, or what an interrupted first start left, may be there.
fn refuse_foreign_dir(root: &Path) -> Result<(), CatalogError> {
    if root.join(FORMAT_FILE).exists() {
        return Ok(());
    }
    let ours = [Path::new(LOCK_FILE), Path::new("FORMAT.tmp")];
    let foreign = |path: &PathBuf| {
        !ours
            .iter()
            .any(|name| path.file_name() == Some(name.as_os_str()))
    };
    if list(root)?.iter().any(foreign) {
        return Err(CatalogError::NotADataDirectory {
            path: root.to_path_buf(),
        });
    }
    Ok(())
}

fn take_lock(root: &Path) -> Result<File, CatalogError> {
    let path = root.join(LOCK_FILE);
    let open = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path);
    let mut file = open.map_err(CatalogError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let pid = file
                .read_to_string(&mut text)
                .ok()
                .and_then(|_| text.trim().parse().ok());
            return Err(CatalogError::Locked {
                path: root.to_path_buf(),
                pid,
            });
        }
        Err(TryLockError::Error(error)) => return Err(CatalogError::io("lock", &path)(error)),
    }
    let write_pid = |file: &mut File| {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    write_pid(&mut file).map_err(CatalogError::io("write", &path))?;
    Ok(file)
}
