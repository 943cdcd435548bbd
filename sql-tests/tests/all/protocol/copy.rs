//! Does COPY carry rows in and out, in text and CSV, whole or not at all?

use tarn_sql_tests::wire;

use super::{open, open_with_table, row};

#[test]
fn text_comes_in_with_its_escapes() {
    let (_server, mut client) = open();
    client.run("CREATE TABLE t (a int, b text)");
    let data = b"1\tone\n2\t\\N\n3\ttab\\there\\\\ and\\nline\n4\t\n\\.\n";
    let reply = client.copy_in("COPY t FROM STDIN", &[data]);
    assert_eq!(
        (reply.answer().tag.as_str(), client.status),
        ("COPY 4", 'I')
    );
    let rows = client.run("SELECT a, b FROM t ORDER BY a").table();
    let third = row(&["3", "tab\there\\ and\nline"]);
    assert_eq!(
        rows,
        [
            row(&["1", "one"]),
            row(&["2", "NULL"]),
            third,
            row(&["4", ""])
        ]
    );
}

#[test]
fn data_may_be_cut_anywhere() {
    let (_server, mut client) = open();
    client.run("CREATE TABLE t (a int, b text)");
    let data = "1,\"a \"\"b\"\"\r\nc\"\r\n22,ü\r\n".as_bytes();
    let pieces: Vec<&[u8]> = data.chunks(1).collect();
    let reply = client.copy_in("COPY t FROM STDIN WITH (FORMAT csv)", &pieces);
    assert_eq!(reply.answer().tag, "COPY 2");
    let rows = client.run("SELECT a, b FROM t ORDER BY a").table();
    assert_eq!(rows, [row(&["1", "a \"b\"\r\nc"]), row(&["22", "ü"])]);
}

#[test]
fn csv_tells_null_from_empty() {
    let (_server, mut client) = open();
    client.run("CREATE TABLE t (a int, b text, c date)");
    let data = b"b,a\nx,1\n,2\n\"\",3\n";
    let sql = "COPY t (b, a) FROM STDIN WITH (FORMAT csv, HEADER)";
    assert_eq!(client.copy_in(sql, &[data]).answer().tag, "COPY 3");
    let rows = client.run("SELECT a, b, c FROM t ORDER BY a").table();
    assert_eq!(
        rows,
        [
            row(&["1", "x", "NULL"]),
            row(&["2", "NULL", "NULL"]),
            row(&["3", "", "NULL"])
        ]
    );
    let sql = "COPY t FROM STDIN (FORMAT csv, DELIMITER ';', NULL 'none', QUOTE '''')";
    assert_eq!(
        client.copy_in(sql, &[b"4;'a;b';none\n"]).answer().tag,
        "COPY 1"
    );
    assert_eq!(
        client.run("SELECT b, c FROM t WHERE a = 4").table(),
        [row(&["a;b", "NULL"])]
    );
}

#[test]
fn old_option_spellings_work() {
    let (_server, mut client) = open();
    client.run("CREATE TABLE t (a int, b text)");
    assert_eq!(
        client
            .copy_in("COPY t FROM STDIN CSV HEADER", &[b"a,b\n1,x\n"])
            .answer()
            .tag,
        "COPY 1"
    );
    let sql = "COPY t FROM STDIN WITH DELIMITER '|' NULL 'n'";
    assert_eq!(client.copy_in(sql, &[b"2|n\n"]).answer().tag, "COPY 1");
    assert_eq!(
        client.run("SELECT count(*) FROM t WHERE b IS NULL").value(),
        "1"
    );
}

