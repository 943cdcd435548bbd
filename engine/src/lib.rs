//! How does a statement become rows?
//!
//! Reading order: a socket's bytes enter in `postgres`, become statements in `parser`, run in `session` and
//! `statement`, are bound and planned in `plan`, and leave through `postgres` again. `server` joins the parts.

pub mod automl;
pub mod callables;
pub mod config;
pub mod context;
pub mod engine;
pub mod error;
mod error_sources;
mod error_text;
pub mod http;
mod ml_tables;
pub mod ml_views;
pub mod models;
pub mod parser;
pub mod plan;
mod planning_error;
pub mod postgres;
#[cfg(feature = "quickstart")]
pub mod quickstart;
pub mod reference;
pub mod sequences;
pub mod server;
pub mod session;
pub mod sleep;
pub mod sqlstate;
pub mod statement;
pub mod training;
