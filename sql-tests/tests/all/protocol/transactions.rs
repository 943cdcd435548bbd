//! Are transactions real, and do the status bytes say where they stand?

use super::{open, open_with_table, row};

#[test]
fn the_status_byte_follows_the_transaction() {
    let (_server, mut client) = open();
    assert_eq!(client.status, 'I');
    for (sql, tag, status) in [
        ("BEGIN", "BEGIN", 'T'),
        ("COMMIT", "COMMIT", 'I'),
        ("START TRANSACTION", "START TRANSACTION", 'T'),
        ("ROLLBACK", "ROLLBACK", 'I'),
        (
            "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
            "BEGIN",
            'T',
        ),
        ("END", "COMMIT", 'I'),
        ("BEGIN WORK", "BEGIN", 'T'),
        ("ABORT", "ROLLBACK", 'I'),
    ] {
        assert_eq!(client.run(sql).answer().tag, tag, "{sql}");
        assert_eq!(client.status, status, "{sql}");
        client.extended("SELECT 1", &[]).answer();
        assert_eq!(client.status, status, "{sql}, then a query");
    }
}

#[test]
fn transaction_statements_out_of_place_are_warnings() {
    let (_server, mut client) = open();
    let reply = client.run("COMMIT");
    assert_eq!(
        (reply.notices[0].severity(), reply.notices[0].code()),
        ("WARNING", "25P01")
    );
    assert_eq!(client.run("ROLLBACK").notices[0].code(), "25P01");
    client.run("BEGIN");
    assert_eq!(client.run("BEGIN").notices[0].code(), "25001");
    assert_eq!(client.status, 'T');
    client.run("ROLLBACK");
    assert_eq!(client.simple("SAVEPOINT s").code(), "25P01");
}

#[test]
fn a_session_reads_its_own_writes_and_others_do_not() {
    let (server, mut client) = open_with_table();
    let mut other = server.connect();
    client.run("BEGIN");
    client.run("INSERT INTO t VALUES (4, 'four')");
    client.run("UPDATE t SET b = 'ONE' WHERE a = 1");
    client.run("DELETE FROM t WHERE a = 2");
    let mine = client.run("SELECT * FROM t ORDER BY a").table();
    assert_eq!(
        mine,
        [row(&["1", "ONE"]), row(&["3", "NULL"]), row(&["4", "four"])]
    );
    let theirs = other.run("SELECT * FROM t ORDER BY a").table();
    assert_eq!(
        theirs,
        [row(&["1", "one"]), row(&["2", "two"]), row(&["3", "NULL"])]
    );
    client.run("COMMIT");
    assert_eq!(other.run("SELECT * FROM t ORDER BY a").table(), mine);
}

#[test]
fn rollback_undoes_rows_and_tables() {
    let (server, mut client) = open_with_table();
    client.run("BEGIN; CREATE TABLE u (a int); INSERT INTO u VALUES (1); DELETE FROM t");
    assert_eq!(client.run("SELECT count(*) FROM u").value(), "1");
    assert_eq!(server.connect().simple("SELECT * FROM u").code(), "42P01");
    client.run("ROLLBACK");
    assert_eq!(client.simple("SELECT * FROM u").code(), "42P01");
    assert_eq!(client.run("SELECT count(*) FROM t").value(), "3");
}

#[test]
fn ddl_and_rows_of_a_transaction_commit_together() {
    let (server, mut client) = open_with_table();
    let mut other = server.connect();
    client.run(
        "BEGIN; CREATE TABLE u (a int); INSERT INTO u VALUES (1); INSERT INTO t VALUES (4, 'x')",
    );
    assert_eq!(other.simple("SELECT * FROM u").code(), "42P01");
    client.run("COMMIT");
    assert_eq!(
        other
            .run("SELECT (SELECT count(*) FROM t) + (SELECT count(*) FROM u)")
            .value(),
        "5"
    );
}

#[test]
fn a_string_of_statements_is_one_transaction() {
    let (_server, mut client) = open_with_table();
    let reply = client.simple("INSERT INTO t VALUES (4, 'four'); SELECT 1 / 0");
    assert_eq!((reply.code(), client.status), ("22012", 'I'));
    assert_eq!(client.run("SELECT count(*) FROM t").value(), "3");
    let reply = client.simple("INSERT INTO t VALUES (4, 'four'); COMMIT; SELECT 1 / 0");
    assert_eq!(reply.code(), "22012");
    assert_eq!(client.run("SELECT count(*) FROM t").value(), "4");
}

#[test]
fn an_error_in_a_string_of_statements_fails_an_open_transaction() {
    let (_server, mut client) = open_with_table();
    let reply = client.simple("BEGIN; INSERT INTO t VALUES (4, 'four'); SELECT bad; COMMIT");
    assert_eq!(
        (reply.code(), client.status, reply.answers.len()),
        ("42703", 'E', 2)
    );
    client.run("ROLLBACK");
    assert_eq!(client.run("SELECT count(*) FROM t").value(), "3");
}

#[test]
fn a_read_only_transaction_refuses_writes() {
    let (_server, mut client) = open_with_table();
    client.run("BEGIN READ ONLY");
    assert_eq!(
        client.simple("INSERT INTO t VALUES (4, 'four')").code(),
        "25006"
    );
    client.run("ROLLBACK");
}

#[test]
fn two_writers_of_one_row_do_not_both_win() {
    let (server, mut client) = open_with_table();
    if server.is_oracle() {
        return; // PostgreSQL makes the second writer wait.
    }
    let mut other = server.connect();
    client.run("BEGIN; UPDATE t SET b = 'mine' WHERE a = 1");
    other.run("BEGIN; UPDATE t SET b = 'theirs' WHERE a = 1");
    client.run("COMMIT");
    let reply = other.simple("COMMIT");
    assert_eq!((reply.code(), other.status), ("40001", 'I'));
    assert_eq!(other.run("SELECT b FROM t WHERE a = 1").value(), "mine");
}

#[test]
fn two_appends_both_win() {
    let (server, mut client) = open_with_table();
    let mut other = server.connect();
    client.run("BEGIN; INSERT INTO t VALUES (4, 'mine')");
    other.run("BEGIN; INSERT INTO t VALUES (5, 'theirs')");
    client.run("COMMIT");
    other.run("COMMIT");
    assert_eq!(client.run("SELECT count(*) FROM t").value(), "5");
}

#[test]
fn a_dropped_connection_rolls_back() {
    let (server, mut client) = open_with_table();
    let mut other = server.connect();
    other.run("BEGIN; DELETE FROM t");
    drop(other);
    assert_eq!(client.run("SELECT count(*) FROM t").value(), "3");
    client.run("INSERT INTO t VALUES (4, 'four')");
    assert_eq!(client.run("SELECT count(*) FROM t").value(), "4");
}
