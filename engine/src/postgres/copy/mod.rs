//! How do rows travel in COPY: text, CSV and binary, both ways?
//!
//! `parser::CopyOptions` is what was written; [`form::CopyForm`] is what was checked, and the only thing the
//! codecs take. [`decoder`] takes chunks that may end anywhere; [`encoder`] writes a message per row.

mod binary;
mod csv;
pub mod decoder;
pub mod encoder;
pub mod form;
pub mod inference;
mod lines;
mod sink;
mod text;

#[cfg(test)]
mod tests;
