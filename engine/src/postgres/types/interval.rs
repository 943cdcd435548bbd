//! How do intervals look in each `intervalstyle`?

use arrow::datatypes::IntervalMonthDayNano;

use super::datetime::{MICROS_PER_SECOND, push_fraction};
use super::number::{push_signed, push_two_digits, push_unsigned};
use super::settings::IntervalStyle;

pub(super) const MONTHS_PER_YEAR: i32 = 12;
const NANOS_PER_MICRO: i64 = 1000;

/// Months, days and microseconds, which PostgreSQL keeps apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Interval {
    pub months: i32,
    pub days: i32,
    pub micros: i64,
}

impl Interval {
    /// Nanoseconds are cut to microseconds.
    #[inline]
    pub(super) fn of_arrow(value: IntervalMonthDayNano) -> Interval {
        Interval {
            months: value.months,
            days: value.days,
            micros: value.nanoseconds / NANOS_PER_MICRO,
        }
    }

    /// None: more time than Arrow's nanoseconds can hold, 292 years.
    pub(super) fn to_arrow(self) -> Option<IntervalMonthDayNano> {
        let nanos = self.micros.checked_mul(NANOS_PER_MICRO)?;
        Some(IntervalMonthDayNano::new(self.months, self.days, nanos))
    }

    fn clock(self) -> Clock {
        let absolute = self.micros.unsigned_abs();
        let seconds = absolute / MICROS_PER_SECOND as u64;
        Clock {
            negative: self.micros < 0,
            hours: seconds / 3600,
            minutes: (seconds / 60 % 60) as u32,
            seconds: (seconds % 60) as u32,
            micros: (absolute % MICROS_PER_SECOND as u64) as u32,
        }
    }
}

struct Clock {
    negative: bool,
    hours: u64,
    minutes: u32,
    seconds: u32,
    micros: u32,
}

/// Appends an interval in a style.
pub(super) fn push_interval(out: &mut Vec<u8>, interval: Interval, style: IntervalStyle) {
    match style {
        IntervalStyle::Postgres => push_postgres(out, interval),
        IntervalStyle::PostgresVerbose => push_verbose(out, interval),
        IntervalStyle::SqlStandard => push_sql_standard(out, interval),
        IntervalStyle::Iso8601 => push_iso8601(out, interval),
    }
}

fn push_postgres(out: &mut Vec<u8>, interval: Interval) {
    let start = out.len();
    // A positive part after a negative one shows its sign.
    let mut after_negative = false;
    let mut part = |out: &mut Vec<u8>, amount: i32, unit: &str| {
        if amount == 0 {
            return;
        }
        if out.len() > start {
            out.push(b' ');
        }
        if after_negative && amount > 0 {
            out.push(b'+');
        }
        push_signed(out, i64::from(amount));
        out.push(b' ');
        out.extend_from_slice(unit.as_bytes());
        if amount != 1 {
            out.push(b's');
        }
        after_negative = amount < 0;
    };
    part(out, interval.months / MONTHS_PER_YEAR, "year");
    part(out, interval.months % MONTHS_PER_YEAR, "mon");
    part(out, interval.days, "day");
    let is_empty = out.len() == start;
    if is_empty || interval.micros != 0 {
        let clock = interval.clock();
        if !is_empty {
            out.push(b' ');
        }
        if clock.negative {
            out.push(b'-');
        } else if after_negative {
            out.push(b'+');
        }
        push_long_hours(out, clock.hours);
        push_minutes_seconds(out, &clock);
    }
}

/// At least two digits.
fn push_long_hours(out: &mut Vec<u8>, hours: u64) {
    if hours < 10 {
        out.push(b'0');
    }
    push_unsigned(out, hours);
}

fn push_minutes_seconds(out: &mut Vec<u8>, clock: &Clock) {
    out.push(b':');
    push_two_digits(out, clock.minutes);
    out.push(b':');
    push_two_digits(out, clock.seconds);
    push_fraction(out, clock.micros);
}

