//! What does the server say to messages that no honest client sends, and does it live on?

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use tarn_sql_tests::client::Client;
use tarn_sql_tests::server::Server;
use tarn_sql_tests::wire::{self, Format, Message};

use super::open;

/// A text in UTF-8 that ends after two of three bytes.
const CUT_SHORT: &[u8] = b"SELECT '\xe2\x82'\0";

#[test]
fn text_that_is_not_utf8_is_refused() {
    let (_server, mut client) = open();
    let said = |bytes: &str| format!("invalid byte sequence for encoding \"UTF8\": {bytes}");
    for (statement, bytes) in [
        (&b"SELECT '\xff'\0"[..], "0xff"),
        (b"SELECT '\xe2\x28\xa1'\0", "0xe2 0x28 0xa1"),
        (CUT_SHORT, "0xe2 0x82 0x27"),
        (b"SELECT '\xc0\x80'\0", "0xc0 0x80"),
        (b"SELECT '\xed\xa0\x80'\0", "0xed 0xa0 0x80"),
        (b"SELECT '\xf4\x90\x80\x80'\0", "0xf4 0x90 0x80 0x80"),
    ] {
        let reply = client.exchange(&[Message::new(b'Q').bytes(statement)]);
        assert_eq!(
            (reply.code(), reply.failure().message()),
            ("22021", &*said(bytes))
        );
        let parse = Message::new(b'P').byte(0).bytes(statement).int2(0);
        let reply = client.exchange(&[parse, wire::sync()]);
        assert_eq!(
            (reply.code(), reply.failure().message()),
            ("22021", &*said(bytes))
        );
    }
    assert_eq!(client.simple("SELECT 'ä€😀'").value(), "ä€😀");
}

#[test]
fn values_that_are_not_utf8_are_refused() {
    let (_server, mut client) = open();
    client.run("CREATE TABLE t (a int, b text)");
    for (value, bytes) in [
        (&b"\xff"[..], "0xff"),
        (b"a\0b", "0x00"),
        (b"\xf0\x9f", "0xf0 0x9f"),
    ] {
        let said = format!("invalid byte sequence for encoding \"UTF8\": {bytes}");
        for format in [Format::Text, Format::Binary] {
            let reply = client.exchange(&[
                wire::parse("", "SELECT $1::text", &[]),
                wire::bind_bytes("", "", format, &[Some(value)], Format::Text),
                wire::execute("", 0),
                wire::sync(),
            ]);
            assert_eq!((reply.code(), reply.failure().message()), ("22021", &*said));
            assert_eq!(reply.failure().field(b'W'), "unnamed portal parameter $1");
        }
        for (option, line) in [("", b"1\ta\n2\t"), ("CSV", b"1,a\n2,")] {
            let data = [&line[..], value, b"\n"].concat();
            let reply = client.copy_in(&format!("COPY t FROM STDIN {option}"), &[&data]);
            assert_eq!(reply.code(), "22021", "{}", reply.failure());
            assert_eq!(reply.failure().field(b'W'), "COPY t, line 2");
        }
    }
    assert_eq!(client.run("SELECT count(*) FROM t").value(), "0");
}

#[test]
fn a_message_with_a_wrong_body_is_an_error_and_not_the_end() {
    let (_server, mut client) = open();
    let parse = |body: &[u8]| Message::new(b'P').bytes(body);
    let short = "insufficient data left in message";
    let long = "invalid message format";
    let cases = [
        (
            Message::new(b'Q').bytes(b"SELECT 1"),
            "invalid string in message",
        ),
        (Message::new(b'Q').bytes(b"SELECT 1\0 + 1\0"), long),
        (Message::new(b'Q'), "invalid string in message"),
        (parse(b"\0SELECT 1\0\0"), short),
        (parse(b"\0SELECT 1\0\0\x07"), short),
        (parse(b"\0SELECT 1\0\0\0\0"), long),
        (Message::new(b'B').bytes(b"\0\0\xff\xff"), short),
        (Message::new(b'E').bytes(b"\0\0"), short),
        (Message::new(b'D'), "no data left in message"),
        (
            Message::new(b'D').bytes(b"X\0"),
            "invalid DESCRIBE message subtype 88",
        ),
        (
            Message::new(b'C').bytes(b"X\0"),
            "invalid CLOSE message subtype 88",
        ),
        (Message::new(b'H').byte(1), long),
    ];
    for (message, said) in cases {
        let is_query = message.tag == b'Q';
        let mut messages = vec![wire::parse("", "SELECT $1::int", &[]), message];
        if is_query {
            messages.remove(0);
        } else {
            // Passed over, up to the Sync.
            messages.extend([wire::query("SELECT 1"), wire::sync()]);
        }
        let reply = client.exchange(&messages);
        let error = reply.failure();
        assert_eq!(
            (error.severity(), error.code(), error.message()),
            ("ERROR", "08P01", said)
        );
        assert_eq!(reply.transcript.matches('D').count(), 0, "{said}");
        assert_eq!(client.simple("SELECT 1").value(), "1", "{said}");
    }
    let reply = client.exchange(&[Message::new(b'S').byte(1)]);
    assert_eq!(reply.failure().message(), long);
    // What belongs to a COPY that is over is passed over.
    let stray = [wire::copy_done(), wire::copy_data(b"1\n"), wire::sync()];
    assert_eq!(client.exchange(&stray).transcript, "Z");
}

