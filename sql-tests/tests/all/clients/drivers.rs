//! The database drivers: each runs a program of its own language, one function per promise, from
//! `sql-tests/clients`.

use std::path::Path;
use std::process::Command;

use tarn_sql_tests::repository::root;
use tarn_sql_tests::server::{Folder, Server, python};

/// Debian's driver, as `./test` installs it.
const JDBC_DRIVER: &str = "/usr/share/java/postgresql.jar";

fn run(mut command: Command, server: &Server) {
    let kind = if server.is_oracle() {
        "postgresql"
    } else {
        "tarn"
    };
    command
        .arg(server.postgres.ip().to_string())
        .arg(server.postgres.port().to_string())
        .args([server.database(), kind]);
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    assert!(text.contains("... ok"), "nothing ran: {text}{errors}");
}

fn run_python(script: &str) {
    let server = Server::start();
    let mut command = Command::new(python());
    command
        .arg("-B")
        .arg(root().join("sql-tests/clients").join(script));
    run(command, &server);
}

#[test]
fn psycopg() {
    run_python("with_psycopg.py");
}

#[test]
fn asyncpg() {
    run_python("with_asyncpg.py");
}

#[test]
fn sqlalchemy() {
    run_python("with_sqlalchemy.py");
}

#[test]
fn pgjdbc() {
    assert!(
        Path::new(JDBC_DRIVER).exists(),
        "run ./test once: it installs {JDBC_DRIVER}"
    );
    let classes = Folder::new();
    let source = root().join("sql-tests/clients/WithPgjdbc.java");
    let compiled = Command::new("javac")
        .args(["-encoding", "UTF-8", "-cp", JDBC_DRIVER, "-d"])
        .arg(classes.path())
        .arg(source)
        .output()
        .expect("javac runs");
    assert!(
        compiled.status.success(),
        "{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    let server = Server::start();
    let mut command = Command::new("java");
    command
        .arg("-cp")
        .arg(format!("{}:{JDBC_DRIVER}", classes.path().display()))
        .arg("WithPgjdbc");
    run(command, &server);
}