fn push_verbose(out: &mut Vec<u8>, interval: Interval) {
    let clock = interval.clock();
    let time_sign = if clock.negative { -1 } else { 1 };
    let parts = [
        (i64::from(interval.months / MONTHS_PER_YEAR), "year"),
        (i64::from(interval.months % MONTHS_PER_YEAR), "mon"),
        (i64::from(interval.days), "day"),
        (time_sign * clock.hours as i64, "hour"),
        (time_sign * i64::from(clock.minutes), "min"),
    ];
    // The sign of the first part that is not zero stands at the end and turns all others.
    let seconds_are_first = parts.iter().all(|(amount, _)| *amount == 0);
    let ago = match parts.iter().find(|(amount, _)| *amount != 0) {
        Some((amount, _)) => *amount < 0,
        None => clock.negative,
    };
    out.push(b'@');
    for (amount, unit) in parts {
        if amount == 0 {
            continue;
        }
        let shown = if ago { -amount } else { amount };
        out.push(b' ');
        push_signed(out, shown);
        out.push(b' ');
        out.extend_from_slice(unit.as_bytes());
        if shown != 1 {
            out.push(b's');
        }
    }
    if clock.seconds != 0 || clock.micros != 0 {
        out.push(b' ');
        if clock.negative != ago {
            out.push(b'-');
        }
        push_unsigned(out, u64::from(clock.seconds));
        push_fraction(out, clock.micros);
        // As PostgreSQL has it, a lone second is singular whatever its sign.
        out.extend_from_slice(if clock.seconds == 1 && clock.micros == 0 {
            b" sec"
        } else {
            b" secs"
        });
    } else if seconds_are_first {
        out.extend_from_slice(b" 0");
    }
    if ago {
        out.extend_from_slice(b" ago");
    }
}

fn push_sql_standard(out: &mut Vec<u8>, interval: Interval) {
    let clock = interval.clock();
    let (months, days) = (interval.months, interval.days);
    let has_negative = months < 0 || days < 0 || clock.negative;
    let has_positive = months > 0 || days > 0 || interval.micros > 0;
    let (has_months, has_days, has_time) = (months != 0, days != 0, interval.micros != 0);
    if !has_negative && !has_positive {
        return out.push(b'0');
    }
    let year_month = |out: &mut Vec<u8>| {
        push_unsigned(out, u64::from(months.unsigned_abs()) / 12);
        out.push(b'-');
        push_unsigned(out, u64::from(months.unsigned_abs()) % 12);
    };
    let mixed_signs = has_negative && has_positive;
    if mixed_signs || (has_months && (has_days || has_time)) {
        let sign = |negative: bool| if negative { b'-' } else { b'+' };
        out.push(sign(months < 0));
        year_month(out);
        out.push(b' ');
        out.push(sign(days < 0));
        push_unsigned(out, u64::from(days.unsigned_abs()));
        out.push(b' ');
        out.push(sign(clock.negative));
    } else {
        if has_negative {
            out.push(b'-');
        }
        if has_months {
            return year_month(out);
        }
        if has_days {
            push_unsigned(out, u64::from(days.unsigned_abs()));
            out.push(b' ');
        }
    }
    push_unsigned(out, clock.hours);
    push_minutes_seconds(out, &clock);
}

fn push_iso8601(out: &mut Vec<u8>, interval: Interval) {
    let clock = interval.clock();
    let part = |out: &mut Vec<u8>, amount: i64, designator: u8| {
        if amount != 0 {
            push_signed(out, amount);
            out.push(designator);
        }
    };
    out.push(b'P');
    part(out, i64::from(interval.months / MONTHS_PER_YEAR), b'Y');
    part(out, i64::from(interval.months % MONTHS_PER_YEAR), b'M');
    part(out, i64::from(interval.days), b'D');
    let is_zero = interval.months == 0 && interval.days == 0 && interval.micros == 0;
    if is_zero {
        return out.extend_from_slice(b"T0S");
    }
    if interval.micros == 0 {
        return;
    }
    out.push(b'T');
    let time_sign = if clock.negative { -1 } else { 1 };
    part(out, time_sign * clock.hours as i64, b'H');
    part(out, time_sign * i64::from(clock.minutes), b'M');
    if clock.seconds != 0 || clock.micros != 0 {
        if clock.negative {
            out.push(b'-');
        }
        push_unsigned(out, u64::from(clock.seconds));
        push_fraction(out, clock.micros);
        out.push(b'S');
    }
}

