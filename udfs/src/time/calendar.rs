//! Which day of which year is a count of days since 1970, over all years that Arrow can hold?
//!
//! The proleptic Gregorian calendar as in PostgreSQL; the year before 1 AD is 1 BC, here year 0.
//! Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days are counted in eras of 400 years.

const DAYS_PER_ERA: i64 = 146_097;
/// Days from 0000-03-01, the first of an era, to 1970-01-01.
const DAYS_TO_EPOCH: i64 = 719_468;

/// A day of the calendar; `year` is astronomical, so 0 is 1 BC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    /// 0 is 1 BC
    pub year: i64,
    /// from 1
    pub month: u32,
    /// from 1
    pub day: u32,
}

/// The calendar day of a count of days since 1970.
#[inline]
pub fn day_of(days: i64) -> Day {
    let shifted = days + DAYS_TO_EPOCH;
    let era = shifted.div_euclid(DAYS_PER_ERA);
    let of_era = shifted.rem_euclid(DAYS_PER_ERA) as u32;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months are counted from March, so the leap day is the last of a year.
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = i64::from(year_of_era) + era * 400 + i64::from(month <= 2);
    Day { year, month, day }
}

/// Days since 1970 of a calendar day.
pub fn days_since_epoch(day: Day) -> i64 {
    let year = if day.month <= 2 {
        day.year - 1
    } else {
        day.year
    };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let from_march = i64::from((day.month + 9) % 12);
    let of_year = (153 * from_march + 2) / 5 + i64::from(day.day) - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    era * DAYS_PER_ERA + of_era - DAYS_TO_EPOCH
}

/// 28 to 31.
pub fn days_of_month(year: i64, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// 0 is Sunday.
pub fn weekday(days: i64) -> usize {
    (days + 4).rem_euclid(7) as usize
}

/// The year of ISO 8601 that a day belongs to, and its week of that year from 1.
pub fn iso_week(days: i64) -> (i64, i64) {
    // A week belongs to the year of its Thursday.
    let thursday = days - (days + 3).rem_euclid(7) + 3;
    let year = day_of(thursday).year;
    (year, (thursday - new_year(year)) / 7 + 1)
}

/// The Monday of the first week of a year of ISO 8601.
pub fn iso_new_year(year: i64) -> i64 {
    let fourth = new_year(year) + 3;
    fourth - (fourth + 3).rem_euclid(7)
}

/// Days since 1970 of the first of January.
pub fn new_year(year: i64) -> i64 {
    days_since_epoch(Day {
        year,
        month: 1,
        day: 1,
    })
}

#[cfg(test)]
mod tests {
    use super::{Day, day_of, days_of_month, days_since_epoch, weekday};
    use chrono::{Datelike, NaiveDate};

    #[test]
    fn days_agree_with_another_calendar() {
        let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
        for days in (-90_000_000..90_000_000).step_by(9_973) {
            let expected = epoch
                .checked_add_signed(chrono::TimeDelta::days(days))
                .unwrap();
            let day = day_of(days);
            assert_eq!(
                (day.year, day.month, day.day),
                (i64::from(expected.year()), expected.month(), expected.day())
            );
            assert_eq!(days_since_epoch(day), days);
            assert_eq!(
                weekday(days),
                expected.weekday().num_days_from_sunday() as usize
            );
        }
    }

    #[test]
    fn leap_days_and_borders() {
        assert_eq!(days_of_month(2000, 2), 29);
        assert_eq!(days_of_month(1900, 2), 28);
        let leap = Day {
            year: 2024,
            month: 2,
            day: 29,
        };
        assert_eq!(day_of(days_since_epoch(leap)), leap);
        for days in [i64::from(i32::MAX), i64::from(i32::MIN)] {
            assert_eq!(days_since_epoch(day_of(days)), days);
        }
    }
}
