//! What date does a text mean by a template?

use super::date_pattern::{DatePattern, Field, Key, Node, is_separator};
use super::date_write::{MONTHS, WEEKDAYS};
use super::roman;
use crate::error::FunctionError;
use crate::time::calendar::{Day, day_of, days_of_month, days_since_epoch, iso_new_year, new_year};
use crate::time::moment::{MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND};

const JULIAN_EPOCH_DAYS: i64 = 2_440_588;

/// A day, a time of day, and how far from UTC it says that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime {
    /// since 1970
    pub days: i64,
    /// of the day
    pub micros: i64,
    /// seconds east of UTC, with `TZH`
    pub offset_seconds: Option<i32>,
}

/// Reads a text by a template.
pub fn read(text: &str, pattern: &DatePattern) -> Result<DateTime, FunctionError> {
    let mut reader = Reader {
        rest: text,
        read: Read::default(),
    };
    reader.nodes(&pattern.nodes)?;
    reader.read.finish(text)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Convention {
    Gregorian,
    Iso,
}

/// What the fields said; 0 is nothing, as PostgreSQL has it.
#[derive(Debug, Default)]
struct Read {
    convention: Option<Convention>,
    hour: i32,
    minute: i32,
    second: i32,
    second_of_day: i32,
    /// 1 is Sunday
    weekday: i32,
    day: i32,
    day_of_year: i32,
    month: i32,
    millis: i32,
    micros: i32,
    year: i32,
    year_digits: usize,
    is_bc: bool,
    week: i32,
    week_of_month: i32,
    century: i32,
    julian: i32,
    is_afternoon: bool,
    has_12_hours: bool,
    zone_sign: i32,
    zone_hour: i32,
    zone_minute: i32,
}

struct Reader<'t> {
    rest: &'t str,
    read: Read,
}

