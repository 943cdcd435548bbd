//! Why can a model not be trained, in words for the person who wrote the statement?

use crate::error::ModelError;
use datafusion::error::DataFusionError;
use tarn_gpu::error::GpuError;

/// Every way in which CREATE MODEL fails between its options and its artefact.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// An option or parameter name that nothing knows.
    #[error("unrecognized {place} option \"{name}\"")]
    UnknownOption {
        /// `WITH`, `AUTOML`, `trees` …
        place: String,
        /// Name as written.
        name: String,
        /// The nearest known name.
        suggestion: Option<String>,
        /// All known names.
        known: Vec<String>,
    },
    /// An option given twice, perhaps under two spellings.
    #[error("option \"{name}\" is given more than once")]
    DuplicateOption {
        /// The name in our spelling.
        name: String,
    },
    /// An option value of the wrong kind or outside its range.
    #[error("invalid value for option \"{name}\": {value}")]
    OptionValue {
        /// Name as written.
        name: String,
        /// Value as written.
        value: String,
        /// What is accepted, with the unit.
        accepted: String,
    },
    /// An option that a later release brings.
    #[error("option \"{name}\" is not supported yet")]
    OptionNotSupported {
        /// Name as written.
        name: String,
    },
    /// An algorithm that does not exist.
    #[error("algorithm \"{name}\" does not exist")]
    UnknownAlgorithm {
        /// Name as written.
        name: String,
        /// The nearest known name.
        suggestion: Option<String>,
    },
    /// A column that the query does not return.
    #[error("column \"{column}\" named in {clause} is not in the query's result")]
    UnknownColumn {
        /// Column as written.
        column: String,
        /// TARGET, PARTITION BY …
        clause: &'static str,
        /// The nearest column.
        suggestion: Option<String>,
    },
    /// Two result columns with one name.
    #[error("column name \"{column}\" appears more than once in the query's result")]
    AmbiguousColumn {
        /// The name.
        column: String,
    },
    /// One column in two roles, or twice in one clause.
    #[error("column \"{column}\" cannot be in both {first} and {second}")]
    ColumnRoles {
        /// The column.
        column: String,
        /// One clause.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// A label or key of a type that cannot serve.
    #[error("column \"{column}\" of type {sql_type} cannot be used as {role}")]
    ColumnType {
        /// The column.
        column: String,
        /// Its type in SQL.
        sql_type: String,
        /// `the target`, `a group key` …
        role: &'static str,
    },
    /// The task does not suit the label or the algorithm.
    #[error("{what} cannot be trained for {task}")]
    WrongTask {
        /// Algorithm, metric or column.
        what: String,
        /// `regression` or `classification`.
        task: &'static str,
        /// What to do instead.
        hint: String,
    },
    /// The rows cannot give a model.
    #[error("cannot train a model: {reason}")]
    Unlearnable {
        /// What is wrong with the rows.
        reason: String,
        /// What to do about it.
        hint: String,
    },
    /// Memory is exhausted even after spilling.
    #[error("out of memory while training: {detail}")]
    Memory {
        /// What did not fit.
        detail: String,
    },
    /// The statement was cancelled.
    #[error("canceling statement due to user request")]
    Cancelled,
    /// A spill or artefact file failed.
    #[error("{0}")]
    File(#[from] std::io::Error),
    /// The training query failed.
    #[error(transparent)]
    Query(DataFusionError),
    /// The encoder or the artefact failed.
    #[error(transparent)]
    Model(ModelError),
    /// A learner failed.
    #[error(transparent)]
    Learner(GpuError),
}

impl TrainError {
    /// The SQLSTATE of the error; `None` for an error of the query, which has its own.
    pub fn sqlstate(&self) -> Option<&'static str> {
        Some(match self {
            Self::UnknownOption { .. } | Self::OptionValue { .. } => "22023",
            Self::DuplicateOption { .. } => "42601",
            Self::OptionNotSupported { .. } => "0A000",
            Self::UnknownAlgorithm { .. } => "42704",
            Self::UnknownColumn { .. } => "42703",
            Self::AmbiguousColumn { .. } => "42702",
            Self::ColumnRoles { .. } => "42701",
            Self::ColumnType { .. } => "42804",
            Self::WrongTask { .. } => "42809",
            Self::Unlearnable { .. } => "22000",
            Self::Memory { .. } => "53200",
            Self::Cancelled | Self::Model(ModelError::Cancelled) => "57014",
            Self::File(_) | Self::Model(ModelError::Io(_)) => "58030",
            Self::Model(ModelError::WrongType { .. } | ModelError::UnsupportedType { .. }) => {
                "42804"
            }
            Self::Model(ModelError::Device(_)) => "58000",
            Self::Model(ModelError::Memory(_)) => "53200",
            Self::Model(_) => "XX000",
            Self::Learner(GpuError::Option(_)) => "22023",
            Self::Learner(GpuError::Device(_)) => "58000",
            Self::Learner(_) => "22000",
            Self::Query(_) => return None,
        })
    }

    /// What the user may do about it.
    pub fn hint(&self) -> Option<String> {
        let meant = |suggestion: &Option<String>| {
            suggestion
                .as_ref()
                .map(|name| format!("Did you mean \"{name}\"?"))
        };
        match self {
            Self::UnknownOption {
                suggestion, known, ..
            } => {
                meant(suggestion).or_else(|| Some(format!("Known options: {}.", known.join(", "))))
            }
            Self::UnknownAlgorithm { suggestion, .. } => meant(suggestion).or_else(|| {
                Some("Algorithms: trees, linear, logistic, baseline, xgboost, lightgbm.".into())
            }),
            Self::UnknownColumn { suggestion, .. } => meant(suggestion),
            Self::OptionValue { accepted, .. } => Some(format!("Accepted: {accepted}.")),
            Self::OptionNotSupported { .. } => Some("Leave the option out.".into()),
            Self::AmbiguousColumn { column } => {
                Some(format!("Give one of them another name: … AS {column}_2."))
            }
            Self::WrongTask { hint, .. } | Self::Unlearnable { hint, .. } => Some(hint.clone()),
            Self::Learner(GpuError::Device(_)) => {
                Some("With device = 'auto' the CPU takes what no GPU can.".into())
            }
            Self::Memory { .. } => {
                Some("Select fewer columns or rows, or raise the memory limit.".into())
            }
            _ => None,
        }
    }
}

impl From<ModelError> for TrainError {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Cancelled => Self::Cancelled,
            other => Self::Model(other),
        }
    }
}

impl From<GpuError> for TrainError {
    fn from(error: GpuError) -> Self {
        match error {
            GpuError::Cancelled => Self::Cancelled,
            other => Self::Learner(other),
        }
    }
}

impl From<DataFusionError> for TrainError {
    fn from(error: DataFusionError) -> Self {
        match error.find_root() {
            DataFusionError::ResourcesExhausted(detail) => Self::Memory {
                detail: detail.clone(),
            },
            _ => Self::Query(error),
        }
    }
}

impl From<arrow::error::ArrowError> for TrainError {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self::from(DataFusionError::from(error))
    }
}
