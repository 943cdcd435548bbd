//! Which bin of each of eight features is the best cut? The inner loop of tree growth: one line of eight packed sums per
//! bin, eight gains at a time.
//!
//! Three implementations of the same operations: portable Rust, and AVX2 and AVX-512 intrinsics in `vectors.rs` (the
//! portable form keeps its running best in memory, which costs more than the arithmetic). They give the same bits.

#[cfg(target_arch = "x86_64")]
mod vectors;

#[cfg(target_arch = "x86_64")]
use vectors::{avx2, avx512};

use super::bins::LANES;
use super::histogram::{gradient, hessian};
use crate::instructions::Instructions;

/// Added to a candidate's bin when rows without a value go left.
const MISSING_LEFT: i32 = 256;
/// Gradients are scanned in units of 2^30, the largest possible sum.
pub(crate) const GRADIENT_UNIT: f32 = 1.0 / (1u32 << 30) as f32;

/// Constants of one node in the scan's own units: gradients over 2^30, hessians (with l2) over the node's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScanTotals {
    pub(crate) g: i32,
    pub(crate) h: i32,
    /// Fewest hessian units of either side, at least 1.
    pub(crate) floor: i32,
    pub(crate) l1: f32,
    pub(crate) h_factor: f32,
    pub(crate) h_shift: f32,
}

/// The best candidate of each lane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Best {
    pub(crate) gain: [f32; LANES],
    candidate: [i32; LANES],
}

impl Best {
    /// No candidate yet; only gains above `least` will count.
    pub(crate) fn above(least: f32) -> Self {
        Self {
            gain: [least; LANES],
            candidate: [-1; LANES],
        }
    }

    /// Bin of a lane's candidate and whether missing rows go left with it.
    pub(crate) fn candidate(&self, lane: usize) -> Option<(u8, bool)> {
        let found = self.candidate[lane];
        (found >= 0).then_some((found as u8, found >= MISSING_LEFT))
    }
}

/// How bins combine into a left side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape {
    /// The candidate bin alone, instead of all bins up to it.
    levels: bool,
    /// Whether bin 0 is on the left as well.
    missing_left: bool,
    /// Whether the lines are left sides already, bin 0 included where it belongs there.
    summed: bool,
}

impl Shape {
    /// Whether bin 0 has to be added to the left sides.
    fn adds_missing(self) -> bool {
        self.missing_left && !self.summed
    }

    /// First candidate bin, and what is added to it in a candidate's number.
    fn first(self) -> (usize, i32) {
        let first = usize::from(!self.summed && (!self.levels || self.missing_left));
        (first, if self.missing_left { MISSING_LEFT } else { 0 })
    }
}

/// Every cut between neighbouring bins, or with `levels` every level against the rest; missing rows are tried on the
/// right and, where there are any, on the left.
pub(crate) fn scan(
    set: Instructions,
    l1: bool,
    levels: bool,
    histogram: &[i64],
    t: &ScanTotals,
    best: &mut Best,
) {
    let missing = histogram[..LANES].iter().any(|&sum| sum != 0);
    for missing_left in [false, true].into_iter().take(1 + usize::from(missing)) {
        let shape = Shape {
            levels,
            missing_left,
            summed: false,
        };
        scan_shape(set, l1, histogram, t, best, shape);
    }
}

/// Every line as a left side of its own; candidates are numbered by line.
pub(crate) fn scan_sums(
    set: Instructions,
    l1: bool,
    lines: &[i64],
    t: &ScanTotals,
    best: &mut Best,
    missing_left: bool,
) {
    let shape = Shape {
        levels: true,
        missing_left,
        summed: true,
    };
    scan_shape(set, l1, lines, t, best, shape);
}

/// The gain of one left side, `None` when either side is too small; the same bits as a scan's.
pub(crate) fn gain_of(l1: bool, t: &ScanTotals, left: i64) -> Option<f32> {
    match l1 {
        false => candidate_gain::<false>(t, left),
        true => candidate_gain::<true>(t, left),
    }
}

#[inline(always)]
fn candidate_gain<const L1: bool>(t: &ScanTotals, left: i64) -> Option<f32> {
    let (gl, hl) = (gradient(left), hessian(left));
    let (gr, hr) = (t.g.wrapping_sub(gl), t.h.wrapping_sub(hl));
    let (a, b) = (shrunk::<L1>(gl, t.l1), shrunk::<L1>(gr, t.l1));
    let wl = hl as f32 * t.h_factor + t.h_shift;
    let wr = hr as f32 * t.h_factor + t.h_shift;
    let gain = (a * a * wr + b * b * wl) / (wl * wr);
    (hl >= t.floor && hr >= t.floor).then_some(gain)
}

fn scan_shape(
    set: Instructions,
    l1: bool,
    histogram: &[i64],
    t: &ScanTotals,
    best: &mut Best,
    shape: Shape,
) {
    #[cfg(target_arch = "x86_64")]
    {
        let plain = t.h_shift == 0.0;
        let run = match (set, l1, plain) {
            (Instructions::Avx512, false, true) => Some(avx512::scan::<false, true> as Scan),
            (Instructions::Avx512, false, false) => Some(avx512::scan::<false, false> as Scan),
            (Instructions::Avx512, true, _) => Some(avx512::scan::<true, false> as Scan),
            (Instructions::Avx2, false, _) => Some(avx2::scan::<false> as Scan),
            (Instructions::Avx2, true, _) => Some(avx2::scan::<true> as Scan),
            (Instructions::Baseline, ..) => None,
        };
        if let Some(run) = run {
            // SAFETY: sets above the baseline are only made by `Instructions::available`, which has asked the processor.
            unsafe { run(histogram, t, best, shape) };
            return;
        }
    }
    let _ = set;
    match l1 {
        false => portable::<false>(histogram, t, best, shape),
        true => portable::<true>(histogram, t, best, shape),
    }
}

