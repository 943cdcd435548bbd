//! Functions of text.

pub mod chr;
pub mod concat;
pub mod encode;
pub mod format;
pub mod letter_case;
pub mod nulls;
pub mod quote;
pub mod split_part;
pub mod substring;
pub mod to_hex;
pub mod unistr;

use super::columns::ColumnFunction;

/// Every function of this folder.
pub static FUNCTIONS: &[&ColumnFunction] = &[
    &chr::CHR,
    &concat::CONCAT,
    &concat::CONCAT_WS,
    &encode::DECODE,
    &encode::ENCODE,
    &format::FORMAT,
    &letter_case::LOWER,
    &letter_case::UPPER,
    &nulls::NUM_NONNULLS,
    &nulls::NUM_NULLS,
    &split_part::SPLIT_PART,
    &substring::SUBSTR,
    &substring::SUBSTRING,
    &to_hex::TO_HEX,
    &unistr::UNISTR,
];

/// Functions whose arguments become text as clients read it, whatever they are.
pub const TAKE_ANY_AS_TEXT: &[&str] = &["concat", "concat_ws", "format"];
