//! How does a whole fit run on the CPU? Rounds of: gradients, fixed point, one tree per output, leaf values from wide
//! sums, new scores; held-out rows get their scores along the way and decide when to stop.

use super::bins::Grid;
use super::encode::{EncodeInput, EncodeRoom, Encoded, encode_in};
use super::grow::{Grower, Leaf, TreeRules};
use super::histogram::{Quantiser, pack_pair, pack_unit};
use super::model::TreesModel;
use super::objective::{self, Targets};
use super::options::{CheckedTreesOptions, Mode, Objective};
use super::pieces::{each_piece, magnitudes, poisson_count};
use super::record::Recorder;
use super::rules::{columns_wanted, order, softmax_factor};
use super::sides::{Plan, SideRows, canonical_in};
use super::split::{SplitRules, leaf_value};
use super::sums::LeafScale;
use crate::control::{Control, Progress};
use crate::error::GpuError;
use crate::instructions::Instructions;
use crate::matrix::{Dataset, FitRows};
use crate::metric::weighted_quantile;
use crate::random::{Stream, draw, unit};

/// Rows × features above which one fit may use every thread of its pool.
const PARALLEL_CELLS_MIN: usize = 400_000;

/// Working memory of fits, kept by each worker from one fit to the next.
#[derive(Debug, Default)]
pub struct TreesScratch {
    rows: Vec<u32>,
    encode: EncodeRoom,
    train: SideRows,
    valid: SideRows,
    grower: Grower,
    subset: Grid,
    gradients: Vec<f64>,
    hessians: Vec<f64>,
    packed: Vec<i64>,
    /// How often the bootstrap drew each row.
    counts: Vec<f64>,
    bag: Vec<u32>,
    rest: Vec<u32>,
    shares: Vec<f64>,
    pairs: Vec<(f64, f64)>,
}

/// What a fit of trees answers.
#[derive(Debug, Clone, PartialEq)]
pub struct TreesFit {
    /// The model, cut back to its best round when early stopping was on.
    pub model: TreesModel,
    /// Rounds that the model keeps.
    pub rounds: u32,
    /// Mean training loss after each round run; empty unless asked for.
    pub train_loss: Vec<f64>,
    /// Mean held-out loss after each round run; empty without held-out rows.
    pub valid_loss: Vec<f64>,
}

/// Fits trees. `parallel` allows a large fit to use the threads of the current rayon pool; it never changes the result.
///
/// # Errors
/// [`GpuError::Data`] when there is nothing to learn from or a label does not suit the objective, [`GpuError::Cancelled`].
pub fn fit(
    data: &Dataset,
    rows: FitRows,
    options: &CheckedTreesOptions,
    seed: u64,
    control: &Control,
    scratch: &mut TreesScratch,
    parallel: bool,
) -> Result<TreesFit, GpuError> {
    fit_with(
        Instructions::detect(),
        data,
        rows,
        options,
        seed,
        control,
        scratch,
        parallel,
    )
}

#[allow(clippy::too_many_arguments)]
pub(crate) fn fit_with(
    set: Instructions,
    data: &Dataset,
    rows: FitRows,
    options: &CheckedTreesOptions,
    seed: u64,
    control: &Control,
    scratch: &mut TreesScratch,
    parallel: bool,
) -> Result<TreesFit, GpuError> {
    let plan = Plan::new(data, options)?;
    let mut all = std::mem::take(&mut scratch.rows);
    let train_rows = canonical_in(data, rows, plan.objective, &mut all)?;
    let parallel = parallel && all.len() * data.features().columns().len() >= PARALLEL_CELLS_MIN;
    control.checkpoint(Progress {
        rounds_done: 0,
        rounds_max: options.rounds,
    })?;
    let input = EncodeInput {
        data,
        rows: &all,
        train_rows,
        options,
        seed,
        parallel,
    };
    let mut encoded = encode_in(&input, &mut scratch.encode)?;
    let mut run = Run::new(
        data, &all, train_rows, options, plan, seed, set, parallel, &encoded, scratch,
    );
    run.rounds(control)?;
    let fitted = run.finish(data);
    scratch.encode.bins = std::mem::take(&mut encoded.grid.bins);
    scratch.rows = all;
    Ok(fitted)
}

/// One fit under way.
struct Run<'a> {
    all: &'a [u32],
    keys: &'a [u64],
    options: &'a CheckedTreesOptions,
    plan: Plan,
    seed: u64,
    set: Instructions,
    parallel: bool,
    encoded: &'a Encoded,
    scratch: &'a mut TreesScratch,
    train: SideRows,
    valid: SideRows,
    base: Vec<f64>,
    recorder: Recorder,
    train_loss: Vec<f64>,
    valid_loss: Vec<f64>,
    rounds_kept: usize,
    /// Mean absolute gradient below which there is nothing left to learn but rounding.
    negligible: f64,
}

