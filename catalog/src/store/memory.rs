//! A log without a disk, which fails on demand, for tests of what depends on a log.

use std::sync::{Arc, Mutex};

use crate::error::CatalogError;
use crate::state::{Entry, State};
use crate::store::MetaStore;

/// What the next append does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing unusual.
    #[default]
    None,
    /// Fails before anything is stored.
    Refused,
    /// Stores the entry, then fails.
    ReplyLost,
}

#[derive(Default)]
struct Log {
    entries: Vec<Vec<u8>>,
    snapshot: Option<(u64, Vec<u8>)>,
    fault: Fault,
}

/// Clones share one log, as processes share one file.
#[derive(Clone, Default)]
pub(crate) struct MemoryStore {
    log: Arc<Mutex<Log>>,
}

impl MemoryStore {
    /// Makes the next append fail.
    pub(crate) fn fail_next(&self, fault: Fault) {
        self.log.lock().unwrap().fault = fault;
    }
}

impl MetaStore for MemoryStore {
    fn read_since(&mut self, seq: u64) -> Result<Vec<Entry>, CatalogError> {
        let log = self.log.lock().unwrap();
        let numbered = (1..).zip(&log.entries).skip(seq as usize);
        numbered
            .map(|(found, bytes)| Entry::decode(found, bytes))
            .collect()
    }

    fn append(&mut self, expected_seq: u64, entry: &Entry) -> Result<u64, CatalogError> {
        let mut log = self.log.lock().unwrap();
        let fault = std::mem::take(&mut log.fault);
        let failure = || CatalogError::io("append", "memory")(std::io::Error::other("injected"));
        if fault == Fault::Refused {
            return Err(failure());
        }
        if log.entries.len() as u64 != expected_seq {
            return Err(CatalogError::Conflict {
                detail: "the log moved on".to_string(),
            });
        }
        log.entries.push(entry.encode()?);
        if fault == Fault::ReplyLost {
            Err(failure())
        } else {
            Ok(entry.seq)
        }
    }

    fn load_snapshot(&mut self) -> Result<Option<State>, CatalogError> {
        let log = self.log.lock().unwrap();
        log.snapshot
            .as_ref()
            .map(|(seq, bytes)| State::decode(*seq, bytes))
            .transpose()
    }

    fn save_snapshot(&mut self, state: &State) -> Result<(), CatalogError> {
        self.log.lock().unwrap().snapshot = Some((state.seq, state.encode()?));
        Ok(())
    }
}
