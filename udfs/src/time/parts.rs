//! How much is one field of a date, a time or an interval?
//!
//! A part is an integer with a number of decimals, so that `numeric` shows it as PostgreSQL does.

use super::calendar::{day_of, iso_week, new_year, weekday};
use super::field::Field;
use super::interval::Interval;
use super::moment::{MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE};

/// Days from 4714-11-24 BC to 1970.
const JULIAN_EPOCH_DAYS: i64 = 2_440_588;
/// Decimals of a Julian date with its time.
const JULIAN_SCALE: i8 = 20;

/// How many decimals a field has; `has_time` is whether the value has a time of day.
pub fn scale(field: Field, has_time: bool) -> i8 {
    match field {
        Field::Second => 6,
        Field::Milliseconds => 3,
        Field::Epoch if has_time => 6,
        Field::Julian if has_time => JULIAN_SCALE,
        _ => 0,
    }
}

/// A field of a day; None if days do not have it.
pub fn of_day(field: Field, days: i64) -> Option<i128> {
    let day = day_of(days);
    // There is no year 0: the one before 1 AD is -1.
    let year = if day.year > 0 { day.year } else { day.year - 1 };
    let part = match field {
        Field::Day => i64::from(day.day),
        Field::Month => i64::from(day.month),
        Field::Quarter => i64::from(day.month - 1) / 3 + 1,
        Field::Week => iso_week(days).1,
        Field::Year => year,
        Field::Isoyear => match iso_week(days).0 {
            year if year > 0 => year,
            year => year - 1,
        },
        Field::Decade => day.year.div_euclid(10),
        Field::Century if year > 0 => (year + 99) / 100,
        Field::Century => -((99 - year) / 100),
        Field::Millennium if year > 0 => (year + 999) / 1000,
        Field::Millennium => -((999 - year) / 1000),
        Field::Dow => weekday(days) as i64,
        Field::Isodow => (weekday(days) as i64 + 6) % 7 + 1,
        Field::Doy => days - new_year(day.year) + 1,
        Field::Julian => days + JULIAN_EPOCH_DAYS,
        Field::Epoch => days * 86_400,
        _ => return None,
    };
    Some(i128::from(part))
}

/// A field of a time of day, in units of its scale; None if times do not have it.
pub fn of_time(field: Field, micros: i64) -> Option<i128> {
    let part = match field {
        Field::Microseconds | Field::Milliseconds | Field::Second => micros % MICROS_PER_MINUTE,
        Field::Minute => micros / MICROS_PER_MINUTE % 60,
        Field::Hour => micros / MICROS_PER_HOUR,
        Field::Epoch => micros,
        _ => return None,
    };
    Some(i128::from(part))
}

/// A field of a moment on wall clocks, in units of its scale; None if moments without zone do not have it.
///
/// The epoch is not among them: it counts from the moment itself, whatever its clocks show.
pub fn of_moment(field: Field, local_micros: i64) -> Option<i128> {
    let (days, micros) = (
        local_micros.div_euclid(MICROS_PER_DAY),
        local_micros.rem_euclid(MICROS_PER_DAY),
    );
    match field {
        Field::Epoch => Some(i128::from(local_micros)),
        Field::Julian => {
            let unit = 10i128.pow(JULIAN_SCALE as u32);
            let whole = of_day(field, days)?;
            let part = i128::from(micros) * unit / i128::from(MICROS_PER_DAY);
            Some(whole * unit + part)
        }
        _ => of_time(field, micros).or_else(|| of_day(field, days)),
    }
}

/// A field of an interval, in units of its scale; None if intervals do not have it.
pub fn of_interval(field: Field, interval: Interval) -> Option<i128> {
    let (years, months) = (interval.months / 12, interval.months % 12);
    let part = match field {
        Field::Microseconds | Field::Milliseconds | Field::Second => {
            interval.micros % MICROS_PER_MINUTE
        }
        Field::Minute => interval.micros / MICROS_PER_MINUTE % 60,
        Field::Hour => interval.micros / MICROS_PER_HOUR,
        Field::Day => i64::from(interval.days),
        Field::Month => i64::from(months),
        Field::Quarter => i64::from(months / 3 + 1),
        Field::Year => i64::from(years),
        Field::Decade => i64::from(years / 10),
        Field::Century => i64::from(years / 100),
        Field::Millennium => i64::from(years / 1000),
        Field::Epoch => return Some(interval_epoch(interval, years, months)),
        _ => return None,
    };
    Some(i128::from(part))
}

/// Years have 365.25 days here, and months 30.
fn interval_epoch(interval: Interval, years: i32, months: i32) -> i128 {
    let quarter_days =
        i128::from(years) * 1461 + i128::from(months) * 120 + i128::from(interval.days) * 4;
    quarter_days * i128::from(MICROS_PER_DAY) / 4 + i128::from(interval.micros)
}

/// A field of a zone's distance from UTC.
pub fn of_offset(field: Field, offset_seconds: i32) -> Option<i128> {
    let part = match field {
        Field::Timezone => offset_seconds,
        Field::TimezoneHour => offset_seconds / 3600,
        Field::TimezoneMinute => offset_seconds / 60 % 60,
        _ => return None,
    };
    Some(i128::from(part))
}
