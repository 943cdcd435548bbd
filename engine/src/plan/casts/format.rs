//! Which settings of the session say how values look as text, while a query runs?

use std::any::Any;
use std::sync::Arc;

use datafusion::common::config_err;
use datafusion::config::{ConfigEntry, ConfigExtension, ConfigOptions, ExtensionOptions};
use datafusion::error::Result;

use crate::postgres::types::settings::FormatSettings;

/// The session's settings in the options of a query.
#[derive(Debug, Clone, Default)]
pub struct SessionFormat(pub Arc<FormatSettings>);

impl SessionFormat {
    /// The settings of a query.
    pub fn of(options: &ConfigOptions) -> Arc<FormatSettings> {
        options
            .extensions
            .get::<SessionFormat>()
            .map(|format| Arc::clone(&format.0))
            .unwrap_or_default()
    }
}

impl ConfigExtension for SessionFormat {
    const PREFIX: &'static str = "format_of_values";
}

impl ExtensionOptions for SessionFormat {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, _value: &str) -> Result<()> {
        config_err!("the format of values has no option \"{key}\"")
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        Vec::new()
    }
}
