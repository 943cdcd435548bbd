//! Which rows does a fit learn from, which judge it, and which does nothing but the report see?
//!
//! Every choice keys on the row's content hash, never on its position: the same rows in any order split the same way.
//! Equal rows are numbered and fall apart like different ones: the hash covers the label, so keeping copies on one side
//! would take one answer of a repeated question away from the other side.

use crate::model::bytes::mix;
use crate::model::label::Task;

/// Bins of a numeric label within which rows are spread over folds.
const LABEL_BINS: usize = 10;
/// Rows below which metrics come from nested folds instead of one report split.
pub const NESTED_ROWS_MAX: usize = 1_000;

/// Rows that a fit learns from and rows that judge it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fold {
    /// Rows to learn from.
    pub train: Vec<u32>,
    /// Rows held out.
    pub valid: Vec<u32>,
}

/// What a split looks at.
#[derive(Debug, Clone, Copy)]
pub struct SplitRows<'a> {
    /// Content hash per row.
    pub row_keys: &'a [u64],
    /// Label per row: a number or a class code.
    pub labels: &'a [f64],
    /// Number or class.
    pub task: Task,
    /// Place in time per row, when the statement has ORDER BY.
    pub times: Option<&'a [i64]>,
    /// Seed of the statement.
    pub seed: u64,
}

impl SplitRows<'_> {
    /// Cuts `rows` in two: about `share` of them on the right. With times, the right side is the latest.
    pub fn cut(&self, rows: &[u32], share: f64) -> Fold {
        if let Some(times) = self.times {
            return cut_by_time(rows, times, share);
        }
        let parts = 1_000_u64;
        let right = (share * parts as f64).round() as u64;
        let mut fold = Fold {
            train: Vec::new(),
            valid: Vec::new(),
        };
        for (row, place, count) in self.spread(rows, 0xC07) {
            // The first share of each stratum's places goes to the right.
            let is_right = (place as u64 * parts) < right * count as u64;
            if is_right {
                fold.valid.push(row)
            } else {
                fold.train.push(row)
            }
        }
        fold.train.sort_unstable();
        fold.valid.sort_unstable();
        fold
    }

    /// Spreads `rows` over `count` folds. With times, fold `i` learns from everything before its own block.
    pub fn folds(&self, rows: &[u32], count: usize) -> Vec<Fold> {
        if let Some(times) = self.times {
            return folds_by_time(rows, times, count);
        }
        let mut fold_of: Vec<(u32, usize)> = self
            .spread(rows, 0xF01D)
            .into_iter()
            .map(|(row, place, _)| (row, place % count))
            .collect();
        fold_of.sort_unstable();
        let select = |keep: &dyn Fn(usize) -> bool| -> Vec<u32> {
            fold_of
                .iter()
                .filter(|(_, fold)| keep(*fold))
                .map(|(row, _)| *row)
                .collect()
        };
        (0..count)
            .map(|fold| Fold {
                train: select(&|other| other != fold),
                valid: select(&|other| other == fold),
            })
            .filter(|fold| !fold.train.is_empty() && !fold.valid.is_empty())
            .collect()
    }

    /// Each row with its place in a random order of its stratum, and the stratum's size.
    fn spread(&self, rows: &[u32], salt: u64) -> Vec<(u32, usize, usize)> {
        let seed = mix(self.seed ^ salt);
        let key = |row: u32| self.row_keys[row as usize];
        let mut spread = Vec::with_capacity(rows.len());
        for mut stratum in self.strata(rows) {
            stratum.sort_unstable_by_key(|&row| (key(row), row));
            let mut copy = 0_u64;
            let mut drawn: Vec<(u64, u32)> = Vec::with_capacity(stratum.len());
            for (index, &row) in stratum.iter().enumerate() {
                copy = if index > 0 && key(stratum[index - 1]) == key(row) {
                    copy + 1
                } else {
                    0
                };
                drawn.push((mix(key(row) ^ seed ^ mix(copy)), row));
            }
            drawn.sort_unstable();
            let count = drawn.len();
            spread.extend(
                drawn
                    .into_iter()
                    .enumerate()
                    .map(|(place, (_, row))| (row, place, count)),
            );
        }
        spread
    }

    fn strata(&self, rows: &[u32]) -> Vec<Vec<u32>> {
        let label = |row: u32| self.labels[row as usize];
        if self.task == Task::Classification {
            let mut strata: Vec<Vec<u32>> = Vec::new();
            for &row in rows {
                let class = label(row) as usize;
                if strata.len() <= class {
                    strata.resize(class + 1, Vec::new());
                }
                strata[class].push(row);
            }
            return strata;
        }
        let mut ordered = rows.to_vec();
        let key = |row: u32| self.row_keys[row as usize];
        ordered.sort_unstable_by(|&a, &b| {
            label(a)
                .total_cmp(&label(b))
                .then_with(|| key(a).cmp(&key(b)))
        });
        let size = ordered.len().div_ceil(LABEL_BINS).max(1);
        ordered.chunks(size).map(<[u32]>::to_vec).collect()
    }
}

