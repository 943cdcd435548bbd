//! What does a person call this Arrow type?

use arrow::datatypes::{DataType, Field};

/// Metadata key that holds a field's SQL spelling when the Arrow type alone does not say it.
pub const PG_TYPE_KEY: &str = "tarn.pg_type";

/// The SQL spelling of a field's type: its metadata first, its Arrow type otherwise.
pub fn sql_type_of(field: &Field) -> String {
    match field.metadata().get(PG_TYPE_KEY) {
        Some(spelling) => spelling.clone(),
        None => sql_type_name(field.data_type()),
    }
}

/// The SQL spelling of an Arrow type.
pub fn sql_type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "boolean".into(),
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => "smallint".into(),
        DataType::Int32 | DataType::UInt16 => "integer".into(),
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => "bigint".into(),
        DataType::Float16 | DataType::Float32 => "real".into(),
        DataType::Float64 => "double precision".into(),
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => "numeric".into(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".into(),
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => "bytea".into(),
        DataType::Date32 | DataType::Date64 => "date".into(),
        DataType::Timestamp(_, None) => "timestamp without time zone".into(),
        DataType::Timestamp(_, Some(_)) => "timestamp with time zone".into(),
        DataType::Time32(_) | DataType::Time64(_) => "time without time zone".into(),
        DataType::Interval(_) | DataType::Duration(_) => "interval".into(),
        DataType::Dictionary(_, value) => sql_type_name(value),
        DataType::List(item) | DataType::LargeList(item) | DataType::ListView(item) => {
            format!("{}[]", sql_type_name(item.data_type()))
        }
        other => other.to_string(),
    }
}
