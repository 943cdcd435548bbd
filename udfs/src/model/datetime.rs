//! What are the year, month, weekday and hour of a moment, in UTC and nothing else?

use crate::error::ModelError;

const MICROS_PER_DAY: i64 = 86_400_000_000;
const MICROS_PER_HOUR: i64 = 3_600_000_000;

/// One number taken from a date or timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MomentPart {
    /// Days since the origin, with a fraction.
    Elapsed,
    /// Calendar year.
    Year,
    /// 1 to 12.
    Month,
    /// Day of the month, 1 to 31.
    Day,
    /// 0 is Monday.
    Weekday,
    /// 0 to 23.
    Hour,
    /// 0 to 59.
    Minute,
}

impl MomentPart {
    /// Every part, in the order in which they become model columns.
    pub const ALL: [Self; 7] = [
        Self::Elapsed,
        Self::Year,
        Self::Month,
        Self::Day,
        Self::Weekday,
        Self::Hour,
        Self::Minute,
    ];

    /// Its name inside a model column's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Elapsed => "elapsed",
            Self::Year => "year",
            Self::Month => "month",
            Self::Day => "day",
            Self::Weekday => "weekday",
            Self::Hour => "hour",
            Self::Minute => "minute",
        }
    }

    /// Its stored form.
    pub fn byte(self) -> u8 {
        self as u8
    }

    /// Reads the stored form.
    pub fn from_byte(byte: u8) -> Result<Self, ModelError> {
        Self::ALL
            .into_iter()
            .find(|part| part.byte() == byte)
            .ok_or_else(|| ModelError::damaged("unknown date part"))
    }

    /// The number for a moment in microseconds since 1970-01-01 UTC.
    pub fn of(self, micros: i64, origin_micros: i64) -> f32 {
        let days = micros.div_euclid(MICROS_PER_DAY);
        let within_day = micros.rem_euclid(MICROS_PER_DAY);
        match self {
            Self::Elapsed => {
                ((micros as f64 - origin_micros as f64) / MICROS_PER_DAY as f64) as f32
            }
            Self::Year => civil(days).0 as f32,
            Self::Month => civil(days).1 as f32,
            Self::Day => civil(days).2 as f32,
            Self::Weekday => (days + 3).rem_euclid(7) as f32,
            Self::Hour => (within_day / MICROS_PER_HOUR) as f32,
            Self::Minute => (within_day % MICROS_PER_HOUR / 60_000_000) as f32,
        }
    }
}

/// Year, month and day of a day number in the proleptic Gregorian calendar; day 0 is 1970-01-01.
///
/// Counts 400-year eras of 146,097 days from 1 March of year 0, so that leap days end a year.
pub fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(-1), (1969, 12, 31));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(11_017), (2000, 3, 1));
        assert_eq!(civil(-719_468), (0, 3, 1));
        assert_eq!(civil(2_932_896), (9999, 12, 31));
    }

    #[test]
    fn parts_of_a_known_moment() {
        // 2024-02-29 13:45:10 UTC, a Thursday.
        let micros = 1_709_214_310_000_000;
        let parts: Vec<f32> = MomentPart::ALL[1..]
            .iter()
            .map(|part| part.of(micros, 0))
            .collect();
        assert_eq!(parts, [2024.0, 2.0, 29.0, 3.0, 13.0, 45.0]);
        assert_eq!(MomentPart::Elapsed.of(MICROS_PER_DAY * 3 / 2, 0), 1.5);
        assert_eq!(MomentPart::Hour.of(-1, 0), 23.0);
    }
}
