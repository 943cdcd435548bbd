//! How is an interval spelled in a Delta file?
//!
//! Delta has no type for PostgreSQL's interval of months, days and time, so it is stored as ISO 8601 text in the form that
//! PostgreSQL prints under `intervalstyle = iso_8601`: `P1Y2M3DT4H5M6.789S`, each part with its own sign.

use std::fmt::Write;

use arrow::datatypes::{IntervalMonthDayNano, IntervalMonthDayNanoType};

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const NANOS_PER_MINUTE: i64 = 60 * NANOS_PER_SECOND;
const NANOS_PER_HOUR: i64 = 60 * NANOS_PER_MINUTE;

/// The ISO 8601 spelling.
pub fn format(interval: IntervalMonthDayNano) -> String {
    let (months, days, nanos) = IntervalMonthDayNanoType::to_parts(interval);
    let mut text = String::from("P");
    part(&mut text, i64::from(months / 12), 'Y');
    part(&mut text, i64::from(months % 12), 'M');
    part(&mut text, i64::from(days), 'D');
    if nanos != 0 {
        text.push('T');
        part(&mut text, nanos / NANOS_PER_HOUR, 'H');
        part(&mut text, nanos % NANOS_PER_HOUR / NANOS_PER_MINUTE, 'M');
        seconds(&mut text, nanos % NANOS_PER_MINUTE);
    } else if text.len() == 1 {
        text.push_str("T0S");
    }
    text
}

fn part(text: &mut String, value: i64, unit: char) {
    if value != 0 {
        // Writing to a String cannot fail.
        let _ = write!(text, "{value}{unit}");
    }
}

fn seconds(text: &mut String, nanos: i64) {
    if nanos == 0 {
        return;
    }
    let sign = if nanos < 0 { "-" } else { "" };
    let magnitude = nanos.unsigned_abs();
    let whole = magnitude / NANOS_PER_SECOND as u64;
    let fraction = magnitude % NANOS_PER_SECOND as u64;
    let _ = write!(text, "{sign}{whole}");
    if fraction != 0 {
        let digits = format!("{fraction:09}");
        let _ = write!(text, ".{}", digits.trim_end_matches('0'));
    }
    text.push('S');
}

/// Reads the ISO 8601 spelling with designators; `None` if the text is not one or is out of range.
pub fn parse(text: &str) -> Option<IntervalMonthDayNano> {
    let mut rest = text.trim().strip_prefix('P')?;
    if rest.is_empty() {
        return None;
    }
    let (mut months, mut days, mut nanos) = (0_i64, 0_i64, 0_i64);
    let mut in_time = false;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('T') {
            if in_time || after.is_empty() {
                return None;
            }
            in_time = true;
            rest = after;
            continue;
        }
        let end = rest.find(|c: char| c.is_ascii_alphabetic())?;
        let (number, unit) = (&rest[..end], rest.as_bytes()[end]);
        rest = &rest[end + 1..];
        let whole = || number.parse::<i64>().ok();
        let (total, added) = match (in_time, unit) {
            (false, b'Y') => (&mut months, whole()?.checked_mul(12)?),
            (false, b'M') => (&mut months, whole()?),
            (false, b'W') => (&mut days, whole()?.checked_mul(7)?),
            (false, b'D') => (&mut days, whole()?),
            (true, b'H') => (&mut nanos, whole()?.checked_mul(NANOS_PER_HOUR)?),
            (true, b'M') => (&mut nanos, whole()?.checked_mul(NANOS_PER_MINUTE)?),
            (true, b'S') => (&mut nanos, parse_seconds(number)?),
            _ => return None,
        };
        *total = total.checked_add(added)?;
    }
    Some(IntervalMonthDayNanoType::make_value(
        months.try_into().ok()?,
        days.try_into().ok()?,
        nanos,
    ))
}

fn parse_seconds(number: &str) -> Option<i64> {
    let (sign, digits) = match number.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let whole: i64 = whole.parse().ok()?;
    let fraction: i64 = format!("{fraction:0<9}").parse().ok()?;
    whole
        .checked_mul(NANOS_PER_SECOND)?
        .checked_mul(sign)?
        .checked_add(sign * fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_and_reading_are_inverse() {
        let cases = [
            (0, 0, 0, "PT0S"),
            (14, 3, 14_706_789_000_000, "P1Y2M3DT4H5M6.789S"),
            (-14, -3, -1_000, "P-1Y-2M-3DT-0.000001S"),
            (0, 1, -NANOS_PER_HOUR, "P1DT-1H"),
            (0, 0, 1, "PT0.000000001S"),
        ];
        for (months, days, nanos, text) in cases {
            let value = IntervalMonthDayNanoType::make_value(months, days, nanos);
            assert_eq!(format(value), text);
            assert_eq!(parse(text), Some(value), "{text}");
        }
        for nanos in [i64::MIN, i64::MAX] {
            for whole in [i32::MIN, i32::MAX] {
                let value = IntervalMonthDayNanoType::make_value(whole, whole, nanos);
                assert_eq!(parse(&format(value)), Some(value));
            }
        }
        assert_eq!(
            parse("P2W"),
            Some(IntervalMonthDayNanoType::make_value(0, 14, 0))
        );
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "P",
            "1 day",
            "P1",
            "PT",
            "P1H",
            "PT1Y",
            "P1.5Y",
            "PT1.S.",
            "P99999999999Y",
            "PT1e3S",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
