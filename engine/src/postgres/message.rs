//! Which bytes tell a client of an error, a notice, a command's end and the columns of a result?

use bytes::BytesMut;
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::data::{FieldDescription as WireField, RowDescription};
use pgwire::messages::response::{
    CommandComplete, ErrorResponse, NoticeResponse, ReadyForQuery, TransactionStatus,
};
use pgwire::messages::startup::ParameterStatus;

use super::types::row::FieldDescription;
use super::types::settings::FormatSettings;
use crate::error::PgError;
use crate::session::notice::Notice;
use crate::session::{Block, Session};
use tarn_udfs::time::zone::Zone;

/// Appends a message. Messages of ours always fit; one that does not is dropped with a log line.
pub fn put(out: &mut BytesMut, message: PgWireBackendMessage) {
    if let Err(error) = message.encode(out) {
        tracing::error!(%error, "a message could not be encoded");
    }
}

/// ErrorResponse
pub fn error(out: &mut BytesMut, error: &PgError) {
    let severity = if error.fatal { "FATAL" } else { "ERROR" };
    let mut fields = vec![
        (b'S', severity.to_string()),
        (b'V', severity.to_string()),
        (b'C', error.code.0.to_string()),
        (b'M', printable(&error.message)),
    ];
    fields.extend(error.detail.as_ref().map(|text| (b'D', printable(text))));
    fields.extend(error.hint.as_ref().map(|text| (b'H', printable(text))));
    fields.extend(error.position.map(|position| (b'P', position.to_string())));
    fields.extend(error.context.as_ref().map(|text| (b'W', printable(text))));
    if error.is_outdated {
        // The routine of PostgreSQL that says so, by which drivers know.
        fields.push((b'R', "RevalidateCachedQuery".to_string()));
    }
    put(
        out,
        PgWireBackendMessage::ErrorResponse(ErrorResponse::new(fields)),
    );
}

/// NoticeResponse
pub fn notice(out: &mut BytesMut, notice: &Notice) {
    let mut fields = vec![
        (b'S', notice.severity.to_string()),
        (b'V', notice.severity.to_string()),
        (b'C', notice.code.0.to_string()),
        (b'M', printable(&notice.message)),
    ];
    fields.extend(notice.detail.as_ref().map(|text| (b'D', printable(text))));
    fields.extend(notice.hint.as_ref().map(|text| (b'H', printable(text))));
    put(
        out,
        PgWireBackendMessage::NoticeResponse(NoticeResponse::new(fields)),
    );
}

/// Control characters of a user's own name must not cut the message short.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c == '\0' {
                '\u{fffd}'
            } else if c == '\u{1f}' {
                '@'
            } else {
                c
            }
        })
        .collect()
}

/// CommandComplete
pub fn complete(out: &mut BytesMut, tag: String) {
    put(
        out,
        PgWireBackendMessage::CommandComplete(CommandComplete::new(tag)),
    );
}

/// ReadyForQuery
pub fn ready(out: &mut BytesMut, session: &Session) {
    let status = match session.block() {
        Block::Idle | Block::Implicit => TransactionStatus::Idle,
        Block::Open => TransactionStatus::Transaction,
        Block::Failed => TransactionStatus::Error,
    };
    put(
        out,
        PgWireBackendMessage::ReadyForQuery(ReadyForQuery::new(status)),
    );
}

/// ParameterStatus
pub fn parameter(out: &mut BytesMut, name: &str, value: &str) {
    let message = ParameterStatus::new(name.to_string(), value.to_string());
    put(out, PgWireBackendMessage::ParameterStatus(message));
}

/// RowDescription
pub fn row_description(out: &mut BytesMut, fields: &[FieldDescription]) {
    let fields = fields
        .iter()
        .map(|field| {
            WireField::new(
                field.name.clone(),
                field.table_oid as i32,
                field.attnum,
                field.pg_type.oid,
                field.typlen,
                field.pg_type.typmod,
                field.format.code(),
            )
        })
        .collect();
    put(
        out,
        PgWireBackendMessage::RowDescription(RowDescription::new(fields)),
    );
}

/// How this session's values look.
pub fn format_settings(session: &Session) -> FormatSettings {
    let settings = &session.settings;
    let defaults = FormatSettings::default();
    let system = std::sync::Arc::clone(session.system.session());
    FormatSettings {
        timezone: Zone::parse(settings.known("timezone")).unwrap_or(Zone::UTC),
        date_style: defaults
            .date_style
            .changed_by(settings.known("datestyle"))
            .unwrap_or_default(),
        interval_style: super::types::settings::IntervalStyle::parse(
            settings.known("intervalstyle"),
        )
        .unwrap_or_default(),
        extra_float_digits: settings.known("extra_float_digits").parse().unwrap_or(1),
        bytea_output: match settings.known("bytea_output") {
            "escape" => super::types::settings::ByteaOutput::Escape,
            _ => super::types::settings::ByteaOutput::Hex,
        },
        oid_names: Some(std::sync::Arc::new(move |kind, oid| {
            let pg_type = tarn_catalog::types::PgType {
                oid: kind,
                typmod: -1,
            };
            Some(tarn_catalog::system::print_oid(
                system.as_ref(),
                pg_type,
                oid,
            ))
        })),
    }
}
