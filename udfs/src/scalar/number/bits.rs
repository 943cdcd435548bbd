//! `~ x`: an integer with every bit turned.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Int16Type, Int32Type, Int64Type};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::call::{no_such_function, over_arrays};
use super::types::plain;

/// The function behind the operator; in PostgreSQL it is called so for integers.
pub const COMPLEMENT: &str = "int4not";

/// The operator `~`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Complement {
    signature: Signature,
}

/// The operator `~` as a function.
pub fn complement() -> ScalarUDF {
    ScalarUDF::from(Complement {
        signature: Signature::user_defined(Volatility::Immutable),
    })
}

impl ScalarUDFImpl for Complement {
    fn name(&self) -> &str {
        COMPLEMENT
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        match arg_types {
            [DataType::Null] => Ok(vec![DataType::Int32]),
            [one] => match plain(one) {
                Some(integer) if integer.is_integer() => Ok(vec![integer]),
                _ => Err(no_such_function("~", arg_types).into()),
            },
            _ => Err(no_such_function("~", arg_types).into()),
        }
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types[0].clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        over_arrays(&args, |arrays| {
            let array = &arrays[0];
            Ok(match array.data_type() {
                DataType::Int16 => Arc::new(
                    array
                        .as_primitive::<Int16Type>()
                        .unary::<_, Int16Type>(|bits| !bits),
                ),
                DataType::Int32 => Arc::new(
                    array
                        .as_primitive::<Int32Type>()
                        .unary::<_, Int32Type>(|bits| !bits),
                ),
                _ => Arc::new(
                    array
                        .as_primitive::<Int64Type>()
                        .unary::<_, Int64Type>(|bits| !bits),
                ),
            })
        })
    }
}
