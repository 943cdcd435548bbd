//! Which group does a row belong to?
//!
//! A key is a byte string that is equal exactly when the key columns are equal, on any machine, for any width of the
//! same type: each column is written as a tag and its value, in the type that training saw.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Int64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::bytes::{Reader, Writer};
use super::encode::{micros_of, numbers_of, visit_text};
use super::features::SourceFamily;
use super::label::read_data_type;
use super::sql_type::{PG_TYPE_KEY, sql_type_name};
use crate::error::ModelError;

/// One column of the key.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyColumn {
    /// Column name.
    pub name: String,
    /// Type in training.
    pub data_type: DataType,
    /// SQL spelling when the Arrow type alone does not say it.
    pub pg_type: Option<String>,
}

impl KeyColumn {
    /// A key column; only scalar types can be keys.
    pub fn new(field: &Field) -> Result<Self, ModelError> {
        if SourceFamily::of(field.data_type()).is_none() {
            return Err(ModelError::UnsupportedType {
                column: field.name().clone(),
                got: sql_type_name(field.data_type()),
                role: "group key",
            });
        }
        let data_type = match field.data_type() {
            DataType::Dictionary(_, value) => value.as_ref().clone(),
            other => other.clone(),
        };
        Ok(Self {
            name: field.name().clone(),
            data_type,
            pg_type: field.metadata().get(PG_TYPE_KEY).cloned(),
        })
    }

    /// The SQL spelling of its type.
    pub fn sql_type(&self) -> String {
        self.pg_type
            .clone()
            .unwrap_or_else(|| sql_type_name(&self.data_type))
    }

    /// Appends the stored form.
    pub fn write(&self, writer: &mut Writer) {
        writer.text(&self.name);
        writer.text(&self.data_type.to_string());
        writer.text(self.pg_type.as_deref().unwrap_or(""));
    }

    /// Reads the stored form.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, ModelError> {
        let name = reader.text()?.to_owned();
        let data_type = read_data_type(reader)?;
        let pg_type = Some(reader.text()?.to_owned()).filter(|spelling| !spelling.is_empty());
        Ok(Self {
            name,
            data_type,
            pg_type,
        })
    }

    /// Fails unless an argument of this type can stand for the column.
    pub fn check_type(&self, data_type: &DataType) -> Result<(), ModelError> {
        let same = SourceFamily::of(data_type) == SourceFamily::of(&self.data_type);
        if same || *data_type == DataType::Null {
            return Ok(());
        }
        Err(ModelError::WrongType {
            column: self.name.clone(),
            expected: self.sql_type(),
            got: sql_type_name(data_type),
        })
    }
}

/// The key of each row. A value that does not fit the column's training type becomes a key that no group has.
pub fn group_keys(
    columns: &[KeyColumn],
    arrays: &[ArrayRef],
    rows: usize,
) -> Result<Vec<Vec<u8>>, ModelError> {
    let mut keys = vec![Vec::with_capacity(columns.len() * 10); rows];
    for (column, array) in columns.iter().zip(arrays) {
        column.check_type(array.data_type())?;
        append_column(column, array, &mut keys)?;
    }
    Ok(keys)
}

const TAG_NULL: u8 = 0;
const TAG_INTEGER: u8 = 1;
const TAG_FLOAT: u8 = 2;
const TAG_TEXT: u8 = 3;
const TAG_MOMENT: u8 = 4;
const TAG_BOOLEAN: u8 = 5;
const TAG_UNFIT: u8 = 6;

fn append_column(
    column: &KeyColumn,
    array: &ArrayRef,
    keys: &mut [Vec<u8>],
) -> Result<(), ModelError> {
    if *array.data_type() == DataType::Null {
        keys.iter_mut().for_each(|key| key.push(TAG_NULL));
        return Ok(());
    }
    let safe = CastOptions {
        safe: true,
        ..CastOptions::default()
    };
    let typed = cast_with_options(array, &column.data_type, &safe)
        .map_err(|_| ModelError::damaged("a key column cannot be converted"))?;
    let unfit = |row: usize| typed.is_null(row) && !array.is_null(row);
    let put_null =
        |key: &mut Vec<u8>, row: usize| key.push(if unfit(row) { TAG_UNFIT } else { TAG_NULL });
    match SourceFamily::of(&column.data_type) {
        Some(SourceFamily::Text) => visit_text(&column.name, &typed, |row, text| match text {
            None => put_null(&mut keys[row], row),
            Some(text) => put_text(&mut keys[row], text),
        }),
        Some(SourceFamily::Boolean) => {
            for (row, flag) in typed.as_boolean().iter().enumerate() {
                match flag {
                    None => put_null(&mut keys[row], row),
                    Some(flag) => keys[row].extend([TAG_BOOLEAN, u8::from(flag)]),
                }
            }
            Ok(())
        }
        Some(SourceFamily::Date | SourceFamily::Timestamp) => {
            for (row, micros) in micros_of(&column.name, &typed)?.into_iter().enumerate() {
                match micros {
                    None => put_null(&mut keys[row], row),
                    Some(micros) => put_integer(&mut keys[row], TAG_MOMENT, micros),
                }
            }
            Ok(())
        }
        Some(SourceFamily::Number) => append_numbers(column, &typed, keys, put_null),
        None => Err(ModelError::damaged("a key column has no key type")),
    }
}

