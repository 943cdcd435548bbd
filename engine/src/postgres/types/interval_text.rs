//! How is text such as `1 year 2 mons 04:05:06`, `1-2` or `P1Y2M` read as an interval?

use arrow::datatypes::IntervalMonthDayNano;

use super::datetime::{MICROS_PER_DAY, MICROS_PER_SECOND};
use super::error::{INTERVAL_OVERFLOW, INVALID_DATETIME, ValueError};
use super::interval::{Interval, MONTHS_PER_YEAR};

const DAYS_PER_MONTH: f64 = 30.0;

/// Reads an interval in any of the styles, such as `1 year 2 mons 3 days 04:05:06`, `@ 1 day ago`, `1-2`
/// or `P1Y2M`.
pub(super) fn parse(text: &str) -> Result<IntervalMonthDayNano, ValueError> {
    let out_of_range = || {
        ValueError::new(
            INTERVAL_OVERFLOW,
            format!("interval field value out of range: \"{text}\""),
        )
    };
    let sum = match text.trim_ascii().strip_prefix(['P', 'p']) {
        Some(body) => parse_iso8601(body),
        None => parse_words(&text.trim_ascii().to_ascii_lowercase()),
    };
    let sum = sum.ok_or_else(|| {
        ValueError::new(
            INVALID_DATETIME,
            format!("invalid input syntax for type interval: \"{text}\""),
        )
    })?;
    sum.finish()
        .and_then(Interval::to_arrow)
        .ok_or_else(out_of_range)
}

#[derive(Clone, Copy, PartialEq)]
enum Unit {
    Micro,
    Milli,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
    Decade,
    Century,
    Millennium,
}

impl Unit {
    fn parse(word: &str) -> Option<Unit> {
        Some(match word {
            "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecond" | "microseconds"
            | "microsecon" => Unit::Micro,
            "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisecond" | "milliseconds"
            | "millisecon" => Unit::Milli,
            "s" | "sec" | "secs" | "second" | "seconds" => Unit::Second,
            "m" | "min" | "mins" | "minute" | "minutes" => Unit::Minute,
            "h" | "hr" | "hrs" | "hour" | "hours" => Unit::Hour,
            "d" | "day" | "days" => Unit::Day,
            "w" | "week" | "weeks" => Unit::Week,
            "mon" | "mons" | "month" | "months" => Unit::Month,
            "y" | "yr" | "yrs" | "year" | "years" => Unit::Year,
            "dec" | "decs" | "decade" | "decades" => Unit::Decade,
            "c" | "cent" | "century" | "centuries" => Unit::Century,
            "mil" | "mils" | "millennia" | "millennium" => Unit::Millennium,
            _ => return None,
        })
    }
}

/// A signed decimal number: the part before the point and the fraction, of one sign.
#[derive(Clone, Copy)]
struct Amount {
    whole: i64,
    fraction: f64,
    negative: bool,
}

impl Amount {
    /// As `strtod` has it, so the fraction carries what binary numbers lose: ISO 8601 is read so.
    fn parse_float(text: &str) -> Option<Amount> {
        let exact = Amount::parse(text)?;
        let value: f64 = text.parse().ok()?;
        Some(Amount {
            fraction: value - value.trunc(),
            ..exact
        })
    }

    fn parse(text: &str) -> Option<Amount> {
        let (negative, digits) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !are_digits(whole) || !are_digits(fraction) || (whole.is_empty() && fraction.is_empty())
        {
            return None;
        }
        let sign = if negative { -1 } else { 1 };
        let whole: i64 = if whole.is_empty() {
            0
        } else {
            whole.parse().ok()?
        };
        let fraction: f64 = if fraction.is_empty() {
            0.0
        } else {
            format!("0.{fraction}").parse().ok()?
        };
        Some(Amount {
            whole: sign * whole,
            fraction: sign as f64 * fraction,
            negative,
        })
    }
}

/// Rounds a fraction of a microsecond as PostgreSQL does: up only above the half.
fn round_half_down(micros: f64) -> f64 {
    let whole = micros.trunc();
    let rest = micros - whole;
    if rest.abs() > 0.5 {
        whole + rest.signum()
    } else {
        whole
    }
}

