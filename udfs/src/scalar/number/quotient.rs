//! `div(a, b)`: how often b fits whole into a.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Decimal256Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal256Type, i256};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::call::{no_such_function, over_arrays};
use super::decimal::rescale;
use super::documentation;
use super::error::NumberError;
use super::types::{as_decimal, digits, plain};

/// The function `div`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct WholeQuotient {
    signature: Signature,
}

/// The function `div`.
pub fn function() -> ScalarUDF {
    ScalarUDF::from(WholeQuotient {
        signature: Signature::user_defined(Volatility::Immutable),
    })
}

const RESULT: DataType = DataType::Decimal256(76, 0);

impl ScalarUDFImpl for WholeQuotient {
    fn name(&self) -> &str {
        "div"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let numeric = |data_type: &DataType| match data_type {
            DataType::Null => Some(RESULT),
            other => plain(other).and_then(|number| as_decimal(&number)),
        };
        match arg_types {
            [a, b] => numeric(a).zip(numeric(b)).map(|(a, b)| vec![a, b]),
            _ => None,
        }
        .ok_or_else(|| no_such_function(self.name(), arg_types).into())
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(RESULT)
    }

    fn documentation(&self) -> Option<&Documentation> {
        documentation::of(self.name())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        over_arrays(&args, |arrays| {
            let (dividends, divisors) = (wide(&arrays[0])?, wide(&arrays[1])?);
            let scale = |array: &ArrayRef| {
                digits(array.data_type()).map_or(0, |(_, scale)| i32::from(scale))
            };
            let (a_scale, b_scale) = (scale(&arrays[0]), scale(&arrays[1]));
            let common = a_scale.max(b_scale);
            let quotient = |a: i256, b: i256| -> Result<i256, NumberError> {
                let (a, b) = (rescale(a, a_scale, common)?, rescale(b, b_scale, common)?);
                a.checked_div(b).ok_or(NumberError::DivisionByZero)
            };
            let dividends = dividends.as_primitive::<Decimal256Type>();
            let divisors = divisors.as_primitive::<Decimal256Type>();
            let quotients: Decimal256Array = dividends
                .iter()
                .zip(divisors.iter())
                .map(|pair| match pair {
                    (Some(a), Some(b)) => quotient(a, b).map(Some),
                    _ => Ok(None),
                })
                .collect::<Result<_, NumberError>>()?;
            Ok(Arc::new(quotients.with_data_type(RESULT)) as ArrayRef)
        })
    }
}

fn wide(array: &ArrayRef) -> Result<ArrayRef> {
    let (_, scale) = digits(array.data_type()).unwrap_or_default();
    Ok(cast(array, &DataType::Decimal256(76, scale as i8))?)
}
