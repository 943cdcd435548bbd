//! How is a function over arrays called when some of its arguments are constants?

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs};

use super::error::NumberError;
use crate::model::sql_type::sql_type_name;

/// Calls a function over arrays of one length: one row if every argument is a constant, whose result is one too.
pub fn over_arrays(
    args: &ScalarFunctionArgs,
    function: impl Fn(&[ArrayRef]) -> Result<ArrayRef>,
) -> Result<ColumnarValue> {
    let is_constant = |value: &ColumnarValue| matches!(value, ColumnarValue::Scalar(_));
    let all_constant = args.args.iter().all(is_constant);
    let rows = if all_constant { 1 } else { args.number_rows };
    let arrays: Vec<ArrayRef> = args
        .args
        .iter()
        .map(|value| value.to_array(rows))
        .collect::<Result<_>>()?;
    let result = function(&arrays)?;
    if all_constant {
        let value = ScalarValue::try_from_array(&result, 0)?;
        return Ok(ColumnarValue::Scalar(value));
    }
    Ok(ColumnarValue::Array(result))
}

/// Applies a function to every double precision value of an array.
pub fn float_by_float(array: &ArrayRef, function: impl Fn(f64) -> f64) -> ArrayRef {
    let values = array.as_primitive::<Float64Type>();
    std::sync::Arc::new(values.unary::<_, Float64Type>(function))
}

/// The value of an argument that is a whole constant.
pub fn constant_integer(args: &ReturnFieldArgs<'_>, index: usize) -> Option<i64> {
    match args.scalar_arguments.get(index).copied().flatten()? {
        ScalarValue::Int16(Some(value)) => Some(i64::from(*value)),
        ScalarValue::Int32(Some(value)) => Some(i64::from(*value)),
        ScalarValue::Int64(Some(value)) => Some(*value),
        _ => None,
    }
}

/// The types of the arguments.
pub fn types_of(args: &ReturnFieldArgs<'_>) -> Vec<DataType> {
    let types = args.arg_fields.iter();
    types.map(|field| field.data_type().clone()).collect()
}

/// Can the result be NULL: if an argument can.
pub fn is_nullable(args: &ReturnFieldArgs<'_>) -> bool {
    args.arg_fields.iter().any(|field| field.is_nullable())
}

/// 42883 for a call with arguments that the function does not take.
pub fn no_such_function(name: &str, types: &[DataType]) -> NumberError {
    let names: Vec<String> = types.iter().map(sql_type_name).collect();
    NumberError::NoSuchOperator(format!(
        "function {name}({}) does not exist",
        names.join(", ")
    ))
}
