//! Addresses, locks, settings, /health and /metrics.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use tarn_sql_tests::server::{Folder, Server, binary};

/// A server of our own, or None when the tests run against PostgreSQL.
fn tarn() -> Option<Server> {
    Some(Server::start()).filter(|server| !server.is_oracle())
}

fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: tarn\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let code = text.split(' ').nth(1).unwrap().parse().unwrap();
    (code, text.split_once("\r\n\r\n").unwrap().1.to_owned())
}

/// Runs a server that must refuse to start, and tells what it said.
fn refusal(arguments: &[&str]) -> String {
    let Output {
        status,
        stderr,
        stdout,
    } = Command::new(binary())
        .arg("serve")
        .args(arguments)
        .output()
        .unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr)
    );
    assert!(!status.success(), "{text}");
    text
}

#[test]
fn health_and_metrics_are_served() {
    let Some(server) = tarn() else { return };
    assert_eq!(get(server.http(), "/health").0, 200);
    let mut client = server.connect();
    client.run("SELECT 1");
    client.simple("SELECT nope");
    let (code, text) = get(server.http(), "/metrics");
    assert_eq!(code, 200);
    let value = |name: &str| -> f64 {
        let line = text
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_else(|| panic!("{name} in\n{text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!(value("tarn_statements_total") >= 2.0);
    assert!(value("tarn_statement_errors_total") >= 1.0);
    assert_eq!(get(server.http(), "/nope").0, 404);
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let Some(server) = tarn() else { return };
    let data = server.folder().join("data");
    let text = refusal(&[
        "--data-dir",
        &data.display().to_string(),
        "--listen",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:0",
        "--socket",
        "off",
    ]);
    assert!(text.contains("data"), "{text}");
    assert_eq!(server.connect().run("SELECT 1").value(), "1");
}

#[test]
fn an_address_that_others_can_reach_is_refused() {
    if tarn().is_none() {
        return;
    }
    let folder = Folder::new();
    let data = folder.path().display().to_string();
    for address in ["0.0.0.0:0", "[::]:0"] {
        let text = refusal(&["--data-dir", &data, "--listen", address]);
        assert!(text.contains(address.trim_end_matches(":0")), "{text}");
    }
    assert!(refusal(&["--data-dir", &data, "--lisen", "127.0.0.1:0"]).contains("listen"));
}

#[test]
fn existing_data_opens_within_a_second() {
    let Some(mut server) = tarn() else { return };
    let mut client = server.connect();
    for number in 0..20 {
        client.run(&format!("CREATE TABLE t{number} AS SELECT {number} AS a"));
    }
    drop(client);
    assert!(server.stop().success());
    let started = Instant::now();
    let server = server.again();
    assert_eq!(server.connect().run("SELECT a FROM t19").value(), "19");
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn data_of_a_newer_format_is_refused_with_a_hint() {
    let Some(mut server) = tarn() else { return };
    server.stop();
    let data = server.folder().join("data");
    let format = std::fs::read_to_string(data.join("FORMAT")).unwrap();
    let newer: String = format
        .split(' ')
        .map(|word| {
            word.trim()
                .parse::<u32>()
                .map_or(word.to_owned(), |number| (number + 1).to_string())
        })
        .collect::<Vec<_>>()
        .join(" ");
    assert_ne!(format.trim(), newer.trim());
    std::fs::write(data.join("FORMAT"), newer).unwrap();
    let text = refusal(&[
        "--data-dir",
        &data.display().to_string(),
        "--listen",
        "127.0.0.1:0",
    ]);
    assert!(text.contains("newer") || text.contains("format"), "{text}");
}

#[test]
fn settings_come_from_the_command_line_the_environment_and_a_file() {
    if tarn().is_none() {
        return;
    }
    let folder = Folder::new();
    let file = folder.path().join("tarn.toml");
    std::fs::write(&file, "listen = \"192.0.2.1:1\"\nlisen = 1\n").unwrap();
    let file = file.display().to_string();
    let text = refusal(&["--config", &file]);
    assert!(text.contains("lisen"), "{text}");
    std::fs::write(&file, "listen = \"192.0.2.1:1\"\n").unwrap();
    assert!(refusal(&["--config", &file]).contains("192.0.2.1"));
    let output = Command::new(binary())
        .args(["serve", "--config", &file])
        .env("TARN_LISTEN", "192.0.2.2:1")
        .output()
        .unwrap();
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("192.0.2.2"),
        "{output:?}"
    );
}

#[test]
fn a_slow_statement_is_logged_with_its_query_id_and_the_time_of_its_rows() {
    let options = ["--slow-statement", "150ms", "--log-format", "json"];
    let server = Server::start_with(&options);
    if server.is_oracle() {
        return;
    }
    let mut client = server.connect();
    let own = "SELECT query_id FROM pg_stat_activity WHERE pid = pg_backend_pid()";
    let id: u64 = client.run(own).value().parse().unwrap();
    // No single step is slow here, only all rows together.
    client.run("SELECT pg_sleep(0.03) FROM generate_series(1, 20)");
    let log = std::fs::read_to_string(server.folder().join("log")).unwrap();
    let slow: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("slow statement"))
        .collect();
    assert_eq!(slow.len(), 1, "{log}");
    assert!(
        slow[0].contains(&format!("\"query_id\":{}", id + 1)) && slow[0].contains("pg_sleep(0.03)"),
        "{}",
        slow[0]
    );
}
