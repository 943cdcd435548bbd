//! Which type does an operation over two numbers have?
//!
//! PostgreSQL's rules: integers meet at the wider one, an integer and a numeric at numeric, and anything with a
//! floating point number at double precision, unless both are real. A `numeric` here is a Decimal128 or, where
//! the digits of a result need it, a Decimal256.

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType};

/// What [`crate::model::sql_type::PG_TYPE_KEY`] says of a numeric without precision and scale, whose values show no zeros at their end.
pub const BARE_NUMERIC: &str = "numeric";

/// The Arrow type of such a numeric in a table.
pub const BARE_TYPE: DataType = DataType::Decimal128(38, 10);

/// Digits after the point that a quotient is kept with.
///
/// A Decimal256 of this scale is shown with the 16 significant digits and more that PostgreSQL gives a quotient.
pub const QUOTIENT_SCALE: i8 = 28;

/// The five arithmetic operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// a + b
    Add,
    /// a - b
    Subtract,
    /// a * b
    Multiply,
    /// a / b
    Divide,
    /// a % b
    Modulo,
}

impl Operator {
    /// As written in SQL.
    pub fn symbol(self) -> &'static str {
        match self {
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Multiply => "*",
            Operator::Divide => "/",
            Operator::Modulo => "%",
        }
    }
}

/// The type as one of those that are computed with, or None for what is no number.
pub fn plain(data_type: &DataType) -> Option<DataType> {
    Some(match data_type {
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => DataType::Int16,
        DataType::Int32 | DataType::UInt16 => DataType::Int32,
        DataType::Int64 | DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Float16 | DataType::Float32 => DataType::Float32,
        DataType::Float64 => DataType::Float64,
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale) => DataType::Decimal128(*precision, *scale),
        DataType::Decimal256(precision, scale) => DataType::Decimal256(*precision, *scale),
        DataType::Dictionary(_, values) => return plain(values),
        _ => return None,
    })
}

/// The numeric that holds an integer type, and a numeric itself.
pub fn as_decimal(data_type: &DataType) -> Option<DataType> {
    Some(match data_type {
        DataType::Int16 => DataType::Decimal128(5, 0),
        DataType::Int32 => DataType::Decimal128(10, 0),
        DataType::Int64 => DataType::Decimal128(19, 0),
        DataType::Decimal128(..) | DataType::Decimal256(..) => data_type.clone(),
        _ => return None,
    })
}

/// The type that two numbers meet at: what each is cast to before the operation.
///
/// Two numerics keep their own precisions and scales. NULL is of the other's type.
pub fn operand_types(left: &DataType, right: &DataType) -> Option<(DataType, DataType)> {
    let (left, right) = match (left, right) {
        (DataType::Null, DataType::Null) => (DataType::Int32, DataType::Int32),
        (DataType::Null, other) => {
            let other = plain(other)?;
            (other.clone(), other)
        }
        (other, DataType::Null) => {
            let other = plain(other)?;
            (other.clone(), other)
        }
        (left, right) => (plain(left)?, plain(right)?),
    };
    if left.is_floating() || right.is_floating() {
        let is_real = left == DataType::Float32 && right == DataType::Float32;
        let common = if is_real {
            DataType::Float32
        } else {
            DataType::Float64
        };
        return Some((common.clone(), common));
    }
    if left.is_integer() && right.is_integer() {
        let width = |data_type: &DataType| data_type.primitive_width().unwrap_or_default();
        let common = if width(&left) >= width(&right) {
            left
        } else {
            right
        };
        return Some((common.clone(), common));
    }
    Some((as_decimal(&left)?, as_decimal(&right)?))
}

/// The result of an operator over operands that [`operand_types`] gave.
pub fn result_type(operator: Operator, left: &DataType, right: &DataType) -> Option<DataType> {
    let (Some((precision, scale)), Some((other_precision, other_scale))) =
        (digits(left), digits(right))
    else {
        return (left == right).then(|| left.clone());
    };
    let whole = |precision: i16, scale: i16| precision - scale;
    let common_scale = scale.max(other_scale);
    let wider = whole(precision, scale).max(whole(other_precision, other_scale));
    let is_wide = is_wide(left) || is_wide(right);
    Some(match operator {
        // The digit that a sum may gain counts only where there is room: a sum that has it is an error then.
        Operator::Add | Operator::Subtract => {
            let narrow = wider + common_scale;
            if !is_wide && narrow == i16::from(DECIMAL128_MAX_PRECISION) {
                decimal(narrow, common_scale, false)
            } else {
                decimal(narrow + 1, common_scale, is_wide)
            }
        }
        Operator::Multiply => decimal(precision + other_precision, scale + other_scale, is_wide),
        Operator::Divide => DataType::Decimal256(
            DECIMAL256_MAX_PRECISION,
            QUOTIENT_SCALE.max(common_scale.min(i16::from(i8::MAX)) as i8),
        ),
        Operator::Modulo => decimal(
            whole(other_precision, other_scale).max(1) + common_scale,
            common_scale,
            is_wide,
        ),
    })
}

/// The smallest decimal with these digits.
pub fn decimal(precision: i16, scale: i16, is_wide: bool) -> DataType {
    let precision = precision.max(scale).max(1);
    if !is_wide && precision <= i16::from(DECIMAL128_MAX_PRECISION) {
        return DataType::Decimal128(precision as u8, scale as i8);
    }
    let most = i16::from(DECIMAL256_MAX_PRECISION);
    DataType::Decimal256(precision.min(most) as u8, scale.min(most) as i8)
}

fn is_wide(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Decimal256(..))
}

/// Precision and scale of a decimal.
pub fn digits(data_type: &DataType) -> Option<(i16, i16)> {
    match data_type {
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            Some((i16::from(*precision), i16::from(*scale)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Operator, operand_types, result_type};
    use arrow::datatypes::DataType::{
        Decimal128, Decimal256, Float32, Float64, Int16, Int32, Int64, Null, Utf8,
    };

    #[test]
    fn operands_meet_where_postgresql_says() {
        for (left, right, common) in [
            (Int16, Int16, Int16),
            (Int16, Int32, Int32),
            (Int64, Int32, Int64),
            (Float32, Float32, Float32),
            (Float32, Int16, Float64),
            (Decimal128(5, 2), Float32, Float64),
            (Null, Int16, Int16),
        ] {
            let expected = Some((common.clone(), common));
            assert_eq!(operand_types(&left, &right), expected, "{left} {right}");
        }
        let expected = Some((Decimal128(10, 0), Decimal128(5, 2)));
        assert_eq!(operand_types(&Int32, &Decimal128(5, 2)), expected);
        assert_eq!(operand_types(&Int32, &Utf8), None);
    }

    #[test]
    fn decimals_grow_with_what_is_done() {
        let (a, b) = (Decimal128(10, 2), Decimal128(5, 4));
        for (operator, expected) in [
            (Operator::Add, Decimal128(13, 4)),
            (Operator::Multiply, Decimal128(15, 6)),
            (Operator::Modulo, Decimal128(5, 4)),
            (Operator::Divide, Decimal256(76, 28)),
        ] {
            assert_eq!(result_type(operator, &a, &b), Some(expected));
        }
        let bare = Decimal128(38, 10);
        assert_eq!(result_type(Operator::Add, &bare, &bare), Some(bare.clone()));
        let product = result_type(Operator::Multiply, &bare, &bare);
        assert_eq!(product, Some(Decimal256(76, 20)));
    }
}
