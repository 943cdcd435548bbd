//! Elementary functions with the same bits on every machine: polynomials in plain additions and multiplications, which
//! compilers vectorise and GPUs repeat, where a system's `exp` differs from one libc to the next.

/// e^x with a relative error below 4e-16; arguments are clamped to ±700 so that results stay finite and positive.
#[inline(always)]
pub fn exp(x: f64) -> f64 {
    const LOG2_E: f64 = std::f64::consts::LOG2_E;
    const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    /// 1.5 × 2^52: adding it leaves the rounded integer in the low mantissa bits.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let x = x.clamp(-700.0, 700.0);
    let shifted = x * LOG2_E + ROUND;
    let k = shifted - ROUND;
    let r = (x - k * LN2_HIGH) - k * LN2_LOW;
    let mut p = 1.0 / 6_227_020_800.0;
    p = p * r + 1.0 / 479_001_600.0;
    p = p * r + 1.0 / 39_916_800.0;
    p = p * r + 1.0 / 3_628_800.0;
    p = p * r + 1.0 / 362_880.0;
    p = p * r + 1.0 / 40_320.0;
    p = p * r + 1.0 / 5_040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    let exponent = (shifted.to_bits() as i64) << 52;
    f64::from_bits((p.to_bits() as i64).wrapping_add(exponent) as u64)
}

/// Natural logarithm with an error below 3e-16 relative to max(1, |ln x|); zero, negative and subnormal arguments
/// answer as the smallest normal number would, infinity and NaN as the largest.
#[inline(always)]
pub fn ln(x: f64) -> f64 {
    const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    let x = if x.is_nan() { f64::MAX } else { x };
    let x = x.clamp(f64::MIN_POSITIVE, f64::MAX);
    // Shift the mantissa into [sqrt(1/2), sqrt(2)) so that the series below converges quickly.
    let bits = x.to_bits().wrapping_sub(0x3fe6_a09e_667f_3bcd);
    let k = ((bits as i64) >> 52) as f64;
    let m = f64::from_bits((bits & 0x000f_ffff_ffff_ffff).wrapping_add(0x3fe6_a09e_667f_3bcd));
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    let mut p = 1.0 / 23.0;
    p = p * z + 1.0 / 21.0;
    p = p * z + 1.0 / 19.0;
    p = p * z + 1.0 / 17.0;
    p = p * z + 1.0 / 15.0;
    p = p * z + 1.0 / 13.0;
    p = p * z + 1.0 / 11.0;
    p = p * z + 1.0 / 9.0;
    p = p * z + 1.0 / 7.0;
    p = p * z + 1.0 / 5.0;
    p = p * z + 1.0 / 3.0;
    k * LN2_HIGH + (2.0 * s + (2.0 * s * z * p + k * LN2_LOW))
}

/// 1 / (1 + e^-x).
#[inline(always)]
pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + exp(-x))
}

/// ln(1 + e^x) without overflow.
#[inline(always)]
pub fn softplus(x: f64) -> f64 {
    x.max(0.0) + ln(1.0 + exp(-x.abs()))
}

/// Turns scores into probabilities in place.
pub fn softmax(scores: &mut [f64]) {
    let top = scores.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = exp(*score - top);
        sum += *score;
    }
    for score in scores.iter_mut() {
        *score /= sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_and_ln_agree_with_the_system_to_a_few_units_in_the_last_place() {
        for i in -70_000..70_000 {
            let x = f64::from(i) * 0.01;
            let relative = (exp(x) - x.exp()).abs() / x.exp();
            assert!(relative < 4.5e-16, "exp({x}): {relative}");
        }
        let mut x = 1e-300;
        while x < 1e300 {
            let error = (ln(x) - x.ln()).abs() / x.ln().abs().max(1.0);
            assert!(error < 4.5e-16, "ln({x}): {error}");
            x *= 1.037;
        }
        assert_eq!(ln(1.0), 0.0);
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(1e6).is_finite() && exp(-1e6) > 0.0);
        assert!(ln(0.0).is_finite() && ln(-1.0).is_finite());
    }

    #[test]
    fn softmax_sums_to_one_even_for_large_scores() {
        let mut scores = [1000.0, 999.0, -1000.0];
        softmax(&mut scores);
        assert!((scores.iter().sum::<f64>() - 1.0).abs() < 1e-15);
        assert!((scores[0] - 1.0 / (1.0 + (-1.0f64).exp())).abs() < 1e-15);
    }
}
