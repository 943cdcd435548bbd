//! How does a fit of boosted trees reach a GPU and come back? Binned rows, labels and rules go over as words; trees come
//! back and are recorded as the CPU's are, so that both give the same model. The kernel is `boost.cu`.

mod binned;
mod layout;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub(crate) use binned::{Binned, BinnedKey};
use layout::{Layout, Sizes};

use super::TreesFit;
use super::grow::{GrowNode, Grower, Order};
use super::objective::{self, Targets};
use super::options::{CheckedTreesOptions, Mode, Objective};
use super::record::Recorder;
use super::rules::{columns_wanted, order, softmax_factor};
use super::sides::Plan;
use crate::device::{
    Answer, DeviceError, DeviceFit, Launch, Module, Obstacle, RESERVED_CHIP_BYTES, pairs,
};
use crate::error::GpuError;
use crate::fit::{Fit, Learned};
use crate::matrix::Dataset;

/// The kernels.
pub(crate) const MODULE: Module = Module {
    source: "trees/boost/boost.cu",
    ptx: include_str!("boost.ptx"),
    kernels: &[ON_CHIP, IN_MEMORY],
};
/// The kernel with histograms in the blocks' shared memory, and that with histograms in the GPU's.
const ON_CHIP: &str = "boost_on_chip";
const IN_MEMORY: &str = "boost_in_memory";
/// Words of [`Task` in `fit.h`.
const TASK_WORDS: usize = 37;
/// Words of an answer before its losses.
const ANSWER_WORDS: usize = 4;
/// Words of a node.
const NODE_WORDS: usize = 2;
/// Columns among which those of a node are drawn, one by one against all others.
const NODE_COLUMNS_MAX: usize = 256;
/// Rows, eight columns at a time, from which more threads work on a fit.
const CELLS_WIDE_MIN: usize = 16_384;

const STATUS_DONE: u64 = 1;
const SPLIT_MISSING_LEFT: u32 = 1;

/// What keeps these options from a GPU, whatever the rows.
pub(crate) fn obstacle(data: &Dataset, options: &CheckedTreesOptions) -> Option<Obstacle> {
    let objective = options.objective.resolve(data.task()).ok()?;
    if options.mode == Mode::ExtraTrees {
        return Some(Obstacle::RandomCuts);
    }
    if options.node_column_fraction < 1.0 && data.features().columns().len() > NODE_COLUMNS_MAX {
        return Some(Obstacle::NodeColumns {
            limit: NODE_COLUMNS_MAX,
        });
    }
    if options.monotone.iter().any(|&sign| sign != 0) {
        return Some(Obstacle::Monotone);
    }
    if options.max_delta_step > 0.0 {
        return Some(Obstacle::StepLimit);
    }
    if objective::leaf_quantile(objective).is_some() {
        return Some(Obstacle::LeafQuantile {
            objective: objective.name(),
        });
    }
    None
}

/// A fit that is binned and ready to go over.
pub(crate) struct BoostFit {
    plan: Plan,
    binned: Arc<Binned>,
    base: Vec<f64>,
    order: Order,
    layout: Layout,
    rules: Rules,
}

/// The best constant score of each output.
fn starting_scores(plan: &Plan, binned: &Binned) -> Vec<f64> {
    let targets = binned.train_targets();
    if plan.indicator(0).is_none() {
        return objective::starting_scores(plan.objective, plan.outputs, targets);
    }
    let score = |output: usize| {
        let is_class = |&label: &f64| f64::from(u8::from(Some(label) == plan.indicator(output)));
        let labels: Vec<f64> = targets.labels.iter().map(is_class).collect();
        let targets = Targets {
            labels: &labels,
            ..targets
        };
        objective::starting_scores(plan.objective, 1, targets)
    };
    (0..plan.outputs).flat_map(score).collect()
}

/// Options as the kernel wants them.
#[derive(Debug, Clone, Copy)]
struct Rules {
    /// As `Task` lists them, from the learning rate to the weight of the held-out rows.
    numbers: [f64; 12],
    seed: u64,
    rounds: u32,
    depth_max: u32,
    leaves_max: u32,
    min_rows: u32,
    columns_wanted: u32,
    /// 0 when nodes see all columns of their tree.
    node_columns: u32,
    sampled: bool,
    early_stopping: u32,
    train_loss: bool,
    units: bool,
    /// Whether rows are drawn with replacement.
    bootstrap: bool,
}

