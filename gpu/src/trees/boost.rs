//! How does a fit of boosted trees reach a GPU and come back? Binned rows, labels and rules go over as words; trees come
//! back and are recorded as the CPU's are, so that both give the same model. The kernel is `boost.cu`.

use super::TreesFit;
use super::encode::{EncodeInput, Encoded, encode};
use super::grow::{GrowNode, Grower, Order};
use super::objective;
use super::options::{CheckedTreesOptions, Mode, Objective};
use super::record::Recorder;
use super::rules::{columns_wanted, order, softmax_factor};
use super::sides::{Plan, canonical};
use crate::device::{Answer, DeviceError, Launch, Obstacle};
use crate::error::GpuError;
use crate::matrix::{Dataset, FitRows};

/// Shared memory that the kernels take for themselves; the rest holds the fit.
pub(crate) const RESERVED_CHIP_BYTES: usize = 2_048;
/// Words of [`FitTask`] in `boost_fit.h`.
const TASK_WORDS: usize = 33;
/// Words of an answer before its losses.
const ANSWER_WORDS: usize = 4;
/// Words of a node.
const NODE_WORDS: usize = 2;
/// Histograms in the GPU's memory may take this much of it per fit; at least one node's always fits.
const HISTOGRAM_BYTES_MAX: usize = 4 << 20;
/// Rows, eight columns at a time, from which more threads work on a fit.
const CELLS_WIDE_MIN: usize = 16_384;

const STATUS_DONE: u64 = 1;
const SPLIT_MISSING_LEFT: u32 = 1;
const BLOCK_LEVELS: u64 = 1;
const BLOCK_PENALISED: u64 = 2;

/// What keeps these options from a GPU, whatever the rows.
pub(crate) fn obstacle(data: &Dataset, options: &CheckedTreesOptions) -> Option<Obstacle> {
    let objective = options.objective.resolve(data.task()).ok()?;
    if options.mode != Mode::Boost {
        return Some(Obstacle::Averaged);
    }
    if order(options).0 == Order::LargestGain {
        return Some(Obstacle::LeafGrowth);
    }
    if options.node_column_fraction < 1.0 {
        return Some(Obstacle::NodeColumns);
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
    encoded: Encoded,
    base: Vec<f64>,
    order: Order,
    /// Labels and weights of training rows, then of held-out rows.
    labels: Vec<f64>,
    weights: Option<Vec<f64>>,
    /// Row keys of the training rows; empty unless rows are sampled.
    keys: Vec<u64>,
    train_rows: usize,
    layout: Layout,
    rules: Rules,
}

/// Options as the kernel wants them.
#[derive(Debug, Clone, Copy)]
struct Rules {
    /// As `FitTask` lists them, from the learning rate to the weight of the held-out rows.
    numbers: [f64; 12],
    seed: u64,
    rounds: u32,
    depth_max: u32,
    leaves_max: u32,
    min_rows: u32,
    columns_wanted: u32,
    sampled: bool,
    early_stopping: u32,
    train_loss: bool,
    units: bool,
}

/// Where the parts of a fit lie, in words of 8 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Layout {
    nodes_max: usize,
    width_max: usize,
    table_words: usize,
    row_words: usize,
    /// Nodes whose histograms are held at once.
    histograms: usize,
    histogram_words: usize,
    tables_on_chip: bool,
    rows_on_chip: bool,
    histograms_on_chip: bool,
}

impl Layout {
    fn chip_words(&self) -> usize {
        let part = |on_chip: bool, words: usize| if on_chip { words } else { 0 };
        part(self.tables_on_chip, self.table_words)
            + part(self.rows_on_chip, self.row_words)
            + part(
                self.histograms_on_chip,
                self.histograms * self.histogram_words,
            )
    }

    fn scratch_words(&self) -> usize {
        let whole = self.table_words + self.row_words + self.histograms * self.histogram_words;
        whole - self.chip_words()
    }
}

/// The sizes that a layout follows from.
struct Sizes {
    train_rows: usize,
    rows: usize,
    outputs: usize,
    softmax: bool,
    units: bool,
    blocks: usize,
    columns_drawn: bool,
    histogram_len: usize,
    nodes_max: usize,
    width_max: usize,
}

