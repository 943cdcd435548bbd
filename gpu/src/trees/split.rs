//! Which cut of which feature improves a node most?
//!
//! The gain of a split is `G_L²/(H_L+l2) + G_R²/(H_R+l2)` with gradients shrunk by l1. Eight features are scanned at
//! once in f32; the winner is then judged once more in f64. Ties go to the feature and bin that come first.

use super::bins::{Block, Feature, Grid, LANES};
use super::histogram::{gradient, hessian};
use super::scan::{Best, GRADIENT_UNIT, ScanTotals, scan};
use crate::instructions::Instructions;

/// What limits the splits of one tree, in the fixed-point units of its histograms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SplitRules {
    pub(crate) l1: f64,
    pub(crate) l2: f64,
    /// Added to l2 for the children of splits on categories.
    pub(crate) category_l2: f64,
    pub(crate) min_hessian: f64,
    pub(crate) min_rows: f64,
    pub(crate) min_gain: f64,
    pub(crate) max_delta_step: f64,
}

impl SplitRules {
    /// L2 penalty on the children of a split in this block.
    pub(crate) fn child_l2(&self, block: &Block) -> f64 {
        self.l2
            + if block.penalised {
                self.category_l2
            } else {
                0.0
            }
    }
}

/// A node as the scan sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct NodeTotals {
    /// Packed sum over the node's rows.
    pub(crate) packed: i64,
    /// Rows in the node.
    pub(crate) rows: usize,
    /// Smallest and largest leaf value (fixed-point ratio) that monotone ancestors allow.
    pub(crate) bounds: (f64, f64),
}

/// The best split of a node.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Split {
    /// Improvement over no split, fixed-point units.
    pub(crate) gain: f64,
    /// Lane slot of the feature in the grid.
    pub(crate) slot: usize,
    /// Ordered: the last bin that goes left. Levels: the bin that goes left alone.
    pub(crate) bin: u8,
    /// Whether rows of bin 0 go left (a split on bin 0 alone sends them left anyway).
    pub(crate) missing_left: bool,
    /// Packed sum of the left child.
    pub(crate) left: i64,
}

/// G²/(H+l2) after the l1 shrinkage.
fn score(g: f64, h: f64, l1: f64, l2: f64) -> f64 {
    let shrunk = shrink(g, l1);
    shrunk * shrunk / (h + l2)
}

/// Soft threshold.
fn shrink(g: f64, l1: f64) -> f64 {
    g.signum() * (g.abs() - l1).max(0.0)
}

/// Best leaf value, inside its bounds.
pub(crate) fn leaf_value(
    g: f64,
    h: f64,
    l1: f64,
    l2: f64,
    max_delta_step: f64,
    bounds: (f64, f64),
) -> f64 {
    let weight = h + l2;
    if weight <= 0.0 {
        return 0.0f64.clamp(bounds.0, bounds.1);
    }
    let mut value = -shrink(g, l1) / weight;
    if max_delta_step > 0.0 {
        value = value.clamp(-max_delta_step, max_delta_step);
    }
    value.clamp(bounds.0, bounds.1)
}

/// Loss reduction of a leaf held at `value`; equals [`score`] at the unbounded optimum.
fn score_at(g: f64, h: f64, value: f64, l1: f64, l2: f64) -> f64 {
    -(2.0 * g * value + (h + l2) * value * value + 2.0 * l1 * value.abs())
}

/// Fewest hessian units that either side must have.
fn hessian_floor(node: &NodeTotals, rules: &SplitRules) -> i32 {
    let total = f64::from(hessian(node.packed));
    let by_rows = rules.min_rows * total / node.rows.max(1) as f64;
    by_rows
        .max(rules.min_hessian)
        .max(1.0)
        .ceil()
        .min(f64::from(i32::MAX)) as i32
}

/// Which features a node may use.
pub(crate) trait Allowed {
    /// Whether the feature takes part.
    fn allows(&self, feature: u32) -> bool;
}

impl<F: Fn(u32) -> bool> Allowed for F {
    fn allows(&self, feature: u32) -> bool {
        self(feature)
    }
}

