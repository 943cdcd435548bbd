//! Which groups stand for all of them while settings are chosen?
//!
//! Settings and the parent need no more rows than a search looks at, so of a large table whole groups are drawn, by a
//! hash of their keys; every group is fitted in the end. A group that is large in itself gives a part of its rows, by
//! their content. The draw depends on the set of rows alone.

use std::collections::HashMap;

use tarn_udfs::fit::error::TrainError;
use tarn_udfs::model::bytes::{hash_bytes, mix};

use super::training_set::TrainingSet;

/// Cells of encoded rows up to which all groups take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupCells {
    /// In a search.
    pub search_max: u64,
    /// When the statement names the algorithm: only the parent and the report look at them.
    pub named_max: u64,
}

impl Default for GroupCells {
    fn default() -> Self {
        Self {
            search_max: 20_000_000,
            named_max: 4_000_000,
        }
    }
}

/// The drawn groups.
#[derive(Debug)]
pub struct GroupSample {
    /// Share of each drawn group's rows, as the largest hash that takes part.
    hash_max: HashMap<Vec<u8>, u64>,
    /// Rows that take part.
    pub rows: u64,
    /// All groups.
    pub groups: usize,
}

impl GroupSample {
    /// Draws groups; `None` when all rows may take part. `width` is the number of columns.
    pub fn draw(
        set: &TrainingSet,
        width: usize,
        cells_max: u64,
        seed: u64,
    ) -> Result<Option<Self>, TrainError> {
        let rows_max = cells_max / width.max(1) as u64;
        if set.rows() <= rows_max {
            return Ok(None);
        }
        Ok(Some(Self::of_sizes(sizes(set)?, rows_max, seed)))
    }

    fn of_sizes(sizes: HashMap<Vec<u8>, u64>, rows_max: u64, seed: u64) -> Self {
        let groups = sizes.len();
        let mut order: Vec<(u64, Vec<u8>, u64)> = sizes
            .into_iter()
            .map(|(key, rows)| (hash_bytes(seed, &key), key, rows))
            .collect();
        order.sort_unstable();
        // A group may fill half of the room, so that there are two at least.
        let group_rows_max = (rows_max / 2).max(1);
        let mut sample = Self {
            hash_max: HashMap::new(),
            rows: 0,
            groups,
        };
        for (_, key, rows) in order {
            let taken = rows.min(group_rows_max);
            if sample.rows + taken > rows_max {
                continue;
            }
            let share = taken as f64 / rows as f64;
            let hash_max = if taken == rows {
                u64::MAX
            } else {
                (share * u64::MAX as f64) as u64
            };
            sample.hash_max.insert(key, hash_max);
            sample.rows += taken;
        }
        sample
    }

    /// Number of drawn groups.
    pub fn drawn(&self) -> usize {
        self.hash_max.len()
    }

    /// Whether a row takes part, by its group's key and its content.
    pub fn takes(&self, key: &[u8], row_key: u64) -> bool {
        let hash_max = self.hash_max.get(key);
        hash_max.is_some_and(|&hash_max| mix(row_key ^ 0x5A17) <= hash_max)
    }
}

fn sizes(set: &TrainingSet) -> Result<HashMap<Vec<u8>, u64>, TrainError> {
    let mut sizes: HashMap<Vec<u8>, u64> = HashMap::new();
    set.visit_unordered(|rows| {
        for key in rows.group_keys().into_iter().flatten().flatten() {
            match sizes.get_mut(key) {
                Some(count) => *count += 1,
                None => {
                    sizes.insert(key.to_vec(), 1);
                }
            }
        }
        Ok(())
    })?;
    Ok(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(sizes: impl IntoIterator<Item = (u8, u64)>, rows_max: u64) -> GroupSample {
        let sizes = sizes.into_iter().map(|(key, rows)| (vec![key], rows));
        GroupSample::of_sizes(sizes.collect(), rows_max, 3)
    }

    #[test]
    fn whole_groups_are_drawn_and_a_large_one_gives_a_part() {
        let drawn = sample((0..100).map(|key| (key, 50)), 1_000);
        assert_eq!((drawn.drawn(), drawn.rows, drawn.groups), (20, 1_000, 100));
        let again = sample((0..100).rev().map(|key| (key, 50)), 1_000);
        assert_eq!(drawn.hash_max, again.hash_max);
        let large = sample([(1, 1_000_000), (2, 1_000_000), (3, 1_000_000)], 1_000);
        assert_eq!(large.drawn(), 2);
        let taken = (0..1_000_000u64)
            .filter(|row| large.hash_max.keys().any(|key| large.takes(key, mix(*row))));
        let taken = taken.count() as f64;
        assert!((taken - 500.0).abs() < 100.0, "{taken}");
        assert!(!large.takes(&[9], 0));
    }
}
