//! Do parameters of every type come through in text and in binary, NULL and extremes included?

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use bytes::BytesMut;
use datafusion::common::ScalarValue;
use tarn_catalog::types::PgType;

use super::decode_parameter;
use crate::postgres::types::error::ValueError;
use crate::postgres::types::row::RowEncoder;
use crate::postgres::types::settings::{Format, FormatSettings};

/// (type, text as PostgreSQL 15 prints it); each goes in and out in both formats.
const VALUES: &[(&str, &str)] = &[
    ("bool", "t"),
    ("bool", "f"),
    ("int2", "-32768"),
    ("int4", "2147483647"),
    ("int8", "-9223372036854775808"),
    ("oid", "4294967295"),
    ("regclass", "1259"),
    ("float4", "3.4028235e+38"),
    ("float4", "NaN"),
    ("float8", "-Infinity"),
    ("float8", "2.2250738585072014e-308"),
    ("numeric", "-1234567890123456789012345678.0123456789"),
    ("numeric", "0"),
    ("numeric(38,38)", "0.99999999999999999999999999999999999999"),
    ("numeric(5,2)", "-999.99"),
    ("text", "äöü \u{1F600}"),
    ("text", ""),
    ("varchar(3)", "abc"),
    ("char(3)", "a  "),
    ("\"char\"", "x"),
    ("name", "relname"),
    ("uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("json", "{\"a\": [1, 2.50, \"x\"]}"),
    ("jsonb", "{\"a\": null}"),
    ("bytea", "\\x00ff5c"),
    ("bytea", "\\x"),
    ("date", "2024-02-29"),
    ("date", "0044-03-15 BC"),
    ("date", "5874897-12-31"),
    ("date", "-infinity"),
    ("time", "24:00:00"),
    ("time", "00:00:00.000001"),
    ("timestamp", "1999-12-31 23:59:59.999999"),
    ("timestamp", "4713-01-01 00:00:00 BC"),
    ("timestamp", "infinity"),
    ("timestamptz", "2024-03-10 06:59:59.5+00"),
    ("interval", "1 year 2 mons 3 days 04:05:06.789"),
    ("interval", "-1 years -2 mons +3 days -04:05:06.789"),
    ("interval", "00:00:00"),
    ("bool[]", "{t,NULL,f}"),
    ("int4[]", "{}"),
    ("int8[]", "{1,NULL,-3}"),
    (
        "text[]",
        "{a,\"b c\",\"d\\\"e\",\"f\\\\g\",\"\",\"NULL\",NULL,\"x,y\",\"{z}\"}",
    ),
    ("numeric(10,2)[]", "{1.50,NULL}"),
    ("uuid[]", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}"),
    ("timestamptz[]", "{\"2024-03-10 06:59:59+00\",infinity}"),
    ("interval[]", "{\"1 day\",00:00:01}"),
    ("bytea[]", "{\"\\\\xdead\"}"),
    ("int2vector", "1 2 3"),
    ("oidvector", "23 4294967295"),
];

fn encode(value: &ScalarValue, pg_type: PgType, format: Format) -> Option<Vec<u8>> {
    let array = value.to_array().unwrap();
    let schema = Arc::new(Schema::new(vec![pg_type.field("x", true)]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![array]).unwrap();
    let mut out = BytesMut::new();
    let mut encoder = RowEncoder::new(&schema, &[format], FormatSettings::default()).unwrap();
    encoder.encode(&batch, 0..1, &mut out).unwrap();
    let len = i32::from_be_bytes(out[7..11].try_into().unwrap());
    (len >= 0).then(|| out[11..].to_vec())
}

fn decode(text: &str, pg_type: &str) -> Result<ScalarValue, ValueError> {
    decode_parameter(
        Some(text.as_bytes()),
        Format::Text,
        PgType::parse(pg_type).unwrap(),
        &FormatSettings::default(),
    )
}

#[test]
fn every_type_goes_in_and_out() {
    for (name, text) in VALUES {
        let pg_type = PgType::parse(name).unwrap();
        let value = decode(text, name).unwrap();
        assert_eq!(value.data_type(), pg_type.logical(), "{name}");
        let shown = encode(&value, pg_type, Format::Text).unwrap();
        assert_eq!(String::from_utf8(shown).unwrap(), *text, "{name}");
        let binary = encode(&value, pg_type, Format::Binary).unwrap();
        let again = decode_parameter(
            Some(&binary),
            Format::Binary,
            pg_type,
            &FormatSettings::default(),
        )
        .unwrap();
        // NaN is not equal to itself, but its text is.
        assert_eq!(
            encode(&again, pg_type, Format::Text),
            encode(&value, pg_type, Format::Text),
            "{name} {text}"
        );
    }
}

#[test]
fn null_of_every_type_stays_null() {
    for (name, _) in VALUES {
        let pg_type = PgType::parse(name).unwrap();
        for format in [Format::Text, Format::Binary] {
            let value =
                decode_parameter(None, format, pg_type, &FormatSettings::default()).unwrap();
            assert!(value.is_null());
            assert_eq!(value.data_type(), pg_type.logical(), "{name}");
            assert_eq!(encode(&value, pg_type, format), None, "{name}");
        }
    }
}

#[test]
fn every_damaged_binary_value_is_an_error() {
    for (name, text) in VALUES {
        let pg_type = PgType::parse(name).unwrap();
        if matches!(
            pg_type.typname(),
            "text" | "varchar" | "bpchar" | "char" | "name" | "bytea" | "json"
        ) {
            continue;
        }
        let binary = encode(&decode(text, name).unwrap(), pg_type, Format::Binary).unwrap();
        for len in 0..binary.len() {
            let result = decode_parameter(
                Some(&binary[..len]),
                Format::Binary,
                pg_type,
                &FormatSettings::default(),
            );
            assert!(
                result.is_err() || name.starts_with("json"),
                "{name} cut to {len} bytes"
            );
        }
    }
    // A count of elements that the message cannot hold.
    let huge = [
        0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 23, 0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 1,
    ];
    let array = PgType::parse("int4[]").unwrap();
    let error = decode_parameter(
        Some(&huge),
        Format::Binary,
        array,
        &FormatSettings::default(),
    )
    .unwrap_err();
    assert_eq!(error.sqlstate, "22P03");
}

/// (type, text, SQLSTATE, message)
const REFUSED: &[(&str, &str, &str, &str)] = &[
    (
        "int4",
        "x",
        "22P02",
        "invalid input syntax for type integer: \"x\"",
    ),
    (
        "int2",
        "40000",
        "22003",
        "value \"40000\" is out of range for type smallint",
    ),
    (
        "bool",
        "maybe",
        "22P02",
        "invalid input syntax for type boolean: \"maybe\"",
    ),
    (
        "date",
        "tomorrowish",
        "22007",
        "invalid input syntax for type date: \"tomorrowish\"",
    ),
    (
        "date",
        "2024-02-30",
        "22008",
        "date/time field value out of range: \"2024-02-30\"",
    ),
    (
        "uuid",
        "zz",
        "22P02",
        "invalid input syntax for type uuid: \"zz\"",
    ),
    ("json", "{", "22P02", "invalid input syntax for type json"),
    (
        "varchar(2)",
        "abc",
        "22001",
        "value too long for type character varying(2)",
    ),
    (
        "char(2)",
        "abc",
        "22001",
        "value too long for type character(2)",
    ),
    ("numeric(3,2)", "10", "22003", "numeric field overflow"),
    (
        "int4[]",
        "{1,x}",
        "22P02",
        "invalid input syntax for type integer: \"x\"",
    ),
    ("int4[]", "1", "22P02", "malformed array literal: \"1\""),
    (
        "int4[]",
        "{{1}}",
        "0A000",
        "a column of type integer[] holds arrays of one dimension only",
    ),
    (
        "interval",
        "soon",
        "22007",
        "invalid input syntax for type interval: \"soon\"",
    ),
];

#[test]
fn errors_are_in_postgresqls_words() {
    for (name, text, sqlstate, message) in REFUSED {
        let error = decode(text, name).unwrap_err();
        assert_eq!(
            (error.sqlstate, error.message.as_str()),
            (*sqlstate, *message)
        );
    }
    let invalid = decode_parameter(
        Some(b"a\xff"),
        Format::Text,
        PgType::TEXT,
        &FormatSettings::default(),
    );
    let error = invalid.unwrap_err();
    assert_eq!(
        (error.sqlstate, error.message.as_str()),
        ("22021", "invalid byte sequence for encoding \"UTF8\": 0xff")
    );
    let zero = decode_parameter(
        Some(b"a\0"),
        Format::Text,
        PgType::TEXT,
        &FormatSettings::default(),
    );
    assert_eq!(zero.unwrap_err().sqlstate, "22021");
}

#[test]
fn declared_precision_rounds() {
    let shown = |text, name: &str| {
        let bytes = encode(
            &decode(text, name).unwrap(),
            PgType::parse(name).unwrap(),
            Format::Text,
        )
        .unwrap();
        String::from_utf8(bytes).unwrap()
    };
    assert_eq!(
        shown("2024-01-01 00:00:00.4567", "timestamp(2)"),
        "2024-01-01 00:00:00.46"
    );
    assert_eq!(
        shown("2024-01-01 00:00:00.5", "timestamp(0)"),
        "2024-01-01 00:00:01"
    );
    assert_eq!(shown("12:00:00.0005", "time(3)"), "12:00:00.001");
    assert_eq!(
        shown("A0EEBC999C0B4EF8BB6D6BB9BD380A11", "uuid"),
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
    );
}

/// What literals are made of.
const PIECES: [&str; 40] = [
    "0",
    "1",
    "9",
    "12",
    "2024",
    "-",
    "+",
    ":",
    ".",
    "/",
    " ",
    ",",
    "e",
    "T",
    "t",
    "P",
    "M",
    "am",
    "pm",
    "z",
    "BC",
    "Jan",
    "mon",
    "day",
    "ago",
    "{",
    "}",
    "\"",
    "\\",
    "\\x",
    "(",
    ")",
    "[",
    "=",
    "é",
    "\u{1F600}",
    "NULL",
    "inf",
    "nan",
    "99999999999999999999",
];

/// Text and bytes made of the pieces that literals are made of, in an order nobody writes.
#[test]
fn no_input_panics() {
    let mut state = 0x2545_F491_4F6C_DD1Du64;
    let mut next = |bound: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    let types: Vec<PgType> = VALUES
        .iter()
        .map(|(name, _)| PgType::parse(name).unwrap())
        .collect();
    let mut accepted = 0;
    for _ in 0..50_000 {
        let pg_type = types[next(types.len())];
        let text: String = (0..next(8)).map(|_| PIECES[next(PIECES.len())]).collect();
        let settings = FormatSettings::default();
        if let Ok(value) = decode_parameter(Some(text.as_bytes()), Format::Text, pg_type, &settings)
        {
            encode(&value, pg_type, Format::Text);
            accepted += 1;
        }
        let bytes: Vec<u8> = (0..next(40))
            .map(|_| if next(2) == 0 { 0 } else { next(256) as u8 })
            .collect();
        if let Ok(value) = decode_parameter(Some(&bytes), Format::Binary, pg_type, &settings) {
            encode(&value, pg_type, Format::Text);
        }
    }
    assert!(accepted > 500);
}
