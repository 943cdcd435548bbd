//! How much gradient and hessian lies in each bin? One 64-bit integer addition per row and feature: the gradient is the
//! upper half, the hessian (or the row count) the lower, both in fixed point, so any order of adding gives the same bits.

use rayon::prelude::{
    IndexedParallelIterator, IntoParallelIterator, ParallelIterator, ParallelSlice,
};

use super::bins::{Grid, LANES};
use crate::instructions::per_instruction_set;

/// Row-and-lane updates above which one node is built by several threads, when the fit may use them.
const PARALLEL_UPDATES_MIN: usize = 1 << 18;
/// Rows of one parallel piece.
const PARALLEL_ROWS: usize = 1 << 15;

/// Gradient half of a packed sum.
#[inline(always)]
pub(crate) fn gradient(packed: i64) -> i32 {
    (packed >> 32) as i32
}

/// Hessian half of a packed sum; never negative, since sums stay below 2^31.
#[inline(always)]
pub(crate) fn hessian(packed: i64) -> i32 {
    packed as i32
}

/// Scales and packs gradients of the rows of one tree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Quantiser {
    /// Fixed-point units per unit of gradient.
    pub(crate) gradient_scale: f64,
    /// Fixed-point units per unit of hessian.
    pub(crate) hessian_scale: f64,
}

impl Quantiser {
    /// Units such that no subset of the rows can overflow 2^30 (plus half a unit per row of rounding).
    pub(crate) fn new(gradient_sum: f64, hessian_sum: Option<f64>) -> Self {
        const RANGE: f64 = (1u32 << 30) as f64;
        let hessian_scale = hessian_sum.map_or(1.0, |sum| RANGE / sum);
        Self {
            gradient_scale: RANGE / gradient_sum,
            hessian_scale,
        }
    }
}

#[inline(always)]
fn round_low(value: f64) -> i64 {
    /// 1.5 × 2^52: adding it leaves the rounded integer in the low bits.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    (value + ROUND).to_bits() as i64
}

#[inline(always)]
fn pack_unit_body(gradients: &[f64], scale: f64, packed: &mut [i64]) {
    for (out, &g) in packed.iter_mut().zip(gradients) {
        *out = (round_low(g * scale) << 32) + 1;
    }
}

#[inline(always)]
fn pack_pair_body(gradients: &[f64], hessians: &[f64], scales: Quantiser, packed: &mut [i64]) {
    for ((out, &g), &h) in packed.iter_mut().zip(gradients).zip(hessians) {
        // At least one unit, so that a child without hessian is a child without rows.
        let h = (h * scales.hessian_scale).max(1.0);
        *out = (round_low(g * scales.gradient_scale) << 32) + (round_low(h) & 0xffff_ffff);
    }
}

per_instruction_set! {
    /// Packs gradients with a row count of 1.
    pub(crate) fn pack_unit(gradients: &[f64], scale: f64, packed: &mut [i64]) = pack_unit_body
}
per_instruction_set! {
    /// Packs gradients with their hessians.
    pub(crate) fn pack_pair(gradients: &[f64], hessians: &[f64], scales: Quantiser, packed: &mut [i64]) = pack_pair_body
}

/// Adds rows to the histogram of one block.
fn add_rows<const COUNT: usize>(histogram: &mut [i64], bins: &[u64], rows: &[u32], packed: &[i64]) {
    let lines = histogram.len() / LANES;
    for &row in rows {
        let row = row as usize;
        let (line, sum) = (bins[row], packed[row]);
        for lane in 0..COUNT {
            let bin = (line >> (8 * lane)) as usize & 255;
            debug_assert!(bin < lines);
            // SAFETY: a block has one histogram line per bin of its widest feature and binning gives no larger bin.
            unsafe { *histogram.get_unchecked_mut(bin * LANES + lane) += sum };
        }
    }
}

fn add_rows_in_lanes(
    lanes: usize,
    histogram: &mut [i64],
    bins: &[u64],
    rows: &[u32],
    packed: &[i64],
) {
    match lanes {
        1 => add_rows::<1>(histogram, bins, rows, packed),
        2 => add_rows::<2>(histogram, bins, rows, packed),
        3 => add_rows::<3>(histogram, bins, rows, packed),
        4 => add_rows::<4>(histogram, bins, rows, packed),
        5 => add_rows::<5>(histogram, bins, rows, packed),
        6 => add_rows::<6>(histogram, bins, rows, packed),
        7 => add_rows::<7>(histogram, bins, rows, packed),
        _ => add_rows::<8>(histogram, bins, rows, packed),
    }
}

