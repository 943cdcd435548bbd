//! Which settings does a session have, and what may they be?
//!
//! One typed table feeds SET, SHOW, RESET, `current_setting`, `pg_settings` and ParameterStatus. An unknown
//! name is an error, except a name with a dot outside our own prefixes, which Postgres lets users invent.

use std::collections::BTreeMap;

use crate::error::PgError;
use crate::sqlstate;
use tarn_udfs::suggest;

/// What values a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingKind {
    /// on or off
    Boolean,
    /// A whole number from..=to.
    Integer(i64, i64),
    /// A duration stored in milliseconds; a bare number is milliseconds.
    Milliseconds,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Any text.
    Text,
    /// An IANA time zone or a UTC offset that the zone table knows.
    TimeZone,
    /// Told, never set.
    Fixed,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct SettingSpec {
    /// Its name, lower case.
    pub name: &'static str,
    /// Its spelling in ParameterStatus and SHOW's column.
    pub shown: &'static str,
    /// The value of a fresh session.
    pub default: &'static str,
    /// What it takes.
    pub kind: SettingKind,
    /// Reported to the client when it changes.
    pub reported: bool,
    /// One line for pg_settings.
    pub description: &'static str,
}

const fn spec(
    name: &'static str,
    default: &'static str,
    kind: SettingKind,
    description: &'static str,
) -> SettingSpec {
    SettingSpec {
        name,
        shown: name,
        default,
        kind,
        reported: false,
        description,
    }
}

const fn reported(
    name: &'static str,
    shown: &'static str,
    default: &'static str,
    kind: SettingKind,
    description: &'static str,
) -> SettingSpec {
    SettingSpec {
        name,
        shown,
        default,
        kind,
        reported: true,
        description,
    }
}

/// The version of PostgreSQL whose behaviour clients may expect.
pub const SERVER_VERSION: &str = "15.18";

const LEVELS: SettingKind = SettingKind::Word(&[
    "debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error", "info",
]);
const ISOLATION: SettingKind = SettingKind::Word(&[
    "read uncommitted",
    "read committed",
    "repeatable read",
    "serializable",
]);

