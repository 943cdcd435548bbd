//! Which of one random cut per feature improves a node most? Extremely randomised trees (Geurts, Ernst and Wehenkel,
//! 2006) need no histogram: one pass over the node's rows finds the range of each feature, a second sums the left sides.

use super::bins::{Block, Feature, Grid, LANES};
use super::split::{Allowed, NodeTotals, ScalarSearch, Split, SplitRules, default_side};
use crate::instructions::{Instructions, per_instruction_set};

/// The rows of a node with everything that judges its splits.
pub(crate) struct RandomCuts<'a> {
    pub(crate) set: Instructions,
    pub(crate) grid: &'a Grid,
    pub(crate) features: &'a [Feature],
    pub(crate) rows: &'a [u32],
    pub(crate) packed: &'a [i64],
    pub(crate) node: NodeTotals,
    pub(crate) rules: &'a SplitRules,
}

/// The cut of one feature in the node.
#[derive(Debug, Clone, Copy, Default)]
struct Cut {
    /// Ordered: the last bin on the left. Levels: the bin on the left.
    bin: u8,
    drawn: bool,
}

impl RandomCuts<'_> {
    /// The best of one cut per feature, each drawn uniformly between the first and the last bin that hold rows, by the
    /// random word that `word` answers for the feature.
    pub(crate) fn best(&self, allowed: &impl Allowed, word: impl Fn(u32) -> u64) -> Option<Split> {
        let mut search = ScalarSearch::new(&self.node, self.rules);
        let mut missing_sums = [0i64; LANES];
        let mut winner_missing = 0;
        for (index, block) in self.grid.blocks.iter().enumerate() {
            let lines = self.grid.block_bins(index);
            let slots = &self.grid.slots[index * LANES..(index + 1) * LANES];
            let wanted = |lane: usize| lane < block.lanes && allowed.allows(slots[lane]);
            if !(0..LANES).any(wanted) {
                continue;
            }
            let cuts = self.draw(block, lines, |lane| wanted(lane).then(|| word(slots[lane])));
            let left = self.sum(block, lines, &cuts, &mut missing_sums);
            for lane in (0..block.lanes).filter(|&lane| cuts[lane].drawn) {
                let bin = cuts[lane].bin;
                let split = Split {
                    gain: 0.0,
                    slot: index * LANES + lane,
                    bin,
                    missing_left: false,
                    left: left[lane],
                };
                let held = search.gain();
                let monotone = self.features[slots[lane] as usize].monotone;
                let child_l2 = self.rules.child_l2(block);
                search.candidate(slots[lane], monotone, child_l2, split);
                if missing_sums[lane] != 0 && !(block.levels && bin == 0) {
                    let left = split.left + missing_sums[lane];
                    search.candidate(
                        slots[lane],
                        monotone,
                        child_l2,
                        Split {
                            missing_left: true,
                            left,
                            ..split
                        },
                    );
                }
                if search.gain() != held {
                    winner_missing = missing_sums[lane];
                }
            }
        }
        let split = search.best()?;
        let right = self.node.packed - split.left;
        let missing_left = default_side(winner_missing, split.left, right, split.missing_left);
        Some(Split {
            missing_left,
            ..split
        })
    }

    /// Draws a cut for each lane that has a word and at least two bins with rows.
    fn draw(
        &self,
        block: &Block,
        lines: &[u64],
        word: impl Fn(usize) -> Option<u64>,
    ) -> [Cut; LANES] {
        let mut cuts = [Cut::default(); LANES];
        let pick = |word: u64, count: usize| ((u128::from(word) * count as u128) >> 64) as usize;
        if block.levels {
            let held = self.held_bins(lines);
            for (lane, cut) in cuts.iter_mut().enumerate() {
                let count: usize = held[lane]
                    .iter()
                    .map(|bits| bits.count_ones() as usize)
                    .sum();
                if let (Some(word), 2..) = (word(lane), count) {
                    *cut = Cut {
                        bin: nth_bit(&held[lane], pick(word, count)),
                        drawn: true,
                    };
                }
            }
            return cuts;
        }
        let (first, last, missing) = self.ranges(lines);
        for (lane, cut) in cuts.iter_mut().enumerate() {
            // With missing rows, "known against missing" is a cut as well: the last bin.
            let count = usize::from(last[lane]).saturating_sub(usize::from(first[lane]))
                + usize::from(missing[lane]);
            let known = last[lane] > 0;
            if let (Some(word), true, 1..) = (word(lane), known, count) {
                *cut = Cut {
                    bin: first[lane] + pick(word, count) as u8,
                    drawn: true,
                };
            }
        }
        cuts
    }

    /// First and last bin of the known rows, and whether any is missing, per lane.
    fn ranges(&self, lines: &[u64]) -> ([u8; LANES], [u8; LANES], [bool; LANES]) {
        let (mut below, mut last, mut least) = ([u8::MAX; LANES], [0; LANES], [u8::MAX; LANES]);
        find_ranges(
            self.set, lines, self.rows, &mut below, &mut last, &mut least,
        );
        (
            below.map(|bin| bin.wrapping_add(1)),
            last,
            least.map(|bin| bin == 0),
        )
    }

    /// The bins that hold rows, one bit each, per lane.
    fn held_bins(&self, lines: &[u64]) -> [[u64; 4]; LANES] {
        let mut held = [[0u64; 4]; LANES];
        for &row in self.rows {
            for (held, bin) in held.iter_mut().zip(lines[row as usize].to_le_bytes()) {
                held[usize::from(bin >> 6)] |= 1 << (bin & 63);
            }
        }
        held
    }

    /// Sums of the left sides without missing rows; `missing_sums` receives the sums of those.
    fn sum(
        &self,
        block: &Block,
        lines: &[u64],
        cuts: &[Cut; LANES],
        missing_sums: &mut [i64; LANES],
    ) -> [i64; LANES] {
        let high = cuts.map(|cut| i64::from(cut.bin) + 1);
        let low = high.map(|high| if block.levels { high - 2 } else { 0 });
        let mut left = [0; LANES];
        missing_sums.fill(0);
        add_between(
            self.set,
            lines,
            self.rows,
            self.packed,
            &low,
            &high,
            &mut left,
            missing_sums,
        );
        left
    }
}