fn by_time(rows: &[u32], times: &[i64]) -> Vec<u32> {
    let mut ordered = rows.to_vec();
    ordered.sort_by_key(|&row| times[row as usize]);
    ordered
}

/// The first position at or after `wanted` where time changes, so that one moment stays on one side.
fn boundary(ordered: &[u32], times: &[i64], wanted: usize) -> usize {
    let time = |index: usize| times[ordered[index] as usize];
    let mut at = wanted.min(ordered.len());
    while at > 0 && at < ordered.len() && time(at) == time(at - 1) {
        at += 1;
    }
    at
}

fn cut_by_time(rows: &[u32], times: &[i64], share: f64) -> Fold {
    let ordered = by_time(rows, times);
    let wanted = ordered.len() - (share * ordered.len() as f64).round() as usize;
    let at = boundary(&ordered, times, wanted);
    Fold {
        train: ordered[..at].to_vec(),
        valid: ordered[at..].to_vec(),
    }
}

fn folds_by_time(rows: &[u32], times: &[i64], count: usize) -> Vec<Fold> {
    let ordered = by_time(rows, times);
    // One block more than folds: the first has no past to learn from.
    let cut = |block: usize| boundary(&ordered, times, ordered.len() * block / (count + 1));
    (1..=count)
        .map(|block| Fold {
            train: ordered[..cut(block)].to_vec(),
            valid: ordered[cut(block)..cut(block + 1)].to_vec(),
        })
        .filter(|fold| !fold.train.is_empty() && !fold.valid.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn keys(count: u64) -> Vec<u64> {
        (0..count).map(mix).collect()
    }

    #[test]
    fn classes_keep_their_shares_and_every_row_is_held_out_once() {
        let row_keys = keys(1_000);
        let labels: Vec<f64> = (0..1_000).map(|row| f64::from(row % 10 == 0)).collect();
        let rows: Vec<u32> = (0..1_000).collect();
        let split = SplitRows {
            row_keys: &row_keys,
            labels: &labels,
            task: Task::Classification,
            times: None,
            seed: 0,
        };
        let cut = split.cut(&rows, 0.2);
        let positives = |rows: &[u32]| {
            rows.iter()
                .filter(|&&row| labels[row as usize] == 1.0)
                .count()
        };
        assert_eq!((cut.valid.len(), positives(&cut.valid)), (200, 20));
        let folds = split.folds(&cut.train, 5);
        let held: BTreeSet<u32> = folds
            .iter()
            .flat_map(|fold| fold.valid.iter().copied())
            .collect();
        assert_eq!(held.len(), 800);
        for fold in &folds {
            assert_eq!((fold.valid.len(), positives(&fold.valid)), (160, 16));
            assert_eq!(fold.train.len(), 640);
        }
        assert_ne!(SplitRows { seed: 1, ..split }.cut(&rows, 0.2), cut);
    }

    #[test]
    fn places_do_not_matter_and_copies_fall_apart() {
        let mut row_keys = keys(20);
        for _ in 0..4 {
            row_keys.extend_from_within(..);
        }
        let labels: Vec<f64> = row_keys.iter().map(|key| (key % 7) as f64).collect();
        let rows: Vec<u32> = (0..320).collect();
        let held_out = |row_keys: &[u64], labels: &[f64]| {
            let split = SplitRows {
                row_keys,
                labels,
                task: Task::Regression,
                times: None,
                seed: 3,
            };
            let mut keys: Vec<u64> = split
                .cut(&rows, 0.25)
                .valid
                .iter()
                .map(|&row| row_keys[row as usize])
                .collect();
            keys.sort_unstable();
            keys
        };
        let straight = held_out(&row_keys, &labels);
        assert!((70..=90).contains(&straight.len()), "{}", straight.len());
        let distinct: BTreeSet<u64> = straight.iter().copied().collect();
        assert!(
            distinct.len() >= 18,
            "copies of {} of 20 rows are held out",
            distinct.len()
        );
        let backwards: (Vec<u64>, Vec<f64>) = row_keys
            .iter()
            .copied()
            .zip(labels.iter().copied())
            .rev()
            .unzip();
        assert_eq!(straight, held_out(&backwards.0, &backwards.1));
    }

    #[test]
    fn time_never_runs_backwards() {
        let row_keys = keys(100);
        let labels = vec![0.0; 100];
        let times: Vec<i64> = (0..100).map(|row| (row * 37 % 100) / 3).collect();
        let rows: Vec<u32> = (0..100).collect();
        let split = SplitRows {
            row_keys: &row_keys,
            labels: &labels,
            task: Task::Regression,
            times: Some(&times),
            seed: 0,
        };
        let mut folds = split.folds(&rows, 4);
        folds.push(split.cut(&rows, 0.2));
        for fold in folds {
            let latest = fold.train.iter().map(|&row| times[row as usize]).max();
            let earliest = fold.valid.iter().map(|&row| times[row as usize]).min();
            assert!(latest < earliest);
        }
    }
}
