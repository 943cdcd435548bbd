//! How is a data directory copied whole, and how does it come back?
//!
//! A backup is a directory: a copy of the catalog's log, the Delta tables under `tables/`, the artefacts
//! under `models/`, and `BACKUP.json`, which lists every file with its length and SHA-256 and is written
//! last, so a backup without it is not one. Tables that lie elsewhere are listed, not copied.
//!
//! The copy is of one moment. No transaction publishes while the log of the catalog and the logs of the
//! tables are copied ([`Catalog::publish_gate`]); data files never change, so they are copied afterwards,
//! while others work. A transaction that was decided but not published is in the copy as an intent and is
//! completed when the restored directory is opened.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::ObjectStoreExt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::artefact::hexadecimal;
use crate::catalog::{Catalog, run_blocking};
use crate::data_dir::{
    DataDir, create_private_dir, is_empty, list, resolve_below, sync_dir, write_durably,
    write_format,
};
use crate::error::CatalogError;
use crate::state::State;
use crate::store::replica::Replica;
use crate::store::sqlite::SqliteStore;
use crate::table::location::Location;
use crate::table::open::Tables;

/// The newest format of backups that this program reads, and the one that it writes.
pub const BACKUP_FORMAT_VERSION: u32 = 1;

const LIST_FILE: &str = "BACKUP.json";
const CATALOG_FILE: &str = "catalog.sqlite";
const LOG_DIR: &str = "_delta_log";

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupList {
    /// See [`BACKUP_FORMAT_VERSION`].
    pub format_version: u32,
    /// The catalog entry up to which it goes.
    pub seq: u64,
    /// Every file of the backup except the list itself.
    pub files: Vec<BackupFile>,
    /// Locations of tables that are not in the backup, because they are not in the data directory.
    pub external_tables: Vec<String>,
}

/// One file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupFile {
    /// Its place, relative to the directory.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its bytes, 64 lower-case hexadecimal digits.
    pub sha256: String,
}

/// Copies an open data directory to `to`, which must be empty or not there. Statements go on; commits wait
/// while the logs are copied.
///
/// Errors: `NotADataDirectory` when `to` holds something; `Conflict` when a table is dropped meanwhile: try
/// again; `Io`, `Sql`.
pub async fn backup(catalog: &Catalog, to: &Path) -> Result<BackupList, CatalogError> {
    let gate = Arc::clone(catalog.publish_gate()).write_owned().await;
    let catalog = catalog.clone();
    let target = to.to_path_buf();
    let copied = run_blocking(move || {
        let mut copy = Copy::begin(catalog.data_dir().root(), &target)?;
        let state = copy_logs(&catalog, &mut copy)?;
        drop(gate);
        copy_data(&state, &mut copy)?;
        Ok::<(Copy, State), CatalogError>((copy, state))
    });
    let (copy, state) = copied.await?;
    check_tables(to, &state).await?;
    run_blocking(move || copy.finish(&state)).await
}

/// Copies a data directory that no process has open.
///
/// Errors: `Locked` when one has; those of [`backup`].
pub async fn backup_closed(data_dir: &Path, to: &Path) -> Result<BackupList, CatalogError> {
    let data_dir = data_dir.to_path_buf();
    if is_empty(&data_dir)? {
        let source = io::Error::new(io::ErrorKind::NotFound, "there is no data directory");
        return Err(CatalogError::io("open", &data_dir)(source));
    }
    let catalog = run_blocking(move || Catalog::open(&data_dir)).await?;
    backup(&catalog, to).await
}

/// Makes a data directory of a backup. `to` must be empty or not there. Every file is compared with its
/// SHA-256, the log is replayed, and everything that the catalog and the newest versions of its tables refer
/// to must be there; only then does `to` become a data directory.
///
/// Errors: `Corrupt` when the backup is not what was written, `FormatTooNew`, `NotADataDirectory` when `to`
/// holds something, `Io`, `Sql`. After an error `to` holds what was copied so far and can't be opened.
pub async fn restore(from: &Path, to: &Path) -> Result<BackupList, CatalogError> {
    let (source, target) = (from.to_path_buf(), to.to_path_buf());
    let (list, state) = run_blocking(move || copy_back(&source, &target)).await?;
    check_tables(to, &state).await?;
    let target = to.to_path_buf();
    run_blocking(move || {
        write_format(&target)?;
        // Opening it is the last check, and makes the directories that were empty.
        DataDir::open(&target).map(|_| list)
    })
    .await
}

