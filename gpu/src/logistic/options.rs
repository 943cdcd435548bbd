//! How strongly are coefficients held back? Options of logistic regression.

use crate::error::{OptionError, check_count, check_real};
use crate::linear::Penalty;

/// Options of logistic regression; terms are standardised inside, so the penalty has no unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogisticOptions {
    /// Strength of the penalty: minimises mean log loss + penalty × (l1_ratio·Σ|b| + (1−l1_ratio)·Σb²/2).
    pub penalty: f64,
    /// 0 is ridge, 1 is lasso.
    pub l1_ratio: f64,
    /// Most Newton iterations.
    pub max_iterations: u32,
    /// Relative improvement of the penalised loss below which to stop.
    pub tolerance: f64,
}

impl Default for LogisticOptions {
    fn default() -> Self {
        Self {
            penalty: 1e-3,
            l1_ratio: 0.0,
            max_iterations: 100,
            tolerance: 1e-7,
        }
    }
}

impl LogisticOptions {
    /// Checks every option against its range.
    ///
    /// # Errors
    /// The first option that is out of range. A penalty of 0 is refused: separable classes have no finite answer then.
    pub fn check(self) -> Result<CheckedLogisticOptions, OptionError> {
        check_real("penalty", self.penalty, 1e-12, 1e9)?;
        check_real("l1_ratio", self.l1_ratio, 0.0, 1.0)?;
        check_count("max_iterations", self.max_iterations, 1, 1_000_000)?;
        check_real("tolerance", self.tolerance, 1e-14, 1.0)?;
        Ok(CheckedLogisticOptions(self))
    }
}

/// Options that passed [`LogisticOptions::check`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CheckedLogisticOptions(LogisticOptions);

impl CheckedLogisticOptions {
    /// The strengths of the two penalties.
    pub(crate) fn penalties(&self) -> Penalty {
        Penalty {
            l1: self.penalty * self.l1_ratio,
            l2: self.penalty * (1.0 - self.l1_ratio),
        }
    }
}

impl std::ops::Deref for CheckedLogisticOptions {
    type Target = LogisticOptions;

    fn deref(&self) -> &LogisticOptions {
        &self.0
    }
}
