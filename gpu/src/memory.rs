//! How much memory will a fit take at most, beyond the data it shares? Asked before it starts, so that a caller can bound
//! what runs at once.

use crate::design::{CHUNK_ROWS, HELD_CELLS_MAX, ONE_HOT_LEVELS_MAX};
use crate::fit::{Fit, Learner};
use crate::linear::INFERENCE_TERMS_MAX;
use crate::matrix::{Column, Task};
use crate::trees::{CheckedTreesOptions, STATISTIC_CLASSES_MAX, TreesShape, working_bytes};

/// Small things: features, cuts, curves.
const SLACK_BYTES: usize = 64 << 10;

impl Fit {
    /// Bytes that the fit holds at its peak, its working memory and outcome included, its dataset not. An estimate from
    /// shapes and options, more often too high than too low: trees may stop growing early and columns may be constant.
    pub fn memory_bytes(&self) -> usize {
        let rows = self.train.len() + self.valid.len();
        let outputs = match self.data.task() {
            Task::Regression | Task::Classification { classes: 0..=2 } => 1,
            Task::Classification { classes } => classes as usize,
        };
        // Rows in canonical order, and the answers for held-out rows while they become probabilities.
        let shared = 12 * rows + 24 * self.valid.len() * outputs.max(2);
        let learner = match &self.learner {
            Learner::Trees(options) => self.trees_bytes(options, outputs),
            Learner::Linear(_) => self.linear_bytes(outputs, 24),
            Learner::Logistic(_) => self.linear_bytes(outputs, 56 + 8 * outputs),
            Learner::Baseline(_) => 16 * self.train.len(),
        };
        SLACK_BYTES + shared + learner
    }

    fn trees_bytes(&self, options: &CheckedTreesOptions, outputs: usize) -> usize {
        let (mut features, mut statistics) = (0, 0);
        for column in self.data.features().columns() {
            match column {
                Column::Categorical { levels, .. } if *levels > options.one_vs_rest_levels => {
                    let replaced = if outputs > 1 {
                        outputs.min(STATISTIC_CLASSES_MAX)
                    } else {
                        1
                    };
                    statistics += replaced;
                    features += replaced;
                }
                _ => features += 1,
            }
        }
        working_bytes(
            options,
            TreesShape {
                train_rows: self.train.len(),
                valid_rows: self.valid.len(),
                features,
                statistics,
                outputs,
                classes: matches!(self.data.task(), Task::Classification { .. }),
                weighted: self.data.weights().is_some(),
            },
        )
    }

    /// Bytes of a linear learner that holds `row_bytes` per row beside its terms.
    fn linear_bytes(&self, outputs: usize, row_bytes: usize) -> usize {
        let width: usize = self
            .data
            .features()
            .columns()
            .iter()
            .map(|column| self.terms(column, outputs))
            .sum();
        let train = self.train.len();
        let cells = width * train;
        let held = if cells <= HELD_CELLS_MAX {
            cells
        } else {
            width * CHUNK_ROWS
        };
        // The Gram matrix with its factor, and for standard errors two inverses.
        let squares = if width <= INFERENCE_TERMS_MAX { 4 } else { 2 };
        let scored = width * CHUNK_ROWS.min(self.valid.len());
        8 * (held + scored + squares * width * width)
            + row_bytes * train
            + 256 * width * (1 + outputs)
    }

    /// Terms that a column becomes.
    fn terms(&self, column: &Column, outputs: usize) -> usize {
        match column {
            Column::Numeric(values) => {
                let missing = |&row: &u32| values.get(row as usize).is_some_and(|v| v.is_nan());
                1 + usize::from(self.train.iter().any(missing))
            }
            Column::Categorical { levels, .. } => {
                let one_hot = (*levels as usize).min(ONE_HOT_LEVELS_MAX);
                one_hot.max(outputs.min(STATISTIC_CLASSES_MAX))
            }
        }
    }
}
