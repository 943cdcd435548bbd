//! Does it do what the SQL says, seen from a client?
//!
//! This crate depends on none of the others: it starts the built `tarn` binary and talks Postgres to
//! it, so a test can pin only what a client can see.
//!
//! - [`repository`]: where do the project's files lie?

pub mod repository;
