//! How does a statement become rows?
//!
//! Reading order: a socket's bytes enter in `postgres`, become statements in `parser`, run in `session` and
//! `statement`, are bound and planned in `plan`, and leave through `postgres` again.

pub mod error;
mod error_sources;
pub mod parser;
pub mod sqlstate;
mod suggest;