/// Every setting, by name.
pub const SETTINGS: &[SettingSpec] = &[
    reported(
        "application_name",
        "application_name",
        "",
        SettingKind::Text,
        "Sets the application name to be reported in statistics and logs.",
    ),
    spec(
        "bytea_output",
        "hex",
        SettingKind::Word(&["hex", "escape"]),
        "Sets the output format for bytea.",
    ),
    reported(
        "client_encoding",
        "client_encoding",
        "UTF8",
        SettingKind::Word(&["utf8", "utf-8", "unicode", "sql_ascii"]),
        "Sets the client's character set encoding.",
    ),
    spec(
        "client_min_messages",
        "notice",
        LEVELS,
        "Sets the message levels that are sent to the client.",
    ),
    spec(
        "check_function_bodies",
        "on",
        SettingKind::Boolean,
        "Accepted for dumps; there are no function bodies.",
    ),
    reported(
        "datestyle",
        "DateStyle",
        "ISO, MDY",
        SettingKind::Text,
        "Sets the display format for date and time values.",
    ),
    spec(
        "default_transaction_deferrable",
        "off",
        SettingKind::Boolean,
        "Accepted; every snapshot is safe.",
    ),
    reported(
        "default_transaction_read_only",
        "default_transaction_read_only",
        "off",
        SettingKind::Boolean,
        "Sets the default read-only status of new transactions.",
    ),
    spec(
        "default_transaction_isolation",
        "repeatable read",
        ISOLATION,
        "Accepted; transactions read one snapshot.",
    ),
    spec(
        "default_table_access_method",
        "heap",
        SettingKind::Fixed,
        "Shown for compatibility; tables are Delta tables.",
    ),
    spec(
        "escape_string_warning",
        "on",
        SettingKind::Boolean,
        "Accepted for compatibility.",
    ),
    spec(
        "extra_float_digits",
        "1",
        SettingKind::Integer(-15, 3),
        "Sets the number of digits displayed for floating-point values.",
    ),
    spec(
        "idle_in_transaction_session_timeout",
        "0",
        SettingKind::Milliseconds,
        "Ends a session that idles inside a transaction for longer.",
    ),
    spec(
        "idle_session_timeout",
        "0",
        SettingKind::Milliseconds,
        "Ends a session that idles outside of a transaction for longer.",
    ),
    reported(
        "in_hot_standby",
        "in_hot_standby",
        "off",
        SettingKind::Fixed,
        "Shows whether hot standby is currently active.",
    ),
    reported(
        "integer_datetimes",
        "integer_datetimes",
        "on",
        SettingKind::Fixed,
        "Shows whether datetimes are integer based.",
    ),
    reported(
        "intervalstyle",
        "IntervalStyle",
        "postgres",
        SettingKind::Word(&["postgres", "iso_8601", "postgres_verbose", "sql_standard"]),
        "Sets the display format for interval values.",
    ),
    reported(
        "is_superuser",
        "is_superuser",
        "on",
        SettingKind::Fixed,
        "Shows whether the current user is a superuser.",
    ),
    spec(
        "lc_collate",
        "C",
        SettingKind::Fixed,
        "Shows the collation order locale.",
    ),
    spec(
        "lc_ctype",
        "C",
        SettingKind::Fixed,
        "Shows the character classification locale.",
    ),
    spec(
        "lc_messages",
        "C",
        SettingKind::Text,
        "Accepted for compatibility.",
    ),
    spec(
        "lc_monetary",
        "C",
        SettingKind::Text,
        "Accepted for compatibility.",
    ),
    spec(
        "lc_numeric",
        "C",
        SettingKind::Text,
        "Accepted for compatibility.",
    ),
    spec(
        "lc_time",
        "C",
        SettingKind::Text,
        "Accepted for compatibility.",
    ),
    spec(
        "lock_timeout",
        "0",
        SettingKind::Milliseconds,
        "Accepted; statements do not wait for locks.",
    ),
    spec(
        "max_identifier_length",
        "63",
        SettingKind::Fixed,
        "Shows the maximum identifier length.",
    ),
    spec(
        "max_index_keys",
        "32",
        SettingKind::Fixed,
        "Shows the maximum number of index keys.",
    ),
    spec(
        "ml.max_threads",
        "0",
        SettingKind::Integer(0, 1024),
        "Threads that one training statement may use; 0 is all cores.",
    ),
    spec(
        "role",
        "none",
        SettingKind::Word(&["none", "tarn"]),
        "Sets the current role.",
    ),
    spec(
        "row_security",
        "on",
        SettingKind::Boolean,
        "Accepted for dumps; there are no row policies.",
    ),
    spec(
        "search_path",
        "\"$user\", public",
        SettingKind::Text,
        "Sets the schema search order for names that are not schema-qualified.",
    ),
    reported(
        "server_encoding",
        "server_encoding",
        "UTF8",
        SettingKind::Fixed,
        "Shows the server character set encoding.",
    ),
    reported(
        "server_version",
        "server_version",
        SERVER_VERSION,
        SettingKind::Fixed,
        "Shows the PostgreSQL version whose behaviour is offered.",
    ),
    spec(
        "server_version_num",
        "150018",
        SettingKind::Fixed,
        "Shows the same as an integer.",
    ),
    reported(
        "session_authorization",
        "session_authorization",
        "tarn",
        SettingKind::Word(&["tarn", "default"]),
        "Sets the current session user name.",
    ),
    spec(
        "ssl",
        "off",
        SettingKind::Fixed,
        "Shows whether connections are encrypted.",
    ),
    reported(
        "standard_conforming_strings",
        "standard_conforming_strings",
        "on",
        SettingKind::Word(&["on"]),
        "Strings are literal; backslashes mean themselves.",
    ),
    spec(
        "statement_timeout",
        "0",
        SettingKind::Milliseconds,
        "Sets the maximum allowed duration of any statement.",
    ),
    spec(
        "synchronize_seqscans",
        "on",
        SettingKind::Boolean,
        "Accepted for dumps.",
    ),
    reported(
        "timezone",
        "TimeZone",
        "UTC",
        SettingKind::TimeZone,
        "Sets the time zone for displaying and interpreting time stamps.",
    ),
    spec(
        "transaction_deferrable",
        "off",
        SettingKind::Boolean,
        "Accepted; every snapshot is safe.",
    ),
    spec(
        "transaction_isolation",
        "repeatable read",
        ISOLATION,
        "Accepted; transactions read one snapshot.",
    ),
    spec(
        "transaction_read_only",
        "off",
        SettingKind::Boolean,
        "Sets the current transaction's read-only status.",
    ),
    spec(
        "wal_level",
        "replica",
        SettingKind::Fixed,
        "Shown for compatibility.",
    ),
    spec(
        "xmloption",
        "content",
        SettingKind::Word(&["content", "document"]),
        "Accepted for dumps.",
    ),
];

