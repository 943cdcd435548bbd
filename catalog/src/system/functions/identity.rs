//! Who and where am I?

use super::{Function, integer, text, text_or_null};
use crate::system::names::{TEMPORARY, lookup_path};
use crate::types::PgType;
use datafusion::arrow::datatypes::DataType;
use datafusion::scalar::ScalarValue;

/// The release of PostgreSQL whose catalog and protocol this server follows.
pub(crate) const SERVER_VERSION: &str = "15.18";

fn banner() -> String {
    // Drivers read the number after the word PostgreSQL.
    format!(
        "PostgreSQL {SERVER_VERSION} (Tarn {}) on {}",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH
    )
}

fn names(names: Vec<String>) -> ScalarValue {
    let names: Vec<ScalarValue> = names
        .into_iter()
        .map(|name| ScalarValue::Utf8(Some(name)))
        .collect();
    ScalarValue::List(ScalarValue::new_list_nullable(&names, &DataType::Utf8))
}

pub(super) fn functions() -> Vec<Function> {
    [names_of_the_session(), facts_of_the_server()].concat()
}

fn names_of_the_session() -> Vec<Function> {
    let stable = Function::stable;
    let name_array = PgType::NAME.array().unwrap_or(PgType::TEXT);
    vec![
        stable("version", &[0], PgType::TEXT, |_| text(banner())),
        stable("current_database", &[0], PgType::NAME, |call| {
            text(call.session.snapshot().database.clone())
        }),
        stable("current_catalog", &[0], PgType::NAME, |call| {
            text(call.session.snapshot().database.clone())
        }),
        stable("current_user", &[0], PgType::NAME, |call| {
            text(call.session.current_user())
        }),
        stable("current_role", &[0], PgType::NAME, |call| {
            text(call.session.current_user())
        }),
        stable("user", &[0], PgType::NAME, |call| {
            text(call.session.current_user())
        }),
        stable("session_user", &[0], PgType::NAME, |call| {
            text(call.session.session_user())
        }),
        stable("current_schema", &[0], PgType::NAME, |call| {
            let explicit = call
                .session
                .search_path()
                .iter()
                .any(|name| name == "pg_catalog");
            let path = lookup_path(call.session);
            text_or_null(
                path.into_iter()
                    .filter(|name| !name.starts_with(TEMPORARY))
                    .find(|name| explicit || name != "pg_catalog"),
            )
        }),
        stable("current_schemas", &[1], name_array, |call| {
            let implicit = call.boolean(0).unwrap_or(false)
                || call
                    .session
                    .search_path()
                    .iter()
                    .any(|name| name == "pg_catalog");
            let asked = call.boolean(0).unwrap_or(false);
            let path = lookup_path(call.session)
                .into_iter()
                .filter(|name| implicit || name != "pg_catalog")
                .filter(|name| asked || !name.starts_with(TEMPORARY));
            Ok(names(path.collect()))
        }),
    ]
}

fn facts_of_the_server() -> Vec<Function> {
    let stable = Function::stable;
    vec![
        stable("pg_backend_pid", &[0], PgType::INT4, |call| {
            integer(call.session.backend_pid())
        }),
        stable("pg_is_in_recovery", &[0], PgType::BOOL, |_| {
            super::boolean(false)
        }),
        stable("pg_is_in_backup", &[0], PgType::BOOL, |_| {
            super::boolean(false)
        }),
        stable(
            "pg_postmaster_start_time",
            &[0],
            PgType::TIMESTAMPTZ,
            started,
        ),
        stable("pg_conf_load_time", &[0], PgType::TIMESTAMPTZ, started),
        stable("inet_client_addr", &[0], PgType::TEXT, |call| {
            text_or_null(call.session.client_address().map(|(address, _)| address))
        }),
        stable("inet_client_port", &[0], PgType::INT4, |call| {
            port(call.session.client_address())
        }),
        stable("inet_server_addr", &[0], PgType::TEXT, |call| {
            text_or_null(call.session.server_address().map(|(address, _)| address))
        }),
        stable("inet_server_port", &[0], PgType::INT4, |call| {
            port(call.session.server_address())
        }),
        stable("getdatabaseencoding", &[0], PgType::NAME, |_| text("UTF8")),
        stable("pg_client_encoding", &[0], PgType::NAME, |_| text("UTF8")),
        stable("pg_get_userbyid", &[1], PgType::NAME, |call| {
            let oid = call.oid(0).unwrap_or(0);
            let snapshot = call.session.snapshot();
            text(
                snapshot
                    .role_name(oid)
                    .map_or_else(|| format!("unknown (OID={oid})"), str::to_string),
            )
        }),
        stable("pg_my_temp_schema", &[0], PgType::OID, |_| integer(0)),
        stable("pg_is_other_temp_schema", &[1], PgType::BOOL, |_| {
            super::boolean(false)
        }),
    ]
}

fn started(call: &super::Call) -> datafusion::error::Result<ScalarValue> {
    Ok(ScalarValue::TimestampMicrosecond(
        Some(call.session.server_started_at_micros()),
        Some("UTC".into()),
    ))
}

fn port(address: Option<(String, u16)>) -> datafusion::error::Result<ScalarValue> {
    Ok(ScalarValue::Int32(address.map(|(_, port)| port.into())))
}
