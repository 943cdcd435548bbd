//! How do clients that speak PostgreSQL's protocol reach a session?

pub mod types;
