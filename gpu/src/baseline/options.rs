//! Which constant should the baseline answer?

use crate::error::OptionError;

/// The constant answered for numbers; classes always get their shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Centre {
    /// Weighted mean.
    #[default]
    Mean,
    /// Weighted median.
    Median,
}

/// Options of the baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BaselineOptions {
    /// Mean or median.
    pub centre: Centre,
}

impl BaselineOptions {
    /// Every combination is valid; the step exists so that all learners are used alike.
    ///
    /// # Errors
    /// None today.
    pub fn check(self) -> Result<CheckedBaselineOptions, OptionError> {
        Ok(CheckedBaselineOptions(self))
    }
}

/// Options that passed [`BaselineOptions::check`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckedBaselineOptions(BaselineOptions);

impl std::ops::Deref for CheckedBaselineOptions {
    type Target = BaselineOptions;

    fn deref(&self) -> &BaselineOptions {
        &self.0
    }
}
