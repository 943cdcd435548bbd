//! What do the statistics of a data file say, and how sure are they?
//!
//! Delta keeps row count, minimum, maximum and NULL count per file and column as JSON text. Minimum and maximum are *bounds*:
//! strings are cut, timestamps rounded to milliseconds. Bounds decide which files a query can skip; only those that are known
//! to be values of the column may answer `min()` and `max()`.
//!
//! There is no maximum of a float column: NaN is greater than all numbers in PostgreSQL's order, but writers leave NaN out.

use std::cmp::Ordering;
use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Schema, TimeUnit};
use chrono::{DateTime, NaiveDate, NaiveDateTime, SubsecRound, TimeDelta};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::file::metadata::ParquetMetaData;
use serde_json::{Map, Value, json};

use crate::table::error::Result;

/// Longest text bound in a log, in bytes; the Parquet writer cuts there.
pub const TEXT_BOUND_BYTES_MAX: usize = 32;

/// Decimals beyond this many units of the last digit do not survive a JSON number.
const DECIMAL_UNITS_MAX: f64 = 1e15;

/// Tag of a file whose float columns hold no NaN.
///
/// Parquet's statistics leave NaN out, so row groups and pages with NaN may not be skipped by them.
const NAN_FREE_TAG: &str = "tarn.nanFree";

/// The tags of a file without NaN.
pub fn nan_free_tags() -> HashMap<String, Option<String>> {
    HashMap::from([(NAN_FREE_TAG.to_string(), Some("true".to_string()))])
}

/// Do the tags say that there is no NaN?
pub fn is_nan_free(tags: Option<&HashMap<String, Option<String>>>) -> bool {
    let tag = tags.and_then(|tags| tags.get(NAN_FREE_TAG));
    matches!(tag, Some(Some(value)) if value == "true")
}

/// Is there a NaN in a float column? Nested columns do not count: nothing is skipped by them.
pub fn has_nan(rows: &RecordBatch) -> bool {
    rows.columns()
        .iter()
        .any(|column| match column.data_type() {
            DataType::Float32 => {
                let values = column.as_primitive::<Float32Type>();
                values.iter().flatten().any(f32::is_nan)
            }
            DataType::Float64 => {
                let values = column.as_primitive::<Float64Type>();
                values.iter().flatten().any(f64::is_nan)
            }
            _ => false,
        })
}

/// What is known of one column in one file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ColumnBounds {
    /// no value is less
    pub min: Option<ScalarValue>,
    /// no value is greater
    pub max: Option<ScalarValue>,
    /// `min` and `max` are values of the column
    pub tight: bool,
    /// how many values are NULL
    pub null_count: Option<u64>,
}

/// What is known of a file: one entry per field of the schema it was read with.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FileStatistics {
    /// number of rows
    pub rows: Option<u64>,
    /// by field
    pub columns: Vec<ColumnBounds>,
}

impl FileStatistics {
    /// Reads the `stats` text of an add action; what cannot be read is not known.
    pub fn parse(text: Option<&str>, schema: &Schema) -> FileStatistics {
        let Some(Value::Object(stats)) = text.and_then(|text| serde_json::from_str(text).ok())
        else {
            return FileStatistics {
                rows: None,
                columns: vec![ColumnBounds::default(); schema.fields().len()],
            };
        };
        let tight = stats.get("tightBounds").and_then(Value::as_bool) != Some(false);
        let of = |part: &str, column: &str| stats.get(part).and_then(|part| part.get(column));
        let columns = schema
            .fields()
            .iter()
            .map(|field| {
                let (name, data_type) = (field.name(), field.data_type());
                ColumnBounds {
                    min: of("minValues", name).and_then(|value| bound(value, data_type, false)),
                    max: of("maxValues", name).and_then(|value| bound(value, data_type, true)),
                    tight: tight && is_tight(data_type),
                    null_count: of("nullCount", name).and_then(Value::as_u64),
                }
            })
            .collect();
        FileStatistics {
            rows: stats.get("numRecords").and_then(Value::as_u64),
            columns,
        }
    }

    /// In DataFusion's terms.
    pub fn to_datafusion(&self, bytes: u64) -> Statistics {
        let exactly = |count: Option<u64>| match count.and_then(|count| usize::try_from(count).ok())
        {
            Some(count) => Precision::Exact(count),
            None => Precision::Absent,
        };
        Statistics {
            num_rows: exactly(self.rows),
            total_byte_size: Precision::Inexact(usize::try_from(bytes).unwrap_or(usize::MAX)),
            column_statistics: self
                .columns
                .iter()
                .map(|column| {
                    let value = |bound: &Option<ScalarValue>| match bound {
                        Some(bound) if column.tight => Precision::Exact(bound.clone()),
                        Some(bound) => Precision::Inexact(bound.clone()),
                        None => Precision::Absent,
                    };
                    ColumnStatistics {
                        null_count: exactly(column.null_count),
                        min_value: value(&column.min),
                        max_value: value(&column.max),
                        ..ColumnStatistics::default()
                    }
                })
                .collect(),
        }
    }
}

