//! Which bin of each of eight features is the best cut? The inner loop of tree growth: one line of eight packed sums per
//! bin, eight gains at a time.
//!
//! Three implementations of the same operations: portable Rust, and AVX2 and AVX-512 intrinsics (the portable form keeps
//! its running best in memory, which costs more than the arithmetic). They give the same bits.

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
    scan_shape(
        set,
        l1,
        histogram,
        t,
        best,
        Shape {
            levels,
            missing_left: false,
            summed: false,
        },
    );
    if missing {
        scan_shape(
            set,
            l1,
            histogram,
            t,
            best,
            Shape {
                levels,
                missing_left: true,
                summed: false,
            },
        );
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

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::{
        __m512, __m512i, __mmask16, _CMP_EQ_OQ, _CMP_GT_OQ, _mm256_cmp_ps_mask, _mm256_loadu_ps,
        _mm256_loadu_si256, _mm256_mask_cmpgt_epi32_mask, _mm256_mask_mov_epi32,
        _mm256_mask_mov_ps, _mm256_storeu_ps, _mm256_storeu_si256, _mm512_add_epi32,
        _mm512_add_epi64, _mm512_add_ps, _mm512_and_ps, _mm512_broadcast_f32x8,
        _mm512_broadcast_i32x8, _mm512_castps512_ps256, _mm512_castsi512_ps,
        _mm512_castsi512_si256, _mm512_cvtepi32_ps, _mm512_div_ps, _mm512_extractf32x8_ps,
        _mm512_extracti32x8_epi32, _mm512_loadu_si512, _mm512_mask_cmp_ps_mask,
        _mm512_mask_cmpgt_epi32_mask, _mm512_mask_mov_epi32, _mm512_mask_mov_ps, _mm512_max_ps,
        _mm512_mul_ps, _mm512_permutex2var_epi32, _mm512_set_epi32, _mm512_set1_epi32,
        _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512, _mm512_sub_epi32, _mm512_sub_ps,
    };

    use super::{Best, GRADIENT_UNIT, ScanTotals, Shape};
    use crate::trees::bins::LANES;

    /// Gains are sought in units of 2^60, which spares the scan a multiplication of each gradient; powers of two change no
    /// other bit.
    const GAIN_UNIT: f32 = GRADIENT_UNIT * GRADIENT_UNIT;

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    #[inline]
    fn shrunk<const L1: bool>(g: __m512i, l1: __m512) -> __m512 {
        let g = _mm512_cvtepi32_ps(g);
        if !L1 {
            return g;
        }
        let sign = _mm512_castsi512_ps(_mm512_set1_epi32(i32::MAX));
        let magnitude = _mm512_and_ps(g, sign);
        _mm512_max_ps(_mm512_sub_ps(magnitude, l1), _mm512_setzero_ps())
    }

    /// The node's constants, in every lane.
    #[derive(Clone, Copy)]
    struct Node {
        g: __m512i,
        h: __m512i,
        below: __m512i,
        l1: __m512,
        factor: __m512,
        shift: __m512,
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    #[inline]
    fn node(t: &ScanTotals) -> Node {
        Node {
            g: _mm512_set1_epi32(t.g),
            h: _mm512_set1_epi32(t.h),
            below: _mm512_set1_epi32(t.floor - 1),
            l1: _mm512_set1_ps(t.l1 / GRADIENT_UNIT),
            factor: _mm512_set1_ps(t.h_factor),
            shift: _mm512_set1_ps(t.h_shift),
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    #[inline]
    fn weight<const PLAIN: bool>(node: &Node, h: __m512i) -> __m512 {
        let scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(h), node.factor);
        if PLAIN {
            scaled
        } else {
            _mm512_add_ps(scaled, node.shift)
        }
    }

    /// Gains of left sides with these gradients and hessians.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    #[inline]
    fn gain<const L1: bool, const PLAIN: bool>(
        node: &Node,
        gl: __m512i,
        (hl, hr): (__m512i, __m512i),
    ) -> __m512 {
        let gr = _mm512_sub_epi32(node.g, gl);
        let (a, b) = (shrunk::<L1>(gl, node.l1), shrunk::<L1>(gr, node.l1));
        let (wl, wr) = (weight::<PLAIN>(node, hl), weight::<PLAIN>(node, hr));
        let num = _mm512_add_ps(
            _mm512_mul_ps(_mm512_mul_ps(a, a), wr),
            _mm512_mul_ps(_mm512_mul_ps(b, b), wl),
        );
        _mm512_div_ps(num, _mm512_mul_ps(wl, wr))
    }

    /// What was best before, in both halves.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    #[inline]
    fn held(best: &Best) -> (__m512, __m512i) {
        // SAFETY: both arrays are eight numbers long.
        let (gain, candidate) = unsafe {
            (
                _mm256_loadu_ps(best.gain.as_ptr()),
                _mm256_loadu_si256(best.candidate.as_ptr().cast()),
            )
        };
        let gain = _mm512_div_ps(_mm512_broadcast_f32x8(gain), _mm512_set1_ps(GAIN_UNIT));
        (gain, _mm512_broadcast_i32x8(candidate))
    }

    /// The better half of each lane; among equals the earlier candidate.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    #[inline]
    fn keep(top: __m512, chosen: __m512i, best: &mut Best) {
        let top = _mm512_mul_ps(top, _mm512_set1_ps(GAIN_UNIT));
        let (gain, late_gain) = (
            _mm512_castps512_ps256(top),
            _mm512_extractf32x8_ps::<1>(top),
        );
        let (number, late) = (
            _mm512_castsi512_si256(chosen),
            _mm512_extracti32x8_epi32::<1>(chosen),
        );
        let equal = _mm256_cmp_ps_mask::<_CMP_EQ_OQ>(late_gain, gain);
        let wins = _mm256_cmp_ps_mask::<_CMP_GT_OQ>(late_gain, gain)
            | _mm256_mask_cmpgt_epi32_mask(equal, number, late);
        // SAFETY: both arrays are eight numbers long.
        unsafe {
            _mm256_storeu_ps(
                best.gain.as_mut_ptr(),
                _mm256_mask_mov_ps(gain, wins, late_gain),
            );
            _mm256_storeu_si256(
                best.candidate.as_mut_ptr().cast(),
                _mm256_mask_mov_epi32(number, wins, late),
            );
        }
    }

    /// Two lines at a time, one in each half of a vector. `PLAIN` promises that `h_shift` is 0.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    pub(super) fn scan<const L1: bool, const PLAIN: bool>(
        histogram: &[i64],
        t: &ScanTotals,
        best: &mut Best,
        shape: Shape,
    ) {
        let (first, start) = shape.first();
        let load = |line: &[i64]| -> __m512i {
            assert!(line.len() == LANES);
            // SAFETY: a line is eight i64, one vector.
            unsafe { _mm512_loadu_si512(line.as_ptr().cast()) }
        };
        let base = if shape.adds_missing() {
            load(&histogram[..LANES])
        } else {
            _mm512_setzero_si512()
        };
        let uppers = _mm512_set_epi32(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
        let lowers = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
        let node = node(t);
        let (mut top, mut chosen) = held(best);
        let number = first as i32 + start;
        let next = number + 1;
        let mut candidate = _mm512_set_epi32(
            next, next, next, next, next, next, next, next, number, number, number, number, number,
            number, number, number,
        );
        let mut left = base;
        let mut judge = |early: __m512i, late: __m512i, halves: __mmask16| {
            let gl = _mm512_permutex2var_epi32(early, uppers, late);
            let hl = _mm512_permutex2var_epi32(early, lowers, late);
            let hr = _mm512_sub_epi32(node.h, hl);
            let allowed = _mm512_mask_cmpgt_epi32_mask(halves, hl, node.below);
            let allowed = _mm512_mask_cmpgt_epi32_mask(allowed, hr, node.below);
            // Near both ends of a small node no cut leaves enough rows on either side.
            if allowed != 0 {
                let gain = gain::<L1, PLAIN>(&node, gl, (hl, hr));
                let better = _mm512_mask_cmp_ps_mask::<_CMP_GT_OQ>(allowed, gain, top);
                top = _mm512_mask_mov_ps(top, better, gain);
                chosen = _mm512_mask_mov_epi32(chosen, better, candidate);
            }
            candidate = _mm512_add_epi32(candidate, _mm512_set1_epi32(2));
        };
        let mut pairs = histogram[first * LANES..].chunks_exact(2 * LANES);
        for pair in &mut pairs {
            let (early, late) = (load(&pair[..LANES]), load(&pair[LANES..]));
            if shape.levels {
                judge(
                    _mm512_add_epi64(base, early),
                    _mm512_add_epi64(base, late),
                    0xffff,
                );
            } else {
                let middle = _mm512_add_epi64(left, early);
                left = _mm512_add_epi64(middle, late);
                judge(middle, left, 0xffff);
            }
        }
        if let Some(last) = pairs.remainder().get(..LANES) {
            let before = if shape.levels { base } else { left };
            let early = _mm512_add_epi64(before, load(last));
            judge(early, early, 0x00ff);
        }
        keep(top, chosen, best);
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m256, __m256i, _CMP_GT_OQ, _mm256_add_epi32, _mm256_add_epi64, _mm256_add_ps,
        _mm256_and_ps, _mm256_and_si256, _mm256_blendv_ps, _mm256_castps_si256,
        _mm256_castsi256_ps, _mm256_cmp_ps, _mm256_cmpgt_epi32, _mm256_cvtepi32_ps, _mm256_div_ps,
        _mm256_loadu_si256, _mm256_max_ps, _mm256_mul_ps, _mm256_set1_epi32, _mm256_set1_ps,
        _mm256_setzero_ps, _mm256_setzero_si256, _mm256_shuffle_ps, _mm256_storeu_ps,
        _mm256_sub_epi32, _mm256_sub_ps, _mm256_testz_si256,
    };

    use super::{Best, GRADIENT_UNIT, ScanTotals, Shape};
    use crate::trees::bins::LANES;

    /// Where lane `i` of the shuffled halves comes from.
    const ORDER: [usize; LANES] = [0, 1, 4, 5, 2, 3, 6, 7];

    /// Splits eight packed sums, held as two vectors, into gradients and hessians in [`ORDER`].
    #[target_feature(enable = "avx2")]
    #[inline]
    fn halves(low: __m256i, high: __m256i) -> (__m256i, __m256i) {
        let (low, high) = (_mm256_castsi256_ps(low), _mm256_castsi256_ps(high));
        let hessians = _mm256_shuffle_ps::<0b10_00_10_00>(low, high);
        let gradients = _mm256_shuffle_ps::<0b11_01_11_01>(low, high);
        (
            _mm256_castps_si256(gradients),
            _mm256_castps_si256(hessians),
        )
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn shrunk<const L1: bool>(g: __m256i, l1: __m256) -> __m256 {
        let g = _mm256_mul_ps(_mm256_cvtepi32_ps(g), _mm256_set1_ps(GRADIENT_UNIT));
        if !L1 {
            return g;
        }
        let magnitude = _mm256_and_ps(g, _mm256_castsi256_ps(_mm256_set1_epi32(i32::MAX)));
        _mm256_max_ps(_mm256_sub_ps(magnitude, l1), _mm256_setzero_ps())
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    pub(super) fn scan<const L1: bool>(
        histogram: &[i64],
        t: &ScanTotals,
        best: &mut Best,
        shape: Shape,
    ) {
        let (first, start) = shape.first();
        let load = |line: &[i64]| -> (__m256i, __m256i) {
            debug_assert_eq!(line.len(), LANES);
            let at = line.as_ptr().cast::<__m256i>();
            // SAFETY: a line is eight i64, two vectors.
            unsafe { (_mm256_loadu_si256(at), _mm256_loadu_si256(at.add(1))) }
        };
        let nothing = (_mm256_setzero_si256(), _mm256_setzero_si256());
        let base = if shape.adds_missing() {
            load(&histogram[..LANES])
        } else {
            nothing
        };
        let (mut left_low, mut left_high) = base;
        let (g, h) = (_mm256_set1_epi32(t.g), _mm256_set1_epi32(t.h));
        let below = _mm256_set1_epi32(t.floor - 1);
        let (l1, factor, shift) = (
            _mm256_set1_ps(t.l1),
            _mm256_set1_ps(t.h_factor),
            _mm256_set1_ps(t.h_shift),
        );
        let mut top = reorder_f32(&best.gain);
        let mut chosen = _mm256_castsi256_ps(reorder_i32(&best.candidate));
        let least = _mm256_set1_ps(f32::NEG_INFINITY);
        let mut candidate = _mm256_set1_epi32(first as i32 + start);
        for line in histogram[first * LANES..].chunks_exact(LANES) {
            let (low, high) = load(line);
            let before = if shape.levels {
                base
            } else {
                (left_low, left_high)
            };
            left_low = _mm256_add_epi64(before.0, low);
            left_high = _mm256_add_epi64(before.1, high);
            let (gl, hl) = halves(left_low, left_high);
            let (gr, hr) = (_mm256_sub_epi32(g, gl), _mm256_sub_epi32(h, hl));
            let allowed =
                _mm256_and_si256(_mm256_cmpgt_epi32(hl, below), _mm256_cmpgt_epi32(hr, below));
            let tried = candidate;
            candidate = _mm256_add_epi32(candidate, _mm256_set1_epi32(1));
            // Near both ends of a small node no cut leaves enough rows on either side.
            if _mm256_testz_si256(allowed, allowed) == 1 {
                continue;
            }
            let (a, b) = (shrunk::<L1>(gl, l1), shrunk::<L1>(gr, l1));
            let wl = _mm256_add_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(hl), factor), shift);
            let wr = _mm256_add_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(hr), factor), shift);
            let num = _mm256_add_ps(
                _mm256_mul_ps(_mm256_mul_ps(a, a), wr),
                _mm256_mul_ps(_mm256_mul_ps(b, b), wl),
            );
            let gain = _mm256_div_ps(num, _mm256_mul_ps(wl, wr));
            // Only the maximum depends on the line before; the choice follows behind it.
            let gain = _mm256_blendv_ps(least, gain, _mm256_castsi256_ps(allowed));
            let better = _mm256_cmp_ps::<_CMP_GT_OQ>(gain, top);
            top = _mm256_max_ps(gain, top);
            chosen = _mm256_blendv_ps(chosen, _mm256_castsi256_ps(tried), better);
        }
        keep(top, chosen, best);
    }

    /// Puts the lanes back in their order.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn keep(top: __m256, chosen: __m256, best: &mut Best) {
        let (mut gains, mut candidates) = ([0.0f32; LANES], [0i32; LANES]);
        // SAFETY: both arrays are one vector long.
        unsafe {
            _mm256_storeu_ps(gains.as_mut_ptr(), top);
            _mm256_storeu_ps(candidates.as_mut_ptr().cast(), chosen);
        }
        for (lane, &from) in ORDER.iter().enumerate() {
            best.gain[from] = gains[lane];
            best.candidate[from] = candidates[lane];
        }
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn reorder_f32(values: &[f32; LANES]) -> __m256 {
        let shuffled = ORDER.map(|from| values[from]);
        // SAFETY: the array is one vector long.
        unsafe { std::arch::x86_64::_mm256_loadu_ps(shuffled.as_ptr()) }
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn reorder_i32(values: &[i32; LANES]) -> __m256i {
        let shuffled = ORDER.map(|from| values[from]);
        // SAFETY: the array is one vector long.
        unsafe { _mm256_loadu_si256(shuffled.as_ptr().cast()) }
    }
}

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
