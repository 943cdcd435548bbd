//! What does the text of a partition value mean?
//!
//! A data file holds no partition columns: the log carries one text per column and file. NULL is JSON null. An empty text is
//! an empty string for text columns and NULL for all others, as Spark and the Delta kernel read it.

use std::fmt::Write;

use arrow::array::{Array, ArrayRef};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit};
use chrono::{DateTime, NaiveDate, NaiveDateTime};
use datafusion::common::ScalarValue;

use crate::table::error::{Result, TableError};

/// The directory name Hive uses for NULL.
const HIVE_NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// Can a column of this storage type partition a table?
pub fn is_partition_type(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Boolean
            | DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Utf8
            | DataType::Date32
            | DataType::Decimal128(_, _)
            | DataType::Timestamp(TimeUnit::Microsecond, _)
    )
}

/// The value of a partition column in the column's storage type.
pub fn parse(text: Option<&str>, data_type: &DataType) -> Result<ScalarValue> {
    let Some(text) = text else {
        return Ok(ScalarValue::try_from(data_type)?);
    };
    if text.is_empty() && !matches!(data_type, DataType::Utf8 | DataType::Binary) {
        return Ok(ScalarValue::try_from(data_type)?);
    }
    let invalid = || TableError::Schema {
        reason: format!("\"{text}\" is not a partition value of type {data_type}"),
    };
    match data_type {
        DataType::Utf8 => Ok(ScalarValue::Utf8(Some(text.to_string()))),
        DataType::Binary => Ok(ScalarValue::Binary(Some(text.as_bytes().to_vec()))),
        DataType::Boolean => match text.to_ascii_lowercase().as_str() {
            "true" => Ok(ScalarValue::Boolean(Some(true))),
            "false" => Ok(ScalarValue::Boolean(Some(false))),
            _ => Err(invalid()),
        },
        DataType::Date32 => {
            let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| invalid())?;
            let days = date.signed_duration_since(NaiveDate::default()).num_days();
            Ok(ScalarValue::Date32(Some(
                i32::try_from(days).map_err(|_| invalid())?,
            )))
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let micros = parse_micros(text, zone.is_some()).ok_or_else(invalid)?;
            Ok(ScalarValue::TimestampMicrosecond(
                Some(micros),
                zone.clone(),
            ))
        }
        _ => ScalarValue::try_from_string(text.to_string(), data_type).map_err(|_| invalid()),
    }
}

fn parse_micros(text: &str, with_zone: bool) -> Option<i64> {
    for format in ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"] {
        if let Ok(timestamp) = NaiveDateTime::parse_from_str(text, format) {
            return Some(timestamp.and_utc().timestamp_micros());
        }
    }
    let timestamp = with_zone.then(|| DateTime::parse_from_str(text, "%+").ok())??;
    Some(timestamp.timestamp_micros())
}

/// The text of each row's partition value; `None` for NULL. The column has a storage type that
/// [`is_partition_type`] allows.
pub fn texts(column: &ArrayRef) -> Result<Vec<Option<String>>> {
    if let DataType::Timestamp(TimeUnit::Microsecond, _) = column.data_type() {
        let micros = cast(column, &DataType::Int64)?;
        return int64_texts(&micros, timestamp_text);
    }
    let text = cast(column, &DataType::Utf8)?;
    let text = arrow::array::AsArray::as_string::<i32>(&text);
    Ok((0..text.len())
        .map(|row| text.is_valid(row).then(|| text.value(row).to_string()))
        .collect())
}

fn int64_texts(
    column: &ArrayRef,
    text: impl Fn(i64) -> Option<String>,
) -> Result<Vec<Option<String>>> {
    let values = arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(column);
    values
        .iter()
        .map(|value| {
            value
                .map(|value| {
                    text(value).ok_or_else(|| TableError::Schema {
                        reason: "a timestamp out of range cannot be a partition value".to_string(),
                    })
                })
                .transpose()
        })
        .collect()
}

fn timestamp_text(micros: i64) -> Option<String> {
    let timestamp = DateTime::from_timestamp_micros(micros)?.naive_utc();
    let text = timestamp.format("%Y-%m-%d %H:%M:%S%.6f").to_string();
    // A year beyond 9999 is printed with a sign that other readers do not know.
    (text.len() == 26).then_some(text)
}

/// The directory of a partition, `a=1/b=x%20y`, percent-encoded as Hive does.
pub fn directory(columns: &[String], values: &[Option<String>]) -> String {
    let mut path = String::new();
    for (column, value) in columns.iter().zip(values) {
        if !path.is_empty() {
            path.push('/');
        }
        escape(column, &mut path);
        path.push('=');
        match value.as_deref() {
            None | Some("") => path.push_str(HIVE_NULL),
            Some(value) => escape(value, &mut path),
        }
    }
    path
}

fn escape(text: &str, path: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            path.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(path, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: ScalarValue) {
        let column = value.to_array().unwrap();
        let text = texts(&column).unwrap().remove(0);
        assert_eq!(
            parse(text.as_deref(), column.data_type()).unwrap(),
            value,
            "{text:?}"
        );
    }

    #[test]
    fn values_survive_their_text() {
        check(ScalarValue::Utf8(Some("a%b/ c=ü".to_string())));
        check(ScalarValue::Utf8(Some(String::new())));
        check(ScalarValue::Utf8(None));
        check(ScalarValue::Int64(Some(i64::MIN)));
        check(ScalarValue::Boolean(Some(true)));
        check(ScalarValue::Date32(Some(-719_162)));
        check(ScalarValue::Decimal128(Some(-12_345), 10, 3));
        check(ScalarValue::TimestampMicrosecond(Some(-1), None));
        check(ScalarValue::TimestampMicrosecond(
            Some(1_700_000_000_123_456),
            Some("UTC".into()),
        ));
    }

    #[test]
    fn foreign_spellings_of_timestamps_are_read() {
        let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        for text in [
            "2024-01-01 00:00:00",
            "2024-01-01T00:00:00.000000Z",
            "2024-01-01T01:00:00+01:00",
        ] {
            assert_eq!(
                parse(Some(text), &utc).unwrap(),
                ScalarValue::TimestampMicrosecond(Some(1_704_067_200_000_000), Some("UTC".into())),
                "{text}"
            );
        }
    }

    #[test]
    fn directories_are_escaped() {
        let columns = ["a".to_string(), "b c".to_string()];
        let values = [Some("x/y%".to_string()), None];
        assert_eq!(
            directory(&columns, &values),
            "a=x%2Fy%25/b%20c=__HIVE_DEFAULT_PARTITION__"
        );
    }
}
