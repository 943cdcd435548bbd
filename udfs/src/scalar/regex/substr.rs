//! `regexp_substr(text, expression [, start [, n [, flags [, group]]]])`: what does an expression match?

use datafusion::logical_expr::Volatility;

use super::flags::Flags;
use super::instr::at_least;
use super::memo::{Memo, start_byte};
use super::search::group_of_nth;
use crate::scalar::columns::ColumnFunction;
use crate::scalar::overload::Kind::{Int4, Text};
use crate::scalar::overload::{Kind, Overload};

/// `regexp_substr`
pub static REGEXP_SUBSTR: ColumnFunction = ColumnFunction {
    name: "regexp_substr",
    syntax: "regexp_substr(text, expression [, start [, n [, flags [, group]]]])",
    description: "What the n-th match of a regular expression, or a group of it, is",
    overloads: &[
        Overload::new(&[Text, Text], Kind::Text),
        Overload::new(&[Text, Text, Int4], Kind::Text),
        Overload::new(&[Text, Text, Int4, Int4], Kind::Text),
        Overload::new(&[Text, Text, Int4, Int4, Text], Kind::Text),
        Overload::new(&[Text, Text, Int4, Int4, Text, Int4], Kind::Text),
    ],
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| {
        let texts = columns.text(0);
        let memo = Memo::new(columns, 1, 4, |letters| {
            Flags::parse_single(letters, "regexp_substr")
        });
        columns.map_text(|row, out| {
            let text = texts.value(row);
            let number = at_least("n", columns.integer_or(3, row, 1), 1)?;
            let group = at_least("subexpr", columns.integer_or(5, row, 0), 0)?;
            let Some(from) = start_byte(text, columns.integer_or(2, row, 1))? else {
                return Ok(false);
            };
            let compiled = memo.at(row)?;
            let found = group_of_nth(&compiled.0, text, from, number, group);
            out.push_str(found.map_or("", |found| found.as_str()));
            Ok(found.is_some())
        })
    },
};