fn copy_back(from: &Path, to: &Path) -> Result<(BackupList, State), CatalogError> {
    let list = read_list(from)?;
    let mut copy = Copy::begin(from, to)?;
    for file in &list.files {
        resolve_below(to, &file.path)?;
        if copy.file(&file.path)? != *file {
            let what = from.join(&file.path).display().to_string();
            let detail = "its length or SHA-256 is not what the backup's list says".to_string();
            return Err(CatalogError::Corrupt { what, detail });
        }
    }
    copy.sync_dirs()?;
    let state = check_catalog(to, &list)?;
    Ok((list, state))
}

fn read_list(from: &Path) -> Result<BackupList, CatalogError> {
    let path = from.join(LIST_FILE);
    let what = || path.display().to_string();
    let bytes = fs::read(&path).map_err(CatalogError::io("read", &path))?;
    let damaged = |error: serde_json::Error| CatalogError::Corrupt {
        what: what(),
        detail: error.to_string(),
    };
    let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(damaged)?;
    let found = value
        .get("format_version")
        .and_then(|version| version.as_u64())
        .unwrap_or(0);
    if found > u64::from(BACKUP_FORMAT_VERSION) {
        let found = u32::try_from(found).unwrap_or(u32::MAX);
        return Err(CatalogError::FormatTooNew {
            what: what(),
            found,
            supported: BACKUP_FORMAT_VERSION,
        });
    }
    serde_json::from_value(value).map_err(damaged)
}

/// The restored log must be sound and end where the backup ended, and the artefacts must be there.
fn check_catalog(to: &Path, list: &BackupList) -> Result<State, CatalogError> {
    let store = SqliteStore::open(&to.join(CATALOG_FILE))?;
    store.check_integrity()?;
    let replica = Replica::open(Box::new(store))?;
    let state = State::clone(replica.state());
    if state.seq != list.seq {
        let detail = format!("the log ends with entry {}, not {}", state.seq, list.seq);
        return Err(CatalogError::Corrupt {
            what: to.display().to_string(),
            detail,
        });
    }
    for path in artefacts(&state) {
        if !resolve_below(to, path)?.exists() {
            return Err(missing(to, path));
        }
    }
    Ok(state)
}

/// The newest version of every table in `root` must be readable, and the files that it names be there.
async fn check_tables(root: &Path, state: &State) -> Result<(), CatalogError> {
    let tables = Tables::new();
    for location in managed_tables(state).filter(|location| !is_owed(state, location)) {
        let table = Location::resolve(location, root)?;
        if !table.directory().join(LOG_DIR).exists() {
            return Err(missing(root, &format!("{location}/{LOG_DIR}")));
        }
        for file in tables.newest(&table).await?.files.values() {
            let found = tables.store().head(&table.file(&file.add.path)?).await;
            let bytes = found.map(|found| found.size).ok();
            if bytes != u64::try_from(file.add.size).ok() {
                return Err(missing(root, &format!("{location}/{}", file.add.path)));
            }
        }
    }
    Ok(())
}

fn missing(root: &Path, path: &str) -> CatalogError {
    let detail = format!("{path} is missing or has another length");
    CatalogError::Corrupt {
        what: root.display().to_string(),
        detail,
    }
}

/// The part that must be of one moment: called while nobody publishes.
fn copy_logs(catalog: &Catalog, copy: &mut Copy) -> Result<State, CatalogError> {
    let catalog_path = catalog.data_dir().catalog_path();
    let state = catalog.while_frozen(|state| {
        SqliteStore::copy(&catalog_path, &copy.to.join(CATALOG_FILE))?;
        Ok::<State, CatalogError>(state.clone())
    })?;
    copy.measure(CATALOG_FILE)?;
    let from = catalog.data_dir().root();
    for location in managed_tables(&state) {
        let log = format!("{location}/{LOG_DIR}");
        if !is_owed(&state, location) || resolve_below(from, &log)?.exists() {
            copy.tree(&log, &|_| true)?;
        }
    }
    Ok(state)
}

fn copy_data(state: &State, copy: &mut Copy) -> Result<(), CatalogError> {
    for location in managed_tables(state) {
        copy.tree(location, &|name| name != LOG_DIR)?;
    }
    artefacts(state).try_for_each(|path| copy.file(path).map(|_| ()))
}

/// Locations of tables in the data directory, without a slash at their end.
fn managed_tables(state: &State) -> impl Iterator<Item = &str> {
    let tables = state
        .relations
        .values()
        .filter_map(|relation| relation.table());
    tables
        .filter(|table| table.managed)
        .map(|table| table.location.trim_end_matches('/'))
}

/// Whether the first commit of the table is still owed by an intent, so that it need not have a log yet.
fn is_owed(state: &State, location: &str) -> bool {
    let owed = state.intents.values().flat_map(|intent| &intent.tables);
    let mut created = owed.filter(|table| table.read_version.is_none());
    created.any(|table| table.location.trim_end_matches('/') == location)
}