fn append_numbers(
    column: &KeyColumn,
    typed: &ArrayRef,
    keys: &mut [Vec<u8>],
    put_null: impl Fn(&mut Vec<u8>, usize),
) -> Result<(), ModelError> {
    let floating = matches!(
        column.data_type,
        DataType::Float16 | DataType::Float32 | DataType::Float64
    );
    let decimal = column.data_type.is_decimal();
    if floating {
        for (row, number) in numbers_of(&column.name, typed)?.into_iter().enumerate() {
            if typed.is_null(row) {
                put_null(&mut keys[row], row);
            } else {
                // Minus zero equals zero in SQL, and every NaN equals every other.
                let canonical = if number.is_nan() {
                    f64::NAN
                } else {
                    number + 0.0
                };
                put_integer(&mut keys[row], TAG_FLOAT, canonical.to_bits() as i64);
            }
        }
        return Ok(());
    }
    let damaged = |_| ModelError::damaged("a key column cannot be converted");
    if decimal || column.data_type == DataType::UInt64 {
        let options = FormatOptions::default();
        let formatter = ArrayFormatter::try_new(typed, &options).map_err(damaged)?;
        for (row, key) in keys.iter_mut().enumerate() {
            if typed.is_null(row) {
                put_null(key, row)
            } else {
                put_text(key, &formatter.value(row).to_string())
            }
        }
        return Ok(());
    }
    let narrow = match column.data_type {
        DataType::Time32(_) => {
            cast_with_options(typed, &DataType::Int32, &CastOptions::default()).map_err(damaged)?
        }
        _ => typed.clone(),
    };
    let wide =
        cast_with_options(&narrow, &DataType::Int64, &CastOptions::default()).map_err(damaged)?;
    for (row, integer) in wide.as_primitive::<Int64Type>().iter().enumerate() {
        match integer {
            None => put_null(&mut keys[row], row),
            Some(integer) => put_integer(&mut keys[row], TAG_INTEGER, integer),
        }
    }
    Ok(())
}

fn put_integer(key: &mut Vec<u8>, tag: u8, value: i64) {
    key.push(tag);
    key.extend_from_slice(&value.to_be_bytes());
}

fn put_text(key: &mut Vec<u8>, text: &str) {
    key.push(TAG_TEXT);
    key.extend_from_slice(&(text.len() as u32).to_be_bytes());
    key.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int32Array, Int64Array, StringArray, StringViewArray};

    use super::*;

    #[test]
    fn widths_of_a_type_agree_and_values_do_not() {
        let column = KeyColumn::new(&Field::new("zip", DataType::Int64, true)).unwrap();
        let wide: ArrayRef = Arc::new(Int64Array::from(vec![Some(98_001), None, Some(5)]));
        let narrow: ArrayRef = Arc::new(Int32Array::from(vec![Some(98_001), None, Some(5)]));
        let columns = [column];
        let keys = group_keys(&columns, &[wide], 3).unwrap();
        assert_eq!(keys, group_keys(&columns, &[narrow], 3).unwrap());
        assert!(keys[0] != keys[1] && keys[0] != keys[2] && keys[1] != keys[2]);
    }

    #[test]
    fn a_value_that_does_not_fit_is_not_null() {
        let column = KeyColumn::new(&Field::new("k", DataType::Int32, true)).unwrap();
        let huge: ArrayRef = Arc::new(Int64Array::from(vec![None, Some(i64::MAX)]));
        let keys = group_keys(&[column], &[huge], 2).unwrap();
        assert_ne!(keys[0], keys[1]);
    }

    #[test]
    fn texts_cannot_run_into_each_other() {
        let a = KeyColumn::new(&Field::new("a", DataType::Utf8, true)).unwrap();
        let b = KeyColumn::new(&Field::new("b", DataType::Utf8, true)).unwrap();
        let left: ArrayRef = Arc::new(StringArray::from(vec!["ab", "a"]));
        let right: ArrayRef = Arc::new(StringViewArray::from(vec!["c", "bc"]));
        let keys = group_keys(&[a, b], &[left, right], 2).unwrap();
        assert_ne!(keys[0], keys[1]);
    }
}
