//! What do intervals add up to, and which of two is longer?
//!
//! Months, days and time are kept apart as in PostgreSQL. Rules are those of its `timestamp.c`.

use arrow::datatypes::IntervalMonthDayNano;

use super::moment::{self, MICROS_PER_DAY};
use super::zone::Zone;
use crate::error::FunctionError;

const NANOS_PER_MICRO: i64 = 1000;
const DAYS_PER_MONTH: i32 = 30;
const SECONDS_PER_DAY: f64 = 86_400.0;

/// Months, days and microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Interval {
    /// 12 to the year
    pub months: i32,
    /// of whatever length their day has
    pub days: i32,
    /// of time
    pub micros: i64,
}

/// 22008
pub fn out_of_range() -> FunctionError {
    FunctionError::new("22008", "interval out of range")
}

impl Interval {
    /// An interval of time alone.
    pub fn of_micros(micros: i64) -> Interval {
        Interval {
            micros,
            ..Interval::default()
        }
    }

    /// Nanoseconds are cut to microseconds.
    #[inline]
    pub fn of_arrow(value: IntervalMonthDayNano) -> Interval {
        Interval {
            months: value.months,
            days: value.days,
            micros: value.nanoseconds / NANOS_PER_MICRO,
        }
    }

    /// 22008 beyond the 292 years of time that Arrow's nanoseconds hold.
    #[inline]
    pub fn to_arrow(self) -> Result<IntervalMonthDayNano, FunctionError> {
        let nanos = self
            .micros
            .checked_mul(NANOS_PER_MICRO)
            .ok_or_else(out_of_range)?;
        Ok(IntervalMonthDayNano::new(self.months, self.days, nanos))
    }

    /// How long it is with months of 30 days of 24 hours, in µs: what comparisons compare.
    #[inline]
    pub fn span_micros(self) -> i128 {
        let days = i128::from(self.months) * i128::from(DAYS_PER_MONTH) + i128::from(self.days);
        days * i128::from(MICROS_PER_DAY) + i128::from(self.micros)
    }

    /// The other way.
    pub fn negated(self) -> Result<Interval, FunctionError> {
        self.parts(
            self.months.checked_neg(),
            self.days.checked_neg(),
            self.micros.checked_neg(),
        )
    }

    /// Part by part.
    pub fn plus(self, other: Interval) -> Result<Interval, FunctionError> {
        self.parts(
            self.months.checked_add(other.months),
            self.days.checked_add(other.days),
            self.micros.checked_add(other.micros),
        )
    }

    /// Part by part.
    pub fn minus(self, other: Interval) -> Result<Interval, FunctionError> {
        self.parts(
            self.months.checked_sub(other.months),
            self.days.checked_sub(other.days),
            self.micros.checked_sub(other.micros),
        )
    }

    fn parts(
        self,
        months: Option<i32>,
        days: Option<i32>,
        micros: Option<i64>,
    ) -> Result<Interval, FunctionError> {
        match (months, days, micros) {
            (Some(months), Some(days), Some(micros)) => Ok(Interval {
                months,
                days,
                micros,
            }),
            _ => Err(out_of_range()),
        }
    }

    /// Fractions of months become days, fractions of days time.
    pub fn times(self, factor: f64) -> Result<Interval, FunctionError> {
        self.scaled(|part| part * factor)
    }

    /// Fractions of months become days, fractions of days time. The divisor is not 0.
    pub fn divided(self, divisor: f64) -> Result<Interval, FunctionError> {
        self.scaled(|part| part / divisor)
    }

    fn scaled(self, scale: impl Fn(f64) -> f64) -> Result<Interval, FunctionError> {
        let (months, days) = (f64::from(self.months), f64::from(self.days));
        let whole_months = whole(scale(months))?;
        let whole_days = whole(scale(days))?;
        let month_rest_days = rounded_to_micros(
            (scale(months) - f64::from(whole_months)) * f64::from(DAYS_PER_MONTH),
        );
        let mut rest_seconds = rounded_to_micros(
            (scale(days) - f64::from(whole_days) + month_rest_days - month_rest_days.trunc())
                * SECONDS_PER_DAY,
        );
        let mut carried_days = 0i32;
        if rest_seconds.abs() >= SECONDS_PER_DAY {
            carried_days = (rest_seconds / SECONDS_PER_DAY) as i32;
            rest_seconds -= f64::from(carried_days) * SECONDS_PER_DAY;
        }
        let micros = (scale(self.micros as f64) + rest_seconds * 1e6).round_ties_even();
        if !(-9.223_372_036_854_776e18..9.223_372_036_854_776e18).contains(&micros) {
            return Err(out_of_range());
        }
        let days = whole_days
            .checked_add(carried_days)
            .and_then(|days| days.checked_add(month_rest_days as i32));
        self.parts(Some(whole_months), days, Some(micros as i64))
    }

