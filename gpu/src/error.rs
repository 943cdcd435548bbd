//! What can go wrong with options, data and model bytes, as types that the edge turns into words for a user.

use thiserror::Error;

use crate::device::DeviceError;

/// An option outside its range, named as the user spelled it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("option \"{name}\" {reason}; allowed: {range}")]
pub struct OptionError {
    /// Name of the option, as in SQL.
    pub name: &'static str,
    /// What is wrong with the value given, starting with a verb: "is 0", "is not a number".
    pub reason: String,
    /// The values that would be accepted.
    pub range: String,
}

impl OptionError {
    /// An option whose value is not inside `range`.
    pub(crate) fn value(
        name: &'static str,
        value: impl std::fmt::Display,
        range: impl Into<String>,
    ) -> Self {
        Self {
            name,
            reason: format!("is {value}"),
            range: range.into(),
        }
    }
}

/// Checks that a real-valued option lies in `[low, high]`; NaN never does.
pub(crate) fn check_real(
    name: &'static str,
    value: f64,
    low: f64,
    high: f64,
) -> Result<(), OptionError> {
    if value >= low && value <= high {
        return Ok(());
    }
    let range = if high.is_finite() && high < 1e15 {
        format!("{low} to {high}")
    } else {
        format!("{low} or more")
    };
    Err(OptionError::value(name, value, range))
}

/// Checks that a whole-number option lies in `[low, high]`.
pub(crate) fn check_count(
    name: &'static str,
    value: u32,
    low: u32,
    high: u32,
) -> Result<(), OptionError> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(OptionError::value(name, value, format!("{low} to {high}")))
}

/// Rows, labels or columns that a fit or a prediction can't use.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum DataError {
    /// A column, the labels, the weights or the row keys don't have one value per row.
    #[error("{what} has {found} values for {rows} rows")]
    Ragged {
        /// Which part is too short or too long.
        what: String,
        /// Values found.
        found: usize,
        /// Rows expected.
        rows: usize,
    },
    /// More columns, rows, levels or classes than a fit accepts.
    #[error("{what}: {found} is more than the limit of {limit}")]
    TooMany {
        /// What is counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many are accepted.
        limit: usize,
    },
    /// A label is NaN, infinite or beyond ±1e37.
    #[error("the label of row {row} is {value}, which can't be learned")]
    LabelNotFinite {
        /// Row index.
        row: usize,
        /// The label.
        value: f64,
    },
    /// A class label is not a whole number below the number of classes.
    #[error("the label of row {row} is {value}, not a class index below {classes}")]
    LabelNotClass {
        /// Row index.
        row: usize,
        /// The label.
        value: f64,
        /// Number of classes.
        classes: u32,
    },
    /// The objective does not accept this label, for example a negative count.
    #[error("objective {objective} needs labels of at least 0; row {row} has {value}")]
    LabelNegative {
        /// Name of the objective.
        objective: &'static str,
        /// Row index.
        row: usize,
        /// The label.
        value: f64,
    },
    /// A weight is negative, NaN or infinite.
    #[error("the weight of row {row} is {value}; weights are finite and at least 0")]
    WeightInvalid {
        /// Row index.
        row: usize,
        /// The weight.
        value: f32,
    },
    /// No training row has a positive weight.
    #[error("there is no row to learn from")]
    NoRows,
    /// A row index points past the data.
    #[error("row index {row} is past the {rows} rows of the data")]
    RowOutOfRange {
        /// The index.
        row: u32,
        /// Rows in the data.
        rows: usize,
    },
    /// The learner solves another task than the data pose.
    #[error("{learner} can't learn {task}")]
    WrongTask {
        /// Name of the learner or objective.
        learner: &'static str,
        /// The task in words.
        task: &'static str,
    },
    /// The columns to score are not those that the model was fitted on.
    #[error("the model needs column {column} to be {expected}")]
    ColumnMismatch {
        /// Position of the column.
        column: usize,
        /// What the model expects there.
        expected: &'static str,
    },
}

/// Model bytes that are damaged, hostile or of a format this build does not know.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The bytes end before the model does.
    #[error("the bytes end early, at offset {offset}")]
    Truncated {
        /// Where more bytes were expected.
        offset: usize,
    },
    /// A count or an index is beyond its limit.
    #[error("{what} is {found}, beyond the limit of {limit}")]
    Limit {
        /// What was read.
        what: &'static str,
        /// The value found.
        found: u64,
        /// The largest value accepted.
        limit: u64,
    },
    /// A value that no writer produces.
    #[error("{what} is not valid")]
    Invalid {
        /// What was read.
        what: &'static str,
    },
    /// A format version from another release.
    #[error("model format {found} is not known; this build reads up to {newest}")]
    Version {
        /// The version byte found.
        found: u8,
        /// The newest version this build reads.
        newest: u8,
    },
    /// Bytes left over after the model.
    #[error("{count} bytes are left over after the model")]
    Trailing {
        /// How many.
        count: usize,
    },
}

/// Why a fit, a prediction or a decoding did not give an answer.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum GpuError {
    /// The caller asked to stop.
    #[error("the fit was cancelled")]
    Cancelled,
    /// An option is out of range.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// The data can't be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The model bytes can't be read.
    #[error("the model can't be read: {0}")]
    Decode(#[from] DecodeError),
    /// A GPU was asked for and can't give the answer.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A thread pool of the asked size could not be started.
    #[error("{threads} threads could not be started: {reason}")]
    Threads {
        /// Threads asked for.
        threads: usize,
        /// The system's reason.
        reason: String,
    },
}
