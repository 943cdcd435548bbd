//! Are rows that went into a Delta table the rows that come out, whoever wrote or reads it?

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod differential;
mod foreign;
mod memory;
mod pruning;
mod recovery;
mod round_trip;
mod rows;
mod transactions;
