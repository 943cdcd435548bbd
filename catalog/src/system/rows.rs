//! How do rows become a batch of a system relation?

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::error::Result;
use datafusion::scalar::ScalarValue;

use super::layout::Layout;

/// A value of a system relation, before its column's type is known.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// NULL
    Null,
    /// boolean
    Bool(bool),
    /// any integer, OID or microseconds since 1970
    Int(i64),
    /// any float
    Float(f64),
    /// any text
    Text(String),
    /// array of integers, int2vector, oidvector
    Ints(Vec<i64>),
    /// array of text
    Texts(Vec<String>),
    /// interval of so many seconds
    Seconds(i64),
    /// a value in COPY's text format, to be read as the column's type
    Raw(&'static str),
}

macro_rules! value_from {
    ($($from:ty => $value:ident => $to:expr),* $(,)?) => {
        $(impl From<$from> for Value {
            fn from($value: $from) -> Value {
                $to
            }
        })*
    };
}

value_from!(
    bool => value => Value::Bool(value),
    i16 => value => Value::Int(value.into()),
    i32 => value => Value::Int(value.into()),
    u32 => value => Value::Int(value.into()),
    i64 => value => Value::Int(value),
    f64 => value => Value::Float(value),
    &str => value => Value::Text(value.to_string()),
    String => value => Value::Text(value),
    Vec<i64> => value => Value::Ints(value),
    Vec<String> => value => Value::Texts(value),
);

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

/// Rows of one system relation, being collected.
pub struct Rows {
    layout: &'static Layout,
    columns: Vec<Vec<ScalarValue>>,
    count: usize,
}

impl Rows {
    /// No rows yet.
    pub fn new(layout: &'static Layout) -> Rows {
        Rows {
            layout,
            columns: vec![Vec::new(); layout.columns.len()],
            count: 0,
        }
    }

    /// Adds a row. Columns that are not named are NULL, or zero, false, empty where the relation says NOT NULL.
    pub fn add<const N: usize>(&mut self, values: [(&str, Value); N]) {
        self.add_all(values);
    }

    /// Adds a row of columns that are known only at run time.
    pub fn add_all<'a>(&mut self, values: impl IntoIterator<Item = (&'a str, Value)>) {
        self.count += 1;
        for (name, value) in values {
            let position = self.layout.position(name);
            debug_assert!(
                position.is_some(),
                "{} has no column {name}",
                self.layout.name
            );
            if let Some(at) = position {
                let data_type = self.layout.arrow.field(at).data_type();
                if let Some(scalar) = scalar_of(value, data_type) {
                    self.columns[at].truncate(self.count - 1);
                    self.columns[at].push(scalar);
                }
            }
        }
        for (at, column) in self.columns.iter_mut().enumerate() {
            if column.len() < self.count {
                let declared = &self.layout.columns[at];
                let data_type = self.layout.arrow.field(at).data_type();
                column.push(if declared.not_null {
                    zero(data_type)
                } else {
                    null(data_type)
                });
            }
        }
    }

    /// The rows as a batch.
    pub fn finish(self) -> Result<RecordBatch> {
        if self.count == 0 {
            return Ok(RecordBatch::new_empty(self.layout.arrow.clone()));
        }
        let arrays = self
            .columns
            .into_iter()
            .map(ScalarValue::iter_to_array)
            .collect::<Result<Vec<ArrayRef>>>()?;
        Ok(RecordBatch::try_new(self.layout.arrow.clone(), arrays)?)
    }
}

fn null(data_type: &DataType) -> ScalarValue {
    ScalarValue::try_from(data_type).unwrap_or(ScalarValue::Null)
}

/// What a NOT NULL column has that nothing is known of.
fn zero(data_type: &DataType) -> ScalarValue {
    match data_type {
        DataType::Utf8 => ScalarValue::Utf8(Some(String::new())),
        DataType::List(element) => {
            ScalarValue::List(ScalarValue::new_list_nullable(&[], element.data_type()))
        }
        other => ScalarValue::new_zero(other).unwrap_or_else(|_| null(other)),
    }
}

