//! Does a backup of a running server hold one moment of it, and does it come back?

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tarn_sql_tests::server::{Folder, Server, binary};

/// A server whose clients may write below a folder; None when the tests run against PostgreSQL.
fn open(files: &Folder) -> Option<Server> {
    let root = files.path().display().to_string();
    let server = Server::start_with(&["--files-root", &root]);
    Some(server).filter(|server| !server.is_oracle())
}

#[test]
fn a_backup_is_of_one_moment_while_writes_go_on() {
    let files = Folder::new();
    let Some(server) = open(&files) else { return };
    let mut client = server.connect();
    client.run("CREATE TABLE a (n int); CREATE TABLE b (n int)");
    client.run("CREATE VIEW v AS SELECT count(*) AS c FROM a");
    client.run("CREATE TABLE customers AS SELECT g AS age, g % 2 = 0 AS churned FROM generate_series(1, 200) AS s(g)");
    client.run(
        "CREATE MODEL m TARGET churned WITH (max_trials = 1) AS trees (rounds = 3) TABLE customers",
    );
    let stop = Arc::new(AtomicBool::new(false));
    let writing = std::thread::spawn({
        let mut writer = server.connect();
        let stop = Arc::clone(&stop);
        move || {
            let mut rounds = 0;
            while !stop.load(Ordering::Relaxed) {
                // Both tables have a row more, or neither has.
                writer.run("BEGIN; INSERT INTO a VALUES (1); INSERT INTO b VALUES (1); COMMIT");
                rounds += 1;
            }
            rounds
        }
    });
    std::thread::sleep(std::time::Duration::from_millis(500));
    for name in ["one", "two"] {
        let reply = client.run(&format!("BACKUP TO '{name}'"));
        assert_eq!(reply.answer().tag, "BACKUP");
        assert_eq!(client.run("SELECT 1").value(), "1");
    }
    stop.store(true, Ordering::Relaxed);
    let rounds: i64 = writing.join().unwrap();
    let restored = Folder::new();
    let output = Command::new(binary())
        .arg("restore")
        .arg("--from")
        .arg(files.path().join("two"))
        .arg("--data-dir")
        .arg(restored.path().join("data"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let server = Server::start_over(restored).unwrap();
    let mut client = server.connect();
    let number = |text: String| text.parse::<i64>().unwrap();
    let a = number(client.run("SELECT count(*) FROM a").value());
    assert_eq!(number(client.run("SELECT count(*) FROM b").value()), a);
    assert_eq!(number(client.run("SELECT c FROM v").value()), a);
    assert!(a > 0 && a <= rounds, "{a} of {rounds}");
    let guessed = "SELECT count(*) FROM customers WHERE predict('m', customers.*) IS NOT NULL";
    assert_eq!(client.run(guessed).value(), "200");
    client.run("INSERT INTO a VALUES (2)");
}

#[test]
fn a_backup_that_cannot_be_is_refused() {
    let files = Folder::new();
    let Some(server) = open(&files) else { return };
    let mut client = server.connect();
    client.run("CREATE TABLE t (a int)");
    let code = |sql: &str| server.connect().simple(sql).code().to_owned();
    assert_eq!(code("BACKUP TO '/tmp/elsewhere'"), "42501");
    assert_eq!(code("BACKUP TO '../x'"), "42501");
    assert_eq!(code("BACKUP"), "42601");
    assert_eq!(code("BACKUP TO folder"), "42601");
    client.run("BEGIN");
    assert_eq!(client.simple("BACKUP TO 'x'").code(), "25001");
    client.run("ROLLBACK");
    client.run("BACKUP TO 'x'");
    let again = client.simple("BACKUP TO 'x'");
    assert!(
        !again.code().is_empty() && again.code() != "XX000",
        "{}",
        again.failure()
    );
    let data = server.folder().join("data");
    std::os::unix::fs::symlink(&data, files.path().join("link")).unwrap();
    assert_eq!(code("BACKUP TO 'link/inside'"), "42501");
}
