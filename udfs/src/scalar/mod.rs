//! The functions of a SELECT list, a file each.

pub mod call;
pub mod predict;
pub mod predict_proba;
pub mod predict_struct;
#[cfg(test)]
mod tests;
