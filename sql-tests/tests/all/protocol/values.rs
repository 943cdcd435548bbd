//! Does each type travel in both formats, with NULL and its extremes?

use tarn_sql_tests::client::Client;
use tarn_sql_tests::wire::{self, Format};

use super::{open, row};

/// A type, a value as people write it, its OID, how PostgreSQL shows it and its binary form in hex.
type Sample = (&'static str, &'static str, u32, &'static str, &'static str);

const SAMPLES: [Sample; 41] = [
    ("boolean", "true", 16, "t", "01"),
    ("smallint", "-32768", 21, "-32768", "8000"),
    ("integer", "2147483647", 23, "2147483647", "7fffffff"),
    (
        "bigint",
        "-9223372036854775808",
        20,
        "-9223372036854775808",
        "8000000000000000",
    ),
    ("real", "1.5", 700, "1.5", "3fc00000"),
    ("real", "3.4028235e38", 700, "3.4028235e+38", "7f7fffff"),
    ("double precision", "0.1", 701, "0.1", "3fb999999999999a"),
    (
        "double precision",
        "1e300",
        701,
        "1e+300",
        "7e37e43c8800759c",
    ),
    ("double precision", "NaN", 701, "NaN", "7ff8000000000000"),
    (
        "double precision",
        "-Infinity",
        701,
        "-Infinity",
        "fff0000000000000",
    ),
    ("double precision", "-0", 701, "-0", "8000000000000000"),
    (
        "numeric(10,2)",
        "12345678.9",
        1700,
        "12345678.90",
        "000300010000000204d2162e2328",
    ),
    (
        "numeric(10,2)",
        "-0.05",
        1700,
        "-0.05",
        "0001ffff4000000201f4",
    ),
    ("numeric(10,2)", "0", 1700, "0.00", "0000000000000002"),
    (
        "numeric(38,0)",
        "99999999999999999999999999999999999999",
        1700,
        "99999999999999999999999999999999999999",
        "000a0009000000000063270f270f270f270f270f270f270f270f270f",
    ),
    ("text", "héllo 'x'", 25, "héllo 'x'", "68c3a96c6c6f20277827"),
    ("text", "", 25, "", ""),
    ("varchar(5)", "abc", 1043, "abc", "616263"),
    ("char(5)", "abc", 1042, "abc  ", "6162632020"),
    ("bytea", "\\x00ff10", 17, "\\x00ff10", "00ff10"),
    ("date", "2024-02-29", 1082, "2024-02-29", "00002279"),
    ("date", "1999-12-31", 1082, "1999-12-31", "ffffffff"),
    ("date", "0001-01-01", 1082, "0001-01-01", "fff4dbf9"),
    (
        "time",
        "23:59:59.123456",
        1083,
        "23:59:59.123456",
        "000000141dca0000",
    ),
    (
        "timestamp",
        "2024-02-29 12:34:56.5",
        1114,
        "2024-02-29 12:34:56.5",
        "0002b583416e1d20",
    ),
    (
        "timestamp",
        "1999-12-31 23:59:59",
        1114,
        "1999-12-31 23:59:59",
        "fffffffffff0bdc0",
    ),
    (
        "timestamptz",
        "2024-02-29 12:34:56+02",
        1184,
        "2024-02-29 10:34:56+00",
        "0002b581943f3400",
    ),
    (
        "interval",
        "1 year 2 mons 3 days 04:05:06.5",
        1186,
        "1 year 2 mons 3 days 04:05:06.5",
        "000000036c9361a0000000030000000e",
    ),
    (
        "interval",
        "-1 days",
        1186,
        "-1 days",
        "0000000000000000ffffffff00000000",
    ),
    (
        "interval",
        "00:00:00",
        1186,
        "00:00:00",
        "00000000000000000000000000000000",
    ),
    (
        "uuid",
        "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
        2950,
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "a0eebc999c0b4ef8bb6d6bb9bd380a11",
    ),
    ("json", "{\"a\": 1}", 114, "{\"a\": 1}", "7b2261223a20317d"),
    (
        "jsonb",
        "{\"a\": 1}",
        3802,
        "{\"a\": 1}",
        "017b2261223a20317d",
    ),
    (
        "int[]",
        "{1,NULL,3}",
        1007,
        "{1,NULL,3}",
        "00000001000000010000001700000003000000010000000400000001ffffffff0000000400000003",
    ),
    ("int[]", "{}", 1007, "{}", "000000000000000000000017"),
    (
        "text[]",
        "{a,\"b,c\",NULL,\"NULL\",\"\"}",
        1009,
        "{a,\"b,c\",NULL,\"NULL\",\"\"}",
        "0000000100000001000000190000000500000001000000016100000003622c63ffffffff000000044e554c4c00000000",
    ),
    (
        "bigint[]",
        "{9}",
        1016,
        "{9}",
        "0000000100000000000000140000000100000001000000080000000000000009",
    ),
    (
        "double precision[]",
        "{1.5,-2}",
        1022,
        "{1.5,-2}",
        "0000000100000000000002bd0000000200000001000000083ff800000000000000000008c000000000000000",
    ),
    (
        "boolean[]",
        "{t,f}",
        1000,
        "{t,f}",
        "000000010000000000000010000000020000000100000001010000000100",
    ),
    (
        "date[]",
        "{2024-01-01}",
        1182,
        "{2024-01-01}",
        "00000001000000000000043a0000000100000001000000040000223e",
    ),
    (
        "varchar(5)[]",
        "{ab}",
        1015,
        "{ab}",
        "0000000100000000000004130000000100000001000000026162",
    ),
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<char> = hex.chars().collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// Stores a value in a table, its literal as text, and reads it back.
fn round_trip(
    client: &mut Client,
    (kind, literal, oid, shown, binary): Sample,
) -> Result<(), String> {
    client.run(&format!(
        "DROP TABLE IF EXISTS t; CREATE TABLE t (v {kind})"
    ));
    let literal = literal.replace('\'', "''");
    let inserted = client.simple(&format!("INSERT INTO t VALUES ('{literal}'), (NULL)"));
    if let Some(error) = inserted.error {
        return Err(error.to_string());
    }
    // json has no order of its own.
    let order = if kind == "json" { "v::text" } else { "v" };
    let sql = format!("SELECT v FROM t ORDER BY {order} NULLS LAST");
    for (format, expected) in [
        (Format::Text, hex(shown.as_bytes())),
        (Format::Binary, binary.to_owned()),
    ] {
        let reply = client.extended_in(&sql, &[], &[], format);
        if let Some(error) = reply.error {
            return Err(error.to_string());
        }
        let answer = reply.answer();
        let rows: Vec<Option<String>> = answer
            .rows
            .iter()
            .map(|row| row[0].as_deref().map(hex))
            .collect();
        let type_oid = answer.columns.as_ref().unwrap()[0].type_oid;
        if type_oid != oid || rows != [Some(expected.clone()), None] {
            let seen = answer.table();
            return Err(format!(
                "{format:?}: type {type_oid}, {rows:?} {seen:?}, not {expected}"
            ));
        }
    }
    Ok(())
}

/// Sends a value as a binary parameter of its type and looks at it as text.
fn as_parameter(client: &mut Client, (kind, _, oid, shown, binary): Sample) -> Result<(), String> {
    let sql = format!("SELECT ($1::{kind})");
    let value = bytes(binary);
    let reply = client.exchange(&[
        wire::parse("", &sql, &[oid]),
        wire::bind_bytes("", "", Format::Binary, &[Some(&value)], Format::Text),
        wire::execute("", 0),
        wire::sync(),
    ]);
    match reply.error {
        Some(error) => Err(error.to_string()),
        None if reply.value() == shown => Ok(()),
        None => Err(format!("{:?}, not {shown:?}", reply.value())),
    }
}

fn check_samples(check: impl Fn(&mut Client, Sample) -> Result<(), String>) {
    let (_server, mut client) = open();
    client.run("SET TimeZone = 'UTC'");
    let failures: Vec<String> = SAMPLES
        .into_iter()
        .filter_map(|sample| {
            let failure = check(&mut client, sample).err()?;
            Some(format!("{} {:?}: {failure}", sample.0, sample.1))
        })
        .collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn each_type_is_stored_and_sent_in_both_formats() {
    check_samples(round_trip);
}

#[test]
fn each_type_is_taken_as_a_binary_parameter() {
    check_samples(as_parameter);
}

#[test]
fn a_timestamp_with_time_zone_is_shown_in_the_zone_of_the_session() {
    let (_server, mut client) = open();
    client.run("CREATE TABLE t (v timestamptz)");
    client.run("SET TimeZone = 'America/New_York'; INSERT INTO t VALUES ('2024-07-01 12:00:00')");
    assert_eq!(
        client.run("SELECT v FROM t").value(),
        "2024-07-01 12:00:00-04"
    );
    client.run("SET TimeZone = 'Asia/Kolkata'");
    assert_eq!(
        client.run("SELECT v FROM t").value(),
        "2024-07-01 21:30:00+05:30"
    );
    assert_eq!(client.run("SELECT v::date FROM t").value(), "2024-07-01");
    assert_eq!(
        client
            .run("SELECT count(*) FROM t WHERE v = '2024-07-01 16:00:00+00'")
            .value(),
        "1"
    );
}

#[test]
fn literals_and_arithmetic_have_postgres_types() {
    let (_server, mut client) = open();
    for (sql, oid, value) in [
        ("SELECT 1", 23, "1"),
        ("SELECT 3000000000", 20, "3000000000"),
        ("SELECT 1.5", 1700, "1.5"),
        ("SELECT 1 + 1", 23, "2"),
        ("SELECT 7 / 2", 23, "3"),
        ("SELECT 'a'", 25, "a"),
        ("SELECT NULL", 25, "NULL"),
        ("SELECT true AND false", 16, "f"),
        ("SELECT 1 = 1.0", 16, "t"),
        ("SELECT 'a' || 'b'", 25, "ab"),
        ("SELECT 'x' || 1", 25, "x1"),
        ("SELECT count(*) FROM (VALUES (1), (2)) v(a)", 20, "2"),
        ("SELECT sum(a) FROM (VALUES (1), (2)) v(a)", 20, "3"),
        ("SELECT date '2024-01-31' + 1", 1082, "2024-02-01"),
        ("SELECT date '2024-03-01' - date '2024-02-28'", 23, "2"),
        (
            "SELECT timestamp '2024-01-01' + interval '1 month'",
            1114,
            "2024-02-01 00:00:00",
        ),
        ("SELECT ARRAY[1, 2]", 1007, "{1,2}"),
        ("SELECT '2024-01-01'::date", 1082, "2024-01-01"),
        ("SELECT coalesce(NULL, 2)", 23, "2"),
    ] {
        let reply = client.simple(sql);
        let answer = match &reply.error {
            Some(error) => panic!("{sql}: {error}"),
            None => reply.answer(),
        };
        let column = &answer.columns.as_ref().unwrap()[0];
        assert_eq!(
            (column.type_oid, answer.table()[0][0].as_str()),
            (oid, value),
            "{sql}"
        );
    }
}

#[test]
fn a_column_without_a_name_is_called_after_its_expression() {
    let (_server, mut client) = open();
    let reply = client.simple(
        "SELECT 1, 1 + 1, count(*), max(2), 'x'::text, now() IS NULL, CASE WHEN true THEN 1 END",
    );
    let names = [
        "?column?", "?column?", "count", "max", "text", "?column?", "case",
    ];
    assert_eq!(reply.answer().names(), names);
    assert_eq!(
        client.simple("SELECT 1 AS \"Mixed Case\"").answer().names(),
        ["Mixed Case"]
    );
    assert_eq!(
        client.simple("SELECT 1 AS Folded").answer().names(),
        ["folded"]
    );
}

#[test]
fn quoted_names_keep_their_case() {
    let (_server, mut client) = open();
    client.run("CREATE TABLE \"Mixed\" (\"Col\" int, Plain int)");
    client.run("INSERT INTO \"Mixed\" VALUES (1, 2)");
    assert_eq!(
        client.run("SELECT \"Col\", PLAIN FROM \"Mixed\"").table(),
        [row(&["1", "2"])]
    );
    assert_eq!(client.simple("SELECT Col FROM \"Mixed\"").code(), "42703");
    assert_eq!(client.simple("SELECT * FROM Mixed").code(), "42P01");
}
