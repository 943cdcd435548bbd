//! Which fits see the same binned rows? Those of one fold, whatever their configuration; they are binned and sent over once.

use crate::device::{Launch, pairs};
use crate::error::GpuError;
use crate::fit::Fit;
use crate::matrix::Column;
use crate::trees::CheckedTreesOptions;
use crate::trees::bins::{Block, LANES};
use crate::trees::encode::{CUT_ROWS_MAX, EncodeInput, Encoded, encode};
use crate::trees::objective::Targets;
use crate::trees::options::Objective;
use crate::trees::sides::canonical;

/// Bins of a run, as in `fit.h`.
const RUN: usize = 8;
const BLOCK_LEVELS: u64 = 1;
const BLOCK_PENALISED: u64 = 2;

/// What binned rows follow from. Shared data and rows are known by their address: equal keys mean equal rows, unequal ones
/// may still do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BinnedKey {
    rows: [usize; 5],
    bins: [u32; 3],
    smoothing: u64,
    /// 0 unless something is drawn.
    seed: u64,
    /// Whether labels below zero are refused.
    log_link: bool,
}

impl BinnedKey {
    pub(crate) fn new(fit: &Fit, options: &CheckedTreesOptions) -> Self {
        let columns = fit.data.features().columns();
        let categories = columns
            .iter()
            .any(|c| matches!(c, Column::Categorical { .. }));
        let draws = categories || fit.train.len() > CUT_ROWS_MAX;
        let log_link = matches!(
            options.objective,
            Objective::Poisson | Objective::Tweedie { .. }
        );
        Self {
            rows: [
                std::sync::Arc::as_ptr(&fit.data) as usize,
                fit.train.as_ptr() as usize,
                fit.train.len(),
                fit.valid.as_ptr() as usize,
                fit.valid.len(),
            ],
            bins: [
                options.max_bins,
                options.min_bin_rows,
                options.one_vs_rest_levels,
            ],
            smoothing: options.category_smoothing.to_bits(),
            seed: if draws { fit.seed } else { 0 },
            log_link,
        }
    }
}

/// Rows as kernels read them: training rows in canonical order, then held-out rows.
pub(crate) struct Binned {
    pub(super) encoded: Encoded,
    pub(super) labels: Vec<f64>,
    pub(super) weights: Option<Vec<f64>>,
    /// Row keys of the training rows.
    pub(super) keys: Vec<u64>,
    pub(super) train_rows: usize,
}

impl Binned {
    /// Bins the rows of a fit of boosted trees.
    pub(crate) fn new(fit: &Fit, options: &CheckedTreesOptions) -> Result<Self, GpuError> {
        let data = fit.data.as_ref();
        let objective = options.objective.resolve(data.task())?;
        let (all, train_rows) = canonical(data, fit.rows(), objective)?;
        let encoded = encode(&EncodeInput {
            data,
            rows: &all,
            train_rows,
            options,
            seed: fit.seed,
            parallel: false,
        })?;
        let train = &all[..train_rows];
        Ok(Self {
            encoded,
            labels: all.iter().map(|&row| data.labels()[row as usize]).collect(),
            weights: data
                .weights()
                .map(|_| all.iter().map(|&row| data.weight(row)).collect()),
            keys: train
                .iter()
                .map(|&row| data.row_keys()[row as usize])
                .collect(),
            train_rows,
        })
    }

    /// Entries of the runs of one histogram.
    pub(super) fn runs_len(&self) -> usize {
        self.encoded.grid.blocks.iter().map(run_entries).sum()
    }

    pub(super) fn rows(&self) -> usize {
        self.labels.len()
    }

    pub(super) fn valid_rows(&self) -> usize {
        self.labels.len() - self.train_rows
    }

    pub(super) fn train_targets(&self) -> Targets<'_> {
        Targets {
            labels: &self.labels[..self.train_rows],
            weights: self
                .weights
                .as_deref()
                .map(|weights| &weights[..self.train_rows]),
        }
    }

    /// Total weights of training and held-out rows.
    pub(super) fn weight_totals(&self) -> (f64, f64) {
        let total = |from: usize, to: usize| {
            let weights = self.weights.as_deref();
            weights.map_or((to - from) as f64, |weights| weights[from..to].iter().sum())
        };
        (
            total(0, self.train_rows),
            total(self.train_rows, self.rows()),
        )
    }

    /// Words of input.
    pub(super) fn words(&self) -> usize {
        let grid = &self.encoded.grid;
        grid.bins.len()
            + self.labels.len()
            + self.weights.as_ref().map_or(0, Vec::len)
            + self.keys.len()
            + 6 * grid.blocks.len()
            + self.encoded.features.len().div_ceil(2)
    }

    /// Adds the rows to a launch, unless they are there; answers where its bins, labels, weights, keys and grid lie.
    pub(super) fn write(&self, launch: &mut Launch) -> [u64; 5] {
        launch.share(self, |launch| {
            let weights = self.weights.as_deref().unwrap_or(&[]);
            let grid = &self.encoded.grid;
            [
                launch.put(grid.bins.iter().copied()),
                launch.put(self.labels.iter().map(|label| label.to_bits())),
                launch.put(weights.iter().map(|weight| weight.to_bits())),
                launch.put(self.keys.iter().copied()),
                launch.put(self.grid_words().into_iter()),
            ]
        })
    }

    /// Shapes of the blocks, the feature of each slot and the slot of each feature.
    fn grid_words(&self) -> Vec<u64> {
        let grid = &self.encoded.grid;
        let mut words = Vec::with_capacity(6 * grid.blocks.len());
        let mut runs_offset = 0;
        for block in &grid.blocks {
            let flags = if block.levels { BLOCK_LEVELS } else { 0 }
                | if block.penalised { BLOCK_PENALISED } else { 0 };
            words.push(block.lanes as u64 | (block.bins as u64) << 32 | flags << 48);
            words.push(block.offset as u64 | runs_offset << 32);
            runs_offset += run_entries(block) as u64;
        }
        words.extend(pairs(&grid.slots));
        let mut slots = vec![0; self.encoded.features.len()];
        for (slot, &feature) in grid.slots.iter().enumerate() {
            if feature != u32::MAX {
                slots[feature as usize] = slot as u32;
            }
        }
        words.extend(pairs(&slots));
        words
    }
}

/// Sums of runs of bins that a block has; see `sum_runs` in `tree.h`.
fn run_entries(block: &Block) -> usize {
    LANES * block.bins.div_ceil(RUN)
}
