//! Do statements that write say in full what is wrong, and describe and page what they return?

use tarn_sql_tests::client::Client;
use tarn_sql_tests::server::Server;
use tarn_sql_tests::wire::{self, Format};

use super::{open, open_with_table, row};

/// Code, message, detail, hint and position of the error that a statement ends with.
type Words<'a> = (&'a str, &'a str, &'a str, &'a str, Option<usize>);

/// A table with rules.
fn open_with_rules() -> (Server, Client) {
    let (server, mut client) = open();
    client.run("SET timezone = 'UTC'");
    client.run(
        "CREATE TABLE r (id int GENERATED ALWAYS AS IDENTITY, a int NOT NULL, b text, c boolean, \
         d timestamptz, e numeric(6,2), f float8, CHECK (a < 10))",
    );
    (server, client)
}

fn check_words(client: &mut Client, sql: &str, words: Words<'_>) {
    let (code, message, detail, hint, position) = words;
    let reply = client.simple(sql);
    let error = reply.failure();
    let found = (error.code(), error.message(), error.field(b'D'));
    assert_eq!(found, (code, message, detail), "{sql}");
    assert_eq!((error.hint(), error.position()), (hint, position), "{sql}");
}

#[test]
fn refused_rows_are_shown() {
    let (_server, mut client) = open_with_rules();
    let null = "null value in column \"a\" of relation \"r\" violates not-null constraint";
    let detail = "Failing row contains (1, null, x, t, 2024-02-29 12:00:00+00, 1.50, 0.1).";
    check_words(
        &mut client,
        "INSERT INTO r (b, c, d, e, f) VALUES ('x', true, '2024-02-29 12:00+00', 1.5, 0.1)",
        ("23502", null, detail, "", None),
    );
    let check = "new row for relation \"r\" violates check constraint \"r_a_check\"";
    let insert = format!("INSERT INTO r (a, b) VALUES (10, '{}')", "x".repeat(70));
    let cut = format!("{}...", "x".repeat(64));
    let detail = format!("Failing row contains (2, 10, {cut}, null, null, null, null).");
    check_words(&mut client, &insert, ("23514", check, &detail, "", None));
}

#[test]
fn values_for_identity_columns_are_refused_in_full() {
    let (_server, mut client) = open_with_rules();
    let detail = "Column \"id\" is an identity column defined as GENERATED ALWAYS.";
    let message = "cannot insert a non-DEFAULT value into column \"id\"";
    let hint = "Use OVERRIDING SYSTEM VALUE to override.";
    let insert = "INSERT INTO r (id, a) VALUES (1, 1)";
    check_words(&mut client, insert, ("428C9", message, detail, hint, None));
    let message = "column \"id\" can only be updated to DEFAULT";
    let update = "UPDATE r SET id = 1";
    check_words(&mut client, update, ("428C9", message, detail, "", None));
}

#[test]
fn errors_of_lists_point_at_their_place() {
    let (_server, mut client) = open_with_rules();
    let few = "INSERT has more target columns than expressions";
    let many = "INSERT has more expressions than target columns";
    let nope = "column \"nope\" of relation \"r\" does not exist";
    let wrong = "column \"a\" is of type integer but expression is of type text";
    let cast = "You will need to rewrite or cast the expression.";
    for (sql, words) in [
        (
            "INSERT INTO r (a, b) VALUES (1)",
            ("42601", few, "", "", Some(19)),
        ),
        (
            "INSERT INTO r (a) VALUES (1, 2)",
            ("42601", many, "", "", Some(30)),
        ),
        ("UPDATE r SET nope = 1", ("42703", nope, "", "", Some(14))),
        ("UPDATE r SET a = b", ("42804", wrong, "", cast, Some(18))),
    ] {
        check_words(&mut client, sql, words);
    }
}

#[test]
fn what_returning_gives_is_described() {
    let (_server, mut client) = open_with_table();
    let reply = client.extended(
        "INSERT INTO t VALUES ($1, $2), (9, $2) RETURNING a, b || $3 AS c",
        &[Some("8"), Some("eight"), Some("!")],
    );
    assert_eq!(reply.answer().names(), ["a", "c"]);
    assert_eq!(reply.answer().tag, "INSERT 0 2");
    assert_eq!(
        reply.table(),
        [row(&["8", "eight!"]), row(&["9", "eight!"])]
    );
    let reply = client.extended("DELETE FROM t WHERE a > $1", &[Some("7")]);
    assert_eq!(
        (reply.answer().tag.as_str(), &reply.answer().columns),
        ("DELETE 2", &None)
    );
    let reply = client.exchange(&[
        wire::parse("s", "UPDATE t SET b = $1 WHERE a < $2 RETURNING *", &[]),
        wire::describe(b'S', "s"),
        wire::sync(),
    ]);
    assert_eq!(reply.parameter_types, [25, 23]);
    assert_eq!(reply.transcript, "1tTZ");
}

#[test]
fn a_portal_pages_what_was_written_once() {
    let (_server, mut client) = open_with_table();
    let reply = client.exchange(&[
        wire::parse("", "UPDATE t SET a = a + 10 RETURNING a", &[]),
        wire::bind("", "", &[], Format::Text),
        wire::execute("", 2),
        wire::execute("", 2),
        wire::sync(),
    ]);
    let rows: Vec<usize> = reply
        .answers
        .iter()
        .map(|answer| answer.rows.len())
        .collect();
    assert_eq!(rows, [2, 1]);
    // The tag tells the rows of the last page.
    assert_eq!(reply.answers[1].tag, "UPDATE 1");
    assert_eq!(client.run("SELECT sum(a) FROM t").value(), "36");
}
