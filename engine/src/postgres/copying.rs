//! How do COPY's data messages flow between the socket and a statement?

use futures::StreamExt;
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::copy::{CopyDone, CopyInResponse, CopyOutResponse};
use tokio::sync::mpsc::{Sender, channel};

use super::client::Messages;
use super::connection::Connection;
use super::frontend::Frontend;
use super::message;
use crate::error::PgError;
use crate::sqlstate;
use crate::statement::copy::{CopyChunk, CopyIn, CopyOut};

/// Chunks between the socket and the decoder.
const CHUNKS_WAITING_MAX: usize = 8;
/// Rows encoded at a time.
const PIECE_ROWS: usize = 512;

impl Connection {
    /// COPY FROM STDIN: asks for data and feeds it to the statement.
    pub(super) async fn copy_in(&mut self, copy: CopyIn) -> Result<(), PgError> {
        let (format, formats) = copy.formats.clone();
        let response = CopyInResponse::new(format, formats.len() as i16, formats);
        message::put(
            &mut self.client.out,
            PgWireBackendMessage::CopyInResponse(response),
        );
        self.client.flush().await?;
        let (sender, chunks) = channel(CHUNKS_WAITING_MAX);
        let taking = self.session.copy_from(copy, chunks);
        let incoming = &mut self.incoming;
        let copied = self
            .client
            .drive(async {
                tokio::pin!(taking);
                tokio::select! {
                    biased;
                    copied = &mut taking => copied,
                    fed = feed(incoming, sender) => match fed {
                        Ok(()) => taking.await,
                        Err(lost) => Err(lost),
                    },
                }
            })
            .await;
        let copied = match copied {
            Err(lost) if lost.fatal && lost.code == sqlstate::PROTOCOL_VIOLATION => {
                let told = PgError {
                    fatal: false,
                    ..lost
                };
                message::error(&mut self.client.out, &told);
                return Err(PgError::fatal(
                    sqlstate::PROTOCOL_VIOLATION,
                    "terminating connection because protocol synchronization was lost",
                ));
            }
            other => other?,
        };
        message::complete(&mut self.client.out, copied);
        Ok(())
    }

    /// COPY TO STDOUT: streams the rows.
    pub(super) async fn copy_out(&mut self, copy: CopyOut) -> Result<(), PgError> {
        let CopyOut {
            mut encoder,
            mut batches,
        } = copy;
        let stop = self.session.entry.cancel.token();
        let (format, formats) = encoder.formats();
        let response = CopyOutResponse::new(format, formats.len() as i16, formats);
        message::put(
            &mut self.client.out,
            PgWireBackendMessage::CopyOutResponse(response),
        );
        encoder.start(&mut self.client.out);
        let mut rows = 0;
        loop {
            let next = tokio::select! {
                biased;
                () = stop.cancelled() => return Err(self.session.entry.cancel.reason().error()),
                next = batches.next() => next,
            };
            let Some(batch) = next else { break };
            let batch = batch?;
            let mut from = 0;
            while from < batch.num_rows() {
                let until = (from + PIECE_ROWS).min(batch.num_rows());
                encoder.encode(&batch, from..until, &mut self.client.out)?;
                self.client.flush_if_full(&stop).await?;
                if stop.is_cancelled() {
                    return Err(self.session.entry.cancel.reason().error());
                }
                from = until;
            }
            rows += batch.num_rows();
        }
        encoder.finish(&mut self.client.out);
        message::put(
            &mut self.client.out,
            PgWireBackendMessage::CopyDone(CopyDone::new()),
        );
        message::complete(&mut self.client.out, format!("COPY {rows}"));
        Ok(())
    }
}

/// Hands the client's chunks on until it is done or gives up; an error when the connection is lost.
async fn feed(incoming: &mut Messages, chunks: Sender<CopyChunk>) -> Result<(), PgError> {
    loop {
        let Some(received) = incoming.recv().await else {
            return Err(PgError::fatal(
                sqlstate::SqlState("08006"),
                "unexpected EOF on client connection during COPY",
            ));
        };
        match received? {
            Frontend::CopyData(chunk) => {
                if chunks.send(Ok(chunk)).await.is_err() {
                    // The statement has ended; its own answer says why.
                    return std::future::pending().await;
                }
            }
            Frontend::CopyDone => return Ok(()),
            Frontend::CopyFail(reason) => {
                let gave_up = PgError::new(
                    sqlstate::QUERY_CANCELED,
                    format!("COPY from stdin failed: {reason}"),
                );
                // If the statement has ended already, its own answer counts.
                let _ = chunks.send(Err(gave_up)).await;
                return Ok(());
            }
            Frontend::Flush | Frontend::Sync => {}
            Frontend::Malformed(b'f', error) => {
                // If the statement has ended already, its own answer counts.
                let _ = chunks.send(Err(*error)).await;
                return Ok(());
            }
            unexpected => {
                return Err(PgError::fatal(
                    sqlstate::PROTOCOL_VIOLATION,
                    format!(
                        "unexpected message type 0x{:02X} during COPY from stdin",
                        unexpected.kind()
                    ),
                ));
            }
        }
    }
}