/// The parts of an interval while it is read; None once a part overflows.
#[derive(Clone, Copy)]
struct Sum {
    months: Option<i64>,
    days: Option<i64>,
    micros: Option<i64>,
}

impl Sum {
    const ZERO: Sum = Sum {
        months: Some(0),
        days: Some(0),
        micros: Some(0),
    };

    fn add(&mut self, amount: Amount, unit: Unit) {
        let Amount {
            whole, fraction, ..
        } = amount;
        match unit {
            Unit::Micro => self.add_micros(whole, 1, round_half_down(fraction)),
            Unit::Milli => self.add_micros(whole, 1000, round_half_down(fraction * 1e3)),
            Unit::Second => {
                self.add_micros(whole, MICROS_PER_SECOND, round_half_down(fraction * 1e6))
            }
            Unit::Minute => self.add_micros(
                whole,
                60 * MICROS_PER_SECOND,
                round_half_down(fraction * 60e6),
            ),
            Unit::Hour => self.add_micros(
                whole,
                3600 * MICROS_PER_SECOND,
                round_half_down(fraction * 3600e6),
            ),
            Unit::Day => {
                self.days = self.days.and_then(|days| days.checked_add(whole));
                self.add_fraction_of_days(fraction);
            }
            Unit::Week => {
                self.days = whole
                    .checked_mul(7)
                    .and_then(|more| self.days?.checked_add(more));
                self.add_fraction_of_days(fraction * 7.0);
            }
            Unit::Month => {
                self.months = self.months.and_then(|months| months.checked_add(whole));
                self.add_fraction_of_days(fraction * DAYS_PER_MONTH);
            }
            Unit::Year => self.add_years(whole, fraction, 1),
            Unit::Decade => self.add_years(whole, fraction, 10),
            Unit::Century => self.add_years(whole, fraction, 100),
            Unit::Millennium => self.add_years(whole, fraction, 1000),
        }
    }

    fn add_years(&mut self, whole: i64, fraction: f64, years_each: i64) {
        let months_each = years_each * i64::from(MONTHS_PER_YEAR);
        let more = (fraction * months_each as f64).round_ties_even() as i64;
        self.months = whole
            .checked_mul(months_each)
            .and_then(|months| months.checked_add(more))
            .and_then(|months| self.months?.checked_add(months));
    }

    fn add_fraction_of_days(&mut self, days: f64) {
        let whole = days.trunc();
        self.days = self.days.and_then(|days| days.checked_add(whole as i64));
        self.add_micros(
            0,
            1,
            round_half_down((days - whole) * MICROS_PER_DAY as f64),
        );
    }

    fn add_micros(&mut self, whole: i64, micros_each: i64, more: f64) {
        self.micros = whole
            .checked_mul(micros_each)
            .and_then(|micros| micros.checked_add(more as i64))
            .and_then(|micros| self.micros?.checked_add(micros));
    }

    fn negated(self) -> Sum {
        let negate = |part: Option<i64>| part.and_then(i64::checked_neg);
        Sum {
            months: negate(self.months),
            days: negate(self.days),
            micros: negate(self.micros),
        }
    }

    fn finish(self) -> Option<Interval> {
        Some(Interval {
            months: self.months?.try_into().ok()?,
            days: self.days?.try_into().ok()?,
            micros: self.micros?,
        })
    }
}

/// The text after `P`: parts with designators.
fn parse_iso8601(body: &str) -> Option<Sum> {
    let mut sum = Sum::ZERO;
    let mut rest = body;
    let mut in_time = false;
    let mut parts = 0;
    while !rest.is_empty() {
        if let Some(time) = rest.strip_prefix(['T', 't']) {
            if in_time {
                return None;
            }
            (in_time, rest) = (true, time);
            continue;
        }
        let end = rest.find(|c: char| c.is_ascii_alphabetic())?;
        let amount = Amount::parse_float(&rest[..end])?;
        let unit = match (in_time, rest.as_bytes()[end].to_ascii_uppercase()) {
            (false, b'Y') => Unit::Year,
            (false, b'M') => Unit::Month,
            (false, b'W') => Unit::Week,
            (false, b'D') => Unit::Day,
            (true, b'H') => Unit::Hour,
            (true, b'M') => Unit::Minute,
            (true, b'S') => Unit::Second,
            _ => return None,
        };
        sum.add(amount, unit);
        parts += 1;
        rest = &rest[end + 1..];
    }
    (parts > 0 || in_time).then_some(sum)
}

