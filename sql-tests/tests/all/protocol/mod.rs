//! Does the server speak the protocol as PostgreSQL 15 does? Every test here that does not ask
//! [`Server::is_oracle`](tarn_sql_tests::server::Server::is_oracle) passes on PostgreSQL too: that is
//! where its expectation comes from.

mod cancel;
mod copy;
mod cursors;
mod errors;
mod extended;
mod first_checks;
mod malformed;
mod models;
mod races;
mod session;
mod transactions;
mod values;
mod writes;

use tarn_sql_tests::client::Client;
use tarn_sql_tests::server::Server;

/// A server of its own, and a connection to it.
fn open() -> (Server, Client) {
    let server = Server::start();
    let client = server.connect();
    (server, client)
}

/// A table `t (a int, b text)` with the rows `(1, 'one')`, `(2, 'two')`, `(3, NULL)`.
fn open_with_table() -> (Server, Client) {
    let (server, mut client) = open();
    client.run("CREATE TABLE t (a int, b text)");
    client.run("INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, NULL)");
    (server, client)
}

/// One row of text values.
fn row(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}
