//! What happens between a client's message and our answers?
//!
//! One loop per connection. Simple queries run statement by statement; extended messages fill and run portals
//! until Sync; after an error everything is skipped up to the next Sync.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::sync::mpsc::unbounded_channel;

use super::client::{Client, Messages, Reader, Writer, read_messages};
use super::frontend::{Frontend, is_extended};
use super::portal::Portal;
use super::repeated::Answer;
use super::{message, startup};
use crate::engine::Engine;
use crate::error::PgError;
use crate::session::cancel::StopReason;
use crate::session::prepared::Prepared;
use crate::session::repetition::is_lost_race;
use crate::session::settings::SETTINGS;
use crate::session::{Block, Peer, Session};
use crate::sqlstate;

/// One client and its session.
pub struct Connection {
    pub(super) session: Session,
    pub(super) client: Client,
    pub(super) incoming: Messages,
    /// The unnamed statement; named ones live in the session, where SQL sees them too.
    pub(super) unnamed: Option<Arc<Prepared>>,
    pub(super) portals: HashMap<String, Portal>,
    /// What was answered since the last Sync, if it was one statement.
    pub(super) answer: Option<Answer>,
    /// After an error in the extended protocol.
    pub(super) skips_to_sync: bool,
    reported: HashMap<&'static str, String>,
}

/// Serves one socket to its end.
pub async fn serve(mut reader: Reader, mut writer: Writer, peer: Peer, engine: Arc<Engine>) {
    let mut buffer = BytesMut::new();
    let negotiated = tokio::time::timeout(
        std::time::Duration::from_millis(engine.config.startup_timeout_ms),
        startup::negotiate(&mut reader, &mut writer, &mut buffer, &engine),
    );
    let Ok(Ok(Some(startup))) = negotiated.await else {
        return;
    };
    let (notice_sender, notices) = unbounded_channel();
    let mut client = Client::new(writer, notices);
    let admitted = admit(&engine, &startup, peer, notice_sender, &mut client);
    let session = match admitted {
        Ok(session) => session,
        Err(refusal) => {
            message::error(&mut client.out, &refusal);
            // The client may be gone already; then nobody reads the refusal.
            let _ = client.flush().await;
            return;
        }
    };
    let entry = session.entry.clone();
    let on_end = {
        let cancel = entry.cancel.clone();
        move || cancel.stop(StopReason::ClientGone)
    };
    let bytes_max = session.engine.config.message_limit_bytes;
    let (incoming, reading) = read_messages(reader, buffer, bytes_max, on_end);
    let mut connection = Connection {
        session,
        client,
        incoming,
        unnamed: None,
        portals: HashMap::new(),
        answer: None,
        skips_to_sync: false,
        reported: HashMap::new(),
    };
    tracing::debug!(pid = entry.pid, "session begins");
    connection.run().await;
    tracing::debug!(pid = entry.pid, "session ends");
    reading.abort();
}

fn admit(
    engine: &Arc<Engine>,
    startup: &startup::Startup,
    peer: Peer,
    notices: tokio::sync::mpsc::UnboundedSender<crate::session::notice::Notice>,
    client: &mut Client,
) -> Result<Session, PgError> {
    let admitted = startup::admit(startup)?;
    let mut session = Session::new(Arc::clone(engine), admitted.user.clone(), peer, notices)?;
    startup::welcome(&mut session, &admitted, &mut client.out)?;
    Ok(session)
}

impl Connection {
    async fn run(&mut self) {
        self.remember_reported();
        let terminate = self.session.entry.terminate.clone();
        loop {
            self.session.note_idle();
            if self.incoming.is_empty() && self.client.flush().await.is_err() {
                return;
            }
            let (idle_max_ms, idle_error) = self.idle_limit();
            let received = tokio::select! {
                biased;
                () = terminate.cancelled() => Err(StopReason::Shutdown.error()),
                () = idle(idle_max_ms) => Err(idle_error),
                received = self.incoming.recv() => match received {
                    Some(received) => received,
                    None => return,
                },
            };
            let handled = match received {
                Ok(Frontend::Terminate) => return,
                Ok(frontend) => self.handle(frontend).await,
                Err(fatal) => Err(fatal),
            };
            if let Err(fatal) = handled {
                message::error(&mut self.client.out, &fatal);
                // The connection ends either way.
                let _ = self.client.flush().await;
                return;
            }
        }
    }