impl Sizes {
    /// Words of the tables of nodes, in the order of `lay_out` in `boost_fit.h`.
    fn table_words(&self) -> usize {
        let (nodes, width) = (self.nodes_max, self.width_max);
        let wide = if self.units { 2 } else { 3 };
        let slots = if self.columns_drawn {
            8 * self.blocks
        } else {
            0
        };
        let by_node = wide * nodes + 6 * nodes.div_ceil(2);
        let by_turn = 6 * width + 4 * width.div_ceil(2);
        by_node + by_turn + slots + slots.div_ceil(2)
    }

    /// Words of what is held per row.
    fn row_words(&self) -> usize {
        let shares = if self.softmax {
            self.train_rows * self.outputs
        } else {
            0
        };
        let hessians = if self.units { 0 } else { self.train_rows };
        self.rows * self.outputs
            + shares
            + self.rows
            + hessians
            + 2 * self.train_rows.div_ceil(2)
            + self.rows.div_ceil(2)
    }

    /// Puts on the chip what fits there: tables, histograms, then rows. Two blocks share a multiprocessor where half of
    /// its memory is enough for a few nodes at once.
    fn lay_out(&self, chip_words: usize) -> Layout {
        let layout = Layout {
            nodes_max: self.nodes_max,
            width_max: self.width_max,
            table_words: self.table_words(),
            row_words: self.row_words(),
            histogram_words: self.histogram_len,
            ..Layout::default()
        };
        let few = self.width_max.clamp(1, 4);
        let budgets = [(chip_words / 2, few), (chip_words, 1)];
        for (budget, least) in budgets {
            let tables_on_chip = layout.table_words + least * self.histogram_len <= budget;
            let mut left = budget
                - if tables_on_chip {
                    layout.table_words
                } else {
                    0
                };
            if left < least * self.histogram_len {
                continue;
            }
            let rows_on_chip = layout.row_words + least * self.histogram_len <= left;
            left -= if rows_on_chip { layout.row_words } else { 0 };
            let held = left / self.histogram_len.max(1);
            return Layout {
                histograms: held.clamp(1, self.width_max.max(1)),
                tables_on_chip,
                rows_on_chip,
                histograms_on_chip: true,
                ..layout
            };
        }
        let held = HISTOGRAM_BYTES_MAX / (8 * self.histogram_len.max(1));
        Layout {
            histograms: held.clamp(1, self.width_max.max(1)),
            tables_on_chip: layout.table_words <= chip_words / 2,
            ..layout
        }
    }
}

impl BoostFit {
    /// Checks and bins the rows of a fit for which there is no [`obstacle`]. `chip_bytes` is the shared memory that a
    /// block of the GPU may take.
    pub(crate) fn new(
        data: &Dataset,
        rows: FitRows,
        options: &CheckedTreesOptions,
        seed: u64,
        chip_bytes: usize,
    ) -> Result<Self, GpuError> {
        let plan = Plan::new(data, options)?;
        let (all, train_rows) = canonical(data, rows, plan.objective)?;
        let encoded = encode(&EncodeInput {
            data,
            rows: &all,
            train_rows,
            options,
            seed,
            parallel: false,
        })?;
        let labels: Vec<f64> = all.iter().map(|&row| data.labels()[row as usize]).collect();
        let weights: Option<Vec<f64>> = data
            .weights()
            .map(|_| all.iter().map(|&row| data.weight(row)).collect());
        let targets = objective::Targets {
            labels: &labels[..train_rows],
            weights: weights.as_deref().map(|weights| &weights[..train_rows]),
        };
        let base = objective::starting_scores(plan.objective, plan.outputs, targets);
        let keys = if options.row_fraction < 1.0 {
            let key = |&row: &u32| data.row_keys()[row as usize];
            all[..train_rows].iter().map(key).collect()
        } else {
            Vec::new()
        };
        let mut fit = Self {
            rules: Rules::new(options, &plan, &encoded, &base, seed, weights.is_some()),
            plan,
            encoded,
            base,
            order: order(options).0,
            labels,
            weights,
            keys,
            train_rows,
            layout: Layout::default(),
        };
        fit.rules
            .weigh(fit.train_rows, fit.labels.len(), fit.weights.as_deref());
        let chip_words = chip_bytes.saturating_sub(RESERVED_CHIP_BYTES) / 8;
        fit.layout = fit.sizes().lay_out(chip_words);
        Ok(fit)
    }

