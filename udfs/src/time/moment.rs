//! How do days and microseconds become moments, and which moments are there?
//!
//! Days and microseconds count from 1970; the extremes of their integers are the infinities.

use super::calendar::{Day, day_of, days_of_month, days_since_epoch};
use super::zone::Zone;
use crate::error::FunctionError;

/// Microseconds of a second.
pub const MICROS_PER_SECOND: i64 = 1_000_000;
/// Microseconds of a minute.
pub const MICROS_PER_MINUTE: i64 = 60 * MICROS_PER_SECOND;
/// Microseconds of an hour.
pub const MICROS_PER_HOUR: i64 = 3600 * MICROS_PER_SECOND;
/// Microseconds of a day of 24 hours.
pub const MICROS_PER_DAY: i64 = 24 * MICROS_PER_HOUR;
/// 4714-11-24 BC, where Julian days begin.
const MOMENT_MIN: i64 = -210_866_803_200_000_000;
const DATE_MIN: i64 = -2_440_588;
const DATE_MAX: i64 = 2_145_042_905;

/// Is this moment neither infinity?
#[inline]
pub fn is_finite(micros: i64) -> bool {
    micros != i64::MAX && micros != i64::MIN
}

/// Is this date neither infinity?
#[inline]
pub fn is_finite_date(days: i32) -> bool {
    days != i32::MAX && days != i32::MIN
}

/// A moment within the range of `timestamp`, or 22008.
#[inline]
pub fn checked(micros: Option<i64>) -> Result<i64, FunctionError> {
    micros
        .filter(|micros| *micros >= MOMENT_MIN && *micros != i64::MAX)
        .ok_or_else(|| FunctionError::new("22008", "timestamp out of range"))
}

/// A date within the range of `date`, or 22008.
#[inline]
pub fn checked_date(days: i64) -> Result<i32, FunctionError> {
    if (DATE_MIN..=DATE_MAX).contains(&days) {
        Ok(days as i32)
    } else {
        Err(FunctionError::new("22008", "date out of range"))
    }
}

/// Midnight of a date without zone.
#[inline]
pub fn of_date(days: i32) -> Result<i64, FunctionError> {
    match days {
        i32::MAX => Ok(i64::MAX),
        i32::MIN => Ok(i64::MIN),
        days => checked(i64::from(days).checked_mul(MICROS_PER_DAY))
            .map_err(|_| FunctionError::new("22008", "date out of range for timestamp")),
    }
}

/// The date of a moment without zone.
#[inline]
pub fn to_date(micros: i64) -> i32 {
    match micros {
        i64::MAX => i32::MAX,
        i64::MIN => i32::MIN,
        micros => micros.div_euclid(MICROS_PER_DAY) as i32,
    }
}

/// The moment at which the clocks of a zone show this.
#[inline]
pub fn from_wall_clock(local_micros: i64, zone: Zone) -> Result<i64, FunctionError> {
    if !is_finite(local_micros) || zone == Zone::UTC {
        return Ok(local_micros);
    }
    let offset = zone.offset_of_wall_clock(local_micros.div_euclid(MICROS_PER_SECOND));
    checked(local_micros.checked_sub(i64::from(offset) * MICROS_PER_SECOND))
}

/// What the clocks of a zone show at a moment.
#[inline]
pub fn to_wall_clock(micros: i64, zone: Zone) -> Result<i64, FunctionError> {
    if !is_finite(micros) || zone == Zone::UTC {
        return Ok(micros);
    }
    let offset = zone.offset_at(micros.div_euclid(MICROS_PER_SECOND));
    checked(micros.checked_add(i64::from(offset) * MICROS_PER_SECOND))
}

/// The same day of a month so many months later, or the month's last.
pub fn add_months(days: i64, months: i32) -> i64 {
    if months == 0 {
        return days;
    }
    let from = day_of(days);
    let count = from.year * 12 + i64::from(from.month) - 1 + i64::from(months);
    let (year, month) = (count.div_euclid(12), count.rem_euclid(12) as u32 + 1);
    days_since_epoch(Day {
        year,
        month,
        day: from.day.min(days_of_month(year, month)),
    })
}
