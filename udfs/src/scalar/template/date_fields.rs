//! Which fields of a date does a template write?

use crate::time::calendar::{day_of, new_year, weekday};
use crate::time::interval::Interval;
use crate::time::moment::{MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND};

/// A moment or an interval in its fields.
#[derive(Debug, Clone, Copy, Default)]
pub struct DateFields {
    /// astronomical; of an interval, whole years
    pub year: i64,
    /// from 1; of an interval, 0 for none
    pub month: i64,
    /// of the month
    pub day: i64,
    /// of the year, from 1
    pub day_of_year: i64,
    /// 0 is Sunday
    pub weekday: usize,
    /// days since 1970
    pub days: i64,
    /// of the day; of an interval, as many as there are
    pub hour: i64,
    /// of the hour
    pub minute: i64,
    /// of the minute
    pub second: i64,
    /// of the second
    pub micros: i64,
    /// seconds east of UTC
    pub offset_seconds: i32,
    /// Is it an interval, which has no calendar?
    pub is_interval: bool,
}

impl DateFields {
    /// The fields of what wall clocks show.
    pub fn of_moment(local_micros: i64, offset_seconds: i32) -> DateFields {
        let days = local_micros.div_euclid(MICROS_PER_DAY);
        let time = local_micros.rem_euclid(MICROS_PER_DAY);
        let day = day_of(days);
        DateFields {
            year: day.year,
            month: i64::from(day.month),
            day: i64::from(day.day),
            day_of_year: days - new_year(day.year) + 1,
            weekday: weekday(days),
            days,
            offset_seconds,
            ..DateFields::default()
        }
        .with_time(time)
    }

    /// The fields of an interval.
    pub fn of_interval(interval: Interval) -> DateFields {
        let (year, month) = (
            i64::from(interval.months / 12),
            i64::from(interval.months % 12),
        );
        let day = i64::from(interval.days);
        DateFields {
            year,
            month,
            day,
            day_of_year: i64::from(interval.months) * 30 + day,
            is_interval: true,
            ..DateFields::default()
        }
        .with_time(interval.micros)
    }

    fn with_time(self, time: i64) -> DateFields {
        DateFields {
            hour: time / MICROS_PER_HOUR,
            minute: time / MICROS_PER_MINUTE % 60,
            second: time / MICROS_PER_SECOND % 60,
            micros: time % MICROS_PER_SECOND,
            ..self
        }
    }

    /// The year as it is written: 1 BC is 1.
    pub fn shown_year(&self) -> i64 {
        match self.is_interval || self.year > 0 {
            true => self.year,
            false => 1 - self.year,
        }
    }
}
