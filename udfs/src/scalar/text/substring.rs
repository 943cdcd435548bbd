//! `substring(text, from [, for])` by characters, and `substring(text, expression [, escape])` by a pattern.

use arrow::array::{ArrayRef, AsArray, BinaryBuilder};
use arrow::datatypes::{DataType, Int32Type};
use datafusion::error::Result;
use datafusion::logical_expr::Volatility;
use std::sync::Arc;

use crate::error::FunctionError;
use crate::scalar::columns::{ColumnFunction, Columns};
use crate::scalar::overload::Kind::{Bytea, Int4, Text};
use crate::scalar::overload::Overload;
use crate::scalar::regex::flags::Flags;
use crate::scalar::regex::similar::regular_expression;
use crate::scalar::regex::syntax::compile;

/// `substring`
pub static SUBSTRING: ColumnFunction = ColumnFunction {
    name: "substring",
    syntax: "substring(text FROM start [FOR count])",
    description: "A part of a text by characters, or what a regular expression or a pattern of SIMILAR TO matches of it",
    overloads: &[
        Overload::new(&[Text, Int4], Text),
        Overload::new(&[Text, Int4, Int4], Text),
        Overload::new(&[Text, Text], Text),
        Overload::new(&[Text, Text, Text], Text),
        Overload::new(&[Bytea, Int4], Bytea),
        Overload::new(&[Bytea, Int4, Int4], Bytea),
    ],
    gives: None,
    volatility: Volatility::Immutable,
    body: parts,
};

/// `substr`
pub static SUBSTR: ColumnFunction = ColumnFunction {
    name: "substr",
    syntax: "substr(text, start [, count])",
    description: "A part of a text by characters",
    overloads: &[
        Overload::new(&[Text, Int4], Text),
        Overload::new(&[Text, Int4, Int4], Text),
        Overload::new(&[Bytea, Int4], Bytea),
        Overload::new(&[Bytea, Int4, Int4], Bytea),
    ],
    gives: None,
    volatility: Volatility::Immutable,
    body: parts,
};

fn parts(columns: &Columns) -> Result<ArrayRef> {
    if *columns.data_type(0) == DataType::Binary {
        return bytes(columns);
    }
    if columns.is_text(1) {
        return matched(columns);
    }
    let texts = columns.text(0);
    columns.map_text(|row, out| {
        let text = texts.value(row);
        let (from, to) = range(columns, row)?;
        out.push_str(slice(text, from, to));
        Ok(true)
    })
}

/// Where the part begins and ends, counted from 0; the end may be before the beginning.
fn range(columns: &Columns, row: usize) -> Result<(i64, i64), FunctionError> {
    let start = i64::from(columns.primitive::<Int32Type>(1).value(row)) - 1;
    if columns.len() < 3 {
        return Ok((start, i64::MAX));
    }
    let count = i64::from(columns.primitive::<Int32Type>(2).value(row));
    if count < 0 {
        return Err(FunctionError::new(
            "22011",
            "negative substring length not allowed",
        ));
    }
    Ok((start, start + count))
}

fn slice(text: &str, from: i64, to: i64) -> &str {
    let (from, to) = (from.max(0) as usize, to.max(0) as usize);
    if text.is_ascii() {
        let to = to.min(text.len());
        return text.get(from.min(to)..to).unwrap_or_default();
    }
    let byte = |character: usize| {
        text.char_indices()
            .nth(character)
            .map_or(text.len(), |(at, _)| at)
    };
    let first = byte(from);
    let last = if to >= text.len() {
        text.len()
    } else {
        byte(to)
    };
    text.get(first..last).unwrap_or_default()
}

fn bytes(columns: &Columns) -> Result<ArrayRef> {
    let values = columns.array(0).as_binary::<i32>();
    let nulls = columns.nulls();
    let mut parts = BinaryBuilder::new();
    for row in 0..columns.rows {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            parts.append_null();
            continue;
        }
        let value = values.value(row);
        let (from, to) = range(columns, row)?;
        let to = (to.max(0) as usize).min(value.len());
        let from = (from.max(0) as usize).min(to);
        parts.append_value(&value[from..to]);
    }
    Ok(Arc::new(parts.finish()))
}

fn matched(columns: &Columns) -> Result<ArrayRef> {
    let (texts, patterns) = (columns.text(0), columns.text(1));
    let escapes = (columns.len() > 2).then(|| columns.text(2));
    let mut last = None;
    columns.map_text(|row, out| {
        let (pattern, escape) = (
            patterns.value(row),
            escapes.map(|escapes| escapes.value(row)),
        );
        let compiled = match last.take() {
            Some((known, regex)) if known == (pattern, escape) => regex,
            _ => match escape {
                Some(escape) => compile(&regular_expression(pattern, escape)?, Flags::NONE)?,
                None => compile(pattern, Flags::NONE)?,
            },
        };
        let group = usize::from(compiled.captures_len() > 1);
        let found = compiled
            .captures(texts.value(row))
            .and_then(|found| found.get(group));
        out.push_str(found.map_or("", |found| found.as_str()));
        last = Some(((pattern, escape), compiled));
        Ok(found.is_some())
    })
}
