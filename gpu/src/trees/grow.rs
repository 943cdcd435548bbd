//! How does one tree grow? Leaves are split in the order of `growth`; the smaller child's histogram is built and the
//! larger one's is the parent's minus it. Rows outside the sample and held-out rows ride along as passengers: they are
//! partitioned by the same splits but never enter a histogram, so nothing is traversed afterwards.

use std::collections::VecDeque;

use super::bins::{Feature, Grid, LANES};
use super::few_rows::{FewRows, is_few};
use super::histogram::{build, gradient, hessian, subtract};
use super::partition::Side;
use super::random_cuts::RandomCuts;
use super::split::{NodeTotals, Split, SplitRules, best_split, best_split_scalar, leaf_value};
use crate::instructions::Instructions;
use crate::random::{Stream, draw};

/// Memory that open leaves' histograms may take; leaves beyond it are counted afresh instead of subtracted.
pub(crate) const HISTOGRAM_BYTES_MAX: usize = 512 << 20;

/// Rows below which an open leaf does not hold its histogram.
pub(crate) const HELD_ROWS_MIN: usize = 16;

/// Which open leaf is split next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// The one with the largest gain.
    LargestGain,
    /// The newest: holds the fewest histograms; for trees that no leaf limit can cut short.
    Newest,
    /// The oldest: level by level.
    Oldest,
}

/// What one tree may do.
#[derive(Debug, Clone)]
pub(crate) struct TreeRules {
    pub(crate) order: Order,
    /// At least 1.
    pub(crate) leaves_max: usize,
    pub(crate) depth_max: usize,
    pub(crate) split: SplitRules,
    /// Whether any feature is monotone, steps are limited or cuts are random.
    pub(crate) scalar: bool,
    pub(crate) random_cuts: bool,
    /// Whether a row may count several times, so that rows don't tell the hessian.
    pub(crate) bootstrap: bool,
    pub(crate) node_column_fraction: f64,
    pub(crate) seed: u64,
    /// Number of the tree across the fit.
    pub(crate) tree: u32,
    pub(crate) set: Instructions,
    pub(crate) parallel: bool,
}

impl TreeRules {
    /// Whether a leaf's split is sought in a histogram.
    fn needs_histogram(&self, leaf: &OpenLeaf, grid: &Grid) -> bool {
        !self.random_cuts && (self.scalar || !is_few(row_count(leaf), grid))
    }
}

/// A node of the tree that is growing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct GrowNode {
    /// Feature id; meaningless for a leaf.
    pub(crate) feature: u32,
    pub(crate) bin: u8,
    pub(crate) missing_left: bool,
    /// Left child; the right one follows it. 0 marks a leaf.
    pub(crate) left: u32,
    /// Rows that reached the node.
    pub(crate) rows: u32,
    /// Leaf value.
    pub(crate) value: f64,
}

/// A finished leaf and its rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Leaf {
    pub(crate) node: u32,
    /// Range in [`Grower::rows`].
    pub(crate) rows: (usize, usize),
    /// Range in [`Grower::passengers`].
    pub(crate) passengers: (usize, usize),
    /// Smallest and largest value, fixed-point ratio.
    pub(crate) bounds: (f64, f64),
    /// Whether the split that made the leaf carries the penalty on categories.
    pub(crate) penalised: bool,
}

#[derive(Debug, Clone, Copy)]
struct OpenLeaf {
    leaf: Leaf,
    /// The way from the root; see [`child_path`].
    path: u64,
    depth: usize,
    packed: i64,
    histogram: Option<usize>,
    split: Option<Split>,
}

/// The working memory of growing; kept between trees and fits.
#[derive(Debug, Default)]
pub(crate) struct Grower {
    /// Rows of the sample, grouped by leaf after [`Grower::grow`].
    pub(crate) rows: Vec<u32>,
    /// Other rows, grouped by leaf likewise.
    pub(crate) passengers: Vec<u32>,
    pub(crate) nodes: Vec<GrowNode>,
    /// Leaves of the finished tree.
    pub(crate) leaves: Vec<Leaf>,
    /// Fixed-point gain of each split, in node order, with its feature.
    pub(crate) gains: Vec<(u32, f64)>,
    spare: Vec<u32>,
    open: VecDeque<OpenLeaf>,
    pool: Vec<i64>,
    free: Vec<usize>,
    slots_made: usize,
    drawn: Vec<u64>,
    spare_draws: Vec<u64>,
}

/// What stays the same while one tree grows.
#[derive(Clone, Copy)]
struct Ground<'a> {
    grid: &'a Grid,
    features: &'a [Feature],
    packed: &'a [i64],
    rules: &'a TreeRules,
}

