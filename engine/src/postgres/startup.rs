//! How does a socket become a session?
//!
//! SSL and GSS are answered with "no"; a cancel request is carried out and hung up; a startup message names
//! user, database and settings. Nobody gets in but user `tarn`: by loopback TCP without a password, by the
//! Unix socket when the kernel says that the peer is the server's own user or root.

use bytes::BytesMut;
use pgwire::messages::cancel::CancelRequest;
use pgwire::messages::response::{GssEncResponse, SslResponse};
use pgwire::messages::startup::{
    Authentication, BackendKeyData, NegotiateProtocolVersion, SecretKey, Startup,
};
use pgwire::messages::{
    DecodeContext, PgWireBackendMessage, PgWireFrontendMessage, ProtocolVersion,
    SslNegotiationMetaMessage,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::client::{Reader, Writer};
use super::message;
use crate::engine::Engine;
use crate::error::PgError;
use crate::plan::names::DATABASE;
use crate::session::Session;
use crate::session::settings::SETTINGS;
use crate::sqlstate;

/// The one user until there are roles.
pub const USER: &str = "tarn";

/// A startup message may not be longer.
const STARTUP_BYTES_MAX: usize = 10_000;

/// Reads until the startup message; None when the client only cancelled or left.
pub async fn negotiate(
    reader: &mut Reader,
    writer: &mut Writer,
    buffer: &mut BytesMut,
    engine: &Engine,
) -> std::io::Result<Option<Startup>> {
    let mut context = DecodeContext::new(ProtocolVersion::PROTOCOL3_0);
    loop {
        match PgWireFrontendMessage::decode(buffer, &context) {
            Ok(Some(PgWireFrontendMessage::SslNegotiation(wanted))) => match refusal(&wanted) {
                Some(no) => {
                    let mut out = BytesMut::new();
                    message::put(&mut out, no);
                    writer.write_all(&out).await?;
                    writer.flush().await?;
                }
                None => context.awaiting_frontend_ssl = false,
            },
            Ok(Some(PgWireFrontendMessage::Startup(startup))) => return Ok(Some(startup)),
            Ok(Some(PgWireFrontendMessage::CancelRequest(request))) => {
                cancel(engine, &request);
                return Ok(None);
            }
            Ok(Some(_)) | Err(_) => return Ok(None),
            Ok(None) if buffer.len() > STARTUP_BYTES_MAX => return Ok(None),
            Ok(None) => {
                if reader.read_buf(buffer).await? == 0 {
                    return Ok(None);
                }
            }
        }
    }
}

fn refusal(wanted: &SslNegotiationMetaMessage) -> Option<PgWireBackendMessage> {
    match wanted {
        SslNegotiationMetaMessage::PostgresSsl(_) => {
            Some(PgWireBackendMessage::SslResponse(SslResponse::Refuse))
        }
        SslNegotiationMetaMessage::PostgresGss(_) => {
            Some(PgWireBackendMessage::GssEncResponse(GssEncResponse::Refuse))
        }
        SslNegotiationMetaMessage::None => None,
    }
}

fn cancel(engine: &Engine, request: &CancelRequest) {
    if let SecretKey::I32(secret) = request.secret_key {
        engine.sessions.cancel_by_secret(request.pid, secret);
    }
}

/// Who wants in, and to what?
pub fn admit(startup: &Startup) -> Result<String, PgError> {
    if startup.protocol_number_major != 3 {
        return Err(PgError::fatal(
            sqlstate::FEATURE_NOT_SUPPORTED,
            format!(
                "unsupported frontend protocol {}.{}: server supports 3.0",
                startup.protocol_number_major, startup.protocol_number_minor
            ),
        ));
    }
    let parameter = |name: &str| startup.parameters.get(name).map(String::as_str);
    if parameter("replication").is_some_and(|value| !["false", "off", "0", "no"].contains(&value)) {
        return Err(PgError::fatal(
            sqlstate::FEATURE_NOT_SUPPORTED,
            "replication connections are not supported",
        ));
    }
    let Some(user) = parameter("user") else {
        return Err(PgError::fatal(
            sqlstate::INVALID_AUTHORIZATION,
            "no PostgreSQL user name specified in startup packet",
        ));
    };
    if user != USER {
        return Err(PgError::fatal(
            sqlstate::INVALID_AUTHORIZATION,
            format!("role \"{user}\" does not exist"),
        )
        .with_hint(format!("Connect as user {USER}.")));
    }
    let database = parameter("database").unwrap_or(user);
    if database != DATABASE {
        return Err(PgError::fatal(
            sqlstate::INVALID_CATALOG_NAME,
            format!("database \"{database}\" does not exist"),
        )
        .with_hint(format!("There is one database: {DATABASE}.")));
    }
    Ok(user.to_string())
}

/// Applies the startup message's settings and greets the client.
pub fn welcome(
    session: &mut Session,
    startup: &Startup,
    out: &mut BytesMut,
) -> Result<(), PgError> {
    let mut unknown_options = Vec::new();
    for (name, value) in &startup.parameters {
        match name.as_str() {
            "user" | "database" | "replication" => {}
            "options" => apply_options(session, value)?,
            extension if extension.starts_with("_pq_.") => unknown_options.push(name.clone()),
            setting => session
                .settings
                .set_startup(setting, value)
                .map_err(|error| PgError {
                    fatal: true,
                    ..error
                })?,
        }
    }
    session.apply_settings();
    if startup.protocol_number_minor > 0 || !unknown_options.is_empty() {
        let newest = NegotiateProtocolVersion::new(0, unknown_options);
        message::put(out, PgWireBackendMessage::NegotiateProtocolVersion(newest));
    }
    message::put(
        out,
        PgWireBackendMessage::Authentication(Authentication::Ok),
    );
    for known in SETTINGS.iter().filter(|known| known.reported) {
        message::parameter(out, known.shown, session.settings.known(known.name));
    }
    let key = BackendKeyData::new(session.entry.pid, SecretKey::I32(session.entry.secret));
    message::put(out, PgWireBackendMessage::BackendKeyData(key));
    message::ready(out, session);
    Ok(())
}

/// `-c name=value` and `--name=value`, separated by blanks.
fn apply_options(session: &mut Session, options: &str) -> Result<(), PgError> {
    let mut words = options.split_whitespace();
    while let Some(word) = words.next() {
        let pair = match word.strip_prefix("--") {
            Some(pair) => pair.to_string(),
            None if word == "-c" => words.next().unwrap_or_default().to_string(),
            None => word.strip_prefix("-c").unwrap_or(word).to_string(),
        };
        let Some((name, value)) = pair.split_once('=') else {
            return Err(PgError::fatal(
                sqlstate::SYNTAX_ERROR,
                format!("invalid command-line argument for server process: {word}"),
            ));
        };
        session
            .settings
            .set_startup(&name.replace('-', "_"), value)
            .map_err(|error| PgError {
                fatal: true,
                ..error
            })?;
    }
    Ok(())
}