#[test]
fn a_format_that_is_neither_text_nor_binary_is_refused() {
    let (_server, mut client) = open();
    let bind = Message::new(b'B').bytes(b"\0\0\0\x01\0\x02\0\x01\0\0\0\x011\0\0");
    let parse = wire::parse("", "SELECT $1::int", &[]);
    let reply = client.exchange(&[parse, bind, wire::sync()]);
    let error = reply.failure();
    assert_eq!(
        (error.code(), error.message()),
        ("22023", "unsupported format code: 2")
    );
}

#[test]
fn another_message_in_a_copy_ends_the_session() {
    let (server, mut client) = open();
    client.run("CREATE TABLE t (a int)");
    client.simple("COPY t FROM STDIN");
    client
        .send(&[wire::copy_data(b"1\n"), wire::query("SELECT 1")])
        .unwrap();
    let reports: Vec<wire::Report> = std::iter::from_fn(|| client.message().ok())
        .filter(|message| message.tag == b'E')
        .map(|message| wire::Report::decode(&message.body))
        .collect();
    let said: Vec<_> = reports
        .iter()
        .map(|report| (report.severity(), report.message()))
        .collect();
    assert_eq!(
        said,
        [
            (
                "ERROR",
                "unexpected message type 0x51 during COPY from stdin"
            ),
            (
                "FATAL",
                "terminating connection because protocol synchronization was lost"
            ),
        ]
    );
    assert_eq!(server.connect().run("SELECT count(*) FROM t").value(), "0");
}

/// Sends a first packet and reads what comes back until the server hangs up or says ReadyForQuery.
fn greet(address: SocketAddr, packet: &[u8]) -> Vec<Message> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream.write_all(packet).unwrap();
    let mut messages = Vec::new();
    while let Ok(message) = Message::read(&mut stream) {
        let is_ready = message.tag == b'Z';
        messages.push(message);
        if is_ready {
            break;
        }
    }
    messages
}

#[test]
fn a_newer_protocol_is_negotiated_down() {
    let (server, _client) = open();
    let parameters = [
        ("user", "tarn"),
        ("database", server.database()),
        ("_pq_.wish", "on"),
    ];
    let mut packet = wire::startup(&parameters);
    packet[4..8].copy_from_slice(&((3_i32 << 16) + 2).to_be_bytes());
    let messages = greet(server.postgres, &packet);
    assert_eq!(messages[0].tag, b'v');
    let mut reader = wire::Reader::new(&messages[0].body);
    // The whole version, not its minor part: newer libpqs check it.
    assert_eq!((reader.int4(), reader.int4()), (3 << 16, 1));
    assert_eq!(reader.text(), "_pq_.wish");
    assert_eq!(messages.last().map(|message| message.tag), Some(b'Z'));
    packet[4..8].copy_from_slice(&(4_i32 << 16).to_be_bytes());
    let refused = greet(server.postgres, &packet);
    let report = wire::Report::decode(&refused[0].body);
    assert_eq!(
        report.message(),
        "unsupported frontend protocol 4.0: server supports 3.0 to 3.0"
    );
}

#[test]
fn startup_packets_that_are_none_are_turned_away() {
    let (server, mut client) = open();
    let whole = wire::startup(&[("user", "tarn")]);
    let mut unended = whole.clone();
    unended.pop();
    let length = i32::try_from(unended.len()).unwrap();
    unended[..4].copy_from_slice(&length.to_be_bytes());
    let refused = greet(server.postgres, &unended);
    assert_eq!(wire::Report::decode(&refused[0].body).code(), "08P01");
    for packet in [
        &b"\0\0\0\0"[..],
        b"\0\0\0\x07abc",
        b"\xff\xff\xff\xff\0\x03\0\0",
        b"\x7f\xff\xff\xff\0\x03\0\0",
        b"GET / HTTP/1.1\r\n\r\n",
        &wire::cancel(client.process_id(), 1),
        &wire::cancel(1, 1),
    ] {
        assert_eq!(greet(server.postgres, packet), []);
    }
    assert_eq!(client.run("SELECT 1").value(), "1");
}

#[test]
fn a_cancel_request_with_a_wrong_key_cancels_nothing() {
    let (server, mut client) = open();
    client.send(&[wire::query("SELECT pg_sleep(1)")]).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    greet(server.postgres, &wire::cancel(client.process_id(), 12345));
    assert_eq!(client.reply().unwrap().code(), "");
}

