//! `regexp_count(text, expression [, start [, flags]])`: how often does an expression match?

use arrow::datatypes::Int32Type;
use datafusion::logical_expr::Volatility;

use super::flags::Flags;
use super::memo::{Memo, start_byte};
use super::search::matches;
use crate::scalar::columns::ColumnFunction;
use crate::scalar::overload::{Kind, Overload};

/// `regexp_count`
pub static REGEXP_COUNT: ColumnFunction = ColumnFunction {
    name: "regexp_count",
    syntax: "regexp_count(text, expression [, start [, flags]])",
    description: "How often a regular expression matches in a text, from a character on",
    overloads: &[
        Overload::new(&[Kind::Text, Kind::Text], Kind::Int4),
        Overload::new(&[Kind::Text, Kind::Text, Kind::Int4], Kind::Int4),
        Overload::new(
            &[Kind::Text, Kind::Text, Kind::Int4, Kind::Text],
            Kind::Int4,
        ),
    ],
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| {
        let texts = columns.text(0);
        let memo = Memo::new(columns, 1, 3, |letters| {
            Flags::parse_single(letters, "regexp_count")
        });
        columns.map::<Int32Type>(|row| {
            let text = texts.value(row);
            let start = columns.integer_or(2, row, 1);
            let Some(from) = start_byte(text, start)? else {
                return Ok(0);
            };
            let compiled = memo.at(row)?;
            Ok(matches(&compiled.0, text, from).count() as i32)
        })
    },
};
