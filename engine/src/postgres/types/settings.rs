//! Which session settings decide how a value looks on the wire?

use std::fmt;
use std::sync::Arc;

use tarn_udfs::time::zone::Zone;

/// Format code of one column or parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// code 0
    #[default]
    Text,
    /// code 1
    Binary,
}

impl Format {
    /// The format of a protocol code; None for a code that does not exist.
    pub fn of_code(code: i16) -> Option<Format> {
        match code {
            0 => Some(Format::Text),
            1 => Some(Format::Binary),
            _ => None,
        }
    }

    /// The code in messages.
    pub fn code(self) -> i16 {
        match self {
            Format::Text => 0,
            Format::Binary => 1,
        }
    }
}

/// First half of `datestyle`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DateFormat {
    /// `2024-03-10`
    #[default]
    Iso,
    /// `03/10/2024`
    Sql,
    /// `Sun Mar 10 01:02:03 2024`
    Postgres,
    /// `10.03.2024`
    German,
}

/// Second half of `datestyle`: how `01/02/03` is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DateOrder {
    /// month, day, year
    #[default]
    Mdy,
    /// day, month, year
    Dmy,
    /// year, month, day
    Ymd,
}

/// The setting `datestyle`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DateStyle {
    /// how dates are printed
    pub format: DateFormat,
    /// how ambiguous dates are read
    pub order: DateOrder,
}

impl DateStyle {
    /// Reads `ISO, DMY`; a half that is absent stays as in `self`. None: not a date style.
    pub fn changed_by(self, text: &str) -> Option<DateStyle> {
        let mut style = self;
        for word in text.split([',', ' ']).filter(|word| !word.is_empty()) {
            match word.to_ascii_lowercase().as_str() {
                "iso" => style.format = DateFormat::Iso,
                "sql" => style.format = DateFormat::Sql,
                "postgres" => style.format = DateFormat::Postgres,
                "german" => {
                    style.format = DateFormat::German;
                    style.order = DateOrder::Dmy;
                }
                "mdy" | "us" | "noneuropean" => style.order = DateOrder::Mdy,
                "dmy" | "european" | "euro" => style.order = DateOrder::Dmy,
                "ymd" => style.order = DateOrder::Ymd,
                "default" => style = DateStyle::default(),
                _ => return None,
            }
        }
        Some(style)
    }
}

impl fmt::Display for DateStyle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = match self.format {
            DateFormat::Iso => "ISO",
            DateFormat::Sql => "SQL",
            DateFormat::Postgres => "Postgres",
            DateFormat::German => "German",
        };
        let order = match self.order {
            DateOrder::Mdy => "MDY",
            DateOrder::Dmy => "DMY",
            DateOrder::Ymd => "YMD",
        };
        write!(f, "{format}, {order}")
    }
}

/// The setting `intervalstyle`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IntervalStyle {
    /// `1 year 2 mons 04:05:06`
    #[default]
    Postgres,
    /// `@ 1 year 2 mons 4 hours 5 mins 6 secs`
    PostgresVerbose,
    /// `+1-2 +0 +4:05:06`
    SqlStandard,
    /// `P1Y2MT4H5M6S`
    Iso8601,
}

impl IntervalStyle {
    /// Reads the setting's value.
    pub fn parse(text: &str) -> Option<IntervalStyle> {
        match text.to_ascii_lowercase().as_str() {
            "postgres" => Some(IntervalStyle::Postgres),
            "postgres_verbose" => Some(IntervalStyle::PostgresVerbose),
            "sql_standard" => Some(IntervalStyle::SqlStandard),
            "iso_8601" => Some(IntervalStyle::Iso8601),
            _ => None,
        }
    }
}

impl fmt::Display for IntervalStyle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            IntervalStyle::Postgres => "postgres",
            IntervalStyle::PostgresVerbose => "postgres_verbose",
            IntervalStyle::SqlStandard => "sql_standard",
            IntervalStyle::Iso8601 => "iso_8601",
        })
    }
}

/// The setting `bytea_output`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ByteaOutput {
    /// `\x00ff`
    #[default]
    Hex,
    /// `\000\377`
    Escape,
}

/// (oid of `regclass`, `regtype`, …; oid of the object) → its name as SQL would write it.
pub type OidNames = Arc<dyn Fn(u32, u32) -> Option<String> + Send + Sync>;

/// The session's settings that decide how values are read and written.
#[derive(Clone)]
pub struct FormatSettings {
    /// `timezone`, for `timestamptz`
    pub timezone: Zone,
    /// `datestyle`
    pub date_style: DateStyle,
    /// `intervalstyle`
    pub interval_style: IntervalStyle,
    /// `extra_float_digits`; above 0 means the shortest text that reads back exactly
    pub extra_float_digits: i32,
    /// `bytea_output`
    pub bytea_output: ByteaOutput,
    /// Prints `regclass` and its relatives as names; without it they are numbers.
    pub oid_names: Option<OidNames>,
}

impl Default for FormatSettings {
    fn default() -> FormatSettings {
        FormatSettings {
            timezone: Zone::UTC,
            date_style: DateStyle::default(),
            interval_style: IntervalStyle::default(),
            extra_float_digits: 1,
            bytea_output: ByteaOutput::default(),
            oid_names: None,
        }
    }
}

impl fmt::Debug for FormatSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FormatSettings")
            .field("timezone", &self.timezone)
            .field("date_style", &self.date_style)
            .field("interval_style", &self.interval_style)
            .field("extra_float_digits", &self.extra_float_digits)
            .field("bytea_output", &self.bytea_output)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{DateFormat, DateOrder, DateStyle};

    #[test]
    fn date_styles_change_by_halves() {
        let style = DateStyle::default().changed_by("German").unwrap();
        assert_eq!(style.to_string(), "German, DMY");
        let style = style.changed_by("iso").unwrap();
        assert_eq!(
            style,
            DateStyle {
                format: DateFormat::Iso,
                order: DateOrder::Dmy
            }
        );
        assert_eq!(
            style.changed_by("SQL, ymd").unwrap().to_string(),
            "SQL, YMD"
        );
        assert_eq!(style.changed_by("martian"), None);
    }
}
