//! Do predicted probabilities mean what they say? The expected calibration error measures it; temperature, Platt and
//! isotonic corrections repair it.

mod error;
mod isotonic;
mod scaling;

pub use error::expected_calibration_error;
pub use isotonic::Isotonic;
pub use scaling::{Platt, Temperature};

use crate::bytes::{Reader, Writer};
use crate::error::DecodeError;

/// A fitted correction of probabilities.
#[derive(Debug, Clone, PartialEq)]
pub enum Calibration {
    /// One factor on all scores; any number of classes.
    Temperature(Temperature),
    /// A line on the log-odds; two classes.
    Platt(Platt),
    /// A rising step function; two classes.
    Isotonic(Isotonic),
}

impl Calibration {
    /// Corrects row-major probabilities in place. The corrections for two classes leave other numbers of classes alone.
    pub fn apply(&self, probabilities: &mut [f64], classes: usize) {
        match self {
            Self::Temperature(temperature) => temperature.apply(probabilities, classes),
            Self::Platt(platt) if classes == 2 => {
                apply_binary(probabilities, |p| platt.probability(p))
            }
            Self::Isotonic(isotonic) if classes == 2 => {
                apply_binary(probabilities, |p| isotonic.probability(p))
            }
            _ => {}
        }
    }

    /// Appends the correction to `out`.
    pub fn write(&self, out: &mut Writer) {
        match self {
            Self::Temperature(temperature) => {
                out.u8(0);
                out.f64(temperature.factor);
            }
            Self::Platt(platt) => {
                out.u8(1);
                out.f64(platt.slope);
                out.f64(platt.offset);
            }
            Self::Isotonic(isotonic) => {
                out.u8(2);
                isotonic.write(out);
            }
        }
    }

    /// Reads what [`Calibration::write`] wrote.
    ///
    /// # Errors
    /// [`DecodeError`] for anything else.
    pub fn read(from: &mut Reader) -> Result<Self, DecodeError> {
        match from.u8()? {
            0 => Ok(Self::Temperature(Temperature {
                factor: from.finite("a temperature")?,
            })),
            1 => Ok(Self::Platt(Platt {
                slope: from.finite("a slope")?,
                offset: from.finite("an offset")?,
            })),
            2 => Ok(Self::Isotonic(Isotonic::read(from)?)),
            _ => Err(DecodeError::Invalid {
                what: "the kind of calibration",
            }),
        }
    }
}

fn apply_binary(probabilities: &mut [f64], correct: impl Fn(f64) -> f64) {
    for line in probabilities.chunks_exact_mut(2) {
        let p = correct(line[1]).clamp(0.0, 1.0);
        line[0] = 1.0 - p;
        line[1] = p;
    }
}

/// Log-odds of a probability, kept finite.
fn log_odds(p: f64) -> f64 {
    let p = p.clamp(1e-12, 1.0 - 1e-12);
    crate::math::ln(p / (1.0 - p))
}