/// Who set a value that a session begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartupSource {
    /// ALTER ROLE ALL
    EveryRole,
    /// ALTER ROLE of the session's role
    Role,
    /// The client, when it connected
    Client,
}

/// The values of one session.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    changed: BTreeMap<String, String>,
    startup: BTreeMap<String, (String, StartupSource)>,
}

impl Settings {
    /// The current value; None for a name that nobody set or knows.
    pub fn get(&self, name: &str) -> Option<&str> {
        let name = name.to_ascii_lowercase();
        let changed = self.changed.get(&name).map(String::as_str);
        changed.or_else(|| self.reset_value(&name))
    }

    /// The value that RESET goes back to; the name is in lower case.
    pub fn reset_value(&self, name: &str) -> Option<&str> {
        match self.startup.get(name) {
            Some((value, _)) => Some(value),
            None => find(name).map(|known| known.default),
        }
    }

    /// Where the current value comes from, in the words of `pg_settings`; the name is in lower case.
    pub fn source(&self, name: &str) -> &'static str {
        if self.changed.contains_key(name) {
            return "session";
        }
        match self.startup.get(name) {
            Some((_, StartupSource::EveryRole)) => "global",
            Some((_, StartupSource::Role)) => "user",
            Some((_, StartupSource::Client)) => "client",
            None => "default",
        }
    }

    /// The current value of a setting that the table has.
    pub fn known(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// Is a boolean setting on?
    pub fn is_on(&self, name: &str) -> bool {
        self.known(name) == "on"
    }

    /// A duration setting in milliseconds; 0 is none.
    pub fn milliseconds(&self, name: &str) -> u64 {
        self.known(name).parse().unwrap_or(0)
    }

    /// The value as SHOW prints it: durations get their unit.
    pub fn shown(&self, name: &str) -> Option<String> {
        let stored = self.get(name)?;
        let is_duration = find(&name.to_ascii_lowercase())
            .is_some_and(|known| known.kind == SettingKind::Milliseconds);
        if !is_duration {
            return Some(stored.to_string());
        }
        let ms: u64 = stored.parse().unwrap_or(0);
        Some(match ms {
            0 => "0".to_string(),
            ms if ms % 86_400_000 == 0 => format!("{}d", ms / 86_400_000),
            ms if ms % 3_600_000 == 0 => format!("{}h", ms / 3_600_000),
            ms if ms % 60_000 == 0 => format!("{}min", ms / 60_000),
            ms if ms % 1_000 == 0 => format!("{}s", ms / 1_000),
            ms => format!("{ms}ms"),
        })
    }

    /// Checks and sets; returns the value as stored.
    pub fn set(&mut self, name: &str, value: &str) -> Result<String, PgError> {
        let name = name.to_ascii_lowercase();
        let stored = check(&name, value)?;
        self.changed.insert(name, stored.clone());
        Ok(stored)
    }

    /// Sets what RESET goes back to.
    pub fn set_startup(
        &mut self,
        name: &str,
        value: &str,
        source: StartupSource,
    ) -> Result<(), PgError> {
        let name = name.to_ascii_lowercase();
        let stored = check(&name, value)?;
        self.startup.insert(name, (stored, source));
        Ok(())
    }

    /// Back to the value of a fresh session.
    pub fn reset(&mut self, name: &str) -> Result<(), PgError> {
        let name = name.to_ascii_lowercase();
        if find(&name).is_none() && !is_custom(&name) {
            return Err(unknown(&name));
        }
        self.changed.remove(&name);
        Ok(())
    }

    /// Everything back.
    pub fn reset_all(&mut self) {
        let keep = self.changed.remove("session_authorization");
        self.changed.clear();
        if let Some(value) = keep {
            self.changed
                .insert("session_authorization".to_string(), value);
        }
    }

    /// The schemas of search_path, with `$user` left out when it names no schema.
    pub fn search_path(&self, user: &str) -> Vec<String> {
        self.known("search_path")
            .split(',')
            .map(|part| part.trim().trim_matches('"').to_string())
            .filter(|part| !part.is_empty())
            .map(|part| {
                if part == "$user" {
                    user.to_string()
                } else {
                    part
                }
            })
            .collect()
    }

    /// The session's time zone.
    pub fn timezone(&self) -> chrono_tz::Tz {
        self.known("timezone").parse().unwrap_or(chrono_tz::Tz::UTC)
    }
}