#[test]
fn bad_data_leaves_nothing_behind() {
    let (_server, mut client) = open_with_table();
    for (sql, data, code) in [
        ("COPY t FROM STDIN", "4\tx\nfive\tx\n", "22P02"),
        ("COPY t FROM STDIN", "4\n", "22P04"),
        ("COPY t FROM STDIN", "4\tx\ty\n", "22P04"),
        ("COPY t FROM STDIN (FORMAT csv)", "4,\"x\n", "22P04"),
        ("COPY t FROM STDIN", "99999999999\tx\n", "22003"),
    ] {
        let reply = client.copy_in(sql, &[data.as_bytes()]);
        assert_eq!((reply.code(), client.status), (code, 'I'), "{sql} {data:?}");
    }
    let reply = client.copy_in("COPY t FROM STDIN", &[b"4\tx\nfive\tx\n"]);
    let context = reply.failure().field(b'W').to_owned();
    assert_eq!(context, "COPY t, line 2, column a: \"five\"");
    assert_eq!(client.run("SELECT count(*) FROM t").value(), "3");
}

#[test]
fn a_client_may_give_up() {
    let (_server, mut client) = open_with_table();
    assert!(client.simple("COPY t FROM STDIN").transcript.ends_with('G'));
    let reply = client.exchange(&[wire::copy_data(b"4\tx\n"), wire::copy_fail("no more")]);
    assert_eq!(reply.code(), "57014");
    assert!(reply.failure().message().contains("no more"));
    assert_eq!(client.run("SELECT count(*) FROM t").value(), "3");
}

#[test]
fn a_vanished_client_leaves_nothing_behind() {
    let (server, mut client) = open_with_table();
    let mut other = server.connect();
    assert!(other.simple("COPY t FROM STDIN").transcript.ends_with('G'));
    other.send(&[wire::copy_data(b"4\tx\n")]).unwrap();
    drop(other);
    assert_eq!(client.run("SELECT count(*) FROM t").value(), "3");
}

#[test]
fn what_cannot_be_copied_is_refused() {
    let (_server, mut client) = open_with_table();
    assert_eq!(client.simple("COPY nope FROM STDIN").code(), "42P01");
    assert_eq!(client.simple("COPY t (nope) FROM STDIN").code(), "42703");
    assert_eq!(
        client.simple("COPY t FROM STDIN (FORMAT nope)").code(),
        "22023"
    );
    assert_eq!(
        client.simple("COPY t FROM STDIN (nosuch true)").code(),
        "42601"
    );
    assert_eq!(client.status, 'I');
}

#[test]
fn copy_in_is_part_of_its_transaction() {
    let (_server, mut client) = open_with_table();
    client.run("BEGIN");
    assert_eq!(
        client
            .copy_in("COPY t FROM STDIN", &[b"4\tx\n"])
            .answer()
            .tag,
        "COPY 1"
    );
    assert_eq!(
        (
            client.status,
            client.run("SELECT count(*) FROM t").value().as_str()
        ),
        ('T', "4")
    );
    client.run("ROLLBACK");
    assert_eq!(client.run("SELECT count(*) FROM t").value(), "3");
}

#[test]
fn copy_in_works_in_the_extended_protocol() {
    let (_server, mut client) = open_with_table();
    client
        .send(&[
            wire::parse("", "COPY t FROM STDIN", &[]),
            wire::bind("", "", &[], wire::Format::Text),
            wire::execute("", 0),
            wire::sync(),
        ])
        .unwrap();
    assert_eq!(client.reply().unwrap().transcript, "12G");
    client
        .send(&[wire::copy_data(b"4\tx\n"), wire::copy_done(), wire::sync()])
        .unwrap();
    let reply = client.reply().unwrap();
    assert_eq!(
        (reply.transcript.as_str(), reply.answer().tag.as_str()),
        ("CZ", "COPY 1")
    );
    assert_eq!(client.run("SELECT count(*) FROM t").value(), "4");
}

