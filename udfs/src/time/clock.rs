//! Which time is it for a statement, and in which zone do its wall clocks stand?

use std::any::Any;

use datafusion::common::config_err;
use datafusion::config::{ConfigEntry, ConfigExtension, ConfigOptions, ExtensionOptions};
use datafusion::error::Result;

use super::zone::Zone;

/// What functions of time need to know of their session; it travels in the options of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// The setting `timezone`.
    pub zone: Zone,
    /// When the transaction began, in µs since 1970: `now()`.
    pub transaction_micros: i64,
    /// When the statement came in, in µs since 1970: `statement_timestamp()`.
    pub statement_micros: i64,
}

impl Default for Clock {
    fn default() -> Self {
        Clock {
            zone: Zone::UTC,
            transaction_micros: 0,
            statement_micros: 0,
        }
    }
}

impl Clock {
    /// The clock of a query.
    pub fn of(options: &ConfigOptions) -> Clock {
        options
            .extensions
            .get::<Clock>()
            .copied()
            .unwrap_or_default()
    }
}

impl ConfigExtension for Clock {
    const PREFIX: &'static str = "clock";
}

impl ExtensionOptions for Clock {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(*self)
    }

    fn set(&mut self, key: &str, _value: &str) -> Result<()> {
        config_err!("the clock of a query has no option \"{key}\"")
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        Vec::new()
    }
}