/// Words, numbers and clocks, already in lower case.
fn parse_words(text: &str) -> Option<Sum> {
    let mut words = Words {
        sum: Sum::ZERO,
        pending: None,
        claimed: 0,
    };
    let mut ago = false;
    for word in text.split_ascii_whitespace() {
        match word {
            _ if ago => return None,
            "@" => {}
            "ago" => ago = true,
            _ if word.contains(':') => words.clock(word)?,
            _ => words.numbers_and_units(word)?,
        }
    }
    if let Some(seconds) = words.pending.take() {
        words.add(seconds, Unit::Second)?;
    }
    (words.claimed != 0).then(|| if ago { words.sum.negated() } else { words.sum })
}

struct Words {
    sum: Sum,
    /// a number whose unit has not come yet
    pending: Option<Amount>,
    /// a bit per unit that has been given; none may come twice
    claimed: u16,
}

impl Words {
    const SUBSECONDS: u16 = 1 << Unit::Milli as u16 | 1 << Unit::Micro as u16;
    const CLOCK: u16 = 1 << Unit::Hour as u16
        | 1 << Unit::Minute as u16
        | 1 << Unit::Second as u16
        | Words::SUBSECONDS;

    fn claim(&mut self, units: u16) -> Option<()> {
        let is_new = self.claimed & units == 0;
        self.claimed |= units;
        is_new.then_some(())
    }

    fn add(&mut self, amount: Amount, unit: Unit) -> Option<()> {
        let has_subseconds = unit == Unit::Second && amount.fraction != 0.0;
        self.claim(1 << unit as u16 | if has_subseconds { Words::SUBSECONDS } else { 0 })?;
        self.sum.add(amount, unit);
        Some(())
    }

    fn clock(&mut self, word: &str) -> Option<()> {
        // A number before a clock is days, as in SQL's 3 4:05:06.
        if let Some(days) = self.pending.take() {
            self.add(days, Unit::Day)?;
        }
        self.claim(Words::CLOCK)?;
        let micros = clock_micros(word)?;
        self.sum.micros = self.sum.micros.and_then(|held| held.checked_add(micros));
        Some(())
    }

    /// `1-2`, or numbers and units with or without space between them.
    fn numbers_and_units(&mut self, word: &str) -> Option<()> {
        if let Some(months) = year_month(word) {
            self.claim(1 << Unit::Month as u16)?;
            self.sum.months = self
                .sum
                .months
                .zip(months)
                .and_then(|(held, more)| held.checked_add(more));
            // A number before it would have no unit.
            return self.pending.is_none().then_some(());
        }
        let mut rest = word;
        while !rest.is_empty() {
            let number_end = rest
                .find(|c: char| c.is_ascii_alphabetic())
                .unwrap_or(rest.len());
            if number_end > 0 {
                let number = Amount::parse(&rest[..number_end])?;
                if self.pending.replace(number).is_some() {
                    return None;
                }
                rest = &rest[number_end..];
                continue;
            }
            let unit_end = rest
                .find(|c: char| !c.is_ascii_alphabetic())
                .unwrap_or(rest.len());
            let number = self.pending.take()?;
            self.add(number, Unit::parse(&rest[..unit_end])?)?;
            rest = &rest[unit_end..];
        }
        Some(())
    }
}

/// `1-2` is a year and two months; inner None: out of range.
fn year_month(word: &str) -> Option<Option<i64>> {
    let (negative, digits) = match word.as_bytes().first()? {
        b'-' => (true, &word[1..]),
        b'+' => (false, &word[1..]),
        _ => (false, word),
    };
    let (years, months) = digits.split_once('-')?;
    let are_digits =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits(years) || !are_digits(months) {
        return None;
    }
    let total = || -> Option<i64> {
        let months = months
            .parse()
            .ok()
            .filter(|months| *months < i64::from(MONTHS_PER_YEAR))?;
        let years: i64 = years.parse().ok()?;
        let total = years
            .checked_mul(i64::from(MONTHS_PER_YEAR))?
            .checked_add(months)?;
        Some(if negative { -total } else { total })
    };
    Some(total())
}

