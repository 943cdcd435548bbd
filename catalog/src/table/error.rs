//! What can go wrong between a statement and the files of a table?

use thiserror::Error;

/// Why a table could not be read, written or committed.
#[derive(Debug, Error)]
pub enum TableError {
    /// There is no Delta log at the location.
    #[error("there is no Delta table at \"{location}\"")]
    NotATable {
        /// path or URL as given
        location: String,
    },
    /// The location is not one this server can reach.
    #[error("location \"{location}\" is not supported: {reason}")]
    Location {
        /// path or URL as given
        location: String,
        /// why not
        reason: String,
    },
    /// A table to be created is there already.
    #[error("there is already a Delta table at \"{location}\"")]
    AlreadyExists {
        /// path or URL as given
        location: String,
    },
    /// Another commit came first; the transaction may be run again.
    #[error("could not serialize access to table \"{table}\": {reason}")]
    Conflict {
        /// location of the table
        table: String,
        /// what the other commit did
        reason: String,
    },
    /// The table needs a Delta feature that this server does not write or read.
    #[error("table \"{table}\" cannot be {action}: it uses {feature}")]
    Unsupported {
        /// location of the table
        table: String,
        /// `read` or `written`
        action: &'static str,
        /// the feature or property
        feature: String,
    },
    /// A program that is not this server changed a table while a decided transaction over several tables was being written.
    #[error("a part of transaction {transaction} is lost: {reason}")]
    Overtaken {
        /// the transaction
        transaction: uuid::Uuid,
        /// which table, and what happened to it
        reason: String,
    },
    /// The server stopped while a transaction was being committed; whether it happened is known when it starts again.
    #[error("the server stopped during COMMIT")]
    Interrupted,
    /// A version or time before the oldest or after the newest one.
    #[error("table \"{table}\" has no version {wanted}")]
    NoSuchVersion {
        /// location of the table
        table: String,
        /// version or time as asked for
        wanted: String,
    },
    /// A row has NULL where the table allows none.
    #[error("null value in column \"{column}\" violates not-null constraint")]
    NotNull {
        /// the column
        column: String,
    },
    /// Rows do not have the columns or types of the table.
    #[error("rows do not fit the table: {reason}")]
    Schema {
        /// the first difference
        reason: String,
    },
    /// The type cannot be stored in a Delta table.
    #[error("column \"{column}\" has type {data_type}, which a table cannot store")]
    ColumnType {
        /// the column
        column: String,
        /// Arrow's name of the type
        data_type: String,
    },
    /// The log or a file of the table breaks the Delta protocol.
    #[error("table \"{table}\" is damaged: {reason}")]
    Damaged {
        /// location of the table
        table: String,
        /// what was found
        reason: String,
    },
    /// Reading or writing storage failed.
    #[error(transparent)]
    Storage(#[from] object_store::Error),
    /// Reading or writing a local file or directory failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// deltalake refused.
    #[error(transparent)]
    Delta(#[from] deltalake_core::DeltaTableError),
    /// Encoding or decoding Parquet failed.
    #[error(transparent)]
    Parquet(#[from] parquet::errors::ParquetError),
    /// A value could not be converted.
    #[error(transparent)]
    Arrow(#[from] arrow::error::ArrowError),
    /// The query that feeds or reads the table failed.
    #[error(transparent)]
    DataFusion(#[from] datafusion::error::DataFusionError),
}

/// Short for results of this module.
pub type Result<T, E = TableError> = std::result::Result<T, E>;

impl TableError {
    /// The same error with the table under the name that the user knows, instead of its location.
    pub fn named(mut self, name: &str) -> TableError {
        if let TableError::Conflict { table, .. }
        | TableError::Unsupported { table, .. }
        | TableError::NoSuchVersion { table, .. }
        | TableError::Damaged { table, .. } = &mut self
        {
            *table = name.to_string();
        }
        self
    }
}
