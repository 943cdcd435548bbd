//! Which typed errors of the other crates can reach a client, and what does it read then?

use tarn_catalog::error::{CatalogError, ObjectKind};
use tarn_udfs::error::{FunctionError, ModelError};

use crate::error::{Culprit, PgError};
use crate::postgres::types::error::ValueError;
use crate::sqlstate::{self, SqlState};
use tarn_udfs::fit::error::TrainError;

/// The user's words for an error that travelled through DataFusion as a boxed source.
pub(crate) fn from_external(
    error: &(dyn std::error::Error + Send + Sync + 'static),
) -> Option<PgError> {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = source {
        if let Some(known) = current.downcast_ref::<PgError>() {
            return Some(known.clone());
        }
        if let Some(known) = current.downcast_ref::<CatalogError>() {
            return Some(from_catalog(known));
        }
        if let Some(known) = current.downcast_ref::<ModelError>() {
            return Some(from_model(known));
        }
        if let Some(known) = current.downcast_ref::<FunctionError>() {
            return Some(from_function(known));
        }
        if let Some(known) = current.downcast_ref::<TrainError>() {
            return Some(from_training(known));
        }
        if let Some(known) = current.downcast_ref::<tarn_catalog::system::SystemError>() {
            return Some(PgError::new(SqlState(known.sqlstate()), known.to_string()));
        }
        source = current.source();
    }
    None
}

impl From<CatalogError> for PgError {
    fn from(error: CatalogError) -> Self {
        from_catalog(&error)
    }
}

impl From<ModelError> for PgError {
    fn from(error: ModelError) -> Self {
        from_model(&error)
    }
}

impl From<TrainError> for PgError {
    fn from(error: TrainError) -> Self {
        from_training(&error)
    }
}

fn from_training(error: &TrainError) -> PgError {
    if let TrainError::Query(inner) = error {
        return crate::error::from_datafusion(inner);
    }
    if let TrainError::Model(inner) = error {
        return from_model(inner);
    }
    if let TrainError::Memory { detail } = error {
        return out_of_memory(detail);
    }
    PgError {
        hint: error.hint(),
        ..PgError::new(
            SqlState(error.sqlstate().unwrap_or(sqlstate::INTERNAL_ERROR.0)),
            error.to_string(),
        )
    }
}

fn from_function(error: &FunctionError) -> PgError {
    let told = PgError {
        detail: error.detail.clone(),
        hint: error.hint.clone(),
        ..PgError::new(SqlState(error.sqlstate), error.message.clone())
    };
    match function_named(&error.message) {
        Some(name) if told.code == sqlstate::UNDEFINED_FUNCTION => {
            told.with_culprit(Culprit::Function(name.to_string()))
        }
        _ => told,
    }
}

/// `f` of `function f(…) does not exist`.
fn function_named(message: &str) -> Option<&str> {
    let (name, _) = message.strip_prefix("function ")?.split_once('(')?;
    Some(name)
}

impl From<FunctionError> for PgError {
    fn from(error: FunctionError) -> Self {
        from_function(&error)
    }
}

impl From<ValueError> for PgError {
    fn from(error: ValueError) -> Self {
        PgError {
            detail: error.detail,
            hint: error.hint,
            ..PgError::new(SqlState(error.sqlstate), error.message)
        }
    }
}

/// What is said of a name that something has already.
fn taken(kind: ObjectKind) -> SqlState {
    match kind {
        ObjectKind::Schema => sqlstate::DUPLICATE_SCHEMA,
        ObjectKind::Relation | ObjectKind::Table | ObjectKind::View | ObjectKind::Sequence => {
            sqlstate::DUPLICATE_TABLE
        }
        ObjectKind::Column => sqlstate::DUPLICATE_COLUMN,
        _ => sqlstate::DUPLICATE_OBJECT,
    }
}

/// What is said of a name that nothing has.
fn missing(kind: ObjectKind) -> SqlState {
    match kind {
        ObjectKind::Schema => sqlstate::INVALID_SCHEMA_NAME,
        ObjectKind::Relation | ObjectKind::Table | ObjectKind::View | ObjectKind::Sequence => {
            sqlstate::UNDEFINED_TABLE
        }
        ObjectKind::Column => sqlstate::UNDEFINED_COLUMN,
        _ => sqlstate::UNDEFINED_OBJECT,
    }
}

fn from_catalog(error: &CatalogError) -> PgError {
    match error {
        CatalogError::AlreadyExists { kind, name } => {
            PgError::new(taken(*kind), format!("{kind} \"{name}\" already exists"))
        }
        CatalogError::DoesNotExist { kind, name } => {
            PgError::new(missing(*kind), format!("{kind} \"{name}\" does not exist"))
        }
        CatalogError::WrongKind {
            expected,
            found,
            name,
        } => PgError::new(
            sqlstate::WRONG_OBJECT_TYPE,
            format!("\"{name}\" is not a {expected}"),
        )
        .with_hint(format!(
            "Use DROP {} to remove a {found}.",
            found.to_string().to_uppercase()
        )),
        CatalogError::DependentObjects {
            kind,
            name,
            dependents,
        } => {
            let lines: Vec<String> = dependents
                .iter()
                .map(|dependent| format!("{dependent} depends on {kind} {name}"))
                .collect();
            PgError::new(
                sqlstate::DEPENDENT_OBJECTS,
                format!("cannot drop {kind} {name} because other objects depend on it"),
            )
            .with_detail(lines.join("\n"))
            .with_hint("Use DROP ... CASCADE to drop the dependent objects too.")
        }
        CatalogError::Conflict { detail } => PgError::new(
            sqlstate::SERIALIZATION_FAILURE,
            "could not serialize access due to concurrent update",
        )
        .with_detail(detail.clone())
        .with_hint("Run the transaction again."),
        CatalogError::InvalidDefinition { detail, .. } => {
            PgError::new(sqlstate::INVALID_TABLE_DEFINITION, detail.clone())
        }
        CatalogError::ReservedName { kind, name } => PgError::new(
            sqlstate::RESERVED_NAME,
            format!("unacceptable {kind} name \"{name}\""),
        )
        .with_detail("The name belongs to the system."),
        CatalogError::SequenceExhausted { name, bound, limit } => PgError::new(
            SqlState("2200H"),
            format!("nextval: reached {bound} value of sequence \"{name}\" ({limit})"),
        ),
        CatalogError::FormatTooNew { .. } => {
            PgError::new(sqlstate::FEATURE_NOT_SUPPORTED, error.to_string())
                .with_hint("Open it with the version that wrote it, or a newer one.")
        }
        CatalogError::Locked { .. } => PgError::new(sqlstate::OBJECT_IN_USE, error.to_string())
            .with_hint("Stop the other server, or give this one another --data-dir."),
        CatalogError::Corrupt { .. } => PgError::new(sqlstate::DATA_CORRUPTED, error.to_string()),
        CatalogError::Table(inner) => from_table(inner),
        other => PgError::new(sqlstate::IO_ERROR, other.to_string()),
    }
}

fn from_table(error: &tarn_catalog::table::error::TableError) -> PgError {
    use tarn_catalog::table::error::TableError;
    match error {
        TableError::Conflict { reason, .. } => PgError::new(
            sqlstate::SERIALIZATION_FAILURE,
            "could not serialize access due to concurrent update",
        )
        .with_detail(reason.clone())
        .with_hint("Run the transaction again."),
        TableError::NotATable { .. } => PgError::new(sqlstate::UNDEFINED_FILE, error.to_string()),
        TableError::AlreadyExists { .. } => {
            PgError::new(sqlstate::DUPLICATE_TABLE, error.to_string())
        }
        TableError::Location { .. } | TableError::Unsupported { .. } => {
            PgError::unsupported(error.to_string())
        }
        TableError::NoSuchVersion { .. } => {
            PgError::new(sqlstate::INVALID_PARAMETER_VALUE, error.to_string())
        }
        TableError::Schema { .. } | TableError::ColumnType { .. } => {
            PgError::new(sqlstate::INVALID_TABLE_DEFINITION, error.to_string())
        }
        TableError::NotNull { .. } => PgError::new(sqlstate::NOT_NULL_VIOLATION, error.to_string()),
        TableError::DataFusion(inner) => crate::error::from_datafusion(inner),
        other => PgError::new(sqlstate::IO_ERROR, other.to_string()),
    }
}

fn out_of_memory(text: &str) -> PgError {
    PgError::new(sqlstate::OUT_OF_MEMORY, "out of memory while training")
        .with_detail(crate::error_text::of_memory_pool(text))
        .with_hint("Select fewer columns or rows, or raise the memory limit.")
}

/// The user's words for an error of a model.
pub(crate) fn from_model(error: &ModelError) -> PgError {
    let (code, hint) = match error {
        ModelError::WrongType { .. } | ModelError::UnsupportedType { .. } => (
            sqlstate::DATATYPE_MISMATCH,
            Some("Cast the column to the type that the model was trained on."),
        ),
        ModelError::WrongArity { .. } => (sqlstate::UNDEFINED_FUNCTION, None),
        ModelError::ModelNotConstant { .. } => (
            sqlstate::SYNTAX_ERROR,
            Some("Write the model's name as a constant text."),
        ),
        ModelError::NotAModel { .. } => (
            sqlstate::DATATYPE_MISMATCH,
            Some(
                "Give a model's name as a constant text, or a model that a training function made.",
            ),
        ),
        ModelError::MissingFeature { .. } => (
            sqlstate::UNDEFINED_COLUMN,
            Some("Pass the whole row as t.*, or add the column => value (NULL if it is unknown)."),
        ),
        ModelError::NoProbability { .. } => (sqlstate::WRONG_OBJECT_TYPE, Some("Use predict().")),
        ModelError::UnknownClass { .. } => (sqlstate::INVALID_PARAMETER_VALUE, None),
        ModelError::UnknownModel { .. } => (
            sqlstate::UNDEFINED_OBJECT,
            Some("SHOW MODELS lists the models."),
        ),
        ModelError::Damaged { .. } => (sqlstate::DATA_CORRUPTED, None),
        ModelError::NewerFormat { .. } => (
            sqlstate::FEATURE_NOT_SUPPORTED,
            Some("Open it with the version that wrote it, or a newer one."),
        ),
        ModelError::Io(_) => (sqlstate::IO_ERROR, None),
        ModelError::Memory(text) => return out_of_memory(text),
        ModelError::Device(_) => (
            sqlstate::SYSTEM_ERROR,
            Some("With device = 'auto' the CPU takes what no GPU can."),
        ),
        ModelError::Learner(_) => (sqlstate::DATA_EXCEPTION, None),
        ModelError::Cancelled => (sqlstate::QUERY_CANCELED, None),
    };
    let failure = PgError::new(code, error.to_string());
    match hint {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}
