//! How much memory does a fit of trees work in? Sums of what its parts hold, from shapes and options.

use super::bins::{LANES, adaptive_bins};
use super::encode::CUT_ROWS_MAX;
use super::grow::{HELD_ROWS_MIN, HISTOGRAM_BYTES_MAX};
use super::model::TREE_NODES_MAX;
use super::options::{CheckedTreesOptions, Mode, Objective};

/// What the data of a fit look like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TreesShape {
    pub(crate) train_rows: usize,
    pub(crate) valid_rows: usize,
    /// Features after encoding.
    pub(crate) features: usize,
    /// Those of them that are category statistics.
    pub(crate) statistics: usize,
    pub(crate) outputs: usize,
    /// Whether labels are classes.
    pub(crate) classes: bool,
    pub(crate) weighted: bool,
}

/// Bytes of working memory and model at most.
pub(crate) fn working_bytes(options: &CheckedTreesOptions, shape: TreesShape) -> usize {
    let TreesShape {
        train_rows: train,
        valid_rows: valid,
        features,
        ..
    } = shape;
    let rows = train + valid;
    let blocks = features.div_ceil(LANES);
    let grid = 8 * blocks * rows;
    let narrow = if options.column_fraction < 1.0 {
        (grid as f64 * options.column_fraction) as usize + 8 * rows
    } else {
        0
    };
    let sample = 8 * train.min(CUT_ROWS_MAX);
    let statistics = if shape.statistics > 0 {
        4 * rows * shape.statistics + 24 * train
    } else {
        0
    };
    // Cuts, names of inputs and importance of every feature.
    let described = features * (4 * bins_max(options, shape) + 320);
    grid + narrow
        + described
        + sample
        + statistics
        + side_bytes(options, shape)
        + histogram_bytes(options, shape, blocks)
        + model_bytes(options, shape)
}

/// Labels, scores, gradients and lists of rows.
fn side_bytes(options: &CheckedTreesOptions, shape: TreesShape) -> usize {
    let (train, rows) = (shape.train_rows, shape.train_rows + shape.valid_rows);
    let averaged = options.mode != Mode::Boost;
    let labels = if averaged && shape.classes {
        8 * rows * shape.outputs
    } else {
        8 * rows
    };
    let weights = if shape.weighted { 8 * rows } else { 0 };
    let shares = if shape.outputs > 1 && !averaged {
        8 * train * shape.outputs
    } else {
        0
    };
    let quantile = matches!(
        options.objective,
        Objective::Absolute | Objective::Quantile { .. }
    );
    let pairs = if quantile { 32 * train } else { 0 };
    let counts = if options.mode == Mode::Forest {
        8 * train
    } else {
        0
    };
    // Gradients, hessians, packed; the bag and the rest twice each, and room to partition.
    let lists = 24 * train + 12 * rows;
    labels + weights + 8 * rows * shape.outputs + shares + pairs + counts + lists
}

/// Most leaves that one tree can have.
fn leaves_max(options: &CheckedTreesOptions, train: usize) -> usize {
    // A bootstrap sample holds 63 % of the rows, some of them several times.
    let rows_min = match options.mode {
        Mode::Forest => 1.5,
        _ => f64::from(options.min_rows.max(1)),
    };
    let leaves = (train as f64 / rows_min) as usize;
    let mut leaves = leaves.clamp(1, TREE_NODES_MAX.div_ceil(2));
    if options.max_leaves > 0 {
        leaves = leaves.min(options.max_leaves as usize);
    }
    if (1..16).contains(&options.max_depth) {
        leaves = leaves.min(1 << options.max_depth);
    }
    leaves
}

/// Most bins of a feature, missing included.
fn bins_max(options: &CheckedTreesOptions, shape: TreesShape) -> usize {
    let bins = match options.max_bins {
        0 => adaptive_bins(shape.train_rows),
        bins => bins as usize,
    };
    1 + bins.min(shape.train_rows / options.min_bin_rows.max(1) as usize + 1)
}

fn histogram_bytes(options: &CheckedTreesOptions, shape: TreesShape, blocks: usize) -> usize {
    if options.mode == Mode::ExtraTrees {
        return 0;
    }
    let bins = bins_max(options, shape);
    let one = 8 * LANES * blocks * bins;
    // Trees that only their depth limits split the newest leaf first, which holds one histogram per level.
    let depth_caps = options.max_leaves == 0 && (1..16).contains(&options.max_depth);
    let open = if depth_caps {
        options.max_depth as usize + 1
    } else {
        // Leaves that hold a histogram have rows for two children.
        let drawn = (shape.train_rows as f64 * options.row_fraction) as usize;
        let rows_min = HELD_ROWS_MIN.max(2 * options.min_rows as usize);
        leaves_max(options, drawn).min(drawn / rows_min + 1)
    };
    ((open + 2) * one).min(HISTOGRAM_BYTES_MAX.max(4 * one))
}

/// Nodes of the tree under way and of the model, whose list may be half empty, and the gains of their splits.
fn model_bytes(options: &CheckedTreesOptions, shape: TreesShape) -> usize {
    let leaves = leaves_max(options, shape.train_rows);
    let trees = options.rounds as usize * shape.outputs;
    let splits = trees * leaves.saturating_sub(1);
    128 * leaves + 2 * (8 * (2 * splits + trees) + 16 * splits) + 24 * trees
}
