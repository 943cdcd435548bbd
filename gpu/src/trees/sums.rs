//! How are rows summed so that neither their order nor the device changes a bit? Means and losses in a fixed number of
//! running sums that meet in a fixed order; leaves in wide fixed point, where any order gives the same sum.

/// Running sums of a total. Row `r` adds to sum `r % SUM_LANES`; their number is part of the definition, as is the order
/// in which they meet, so that the threads of a GPU can sum as a CPU's vector lanes do.
pub(crate) const SUM_LANES: usize = 32;

/// Adds the running sums up, the upper half onto the lower until one is left.
#[inline(always)]
pub(crate) fn fold_lanes(mut sums: [f64; SUM_LANES]) -> f64 {
    let mut width = SUM_LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}

/// Sum of `value(row)` over all rows.
#[inline(always)]
pub(crate) fn sum_rows(rows: usize, value: impl Fn(usize) -> f64) -> f64 {
    let mut sums = [0.0; SUM_LANES];
    for row in 0..rows {
        sums[row % SUM_LANES] += value(row);
    }
    fold_lanes(sums)
}

/// Sum of `value(row)` over the rows listed, each in its own lane: rows that are left out count as zeros.
#[inline(always)]
pub(crate) fn sum_listed(rows: &[u32], value: impl Fn(usize) -> f64) -> f64 {
    let mut sums = [0.0; SUM_LANES];
    for &row in rows {
        sums[row as usize % SUM_LANES] += value(row as usize);
    }
    fold_lanes(sums)
}

/// Sum of `value(a, b)` over two lists of equal length.
#[inline(always)]
pub(crate) fn sum_pairs(a: &[f64], b: &[f64], value: impl Fn(f64, f64) -> f64) -> f64 {
    let mut sums = [0.0; SUM_LANES];
    let (a_whole, a_rest) = a.as_chunks::<SUM_LANES>();
    let (b_whole, b_rest) = b.as_chunks::<SUM_LANES>();
    for (a, b) in a_whole.iter().zip(b_whole) {
        for lane in 0..SUM_LANES {
            sums[lane] += value(a[lane], b[lane]);
        }
    }
    for ((sum, &a), &b) in sums.iter_mut().zip(a_rest).zip(b_rest) {
        *sum += value(a, b);
    }
    fold_lanes(sums)
}

/// Fixed-point units of sums over the rows of a leaf: a power of two, so that scaling is exact, 2^30 finer than those of
/// the histograms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LeafScale(f64);

impl LeafScale {
    /// From the scale of the histograms, which keeps sums of magnitudes below 2^31, so that these stay below 2^61.
    pub(crate) fn new(histogram_scale: f64) -> Self {
        let exponent = (histogram_scale.to_bits() >> 52 & 0x7ff) + 30;
        Self(f64::from_bits(exponent.min(2_046) << 52))
    }

    /// A row's share of the sum.
    #[inline(always)]
    pub(crate) fn units(self, value: f64) -> i64 {
        (value * self.0) as i64
    }

    /// The sum as a number.
    pub(crate) fn value(self, units: i64) -> f64 {
        units as f64 / self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_ways_to_sum_follow_the_same_lanes() {
        let a: Vec<f64> = (0..203).map(|i| (f64::from(i) * 0.7).sin()).collect();
        let b: Vec<f64> = (0..203).map(|i| (f64::from(i) * 0.3).cos()).collect();
        let listed: Vec<u32> = (0..203).collect();
        let expected = sum_rows(203, |row| a[row] * b[row]);
        assert_eq!(sum_pairs(&a, &b, |a, b| a * b), expected);
        assert_eq!(sum_listed(&listed, |row| a[row] * b[row]), expected);
        let plain: f64 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
        assert!((expected - plain).abs() < 1e-12);
        let even: Vec<u32> = (0..203).step_by(2).collect();
        let zeros = |row: usize| {
            if row.is_multiple_of(2) {
                a[row].abs()
            } else {
                0.0
            }
        };
        assert_eq!(sum_listed(&even, |row| a[row].abs()), sum_rows(203, zeros));
    }

    #[test]
    fn leaf_sums_are_exact_to_a_part_in_2_to_the_60_of_the_magnitudes() {
        let values = [3.25, -1e-9, 7e6, -7e6, 0.1];
        let magnitude: f64 = values.iter().map(|v: &f64| v.abs()).sum();
        let scale = LeafScale::new((1u32 << 30) as f64 / magnitude);
        let sum: i64 = values.iter().map(|&v| scale.units(v)).sum();
        assert!((scale.value(sum) - (3.35 - 1e-9)).abs() < 1e-10);
        assert!(scale.units(magnitude).unsigned_abs() < 1 << 61);
        // Sums so small that a power of two can't scale them lose digits; no label comes near.
        for magnitude in [1e-290, 1e300] {
            let scale = LeafScale::new((1u32 << 30) as f64 / magnitude);
            let back = scale.value(scale.units(magnitude));
            assert!((back / magnitude - 1.0).abs() < 1e-9, "{magnitude}: {back}");
        }
    }
}
