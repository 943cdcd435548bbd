//! Does CREATE MODEL behave on the wire: progress, cancel, time limits, visibility, types at Describe?

use std::time::{Duration, Instant};

use tarn_sql_tests::client::Client;
use tarn_sql_tests::server::Server;
use tarn_sql_tests::wire::{self, Format};

const SLOW: &str = "CREATE MODEL slow TARGET y WITH (timeout = '60 s') AS AUTOML TABLE lessons";

/// A server with a table that takes long to learn, or None when the tests run against PostgreSQL.
fn open() -> Option<(Server, Client)> {
    let server = Some(Server::start()).filter(|server| !server.is_oracle())?;
    let mut client = server.connect();
    client.run(
        "CREATE TABLE lessons AS SELECT sin(g) AS a, cos(g * 1.7) AS b, CAST(g % 7 AS text) AS c, \
         sin(g) + cos(g * 3.1) > 0.3 AS y FROM generate_series(1, 30000) AS s(g)",
    );
    client.run("CREATE TABLE few AS SELECT * FROM lessons LIMIT 500");
    Some((server, client))
}

fn trainings(client: &mut Client) -> String {
    client.run("SELECT count(*) FROM ml.progress").value()
}

fn wait_for_trainings(client: &mut Client, number: &str, limit: Duration) {
    let started = Instant::now();
    while trainings(client) != number {
        assert!(
            started.elapsed() < limit,
            "there are not {number} trainings after {limit:?}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn progress_comes_while_it_trains_and_at_most_once_a_second() {
    let Some((_server, mut client)) = open() else {
        return;
    };
    let sql = "CREATE MODEL m TARGET y WITH (timeout = '6 s') AS AUTOML TABLE lessons";
    let started = Instant::now();
    client.send(&[wire::query(sql)]).unwrap();
    let mut arrivals = Vec::new();
    loop {
        let message = client.message().unwrap();
        match message.tag {
            b'N' => arrivals.push(started.elapsed()),
            b'Z' => break,
            b'C' => assert_eq!(wire::Reader::new(&message.body).text(), "CREATE MODEL"),
            b'E' => panic!("{}", wire::Report::decode(&message.body)),
            _ => {}
        }
    }
    let took = started.elapsed();
    assert!(
        arrivals.first().is_some_and(|first| *first * 2 < took),
        "{arrivals:?} of {took:?}"
    );
    // The summary may come right behind the last progress.
    let seconds = took.as_secs() as usize + 1;
    assert!(
        arrivals.len() <= seconds + 4,
        "{} notices in {seconds} s",
        arrivals.len()
    );
}

#[test]
fn cancel_stops_training_within_a_second_and_leaves_nothing() {
    let Some((server, mut client)) = open() else {
        return;
    };
    let mut other = server.connect();
    client.send(&[wire::query(SLOW)]).unwrap();
    wait_for_trainings(&mut other, "1", Duration::from_secs(10));
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(other.run("SELECT count(*) FROM ml.models").value(), "0");
    client.canceller().cancel().unwrap();
    let asked = Instant::now();
    assert_eq!(client.reply().unwrap().code(), "57014");
    assert!(
        asked.elapsed() < Duration::from_secs(1),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(trainings(&mut client), "0");
    assert_eq!(client.run("SELECT count(*) FROM ml.models").value(), "0");
    assert_eq!(
        client
            .simple("SELECT predict('slow', l.*) FROM lessons l")
            .code(),
        "42704"
    );
}

#[test]
fn statement_timeout_stops_training() {
    let Some((_server, mut client)) = open() else {
        return;
    };
    client.run("SET statement_timeout = '1s'");
    let asked = Instant::now();
    assert_eq!(client.simple(SLOW).code(), "57014");
    assert!(
        asked.elapsed() < Duration::from_secs(2),
        "{:?}",
        asked.elapsed()
    );
}

/// A query whose fit takes minutes.
const SLOW_QUERY: &str = "SELECT train_trees(y, a, b, c, rounds => 100000) FROM lessons";

#[test]
fn statement_timeout_stops_a_query_that_trains() {
    let Some((_server, mut client)) = open() else {
        return;
    };
    client.run("SET statement_timeout = '1s'");
    let asked = Instant::now();
    assert_eq!(client.simple(SLOW_QUERY).code(), "57014");
    assert!(
        asked.elapsed() < Duration::from_secs(2),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(trainings(&mut client), "0");
}

#[test]
fn a_query_that_trains_is_seen_and_can_be_cancelled() {
    let Some((server, mut client)) = open() else {
        return;
    };
    let mut other = server.connect();
    client.send(&[wire::query(SLOW_QUERY)]).unwrap();
    wait_for_trainings(&mut other, "1", Duration::from_secs(10));
    let row =
        "SELECT model || ' of ' || (pid <> pg_backend_pid()) || ': ' || message FROM ml.progress";
    assert_eq!(other.run(row).value(), "(query) of true: fitting models");
    client.canceller().cancel().unwrap();
    let asked = Instant::now();
    assert_eq!(client.reply().unwrap().code(), "57014");
    assert!(
        asked.elapsed() < Duration::from_secs(2),
        "{:?}",
        asked.elapsed()
    );
    wait_for_trainings(&mut other, "0", Duration::from_secs(1));
    assert_eq!(client.run("SELECT 1").value(), "1");
}

#[test]
fn a_vanished_client_stops_its_training_within_a_second() {
    let Some((server, mut client)) = open() else {
        return;
    };
    let mut other = server.connect();
    other.send(&[wire::query(SLOW)]).unwrap();
    wait_for_trainings(&mut client, "1", Duration::from_secs(10));
    drop(other);
    wait_for_trainings(&mut client, "0", Duration::from_secs(1));
}

#[test]
fn the_old_version_answers_until_the_new_one_is_there() {
    let Some((server, mut client)) = open() else {
        return;
    };
    client.run("CREATE MODEL m TARGET y AS baseline TABLE few");
    let mut other = server.connect();
    client
        .send(&[wire::query(
            "CREATE OR REPLACE MODEL m TARGET y WITH (timeout = '5 s') AS AUTOML TABLE lessons",
        )])
        .unwrap();
    wait_for_trainings(&mut other, "1", Duration::from_secs(10));
    let sql = "SELECT count(DISTINCT predict('m', l.*)) FROM few l";
    assert_eq!(other.run(sql).value(), "1");
    assert!(client.reply().unwrap().error.is_none());
    assert_eq!(other.run(sql).value(), "2");
}

#[test]
fn of_two_replacements_at_once_one_wins() {
    let Some((server, mut client)) = open() else {
        return;
    };
    client.run("CREATE MODEL m TARGET y AS baseline TABLE few");
    let mut other = server.connect();
    let sql = "CREATE OR REPLACE MODEL m TARGET y WITH (timeout = '12 s') AS AUTOML TABLE lessons";
    client.send(&[wire::query(sql)]).unwrap();
    other.send(&[wire::query(sql)]).unwrap();
    let replies = [client.reply().unwrap(), other.reply().unwrap()];
    let mut codes = replies.each_ref().map(|reply| reply.code());
    codes.sort();
    assert_eq!(
        codes,
        ["", "40001"],
        "{:?}",
        replies.each_ref().map(|reply| &reply.error)
    );
    assert_eq!(client.run("SELECT count(*) FROM ml.versions").value(), "2");
}

#[test]
fn a_model_with_groups_sees_larger_batches_whose_rows_keep_their_order() {
    let server = Server::start_with(&["--threads", "1"]);
    if server.is_oracle() {
        return;
    }
    let mut client = server.connect();
    client.run("CREATE TABLE rows AS SELECT g % 3 AS k, g % 50 AS a, g % 7 AS y FROM generate_series(1, 300) AS s(g)");
    client.run("CREATE MODEL one TARGET y AS linear TABLE rows");
    client.run("CREATE MODEL many TARGET y PARTITION BY (k) AS linear TABLE rows");
    let scored = |model: &str| {
        format!(
            "SELECT i, predict('{model}', k => i % 3, a => i % 50) FROM generate_series(1, 30000) AS s(i)"
        )
    };
    let wide = "CoalesceBatchesExec: target_batch_size=8192";
    let mut told = |model: &str| {
        let plan = client.run(&format!("EXPLAIN {}", scored(model)));
        plan.table().concat().concat().contains(wide)
    };
    assert!(told("many"));
    assert!(!told("one"));
    let rows = client.run(&scored("many")).table();
    assert_eq!(rows.len(), 30_000);
    for (place, row) in rows.iter().enumerate() {
        assert_eq!(row[0], (place + 1).to_string());
    }
}

#[test]
fn the_type_of_a_prediction_is_known_before_it_is_made() {
    let Some((_server, mut client)) = open() else {
        return;
    };
    client.run("CREATE MODEL m TARGET y AS baseline SELECT a, y FROM few");
    let reply = client.exchange(&[
        wire::parse(
            "s",
            "SELECT predict('m', a => $1), predict_proba('m', a => $1)",
            &[],
        ),
        wire::describe(b'S', "s"),
        wire::sync(),
    ]);
    assert_eq!(reply.transcript, "1tTZ");
    let run = [
        wire::bind("", "s", &[Some("0.5")], Format::Text),
        wire::describe(b'P', ""),
        wire::execute("", 0),
        wire::sync(),
    ];
    let reply = client.exchange(&run);
    let types: Vec<u32> = reply
        .answer()
        .columns
        .iter()
        .flatten()
        .map(|c| c.type_oid)
        .collect();
    assert_eq!(types, [16, 701]);
    // A prepared statement follows the model, and refuses a label of another type.
    client.run("CREATE OR REPLACE MODEL m TARGET y AS trees (rounds = 5) SELECT a, y FROM few");
    assert!(client.exchange(&run).error.is_none());
    client.run("CREATE OR REPLACE MODEL m TARGET y AS baseline SELECT a, CASE WHEN y THEN 'yes' ELSE 'no' END AS y FROM few");
    assert_eq!(client.exchange(&run).code(), "0A000");
}

#[test]
fn create_model_works_in_the_extended_protocol() {
    let Some((_server, mut client)) = open() else {
        return;
    };
    let reply = client.extended(
        "CREATE MODEL m TARGET y AS trees (rounds = 5) TABLE few",
        &[],
    );
    assert_eq!(reply.answer().tag, "CREATE MODEL");
    assert_eq!(reply.transcript.replace('N', ""), "12nCZ");
    assert!(!reply.notices.is_empty());
    assert_eq!(reply.answer().columns, None);
}

/// The rows below a training come in whole batches, with groups and without, though models come a few at a time.
#[test]
fn rows_reach_a_training_in_whole_batches() {
    let Some((_server, mut client)) = open() else {
        return;
    };
    client.run(
        "CREATE TABLE many AS SELECT i % 10 AS g, sin(i) AS x, i * 2.0::float8 AS y FROM generate_series(1, 20000) AS s(i)",
    );
    for groups in ["", "GROUP BY g"] {
        let sql = format!("EXPLAIN ANALYZE SELECT train_linear(y, x) FROM many {groups}");
        let plan = client.run(&sql).table().concat();
        let batches = plan.iter().filter_map(|line| {
            let count = line.split_once("output_batches=")?.1;
            count.split([',', ']']).next()
        });
        // Thousands are told as "1.25 K", which is no number.
        let batches: Vec<f64> = batches.map(|count| count.parse().unwrap()).collect();
        assert!(batches.len() > 2, "{plan:?}");
        assert!(batches.iter().all(|&count| count < 20.0), "{plan:?}");
    }
}