    /// 24 hours become a day.
    pub fn justified_hours(self) -> Result<Interval, FunctionError> {
        let carried = (self.micros / MICROS_PER_DAY) as i32;
        let mut days = self.days.checked_add(carried).ok_or_else(out_of_range)?;
        let mut micros = self.micros % MICROS_PER_DAY;
        if days > 0 && micros < 0 {
            micros += MICROS_PER_DAY;
            days -= 1;
        } else if days < 0 && micros > 0 {
            micros -= MICROS_PER_DAY;
            days += 1;
        }
        Ok(Interval {
            days,
            micros,
            ..self
        })
    }

    /// 30 days become a month.
    pub fn justified_days(self) -> Result<Interval, FunctionError> {
        let carried = self.days / DAYS_PER_MONTH;
        let mut months = self.months.checked_add(carried).ok_or_else(out_of_range)?;
        let mut days = self.days % DAYS_PER_MONTH;
        if months > 0 && days < 0 {
            days += DAYS_PER_MONTH;
            months -= 1;
        } else if months < 0 && days > 0 {
            days -= DAYS_PER_MONTH;
            months += 1;
        }
        Ok(Interval {
            months,
            days,
            ..self
        })
    }

    /// Hours to days, days to months, all of one sign.
    pub fn justified(self) -> Result<Interval, FunctionError> {
        let same_sign = (self.days > 0 && self.micros > 0) || (self.days < 0 && self.micros < 0);
        let mut result = self;
        if same_sign {
            // Days first, so that their sum with the hours cannot overflow.
            let carried = result.days / DAYS_PER_MONTH;
            result.days -= carried * DAYS_PER_MONTH;
            result.months = result
                .months
                .checked_add(carried)
                .ok_or_else(out_of_range)?;
        }
        let carried = (result.micros / MICROS_PER_DAY) as i32;
        result.micros %= MICROS_PER_DAY;
        result.days = result.days.checked_add(carried).ok_or_else(out_of_range)?;
        let carried = result.days / DAYS_PER_MONTH;
        result.days %= DAYS_PER_MONTH;
        result.months = result
            .months
            .checked_add(carried)
            .ok_or_else(out_of_range)?;
        if result.months > 0 && (result.days < 0 || (result.days == 0 && result.micros < 0)) {
            result.days += DAYS_PER_MONTH;
            result.months -= 1;
        } else if result.months < 0 && (result.days > 0 || (result.days == 0 && result.micros > 0))
        {
            result.days -= DAYS_PER_MONTH;
            result.months += 1;
        }
        if result.days > 0 && result.micros < 0 {
            result.micros += MICROS_PER_DAY;
            result.days -= 1;
        } else if result.days < 0 && result.micros > 0 {
            result.micros -= MICROS_PER_DAY;
            result.days += 1;
        }
        Ok(result)
    }

    /// A moment without zone, so much later.
    #[inline]
    pub fn after(self, micros: i64) -> Result<i64, FunctionError> {
        if !moment::is_finite(micros) {
            return Ok(micros);
        }
        let dated = if self.months == 0 && self.days == 0 {
            micros
        } else {
            let days = moment::add_months(micros.div_euclid(MICROS_PER_DAY), self.months);
            (days + i64::from(self.days))
                .checked_mul(MICROS_PER_DAY)
                .and_then(|midnight| midnight.checked_add(micros.rem_euclid(MICROS_PER_DAY)))
                .ok_or_else(|| FunctionError::new("22008", "timestamp out of range"))?
        };
        moment::checked(dated.checked_add(self.micros))
    }

    /// A moment so much later, where a day is a day of the zone's clocks.
    #[inline]
    pub fn after_in_zone(self, micros: i64, zone: Zone) -> Result<i64, FunctionError> {
        if (self.months == 0 && self.days == 0) || zone == Zone::UTC || !moment::is_finite(micros) {
            return self.after(micros);
        }
        let dates = Interval { micros: 0, ..self };
        let local = dates.after(moment::to_wall_clock(micros, zone)?)?;
        let dated = moment::from_wall_clock(local, zone)?;
        moment::checked(dated.checked_add(self.micros))
    }
}

/// The whole part of a count of months or days, or 22008.
fn whole(amount: f64) -> Result<i32, FunctionError> {
    let fits = amount >= f64::from(i32::MIN) && amount <= f64::from(i32::MAX);
    if fits {
        Ok(amount as i32)
    } else {
        Err(out_of_range())
    }
}

fn rounded_to_micros(amount: f64) -> f64 {
    (amount * 1e6).round_ties_even() / 1e6
}
