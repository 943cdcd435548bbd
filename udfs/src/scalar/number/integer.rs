//! How do integers add up fast and still tell when a result does not fit?
//!
//! Results and an overflow mark are computed without a branch per row, which the compiler turns into vector
//! instructions. Only a batch with a mark is looked at again: what stands below a NULL may overflow freely.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::buffer::{NullBuffer, ScalarBuffer};

use super::error::{NumberError, sql_name};
use super::types::Operator;

/// A signed integer whose operations tell overflow.
pub trait Checked: Copy + PartialEq + Default {
    /// a + b, cut to the width, and whether it was cut.
    fn add(self, other: Self) -> (Self, bool);
    /// a - b
    fn subtract(self, other: Self) -> (Self, bool);
    /// a * b
    fn multiply(self, other: Self) -> (Self, bool);
    /// a / b for b other than 0
    fn divide(self, other: Self) -> (Self, bool);
    /// a % b for b other than 0
    fn modulo(self, other: Self) -> (Self, bool);
}

macro_rules! checked {
    ($native:ty, $multiply:expr) => {
        impl Checked for $native {
            #[inline(always)]
            fn add(self, other: Self) -> (Self, bool) {
                let sum = self.wrapping_add(other);
                (sum, (self ^ sum) & (other ^ sum) < 0)
            }

            #[inline(always)]
            fn subtract(self, other: Self) -> (Self, bool) {
                let difference = self.wrapping_sub(other);
                (difference, (self ^ other) & (self ^ difference) < 0)
            }

            #[inline(always)]
            fn multiply(self, other: Self) -> (Self, bool) {
                $multiply(self, other)
            }

            #[inline(always)]
            fn divide(self, other: Self) -> (Self, bool) {
                self.overflowing_div(other)
            }

            #[inline(always)]
            fn modulo(self, other: Self) -> (Self, bool) {
                // The smallest number modulo -1 is 0, which fits.
                (self.wrapping_rem(other), false)
            }
        }
    };
}

checked!(i16, |a: i16, b: i16| {
    let product = i32::from(a) * i32::from(b);
    (product as i16, i32::from(product as i16) != product)
});
checked!(i32, |a: i32, b: i32| {
    let product = i64::from(a) * i64::from(b);
    (product as i32, i64::from(product as i32) != product)
});
checked!(i64, i64::overflowing_mul);

