//! `regexp_split_to_array(text, expression [, flags])`: the parts between the matches.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListBuilder, StringBuilder};
use datafusion::error::Result;
use datafusion::logical_expr::Volatility;

use super::flags::Flags;
use super::memo::Memo;
use crate::scalar::columns::{ColumnFunction, Columns};
use crate::scalar::overload::{Kind, Overload};

/// `regexp_split_to_array`
pub static REGEXP_SPLIT_TO_ARRAY: ColumnFunction = ColumnFunction {
    name: "regexp_split_to_array",
    syntax: "regexp_split_to_array(text, expression [, flags])",
    description: "The parts of a text between the matches of a regular expression",
    overloads: &[
        Overload::new(&[Kind::Text, Kind::Text], Kind::TextArray),
        Overload::new(&[Kind::Text, Kind::Text, Kind::Text], Kind::TextArray),
    ],
    gives: None,
    volatility: Volatility::Immutable,
    body: parts,
};

fn parts(columns: &Columns) -> Result<ArrayRef> {
    let texts = columns.text(0);
    let memo = Memo::new(columns, 1, 2, |letters| {
        Flags::parse_single(letters, "regexp_split_to_array")
    });
    let nulls = columns.nulls();
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in 0..columns.rows {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            lists.append(false);
            continue;
        }
        let text = texts.value(row);
        let mut from = 0;
        for found in memo.at(row)?.0.find_iter(text) {
            // An empty match at an end, or behind another match, splits nothing off.
            let is_empty = found.is_empty();
            if is_empty && (found.start() == from || found.start() == text.len()) {
                continue;
            }
            lists.values().append_value(&text[from..found.start()]);
            from = found.end();
        }
        lists.values().append_value(&text[from..]);
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}