impl BoostFit {
    /// Lays out a fit for which there is no [`obstacle`]. `chip_bytes` is the shared memory that a block of the GPU may
    /// take.
    pub(crate) fn new(
        data: &Dataset,
        binned: Arc<Binned>,
        options: &CheckedTreesOptions,
        seed: u64,
        chip_bytes: usize,
    ) -> Result<Self, GpuError> {
        let plan = Plan::new(data, options)?;
        let base = starting_scores(&plan, &binned);
        let mut fit = Self {
            rules: Rules::new(options, &plan, &binned, &base, seed),
            plan,
            binned,
            base,
            order: order(options).0,
            layout: Layout::default(),
        };
        let chip_words = chip_bytes.saturating_sub(RESERVED_CHIP_BYTES) / 8;
        fit.layout = fit.sizes().lay_out(chip_words);
        Ok(fit)
    }

    fn sizes(&self) -> Sizes {
        let rules = &self.rules;
        let rows = self.binned.train_rows;
        let by_depth = |depth: u32| 1usize.checked_shl(depth).unwrap_or(usize::MAX);
        let depth = match rules.depth_max {
            0 => u32::MAX,
            depth => depth,
        };
        let nodes = |leaves: usize| {
            let whole = by_depth(depth.saturating_add(1)).saturating_sub(1);
            (2 * leaves.max(1) - 1).min(whole)
        };
        // Where hessians count rows, leaves have the fewest rows at least; elsewhere only nodes that split do, twice.
        let min_rows = rules.min_rows.max(1) as usize;
        let leaves = if rules.units { rows / min_rows } else { rows };
        let kept = leaves.min(rules.leaves_max as usize);
        let best_first = self.order == Order::LargestGain;
        let grown = if best_first { leaves } else { kept };
        let splitting_rows = if rules.bootstrap { 2 } else { 2 * min_rows };
        let width = by_depth(depth.saturating_sub(1)).min(rows / splitting_rows);
        Sizes {
            train_rows: rows,
            rows: self.binned.rows(),
            outputs: self.plan.outputs,
            softmax: self.plan.objective == Objective::Softmax,
            units: rules.units,
            blocks: self.binned.encoded.grid.blocks.len(),
            columns_drawn: (rules.columns_wanted as usize) < self.binned.encoded.features.len(),
            histogram_len: self.binned.encoded.grid.histogram_len,
            runs_len: self.binned.runs_len(),
            nodes_max: nodes(grown),
            tree_nodes_max: nodes(kept),
            width_max: width.min(grown),
            best_first,
            node_columns: rules.node_columns > 0,
            bootstrap: rules.bootstrap,
        }
    }

    fn tree_count_max(&self) -> usize {
        self.rules.rounds as usize * self.plan.outputs
    }

    fn node_count_max(&self) -> usize {
        self.tree_count_max() * self.layout.tree_nodes_max
    }

    fn answer_words(&self) -> usize {
        ANSWER_WORDS + 2 * self.rules.rounds as usize + self.tree_count_max()
    }

    /// The whole numbers of `Task`, in its order.
    fn counts(&self) -> [u32; 31] {
        let (rules, layout, grid) = (&self.rules, &self.layout, &self.binned.encoded.grid);
        let objective = match self.plan.objective {
            Objective::Huber { .. } => 1,
            Objective::Poisson => 2,
            Objective::Tweedie { .. } => 3,
            Objective::Logistic => 4,
            Objective::Softmax => 5,
            _ => 0,
        };
        [
            self.binned.train_rows as u32,
            (self.binned.valid_rows()) as u32,
            grid.blocks.len() as u32,
            self.binned.encoded.features.len() as u32,
            objective,
            self.plan.outputs as u32,
            u32::from(self.binned.weights.is_some()),
            u32::from(rules.units),
            rules.rounds,
            rules.depth_max,
            rules.leaves_max,
            rules.min_rows,
            rules.columns_wanted,
            u32::from(rules.sampled),
            rules.early_stopping,
            u32::from(rules.train_loss),
            grid.histogram_len as u32,
            layout.histograms as u32,
            layout.nodes_max as u32,
            layout.width_max as u32,
            self.binned.runs_len() as u32,
            u32::from(self.order == Order::LargestGain),
            rules.node_columns,
            u32::from(self.plan.averaged),
            u32::from(rules.bootstrap),
            u32::from(self.plan.indicator(0).is_some()),
            u32::from(layout.tables_on_chip),
            u32::from(layout.rows_on_chip),
            u32::from(layout.bins_on_chip),
            layout.table_words as u32,
            layout.row_words as u32,
        ]
    }

