//! Gradient-boosted trees, random forests and extra-trees on integer histograms.
//!
//! `options` are checked; `encode` bins columns (`bins`, `categories`); `cpu` runs the rounds: `objective` gives
//! gradients, `grow` splits leaves with the help of `histogram` and `split`; `model` holds the result, `predict` scores
//! with it, many rows by means of `ranked`. The same rows give the same bytes on any number of threads, with any instruction set and in any order.

mod bins;
pub(crate) mod boost;
mod categories;
mod cpu;
mod encode;
mod few_rows;
mod grow;
mod histogram;
mod memory;
mod model;
mod objective;
mod options;
mod partition;
mod pieces;
mod predict;
mod random_cuts;
mod ranked;
mod record;
mod rules;
mod scan;
mod sides;
mod split;
mod sums;
#[cfg(test)]
mod tests;
mod view;

pub(crate) use categories::{
    CategoryRows, STATISTIC_CLASSES_MAX, StatisticTable, ordered_statistics, seen_levels,
    statistic_targets, visiting_order,
};
pub use cpu::{TreesFit, TreesScratch, fit};
pub(crate) use memory::{TreesShape, working_bytes};
pub use model::TreesModel;
pub use options::{CheckedTreesOptions, Growth, Mode, Objective, TreesOptions};
pub use view::{Question, TreeNode};
