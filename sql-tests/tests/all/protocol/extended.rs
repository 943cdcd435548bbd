//! Does the extended protocol keep statements, portals and their ends as PostgreSQL does?

use tarn_sql_tests::wire::{self, Format, Message};

use super::{open, open_with_table, row};

const INT4: u32 = 23;
const INT8: u32 = 20;
const TEXT: u32 = 25;

#[test]
fn a_portal_gives_its_rows_in_portions() {
    let (_server, mut client) = open();
    client.run("BEGIN");
    let reply = client.exchange(&[
        wire::parse("", "SELECT * FROM generate_series(1, 5) AS g(n)", &[]),
        wire::bind("p", "", &[], Format::Text),
        wire::execute("p", 2),
        wire::execute("p", 2),
        wire::sync(),
    ]);
    assert_eq!(reply.transcript, "12DsDsZ");
    let reply = client.exchange(&[wire::execute("p", 2), wire::sync()]);
    assert_eq!(
        (reply.transcript.as_str(), reply.table()),
        ("DCZ", vec![row(&["5"])])
    );
    assert_eq!(reply.answer().tag, "SELECT 1");
    let reply = client.exchange(&[wire::execute("p", 0), wire::sync()]);
    assert_eq!(
        (reply.transcript.as_str(), reply.answer().tag.as_str()),
        ("CZ", "SELECT 0")
    );
}

#[test]
fn portals_of_one_transaction_take_turns() {
    let (_server, mut client) = open();
    client.run("BEGIN");
    let reply = client.exchange(&[
        wire::parse(
            "s",
            "SELECT $1::int * n FROM generate_series(1, 3) AS g(n)",
            &[],
        ),
        wire::bind("p", "s", &[Some("10")], Format::Text),
        wire::bind("q", "s", &[Some("100")], Format::Text),
        wire::execute("p", 1),
        wire::execute("q", 2),
        wire::execute("p", 1),
        wire::sync(),
    ]);
    let rows: Vec<_> = reply
        .answers
        .iter()
        .flat_map(|answer| answer.table())
        .flatten()
        .collect();
    assert_eq!(rows, ["10", "100", "200", "20"]);
    let reply = client.exchange(&[wire::close(b'P', "p"), wire::execute("p", 1), wire::sync()]);
    assert_eq!((reply.transcript.as_str(), reply.code()), ("3EZ", "34000"));
}

#[test]
fn a_portal_ends_with_its_transaction() {
    let (_server, mut client) = open();
    client.exchange(&[
        wire::parse("", "SELECT 1", &[]),
        wire::bind("p", "", &[], Format::Text),
        wire::sync(),
    ]);
    assert_eq!(
        client
            .exchange(&[wire::execute("p", 0), wire::sync()])
            .code(),
        "34000"
    );
    client.run("BEGIN");
    client.exchange(&[
        wire::parse("", "SELECT 1", &[]),
        wire::bind("p", "", &[], Format::Text),
        wire::sync(),
    ]);
    client.run("COMMIT");
    assert_eq!(
        client
            .exchange(&[wire::execute("p", 0), wire::sync()])
            .code(),
        "34000"
    );
}

#[test]
fn describe_tells_parameters_and_columns() {
    let (_server, mut client) = open_with_table();
    let reply = client.exchange(&[
        wire::parse(
            "s",
            "SELECT a, b, count(*) FROM t WHERE a > $1 AND b = $2 GROUP BY a, b",
            &[],
        ),
        wire::describe(b'S', "s"),
        wire::sync(),
    ]);
    assert_eq!(
        (reply.transcript.as_str(), &*reply.parameter_types),
        ("1tTZ", &[INT4, TEXT][..])
    );
    let reply = client.exchange(&[
        wire::parse("", "INSERT INTO t (b, a) VALUES ($1, $2)", &[]),
        wire::describe(b'S', ""),
        wire::sync(),
    ]);
    assert_eq!(
        (reply.transcript.as_str(), &*reply.parameter_types),
        ("1tnZ", &[TEXT, INT4][..])
    );
    let reply = client.exchange(&[
        wire::parse("", "SELECT $1 + 1", &[INT8]),
        wire::describe(b'S', ""),
        wire::sync(),
    ]);
    assert_eq!(reply.parameter_types, [INT8]);
}

