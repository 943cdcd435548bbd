//! What does a leaf minimise? Starting scores, gradients, hessians and losses of each objective.

use super::options::Objective;
use super::sums::{sum_pairs, sum_rows};
use crate::instructions::{Instructions, per_instruction_set};
use crate::math::{exp, ln, sigmoid, softplus};
use crate::metric::weighted_quantile;

/// Keeps class shares away from 0 and 1, so that starting scores stay finite.
const SHARE_MIN: f64 = 1e-12;
/// LightGBM's safeguard of the Poisson hessian: it is taken at a score this much higher.
const POISSON_STEP: f64 = 0.7;

/// Labels and weights of the rows of a fit, in the fit's own order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Targets<'a> {
    pub(crate) labels: &'a [f64],
    pub(crate) weights: Option<&'a [f64]>,
}

impl Targets<'_> {
    fn weight(&self, row: usize) -> f64 {
        self.weights.map_or(1.0, |weights| weights[row])
    }

    fn mean(&self, value: impl Fn(f64) -> f64) -> f64 {
        let (mut sum, mut total) = (0.0, 0.0);
        for (row, &label) in self.labels.iter().enumerate() {
            sum += self.weight(row) * value(label);
            total += self.weight(row);
        }
        if total > 0.0 { sum / total } else { 0.0 }
    }
}

/// Outputs of a model, one score per row each.
pub(crate) fn outputs(objective: Objective, classes: u32) -> usize {
    if objective == Objective::Softmax {
        classes.max(1) as usize
    } else {
        1
    }
}

/// Whether every row's hessian is its weight.
pub(crate) fn unit_hessian(objective: Objective) -> bool {
    matches!(
        objective,
        Objective::Squared
            | Objective::Absolute
            | Objective::Quantile { .. }
            | Objective::Huber { .. }
    )
}

/// The quantile that leaves are set to after growth, for objectives whose gradient says only the side.
pub(crate) fn leaf_quantile(objective: Objective) -> Option<f64> {
    match objective {
        Objective::Absolute => Some(0.5),
        Objective::Quantile { alpha } => Some(alpha),
        _ => None,
    }
}

/// The best constant score per output.
pub(crate) fn starting_scores(objective: Objective, outputs: usize, targets: Targets) -> Vec<f64> {
    match objective {
        Objective::Absolute | Objective::Quantile { .. } => {
            let alpha = leaf_quantile(objective).unwrap_or(0.5);
            let mut pairs: Vec<(f64, f64)> = targets
                .labels
                .iter()
                .enumerate()
                .map(|(row, &label)| (label, targets.weight(row)))
                .collect();
            vec![weighted_quantile(&mut pairs, alpha)]
        }
        Objective::Poisson | Objective::Tweedie { .. } => {
            vec![ln(targets.mean(|label| label).max(1e-9))]
        }
        Objective::Logistic => {
            let share = targets
                .mean(|label| label)
                .clamp(SHARE_MIN, 1.0 - SHARE_MIN);
            vec![ln(share / (1.0 - share))]
        }
        Objective::Softmax => (0..outputs)
            .map(|class| {
                ln(targets
                    .mean(|label| f64::from(u8::from(label == class as f64)))
                    .max(SHARE_MIN))
            })
            .collect(),
        Objective::Squared | Objective::Huber { .. } | Objective::Auto => {
            vec![targets.mean(|label| label)]
        }
    }
}

#[inline(always)]
fn squared_body(labels: &[f64], scores: &[f64], g: &mut [f64]) {
    for ((g, &y), &s) in g.iter_mut().zip(labels).zip(scores) {
        *g = s - y;
    }
}

#[inline(always)]
fn logistic_body(labels: &[f64], scores: &[f64], g: &mut [f64], h: &mut [f64]) {
    for (((g, h), &y), &s) in g.iter_mut().zip(h.iter_mut()).zip(labels).zip(scores) {
        let p = sigmoid(s);
        *g = p - y;
        *h = (p * (1.0 - p)).max(1e-16);
    }
}

per_instruction_set! {
    fn squared(labels: &[f64], scores: &[f64], g: &mut [f64]) = squared_body
}
per_instruction_set! {
    fn logistic(labels: &[f64], scores: &[f64], g: &mut [f64], h: &mut [f64]) = logistic_body
}

