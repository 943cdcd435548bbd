//! `array_fill(value, array[length])`: an array of one value.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, UInt32Array};
use arrow::buffer::OffsetBuffer;
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Int64Type};
use datafusion::error::Result;
use datafusion::logical_expr::Volatility;

use crate::error::FunctionError;
use crate::scalar::columns::{ColumnFunction, Columns};
use crate::scalar::overload::{Kind, Overload};

/// Elements of an array, as many as PostgreSQL allows.
const ELEMENTS_MAX: i64 = 134_217_727;

/// `array_fill`
pub static ARRAY_FILL: ColumnFunction = ColumnFunction {
    name: "array_fill",
    syntax: "array_fill(value, ARRAY[length])",
    description: "An array of one dimension with so many times the same value",
    overloads: &[Overload::new(&[Kind::Any, Kind::Any], Kind::Any)],
    gives: Some(|args| {
        Ok(DataType::new_list(
            args.arg_fields[0].data_type().clone(),
            true,
        ))
    }),
    volatility: Volatility::Immutable,
    body: filled,
};

fn filled(columns: &Columns) -> Result<ArrayRef> {
    let mut rows: Vec<u32> = Vec::new();
    let mut lengths = Vec::with_capacity(columns.rows);
    for row in 0..columns.rows {
        let length = length_at(columns.array(1), row)?;
        rows.extend(std::iter::repeat_n(row as u32, length));
        lengths.push(length);
    }
    let values = take(columns.array(0), &UInt32Array::from(rows), None)?;
    let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    Ok(Arc::new(ListArray::try_new(
        field,
        OffsetBuffer::from_lengths(lengths),
        values,
        None,
    )?))
}

fn length_at(dimensions: &ArrayRef, row: usize) -> Result<usize> {
    let refused = |code, message: &str| Err(FunctionError::new(code, message).into());
    let DataType::List(_) = dimensions.data_type() else {
        return refused("42883", "array_fill takes the lengths as an array");
    };
    let lists = dimensions.as_list::<i32>();
    if lists.is_null(row) {
        return refused("22004", "dimension array or low bound array cannot be null");
    }
    let list = arrow::compute::cast(&lists.value(row), &DataType::Int64)?;
    let lengths = list.as_primitive::<Int64Type>();
    match lengths.len() {
        0 => Ok(0),
        1 if lengths.is_null(0) => refused("22004", "dimension values cannot be null"),
        1 if (0..=ELEMENTS_MAX).contains(&lengths.value(0)) => Ok(lengths.value(0) as usize),
        1 => refused(
            "54000",
            "array size exceeds the maximum allowed (134217727)",
        ),
        _ => refused("0A000", "array_fill makes arrays of one dimension only"),
    }
}
