//! How do numerics add, multiply and divide, to the digit as PostgreSQL does?
//!
//! Values that fit are computed in 128 bits, also where the result is a Decimal256: most do.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    DECIMAL256_MAX_PRECISION, DECIMAL256_MAX_SCALE, DataType, Decimal128Type, Decimal256Type, i256,
};
use datafusion::scalar::ScalarValue;

use super::error::NumberError;
use super::types::Operator;

/// Significant digits that a quotient has at least.
const QUOTIENT_DIGITS_MIN: i32 = 16;

/// PostgreSQL counts digits in words of four.
const WORD_DIGITS: i32 = 4;

/// Most decimal digits of an i128 power of ten.
const NARROW_DIGITS_MAX: u32 = 38;

/// The digits of a column.
#[derive(Clone, Copy)]
enum Digits<'a> {
    Narrow(&'a [i128]),
    Wide(&'a [i256]),
}

/// A column of decimals.
#[derive(Clone, Copy)]
struct Column<'a> {
    digits: Digits<'a>,
    scale: i32,
}

impl<'a> Column<'a> {
    fn new(array: &'a dyn Array) -> Result<Self, NumberError> {
        match array.data_type() {
            DataType::Decimal128(_, scale) => Ok(Column {
                digits: Digits::Narrow(array.as_primitive::<Decimal128Type>().values()),
                scale: i32::from(*scale),
            }),
            DataType::Decimal256(_, scale) => Ok(Column {
                digits: Digits::Wide(array.as_primitive::<Decimal256Type>().values()),
                scale: i32::from(*scale),
            }),
            other => Err(NumberError::NoSuchOperator(format!(
                "{other} is not a numeric"
            ))),
        }
    }

    #[inline]
    fn at(&self, row: usize) -> i256 {
        match self.digits {
            Digits::Narrow(values) => i256::from_i128(values[row]),
            Digits::Wide(values) => values[row],
        }
    }
}

/// An operator over two arrays of decimals of one length.
pub fn evaluate(
    operator: Operator,
    left: &dyn Array,
    right: &dyn Array,
    result: &DataType,
) -> Result<ArrayRef, NumberError> {
    let nulls = NullBuffer::union(left.nulls(), right.nulls());
    let (left, right) = (Column::new(left)?, Column::new(right)?);
    match (result, left.digits, right.digits) {
        (DataType::Decimal128(precision, scale), Digits::Narrow(a), Digits::Narrow(b)) => {
            let place = Place {
                scale: i32::from(*scale),
                bound: ten(u32::from(*precision)),
            };
            let rows = narrow(
                operator,
                (a, left.scale),
                (b, right.scale),
                place,
                nulls.as_ref(),
            )?;
            let values = PrimitiveArray::<Decimal128Type>::new(rows.into(), nulls);
            Ok(Arc::new(values.with_data_type(result.clone())))
        }
        (DataType::Decimal256(precision, scale), _, _) => {
            let place = Place {
                scale: i32::from(*scale),
                bound: wide_ten(u32::from(*precision)),
            };
            let rows = wide(operator, left, right, place, nulls.as_ref())?;
            let values = PrimitiveArray::<Decimal256Type>::new(rows.into(), nulls);
            Ok(Arc::new(values.with_data_type(result.clone())))
        }
        (other, _, _) => Err(NumberError::NoSuchOperator(format!(
            "{other} does not hold a result of numerics"
        ))),
    }
}

/// Where a result goes: its scale, and what its digits stay below.
#[derive(Clone, Copy)]
struct Place<N> {
    scale: i32,
    bound: N,
}

