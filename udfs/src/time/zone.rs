//! How far is a moment or a wall clock from UTC in the session's time zone?

use std::cell::Cell;
use std::fmt;

use chrono::{DateTime, LocalResult, NaiveDateTime, Offset, TimeZone};
use chrono_tz::{OffsetName, TZ_VARIANTS, Tz};

use crate::error::FunctionError;

use super::calendar::{Day, day_of, days_of_month, days_since_epoch, weekday};

/// Seconds before 1970 that chrono can hold; moments before have the offset of the border.
const SECONDS_MIN: i64 = -8_000_000_000_000;
/// 2099-01-01: the tables of zones do not reach the next century.
const TABLE_END_SECONDS: i64 = 4_070_908_800;
/// Years with every weekday and leap year.
const LIKE_YEARS: std::ops::Range<i64> = 2060..2088;
const OFFSET_SECONDS_MAX: i32 = 16 * 3600;
const SECONDS_PER_DAY: i64 = 86_400;

/// (abbreviation, seconds east of UTC), PostgreSQL's default set for North America and Europe.
const ABBREVIATIONS: [(&str, i32); 22] = [
    ("est", -18_000),
    ("edt", -14_400),
    ("cst", -21_600),
    ("cdt", -18_000),
    ("mst", -25_200),
    ("mdt", -21_600),
    ("pst", -28_800),
    ("pdt", -25_200),
    ("akst", -32_400),
    ("akdt", -28_800),
    ("hst", -36_000),
    ("ast", -14_400),
    ("adt", -10_800),
    ("nst", -12_600),
    ("ndt", -9_000),
    ("wet", 0),
    ("west", 3600),
    ("bst", 3600),
    ("cet", 3600),
    ("cest", 7200),
    ("eet", 7200),
    ("eest", 10_800),
];

/// A time zone of the IANA database, or a fixed distance from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// from the IANA database
    Named(Tz),
    /// seconds east of UTC
    Fixed(i32),
}

impl From<Tz> for Zone {
    fn from(tz: Tz) -> Zone {
        Zone::Named(tz)
    }
}

impl Zone {
    /// Coordinated Universal Time.
    pub const UTC: Zone = Zone::Named(Tz::UTC);

    /// Reads a zone name in any case, or an offset such as `+05:30`, always east of UTC as in ISO 8601.
    pub fn parse(text: &str) -> Option<Zone> {
        let text = text.trim();
        if let Some(zone) = Zone::named(text) {
            return Some(zone);
        }
        if text.eq_ignore_ascii_case("utc") || text.eq_ignore_ascii_case("z") {
            return Some(Zone::UTC);
        }
        Zone::parse_offset(text.as_bytes()).map(Zone::Fixed)
    }

    /// A zone of the IANA database by its name in any case.
    pub fn named(name: &str) -> Option<Zone> {
        let exact = name.parse::<Tz>().ok();
        let found = exact.or_else(|| {
            TZ_VARIANTS
                .iter()
                .copied()
                .find(|tz| tz.name().eq_ignore_ascii_case(name))
        });
        found.map(Zone::Named)
    }

    /// Reads `+hh`, `+hhmm`, `+hh:mm` or `+hh:mm:ss` as seconds east of UTC.
    pub fn parse_offset(text: &[u8]) -> Option<i32> {
        let (sign, digits) = match text.split_first()? {
            (b'+', digits) => (1, digits),
            (b'-', digits) => (-1, digits),
            _ => return None,
        };
        let mut parts = [0i32; 3];
        if digits.contains(&b':') {
            for (at, part) in digits.split(|byte| *byte == b':').enumerate() {
                *parts.get_mut(at)? = small_number(part)?;
            }
        } else {
            match digits.len() {
                1 | 2 => parts[0] = small_number(digits)?,
                3 | 4 => {
                    let at = digits.len() - 2;
                    parts[0] = small_number(&digits[..at])?;
                    parts[1] = small_number(&digits[at..])?;
                }
                6 => {
                    parts[0] = small_number(&digits[..2])?;
                    parts[1] = small_number(&digits[2..4])?;
                    parts[2] = small_number(&digits[4..])?;
                }
                _ => return None,
            }
        }
        let [hours, minutes, seconds] = parts;
        let total = hours * 3600 + minutes * 60 + seconds;
        (minutes < 60 && seconds < 60 && total < OFFSET_SECONDS_MAX).then_some(sign * total)
    }

    /// The zone that `AT TIME ZONE 'name'` means, or 22023.
    ///
    /// A name of the IANA database, an abbreviation, or POSIX's form, whose distance is to the west.
    pub fn of_name(text: &str) -> Result<Zone, FunctionError> {
        let name = text.trim().to_ascii_lowercase();
        if let Some(offset) = abbreviation(&name) {
            return Ok(Zone::Fixed(offset));
        }
        if matches!(name.as_str(), "utc" | "z" | "gmt" | "zulu") {
            return Ok(Zone::UTC);
        }
        if let Some(zone) = Zone::named(text.trim()) {
            return Ok(zone);
        }
        Zone::posix(&name).ok_or_else(|| {
            FunctionError::new("22023", format!("time zone \"{text}\" not recognized"))
        })
    }

