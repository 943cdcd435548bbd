//! `x::integer`, `x::numeric(10, 2)`: a number as another type of numbers.
//!
//! Numerics round half away from zero and floating point numbers to the even neighbour, as in PostgreSQL; arrow
//! would cut both. The engine puts this function where a cast between numbers can lose something.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Decimal128Type, Decimal256Type, Field, FieldRef, Float64Type, Int16Type, Int32Type,
    Int64Type, i256,
};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::scalar::ScalarValue;

use super::call::is_nullable;
use super::decimal::{rescale, wide_ten};
use super::error::{NumberError, sql_name};
use super::types::{as_decimal, digits, plain};

/// Where a product with a power of ten is exact enough to be rounded as it is.
const EXACT_MAX: f64 = 1e15;

/// How near to a tie a product decides nothing, since the factor was binary.
const TIE_WIDTH: f64 = 1e-6;

/// A cast to one type of numbers.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct NumberCast {
    target: FieldRef,
    signature: Signature,
}

impl NumberCast {
    /// The cast to the type of a field.
    pub fn function(target: FieldRef) -> ScalarUDF {
        ScalarUDF::from(NumberCast {
            target,
            signature: Signature::any(1, Volatility::Immutable),
        })
    }
}

/// Does a cast between these types need the function: both numbers, and arrow would answer otherwise?
pub fn is_lossy(from: &DataType, to: &DataType) -> bool {
    let Some(from) = plain(from) else {
        return false;
    };
    match to {
        DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            !from.is_integer() || from.primitive_width() > to.primitive_width()
        }
        DataType::Decimal128(..) | DataType::Decimal256(..) => !holds(to, &from),
        _ => false,
    }
}

/// Has a numeric room for every value of a type, before the point and behind it?
fn holds(numeric: &DataType, from: &DataType) -> bool {
    let from = as_decimal(from).as_ref().and_then(digits);
    let (Some((precision, scale)), Some((needed, needed_scale))) = (digits(numeric), from) else {
        return false;
    };
    scale >= needed_scale && precision - scale >= needed - needed_scale
}