fn narrow(
    operator: Operator,
    (left, left_scale): (&[i128], i32),
    (right, right_scale): (&[i128], i32),
    place: Place<i128>,
    nulls: Option<&NullBuffer>,
) -> Result<Vec<i128>, NumberError> {
    let up = |scale: i32| ten((place.scale - scale).max(0) as u32);
    let (left_unit, right_unit) = (up(left_scale), up(right_scale));
    let aligned = |a: i128, b: i128| Some((a.checked_mul(left_unit)?, b.checked_mul(right_unit)?));
    let compute = |a: i128, b: i128| -> Option<i128> {
        match operator {
            Operator::Add => aligned(a, b).and_then(|(a, b)| a.checked_add(b)),
            Operator::Subtract => aligned(a, b).and_then(|(a, b)| a.checked_sub(b)),
            Operator::Multiply => a.checked_mul(b),
            Operator::Divide => None,
            Operator::Modulo => aligned(a, b).map(|(a, b)| a.wrapping_rem(b)),
        }
    };
    rows(left.len(), nulls, |row| {
        let (a, b) = (left[row], right[row]);
        if operator == Operator::Modulo {
            if b == 0 {
                return Err(NumberError::DivisionByZero);
            }
            if aligned(a, b).is_none() {
                let rest = modulo(
                    i256::from_i128(a),
                    left_scale,
                    i256::from_i128(b),
                    right_scale,
                    place.scale,
                )?;
                return rest.to_i128().ok_or(NumberError::NumericOverflow);
            }
        }
        compute(a, b)
            .filter(|value| value.unsigned_abs() < place.bound.unsigned_abs())
            .ok_or(NumberError::NumericOverflow)
    })
}

fn wide(
    operator: Operator,
    left: Column<'_>,
    right: Column<'_>,
    place: Place<i256>,
    nulls: Option<&NullBuffer>,
) -> Result<Vec<i256>, NumberError> {
    let length = match left.digits {
        Digits::Narrow(values) => values.len(),
        Digits::Wide(values) => values.len(),
    };
    let up = |scale: i32| wide_ten((place.scale - scale).max(0) as u32);
    let (left_unit, right_unit) = (up(left.scale), up(right.scale));
    let product_scale = left.scale + right.scale;
    let compute = |row: usize| -> Result<i256, NumberError> {
        let (a, b) = (left.at(row), right.at(row));
        let sum = |b: i256| {
            let a = times(a, left_unit)?;
            a.checked_add(times(b, right_unit)?)
                .ok_or(NumberError::NumericOverflow)
        };
        match operator {
            Operator::Add => sum(b),
            Operator::Subtract => sum(b.wrapping_neg()),
            Operator::Multiply => rescale(times(a, b)?, product_scale, place.scale),
            Operator::Divide => quotient(a, left.scale, b, right.scale, place.scale),
            Operator::Modulo => modulo(a, left.scale, b, right.scale, place.scale),
        }
    };
    rows(length, nulls, |row| {
        let value = compute(row)?;
        if value.wrapping_abs() >= place.bound {
            return Err(NumberError::NumericOverflow);
        }
        Ok(value)
    })
}

/// One value per row that is not NULL, zero below the others.
fn rows<N: Default>(
    length: usize,
    nulls: Option<&NullBuffer>,
    compute: impl Fn(usize) -> Result<N, NumberError>,
) -> Result<Vec<N>, NumberError> {
    match nulls {
        None => (0..length).map(compute).collect(),
        Some(nulls) => (0..length)
            .map(|row| match nulls.is_valid(row) {
                true => compute(row),
                false => Ok(N::default()),
            })
            .collect(),
    }
}

/// a × b, in 128 bits if that holds it.
#[inline]
fn times(a: i256, b: i256) -> Result<i256, NumberError> {
    if let (Some(a), Some(b)) = (a.to_i128(), b.to_i128())
        && let Some(product) = a.checked_mul(b)
    {
        return Ok(i256::from_i128(product));
    }
    a.checked_mul(b).ok_or(NumberError::NumericOverflow)
}

