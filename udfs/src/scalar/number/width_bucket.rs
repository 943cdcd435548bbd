//! `width_bucket(x, low, high, count)`: the number of the bucket that x falls into.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int32Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int32Type};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::call::{no_such_function, over_arrays};
use super::documentation;
use super::error::NumberError;
use super::types::plain;

/// The function `width_bucket`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct WidthBucket {
    signature: Signature,
}

/// The function `width_bucket`.
pub fn function() -> ScalarUDF {
    ScalarUDF::from(WidthBucket {
        signature: Signature::user_defined(Volatility::Immutable),
    })
}

impl ScalarUDFImpl for WidthBucket {
    fn name(&self) -> &str {
        "width_bucket"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let is_number = |data_type: &DataType| data_type.is_null() || plain(data_type).is_some();
        let is_whole = |data_type: &DataType| data_type.is_null() || data_type.is_integer();
        match arg_types {
            [numbers @ .., count] if numbers.len() == 3 => {
                if !numbers.iter().all(is_number) || !is_whole(count) {
                    return Err(no_such_function(self.name(), arg_types).into());
                }
                let mut types = vec![DataType::Float64; 3];
                types.push(DataType::Int32);
                Ok(types)
            }
            _ => Err(no_such_function(self.name(), arg_types).into()),
        }
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int32)
    }

    fn documentation(&self) -> Option<&Documentation> {
        documentation::of(self.name())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        over_arrays(&args, |arrays| {
            let floats = arrays[..3]
                .iter()
                .map(|array| cast(array, &DataType::Float64))
                .collect::<Result<Vec<_>, _>>()?;
            let float = |index: usize| floats[index].as_primitive::<Float64Type>().iter();
            let counts = arrays[3].as_primitive::<Int32Type>();
            let rows = float(0).zip(float(1)).zip(float(2)).zip(counts.iter());
            let buckets: Int32Array = rows
                .map(
                    |(((value, low), high), count)| match (value, low, high, count) {
                        (Some(value), Some(low), Some(high), Some(count)) => {
                            bucket(value, low, high, count).map(Some)
                        }
                        _ => Ok(None),
                    },
                )
                .collect::<Result<_, NumberError>>()?;
            Ok(Arc::new(buckets) as ArrayRef)
        })
    }
}

fn bucket(value: f64, low: f64, high: f64, count: i32) -> Result<i32, NumberError> {
    if count <= 0 {
        return Err(NumberError::InvalidBuckets(
            "count must be greater than zero",
        ));
    }
    if value.is_nan() || low.is_nan() || high.is_nan() {
        return Err(NumberError::InvalidBuckets(
            "operand, lower bound, and upper bound cannot be NaN",
        ));
    }
    if !low.is_finite() || !high.is_finite() {
        return Err(NumberError::InvalidBuckets(
            "lower and upper bounds must be finite",
        ));
    }
    if low == high {
        return Err(NumberError::InvalidBuckets(
            "lower bound cannot equal upper bound",
        ));
    }
    let (before, behind) = match low < high {
        true => (value < low, value >= high),
        false => (value > low, value <= high),
    };
    if before {
        return Ok(0);
    }
    if behind {
        return count
            .checked_add(1)
            .ok_or(NumberError::OutOfRange("integer"));
    }
    let place = ((value - low) / (high - low) * f64::from(count)) as i32;
    Ok(place.clamp(0, count - 1) + 1)
}