    /// `<+02>-02`, `UTC+3` and `+05:30`, without daylight saving time.
    fn posix(name: &str) -> Option<Zone> {
        let distance = match name.strip_prefix('<') {
            Some(quoted) => quoted.split_once('>')?.1,
            None => name.trim_start_matches(|letter: char| letter.is_ascii_alphabetic()),
        };
        let west = match distance.as_bytes().first()? {
            b'+' | b'-' => Zone::parse_offset(distance.as_bytes())?,
            _ => Zone::parse_offset(format!("+{distance}").as_bytes())?,
        };
        Some(Zone::Fixed(-west))
    }

    /// Seconds east of UTC at a moment, given in seconds since 1970 UTC.
    pub fn offset_at(self, utc_seconds: i64) -> i32 {
        match self {
            Zone::Fixed(offset) => offset,
            Zone::Named(Tz::UTC) => 0,
            Zone::Named(tz) => tz
                .offset_from_utc_datetime(&naive(utc_seconds))
                .fix()
                .local_minus_utc(),
        }
    }

    /// Seconds east of UTC when wall clocks show this, given as seconds since 1970 without zone.
    ///
    /// As in PostgreSQL, an hour that clocks show twice is the later one, and one they skip is read with the
    /// offset before the jump.
    pub fn offset_of_wall_clock(self, local_seconds: i64) -> i32 {
        let tz = match self {
            Zone::Fixed(offset) => return offset,
            Zone::Named(Tz::UTC) => return 0,
            Zone::Named(tz) => tz,
        };
        const BEFORE_SECONDS: [i64; 3] = [0, 3 * 3600, 25 * 3600];
        for before in BEFORE_SECONDS {
            match tz.offset_from_local_datetime(&naive(local_seconds - before)) {
                LocalResult::Single(offset) => return offset.fix().local_minus_utc(),
                LocalResult::Ambiguous(_, later) => return later.fix().local_minus_utc(),
                LocalResult::None => {}
            }
        }
        self.offset_at(local_seconds)
    }

    /// What clocks of the zone call their time at a moment: `EST`, or an offset where there is no name.
    pub fn abbreviation_at(self, utc_seconds: i64) -> String {
        if let Zone::Named(tz) = self
            && let Some(name) = tz
                .offset_from_utc_datetime(&naive(utc_seconds))
                .abbreviation()
        {
            return name.to_string();
        }
        let mut text = Vec::new();
        push_offset(&mut text, self.offset_at(utc_seconds));
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Zone::Named(tz) => f.write_str(tz.name()),
            Zone::Fixed(offset) => {
                // The POSIX spelling that SHOW timezone has: a label, then the distance to the west.
                let mut east = Vec::new();
                push_offset(&mut east, *offset);
                let mut west = Vec::new();
                push_offset(&mut west, -*offset);
                let (east, west) = (
                    String::from_utf8_lossy(&east),
                    String::from_utf8_lossy(&west),
                );
                write!(f, "<{east}>{}", west.trim_start_matches('+'))
            }
        }
    }
}

/// `+05`, `+05:30`, `-04:56:02`: as short as the offset allows.
pub fn push_offset(out: &mut Vec<u8>, offset_seconds: i32) {
    let absolute = offset_seconds.unsigned_abs();
    out.push(if offset_seconds < 0 { b'-' } else { b'+' });
    let (hours, minutes, seconds) = (absolute / 3600, absolute / 60 % 60, absolute % 60);
    push_two_digits(out, hours);
    if minutes != 0 || seconds != 0 {
        out.push(b':');
        push_two_digits(out, minutes);
    }
    if seconds != 0 {
        out.push(b':');
        push_two_digits(out, seconds);
    }
}

/// A moment as chrono has it; beyond the zone tables, the like moment of a year within them.
///
/// Zones keep their last rule for ever, so a year with the same days of the week has the same offsets.
fn naive(seconds: i64) -> NaiveDateTime {
    let seconds = if seconds < TABLE_END_SECONDS {
        seconds
    } else {
        like_moment(seconds)
    };
    DateTime::from_timestamp(seconds.max(SECONDS_MIN), 0)
        .map(|moment| moment.naive_utc())
        .unwrap_or_default()
}

fn like_moment(seconds: i64) -> i64 {
    let days = seconds.div_euclid(SECONDS_PER_DAY);
    let year = day_of(days).year;
    let new_year = |year| {
        days_since_epoch(Day {
            year,
            month: 1,
            day: 1,
        })
    };
    let is_like = |like: &i64| {
        weekday(new_year(*like)) == weekday(new_year(year))
            && days_of_month(*like, 2) == days_of_month(year, 2)
    };
    match LIKE_YEARS.into_iter().find(is_like) {
        Some(like) => seconds - (new_year(year) - new_year(like)) * SECONDS_PER_DAY,
        None => seconds,
    }
}

