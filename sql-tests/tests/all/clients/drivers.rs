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

/// Compiles a Java program and gives the command that runs it.
fn java(class: &str, classes: &Folder) -> Command {
    assert!(
        Path::new(JDBC_DRIVER).exists(),
        "run ./test once: it installs {JDBC_DRIVER}"
    );
    let source = root().join(format!("sql-tests/clients/{class}.java"));
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
    let mut command = Command::new("java");
    command
        .arg("-cp")
        .arg(format!("{}:{JDBC_DRIVER}", classes.path().display()))
        .arg(class);
    command
}

/// What BI tools ask before they show a tree of tables; the answers were written by PostgreSQL.
#[test]
fn jdbc_metadata_is_that_of_postgresql() {
    let classes = Folder::new();
    let mut command = java("JdbcMetadata", &classes);
    let server = Server::start();
    let output = command
        .arg(server.postgres.ip().to_string())
        .arg(server.postgres.port().to_string())
        .arg(server.database())
        .output()
        .expect("java runs");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    let expected = include_str!("../../../clients/jdbc_metadata.txt");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let differing: Vec<_> = printed
        .lines()
        .zip(expected.lines())
        .filter(|(seen, told)| seen != told)
        .collect();
    assert!(differing.is_empty(), "saw and expected: {differing:#?}");
    assert_eq!(printed.lines().count(), expected.lines().count());
}

#[test]
fn pgjdbc() {
    let classes = Folder::new();
    let command = java("WithPgjdbc", &classes);
    let server = Server::start();
    run(command, &server);
}