impl Reader<'_> {
    fn nodes(&mut self, nodes: &[Node]) -> Result<(), FunctionError> {
        let mut is_exact = false;
        let mut skipped = 0i32;
        for (at, node) in nodes.iter().enumerate() {
            if self.rest.is_empty() {
                break;
            }
            let is_fx = matches!(node, Node::Field(field) if field.key == Key::Fx);
            let is_field = matches!(node, Node::Field(_));
            if !is_exact && !is_fx && (is_field || at == 0) {
                skipped += self.skip_spaces();
            }
            match node {
                Node::Separator(_) if is_exact => self.skip_character(),
                Node::Separator(_) => {
                    skipped -= 1;
                    if self.rest.starts_with(is_separator) {
                        self.skip_character();
                        skipped += 1;
                    }
                }
                Node::Letter(_) if !is_exact && skipped > 0 => skipped -= 1,
                Node::Letter(_) => self.skip_character(),
                Node::Field(_) if is_fx => is_exact = true,
                Node::Field(field) => {
                    self.field(field, nodes.get(at + 1))?;
                    if !is_exact {
                        skipped = self.skip_spaces();
                    }
                }
            }
        }
        Ok(())
    }

    fn skip_character(&mut self) {
        let mut characters = self.rest.chars();
        characters.next();
        self.rest = characters.as_str();
    }

    fn skip_spaces(&mut self) -> i32 {
        let trimmed = self.rest.trim_ascii_start();
        let count = self.rest.len() - trimmed.len();
        self.rest = trimmed;
        count as i32
    }

    fn field(&mut self, field: &Field, next: Option<&Node>) -> Result<(), FunctionError> {
        self.set_convention(field.key)?;
        let slurps = field.fill_mode || is_next_separator(field, next);
        match field.key {
            Key::Fx => Ok(()),
            Key::Tz | Key::Of => Err(FunctionError::new(
                "0A000",
                format!(
                    "formatting field \"{}\" is only supported in to_char",
                    field.name
                ),
            )),
            Key::Meridiem { .. } | Key::Era { .. } => self.half(field),
            Key::Month | Key::Mon | Key::Day | Key::Dy | Key::Rm => self.name(field),
            Key::YearComma => self.year_with_comma(field),
            Key::Tzh | Key::Tzm => self.zone_part(field, slurps),
            _ => self.part(field, slurps),
        }
    }

    /// AM or PM, AD or BC.
    fn half(&mut self, field: &Field) -> Result<(), FunctionError> {
        let words: [&str; 2] = match field.key {
            Key::Meridiem { dots: true } => ["a.m.", "p.m."],
            Key::Meridiem { dots: false } => ["am", "pm"],
            Key::Era { dots: true } => ["a.d.", "b.c."],
            _ => ["ad", "bc"],
        };
        let is_second = self.choice(field, &words)? == 1;
        match field.key {
            Key::Era { .. } => self.read.is_bc = is_second,
            _ => {
                self.read.is_afternoon = is_second;
                self.read.has_12_hours = true;
            }
        }
        Ok(())
    }

    /// The name of a month or a weekday.
    fn name(&mut self, field: &Field) -> Result<(), FunctionError> {
        let number = match field.key {
            Key::Month => self.choice(field, &MONTHS)? as i32 + 1,
            Key::Mon => self.choice(field, &MONTHS.map(|name| &name[..3]))? as i32 + 1,
            Key::Day => self.choice(field, &WEEKDAYS)? as i32 + 1,
            Key::Dy => self.choice(field, &WEEKDAYS.map(|name| &name[..3]))? as i32 + 1,
            _ => {
                // XII before XI before X.
                let mut longest_first = roman::MONTHS;
                longest_first.reverse();
                12 - self.choice(field, &longest_first)? as i32
            }
        };
        let slot = match field.key {
            Key::Day | Key::Dy => &mut self.read.weekday,
            _ => &mut self.read.month,
        };
        set(slot, number, field)
    }

    fn zone_part(&mut self, field: &Field, slurps: bool) -> Result<(), FunctionError> {
        if field.key == Key::Tzh {
            self.read.zone_sign = if self.rest.starts_with('-') { -1 } else { 1 };
            if self.rest.starts_with(['+', '-', ' ']) {
                self.skip_character();
            }
        } else if self.read.zone_sign == 0 {
            self.read.zone_sign = 1;
        }
        let (value, _) = self.number(field, 2, slurps)?;
        let slot = match field.key {
            Key::Tzh => &mut self.read.zone_hour,
            _ => &mut self.read.zone_minute,
        };
        set(slot, value, field)
    }

    /// A number.
    fn part(&mut self, field: &Field, slurps: bool) -> Result<(), FunctionError> {
        let digits = digits_of(field);
        let (value, length) = self.number(field, digits, slurps)?;
        let value = match field.key {
            Key::Ms => fraction(value, length, 3),
            Key::Us | Key::Ff(_) => fraction(value, length, 6),
            Key::Id => value % 7 + 1,
            Key::Year(digits) | Key::IsoYear(digits) if digits < 4 && length < 4 => {
                near_2020(value)
            }
            _ => value,
        };
        let read = &mut self.read;
        let slot = match field.key {
            Key::Hh12 => {
                read.has_12_hours = true;
                &mut read.hour
            }
            Key::Hh24 => &mut read.hour,
            Key::Mi => &mut read.minute,
            Key::Ss => &mut read.second,
            Key::Ms => &mut read.millis,
            Key::Us | Key::Ff(_) => &mut read.micros,
            Key::Ssss => &mut read.second_of_day,
            Key::Mm => &mut read.month,
            Key::Ddd | Key::Iddd => &mut read.day_of_year,
            Key::Dd => &mut read.day,
            Key::D | Key::Id => &mut read.weekday,
            Key::Ww | Key::Iw => &mut read.week,
            Key::W => &mut read.week_of_month,
            Key::Cc => &mut read.century,
            Key::J => &mut read.julian,
            Key::Year(_) | Key::IsoYear(_) => {
                read.year_digits = digits;
                &mut read.year
            }
            // A quarter is read, and says nothing.
            _ => return Ok(()),
        };
        set(slot, value, field)
    }

    /// `2,024`
    fn year_with_comma(&mut self, field: &Field) -> Result<(), FunctionError> {
        let invalid = || FunctionError::new("22007", "invalid input string for \"Y,YYY\"");
        let digits =
            |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let thousands = digits(self.rest);
        let after = self.rest[thousands..]
            .strip_prefix(',')
            .ok_or_else(invalid)?;
        let ones = digits(after).min(3);
        let year = format!("{}{:0>3}", &self.rest[..thousands], &after[..ones]);
        let year: i32 = year.parse().map_err(|_| invalid())?;
        if ones == 0 || thousands == 0 {
            return Err(invalid());
        }
        self.rest = &after[ones..];
        set(&mut self.read.year, year, field)?;
        self.read.year_digits = 4;
        Ok(())
    }

    fn set_convention(&mut self, key: Key) -> Result<(), FunctionError> {
        let convention = match key {
            Key::Iddd | Key::Id | Key::Iw | Key::IsoYear(_) => Convention::Iso,
            Key::Ddd
            | Key::Dd
            | Key::D
            | Key::Mm
            | Key::Month
            | Key::Mon
            | Key::Rm
            | Key::Ww
            | Key::W
            | Key::Year(_)
            | Key::YearComma => Convention::Gregorian,
            _ => return Ok(()),
        };
        match self.read.convention {
            Some(known) if known != convention => Err(FunctionError::new(
                "22007",
                "invalid combination of date conventions",
            )
            .with_hint(
                "Do not mix Gregorian and ISO week date conventions in a formatting template.",
            )),
            _ => {
                self.read.convention = Some(convention);
                Ok(())
            }
        }
    }

    /// A number and how many characters it has. Without a separator behind it, it has as many as its field.
    fn number(
        &mut self,
        field: &Field,
        digits: usize,
        slurps: bool,
    ) -> Result<(i32, usize), FunctionError> {
        self.skip_spaces();
        let window = match self.rest.char_indices().nth(digits) {
            Some((end, _)) => &self.rest[..end],
            None => self.rest,
        };
        let source = if slurps { self.rest } else { window };
        let used = number_length(source);
        let invalid = || {
            FunctionError::new(
                "22007",
                format!("invalid value \"{window}\" for \"{}\"", field.name),
            )
        };
        const FIXED: &str =
            "If your source string is not fixed-width, try using the \"FM\" modifier.";
        if !slurps && window.len() < digits {
            return Err(FunctionError::new(
                "22007",
                format!(
                    "source string too short for \"{}\" formatting field",
                    field.name
                ),
            )
            .with_detail(format!(
                "Field requires {digits} characters, but only {} remain.",
                window.len()
            ))
            .with_hint(FIXED));
        }
        if !slurps && used > 0 && used < digits {
            return Err(invalid()
                .with_detail(format!(
                    "Field requires {digits} characters, but only {used} could be parsed."
                ))
                .with_hint(FIXED));
        }
        if used == 0 {
            return Err(invalid().with_detail("Value must be an integer."));
        }
        let value: i32 = source[..used]
            .trim_start_matches('+')
            .parse()
            .map_err(|_| {
                FunctionError::new(
                    "22008",
                    format!(
                        "value for \"{}\" in source string is out of range",
                        field.name
                    ),
                )
                .with_detail(format!(
                    "Value must be in the range {} to {}.",
                    i32::MIN,
                    i32::MAX
                ))
            })?;
        self.rest = &self.rest[used..];
        if field.ordinal.is_some() {
            self.skip_character();
            self.skip_character();
        }
        Ok((value, used))
    }

    /// Which of the words stands here, in any case.
    fn choice(&mut self, field: &Field, words: &[&str]) -> Result<usize, FunctionError> {
        let found = words.iter().position(|word| {
            self.rest
                .get(..word.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(word))
        });
        match found {
            Some(at) => {
                self.rest = &self.rest[words[at].len()..];
                Ok(at)
            }
            None => {
                let shown = self
                    .rest
                    .split(|character: char| character.is_ascii_whitespace())
                    .next()
                    .unwrap_or_default();
                Err(FunctionError::new(
                    "22007",
                    format!("invalid value \"{shown}\" for \"{}\"", field.name),
                )
                .with_detail(
                    "The given value did not match any of the allowed values for this field.",
                ))
            }
        }
    }
}