/// Constants of a node's scan, and the score that a split has to beat; `None` when no split leaves enough on both sides.
pub(crate) fn scan_totals(node: &NodeTotals, rules: &SplitRules) -> Option<(ScanTotals, f32)> {
    let totals = ScanTotals {
        g: gradient(node.packed),
        h: hessian(node.packed),
        floor: hessian_floor(node, rules),
        l1: rules.l1 as f32 * GRADIENT_UNIT,
        h_factor: (1.0 / scan_weight(node, rules)) as f32,
        h_shift: 0.0,
    };
    if i64::from(totals.floor) * 2 > i64::from(totals.h) {
        return None;
    }
    let whole = (totals.g as f32 * GRADIENT_UNIT).abs();
    let whole = if rules.l1 > 0.0 {
        (whole - totals.l1).max(0.0)
    } else {
        whole
    };
    Some((totals, whole * whole))
}

fn scan_weight(node: &NodeTotals, rules: &SplitRules) -> f64 {
    f64::from(hessian(node.packed)) + rules.l2
}

impl ScanTotals {
    /// The constants for the features of a block.
    pub(crate) fn in_block(&self, node: &NodeTotals, rules: &SplitRules, block: &Block) -> Self {
        Self {
            h_shift: (rules.child_l2(block) / scan_weight(node, rules)) as f32,
            ..*self
        }
    }
}

/// The best split of a node without monotone bounds.
pub(crate) fn best_split(
    set: Instructions,
    grid: &Grid,
    histogram: &[i64],
    node: &NodeTotals,
    rules: &SplitRules,
    allowed: &impl Allowed,
) -> Option<Split> {
    let (totals, parent) = scan_totals(node, rules)?;
    let mut winner: Option<(f32, u32, usize, u8, bool)> = None;
    for (index, block) in grid.blocks.iter().enumerate() {
        let lines = &histogram[block.offset..block.offset + block.bins * LANES];
        let mut best = Best::above(parent);
        let totals = totals.in_block(node, rules, block);
        scan(set, rules.l1 > 0.0, block.levels, lines, &totals, &mut best);
        for lane in 0..block.lanes {
            let slot = index * LANES + lane;
            let feature = grid.slots[slot];
            let Some((bin, missing_left)) = best.candidate(lane) else {
                continue;
            };
            if !allowed.allows(feature) {
                continue;
            }
            let gain = best.gain[lane];
            let first =
                winner.is_none_or(|(top, held, ..)| gain > top || (gain == top && feature < held));
            if first {
                winner = Some((gain, feature, slot, bin, missing_left));
            }
        }
    }
    let (_, _, slot, bin, missing_left) = winner?;
    confirm(grid, histogram, node, rules, (slot, bin, missing_left))
}

/// Sums the left side of a candidate.
fn left_sum(lines: &[i64], levels: bool, lane: usize, bin: u8, missing_left: bool) -> i64 {
    let at = |bin: usize| lines[bin * LANES + lane];
    let start = if missing_left { at(0) } else { 0 };
    if levels {
        return start + at(usize::from(bin));
    }
    start + (1..=usize::from(bin)).map(at).sum::<i64>()
}

/// Computes the gain in f64 and drops a candidate that does not improve.
fn confirm(
    grid: &Grid,
    histogram: &[i64],
    node: &NodeTotals,
    rules: &SplitRules,
    (slot, bin, missing_left): (usize, u8, bool),
) -> Option<Split> {
    let block = &grid.blocks[slot / LANES];
    let lines = &histogram[block.offset..block.offset + block.bins * LANES];
    let lane = slot % LANES;
    let left = left_sum(lines, block.levels, lane, bin, missing_left);
    confirm_sums(
        node,
        rules,
        block,
        (slot, bin, missing_left),
        (left, lines[lane]),
    )
}

/// As [`confirm`], from the sums of the left side and of missing rows.
pub(crate) fn confirm_sums(
    node: &NodeTotals,
    rules: &SplitRules,
    block: &Block,
    (slot, bin, missing_left): (usize, u8, bool),
    (left, missing): (i64, i64),
) -> Option<Split> {
    let right = node.packed - left;
    let part = |packed: i64, l2: f64| {
        let (g, h) = (gradient(packed), hessian(packed));
        score(f64::from(g), f64::from(h), rules.l1, l2)
    };
    let (whole, l2) = (part(node.packed, rules.l2), rules.child_l2(block));
    let gain = part(left, l2) + part(right, l2) - whole;
    // A gain below the rounding of its own terms is noise.
    if !(gain > rules.min_gain && gain > 1e-9 * whole) {
        return None;
    }
    Some(Split {
        gain,
        slot,
        bin,
        missing_left: default_side(missing, left, right, missing_left),
        left,
    })
}

