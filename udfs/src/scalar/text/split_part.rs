//! `split_part(text, separator, n)`: the n-th part of a text, counted from the end if n is negative.

use arrow::datatypes::Int32Type;
use datafusion::logical_expr::Volatility;

use crate::error::FunctionError;
use crate::scalar::columns::ColumnFunction;
use crate::scalar::overload::{Kind, Overload};

/// `split_part`
pub static SPLIT_PART: ColumnFunction = ColumnFunction {
    name: "split_part",
    syntax: "split_part(text, separator, n)",
    description: "The n-th part of a text between separators, counted from the end if n is negative",
    overloads: &[Overload::new(
        &[Kind::Text, Kind::Text, Kind::Int4],
        Kind::Text,
    )],
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| {
        let (texts, separators) = (columns.text(0), columns.text(1));
        let numbers = columns.primitive::<Int32Type>(2);
        columns.map_text(|row, out| {
            let part = part(texts.value(row), separators.value(row), numbers.value(row))?;
            out.push_str(part.unwrap_or_default());
            Ok(true)
        })
    },
};

fn part<'t>(text: &'t str, separator: &str, number: i32) -> Result<Option<&'t str>, FunctionError> {
    if number == 0 {
        return Err(FunctionError::new(
            "22023",
            "field position must not be zero",
        ));
    }
    let at = number.unsigned_abs() as usize - 1;
    if separator.is_empty() {
        return Ok((at == 0).then_some(text));
    }
    Ok(match number > 0 {
        true => text.split(separator).nth(at),
        false => text.rsplit(separator).nth(at),
    })
}
