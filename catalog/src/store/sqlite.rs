//! How is the log kept in one SQLite file?
//!
//! Tables: `meta (format_version)`, `log (seq, entry)`, `snapshot (seq, state)`. Write-ahead logging with
//! `synchronous = FULL`: an acknowledged entry survives a power cut. The two newest snapshots are kept, so
//! that a damaged one costs time and no data.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};

use crate::data_dir::sync_dir;
use crate::error::CatalogError;
use crate::state::{Entry, FORMAT_VERSION, State};
use crate::store::{LOG_KEPT_ENTRIES, MetaStore};

/// How long to wait for another program, such as the sqlite3 shell, that holds the file's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

const SNAPSHOTS_KEPT: u32 = 2;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS meta (format_version INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS log (seq INTEGER PRIMARY KEY, entry BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS snapshot (seq INTEGER PRIMARY KEY, state BLOB NOT NULL);
";

/// The default back end.
#[derive(Debug)]
pub struct SqliteStore {
    connection: Connection,
}

impl SqliteStore {
    /// Opens the file or makes it.
    pub fn open(path: &Path) -> Result<SqliteStore, CatalogError> {
        let is_new = !path.exists();
        let mut connection = Connection::open(path).map_err(CatalogError::sql("open"))?;
        connection
            .busy_timeout(BUSY_TIMEOUT)
            .map_err(CatalogError::sql("set busy_timeout"))?;
        check_file_format(&connection, path)?;
        set_durable(&connection, path)?;
        create_tables(&mut connection)?;
        if is_new && let Some(dir) = path.parent() {
            sync_dir(dir)?;
        }
        Ok(SqliteStore { connection })
    }

    /// Writes a consistent copy of the log at `from`, which may be in use, to the new file `to`.
    pub fn copy(from: &Path, to: &Path) -> Result<(), CatalogError> {
        let connection = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_WRITE)
            .map_err(CatalogError::sql("open for copying"))?;
        connection
            .busy_timeout(BUSY_TIMEOUT)
            .map_err(CatalogError::sql("set busy_timeout"))?;
        let Some(target) = to.to_str() else {
            let source =
                std::io::Error::new(std::io::ErrorKind::InvalidInput, "the path is not UTF-8");
            return Err(CatalogError::io("copy the catalog to", to)(source));
        };
        connection
            .execute("VACUUM INTO ?1", [target])
            .map_err(CatalogError::sql("copy"))?;
        let sync = || std::fs::File::open(to)?.sync_all();
        sync().map_err(CatalogError::io("sync", to))
    }

    /// Whether every page and index of the file is sound.
    pub fn check_integrity(&self) -> Result<(), CatalogError> {
        let answer: String = self
            .connection
            .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
            .map_err(CatalogError::sql("check integrity"))?;
        match answer.as_str() {
            "ok" => Ok(()),
            _ => Err(CatalogError::Corrupt {
                what: "catalog.sqlite".to_string(),
                detail: answer,
            }),
        }
    }
}

impl MetaStore for SqliteStore {
    fn read_since(&mut self, seq: u64) -> Result<Vec<Entry>, CatalogError> {
        let sql = "SELECT seq, entry FROM log WHERE seq > ?1 ORDER BY seq";
        let mut statement = self
            .connection
            .prepare_cached(sql)
            .map_err(CatalogError::sql("read the log"))?;
        let mut rows = statement
            .query([seq as i64])
            .map_err(CatalogError::sql("read the log"))?;
        let mut entries = Vec::new();
        while let Some(row) = rows.next().map_err(CatalogError::sql("read the log"))? {
            let (found, bytes) = numbered_blob(row).map_err(CatalogError::sql("read the log"))?;
            let expected = seq + entries.len() as u64 + 1;
            if found != expected {
                let detail = format!("entry {expected} is missing, the next one is {found}");
                return Err(CatalogError::Corrupt {
                    what: "catalog log".to_string(),
                    detail,
                });
            }
            entries.push(Entry::decode(found, &bytes)?);
        }
        Ok(entries)
    }

    fn append(&mut self, expected_seq: u64, entry: &Entry) -> Result<u64, CatalogError> {
        let bytes = entry.encode()?;
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(CatalogError::sql("begin"))?;
        let last = last_seq(&transaction).map_err(CatalogError::sql("find the last entry"))?;
        if last != expected_seq || entry.seq != last + 1 {
            let detail = format!("the catalog is at entry {last}, not {expected_seq}");
            return Err(CatalogError::Conflict { detail });
        }
        transaction
            .execute(
                "INSERT INTO log (seq, entry) VALUES (?1, ?2)",
                params![entry.seq as i64, bytes],
            )
            .map_err(CatalogError::sql("append"))?;
        transaction.commit().map_err(CatalogError::sql("commit"))?;
        Ok(entry.seq)
    }

    fn load_snapshot(&mut self) -> Result<Option<State>, CatalogError> {
        let sql = "SELECT seq, state FROM snapshot ORDER BY seq DESC";
        let mut statement = self
            .connection
            .prepare(sql)
            .map_err(CatalogError::sql("read snapshots"))?;
        let mut rows = statement
            .query([])
            .map_err(CatalogError::sql("read snapshots"))?;
        let mut damage = None;
        while let Some(row) = rows.next().map_err(CatalogError::sql("read snapshots"))? {
            let (seq, bytes) = numbered_blob(row).map_err(CatalogError::sql("read snapshots"))?;
            match State::decode(seq, &bytes) {
                Ok(state) => return Ok(Some(state)),
                Err(error @ CatalogError::FormatTooNew { .. }) => return Err(error),
                Err(error) => {
                    tracing::warn!(seq, %error, "catalog snapshot is unreadable, taking an older one");
                    damage = Some(error);
                }
            }
        }
        // Without any snapshot the log itself must start at 1; read_since tells.
        if let Some(error) = damage {
            tracing::warn!(%error, "no catalog snapshot is readable, replaying the whole log");
        }
        Ok(None)
    }

    fn save_snapshot(&mut self, state: &State) -> Result<(), CatalogError> {
        let bytes = state.encode()?;
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(CatalogError::sql("begin"))?;
        let write = || -> rusqlite::Result<()> {
            transaction.execute(
                "INSERT OR REPLACE INTO snapshot (seq, state) VALUES (?1, ?2)",
                params![state.seq as i64, bytes],
            )?;
            transaction.execute(
                "DELETE FROM snapshot WHERE seq NOT IN (SELECT seq FROM snapshot ORDER BY seq DESC LIMIT ?1)",
                [SNAPSHOTS_KEPT],
            )?;
            // Entries after the oldest snapshot stay: they are its only way to the present.
            let oldest: i64 =
                transaction.query_row("SELECT min(seq) FROM snapshot", [], |row| row.get(0))?;
            let kept_from = state.seq.saturating_sub(LOG_KEPT_ENTRIES) as i64;
            transaction.execute("DELETE FROM log WHERE seq <= ?1", [oldest.min(kept_from)])?;
            Ok(())
        };
        write().map_err(CatalogError::sql("write a snapshot"))?;
        transaction
            .commit()
            .map_err(CatalogError::sql("commit a snapshot"))
    }
}

fn numbered_blob(row: &rusqlite::Row<'_>) -> rusqlite::Result<(u64, Vec<u8>)> {
    Ok((row.get::<_, i64>(0)? as u64, row.get(1)?))
}

fn last_seq(connection: &Connection) -> rusqlite::Result<u64> {
    let sql = "SELECT max(coalesce((SELECT max(seq) FROM log), 0), coalesce((SELECT max(seq) FROM snapshot), 0))";
    connection
        .query_row(sql, [], |row| row.get::<_, i64>(0))
        .map(|seq| seq as u64)
}

/// Refuses a file of a newer program before anything is written to it.
fn check_file_format(connection: &Connection, path: &Path) -> Result<(), CatalogError> {
    let read = || -> rusqlite::Result<Option<i64>> {
        let sql = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'meta'";
        let tables: i64 = connection.query_row(sql, [], |row| row.get(0))?;
        match tables {
            0 => Ok(None),
            _ => connection
                .query_row("SELECT format_version FROM meta", [], |row| row.get(0))
                .optional(),
        }
    };
    let found = read().map_err(|source| match source.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
            CatalogError::Corrupt {
                what: path.display().to_string(),
                detail: source.to_string(),
            }
        }
        _ => CatalogError::Sql {
            action: "read the format",
            source,
        },
    })?;
    match found {
        Some(found) if found > i64::from(FORMAT_VERSION) => Err(CatalogError::FormatTooNew {
            what: path.display().to_string(),
            found: u32::try_from(found).unwrap_or(u32::MAX),
            supported: FORMAT_VERSION,
        }),
        _ => Ok(()),
    }
}

fn set_durable(connection: &Connection, path: &Path) -> Result<(), CatalogError> {
    let mode: String = connection
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
        .map_err(CatalogError::sql("set journal_mode"))?;
    if mode != "wal" {
        let source = std::io::Error::other("this file system can't hold a write-ahead log");
        return Err(CatalogError::io("open", path)(source));
    }
    connection
        .pragma_update(None, "synchronous", "FULL")
        .map_err(CatalogError::sql("set synchronous"))
}

fn create_tables(connection: &mut Connection) -> Result<(), CatalogError> {
    let mut create = || -> rusqlite::Result<()> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(TABLES)?;
        let versions: i64 =
            transaction.query_row("SELECT count(*) FROM meta", [], |row| row.get(0))?;
        if versions == 0 {
            transaction.execute(
                "INSERT INTO meta (format_version) VALUES (?1)",
                [FORMAT_VERSION],
            )?;
        }
        transaction.commit()
    };
    create().map_err(CatalogError::sql("create tables"))
}
