//! Where is the log kept, and how does a change get into it exactly once?
//!
//! A [`MetaStore`] is a log with compare-and-swap append and room for snapshots. It knows nothing about
//! what entries mean; [`replica`] joins it with the state machine. Every call may wait for a disk: call
//! from a thread that may block, or through [`Catalog::commit_async`].
//!
//! [`Catalog::commit_async`]: crate::Catalog::commit_async

#[cfg(test)]
pub(crate) mod memory;
pub mod replica;
pub mod sqlite;

use crate::error::CatalogError;
use crate::state::{Entry, State};

/// How many entries may follow a snapshot before the next one is written: bounds the work of opening.
pub const SNAPSHOT_INTERVAL_ENTRIES: u64 = 512;

/// How many entries before the newest snapshot are kept, as history for people.
pub const LOG_KEPT_ENTRIES: u64 = 100_000;

/// A log of catalog changes.
pub trait MetaStore: Send {
    /// The entries after `seq`, in order and without gaps.
    fn read_since(&mut self, seq: u64) -> Result<Vec<Entry>, CatalogError>;

    /// Adds `entry` when the last one in the log is `expected_seq`, durably before it returns. `Conflict`
    /// when the log has moved on: read, validate again, try again. After any other error the entry may or
    /// may not be there; its uuid tells.
    fn append(&mut self, expected_seq: u64, entry: &Entry) -> Result<u64, CatalogError>;

    /// The newest snapshot that can be read, if any.
    fn load_snapshot(&mut self) -> Result<Option<State>, CatalogError>;

    /// Keeps a snapshot, and forgets entries and snapshots that nobody needs any more.
    fn save_snapshot(&mut self, state: &State) -> Result<(), CatalogError>;
}
