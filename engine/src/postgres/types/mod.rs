//! How does a value get from Arrow to a client and back?
//!
//! Text and binary of every type, one file per family: the same functions serve query results
//! ([`row`]), parameters ([`parameter`]) and COPY.

pub(in crate::postgres) mod builder;
mod bytes;
pub mod cast;
mod cell;
mod datetime;
mod datetime_cell;
mod datetime_text;
pub mod error;
mod interval;
mod interval_text;
mod nested;
mod nested_builder;
mod number;
mod number_cell;
mod numeric;
pub mod parameter;
pub(in crate::postgres) mod plain;
mod quoting;
pub mod row;
pub mod settings;
mod text_cell;

pub use bytes::fit_text;
