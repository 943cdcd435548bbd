//! Functions of arrays.

pub mod array_dims;
pub mod array_fill;
pub mod trim_array;

use super::columns::ColumnFunction;

/// Every function of this folder.
pub static FUNCTIONS: &[&ColumnFunction] = &[
    &array_dims::ARRAY_DIMS,
    &array_fill::ARRAY_FILL,
    &trim_array::TRIM_ARRAY,
];
