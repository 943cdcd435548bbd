//! How good are predictions? Each metric is a sum over rows in their given order, so equal input gives equal bits.

mod classification;
mod quantile;
mod regression;

pub use classification::{accuracy, f1, log_loss, macro_f1, roc_auc};
pub use quantile::weighted_quantile;
pub use regression::{mae, mape, median_ape, pinball, r2, rmse, smape};

/// The weight of a row.
fn weight(weights: Option<&[f64]>, row: usize) -> f64 {
    weights.map_or(1.0, |weights| weights[row])
}

/// Weighted mean of a value per row; NaN without weight, since no answer would be right.
fn mean(rows: usize, weights: Option<&[f64]>, value: impl Fn(usize) -> f64) -> f64 {
    let (mut sum, mut total) = (0.0, 0.0);
    for row in 0..rows {
        let weight = weight(weights, row);
        sum += weight * value(row);
        total += weight;
    }
    if total > 0.0 { sum / total } else { f64::NAN }
}
