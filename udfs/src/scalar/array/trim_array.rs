//! `trim_array(array, n)`: the array without its last n elements.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, ListArray, UInt32Array};
use arrow::buffer::OffsetBuffer;
use arrow::compute::take;
use arrow::datatypes::{DataType, Int32Type};
use datafusion::common::exec_err;
use datafusion::error::Result;
use datafusion::logical_expr::Volatility;

use crate::error::FunctionError;
use crate::scalar::columns::{ColumnFunction, Columns};
use crate::scalar::overload::{Kind, Overload};

/// `trim_array`
pub static TRIM_ARRAY: ColumnFunction = ColumnFunction {
    name: "trim_array",
    syntax: "trim_array(array, n)",
    description: "The array without its last n elements",
    overloads: &[Overload::new(&[Kind::Any, Kind::Int4], Kind::Any)],
    gives: Some(|args| Ok(args.arg_fields[0].data_type().clone())),
    volatility: Volatility::Immutable,
    body: trimmed,
};

fn trimmed(columns: &Columns) -> Result<ArrayRef> {
    let DataType::List(field) = columns.data_type(0) else {
        return exec_err!("trim_array takes an array");
    };
    let lists = columns.array(0).as_list::<i32>();
    let counts = columns.primitive::<Int32Type>(1);
    let nulls = columns.nulls();
    let mut kept: Vec<u32> = Vec::new();
    let mut lengths = Vec::with_capacity(columns.rows);
    for row in 0..columns.rows {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            lengths.push(0);
            continue;
        }
        let length = lists.value_length(row);
        let count = counts.value(row);
        if count < 0 || count > length {
            return Err(FunctionError::new(
                "2202E",
                format!("number of elements to trim must be between 0 and {length}"),
            )
            .into());
        }
        let first = lists.value_offsets()[row] as u32;
        let left = (length - count) as u32;
        kept.extend(first..first + left);
        lengths.push(left as usize);
    }
    let values = take(lists.values(), &UInt32Array::from(kept), None)?;
    Ok(Arc::new(ListArray::try_new(
        Arc::clone(field),
        OffsetBuffer::from_lengths(lengths),
        values,
        nulls,
    )?))
}