/// The table's row for a name.
pub fn find(name: &str) -> Option<&'static SettingSpec> {
    SETTINGS.iter().find(|known| known.name == name)
}

fn is_custom(name: &str) -> bool {
    name.contains('.') && !name.starts_with("ml.") && !name.starts_with("ai.")
}

/// The error for a name that no setting has.
pub fn unknown(name: &str) -> PgError {
    let failure = PgError::new(
        sqlstate::UNDEFINED_OBJECT,
        format!("unrecognized configuration parameter \"{name}\""),
    );
    match suggest::nearest(name, SETTINGS.iter().map(|known| known.name)) {
        Some(near) => failure.with_hint(format!("Perhaps you meant \"{near}\".")),
        None => failure,
    }
}

fn check(name: &str, value: &str) -> Result<String, PgError> {
    let Some(known) = find(name) else {
        return if is_custom(name) {
            Ok(value.to_string())
        } else {
            Err(unknown(name))
        };
    };
    let refused = || {
        PgError::new(
            sqlstate::INVALID_PARAMETER_VALUE,
            format!(
                "invalid value for parameter \"{}\": \"{value}\"",
                known.shown
            ),
        )
    };
    match known.kind {
        SettingKind::Fixed => Err(PgError::new(
            SETTING_CANNOT_CHANGE,
            format!("parameter \"{}\" cannot be changed", known.shown),
        )),
        SettingKind::Text => Ok(value.to_string()),
        SettingKind::Boolean => boolean(value).ok_or_else(refused),
        SettingKind::Integer(from, to) => match value.parse::<i64>() {
            Ok(number) if (from..=to).contains(&number) => Ok(number.to_string()),
            Ok(_) => Err(refused().with_hint(format!("It takes {from} to {to}."))),
            Err(_) => Err(refused()),
        },
        SettingKind::Milliseconds => {
            milliseconds(value).map(|ms| ms.to_string()).ok_or_else(|| {
                refused()
                    .with_hint("Valid units are \"us\", \"ms\", \"s\", \"min\", \"h\" and \"d\".")
            })
        }
        SettingKind::Word(words) => {
            // Drivers quote the encoding inside the startup message.
            let lower = value.trim_matches('\'').to_lowercase();
            if !words.contains(&lower.as_str()) {
                return Err(refused().with_hint(format!("Available values: {}.", words.join(", "))));
            }
            Ok(if name == "client_encoding" {
                "UTF8".to_string()
            } else {
                lower
            })
        }
        SettingKind::TimeZone => time_zone(value).ok_or_else(refused),
    }
}

const SETTING_CANNOT_CHANGE: sqlstate::SqlState = sqlstate::SqlState("55P02");

