//! How is a date written by a template?

use std::fmt::Write;

use super::date_fields::DateFields;
use super::date_pattern::{Case, DatePattern, Field, Key, Node};
use super::ordinal::ending;
use super::roman;
use crate::error::FunctionError;
use crate::time::calendar::{iso_new_year, iso_week};

/// Full names; the first three letters are the short ones.
pub const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Full names from Sunday on; the first three letters are the short ones.
pub const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// Letters that the longest name has.
const NAME_WIDTH: usize = 9;
const JULIAN_EPOCH_DAYS: i64 = 2_440_588;

/// Appends a date by a template; `zone` is the abbreviation that `TZ` gives.
pub fn write(
    out: &mut String,
    pattern: &DatePattern,
    fields: &DateFields,
    zone: &str,
) -> Result<(), FunctionError> {
    for node in &pattern.nodes {
        match node {
            Node::Letter(character) | Node::Separator(character) => out.push(*character),
            Node::Field(field) => {
                let start = out.len();
                write_field(out, field, fields, zone)?;
                if let Some(ordinal) = field.ordinal
                    && is_number(field.key)
                {
                    let digits = out[start..].trim_start().to_string();
                    out.push_str(ending(&digits, ordinal));
                }
            }
        }
    }
    Ok(())
}

fn is_number(key: Key) -> bool {
    !matches!(
        key,
        Key::Era { .. }
            | Key::Meridiem { .. }
            | Key::Day
            | Key::Dy
            | Key::Month
            | Key::Mon
            | Key::Rm
            | Key::Tz
            | Key::Tzh
            | Key::Tzm
            | Key::Of
            | Key::Fx
    )
}

fn write_field(
    out: &mut String,
    field: &Field,
    date: &DateFields,
    zone: &str,
) -> Result<(), FunctionError> {
    if date.is_interval && needs_calendar(field.key) {
        return Err(FunctionError::new(
            "22007",
            "invalid format specification for an interval value",
        )
        .with_hint("Intervals are not tied to specific calendar dates."));
    }
    match field.key {
        Key::Fx => {}
        Key::Era { dots } => push_choice(out, field.case, date.year > 0, dots, ["AD", "BC"]),
        Key::Meridiem { dots } => {
            let is_morning = date.hour.rem_euclid(24) < 12;
            push_choice(out, field.case, is_morning, dots, ["AM", "PM"]);
        }
        Key::Tz => match field.case {
            Case::Lower => out.push_str(&zone.to_lowercase()),
            _ => out.push_str(zone),
        },
        Key::Tzh | Key::Tzm | Key::Of => push_offset(out, field, date.offset_seconds),
        Key::Month => push_name(out, field, month_name(date), NAME_WIDTH),
        Key::Mon => push_name(out, field, month_name(date).map(|name| &name[..3]), 3),
        Key::Day => push_name(out, field, Some(WEEKDAYS[date.weekday]), NAME_WIDTH),
        Key::Dy => push_name(out, field, Some(&WEEKDAYS[date.weekday][..3]), 3),
        Key::Rm => push_roman(out, field, date),
        _ => write_number(out, field, date),
    }
    Ok(())
}

fn write_number(out: &mut String, field: &Field, date: &DateFields) {
    let number = |out: &mut String, value: i64, width: usize| push(out, field, value, width);
    match field.key {
        Key::Hh12 => {
            let hour = date.hour % 12;
            number(out, if hour == 0 { 12 } else { hour }, 2);
        }
        Key::Hh24 => number(out, date.hour, 2),
        Key::Mi => number(out, date.minute, 2),
        Key::Ss => number(out, date.second, 2),
        Key::Ms => push_padded(out, date.micros / 1000, 3),
        Key::Us => push_padded(out, date.micros, 6),
        Key::Ff(digits) => push_padded(out, date.micros / 10i64.pow(6 - digits as u32), digits),
        Key::Ssss => push_padded(out, date.hour * 3600 + date.minute * 60 + date.second, 1),
        Key::Mm => number(out, date.month, 2),
        Key::Ddd => number(out, date.day_of_year, 3),
        Key::Iddd => number(out, date.days - iso_new_year(iso_week(date.days).0) + 1, 3),
        Key::Dd => number(out, date.day, 2),
        Key::D => push_padded(out, date.weekday as i64 + 1, 1),
        Key::Id => push_padded(out, (date.weekday as i64 + 6) % 7 + 1, 1),
        Key::Ww => number(out, (date.day_of_year - 1) / 7 + 1, 2),
        Key::Iw => number(out, iso_week(date.days).1, 2),
        Key::Q if date.month != 0 => push_padded(out, (date.month - 1) / 3 + 1, 1),
        Key::Cc => push_century(out, field, date),
        Key::YearComma => {
            let year = date.shown_year();
            // Writing to a String cannot fail.
            let _ = write!(out, "{},{:03}", year / 1000, year % 1000);
        }
        Key::Year(digits) => push_year(out, field, date.shown_year(), digits),
        Key::IsoYear(digits) => {
            let year = match date.is_interval {
                true => date.year,
                false => iso_week(date.days).0,
            };
            let is_shown = year > 0 || date.is_interval;
            push_year(out, field, if is_shown { year } else { 1 - year }, digits);
        }
        Key::W => push_padded(out, (date.day - 1) / 7 + 1, 1),
        Key::J => push_padded(out, date.days + JULIAN_EPOCH_DAYS, 1),
        _ => {}
    }
}