/// `-04:05:06.789`, `04:05`; with two parts and a fraction, minutes and seconds.
fn clock_micros(word: &str) -> Option<i64> {
    let (negative, digits) = match word.as_bytes().first()? {
        b'-' => (true, &word[1..]),
        b'+' => (false, &word[1..]),
        _ => (false, word),
    };
    let parts: Vec<&str> = digits.split(':').collect();
    let whole = |text: &str| -> Option<i64> {
        text.bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| text.parse().ok())
            .flatten()
    };
    let (hours, minutes, seconds) = match parts.as_slice() {
        [minutes, seconds] if seconds.contains('.') => {
            (0, whole(minutes)?, Amount::parse(seconds)?)
        }
        [hours, minutes] => (
            whole(hours)?,
            whole(minutes)?,
            Amount {
                whole: 0,
                fraction: 0.0,
                negative,
            },
        ),
        [hours, minutes, seconds] => (whole(hours)?, whole(minutes)?, Amount::parse(seconds)?),
        _ => return None,
    };
    if minutes > 59 || seconds.whole > 60 || seconds.negative && parts.len() == 3 {
        return None;
    }
    let micros = hours
        .checked_mul(3600)?
        .checked_add(minutes * 60 + seconds.whole)?
        .checked_mul(MICROS_PER_SECOND)?
        .checked_add((seconds.fraction * 1e6).round_ties_even() as i64)?;
    Some(if negative { -micros } else { micros })
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::postgres::types::interval::Interval;

    const SECOND: i64 = 1_000_000;

    /// months, days, micros are PostgreSQL 15's.
    #[test]
    fn many_spellings_are_read() {
        let cases: &[(&str, i32, i32, i64)] = &[
            ("1.5 years", 18, 0, 0),
            ("1.5 months", 1, 15, 0),
            ("1.5 weeks", 0, 10, 43_200 * SECOND),
            ("1.5 days", 0, 1, 43_200 * SECOND),
            ("0.5 hours", 0, 0, 1800 * SECOND),
            ("1day", 0, 1, 0),
            ("1h30m", 0, 0, 5400 * SECOND),
            ("90", 0, 0, 90 * SECOND),
            ("1.5", 0, 0, SECOND * 3 / 2),
            ("1-2", 14, 0, 0),
            ("-1-2", -14, 0, 0),
            ("3 4:05", 0, 3, (4 * 3600 + 300) * SECOND),
            ("10 minutes ago", 0, 0, -600 * SECOND),
            ("@ 1 DAY 2 Hours", 0, 1, 7200 * SECOND),
            ("2 decades 1 century", 1440, 0, 0),
            ("500 ms", 0, 0, SECOND / 2),
            ("-00:00:01.5", 0, 0, -SECOND * 3 / 2),
            ("P1W", 0, 7, 0),
            ("P1Y2MT3.5S", 14, 0, SECOND * 7 / 2),
            ("p1dt1h", 0, 1, 3600 * SECOND),
            ("PT", 0, 0, 0),
            ("P1.20M", 1, 5, 86_400 * SECOND),
            ("-5.4052615 s", 0, 0, -5_405_261),
        ];
        for (text, months, days, micros) in cases {
            let expected = Interval {
                months: *months,
                days: *days,
                micros: *micros,
            };
            assert_eq!(parse(text).unwrap(), expected.to_arrow().unwrap(), "{text}");
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "day",
            "1 dya",
            "@",
            "P",
            "1 2",
            "ago",
            "1:2:3:4",
            "1 day ago x",
            "1 day 1 day",
            "1 sec 00:00:01",
            "é",
            "1é",
        ] {
            assert_eq!(parse(text).unwrap_err().sqlstate, "22007", "{text}");
        }
        assert_eq!(parse("3000000000 days").unwrap_err().sqlstate, "22015");
        assert_eq!(parse("1-12").unwrap_err().sqlstate, "22015");
        assert_eq!(
            parse("9999999 hours 9999999999 mins").unwrap_err().message,
            "interval field value out of range: \"9999999 hours 9999999999 mins\""
        );
    }
}
