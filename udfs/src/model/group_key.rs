//! Which group does a row belong to?
//!
//! A key is a byte string that is equal exactly when the key columns are equal, on any machine, for any width of the
//! same type: each column is written as a tag and its value, in the type that training saw.

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Int64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::bytes::{Reader, Writer, hash_bytes, mix};
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
) -> Result<GroupKeys, ModelError> {
    let mut parts = Vec::with_capacity(columns.len());
    for (column, array) in columns.iter().zip(arrays) {
        column.check_type(array.data_type())?;
        let mut part = ColumnKeys::with_capacity(rows);
        append_column(column, array, &mut part)?;
        parts.push(part);
    }
    Ok(GroupKeys { parts, rows })
}

/// The keys of some rows.
#[derive(Debug)]
pub struct GroupKeys {
    parts: Vec<ColumnKeys>,
    rows: usize,
}

impl GroupKeys {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Puts the key of a row into `key`, in place of what it held.
    pub fn read(&self, row: usize, key: &mut Vec<u8>) {
        key.clear();
        for part in &self.parts {
            part.read(row, key);
        }
    }

    /// Whether two rows have the same key.
    pub(super) fn equal(&self, a: usize, b: usize) -> bool {
        self.parts.iter().all(|part| part.equal(a, b))
    }

    /// A hash of a row's key.
    pub(super) fn hash(&self, row: usize) -> u64 {
        let parts = self.parts.iter();
        parts.fold(0, |seed, part| part.hash(seed, row))
    }

    /// The keys as an array.
    pub fn to_array(&self) -> BinaryArray {
        let bytes = self.parts.iter().map(ColumnKeys::bytes).sum();
        let mut array = BinaryBuilder::with_capacity(self.rows, bytes);
        let mut key = Vec::new();
        for row in 0..self.rows {
            self.read(row, &mut key);
            array.append_value(&key);
        }
        array.finish()
    }
}

/// What one column adds to the keys, row after row.
#[derive(Debug)]
enum ColumnKeys {
    /// Any values.
    Bytes { bytes: Vec<u8>, ends: Vec<usize> },
    /// Integers without NULL, the usual key: they are written as bytes only when somebody reads them.
    Integers(Vec<i64>),
}

impl ColumnKeys {
    fn with_capacity(rows: usize) -> Self {
        Self::Bytes {
            bytes: Vec::with_capacity(rows * INTEGER_BYTES),
            ends: Vec::with_capacity(rows),
        }
    }

    /// Takes the next row's part as bytes.
    fn push(&mut self, put: impl FnOnce(&mut Vec<u8>)) {
        if let Self::Bytes { bytes, ends } = self {
            put(bytes);
            ends.push(bytes.len());
        }
    }

    /// Length of all parts as bytes.
    fn bytes(&self) -> usize {
        match self {
            Self::Bytes { bytes, .. } => bytes.len(),
            Self::Integers(integers) => INTEGER_BYTES * integers.len(),
        }
    }

    /// Appends a row's part.
    fn read(&self, row: usize, key: &mut Vec<u8>) {
        match self {
            Self::Bytes { bytes, ends } => key.extend_from_slice(part(bytes, ends, row)),
            Self::Integers(integers) => put_integer(key, TAG_INTEGER, integers[row]),
        }
    }

    #[inline]
    fn equal(&self, a: usize, b: usize) -> bool {
        match self {
            Self::Bytes { bytes, ends } => part(bytes, ends, a) == part(bytes, ends, b),
            Self::Integers(integers) => integers[a] == integers[b],
        }
    }

    #[inline]
    fn hash(&self, seed: u64, row: usize) -> u64 {
        match self {
            Self::Bytes { bytes, ends } => hash_bytes(seed, part(bytes, ends, row)),
            Self::Integers(integers) => mix(seed ^ integers[row] as u64),
        }
    }
}

fn part<'a>(bytes: &'a [u8], ends: &[usize], row: usize) -> &'a [u8] {
    let start = if row == 0 { 0 } else { ends[row - 1] };
    &bytes[start..ends[row]]
}