fn boolean(value: &str) -> Option<String> {
    match value.to_lowercase().as_str() {
        "on" | "true" | "yes" | "1" | "t" | "y" => Some("on".to_string()),
        "off" | "false" | "no" | "0" | "f" | "n" => Some("off".to_string()),
        _ => None,
    }
}

/// A duration with a unit, or a bare number of milliseconds; negative numbers are refused.
pub fn milliseconds(value: &str) -> Option<u64> {
    let text = value.trim();
    let split = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let number: f64 = text[..split].parse().ok()?;
    let factor = match text[split..].trim() {
        "us" => 0.001,
        "" | "ms" => 1.0,
        "s" => 1_000.0,
        "min" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return None,
    };
    let product = (number * factor).round();
    (product <= i32::MAX as f64).then_some(product as u64)
}

fn time_zone(value: &str) -> Option<String> {
    if let Ok(zone) = value.parse::<chrono_tz::Tz>() {
        return Some(zone.name().to_string());
    }
    let wanted = value.to_lowercase();
    if [
        "z", "utc", "gmt", "0", "+0", "+00", "+00:00", "-00:00", "default",
    ]
    .contains(&wanted.as_str())
    {
        return Some("UTC".to_string());
    }
    if let Some(zone) = chrono_tz::TZ_VARIANTS
        .iter()
        .find(|zone| zone.name().eq_ignore_ascii_case(value))
    {
        return Some(zone.name().to_string());
    }
    // Whole-hour offsets have a zone of their own; POSIX turns the sign round.
    let hours: i32 = wanted.trim_end_matches(":00").parse().ok()?;
    let sign = if hours > 0 { '-' } else { '+' };
    let name = format!("Etc/GMT{sign}{}", hours.abs());
    name.parse::<chrono_tz::Tz>()
        .ok()
        .map(|zone| zone.name().to_string())
}

#[cfg(test)]
mod tests {
    use super::{Settings, StartupSource, milliseconds};

    #[test]
    fn durations_take_postgres_units() {
        assert_eq!(milliseconds("250"), Some(250));
        assert_eq!(milliseconds("1.5s"), Some(1500));
        assert_eq!(milliseconds("2 min"), Some(120_000));
        assert_eq!(milliseconds("-1"), None);
        assert_eq!(milliseconds("5 weeks"), None);
    }

    #[test]
    fn unknown_names_and_bad_values_are_refused() {
        let mut settings = Settings::default();
        assert_eq!(
            settings.set("statment_timeout", "1").unwrap_err().code.0,
            "42704"
        );
        assert_eq!(
            settings
                .set("statement_timeout", "soon")
                .unwrap_err()
                .code
                .0,
            "22023"
        );
        assert_eq!(
            settings
                .set("client_encoding", "LATIN1")
                .unwrap_err()
                .code
                .0,
            "22023"
        );
        assert_eq!(settings.set("my.own", "x").unwrap(), "x");
        assert_eq!(settings.get("my.own"), Some("x"));
    }

    #[test]
    fn zones_are_names_or_offsets() {
        let mut settings = Settings::default();
        assert_eq!(
            settings.set("TimeZone", "europe/berlin").unwrap(),
            "Europe/Berlin"
        );
        assert_eq!(settings.set("timezone", "+02").unwrap(), "Etc/GMT-2");
        assert!(settings.set("timezone", "Mars/Olympus").is_err());
    }

    #[test]
    fn every_default_passes_its_own_check() {
        for known in super::SETTINGS {
            if known.kind != super::SettingKind::Fixed {
                assert!(
                    super::check(known.name, known.default).is_ok(),
                    "{}",
                    known.name
                );
            }
        }
    }

    #[test]
    fn reset_goes_back_to_startup() {
        let mut settings = Settings::default();
        settings
            .set_startup("application_name", "psql", StartupSource::Client)
            .unwrap();
        settings.set("application_name", "other").unwrap();
        assert_eq!(settings.source("application_name"), "session");
        settings.reset("application_name").unwrap();
        assert_eq!(settings.get("application_name"), Some("psql"));
        assert_eq!(settings.source("application_name"), "client");
    }
}