    fn sizes(&self) -> Sizes {
        let rules = &self.rules;
        let leaves_max = (rules.leaves_max as usize).min(self.train_rows).max(1);
        let by_depth = |depth: u32| 1usize.checked_shl(depth).unwrap_or(usize::MAX);
        let depth = if rules.depth_max == 0 {
            u32::MAX
        } else {
            rules.depth_max
        };
        // Nodes that may split have two rows at least, and their leaf's share of the fewest rows twice.
        let splitting_rows = (2 * rules.min_rows as usize).max(2);
        let width_max = by_depth(depth.saturating_sub(1))
            .min(leaves_max)
            .min(self.train_rows / splitting_rows);
        let nodes_max =
            (2 * leaves_max - 1).min(by_depth(depth.saturating_add(1)).saturating_sub(1));
        Sizes {
            train_rows: self.train_rows,
            rows: self.labels.len(),
            outputs: self.plan.outputs,
            softmax: self.plan.objective == Objective::Softmax,
            units: rules.units,
            blocks: self.encoded.grid.blocks.len(),
            columns_drawn: (rules.columns_wanted as usize) < self.encoded.features.len(),
            histogram_len: self.encoded.grid.histogram_len,
            nodes_max: nodes_max.max(1),
            width_max,
        }
    }

    /// Whether the block's shared memory holds its histograms.
    pub(crate) fn histograms_on_chip(&self) -> bool {
        self.layout.histograms_on_chip
    }

    /// Shared memory of the block, in bytes.
    pub(crate) fn chip_bytes(&self) -> usize {
        8 * self.layout.chip_words()
    }

    /// Threads of the block.
    pub(crate) fn threads(&self) -> u32 {
        let cells = self.labels.len() * 8 * self.encoded.grid.blocks.len();
        match cells {
            0..=2_048 => 128,
            cells if cells < CELLS_WIDE_MIN => 256,
            _ => 512,
        }
    }

