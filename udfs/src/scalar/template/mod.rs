//! Values as text by a template, `to_char(x, 'YYYY-MM-DD')`, and texts as values, `to_date('…', 'DD.MM.YYYY')`.
//!
//! Templates are those of PostgreSQL's `formatting.c`.

pub mod date_fields;
mod date_pattern;
mod date_read;
mod date_write;
mod number_pattern;
mod number_read;
mod number_write;
mod ordinal;
mod roman;
pub mod to_char;
pub mod to_date;
pub mod to_number;
pub mod to_timestamp;

use super::columns::ColumnFunction;

/// Every function of this folder.
pub static FUNCTIONS: &[&ColumnFunction] = &[
    &to_char::TO_CHAR,
    &to_date::TO_DATE,
    &to_number::TO_NUMBER,
    &to_timestamp::TO_TIMESTAMP,
];
