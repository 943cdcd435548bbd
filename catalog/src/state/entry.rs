//! How does one change look in the log?
//!
//! Entries are JSON, because a log that a person can read with `sqlite3` is worth its bytes. Nothing
//! secret is ever in an entry.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::CatalogError;
use crate::state::op::Op;

/// The newest format of entries and snapshots that this program reads, and the one that it writes.
pub const FORMAT_VERSION: u32 = 1;

/// The longest encoded entry, in bytes: room for a transaction that adds 100,000 files.
pub const ENTRY_BYTES_MAX: usize = 256 << 20;

/// Operations that take effect together, in order, or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// See [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Its place in the log: 1, 2, 3 … without gaps.
    pub seq: u64,
    /// The `seq` of the state that the proposer looked at. Targets changed after it are conflicts.
    pub base_seq: u64,
    /// Tells a proposer whose answer got lost whether its entry is in the log.
    pub uuid: Uuid,
    /// The role that asked for it.
    pub principal: String,
    /// When, microseconds since 1970 UTC. For people; applying never looks at it.
    pub at_micros: i64,
    /// What changes.
    pub ops: Vec<Op>,
}

/// Only what must be readable in every format ever written.
#[derive(Deserialize)]
struct FormatProbe {
    format_version: u32,
}

impl Entry {
    /// The bytes that the log keeps.
    pub fn encode(&self) -> Result<Vec<u8>, CatalogError> {
        let bytes = serde_json::to_vec(self).map_err(|error| CatalogError::Corrupt {
            what: "new log entry".to_string(),
            detail: error.to_string(),
        })?;
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(CatalogError::LimitExceeded {
                what: "bytes of one catalog change",
                limit: ENTRY_BYTES_MAX as u64,
            });
        }
        Ok(bytes)
    }

    /// Reads what [`Entry::encode`] wrote; `seq` is where it was found. A newer format is refused before
    /// anything else is looked at.
    pub fn decode(seq: u64, bytes: &[u8]) -> Result<Entry, CatalogError> {
        let what = || format!("catalog log entry {seq}");
        check_format(what, bytes)?;
        let entry: Entry =
            serde_json::from_slice(bytes).map_err(|error| CatalogError::Corrupt {
                what: what(),
                detail: error.to_string(),
            })?;
        if entry.seq != seq {
            let detail = format!("it says that it is entry {}", entry.seq);
            return Err(CatalogError::Corrupt {
                what: what(),
                detail,
            });
        }
        Ok(entry)
    }
}

/// Refuses JSON whose `format_version` is newer than ours.
pub(crate) fn check_format(what: impl Fn() -> String, bytes: &[u8]) -> Result<(), CatalogError> {
    let probe: FormatProbe =
        serde_json::from_slice(bytes).map_err(|error| CatalogError::Corrupt {
            what: what(),
            detail: error.to_string(),
        })?;
    if probe.format_version > FORMAT_VERSION {
        return Err(CatalogError::FormatTooNew {
            what: what(),
            found: probe.format_version,
            supported: FORMAT_VERSION,
        });
    }
    Ok(())
}
