//! How do bytes get to one client, and its messages to us?
//!
//! A task of its own reads the socket, so that a client that hangs up is noticed while its statement runs.
//! Writing goes through one buffer: what was half written when a statement is cancelled stays in it, so the
//! stream of messages never tears.

use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::{Receiver, Sender, UnboundedReceiver, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::frontend::Frontend;
use super::message;
use crate::error::PgError;
use crate::session::notice::Notice;
use crate::sqlstate;

/// The reading half of a socket.
pub type Reader = Box<dyn AsyncRead + Send + Unpin>;
/// The writing half of a socket.
pub type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// Bytes are sent when this many wait.
pub const FLUSH_BYTES: usize = 64 * 1024;

/// Messages that may wait to be handled; the client's next ones wait in its socket.
const MESSAGES_WAITING_MAX: usize = 32;
/// Their bytes, unless one alone is longer.
const MESSAGE_BYTES_WAITING_MAX: usize = 4 << 20;

/// The writing side of a client.
pub struct Client {
    /// Encoded messages that are not sent yet.
    pub out: BytesMut,
    writer: Writer,
    /// how many bytes the client got
    sent_bytes: u64,
    notices: UnboundedReceiver<Notice>,
    /// `client_min_messages`
    pub notice_level: String,
}

impl Client {
    /// A client behind a socket's writing half.
    pub fn new(writer: Writer, notices: UnboundedReceiver<Notice>) -> Self {
        Client {
            out: BytesMut::with_capacity(2 * FLUSH_BYTES),
            writer,
            sent_bytes: 0,
            notices,
            notice_level: "notice".to_string(),
        }
    }

    /// Sends everything that waits. Safe to drop half-way: the rest stays in the buffer.
    pub async fn flush(&mut self) -> Result<(), PgError> {
        while !self.out.is_empty() {
            let written = self.writer.write_buf(&mut self.out).await.map_err(gone)?;
            if written == 0 {
                return Err(gone(std::io::ErrorKind::WriteZero.into()));
            }
            self.sent_bytes += written as u64;
        }
        self.writer.flush().await.map_err(gone)
    }

    /// How many bytes were put so far, sent or not.
    pub fn position(&self) -> u64 {
        self.sent_bytes + self.out.len() as u64
    }

    /// Takes back the bytes that were put last, unless some of them are sent or others follow.
    pub fn take_back(&mut self, bytes: &std::ops::Range<u64>) -> bool {
        let is_last = bytes.end == self.position();
        match bytes.start.checked_sub(self.sent_bytes) {
            Some(kept) if is_last => {
                self.out.truncate(kept as usize);
                true
            }
            _ => false,
        }
    }

    /// Sends when enough waits, unless the statement is stopped meanwhile.
    pub async fn flush_if_full(&mut self, stop: &CancellationToken) -> Result<(), PgError> {
        if self.out.len() < FLUSH_BYTES {
            return Ok(());
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => Ok(()),
            flushed = self.flush() => flushed,
        }
    }

    /// Puts the notices that have come in before what follows.
    pub fn take_notices(&mut self) {
        while let Ok(notice) = self.notices.try_recv() {
            self.put_notice(&notice);
        }
    }

    fn put_notice(&mut self, notice: &Notice) {
        if notice.passes(&self.notice_level) {
            message::notice(&mut self.out, notice);
        }
    }

    /// Awaits work of the session and sends its notices as they come.
    pub async fn drive<T>(&mut self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                Some(notice) = self.notices.recv() => {
                    self.put_notice(&notice);
                    // A client that is gone is noticed by the reader.
                    let _ = self.flush().await;
                }
                done = &mut work => {
                    self.take_notices();
                    return done;
                }
            }
        }
    }
}

fn gone(error: std::io::Error) -> PgError {
    PgError::fatal(
        sqlstate::SqlState("08006"),
        format!("connection lost: {error}"),
    )
}

/// What the reading task hands over.
pub type Incoming = Result<Frontend, PgError>;

/// The messages of a client, in their order.
pub struct Messages {
    receiver: Receiver<(Incoming, Option<OwnedSemaphorePermit>)>,
}

impl Messages {
    /// The next message; None when the client is gone.
    pub async fn recv(&mut self) -> Option<Incoming> {
        self.receiver.recv().await.map(|(message, _)| message)
    }

    /// Does nothing wait?
    pub fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }
}

/// Reads a socket until it ends; then `on_end` is called. Longer messages than `bytes_max` are refused.
pub fn read_messages(
    reader: Reader,
    buffer: BytesMut,
    bytes_max: usize,
    on_end: impl FnOnce() + Send + 'static,
) -> (Messages, tokio::task::JoinHandle<()>) {
    let (sender, receiver) = channel(MESSAGES_WAITING_MAX);
    let mut socket = Socket {
        reader,
        buffer,
        bytes_max,
        waiting: Arc::new(Semaphore::new(MESSAGE_BYTES_WAITING_MAX)),
        sender,
    };
    let task = tokio::spawn(async move {
        socket.read().await;
        on_end();
    });
    (Messages { receiver }, task)
}

/// The reading side of a client.
struct Socket {
    reader: Reader,
    buffer: BytesMut,
    bytes_max: usize,
    /// Bytes that more messages may have before one of them is handled.
    waiting: Arc<Semaphore>,
    sender: Sender<(Incoming, Option<OwnedSemaphorePermit>)>,
}

impl Socket {
    async fn read(&mut self) {
        loop {
            let before = self.buffer.len();
            match Frontend::decode(&mut self.buffer, self.bytes_max) {
                Ok(Some(message)) => {
                    let is_end = message == Frontend::Terminate;
                    let bytes = (before - self.buffer.len()).min(MESSAGE_BYTES_WAITING_MAX);
                    let permit = Arc::clone(&self.waiting)
                        .acquire_many_owned(bytes as u32)
                        .await
                        .ok();
                    if self.sender.send((Ok(message), permit)).await.is_err() || is_end {
                        return;
                    }
                }
                Ok(None) => match self.reader.read_buf(&mut self.buffer).await {
                    Ok(0) | Err(_) => return,
                    Ok(_) => {}
                },
                Err(failure) => {
                    // The receiver may be gone already; nobody else needs to know.
                    let _ = self.sender.send((Err(failure), None)).await;
                    return;
                }
            }
        }
    }
}
