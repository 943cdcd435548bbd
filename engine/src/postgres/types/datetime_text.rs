//! How is text such as `2024-03-10 01:02:03-05` or `Mar 10, 2024 1:02 PM EST` read?

use super::datetime::{MICROS_PER_DAY, MICROS_PER_SECOND, SECONDS_PER_DAY};
use super::error::{DATETIME_OVERFLOW, INVALID_DATETIME, ValueError};
use super::settings::{DateOrder, FormatSettings};
use tarn_udfs::time::calendar::{Day, days_of_month, days_since_epoch};
use tarn_udfs::time::zone::{Zone, abbreviation};

/// 4713-01-01 BC, the first day PostgreSQL knows.
const DAYS_MIN: i64 = -2_440_550;
/// 5874897-12-31, the last day of `date`.
const DAYS_MAX: i64 = 2_145_042_905;
const YEAR_DIGITS_MAX: usize = 7;

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] = [
    "sunday",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
];

/// Reads a `date` as days since 1970; the infinities are the extremes of i32.
pub(super) fn parse_date(text: &str, settings: &FormatSettings) -> Result<i32, ValueError> {
    if let Some(iso) = Iso::read(text.as_bytes()) {
        return Ok(iso.days as i32);
    }
    let reader = Reader {
        type_name: "date",
        text,
        settings,
    };
    match reader.read()? {
        Read::Infinity => Ok(i32::MAX),
        Read::MinusInfinity => Ok(i32::MIN),
        Read::Parts(parts) => {
            let days = parts.days.ok_or_else(|| reader.syntax())?;
            if !(DAYS_MIN..=DAYS_MAX).contains(&days) {
                return Err(ValueError::new(
                    DATETIME_OVERFLOW,
                    format!("date out of range: \"{text}\""),
                ));
            }
            Ok(days as i32)
        }
    }
}

/// Reads a `time` as microseconds of the day; a date or zone beside it is not looked at.
pub(super) fn parse_time(text: &str, settings: &FormatSettings) -> Result<i64, ValueError> {
    let reader = Reader {
        type_name: "time",
        text,
        settings,
    };
    match reader.read()? {
        Read::Parts(Parts {
            micros: Some(micros),
            ..
        }) => Ok(micros),
        _ => Err(reader.syntax()),
    }
}

/// Reads a `timestamp` as microseconds since 1970; a zone is not looked at, as in PostgreSQL.
pub(super) fn parse_timestamp(text: &str, settings: &FormatSettings) -> Result<i64, ValueError> {
    if let Some(iso) = Iso::read(text.as_bytes()) {
        return iso
            .days
            .checked_mul(MICROS_PER_DAY)
            .map(|day| day + iso.micros)
            .ok_or_else(|| out_of_range(text));
    }
    let reader = Reader {
        type_name: "timestamp",
        text,
        settings,
    };
    match reader.read()? {
        Read::Infinity => Ok(i64::MAX),
        Read::MinusInfinity => Ok(i64::MIN),
        Read::Parts(parts) => moment(&reader, parts),
    }
}

/// Reads a `timestamptz` as microseconds since 1970 UTC; without a zone it is the session's.
pub(super) fn parse_timestamptz(text: &str, settings: &FormatSettings) -> Result<i64, ValueError> {
    if let Some(iso) = Iso::read(text.as_bytes()) {
        let seconds = iso.days * SECONDS_PER_DAY + iso.micros / MICROS_PER_SECOND;
        let offset = iso
            .offset
            .unwrap_or_else(|| settings.timezone.offset_of_wall_clock(seconds));
        return (seconds - i64::from(offset))
            .checked_mul(MICROS_PER_SECOND)
            .map(|micros| micros + iso.micros % MICROS_PER_SECOND)
            .ok_or_else(|| out_of_range(text));
    }
    let reader = Reader {
        type_name: "timestamp with time zone",
        text,
        settings,
    };
    match reader.read()? {
        Read::Infinity => Ok(i64::MAX),
        Read::MinusInfinity => Ok(i64::MIN),
        Read::Parts(parts) => {
            let local = moment(&reader, parts)?;
            let zone = parts.zone.unwrap_or(settings.timezone);
            let offset = zone.offset_of_wall_clock(local.div_euclid(MICROS_PER_SECOND));
            local
                .checked_sub(i64::from(offset) * MICROS_PER_SECOND)
                .ok_or_else(|| out_of_range(text))
        }
    }
}

