//! How is an interval written in a Delta file, which has no interval type?
//!
//! As ISO 8601 text with designators, `P1Y2M3DT4H5M6.789S`, each part with its own sign as PostgreSQL's
//! `intervalstyle = iso_8601` prints it, so other engines can read the column.

use std::fmt::Write;

use arrow::datatypes::IntervalMonthDayNano;

const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// Writes months, days and nanoseconds as ISO 8601; a zero interval is `PT0S`.
pub fn to_iso8601(value: IntervalMonthDayNano) -> String {
    let (years, months) = (value.months / 12, value.months % 12);
    let nanos = i128::from(value.nanoseconds);
    let (hours, minutes) = (
        nanos / (3600 * NANOS_PER_SECOND),
        nanos / (60 * NANOS_PER_SECOND) % 60,
    );
    let seconds = nanos % (60 * NANOS_PER_SECOND);
    let mut text = String::from("P");
    let mut part = |amount: i128, designator: char| {
        if amount != 0 {
            // Writing to a String cannot fail.
            let _ = write!(text, "{amount}{designator}");
        }
    };
    part(i128::from(years), 'Y');
    part(i128::from(months), 'M');
    part(i128::from(value.days), 'D');
    if nanos != 0 {
        text.push('T');
        let mut part = |amount: i128, designator: char| {
            if amount != 0 {
                let _ = write!(text, "{amount}{designator}");
            }
        };
        part(hours, 'H');
        part(minutes, 'M');
        if seconds != 0 {
            push_seconds(&mut text, seconds);
        }
    }
    if text.len() == 1 {
        text.push_str("T0S");
    }
    text
}

fn push_seconds(text: &mut String, nanos: i128) {
    if nanos < 0 {
        text.push('-');
    }
    let (whole, fraction) = (
        nanos.abs() / NANOS_PER_SECOND,
        nanos.abs() % NANOS_PER_SECOND,
    );
    let _ = write!(text, "{whole}");
    if fraction != 0 {
        let digits = format!("{fraction:09}");
        text.push('.');
        text.push_str(digits.trim_end_matches('0'));
    }
    text.push('S');
}

/// Reads ISO 8601 with designators; None when the text is something else or out of range.
///
/// A fraction is taken in any part, as PostgreSQL does: a fraction of a year goes to months, of a month to
/// days (30 each), of a week or day to time.
pub fn from_iso8601(text: &str) -> Option<IntervalMonthDayNano> {
    let mut rest = text.strip_prefix('P')?;
    let (mut months, mut days, mut nanos) = (0i128, 0i128, 0i128);
    let mut in_time = false;
    let mut parts = 0;
    while !rest.is_empty() {
        if let Some(time) = rest.strip_prefix('T') {
            if in_time || time.is_empty() {
                return None;
            }
            in_time = true;
            rest = time;
            continue;
        }
        let end = rest.find(|c: char| c.is_ascii_alphabetic())?;
        let amount = Amount::parse(&rest[..end])?;
        match (in_time, &rest[end..=end]) {
            (false, "Y") => months = months.checked_add(amount.times(12)?)?,
            (false, "M") => {
                months = months.checked_add(amount.whole)?;
                add_days(&mut days, &mut nanos, amount.fraction_only(), 30)?;
            }
            (false, "W") => add_days(&mut days, &mut nanos, amount, 7)?,
            (false, "D") => add_days(&mut days, &mut nanos, amount, 1)?,
            (true, "H") => nanos = nanos.checked_add(amount.times(3600 * NANOS_PER_SECOND)?)?,
            (true, "M") => nanos = nanos.checked_add(amount.times(60 * NANOS_PER_SECOND)?)?,
            (true, "S") => nanos = nanos.checked_add(amount.times(NANOS_PER_SECOND)?)?,
            _ => return None,
        }
        parts += 1;
        rest = &rest[end + 1..];
    }
    (parts > 0).then_some(())?;
    Some(IntervalMonthDayNano::new(
        months.try_into().ok()?,
        days.try_into().ok()?,
        nanos.try_into().ok()?,
    ))
}

