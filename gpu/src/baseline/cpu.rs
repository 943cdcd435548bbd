//! How is the constant computed? Sums over the training rows in their canonical order.

use super::model::BaselineModel;
use super::options::{Centre, CheckedBaselineOptions};
use crate::error::{DataError, GpuError};
use crate::matrix::{Dataset, FitRows, Task};
use crate::metric::weighted_quantile;

/// Fits the constant.
///
/// # Errors
/// [`DataError::NoRows`] without training rows of positive weight.
pub fn fit(
    data: &Dataset,
    rows: FitRows,
    options: &CheckedBaselineOptions,
) -> Result<BaselineModel, GpuError> {
    let train = data.canonical_rows(rows.train)?;
    if train.is_empty() {
        return Err(DataError::NoRows.into());
    }
    let pairs = || {
        train
            .iter()
            .map(|&row| (data.labels()[row as usize], data.weight(row)))
    };
    let total: f64 = pairs().map(|(_, weight)| weight).sum();
    let (classes, values) = match data.task() {
        Task::Classification { classes } => {
            let mut shares = vec![0.0; classes.max(1) as usize];
            pairs().for_each(|(label, weight)| shares[label as usize] += weight / total);
            (classes.max(1), shares)
        }
        Task::Regression => {
            let value = match options.centre {
                Centre::Mean => pairs().map(|(label, weight)| label * weight).sum::<f64>() / total,
                Centre::Median => weighted_quantile(&mut pairs().collect::<Vec<_>>(), 0.5),
            };
            (0, vec![value])
        }
    };
    Ok(BaselineModel { classes, values })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::BaselineOptions;
    use crate::matrix::Matrix;

    #[test]
    fn answers_the_weighted_mean_median_and_shares() {
        let matrix = || Matrix::new(vec![], 4).unwrap();
        let keys = vec![1, 2, 3, 4];
        let weights = Some(vec![1.0, 1.0, 2.0, 0.0]);
        let numbers = Dataset::new(
            matrix(),
            vec![1.0, 2.0, 6.0, 99.0],
            weights.clone(),
            keys.clone(),
            Task::Regression,
        )
        .unwrap();
        let rows = FitRows {
            train: &[0, 1, 2, 3],
            valid: &[],
        };
        let fitted = |data: &Dataset, centre| {
            fit(data, rows, &BaselineOptions { centre }.check().unwrap()).unwrap()
        };
        assert_eq!(fitted(&numbers, Centre::Mean).values(), &[3.75]);
        let median = fitted(&numbers, Centre::Median).values()[0];
        assert!((2.0..6.0).contains(&median), "{median}");
        let task = Task::Classification { classes: 3 };
        let classes =
            Dataset::new(matrix(), vec![0.0, 2.0, 2.0, 1.0], weights, keys, task).unwrap();
        assert_eq!(fitted(&classes, Centre::Mean).values(), &[0.25, 0.0, 0.75]);
        let nothing = FitRows {
            train: &[3],
            valid: &[],
        };
        assert_eq!(
            fit(
                &classes,
                nothing,
                &BaselineOptions::default().check().unwrap()
            ),
            Err(GpuError::Data(DataError::NoRows))
        );
    }
}
