//! How do clients that speak PostgreSQL's protocol reach a session?

pub mod client;
pub mod connection;
pub mod copy;
mod copying;
mod extended;
pub mod frontend;
pub mod listen;
pub mod message;
pub mod portal;
mod repeated;
mod simple;
pub mod startup;
pub mod types;