#[test]
fn columns_of_a_table_are_described_in_full() {
    let (_server, mut client) = open();
    client.run(
        "CREATE TABLE t (s smallint, l bigint, d double precision, v varchar(20), n numeric(10,2), \
         c char(3), b bytea, j jsonb, ts timestamptz, ar int[])",
    );
    let reply = client.extended("SELECT * FROM t", &[]);
    let columns = reply.answer().columns.clone().unwrap();
    let described: Vec<(u32, i16, i32)> = columns
        .iter()
        .map(|column| (column.type_oid, column.type_length, column.type_modifier))
        .collect();
    let expected = [
        (21, 2, -1),
        (20, 8, -1),
        (701, 8, -1),
        (1043, -1, 24),
        (1700, -1, 655_366),
        (1042, -1, 7),
        (17, -1, -1),
        (3802, -1, -1),
        (1184, 8, -1),
        (1007, -1, -1),
    ];
    assert_eq!(described, expected);
    let oid = client
        .simple("SELECT oid FROM pg_class WHERE relname = 't'")
        .value();
    for (place, column) in (1..).zip(&columns) {
        assert_eq!(
            (column.table_oid.to_string(), column.attribute),
            (oid.clone(), place)
        );
    }
    let reply = client.simple("SELECT l + 1 AS l FROM t");
    let columns = reply.answer().columns.as_ref().unwrap();
    assert_eq!((columns[0].table_oid, columns[0].attribute), (0, 0));
}

#[test]
fn an_untyped_parameter_is_text_where_nothing_says_otherwise() {
    let (_server, mut client) = open();
    let reply = client.exchange(&[
        wire::parse("", "SELECT $1", &[]),
        wire::describe(b'S', ""),
        wire::bind("", "", &[Some("x")], Format::Text),
        wire::execute("", 0),
        wire::sync(),
    ]);
    assert_eq!(
        (&*reply.parameter_types, reply.value().as_str()),
        (&[TEXT][..], "x")
    );
    assert_eq!(
        client
            .extended_in("SELECT $1", &[INT4], &[Some("7")], Format::Text)
            .value(),
        "7"
    );
}

#[test]
fn an_empty_statement_has_an_empty_answer() {
    let (_server, mut client) = open();
    assert_eq!(client.simple("").transcript, "IZ");
    assert_eq!(client.simple(" ; -- nothing\n;").transcript, "IZ");
    assert_eq!(client.extended("", &[]).transcript, "12nIZ");
}

#[test]
fn several_statements_travel_before_one_sync() {
    let (_server, mut client) = open_with_table();
    let statement = |sql: &str| -> Vec<Message> {
        vec![
            wire::parse("", sql, &[]),
            wire::bind("", "", &[], Format::Text),
            wire::execute("", 0),
        ]
    };
    let mut pipeline = statement("INSERT INTO t VALUES (4, 'four')");
    pipeline.extend(statement("SELECT count(*) FROM t"));
    pipeline.push(wire::sync());
    let reply = client.exchange(&pipeline);
    assert_eq!(
        (reply.transcript.as_str(), reply.value().as_str()),
        ("12C12DCZ", "4")
    );
    let mut pipeline = statement("INSERT INTO t VALUES (5, 'five')");
    pipeline.extend(statement("SELECT 1 / 0"));
    pipeline.push(wire::sync());
    assert_eq!(client.exchange(&pipeline).code(), "22012");
    // What stands before one Sync is one transaction.
    assert_eq!(client.run("SELECT count(*) FROM t").value(), "4");
}

#[test]
fn flush_brings_answers_before_sync() {
    let (_server, mut client) = open();
    client
        .send(&[
            wire::parse("s", "SELECT 1", &[]),
            wire::describe(b'S', "s"),
            wire::flush(),
        ])
        .unwrap();
    let tags: Vec<u8> = (0..3).map(|_| client.message().unwrap().tag).collect();
    assert_eq!(tags, *b"1tT");
    assert_eq!(client.exchange(&[wire::sync()]).transcript, "Z");
}