    /// Turns the words of a tree into nodes and gains, the gains in the order in which the CPU splits.
    fn read_tree(&self, words: &[u64], tree: &mut Grower) -> Option<()> {
        tree.nodes.clear();
        tree.gains.clear();
        let count = words.len() / NODE_WORDS;
        for (position, pair) in words.chunks_exact(NODE_WORDS).enumerate() {
            let (split, left) = (pair[0] as u32, (pair[0] >> 32) as u32);
            let mut node = GrowNode {
                feature: u32::MAX,
                bin: (split >> 8) as u8,
                missing_left: split & SPLIT_MISSING_LEFT != 0,
                left,
                rows: 0,
                value: f64::from_bits(pair[1]),
            };
            if left != 0 {
                node.feature = *self.binned.encoded.grid.slots.get((split >> 16) as usize)?;
                let known = (node.feature as usize) < self.binned.encoded.features.len();
                if !known || (left as usize) <= position || left as usize + 1 >= count {
                    return None;
                }
            }
            tree.nodes.push(node);
        }
        let gain = |node: &GrowNode| (node.feature, node.value);
        if self.order != Order::Newest {
            // Nodes are numbered as they are made, so the order of splits is that of their children.
            let mut splits: Vec<&GrowNode> =
                tree.nodes.iter().filter(|node| node.left != 0).collect();
            splits.sort_unstable_by_key(|node| node.left);
            tree.gains.extend(splits.into_iter().map(gain));
            return (count > 0).then_some(());
        }
        // The newest leaf first: the right child and all below it, then the left one.
        let mut waiting = vec![0];
        while let Some(position) = waiting.pop() {
            let node = tree.nodes.get(position as usize)?;
            if node.left != 0 {
                tree.gains.push(gain(node));
                waiting.extend([node.left, node.left + 1]);
            }
        }
        Some(())
    }
}

impl DeviceFit for BoostFit {
    fn kernel(&self) -> &'static str {
        if self.layout.histograms_on_chip {
            ON_CHIP
        } else {
            IN_MEMORY
        }
    }

    fn threads(&self) -> u32 {
        let cells = self.binned.rows() * 8 * self.binned.encoded.grid.blocks.len();
        match cells {
            0..=2_048 => 128,
            cells if cells < CELLS_WIDE_MIN => 256,
            _ => 512,
        }
    }

    fn chip_bytes(&self) -> usize {
        8 * self.layout.chip_words()
    }

    fn memory_bytes(&self) -> u64 {
        let words = TASK_WORDS
            + self.binned.words()
            + self.base.len()
            + self.layout.scratch_words()
            + self.answer_words()
            + NODE_WORDS * self.node_count_max();
        8 * words as u64
    }

    fn write(&self, launch: &mut Launch) {
        let [bins, labels, weights, keys, grid] = self.binned.write(launch);
        let base = launch.put(self.base.iter().map(|score| score.to_bits()));
        let places = [
            self.rules.seed,
            bins,
            labels,
            weights,
            keys,
            grid,
            base,
            launch.scratch_words as u64,
            launch.output_words as u64,
        ];
        launch.places.push(launch.output_words);
        launch.tasks.extend(self.rules.numbers.map(f64::to_bits));
        launch.tasks.extend(places);
        launch.tasks.extend(pairs(&self.counts()));
        launch.scratch_words += self.layout.scratch_words();
        launch.output_words += self.answer_words();
        launch.nodes_max += self.node_count_max();
        launch.chip_bytes = launch.chip_bytes.max(self.chip_bytes());
    }

    fn read(
        self: Box<Self>,
        fit: &Fit,
        answer: &Answer,
        place: usize,
    ) -> Result<Learned, DeviceError> {
        let garbled = || DeviceError::Garbled { what: "a fit" };
        let words = answer
            .output
            .get(place..place + self.answer_words())
            .ok_or_else(garbled)?;
        let rounds = self.rules.rounds as usize;
        let (run, kept, trees) = (words[1] as usize, words[2] as usize, words[3] as usize);
        if words[0] != STATUS_DONE || run > rounds || kept > run || trees > self.tree_count_max() {
            return Err(DeviceError::Status { code: words[0] });
        }
        let losses = |from: usize, wanted: bool| -> Vec<f64> {
            let words = &words[from..from + if wanted { run } else { 0 }];
            words.iter().map(|&word| f64::from_bits(word)).collect()
        };
        let train_loss = losses(ANSWER_WORDS, self.rules.train_loss);
        let mut valid_loss = losses(ANSWER_WORDS + rounds, self.binned.valid_rows() > 0);
        if self.plan.averaged {
            valid_loss.drain(..valid_loss.len().saturating_sub(1));
        }
        let mut recorder = Recorder::new(&self.binned.encoded.features);
        let mut grower = Grower::default();
        for &tree in &words[ANSWER_WORDS + 2 * rounds..][..trees] {
            let from = NODE_WORDS * (tree >> 16) as usize;
            let to = from + NODE_WORDS * (tree & 0xffff) as usize;
            let nodes = answer.nodes.get(from..to).ok_or_else(garbled)?;
            self.read_tree(nodes, &mut grower).ok_or_else(garbled)?;
            recorder.tree(&grower, &self.binned.encoded.features, 1.0);
        }
        recorder.truncate(kept * self.plan.outputs);
        let model = recorder.model(&fit.data, &self.plan, self.base, &self.binned.encoded);
        let trees = TreesFit {
            model,
            rounds: kept as u32,
            train_loss,
            valid_loss,
        };
        Ok(trees.into())
    }
}

