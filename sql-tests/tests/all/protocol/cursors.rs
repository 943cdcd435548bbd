//! Do SQL cursors hand out rows in portions, as ODBC and psycopg's server cursors want them?

use super::{open, row};

#[test]
fn a_cursor_gives_rows_in_portions() {
    let (_server, mut client) = open();
    assert_eq!(
        client.simple("DECLARE c CURSOR FOR SELECT 1").code(),
        "25P01"
    );
    client.run("BEGIN");
    let tag = client.run("DECLARE c CURSOR FOR SELECT n FROM generate_series(1, 5) AS g(n)");
    assert_eq!(tag.answer().tag, "DECLARE CURSOR");
    let reply = client.run("FETCH 2 FROM c");
    assert_eq!(
        (reply.table(), reply.answer().tag.as_str()),
        (vec![row(&["1"]), row(&["2"])], "FETCH 2")
    );
    assert_eq!(client.run("FETCH c").value(), "3");
    assert_eq!(client.run("MOVE 1 IN c").answer().tag, "MOVE 1");
    assert_eq!(
        client.extended("FETCH FORWARD ALL FROM c", &[]).value(),
        "5"
    );
    let reply = client.run("FETCH NEXT FROM c");
    assert_eq!(
        (reply.table().len(), reply.answer().tag.as_str()),
        (0, "FETCH 0")
    );
    assert_eq!(client.run("CLOSE c").answer().tag, "CLOSE CURSOR");
    assert_eq!(client.simple("FETCH c").code(), "34000");
    client.run("ROLLBACK");
}

#[test]
fn a_cursor_ends_with_its_transaction_unless_held() {
    let (_server, mut client) = open();
    client.run(
        "BEGIN; DECLARE c CURSOR FOR SELECT 1; DECLARE h CURSOR WITH HOLD FOR SELECT 2; COMMIT",
    );
    assert_eq!(client.simple("FETCH c").code(), "34000");
    assert_eq!(client.run("FETCH h").value(), "2");
    client.run("CLOSE ALL");
    assert_eq!(client.simple("FETCH h").code(), "34000");
}

#[test]
fn a_cursor_keeps_the_rows_of_its_declaration() {
    let (_server, mut client) = open();
    client.run("CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    client.run("BEGIN; DECLARE c CURSOR FOR SELECT a FROM t; INSERT INTO t VALUES (2)");
    assert_eq!(client.run("FETCH ALL FROM c").table(), [row(&["1"])]);
    client.run("COMMIT");
}