impl Grower {
    /// Grows one tree over `self.rows` (non-empty) and `self.passengers`.
    pub(crate) fn grow(
        &mut self,
        grid: &Grid,
        features: &[Feature],
        packed: &[i64],
        rules: &TreeRules,
    ) {
        let ground = Ground {
            grid,
            features,
            packed,
            rules,
        };
        self.plant(&ground);
        while self.leaves.len() + self.open.len() < rules.leaves_max {
            let Some(parent) = self.choose(rules) else {
                break;
            };
            let OpenLeaf {
                split: Some(split), ..
            } = parent
            else {
                break;
            };
            self.expand(&ground, parent, split);
        }
        while let Some(open) = self.open.pop_front() {
            self.leaves.push(open.leaf);
        }
    }

    fn plant(&mut self, ground: &Ground) {
        self.nodes.clear();
        self.leaves.clear();
        self.gains.clear();
        self.open.clear();
        self.free.clear();
        self.slots_made = 0;
        let leaf = Leaf {
            node: 0,
            rows: (0, self.rows.len()),
            passengers: (0, self.passengers.len()),
            bounds: (f64::NEG_INFINITY, f64::INFINITY),
            penalised: false,
        };
        self.nodes.push(leaf_node(self.rows.len()));
        let packed = self
            .rows
            .iter()
            .map(|&row| ground.packed[row as usize])
            .sum();
        let root = OpenLeaf {
            leaf,
            path: ROOT_PATH,
            depth: 0,
            packed,
            histogram: None,
            split: None,
        };
        if ground.rules.leaves_max < 2
            || ground.grid.blocks.is_empty()
            || !can_split(&root, ground.rules)
        {
            self.leaves.push(leaf);
            return;
        }
        let histogram = ground
            .rules
            .needs_histogram(&root, ground.grid)
            .then(|| self.count(ground, &leaf));
        self.judge(ground, OpenLeaf { histogram, ..root });
    }

    /// Takes the next leaf to split.
    fn choose(&mut self, rules: &TreeRules) -> Option<OpenLeaf> {
        match rules.order {
            Order::LargestGain => {
                let position = (0..self.open.len())
                    .max_by(|&a, &b| compare_gain(&self.open[a], &self.open[b]))?;
                self.open.swap_remove_back(position)
            }
            Order::Newest => self.open.pop_back(),
            Order::Oldest => self.open.pop_front(),
        }
    }

    /// Splits a leaf, counts and judges its children.
    fn expand(&mut self, ground: &Ground, parent: OpenLeaf, split: Split) {
        let (left, right) = self.divide(ground, &parent, &split);
        let room = self.leaves.len() + self.open.len() + 2 < ground.rules.leaves_max;
        let (split_left, split_right) = (
            room && can_split(&left, ground.rules),
            room && can_split(&right, ground.rules),
        );
        let counted = |child: &OpenLeaf, split: bool| {
            split && ground.rules.needs_histogram(child, ground.grid)
        };
        let (count_left, count_right) = (counted(&left, split_left), counted(&right, split_right));
        let slots = self.count_children(
            ground,
            &parent,
            [(&left, count_left), (&right, count_right)],
        );
        for (child, histogram, splittable) in
            [(left, slots.0, split_left), (right, slots.1, split_right)]
        {
            if splittable {
                self.judge(ground, OpenLeaf { histogram, ..child });
            } else {
                self.free.extend(histogram);
                self.leaves.push(child.leaf);
            }
        }
    }

    /// Histograms of the children that need one: the smaller is counted, the larger is the parent's minus it.
    fn count_children(
        &mut self,
        ground: &Ground,
        parent: &OpenLeaf,
        [(left, split_left), (right, split_right)]: [(&OpenLeaf, bool); 2],
    ) -> (Option<usize>, Option<usize>) {
        let left_smaller = row_count(left) <= row_count(right);
        let (small, large) = if left_smaller {
            (left, right)
        } else {
            (right, left)
        };
        let (split_small, split_large) = if left_smaller {
            (split_left, split_right)
        } else {
            (split_right, split_left)
        };
        let (mut small_slot, mut large_slot) = (None, None);
        match parent.histogram {
            Some(slot) if split_large => {
                let counted = self.count(ground, &small.leaf);
                let (larger, smaller) =
                    two_slots(&mut self.pool, slot, counted, ground.grid.histogram_len);
                subtract(ground.rules.set, larger, smaller);
                large_slot = Some(slot);
                if split_small {
                    small_slot = Some(counted);
                } else {
                    self.free.push(counted);
                }
            }
            other => {
                self.free.extend(other);
                if split_small {
                    small_slot = Some(self.count(ground, &small.leaf));
                }
                if split_large {
                    large_slot = Some(self.count(ground, &large.leaf));
                }
            }
        }
        if left_smaller {
            (small_slot, large_slot)
        } else {
            (large_slot, small_slot)
        }
    }

