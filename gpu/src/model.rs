//! What is a fitted model, whichever learner made it? One type that predicts and becomes bytes.

use crate::baseline::BaselineModel;
use crate::bytes::{Reader, Writer};
use crate::error::{DecodeError, GpuError};
use crate::linear::LinearModel;
use crate::logistic::LogisticModel;
use crate::matrix::Matrix;
use crate::trees::TreesModel;

/// Newest format that this build writes and reads.
///
/// 1: the first. 2: linear and logistic models carry standard errors.
pub const FORMAT_VERSION: u8 = 2;

/// What a model answers, one entry or one line per row.
#[derive(Debug, Clone, PartialEq)]
pub enum Prediction {
    /// Numbers.
    Values(Vec<f64>),
    /// Probabilities, row-major, `classes` per row, each line summing to 1.
    Probabilities {
        /// Classes per row.
        classes: usize,
        /// `rows × classes` probabilities.
        values: Vec<f64>,
    },
}

impl Prediction {
    /// Rows answered.
    pub fn rows(&self) -> usize {
        match self {
            Self::Values(values) => values.len(),
            Self::Probabilities { classes, values } => values.len() / (*classes).max(1),
        }
    }

    /// All numbers: values, or probabilities row by row.
    pub fn numbers(&self) -> &[f64] {
        match self {
            Self::Values(values) | Self::Probabilities { values, .. } => values,
        }
    }
}

/// A fitted model of any learner.
#[derive(Debug, Clone, PartialEq)]
pub enum Model {
    /// Trees, boosted or averaged.
    Trees(TreesModel),
    /// Ridge or elastic net.
    Linear(LinearModel),
    /// Logistic regression.
    Logistic(LogisticModel),
    /// A constant.
    Baseline(BaselineModel),
}

impl Model {
    /// Name of the learner, as in SQL.
    pub fn learner(&self) -> &'static str {
        match self {
            Self::Trees(_) => "trees",
            Self::Linear(_) => "linear",
            Self::Logistic(_) => "logistic",
            Self::Baseline(_) => "baseline",
        }
    }

    /// Scores every row; the columns are those of training, in their order.
    ///
    /// # Errors
    /// [`GpuError::Data`] when a column is missing or of another kind.
    pub fn predict(&self, features: &Matrix) -> Result<Prediction, GpuError> {
        match self {
            Self::Trees(model) => Ok(model.predict(features)?),
            Self::Linear(model) => Ok(model.predict(features, &all_rows(features))?),
            Self::Logistic(model) => Ok(model.predict(features, &all_rows(features))?),
            Self::Baseline(model) => Ok(model.predict(features.rows())),
        }
    }

    /// Scores the rows at the given positions, in their order.
    ///
    /// # Errors
    /// As [`Model::predict`], and when a position is past the rows.
    pub fn predict_rows(&self, features: &Matrix, rows: &[u32]) -> Result<Prediction, GpuError> {
        match self {
            Self::Trees(model) => Ok(model.predict_rows(features, rows)?),
            Self::Linear(model) => Ok(model.predict(features, rows)?),
            Self::Logistic(model) => Ok(model.predict(features, rows)?),
            Self::Baseline(model) => Ok(model.predict(rows.len())),
        }
    }

    /// What each training column contributes: split gain for trees, the spread of its term for linear models, as shares
    /// that sum to 1 (or all 0 when no column matters).
    pub fn importance(&self, columns: usize) -> Vec<f64> {
        let mut shares = match self {
            Self::Trees(model) => model.importance().to_vec(),
            Self::Linear(model) => model.importance(),
            Self::Logistic(model) => model.importance(),
            Self::Baseline(_) => Vec::new(),
        };
        shares.resize(columns, 0.0);
        let sum: f64 = shares.iter().sum();
        if sum > 0.0 {
            shares.iter_mut().for_each(|share| *share /= sum);
        }
        shares
    }

    /// The model as bytes: a format version, the learner, its numbers.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new();
        self.write(&mut out);
        out.finish()
    }

    /// Appends the model to other content.
    pub fn write(&self, out: &mut Writer) {
        out.u8(FORMAT_VERSION);
        match self {
            Self::Trees(model) => {
                out.u8(0);
                model.write(out);
            }
            Self::Linear(model) => {
                out.u8(1);
                model.write(out);
            }
            Self::Logistic(model) => {
                out.u8(2);
                model.write(out);
            }
            Self::Baseline(model) => {
                out.u8(3);
                model.write(out);
            }
        }
    }

    /// Reads what [`Model::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`DecodeError`] for anything else: damaged, hostile, of a newer format or with bytes left over.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, GpuError> {
        let mut from = Reader::new(bytes);
        let model = Self::read(&mut from)?;
        from.end()?;
        Ok(model)
    }

    /// Reads a model from the middle of other content.
    ///
    /// # Errors
    /// As [`Model::from_bytes`], except that more may follow.
    pub fn read(from: &mut Reader) -> Result<Self, DecodeError> {
        let version = from.u8()?;
        if !(1..=FORMAT_VERSION).contains(&version) {
            return Err(DecodeError::Version {
                found: version,
                newest: FORMAT_VERSION,
            });
        }
        match from.u8()? {
            0 => Ok(Self::Trees(TreesModel::read(from)?)),
            1 => Ok(Self::Linear(LinearModel::read(from, version)?)),
            2 => Ok(Self::Logistic(LogisticModel::read(from, version)?)),
            3 => Ok(Self::Baseline(BaselineModel::read(from)?)),
            _ => Err(DecodeError::Invalid {
                what: "the learner",
            }),
        }
    }
}

fn all_rows(features: &Matrix) -> Vec<u32> {
    (0..features.rows() as u32).collect()
}
