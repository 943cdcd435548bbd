//! Does it do what the SQL says, seen from a client?
//!
//! This crate depends on none of the others: it starts the built `tarn` binary and talks Postgres to
//! it, so a test can pin only what a client can see.
//!
//! - [`repository`]: where do the project's files lie?
//! - [`server`]: a server of its own for each test, or a PostgreSQL to hold the tests against.
//! - [`wire`]: the bytes of the protocol, version 3.
//! - [`client`]: one connection, with every message that came back in sight.
//! - [`script`]: what does a `.slt` file ask for?
//! - [`gap`]: what does PostgreSQL do that the server does not do yet?
//! - [`runner`]: does the server answer it?

pub mod client;
pub mod gap;
pub mod repository;
pub mod runner;
pub mod script;
pub mod server;
pub mod wire;