/// First and second derivative of the loss of one row.
fn derivatives(objective: Objective, y: f64, s: f64) -> (f64, f64) {
    match objective {
        Objective::Absolute => (f64::from(i8::from(s > y) - i8::from(s < y)), 1.0),
        Objective::Quantile { alpha } => (
            if s > y {
                1.0 - alpha
            } else if s < y {
                -alpha
            } else {
                0.0
            },
            1.0,
        ),
        Objective::Huber { delta } => ((s - y).clamp(-delta, delta), 1.0),
        Objective::Poisson => (exp(s) - y, exp(s + POISSON_STEP)),
        Objective::Tweedie { power } => {
            let (a, b) = (exp((1.0 - power) * s), exp((2.0 - power) * s));
            (
                b - y * a,
                ((2.0 - power) * b - y * (1.0 - power) * a).max(1e-16),
            )
        }
        Objective::Logistic | Objective::Softmax => {
            let p = sigmoid(s);
            (p - y, (p * (1.0 - p)).max(1e-16))
        }
        Objective::Squared | Objective::Auto => (s - y, 1.0),
    }
}

/// Gradients and hessians of one output. `h` is left alone when [`unit_hessian`] holds and rows have no weights.
///
/// For softmax, `scores` holds the class probabilities of this output, and the hessian is scaled by the factor given.
pub(crate) fn gradients(
    set: Instructions,
    objective: Objective,
    (output, softmax_factor): (usize, f64),
    targets: Targets,
    scores: &[f64],
    g: &mut [f64],
    h: &mut [f64],
) {
    match objective {
        Objective::Squared => squared(set, targets.labels, scores, g),
        Objective::Logistic => logistic(set, targets.labels, scores, g, h),
        Objective::Softmax => {
            for (row, &p) in scores.iter().enumerate() {
                g[row] = p - f64::from(u8::from(targets.labels[row] == output as f64));
                h[row] = (softmax_factor * p * (1.0 - p)).max(1e-16);
            }
        }
        _ => {
            for (row, (&y, &s)) in targets.labels.iter().zip(scores).enumerate() {
                (g[row], h[row]) = derivatives(objective, y, s);
            }
        }
    }
    if let Some(weights) = targets.weights {
        if unit_hessian(objective) {
            h.fill(1.0);
        }
        for ((g, h), &w) in g.iter_mut().zip(h.iter_mut()).zip(weights) {
            *g *= w;
            *h *= w;
        }
    }
}

/// Class probabilities of all rows, `[class][row]` like the scores.
pub(crate) fn probabilities(scores: &[f64], outputs: usize, out: &mut [f64]) {
    let rows = scores.len() / outputs.max(1);
    let mut buffer = vec![0.0; outputs];
    for row in 0..rows {
        for class in 0..outputs {
            buffer[class] = scores[class * rows + row];
        }
        crate::math::softmax(&mut buffer);
        for class in 0..outputs {
            out[class * rows + row] = buffer[class];
        }
    }
}

#[inline(always)]
fn squared_loss_body(labels: &[f64], scores: &[f64]) -> f64 {
    sum_pairs(labels, scores, |y, s| (s - y) * (s - y))
}

#[inline(always)]
fn logistic_loss_body(labels: &[f64], scores: &[f64]) -> f64 {
    sum_pairs(labels, scores, |y, s| softplus(s) - y * s)
}

per_instruction_set! {
    fn squared_loss(labels: &[f64], scores: &[f64]) -> f64 = squared_loss_body
}
per_instruction_set! {
    fn logistic_loss(labels: &[f64], scores: &[f64]) -> f64 = logistic_loss_body
}

/// Mean loss as users know it: root mean squared error, log loss, mean pinball and so on.
pub(crate) fn loss(
    set: Instructions,
    objective: Objective,
    outputs: usize,
    targets: Targets,
    scores: &[f64],
) -> f64 {
    let rows = targets.labels.len();
    if rows == 0 {
        return 0.0;
    }
    let total_weight = targets
        .weights
        .map_or(rows as f64, |weights| weights.iter().sum());
    let sum = match (objective, targets.weights) {
        (Objective::Squared, None) => squared_loss(set, targets.labels, scores),
        (Objective::Logistic, None) => logistic_loss(set, targets.labels, scores),
        (Objective::Softmax, _) => softmax_loss(outputs, targets, scores),
        _ => sum_rows(rows, |row| {
            targets.weight(row) * row_loss(objective, targets.labels[row], scores[row])
        }),
    };
    let mean = sum / total_weight;
    if objective == Objective::Squared {
        mean.sqrt()
    } else {
        mean
    }
}

fn softmax_loss(outputs: usize, targets: Targets, scores: &[f64]) -> f64 {
    let rows = targets.labels.len();
    sum_rows(rows, |row| {
        let at = |class: usize| scores[class * rows + row];
        let top = (0..outputs).map(at).fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = (0..outputs).map(|class| exp(at(class) - top)).sum();
        let label = (targets.labels[row] as usize).min(outputs - 1);
        targets.weight(row) * (ln(total) + top - at(label))
    })
}

