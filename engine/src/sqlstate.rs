//! Which five characters name each kind of error?
//!
//! Codes and names are those of PostgreSQL's appendix A; only the ones that are raised stand here.

/// A five-character SQLSTATE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SqlState(pub &'static str);

macro_rules! states {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        $($(#[$doc])* pub const $name: SqlState = SqlState($code);)*

        /// Every one of them.
        pub const ALL: &[SqlState] = &[$($name),*];
    };
}

states! {
    /// Everything went well.
    SUCCESSFUL_COMPLETION = "00000";
    /// A warning.
    WARNING = "01000";
    /// A message out of order or malformed.
    PROTOCOL_VIOLATION = "08P01";
    /// Not built.
    FEATURE_NOT_SUPPORTED = "0A000";
    /// A subquery gave more rows than it may.
    CARDINALITY_VIOLATION = "21000";
    /// Some error in data.
    DATA_EXCEPTION = "22000";
    /// A text longer than its column.
    STRING_DATA_RIGHT_TRUNCATION = "22001";
    /// A number that does not fit.
    NUMERIC_VALUE_OUT_OF_RANGE = "22003";
    /// A date or time that cannot be read.
    INVALID_DATETIME_FORMAT = "22007";
    /// A date or time that cannot be.
    DATETIME_FIELD_OVERFLOW = "22008";
    /// A negative LIMIT.
    INVALID_ROW_COUNT_IN_LIMIT = "2201W";
    /// A negative OFFSET.
    INVALID_ROW_COUNT_IN_OFFSET = "2201X";
    /// Division by zero.
    DIVISION_BY_ZERO = "22012";
    /// A parameter outside its range.
    INVALID_PARAMETER_VALUE = "22023";
    /// A text that is no value of its type.
    INVALID_TEXT_REPRESENTATION = "22P02";
    /// COPY data in the wrong form.
    BAD_COPY_FILE_FORMAT = "22P04";
    /// NULL where none may be.
    NOT_NULL_VIOLATION = "23502";
    /// A CHECK that failed.
    CHECK_VIOLATION = "23514";
    /// BEGIN inside a transaction.
    ACTIVE_SQL_TRANSACTION = "25001";
    /// COMMIT without a transaction.
    NO_ACTIVE_SQL_TRANSACTION = "25P01";
    /// A statement inside a failed transaction.
    IN_FAILED_SQL_TRANSACTION = "25P02";
    /// A write in a read-only transaction.
    READ_ONLY_SQL_TRANSACTION = "25006";
    /// No such prepared statement.
    INVALID_SQL_STATEMENT_NAME = "26000";
    /// Who you are does not open the door.
    INVALID_AUTHORIZATION = "28000";
    /// Objects depend on it.
    DEPENDENT_OBJECTS = "2BP01";
    /// No such portal or cursor.
    INVALID_CURSOR_NAME = "34000";
    /// No such database.
    INVALID_CATALOG_NAME = "3D000";
    /// No such schema.
    INVALID_SCHEMA_NAME = "3F000";
    /// No such savepoint.
    INVALID_SAVEPOINT = "3B001";
    /// Another transaction won.
    SERIALIZATION_FAILURE = "40001";
    /// The group of syntax and name errors.
    SYNTAX_OR_ACCESS_RULE_VIOLATION = "42000";
    /// No right to do so.
    INSUFFICIENT_PRIVILEGE = "42501";
    /// The statement cannot be read.
    SYNTAX_ERROR = "42601";
    /// A column repeated.
    DUPLICATE_COLUMN = "42701";
    /// A column name that fits several.
    AMBIGUOUS_COLUMN = "42702";
    /// No such column.
    UNDEFINED_COLUMN = "42703";
    /// No such object.
    UNDEFINED_OBJECT = "42704";
    /// The object is there already.
    DUPLICATE_OBJECT = "42710";
    /// A column outside GROUP BY.
    GROUPING_ERROR = "42803";
    /// A value for a column that generates its own.
    GENERATED_ALWAYS = "428C9";
    /// A type that does not fit.
    DATATYPE_MISMATCH = "42804";
    /// The wrong kind of object.
    WRONG_OBJECT_TYPE = "42809";
    /// No such function or operator.
    UNDEFINED_FUNCTION = "42883";
    /// A reserved name.
    RESERVED_NAME = "42939";
    /// No such table.
    UNDEFINED_TABLE = "42P01";
    /// No such parameter.
    UNDEFINED_PARAMETER = "42P02";
    /// The cursor is there already.
    DUPLICATE_CURSOR = "42P03";
    /// The prepared statement is there already.
    DUPLICATE_PREPARED_STATEMENT = "42P05";
    /// The schema is there already.
    DUPLICATE_SCHEMA = "42P06";
    /// The table is there already.
    DUPLICATE_TABLE = "42P07";
    /// No key behind a column list.
    INVALID_COLUMN_REFERENCE = "42P10";
    /// A table definition that cannot be.
    INVALID_TABLE_DEFINITION = "42P16";
    /// A window function where none may be.
    WINDOWING_ERROR = "42P20";
    /// A parameter whose type nobody can tell.
    INDETERMINATE_DATATYPE = "42P18";
    /// A transaction was left open for too long.
    IDLE_IN_TRANSACTION_TIMEOUT = "25P03";
    /// A client was silent for too long.
    IDLE_SESSION_TIMEOUT = "57P05";
    /// Disk is full.
    DISK_FULL = "53100";
    /// Memory is used up.
    OUT_OF_MEMORY = "53200";
    /// Too many clients.
    TOO_MANY_CONNECTIONS = "53300";
    /// More than the server takes.
    PROGRAM_LIMIT_EXCEEDED = "54000";
    /// Two tables of one name in FROM.
    DUPLICATE_ALIAS = "42712";
    /// A type that cannot become another.
    CANNOT_COERCE = "42846";
    /// Nested too deeply.
    STATEMENT_TOO_COMPLEX = "54001";
    /// In use by somebody else.
    OBJECT_IN_USE = "55006";
    /// Not now.
    OBJECT_NOT_IN_PREREQUISITE_STATE = "55000";
    /// Cancelled by the client or by a timeout.
    QUERY_CANCELED = "57014";
    /// The server is going down.
    ADMIN_SHUTDOWN = "57P01";
    /// Something outside of the server failed.
    SYSTEM_ERROR = "58000";
    /// A file could not be read or written.
    IO_ERROR = "58030";
    /// No such file.
    UNDEFINED_FILE = "58P01";
    /// Stored data cannot be right.
    DATA_CORRUPTED = "XX001";
    /// A defect of this program.
    INTERNAL_ERROR = "XX000";
}
