//! What if the COMMIT at Sync finds that the statement's table has moved on?
//!
//! In the extended protocol a statement is answered at Execute and committed at Sync. When it was the only one
//! and its answer still waits in the buffer, the answer is taken back and the statement runs again; a client that
//! has seen it gets the error.

use std::sync::Arc;

use super::connection::Connection;
use super::message;
use super::portal::{Portal, PortalState, RowsSender};
use super::types::settings::Format;
use crate::error::PgError;
use crate::session::Block;
use crate::session::outcome::Outcome;
use crate::session::prepared::{Parameters, Prepared};

/// The answer to the first statement since Sync.
pub struct Answer {
    prepared: Arc<Prepared>,
    parameters: Parameters,
    formats: Vec<Format>,
    /// Where it begins and ends in all that was ever sent to the client.
    bytes: std::ops::Range<u64>,
}

impl Connection {
    /// Would a statement that runs now be the first of its own transaction?
    pub(super) fn begins_transaction(&self) -> bool {
        !self.session.has_transaction()
            && matches!(self.session.block(), Block::Idle | Block::Implicit)
    }

    /// Remembers what was answered since `from` to a portal that ran to its end.
    pub(super) fn remember_answer(&mut self, portal: &Portal, from: u64) {
        self.answer = matches!(portal.state, PortalState::Done).then(|| Answer {
            prepared: Arc::clone(&portal.prepared),
            parameters: portal.parameters.clone(),
            formats: portal.formats.clone(),
            bytes: from..self.client.position(),
        });
    }

    /// Runs the one statement of a transaction again that was `lost`.
    pub(super) async fn repeat(&mut self, lost: PgError) -> Result<(), PgError> {
        let Some(answer) = self.answer.take() else {
            return Err(lost);
        };
        let Some(parsed) = &answer.prepared.parsed else {
            return Err(lost);
        };
        if !self.client.take_back(&answer.bytes) {
            return Err(lost);
        }
        let guard = self.session.begin_statement();
        let running = self.session.run_again(parsed, &answer.parameters);
        let outcome = self.client.drive(running).await?;
        match outcome {
            Outcome::Command(tag) => message::complete(&mut self.client.out, tag),
            Outcome::Rows(rows) => {
                let settings = message::format_settings(&self.session);
                let mut sender = RowsSender::new(rows, &answer.formats, settings)?;
                self.send_rows(&mut sender, 0).await?;
                message::complete(&mut self.client.out, sender.tag());
            }
            Outcome::CopyIn(_) | Outcome::CopyOut(_) => return Err(lost),
        }
        drop(guard);
        Ok(())
    }
}
