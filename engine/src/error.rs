//! What does the client read when something goes wrong?
//!
//! Every crate's error becomes one [`PgError`]: SQLSTATE, message, detail, hint and position. Words are
//! chosen here and in the typed errors below; between the layers errors stay typed.

use std::fmt;

use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::Location;

use crate::planning_error as planning;
use crate::sqlstate::{self, SqlState};

/// An error as the Postgres protocol carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PgError {
    /// `true` ends the connection (severity FATAL instead of ERROR).
    pub fatal: bool,
    /// The five-character SQLSTATE.
    pub code: SqlState,
    /// The primary message: lower case, no full stop.
    pub message: String,
    /// What exactly was found.
    pub detail: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Character offset (1-based) into the statement's string.
    pub position: Option<usize>,
    /// The same as line and column, until somebody who has the string makes it an offset.
    pub location: Option<Location>,
    /// Where it happened, e.g. a COPY line.
    pub context: Option<String>,
    /// A prepared statement gives other columns than it promised: drivers need only prepare it again.
    pub is_outdated: bool,
    /// What in the statement it is about, until somebody who has the statement makes it an offset.
    pub culprit: Option<Box<Culprit>>,
}

/// What in a statement's text an error is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Culprit {
    /// A text in quotes.
    Literal(String),
    /// A function, by its name without schema.
    Function(String),
    /// An operator, by its symbol.
    Operator(String),
    /// A token as it is written.
    Text(String),
}

impl PgError {
    /// An error with a code and a message.
    pub fn new(code: SqlState, message: impl Into<String>) -> Self {
        PgError {
            fatal: false,
            code,
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
            location: None,
            context: None,
            is_outdated: false,
            culprit: None,
        }
    }

    /// An error that ends the connection.
    pub fn fatal(code: SqlState, message: impl Into<String>) -> Self {
        PgError {
            fatal: true,
            ..PgError::new(code, message)
        }
    }

    /// A feature that is not there, 0A000.
    pub fn unsupported(message: impl Into<String>) -> Self {
        PgError::new(sqlstate::FEATURE_NOT_SUPPORTED, message)
    }

    /// A statement that could not be read, 42601.
    pub fn syntax(message: impl Into<String>) -> Self {
        PgError::new(sqlstate::SYNTAX_ERROR, message)
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

    /// Adds a 1-based character position.
    pub fn with_position(mut self, position: usize) -> Self {
        self.position = Some(position);
        self
    }

    /// Says what in the statement the error is about.
    pub fn with_culprit(mut self, culprit: Culprit) -> Self {
        self.culprit = Some(Box::new(culprit));
        self
    }

    /// Wraps the error for a trip through DataFusion.
    pub fn into_datafusion(self) -> DataFusionError {
        DataFusionError::External(Box::new(self))
    }
}

impl fmt::Display for PgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)
    }
}

impl std::error::Error for PgError {}

impl From<DataFusionError> for PgError {
    fn from(error: DataFusionError) -> Self {
        from_datafusion(&error)
    }
}

impl From<ArrowError> for PgError {
    fn from(error: ArrowError) -> Self {
        from_arrow(&error)
    }
}

impl From<std::io::Error> for PgError {
    fn from(error: std::io::Error) -> Self {
        PgError::new(
            sqlstate::IO_ERROR,
            format!("could not access a file: {error}"),
        )
    }
}

impl From<tarn_catalog::types::TypeError> for PgError {
    fn from(error: tarn_catalog::types::TypeError) -> Self {
        PgError::new(SqlState(error.sqlstate()), error.to_string())
    }
}

impl From<ParserError> for PgError {
    fn from(error: ParserError) -> Self {
        match error {
            ParserError::TokenizerError(text) | ParserError::ParserError(text) => {
                PgError::syntax(format!("syntax error: {text}"))
            }
            ParserError::RecursionLimitExceeded => PgError::new(
                sqlstate::STATEMENT_TOO_COMPLEX,
                "the statement is nested too deeply",
            ),
        }
    }
}

