//! Does a session keep its settings and prepared statements to itself?

use std::io::Write;
use std::net::TcpStream;

use tarn_sql_tests::client::Client;
use tarn_sql_tests::wire;

use super::{open, open_with_table, row};

#[test]
fn the_server_says_that_it_is_postgresql_15() {
    let (server, mut client) = open();
    assert!(
        client.parameters["server_version"].starts_with("15."),
        "{:?}",
        client.parameters
    );
    for (name, value) in [
        ("server_encoding", "UTF8"),
        ("client_encoding", "UTF8"),
        ("DateStyle", "ISO, MDY"),
        ("IntervalStyle", "postgres"),
        ("integer_datetimes", "on"),
        ("standard_conforming_strings", "on"),
        ("is_superuser", "on"),
        ("session_authorization", "tarn"),
    ] {
        assert_eq!(
            client.parameters.get(name).map(String::as_str),
            Some(value),
            "{name}"
        );
    }
    assert!(
        client
            .run("SELECT version()")
            .value()
            .starts_with("PostgreSQL 15.")
    );
    assert_eq!(client.run("SHOW server_version_num").value().len(), 6);
    assert_eq!(client.run("SELECT current_user").value(), "tarn");
    assert_eq!(
        client.run("SELECT current_database()").value(),
        server.database()
    );
    assert_eq!(client.run("SELECT current_schema()").value(), "public");
    assert_eq!(
        client.run("SELECT pg_backend_pid()").value(),
        client.process_id().to_string()
    );
}

#[test]
fn startup_parameters_are_settings() {
    let (server, _client) = open();
    let parameters = [
        ("user", "tarn"),
        ("database", server.database()),
        ("application_name", "probe"),
        ("options", "-c statement_timeout=7s -c search_path=a,b"),
        ("TimeZone", "Asia/Tokyo"),
    ];
    let mut client = Client::connect(server.postgres, &parameters).unwrap();
    assert_eq!(client.parameters["application_name"], "probe");
    assert_eq!(client.run("SHOW application_name").value(), "probe");
    assert_eq!(client.run("SHOW statement_timeout").value(), "7s");
    assert_eq!(client.run("SHOW search_path").value(), "a,b");
    assert_eq!(client.run("SHOW TimeZone").value(), "Asia/Tokyo");
    client.run("SET statement_timeout = 0; RESET statement_timeout");
    assert_eq!(client.run("SHOW statement_timeout").value(), "7s");
}

#[test]
fn a_role_says_what_its_sessions_begin_with_unless_the_client_does() {
    let (server, mut client) = open();
    // PostgreSQL keeps these for all databases, so that other tests would see them.
    if server.is_oracle() {
        return;
    }
    client
        .run("ALTER ROLE ALL SET ml.max_threads = 5; ALTER ROLE ALL SET statement_timeout = '9s'");
    client
        .run("ALTER ROLE tarn SET ml.max_threads = 3; ALTER ROLE tarn SET DateStyle = 'ISO, DMY'");
    let shown = |client: &mut Client, name: &str| client.run(&format!("SHOW {name}")).value();
    assert_eq!(shown(&mut client, "ml.max_threads"), "0");
    let mut later = server.connect();
    assert_eq!(later.parameters["DateStyle"], "ISO, DMY");
    assert_eq!(shown(&mut later, "ml.max_threads"), "3");
    assert_eq!(shown(&mut later, "statement_timeout"), "9s");
    later.run("SET ml.max_threads = 1; RESET ml.max_threads");
    assert_eq!(shown(&mut later, "ml.max_threads"), "3");
    let asked = [
        ("user", "tarn"),
        ("database", "tarn"),
        ("options", "-c ml.max_threads=2"),
    ];
    let mut own = Client::connect(server.postgres, &asked).unwrap();
    assert_eq!(shown(&mut own, "ml.max_threads"), "2");
    assert_eq!(shown(&mut own, "statement_timeout"), "9s");
}

#[test]
fn who_may_not_connect_is_told_why() {
    let (server, _client) = open();
    let refused = |parameters: &[(&str, &str)]| {
        Client::connect(server.postgres, parameters)
            .err()
            .unwrap()
            .to_string()
    };
    assert!(refused(&[("user", "tarn"), ("database", "nope")]).starts_with("FATAL 3D000"));
    assert!(
        refused(&[("user", "nobody"), ("database", server.database())]).starts_with("FATAL 28000")
    );
    assert!(refused(&[("database", "tarn")]).starts_with("FATAL 28000"));
    if !server.is_oracle() {
        let replication = [
            ("user", "tarn"),
            ("database", "tarn"),
            ("replication", "true"),
        ];
        assert!(refused(&replication).starts_with("FATAL 0A000"));
    }
}