fn moment(reader: &Reader<'_>, parts: Parts) -> Result<i64, ValueError> {
    let days = parts.days.ok_or_else(|| reader.syntax())?;
    if days < DAYS_MIN {
        return Err(out_of_range(reader.text));
    }
    days.checked_mul(MICROS_PER_DAY)
        .and_then(|micros| micros.checked_add(parts.micros.unwrap_or(0)))
        .ok_or_else(|| out_of_range(reader.text))
}

fn out_of_range(text: &str) -> ValueError {
    ValueError::new(
        DATETIME_OVERFLOW,
        format!("timestamp out of range: \"{text}\""),
    )
}

/// What the plain form of a date or moment says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IsoKind {
    Date,
    Timestamp,
    Timestamptz,
}

/// Is this text a date or moment in the plain form?
pub(super) fn iso_kind(text: &str) -> Option<IsoKind> {
    let iso = Iso::read(text.as_bytes())?;
    Some(match (text.len(), iso.offset) {
        (10, _) => IsoKind::Date,
        (_, None) => IsoKind::Timestamp,
        (_, Some(_)) => IsoKind::Timestamptz,
    })
}

/// The plain form that programs write, read without looking at words: `2024-03-10[ 01:02:03[.5]][+05[:30]]`.
struct Iso {
    days: i64,
    micros: i64,
    offset: Option<i32>,
}

impl Iso {
    fn read(text: &[u8]) -> Option<Iso> {
        let pair = |at: usize| -> Option<u32> {
            let (high, low) = (
                text.get(at)?.wrapping_sub(b'0'),
                text.get(at + 1)?.wrapping_sub(b'0'),
            );
            (high < 10 && low < 10).then_some(u32::from(high) * 10 + u32::from(low))
        };
        let is = |at: usize, byte: u8| text.get(at) == Some(&byte);
        let (year, month, day) = (pair(0)? * 100 + pair(2)?, pair(5)?, pair(8)?);
        if !is(4, b'-') || !is(7, b'-') || year == 0 || !(1..=12).contains(&month) {
            return None;
        }
        let year = i64::from(year);
        if day == 0 || day > days_of_month(year, month) {
            return None;
        }
        let days = days_since_epoch(Day { year, month, day });
        if text.len() == 10 {
            return Some(Iso {
                days,
                micros: 0,
                offset: None,
            });
        }
        let (hour, minute, second) = (pair(11)?, pair(14)?, pair(17)?);
        let separated = (is(10, b' ') || is(10, b'T')) && is(13, b':') && is(16, b':');
        if !separated || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let mut micros = i64::from(hour * 3600 + minute * 60 + second) * MICROS_PER_SECOND;
        let mut at = 19;
        if is(at, b'.') {
            let digits = text[20..]
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count();
            if !(1..=6).contains(&digits) {
                return None;
            }
            let fraction = text[20..20 + digits]
                .iter()
                .fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
            micros += fraction * 10i64.pow(6 - digits as u32);
            at = 20 + digits;
        }
        let offset = match &text[at..] {
            [] => None,
            [b'Z'] => Some(0),
            rest @ [b'+' | b'-', ..] => Some(Zone::parse_offset(rest)?),
            _ => return None,
        };
        Some(Iso {
            days,
            micros,
            offset,
        })
    }
}

enum Read {
    Infinity,
    MinusInfinity,
    Parts(Parts),
}

#[derive(Clone, Copy)]
struct Parts {
    days: Option<i64>,
    micros: Option<i64>,
    zone: Option<Zone>,
}

struct Reader<'a> {
    type_name: &'static str,
    text: &'a str,
    settings: &'a FormatSettings,
}

/// What the words have said so far.
#[derive(Default)]
struct Fields {
    year: Option<i64>,
    month: Option<u32>,
    day: Option<u32>,
    /// a day given without year and month, by name: `epoch`, `today`
    days: Option<i64>,
    micros: Option<i64>,
    zone: Option<Zone>,
    before_christ: bool,
    afternoon: Option<bool>,
    /// the year was written with two digits
    short_year: bool,
}

