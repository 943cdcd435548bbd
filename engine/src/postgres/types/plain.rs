//! What type does a plain text such as a CSV value look like?

use super::datetime_text::{IsoKind, iso_kind};
use super::number::{parse_f64, parse_integer};

/// Digits of an integer that `numeric` holds without fraction.
const DIGITS_MAX: usize = 38;

/// Kinds of values that are told apart without knowing the column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::postgres) enum PlainKind {
    Boolean,
    Integer,
    /// beyond 64 bits
    LongInteger,
    Float,
    Date,
    Timestamp,
    Timestamptz,
    Text,
}

/// The narrowest kind of a text that is not empty.
///
/// Only forms that programs write count: ISO dates, `true` and `f`, numbers. A number that starts with a zero
/// is a code, such as a postal code, whose zero must not get lost.
pub(in crate::postgres) fn plain_kind(text: &str) -> PlainKind {
    let first = text.as_bytes().first().copied().unwrap_or(b' ');
    if first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.') {
        return match iso_kind(text) {
            Some(IsoKind::Date) => PlainKind::Date,
            Some(IsoKind::Timestamp) => PlainKind::Timestamp,
            Some(IsoKind::Timestamptz) => PlainKind::Timestamptz,
            None => number_kind(text),
        };
    }
    if ["true", "false", "t", "f"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
    {
        return PlainKind::Boolean;
    }
    if ["nan", "inf", "infinity"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
    {
        return PlainKind::Float;
    }
    PlainKind::Text
}

fn number_kind(text: &str) -> PlainKind {
    let digits = text.trim_start_matches(['-', '+']);
    let is_code =
        digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_code || text.len() > digits.len() + 1 {
        return PlainKind::Text;
    }
    if all_digits {
        return match parse_integer(text, "bigint", (i64::MIN, i64::MAX)) {
            Ok(_) => PlainKind::Integer,
            Err(_) if digits.len() <= DIGITS_MAX => PlainKind::LongInteger,
            Err(_) => PlainKind::Text,
        };
    }
    match parse_f64(text) {
        Ok(_) if text.trim_ascii() == text => PlainKind::Float,
        _ => PlainKind::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::{PlainKind, plain_kind};

    #[test]
    fn kinds_are_told_apart() {
        let cases = [
            ("1", PlainKind::Integer),
            ("-9223372036854775808", PlainKind::Integer),
            ("9223372036854775808", PlainKind::LongInteger),
            ("00123", PlainKind::Text),
            ("0", PlainKind::Integer),
            ("0.5", PlainKind::Float),
            ("1e3", PlainKind::Float),
            ("-.5", PlainKind::Float),
            ("NaN", PlainKind::Float),
            ("--1", PlainKind::Text),
            ("1-2", PlainKind::Text),
            ("1e999", PlainKind::Text),
            ("2024-02-29", PlainKind::Date),
            ("2023-02-29", PlainKind::Text),
            ("2024-02-29 01:02:03.5", PlainKind::Timestamp),
            ("2024-02-29T01:02:03Z", PlainKind::Timestamptz),
            ("true", PlainKind::Boolean),
            ("F", PlainKind::Boolean),
            ("yes", PlainKind::Text),
            ("<=50K", PlainKind::Text),
        ];
        for (text, kind) in cases {
            assert_eq!(plain_kind(text), kind, "{text}");
        }
    }
}