#[test]
fn encryption_that_is_not_there_is_declined() {
    let (server, _client) = open();
    let (tls, gss) = (80_877_103_i32, 80_877_104_i32);
    // Debian's PostgreSQL is built with GSS.
    let requests = if server.is_oracle() {
        &[tls][..]
    } else {
        &[tls, gss][..]
    };
    for request in requests {
        let mut stream = TcpStream::connect(server.postgres).unwrap();
        stream.write_all(&8_i32.to_be_bytes()).unwrap();
        stream.write_all(&request.to_be_bytes()).unwrap();
        let mut answer = [0];
        std::io::Read::read_exact(&mut stream, &mut answer).unwrap();
        assert_eq!(answer, *b"N");
    }
}

#[test]
fn an_old_protocol_is_refused() {
    let (server, mut client) = open();
    let mut stream = TcpStream::connect(server.postgres).unwrap();
    let mut packet = wire::startup(&[("user", "tarn")]);
    packet[4..8].copy_from_slice(&(2_i32 << 16).to_be_bytes());
    stream.write_all(&packet).unwrap();
    let mut rest = Vec::new();
    std::io::Read::read_to_end(&mut stream, &mut rest).unwrap();
    assert!(rest.first().is_none_or(|tag| *tag == b'E'), "{rest:?}");
    assert_eq!(client.run("SELECT 1").value(), "1");
}

#[test]
fn settings_are_set_shown_and_reset() {
    let (_server, mut client) = open();
    assert_eq!(
        client.run("SET application_name TO 'one'").answer().tag,
        "SET"
    );
    assert_eq!(client.parameters["application_name"], "one");
    assert_eq!(
        client.run("SHOW application_name").answer().names(),
        ["application_name"]
    );
    assert_eq!(client.run("RESET application_name").answer().tag, "RESET");
    assert_eq!(client.run("SHOW application_name").value(), "");
    client.run("SET TIME ZONE 'Europe/Berlin'");
    assert_eq!(client.parameters["TimeZone"], "Europe/Berlin");
    assert_eq!(client.run("SHOW TIME ZONE").value(), "Europe/Berlin");
    client.run("SET statement_timeout TO '1min'");
    assert_eq!(
        client
            .run("SELECT current_setting('statement_timeout')")
            .value(),
        "1min"
    );
    assert_eq!(
        client
            .run("SELECT set_config('statement_timeout', '90000', false)")
            .value(),
        "90s"
    );
    client.run("RESET ALL");
    assert_eq!(client.run("SHOW statement_timeout").value(), "0");
    assert!(client.run("SHOW ALL").table().len() > 10);
    assert_eq!(
        client
            .run("SELECT count(*) FROM pg_settings WHERE name = 'search_path'")
            .value(),
        "1"
    );
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let (server, mut client) = open();
    assert_eq!(client.simple("SHOW nosuch").code(), "42704");
    assert_eq!(client.simple("SET nosuch = 1").code(), "42704");
    assert_eq!(client.simple("RESET nosuch").code(), "42704");
    assert_eq!(
        client.simple("SELECT current_setting('nosuch')").code(),
        "42704"
    );
    assert_eq!(
        client.run("SELECT current_setting('nosuch', true)").value(),
        "NULL"
    );
    assert_eq!(
        client.simple("SET statement_timeout = 'soon'").code(),
        "22023"
    );
    assert_eq!(
        client.simple("SET TimeZone = 'Nowhere/Land'").code(),
        "22023"
    );
    assert_eq!(
        client.simple("SET client_encoding = 'NOSUCH'").code(),
        "22023"
    );
    if !server.is_oracle() {
        assert_eq!(
            client.simple("SET client_encoding = 'LATIN1'").code(),
            "22023"
        );
    }
    client.run("SET client_encoding = 'utf-8'");
    client.run("SET my.own = 'x'");
    assert_eq!(client.run("SHOW my.own").value(), "x");
}