impl<'a> Run<'a> {
    #[allow(clippy::too_many_arguments)]
    fn new(
        data: &'a Dataset,
        all: &'a [u32],
        train_rows: usize,
        options: &'a CheckedTreesOptions,
        plan: Plan,
        seed: u64,
        set: Instructions,
        parallel: bool,
        encoded: &'a Encoded,
        scratch: &'a mut TreesScratch,
    ) -> Self {
        let mut train = std::mem::take(&mut scratch.train);
        let mut valid = std::mem::take(&mut scratch.valid);
        train.fill(data, &all[..train_rows], &plan);
        valid.fill(data, &all[train_rows..], &plan);
        let base: Vec<f64> = if plan.indicator(0).is_some() {
            (0..plan.outputs)
                .flat_map(|k| objective::starting_scores(plan.objective, 1, train.targets(k)))
                .collect()
        } else {
            objective::starting_scores(plan.objective, plan.outputs, train.targets(0))
        };
        train.start(&base);
        valid.start(&base);
        scratch.gradients.resize(train_rows, 0.0);
        scratch.hessians.resize(train_rows, 0.0);
        scratch.packed.resize(train_rows, 0);
        Self {
            all,
            keys: data.row_keys(),
            options,
            plan,
            seed,
            set,
            parallel,
            encoded,
            scratch,
            train,
            valid,
            base,
            recorder: Recorder::new(&encoded.features),
            train_loss: Vec::new(),
            valid_loss: Vec::new(),
            rounds_kept: 0,
            negligible: 0.0,
        }
    }

    fn rounds(&mut self, control: &Control) -> Result<(), GpuError> {
        let rounds_max = self.options.rounds;
        let watch = self.options.early_stopping as usize;
        let stops_early = watch > 0 && self.valid.rows > 0 && !self.plan.averaged;
        let mut best = f64::INFINITY;
        for round in 0..rounds_max {
            control.checkpoint(Progress {
                rounds_done: round,
                rounds_max,
            })?;
            if !self.round(round) {
                break;
            }
            let done = round as usize + 1;
            // The scores of averaged trees mean something only when all are there.
            let complete = !self.plan.averaged || done == rounds_max as usize;
            if self.options.train_loss && !self.plan.averaged {
                self.train_loss.push(self.train.loss(self.set, &self.plan));
            }
            if self.valid.rows > 0 && complete {
                self.valid_loss.push(self.valid.loss(self.set, &self.plan));
            }
            if !stops_early {
                self.rounds_kept = done;
                continue;
            }
            let loss = self.valid_loss[self.valid_loss.len() - 1];
            if loss < best {
                best = loss;
                self.rounds_kept = done;
            } else if done - self.rounds_kept >= watch {
                break;
            }
        }
        Ok(())
    }

    /// Grows one tree per output; `false` when nothing was left to learn.
    fn round(&mut self, round: u32) -> bool {
        let before = self.recorder.tree_count();
        self.draw_rows(round);
        let subset = self.draw_columns(round);
        if self.plan.objective == Objective::Softmax {
            self.scratch.shares.resize(self.train.scores.len(), 0.0);
            objective::probabilities(
                &self.train.scores,
                self.plan.outputs,
                &mut self.scratch.shares,
            );
        }
        let mut grew = false;
        for output in 0..self.plan.outputs {
            grew |= self.tree(round, output, subset);
        }
        // Without sampling the next round would see the same gradients and stop at the same place.
        let sampled = self.options.row_fraction < 1.0
            || self.options.column_fraction < 1.0
            || self.plan.averaged;
        if !grew && !sampled && self.options.node_column_fraction >= 1.0 {
            self.recorder.truncate(before);
            return false;
        }
        true
    }

    /// Fills the bag and the rest; forests draw with replacement by Poisson(1) counts.
    fn draw_rows(&mut self, round: u32) {
        let bootstraps = self.bootstraps();
        let TreesScratch {
            bag, rest, counts, ..
        } = &mut *self.scratch;
        let train_rows = self.train.rows;
        bag.clear();
        rest.clear();
        let fraction = self.options.row_fraction;
        let drawn = |local: usize| {
            let key = self.keys[self.all[local] as usize];
            unit(self.seed, Stream::Rows, round, key)
        };
        let mut put = |local: usize, taken: bool| {
            if taken {
                bag.push(local as u32)
            } else {
                rest.push(local as u32)
            }
        };
        if bootstraps {
            counts.clear();
            counts.extend((0..train_rows).map(|local| poisson_count(drawn(local))));
            (0..train_rows).for_each(|local| put(local, counts[local] > 0.0));
        } else if fraction < 1.0 {
            (0..train_rows).for_each(|local| put(local, drawn(local) < fraction));
        } else {
            bag.extend(0..train_rows as u32);
        }
        rest.extend(train_rows as u32..(train_rows + self.valid.rows) as u32);
    }

