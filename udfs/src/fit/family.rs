//! Which kinds of learners can a search choose from?

use super::error::TrainError;
use super::option_value::{OptionValue, bad_value};
use crate::suggest::nearest;

/// A family of learners that AUTOML may try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Gradient-boosted trees, and averages of independent trees.
    Trees,
    /// Elastic-net linear regression.
    Linear,
    /// Elastic-net logistic regression.
    Logistic,
    /// The mean, or the class frequencies.
    Baseline,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 4] = [Self::Trees, Self::Linear, Self::Logistic, Self::Baseline];

    /// Its SQL name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trees => "trees",
            Self::Linear => "linear",
            Self::Logistic => "logistic",
            Self::Baseline => "baseline",
        }
    }

    /// Reads a list such as `'trees, linear'`.
    ///
    /// # Errors
    /// [`TrainError`] for a name that is no family and for an empty list.
    pub fn parse_list(name: &str, value: &OptionValue) -> Result<Vec<Self>, TrainError> {
        let mut families = Vec::new();
        for word in value
            .spelling()
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
        {
            let family = Family::ALL
                .into_iter()
                .find(|family| family.name().eq_ignore_ascii_case(word));
            let unknown = || TrainError::UnknownAlgorithm {
                name: word.to_owned(),
                suggestion: nearest(word, Family::ALL.map(Family::name).into_iter()),
            };
            let family = family.ok_or_else(unknown)?;
            if !families.contains(&family) {
                families.push(family);
            }
        }
        if families.is_empty() {
            return Err(bad_value(name, value, "a list such as 'trees, linear'"));
        }
        Ok(families)
    }
}
