//! How does a category of many levels become a number without leaking its own label? By ordered target statistics: rows
//! are put in a random order that depends only on seed and row key, and each row sees the smoothed mean label of the
//! *earlier* rows of its level. A model keeps the means over all training rows for later rows to look up.
//!
//! Prokhorenkova et al., "CatBoost: unbiased boosting with categorical features", NeurIPS 2018, §3.

use crate::bytes::{Reader, Writer};
use crate::error::DecodeError;
use crate::matrix::{Dataset, LEVELS_MAX, Task};
use crate::random::{Stream, draw};

/// Classes that each get a statistic of their own.
pub(crate) const STATISTIC_CLASSES_MAX: usize = 16;

/// The numbers that replace the levels of a category column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StatisticTable {
    /// Size of the dictionary; codes past it are missing.
    dictionary: u32,
    /// Levels seen in training, ascending.
    levels: Vec<u32>,
    /// Smoothed mean of each.
    values: Vec<f32>,
    /// Answer for a level of the dictionary that training never saw.
    prior: f32,
}

impl StatisticTable {
    /// The number of a code; NaN when it is missing or past the dictionary.
    pub(crate) fn value(&self, code: u32) -> f32 {
        if code >= self.dictionary {
            return f32::NAN;
        }
        self.levels
            .binary_search(&code)
            .map_or(self.prior, |position| self.values[position])
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.u32(self.dictionary);
        out.f32(self.prior);
        out.count(self.levels.len());
        for (&level, &value) in self.levels.iter().zip(&self.values) {
            out.u32(level);
            out.f32(value);
        }
    }

    pub(crate) fn read(from: &mut Reader) -> Result<Self, DecodeError> {
        const WHAT: &str = "a category statistic";
        let dictionary = from.bounded(WHAT, LEVELS_MAX)? as u32;
        let prior = from.f32()?;
        let count = from.count(WHAT, dictionary as usize, 8)?;
        let (mut levels, mut values) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for _ in 0..count {
            levels.push(from.u32()?);
            values.push(from.f32()?);
        }
        let ascending = levels.is_sorted_by(|a, b| a < b)
            && levels.last().is_none_or(|&last| last < dictionary);
        if !ascending || !prior.is_finite() || values.iter().any(|value| !value.is_finite()) {
            return Err(DecodeError::Invalid { what: WHAT });
        }
        Ok(Self {
            dictionary,
            levels,
            values,
            prior,
        })
    }
}

/// The levels that occur in a column's codes, ascending, without missing ones.
pub(crate) fn seen_levels(codes: impl Iterator<Item = u32>, dictionary: u32) -> Vec<u32> {
    let mut levels: Vec<u32> = codes.filter(|&code| code < dictionary).collect();
    levels.sort_unstable();
    levels.dedup();
    levels
}

/// What a statistic is the mean of: the label, or how often it is one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StatisticTarget(Option<u32>);

impl StatisticTarget {
    /// Value and weight of a row.
    pub(crate) fn target(self, data: &Dataset, row: u32) -> (f64, f64) {
        let label = data.labels()[row as usize];
        let value = self.0.map_or(label, |class| {
            f64::from(u8::from(label == f64::from(class)))
        });
        (value, data.weight(row))
    }
}

/// The statistics that a category column is replaced by: one for numbers and two classes, one per class (the most
/// frequent [`STATISTIC_CLASSES_MAX`]) for more.
pub(crate) fn statistic_targets(data: &Dataset, train: &[u32]) -> Vec<StatisticTarget> {
    let classes = match data.task() {
        Task::Regression => return vec![StatisticTarget(None)],
        Task::Classification { classes: 0..=2 } => return vec![StatisticTarget(Some(1))],
        Task::Classification { classes } => classes,
    };
    let mut counts: Vec<(usize, u32)> = (0..classes).map(|class| (0, class)).collect();
    for &row in train {
        counts[data.labels()[row as usize] as usize].0 += 1;
    }
    counts.sort_by_key(|&(count, class)| (std::cmp::Reverse(count), class));
    counts.truncate(STATISTIC_CLASSES_MAX);
    counts
        .into_iter()
        .map(|(_, class)| StatisticTarget(Some(class)))
        .collect()
}

/// The random order in which statistics see the training rows.
pub(crate) fn visiting_order(seed: u64, keys: impl Iterator<Item = u64>) -> Vec<u32> {
    let drawn: Vec<u64> = keys
        .map(|key| draw(seed, Stream::CategoryOrder, 0, key))
        .collect();
    let mut order: Vec<u32> = (0..drawn.len() as u32).collect();
    order.sort_by_key(|&row| drawn[row as usize]);
    order
}