#[test]
fn settings_follow_the_transaction() {
    let (_server, mut client) = open();
    client.run("BEGIN; SET statement_timeout = '9s'");
    assert_eq!(client.run("SHOW statement_timeout").value(), "9s");
    client.run("ROLLBACK");
    assert_eq!(client.run("SHOW statement_timeout").value(), "0");
    client.run("BEGIN; SET LOCAL statement_timeout = '9s'");
    assert_eq!(client.run("SHOW statement_timeout").value(), "9s");
    client.run("COMMIT");
    assert_eq!(client.run("SHOW statement_timeout").value(), "0");
    assert_eq!(
        client.run("SET LOCAL statement_timeout = '9s'").notices[0].code(),
        "25P01"
    );
}

#[test]
fn the_search_path_finds_tables() {
    let (_server, mut client) = open();
    client.run("CREATE SCHEMA s; CREATE TABLE s.t (a int); INSERT INTO s.t VALUES (1)");
    assert_eq!(client.simple("SELECT * FROM t").code(), "42P01");
    client.run("SET search_path TO s, public");
    assert_eq!(client.run("SELECT * FROM t").value(), "1");
    client.run("CREATE TABLE u (a int)");
    assert_eq!(client.run("SELECT count(*) FROM s.u").value(), "0");
    assert_eq!(client.run("SELECT current_schema()").value(), "s");
    assert_eq!(
        client.run("SELECT current_schemas(false)").value(),
        "{s,public}"
    );
}

#[test]
fn prepared_statements_are_made_used_and_forgotten() {
    let (server, mut client) = open_with_table();
    assert_eq!(
        client
            .run("PREPARE p (int) AS SELECT b FROM t WHERE a = $1")
            .answer()
            .tag,
        "PREPARE"
    );
    assert_eq!(client.run("EXECUTE p(2)").value(), "two");
    assert_eq!(client.run("EXECUTE p(1 + 1)").answer().tag, "SELECT 1");
    assert_eq!(client.simple("EXECUTE p").code(), "42601");
    assert_eq!(client.simple("PREPARE p AS SELECT 1").code(), "42P05");
    assert_eq!(server.connect().simple("EXECUTE p(2)").code(), "26000");
    client.run("PREPARE w AS INSERT INTO t VALUES ($1, $2)");
    assert_eq!(
        client.run("EXECUTE w(4, 'four')").answer().tag,
        "INSERT 0 1"
    );
    let names = "SELECT name FROM pg_prepared_statements ORDER BY name";
    assert_eq!(client.run(names).table(), [row(&["p"]), row(&["w"])]);
    assert_eq!(client.run("DEALLOCATE p").answer().tag, "DEALLOCATE");
    assert_eq!(client.simple("EXECUTE p(2)").code(), "26000");
    assert_eq!(client.run("DEALLOCATE ALL").answer().tag, "DEALLOCATE ALL");
    assert_eq!(client.simple("EXECUTE w(5, 'five')").code(), "26000");
}

#[test]
fn what_pools_send_between_users_works() {
    let (_server, mut client) = open();
    client.run("SET statement_timeout = 5000; PREPARE p AS SELECT 1");
    // asyncpg's and others' way to hand a connection on.
    client.run("SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL;");
    assert_eq!(client.run("SHOW statement_timeout").value(), "0");
    assert_eq!(client.run("EXECUTE p").value(), "1");
    assert_eq!(client.run("DISCARD ALL").answer().tag, "DISCARD ALL");
    assert_eq!(client.simple("EXECUTE p").code(), "26000");
}

#[test]
fn temporary_tables_go_with_their_session() {
    let (server, mut client) = open();
    let left = "SELECT count(*) FROM pg_class WHERE relname = 'scratch'";
    client.run("CREATE TEMP TABLE scratch (a int); INSERT INTO scratch VALUES (1)");
    assert_eq!(client.run("SELECT a FROM scratch").value(), "1");
    let mut other = server.connect();
    assert_eq!(other.simple("SELECT a FROM scratch").code(), "42P01");
    other.run("CREATE TEMP TABLE scratch (b text)");
    assert_eq!(other.run(left).value(), "2");
    drop(client);
    let gone = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        other.run(left).value() == "1"
    });
    assert!(gone, "a temporary table outlived its session");
    assert_eq!(other.run("SELECT count(*) FROM scratch").value(), "0");
}