fn artefacts(state: &State) -> impl Iterator<Item = &str> {
    let versions = state.models.values().flat_map(|model| &model.versions);
    versions.map(|version| version.artefact.as_str())
}

/// A copy under way.
struct Copy {
    from: PathBuf,
    to: PathBuf,
    files: Vec<BackupFile>,
    dirs: BTreeSet<PathBuf>,
}

impl Copy {
    fn begin(from: &Path, to: &Path) -> Result<Copy, CatalogError> {
        if !is_empty(to)? {
            return Err(CatalogError::NotADataDirectory {
                path: to.to_path_buf(),
            });
        }
        create_private_dir(to)?;
        let dirs = BTreeSet::from([to.to_path_buf()]);
        Ok(Copy {
            from: from.to_path_buf(),
            to: to.to_path_buf(),
            files: Vec::new(),
            dirs,
        })
    }

    /// Copies the files below a directory whose names, at its first level, are wanted. A file that is gone
    /// when its turn comes belonged to a transaction that was rolled back.
    fn tree(&mut self, relative: &str, wanted: &dyn Fn(&str) -> bool) -> Result<(), CatalogError> {
        let dir = resolve_below(&self.from, relative)?;
        let paths = match list(&dir) {
            Err(CatalogError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let detail = format!("{relative} was dropped while it was copied");
                return Err(CatalogError::Conflict { detail });
            }
            paths => paths?,
        };
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !wanted(&name) || is_staged(&name) {
                continue;
            }
            let below = format!("{relative}/{name}");
            let result = if path.is_dir() {
                self.tree(&below, &|_| true)
            } else {
                self.file(&below).map(|_| ())
            };
            match result {
                Err(CatalogError::Io { source, .. })
                    if source.kind() == io::ErrorKind::NotFound => {}
                result => result?,
            }
        }
        Ok(())
    }

    /// Copies one file durably and notes its length and SHA-256, which are those of what was read.
    fn file(&mut self, relative: &str) -> Result<BackupFile, CatalogError> {
        let (from, to) = (
            resolve_below(&self.from, relative)?,
            resolve_below(&self.to, relative)?,
        );
        let mut source = File::open(&from).map_err(CatalogError::io("open", &from))?;
        for dir in to.ancestors().skip(1).take_while(|dir| *dir != self.to) {
            self.dirs.insert(dir.to_path_buf());
        }
        to.parent().map_or(Ok(()), create_private_dir)?;
        let target = File::create_new(&to).map_err(CatalogError::io("create", &to))?;
        let mut writer = HashingWriter {
            target,
            digest: Sha256::new(),
        };
        let bytes = io::copy(&mut source, &mut writer).map_err(CatalogError::io("copy", &from))?;
        writer
            .target
            .sync_all()
            .map_err(CatalogError::io("sync", &to))?;
        let sha256 = hexadecimal(&writer.digest.finalize());
        let file = BackupFile {
            path: relative.to_string(),
            bytes,
            sha256,
        };
        self.files.push(file.clone());
        Ok(file)
    }

    /// Notes a file that is in the target already.
    fn measure(&mut self, relative: &str) -> Result<(), CatalogError> {
        let path = resolve_below(&self.to, relative)?;
        let mut file = File::open(&path).map_err(CatalogError::io("open", &path))?;
        let (sha256, bytes) = crate::artefact::measure(&mut file, &path)?;
        self.files.push(BackupFile {
            path: relative.to_string(),
            bytes,
            sha256,
        });
        Ok(())
    }

    fn sync_dirs(&self) -> Result<(), CatalogError> {
        self.dirs.iter().try_for_each(|dir| sync_dir(dir))
    }

    /// Writes the list, which makes the copy a backup.
    fn finish(self, state: &State) -> Result<BackupList, CatalogError> {
        self.sync_dirs()?;
        let tables = state
            .relations
            .values()
            .filter_map(|relation| relation.table());
        let external = tables
            .filter(|table| !table.managed)
            .map(|table| table.location.clone());
        let list = BackupList {
            format_version: BACKUP_FORMAT_VERSION,
            seq: state.seq,
            external_tables: external.collect(),
            files: self.files,
        };
        let bytes = serde_json::to_vec_pretty(&list).map_err(|error| CatalogError::Corrupt {
            what: LIST_FILE.to_string(),
            detail: error.to_string(),
        })?;
        write_durably(&self.to.join(LIST_FILE), &bytes)?;
        Ok(list)
    }
}

/// Whether a file is one that the object store is still writing: it calls them `name#1`.
fn is_staged(name: &str) -> bool {
    name.rsplit_once('#').is_some_and(|(_, number)| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

struct HashingWriter {
    target: File,
    digest: Sha256,
}

impl io::Write for HashingWriter {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.target.write(buffer)?;
        self.digest.update(&buffer[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.target.flush()
    }
}
