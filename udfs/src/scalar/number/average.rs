//! The average of a sum and a count: what `avg(x)` is planned as.
//!
//! PostgreSQL's average of integers and numerics is a numeric with the digits of a quotient, that of floating point
//! numbers a double precision.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::nullif;
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::call::{no_such_function, over_arrays, types_of};
use super::cast::cast_array;
use super::decimal;
use super::types::{Operator, as_decimal, plain, result_type};

/// sum / count, NULL where nothing was counted.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Average {
    signature: Signature,
}

/// The function; it is not called by name.
pub fn function() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(Average {
        signature: Signature::user_defined(Volatility::Immutable),
    }))
}

const COUNT: DataType = DataType::Decimal128(19, 0);

impl ScalarUDFImpl for Average {
    fn name(&self) -> &str {
        "average"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let [sum, _] = arg_types else {
            return Err(no_such_function("avg", arg_types).into());
        };
        let sum = match sum {
            // Intervals and durations are averaged by nobody here.
            DataType::Null => DataType::Float64,
            other => plain(other).ok_or_else(|| no_such_function("avg", &arg_types[..1]))?,
        };
        let sum = as_decimal(&sum).unwrap_or(DataType::Float64);
        Ok(vec![sum, DataType::Int64])
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        match &arg_types[0] {
            DataType::Float64 => Ok(DataType::Float64),
            sum => Ok(result_type(Operator::Divide, sum, &COUNT).unwrap_or(DataType::Float64)),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let data_type = self.return_type(&types_of(&args))?;
        Ok(Arc::new(Field::new("avg", data_type, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let result = args.return_field.data_type().clone();
        over_arrays(&args, |arrays| {
            let counts = arrays[1].as_primitive::<Int64Type>();
            let nothing = counts
                .iter()
                .map(|count| Some(count.unwrap_or(0) == 0))
                .collect();
            let counts: ArrayRef = nullif(counts, &nothing)?;
            if result == DataType::Float64 {
                let sums = arrays[0].as_primitive::<Float64Type>();
                let counts = counts.as_primitive::<Int64Type>();
                let averages = sums.iter().zip(counts.iter());
                let averages = averages.map(|(sum, count)| Some(sum? / count? as f64));
                return Ok(Arc::new(averages.collect::<arrow::array::Float64Array>()) as ArrayRef);
            }
            let counts = cast_array(&counts, &COUNT)?;
            let sums: &dyn Array = &arrays[0];
            Ok(decimal::evaluate(Operator::Divide, sums, &counts, &result)?)
        })
    }
}
