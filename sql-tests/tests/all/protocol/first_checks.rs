//! Does it pass where servers built from ready-made parts are known to fail?

use std::time::{Duration, Instant};

use tarn_sql_tests::client::{Client, Reply};
use tarn_sql_tests::server::Server;
use tarn_sql_tests::wire::{self, Format};

use super::{open, open_with_table, row};

const UUID: u32 = 2950;
const INTERVAL: u32 = 1186;

#[test]
fn a_subquery_in_the_projection_over_an_unaliased_table_has_its_value() {
    let (_server, mut client) = open_with_table();
    assert_eq!(
        client.simple("SELECT (SELECT max(t.a) FROM t)").value(),
        "3"
    );
    assert_eq!(
        client
            .extended("SELECT (SELECT max(t.a) FROM t)", &[])
            .value(),
        "3"
    );
}

#[test]
fn a_subquery_in_the_projection_takes_a_parameter() {
    let (_server, mut client) = open_with_table();
    let reply = client.extended(
        "SELECT (SELECT count(*) FROM t WHERE a >= $1)",
        &[Some("2")],
    );
    assert_eq!(reply.value(), "2");
}

#[test]
fn a_column_may_be_called_abort() {
    let (_server, mut client) = open();
    client.run("CREATE TABLE t (abort int)");
    client.run("INSERT INTO t VALUES (7)");
    let reply = client.simple("SELECT abort FROM t");
    assert_eq!(
        (reply.value().as_str(), reply.answer().names()),
        ("7", vec!["abort"])
    );
}

#[test]
fn a_column_may_come_twice_under_its_own_name() {
    let (_server, mut client) = open_with_table();
    let sql = "SELECT a, * FROM t ORDER BY t.a LIMIT 1";
    for reply in [client.simple(sql), client.extended(sql, &[])] {
        assert_eq!(reply.answer().names(), ["a", "a", "b"]);
        assert_eq!(reply.table(), [row(&["1", "1", "one"])]);
    }
}

#[test]
fn a_null_interval_is_null() {
    let (_server, mut client) = open();
    client.run("CREATE TABLE t (i interval)");
    client.run("INSERT INTO t VALUES (NULL), ('1 day')");
    let reply = client.simple("SELECT i FROM t ORDER BY i NULLS FIRST");
    assert_eq!(reply.table(), [row(&["NULL"]), row(&["1 day"])]);
    let columns = reply.answer().columns.as_ref().unwrap();
    assert_eq!(columns[0].type_oid, INTERVAL);
    let reply = client.extended_in("SELECT i FROM t WHERE i IS NULL", &[], &[], Format::Binary);
    assert_eq!(reply.answer().rows, [vec![None]]);
}

#[test]
fn a_null_parameter_of_unknown_type_does_not_move_the_next_one() {
    let (_server, mut client) = open();
    let reply = client.extended("SELECT $1, $2", &[None, Some("second")]);
    assert_eq!(reply.table(), [row(&["NULL", "second"])]);
}

#[test]
fn json_text_as_a_parameter_of_unknown_type_stays_as_it_is() {
    let (_server, mut client) = open();
    let json = r#"{"a": [1, {"b": null}], "c": "x,y"}"#;
    assert_eq!(client.extended("SELECT $1", &[Some(json)]).value(), json);
    client.run("CREATE TABLE t (j json)");
    client
        .extended("INSERT INTO t VALUES ($1)", &[Some(json)])
        .answer();
    assert_eq!(client.simple("SELECT j FROM t").value(), json);
}

#[test]
fn numeric_38_10_keeps_its_extremes() {
    let (_server, mut client) = open();
    let highest = "9999999999999999999999999999.9999999999";
    let lowest = format!("-{highest}");
    client.run("CREATE TABLE t (n numeric(38,10))");
    client.run(&format!(
        "INSERT INTO t VALUES ({highest}), ({lowest}), (0.0000000001)"
    ));
    let values = client.simple("SELECT n FROM t ORDER BY n").table();
    assert_eq!(
        values,
        [row(&[&lowest]), row(&["0.0000000001"]), row(&[highest])]
    );
    let reply = client.extended("SELECT n FROM t WHERE n = $1", &[Some(highest)]);
    assert_eq!(reply.value(), highest);
    let column = &reply.answer().columns.as_ref().unwrap()[0];
    assert_eq!(
        (column.type_oid, column.type_modifier),
        (1700, (38 << 16 | 10) + 4)
    );
}

