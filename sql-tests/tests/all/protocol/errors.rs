//! Does an error say what, where and in which class?

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

/// SQL, SQLSTATE, position.
const PLACES: [(&str, &str, usize); 21] = [
    ("SELECT 'abc'::int", "22P02", 8),
    ("SELECT 'abc', 'abc'::int", "22P02", 15),
    ("SELECT int 'abc'", "22P02", 12),
    ("SELECT 1; SELECT cast('ä' AS numeric)", "22P02", 23),
    ("SELECT date '2020-13-01'", "22008", 13),
    ("SELECT '99999'::smallint", "22003", 8),
    ("SELECT '{1,2'::int[]", "22P02", 8),
    ("SELECT 1 FROM t WHERE a = 'abc'", "22P02", 27),
    ("INSERT INTO t VALUES (1, 'x'), ('abc', 'y')", "22P02", 33),
    ("CREATE TABLE nope.x (x int)", "3F000", 14),
    ("SELECT * FROM nope.x", "42P01", 15),
    ("INSERT INTO nope.x VALUES (1)", "42P01", 13),
    ("INSERT INTO nope VALUES (1)", "42P01", 13),
    ("INSERT INTO t (a, c) VALUES (1, 2)", "42703", 19),
    ("UPDATE nope SET a = 1", "42P01", 8),
    ("UPDATE t SET c = 1", "42703", 14),
    ("DELETE FROM nope", "42P01", 13),
    ("SELECT a::nosuch FROM t", "42704", 11),
    ("SELECT 'abc", "42601", 8),
    ("SELECT $$abc", "42601", 8),
    ("SELECT /* abc", "42601", 8),
];

#[test]
fn literals_and_names_are_pointed_at() {
    let (_server, mut client) = open_with_table();
    for (sql, code, position) in PLACES {
        let reply = client.simple(sql);
        let error = reply.failure();
        let found = (error.code(), error.position());
        assert_eq!(found, (code, Some(position)), "{sql}: {error}");
        if !sql.contains(';') {
            let reply = client.extended(sql, &[]);
            let error = reply.failure();
            let found = (error.code(), error.position());
            assert_eq!(found, (code, Some(position)), "{sql}: {error}");
        }
    }
}

const NO_FUNCTION: &str = "No function matches the given name and argument types. You might need to add explicit type casts.";
const NO_OPERATOR: &str = "No operator matches the given name and argument types. You might need to add explicit type casts.";
const PRICE: &str = "Perhaps you meant to reference the column \"t.price\".";
const NAME: &str = "Perhaps you meant to reference the column \"t.name\".";
const NAME_OR_NOME: &str =
    "Perhaps you meant to reference the column \"t.name\" or the column \"u.nome\".";

/// SQL, SQLSTATE, message, hint, position.
const WORDS: [(&str, &str, &str, &str, usize); 16] = [
    (
        "SELECT pricy FROM t",
        "42703",
        "column \"pricy\" does not exist",
        PRICE,
        8,
    ),
    (
        "SELECT t.nmae FROM t",
        "42703",
        "column t.nmae does not exist",
        NAME,
        8,
    ),
    (
        "SELECT nime FROM t, u",
        "42703",
        "column \"nime\" does not exist",
        NAME_OR_NOME,
        8,
    ),
    (
        "SELECT zzzzzz FROM t",
        "42703",
        "column \"zzzzzz\" does not exist",
        "",
        8,
    ),
    (
        "SELECT x.a FROM t",
        "42P01",
        "missing FROM-clause entry for table \"x\"",
        "",
        8,
    ),
    (
        "SELECT a FROM t, u",
        "42702",
        "column reference \"a\" is ambiguous",
        "",
        8,
    ),
    (
        "SELECT nosuch(a, 'x', name) FROM t",
        "42883",
        "function nosuch(integer, unknown, text) does not exist",
        NO_FUNCTION,
        8,
    ),
    (
        "SELECT 1, abs('x'::text)",
        "42883",
        "function abs(text) does not exist",
        NO_FUNCTION,
        11,
    ),
    (
        "SELECT sum(name) FROM t",
        "42883",
        "function sum(text) does not exist",
        NO_FUNCTION,
        8,
    ),
    (
        "SELECT sum(a, name) FROM t",
        "42883",
        "function sum(integer, text) does not exist",
        NO_FUNCTION,
        8,
    ),
    (
        "SELECT upper()",
        "42883",
        "function upper() does not exist",
        NO_FUNCTION,
        8,
    ),
    (
        "SELECT a = now() FROM t",
        "42883",
        "operator does not exist: integer = timestamp with time zone",
        NO_OPERATOR,
        10,
    ),
    (
        "SELECT name + name FROM t",
        "42883",
        "operator does not exist: text + text",
        NO_OPERATOR,
        13,
    ),
    (
        "SELECT a, count(*) FROM t",
        "42803",
        "column \"t.a\" must appear in the GROUP BY clause or be used in an aggregate function",
        "",
        8,
    ),
    (
        "SELECT a FROM t ORDER BY 2",
        "42P10",
        "ORDER BY position 2 is not in select list",
        "",
        26,
    ),
    (
        "SELECT true::date",
        "42846",
        "cannot cast type boolean to date",
        "",
        12,
    ),
];

#[test]
fn what_is_not_there_is_told_in_the_words_of_postgresql() {
    let (_server, mut client) = open();
    client.run("CREATE TABLE t (a int, name text, price numeric)");
    client.run("CREATE TABLE u (a int, nome text)");
    for (sql, code, message, hint, position) in WORDS {
        for reply in [client.simple(sql), client.extended(sql, &[])] {
            let error = reply.failure();
            assert_eq!(
                (
                    error.code(),
                    error.message(),
                    error.hint(),
                    error.position()
                ),
                (code, message, hint, Some(position)),
                "{sql}"
            );
        }
    }
}

#[test]
fn sums_out_of_range_are_refused() {
    let (_server, mut client) = open();
    for sql in [
        "SELECT 9223372036854775807 + 1",
        "SELECT 2147483647::int + 1::int",
        "SELECT 2147483647 + 1",
        "SELECT 32767::smallint * 2::smallint",
        "SELECT -9223372036854775807 - 2",
    ] {
        assert_eq!(client.simple(sql).code(), "22003", "{sql}");
    }
    assert_eq!(client.simple("SELECT 1 / 0").code(), "22012");
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