/// Are the bounds of such a column values of it?
fn is_tight(data_type: &DataType) -> bool {
    data_type.is_signed_integer() || *data_type == DataType::Date32
}

fn bound(value: &Value, data_type: &DataType, is_max: bool) -> Option<ScalarValue> {
    match data_type {
        DataType::Int8 => Some(ScalarValue::Int8(Some(value.as_i64()?.try_into().ok()?))),
        DataType::Int16 => Some(ScalarValue::Int16(Some(value.as_i64()?.try_into().ok()?))),
        DataType::Int32 => Some(ScalarValue::Int32(Some(value.as_i64()?.try_into().ok()?))),
        DataType::Int64 => Some(ScalarValue::Int64(Some(value.as_i64()?))),
        // Rounded down, since the text may have been rounded up when it was shortened.
        DataType::Float32 if !is_max => Some(ScalarValue::Float32(Some(
            (value.as_f64()? as f32).next_down(),
        ))),
        DataType::Float64 if !is_max => {
            Some(ScalarValue::Float64(Some(value.as_f64()?.next_down())))
        }
        DataType::Utf8 => Some(ScalarValue::Utf8(Some(value.as_str()?.to_string()))),
        DataType::Date32 => {
            let date = NaiveDate::parse_from_str(value.as_str()?, "%Y-%m-%d").ok()?;
            let days = date.signed_duration_since(NaiveDate::default()).num_days();
            Some(ScalarValue::Date32(Some(i32::try_from(days).ok()?)))
        }
        DataType::Decimal128(precision, scale) => {
            let units = value.as_f64()? * 10_f64.powi(i32::from(*scale));
            let near = units.round();
            (near.abs() < DECIMAL_UNITS_MAX).then_some(ScalarValue::Decimal128(
                Some(near as i128),
                *precision,
                *scale,
            ))
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let micros = timestamp_micros(value.as_str()?)?;
            let micros = if is_max {
                micros.checked_add(999)?
            } else {
                micros
            };
            Some(ScalarValue::TimestampMicrosecond(
                Some(micros),
                zone.clone(),
            ))
        }
        _ => None,
    }
}

fn timestamp_micros(text: &str) -> Option<i64> {
    if let Ok(timestamp) = DateTime::parse_from_rfc3339(text) {
        return Some(timestamp.timestamp_micros());
    }
    ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"]
        .into_iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .map(|timestamp| timestamp.and_utc().timestamp_micros())
}

/// The `stats` text for a file that was just written, for its first `columns_max` columns.
pub fn describe(metadata: &ParquetMetaData, schema: &Schema, columns_max: usize) -> Result<String> {
    let (mut mins, mut maxes, mut nulls) = (Map::new(), Map::new(), Map::new());
    let parquet_schema = metadata.file_metadata().schema_descr();
    let groups = metadata.row_groups();
    for field in schema.fields().iter().take(columns_max) {
        if field.data_type().is_nested() {
            continue;
        }
        let converter = StatisticsConverter::try_new(field.name(), schema, parquet_schema)?;
        let null_counts = converter.row_group_null_counts(groups)?;
        if null_counts.null_count() == 0 {
            let total: u64 = null_counts.values().iter().sum();
            nulls.insert(field.name().clone(), json!(total));
        }
        let rows_known: Vec<bool> = groups
            .iter()
            .enumerate()
            .map(|(index, group)| {
                null_counts.is_valid(index)
                    && null_counts.value(index) < group.num_rows().unsigned_abs()
            })
            .collect();
        let min = extreme(
            &converter.row_group_mins(groups)?,
            &rows_known,
            Ordering::Less,
        );
        if let Some(value) = min.as_ref().and_then(|min| bound_text(min, false)) {
            mins.insert(field.name().clone(), value);
        }
        let max = extreme(
            &converter.row_group_maxes(groups)?,
            &rows_known,
            Ordering::Greater,
        );
        if let Some(value) = max.as_ref().and_then(|max| bound_text(max, true)) {
            maxes.insert(field.name().clone(), value);
        }
    }
    let stats = json!({
        "numRecords": metadata.file_metadata().num_rows(),
        "minValues": mins,
        "maxValues": maxes,
        "nullCount": nulls,
    });
    Ok(stats.to_string())
}