#[test]
fn a_table_with_a_map_column_can_be_read() {
    let (server, mut client) = open();
    if server.is_oracle() {
        return;
    }
    client.run("CREATE TABLE t AS SELECT 1 AS a, map(['k'], [7]) AS m");
    for reply in [
        client.simple("SELECT * FROM t"),
        client.extended("SELECT * FROM t", &[]),
    ] {
        assert_eq!(reply.table(), [row(&["1", r#"{"k": 7}"#])]);
    }
}

#[test]
fn a_uuid_column_is_a_uuid() {
    let (_server, mut client) = open();
    let id = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    client.run("CREATE TABLE t (id uuid)");
    client
        .extended("INSERT INTO t VALUES ($1)", &[Some(id)])
        .answer();
    let reply = client.simple(&format!("SELECT id FROM t WHERE id = '{id}'"));
    assert_eq!(reply.value(), id);
    let reply = client.extended_in("SELECT id FROM t", &[], &[], Format::Binary);
    assert_eq!(reply.answer().columns.as_ref().unwrap()[0].type_oid, UUID);
    let value = reply.answer().rows[0][0].clone().unwrap();
    assert_eq!((value.len(), value[0], value[15]), (16, 0xa0, 0x11));
    assert_eq!(
        client.simple("INSERT INTO t VALUES ('no uuid')").code(),
        "22P02"
    );
}

#[test]
fn delete_and_update_in_the_extended_protocol_have_tags_and_no_rows() {
    let (_server, mut client) = open_with_table();
    let reply = client.extended("UPDATE t SET b = 'x' WHERE a < $1", &[Some("3")]);
    assert_eq!(
        (reply.transcript.as_str(), reply.answer().tag.as_str()),
        ("12nCZ", "UPDATE 2")
    );
    let reply = client.extended("DELETE FROM t WHERE a = $1", &[Some("3")]);
    assert_eq!(
        (reply.transcript.as_str(), reply.answer().tag.as_str()),
        ("12nCZ", "DELETE 1")
    );
    assert_eq!(client.simple("SELECT count(*) FROM t").value(), "2");
}

#[test]
fn create_table_is_tagged_create_table() {
    let (_server, mut client) = open();
    let reply = client.simple("CREATE TABLE t (a int)");
    assert_eq!(
        (reply.transcript.as_str(), reply.answer().tag.as_str()),
        ("CZ", "CREATE TABLE")
    );
    let reply = client.extended("CREATE TABLE u (a int)", &[]);
    assert_eq!(
        (reply.transcript.as_str(), reply.answer().tag.as_str()),
        ("12nCZ", "CREATE TABLE")
    );
}

#[test]
fn two_statements_in_one_parse_are_a_syntax_error() {
    let (_server, mut client) = open();
    assert_eq!(client.extended("SELECT 1; SELECT 2", &[]).code(), "42601");
    assert_eq!(client.extended("SELECT 1;", &[]).value(), "1");
}

#[test]
fn statements_before_a_bad_one_keep_their_answers() {
    let (_server, mut client) = open();
    let reply = client.simple("SELECT 1; SELECT bad; SELECT 2");
    assert_eq!(reply.transcript, "TDCEZ");
    assert_eq!(reply.answers.len(), 1);
    assert_eq!(reply.answers[0].table(), [row(&["1"])]);
    assert_eq!((reply.code(), client.status), ("42703", 'I'));
}

#[test]
fn a_failed_transaction_refuses_everything_but_its_end() {
    let (_server, mut client) = open();
    client.run("BEGIN");
    assert_eq!(client.simple("SELECT bad").code(), "42703");
    assert_eq!(client.status, 'E');
    for sql in [
        "SELECT 1",
        "SHOW timezone",
        "SET timezone = 'UTC'",
        "BEGIN",
        "SAVEPOINT s",
    ] {
        assert_eq!(client.simple(sql).code(), "25P02", "{sql}");
        assert_eq!(client.extended(sql, &[]).code(), "25P02", "{sql}");
    }
    assert_eq!(client.run("COMMIT").answer().tag, "ROLLBACK");
    assert_eq!(
        (client.status, client.simple("SELECT 1").value().as_str()),
        ('I', "1")
    );
}

#[test]
fn savepoints_undo_what_came_after_them() {
    let (_server, mut client) = open_with_table();
    client.run("BEGIN; DELETE FROM t WHERE a = 1; SAVEPOINT s; DELETE FROM t");
    assert_eq!(client.run("SELECT count(*) FROM t").value(), "0");
    assert_eq!(client.simple("SELECT bad").code(), "42703");
    assert_eq!(
        client.run("ROLLBACK TO SAVEPOINT s").answer().tag,
        "ROLLBACK"
    );
    assert_eq!(client.status, 'T');
    assert_eq!(client.run("SELECT count(*) FROM t").value(), "2");
    assert_eq!(client.run("RELEASE SAVEPOINT s").answer().tag, "RELEASE");
    assert_eq!(client.simple("ROLLBACK TO s").code(), "3B001");
    client.run("ROLLBACK");
    client.run("BEGIN; SAVEPOINT s; INSERT INTO t VALUES (4, 'four'); RELEASE s; COMMIT");
    assert_eq!(client.run("SELECT count(*) FROM t").value(), "4");
}

/// Reads rows until the end, cancels after the first ones, and tells how long the end took.
fn cancel_while_rows_flow(client: &mut Client) -> (Reply, Duration) {
    let first = client.message().unwrap();
    assert!(b"12T".contains(&first.tag), "{first:?}");
    while client.message().unwrap().tag != b'D' {}
    client.canceller().cancel().unwrap();
    let asked = Instant::now();
    let reply = client.reply().unwrap();
    (reply, asked.elapsed())
}

#[test]
fn a_cancel_request_stops_rows_that_flow() {
    let (server, mut client) = open();
    let sql = if server.is_oracle() {
        "SELECT generate_series(1, 1000000000)" // In FROM, PostgreSQL makes all rows first.
    } else {
        "SELECT * FROM generate_series(1, 1000000000)"
    };
    client.send(&[wire::query(sql)]).unwrap();
    let (reply, took) = cancel_while_rows_flow(&mut client);
    assert_eq!(reply.code(), "57014");
    assert!(took < Duration::from_secs(1), "{took:?}");
    client
        .send(&[
            wire::parse("", sql, &[]),
            wire::bind("", "", &[], Format::Binary),
            wire::execute("", 0),
            wire::sync(),
        ])
        .unwrap();
    let (reply, took) = cancel_while_rows_flow(&mut client);
    assert_eq!(reply.code(), "57014");
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(client.simple("SELECT 1").value(), "1");
}

#[test]
fn statement_timeout_stops_a_slow_select() {
    let (_server, mut client) = open();
    client.run("SET statement_timeout = '200ms'");
    let sql = "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b";
    for extended in [false, true] {
        let asked = Instant::now();
        let reply = if extended {
            client.extended(sql, &[])
        } else {
            client.simple(sql)
        };
        assert_eq!(reply.code(), "57014");
        assert!(
            reply.failure().message().contains("statement timeout"),
            "{reply:?}"
        );
        assert!(
            asked.elapsed() < Duration::from_millis(1200),
            "{:?}",
            asked.elapsed()
        );
    }
    client.run("SET statement_timeout = 0");
    assert_eq!(client.simple("SELECT 1").value(), "1");
}

#[test]
fn ten_million_rows_need_little_memory() {
    let (server, mut client) = open();
    if server.is_oracle() {
        return;
    }
    client.run("SELECT * FROM generate_series(1, 100000)");
    let before = memory_peak_kib(&server);
    client
        .send(&[
            wire::parse("", "SELECT * FROM generate_series(1, 10000000)", &[]),
            wire::bind("", "", &[], Format::Binary),
            wire::execute("", 0),
            wire::sync(),
        ])
        .unwrap();
    let mut rows = 0;
    loop {
        match client.message().unwrap().tag {
            b'D' => rows += 1,
            b'Z' => break,
            b'E' => panic!("the query failed"),
            _ => {}
        }
    }
    let grown = memory_peak_kib(&server) - before;
    assert_eq!(rows, 10_000_000);
    // The rows on the wire are 150 MB or more.
    assert!(grown < 64 * 1024, "{grown} KiB more than before");
}

/// The most memory that the server ever held.
fn memory_peak_kib(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.process_id())).unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_setting_is_seen_by_its_own_session_only() {
    let (server, mut client) = open();
    let mut other = server.connect();
    client.run(
        "SET search_path TO elsewhere; SET TimeZone TO 'Asia/Tokyo'; SET statement_timeout = 5000",
    );
    assert_eq!(client.run("SHOW search_path").value(), "elsewhere");
    assert_eq!(client.run("SHOW statement_timeout").value(), "5s");
    assert_eq!(other.run("SHOW search_path").value(), "\"$user\", public");
    assert_eq!(other.run("SHOW statement_timeout").value(), "0");
    assert_ne!(other.run("SHOW TimeZone").value(), "Asia/Tokyo");
}

#[test]
fn pg_roles_can_be_read() {
    let (_server, mut client) = open();
    let sql = "SELECT rolname, rolsuper FROM pg_roles WHERE rolname = current_user";
    assert_eq!(client.simple(sql).table(), [row(&["tarn", "t"])]);
    assert!(
        client
            .extended("SELECT * FROM pg_catalog.pg_roles", &[])
            .error
            .is_none()
    );
}
