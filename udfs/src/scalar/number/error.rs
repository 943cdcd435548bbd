//! What can go wrong with numbers, in PostgreSQL's words?

use arrow::datatypes::DataType;
use datafusion::error::DataFusionError;

use crate::error::FunctionError;

/// A number that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// A result does not fit its type (SQLSTATE 22003).
    #[error("{0} out of range")]
    OutOfRange(&'static str),
    /// A floating point result is infinite, its operands are not (SQLSTATE 22003).
    #[error("value out of range: overflow")]
    FloatOverflow,
    /// A floating point result is zero, its operands are not (SQLSTATE 22003).
    #[error("value out of range: underflow")]
    FloatUnderflow,
    /// A numeric has more digits than can be held (SQLSTATE 22003).
    #[error("value overflows numeric format")]
    NumericOverflow,
    /// A numeric does not fit its declared precision and scale (SQLSTATE 22003).
    #[error("numeric field overflow")]
    FieldOverflow {
        /// declared digits
        precision: u8,
        /// declared digits after the point
        scale: i8,
    },
    /// A divisor is zero (SQLSTATE 22012).
    #[error("division by zero")]
    DivisionByZero,
    /// NaN or an infinity in a type that has none (SQLSTATE 0A000).
    #[error("cannot convert {value} to {target}")]
    NotFinite {
        /// `NaN` or `infinity`
        value: &'static str,
        /// the type's name in SQL
        target: &'static str,
    },
    /// A root of a negative number (SQLSTATE 2201F).
    #[error("{0}")]
    InvalidPower(&'static str),
    /// A logarithm of nothing or less (SQLSTATE 2201E).
    #[error("{0}")]
    InvalidLogarithm(&'static str),
    /// Histogram bounds or counts that make no buckets (SQLSTATE 2201G).
    #[error("{0}")]
    InvalidBuckets(&'static str),
    /// An operator or function over types that it does not take (SQLSTATE 42883).
    #[error("{0}")]
    NoSuchOperator(String),
}

impl NumberError {
    /// The five-character SQLSTATE.
    fn sqlstate(&self) -> &'static str {
        match self {
            Self::OutOfRange(_)
            | Self::FloatOverflow
            | Self::FloatUnderflow
            | Self::NumericOverflow
            | Self::FieldOverflow { .. } => "22003",
            Self::DivisionByZero => "22012",
            Self::NotFinite { .. } => "0A000",
            Self::InvalidPower(_) => "2201F",
            Self::InvalidLogarithm(_) => "2201E",
            Self::InvalidBuckets(_) => "2201G",
            Self::NoSuchOperator(_) => "42883",
        }
    }

    /// What exactly was found.
    fn detail(&self) -> Option<String> {
        match self {
            Self::FieldOverflow { precision, scale } => {
                let whole = i16::from(*precision) - i16::from(*scale);
                let bound = match whole {
                    0 => "1".to_string(),
                    _ => format!("10^{whole}"),
                };
                Some(format!(
                    "A field with precision {precision}, scale {scale} must round to an absolute value less than {bound}."
                ))
            }
            _ => None,
        }
    }
}

impl From<NumberError> for DataFusionError {
    fn from(error: NumberError) -> Self {
        let known = FunctionError {
            detail: error.detail(),
            ..FunctionError::new(error.sqlstate(), error.to_string())
        };
        DataFusionError::External(Box::new(known))
    }
}

/// The name of a type of numbers in SQL.
pub fn sql_name(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Int16 => "smallint",
        DataType::Int32 => "integer",
        DataType::Int64 => "bigint",
        DataType::Float32 => "real",
        DataType::Float64 => "double precision",
        _ => "numeric",
    }
}
