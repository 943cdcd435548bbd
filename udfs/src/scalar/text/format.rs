//! `format(template, …)`: a text with values in the places of `%s`, `%I` and `%L`.

use arrow::array::{Array, ArrayRef, StringArray};
use datafusion::error::Result;
use datafusion::logical_expr::Volatility;

use super::concat::texts;
use super::quote::{quote_ident, quote_literal};
use crate::error::FunctionError;
use crate::scalar::columns::{ColumnFunction, Columns};
use crate::scalar::overload::{Kind, Overload};

/// `format`
pub static FORMAT: ColumnFunction = ColumnFunction {
    name: "format",
    syntax: "format('template', value, …)",
    description: "A text with values in the places of `%s`, as identifiers for `%I`, as literals for `%L`",
    overloads: &[Overload::variadic(&[Kind::Text], Kind::Any, Kind::Text)],
    gives: None,
    volatility: Volatility::Stable,
    body: formatted,
};

fn formatted(columns: &Columns) -> Result<ArrayRef> {
    let templates = columns.text(0);
    let values = texts(columns, 1);
    columns.map_text_with_nulls(|row, out| {
        if templates.is_null(row) {
            return Ok(false);
        }
        let mut writer = Writer {
            out,
            values: &values,
            row,
            next: 0,
        };
        writer.run(templates.value(row))?;
        Ok(true)
    })
}

struct Writer<'w> {
    out: &'w mut String,
    values: &'w [Option<&'w StringArray>],
    row: usize,
    /// The value that a place without a number takes.
    next: usize,
}

/// A place: `%1$-10s`
#[derive(Default)]
struct Place {
    position: Option<usize>,
    is_left: bool,
    width: i64,
}

impl Writer<'_> {
    fn run(&mut self, template: &str) -> Result<(), FunctionError> {
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('%') {
            self.out.push_str(before);
            rest = after;
            if let Some(after) = rest.strip_prefix('%') {
                self.out.push('%');
                rest = after;
                continue;
            }
            let place = self.place(&mut rest)?;
            let Some(kind) = rest.chars().next() else {
                return Err(unterminated());
            };
            rest = &rest[kind.len_utf8()..];
            self.write(&place, kind)?;
        }
        self.out.push_str(rest);
        Ok(())
    }

    fn place(&mut self, rest: &mut &str) -> Result<Place, FunctionError> {
        let mut place = Place::default();
        if let Some((number, after)) = leading_number(rest)
            && let Some(after) = after.strip_prefix('$')
        {
            place.position = Some(position(number)?);
            *rest = after;
        }
        while let Some(after) = rest.strip_prefix('-') {
            place.is_left = true;
            *rest = after;
        }
        if let Some(after) = rest.strip_prefix('*') {
            *rest = after;
            let mut of_width = None;
            if let Some((number, after)) = leading_number(rest)
                && let Some(after) = after.strip_prefix('$')
            {
                of_width = Some(position(number)?);
                *rest = after;
            }
            let width = self.value(of_width)?.unwrap_or("0");
            place.width = width.trim().parse().map_err(|_| {
                FunctionError::new(
                    "22P02",
                    format!("invalid input syntax for type integer: \"{width}\""),
                )
            })?;
            if place.width < 0 {
                (place.width, place.is_left) = (-place.width, true);
            }
        } else if let Some((number, after)) = leading_number(rest) {
            place.width = number;
            *rest = after;
        }
        match rest.is_empty() {
            true => Err(unterminated()),
            false => Ok(place),
        }
    }

    /// The value at a position, or the next one.
    fn value(&mut self, position: Option<usize>) -> Result<Option<&str>, FunctionError> {
        let at = position.unwrap_or(self.next);
        self.next = at + 1;
        let Some(value) = self.values.get(at) else {
            return Err(FunctionError::new(
                "22023",
                "too few arguments for format()",
            ));
        };
        Ok(value
            .filter(|value| value.is_valid(self.row))
            .map(|value| value.value(self.row)))
    }

    fn write(&mut self, place: &Place, kind: char) -> Result<(), FunctionError> {
        if !matches!(kind, 's' | 'I' | 'L') {
            return Err(FunctionError::new(
                "22023",
                format!("unrecognized format() type specifier \"{kind}\""),
            )
            .with_hint("For a single \"%\" use \"%%\"."));
        }
        let value = self.value(place.position)?;
        let text = match (kind, value) {
            ('s', value) => value.unwrap_or_default().to_string(),
            ('I', Some(value)) => quote_ident(value),
            ('L', Some(value)) => quote_literal(value),
            ('L', None) => "NULL".to_string(),
            _ => {
                return Err(FunctionError::new(
                    "22004",
                    "null values cannot be formatted as an SQL identifier",
                ));
            }
        };
        let missing = place.width - text.chars().count() as i64;
        let spaces = " ".repeat(missing.max(0) as usize);
        match place.is_left {
            true => self.out.extend([text, spaces]),
            false => self.out.extend([spaces, text]),
        }
        Ok(())
    }
}

fn leading_number(text: &str) -> Option<(i64, &str)> {
    let end = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    let number = text[..end].parse().ok()?;
    Some((number, &text[end..]))
}

/// From 1 in a template, from 0 here.
fn position(number: i64) -> Result<usize, FunctionError> {
    usize::try_from(number - 1).map_err(|_| {
        FunctionError::new(
            "22023",
            "format specifies argument 0, but arguments are numbered from 1",
        )
    })
}

fn unterminated() -> FunctionError {
    FunctionError::new("22023", "unterminated format() type specifier")
        .with_hint("For a single \"%\" use \"%%\".")
}