#[test]
fn a_named_statement_serves_many_times_until_it_is_closed() {
    let (_server, mut client) = open();
    client.exchange(&[wire::parse("s", "SELECT $1::int + 1", &[]), wire::sync()]);
    for number in 0..10 {
        let text = number.to_string();
        let reply = client.exchange(&[
            wire::bind("", "s", &[Some(&text)], Format::Text),
            wire::execute("", 0),
            wire::sync(),
        ]);
        assert_eq!(reply.value(), (number + 1).to_string());
    }
    assert_eq!(client.run("EXECUTE s(41)").value(), "42");
    client.exchange(&[wire::close(b'S', "s"), wire::sync()]);
    assert_eq!(client.simple("EXECUTE s(41)").code(), "26000");
}

#[test]
fn a_prepared_statement_sees_new_rows_and_refuses_a_new_type() {
    let (_server, mut client) = open_with_table();
    client.exchange(&[
        wire::parse("s", "SELECT * FROM t WHERE a = 4", &[]),
        wire::sync(),
    ]);
    client.run("INSERT INTO t VALUES (4, 'four')");
    let again = [
        wire::bind("", "s", &[], Format::Text),
        wire::execute("", 0),
        wire::sync(),
    ];
    assert_eq!(client.exchange(&again).table(), [row(&["4", "four"])]);
    client.run("DROP TABLE t; CREATE TABLE t (a bigint, c text)");
    let reply = client.exchange(&again);
    assert_eq!(reply.code(), "0A000");
    assert!(
        reply
            .failure()
            .message()
            .contains("must not change result type"),
        "{reply:?}"
    );
}

#[test]
fn parameters_travel_as_binary() {
    let (_server, mut client) = open();
    let reply = client.exchange(&[
        wire::parse(
            "",
            "SELECT $1::int4 + 1, $2::text, $3::float8",
            &[INT4, TEXT, 701],
        ),
        wire::bind_bytes(
            "",
            "",
            Format::Binary,
            &[
                Some(&41_i32.to_be_bytes()),
                None,
                Some(&1.5_f64.to_be_bytes()),
            ],
            Format::Text,
        ),
        wire::execute("", 0),
        wire::sync(),
    ]);
    assert_eq!(reply.table(), [row(&["42", "NULL", "1.5"])]);
    let reply = client.exchange(&[
        wire::parse("", "SELECT $1::int4", &[INT4]),
        wire::bind_bytes(
            "",
            "",
            Format::Binary,
            &[Some(&[1, 2, 3, 4, 5])],
            Format::Text,
        ),
        wire::sync(),
    ]);
    assert_eq!(reply.code(), "22P03");
}

#[test]
fn show_and_set_work_in_the_extended_protocol() {
    let (_server, mut client) = open();
    let reply = client.extended("SET application_name = 'probe'", &[]);
    assert_eq!(
        (reply.answer().tag.as_str(), reply.error.is_none()),
        ("SET", true)
    );
    let reply = client.extended("SHOW application_name", &[]);
    assert_eq!(
        (reply.transcript.as_str(), reply.value().as_str()),
        ("12TDCZ", "probe")
    );
    assert_eq!(reply.answer().tag, "SHOW");
    assert_eq!(client.extended("BEGIN", &[]).answer().tag, "BEGIN");
    assert_eq!(client.status, 'T');
    assert_eq!(client.extended("ROLLBACK", &[]).answer().tag, "ROLLBACK");
}

#[test]
fn explain_is_a_query() {
    let (_server, mut client) = open_with_table();
    let reply = client.extended("EXPLAIN SELECT * FROM t", &[]);
    assert_eq!(
        (reply.answer().names(), reply.answer().tag.as_str()),
        (vec!["QUERY PLAN"], "EXPLAIN")
    );
    assert!(!reply.table().is_empty());
}
