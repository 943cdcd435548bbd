//! Which cut improves a node of few rows most? Every row's own bin is a candidate, and its left side is summed straight
//! from the rows: for a handful of rows that is far less work than a histogram of all bins, and the answer is the same.

use super::bins::{Grid, LANES};
use super::scan::{Best, ScanTotals, gain_of, scan_sums};
use super::split::{Allowed, NodeTotals, Split, SplitRules, confirm_sums, scan_totals};
use crate::instructions::{Instructions, per_instruction_set};

/// Most rows of such a node.
const FEW_ROWS_MAX: usize = 16;

/// Whether a node has so few rows: the work grows with their square, that of a histogram with its bins.
pub(crate) fn is_few(rows: usize, grid: &Grid) -> bool {
    let bins = grid.blocks.first().map_or(0, |block| block.bins);
    rows <= FEW_ROWS_MAX && rows * rows <= bins
}

/// A node's rows with what judges its splits.
pub(crate) struct FewRows<'a> {
    pub(crate) set: Instructions,
    pub(crate) grid: &'a Grid,
    /// At most [`FEW_ROWS_MAX`].
    pub(crate) rows: &'a [u32],
    pub(crate) packed: &'a [i64],
    pub(crate) node: NodeTotals,
    pub(crate) rules: &'a SplitRules,
}

/// One number per lane for each row.
type Lines = [[i64; LANES]; FEW_ROWS_MAX];

/// The best candidate so far.
#[derive(Debug, Clone, Copy)]
struct Winner {
    gain: f32,
    feature: u32,
    slot: usize,
    row: usize,
    missing_left: bool,
}

impl FewRows<'_> {
    /// What [`super::split::best_split`] answers for the node's histogram.
    pub(crate) fn best(&self, allowed: &impl Allowed) -> Option<Split> {
        let (totals, parent) = scan_totals(&self.node, self.rules)?;
        let l1 = self.rules.l1 > 0.0;
        let mut sums = [0; FEW_ROWS_MAX];
        for (sum, &row) in sums.iter_mut().zip(self.rows) {
            *sum = self.packed[row as usize];
        }
        let mut winner: Option<Winner> = None;
        let (mut bins, mut lefts) = ([[0; LANES]; FEW_ROWS_MAX], [[0; LANES]; FEW_ROWS_MAX]);
        for (index, block) in self.grid.blocks.iter().enumerate() {
            let totals = totals.in_block(&self.node, self.rules, block);
            let missing = self.sum(index, &sums, &mut bins, &mut lefts);
            let mut best = Best::above(parent);
            let lines = lefts[..self.rows.len()].as_flattened();
            let shown = missing.map(|missing| add_missing(&bins, &lefts, &missing));
            scan_sums(self.set, l1, lines, &totals, &mut best, false);
            if let Some(shown) = &shown {
                let lines = shown[..self.rows.len()].as_flattened();
                scan_sums(self.set, l1, lines, &totals, &mut best, true);
            }
            for lane in 0..block.lanes {
                let slot = index * LANES + lane;
                let feature = self.grid.slots[slot];
                let Some((row, missing_left)) = best.candidate(lane) else {
                    continue;
                };
                let gain = best.gain[lane];
                let first = winner.is_none_or(|top| {
                    gain > top.gain || (gain == top.gain && feature < top.feature)
                });
                if first && allowed.allows(feature) {
                    winner = Some(Winner {
                        gain,
                        feature,
                        slot,
                        row: usize::from(row),
                        missing_left,
                    });
                }
            }
        }
        self.split(winner?, &totals, &sums)
    }

    /// Sums the left side of each row's candidate, without missing rows; answers the missing rows' sums if there are any.
    fn sum(
        &self,
        index: usize,
        sums: &[i64; FEW_ROWS_MAX],
        bins: &mut Lines,
        lefts: &mut Lines,
    ) -> Option<[i64; LANES]> {
        let lines = self.grid.block_bins(index);
        for (bins, &row) in bins.iter_mut().zip(self.rows) {
            *bins = lines[row as usize].to_le_bytes().map(i64::from);
        }
        let count = self.rows.len();
        match self.grid.blocks[index].levels {
            true => sum_equal(self.set, count, sums, bins, lefts),
            false => sum_below(self.set, count, sums, bins, lefts),
        }
        let mut missing = [0; LANES];
        let mut some = false;
        for (bins, &sum) in bins.iter().zip(sums).take(count) {
            for lane in 0..self.grid.blocks[index].lanes {
                let absent = bins[lane] == 0;
                missing[lane] += if absent { sum } else { 0 };
                some |= absent;
            }
        }
        some.then_some(missing)
    }

    /// The split of the winning lane: among candidates of equal gain the one of the lowest bin.
    fn split(
        &self,
        winner: Winner,
        totals: &ScanTotals,
        sums: &[i64; FEW_ROWS_MAX],
    ) -> Option<Split> {
        let (index, lane) = (winner.slot / LANES, winner.slot % LANES);
        let block = &self.grid.blocks[index];
        let totals = totals.in_block(&self.node, self.rules, block);
        let l1 = self.rules.l1 > 0.0;
        let (mut bins, mut lefts) = ([[0; LANES]; FEW_ROWS_MAX], [[0; LANES]; FEW_ROWS_MAX]);
        let missing = self.sum(index, sums, &mut bins, &mut lefts);
        let missing = missing.map_or(0, |missing| missing[lane]);
        let shift = if winner.missing_left { missing } else { 0 };
        let mut chosen = (bins[winner.row][lane], winner.row);
        for row in 0..self.rows.len() {
            let bin = bins[row][lane];
            let gain = gain_of(l1, &totals, lefts[row][lane] + shift);
            let candidate = bin > 0 || !winner.missing_left;
            if bin < chosen.0 && candidate && gain == Some(winner.gain) {
                chosen = (bin, row);
            }
        }
        let left = lefts[chosen.1][lane] + shift;
        confirm_sums(
            &self.node,
            self.rules,
            block,
            (winner.slot, chosen.0 as u8, winner.missing_left),
            (left, missing),
        )
    }
}

