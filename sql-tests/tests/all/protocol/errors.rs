//! Does an error say what, where and in which class?

use tarn_sql_tests::gap::gap;
use tarn_sql_tests::wire::{self, Format, Message};

use super::{open, open_with_table, row};

#[test]
fn errors_have_their_sqlstate_and_position() {
    let (_server, mut client) = open_with_table();
    client.run("CREATE TABLE u (a int)");
    let expected: [(&str, &str, Option<usize>); 11] = [
        ("SELEC 1", "42601", Some(1)),
        ("SELECT a FROM t WHERE", "42601", Some(22)),
        ("SELECT a, nope FROM t", "42703", Some(11)),
        ("SELECT * FROM nope", "42P01", Some(15)),
        ("SELECT * FROM t WHERE nope.a = 1", "42P01", Some(23)),
        ("SELECT nosuch(a) FROM t", "42883", Some(8)),
        ("SELECT a FROM t, u", "42702", Some(8)),
        ("SELECT a, count(*) FROM t", "42803", Some(8)),
        ("SELECT 1 / 0", "22012", None),
        ("CREATE TABLE t (x int)", "42P07", None),
        ("DROP TABLE nope", "42P01", None),
    ];
    for (sql, code, position) in expected {
        let reply = client.simple(sql);
        let error = reply.failure();
        assert_eq!(
            (error.code(), error.position()),
            (code, position),
            "{sql}: {error}"
        );
        assert_eq!(
            (error.severity(), error.field(b'V')),
            ("ERROR", "ERROR"),
            "{sql}"
        );
        let reply = client.extended(sql, &[]);
        assert_eq!(reply.code(), code, "{sql} in the extended protocol");
    }
}

#[test]
fn a_position_counts_characters_and_lines_before_it() {
    let (_server, mut client) = open();
    let reply = client.simple("SELECT 'äöü',\n       nope");
    assert_eq!(
        (reply.code(), reply.failure().position()),
        ("42703", Some(22))
    );
}

#[test]
fn a_position_counts_from_the_start_of_the_string_of_statements() {
    let (_server, mut client) = open();
    let reply = client.simple("SELECT 1; SELECT nope");
    assert_eq!(
        (reply.code(), reply.failure().position()),
        ("42703", Some(18))
    );
}

#[test]
fn values_out_of_range_are_refused() {
    let (_server, mut client) = open();
    client.run("CREATE TABLE t (s smallint, i int, l bigint, n numeric(4,2), v varchar(3))");
    for (column, value, code) in [
        ("s", "40000", "22003"),
        ("i", "3000000000", "22003"),
        ("n", "123.45", "22003"),
        ("v", "'abcd'", "22001"),
    ] {
        let sql = format!("INSERT INTO t ({column}) VALUES ({value})");
        assert_eq!(client.simple(&sql).code(), code, "{sql}");
    }
    assert_eq!(client.simple("SELECT count(*) FROM t").value(), "0");
}

#[test]
fn literals_and_schemas_are_pointed_at() {
    gap(
        "the position of a literal and of a schema's name",
        |server| {
            let mut client = server.connect();
            for (sql, code, position) in [
                ("SELECT 'abc'::int", "22P02", Some(8)),
                ("CREATE TABLE nope.x (x int)", "3F000", Some(14)),
            ] {
                let reply = client.simple(sql);
                let error = reply.failure();
                assert_eq!((error.code(), error.position()), (code, position), "{sql}");
            }
        },
    );
}

#[test]
fn sums_out_of_range_are_refused() {
    gap("integer arithmetic that tells overflow", |server| {
        let mut client = server.connect();
        for sql in [
            "SELECT 9223372036854775807 + 1",
            "SELECT 2147483647::int + 1::int",
        ] {
            assert_eq!(client.simple(sql).code(), "22003", "{sql}");
        }
    });
}

#[test]
fn constraints_have_their_codes() {
    let (_server, mut client) = open();
    client.run("CREATE TABLE t (a int NOT NULL, b int CHECK (b > 0))");
    assert_eq!(
        client.simple("INSERT INTO t VALUES (NULL, 1)").code(),
        "23502"
    );
    assert_eq!(
        client.simple("INSERT INTO t VALUES (1, -1)").code(),
        "23514"
    );
    assert_eq!(client.simple("UPDATE t SET a = 1").answer().tag, "UPDATE 0");
    assert_eq!(
        client.simple("INSERT INTO t VALUES (1, NULL)").answer().tag,
        "INSERT 0 1"
    );
}