/// A category column of the training rows, in their canonical order.
pub(crate) struct CategoryRows<'a> {
    pub(crate) codes: &'a [u32],
    pub(crate) dictionary: u32,
    /// What [`seen_levels`] answers.
    pub(crate) levels: &'a [u32],
    /// What [`visiting_order`] answers.
    pub(crate) order: &'a [u32],
}

/// Statistics of a category column against one target, the label or a class indicator, with its weight.
///
/// Answers the leak-free value of each training row (NaN where the code is missing) and the table for any other row.
pub(crate) fn ordered_statistics(
    rows: &CategoryRows,
    target: impl Fn(usize) -> (f64, f64),
    smoothing: f64,
) -> (Vec<f32>, StatisticTable) {
    let (mut total, mut weight_total) = (0.0, 0.0);
    for row in 0..rows.codes.len() {
        let (value, weight) = target(row);
        total += weight * value;
        weight_total += weight;
    }
    let prior = if weight_total > 0.0 {
        total / weight_total
    } else {
        0.0
    };
    let smoothed =
        |(sum, count): (f64, f64)| ((sum + smoothing * prior) / (count + smoothing)) as f32;
    let mut sums = vec![(0.0f64, 0.0f64); rows.levels.len()];
    let mut values = vec![f32::NAN; rows.codes.len()];
    for &row in rows.order {
        let row = row as usize;
        let Ok(position) = rows.levels.binary_search(&rows.codes[row]) else {
            continue;
        };
        let level = &mut sums[position];
        values[row] = smoothed(*level);
        let (value, weight) = target(row);
        level.0 += weight * value;
        level.1 += weight;
    }
    let table = StatisticTable {
        dictionary: rows.dictionary,
        levels: rows.levels.to_vec(),
        values: sums.into_iter().map(smoothed).collect(),
        prior: prior as f32,
    };
    (values, table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::MISSING_LEVEL;

    #[test]
    fn each_row_sees_only_earlier_rows_of_its_level() {
        let codes = [0, 0, 1, 0, MISSING_LEVEL];
        let labels = [1.0, 0.0, 1.0, 1.0, 0.0];
        let rows = CategoryRows {
            codes: &codes,
            dictionary: 3,
            levels: &[0, 1],
            order: &[3, 0, 1, 2, 4],
        };
        let (values, table) = ordered_statistics(&rows, |row| (labels[row], 1.0), 2.0);
        let prior = 0.6;
        let expect = |sum: f64, count: f64| ((sum + 2.0 * prior) / (count + 2.0)) as f32;
        assert_eq!(
            &values[..4],
            &[
                expect(1.0, 1.0),
                expect(2.0, 2.0),
                expect(0.0, 0.0),
                expect(0.0, 0.0)
            ]
        );
        assert!(values[4].is_nan());
        assert_eq!(table.value(0), expect(2.0, 3.0));
        assert_eq!(table.value(1), expect(1.0, 1.0));
        assert_eq!(table.value(2), prior as f32);
        assert!(table.value(3).is_nan() && table.value(MISSING_LEVEL).is_nan());
    }

    #[test]
    fn a_label_never_moves_its_own_value() {
        let codes: Vec<u32> = (0..200).map(|i| i % 7).collect();
        let levels: Vec<u32> = (0..7).collect();
        let order = visiting_order(3, 0..200u64);
        let rows = CategoryRows {
            codes: &codes,
            dictionary: 7,
            levels: &levels,
            order: &order,
        };
        for row in 0..200usize {
            let with = |flip: f64| {
                let target = move |r: usize| {
                    (
                        if r == row {
                            flip
                        } else {
                            f64::from(r as u32 % 3)
                        },
                        1.0,
                    )
                };
                // The prior is shared, so keep it out of the comparison with next to no smoothing.
                ordered_statistics(&rows, target, 1e-9).0[row]
            };
            let (a, b) = (with(0.0), with(1.0));
            assert!((a - b).abs() < 0.02, "row {row}: {a} {b}");
        }
    }

    #[test]
    fn the_order_follows_keys_not_positions() {
        let forward = visiting_order(9, 0..50u64);
        let backward = visiting_order(9, (0..50u64).rev());
        assert_eq!(
            forward,
            backward.iter().map(|&row| 49 - row).collect::<Vec<_>>()
        );
        assert_ne!(forward, (0..50).collect::<Vec<_>>());
    }
}
