//! How do a log and a state machine stay in step?

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use crate::error::{CatalogError, ObjectKind};
use crate::state::{Entry, FORMAT_VERSION, Op, SequenceBlock, State};
use crate::store::{MetaStore, SNAPSHOT_INTERVAL_ENTRIES};

/// How often a commit is tried when other processes keep getting in first.
const COMMIT_ATTEMPTS_MAX: u32 = 16;

/// A state that follows a log, and the only way to add to that log.
pub struct Replica {
    store: Box<dyn MetaStore>,
    state: Arc<State>,
    snapshot_seq: u64,
}

/// What somebody wants to change, and what they looked at before.
#[derive(Debug, Clone)]
pub struct Proposal<'a> {
    /// The role that asks.
    pub principal: &'a str,
    /// The `seq` of the state that the operations were made from.
    pub base_seq: u64,
    /// The operations.
    pub ops: Vec<Op>,
}

impl Replica {
    /// Reads the newest snapshot and the entries after it.
    pub fn open(mut store: Box<dyn MetaStore>) -> Result<Replica, CatalogError> {
        let snapshot = store.load_snapshot()?;
        let snapshot_seq = snapshot.as_ref().map_or(0, |state| state.seq);
        let mut state = snapshot.unwrap_or_else(State::initial);
        for entry in store.read_since(state.seq)? {
            state = replay(state, &entry)?;
        }
        let mut replica = Replica {
            store,
            state: Arc::new(state),
            snapshot_seq,
        };
        replica.save_snapshot_when_due();
        Ok(replica)
    }

    /// The state after the last entry that this replica knows.
    pub fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// Makes a change durable and returns the state with it.
    ///
    /// The operations are checked against the newest state; what others changed since `base_seq` is no
    /// obstacle unless it touches the same objects. An error leaves the log as it was, except
    /// `OutcomeUnknown`.
    pub fn commit(&mut self, proposal: Proposal<'_>) -> Result<Arc<State>, CatalogError> {
        let mut entry = Entry {
            format_version: FORMAT_VERSION,
            seq: 0,
            base_seq: proposal.base_seq,
            uuid: Uuid::new_v4(),
            principal: proposal.principal.to_string(),
            at_micros: now_micros(),
            ops: proposal.ops,
        };
        for _ in 0..COMMIT_ATTEMPTS_MAX {
            entry.seq = self.state.seq + 1;
            let next = self.state.apply(&entry)?;
            match self.store.append(self.state.seq, &entry) {
                Ok(_) => {
                    self.state = Arc::new(next);
                    self.save_snapshot_when_due();
                    return Ok(Arc::clone(&self.state));
                }
                Err(CatalogError::Conflict { .. }) => {
                    self.refresh()?;
                }
                Err(error) => return self.settle(&entry, error),
            }
        }
        Err(CatalogError::Conflict {
            detail: "other processes keep changing the catalog".to_string(),
        })
    }

    /// Takes up to `count` numbers of a sequence; they are the caller's, whatever happens next.
    pub fn take_numbers(
        &mut self,
        principal: &str,
        sequence: Uuid,
        count: u32,
    ) -> Result<SequenceBlock, CatalogError> {
        for _ in 0..COMMIT_ATTEMPTS_MAX {
            let (block, op) = next_block(&self.state, sequence, count)?;
            let proposal = Proposal {
                principal,
                base_seq: self.state.seq,
                ops: vec![op],
            };
            match self.commit(proposal) {
                Ok(_) => return Ok(block),
                Err(CatalogError::Conflict { .. }) => continue,
                Err(error) => return Err(error),
            }
        }
        Err(CatalogError::Conflict {
            detail: "other processes keep taking numbers".to_string(),
        })
    }

    /// Applies what other processes added, and returns it.
    pub fn refresh(&mut self) -> Result<Vec<Entry>, CatalogError> {
        let entries = self.store.read_since(self.state.seq)?;
        if !entries.is_empty() {
            let mut state = State::clone(&self.state);
            for entry in &entries {
                state = replay(state, entry)?;
            }
            self.state = Arc::new(state);
        }
        Ok(entries)
    }

    /// An append failed: the entry may be in the log all the same, as after a lost reply.
    fn settle(&mut self, entry: &Entry, error: CatalogError) -> Result<Arc<State>, CatalogError> {
        match self.refresh() {
            Ok(entries) if entries.iter().any(|found| found.uuid == entry.uuid) => {
                Ok(Arc::clone(&self.state))
            }
            Ok(_) => Err(error),
            Err(_) => Err(CatalogError::OutcomeUnknown {
                source: Box::new(error),
            }),
        }
    }

    /// A snapshot only makes opening faster, so failing to write one fails nothing.
    fn save_snapshot_when_due(&mut self) {
        if self.state.seq < self.snapshot_seq + SNAPSHOT_INTERVAL_ENTRIES {
            return;
        }
        match self.store.save_snapshot(&self.state) {
            Ok(()) => self.snapshot_seq = self.state.seq,
            Err(error) => tracing::warn!(%error, "could not write a catalog snapshot"),
        }
    }
}

/// An entry in the log was valid when it was written, so one that does not apply is damage.
fn replay(state: State, entry: &Entry) -> Result<State, CatalogError> {
    state.apply_owned(entry).map_err(|error| match error {
        CatalogError::FormatTooNew { .. } | CatalogError::Corrupt { .. } => error,
        other => CatalogError::Corrupt {
            what: format!("catalog log entry {}", entry.seq),
            detail: other.to_string(),
        },
    })
}

fn next_block(state: &State, id: Uuid, count: u32) -> Result<(SequenceBlock, Op), CatalogError> {
    let gone = || CatalogError::DoesNotExist {
        kind: ObjectKind::Sequence,
        name: id.to_string(),
    };
    let relation = state.relation_by_id(id).ok_or_else(gone)?;
    let sequence = relation.sequence().ok_or_else(gone)?;
    let position = state
        .sequences
        .get(&id)
        .copied()
        .unwrap_or(sequence.initial_position());
    let (block, _) = sequence.take(&relation.name, position, count)?;
    let op = Op::AdvanceSequence {
        target: relation.reference(),
        expected_next: position.next,
        count,
    };
    Ok((block, op))
}

fn now_micros() -> i64 {
    // A clock before 1970 is no reason to refuse a change: the time is for people only.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_micros() as i64)
}