/// A decimal number as a whole and a signed count of 10⁻¹⁸.
#[derive(Clone, Copy)]
struct Amount {
    whole: i128,
    atto: i128,
}

const ATTO: i128 = 1_000_000_000_000_000_000;

impl Amount {
    fn parse(text: &str) -> Option<Amount> {
        let (negative, digits) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (whole, fraction) = digits.split_once(['.', ',']).unwrap_or((digits, ""));
        if digits.len() > 38 || (whole.is_empty() && fraction.is_empty()) {
            return None;
        }
        let number = |text: &str| match text {
            "" => Some(0),
            _ if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse::<i128>().ok(),
            _ => None,
        };
        let fraction = &fraction[..fraction.len().min(18)];
        let atto = number(fraction)? * 10i128.pow(18 - fraction.len() as u32);
        let sign = if negative { -1 } else { 1 };
        Some(Amount {
            whole: sign * number(whole)?,
            atto: sign * atto,
        })
    }

    fn fraction_only(self) -> Amount {
        Amount { whole: 0, ..self }
    }

    /// The amount in a smaller unit, rounded towards zero.
    fn times(self, units: i128) -> Option<i128> {
        self.whole
            .checked_mul(units)?
            .checked_add(self.atto.checked_mul(units)? / ATTO)
    }
}

fn add_days(days: &mut i128, nanos: &mut i128, amount: Amount, days_each: i128) -> Option<()> {
    const NANOS_PER_DAY: i128 = 86_400 * NANOS_PER_SECOND;
    let atto_days = amount.atto * days_each;
    let whole = amount
        .whole
        .checked_mul(days_each)?
        .checked_add(atto_days / ATTO)?;
    *days = days.checked_add(whole)?;
    // Thirteen digits of the fraction of a day are a nanosecond and more; the rest would overflow.
    let part = (atto_days % ATTO / 1000) * (NANOS_PER_DAY / 1000) / (ATTO / 1_000_000);
    *nanos = nanos.checked_add(part)?;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::{from_iso8601, to_iso8601};
    use arrow::datatypes::IntervalMonthDayNano;

    fn interval(months: i32, days: i32, nanoseconds: i64) -> IntervalMonthDayNano {
        IntervalMonthDayNano::new(months, days, nanoseconds)
    }

    #[test]
    fn text_is_what_postgresql_prints_and_comes_back() {
        let cases = [
            (interval(0, 0, 0), "PT0S"),
            (interval(14, 3, 14_706_789_000_000), "P1Y2M3DT4H5M6.789S"),
            (
                interval(-14, 3, -14_706_789_000_000),
                "P-1Y-2M3DT-4H-5M-6.789S",
            ),
            (interval(0, 0, -1), "PT-0.000000001S"),
            (
                interval(i32::MAX, i32::MIN, i64::MAX),
                "P178956970Y7M-2147483648DT2562047H47M16.854775807S",
            ),
            (
                interval(i32::MIN, i32::MAX, i64::MIN),
                "P-178956970Y-8M2147483647DT-2562047H-47M-16.854775808S",
            ),
        ];
        for (value, text) in cases {
            assert_eq!(to_iso8601(value), text);
            assert_eq!(from_iso8601(text), Some(value), "{text}");
        }
    }

    #[test]
    fn fractions_go_to_the_smaller_parts() {
        assert_eq!(from_iso8601("P1.5Y"), Some(interval(18, 0, 0)));
        assert_eq!(from_iso8601("P0.5M"), Some(interval(0, 15, 0)));
        assert_eq!(from_iso8601("P2W"), Some(interval(0, 14, 0)));
        assert_eq!(
            from_iso8601("P1.5D"),
            Some(interval(0, 1, 43_200_000_000_000))
        );
        assert_eq!(
            from_iso8601("P0.1D"),
            Some(interval(0, 0, 8_640_000_000_000))
        );
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "P",
            "PT",
            "1Y",
            "P1",
            "P1H",
            "PT1D",
            "P1YT",
            "P--1Y",
            "P.Y",
            "P99999999999Y",
            "P1é",
        ] {
            assert_eq!(from_iso8601(text), None, "{text}");
        }
    }
}