impl ScalarUDFImpl for NumberCast {
    fn name(&self) -> &str {
        match self.target.data_type() {
            DataType::Int16 => "cast_to_int2",
            DataType::Int32 => "cast_to_int4",
            DataType::Int64 => "cast_to_int8",
            _ => "cast_to_numeric",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(self.target.data_type().clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let metadata = self.target.metadata().clone();
        let data_type = self.target.data_type().clone();
        let field = Field::new(self.name(), data_type, is_nullable(&args));
        Ok(Arc::new(field.with_metadata(metadata)))
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let target = self.target.data_type();
        match &args.args[0] {
            ColumnarValue::Array(array) => Ok(ColumnarValue::Array(cast_array(array, target)?)),
            ColumnarValue::Scalar(scalar) => {
                let array = cast_array(&scalar.to_array()?, target)?;
                let value = ScalarValue::try_from_array(&array, 0)?;
                Ok(ColumnarValue::Scalar(value))
            }
        }
    }
}

/// The numbers of an array as another type of numbers.
pub fn cast_array(array: &ArrayRef, target: &DataType) -> Result<ArrayRef> {
    let from = match plain(array.data_type()) {
        Some(from) if &from != array.data_type() => {
            return cast_array(&cast(array, &from)?, target);
        }
        Some(from) => from,
        None => return Ok(cast(array, target)?),
    };
    match target {
        DataType::Int16 => Ok(to_integer::<Int16Type>(array, &from)?),
        DataType::Int32 => Ok(to_integer::<Int32Type>(array, &from)?),
        DataType::Int64 => Ok(to_integer::<Int64Type>(array, &from)?),
        DataType::Decimal128(precision, scale) => {
            let size = Size::new(*precision, *scale);
            let narrow = |value: i256| value.to_i128().ok_or(size.overflow());
            let values = to_decimal::<Decimal128Type>(array, &from, size, narrow)?;
            Ok(Arc::new(values.with_data_type(target.clone())))
        }
        DataType::Decimal256(precision, scale) => {
            let size = Size::new(*precision, *scale);
            let values = to_decimal::<Decimal256Type>(array, &from, size, Ok)?;
            Ok(Arc::new(values.with_data_type(target.clone())))
        }
        other => Ok(cast(array, other)?),
    }
}

fn to_integer<T>(array: &ArrayRef, from: &DataType) -> Result<ArrayRef, NumberError>
where
    T: ArrowPrimitiveType,
    T::Native: TryFrom<i128> + TryFrom<i64>,
{
    let out_of_range = || NumberError::OutOfRange(sql_name(&T::DATA_TYPE));
    let of_i128 = |value: i128| T::Native::try_from(value).map_err(|_| out_of_range());
    let result: PrimitiveArray<T> = match from {
        DataType::Decimal128(_, scale) => {
            let values = array.as_primitive::<Decimal128Type>();
            let scale = i32::from(*scale);
            values.try_unary(|value| {
                let whole = rescale(i256::from_i128(value), scale, 0)?;
                whole.to_i128().ok_or_else(out_of_range).and_then(of_i128)
            })?
        }
        DataType::Decimal256(_, scale) => {
            let values = array.as_primitive::<Decimal256Type>();
            let scale = i32::from(*scale);
            values.try_unary(|value| {
                let whole = rescale(value, scale, 0)?;
                whole.to_i128().ok_or_else(out_of_range).and_then(of_i128)
            })?
        }
        DataType::Float32 | DataType::Float64 => {
            let values = cast(array, &DataType::Float64).map_err(|_| out_of_range())?;
            // 2^63 itself is no bigint, and i128 holds every float below 2^64.
            values.as_primitive::<Float64Type>().try_unary(|value| {
                let rounded = value.round_ties_even();
                match rounded.abs() < 1e19 {
                    true => of_i128(rounded as i128),
                    false => Err(out_of_range()),
                }
            })?
        }
        _ => {
            let values = cast(array, &DataType::Int64).map_err(|_| out_of_range())?;
            let values = values.as_primitive::<Int64Type>();
            values.try_unary(|value| T::Native::try_from(value).map_err(|_| out_of_range()))?
        }
    };
    Ok(Arc::new(result))
}

/// Precision and scale of a target.
#[derive(Clone, Copy)]
struct Size {
    precision: u8,
    scale: i8,
    bound: i256,
}

impl Size {
    fn new(precision: u8, scale: i8) -> Self {
        Self {
            precision,
            scale,
            bound: wide_ten(u32::from(precision)),
        }
    }

    fn overflow(&self) -> NumberError {
        NumberError::FieldOverflow {
            precision: self.precision,
            scale: self.scale,
        }
    }

    fn fit(&self, value: i256, scale: i32) -> Result<i256, NumberError> {
        let value = rescale(value, scale, i32::from(self.scale)).map_err(|_| self.overflow())?;
        match value.wrapping_abs() < self.bound {
            true => Ok(value),
            false => Err(self.overflow()),
        }
    }
}

fn to_decimal<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    from: &DataType,
    size: Size,
    narrow: impl Fn(i256) -> Result<T::Native, NumberError>,
) -> Result<PrimitiveArray<T>, NumberError> {
    match from {
        DataType::Decimal128(_, scale) => {
            let values = array.as_primitive::<Decimal128Type>();
            let scale = i32::from(*scale);
            values.try_unary(|value| narrow(size.fit(i256::from_i128(value), scale)?))
        }
        DataType::Decimal256(_, scale) => {
            let values = array.as_primitive::<Decimal256Type>();
            let scale = i32::from(*scale);
            values.try_unary(|value| narrow(size.fit(value, scale)?))
        }
        DataType::Float32 | DataType::Float64 => {
            // A real has 6 digits that count, a double precision 15.
            let digits = if from == &DataType::Float32 { 6 } else { 15 };
            let values = cast(array, &DataType::Float64).map_err(|_| size.overflow())?;
            let values = values.as_primitive::<Float64Type>();
            values.try_unary(|value| narrow(float_digits(value, digits, size)?))
        }
        _ => {
            let values = cast(array, &DataType::Int64).map_err(|_| size.overflow())?;
            let values = values.as_primitive::<Int64Type>();
            values.try_unary(|value| narrow(size.fit(i256::from_i128(i128::from(value)), 0)?))
        }
    }
}

/// A floating point number's digits that count, at the scale of `size`.
fn float_digits(value: f64, digits: usize, size: Size) -> Result<i256, NumberError> {
    if !value.is_finite() {
        return Err(NumberError::NotFinite {
            value: if value.is_nan() { "NaN" } else { "infinity" },
            target: "numeric",
        });
    }
    let scaled = value * 10f64.powi(i32::from(size.scale));
    let is_exact =
        digits == 15 && scaled.abs() < EXACT_MAX && (scaled.fract().abs() - 0.5).abs() > TIE_WIDTH;
    if is_exact {
        return size.fit(
            i256::from_i128(scaled.round() as i128),
            i32::from(size.scale),
        );
    }
    let text = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().map_err(|_| size.overflow())?;
    let mantissa: i128 = mantissa
        .replace('.', "")
        .parse()
        .map_err(|_| size.overflow())?;
    size.fit(i256::from_i128(mantissa), digits as i32 - 1 - exponent)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array};
    use arrow::datatypes::{DataType, Decimal128Type, Int32Type};

    use super::cast_array;

    #[test]
    fn numbers_are_rounded_not_cut() {
        let numerics = Decimal128Array::from(vec![25, 35, -25, 24])
            .with_precision_and_scale(5, 1)
            .unwrap();
        let numerics: ArrayRef = Arc::new(numerics);
        let integers = cast_array(&numerics, &DataType::Int32).unwrap();
        assert_eq!(
            integers.as_primitive::<Int32Type>().values(),
            &[3, 4, -3, 2]
        );
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![2.5, 3.5, -2.5, 2.4]));
        let integers = cast_array(&floats, &DataType::Int32).unwrap();
        assert_eq!(
            integers.as_primitive::<Int32Type>().values(),
            &[2, 4, -2, 2]
        );
    }

    #[test]
    fn floats_become_the_numeric_that_is_shown() {
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![0.285, 0.1, 1e20]));
        let numerics = cast_array(&floats, &DataType::Decimal128(38, 2)).unwrap();
        let values = numerics.as_primitive::<Decimal128Type>();
        assert_eq!(values.values(), &[29, 10, 10_000_000_000_000_000_000_000]);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let large: ArrayRef = Arc::new(Int64Array::from(vec![40_000]));
        for (target, message) in [
            (DataType::Int16, "smallint out of range"),
            (DataType::Decimal128(4, 2), "numeric field overflow"),
        ] {
            let error = cast_array(&large, &target).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
        let nothing: ArrayRef = Arc::new(Float64Array::from(vec![f64::NAN]));
        assert!(cast_array(&nothing, &DataType::Int32).is_err());
        let null: ArrayRef = Arc::new(Int64Array::from(vec![None::<i64>]));
        assert_eq!(cast_array(&null, &DataType::Int16).unwrap().null_count(), 1);
    }
}
