//! What does a linear model hold? The recipe of its terms, a coefficient for each, and an intercept.

use super::inference::{Inference, Uncertainty};
use crate::bytes::{Reader, Writer};
use crate::design::{CHUNK_ROWS, Design, TermSource};
use crate::error::{DataError, DecodeError};
use crate::matrix::Matrix;
use crate::model::Prediction;

/// A fitted linear regression.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearModel {
    design: Design,
    /// In units of the label per standard deviation of the term.
    coefficients: Vec<f64>,
    intercept: f64,
    inference: Option<Inference>,
}

/// A coefficient in the units of the label and of its column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coefficient {
    /// What it multiplies.
    pub source: TermSource,
    /// Label (or log odds) per unit of the column.
    pub value: f64,
    /// Where the fit tells: see [`crate::linear::Uncertainty`].
    pub uncertainty: Option<Uncertainty>,
}

impl LinearModel {
    pub(crate) fn new(
        design: Design,
        coefficients: Vec<f64>,
        intercept: f64,
        inference: Option<Inference>,
    ) -> Self {
        Self {
            design,
            coefficients,
            intercept,
            inference,
        }
    }

    /// The intercept, which is the answer where every term is 0, and a coefficient per term.
    pub fn coefficients(&self) -> Vec<Coefficient> {
        let inference = self.inference.as_ref();
        raw_coefficients(&self.design, &self.coefficients, self.intercept, inference)
    }

    /// Answer for a row whose terms are all average.
    pub fn intercept(&self) -> f64 {
        self.intercept
    }

    /// Scores the rows at the given positions, in their order.
    ///
    /// # Errors
    /// [`DataError::ColumnMismatch`] and [`DataError::RowOutOfRange`].
    pub fn predict(&self, features: &Matrix, rows: &[u32]) -> Result<Prediction, DataError> {
        let coefficients = std::slice::from_ref(&self.coefficients);
        let scores = linear_scores(
            &self.design,
            coefficients,
            &[self.intercept],
            features,
            rows,
        )?;
        Ok(Prediction::Values(scores))
    }

    /// Size of each column's coefficients; terms are standardised, so they compare.
    pub fn importance(&self) -> Vec<f64> {
        importance(&self.design, std::slice::from_ref(&self.coefficients))
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        self.design.write(out);
        out.f64s(&self.coefficients);
        out.f64(self.intercept);
        Inference::write(self.inference.as_ref(), out);
    }

    /// Reads a model of a format version.
    pub(crate) fn read(from: &mut Reader, version: u8) -> Result<Self, DecodeError> {
        let design = Design::read(from)?;
        let coefficients = from.finite_f64s("coefficients", design.width())?;
        if coefficients.len() != design.width() {
            return Err(DecodeError::Invalid {
                what: "the number of coefficients",
            });
        }
        let intercept = from.finite("an intercept")?;
        let inference = match version {
            1 => None,
            _ => Inference::read(from, coefficients.len())?,
        };
        Ok(Self {
            design,
            coefficients,
            intercept,
            inference,
        })
    }
}

/// Coefficients of standardised terms in the units of their columns, the intercept first.
pub(crate) fn raw_coefficients(
    design: &Design,
    standardised: &[f64],
    intercept: f64,
    inference: Option<&Inference>,
) -> Vec<Coefficient> {
    let mut raw = Vec::with_capacity(standardised.len() + 1);
    raw.push(Coefficient {
        source: TermSource::Intercept,
        value: intercept,
        uncertainty: None,
    });
    for (position, ((source, mean, scale), b)) in design.terms().zip(standardised).enumerate() {
        let value = b * scale;
        raw[0].value -= value * mean;
        raw.push(Coefficient {
            source,
            value,
            uncertainty: inference
                .map(|found| found.test(value, found.errors[position] * scale.abs())),
        });
    }
    raw[0].uncertainty = inference.map(|found| found.test(raw[0].value, found.intercept_error));
    raw
}

/// Row-major scores of one or more sets of coefficients.
pub(crate) fn linear_scores(
    design: &Design,
    coefficients: &[Vec<f64>],
    intercepts: &[f64],
    features: &Matrix,
    rows: &[u32],
) -> Result<Vec<f64>, DataError> {
    design.check(features)?;
    if let Some(&row) = rows.iter().find(|&&row| row as usize >= features.rows()) {
        return Err(DataError::RowOutOfRange {
            row,
            rows: features.rows(),
        });
    }
    let width = design.width();
    let mut buffer = vec![0.0; width * CHUNK_ROWS.min(rows.len())];
    let mut scores = Vec::with_capacity(rows.len() * intercepts.len());
    for chunk in rows.chunks(CHUNK_ROWS) {
        let cells = &mut buffer[..width * chunk.len()];
        design.encode(features.columns(), chunk, cells);
        for row in 0..chunk.len() {
            let line = &cells[row * width..(row + 1) * width];
            for (b, intercept) in coefficients.iter().zip(intercepts) {
                scores.push(
                    line.iter()
                        .zip(b)
                        .fold(*intercept, |sum, (x, b)| sum + x * b),
                );
            }
        }
    }
    Ok(scores)
}

/// Root of the summed squares of each column's coefficients.
pub(crate) fn importance(design: &Design, coefficients: &[Vec<f64>]) -> Vec<f64> {
    let mut sums = vec![0.0; design.columns().max().map_or(0, |last| last + 1)];
    for b in coefficients {
        for (column, b) in design.columns().zip(b) {
            sums[column] += b * b;
        }
    }
    sums.into_iter().map(f64::sqrt).collect()
}