fn push_two_digits(out: &mut Vec<u8>, number: u32) {
    let number = (number % 100) as u8;
    out.extend_from_slice(&[b'0' + number / 10, b'0' + number % 10]);
}

/// Seconds east of UTC of `est` and its like, in lower case.
pub fn abbreviation(word: &str) -> Option<i32> {
    ABBREVIATIONS
        .iter()
        .find(|(name, _)| *name == word)
        .map(|(_, offset)| *offset)
}

fn small_number(digits: &[u8]) -> Option<i32> {
    if digits.is_empty() || digits.len() > 2 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(
        digits
            .iter()
            .fold(0, |number, digit| number * 10 + i32::from(digit - b'0')),
    )
}

/// Remembers the offset of days, so a column of moments does not search the zone's table for each.
pub struct OffsetCache {
    zone: Zone,
    days: [Cell<(i64, i32)>; CACHED_DAYS],
}

/// More than a year, so that a year of rows in any order searches the table once a day.
const CACHED_DAYS: usize = 512;
/// A day on which clocks change; never a valid offset.
const CHANGES: i32 = i32::MAX;
/// No moment lies on this day.
const NO_DAY: i64 = i64::MAX;

impl OffsetCache {
    /// A cache that remembers nothing yet.
    pub fn new(zone: Zone) -> OffsetCache {
        OffsetCache {
            zone,
            days: std::array::from_fn(|_| Cell::new((NO_DAY, 0))),
        }
    }

    /// Seconds east of UTC at a moment, given in seconds since 1970 UTC.
    pub fn offset_at(&self, utc_seconds: i64) -> i32 {
        if let Zone::Fixed(offset) = self.zone {
            return offset;
        }
        if self.zone == Zone::UTC {
            return 0;
        }
        let day = utc_seconds.div_euclid(SECONDS_PER_DAY);
        let slot = &self.days[day.rem_euclid(CACHED_DAYS as i64) as usize];
        let (held, offset) = slot.get();
        if held == day && offset != CHANGES {
            return offset;
        }
        if held == day {
            return self.zone.offset_at(utc_seconds);
        }
        let first = self.zone.offset_at(day.saturating_mul(SECONDS_PER_DAY));
        let last = self.zone.offset_at(
            day.saturating_mul(SECONDS_PER_DAY)
                .saturating_add(SECONDS_PER_DAY),
        );
        slot.set((day, if first == last { first } else { CHANGES }));
        if first == last {
            first
        } else {
            self.zone.offset_at(utc_seconds)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{OffsetCache, Zone};
    use chrono_tz::Tz;

    const NEW_YORK: Zone = Zone::Named(Tz::America__New_York);

    #[test]
    fn wall_clocks_that_jump_are_read_as_postgresql_does() {
        // 2024-03-10 02:30 does not exist and 2024-11-03 01:30 exists twice.
        assert_eq!(NEW_YORK.offset_of_wall_clock(1_710_037_800), -5 * 3600);
        assert_eq!(NEW_YORK.offset_of_wall_clock(1_730_597_400), -5 * 3600);
        assert_eq!(NEW_YORK.offset_of_wall_clock(1_730_593_800), -4 * 3600);
    }

    #[test]
    fn the_cache_agrees_with_the_zone() {
        let cache = OffsetCache::new(NEW_YORK);
        for hour in 0..24 * 400 {
            let moment = 1_700_000_000 + hour * 3600;
            assert_eq!(cache.offset_at(moment), NEW_YORK.offset_at(moment));
        }
        assert_eq!(cache.offset_at(-5_364_662_400), -17_762);
        assert_eq!(cache.offset_at(i64::MAX), NEW_YORK.offset_at(i64::MAX));
        assert_eq!(cache.offset_at(i64::MIN), -17_762);
    }

    /// Offsets are PostgreSQL 15's.
    #[test]
    fn zones_keep_their_last_rule() {
        // 3624-10-08 and 3624-12-08, 2100-07-01, 9999-03-14 06:59:59 and a second later
        let moments = [
            (52_219_540_800, -4),
            (52_224_811_200, -5),
            (4_118_083_200, -4),
            (253_377_010_799, -5),
            (253_377_010_800, -4),
        ];
        for (moment, hours) in moments {
            assert_eq!(NEW_YORK.offset_at(moment), hours * 3600, "{moment}");
        }
    }

    #[test]
    fn offsets_are_read_in_every_length() {
        let cases = [
            ("+5", 18_000),
            ("-05", -18_000),
            ("+0530", 19_800),
            ("+05:30", 19_800),
            ("-04:56:02", -17_762),
        ];
        for (text, seconds) in cases {
            assert_eq!(Zone::parse_offset(text.as_bytes()), Some(seconds), "{text}");
        }
        for text in ["", "+", "5", "+99", "+05:60", "+1:2:3:4", "+é"] {
            assert_eq!(Zone::parse_offset(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Zone::parse("america/new_york"), Some(NEW_YORK));
        assert_eq!(Zone::parse("Mars/Olympus"), None);
        assert_eq!(Zone::Fixed(19_800).to_string(), "<+05:30>-05:30");
    }
}
