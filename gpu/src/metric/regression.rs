//! How far off are predicted numbers?
//!
//! All take labels, predictions of the same length and optional weights, and answer NaN when there is nothing to judge.

use super::{mean, weighted_quantile};

/// Root mean squared error, in the label's unit.
pub fn rmse(labels: &[f64], predictions: &[f64], weights: Option<&[f64]>) -> f64 {
    mean(labels.len(), weights, |row| {
        (predictions[row] - labels[row]).powi(2)
    })
    .sqrt()
}

/// Mean absolute error, in the label's unit.
pub fn mae(labels: &[f64], predictions: &[f64], weights: Option<&[f64]>) -> f64 {
    mean(labels.len(), weights, |row| {
        (predictions[row] - labels[row]).abs()
    })
}

/// Share of the label's variance that is explained: 1 is perfect, 0 the mean, below 0 worse than the mean.
///
/// A constant label has no variance to explain: 1 when every prediction is exact, else 0.
pub fn r2(labels: &[f64], predictions: &[f64], weights: Option<&[f64]>) -> f64 {
    let centre = mean(labels.len(), weights, |row| labels[row]);
    let residual = mean(labels.len(), weights, |row| {
        (predictions[row] - labels[row]).powi(2)
    });
    let variance = mean(labels.len(), weights, |row| (labels[row] - centre).powi(2));
    if variance > 0.0 {
        1.0 - residual / variance
    } else if residual.is_nan() {
        f64::NAN
    } else {
        f64::from(u8::from(residual == 0.0))
    }
}

fn relative(label: f64, prediction: f64) -> f64 {
    (prediction - label).abs() / label.abs().max(f64::EPSILON)
}

/// Mean absolute error relative to the label's size, as a share; labels of 0 count by the machine epsilon.
pub fn mape(labels: &[f64], predictions: &[f64], weights: Option<&[f64]>) -> f64 {
    mean(labels.len(), weights, |row| {
        relative(labels[row], predictions[row])
    })
}

/// Symmetric mean absolute error relative to the mean of both sizes, between 0 and 2; 0/0 counts as 0.
pub fn smape(labels: &[f64], predictions: &[f64], weights: Option<&[f64]>) -> f64 {
    mean(labels.len(), weights, |row| {
        let size = labels[row].abs() + predictions[row].abs();
        if size > 0.0 {
            2.0 * (predictions[row] - labels[row]).abs() / size
        } else {
            0.0
        }
    })
}

/// Median absolute error relative to the label's size, as a share.
pub fn median_ape(labels: &[f64], predictions: &[f64], weights: Option<&[f64]>) -> f64 {
    if labels.is_empty() {
        return f64::NAN;
    }
    let mut pairs: Vec<(f64, f64)> = (0..labels.len())
        .map(|row| {
            (
                relative(labels[row], predictions[row]),
                super::weight(weights, row),
            )
        })
        .collect();
    weighted_quantile(&mut pairs, 0.5)
}

/// Mean pinball loss of predictions of the `alpha` quantile.
pub fn pinball(labels: &[f64], predictions: &[f64], weights: Option<&[f64]>, alpha: f64) -> f64 {
    mean(labels.len(), weights, |row| {
        let above = labels[row] - predictions[row];
        if above >= 0.0 {
            alpha * above
        } else {
            (alpha - 1.0) * above
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABELS: [f64; 4] = [3.0, -0.5, 2.0, 7.0];
    const PREDICTIONS: [f64; 4] = [2.5, 0.0, 2.0, 8.0];
    const WEIGHTS: Option<&[f64]> = Some(&[1.0, 2.0, 0.5, 3.0]);

    /// Reference values from scikit-learn 1.9.1.
    #[test]
    fn agrees_with_scikit_learn() {
        let close = |found: f64, expected: f64| {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}")
        };
        close(rmse(&LABELS, &PREDICTIONS, None), 0.375f64.sqrt());
        close(mae(&LABELS, &PREDICTIONS, None), 0.5);
        close(r2(&LABELS, &PREDICTIONS, None), 0.948_608_137_044_967_9);
        close(mape(&LABELS, &PREDICTIONS, None), 0.327_380_952_380_952_4);
        close(pinball(&LABELS, &PREDICTIONS, None, 0.3), 0.3);
        close(
            rmse(&LABELS, &PREDICTIONS, WEIGHTS),
            0.759_554_525_312_749_9,
        );
        close(mae(&LABELS, &PREDICTIONS, WEIGHTS), 0.692_307_692_307_692_3);
        close(r2(&LABELS, &PREDICTIONS, WEIGHTS), 0.946_340_121_078_701_1);
    }

    #[test]
    fn corner_cases_have_reasoned_answers() {
        assert_eq!(
            median_ape(&[1.0, 2.0, 4.0], &[1.1, 2.0, 2.0], None),
            0.100_000_000_000_000_09
        );
        assert_eq!(r2(&[5.0, 5.0], &[5.0, 5.0], None), 1.0);
        assert_eq!(r2(&[5.0, 5.0], &[5.0, 4.0], None), 0.0);
        assert!(rmse(&[], &[], None).is_nan() && median_ape(&[], &[], None).is_nan());
        assert_eq!(smape(&[0.0, 1.0], &[0.0, 3.0], None), 0.5);
    }
}