impl Rules {
    fn new(
        options: &CheckedTreesOptions,
        plan: &Plan,
        binned: &Binned,
        base: &[f64],
        seed: u64,
    ) -> Self {
        let (_, leaves_max, depth_max) = order(options);
        let parameter = match plan.objective {
            Objective::Huber { delta } => delta,
            Objective::Tweedie { power } => power,
            _ => 0.0,
        };
        let (train_weight, valid_weight) = binned.weight_totals();
        let features = binned.encoded.features.len();
        let wanted = columns_wanted(options, features);
        let bootstrap = options.mode == Mode::Forest && options.row_fraction >= 1.0;
        let base_magnitude = base.iter().fold(0.0f64, |top, base| top.max(base.abs()));
        Self {
            numbers: [
                if plan.averaged {
                    1.0 / f64::from(options.rounds)
                } else {
                    options.learning_rate
                },
                options.l1,
                options.l2,
                options.category_l2,
                options.min_hessian,
                options.min_gain,
                options.row_fraction,
                parameter,
                softmax_factor(options, plan),
                base_magnitude,
                train_weight,
                valid_weight,
            ],
            seed,
            rounds: options.rounds,
            depth_max: if depth_max == usize::MAX {
                0
            } else {
                depth_max as u32
            },
            leaves_max: leaves_max as u32,
            min_rows: options.min_rows,
            columns_wanted: wanted as u32,
            node_columns: if options.node_column_fraction < 1.0 {
                let seen = wanted.min(features) as f64;
                (options.node_column_fraction * seen).ceil().max(1.0) as u32
            } else {
                0
            },
            sampled: plan.averaged
                || options.row_fraction < 1.0
                || options.column_fraction < 1.0
                || options.node_column_fraction < 1.0,
            early_stopping: if plan.averaged {
                0
            } else {
                options.early_stopping
            },
            train_loss: options.train_loss && !plan.averaged,
            units: objective::unit_hessian(plan.objective)
                && binned.weights.is_none()
                && !bootstrap,
            bootstrap,
        }
    }
}

/// What of a fit is on the chip: tables, rows, bins, histograms, and whether all of a level's histograms are held at once.
#[cfg(test)]
pub(crate) fn layout_flags(fit: &crate::fit::Fit, chip_bytes: usize) -> [bool; 5] {
    prepared(fit, chip_bytes).map_or([false; 5], |fit| {
        let layout = fit.layout;
        [
            layout.tables_on_chip,
            layout.rows_on_chip,
            layout.bins_on_chip,
            layout.histograms_on_chip,
            layout.histograms >= layout.width_max,
        ]
    })
}

/// Memory that a fit takes; 0 when it can't be learned.
#[cfg(test)]
pub(crate) fn memory_bytes(fit: &crate::fit::Fit, chip_bytes: usize) -> u64 {
    prepared(fit, chip_bytes).map_or(0, |fit| fit.memory_bytes())
}

#[cfg(test)]
fn prepared(fit: &crate::fit::Fit, chip_bytes: usize) -> Option<BoostFit> {
    match &fit.learner {
        crate::fit::Learner::Trees(options) => {
            let binned = Arc::new(Binned::new(fit, options).ok()?);
            BoostFit::new(&fit.data, binned, options, fit.seed, chip_bytes).ok()
        }
        _ => None,
    }
}
