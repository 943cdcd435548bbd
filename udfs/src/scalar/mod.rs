//! The functions of a SELECT list, a file each.

pub mod array;
pub mod call;
pub mod coefficients;
pub mod columns;
pub mod describe;
pub mod number;
pub mod overload;
pub mod predict;
pub mod predict_proba;
pub mod predict_struct;
pub mod regex;
pub mod series;
pub mod template;
#[cfg(test)]
mod tests;
pub mod text;
pub mod time;
pub mod value_call;
pub mod whole_numbers;