/// How many characters a number has that does not end at a separator.
fn digits_of(field: &Field) -> usize {
    match field.key {
        Key::Ms | Key::Ddd | Key::Iddd => 3,
        Key::Us => 6,
        Key::Ff(digits) | Key::Year(digits) | Key::IsoYear(digits) => digits,
        Key::Ssss => field.name.len(),
        Key::D | Key::Id | Key::W | Key::Q | Key::J => 1,
        _ => 2,
    }
}

/// Digits with a sign before them; 0 if there are none.
fn number_length(text: &str) -> usize {
    let sign = usize::from(text.starts_with(['+', '-']));
    let digits = text[sign..].bytes().take_while(u8::is_ascii_digit).count();
    match digits {
        0 => 0,
        digits => sign + digits,
    }
}

/// Can a number not go on behind its field?
fn is_next_separator(field: &Field, next: Option<&Node>) -> bool {
    if field.ordinal.is_some() {
        return true;
    }
    match next {
        None => true,
        Some(Node::Field(next)) => !is_of_digits(next.key),
        Some(Node::Letter(character) | Node::Separator(character)) => !character.is_ascii_digit(),
    }
}

fn is_of_digits(key: Key) -> bool {
    !matches!(
        key,
        Key::Era { .. }
            | Key::Meridiem { .. }
            | Key::Day
            | Key::Dy
            | Key::Fx
            | Key::Month
            | Key::Mon
            | Key::Of
            | Key::Rm
            | Key::Tz
            | Key::Tzh
            | Key::YearComma
    )
}

