//! Which line on the scores fits best? Platt scaling for two classes, temperature scaling for any number.

use super::log_odds;
use crate::math::{exp, ln, sigmoid, softmax};

/// p' = sigmoid(slope · logit(p) + offset); Platt, "Probabilistic outputs for support vector machines", 1999.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Platt {
    /// Factor on the log-odds.
    pub slope: f64,
    /// Added to the log-odds.
    pub offset: f64,
}

impl Platt {
    /// Fits by Newton steps on Platt's smoothed targets, which keep separable data finite; `None` without both classes.
    pub fn fit(labels: &[f64], stated: &[f64], weights: Option<&[f64]>) -> Option<Self> {
        let weight = |row: usize| weights.map_or(1.0, |weights| weights[row]);
        let ones: f64 = (0..labels.len()).map(|row| weight(row) * labels[row]).sum();
        let zeros: f64 = (0..labels.len())
            .map(|row| weight(row) * (1.0 - labels[row]))
            .sum();
        if !(ones > 0.0 && zeros > 0.0) {
            return None;
        }
        let (high, low) = ((ones + 1.0) / (ones + 2.0), 1.0 / (zeros + 2.0));
        let scores: Vec<f64> = stated.iter().map(|&p| log_odds(p)).collect();
        let target = |row: usize| if labels[row] > 0.5 { high } else { low };
        let loss = |slope: f64, offset: f64| -> f64 {
            (0..labels.len())
                .map(|row| {
                    let s = slope * scores[row] + offset;
                    weight(row) * (crate::math::softplus(s) - target(row) * s)
                })
                .sum()
        };
        let (mut slope, mut offset) = (1.0, 0.0);
        let mut held = loss(slope, offset);
        for _ in 0..100 {
            let (step_slope, step_offset) = newton_step(&scores, slope, offset, target, weight)?;
            let mut size = 1.0;
            let improved = loop {
                let next = loss(slope - size * step_slope, offset - size * step_offset);
                if next < held {
                    break Some(next);
                }
                size *= 0.5;
                if size < 1e-8 {
                    break None;
                }
            };
            let Some(next) = improved else { break };
            slope -= size * step_slope;
            offset -= size * step_offset;
            let gain = held - next;
            held = next;
            if gain < 1e-12 * (1.0 + held.abs()) {
                break;
            }
        }
        Some(Self { slope, offset })
    }

    /// The corrected probability of class 1.
    pub fn probability(&self, p: f64) -> f64 {
        sigmoid(self.slope * log_odds(p) + self.offset)
    }
}

/// Newton step of the two parameters; `None` when something is not finite.
fn newton_step(
    scores: &[f64],
    slope: f64,
    offset: f64,
    target: impl Fn(usize) -> f64,
    weight: impl Fn(usize) -> f64,
) -> Option<(f64, f64)> {
    let (mut g1, mut g0, mut h11, mut h01, mut h00) = (0.0, 0.0, 1e-9, 0.0, 1e-9);
    for (row, &score) in scores.iter().enumerate() {
        let p = sigmoid(slope * score + offset);
        let (g, h) = (weight(row) * (p - target(row)), weight(row) * p * (1.0 - p));
        g1 += g * score;
        g0 += g;
        h11 += h * score * score;
        h01 += h * score;
        h00 += h;
    }
    let determinant = h11 * h00 - h01 * h01;
    let step = (
        (h00 * g1 - h01 * g0) / determinant,
        (h11 * g0 - h01 * g1) / determinant,
    );
    (step.0.is_finite() && step.1.is_finite()).then_some(step)
}

/// p' ∝ p^factor, that is scores divided by a temperature of 1/factor (Guo et al. 2017).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Temperature {
    /// 1 changes nothing; below 1 softens, above 1 sharpens.
    pub factor: f64,
}