/// The operands of a batch: a column each, or one value for all rows.
#[derive(Clone, Copy)]
enum Values<'a, N> {
    Columns(&'a [N], &'a [N]),
    Left(N, &'a [N]),
    Right(&'a [N], N),
}

/// An operator over two arrays of one integer type; the flags say which are one value for every row.
pub fn evaluate<T>(
    operator: Operator,
    left: &dyn Array,
    right: &dyn Array,
    (is_left_scalar, is_right_scalar): (bool, bool),
) -> Result<ArrayRef, NumberError>
where
    T: ArrowPrimitiveType,
    T::Native: Checked,
{
    let (left, right) = (left.as_primitive::<T>(), right.as_primitive::<T>());
    let rows = if is_left_scalar {
        right.len()
    } else {
        left.len()
    };
    let scalar_is_null =
        (is_left_scalar && left.is_null(0)) || (is_right_scalar && right.is_null(0));
    if scalar_is_null {
        return Ok(Arc::new(PrimitiveArray::<T>::new_null(rows)));
    }
    let (values, nulls) = match (is_left_scalar, is_right_scalar) {
        (true, false) => (
            Values::Left(left.value(0), right.values()),
            right.nulls().cloned(),
        ),
        (false, true) => (
            Values::Right(left.values(), right.value(0)),
            left.nulls().cloned(),
        ),
        _ => (
            Values::Columns(left.values(), right.values()),
            NullBuffer::union(left.nulls(), right.nulls()),
        ),
    };
    let name = sql_name(&T::DATA_TYPE);
    let results = match operator {
        Operator::Add => apply(values, nulls.as_ref(), T::Native::add, name)?,
        Operator::Subtract => apply(values, nulls.as_ref(), T::Native::subtract, name)?,
        Operator::Multiply => apply(values, nulls.as_ref(), T::Native::multiply, name)?,
        Operator::Divide | Operator::Modulo => {
            divide::<T::Native>(operator, values, nulls.as_ref(), name)?
        }
    };
    Ok(Arc::new(PrimitiveArray::<T>::new(
        ScalarBuffer::from(results),
        nulls,
    )))
}

#[inline(always)]
fn apply<N: Checked>(
    values: Values<'_, N>,
    nulls: Option<&NullBuffer>,
    operation: impl Fn(N, N) -> (N, bool) + Copy,
    name: &'static str,
) -> Result<Vec<N>, NumberError> {
    let mut overflowed = false;
    let mut note = |(value, is_cut): (N, bool)| {
        overflowed |= is_cut;
        value
    };
    let results: Vec<N> = match values {
        Values::Columns(left, right) => left
            .iter()
            .zip(right)
            .map(|(a, b)| note(operation(*a, *b)))
            .collect(),
        Values::Left(a, right) => right.iter().map(|b| note(operation(a, *b))).collect(),
        Values::Right(left, b) => left.iter().map(|a| note(operation(*a, b))).collect(),
    };
    if overflowed && any_valid(values, nulls, |a, b| operation(a, b).1) {
        return Err(NumberError::OutOfRange(name));
    }
    Ok(results)
}

fn divide<N: Checked>(
    operator: Operator,
    values: Values<'_, N>,
    nulls: Option<&NullBuffer>,
    name: &'static str,
) -> Result<Vec<N>, NumberError> {
    let zero = N::default();
    if any_valid(values, nulls, |_, divisor| divisor == zero) {
        return Err(NumberError::DivisionByZero);
    }
    let is_quotient = operator == Operator::Divide;
    let operation = move |a: N, b: N| match b {
        // Only below a NULL.
        b if b == zero => (zero, false),
        b if is_quotient => a.divide(b),
        b => a.modulo(b),
    };
    apply(values, nulls, operation, name)
}

/// Does a row that is not NULL have the property?
fn any_valid<N: Copy>(
    values: Values<'_, N>,
    nulls: Option<&NullBuffer>,
    property: impl Fn(N, N) -> bool,
) -> bool {
    let is_valid = |row: usize| nulls.is_none_or(|nulls| nulls.is_valid(row));
    match values {
        Values::Columns(left, right) => left
            .iter()
            .zip(right)
            .enumerate()
            .any(|(row, (a, b))| property(*a, *b) && is_valid(row)),
        Values::Left(a, right) => right
            .iter()
            .enumerate()
            .any(|(row, b)| property(a, *b) && is_valid(row)),
        Values::Right(left, b) => left
            .iter()
            .enumerate()
            .any(|(row, a)| property(*a, b) && is_valid(row)),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, Int32Array, Int64Array};
    use arrow::datatypes::{Int32Type, Int64Type};

    use super::super::error::NumberError;
    use super::super::types::Operator;
    use super::evaluate;

    #[test]
    fn what_does_not_fit_is_an_error() {
        let (max, one) = (Int32Array::from(vec![i32::MAX]), Int32Array::from(vec![1]));
        let sum = evaluate::<Int32Type>(Operator::Add, &max, &one, (false, true));
        assert_eq!(sum.err(), Some(NumberError::OutOfRange("integer")));
        let (min, minus) = (Int64Array::from(vec![i64::MIN]), Int64Array::from(vec![-1]));
        for operator in [Operator::Multiply, Operator::Divide, Operator::Add] {
            let result = evaluate::<Int64Type>(operator, &min, &minus, (false, false));
            assert_eq!(result.err(), Some(NumberError::OutOfRange("bigint")));
        }
        let rest = evaluate::<Int64Type>(Operator::Modulo, &min, &minus, (false, false));
        assert_eq!(rest.unwrap().to_data(), Int64Array::from(vec![0]).to_data());
    }

    #[test]
    fn what_is_null_cannot_overflow() {
        let left = Int32Array::new(vec![i32::MAX, 5].into(), Some(vec![false, true].into()));
        let right = Int32Array::from(vec![1, 2]);
        let sum = evaluate::<Int32Type>(Operator::Add, &left, &right, (false, false)).unwrap();
        assert_eq!(
            sum.to_data(),
            Int32Array::from(vec![None, Some(7)]).to_data()
        );
        let zeros = Int32Array::new(vec![0, 2].into(), Some(vec![false, true].into()));
        let quotient = evaluate::<Int32Type>(Operator::Divide, &right, &zeros, (false, false));
        assert_eq!(quotient.unwrap().null_count(), 1);
    }
}
