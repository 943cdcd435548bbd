//! `to_number(text, template)`: the number that a text means by a template.

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, Decimal128Type};
use datafusion::error::Result;
use datafusion::logical_expr::{ReturnFieldArgs, Volatility};

use super::number_pattern::NumberPattern;
use super::number_read::read;
use crate::scalar::columns::{ColumnFunction, Columns};
use crate::scalar::overload::{Kind, Overload};

/// Digits of a result.
const PRECISION: u8 = 38;
/// Decimals of a result whose template is not known when the query is planned.
const SCALE: i8 = 10;

/// `to_number`
pub static TO_NUMBER: ColumnFunction = ColumnFunction {
    name: "to_number",
    syntax: "to_number('text', 'template')",
    description: "The number that a text means by a template such as `9G999D99`",
    overloads: &[Overload::new(&[Kind::Text, Kind::Text], Kind::Any)],
    gives: Some(result_type),
    volatility: Volatility::Immutable,
    body: numbers,
};

fn result_type(args: &ReturnFieldArgs) -> Result<DataType> {
    let template = args.scalar_arguments.get(1).copied().flatten();
    let scale = match template.and_then(|template| template.try_as_str().flatten()) {
        Some(template) => decimals(&NumberPattern::parse(template)?) as i8,
        None => SCALE,
    };
    Ok(DataType::Decimal128(PRECISION, scale))
}

fn decimals(pattern: &NumberPattern) -> usize {
    pattern.digits_after + pattern.shifted_digits
}

fn numbers(columns: &Columns) -> Result<ArrayRef> {
    let (texts, templates) = (columns.text(0), columns.text(1));
    let scale = match columns.gives {
        DataType::Decimal128(_, scale) => i32::from(*scale),
        _ => 0,
    };
    let first = match templates.is_empty() || templates.is_null(0) {
        true => "",
        false => templates.value(0),
    };
    let first_pattern = NumberPattern::parse(first)?;
    let value = |row: usize, pattern: &NumberPattern| -> Result<i128> {
        let amount = read(texts.value(row), pattern)?;
        let missing = scale - decimals(pattern) as i32;
        Ok(match missing >= 0 {
            true => amount * 10i128.pow(missing.unsigned_abs()),
            false => amount / 10i128.pow(missing.unsigned_abs()),
        })
    };
    columns.map_some::<Decimal128Type>(|row| {
        let template = templates.value(row);
        if template.is_empty() {
            return Ok(None);
        }
        match template == first {
            true => value(row, &first_pattern).map(Some),
            false => value(row, &NumberPattern::parse(template)?).map(Some),
        }
    })
}