/// The same number at another scale, rounded half away from zero.
pub fn rescale(value: i256, from: i32, to: i32) -> Result<i256, NumberError> {
    if to >= from {
        return match to - from {
            0 => Ok(value),
            digits => times(value, power(digits)?),
        };
    }
    match power(from - to) {
        Ok(unit) => divide_rounded(value, unit),
        // Every digit is cut off.
        Err(_) => Ok(i256::ZERO),
    }
}

/// a / b, rounded half away from zero.
fn divide_rounded(a: i256, b: i256) -> Result<i256, NumberError> {
    if let (Some(a), Some(b)) = (a.to_i128(), b.to_i128())
        && let Some(quotient) = a.checked_div(b)
    {
        let rest = (a % b).unsigned_abs();
        let rounds_up = rest >= b.unsigned_abs() - rest;
        let step = if (a < 0) == (b < 0) { 1 } else { -1 };
        let rounded = i256::from_i128(quotient);
        return Ok(if rounds_up {
            rounded.wrapping_add(i256::from_i128(step))
        } else {
            rounded
        });
    }
    let quotient = a.checked_div(b).ok_or(NumberError::NumericOverflow)?;
    let rest = a.wrapping_rem(b).wrapping_abs();
    if rest < b.wrapping_abs().wrapping_sub(rest) {
        return Ok(quotient);
    }
    let step = if a.is_negative() == b.is_negative() {
        i256::ONE
    } else {
        i256::MINUS_ONE
    };
    Ok(quotient.wrapping_add(step))
}

/// a / b with the digits that PostgreSQL gives it, at the scale `to`.
pub fn quotient(
    a: i256,
    a_scale: i32,
    b: i256,
    b_scale: i32,
    to: i32,
) -> Result<i256, NumberError> {
    if b == i256::ZERO {
        return Err(NumberError::DivisionByZero);
    }
    let digits = quotient_scale(a, a_scale, b, b_scale).min(to);
    let shift = b_scale + digits - a_scale;
    let rounded = if shift >= 0 {
        divide_rounded(times(a, power(shift)?)?, b)?
    } else {
        divide_rounded(a, times(b, power(-shift)?)?)?
    };
    rescale(rounded, digits, to)
}

/// The quotient of two constants, with exactly the digits that PostgreSQL gives it.
///
/// None if they are no numerics, or if there is no quotient.
pub fn constant_quotient(a: &ScalarValue, b: &ScalarValue) -> Option<ScalarValue> {
    let digits = |value: &ScalarValue| match value {
        ScalarValue::Decimal128(Some(digits), _, scale) => {
            Some((i256::from_i128(*digits), i32::from(*scale)))
        }
        ScalarValue::Decimal256(Some(digits), _, scale) => Some((*digits, i32::from(*scale))),
        _ => None,
    };
    let ((a, a_scale), (b, b_scale)) = (digits(a)?, digits(b)?);
    let scale = quotient_scale(a, a_scale, b, b_scale).min(i32::from(DECIMAL256_MAX_SCALE));
    let value = quotient(a, a_scale, b, b_scale, scale).ok()?;
    let precision = value.wrapping_abs().checked_ilog10().unwrap_or_default() as u8 + 1;
    let precision = precision.max(scale as u8);
    Some(match value.to_i128() {
        Some(narrow) if u32::from(precision) <= NARROW_DIGITS_MAX => {
            ScalarValue::Decimal128(Some(narrow), precision, scale as i8)
        }
        _ => ScalarValue::Decimal256(Some(value), DECIMAL256_MAX_PRECISION, scale as i8),
    })
}

/// Digits after the point of a quotient: PostgreSQL's `select_div_scale`.
///
/// At least 16 significant digits, judged by the first words of both numbers, and no fewer than either has.
pub fn quotient_scale(a: i256, a_scale: i32, b: i256, b_scale: i32) -> i32 {
    let (a_weight, a_first) = first_word(a, a_scale);
    let (b_weight, b_first) = first_word(b, b_scale);
    let weight = a_weight - b_weight - i32::from(a_first <= b_first);
    (QUOTIENT_DIGITS_MIN - weight * WORD_DIGITS)
        .max(a_scale)
        .max(b_scale)
        .max(0)
}

