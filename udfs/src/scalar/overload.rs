//! Which of a function's forms does a call mean?
//!
//! As in PostgreSQL, the form that takes the arguments as they are, else the one that asks for the smallest
//! implicit casts. A text may be a literal whose type nobody has said, so it fits everywhere.

use std::sync::Arc;

use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use datafusion::error::Result;

use crate::error::FunctionError;

/// A type of an argument or of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `boolean`
    Boolean,
    /// `integer`
    Int4,
    /// `bigint`
    Int8,
    /// `numeric` of any precision
    Numeric,
    /// `double precision`
    Float8,
    /// `text`
    Text,
    /// `bytea`
    Bytea,
    /// `date`
    Date,
    /// `time`
    Time,
    /// `timestamp`
    Timestamp,
    /// `timestamptz`
    Timestamptz,
    /// `interval`
    Interval,
    /// `text[]`
    TextArray,
    /// whatever comes, as it comes
    Any,
}

impl Kind {
    /// The Arrow type that holds it.
    pub fn arrow(self) -> DataType {
        match self {
            Kind::Boolean => DataType::Boolean,
            Kind::Int4 => DataType::Int32,
            Kind::Int8 => DataType::Int64,
            Kind::Numeric => DataType::Decimal128(38, 10),
            Kind::Float8 => DataType::Float64,
            Kind::Text => DataType::Utf8,
            Kind::Bytea => DataType::Binary,
            Kind::Date => DataType::Date32,
            Kind::Time => DataType::Time64(TimeUnit::Microsecond),
            Kind::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Kind::Timestamptz => DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC"))),
            Kind::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
            Kind::TextArray => DataType::new_list(DataType::Utf8, true),
            Kind::Any => DataType::Null,
        }
    }

    /// The type that an argument is cast to for this.
    fn target(self, argument: &DataType) -> DataType {
        match (self, argument) {
            (Kind::Any, _) => argument.clone(),
            (Kind::Numeric, DataType::Decimal128(..)) => argument.clone(),
            (Kind::Numeric, kind) if kind.is_integer() => DataType::Decimal128(20, 0),
            _ => self.arrow(),
        }
    }

    /// How far an argument is from this; None if no implicit cast leads here.
    fn distance(self, argument: &DataType) -> Option<u32> {
        if self == Kind::Any || *argument == self.arrow() {
            return Some(0);
        }
        let is_text = matches!(
            argument,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
        );
        match (self, argument) {
            (Kind::Text, _) if is_text => Some(0),
            (_, DataType::Null) => Some(1),
            // The preferred types of their kinds come first.
            (Kind::Timestamptz | Kind::Float8, _) if is_text => Some(1),
            (_, _) if is_text => Some(2),
            (Kind::Bytea, kind) if kind.is_binary() => Some(0),
            (Kind::Int4, DataType::Int8 | DataType::Int16 | DataType::UInt8 | DataType::UInt16) => {
                Some(1)
            }
            // Counts that PostgreSQL gives as integer are bigint here.
            (Kind::Int4, kind) if kind.is_integer() => Some(5),
            (Kind::Int8, kind) if kind.is_integer() => Some(2),
            (Kind::Numeric, DataType::Decimal128(..)) => Some(0),
            (Kind::Numeric, kind) if kind.is_integer() || kind.is_decimal() => Some(3),
            (Kind::Float8, kind) if kind.is_floating() => Some(1),
            (Kind::Float8, kind) if kind.is_numeric() => Some(4),
            (Kind::Date, DataType::Date64) => Some(0),
            (Kind::Time, DataType::Time32(_) | DataType::Time64(_)) => Some(0),
            (Kind::Timestamp, DataType::Timestamp(_, None)) => Some(0),
            (Kind::Timestamptz, DataType::Timestamp(_, Some(_))) => Some(0),
            (Kind::Timestamptz, DataType::Date32 | DataType::Date64) => Some(1),
            (Kind::Timestamptz, DataType::Timestamp(_, None)) => Some(1),
            (Kind::Timestamp, DataType::Date32 | DataType::Date64) => Some(2),
            (Kind::Interval, DataType::Interval(_) | DataType::Duration(_)) => Some(0),
            (Kind::Interval, DataType::Time64(_)) => Some(2),
            (Kind::TextArray, DataType::List(_) | DataType::LargeList(_)) => Some(1),
            _ => None,
        }
    }
}

/// One form of a function.
#[derive(Debug)]
pub struct Overload {
    /// The types of its arguments.
    pub arguments: &'static [Kind],
    /// The type of any number of arguments after those.
    pub rest: Option<Kind>,
    /// The type of its result; [`Kind::Any`] if the function says it for each call.
    pub gives: Kind,
}

impl Overload {
    /// A form with exactly these arguments.
    pub const fn new(arguments: &'static [Kind], gives: Kind) -> Self {
        Self {
            arguments,
            rest: None,
            gives,
        }
    }

    /// A form that takes more arguments of one type.
    pub const fn variadic(arguments: &'static [Kind], rest: Kind, gives: Kind) -> Self {
        Self {
            arguments,
            rest: Some(rest),
            gives,
        }
    }

    fn kind(&self, at: usize) -> Option<Kind> {
        self.arguments.get(at).copied().or(self.rest)
    }

    fn distance(&self, arguments: &[DataType]) -> Option<u32> {
        if arguments.len() < self.arguments.len() {
            return None;
        }
        let mut total = 0;
        for (at, argument) in arguments.iter().enumerate() {
            total += self.kind(at)?.distance(argument)?;
        }
        Some(total)
    }

    /// The types that the arguments are cast to.
    pub fn targets(&self, arguments: &[DataType]) -> Vec<DataType> {
        arguments
            .iter()
            .enumerate()
            .map(|(at, argument)| match self.kind(at) {
                Some(kind) => kind.target(argument),
                None => argument.clone(),
            })
            .collect()
    }
}

/// The form that a call means, or 42883.
pub fn resolve<'o>(
    name: &str,
    overloads: &'o [Overload],
    arguments: &[DataType],
) -> Result<&'o Overload> {
    let nearest = overloads
        .iter()
        .filter_map(|overload| Some((overload.distance(arguments)?, overload)))
        .min_by_key(|(distance, _)| *distance);
    match nearest {
        Some((_, overload)) => Ok(overload),
        None => Err(missing(name, arguments).into()),
    }
}

fn missing(name: &str, arguments: &[DataType]) -> FunctionError {
    let types: Vec<&str> = arguments.iter().map(sql_name).collect();
    FunctionError::new(
        "42883",
        format!("function {name}({}) does not exist", types.join(", ")),
    )
    .with_hint(
        "No function matches the given name and argument types. You might need to add explicit type casts.",
    )
}

/// What PostgreSQL calls the type.
pub fn sql_name(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Boolean => "boolean",
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => "smallint",
        DataType::Int32 | DataType::UInt16 => "integer",
        DataType::Int64 | DataType::UInt32 => "bigint",
        DataType::Float16 | DataType::Float32 => "real",
        DataType::Float64 => "double precision",
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Time32(_) | DataType::Time64(_) => "time without time zone",
        DataType::Timestamp(_, None) => "timestamp without time zone",
        DataType::Timestamp(_, Some(_)) => "timestamp with time zone",
        DataType::Interval(_) | DataType::Duration(_) => "interval",
        DataType::Null => "unknown",
        kind if kind.is_decimal() || *kind == DataType::UInt64 => "numeric",
        kind if kind.is_binary() => "bytea",
        kind if kind.is_list() => "anyarray",
        kind if kind.is_nested() => "record",
        _ => "text",
    }
}