/// `25` and `250` thousandths are a quarter of a second, `025` is not.
fn fraction(value: i32, length: usize, digits: usize) -> i32 {
    let missing = digits.saturating_sub(length) as u32;
    value.saturating_mul(10i32.pow(missing))
}

fn near_2020(year: i32) -> i32 {
    match year {
        ..70 => year + 2000,
        70..100 => year + 1900,
        100..520 => year + 2000,
        520..1000 => year + 1000,
        _ => year,
    }
}

fn set(slot: &mut i32, value: i32, field: &Field) -> Result<(), FunctionError> {
    if *slot != 0 && *slot != value {
        return Err(FunctionError::new(
            "22007",
            format!(
                "conflicting values for \"{}\" field in formatting string",
                field.name
            ),
        )
        .with_detail("This value contradicts a previous setting for the same field type."));
    }
    *slot = value;
    Ok(())
}

/// The fields of the result, before they are checked.
struct Fields {
    year: i64,
    month: i64,
    day: i64,
}

impl Read {
    fn finish(mut self, text: &str) -> Result<DateTime, FunctionError> {
        let micros = self.time(text)?;
        let mut date = Fields {
            year: 0,
            month: 1,
            day: 1,
        };
        if let Some(year) = self.chosen_year() {
            date.year = year;
        }
        if self.julian != 0 {
            date.set(i64::from(self.julian) - JULIAN_EPOCH_DAYS);
        }
        if self.week != 0 && self.convention == Some(Convention::Iso) {
            let monday = iso_new_year(date.year) + (i64::from(self.week) - 1) * 7;
            // Sunday is the last day of an ISO week.
            let from_monday = match self.weekday {
                0 => 0,
                1 => 6,
                weekday => i64::from(weekday) - 2,
            };
            date.set(monday + from_monday);
        } else if self.week != 0 {
            self.day_of_year = (self.week - 1) * 7 + 1;
        }
        if self.week_of_month != 0 {
            self.day = (self.week_of_month - 1) * 7 + 1;
        }
        if self.day != 0 {
            date.day = i64::from(self.day);
        }
        if self.month != 0 {
            date.month = i64::from(self.month);
        }
        if self.day_of_year != 0 && (date.month <= 1 || date.day <= 1) {
            self.set_day_of_year(&mut date)?;
        }
        Ok(DateTime {
            days: date.checked(text)?,
            micros,
            offset_seconds: (self.zone_sign != 0)
                .then(|| self.zone_sign * (self.zone_hour * 3600 + self.zone_minute * 60)),
        })
    }

