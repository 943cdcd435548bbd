//! `power`, `sqrt`, `exp`, `ln` and `log` over double precision, with PostgreSQL's errors where there is no result.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::call::{no_such_function, over_arrays};
use super::documentation;
use super::error::NumberError;
use super::types::plain;

/// Which function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Function {
    Power,
    SquareRoot,
    Exponential,
    NaturalLogarithm,
    Logarithm,
}

/// One of the functions.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Powers {
    name: &'static str,
    function: Function,
    aliases: Vec<String>,
    signature: Signature,
}

/// The functions; `power` is the operator `^` too.
pub fn functions() -> Vec<ScalarUDF> {
    [
        ("power", Function::Power, vec!["pow".to_string()]),
        ("sqrt", Function::SquareRoot, Vec::new()),
        ("exp", Function::Exponential, Vec::new()),
        ("ln", Function::NaturalLogarithm, Vec::new()),
        ("log", Function::Logarithm, vec!["log10".to_string()]),
    ]
    .map(|(name, function, aliases)| {
        ScalarUDF::from(Powers {
            name,
            function,
            aliases,
            signature: Signature::user_defined(Volatility::Immutable),
        })
    })
    .into()
}

impl Powers {
    fn takes(&self, count: usize) -> bool {
        match self.function {
            Function::Power => count == 2,
            Function::Logarithm => count == 1 || count == 2,
            _ => count == 1,
        }
    }
}

impl ScalarUDFImpl for Powers {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let is_number = |data_type: &DataType| data_type.is_null() || plain(data_type).is_some();
        match self.takes(arg_types.len()) && arg_types.iter().all(is_number) {
            true => Ok(vec![DataType::Float64; arg_types.len()]),
            false => Err(no_such_function(self.name, arg_types).into()),
        }
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn documentation(&self) -> Option<&Documentation> {
        documentation::of(self.name())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        over_arrays(&args, |arrays| {
            let first = arrays[0].as_primitive::<Float64Type>();
            let results: Float64Array = match arrays.get(1) {
                None => first.try_unary(|value| match self.function {
                    Function::SquareRoot => root(value),
                    Function::Exponential => exponential(value),
                    Function::NaturalLogarithm => Ok(positive(value)?.ln()),
                    _ => Ok(positive(value)?.log10()),
                })?,
                Some(second) => first
                    .iter()
                    .zip(second.as_primitive::<Float64Type>().iter())
                    .map(|pair| match (pair, self.function) {
                        ((Some(base), Some(exponent)), Function::Power) => {
                            power(base, exponent).map(Some)
                        }
                        ((Some(base), Some(value)), _) => logarithm(base, value).map(Some),
                        _ => Ok(None),
                    })
                    .collect::<Result<_, NumberError>>()?,
            };
            Ok(Arc::new(results) as ArrayRef)
        })
    }
}

fn power(base: f64, exponent: f64) -> Result<f64, NumberError> {
    if base == 0.0 && exponent < 0.0 {
        return Err(NumberError::InvalidPower(
            "zero raised to a negative power is undefined",
        ));
    }
    if base < 0.0 && exponent.is_finite() && exponent.fract() != 0.0 {
        return Err(NumberError::InvalidPower(
            "a negative number raised to a non-integer power yields a complex result",
        ));
    }
    let result = base.powf(exponent);
    if base.is_finite() && exponent.is_finite() {
        if result.is_infinite() {
            return Err(NumberError::FloatOverflow);
        }
        if result == 0.0 && base != 0.0 {
            return Err(NumberError::FloatUnderflow);
        }
    }
    Ok(result)
}

fn root(value: f64) -> Result<f64, NumberError> {
    match value < 0.0 {
        true => Err(NumberError::InvalidPower(
            "cannot take square root of a negative number",
        )),
        false => Ok(value.sqrt()),
    }
}

fn exponential(value: f64) -> Result<f64, NumberError> {
    let result = value.exp();
    if value.is_finite() && result.is_infinite() {
        return Err(NumberError::FloatOverflow);
    }
    if value.is_finite() && result == 0.0 {
        return Err(NumberError::FloatUnderflow);
    }
    Ok(result)
}

fn positive(value: f64) -> Result<f64, NumberError> {
    if value == 0.0 {
        return Err(NumberError::InvalidLogarithm(
            "cannot take logarithm of zero",
        ));
    }
    if value < 0.0 {
        return Err(NumberError::InvalidLogarithm(
            "cannot take logarithm of a negative number",
        ));
    }
    Ok(value)
}

fn logarithm(base: f64, value: f64) -> Result<f64, NumberError> {
    let (base, value) = (positive(base)?, positive(value)?);
    if base == 1.0 {
        return Err(NumberError::DivisionByZero);
    }
    // Logarithms to these bases are exact where the result is whole.
    Ok(match base {
        2.0 => value.log2(),
        10.0 => value.log10(),
        _ => value.ln() / base.ln(),
    })
}
