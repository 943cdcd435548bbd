//! `round`, `trunc`, `ceil` and `floor`: the whole numbers around a number, or those of a decimal place.
//!
//! A numeric stays one and has the digits that were asked for. A floating point number rounds to the even
//! neighbour, a numeric away from zero.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, PrimitiveArray};
use arrow::datatypes::{
    DataType, Decimal128Type, Decimal256Type, Field, FieldRef, Float64Type, Int32Type, i256,
};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};

use super::call::{constant_integer, is_nullable, no_such_function, over_arrays, types_of};
use super::decimal::{rescale, wide_ten};
use super::documentation;
use super::error::NumberError;
use super::types::{as_decimal, decimal, digits, plain};

/// Most digits after the point that can be asked for.
const PLACES_MAX: i64 = 70;

/// Which way a number goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Direction {
    Nearest,
    ToZero,
    Up,
    Down,
}

/// One of the four functions.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Rounding {
    name: &'static str,
    direction: Direction,
    aliases: Vec<String>,
    signature: Signature,
}

/// The four functions.
pub fn functions() -> Vec<ScalarUDF> {
    [
        ("round", Direction::Nearest),
        ("trunc", Direction::ToZero),
        ("ceil", Direction::Up),
        ("floor", Direction::Down),
    ]
    .map(|(name, direction)| {
        let aliases = match direction {
            Direction::Up => vec!["ceiling".to_string()],
            _ => Vec::new(),
        };
        ScalarUDF::from(Rounding {
            name,
            direction,
            aliases,
            signature: Signature::user_defined(Volatility::Immutable),
        })
    })
    .into()
}

impl Rounding {
    fn takes_places(&self) -> bool {
        matches!(self.direction, Direction::Nearest | Direction::ToZero)
    }
}

impl ScalarUDFImpl for Rounding {
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
        let refused = || no_such_function(self.name, arg_types);
        let number = |data_type: &DataType| match data_type {
            DataType::Null => Some(DataType::Float64),
            other => plain(other),
        };
        match arg_types {
            [value] => match number(value).ok_or_else(refused)? {
                wide if wide.is_decimal() => Ok(vec![wide]),
                _ => Ok(vec![DataType::Float64]),
            },
            [value, places] if self.takes_places() => {
                let is_whole = places.is_null() || places.is_integer();
                let value = number(value).filter(|_| is_whole).ok_or_else(refused)?;
                let value = match as_decimal(&value) {
                    Some(decimal) => decimal,
                    None => DataType::Float64,
                };
                Ok(vec![value, DataType::Int32])
            }
            _ => Err(refused().into()),
        }
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(result_type(self.direction, arg_types, None))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types = types_of(&args);
        let places = match types.len() {
            1 => Some(0),
            _ => constant_integer(&args, 1),
        };
        let data_type = result_type(self.direction, &types, places);
        Ok(Arc::new(Field::new(
            self.name,
            data_type,
            is_nullable(&args),
        )))
    }

    fn documentation(&self) -> Option<&Documentation> {
        documentation::of(self.name())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let result = args.return_field.data_type().clone();
        over_arrays(&args, |arrays| {
            let places = arrays.get(1);
            match arrays[0].data_type() {
                DataType::Float64 => Ok(round_floats(self.direction, &arrays[0], places)),
                _ => Ok(round_decimals(self.direction, &arrays[0], places, &result)?),
            }
        })
    }
}

/// A numeric with the places of the call, or with those that it had where they are no constant.
fn result_type(direction: Direction, types: &[DataType], places: Option<i64>) -> DataType {
    let Some((precision, scale)) = types.first().and_then(digits) else {
        return DataType::Float64;
    };
    let is_wide = matches!(types[0], DataType::Decimal256(..));
    let kept = match places {
        Some(places) => places.clamp(0, PLACES_MAX) as i16,
        None => scale,
    };
    // Only what rounds away from zero can gain a digit.
    let gained = i16::from(direction != Direction::ToZero);
    let whole = precision - scale + gained;
    // What has no room in 128 bits before it is rounded has it after.
    decimal(whole + kept, kept, is_wide && whole + kept > 38)
}

