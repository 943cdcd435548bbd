//! `array_dims(array)`: the bounds of every dimension, `[1:2][1:3]`.

use std::fmt::Write;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::logical_expr::Volatility;

use crate::scalar::columns::{ColumnFunction, Columns};
use crate::scalar::overload::{Kind, Overload};

/// `array_dims`
pub static ARRAY_DIMS: ColumnFunction = ColumnFunction {
    name: "array_dims",
    syntax: "array_dims(array)",
    description: "The bounds of every dimension of an array, such as `[1:2][1:3]`",
    overloads: &[Overload::new(&[Kind::Any], Kind::Text)],
    gives: None,
    volatility: Volatility::Immutable,
    body: bounds,
};

fn bounds(columns: &Columns) -> Result<ArrayRef> {
    let arrays = columns.array(0);
    columns.map_text(|row, out| {
        let mut inner = match arrays.data_type() {
            DataType::List(_) => arrays.as_list::<i32>().value(row),
            _ => return Ok(false),
        };
        loop {
            if inner.is_empty() {
                return Ok(!out.is_empty());
            }
            // Writing to a String cannot fail.
            let _ = write!(out, "[1:{}]", inner.len());
            inner = match inner.data_type() {
                DataType::List(_) if inner.is_valid(0) => inner.as_list::<i32>().value(0),
                _ => return Ok(true),
            };
        }
    })
}