    /// Memory of the GPU that the fit takes, in bytes.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let words = TASK_WORDS
            + self.input_words()
            + self.layout.scratch_words()
            + self.answer_words()
            + NODE_WORDS * self.node_count_max();
        8 * words as u64
    }

    fn tree_count_max(&self) -> usize {
        self.rules.rounds as usize * self.plan.outputs
    }

    fn node_count_max(&self) -> usize {
        self.tree_count_max() * self.layout.nodes_max
    }

    fn answer_words(&self) -> usize {
        ANSWER_WORDS + 2 * self.rules.rounds as usize + self.tree_count_max()
    }

    fn input_words(&self) -> usize {
        let grid = &self.encoded.grid;
        grid.bins.len()
            + self.labels.len()
            + self.weights.as_ref().map_or(0, Vec::len)
            + self.keys.len()
            + self.base.len()
            + 6 * grid.blocks.len()
            + self.encoded.features.len().div_ceil(2)
    }

    /// Adds the fit to a launch.
    pub(crate) fn write(&self, launch: &mut Launch) {
        let input = &mut launch.input;
        let mut put = |words: &mut dyn Iterator<Item = u64>| {
            let at = input.len() as u64;
            input.extend(words);
            at
        };
        let grid = &self.encoded.grid;
        let bins_at = put(&mut grid.bins.iter().copied());
        let labels_at = put(&mut self.labels.iter().map(|label| label.to_bits()));
        let weights = self.weights.as_deref().unwrap_or(&[]);
        let weights_at = put(&mut weights.iter().map(|weight| weight.to_bits()));
        let keys_at = put(&mut self.keys.iter().copied());
        let base_at = put(&mut self.base.iter().map(|score| score.to_bits()));
        let grid_at = put(&mut self.grid_words().into_iter());
        let places = [
            self.rules.seed,
            bins_at,
            labels_at,
            weights_at,
            keys_at,
            grid_at,
            base_at,
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

    /// Shapes of the blocks, the feature of each slot and the slot of each feature.
    fn grid_words(&self) -> Vec<u64> {
        let grid = &self.encoded.grid;
        let mut words = Vec::with_capacity(6 * grid.blocks.len());
        for block in &grid.blocks {
            let flags = if block.levels { BLOCK_LEVELS } else { 0 }
                | if block.penalised { BLOCK_PENALISED } else { 0 };
            words.push(block.lanes as u64 | (block.bins as u64) << 32);
            words.push(block.offset as u64 | flags << 32);
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

    /// The whole numbers of `FitTask`, in its order.
    fn counts(&self) -> [u32; 24] {
        let (rules, layout, grid) = (&self.rules, &self.layout, &self.encoded.grid);
        let objective = match self.plan.objective {
            Objective::Huber { .. } => 1,
            Objective::Poisson => 2,
            Objective::Tweedie { .. } => 3,
            Objective::Logistic => 4,
            Objective::Softmax => 5,
            _ => 0,
        };
        [
            self.train_rows as u32,
            (self.labels.len() - self.train_rows) as u32,
            grid.blocks.len() as u32,
            self.encoded.features.len() as u32,
            objective,
            self.plan.outputs as u32,
            u32::from(self.weights.is_some()),
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
            u32::from(layout.tables_on_chip),
            u32::from(layout.rows_on_chip),
            layout.table_words as u32,
            layout.row_words as u32,
        ]
    }

    /// Makes the model out of what the kernel answered at `place`.
    pub(crate) fn read(
        self,
        data: &Dataset,
        answer: &Answer,
        place: usize,
    ) -> Result<TreesFit, DeviceError> {
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
        let valid_loss = losses(ANSWER_WORDS + rounds, self.labels.len() > self.train_rows);
        let mut recorder = Recorder::new(&self.encoded.features);
        let mut grower = Grower::default();
        for &tree in &words[ANSWER_WORDS + 2 * rounds..][..trees] {
            let from = NODE_WORDS * (tree >> 16) as usize;
            let to = from + NODE_WORDS * (tree & 0xffff) as usize;
            let nodes = answer.nodes.get(from..to).ok_or_else(garbled)?;
            self.read_tree(nodes, &mut grower).ok_or_else(garbled)?;
            recorder.tree(&grower, &self.encoded.features, 1.0);
        }
        recorder.truncate(kept * self.plan.outputs);
        Ok(TreesFit {
            model: recorder.model(data, &self.plan, self.base, &self.encoded),
            rounds: kept as u32,
            train_loss,
            valid_loss,
        })
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
                node.feature = *self.encoded.grid.slots.get((split >> 16) as usize)?;
                let known = (node.feature as usize) < self.encoded.features.len();
                if !known || (left as usize) <= position || left as usize + 1 >= count {
                    return None;
                }
            }
            tree.nodes.push(node);
        }
        let gain = |node: &GrowNode| (node.feature, node.value);
        if self.order == Order::Oldest {
            tree.gains
                .extend(tree.nodes.iter().filter(|node| node.left != 0).map(gain));
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

impl Rules {
    fn new(
        options: &CheckedTreesOptions,
        plan: &Plan,
        encoded: &Encoded,
        base: &[f64],
        seed: u64,
        weighted: bool,
    ) -> Self {
        let (_, leaves_max, depth_max) = order(options);
        let parameter = match plan.objective {
            Objective::Huber { delta } => delta,
            Objective::Tweedie { power } => power,
            _ => 0.0,
        };
        let base_magnitude = base.iter().fold(0.0f64, |top, base| top.max(base.abs()));
        Self {
            numbers: [
                options.learning_rate,
                options.l1,
                options.l2,
                options.category_l2,
                options.min_hessian,
                options.min_gain,
                options.row_fraction,
                parameter,
                softmax_factor(options, plan),
                base_magnitude,
                0.0,
                0.0,
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
            columns_wanted: columns_wanted(options, encoded.features.len()) as u32,
            sampled: options.row_fraction < 1.0 || options.column_fraction < 1.0,
            early_stopping: options.early_stopping,
            train_loss: options.train_loss,
            units: objective::unit_hessian(plan.objective) && !weighted,
        }
    }

    /// Notes the total weights that losses are divided by.
    fn weigh(&mut self, train_rows: usize, rows: usize, weights: Option<&[f64]>) {
        let total = |from: usize, to: usize| {
            weights.map_or((to - from) as f64, |weights| weights[from..to].iter().sum())
        };
        self.numbers[10] = total(0, train_rows);
        self.numbers[11] = total(train_rows, rows);
    }
}

/// Two numbers to a word, the first one low.
fn pairs(numbers: &[u32]) -> impl Iterator<Item = u64> + '_ {
    numbers
        .chunks(2)
        .map(|pair| u64::from(pair[0]) | pair.get(1).map_or(0, |&high| u64::from(high) << 32))
}

/// What of a fit is on the chip: tables, rows, histograms, and whether all of a level's histograms are held at once.
#[cfg(test)]
pub(crate) fn layout_flags(fit: &crate::fit::Fit, chip_bytes: usize) -> [bool; 4] {
    prepared(fit, chip_bytes).map_or([false; 4], |fit| {
        let layout = fit.layout;
        [
            layout.tables_on_chip,
            layout.rows_on_chip,
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
            BoostFit::new(&fit.data, fit.rows(), options, fit.seed, chip_bytes).ok()
        }
        _ => None,
    }
}
