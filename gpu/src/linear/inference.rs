//! How sure is a coefficient? Standard errors, test statistics and p-values.
//!
//! Without a penalty these are the classical ones: t tests with the residual degrees of freedom for linear regression,
//! Wald z tests for logistic regression. With a ridge penalty they describe the penalised estimate: its spread over
//! repeated samples is `A G A` times the variance, with `A = (G + l2)⁻¹` and G the Gram (or Fisher) matrix, and the
//! degrees of freedom count the hat matrix (Cule, Vineis and De Iorio, "Significance testing in ridge regression for
//! genetic data", 2011). Its bias towards 0 is not in it, so that p-values are cautious. An l1 penalty, coefficients that
//! the rows do not determine, more than two classes and more than [`INFERENCE_TERMS_MAX`] terms have none.

use super::solver::Quadratic;
use crate::bytes::{Reader, Writer};
use crate::error::DecodeError;
use crate::math::{exp, ln};

/// Terms up to which standard errors are computed: their matrix is inverted.
pub const INFERENCE_TERMS_MAX: usize = 512;

/// The uncertainty of one coefficient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Uncertainty {
    /// Standard deviation of the coefficient over repeated samples, in the coefficient's unit.
    pub standard_error: f64,
    /// The coefficient over its standard error: t for linear, z for logistic regression.
    pub statistic: f64,
    /// Chance of a statistic at least this far from 0 when the coefficient is 0, two-sided.
    pub p_value: f64,
}

/// Standard errors of a model's coefficients.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Inference {
    /// Of each standardised term.
    pub(crate) errors: Vec<f64>,
    /// Of the answer where every raw reading is 0.
    pub(crate) intercept_error: f64,
    /// Degrees of freedom of the t tests; 0 for z tests.
    pub(crate) freedom: f64,
}

impl Inference {
    /// Spreads of the minimiser of `quadratic` with an l2 penalty, per unit of variance: the variance of each term's
    /// coefficient, and that of their sum weighted with `toward`. `None` where the rows don't determine them.
    pub(crate) fn spreads(quadratic: &mut Quadratic, l2: f64, toward: &[f64]) -> Option<Spreads> {
        let p = quadratic.width;
        if p > INFERENCE_TERMS_MAX {
            return None;
        }
        let inverse = quadratic.inverse(l2)?;
        let mut spreads = Spreads {
            variances: Vec::with_capacity(p),
            toward: 0.0,
            freedom: p as f64,
        };
        for (j, line) in inverse.chunks_exact(p.max(1)).enumerate() {
            let square: f64 = line.iter().map(|a| a * a).sum();
            let along: f64 = line.iter().zip(toward).map(|(a, v)| a * v).sum();
            // A G A = A − l2 A².
            spreads.variances.push(line[j] - l2 * square);
            spreads.toward += along * (toward[j] - l2 * along);
            // 2 tr(AG) − tr(AGAG), from AG = I − l2 A.
            spreads.freedom -= l2 * l2 * square;
        }
        Some(spreads)
    }

    /// Scales spreads by a variance; `None` unless every error is a number.
    pub(crate) fn new(
        spreads: &Spreads,
        variance: f64,
        level_variance: f64,
        freedom: f64,
    ) -> Option<Self> {
        let error = |spread: f64| (variance * spread.max(0.0)).sqrt();
        let inference = Self {
            errors: spreads.variances.iter().copied().map(error).collect(),
            intercept_error: (variance * spreads.toward.max(0.0) + level_variance).sqrt(),
            freedom,
        };
        let finite = inference.errors.iter().all(|error| error.is_finite());
        (finite && inference.intercept_error.is_finite()).then_some(inference)
    }

    /// The test of a coefficient against 0.
    pub(crate) fn test(&self, coefficient: f64, standard_error: f64) -> Uncertainty {
        let statistic = match (coefficient == 0.0, standard_error == 0.0) {
            (true, true) => 0.0,
            _ => coefficient / standard_error,
        };
        let p_value = if self.freedom > 0.0 {
            student_t_two_sided(statistic, self.freedom)
        } else {
            normal_two_sided(statistic)
        };
        Uncertainty {
            standard_error,
            statistic,
            p_value,
        }
    }

    pub(crate) fn write(inference: Option<&Self>, out: &mut Writer) {
        out.u8(u8::from(inference.is_some()));
        if let Some(inference) = inference {
            out.f64s(&inference.errors);
            out.f64(inference.intercept_error);
            out.f64(inference.freedom);
        }
    }

    pub(crate) fn read(from: &mut Reader, width: usize) -> Result<Option<Self>, DecodeError> {
        const WHAT: &str = "a standard error";
        match from.u8()? {
            0 => return Ok(None),
            1 => {}
            _ => return Err(DecodeError::Invalid { what: WHAT }),
        }
        let inference = Self {
            errors: from.finite_f64s(WHAT, width)?,
            intercept_error: from.finite(WHAT)?,
            freedom: from.finite(WHAT)?,
        };
        let negative = inference.errors.iter().any(|&error| error < 0.0);
        if inference.errors.len() != width
            || negative
            || inference.intercept_error < 0.0
            || inference.freedom < 0.0
        {
            return Err(DecodeError::Invalid { what: WHAT });
        }
        Ok(Some(inference))
    }
}