/// The value as a column's type; None for NULL.
fn scalar_of(value: Value, data_type: &DataType) -> Option<ScalarValue> {
    match value {
        Value::Null => None,
        Value::Raw(text) => read(text, data_type),
        Value::Bool(value) => Some(ScalarValue::Boolean(Some(value))),
        Value::Seconds(seconds) => {
            let nanos = seconds.saturating_mul(1_000_000_000);
            Some(ScalarValue::new_interval_mdn(0, 0, nanos))
        }
        Value::Float(value) => match data_type {
            DataType::Float32 => Some(ScalarValue::Float32(Some(value as f32))),
            _ => Some(ScalarValue::Float64(Some(value))),
        },
        Value::Int(value) => integer(value, data_type),
        Value::Text(value) => match data_type {
            DataType::Utf8 => Some(ScalarValue::Utf8(Some(value))),
            other => ScalarValue::try_from_string(value, other).ok(),
        },
        Value::Ints(values) => list(values.into_iter().map(Value::Int), data_type),
        Value::Texts(values) => list(values.into_iter().map(Value::Text), data_type),
    }
}

fn integer(value: i64, data_type: &DataType) -> Option<ScalarValue> {
    match data_type {
        DataType::Int16 => i16::try_from(value)
            .ok()
            .map(|value| ScalarValue::Int16(Some(value))),
        DataType::Int32 => i32::try_from(value)
            .ok()
            .map(|value| ScalarValue::Int32(Some(value))),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            Some(ScalarValue::TimestampMicrosecond(Some(value), zone.clone()))
        }
        DataType::Float32 => Some(ScalarValue::Float32(Some(value as f32))),
        DataType::Float64 => Some(ScalarValue::Float64(Some(value as f64))),
        DataType::Utf8 => Some(ScalarValue::Utf8(Some(value.to_string()))),
        DataType::Int64 => Some(ScalarValue::Int64(Some(value))),
        other => ScalarValue::Int64(Some(value)).cast_to(other).ok(),
    }
}

fn list(values: impl Iterator<Item = Value>, data_type: &DataType) -> Option<ScalarValue> {
    let DataType::List(element) = data_type else {
        return None;
    };
    let elements: Vec<_> = values
        .filter_map(|value| scalar_of(value, element.data_type()))
        .collect();
    Some(ScalarValue::List(ScalarValue::new_list_nullable(
        &elements,
        element.data_type(),
    )))
}

/// A value in COPY's text format.
fn read(text: &'static str, data_type: &DataType) -> Option<ScalarValue> {
    if text == "\\N" {
        return None;
    }
    match data_type {
        DataType::Boolean => Some(ScalarValue::Boolean(Some(text == "t"))),
        DataType::Utf8 => Some(ScalarValue::Utf8(Some(text.replace("\\\\", "\\")))),
        DataType::List(element) => {
            let parts = text
                .trim_matches(['{', '}'])
                .split([' ', ','])
                .filter(|part| !part.is_empty());
            let elements: Vec<_> = parts
                .filter_map(|part| read(part, element.data_type()))
                .collect();
            Some(ScalarValue::List(ScalarValue::new_list_nullable(
                &elements,
                element.data_type(),
            )))
        }
        other => ScalarValue::try_from_string(text.to_string(), other).ok(),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Array, AsArray};
    use datafusion::arrow::datatypes::{Int16Type, Int64Type};

    use super::{Rows, Value};
    use crate::system::layout::layout;

    #[test]
    fn unnamed_columns_are_null_or_zero_as_the_relation_says() {
        let pg_index = layout("pg_catalog", "pg_index").unwrap();
        let mut rows = Rows::new(pg_index);
        rows.add([
            ("indexrelid", 7u32.into()),
            ("indkey", vec![1i64, 3].into()),
        ]);
        rows.add([("indexrelid", 8u32.into()), ("indpred", Value::Null)]);
        let batch = rows.finish().unwrap();
        assert_eq!(batch.num_rows(), 2);
        let column = |name: &str| batch.column(pg_index.position(name).unwrap());
        assert_eq!(
            column("indexrelid").as_primitive::<Int64Type>().values(),
            &[7, 8]
        );
        assert_eq!(
            column("indkey")
                .as_list::<i32>()
                .value(0)
                .as_primitive::<Int16Type>()
                .values(),
            &[1, 3]
        );
        assert_eq!(column("indkey").as_list::<i32>().value(1).len(), 0);
        assert!(column("indpred").is_null(0) && column("indpred").is_null(1));
        assert!(!column("indisunique").as_boolean().value(0));
    }
}
