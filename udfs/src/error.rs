//! What can go wrong between columns and a model, in words that a person can act on?

use datafusion::error::DataFusionError;

/// Every way in which encoding, storing or scoring a model fails.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ModelError {
    /// A column has a type that the model was not trained on (SQLSTATE 42804).
    #[error("column \"{column}\" is of type {got} but the model expects {expected}")]
    WrongType {
        /// Column as the model names it.
        column: String,
        /// What the model was trained on, in SQL words.
        expected: String,
        /// The type of the argument, in SQL words.
        got: String,
    },
    /// A call has too few or too many arguments (SQLSTATE 42883).
    #[error("{function} takes {expected} columns for model \"{model}\" but got {got}")]
    WrongArity {
        /// Function that was called.
        function: &'static str,
        /// Model id of the call.
        model: String,
        /// Number of key and feature columns of the model.
        expected: usize,
        /// Number of columns in the call.
        got: usize,
    },
    /// The model id of a call is not a constant (SQLSTATE 42601).
    #[error("the first argument of {function} must be a constant model name")]
    ModelNotConstant {
        /// Function that was called.
        function: &'static str,
    },
    /// The first argument of a scoring function is neither a name nor a model (SQLSTATE 42804).
    #[error("{function} needs a model, but its first argument is of type {got}")]
    NotAModel {
        /// Function that was called.
        function: &'static str,
        /// Type of the argument, in SQL words.
        got: String,
    },
    /// A model value needs a column that the call does not give (SQLSTATE 42703).
    #[error("feature \"{column}\" of the model is not given")]
    MissingFeature {
        /// Column as the model names it.
        column: String,
    },
    /// A probability was asked of a model that predicts numbers (SQLSTATE 42809).
    #[error("model \"{model}\" predicts a number and has no probabilities")]
    NoProbability {
        /// Model id of the call.
        model: String,
    },
    /// A probability was asked for a class that the model never saw (SQLSTATE 22023).
    #[error("model \"{model}\" has no class \"{class}\"")]
    UnknownClass {
        /// Model id of the call.
        model: String,
        /// Class named in the call.
        class: String,
        /// Classes that the model knows.
        classes: Vec<String>,
    },
    /// No model has this id (SQLSTATE 42704).
    #[error("model \"{model}\" does not exist")]
    UnknownModel {
        /// Model id of the call.
        model: String,
    },
    /// Stored bytes do not decode (SQLSTATE XX001).
    #[error("the model file is damaged: {reason}")]
    Damaged {
        /// Which rule the bytes break.
        reason: String,
    },
    /// Stored bytes come from a newer program (SQLSTATE 0A000).
    #[error("the model file has format version {found}, this program reads up to {supported}")]
    NewerFormat {
        /// Version in the file.
        found: u32,
        /// Newest version that this program reads.
        supported: u32,
    },
    /// Reading or writing the artefact failed (SQLSTATE 58030).
    #[error("cannot access the model file: {0}")]
    Io(String),
    /// A column cannot become a feature or a label (SQLSTATE 42804).
    #[error("column \"{column}\" of type {got} cannot be used as a {role}")]
    UnsupportedType {
        /// Column of the training query.
        column: String,
        /// Its type, in SQL words.
        got: String,
        /// `feature`, `label` or `group key`.
        role: &'static str,
    },
    /// The statement's memory is used up (SQLSTATE 53200).
    #[error("out of memory while training: {0}")]
    Memory(String),
    /// A GPU was asked for and cannot do it (SQLSTATE 58000).
    #[error("{0}")]
    Device(String),
    /// A learner refused its input.
    #[error("{0}")]
    Learner(String),
    /// The statement was cancelled (SQLSTATE 57014).
    #[error("canceling statement due to user request")]
    Cancelled,
}

impl ModelError {
    /// A damaged file, with the rule that it breaks.
    pub fn damaged(reason: impl Into<String>) -> Self {
        Self::Damaged {
            reason: reason.into(),
        }
    }
}

impl From<std::io::Error> for ModelError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error.to_string())
    }
}

impl From<ModelError> for DataFusionError {
    fn from(error: ModelError) -> Self {
        DataFusionError::External(Box::new(error))
    }
}

/// A call that PostgreSQL refuses too, in its words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FunctionError {
    /// Five characters, as in PostgreSQL's appendix A.
    pub sqlstate: &'static str,
    /// One line.
    pub message: String,
    /// More about this value.
    pub detail: Option<String>,
    /// What to try instead.
    pub hint: Option<String>,
}

impl FunctionError {
    /// An error of one line.
    pub fn new(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self {
            sqlstate,
            message: message.into(),
            detail: None,
            hint: None,
        }
    }

    /// Adds the detail line.
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds the hint line.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<FunctionError> for DataFusionError {
    fn from(error: FunctionError) -> Self {
        DataFusionError::External(Box::new(error))
    }
}