/// Without missing rows in the node, a missing value at prediction goes where more rows went.
pub(crate) fn default_side(missing: i64, left: i64, right: i64, learned: bool) -> bool {
    if missing != 0 {
        learned
    } else {
        hessian(left) >= hessian(right)
    }
}

/// The best split in plain f64, one feature at a time: monotone bounds and limited steps.
pub(crate) fn best_split_scalar(
    grid: &Grid,
    histogram: &[i64],
    node: &NodeTotals,
    rules: &SplitRules,
    features: &[Feature],
    allowed: &impl Allowed,
) -> Option<Split> {
    let mut search = ScalarSearch::new(node, rules);
    for (slot, &id) in grid.slots.iter().enumerate() {
        if id == u32::MAX || !allowed.allows(id) {
            continue;
        }
        let block = &grid.blocks[slot / LANES];
        let lines = &histogram[block.offset..block.offset + block.bins * LANES];
        let feature = &features[id as usize];
        search.feature(id, slot, block, lines, feature);
    }
    search.best().map(|split| {
        let block = &grid.blocks[split.slot / LANES];
        let lines = &histogram[block.offset..block.offset + block.bins * LANES];
        let right = node.packed - split.left;
        let missing = lines[split.slot % LANES];
        let missing_left = default_side(missing, split.left, right, split.missing_left);
        Split {
            missing_left,
            ..split
        }
    })
}

/// The best of the candidates judged so far, in f64.
pub(crate) struct ScalarSearch<'a> {
    node: &'a NodeTotals,
    rules: &'a SplitRules,
    floor: i32,
    best: Option<(u32, Split)>,
}

impl<'a> ScalarSearch<'a> {
    pub(crate) fn new(node: &'a NodeTotals, rules: &'a SplitRules) -> Self {
        let floor = hessian_floor(node, rules);
        Self {
            node,
            rules,
            floor,
            best: None,
        }
    }

    pub(crate) fn best(&self) -> Option<Split> {
        self.best.map(|(_, split)| split)
    }

    /// Gain of the best candidate; 0 without one.
    pub(crate) fn gain(&self) -> f64 {
        self.best.map_or(0.0, |(_, split)| split.gain)
    }

    /// Judges every cut of a feature.
    fn feature(&mut self, id: u32, slot: usize, block: &Block, lines: &[i64], feature: &Feature) {
        let at = |bin: usize| lines[bin * LANES + slot % LANES];
        let child_l2 = self.rules.child_l2(block);
        let passes = if at(0) == 0 { 1 } else { 2 };
        for pass in 0..passes {
            let base = if pass == 1 { at(0) } else { 0 };
            let mut left = base;
            let first = usize::from(!block.levels || pass == 1);
            for bin in first..feature.bins {
                left = at(bin) + if block.levels { base } else { left };
                let (bin, missing_left) = (bin as u8, pass == 1);
                let split = Split {
                    gain: 0.0,
                    slot,
                    bin,
                    missing_left,
                    left,
                };
                self.candidate(id, feature.monotone, child_l2, split);
            }
        }
    }

    /// Judges one candidate.
    pub(crate) fn candidate(&mut self, id: u32, monotone: i8, child_l2: f64, split: Split) {
        let right = self.node.packed - split.left;
        if hessian(split.left) < self.floor || hessian(right) < self.floor {
            return;
        }
        let parts = |packed: i64| (f64::from(gradient(packed)), f64::from(hessian(packed)));
        let SplitRules {
            l1,
            l2,
            max_delta_step,
            min_gain,
            ..
        } = *self.rules;
        let value = |packed: i64, l2: f64| {
            let (g, h) = parts(packed);
            leaf_value(g, h, l1, l2, max_delta_step, self.node.bounds)
        };
        let (low, high) = (value(split.left, child_l2), value(right, child_l2));
        if (monotone > 0 && low > high) || (monotone < 0 && low < high) {
            return;
        }
        let judged = |packed: i64, value: f64, l2: f64| {
            let (g, h) = parts(packed);
            score_at(g, h, value, l1, l2)
        };
        let whole = judged(self.node.packed, value(self.node.packed, l2), l2);
        let gain = judged(split.left, low, child_l2) + judged(right, high, child_l2) - whole;
        if !(gain > min_gain && gain > 1e-9 * whole.abs()) {
            return;
        }
        let better = self
            .best
            .is_none_or(|(held, top)| gain > top.gain || (gain == top.gain && id < held));
        if better {
            self.best = Some((id, Split { gain, ..split }));
        }
    }
}
