//! `unistr(text)`: the text with the characters that `\0041` and its like name.

use datafusion::logical_expr::Volatility;

use crate::error::FunctionError;
use crate::scalar::columns::ColumnFunction;
use crate::scalar::overload::{Kind, Overload};

/// `unistr`
pub static UNISTR: ColumnFunction = ColumnFunction {
    name: "unistr",
    syntax: "unistr(text)",
    description: "The text with `\\0041`, `\\+000041`, `\\u0041` and `\\U00000041` as the characters that they name",
    overloads: &[Overload::new(&[Kind::Text], Kind::Text)],
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| {
        let texts = columns.text(0);
        columns.map_text(|row, out| {
            unescape(texts.value(row), out)?;
            Ok(true)
        })
    },
};

fn unescape(text: &str, out: &mut String) -> Result<(), FunctionError> {
    let mut rest = text;
    // The first half of a pair of surrogates.
    let mut high: Option<u32> = None;
    while let Some((before, after)) = rest.split_once('\\') {
        if high.is_some() && !before.is_empty() {
            return Err(invalid("invalid Unicode surrogate pair"));
        }
        out.push_str(before);
        if let Some(after) = after.strip_prefix('\\') {
            out.push('\\');
            rest = after;
            continue;
        }
        let (skipped, digits) = match after.as_bytes().first() {
            Some(b'+') => (1, 6),
            Some(b'u') => (1, 4),
            Some(b'U') => (1, 8),
            _ => (0, 4),
        };
        let code = after
            .get(skipped..skipped + digits)
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .ok_or_else(|| {
                invalid("invalid Unicode escape").with_hint(
                    "Unicode escapes must be \\XXXX, \\+XXXXXX, \\uXXXX, or \\UXXXXXXXX.",
                )
            })?;
        rest = &after[skipped + digits..];
        let code = match (high.take(), code) {
            (None, 0xD800..=0xDBFF) => {
                high = Some(code);
                continue;
            }
            (Some(high), 0xDC00..=0xDFFF) => 0x10000 + ((high - 0xD800) << 10) + (code - 0xDC00),
            (Some(_), _) => return Err(invalid("invalid Unicode surrogate pair")),
            (None, code) => code,
        };
        out.push(char::from_u32(code).ok_or_else(|| invalid("invalid Unicode code point"))?);
    }
    if high.is_some() {
        return Err(invalid("invalid Unicode surrogate pair"));
    }
    out.push_str(rest);
    Ok(())
}

fn invalid(message: &str) -> FunctionError {
    FunctionError::new("42601", message)
}