    /// How long the client may be silent, and what it hears then.
    fn idle_limit(&self) -> (u64, PgError) {
        let (setting, error) = match self.session.block() {
            Block::Open | Block::Failed => (
                "idle_in_transaction_session_timeout",
                PgError::fatal(
                    sqlstate::IDLE_IN_TRANSACTION_TIMEOUT,
                    "terminating connection due to idle-in-transaction timeout",
                ),
            ),
            _ => (
                "idle_session_timeout",
                PgError::fatal(
                    sqlstate::IDLE_SESSION_TIMEOUT,
                    "terminating connection due to idle-session timeout",
                ),
            ),
        };
        (self.session.settings.milliseconds(setting), error)
    }

    /// Answers one message; an error here ends the connection.
    async fn handle(&mut self, frontend: Frontend) -> Result<(), PgError> {
        match frontend {
            Frontend::Sync => self.sync().await,
            // What is left of a COPY that failed is swallowed.
            Frontend::CopyData(_) | Frontend::CopyDone | Frontend::CopyFail(_) => Ok(()),
            Frontend::Malformed(b'S', error) => {
                self.skips_to_sync = false;
                self.refuse(&error)
            }
            _ if self.skips_to_sync => Ok(()),
            Frontend::Query(query) => self.simple_query(&query).await,
            Frontend::Flush => self.client.flush().await,
            Frontend::FunctionCall => self.refuse(
                &PgError::unsupported("function calls by message are not supported")
                    .with_hint("Call the function in a SELECT."),
            ),
            Frontend::Malformed(kind, error) => {
                if is_extended(kind) {
                    self.answer_error(Err(*error))
                } else {
                    self.refuse(&error)
                }
            }
            extended => {
                let answered = self.extended(extended).await;
                self.answer_error(answered)
            }
        }
    }

    /// Answers a message of the simple protocol that cannot be read.
    fn refuse(&mut self, error: &PgError) -> Result<(), PgError> {
        message::error(&mut self.client.out, error);
        self.session.fail();
        self.finish()
    }

    /// Sends an error of the extended protocol and skips to Sync; fatal ones go up.
    fn answer_error(&mut self, answered: Result<(), PgError>) -> Result<(), PgError> {
        let Err(error) = answered else { return Ok(()) };
        if error.fatal {
            return Err(error);
        }
        message::error(&mut self.client.out, &error);
        self.session.fail();
        self.skips_to_sync = true;
        Ok(())
    }

    async fn sync(&mut self) -> Result<(), PgError> {
        if self.skips_to_sync {
            self.skips_to_sync = false;
        } else {
            let ended = match self.session.end_implicit().await {
                Err(error) if is_lost_race(&error) => self.repeat(error).await,
                ended => ended,
            };
            if let Err(error) = ended {
                message::error(&mut self.client.out, &error);
                self.session.fail();
            }
        }
        self.answer = None;
        if self.session.block() == Block::Idle {
            self.portals.clear();
        }
        self.finish()
    }

    /// Ends an answer: changed settings, then ReadyForQuery.
    pub(super) fn finish(&mut self) -> Result<(), PgError> {
        self.client.take_notices();
        self.client.notice_level = self
            .session
            .settings
            .known("client_min_messages")
            .to_string();
        self.report_changes();
        message::ready(&mut self.client.out, &self.session);
        Ok(())
    }

    fn remember_reported(&mut self) {
        for known in SETTINGS.iter().filter(|known| known.reported) {
            let value = self.session.settings.known(known.name).to_string();
            self.reported.insert(known.name, value);
        }
    }

    fn report_changes(&mut self) {
        for known in SETTINGS.iter().filter(|known| known.reported) {
            let value = self.session.settings.known(known.name);
            if self
                .reported
                .get(known.name)
                .is_some_and(|told| told == value)
            {
                continue;
            }
            message::parameter(&mut self.client.out, known.shown, value);
            self.reported.insert(known.name, value.to_string());
        }
    }
}

/// Never, or after so many milliseconds.
async fn idle(timeout_ms: u64) {
    if timeout_ms == 0 {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(timeout_ms)).await;
}
