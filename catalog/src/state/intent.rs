//! What is decided but not yet written everywhere?
//!
//! A transaction over several tables commits by one log entry, [`Op::BeginIntent`]. From then on its
//! table commits are owed: they are written at once, or after a crash by whoever opens the catalog.

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};
use uuid::Uuid;

use crate::state::op::Op;

/// A decided transaction over several tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// Identity; also the application id of the Delta `txn` action that makes recovery idempotent.
    pub id: Uuid,
    /// The Delta commits that are owed, at most one per table.
    pub tables: Vec<IntentTable>,
    /// The catalog changes of the transaction. They take effect with the entry that begins the intent.
    pub ops: Vec<Op>,
}

/// One owed Delta commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntentTable {
    /// The id of the table.
    pub relation: Uuid,
    /// Its location, kept here so that the commit can be written even when the table is dropped.
    pub location: String,
    /// The Delta version that the transaction read; the commit becomes the one after it. `None` when the
    /// commit makes the table, as version 0.
    pub read_version: Option<u64>,
    /// The commit: lines of JSON actions, UTF-8.
    #[serde(serialize_with = "write_utf8", deserialize_with = "read_utf8")]
    pub commit_json: Vec<u8>,
}

// As text and not as an array of numbers: a fourth of the size, and a person can read the log.
fn write_utf8<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    let text =
        std::str::from_utf8(bytes).map_err(|_| ser::Error::custom("commit_json is not UTF-8"))?;
    serializer.serialize_str(text)
}

fn read_utf8<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    String::deserialize(deserializer).map(String::into_bytes)
}
