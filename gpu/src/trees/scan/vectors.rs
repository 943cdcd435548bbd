//! How do x86-64's vectors scan lines of packed sums? The operations of the portable form, in the same order, eight lanes at
//! a time with AVX2 and two lines at a time with AVX-512.

pub(super) mod avx512 {
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

    use crate::trees::bins::LANES;
    use crate::trees::scan::{Best, GRADIENT_UNIT, ScanTotals, Shape};

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
    pub(in crate::trees::scan) fn scan<const L1: bool, const PLAIN: bool>(
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

pub(super) mod avx2 {
    use std::arch::x86_64::{
        __m256, __m256i, _CMP_GT_OQ, _mm256_add_epi32, _mm256_add_epi64, _mm256_add_ps,
        _mm256_and_ps, _mm256_and_si256, _mm256_blendv_ps, _mm256_castps_si256,
        _mm256_castsi256_ps, _mm256_cmp_ps, _mm256_cmpgt_epi32, _mm256_cvtepi32_ps, _mm256_div_ps,
        _mm256_loadu_si256, _mm256_max_ps, _mm256_mul_ps, _mm256_set1_epi32, _mm256_set1_ps,
        _mm256_setzero_ps, _mm256_setzero_si256, _mm256_shuffle_ps, _mm256_storeu_ps,
        _mm256_sub_epi32, _mm256_sub_ps, _mm256_testz_si256,
    };

    use crate::trees::bins::LANES;
    use crate::trees::scan::{Best, GRADIENT_UNIT, ScanTotals, Shape};

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
    pub(in crate::trees::scan) fn scan<const L1: bool>(
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
