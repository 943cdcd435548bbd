//! Why was a question about the catalog refused?

use datafusion::error::DataFusionError;
use thiserror::Error;

/// Why a question about the catalog was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SystemError {
    /// No relation of this name.
    #[error("relation \"{0}\" does not exist")]
    UndefinedRelation(String),
    /// No type of this name.
    #[error("type \"{0}\" does not exist")]
    UndefinedType(String),
    /// No function of this name.
    #[error("function \"{0}\" does not exist")]
    UndefinedFunction(String),
    /// No other object of this name: (kind, name).
    #[error("{0} \"{1}\" does not exist")]
    UndefinedObject(&'static str, String),
    /// No schema of this name.
    #[error("schema \"{0}\" does not exist")]
    UndefinedSchema(String),
    /// No column of this name: (column, relation).
    #[error("column \"{0}\" of relation \"{1}\" does not exist")]
    UndefinedColumn(String, String),
    /// No setting of this name.
    #[error("unrecognized configuration parameter \"{0}\"")]
    UndefinedSetting(String),
    /// Text that is not an array: (text).
    #[error("malformed array literal: \"{0}\"")]
    MalformedArray(String),
    /// Text that is not a value of the type: (type, text).
    #[error("invalid input syntax for type {0}: \"{1}\"")]
    InvalidText(String, String),
    /// A privilege nobody knows.
    #[error("unrecognized privilege type: \"{0}\"")]
    UnknownPrivilege(String),
    /// A scalar subquery with several rows.
    #[error("more than one row returned by a subquery used as an expression")]
    SeveralRows,
}

impl SystemError {
    /// The SQLSTATE a client sees.
    pub fn sqlstate(&self) -> &'static str {
        match self {
            SystemError::UndefinedRelation(_) => "42P01",
            SystemError::UndefinedFunction(_) => "42883",
            SystemError::UndefinedType(_)
            | SystemError::UndefinedObject(..)
            | SystemError::UndefinedSetting(_) => "42704",
            SystemError::UndefinedSchema(_) => "3F000",
            SystemError::UndefinedColumn(..) => "42703",
            SystemError::MalformedArray(_) | SystemError::InvalidText(..) => "22P02",
            SystemError::UnknownPrivilege(_) => "22023",
            SystemError::SeveralRows => "21000",
        }
    }
}

impl From<SystemError> for DataFusionError {
    fn from(error: SystemError) -> Self {
        DataFusionError::External(Box::new(error))
    }
}