/// Variances of an estimate per unit of noise variance.
pub(crate) struct Spreads {
    pub(crate) variances: Vec<f64>,
    /// Variance of the weighted sum asked for.
    pub(crate) toward: f64,
    /// Degrees of freedom that the terms take: their number without a penalty.
    pub(crate) freedom: f64,
}

/// Chance that a standard normal number is at least as far from 0 as `z`.
pub fn normal_two_sided(z: f64) -> f64 {
    let x = z.abs() * std::f64::consts::FRAC_1_SQRT_2;
    if x.is_nan() {
        return f64::NAN;
    }
    if x > 26.0 {
        // Below the smallest chance that exp can answer.
        return 0.0;
    }
    if x < 2.0 {
        // 1 − erf(x), by the series of erf with only positive terms.
        let (mut term, mut sum, mut n) = (x, x, 0.5);
        while term > 1e-18 * sum {
            n += 1.0;
            term *= x * x / n;
            sum += term;
        }
        return 1.0 - sum * exp(-x * x) * std::f64::consts::FRAC_2_SQRT_PI;
    }
    // erfc(x) by its continued fraction, from the back.
    let mut tail = x;
    for k in (1..=200).rev() {
        tail = x + f64::from(k) * 0.5 / tail;
    }
    exp(-x * x) * std::f64::consts::FRAC_2_SQRT_PI * 0.5 / tail
}

/// Chance that Student's t with `freedom` degrees of freedom is at least as far from 0 as `t`.
pub fn student_t_two_sided(t: f64, freedom: f64) -> f64 {
    if t.is_nan() {
        return f64::NAN;
    }
    if t.is_infinite() {
        return 0.0;
    }
    let square = t * t;
    incomplete_beta(
        0.5 * freedom,
        0.5,
        freedom / (freedom + square),
        square / (freedom + square),
    )
}

/// The regularised incomplete beta function at `x = 1 − y`, by the continued fraction of Lentz (Numerical Recipes, §6.4).
fn incomplete_beta(a: f64, b: f64, x: f64, y: f64) -> f64 {
    if x <= 0.0 || y <= 0.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    let front = exp(ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * ln(x) + b * ln(y));
    if x < (a + 1.0) / (a + b + 2.0) {
        front * beta_fraction(a, b, x) / a
    } else {
        1.0 - front * beta_fraction(b, a, y) / b
    }
}

fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / away(1.0 - (a + b) * x / (a + 1.0));
    let mut result = d;
    for m in 1..10_000 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away(1.0 + even * d);
        c = away(1.0 + even / c);
        result *= d * c;
        d = 1.0 / away(1.0 + odd * d);
        c = away(1.0 + odd / c);
        result *= d * c;
        if (d * c - 1.0).abs() < 1e-16 {
            break;
        }
    }
    result
}

/// Logarithm of the gamma function for positive arguments, by Stirling's series beyond 12 and the recurrence below.
fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut product) = (x, 1.0);
    while x < 12.0 {
        product *= x;
        x += 1.0;
    }
    let z = 1.0 / (x * x);
    let series = (1.0 / 12.0
        - z * (1.0 / 360.0
            - z * (1.0 / 1_260.0
                - z * (1.0 / 1_680.0 - z * (1.0 / 1_188.0 - z * 691.0 / 360_360.0)))))
        / x;
    let half_ln_tau = 0.918_938_533_204_672_7;
    (x - 0.5) * ln(x) - x + half_ln_tau + series - ln(product)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) -> bool {
        (found - expected).abs() <= 2e-12 * expected.abs()
    }

    /// Tails computed with scipy.stats 1.17.
    #[test]
    fn tails_of_the_normal_and_of_students_t_match_scipy() {
        let normal = [
            (0.0, 1.0),
            (0.1, 0.920344325445942),
            (1.0, 0.31731050786291415),
            (1.96, 0.04999579029644087),
            (2.5, 0.012419330651552265),
            (3.0, 0.0026997960632601866),
            (5.0, 5.733031437583866e-07),
            (10.0, 1.523970604832094e-23),
            (30.0, 9.813427854295816e-198),
        ];
        for (z, expected) in normal {
            assert!(
                near(normal_two_sided(z), expected),
                "{z}: {}",
                normal_two_sided(z)
            );
            assert_eq!(normal_two_sided(-z), normal_two_sided(z));
        }
        let student = [
            (0.1, 1.0, 0.936548965138893),
            (1.0, 2.5, 0.40406102727827364),
            (1.96, 9.0, 0.08164440546041664),
            (2.5, 30.0, 0.01811564906806669),
            (3.0, 1_000.0, 0.0027667090442381925),
            (5.0, 2.5, 0.02345118997086185),
            (10.0, 9.0, 3.578237431924736e-06),
            (30.0, 1.0, 0.02121280481107085),
            (30.0, 1_000.0, 1.5374687444043095e-141),
        ];
        for (t, freedom, expected) in student {
            let found = student_t_two_sided(t, freedom);
            assert!(near(found, expected), "{t}, {freedom}: {found}");
        }
        assert_eq!(student_t_two_sided(0.0, 5.0), 1.0);
        assert_eq!(student_t_two_sided(f64::INFINITY, 5.0), 0.0);
        assert!(student_t_two_sided(f64::NAN, 5.0).is_nan());
        assert_eq!(normal_two_sided(f64::INFINITY), 0.0);
        assert!(normal_two_sided(f64::NAN).is_nan());
    }
}