pub(crate) fn from_datafusion(error: &DataFusionError) -> PgError {
    match error {
        DataFusionError::ArrowError(inner, _) => from_arrow(inner),
        DataFusionError::ParquetError(inner) => {
            let text = inner.to_string();
            crate::error_text::of_condition(&text).unwrap_or_else(|| {
                PgError::new(
                    sqlstate::DATA_CORRUPTED,
                    format!("could not read a Parquet file: {text}"),
                )
            })
        }
        DataFusionError::SQL(inner, _) => PgError::from((**inner).clone()),
        DataFusionError::SchemaError(inner, _) => planning::of_schema_error(inner),
        DataFusionError::NotImplemented(text) => planning::of_unsupported(&first_line(text)),
        DataFusionError::ResourcesExhausted(text) => {
            PgError::new(sqlstate::OUT_OF_MEMORY, "the memory budget is exhausted")
                .with_detail(crate::error_text::of_memory_pool(text))
                .with_hint("Raise memory_limit, or lower the number of concurrent statements.")
        }
        DataFusionError::External(inner) => from_external(inner.as_ref()),
        DataFusionError::Context(_, inner) => from_datafusion(inner),
        DataFusionError::Diagnostic(diagnostic, inner) => {
            let known = from_datafusion(inner);
            let span = diagnostic.span.map(|span| span.start);
            PgError {
                location: known.location.or(span.map(|start| Location {
                    line: start.line,
                    column: start.column,
                })),
                ..known
            }
        }
        DataFusionError::Shared(inner) => from_datafusion(inner),
        DataFusionError::Collection(errors) => errors
            .first()
            .map_or_else(|| internal("empty error collection"), from_datafusion),
        DataFusionError::Plan(text) => planning::of_text(&first_line(text)),
        DataFusionError::Execution(text) => from_execution_text(text),
        DataFusionError::ObjectStore(inner) => PgError::new(
            sqlstate::IO_ERROR,
            format!("could not access storage: {inner}"),
        ),
        DataFusionError::IoError(inner) => PgError::new(
            sqlstate::IO_ERROR,
            format!("could not access a file: {inner}"),
        ),
        other => internal(&other.to_string()),
    }
}

fn from_external(error: &(dyn std::error::Error + Send + Sync + 'static)) -> PgError {
    if let Some(known) = error.downcast_ref::<PgError>() {
        return known.clone();
    }
    if let Some(known) = error.downcast_ref::<DataFusionError>() {
        return from_datafusion(known);
    }
    if let Some(known) = error.downcast_ref::<ArrowError>() {
        return from_arrow(known);
    }
    crate::error_sources::from_external(error).unwrap_or_else(|| internal(&error.to_string()))
}

fn internal(text: &str) -> PgError {
    PgError::new(sqlstate::INTERNAL_ERROR, first_line(text))
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().to_string()
}

fn from_arrow(error: &ArrowError) -> PgError {
    match error {
        ArrowError::DivideByZero => PgError::new(sqlstate::DIVISION_BY_ZERO, "division by zero"),
        ArrowError::ArithmeticOverflow(text) => {
            PgError::new(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, "value out of range")
                .with_detail(first_line(text))
        }
        ArrowError::CastError(text)
            if text.starts_with("Can't cast value") || text.contains("is out of range") =>
        {
            PgError::new(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, "value out of range")
                .with_detail(first_line(text))
        }
        ArrowError::CastError(text) if text.starts_with("Cannot cast string '") => {
            planning::of_cast(&first_line(text))
        }
        ArrowError::CastError(text) | ArrowError::ParseError(text) => {
            PgError::new(sqlstate::INVALID_TEXT_REPRESENTATION, first_line(text))
        }
        ArrowError::ExternalError(inner) => from_external(inner.as_ref()),
        ArrowError::NotYetImplemented(text) => PgError::unsupported(first_line(text)),
        ArrowError::ComputeError(text) if text.contains("verflow") => {
            PgError::new(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, first_line(text))
        }
        ArrowError::InvalidArgumentError(text) if text.contains("too large to store") => {
            PgError::new(
                sqlstate::NUMERIC_VALUE_OUT_OF_RANGE,
                "numeric field overflow",
            )
            .with_detail(first_line(text))
        }
        ArrowError::IoError(text, _) => PgError::new(sqlstate::IO_ERROR, first_line(text)),
        other => PgError::new(sqlstate::DATA_EXCEPTION, first_line(&other.to_string())),
    }
}

fn from_execution_text(text: &str) -> PgError {
    let line = first_line(text);
    let code = if line.contains("scalar subquery") || line.contains("Scalar subquery") {
        sqlstate::CARDINALITY_VIOLATION
    } else {
        sqlstate::DATA_EXCEPTION
    };
    PgError::new(code, line)
}
