//! `gcd(a, b)` and `lcm(a, b)`: the greatest common divisor and the least common multiple of integers.

use std::sync::Arc;

use arrow::array::{ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::call::{no_such_function, over_arrays};
use super::documentation;
use super::error::{NumberError, sql_name};
use super::types::operand_types;

/// One of the two functions.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Divisors {
    is_multiple: bool,
    signature: Signature,
}

/// Both functions.
pub fn functions() -> [ScalarUDF; 2] {
    [false, true].map(|is_multiple| {
        ScalarUDF::from(Divisors {
            is_multiple,
            signature: Signature::user_defined(Volatility::Immutable),
        })
    })
}

impl ScalarUDFImpl for Divisors {
    fn name(&self) -> &str {
        match self.is_multiple {
            true => "lcm",
            false => "gcd",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let common = match arg_types {
            [a, b] => operand_types(a, b).map(|(common, _)| common),
            _ => None,
        };
        match common {
            Some(DataType::Int16 | DataType::Int32) => Ok(vec![DataType::Int32; 2]),
            Some(DataType::Int64) => Ok(vec![DataType::Int64; 2]),
            _ => Err(no_such_function(self.name(), arg_types).into()),
        }
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types[0].clone())
    }

    fn documentation(&self) -> Option<&Documentation> {
        documentation::of(self.name())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        over_arrays(&args, |arrays| match arrays[0].data_type() {
            DataType::Int32 => Ok(evaluate::<Int32Type>(self.is_multiple, arrays)?),
            _ => Ok(evaluate::<Int64Type>(self.is_multiple, arrays)?),
        })
    }
}

fn evaluate<T>(is_multiple: bool, arrays: &[ArrayRef]) -> Result<ArrayRef, NumberError>
where
    T: ArrowPrimitiveType,
    T::Native: Into<i64> + TryFrom<u128>,
{
    let (a, b) = (arrays[0].as_primitive::<T>(), arrays[1].as_primitive::<T>());
    let one = |a: T::Native, b: T::Native| {
        let (a, b): (i64, i64) = (a.into(), b.into());
        let (a, b) = (u128::from(a.unsigned_abs()), u128::from(b.unsigned_abs()));
        let divisor = greatest(a, b);
        let result = match (is_multiple, divisor) {
            (false, divisor) => divisor,
            (true, 0) => 0,
            (true, divisor) => a / divisor * b,
        };
        T::Native::try_from(result).map_err(|_| NumberError::OutOfRange(sql_name(&T::DATA_TYPE)))
    };
    let results: PrimitiveArray<T> = a
        .iter()
        .zip(b.iter())
        .map(|pair| match pair {
            (Some(a), Some(b)) => one(a, b).map(Some),
            _ => Ok(None),
        })
        .collect::<Result<_, _>>()?;
    Ok(Arc::new(results))
}

fn greatest(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