/// Fills a histogram from the rows of one node; with `parallel`, large nodes use the threads of the current pool.
pub(crate) fn build(
    grid: &Grid,
    rows: &[u32],
    packed: &[i64],
    histogram: &mut [i64],
    parallel: bool,
) {
    histogram.fill(0);
    if parallel && rows.len() * grid.blocks.len() * LANES >= PARALLEL_UPDATES_MIN {
        build_parallel(grid, rows, packed, histogram);
        return;
    }
    for (index, block) in grid.blocks.iter().enumerate() {
        let target = &mut histogram[block.offset..block.offset + block.bins * LANES];
        add_rows_in_lanes(block.lanes, target, grid.block_bins(index), rows, packed);
    }
}

fn build_parallel(grid: &Grid, rows: &[u32], packed: &[i64], histogram: &mut [i64]) {
    let mut targets = Vec::with_capacity(grid.blocks.len());
    let mut rest = histogram;
    for block in &grid.blocks {
        let (head, tail) = rest.split_at_mut(block.bins * LANES);
        targets.push(head);
        rest = tail;
    }
    targets
        .into_par_iter()
        .enumerate()
        .for_each(|(index, target)| {
            let (lanes, bins) = (grid.blocks[index].lanes, grid.block_bins(index));
            let zero = || vec![0i64; target.len()];
            let sum = rows
                .par_chunks(PARALLEL_ROWS)
                .fold(zero, |mut piece, chunk| {
                    add_rows_in_lanes(lanes, &mut piece, bins, chunk, packed);
                    piece
                })
                .reduce(zero, |mut a, b| {
                    a.iter_mut().zip(&b).for_each(|(a, b)| *a += b);
                    a
                });
            target.copy_from_slice(&sum);
        });
}

#[inline(always)]
fn subtract_body(larger: &mut [i64], smaller: &[i64]) {
    for (a, b) in larger.iter_mut().zip(smaller) {
        *a -= b;
    }
}

per_instruction_set! {
    /// Turns a parent's histogram into that of its other child.
    pub(crate) fn subtract(larger: &mut [i64], smaller: &[i64]) = subtract_body
}

#[cfg(test)]
mod tests {
    use super::super::bins::{Feature, Scale, Source};
    use super::*;
    use crate::instructions::Instructions;

    #[test]
    fn packing_keeps_signs_apart_and_every_set_agrees() {
        let gradients: Vec<f64> = (0..1_000).map(|i| f64::from(i) * 0.37 - 180.0).collect();
        let hessians: Vec<f64> = (0..1_000).map(|i| f64::from(i % 7) * 0.1).collect();
        let sum: f64 = gradients.iter().map(|g| g.abs()).sum();
        let scales = Quantiser::new(sum, Some(hessians.iter().sum()));
        let mut expected = vec![0; 1_000];
        pack_pair(
            Instructions::Baseline,
            &gradients,
            &hessians,
            scales,
            &mut expected,
        );
        for set in Instructions::available() {
            let mut packed = vec![0; 1_000];
            pack_pair(set, &gradients, &hessians, scales, &mut packed);
            assert_eq!(packed, expected);
        }
        let total: i64 = expected.iter().sum();
        let g = f64::from(gradient(total)) / scales.gradient_scale;
        let h = f64::from(hessian(total)) / scales.hessian_scale;
        assert!((g - gradients.iter().sum::<f64>()).abs() < 1e-3 * sum);
        assert!((h - hessians.iter().sum::<f64>()).abs() < 1e-3);
        assert!(expected.iter().all(|&packed| hessian(packed) >= 1));
    }

    #[test]
    fn a_parallel_histogram_equals_the_serial_one() {
        let rows = 100_000;
        let mut grid = Grid::default();
        let feature = |column: u32| Feature {
            source: Source::Column(column),
            scale: Scale::Ordered {
                cuts: vec![0.0; 19 + column as usize],
            },
            bins: 21 + column as usize,
            monotone: 0,
        };
        let features: Vec<Feature> = (0..11).map(feature).collect();
        grid.arrange(&features, 0..11, rows);
        for block in 0..grid.blocks.len() {
            for row in 0..rows {
                let bin = |lane: usize| {
                    (row * 17 + lane + row / 13)
                        % features[grid.slots[block * LANES + lane] as usize].bins
                };
                grid.bins[block * rows + row] = (0..grid.blocks[block].lanes)
                    .map(|lane| (bin(lane) as u64) << (8 * lane))
                    .sum();
            }
        }
        let index: Vec<u32> = (0..rows as u32).collect();
        let packed: Vec<i64> = (0..rows as i64)
            .map(|i| ((i % 2001 - 1000) << 32) + 1)
            .collect();
        let mut serial = vec![0; grid.histogram_len];
        let mut parallel = vec![1; grid.histogram_len];
        build(&grid, &index, &packed, &mut serial, false);
        build(&grid, &index, &packed, &mut parallel, true);
        assert_eq!(serial, parallel);
        let first_lane: i64 = serial[..grid.blocks[0].bins * LANES]
            .iter()
            .step_by(LANES)
            .sum();
        assert_eq!(hessian(first_lane), rows as i32);
    }
}