    fn bootstraps(&self) -> bool {
        self.options.mode == Mode::Forest && self.options.row_fraction >= 1.0
    }

    /// Draws the tree's columns; `true` when it does not see them all.
    fn draw_columns(&mut self, round: u32) -> bool {
        let count = self.encoded.features.len();
        let wanted = columns_wanted(self.options, count);
        if wanted >= count {
            return false;
        }
        let mut drawn: Vec<(u64, u32)> = (0..count as u32)
            .map(|id| {
                (
                    draw(self.seed, Stream::TreeColumns, round, u64::from(id)),
                    id,
                )
            })
            .collect();
        drawn.sort_unstable();
        drawn.truncate(wanted);
        let chosen: Vec<u32> = drawn.into_iter().map(|(_, id)| id).collect();
        self.scratch
            .subset
            .select(&self.encoded.grid, &self.encoded.features, &chosen);
        true
    }

    /// Gradients of one output in fixed point; `None` when they are all rounding.
    fn quantise(&mut self, output: usize) -> Option<Quantiser> {
        let rows = self.train.rows;
        let softmax_factor = softmax_factor(self.options, &self.plan);
        let bootstraps = self.bootstraps();
        let span = output * rows..(output + 1) * rows;
        let TreesScratch {
            gradients,
            hessians,
            packed,
            shares,
            bag,
            counts,
            ..
        } = &mut *self.scratch;
        let softmax = self.plan.objective == Objective::Softmax;
        let scores = if softmax {
            &shares[span]
        } else {
            &self.train.scores[span]
        };
        let targets = self.train.targets(output);
        let (g, h) = (&mut gradients[..rows], &mut hessians[..rows]);
        each_piece(self.parallel, g, h, |first, g, h| {
            let span = first..first + g.len();
            let targets = Targets {
                labels: &targets.labels[span.clone()],
                weights: targets.weights.map(|weights| &weights[span.clone()]),
            };
            let output = (output, softmax_factor);
            let scores = &scores[span];
            objective::gradients(self.set, self.plan.objective, output, targets, scores, g, h);
        });
        if bootstraps {
            let weighted = targets.weights.is_some();
            for ((g, h), &count) in g.iter_mut().zip(h.iter_mut()).zip(counts.iter()) {
                *g *= count;
                *h = if weighted { *h * count } else { count };
            }
        }
        let units = objective::unit_hessian(self.plan.objective)
            && targets.weights.is_none()
            && !bootstraps;
        let (g_sum, h_sum) = magnitudes(g, h, bag, units);
        let mean = g_sum / bag.len().max(1) as f64;
        if self.negligible == 0.0 {
            self.negligible = 1e-13
                * (mean
                    + self
                        .base
                        .iter()
                        .fold(0.0f64, |top, base| top.max(base.abs())));
        }
        if !(mean > self.negligible && g_sum.is_finite()) {
            return None;
        }
        let scales = Quantiser::new(g_sum, if units { None } else { Some(h_sum) });
        each_piece(self.parallel, g, &mut packed[..rows], |first, g, packed| {
            if units {
                pack_unit(self.set, g, scales.gradient_scale, packed);
            } else {
                pack_pair(self.set, g, &h[first..first + g.len()], scales, packed);
            }
        });
        Some(scales)
    }

    /// Grows one tree; `true` when it has a split.
    fn tree(&mut self, round: u32, output: usize, subset: bool) -> bool {
        let scales = if self.scratch.bag.is_empty() {
            None
        } else {
            self.quantise(output)
        };
        let Some(scales) = scales else {
            self.recorder.stump();
            return false;
        };
        let rules = self.tree_rules(round, output, &scales);
        let encoded = self.encoded;
        let TreesScratch {
            grower,
            bag,
            rest,
            packed,
            subset: narrow,
            ..
        } = &mut *self.scratch;
        grower.rows.clone_from(bag);
        grower.passengers.clone_from(rest);
        let grid = if subset { &*narrow } else { &encoded.grid };
        grower.grow(grid, &encoded.features, packed, &rules);
        self.set_leaves(&scales);
        self.apply_leaves(output);
        let gain_unit = scales.hessian_scale / (scales.gradient_scale * scales.gradient_scale);
        self.recorder
            .tree(&self.scratch.grower, &encoded.features, gain_unit);
        self.scratch.grower.nodes.len() > 1
    }