fn portable<const L1: bool>(histogram: &[i64], t: &ScanTotals, best: &mut Best, shape: Shape) {
    let (first, start) = shape.first();
    let mut base = [0i64; LANES];
    if shape.adds_missing() {
        base.copy_from_slice(&histogram[..LANES]);
    }
    let mut left = base;
    for (offset, line) in histogram[first * LANES..].chunks_exact(LANES).enumerate() {
        for lane in 0..LANES {
            left[lane] = line[lane] + if shape.levels { base[lane] } else { left[lane] };
            if let Some(gain) = candidate_gain::<L1>(t, left[lane])
                && gain > best.gain[lane]
            {
                best.gain[lane] = gain;
                best.candidate[lane] = (first + offset) as i32 + start;
            }
        }
    }
}

#[inline(always)]
fn shrunk<const L1: bool>(g: i32, l1: f32) -> f32 {
    let g = g as f32 * GRADIENT_UNIT;
    if L1 { (g.abs() - l1).max(0.0) } else { g }
}

/// A scan that the processor must be able to run.
#[cfg(target_arch = "x86_64")]
type Scan = unsafe fn(&[i64], &ScanTotals, &mut Best, Shape);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Stream, draw};

    /// A histogram of `bins` lines whose lanes each sum to the same total, as those of one node do.
    fn histogram(seed: u64, bins: usize, missing: bool) -> (Vec<i64>, i64) {
        let mut lines = vec![0i64; bins * LANES];
        let mut total = 0i64;
        for row in 0..300u64 {
            let word = draw(seed, Stream::Rows, 0, row);
            let packed = ((word % 2_000_001) as i64 - 1_000_000) * (1 << 32)
                + (word >> 40 & 1_023) as i64
                + 1;
            total += packed;
            for lane in 0..LANES {
                let at = (draw(seed, Stream::Cuts, lane as u32, row) % bins as u64) as usize;
                let bin = if missing { at } else { at.max(1) };
                lines[bin * LANES + lane] += packed;
            }
        }
        (lines, total)
    }

    #[test]
    fn both_implementations_give_the_same_bits_and_find_the_largest_gain() {
        for seed in 0..60 {
            let bins = 2 + seed as usize % 40;
            let (lines, total) = histogram(seed, bins, seed % 2 == 0);
            let l1 = if seed % 3 == 0 { 0.002 } else { 0.0 };
            let (g, h) = (gradient(total), hessian(total));
            let shift = if seed % 4 < 2 { 0.1 } else { 0.0 };
            let t = ScanTotals {
                g,
                h,
                floor: 5_000,
                l1,
                h_factor: 0.9 / h as f32,
                h_shift: shift,
            };
            for (levels, missing_left) in
                [(false, false), (false, true), (true, false), (true, true)]
            {
                let shape = Shape {
                    levels,
                    missing_left,
                    summed: false,
                };
                let mut expected = Best::above(0.0);
                scan_shape(
                    Instructions::Baseline,
                    l1 > 0.0,
                    &lines,
                    &t,
                    &mut expected,
                    shape,
                );
                for set in Instructions::available() {
                    let mut found = Best::above(0.0);
                    scan_shape(set, l1 > 0.0, &lines, &t, &mut found, shape);
                    assert_eq!(found, expected, "{set:?} {shape:?}");
                }
            }
            let mut best = Best::above(0.0);
            scan(
                Instructions::detect(),
                l1 > 0.0,
                false,
                &lines,
                &t,
                &mut best,
            );
            for lane in 0..LANES {
                assert!(
                    (best.gain[lane] - brute_force(&lines, lane, &t)).abs()
                        <= 1e-6 * best.gain[lane]
                );
            }
        }
    }

    /// The largest gain of a lane, straight from the definition and in f64.
    fn brute_force(lines: &[i64], lane: usize, t: &ScanTotals) -> f32 {
        let bins = lines.len() / LANES;
        let at = |bin: usize| lines[bin * LANES + lane];
        let mut top = 0.0f64;
        for with_missing in [false, true] {
            for cut in 1..bins {
                let left: i64 =
                    (1..=cut).map(at).sum::<i64>() + if with_missing { at(0) } else { 0 };
                let (gl, hl) = (gradient(left), hessian(left));
                let (gr, hr) = (t.g - gl, t.h - hl);
                if hl < t.floor || hr < t.floor {
                    continue;
                }
                let part = |g: i32, h: i32| {
                    let g = (f64::from(g) * f64::from(GRADIENT_UNIT)).abs() - f64::from(t.l1);
                    g.max(0.0).powi(2)
                        / (f64::from(h) * f64::from(t.h_factor) + f64::from(t.h_shift))
                };
                top = top.max(part(gl, hl) + part(gr, hr));
            }
        }
        top as f32
    }
}
