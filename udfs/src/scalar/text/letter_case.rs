//! `upper(text)` and `lower(text)`, a character at a time: a text keeps its length, so `ß` stays as it is.

use arrow::array::ArrayRef;
use datafusion::error::Result;
use datafusion::logical_expr::Volatility;

use crate::scalar::columns::{ColumnFunction, Columns};
use crate::scalar::overload::{Kind, Overload};

const OVERLOADS: &[Overload] = &[Overload::new(&[Kind::Text], Kind::Text)];

/// `upper`
pub static UPPER: ColumnFunction = ColumnFunction {
    name: "upper",
    syntax: "upper(text)",
    description: "The text in capital letters",
    overloads: OVERLOADS,
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| {
        mapped(columns, str::make_ascii_uppercase, |c| {
            only(c, c.to_uppercase())
        })
    },
};

/// `lower`
pub static LOWER: ColumnFunction = ColumnFunction {
    name: "lower",
    syntax: "lower(text)",
    description: "The text in small letters",
    overloads: OVERLOADS,
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| {
        mapped(columns, str::make_ascii_lowercase, |c| {
            only(c, c.to_lowercase())
        })
    },
};

fn mapped(columns: &Columns, ascii: fn(&mut str), other: fn(char) -> char) -> Result<ArrayRef> {
    let texts = columns.text(0);
    columns.map_text(|row, out| {
        let text = texts.value(row);
        if text.is_ascii() {
            out.push_str(text);
            ascii(out);
        } else {
            out.extend(text.chars().map(other));
        }
        Ok(true)
    })
}

/// The character that another becomes; itself if it would become several.
fn only(character: char, mut becomes: impl Iterator<Item = char>) -> char {
    match (becomes.next(), becomes.next()) {
        (Some(one), None) => one,
        _ => character,
    }
}