/// The left sides with missing rows among them; a row without a value is no candidate then.
fn add_missing(bins: &Lines, lefts: &Lines, missing: &[i64; LANES]) -> Lines {
    let mut shown = *lefts;
    for (line, bins) in shown.iter_mut().zip(bins) {
        for lane in 0..LANES {
            let with = line[lane].wrapping_add(missing[lane]);
            line[lane] = if bins[lane] > 0 { with } else { 0 };
        }
    }
    shown
}

/// Ordered bins: everything known that is not above the row's bin. A row without a value has nothing on its left.
#[inline(always)]
fn sum_below_body(count: usize, sums: &[i64; FEW_ROWS_MAX], bins: &Lines, lefts: &mut Lines) {
    for row in 0..count {
        let mut left = [0; LANES];
        for other in 0..count {
            for lane in 0..LANES {
                let inside = (bins[other][lane] <= bins[row][lane]) & (bins[other][lane] > 0);
                // A mask instead of a choice: compilers make vectors of it.
                left[lane] += sums[other] & -i64::from(inside);
            }
        }
        lefts[row] = left;
    }
}

/// Levels: everything in the row's own bin, missing rows included.
#[inline(always)]
fn sum_equal_body(count: usize, sums: &[i64; FEW_ROWS_MAX], bins: &Lines, lefts: &mut Lines) {
    for row in 0..count {
        let mut left = [0; LANES];
        for other in 0..count {
            for lane in 0..LANES {
                let inside = bins[other][lane] == bins[row][lane];
                // A mask instead of a choice: compilers make vectors of it.
                left[lane] += sums[other] & -i64::from(inside);
            }
        }
        lefts[row] = left;
    }
}

