//! `regexp_match` and `regexp_matches`: the groups of the first match, or of every one.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListBuilder, StringBuilder};
use arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::logical_expr::Volatility;
use regex::Captures;

use super::flags::Flags;
use super::memo::Memo;
use super::search::captures;
use crate::scalar::columns::{ColumnFunction, Columns};
use crate::scalar::overload::{Kind, Overload};

/// `regexp_match`
pub static REGEXP_MATCH: ColumnFunction = ColumnFunction {
    name: "regexp_match",
    syntax: "regexp_match(text, expression [, flags])",
    description: "The groups of the first match of a regular expression, or the match if it has no groups",
    overloads: &[
        Overload::new(&[Kind::Text, Kind::Text], Kind::TextArray),
        Overload::new(&[Kind::Text, Kind::Text, Kind::Text], Kind::TextArray),
    ],
    gives: None,
    volatility: Volatility::Immutable,
    body: first,
};

/// What `regexp_matches` gives, as one list for `unnest`.
pub static REGEXP_MATCHES_LIST: ColumnFunction = ColumnFunction {
    name: "regexp_matches_list",
    syntax: "regexp_matches(text, expression [, flags])",
    description: "A row with the groups of each match of a regular expression; without the flag `g` of the first",
    overloads: &[
        Overload::new(&[Kind::Text, Kind::Text], Kind::Any),
        Overload::new(&[Kind::Text, Kind::Text, Kind::Text], Kind::Any),
    ],
    gives: Some(|_| Ok(DataType::new_list(Kind::TextArray.arrow(), true))),
    volatility: Volatility::Immutable,
    body: every,
};

fn first(columns: &Columns) -> Result<ArrayRef> {
    let texts = columns.text(0);
    let memo = Memo::new(columns, 1, 2, |letters| {
        Flags::parse_single(letters, "regexp_match").map_err(|error| match error.hint {
            None if error.message.contains("global") => {
                error.with_hint("Use the regexp_matches function instead.")
            }
            _ => error,
        })
    });
    let nulls = columns.nulls();
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in 0..columns.rows {
        let is_null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
        let compiled = if is_null { None } else { Some(memo.at(row)?) };
        let found = compiled
            .as_ref()
            .and_then(|compiled| compiled.0.captures(texts.value(row)));
        if let Some(found) = &found {
            push_groups(lists.values(), found);
        }
        lists.append(found.is_some());
    }
    Ok(Arc::new(lists.finish()))
}

fn every(columns: &Columns) -> Result<ArrayRef> {
    let texts = columns.text(0);
    let memo = Memo::new(columns, 1, 2, Flags::parse);
    let nulls = columns.nulls();
    let mut lists = ListBuilder::new(ListBuilder::new(StringBuilder::new()));
    for row in 0..columns.rows {
        let is_null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
        if !is_null {
            let compiled = memo.at(row)?;
            let limit = if compiled.1.is_global { usize::MAX } else { 1 };
            for found in captures(&compiled.0, texts.value(row), 0).take(limit) {
                push_groups(lists.values().values(), &found);
                lists.values().append(true);
            }
        }
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

/// The groups of a match, or the match itself if the expression has none.
fn push_groups(list: &mut StringBuilder, found: &Captures) {
    let skipped = usize::from(found.len() > 1);
    for group in found.iter().skip(skipped) {
        list.append_option(group.map(|group| group.as_str()));
    }
}
