//! `regexp_instr(text, expression [, start [, n [, end [, flags [, group]]]]])`: where does an expression match?

use arrow::datatypes::Int32Type;
use datafusion::logical_expr::Volatility;

use super::flags::Flags;
use super::memo::{Memo, character_number, start_byte};
use super::search::group_of_nth;
use crate::error::FunctionError;
use crate::scalar::columns::ColumnFunction;
use crate::scalar::overload::Kind::{Int4, Text};
use crate::scalar::overload::{Kind, Overload};

/// `regexp_instr`
pub static REGEXP_INSTR: ColumnFunction = ColumnFunction {
    name: "regexp_instr",
    syntax: "regexp_instr(text, expression [, start [, n [, end [, flags [, group]]]]])",
    description: "At which character the n-th match of a regular expression begins, or ends; 0 if there is none",
    overloads: &[
        Overload::new(&[Text, Text], Kind::Int4),
        Overload::new(&[Text, Text, Int4], Kind::Int4),
        Overload::new(&[Text, Text, Int4, Int4], Kind::Int4),
        Overload::new(&[Text, Text, Int4, Int4, Int4], Kind::Int4),
        Overload::new(&[Text, Text, Int4, Int4, Int4, Text], Kind::Int4),
        Overload::new(&[Text, Text, Int4, Int4, Int4, Text, Int4], Kind::Int4),
    ],
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| {
        let texts = columns.text(0);
        let memo = Memo::new(columns, 1, 5, |letters| {
            Flags::parse_single(letters, "regexp_instr")
        });
        columns.map::<Int32Type>(|row| {
            let text = texts.value(row);
            let number = at_least("n", columns.integer_or(3, row, 1), 1)?;
            let end = columns.integer_or(4, row, 0);
            if !(0..=1).contains(&end) {
                return Err(invalid("endoption", end).into());
            }
            let group = at_least("subexpr", columns.integer_or(6, row, 0), 0)?;
            let Some(from) = start_byte(text, columns.integer_or(2, row, 1))? else {
                return Ok(0);
            };
            let compiled = memo.at(row)?;
            let found = group_of_nth(&compiled.0, text, from, number, group);
            Ok(found.map_or(0, |found| {
                let byte = if end == 1 { found.end() } else { found.start() };
                character_number(text, byte)
            }))
        })
    },
};

/// A parameter as a count, or 22023.
pub fn at_least(name: &str, value: i32, least: i32) -> Result<usize, FunctionError> {
    match value >= least {
        true => Ok(value as usize),
        false => Err(invalid(name, value)),
    }
}

fn invalid(name: &str, value: i32) -> FunctionError {
    FunctionError::new(
        "22023",
        format!("invalid value for parameter \"{name}\": {value}"),
    )
}
