//! Which groups are there, and which of them have enough rows for a model of their own?

use std::collections::HashSet;
use std::ops::Range;

use tarn_udfs::model::bytes::hash_bytes;
use tarn_udfs::model::label::Task;

use super::problem::Problem;
use super::training_set::{SortedRows, TrainingSet, key_text};

/// Fewest rows of a group that AUTOML gives a model of its own.
pub const AUTOML_ROWS_MIN: usize = 20;
/// The same when the statement names the algorithm.
pub const NAMED_ROWS_MIN: usize = 5;

/// A group of a problem: a run of its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Encoded key.
    pub key: Vec<u8>,
    /// Key as a person reads it.
    pub text: String,
    /// Rows, by position in the problem.
    pub rows: Range<u32>,
    /// Why it gets no model of its own.
    pub unfit: Option<String>,
}

impl Group {
    /// All row positions.
    pub fn positions(&self) -> Vec<u32> {
        self.rows.clone().collect()
    }
}

/// Notes the groups of a bucket, whose first row has the position `offset` in the problem.
pub fn note_groups(groups: &mut Vec<Group>, rows: &SortedRows, offset: usize) {
    let Some(keys) = rows.group_keys() else {
        return;
    };
    for range in rows.groups().into_iter().filter(|range| !range.is_empty()) {
        groups.push(Group {
            key: keys.value(range.start).to_vec(),
            text: key_text(rows.keys(), range.start),
            rows: (offset + range.start) as u32..(offset + range.end) as u32,
            unfit: None,
        });
    }
}

/// Says of each group why it cannot have a model of its own, if it cannot.
pub fn judge_sizes(groups: &mut [Group], problem: &Problem, rows_min: usize) {
    for group in groups {
        let labels = &problem.data.labels()[group.rows.start as usize..group.rows.end as usize];
        let first = labels.first().copied().unwrap_or_default();
        let same = labels.iter().all(|&label| label == first);
        group.unfit = if labels.len() < rows_min {
            Some(format!(
                "only {} rows have a label; a model of its own needs {rows_min}",
                labels.len()
            ))
        } else if same && problem.task == Task::Classification {
            Some("all rows have the same class".to_owned())
        } else {
            None
        };
    }
}

/// Groups whose every row lacks a label: they appear in no problem, only in the report. `known` are the others' keys.
pub fn without_labels(set: &TrainingSet, known: &HashSet<Vec<u8>>) -> Vec<(String, u64)> {
    let unlabelled = set
        .unlabelled()
        .iter()
        .filter(|(key, _)| !known.contains(key.as_slice()));
    unlabelled
        .map(|(_, (text, rows))| (text.clone(), *rows))
        .collect()
}

/// At most `count` of the groups, chosen by a hash of their keys, in their order.
pub fn sample(groups: &[Group], count: usize, seed: u64) -> Vec<usize> {
    let mut chosen: Vec<usize> = (0..groups.len())
        .filter(|&group| groups[group].unfit.is_none())
        .collect();
    chosen.sort_by_key(|&group| (hash_bytes(seed, &groups[group].key), group));
    chosen.truncate(count);
    chosen.sort_unstable();
    chosen
}