    /// Builds the histogram of a leaf's rows in a slot of its own.
    fn count(&mut self, ground: &Ground, leaf: &Leaf) -> usize {
        let slot = self.take_slot(ground.grid.histogram_len);
        let target = slot_mut(&mut self.pool, slot, ground.grid.histogram_len);
        build(
            ground.grid,
            &self.rows[leaf.rows.0..leaf.rows.1],
            ground.packed,
            target,
            ground.rules.parallel,
        );
        slot
    }

    fn take_slot(&mut self, len: usize) -> usize {
        if let Some(slot) = self.free.pop() {
            return slot;
        }
        let slots_max = (HISTOGRAM_BYTES_MAX / (8 * len.max(1))).max(4);
        if self.slots_made >= slots_max {
            // The leaf that will be split last gives its histogram up; its children are then counted from their rows.
            let held = (0..self.open.len()).filter(|&i| self.open[i].histogram.is_some());
            let last = held.min_by(|&a, &b| compare_gain(&self.open[a], &self.open[b]));
            if let Some(slot) = last.and_then(|position| self.open[position].histogram.take()) {
                return slot;
            }
        }
        let slot = self.slots_made;
        self.slots_made += 1;
        if self.pool.len() < self.slots_made * len {
            self.pool.resize(self.slots_made * len, 0);
        }
        slot
    }

    /// Seeks the best split of a counted leaf; without one the leaf is final.
    fn judge(&mut self, ground: &Ground, leaf: OpenLeaf) {
        let Some(split) = self.find_split(ground, &leaf) else {
            self.free.extend(leaf.histogram);
            self.leaves.push(leaf.leaf);
            return;
        };
        let mut open = OpenLeaf {
            split: Some(split),
            ..leaf
        };
        // For few rows counting again is cheaper than holding and subtracting.
        if row_count(&leaf) < HELD_ROWS_MIN {
            self.free.extend(open.histogram.take());
        }
        self.open.push_back(open);
    }

    fn find_split(&mut self, ground: &Ground, leaf: &OpenLeaf) -> Option<Split> {
        let rules = ground.rules;
        let node = NodeTotals {
            packed: leaf.packed,
            rows: row_count(leaf),
            bounds: leaf.leaf.bounds,
        };
        let limit = self.draw_columns(ground, leaf.path);
        let drawn = &self.drawn;
        let allowed = |feature: u32| limit.is_none_or(|limit| drawn[feature as usize] <= limit);
        let (begin, end) = leaf.leaf.rows;
        let rows = &self.rows[begin..end];
        let Some(slot) = leaf.histogram else {
            if !rules.random_cuts {
                let few = FewRows {
                    set: rules.set,
                    grid: ground.grid,
                    rows,
                    packed: ground.packed,
                    node,
                    rules: &rules.split,
                };
                return few.best(&allowed);
            }
            let cuts = RandomCuts {
                set: rules.set,
                grid: ground.grid,
                features: ground.features,
                rows,
                packed: ground.packed,
                node,
                rules: &rules.split,
            };
            let key = |feature: u32| u64::from(leaf.leaf.node) << 32 | u64::from(feature);
            return cuts.best(&allowed, |feature| {
                draw(rules.seed, Stream::Cuts, rules.tree, key(feature))
            });
        };
        let len = ground.grid.histogram_len;
        let histogram = &self.pool[slot * len..(slot + 1) * len];
        let (grid, split) = (ground.grid, &rules.split);
        if rules.scalar {
            best_split_scalar(grid, histogram, &node, split, ground.features, &allowed)
        } else {
            best_split(rules.set, grid, histogram, &node, split, &allowed)
        }
    }

    /// Draws a number per feature; features at or below the answer take part in the node. `None` lets all take part.
    fn draw_columns(&mut self, ground: &Ground, path: u64) -> Option<u64> {
        let rules = ground.rules;
        if rules.node_column_fraction >= 1.0 {
            return None;
        }
        self.drawn.clear();
        self.drawn.resize(ground.features.len(), u64::MAX);
        self.spare_draws.clear();
        for &feature in ground
            .grid
            .slots
            .iter()
            .filter(|&&feature| feature != u32::MAX)
        {
            let key = path.wrapping_add(u64::from(feature) << 32);
            let word = draw(rules.seed, Stream::NodeColumns, rules.tree, key);
            self.drawn[feature as usize] = word;
            self.spare_draws.push(word);
        }
        let wanted = (rules.node_column_fraction * self.spare_draws.len() as f64)
            .ceil()
            .max(1.0) as usize;
        let position = wanted.min(self.spare_draws.len()) - 1;
        Some(*self.spare_draws.select_nth_unstable(position).1)
    }