#[test]
fn rows_go_out_as_text_and_csv() {
    let (_server, mut client) = open();
    client.run("CREATE TABLE t (a int, b text)");
    client.run("INSERT INTO t VALUES (1, E'tab\\there'), (2, NULL), (3, 'a,\"b\"'), (4, '')");
    let mut copied = |sql: &str| {
        let reply = client.run(sql);
        assert!(
            ["HdcCZ", "HcCZ"].contains(&reply.transcript.as_str()),
            "{}",
            reply.transcript
        );
        let answer = reply.answer();
        (
            answer.tag.clone(),
            String::from_utf8(answer.copied.clone()).unwrap(),
        )
    };
    let (tag, text) = copied("COPY (SELECT * FROM t ORDER BY a) TO STDOUT");
    assert_eq!(
        (tag.as_str(), text.as_str()),
        ("COPY 4", "1\ttab\\there\n2\t\\N\n3\ta,\"b\"\n4\t\n")
    );
    let (_, text) = copied("COPY (SELECT * FROM t ORDER BY a) TO STDOUT WITH (FORMAT csv, HEADER)");
    assert_eq!(text, "a,b\n1,tab\there\n2,\n3,\"a,\"\"b\"\"\"\n4,\"\"\n");
    let (tag, text) = copied("COPY t (a) TO STDOUT (FORMAT csv, NULL 'none')");
    assert_eq!((tag.as_str(), text.lines().count()), ("COPY 4", 4));
    let (tag, text) = copied("COPY (SELECT 1 WHERE false) TO STDOUT (FORMAT csv, HEADER)");
    assert_eq!((tag.as_str(), text.as_str()), ("COPY 0", "?column?\n"));
}

#[test]
fn what_goes_out_comes_in_again() {
    let (_server, mut client) = open();
    let columns = "a bigint, d double precision, n numeric(12,3), t text, y date, z timestamp, o boolean, r int[]";
    client.run(&format!(
        "CREATE TABLE t ({columns}); CREATE TABLE u ({columns})"
    ));
    client.run(
        "INSERT INTO t VALUES (1, 0.1, 12.345, 'a\\b', '2024-02-29', '2024-02-29 01:02:03.5', true, '{1,NULL}'), \
         (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), \
         (-1, 1e300, -0.001, E'x\ty\nz\r', '1999-12-31', '1999-12-31 00:00:00', false, '{}')",
    );
    for options in ["", "(FORMAT csv)", "(FORMAT csv, HEADER, FORCE_QUOTE *)"] {
        let out = client.run(&format!("COPY t TO STDOUT {options}"));
        let options = options.replace(", FORCE_QUOTE *", "");
        client.run("DELETE FROM u");
        let reply = client.copy_in(
            &format!("COPY u FROM STDIN {options}"),
            &[&out.answer().copied],
        );
        assert_eq!(reply.answer().tag, "COPY 3", "{options}");
        let differ = "SELECT count(*) FROM (SELECT * FROM t EXCEPT SELECT * FROM u) x";
        assert_eq!(client.run(differ).value(), "0", "{options}");
    }
}

#[test]
fn binary_goes_out_and_comes_in_again() {
    let (_server, mut client) = open();
    let columns = "a int, t text, d double precision, y date, n numeric(10,2)";
    client.run(&format!(
        "CREATE TABLE t ({columns}); CREATE TABLE u ({columns})"
    ));
    client.run(
        "INSERT INTO t VALUES (1, 'x', 0.5, '2024-02-29', 1.50), (NULL, NULL, NULL, NULL, NULL)",
    );
    let out = client.run("COPY t TO STDOUT (FORMAT binary)");
    let data = out.answer().copied.clone();
    assert!(data.starts_with(b"PGCOPY\n\xff\r\n\0"), "{data:?}");
    assert!(data.ends_with(&[0xff, 0xff]), "{data:?}");
    let reply = client.copy_in(
        "COPY u FROM STDIN (FORMAT binary)",
        &[&data[..30], &data[30..]],
    );
    assert_eq!(reply.answer().tag, "COPY 2");
    let differ = "SELECT count(*) FROM (SELECT * FROM t EXCEPT SELECT * FROM u) x";
    assert_eq!(client.run(differ).value(), "0");
    assert_eq!(
        client
            .copy_in("COPY u FROM STDIN (FORMAT binary)", &[b"nonsense"])
            .code(),
        "22P04"
    );
}
