//! What identifies a row: a hash of its content, so that nothing depends on the order in which rows arrive.

use crate::error::ModelError;
use crate::model::bytes::{hash_bytes, mix};
use crate::model::encode::{micros_of, visit_numbers, visit_text};
use crate::model::features::SourceFamily;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};

const NULL_HASH: u64 = 0x6A09_E667_F3BC_C908;

/// The key of each row over these columns, named for errors; equal rows have equal keys, whatever their place.
pub fn row_keys(
    names: &[String],
    arrays: &[ArrayRef],
    rows: usize,
) -> Result<Vec<u64>, ModelError> {
    let mut keys = vec![0x243F_6A88_85A3_08D3_u64; rows];
    for (position, (name, array)) in names.iter().zip(arrays).enumerate() {
        let salt = mix(position as u64 + 1);
        mix_column(name, array, salt, &mut keys)?;
    }
    Ok(keys)
}

fn mix_column(name: &str, array: &ArrayRef, salt: u64, keys: &mut [u64]) -> Result<(), ModelError> {
    let put = |key: &mut u64, hash: u64| *key = mix(key.rotate_left(5) ^ hash ^ salt);
    match SourceFamily::of(array.data_type()) {
        Some(SourceFamily::Text) => visit_text(name, array, |row, text| {
            put(
                &mut keys[row],
                text.map_or(NULL_HASH, |text| hash_bytes(1, text.as_bytes())),
            );
        })?,
        Some(SourceFamily::Date | SourceFamily::Timestamp) => {
            for (key, micros) in keys.iter_mut().zip(micros_of(name, array)?) {
                put(key, micros.map_or(NULL_HASH, |micros| mix(micros as u64)));
            }
        }
        Some(SourceFamily::Number) if is_wide_integer(array.data_type()) => {
            let wide = cast(array, &DataType::Int64)
                .map_err(|error| ModelError::damaged(error.to_string()))?;
            for (key, integer) in keys.iter_mut().zip(wide.as_primitive::<Int64Type>()) {
                put(
                    key,
                    integer.map_or(NULL_HASH, |integer| mix(integer as u64)),
                );
            }
        }
        Some(SourceFamily::Number | SourceFamily::Boolean) => {
            visit_numbers(name, array, |row, number| {
                // Minus zero equals zero and every NaN is missing, so each has one hash.
                let hash = if number.is_nan() {
                    NULL_HASH
                } else {
                    mix((number + 0.0).to_bits())
                };
                put(&mut keys[row], hash);
            })?;
        }
        None => {}
    }
    Ok(())
}

/// Integers beyond 2^53 are hashed as integers, or neighbours would share a key.
fn is_wide_integer(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Int64)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int64Array, StringArray, StringViewArray};

    use super::*;

    #[test]
    fn equal_rows_have_equal_keys_wherever_they_stand() {
        let names = ["a".to_owned(), "b".to_owned()];
        let numbers: ArrayRef = Arc::new(Float64Array::from(vec![
            Some(1.0),
            None,
            Some(0.0),
            Some(-0.0),
        ]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["x", "y", "z", "z"]));
        let views: ArrayRef = Arc::new(StringViewArray::from(vec!["x", "y", "z", "z"]));
        let keys = row_keys(&names, &[numbers.clone(), texts.clone()], 4).unwrap();
        assert_eq!(
            keys,
            row_keys(&names, &[numbers.clone(), views], 4).unwrap()
        );
        assert_eq!(keys[2], keys[3]);
        let tail = row_keys(&names, &[numbers.slice(1, 3), texts.slice(1, 3)], 3).unwrap();
        assert_eq!(keys[1..], tail);
        assert_ne!(keys[0], keys[1]);
    }

    #[test]
    fn neighbouring_large_integers_and_swapped_columns_differ() {
        let big: ArrayRef = Arc::new(Int64Array::from(vec![i64::MAX, i64::MAX - 1]));
        let keys = row_keys(&["a".into()], &[big], 2).unwrap();
        assert_ne!(keys[0], keys[1]);
        let one: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        let two: ArrayRef = Arc::new(Int64Array::from(vec![2]));
        let names = ["a".to_owned(), "b".to_owned()];
        let straight = row_keys(&names, &[one.clone(), two.clone()], 1).unwrap();
        assert_ne!(straight, row_keys(&names, &[two, one], 1).unwrap());
    }
}