impl Temperature {
    /// Fits the factor between 1/20 and 20 that minimises log loss, by golden section on its logarithm: log loss is
    /// convex in the factor. `None` without rows.
    pub fn fit(
        labels: &[f64],
        probabilities: &[f64],
        classes: usize,
        weights: Option<&[f64]>,
    ) -> Option<Self> {
        if labels.is_empty() || classes == 0 {
            return None;
        }
        let scores: Vec<f64> = probabilities.iter().map(|&p| ln(p.max(1e-12))).collect();
        let loss = |log_factor: f64| -> f64 {
            let factor = exp(log_factor);
            let mut line = vec![0.0; classes];
            let mut sum = 0.0;
            for (row, (score, &label)) in scores.chunks_exact(classes).zip(labels).enumerate() {
                line.iter_mut()
                    .zip(score)
                    .for_each(|(out, &s)| *out = factor * s);
                softmax(&mut line);
                let p = line.get(label as usize).copied().unwrap_or(0.0);
                sum -= weights.map_or(1.0, |weights| weights[row]) * ln(p.max(1e-300));
            }
            sum
        };
        let ratio = 0.5 * (5.0f64.sqrt() - 1.0);
        let (mut low, mut high) = (-(20.0f64.ln()), 20.0f64.ln());
        let (mut a, mut b) = (high - ratio * (high - low), low + ratio * (high - low));
        let (mut loss_a, mut loss_b) = (loss(a), loss(b));
        for _ in 0..40 {
            if loss_a <= loss_b {
                (high, b, loss_b) = (b, a, loss_a);
                a = high - ratio * (high - low);
                loss_a = loss(a);
            } else {
                (low, a, loss_a) = (a, b, loss_b);
                b = low + ratio * (high - low);
                loss_b = loss(b);
            }
        }
        Some(Self {
            factor: exp(0.5 * (low + high)),
        })
    }

    /// Corrects row-major probabilities in place.
    pub fn apply(&self, probabilities: &mut [f64], classes: usize) {
        for line in probabilities.chunks_exact_mut(classes.max(1)) {
            line.iter_mut()
                .for_each(|p| *p = self.factor * ln(p.max(1e-12)));
            softmax(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::log_loss;
    use crate::random::{Stream, unit};

    /// Labels drawn with probability p, and a model that exaggerates the log-odds twofold.
    fn exaggerated() -> (Vec<f64>, Vec<f64>) {
        let mut labels = Vec::new();
        let mut stated = Vec::new();
        for row in 0..20_000u64 {
            let score = 4.0 * unit(1, Stream::Rows, 0, row) - 2.0;
            labels.push(f64::from(u8::from(
                unit(1, Stream::Rows, 1, row) < sigmoid(score + 0.5),
            )));
            stated.push(sigmoid(2.0 * score));
        }
        (labels, stated)
    }

    #[test]
    fn platt_undoes_a_line_on_the_log_odds() {
        let (labels, stated) = exaggerated();
        let platt = Platt::fit(&labels, &stated, None).unwrap();
        assert!(
            (platt.slope - 0.5).abs() < 0.03 && (platt.offset - 0.5).abs() < 0.05,
            "{platt:?}"
        );
        assert!(Platt::fit(&[1.0, 1.0], &[0.5, 0.6], None).is_none());
        let separable = Platt::fit(&[0.0, 0.0, 1.0, 1.0], &[0.1, 0.2, 0.8, 0.9], None).unwrap();
        assert!(
            separable.slope.is_finite() && separable.probability(0.9) > separable.probability(0.1)
        );
    }

    #[test]
    fn temperature_lowers_the_log_loss_of_an_exaggerating_model() {
        let (labels, stated) = exaggerated();
        let mut pairs: Vec<f64> = stated.iter().flat_map(|&p| [1.0 - p, p]).collect();
        let temperature = Temperature::fit(&labels, &pairs, 2, None).unwrap();
        assert!((temperature.factor - 0.5).abs() < 0.1, "{temperature:?}");
        let before = log_loss(&labels, &pairs, 2, None);
        temperature.apply(&mut pairs, 2);
        assert!(log_loss(&labels, &pairs, 2, None) < before - 0.01);
    }
}