fn round_floats(direction: Direction, values: &ArrayRef, places: Option<&ArrayRef>) -> ArrayRef {
    let values = values.as_primitive::<Float64Type>();
    let whole = |value: f64| match direction {
        Direction::Nearest => value.round_ties_even(),
        Direction::ToZero => value.trunc(),
        Direction::Up => value.ceil(),
        Direction::Down => value.floor(),
    };
    let Some(places) = places else {
        return Arc::new(values.unary::<_, Float64Type>(whole));
    };
    // PostgreSQL has no such function; halves go as those of a numeric.
    let at_places = |(value, places): (Option<f64>, Option<i32>)| {
        let (value, unit) = (value?, 10f64.powi(places?));
        let scaled = value * unit;
        if !scaled.is_finite() || unit == 0.0 {
            return Some(value);
        }
        let moved = match direction {
            Direction::Nearest => scaled.round(),
            _ => scaled.trunc(),
        };
        Some(moved / unit)
    };
    let places = places.as_primitive::<Int32Type>();
    let rounded: PrimitiveArray<Float64Type> =
        values.iter().zip(places.iter()).map(at_places).collect();
    Arc::new(rounded)
}

fn round_decimals(
    direction: Direction,
    values: &ArrayRef,
    places: Option<&ArrayRef>,
    result: &DataType,
) -> Result<ArrayRef, NumberError> {
    let (_, from) = digits(values.data_type()).unwrap_or_default();
    let (_, to) = digits(result).unwrap_or_default();
    let (from, to) = (i32::from(from), i32::from(to));
    let places = places.map(|places| places.as_primitive::<Int32Type>());
    let rounded = |row: usize, value: i256| -> Result<i256, NumberError> {
        let at = places.map_or(0, |places| places.value(row));
        let moved = move_to(direction, value, from, at)?;
        rescale(moved, at.min(from), to)
    };
    let is_valid = |row: usize| {
        values.is_valid(row)
            && places.is_none_or(|places| arrow::array::Array::is_valid(places, row))
    };
    let value_at = |row: usize| match values.data_type() {
        DataType::Decimal128(..) => {
            i256::from_i128(values.as_primitive::<Decimal128Type>().value(row))
        }
        _ => values.as_primitive::<Decimal256Type>().value(row),
    };
    let rows = (0..values.len()).map(|row| match is_valid(row) {
        true => rounded(row, value_at(row)).map(Some),
        false => Ok(None),
    });
    match result {
        DataType::Decimal128(..) => {
            let narrow = |value: i256| value.to_i128().ok_or(NumberError::NumericOverflow);
            let values: PrimitiveArray<Decimal128Type> = rows
                .map(|row| row?.map(narrow).transpose())
                .collect::<Result<_, _>>()?;
            Ok(Arc::new(values.with_data_type(result.clone())))
        }
        _ => {
            let values: PrimitiveArray<Decimal256Type> = rows.collect::<Result<_, _>>()?;
            Ok(Arc::new(values.with_data_type(result.clone())))
        }
    }
}

/// The digits of a value without those beyond `places`; where there are none, the value as it is.
fn move_to(
    direction: Direction,
    value: i256,
    scale: i32,
    places: i32,
) -> Result<i256, NumberError> {
    if places >= scale {
        return Ok(value);
    }
    if direction == Direction::Nearest {
        return rescale(value, scale, places);
    }
    let cut = scale - places;
    if cut > 76 {
        return Ok(i256::ZERO);
    }
    let unit = wide_ten(cut as u32);
    let (whole, rest) = (value.wrapping_div(unit), value.wrapping_rem(unit));
    let step = match direction {
        Direction::Up if rest.is_positive() => i256::ONE,
        Direction::Down if rest.is_negative() => i256::MINUS_ONE,
        _ => i256::ZERO,
    };
    Ok(whole.wrapping_add(step))
}

#[cfg(test)]
mod tests {
    use super::{Direction, move_to};
    use arrow::datatypes::i256;

    #[test]
    fn directions_differ_where_digits_are_cut() {
        let moved = |direction, value: i128, places| {
            let moved = move_to(direction, i256::from_i128(value), 2, places);
            moved.unwrap().as_i128()
        };
        for (value, nearest, to_zero, up, down) in
            [(250, 3, 2, 3, 2), (-250, -3, -2, -2, -3), (300, 3, 3, 3, 3)]
        {
            assert_eq!(moved(Direction::Nearest, value, 0), nearest);
            assert_eq!(moved(Direction::ToZero, value, 0), to_zero);
            assert_eq!(moved(Direction::Up, value, 0), up);
            assert_eq!(moved(Direction::Down, value, 0), down);
        }
        assert_eq!(moved(Direction::Nearest, 12_345, -1), 12);
        assert_eq!(moved(Direction::Nearest, 12_345, 5), 12_345);
    }
}
