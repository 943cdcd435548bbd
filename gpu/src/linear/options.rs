//! How strongly are coefficients held back? Options of linear regression.

use super::solver::Penalty;
use crate::error::{OptionError, check_count, check_real};

/// Options of linear regression; terms and label are standardised inside, so penalties have no unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinearOptions {
    /// Strength of the penalty per row: minimises mean squared error / 2 + penalty × (l1_ratio·Σ|b| + (1−l1_ratio)·Σb²/2).
    pub penalty: f64,
    /// 0 is ridge, 1 is lasso.
    pub l1_ratio: f64,
    /// Most sweeps of coordinate descent.
    pub max_iterations: u32,
    /// Largest change of a coefficient that counts as none.
    pub tolerance: f64,
}

impl Default for LinearOptions {
    fn default() -> Self {
        Self {
            penalty: 1e-3,
            l1_ratio: 0.0,
            max_iterations: 1_000,
            tolerance: 1e-7,
        }
    }
}

impl LinearOptions {
    /// Checks every option against its range.
    ///
    /// # Errors
    /// The first option that is out of range.
    pub fn check(self) -> Result<CheckedLinearOptions, OptionError> {
        check_real("penalty", self.penalty, 0.0, 1e9)?;
        check_real("l1_ratio", self.l1_ratio, 0.0, 1.0)?;
        check_count("max_iterations", self.max_iterations, 1, 1_000_000)?;
        check_real("tolerance", self.tolerance, 1e-14, 1.0)?;
        Ok(CheckedLinearOptions(self))
    }
}

/// Options that passed [`LinearOptions::check`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CheckedLinearOptions(LinearOptions);

impl CheckedLinearOptions {
    /// The strengths of the two penalties.
    pub(crate) fn penalties(&self) -> Penalty {
        Penalty {
            l1: self.penalty * self.l1_ratio,
            l2: self.penalty * (1.0 - self.l1_ratio),
        }
    }
}

impl std::ops::Deref for CheckedLinearOptions {
    type Target = LinearOptions;

    fn deref(&self) -> &LinearOptions {
        &self.0
    }
}
