//! Does the server of today open what earlier ones wrote, and find everything in it?

use std::fs;
use std::process::Command;

use tarn_sql_tests::client::Client;
use tarn_sql_tests::repository::root;
use tarn_sql_tests::server::{Folder, Server, binary, python};

const FIRST: &str = "sql-tests/fixtures/data_dirs/1-first/data.tar.gz";

/// A folder with an unpacked data directory in it.
fn unpacked(archive: &str) -> Folder {
    let folder = Folder::new();
    let output = Command::new(python())
        .args(["-m", "tarfile", "-e"])
        .arg(root().join(archive))
        .arg(folder.path())
        .output()
        .expect("Python runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    folder
}

fn open(archive: &str) -> Option<(Server, Client)> {
    let server = Server::start_over(unpacked(archive))?;
    let client = server.connect();
    Some((server, client))
}

/// Statements and the rows that they give, a line each, with bars between the columns.
const ANSWERS: [(&str, &str); 15] = [
    (
        "SELECT id, flag, small, number, amount, wide, single, double FROM kinds WHERE id = 1",
        "1|t|-32768|2147483647|1234567890.12|12345678901234567890.5|1.5|0.1",
    ),
    (
        "SELECT word, code, prose, bytes, day, moment FROM kinds WHERE id = 1",
        "word|abc|it's prose|\\x00ff|2024-02-29|2024-02-29 12:34:56.789",
    ),
    (
        "SELECT instant, clock, span, key, doc, ints, words FROM kinds WHERE id = 1",
        "2024-02-29 10:34:56+00|23:59:59.5|1 mon 2 days 03:04:05|a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11|{\"a\": [1, null]}|{1,NULL,3}|{a,\"b c\"}",
    ),
    (
        "SELECT count(*), count(flag), count(word), count(ints), count(span) FROM kinds",
        "2|1|1|1|1",
    ),
    (
        "SELECT b, count(*), sum(a) FROM changed GROUP BY b ORDER BY b",
        "even|45|2070\nnone|45|2025",
    ),
    ("SELECT count(*) FROM changed VERSION AS OF 1", "100"),
    ("SELECT nextval('numbers') > 10", "t"),
    ("SELECT id, name FROM counted ORDER BY id", "1|one\n2|two"),
    (
        "SELECT * FROM shop.totals ORDER BY customer",
        "ann|15.75\nbob|20.00",
    ),
    (
        "SELECT obj_description('shop.orders'::regclass), col_description('shop.orders'::regclass, 3)",
        "what was sold|in euro",
    ),
    (
        "SELECT count(*) FROM customers WHERE predict('churn', customers.*) = churned",
        "300",
    ),
    (
        "SELECT count(*) FROM customers WHERE predict('by_region', customers.*) = churned",
        "300",
    ),
    ("SELECT count(*) FROM guesses WHERE guess", "100"),
    (
        "SELECT model, versions, task, label FROM ml.models ORDER BY model",
        "by_region|1|classification|churned\nchurn|1|classification|churned",
    ),
    (
        "SELECT model, count(*) FROM ml.groups GROUP BY model ORDER BY model",
        "by_region|2",
    ),
];

#[test]
fn a_data_directory_of_the_first_format_is_read_and_written() {
    let Some((server, mut client)) = open(FIRST) else {
        return;
    };
    for (sql, expected) in ANSWERS {
        let rows: Vec<String> = client
            .run(sql)
            .table()
            .iter()
            .map(|row| row.join("|"))
            .collect();
        assert_eq!(rows.join("\n"), expected, "{sql}");
    }
    client.run("INSERT INTO counted (name) VALUES ('three')");
    client.run("UPDATE shop.orders SET price = price + 1 WHERE id = 3");
    assert_eq!(
        client.simple("INSERT INTO changed VALUES (-1)").code(),
        "23514"
    );
    client.run("CREATE OR REPLACE MODEL churn TARGET churned WITH (max_trials = 1) AS trees (rounds = 5) TABLE customers");
    let server = {
        let mut server = server;
        assert!(server.stop().success());
        server.again()
    };
    let mut client = server.connect();
    assert_eq!(
        client.run("SELECT sum(price) FROM shop.orders").value(),
        "36.75"
    );
    let unique = "SELECT count(DISTINCT id) = 3 AND max(id) > 2 FROM counted";
    assert_eq!(client.run(unique).value(), "t");
    let versions = "SELECT versions FROM ml.models WHERE model = 'churn'";
    assert_eq!(client.run(versions).value(), "2");
}

#[test]
fn a_newer_format_is_refused_with_a_hint() {
    if Server::start().is_oracle() {
        return;
    }
    let folder = unpacked(FIRST);
    let format = folder.path().join("data/FORMAT");
    let text = fs::read_to_string(&format).unwrap();
    let version: u32 = text.trim().rsplit(' ').next().unwrap().parse().unwrap();
    fs::write(&format, format!("tarn-data {}\n", version + 1)).unwrap();
    let output = Command::new(binary())
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--http",
            "off",
            "--socket",
            "off",
        ])
        .arg("--data-dir")
        .arg(folder.path().join("data"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(text.contains("newer") && text.contains("version"), "{text}");
}
