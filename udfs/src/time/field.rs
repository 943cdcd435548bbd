//! Which part of a date does `'month'` name?

use crate::error::FunctionError;

/// A part of a date, a time or an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are the words of SQL")]
pub enum Field {
    Microseconds,
    Milliseconds,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    Decade,
    Century,
    Millennium,
    Epoch,
    Dow,
    Isodow,
    Doy,
    Isoyear,
    Julian,
    Timezone,
    TimezoneHour,
    TimezoneMinute,
}

impl Field {
    /// The field of a word in any case; None for words that name none.
    pub fn parse(word: &str) -> Option<Field> {
        Some(match word.to_ascii_lowercase().as_str() {
            "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecond" | "microseconds" => {
                Field::Microseconds
            }
            "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisecond" | "milliseconds" => {
                Field::Milliseconds
            }
            "s" | "sec" | "secs" | "second" | "seconds" => Field::Second,
            "m" | "min" | "mins" | "minute" | "minutes" => Field::Minute,
            "h" | "hr" | "hrs" | "hour" | "hours" => Field::Hour,
            "d" | "day" | "days" => Field::Day,
            "w" | "week" | "weeks" => Field::Week,
            "mon" | "mons" | "month" | "months" => Field::Month,
            "qtr" | "quarter" => Field::Quarter,
            "y" | "yr" | "yrs" | "year" | "years" => Field::Year,
            "dec" | "decs" | "decade" | "decades" => Field::Decade,
            "c" | "cent" | "century" | "centuries" => Field::Century,
            "mil" | "mils" | "millennium" | "millennia" => Field::Millennium,
            "epoch" => Field::Epoch,
            "dow" => Field::Dow,
            "isodow" => Field::Isodow,
            "doy" => Field::Doy,
            "isoyear" => Field::Isoyear,
            "j" | "jd" | "julian" => Field::Julian,
            "timezone" => Field::Timezone,
            "timezone_h" | "timezone_hour" => Field::TimezoneHour,
            "timezone_m" | "timezone_minute" => Field::TimezoneMinute,
            _ => return None,
        })
    }

    /// The field at which `date_trunc` cuts, or 22023.
    pub fn to_cut_at(word: &str, type_name: &str) -> Result<Field, FunctionError> {
        match Field::of(word, type_name)? {
            Field::Epoch
            | Field::Dow
            | Field::Isodow
            | Field::Doy
            | Field::Isoyear
            | Field::Julian => Err(unknown(word, type_name)),
            field => Ok(field),
        }
    }

    /// The field of a word, or 22023 in the words of PostgreSQL.
    pub fn of(word: &str, type_name: &str) -> Result<Field, FunctionError> {
        Field::parse(word).ok_or_else(|| unknown(word, type_name))
    }
}

fn unknown(word: &str, type_name: &str) -> FunctionError {
    let word = word.to_ascii_lowercase();
    FunctionError::new(
        "22023",
        format!("unit \"{word}\" not recognized for type {type_name}"),
    )
}

/// 0A000: a field that this type does not have.
pub fn unsupported(word: &str, type_name: &str) -> FunctionError {
    let word = word.to_ascii_lowercase();
    FunctionError::new(
        "0A000",
        format!("unit \"{word}\" not supported for type {type_name}"),
    )
}