#[test]
fn a_message_beyond_the_limit_is_refused_unread() {
    let server = Server::start_with(&["--message-limit", "1MB"]);
    if server.is_oracle() {
        return;
    }
    for tag in *b"QPBd" {
        let mut client = server.connect();
        // Only the header: nobody waits for the rest, or sets memory aside for it.
        client.send_bytes(&[tag, 0x00, 0x20, 0x00, 0x00]).unwrap();
        let report = wire::Report::decode(&client.message().unwrap().body);
        assert_eq!((report.severity(), report.code()), ("FATAL", "54000"));
        assert!(report.hint().contains("message_limit"), "{report}");
        assert!(client.is_closed_by_server());
    }
    let mut client = server.connect();
    let statement = format!("SELECT length('{}')", "x".repeat(1_000_000));
    assert_eq!(client.run(&statement).value(), "1000000");
}

#[test]
fn who_says_nothing_is_hung_up_on() {
    let server = Server::start_with(&["--startup-timeout", "500ms"]);
    if server.is_oracle() {
        return;
    }
    let started = Instant::now();
    let mut silent = TcpStream::connect(server.postgres).unwrap();
    let mut rest = Vec::new();
    assert!(silent.read_to_end(&mut rest).is_err() || rest.is_empty());
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(server.connect().run("SELECT 1").value(), "1");
}

#[test]
fn one_client_too_many_is_told_so() {
    let server = Server::start_with(&["--connections-max", "3"]);
    if server.is_oracle() {
        return;
    }
    let mut clients: Vec<Client> = (0..3).map(|_| server.connect()).collect();
    let parameters = [("user", "tarn"), ("database", "tarn")];
    let refused = Client::connect(server.postgres, &parameters).err().unwrap();
    let said = "FATAL 53300: sorry, too many clients already";
    assert!(refused.to_string().starts_with(said), "{refused}");
    clients.pop().unwrap().send(&[Message::new(b'X')]).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(server.connect().run("SELECT 1").value(), "1");
}

#[test]
fn idle_clients_are_sent_away_when_they_asked_for_it() {
    let (_server, mut client) = open();
    client.run("SET idle_session_timeout = '300ms'");
    let report = wire::Report::decode(&client.message().unwrap().body);
    assert_eq!(
        (report.severity(), report.code(), report.message()),
        (
            "FATAL",
            "57P05",
            "terminating connection due to idle-session timeout"
        )
    );
    let (_server, mut client) = open();
    client.run("SET idle_in_transaction_session_timeout = '300ms'");
    client.run("CREATE TABLE t (a int)");
    std::thread::sleep(Duration::from_millis(500));
    client.run("BEGIN");
    let report = wire::Report::decode(&client.message().unwrap().body);
    assert_eq!(
        (report.severity(), report.code(), report.message()),
        (
            "FATAL",
            "25P03",
            "terminating connection due to idle-in-transaction timeout"
        )
    );
}

/// Numbers that are the same in every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u8 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as u8
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next()).collect()
    }

    /// A message of a known type whose body is made of what such messages have, in any order.
    fn message(&mut self) -> Vec<u8> {
        let tag = b"QPBDECHSdcfF"[usize::from(self.next()) % 12];
        let mut body = Vec::new();
        for _ in 0..self.next() % 6 {
            match self.next() % 8 {
                0 => body.extend(b"SELECT 1\0"),
                1 => body.extend(b"COPY t FROM STDIN\0"),
                2 => body.extend(b"BEGIN\0"),
                3 => body.push(0),
                4 => body.extend([0, self.next() % 4]),
                5 => body.extend([0, 0, 0, self.next()]),
                6 => body.extend(b"S\0"),
                _ => body.extend(self.bytes(3)),
            }
        }
        let length = (body.len() as i32 + 4).to_be_bytes();
        [&[tag], &length[..], &body].concat()
    }
}

#[test]
fn random_bytes_at_any_state_end_one_session_at_most() {
    let server = Server::start();
    let mut witness = server.connect();
    witness.run("CREATE TABLE t (a int)");
    let mut noise = Noise(42);
    for round in 0..60 {
        let mut stream = TcpStream::connect(server.postgres).unwrap();
        if round % 3 == 0 {
            // Before the startup message.
            let bytes = noise.bytes(64);
            stream.write_all(&bytes).unwrap();
        } else {
            stream
                .write_all(&wire::startup(&[
                    ("user", "tarn"),
                    ("database", server.database()),
                ]))
                .unwrap();
            let prefix = [
                vec![],
                wire::query("BEGIN").encode(),
                wire::query("COPY t FROM STDIN").encode(),
                wire::query("SELECT nope").encode(),
                wire::parse("p", "SELECT $1", &[]).encode(),
            ];
            stream.write_all(&prefix[round % 5]).unwrap();
            for _ in 0..20 {
                let bytes = if round % 2 == 0 {
                    noise.message()
                } else {
                    noise.bytes(24)
                };
                // The server may have hung up by now.
                drop(stream.write_all(&bytes));
            }
        }
        drop(stream.shutdown(std::net::Shutdown::Write));
        let mut answers = Vec::new();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        drop(stream.read_to_end(&mut answers));
    }
    assert_eq!(witness.run("SELECT count(*) FROM t").value(), "0");
    assert_eq!(server.connect().run("SELECT 1").value(), "1");
    if !server.is_oracle() {
        let log = std::fs::read_to_string(server.folder().join("log")).unwrap();
        assert!(!log.contains("panicked"), "{log}");
    }
}
