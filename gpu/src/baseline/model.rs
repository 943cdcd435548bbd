//! What does a baseline hold? One number, or one share per class.

use crate::bytes::{Reader, Writer};
use crate::error::DecodeError;
use crate::matrix::CLASSES_MAX;
use crate::model::Prediction;

/// A model that answers the same for every row.
#[derive(Debug, Clone, PartialEq)]
pub struct BaselineModel {
    /// 0 for numbers.
    pub(crate) classes: u32,
    pub(crate) values: Vec<f64>,
}

impl BaselineModel {
    /// The number, or the share of each class.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The answer for `rows` rows.
    pub fn predict(&self, rows: usize) -> Prediction {
        let values = self
            .values
            .iter()
            .copied()
            .cycle()
            .take(rows * self.values.len())
            .collect();
        match self.classes {
            0 => Prediction::Values(values),
            classes => Prediction::Probabilities {
                classes: classes as usize,
                values,
            },
        }
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.u32(self.classes);
        out.f64s(&self.values);
    }

    pub(crate) fn read(from: &mut Reader) -> Result<Self, DecodeError> {
        let classes = from.bounded("classes", CLASSES_MAX)? as u32;
        let values = from.finite_f64s("a constant", CLASSES_MAX)?;
        if values.len() != classes.max(1) as usize {
            return Err(DecodeError::Invalid {
                what: "the number of constants",
            });
        }
        Ok(Self { classes, values })
    }
}