per_instruction_set! {
    fn sum_below(count: usize, sums: &[i64; FEW_ROWS_MAX], bins: &Lines, lefts: &mut Lines) = sum_below_body
}
per_instruction_set! {
    fn sum_equal(count: usize, sums: &[i64; FEW_ROWS_MAX], bins: &Lines, lefts: &mut Lines) = sum_equal_body
}

#[cfg(test)]
mod tests {
    use super::super::bins::{Feature, Scale, Source};
    use super::super::histogram::build;
    use super::super::split::best_split;
    use super::*;
    use crate::random::{Stream, draw};

    /// Features of few and many bins, ordered and of levels, the narrow ones often equal.
    fn grid(rows: usize, seed: u64) -> Grid {
        let feature = |id: u32| Feature {
            source: Source::Column(id),
            scale: match id % 3 {
                0 => Scale::Levels {
                    levels: (0..3 + id).collect(),
                },
                _ => Scale::Ordered {
                    cuts: vec![0.0; 2 + 3 * id as usize],
                },
            },
            bins: 4
                + id as usize
                + if id.is_multiple_of(3) {
                    0
                } else {
                    2 * id as usize
                },
            monotone: 0,
        };
        let features: Vec<Feature> = (0..19).map(feature).collect();
        let mut grid = Grid::default();
        grid.arrange(&features, 0..19, rows);
        for block in 0..grid.blocks.len() {
            for row in 0..rows {
                let mut line = 0;
                for lane in 0..grid.blocks[block].lanes {
                    let id = grid.slots[block * LANES + lane];
                    let word = draw(seed, Stream::Rows, id, row as u64);
                    let first = u64::from(!(id.is_multiple_of(2) && seed.is_multiple_of(3)));
                    let bins = features[id as usize].bins as u64 - first;
                    line |= (first + word % bins) << (8 * lane);
                }
                grid.bins[block * rows + row] = line;
            }
        }
        grid
    }

    #[test]
    fn few_rows_are_split_as_their_histogram_is() {
        let mut found = 0;
        for seed in 0..400u64 {
            let count = 2 + (seed % 15) as usize;
            let grid = grid(40, seed);
            let rows: Vec<u32> = (0..count as u32).map(|row| row * 2 + 3).collect();
            let packed: Vec<i64> = (0..40)
                .map(|row| {
                    let word = draw(seed, Stream::Cuts, 0, row);
                    let hessian = if seed % 2 == 0 {
                        1
                    } else {
                        1 + word as i64 % 50_000
                    };
                    // Steps so coarse that gains often tie.
                    ((word >> 40) as i64 % 7 - 3) * (1 << 50) + hessian
                })
                .collect();
            let node = NodeTotals {
                packed: rows.iter().map(|&row| packed[row as usize]).sum(),
                rows: count,
                bounds: (f64::NEG_INFINITY, f64::INFINITY),
            };
            let rules = SplitRules {
                l1: if seed % 5 == 0 { 1e5 } else { 0.0 },
                l2: if seed % 4 < 2 { 0.0 } else { 3.0 },
                category_l2: 2.0,
                min_hessian: (seed % 3) as f64,
                min_rows: (seed % 4) as f64,
                min_gain: 0.0,
                max_delta_step: 0.0,
            };
            let mut histogram = vec![0; grid.histogram_len];
            build(&grid, &rows, &packed, &mut histogram, false);
            let allowed = |feature: u32| seed % 7 != 0 || feature % 3 != 1;
            let set = Instructions::detect();
            let expected = best_split(set, &grid, &histogram, &node, &rules, &allowed);
            found += usize::from(expected.is_some());
            for set in Instructions::available() {
                let few = FewRows {
                    set,
                    grid: &grid,
                    rows: &rows,
                    packed: &packed,
                    node,
                    rules: &rules,
                };
                assert_eq!(few.best(&allowed), expected, "seed {seed}, {set:?}");
            }
        }
        assert!(found > 200, "{found}");
    }
}