#[inline(always)]
fn find_ranges_body(
    lines: &[u64],
    rows: &[u32],
    below: &mut [u8; LANES],
    last: &mut [u8; LANES],
    least: &mut [u8; LANES],
) {
    for &row in rows {
        let bins = lines[row as usize].to_le_bytes();
        for lane in 0..LANES {
            // Bin 0 wraps to 255, so that missing rows don't count as the first.
            below[lane] = below[lane].min(bins[lane].wrapping_sub(1));
            last[lane] = last[lane].max(bins[lane]);
            least[lane] = least[lane].min(bins[lane]);
        }
    }
}

/// Adds the rows whose bin lies strictly between `low` and `high`, and those whose bin is 0.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn add_between_body(
    lines: &[u64],
    rows: &[u32],
    packed: &[i64],
    low: &[i64; LANES],
    high: &[i64; LANES],
    left: &mut [i64; LANES],
    missing: &mut [i64; LANES],
) {
    for &row in rows {
        let (line, sum) = (lines[row as usize], packed[row as usize]);
        for lane in 0..LANES {
            let bin = (line >> (8 * lane) & 255) as i64;
            let inside = (bin > low[lane]) & (bin < high[lane]);
            left[lane] += if inside { sum } else { 0 };
            missing[lane] += if bin == 0 { sum } else { 0 };
        }
    }
}

per_instruction_set! {
    fn find_ranges(lines: &[u64], rows: &[u32], below: &mut [u8; LANES], last: &mut [u8; LANES], least: &mut [u8; LANES]) = find_ranges_body
}
per_instruction_set! {
    fn add_between(lines: &[u64], rows: &[u32], packed: &[i64], low: &[i64; LANES], high: &[i64; LANES], left: &mut [i64; LANES], missing: &mut [i64; LANES]) = add_between_body
}

/// Position of the `n`-th set bit.
fn nth_bit(bits: &[u64; 4], n: usize) -> u8 {
    let set = (0..=u8::MAX).filter(|&bit| bits[usize::from(bit >> 6)] >> (bit & 63) & 1 == 1);
    set.clone().nth(n).unwrap_or(0)
}