    /// The time of day in µs.
    fn time(&self, text: &str) -> Result<i64, FunctionError> {
        let mut hour = i64::from(self.hour);
        let mut minute = i64::from(self.minute);
        let mut second = i64::from(self.second);
        if self.second_of_day != 0 {
            let of_day = i64::from(self.second_of_day);
            (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        }
        if self.has_12_hours {
            if !(1..=12).contains(&hour) {
                return Err(FunctionError::new(
                    "22007",
                    format!("hour \"{hour}\" is invalid for the 12-hour clock"),
                )
                .with_hint("Use the 24-hour clock, or give an hour between 1 and 12."));
            }
            if self.is_afternoon && hour < 12 {
                hour += 12;
            } else if !self.is_afternoon && hour == 12 {
                hour = 0;
            }
        }
        let fraction = i64::from(self.millis) * 1000 + i64::from(self.micros);
        let is_time = (0..24).contains(&hour)
            && (0..60).contains(&minute)
            && (0..60).contains(&second)
            && (0..MICROS_PER_SECOND).contains(&fraction);
        if !is_time {
            return Err(out_of_range(text));
        }
        Ok(hour * MICROS_PER_HOUR
            + minute * MICROS_PER_MINUTE
            + second * MICROS_PER_SECOND
            + fraction)
    }

    /// The year that year and century say together, 0 for 1 BC.
    fn chosen_year(&self) -> Option<i64> {
        let century = i64::from(self.century) * if self.is_bc { -1 } else { 1 };
        if self.year != 0 && self.century != 0 && self.year_digits <= 2 {
            let of_century = i64::from(self.year) % 100;
            return Some(match (of_century, century >= 0) {
                (0, true) => century * 100,
                (0, false) => century * 100 + 1,
                (year, true) => year + (century - 1) * 100,
                (year, false) => (century + 1) * 100 - year + 1,
            });
        }
        if self.year != 0 {
            let year = i64::from(self.year) * if self.is_bc { -1 } else { 1 };
            return Some(if year < 0 { year + 1 } else { year });
        }
        if self.century != 0 {
            return Some(match century >= 0 {
                true => (century - 1) * 100 + 1,
                false => century * 100 + 1,
            });
        }
        None
    }

    fn set_day_of_year(&self, date: &mut Fields) -> Result<(), FunctionError> {
        if date.year == 0 && !self.is_bc {
            return Err(FunctionError::new(
                "22007",
                "cannot calculate day of year without year information",
            ));
        }
        let first = match self.convention {
            Some(Convention::Iso) => iso_new_year(date.year),
            _ => new_year(date.year),
        };
        let days = first + i64::from(self.day_of_year) - 1;
        let found = day_of(days);
        if self.convention == Some(Convention::Iso) {
            date.set(days);
            return Ok(());
        }
        date.year = found.year;
        if date.month <= 1 {
            date.month = i64::from(found.month);
        }
        if date.day <= 1 {
            date.day = i64::from(found.day);
        }
        Ok(())
    }
}

impl Fields {
    fn set(&mut self, days: i64) {
        let day = day_of(days);
        (self.year, self.month, self.day) = (day.year, i64::from(day.month), i64::from(day.day));
    }

    /// Days since 1970, if there is such a day.
    fn checked(&self, text: &str) -> Result<i64, FunctionError> {
        let is_month = (1..=12).contains(&self.month);
        if !is_month
            || self.day < 1
            || self.day > i64::from(days_of_month(self.year, self.month as u32))
        {
            return Err(out_of_range(text));
        }
        Ok(days_since_epoch(Day {
            year: self.year,
            month: self.month as u32,
            day: self.day as u32,
        }))
    }
}

fn out_of_range(text: &str) -> FunctionError {
    FunctionError::new(
        "22008",
        format!("date/time field value out of range: \"{text}\""),
    )
}