fn needs_calendar(key: Key) -> bool {
    matches!(
        key,
        Key::Era { .. }
            | Key::Month
            | Key::Mon
            | Key::Day
            | Key::Dy
            | Key::D
            | Key::Id
            | Key::Tz
            | Key::Tzh
            | Key::Tzm
            | Key::Of
    )
}

/// A number that `FM` takes the zeros from.
fn push(out: &mut String, field: &Field, value: i64, width: usize) {
    let width = match field.fill_mode {
        true => 1,
        false => width,
    };
    push_padded(out, value, width);
}

/// A sign does not count for the width.
fn push_padded(out: &mut String, value: i64, width: usize) {
    if value < 0 {
        out.push('-');
    }
    // Writing to a String cannot fail.
    let _ = write!(out, "{:0width$}", value.unsigned_abs());
}

fn push_choice(out: &mut String, case: Case, is_first: bool, dots: bool, words: [&str; 2]) {
    let word = words[usize::from(!is_first)];
    for letter in word.chars() {
        out.push(match case {
            Case::Lower => letter.to_ascii_lowercase(),
            _ => letter,
        });
        if dots {
            out.push('.');
        }
    }
}

/// None for an interval without months.
fn month_name(date: &DateFields) -> Option<&'static str> {
    let at = usize::try_from(date.month - 1).ok()?;
    MONTHS.get(at).copied()
}

fn push_name(out: &mut String, field: &Field, name: Option<&str>, width: usize) {
    let Some(name) = name else { return };
    let cased = match field.case {
        Case::Upper => name.to_uppercase(),
        Case::Title => name.to_string(),
        Case::Lower => name.to_lowercase(),
    };
    let width = match field.fill_mode || field.translation_mode {
        true => 0,
        false => width,
    };
    let _ = write!(out, "{cased:<width$}");
}

fn push_offset(out: &mut String, field: &Field, offset_seconds: i32) {
    let absolute = offset_seconds.abs();
    let sign = if offset_seconds < 0 { '-' } else { '+' };
    match field.key {
        Key::Tzm => push_padded(out, i64::from(absolute / 60 % 60), 2),
        Key::Tzh => {
            out.push(sign);
            push_padded(out, i64::from(absolute / 3600), 2);
        }
        _ => {
            out.push(sign);
            push(out, field, i64::from(absolute / 3600), 2);
            if absolute % 3600 != 0 {
                out.push(':');
                push_padded(out, i64::from(absolute / 60 % 60), 2);
            }
        }
    }
}

fn push_century(out: &mut String, field: &Field, date: &DateFields) {
    let century = match date.is_interval {
        true => date.year / 100,
        false if date.year > 0 => (date.year - 1) / 100 + 1,
        false => date.year / 100 - 1,
    };
    push(out, field, century, 2);
}

fn push_year(out: &mut String, field: &Field, year: i64, digits: usize) {
    let shown = match digits {
        4 => year,
        digits => year % 10i64.pow(digits as u32),
    };
    push(out, field, shown, digits);
}

/// Left-aligned in four places.
fn push_roman(out: &mut String, field: &Field, date: &DateFields) {
    if date.month == 0 && (!date.is_interval || date.year == 0) {
        return;
    }
    // An interval of whole years ends in December, and before a beginning months are counted back.
    let at = (date.month - 1).rem_euclid(12) as usize;
    let month = match date.is_interval && date.month < 0 {
        true => roman::MONTHS[(date.month.rem_euclid(12)) as usize],
        false => roman::MONTHS[at],
    };
    let cased = match field.case {
        Case::Lower => month.to_lowercase(),
        _ => month.to_string(),
    };
    let width = if field.fill_mode { 0 } else { 4 };
    let _ = write!(out, "{cased:<width$}");
}