/// A tag and eight bytes.
const INTEGER_BYTES: usize = 9;

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
    keys: &mut ColumnKeys,
) -> Result<(), ModelError> {
    if *array.data_type() == DataType::Null {
        (0..array.len()).for_each(|_| keys.push(|key| key.push(TAG_NULL)));
        return Ok(());
    }
    let safe = CastOptions {
        safe: true,
        ..CastOptions::default()
    };
    let typed = cast_with_options(array, &column.data_type, &safe)
        .map_err(|_| ModelError::damaged("a key column cannot be converted"))?;
    // A value that the training type cannot hold is no NULL.
    let null_tag = |row: usize| {
        if typed.is_null(row) && !array.is_null(row) {
            TAG_UNFIT
        } else {
            TAG_NULL
        }
    };
    match SourceFamily::of(&column.data_type) {
        Some(SourceFamily::Text) => visit_text(&column.name, &typed, |row, text| {
            keys.push(|key| match text {
                None => key.push(null_tag(row)),
                Some(text) => put_text(key, text),
            });
        }),
        Some(SourceFamily::Boolean) => {
            for (row, flag) in typed.as_boolean().iter().enumerate() {
                keys.push(|key| match flag {
                    None => key.push(null_tag(row)),
                    Some(flag) => key.extend([TAG_BOOLEAN, u8::from(flag)]),
                });
            }
            Ok(())
        }
        Some(SourceFamily::Date | SourceFamily::Timestamp) => {
            for (row, micros) in micros_of(&column.name, &typed)?.into_iter().enumerate() {
                keys.push(|key| match micros {
                    None => key.push(null_tag(row)),
                    Some(micros) => put_integer(key, TAG_MOMENT, micros),
                });
            }
            Ok(())
        }
        Some(SourceFamily::Number) => append_numbers(column, &typed, keys, null_tag),
        None => Err(ModelError::damaged("a key column has no key type")),
    }
}

fn append_numbers(
    column: &KeyColumn,
    typed: &ArrayRef,
    keys: &mut ColumnKeys,
    null_tag: impl Fn(usize) -> u8,
) -> Result<(), ModelError> {
    let floating = matches!(
        column.data_type,
        DataType::Float16 | DataType::Float32 | DataType::Float64
    );
    let decimal = column.data_type.is_decimal();
    if floating {
        for (row, number) in numbers_of(&column.name, typed)?.into_iter().enumerate() {
            // Minus zero equals zero in SQL, and every NaN equals every other.
            let canonical = if number.is_nan() {
                f64::NAN
            } else {
                number + 0.0
            };
            keys.push(|key| match typed.is_null(row) {
                true => key.push(null_tag(row)),
                false => put_integer(key, TAG_FLOAT, canonical.to_bits() as i64),
            });
        }
        return Ok(());
    }
    let damaged = |_| ModelError::damaged("a key column cannot be converted");
    if decimal || column.data_type == DataType::UInt64 {
        let options = FormatOptions::default();
        let formatter = ArrayFormatter::try_new(typed, &options).map_err(damaged)?;
        for row in 0..typed.len() {
            keys.push(|key| match typed.is_null(row) {
                true => key.push(null_tag(row)),
                false => put_text(key, &formatter.value(row).to_string()),
            });
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
    let wide = wide.as_primitive::<Int64Type>();
    if wide.null_count() == 0 {
        *keys = ColumnKeys::Integers(wide.values().to_vec());
        return Ok(());
    }
    for (row, integer) in wide.iter().enumerate() {
        keys.push(|key| match integer {
            None => key.push(null_tag(row)),
            Some(integer) => put_integer(key, TAG_INTEGER, integer),
        });
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

    fn keys_of(columns: &[KeyColumn], arrays: &[ArrayRef], rows: usize) -> Vec<Vec<u8>> {
        let keys = group_keys(columns, arrays, rows).unwrap().to_array();
        keys.iter().flatten().map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn widths_of_a_type_agree_and_values_do_not() {
        let column = KeyColumn::new(&Field::new("zip", DataType::Int64, true)).unwrap();
        let wide: ArrayRef = Arc::new(Int64Array::from(vec![Some(98_001), None, Some(5)]));
        let narrow: ArrayRef = Arc::new(Int32Array::from(vec![Some(98_001), None, Some(5)]));
        let columns = [column];
        let keys = keys_of(&columns, &[wide], 3);
        assert_eq!(keys, keys_of(&columns, &[narrow], 3));
        assert!(keys[0] != keys[1] && keys[0] != keys[2] && keys[1] != keys[2]);
    }

    #[test]
    fn a_value_that_does_not_fit_is_not_null() {
        let column = KeyColumn::new(&Field::new("k", DataType::Int32, true)).unwrap();
        let huge: ArrayRef = Arc::new(Int64Array::from(vec![None, Some(i64::MAX)]));
        let keys = keys_of(&[column], &[huge], 2);
        assert_ne!(keys[0], keys[1]);
    }

    #[test]
    fn texts_cannot_run_into_each_other() {
        let a = KeyColumn::new(&Field::new("a", DataType::Utf8, true)).unwrap();
        let b = KeyColumn::new(&Field::new("b", DataType::Utf8, true)).unwrap();
        let left: ArrayRef = Arc::new(StringArray::from(vec!["ab", "a"]));
        let right: ArrayRef = Arc::new(StringViewArray::from(vec!["c", "bc"]));
        let keys = keys_of(&[a, b], &[left, right], 2);
        assert_ne!(keys[0], keys[1]);
    }
}