fn row_loss(objective: Objective, y: f64, s: f64) -> f64 {
    match objective {
        Objective::Absolute => (s - y).abs(),
        Objective::Quantile { alpha } => {
            if y >= s {
                alpha * (y - s)
            } else {
                (1.0 - alpha) * (s - y)
            }
        }
        Objective::Huber { delta } => {
            let r = (s - y).abs();
            if r <= delta {
                0.5 * r * r
            } else {
                delta * (r - 0.5 * delta)
            }
        }
        Objective::Poisson => exp(s) - y * s,
        Objective::Tweedie { power } => {
            exp((2.0 - power) * s) / (2.0 - power) - y * exp((1.0 - power) * s) / (1.0 - power)
        }
        Objective::Logistic | Objective::Softmax => softplus(s) - y * s,
        Objective::Squared | Objective::Auto => (s - y) * (s - y),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Objective; 8] = [
        Objective::Squared,
        Objective::Absolute,
        Objective::Quantile { alpha: 0.3 },
        Objective::Huber { delta: 0.7 },
        Objective::Poisson,
        Objective::Tweedie { power: 1.4 },
        Objective::Logistic,
        Objective::Softmax,
    ];

    /// Gradients must be the slope of the loss that early stopping watches.
    #[test]
    fn gradients_are_the_slope_of_the_loss() {
        let labels = [0.0, 1.0, 1.0, 0.0, 1.0];
        let targets = Targets {
            labels: &labels,
            weights: None,
        };
        for objective in ALL {
            if objective == Objective::Softmax {
                continue;
            }
            let scores = [0.31, -0.4, 1.9, -1.2, 0.2];
            let (mut g, mut h) = ([0.0; 5], [1.0; 5]);
            gradients(
                Instructions::detect(),
                objective,
                (0, 1.0),
                targets,
                &scores,
                &mut g,
                &mut h,
            );
            for row in 0..5 {
                let step = 1e-6;
                let slope = (row_loss(objective, labels[row], scores[row] + step)
                    - row_loss(objective, labels[row], scores[row] - step))
                    / (2.0 * step);
                // The squared objective drops the factor 2, as is usual.
                let slope = if objective == Objective::Squared {
                    slope / 2.0
                } else {
                    slope
                };
                assert!(
                    (g[row] - slope).abs() < 1e-5,
                    "{objective:?} row {row}: {} {slope}",
                    g[row]
                );
                assert!(h[row] > 0.0);
            }
        }
    }

    #[test]
    fn starting_scores_are_the_best_constants() {
        let labels = [0.0, 1.0, 1.0, 4.0, 9.0];
        let weights = [1.0, 2.0, 1.0, 1.0, 0.5];
        for weights in [None, Some(&weights[..])] {
            let targets = Targets {
                labels: &labels,
                weights,
            };
            for objective in [
                Objective::Squared,
                Objective::Poisson,
                Objective::Tweedie { power: 1.5 },
                Objective::Absolute,
                Objective::Quantile { alpha: 0.25 },
            ] {
                let start = starting_scores(objective, 1, targets)[0];
                let at = |s: f64| loss(Instructions::detect(), objective, 1, targets, &[s; 5]);
                // Quantiles interpolate between values, so they may sit anywhere on a nearly flat stretch.
                let slack = if leaf_quantile(objective).is_some() {
                    0.12
                } else {
                    1e-9
                };
                assert!(
                    at(start) <= at(start + 0.05) + slack && at(start) <= at(start - 0.05) + slack,
                    "{objective:?}"
                );
            }
        }
    }

    #[test]
    fn softmax_probabilities_and_loss_match_the_formula() {
        let labels = [0.0, 2.0];
        let targets = Targets {
            labels: &labels,
            weights: None,
        };
        let scores = [1.0, 0.0, 2.0, 0.5, -1.0, 0.25];
        let mut p = [0.0; 6];
        probabilities(&scores, 3, &mut p);
        let expected = -(p[0].ln() + p[5].ln()) / 2.0;
        let found = loss(
            Instructions::detect(),
            Objective::Softmax,
            3,
            targets,
            &scores,
        );
        assert!((found - expected).abs() < 1e-14);
    }

    #[test]
    fn every_instruction_set_gives_the_same_loss_bits() {
        let labels: Vec<f64> = (0..103).map(|i| f64::from(i % 2)).collect();
        let scores: Vec<f64> = (0..103).map(|i| f64::from(i).sin() * 3.0).collect();
        let targets = Targets {
            labels: &labels,
            weights: None,
        };
        for objective in [Objective::Squared, Objective::Logistic] {
            let expected = loss(Instructions::Baseline, objective, 1, targets, &scores);
            for set in Instructions::available() {
                assert_eq!(
                    loss(set, objective, 1, targets, &scores).to_bits(),
                    expected.to_bits()
                );
            }
        }
    }
}