/// The first word of a number in base 10000, and its weight.
fn first_word(value: i256, scale: i32) -> (i32, i128) {
    let absolute = value.wrapping_abs();
    if absolute == i256::ZERO {
        return (0, 0);
    }
    let digits = match absolute.to_i128() {
        Some(small) => small.ilog10() as i32 + 1,
        None => absolute.ilog10() as i32 + 1,
    };
    let exponent = digits - 1 - scale;
    let word_digits = exponent.rem_euclid(WORD_DIGITS) + 1;
    let first = match digits - word_digits {
        cut if cut > 0 => absolute.wrapping_div(wide_ten(cut as u32)).as_i128(),
        missing => absolute.as_i128() * ten(missing.unsigned_abs()),
    };
    (exponent.div_euclid(WORD_DIGITS), first)
}

/// a % b with the sign of a.
fn modulo(a: i256, a_scale: i32, b: i256, b_scale: i32, to: i32) -> Result<i256, NumberError> {
    if b == i256::ZERO {
        return Err(NumberError::DivisionByZero);
    }
    let a = times(a, power(to - a_scale)?)?;
    let b = times(b, power(to - b_scale)?)?;
    Ok(a.wrapping_rem(b))
}

/// 10 to the power of `digits`, or an overflow beyond what a Decimal256 holds.
fn power(digits: i32) -> Result<i256, NumberError> {
    match u32::try_from(digits) {
        Ok(digits) if digits <= 76 => Ok(wide_ten(digits)),
        _ => Err(NumberError::NumericOverflow),
    }
}

fn ten(digits: u32) -> i128 {
    10i128.pow(digits.min(NARROW_DIGITS_MAX))
}

/// 10 to the power of `digits`, for up to 76.
pub fn wide_ten(digits: u32) -> i256 {
    match digits {
        0..=NARROW_DIGITS_MAX => i256::from_i128(ten(digits)),
        _ => i256::from_i128(10).wrapping_pow(digits),
    }
}

#[cfg(test)]
mod tests {
    use super::{quotient, quotient_scale, rescale};
    use arrow::datatypes::i256;

    fn n(value: i128) -> i256 {
        i256::from_i128(value)
    }

    #[test]
    fn quotients_have_the_digits_of_postgresql() {
        for (a, a_scale, b, b_scale, scale) in [
            // 1.0 / 4, 10 / 3.0, 5 / 5.0, 0 / 2, 10000.0 / 3, 1 / 30000.0
            (10, 1, 4, 0, 20),
            (10, 0, 30, 1, 16),
            (5, 0, 50, 1, 20),
            (0, 0, 2, 0, 20),
            (100_000, 1, 3, 0, 16),
            (1, 0, 300_000, 1, 24),
        ] {
            let found = quotient_scale(n(a), a_scale, n(b), b_scale);
            assert_eq!(found, scale, "{a}e-{a_scale} / {b}e-{b_scale}");
        }
        assert_eq!(
            quotient(n(10), 0, n(3), 0, 20).unwrap(),
            n(333_333_333_333_333_330_000)
        );
        assert_eq!(
            quotient(n(-2), 0, n(3), 0, 16).unwrap(),
            n(-6_666_666_666_666_667)
        );
    }

    #[test]
    fn rounding_goes_away_from_zero() {
        for (value, from, to, expected) in [
            (25, 1, 0, 3),
            (-25, 1, 0, -3),
            (24, 1, 0, 2),
            (1, 0, 2, 100),
            (149, 2, -1, 0),
            (5, 3, 2, 1),
        ] {
            assert_eq!(rescale(n(value), from, to).unwrap(), n(expected));
        }
    }
}