/// The extreme of the row groups that have values; unknown if one of them does not tell.
fn extreme(values: &ArrayRef, has_values: &[bool], wanted: Ordering) -> Option<ScalarValue> {
    let mut found: Option<ScalarValue> = None;
    for (index, has_values) in has_values.iter().enumerate() {
        if !has_values {
            continue;
        }
        if values.is_null(index) {
            return None;
        }
        let value = ScalarValue::try_from_array(values, index).ok()?;
        let better = match &found {
            None => true,
            Some(best) => value.partial_cmp(best)? == wanted,
        };
        if better {
            found = Some(value);
        }
    }
    found
}

fn bound_text(value: &ScalarValue, is_max: bool) -> Option<Value> {
    match value {
        ScalarValue::Int8(Some(value)) => Some(json!(value)),
        ScalarValue::Int16(Some(value)) => Some(json!(value)),
        ScalarValue::Int32(Some(value)) => Some(json!(value)),
        ScalarValue::Int64(Some(value)) => Some(json!(value)),
        ScalarValue::Float32(Some(value)) if !is_max && value.is_finite() => Some(json!(value)),
        ScalarValue::Float64(Some(value)) if !is_max && value.is_finite() => Some(json!(value)),
        ScalarValue::Utf8(Some(text)) => {
            (text.len() <= 2 * TEXT_BOUND_BYTES_MAX).then(|| json!(text))
        }
        ScalarValue::Decimal128(Some(units), _, scale) => {
            let exact = (*units as f64).abs() < DECIMAL_UNITS_MAX;
            exact.then(|| json!(*units as f64 / 10_f64.powi(i32::from(*scale))))
        }
        ScalarValue::Date32(Some(days)) => {
            let date =
                NaiveDate::default().checked_add_signed(TimeDelta::days(i64::from(*days)))?;
            four_digit_year(date.format("%Y-%m-%d").to_string())
        }
        ScalarValue::TimestampMicrosecond(Some(micros), zone) => {
            let timestamp = DateTime::from_timestamp_micros(*micros)?.naive_utc();
            let whole = timestamp.trunc_subsecs(3);
            let rounded = if is_max && whole != timestamp {
                whole.checked_add_signed(TimeDelta::milliseconds(1))?
            } else {
                whole
            };
            let format = if zone.is_some() {
                "%Y-%m-%dT%H:%M:%S%.3fZ"
            } else {
                "%Y-%m-%dT%H:%M:%S%.3f"
            };
            four_digit_year(rounded.format(format).to_string())
        }
        _ => None,
    }
}

/// Years outside 0000 to 9999 are printed with a sign that other readers do not know.
fn four_digit_year(text: String) -> Option<Value> {
    let plain =
        text.bytes().take(4).all(|byte| byte.is_ascii_digit()) && text.as_bytes()[4] == b'-';
    plain.then_some(Value::String(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::Field;

    fn read(stats: &str, data_type: DataType) -> ColumnBounds {
        let schema = Schema::new(vec![Field::new("c", data_type, true)]);
        FileStatistics::parse(Some(stats), &schema)
            .columns
            .remove(0)
    }

    #[test]
    fn bounds_are_wide_enough() {
        let stats = r#"{"numRecords":3,"minValues":{"c":"2024-01-01T00:00:00.123Z"},
            "maxValues":{"c":"2024-01-01T00:00:00.123Z"},"nullCount":{"c":1}}"#;
        let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let bounds = read(stats, utc);
        let micros = |value| {
            Some(ScalarValue::TimestampMicrosecond(
                Some(value),
                Some("UTC".into()),
            ))
        };
        assert_eq!(bounds.min, micros(1_704_067_200_123_000));
        assert_eq!(bounds.max, micros(1_704_067_200_123_999));
        assert!(!bounds.tight);
        assert_eq!(bounds.null_count, Some(1));
    }

    #[test]
    fn no_maximum_of_floats_and_no_large_decimals() {
        let stats =
            r#"{"numRecords":1,"minValues":{"c":1.5},"maxValues":{"c":12345678901234567890.5}}"#;
        let float = read(stats, DataType::Float64);
        assert!(float.min.is_some() && float.max.is_none());
        let decimal = read(stats, DataType::Decimal128(38, 10));
        assert_eq!(
            decimal.min,
            Some(ScalarValue::Decimal128(Some(15_000_000_000), 38, 10))
        );
        assert_eq!(decimal.max, None);
    }

    #[test]
    fn damaged_statistics_are_unknown() {
        for stats in [
            "",
            "[]",
            "{",
            r#"{"minValues":3}"#,
            r#"{"minValues":{"c":"x"}}"#,
        ] {
            assert_eq!(read(stats, DataType::Int32).min, None, "{stats}");
        }
    }
}