    fn tree_rules(&self, round: u32, output: usize, scales: &Quantiser) -> TreeRules {
        let options = self.options;
        let (order, leaves_max, depth_max) = order(options);
        // Fixed-point gains are real gains times gradient_scale² / hessian_scale.
        let gain_unit = scales.gradient_scale * scales.gradient_scale / scales.hessian_scale;
        let split = SplitRules {
            l1: options.l1 * scales.gradient_scale,
            l2: options.l2 * scales.hessian_scale,
            category_l2: options.category_l2 * scales.hessian_scale,
            min_hessian: options.min_hessian * scales.hessian_scale,
            min_rows: f64::from(options.min_rows),
            min_gain: options.min_gain * gain_unit,
            max_delta_step: options.max_delta_step * scales.gradient_scale / scales.hessian_scale,
        };
        let random_cuts = options.mode == Mode::ExtraTrees;
        TreeRules {
            order,
            leaves_max,
            depth_max,
            split,
            scalar: random_cuts
                || options.max_delta_step > 0.0
                || self.encoded.features.iter().any(|f| f.monotone != 0),
            random_cuts,
            bootstrap: self.bootstraps(),
            node_column_fraction: options.node_column_fraction,
            seed: self.seed,
            tree: round
                .wrapping_mul(self.plan.outputs as u32)
                .wrapping_add(output as u32),
            set: self.set,
            parallel: self.parallel,
        }
    }

    /// Sets leaf values from the true gradients in wide fixed point, which repairs the rounding of the histograms and
    /// gives the same sums in any order.
    fn set_leaves(&mut self, scales: &Quantiser) {
        let options = self.options;
        let factor = if self.plan.averaged {
            1.0 / f64::from(options.rounds)
        } else {
            options.learning_rate
        };
        let units = objective::unit_hessian(self.plan.objective)
            && self.train.weights.is_none()
            && !self.bootstraps();
        let bound_unit = scales.hessian_scale / scales.gradient_scale;
        let gradient_scale = LeafScale::new(scales.gradient_scale);
        let hessian_scale = LeafScale::new(scales.hessian_scale);
        let total = |scale: LeafScale, values: &[f64], rows: &[u32]| {
            scale.value(
                rows.iter()
                    .map(|&row| scale.units(values[row as usize]))
                    .sum(),
            )
        };
        let TreesScratch {
            grower,
            gradients,
            hessians,
            pairs,
            ..
        } = &mut *self.scratch;
        for leaf in &grower.leaves {
            let rows = &grower.rows[leaf.rows.0..leaf.rows.1];
            let g = total(gradient_scale, gradients, rows);
            let h = if units {
                rows.len() as f64
            } else {
                total(hessian_scale, hessians, rows)
            };
            let bounds = (leaf.bounds.0 * bound_unit, leaf.bounds.1 * bound_unit);
            let value = match objective::leaf_quantile(self.plan.objective) {
                None => {
                    let penalty = if leaf.penalised {
                        options.category_l2
                    } else {
                        0.0
                    };
                    let l2 = options.l2 + penalty;
                    leaf_value(g, h, options.l1, l2, options.max_delta_step, bounds)
                }
                Some(alpha) => {
                    pairs.clear();
                    let weight = |row: usize| if units { 1.0 } else { hessians[row] };
                    let residual = |row: usize| self.train.labels[0][row] - self.train.scores[row];
                    pairs.extend(
                        rows.iter()
                            .map(|&row| (residual(row as usize), weight(row as usize))),
                    );
                    weighted_quantile(pairs, alpha).clamp(bounds.0, bounds.1)
                }
            };
            grower.nodes[leaf.node as usize].value = f64::from((factor * value) as f32);
        }
    }

    /// Adds leaf values to the scores of every row, in the sample or not.
    fn apply_leaves(&mut self, output: usize) {
        let (n, m) = (self.train.rows, self.valid.rows);
        let train = &mut self.train.scores[output * n..(output + 1) * n];
        let valid = &mut self.valid.scores[output * m..(output + 1) * m];
        let grower = &self.scratch.grower;
        // Averaged trees are independent: their gradients stay those of the start.
        let move_train = !self.plan.averaged;
        for Leaf {
            node,
            rows,
            passengers,
            ..
        } in &grower.leaves
        {
            let value = grower.nodes[*node as usize].value;
            if move_train {
                grower.rows[rows.0..rows.1]
                    .iter()
                    .for_each(|&row| train[row as usize] += value);
            }
            for &row in &grower.passengers[passengers.0..passengers.1] {
                let row = row as usize;
                if row >= n {
                    valid[row - n] += value;
                } else if move_train {
                    train[row] += value;
                }
            }
        }
    }

    fn finish(mut self, data: &Dataset) -> TreesFit {
        self.recorder.truncate(self.rounds_kept * self.plan.outputs);
        self.scratch.train = self.train;
        self.scratch.valid = self.valid;
        let model = self
            .recorder
            .model(data, &self.plan, self.base, self.encoded);
        TreesFit {
            model,
            rounds: self.rounds_kept as u32,
            train_loss: self.train_loss,
            valid_loss: self.valid_loss,
        }
    }
}