#[test]
fn unknown_statements_and_portals_have_their_codes() {
    let (_server, mut client) = open();
    let bind_unknown = [wire::bind("", "nope", &[], Format::Text), wire::sync()];
    assert_eq!(client.exchange(&bind_unknown).code(), "26000");
    let execute_unknown = [wire::execute("nope", 0), wire::sync()];
    assert_eq!(client.exchange(&execute_unknown).code(), "34000");
    let describe_unknown = [wire::describe(b'S', "nope"), wire::sync()];
    assert_eq!(client.exchange(&describe_unknown).code(), "26000");
    let describe_unknown = [wire::describe(b'P', "nope"), wire::sync()];
    assert_eq!(client.exchange(&describe_unknown).code(), "34000");
    let twice = [
        wire::parse("s", "SELECT 1", &[]),
        wire::parse("s", "SELECT 1", &[]),
        wire::sync(),
    ];
    assert_eq!(client.exchange(&twice).code(), "42P05");
    let close_unknown = [
        wire::close(b'S', "nope"),
        wire::close(b'P', "nope"),
        wire::sync(),
    ];
    assert_eq!(client.exchange(&close_unknown).transcript, "33Z");
    assert_eq!(client.simple("EXECUTE nope").code(), "26000");
    assert_eq!(client.simple("DEALLOCATE nope").code(), "26000");
}

#[test]
fn a_wrong_number_of_parameters_is_a_protocol_error() {
    let (_server, mut client) = open();
    let messages = [
        wire::parse("", "SELECT $1::int", &[]),
        wire::bind("", "", &[], Format::Text),
        wire::sync(),
    ];
    assert_eq!(client.exchange(&messages).code(), "08P01");
    assert_eq!(
        client.extended("SELECT $1::int", &[Some("x")]).code(),
        "22P02"
    );
}

#[test]
fn after_an_error_messages_are_passed_over_until_sync() {
    let (_server, mut client) = open();
    let messages = [
        wire::parse("", "SELECT nope", &[]),
        wire::bind("", "", &[], Format::Text),
        wire::execute("", 0),
        wire::parse("good", "SELECT 1", &[]),
        wire::sync(),
    ];
    let reply = client.exchange(&messages);
    assert_eq!((reply.transcript.as_str(), reply.code()), ("EZ", "42703"));
    let messages = [wire::bind("", "good", &[], Format::Text), wire::sync()];
    assert_eq!(client.exchange(&messages).code(), "26000");
}

#[test]
fn a_failed_parse_leaves_no_unnamed_statement() {
    let (_server, mut client) = open();
    client.exchange(&[wire::parse("", "SELECT 1", &[]), wire::sync()]);
    assert_eq!(
        client
            .exchange(&[wire::parse("", "SELEC", &[]), wire::sync()])
            .code(),
        "42601"
    );
    let messages = [
        wire::bind("", "", &[], Format::Text),
        wire::execute("", 0),
        wire::sync(),
    ];
    assert_eq!(client.exchange(&messages).code(), "26000");
}

#[test]
fn an_unknown_message_ends_the_session() {
    let (server, mut client) = open();
    client.send(&[Message::new(b'!')]).unwrap();
    let message = client.message().unwrap();
    assert_eq!(message.tag, b'E');
    let report = wire::Report::decode(&message.body);
    assert_eq!((report.severity(), report.code()), ("FATAL", "08P01"));
    assert!(client.is_closed_by_server());
    assert_eq!(server.connect().simple("SELECT 1").table(), [row(&["1"])]);
}

#[test]
fn a_message_of_impossible_length_ends_the_session_only() {
    let (server, mut client) = open();
    client.send_bytes(&[b'Q', 0xff, 0xff, 0xff, 0xff]).unwrap();
    assert!(client.is_closed_by_server());
    assert_eq!(server.connect().simple("SELECT 1").value(), "1");
}

#[test]
fn skipping_is_a_notice() {
    let (_server, mut client) = open_with_table();
    let reply = client.run("DROP TABLE IF EXISTS nope");
    assert_eq!(
        (reply.transcript.as_str(), reply.answer().tag.as_str()),
        ("NCZ", "DROP TABLE")
    );
    assert_eq!(
        (reply.notices[0].severity(), reply.notices[0].code()),
        ("NOTICE", "00000")
    );
    let reply = client.run("CREATE TABLE IF NOT EXISTS t (x int)");
    assert_eq!(
        (reply.notices[0].code(), reply.answer().tag.as_str()),
        ("42P07", "CREATE TABLE")
    );
    client.run("SET client_min_messages = 'warning'");
    assert_eq!(client.run("DROP TABLE IF EXISTS nope").notices, []);
}
