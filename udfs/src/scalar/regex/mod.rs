//! Functions that take regular expressions, and what PostgreSQL's expressions mean.

pub mod count;
pub mod flags;
pub mod instr;
pub mod like;
pub mod matches;
mod memo;
pub mod replace;
mod search;
pub mod similar;
pub mod split;
pub mod substr;
pub mod syntax;

use super::columns::ColumnFunction;

/// Every function of this folder.
pub static FUNCTIONS: &[&ColumnFunction] = &[
    &count::REGEXP_COUNT,
    &instr::REGEXP_INSTR,
    &like::REGEXP_LIKE,
    &matches::REGEXP_MATCH,
    &matches::REGEXP_MATCHES_LIST,
    &replace::REGEXP_REPLACE,
    &similar::SIMILAR_TO_ESCAPE,
    &split::REGEXP_SPLIT_TO_ARRAY,
    &substr::REGEXP_SUBSTR,
];
