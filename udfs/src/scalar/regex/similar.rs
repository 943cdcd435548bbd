//! `similar_to_escape(pattern [, escape])`: the regular expression that a pattern of SIMILAR TO means.

use datafusion::logical_expr::Volatility;

use crate::error::FunctionError;
use crate::scalar::columns::ColumnFunction;
use crate::scalar::overload::{Kind, Overload};

/// `similar_to_escape`
pub static SIMILAR_TO_ESCAPE: ColumnFunction = ColumnFunction {
    name: "similar_to_escape",
    syntax: "similar_to_escape(pattern [, escape])",
    description: "The regular expression that a pattern of SIMILAR TO means",
    overloads: &[
        Overload::new(&[Kind::Text], Kind::Text),
        Overload::new(&[Kind::Text, Kind::Text], Kind::Text),
    ],
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| {
        columns.map_text(|row, out| {
            let escape = match columns.len() {
                1 => "\\",
                _ => columns.text(1).value(row),
            };
            let expression = regular_expression(columns.text(0).value(row), escape)?;
            out.push_str(&expression);
            Ok(true)
        })
    },
};

/// A pattern of SIMILAR TO as a regular expression over a whole text.
///
/// Two `escape "` make three parts; the middle one is the first group, which `substring` takes.
pub fn regular_expression(pattern: &str, escape: &str) -> Result<String, FunctionError> {
    let mut escapes = escape.chars();
    let escape = escapes.next();
    if escapes.next().is_some() {
        return Err(FunctionError::new("22019", "invalid escape string")
            .with_hint("Escape string must be empty or one character."));
    }
    let mut out = String::from("^(?:");
    let mut is_in_bracket = false;
    let mut quotes = 0;
    let mut rest = pattern.chars();
    while let Some(character) = rest.next() {
        if Some(character) == escape {
            match rest.next() {
                Some('"') if !is_in_bracket => {
                    quotes += 1;
                    if quotes > 2 {
                        return Err(FunctionError::new(
                            "2200C",
                            "SQL regular expression may not contain more than two escape-double-quote separators",
                        ));
                    }
                    out.push_str(if quotes == 1 { ")(" } else { ")(?:" });
                }
                Some(escaped) => {
                    out.push('\\');
                    out.push(escaped);
                }
                None => out.push_str("\\\\"),
            }
            continue;
        }
        if is_in_bracket {
            if character == '\\' {
                out.push('\\');
            }
            out.push(character);
            is_in_bracket = character != ']';
            continue;
        }
        match character {
            '[' => {
                is_in_bracket = true;
                out.push('[');
            }
            '%' => out.push_str(".*"),
            '_' => out.push('.'),
            '(' => out.push_str("(?:"),
            '\\' | '.' | '^' | '$' => {
                out.push('\\');
                out.push(character);
            }
            other => out.push(other),
        }
    }
    out.push_str(")$");
    Ok(out)
}
