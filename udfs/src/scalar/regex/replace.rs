//! `regexp_replace(text, expression, replacement [, start [, n]] [, flags])`

use arrow::array::ArrayRef;
use datafusion::error::Result;
use datafusion::logical_expr::Volatility;
use regex::Captures;

use super::flags::Flags;
use super::instr::at_least;
use super::memo::{Memo, start_byte};
use super::search::captures;
use crate::scalar::columns::{ColumnFunction, Columns};
use crate::scalar::overload::Kind::{Int4, Text};
use crate::scalar::overload::{Kind, Overload};

/// `regexp_replace`
pub static REGEXP_REPLACE: ColumnFunction = ColumnFunction {
    name: "regexp_replace",
    syntax: "regexp_replace(text, expression, replacement [, start [, n]] [, flags])",
    description: "The text with a match of a regular expression replaced, with all by the flag `g`",
    overloads: &[
        Overload::new(&[Text, Text, Text], Kind::Text),
        Overload::new(&[Text, Text, Text, Text], Kind::Text),
        Overload::new(&[Text, Text, Text, Int4], Kind::Text),
        Overload::new(&[Text, Text, Text, Int4, Int4], Kind::Text),
        Overload::new(&[Text, Text, Text, Int4, Int4, Text], Kind::Text),
    ],
    gives: None,
    volatility: Volatility::Immutable,
    body: replaced,
};

fn replaced(columns: &Columns) -> Result<ArrayRef> {
    let (texts, replacements) = (columns.text(0), columns.text(2));
    let flags_at = if columns.len() == 4 { 3 } else { 5 };
    let memo = Memo::new(columns, 1, flags_at, Flags::parse);
    let has_start = columns.len() > 3 && !columns.is_text(3);
    columns.map_text(|row, out| {
        let text = texts.value(row);
        let compiled = memo.at(row)?;
        let (start, number) = match has_start {
            true => (columns.integer_or(3, row, 1), columns.integer_or(4, row, 1)),
            false => (1, 1),
        };
        let number = at_least("n", number, 0)?;
        // 0 is every match; so is the flag, where no number says otherwise.
        let only = match compiled.1.is_global && columns.len() < 5 {
            true => 0,
            false => number,
        };
        let Some(from) = start_byte(text, start)? else {
            out.push_str(text);
            return Ok(true);
        };
        let mut copied = 0;
        let found = captures(&compiled.0, text, from);
        let (skipped, taken) = match only {
            0 => (0, usize::MAX),
            number => (number - 1, 1),
        };
        for found in found.skip(skipped).take(taken) {
            let Some(whole) = found.get(0) else { continue };
            out.push_str(&text[copied..whole.start()]);
            expand(out, replacements.value(row), &found);
            copied = whole.end();
        }
        out.push_str(&text[copied..]);
        Ok(true)
    })
}

/// `\1` is the first group, `\&` the whole match.
fn expand(out: &mut String, replacement: &str, found: &Captures) {
    let mut rest = replacement.chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            out.push(character);
            continue;
        }
        let mut group = |at: usize| out.push_str(found.get(at).map_or("", |part| part.as_str()));
        match rest.next() {
            Some('&') => group(0),
            Some(digit) if digit.is_ascii_digit() && digit != '0' => {
                group(digit as usize - '0' as usize);
            }
            Some('\\') => out.push('\\'),
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
            None => out.push('\\'),
        }
    }
}