    /// Partitions the rows of a leaf and makes its two children.
    fn divide(
        &mut self,
        ground: &Ground,
        parent: &OpenLeaf,
        split: &Split,
    ) -> (OpenLeaf, OpenLeaf) {
        let feature = ground.grid.slots[split.slot];
        let levels = ground.features[feature as usize].is_levels();
        let side = Side {
            grid: ground.grid,
            slot: split.slot,
            bin: split.bin,
            missing_left: split.missing_left,
            levels,
            parallel: ground.rules.parallel,
        };
        let (begin, end) = parent.leaf.rows;
        let middle = begin + side.partition(&mut self.rows[begin..end], &mut self.spare);
        let (p_begin, p_end) = parent.leaf.passengers;
        let p_middle =
            p_begin + side.partition(&mut self.passengers[p_begin..p_end], &mut self.spare);
        let first = self.nodes.len() as u32;
        let node = &mut self.nodes[parent.leaf.node as usize];
        *node = GrowNode {
            feature,
            bin: split.bin,
            missing_left: split.missing_left,
            left: first,
            ..*node
        };
        self.nodes.push(leaf_node(middle - begin));
        self.nodes.push(leaf_node(end - middle));
        self.gains.push((feature, split.gain));
        let (low, high) = child_bounds(
            ground,
            parent,
            split,
            ground.features[feature as usize].monotone,
        );
        let penalised = ground.grid.blocks[split.slot / LANES].penalised;
        let child = |node, rows, passengers, bounds, packed| OpenLeaf {
            leaf: Leaf {
                node,
                rows,
                passengers,
                bounds,
                penalised,
            },
            path: child_path(parent.path, node != first),
            depth: parent.depth + 1,
            packed,
            histogram: None,
            split: None,
        };
        (
            child(first, (begin, middle), (p_begin, p_middle), low, split.left),
            child(
                first + 1,
                (middle, end),
                (p_middle, p_end),
                high,
                parent.packed - split.left,
            ),
        )
    }
}

const ROOT_PATH: u64 = 1;

/// Names a node by the way to it, whatever order leaves are split in; draws for a node are keyed on it. The multiplier is
/// that of Knuth's MMIX generator.
fn child_path(path: u64, right: bool) -> u64 {
    path.wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1 + 2 * u64::from(right))
}

/// Keeps the children of a monotone split on their sides of the middle between their values.
fn child_bounds(
    ground: &Ground,
    parent: &OpenLeaf,
    split: &Split,
    monotone: i8,
) -> ((f64, f64), (f64, f64)) {
    let bounds = parent.leaf.bounds;
    if monotone == 0 {
        return (bounds, bounds);
    }
    let rules = &ground.rules.split;
    let value = |packed: i64| {
        let (g, h) = (f64::from(gradient(packed)), f64::from(hessian(packed)));
        leaf_value(g, h, rules.l1, rules.l2, rules.max_delta_step, bounds)
    };
    let middle = 0.5 * (value(split.left) + value(parent.packed - split.left));
    let (below, above) = ((bounds.0, middle), (middle, bounds.1));
    if monotone > 0 {
        (below, above)
    } else {
        (above, below)
    }
}

fn leaf_node(rows: usize) -> GrowNode {
    GrowNode {
        feature: u32::MAX,
        bin: 0,
        missing_left: false,
        left: 0,
        rows: rows as u32,
        value: 0.0,
    }
}

fn row_count(leaf: &OpenLeaf) -> usize {
    leaf.leaf.rows.1 - leaf.leaf.rows.0
}

fn can_split(leaf: &OpenLeaf, rules: &TreeRules) -> bool {
    let rows_min = (2.0 * rules.split.min_rows).max(2.0);
    leaf.depth < rules.depth_max
        && row_count(leaf) >= 2
        && (rules.bootstrap || row_count(leaf) as f64 >= rows_min)
        && f64::from(hessian(leaf.packed)) >= 2.0 * rules.split.min_hessian
}

/// Orders open leaves by gain, the earlier node first among equals.
fn compare_gain(a: &OpenLeaf, b: &OpenLeaf) -> std::cmp::Ordering {
    let gain = |open: &OpenLeaf| open.split.map_or(f64::NEG_INFINITY, |split| split.gain);
    gain(a)
        .total_cmp(&gain(b))
        .then(b.leaf.node.cmp(&a.leaf.node))
}

fn slot_mut(pool: &mut [i64], slot: usize, len: usize) -> &mut [i64] {
    &mut pool[slot * len..(slot + 1) * len]
}

/// Two different slots of the pool at once.
fn two_slots(pool: &mut [i64], first: usize, second: usize, len: usize) -> (&mut [i64], &[i64]) {
    debug_assert_ne!(first, second);
    if first < second {
        let (head, tail) = pool.split_at_mut(second * len);
        (&mut head[first * len..(first + 1) * len], &tail[..len])
    } else {
        let (head, tail) = pool.split_at_mut(first * len);
        (&mut tail[..len], &head[second * len..(second + 1) * len])
    }
}
