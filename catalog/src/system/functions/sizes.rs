//! How large is it?

use super::{Call, Function, integer, text};
use crate::types::PgType;
use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::scalar::ScalarValue;

pub(super) fn functions() -> Vec<Function> {
    let mut functions = vec![
        Function::stable("pg_indexes_size", &[1], PgType::INT8, |_| integer(0)),
        Function::stable("pg_database_size", &[1], PgType::INT8, |call| {
            let relations = &call.session.snapshot().relations;
            let bytes: u64 = relations
                .iter()
                .filter_map(|relation| call.session.relation_bytes(relation.oid))
                .sum();
            integer(bytes as i64)
        }),
        Function::stable("pg_tablespace_size", &[1], PgType::INT8, |_| integer(0)),
        Function::stable("pg_tablespace_location", &[1], PgType::TEXT, |_| text("")),
        Function::immutable("pg_size_pretty", &[1], PgType::TEXT, |call| {
            text(pretty(call.integer(0).unwrap_or(0)))
        }),
        Function::immutable("pg_column_size", &[1], PgType::INT4, |call| {
            integer(call.args[0].size() as i64)
        }),
        Function::stable("pg_relation_filenode", &[1], PgType::OID, |call| {
            integer(call.integer(0).unwrap_or(0))
        }),
        Function::stable("pg_relation_filepath", &[1], PgType::TEXT, |_| {
            Ok(ScalarValue::Utf8(None))
        }),
    ];
    let of_relation = [
        "pg_relation_size",
        "pg_table_size",
        "pg_total_relation_size",
    ];
    functions.extend(of_relation.map(|name| Function::stable(name, &[1, 2], PgType::INT8, bytes)));
    functions
}

/// Bytes of a relation given by OID or name.
fn bytes(call: &Call) -> Result<ScalarValue> {
    let oid = match call.args[0].data_type() {
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => {
            let name = call.text(0).unwrap_or_default();
            crate::system::names::resolve(call.session, PgType::REGCLASS, &name)?
        }
        _ => call.oid(0).unwrap_or(0),
    };
    if crate::system::names::relation_of_oid(call.session, oid).is_none() {
        return Ok(ScalarValue::Int64(None));
    }
    integer(call.session.relation_bytes(oid).unwrap_or(0) as i64)
}

/// As PostgreSQL prints it: the next unit from 10,240 of the one before, rounded half away from zero.
fn pretty(bytes: i64) -> String {
    const UNITS: [&str; 6] = ["bytes", "kB", "MB", "GB", "TB", "PB"];
    let mut value = i128::from(bytes);
    let mut unit = 0;
    // One bit more than shown is kept from the second unit on, to round by.
    while value.abs() >= if unit == 0 { 10 * 1024 } else { 20 * 1024 - 1 } && unit + 1 < UNITS.len()
    {
        value = if unit == 0 { value / 512 } else { value / 1024 };
        unit += 1;
    }
    if unit > 0 {
        value = if value < 0 {
            (value - 1) / 2
        } else {
            (value + 1) / 2
        };
    }
    format!("{value} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::pretty;

    #[test]
    fn sizes_print_as_postgresql_15_prints_them() {
        for (bytes, printed) in [
            (0, "0 bytes"),
            (8192, "8192 bytes"),
            (10239, "10239 bytes"),
            (10240, "10 kB"),
            (10751, "10 kB"),
            (10752, "11 kB"),
            (7_472_128, "7297 kB"),
            (10_485_759, "10 MB"),
            (123_456_789, "118 MB"),
            (-10752, "-11 kB"),
            (i64::MAX, "8192 PB"),
        ] {
            assert_eq!(pretty(bytes), printed, "{bytes}");
        }
    }
}
