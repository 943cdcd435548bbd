//! What do floating point numbers do where PostgreSQL refuses: infinite sums, products of nothing, zero divisors?

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::compute::kernels::arity::binary;
use arrow::datatypes::{DataType, Float32Type, Float64Type};

use super::error::NumberError;
use super::types::Operator;

/// A floating point number.
pub trait Float: Copy + PartialEq {
    /// zero
    const ZERO: Self;
    /// the operation itself
    fn apply(self, operator: Operator, other: Self) -> Self;
    /// NaN?
    fn is_nan(self) -> bool;
    /// one of the infinities?
    fn is_infinite(self) -> bool;
}

macro_rules! float {
    ($native:ty) => {
        impl Float for $native {
            const ZERO: Self = 0.0;

            #[inline(always)]
            fn apply(self, operator: Operator, other: Self) -> Self {
                match operator {
                    Operator::Add => self + other,
                    Operator::Subtract => self - other,
                    Operator::Multiply => self * other,
                    Operator::Divide => self / other,
                    Operator::Modulo => self % other,
                }
            }

            fn is_nan(self) -> bool {
                self.is_nan()
            }

            fn is_infinite(self) -> bool {
                self.is_infinite()
            }
        }
    };
}

float!(f32);
float!(f64);

/// An operator over two arrays of one length and floating point type.
pub fn evaluate(
    operator: Operator,
    left: &dyn Array,
    right: &dyn Array,
) -> Result<ArrayRef, NumberError> {
    match left.data_type() {
        DataType::Float32 => typed::<Float32Type>(operator, left, right),
        _ => typed::<Float64Type>(operator, left, right),
    }
}

fn typed<T>(
    operator: Operator,
    left: &dyn Array,
    right: &dyn Array,
) -> Result<ArrayRef, NumberError>
where
    T: ArrowPrimitiveType,
    T::Native: Float,
{
    let (left, right) = (left.as_primitive::<T>(), right.as_primitive::<T>());
    let results: PrimitiveArray<T> = match operator {
        Operator::Add => binary(left, right, |a, b| a.apply(Operator::Add, b)),
        Operator::Subtract => binary(left, right, |a, b| a.apply(Operator::Subtract, b)),
        Operator::Multiply => binary(left, right, |a, b| a.apply(Operator::Multiply, b)),
        Operator::Divide => binary(left, right, |a, b| a.apply(Operator::Divide, b)),
        Operator::Modulo => binary(left, right, |a, b| a.apply(Operator::Modulo, b)),
    }
    .map_err(|_| NumberError::FloatOverflow)?;
    let is_suspect =
        |value: T::Native| value.is_infinite() || value.is_nan() || value == T::Native::ZERO;
    // One pass that rarely finds anything: overflow gives infinities, underflow gives zeros.
    if results.values().iter().any(|value| is_suspect(*value)) {
        for row in (0..results.len()).filter(|row| results.is_valid(*row)) {
            check(
                operator,
                left.value(row),
                right.value(row),
                results.value(row),
            )?;
        }
    }
    Ok(Arc::new(results))
}

fn check<F: Float>(operator: Operator, a: F, b: F, result: F) -> Result<(), NumberError> {
    let is_division = matches!(operator, Operator::Divide | Operator::Modulo);
    if is_division && b == F::ZERO && !a.is_nan() {
        return Err(NumberError::DivisionByZero);
    }
    if result.is_infinite() && !a.is_infinite() && (is_division || !b.is_infinite()) {
        return Err(NumberError::FloatOverflow);
    }
    let vanished = match operator {
        Operator::Multiply => a != F::ZERO && b != F::ZERO,
        Operator::Divide => a != F::ZERO && !b.is_infinite(),
        _ => false,
    };
    if result == F::ZERO && vanished {
        return Err(NumberError::FloatUnderflow);
    }
    Ok(())
}
