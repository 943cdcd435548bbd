//! What can stand behind an option's name, and what is said of a name or value that does not fit?

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::TrainError;
use crate::suggest::nearest;

/// An option's value as the statement spells it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OptionValue {
    /// A number, in its own digits.
    Number(String),
    /// A quoted text.
    Text(String),
    /// A bare word, such as `true` or `log_loss`.
    Word(String),
}

impl OptionValue {
    /// The value as written, without quotes.
    pub fn spelling(&self) -> &str {
        match self {
            Self::Number(text) | Self::Text(text) | Self::Word(text) => text,
        }
    }

    /// A real number; quoted digits count too.
    pub fn as_real(&self) -> Option<f64> {
        self.spelling()
            .trim()
            .parse::<f64>()
            .ok()
            .filter(|value| value.is_finite())
    }

    /// A whole number that is not negative.
    pub fn as_count(&self) -> Option<u64> {
        let real = self.as_real()?;
        let whole = self.spelling().trim().parse::<u64>().ok();
        whole.or_else(|| (real >= 0.0 && real.fract() == 0.0 && real < 9e15).then_some(real as u64))
    }

    /// A truth value.
    pub fn as_flag(&self) -> Option<bool> {
        match self.spelling().to_ascii_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => Some(true),
            "false" | "off" | "no" | "0" => Some(false),
            _ => None,
        }
    }

    /// A length of time; the unit must be written.
    pub fn as_duration(&self) -> Option<Duration> {
        let text = self.spelling().trim();
        let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let (number, unit) = text.split_at(split);
        let number: f64 = number.parse().ok()?;
        let seconds = match unit.trim().to_ascii_lowercase().as_str() {
            "ms" | "millisecond" | "milliseconds" => 1e-3,
            "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
            "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
            "h" | "hour" | "hours" => 3_600.0,
            "d" | "day" | "days" => 86_400.0,
            _ => return None,
        };
        let total = number * seconds;
        (total > 0.0 && total <= 31_536_000.0).then(|| Duration::from_secs_f64(total))
    }
}

/// The error for a value that an option does not accept.
pub fn bad_value(name: &str, value: &OptionValue, accepted: &str) -> TrainError {
    TrainError::OptionValue {
        name: name.to_owned(),
        value: value.spelling().to_owned(),
        accepted: accepted.to_owned(),
    }
}

/// The error for a name that is not an option of `place`.
pub fn unknown_option(place: &str, name: &str, known: &[&str]) -> TrainError {
    TrainError::UnknownOption {
        place: place.to_owned(),
        name: name.to_owned(),
        suggestion: nearest(name, known.iter().copied()),
        known: known.iter().map(|&name| name.to_owned()).collect(),
    }
}
