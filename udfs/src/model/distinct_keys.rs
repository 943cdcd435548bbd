//! Which rows of a batch have the same group key?
//!
//! Keys are numbered in the order of their first rows, by a hash table that knows their bytes only through those rows:
//! nothing is copied, and a key like that of the row before is not looked up at all.

use super::group_key::GroupKeys;

/// The different keys of some rows.
#[derive(Debug, PartialEq, Eq)]
pub struct DistinctKeys {
    /// The number of each row's key.
    pub of_rows: Vec<u32>,
    /// The first row of each key.
    pub first_rows: Vec<u32>,
}

/// One entry of the table; `key` is the key's number plus 1, 0 says that the slot is free.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    hash: u64,
    key: u32,
}

const SLOTS_MIN: usize = 64;

impl DistinctKeys {
    /// Numbers the keys of these rows.
    pub fn of(keys: &GroupKeys) -> Self {
        let mut found = Self {
            of_rows: Vec::with_capacity(keys.rows()),
            first_rows: Vec::new(),
        };
        let mut slots = vec![Slot::default(); SLOTS_MIN];
        for row in 0..keys.rows() {
            if row > 0 && keys.equal(row, row - 1) {
                found.of_rows.push(found.of_rows[row - 1]);
                continue;
            }
            if 2 * found.first_rows.len() >= slots.len() {
                slots = widened(&slots);
            }
            let key = found.look_up(keys, row, &mut slots);
            found.of_rows.push(key);
        }
        found
    }

    fn look_up(&mut self, keys: &GroupKeys, row: usize, slots: &mut [Slot]) -> u32 {
        let hash = keys.hash(row);
        let mut at = hash as usize & (slots.len() - 1);
        loop {
            let slot = &mut slots[at];
            if slot.key == 0 {
                self.first_rows.push(row as u32);
                *slot = Slot {
                    hash,
                    key: self.first_rows.len() as u32,
                };
                return slot.key - 1;
            }
            let key = slot.key - 1;
            if slot.hash == hash && keys.equal(row, self.first_rows[key as usize] as usize) {
                return key;
            }
            at = (at + 1) & (slots.len() - 1);
        }
    }
}

fn widened(slots: &[Slot]) -> Vec<Slot> {
    let mut wide = vec![Slot::default(); 2 * slots.len()];
    for &slot in slots.iter().filter(|slot| slot.key != 0) {
        let mut at = slot.hash as usize & (wide.len() - 1);
        while wide[at].key != 0 {
            at = (at + 1) & (wide.len() - 1);
        }
        wide[at] = slot;
    }
    wide
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};
    use arrow::datatypes::{DataType, Field};

    use super::*;
    use crate::model::group_key::{KeyColumn, group_keys};

    #[test]
    fn keys_are_numbered_by_their_first_rows_and_told_apart_in_every_column() {
        let number = KeyColumn::new(&Field::new("n", DataType::Int64, true)).unwrap();
        let text = KeyColumn::new(&Field::new("t", DataType::Utf8, true)).unwrap();
        let rows = 5_000;
        let numbers = (0..rows).map(|row| (row % 7 != 0).then_some(row * 37 % 300));
        let texts = (0..rows).map(|row| (row % 11 != 0).then(|| "x".repeat(row as usize % 3)));
        let arrays: [ArrayRef; 2] = [
            Arc::new(numbers.collect::<Int64Array>()),
            Arc::new(texts.collect::<StringArray>()),
        ];
        let keys = group_keys(&[number, text], &arrays, rows as usize).unwrap();
        let found = DistinctKeys::of(&keys);
        let mut known = HashMap::new();
        let mut first_rows = Vec::new();
        for (row, key) in keys.to_array().iter().flatten().enumerate() {
            let next = known.len() as u32;
            let number = *known.entry(key.to_vec()).or_insert_with(|| {
                first_rows.push(row as u32);
                next
            });
            assert_eq!(found.of_rows[row], number, "row {row}");
        }
        assert_eq!(found.first_rows, first_rows);
        assert!(first_rows.len() > 500);
    }

    #[test]
    fn no_rows_have_no_keys() {
        let number = KeyColumn::new(&Field::new("n", DataType::Int64, true)).unwrap();
        let none: ArrayRef = Arc::new(Int64Array::from(Vec::<i64>::new()));
        let found = DistinctKeys::of(&group_keys(&[number], &[none], 0).unwrap());
        assert!(found.of_rows.is_empty() && found.first_rows.is_empty());
    }
}
