//! How do a portal's rows reach the client, all at once or a few at a time?

use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::StreamExt;

use super::connection::Connection;
use super::types::row::{FieldDescription, RowEncoder};
use super::types::settings::{Format, FormatSettings};
use crate::error::PgError;
use crate::session::cancel::StatementCancel;
use crate::session::outcome::{BatchStream, Rows, RowsTag};
use crate::session::prepared::{Parameters, Prepared};

/// Rows are encoded in pieces of this many, so that a full buffer is sent in time.
const PIECE_ROWS: usize = 512;

/// A bound statement.
pub struct Portal {
    /// What it runs.
    pub prepared: Arc<Prepared>,
    /// With which values.
    pub parameters: Parameters,
    /// How its columns are sent.
    pub formats: Vec<Format>,
    /// How far it is.
    pub state: PortalState,
}

/// How far a portal is.
pub enum PortalState {
    /// Not run yet.
    Ready,
    /// Rows are left, or may be.
    Running(Box<RowsSender>),
    /// Everything was sent.
    Done,
}

/// A row set on its way.
pub struct RowsSender {
    encoder: RowEncoder,
    batches: BatchStream,
    tag: RowsTag,
    current: Option<(RecordBatch, usize)>,
    sent_rows: u64,
}

impl RowsSender {
    /// Prepares to send; no formats means text.
    pub fn new(rows: Rows, formats: &[Format], settings: FormatSettings) -> Result<Self, PgError> {
        Ok(RowsSender {
            encoder: RowEncoder::new(&rows.schema, formats, settings)?,
            batches: rows.batches,
            tag: rows.tag,
            current: None,
            sent_rows: 0,
        })
    }

    /// The columns.
    pub fn fields(&self) -> &[FieldDescription] {
        self.encoder.fields()
    }

    /// The next batch and where in it the rows begin that were not looked at; None behind the last one.
    async fn next_rows(
        &mut self,
        cancel: &StatementCancel,
    ) -> Result<Option<(RecordBatch, usize)>, PgError> {
        if let Some(rest) = self.current.take() {
            return Ok(Some(rest));
        }
        let stop = cancel.token();
        tokio::select! {
            biased;
            () = stop.cancelled() => Err(cancel.reason().error()),
            next = self.batches.next() => Ok(next.transpose()?.map(|batch| (batch, 0))),
        }
    }

    /// The command tag; counts the rows of the last call.
    pub fn tag(&self) -> String {
        self.tag.text(self.sent_rows)
    }
}

impl Connection {
    /// Passes over up to `rows_max` rows; how many there were.
    pub(super) async fn skip_rows(
        &mut self,
        sender: &mut RowsSender,
        rows_max: u64,
    ) -> Result<u64, PgError> {
        let mut skipped = 0;
        while skipped < rows_max {
            let Some((batch, from)) = sender.next_rows(&self.session.entry.cancel).await? else {
                break;
            };
            let left = usize::try_from(rows_max - skipped).unwrap_or(usize::MAX);
            let until = batch.num_rows().min(from.saturating_add(left));
            skipped += (until - from) as u64;
            if until < batch.num_rows() {
                sender.current = Some((batch, until));
            }
        }
        Ok(skipped)
    }

    /// Sends up to `rows_max` rows (0 is all); true when nothing is left.
    pub(super) async fn send_rows(
        &mut self,
        sender: &mut RowsSender,
        rows_max: u64,
    ) -> Result<bool, PgError> {
        let stop = self.session.entry.cancel.token();
        sender.sent_rows = 0;
        loop {
            if rows_max > 0 && sender.sent_rows >= rows_max {
                return Ok(false);
            }
            let Some((batch, from)) = sender.next_rows(&self.session.entry.cancel).await? else {
                return Ok(true);
            };
            let mut until = (from + PIECE_ROWS).min(batch.num_rows());
            if rows_max > 0 {
                let wanted = (rows_max - sender.sent_rows).min(usize::MAX as u64) as usize;
                until = until.min(from.saturating_add(wanted));
            }
            sender
                .encoder
                .encode(&batch, from..until, &mut self.client.out)?;
            sender.sent_rows += (until - from) as u64;
            if until < batch.num_rows() {
                sender.current = Some((batch, until));
            }
            self.client.take_notices();
            self.client.flush_if_full(&stop).await?;
            if stop.is_cancelled() {
                return Err(self.session.entry.cancel.reason().error());
            }
            let counters = &self.session.engine.counters;
            counters
                .rows
                .fetch_add((until - from) as u64, std::sync::atomic::Ordering::Relaxed);
        }
    }
}
