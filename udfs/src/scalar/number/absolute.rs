//! `abs(x)` and `@ x`: a number without its sign.

use std::sync::Arc;

use arrow::array::{ArrayRef, ArrowPrimitiveType, AsArray};
use arrow::datatypes::{
    ArrowNativeTypeOp, DataType, Decimal128Type, Decimal256Type, Field, FieldRef, Float32Type,
    Float64Type, Int16Type, Int32Type, Int64Type,
};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};

use super::arithmetic::bare_if_one_is;
use super::call::{is_nullable, no_such_function, over_arrays};
use super::documentation;
use super::error::{NumberError, sql_name};
use super::types::plain;

/// The function `abs`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Absolute {
    signature: Signature,
}

/// The function `abs`.
pub fn function() -> ScalarUDF {
    ScalarUDF::from(Absolute {
        signature: Signature::user_defined(Volatility::Immutable),
    })
}

impl ScalarUDFImpl for Absolute {
    fn name(&self) -> &str {
        "abs"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        match arg_types {
            [DataType::Null] => Some(vec![DataType::Float64]),
            [one] => plain(one).map(|one| vec![one]),
            _ => None,
        }
        .ok_or_else(|| no_such_function(self.name(), arg_types).into())
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types[0].clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let data_type = args.arg_fields[0].data_type().clone();
        let field = Field::new(self.name(), data_type, is_nullable(&args));
        Ok(Arc::new(bare_if_one_is(field, args.arg_fields)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        documentation::of(self.name())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        over_arrays(&args, |arrays| {
            let array = &arrays[0];
            Ok(match array.data_type() {
                DataType::Int16 => integers::<Int16Type>(array)?,
                DataType::Int32 => integers::<Int32Type>(array)?,
                DataType::Int64 => integers::<Int64Type>(array)?,
                DataType::Float32 => Arc::new(
                    array
                        .as_primitive::<Float32Type>()
                        .unary::<_, Float32Type>(f32::abs),
                ),
                DataType::Float64 => Arc::new(
                    array
                        .as_primitive::<Float64Type>()
                        .unary::<_, Float64Type>(f64::abs),
                ),
                DataType::Decimal128(..) => {
                    let values = array.as_primitive::<Decimal128Type>();
                    let values = values.unary::<_, Decimal128Type>(i128::wrapping_abs);
                    Arc::new(values.with_data_type(array.data_type().clone()))
                }
                DataType::Decimal256(..) => {
                    let values = array.as_primitive::<Decimal256Type>();
                    let values = values.unary::<_, Decimal256Type>(|value| value.wrapping_abs());
                    Arc::new(values.with_data_type(array.data_type().clone()))
                }
                other => return Err(no_such_function("abs", std::slice::from_ref(other)).into()),
            })
        })
    }
}

fn integers<T: ArrowPrimitiveType>(array: &ArrayRef) -> Result<ArrayRef, NumberError> {
    let values = array.as_primitive::<T>();
    let zero = T::default_value();
    let absolute = values.try_unary::<_, T, NumberError>(|value| {
        if value >= zero {
            return Ok(value);
        }
        let overflow = |_| NumberError::OutOfRange(sql_name(&T::DATA_TYPE));
        value.neg_checked().map_err(overflow)
    })?;
    Ok(Arc::new(absolute))
}
