//! Does work stop when nobody wants it any more?

use std::time::{Duration, Instant};

use tarn_sql_tests::client::{Client, Reply};
use tarn_sql_tests::server::Server;
use tarn_sql_tests::wire;

use super::{open, open_with_table};

/// Long work before its first row.
const SLOW: &str =
    "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b";

fn cancel_after(client: &mut Client, pause: Duration) -> (Reply, Duration) {
    let canceller = client.canceller();
    std::thread::sleep(pause);
    canceller.cancel().unwrap();
    let asked = Instant::now();
    (client.reply().unwrap(), asked.elapsed())
}

#[test]
fn a_cancel_request_stops_work_before_its_first_row() {
    let (_server, mut client) = open();
    for sql in [
        SLOW,
        "SELECT a.a FROM generate_series(1, 20000000) a ORDER BY sin(a.a) LIMIT 1",
    ] {
        client.send(&[wire::query(sql)]).unwrap();
        let (reply, took) = cancel_after(&mut client, Duration::from_millis(200));
        assert_eq!((reply.code(), client.status), ("57014", 'I'), "{sql}");
        assert!(took < Duration::from_secs(1), "{took:?}: {sql}");
    }
}

#[test]
fn a_cancel_request_stops_a_write() {
    let (_server, mut client) = open_with_table();
    let sql = "INSERT INTO t SELECT g, 'x' FROM generate_series(1, 100000000) AS s(g)";
    client.send(&[wire::query(sql)]).unwrap();
    let (reply, took) = cancel_after(&mut client, Duration::from_millis(300));
    assert_eq!(reply.code(), "57014");
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(client.run("SELECT count(*) FROM t").value(), "3");
}

#[test]
fn a_cancel_request_fails_an_open_transaction() {
    let (_server, mut client) = open();
    client.run("BEGIN");
    client.send(&[wire::query(SLOW)]).unwrap();
    let (reply, _) = cancel_after(&mut client, Duration::from_millis(100));
    assert_eq!((reply.code(), client.status), ("57014", 'E'));
    client.run("ROLLBACK");
}

#[test]
fn a_cancel_request_between_statements_does_nothing() {
    let (_server, mut client) = open();
    client.canceller().cancel().unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(client.run("SELECT 1").value(), "1");
}

#[test]
fn a_cancel_request_with_a_wrong_key_does_nothing() {
    let (server, mut client) = open();
    client.send(&[wire::query("SELECT pg_sleep(0.5)")]).unwrap();
    let mut stream = std::net::TcpStream::connect(server.postgres).unwrap();
    let packet = wire::cancel(client.process_id(), 12_345);
    std::io::Write::write_all(&mut stream, &packet).unwrap();
    assert!(client.reply().unwrap().error.is_none());
}

#[test]
fn one_session_cancels_another_by_its_number() {
    let (server, mut client) = open();
    client.send(&[wire::query(SLOW)]).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let sql = format!("SELECT pg_cancel_backend({})", client.process_id());
    let asked = Instant::now();
    assert_eq!(server.connect().run(&sql).value(), "t");
    assert_eq!(client.reply().unwrap().code(), "57014");
    assert!(asked.elapsed() < Duration::from_secs(1));
    assert_eq!(
        server.connect().run("SELECT pg_cancel_backend(1)").value(),
        "f"
    );
}

#[test]
fn statement_timeout_covers_rows_that_flow() {
    let (_server, mut client) = open();
    client.run("SET statement_timeout = 300");
    let asked = Instant::now();
    client
        .send(&[wire::query("SELECT * FROM generate_series(1, 1000000000)")])
        .unwrap();
    while client.message().unwrap().tag != b'E' {}
    assert!(
        asked.elapsed() < Duration::from_millis(1300),
        "{:?}",
        asked.elapsed()
    );
    client.reply().unwrap();
    assert_eq!(client.run("SELECT 1").value(), "1");
}

fn busy_sessions(client: &mut Client) -> String {
    client.run("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%1000000) b' AND state = 'active' AND pid <> pg_backend_pid()").value()
}

#[test]
fn a_vanished_client_is_noticed_within_a_second() {
    let (server, mut client) = open();
    if server.is_oracle() {
        return; // PostgreSQL looks only when client_connection_check_interval tells it to.
    }
    let mut other = server.connect();
    other.send(&[wire::query(SLOW)]).unwrap();
    let started = Instant::now();
    while busy_sessions(&mut client) != "1" {
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "the query never showed up"
        );
    }
    drop(other);
    let left = Instant::now();
    while busy_sessions(&mut client) != "0" {
        assert!(
            left.elapsed() < Duration::from_secs(1),
            "the query still runs"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn sigterm_ends_statements_and_the_server() {
    let mut server = Server::start();
    if server.is_oracle() {
        return;
    }
    let mut client = server.connect();
    let mut idle = server.connect();
    client.send(&[wire::query(SLOW)]).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let asked = Instant::now();
    let status = server.stop();
    assert!(status.success(), "{status}");
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "{:?}",
        asked.elapsed()
    );
    let error = client
        .reply()
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default();
    assert!(error.contains("57P01"), "{error}");
    assert!(idle.reply().err().unwrap().to_string().contains("57P01"));
}