impl Reader<'_> {
    fn syntax(&self) -> ValueError {
        let Reader {
            type_name, text, ..
        } = self;
        ValueError::new(
            INVALID_DATETIME,
            format!("invalid input syntax for type {type_name}: \"{text}\""),
        )
    }

    fn field_overflow(&self) -> ValueError {
        ValueError::new(
            DATETIME_OVERFLOW,
            format!("date/time field value out of range: \"{}\"", self.text),
        )
    }

    fn read(&self) -> Result<Read, ValueError> {
        // No word of a date is written with other letters, and bytes may be cut anywhere below.
        if !self.text.is_ascii() {
            return Err(self.syntax());
        }
        let lower = self.text.trim_ascii().to_ascii_lowercase();
        match lower.as_str() {
            "infinity" | "+infinity" => return Ok(Read::Infinity),
            "-infinity" => return Ok(Read::MinusInfinity),
            "" => return Err(self.syntax()),
            _ => {}
        }
        let mut fields = Fields::default();
        for word in lower
            .split(|c: char| c.is_ascii_whitespace() || c == ',')
            .filter(|word| !word.is_empty())
        {
            self.word(word, &mut fields)?;
        }
        self.finish(fields)
    }

    fn word(&self, word: &str, fields: &mut Fields) -> Result<(), ValueError> {
        let first = word.as_bytes()[0];
        if first.is_ascii_digit() {
            return self.numeric_word(word, fields);
        }
        if matches!(first, b'+' | b'-') {
            let offset = Zone::parse_offset(word.as_bytes()).ok_or_else(|| self.syntax())?;
            fields.zone = Some(Zone::Fixed(offset));
            return Ok(());
        }
        if self.named_word(word, fields) {
            return Ok(());
        }
        // 1:02 pm+05
        if word.len() > 2 && matches!(&word[..2], "am" | "pm") && word[2..].starts_with('+') {
            self.named_word(&word[..2], fields);
            return self.word(&word[2..], fields);
        }
        // T010203, as in ISO 8601.
        if let Some(clock) = word.strip_prefix('t')
            && clock.as_bytes().first().is_some_and(u8::is_ascii_digit)
        {
            return self.clock(clock, fields);
        }
        // March-10-2024
        if let Some((name, rest)) = word.split_once(['-', '/', '.'])
            && let Some(month) = month_named(name)
            && fields.month.is_none()
        {
            fields.month = Some(month);
            for number in rest.split(['-', '/', '.']) {
                self.number(number, fields)?;
            }
            return Ok(());
        }
        if let Some(zone) = zone_named(word) {
            fields.zone = Some(zone);
            return Ok(());
        }
        if word.contains('/')
            || (fields.micros.is_some() && word.bytes().all(|byte| byte.is_ascii_alphabetic()))
        {
            return Err(ValueError::new(
                "22023",
                format!("time zone \"{word}\" not recognized"),
            ));
        }
        Err(self.syntax())
    }

    /// Words with a fixed meaning; false when the word has none.
    fn named_word(&self, word: &str, fields: &mut Fields) -> bool {
        let now = || chrono::Utc::now().timestamp_micros();
        let today = || {
            let seconds = now().div_euclid(MICROS_PER_SECOND);
            (seconds + i64::from(self.settings.timezone.offset_at(seconds)))
                .div_euclid(SECONDS_PER_DAY)
        };
        match word {
            "ad" => fields.before_christ = false,
            "bc" => fields.before_christ = true,
            "am" => fields.afternoon = Some(false),
            "pm" => fields.afternoon = Some(true),
            "at" | "on" => {}
            "allballs" => {
                fields.micros = Some(0);
                fields.zone = Some(Zone::UTC);
            }
            "epoch" => {
                fields.days = Some(0);
                fields.micros = Some(0);
                fields.zone = Some(Zone::UTC);
            }
            "now" => {
                let seconds = now().div_euclid(MICROS_PER_SECOND);
                let local = now()
                    + i64::from(self.settings.timezone.offset_at(seconds)) * MICROS_PER_SECOND;
                fields.days = Some(local.div_euclid(MICROS_PER_DAY));
                fields.micros = Some(local.rem_euclid(MICROS_PER_DAY));
            }
            "today" => fields.days = Some(today()),
            "tomorrow" => fields.days = Some(today() + 1),
            "yesterday" => fields.days = Some(today() - 1),
            _ => {
                if let Some(month) = month_named(word).filter(|_| fields.month.is_none()) {
                    fields.month = Some(month);
                } else {
                    return word.len() >= 3 && WEEKDAYS.iter().any(|day| day.starts_with(word));
                }
            }
        }
        true
    }

    /// A word that starts with a digit: a date, a clock, both joined by T, or a lone number.
    fn numeric_word(&self, word: &str, fields: &mut Fields) -> Result<(), ValueError> {
        if let Some((date, clock)) = word.split_once('t')
            && clock.as_bytes().first().is_some_and(u8::is_ascii_digit)
            && date
                .bytes()
                .all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'/' | b'.'))
        {
            self.numeric_word(date, fields)?;
            return self.clock(clock, fields);
        }
        if word.contains(':') {
            return self.clock(word, fields);
        }
        if let Some(at) = word.find(['-', '/', '.']) {
            let separator = &word[at..=at];
            let parts: Vec<&str> = word.split(separator).collect();
            if parts.len() == 3 {
                return self.date(&parts, fields);
            }
            // 10-Mar beside a year of its own
            if let [number, name] = parts.as_slice()
                && let Some(month) = month_named(name)
            {
                fields.month = Some(month);
                return self.number(number, fields);
            }
            if fields.days.is_some() || fields.day.is_some() {
                return self.clock(word, fields);
            }
            return Err(self.syntax());
        }
        if let Some(hours) = word.strip_suffix("am").or_else(|| word.strip_suffix("pm")) {
            fields.afternoon = Some(word.ends_with("pm"));
            let hour: i64 = hours.parse().map_err(|_| self.syntax())?;
            fields.micros = Some(hour * 3600 * MICROS_PER_SECOND);
            return Ok(());
        }
        // 010203+05, 010203Z
        if let Some(at) = word.find(['+', 'z']) {
            self.number(&word[..at], fields)?;
            return self.word(&word[at..], fields);
        }
        self.number(word, fields)
    }

    /// Three numbers, or two and the name of a month.
    fn date(&self, parts: &[&str], fields: &mut Fields) -> Result<(), ValueError> {
        let number = |text: &str| self.small(text);
        if let Some(at) = parts.iter().position(|part| month_named(part).is_some()) {
            fields.month = month_named(parts[at]);
            for (place, part) in parts.iter().enumerate() {
                if place != at {
                    self.number(part, fields)?;
                }
            }
            return Ok(());
        }
        let [first, second, third] = [parts[0], parts[1], parts[2]];
        let (year, month, day) = if first.len() > 2 {
            (first, second, third)
        } else {
            match self.settings.date_style.order {
                DateOrder::Ymd => (first, second, third),
                DateOrder::Mdy => (third, first, second),
                DateOrder::Dmy => (third, second, first),
            }
        };
        fields.short_year = year.len() <= 2;
        fields.year = Some(number(year)?);
        fields.month = Some(number(month)? as u32);
        fields.day = Some(number(day)? as u32);
        Ok(())
    }

    fn small(&self, text: &str) -> Result<i64, ValueError> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(self.syntax());
        }
        if text.len() > YEAR_DIGITS_MAX {
            return Err(self.field_overflow());
        }
        text.parse().map_err(|_| self.syntax())
    }

    /// A number alone: its length and what is still missing say what it is.
    fn number(&self, text: &str, fields: &mut Fields) -> Result<(), ValueError> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let has_date = fields.days.is_some() || (fields.month.is_some() && fields.day.is_some());
        match whole.len() {
            8 if !has_date && fields.month.is_none() && fraction.is_empty() => {
                fields.year = Some(self.small(&whole[..4])?);
                fields.month = Some(self.small(&whole[4..6])? as u32);
                fields.day = Some(self.small(&whole[6..])? as u32);
            }
            6 if !has_date && fields.month.is_none() && self.type_name != "time" => {
                fields.year = Some(self.small(&whole[..2])?);
                fields.short_year = true;
                fields.month = Some(self.small(&whole[2..4])? as u32);
                fields.day = Some(self.small(&whole[4..])? as u32);
            }
            _ if fields.month.is_some() && fields.day.is_none() && whole.len() <= 2 => {
                fields.day = Some(self.small(whole)? as u32);
            }
            _ if fields.month.is_some() && fields.year.is_none() && whole.len() != 6 => {
                fields.short_year = whole.len() <= 2;
                fields.year = Some(self.small(whole)?);
            }
            4 if fields.year.is_none() && !has_date && self.type_name != "time" => {
                fields.year = Some(self.small(whole)?);
            }
            4 | 6 => return self.clock(text, fields),
            // The day in "10 Mar 2024", or the year in "2024 Mar 10".
            1 | 2 if fields.day.is_none() => fields.day = Some(self.small(whole)? as u32),
            3.. if fields.year.is_none() => fields.year = Some(self.small(whole)?),
            _ => return Err(self.syntax()),
        }
        Ok(())
    }

    /// `01:02[:03[.5]]` or `010203[.5]`, with am, pm, Z or an offset behind it.
    fn clock(&self, text: &str, fields: &mut Fields) -> Result<(), ValueError> {
        if fields.micros.is_some() {
            return Err(self.syntax());
        }
        let end = text
            .find(|c: char| !(c.is_ascii_digit() || c == ':' || c == '.'))
            .unwrap_or(text.len());
        let (clock, behind) = text.split_at(end);
        let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
        let packed: Vec<&str> = match (clock.contains(':'), clock.len(), clock.is_ascii()) {
            (true, ..) => clock.split(':').collect(),
            (false, 6, true) => vec![&clock[..2], &clock[2..4], &clock[4..]],
            (false, 4, true) => vec![&clock[..2], &clock[2..]],
            (false, 2, true) => vec![clock, "0"],
            _ => return Err(self.syntax()),
        };
        let (hours, minutes, seconds) = match packed.as_slice() {
            [hours, minutes] if fraction.is_empty() => {
                (self.small(hours)?, self.small(minutes)?, 0)
            }
            [hours, minutes, seconds] => (
                self.small(hours)?,
                self.small(minutes)?,
                self.small(seconds)?,
            ),
            _ => return Err(self.syntax()),
        };
        let micros = self.fraction_micros(fraction)?;
        let total = (hours * 3600 + minutes * 60 + seconds) * MICROS_PER_SECOND + micros;
        if minutes > 59 || seconds > 60 || total > MICROS_PER_DAY {
            return Err(self.field_overflow());
        }
        fields.micros = Some(total);
        match behind {
            "" => Ok(()),
            _ => self.word(behind, fields),
        }
    }

    /// Digits behind the point, rounded to microseconds as PostgreSQL does, ties to even.
    fn fraction_micros(&self, digits: &str) -> Result<i64, ValueError> {
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(self.syntax());
        }
        let fraction: f64 = if digits.is_empty() {
            0.0
        } else {
            format!("0.{digits}").parse().map_err(|_| self.syntax())?
        };
        Ok((fraction * MICROS_PER_SECOND as f64).round_ties_even() as i64)
    }

    fn finish(&self, fields: Fields) -> Result<Read, ValueError> {
        let mut micros = fields.micros;
        if let (Some(afternoon), Some(time)) = (fields.afternoon, micros.as_mut()) {
            let noon = 12 * 3600 * MICROS_PER_SECOND;
            if *time >= noon + 3600 * MICROS_PER_SECOND {
                return Err(self.field_overflow());
            }
            *time = *time % noon + if afternoon { noon } else { 0 };
        }
        let days = match (fields.days, fields.year, fields.month, fields.day) {
            (Some(days), None, None, None) => Some(days),
            (None, None, None, None) => None,
            (None, Some(year), Some(month), Some(day)) => {
                Some(self.days(&fields, year, month, day)?)
            }
            _ => return Err(self.syntax()),
        };
        if days.is_none() && micros.is_none() {
            return Err(self.syntax());
        }
        Ok(Read::Parts(Parts {
            days,
            micros,
            zone: fields.zone,
        }))
    }

    fn days(&self, fields: &Fields, year: i64, month: u32, day: u32) -> Result<i64, ValueError> {
        let mut year = year;
        if fields.before_christ {
            year = 1 - year;
        } else if fields.short_year {
            year += if year < 70 { 2000 } else { 1900 };
        }
        let year_is_zero = fields.year == Some(0) && !fields.short_year;
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return Err(self
                .field_overflow()
                .with_hint("Perhaps you need a different \"datestyle\" setting."));
        }
        if year_is_zero || day > days_of_month(year, month) {
            return Err(self.field_overflow());
        }
        Ok(days_since_epoch(Day { year, month, day }))
    }
}

fn month_named(word: &str) -> Option<u32> {
    let found = MONTHS.iter().position(|month| {
        *month == word
            || (word.len() == 3 && month.starts_with(word))
            || (word == "sept" && *month == "september")
    })?;
    Some(found as u32 + 1)
}

fn zone_named(word: &str) -> Option<Zone> {
    if matches!(word, "z" | "zulu" | "utc" | "gmt" | "ut" | "uct") {
        return Some(Zone::UTC);
    }
    if let Some(offset) = abbreviation(word) {
        return Some(Zone::Fixed(offset));
    }
    word.contains('/').then(|| Zone::named(word)).flatten()
}

#[cfg(test)]
mod tests;
