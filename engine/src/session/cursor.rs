//! What is a declared cursor, and when does it end?

use std::sync::{Mutex, PoisonError};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use futures::StreamExt;

use super::Session;
use super::outcome::{BatchStream, Rows};
use crate::error::PgError;

/// A row set that is read bit by bit.
pub struct Cursor {
    /// Its columns.
    pub schema: SchemaRef,
    /// Outlives its transaction.
    pub hold: bool,
    /// Behind a lock only because sessions are shared by reference while they plan.
    batches: Mutex<BatchStream>,
    rest: Option<RecordBatch>,
}

impl Cursor {
    /// A cursor before its first row.
    pub fn new(rows: Rows, hold: bool) -> Self {
        Cursor {
            schema: rows.schema,
            hold,
            batches: Mutex::new(rows.batches),
            rest: None,
        }
    }

    /// The next rows, at most `rows_max`; fewer at the end.
    pub async fn fetch(&mut self, rows_max: u64) -> Result<Vec<RecordBatch>, PgError> {
        let mut fetched = Vec::new();
        let mut wanted = rows_max;
        while wanted > 0 {
            let batch = match self.rest.take() {
                Some(batch) => batch,
                None => match self
                    .batches
                    .get_mut()
                    .unwrap_or_else(PoisonError::into_inner)
                    .next()
                    .await
                {
                    Some(batch) => batch?,
                    None => break,
                },
            };
            let rows = batch.num_rows() as u64;
            if rows > wanted {
                let taken = wanted as usize;
                self.rest = Some(batch.slice(taken, batch.num_rows() - taken));
                fetched.push(batch.slice(0, taken));
                wanted = 0;
            } else {
                fetched.push(batch);
                wanted -= rows;
            }
        }
        Ok(fetched)
    }
}

impl Session {
    /// Cursors end with their transaction, except WITH HOLD after a commit.
    pub(super) fn close_cursors_of_transaction(&mut self, committed: bool) {
        self.cursors.retain(|_, cursor| committed && cursor.hold);
    }
}
