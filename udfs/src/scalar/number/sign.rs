//! `sign(x)`: -1, 0 or 1.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Decimal128Type, Decimal256Type};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::call::{float_by_float, no_such_function, over_arrays};
use super::documentation;
use super::types::plain;

/// The function `sign`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Sign {
    signature: Signature,
}

/// The function `sign`.
pub fn function() -> ScalarUDF {
    ScalarUDF::from(Sign {
        signature: Signature::user_defined(Volatility::Immutable),
    })
}

const NUMERIC: DataType = DataType::Decimal128(1, 0);

impl ScalarUDFImpl for Sign {
    fn name(&self) -> &str {
        "sign"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let one = match arg_types {
            [DataType::Null] => Some(DataType::Float64),
            [one] => plain(one),
            _ => None,
        };
        match one {
            Some(one) if one.is_decimal() => Ok(vec![one]),
            Some(_) => Ok(vec![DataType::Float64]),
            None => Err(no_such_function(self.name(), arg_types).into()),
        }
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(match arg_types[0].is_decimal() {
            true => NUMERIC,
            false => DataType::Float64,
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        documentation::of(self.name())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        over_arrays(&args, |arrays| {
            let array = &arrays[0];
            Ok(match array.data_type() {
                DataType::Decimal128(..) => {
                    let values = array.as_primitive::<Decimal128Type>();
                    let signs = values.unary::<_, Decimal128Type>(i128::signum);
                    Arc::new(signs.with_data_type(NUMERIC)) as ArrayRef
                }
                DataType::Decimal256(..) => {
                    let values = array.as_primitive::<Decimal256Type>();
                    let signs = values.unary::<_, Decimal128Type>(|value| value.signum().as_i128());
                    Arc::new(signs.with_data_type(NUMERIC))
                }
                _ => float_by_float(array, |value| match value {
                    0.0 => 0.0,
                    nan if nan.is_nan() => nan,
                    other => other.signum(),
                }),
            })
        })
    }
}