#[cfg(test)]
mod tests {
    use super::{Interval, IntervalStyle, push_interval};
    use crate::postgres::types::interval_text::parse;

    const MICRO: i64 = 1;
    const SECOND: i64 = 1_000_000;
    const CLOCK: i64 = (4 * 3600 + 5 * 60 + 6) * SECOND + 789_000;

    /// months, days, micros, then the four styles as PostgreSQL 15 prints them.
    type Case = (
        i32,
        i32,
        i64,
        &'static str,
        &'static str,
        &'static str,
        &'static str,
    );

    #[rustfmt::skip]
    const CASES: &[Case] = &[
        (0, 0, 0, "00:00:00", "PT0S", "0", "@ 0"),
        (14, 3, CLOCK, "1 year 2 mons 3 days 04:05:06.789", "P1Y2M3DT4H5M6.789S", "+1-2 +3 +4:05:06.789", "@ 1 year 2 mons 3 days 4 hours 5 mins 6.789 secs"),
        (-14, 3, -CLOCK, "-1 years -2 mons +3 days -04:05:06.789", "P-1Y-2M3DT-4H-5M-6.789S", "-1-2 +3 -4:05:06.789", "@ 1 year 2 mons -3 days 4 hours 5 mins 6.789 secs ago"),
        (1, 0, 0, "1 mon", "P1M", "0-1", "@ 1 mon"),
        (0, -1, 0, "-1 days", "P-1D", "-1 0:00:00", "@ 1 day ago"),
        (0, 0, MICRO, "00:00:00.000001", "PT0.000001S", "0:00:00.000001", "@ 0.000001 secs"),
        (0, 0, -SECOND / 2, "-00:00:00.5", "PT-0.5S", "-0:00:00.5", "@ 0.5 secs ago"),
        (0, 0, 360_000 * SECOND, "100:00:00", "PT100H", "100:00:00", "@ 100 hours"),
        (0, 1, -SECOND, "1 day -00:00:01", "P1DT-1S", "+0-0 +1 -0:00:01", "@ 1 day -1 sec"),
        (-1, 1, 0, "-1 mons +1 day", "P-1M1D", "-0-1 +1 +0:00:00", "@ 1 mon -1 days ago"),
        (12, -1, 0, "1 year -1 days", "P1Y-1D", "+1-0 -1 +0:00:00", "@ 1 year -1 days"),
        (-12, 0, 0, "-1 years", "P-1Y", "-1-0", "@ 1 year ago"),
        (13, 0, 0, "1 year 1 mon", "P1Y1M", "1-1", "@ 1 year 1 mon"),
        (0, 2, 0, "2 days", "P2D", "2 0:00:00", "@ 2 days"),
        (-12, -1, 60 * SECOND, "-1 years -1 days +00:01:00", "P-1Y-1DT1M", "-1-0 -1 +0:01:00", "@ 1 year 1 day -1 mins ago"),
        (i32::MAX, i32::MAX, 9_223_372_036_854_775_807, "178956970 years 7 mons 2147483647 days 2562047788:00:54.775807", "P178956970Y7M2147483647DT2562047788H54.775807S", "+178956970-7 +2147483647 +2562047788:00:54.775807", "@ 178956970 years 7 mons 2147483647 days 2562047788 hours 54.775807 secs"),
    ];

    #[test]
    fn every_style_prints_as_postgresql_and_reads_back() {
        for (months, days, micros, postgres, iso, sql, verbose) in CASES {
            let interval = Interval {
                months: *months,
                days: *days,
                micros: *micros,
            };
            for (style, expected) in [
                (IntervalStyle::Postgres, postgres),
                (IntervalStyle::Iso8601, iso),
                (IntervalStyle::SqlStandard, sql),
                (IntervalStyle::PostgresVerbose, verbose),
            ] {
                let mut out = Vec::new();
                push_interval(&mut out, interval, style);
                assert_eq!(String::from_utf8(out).unwrap(), **expected);
                if let Some(value) = interval.to_arrow() {
                    // In sql_standard a sign in front means all parts only if no other part has one.
                    assert_eq!(parse(expected).unwrap(), value, "{expected}");
                }
            }
        }
    }
}
