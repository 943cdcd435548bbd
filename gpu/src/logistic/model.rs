//! What does a logistic model hold? The recipe of its terms, and coefficients with an intercept per output.

use crate::bytes::{Reader, Writer};
use crate::design::Design;
use crate::error::{DataError, DecodeError};
use crate::linear::{Coefficient, Inference, importance, linear_scores, raw_coefficients};
use crate::matrix::{CLASSES_MAX, Matrix};
use crate::model::Prediction;

/// A fitted logistic regression: one output for two classes, one per class for more.
#[derive(Debug, Clone, PartialEq)]
pub struct LogisticModel {
    pub(crate) classes: u32,
    pub(crate) design: Design,
    pub(crate) coefficients: Vec<Vec<f64>>,
    pub(crate) intercepts: Vec<f64>,
    /// For two classes.
    pub(crate) inference: Option<Inference>,
}

impl LogisticModel {
    /// Probabilities of the rows at the given positions, in their order.
    ///
    /// # Errors
    /// [`DataError::ColumnMismatch`] and [`DataError::RowOutOfRange`].
    pub fn predict(&self, features: &Matrix, rows: &[u32]) -> Result<Prediction, DataError> {
        let mut scores = linear_scores(
            &self.design,
            &self.coefficients,
            &self.intercepts,
            features,
            rows,
        )?;
        let classes = self.classes as usize;
        if classes == 2 {
            let values = scores
                .into_iter()
                .map(crate::math::sigmoid)
                .flat_map(|p| [1.0 - p, p])
                .collect();
            return Ok(Prediction::Probabilities { classes, values });
        }
        scores
            .chunks_exact_mut(classes)
            .for_each(crate::math::softmax);
        Ok(Prediction::Probabilities {
            classes,
            values: scores,
        })
    }

    /// Per output (one for two classes, else one per class) the intercept and a coefficient per term, in log odds.
    pub fn coefficients(&self) -> Vec<Vec<Coefficient>> {
        let outputs = self.coefficients.iter().zip(&self.intercepts);
        outputs
            .map(|(b, &intercept)| {
                raw_coefficients(&self.design, b, intercept, self.inference.as_ref())
            })
            .collect()
    }

    /// Size of each column's coefficients; terms are standardised, so they compare.
    pub fn importance(&self) -> Vec<f64> {
        importance(&self.design, &self.coefficients)
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.u32(self.classes);
        self.design.write(out);
        out.f64s(&self.intercepts);
        self.coefficients.iter().for_each(|b| out.f64s(b));
        Inference::write(self.inference.as_ref(), out);
    }

    /// Reads a model of a format version.
    pub(crate) fn read(from: &mut Reader, version: u8) -> Result<Self, DecodeError> {
        let classes = from.bounded("classes", CLASSES_MAX)? as u32;
        let design = Design::read(from)?;
        let intercepts = from.finite_f64s("intercepts", CLASSES_MAX)?;
        let outputs = outputs(classes);
        if classes == 0 || intercepts.len() != outputs {
            return Err(DecodeError::Invalid {
                what: "the number of intercepts",
            });
        }
        let mut coefficients = Vec::new();
        for _ in 0..outputs {
            let b = from.finite_f64s("coefficients", design.width())?;
            if b.len() != design.width() {
                return Err(DecodeError::Invalid {
                    what: "the number of coefficients",
                });
            }
            coefficients.push(b);
        }
        let inference = match version {
            1 => None,
            _ => Inference::read(from, design.width())?,
        };
        if inference.is_some() && outputs != 1 {
            return Err(DecodeError::Invalid {
                what: "a standard error",
            });
        }
        Ok(Self {
            classes,
            design,
            coefficients,
            intercepts,
            inference,
        })
    }
}

/// Score columns of a model for so many classes.
pub(crate) fn outputs(classes: u32) -> usize {
    if classes == 2 { 1 } else { classes as usize }
}
