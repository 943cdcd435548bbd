//! How does a socket become a session?
//!
//! SSL and GSS are answered with "no"; a cancel request is carried out and hung up; a startup message names
//! user, database and settings. Nobody gets in but user `tarn`: by loopback TCP without a password, by the
//! Unix socket when the kernel says that the peer is the server's own user or root.

use std::collections::BTreeMap;

use bytes::{Buf, BytesMut};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::startup::{
    Authentication, BackendKeyData, NegotiateProtocolVersion, SecretKey,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::client::{Reader, Writer};
use super::message;
use super::types::builder::text_of;
use crate::engine::Engine;
use crate::error::PgError;
use crate::plan::names::DATABASE;
use crate::session::Session;
use crate::session::settings::{SETTINGS, StartupSource};
use crate::sqlstate;
use crate::statement::alter_role;

/// The one user until there are roles.
pub const USER: &str = "tarn";

/// A startup message may not be longer.
const STARTUP_BYTES_MAX: usize = 10_000;
/// The protocol that is spoken: 3.0.
const PROTOCOL: i32 = 3 << 16;
/// Code of a cancel request, where a startup message has its protocol version.
const CANCEL_REQUEST: i32 = 80_877_102;
/// Code of the question for TLS.
const SSL_REQUEST: i32 = 80_877_103;
/// Code of the question for GSS encryption.
const GSS_REQUEST: i32 = 80_877_104;

/// A startup message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Startup {
    /// Version of the protocol: major in the upper half, minor in the lower.
    pub protocol: i32,
    /// What follows the version: name, value, …, a zero byte at the end.
    body: BytesMut,
}

/// Reads until the startup message; None when the client only cancelled or left.
pub async fn negotiate(
    reader: &mut Reader,
    writer: &mut Writer,
    buffer: &mut BytesMut,
    engine: &Engine,
) -> std::io::Result<Option<Startup>> {
    let mut refused = Vec::new();
    loop {
        let Some((code, mut body)) = read_packet(reader, buffer).await? else {
            return Ok(None);
        };
        match code {
            CANCEL_REQUEST => {
                if body.len() == 8 {
                    let (pid, secret) = (body.get_i32(), body.get_i32());
                    engine.sessions.cancel_by_secret(pid, secret);
                }
                return Ok(None);
            }
            // Each is asked once; who asks again speaks another protocol.
            SSL_REQUEST | GSS_REQUEST if !refused.contains(&code) => {
                refused.push(code);
                // Bytes behind the question would be taken for encrypted ones.
                if !buffer.is_empty() {
                    return Ok(None);
                }
                writer.write_all(b"N").await?;
                writer.flush().await?;
            }
            protocol => return Ok(Some(Startup { protocol, body })),
        }
    }
}

/// The code and the rest of a message without a type; None when it cannot be one, or when the client has left.
async fn read_packet(
    reader: &mut Reader,
    buffer: &mut BytesMut,
) -> std::io::Result<Option<(i32, BytesMut)>> {
    loop {
        if let Some(mut length) = buffer.get(..4) {
            let length = length.get_i32();
            let Some(length) = usize::try_from(length)
                .ok()
                .filter(|length| (8..=STARTUP_BYTES_MAX).contains(length))
            else {
                return Ok(None);
            };
            if buffer.len() >= length {
                let mut packet = buffer.split_to(length);
                packet.advance(4);
                let code = packet.get_i32();
                return Ok(Some((code, packet)));
            }
        }
        if reader.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

impl Startup {
    /// The parameters by name.
    fn parameters(&self) -> Result<BTreeMap<String, String>, PgError> {
        let mut rest = &self.body[..];
        let mut parameters = BTreeMap::new();
        loop {
            let name = next_text(&mut rest)?;
            if name.is_empty() {
                break;
            }
            parameters.insert(name, next_text(&mut rest)?);
        }
        if rest.is_empty() {
            Ok(parameters)
        } else {
            Err(bad_layout())
        }
    }
}

fn next_text(rest: &mut &[u8]) -> Result<String, PgError> {
    let end = rest.iter().position(|byte| *byte == 0);
    let (text, after) = rest.split_at(end.ok_or_else(bad_layout)?);
    *rest = &after[1..];
    let text = text_of(text).map_err(|error| PgError {
        fatal: true,
        ..PgError::from(error)
    })?;
    Ok(text.to_string())
}

fn bad_layout() -> PgError {
    PgError::fatal(
        sqlstate::PROTOCOL_VIOLATION,
        "invalid startup packet layout: expected terminator as last byte",
    )
}

/// A client that may come in.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// The user.
    pub user: String,
    minor_version: i32,
    parameters: BTreeMap<String, String>,
}

/// Who wants in, and to what?
pub fn admit(startup: &Startup) -> Result<Admitted, PgError> {
    let (major, minor) = ((startup.protocol >> 16) & 0xffff, startup.protocol & 0xffff);
    if major != PROTOCOL >> 16 {
        return Err(PgError::fatal(
            sqlstate::FEATURE_NOT_SUPPORTED,
            format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.0"),
        ));
    }
    let parameters = startup.parameters()?;
    let parameter = |name: &str| parameters.get(name).map(String::as_str);
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
    Ok(Admitted {
        user: user.to_string(),
        minor_version: minor,
        parameters,
    })
}

/// Applies the role's settings, then the startup message's, and greets the client.
pub fn welcome(
    session: &mut Session,
    admitted: &Admitted,
    out: &mut BytesMut,
) -> Result<(), PgError> {
    let mut unknown_options = Vec::new();
    alter_role::take_up(session);
    for (name, value) in &admitted.parameters {
        match name.as_str() {
            "user" | "database" | "replication" => {}
            "options" => apply_options(session, value)?,
            extension if extension.starts_with("_pq_.") => unknown_options.push(name.clone()),
            setting => session
                .settings
                .set_startup(setting, value, StartupSource::Client)
                .map_err(|error| PgError {
                    fatal: true,
                    ..error
                })?,
        }
    }
    session.apply_settings();
    if admitted.minor_version > 0 || !unknown_options.is_empty() {
        let newest = NegotiateProtocolVersion::new(PROTOCOL, unknown_options);
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
            .set_startup(&name.replace('-', "_"), value, StartupSource::Client)
            .map_err(|error| PgError {
                fatal: true,
                ..error
            })?;
    }
    Ok(())
}
