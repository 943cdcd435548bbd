//! Do writers who are not in a transaction block get on with each other?

use tarn_sql_tests::client::{Client, Reply};
use tarn_sql_tests::server::Server;

use super::{open, row};

/// Runs one statement, by turns in each protocol.
fn either(client: &mut Client, round: usize, sql: &str) -> Reply {
    match round % 2 {
        0 => client.simple(sql),
        _ => client.extended(sql, &[]),
    }
}

/// Every client runs its statements, all at the same time; each must succeed.
fn at_once(
    server: &Server,
    clients: usize,
    rounds: usize,
    sql: impl Fn(usize, usize) -> String + Sync,
) {
    std::thread::scope(|scope| {
        for number in 0..clients {
            let (sql, mut client) = (&sql, server.connect());
            scope.spawn(move || {
                for round in 0..rounds {
                    let sql = sql(number, round);
                    let reply = either(&mut client, number + round, &sql);
                    if let Some(error) = &reply.error {
                        panic!("client {number}, round {round}: {sql}\n{error}");
                    }
                    assert_eq!(client.status, 'I', "{sql}");
                }
            });
        }
    });
}

#[test]
fn counters_lose_nothing() {
    let (server, mut client) = open();
    client.run("CREATE TABLE counters (id int, n int)");
    client.run("INSERT INTO counters VALUES (1, 0), (2, 0)");
    at_once(&server, 8, 10, |_, _| {
        "UPDATE counters SET n = n + 1 WHERE id = 1".to_string()
    });
    let found = client.run("SELECT id, n FROM counters ORDER BY id").table();
    assert_eq!(found, [row(&["1", "80"]), row(&["2", "0"])]);
}

#[test]
fn writers_of_different_rows_all_win() {
    let (server, mut client) = open();
    client.run("CREATE TABLE t (id int, n int)");
    client.run("INSERT INTO t SELECT id, 0 FROM generate_series(0, 3) AS g (id)");
    at_once(&server, 4, 8, |number, _| {
        format!("UPDATE t SET n = n + 1 WHERE id = {number} RETURNING n")
    });
    let found = client.run("SELECT n FROM t ORDER BY id").table();
    assert_eq!(found, vec![row(&["8"]); 4]);
}

#[test]
fn a_statement_that_runs_again_answers_for_its_last_run() {
    let (server, mut client) = open();
    client.run("CREATE TABLE taken (id int)");
    client.run("INSERT INTO taken SELECT * FROM generate_series(1, 40)");
    let won = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for number in 0..4 {
            let (won, mut client) = (&won, server.connect());
            scope.spawn(move || {
                for round in 0..10 {
                    let least =
                        "DELETE FROM taken WHERE id = (SELECT min(id) FROM taken) RETURNING id";
                    let reply = either(&mut client, number + round, least);
                    let answer = reply.answer();
                    assert_eq!(answer.tag, format!("DELETE {}", answer.rows.len()));
                    let ids = answer.table().into_iter().flatten();
                    won.lock()
                        .unwrap()
                        .extend(ids.map(|id| id.parse::<i32>().unwrap()));
                }
            });
        }
    });
    let mut won = won.into_inner().unwrap();
    let left: usize = client
        .run("SELECT count(*) FROM taken")
        .value()
        .parse()
        .unwrap();
    assert_eq!(won.len() + left, 40);
    won.sort_unstable();
    won.dedup();
    assert_eq!(won.len() + left, 40, "a row was given to two clients");
}

#[test]
fn copies_and_deletions_of_one_table_all_win() {
    let (server, mut client) = open();
    client.run("CREATE TABLE t (id int)");
    client.run("INSERT INTO t SELECT * FROM generate_series(1, 100)");
    at_once(&server, 4, 6, |number, round| match number % 2 {
        0 => format!(
            "INSERT INTO t SELECT {} FROM t WHERE id = 100",
            1000 + number + round
        ),
        _ => format!("DELETE FROM t WHERE id = {}", number * 10 + round),
    });
    assert_eq!(client.run("SELECT count(*) FROM t").value(), "100");
}

#[test]
fn upserts_of_one_key_make_one_row() {
    let (server, mut client) = open();
    client.run("CREATE TABLE counted (name text PRIMARY KEY, n int)");
    at_once(&server, 6, 6, |_, _| {
        "INSERT INTO counted AS c VALUES ('a', 1) ON CONFLICT (name) DO UPDATE SET n = c.n + 1"
            .to_string()
    });
    let found = client.run("SELECT name, n FROM counted").table();
    assert_eq!(found, [row(&["a", "36"])]);
    at_once(&server, 6, 3, |_, round| {
        format!("INSERT INTO counted VALUES ('b{round}', 1) ON CONFLICT DO NOTHING")
    });
    assert_eq!(client.run("SELECT count(*) FROM counted").value(), "4");
}

#[test]
fn in_a_block_the_client_is_told() {
    let (server, mut client) = open();
    if server.is_oracle() {
        return; // PostgreSQL makes the second writer wait.
    }
    client.run("CREATE TABLE t (id int, n int); INSERT INTO t VALUES (1, 0), (2, 0)");
    let mut other = server.connect();
    client.run("BEGIN; UPDATE t SET n = 1 WHERE id = 1");
    other.run("UPDATE t SET n = 2 WHERE id = 2");
    assert_eq!(client.simple("COMMIT").code(), "40001");
    let found = client.run("SELECT n FROM t ORDER BY id").table();
    assert_eq!(found, [row(&["0"]), row(&["2"])]);
}
