//! How are linear coefficients fitted? One pass builds the Gram matrix of standardised terms, a solver does the rest.

use super::inference::{Inference, Spreads};
use super::model::LinearModel;
use super::options::CheckedLinearOptions;
use super::solver::Quadratic;
use crate::control::{Control, Progress};
use crate::design::{Design, DesignRows};
use crate::error::{DataError, GpuError};
use crate::instructions::Instructions;
use crate::matrix::{Dataset, FitRows, Task};

/// What a linear fit answers.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearFit {
    /// The model.
    pub model: LinearModel,
    /// Sweeps of coordinate descent, 1 for ridge.
    pub iterations: u32,
}

/// Working memory of fits, kept by each worker from one fit to the next.
#[derive(Debug, Default)]
pub struct LinearScratch {
    rows: Vec<u32>,
    cells: Vec<f64>,
    labels: Vec<f64>,
    weights: Vec<f64>,
    values: Vec<f64>,
    means: Vec<f64>,
    toward: Vec<f64>,
    quadratic: Quadratic,
}

/// Fits linear regression on the training rows.
///
/// # Errors
/// [`GpuError::Data`] for class labels, no rows or too many terms; [`GpuError::Cancelled`].
pub fn fit(
    data: &Dataset,
    rows: FitRows,
    options: &CheckedLinearOptions,
    seed: u64,
    control: &Control,
    scratch: &mut LinearScratch,
) -> Result<LinearFit, GpuError> {
    check_task(data)?;
    let mut train = std::mem::take(&mut scratch.rows);
    train.clear();
    data.append_canonical_rows(rows.train, &mut train)?;
    if train.is_empty() {
        return Err(DataError::NoRows.into());
    }
    let (design, training) = Design::learn(data, &train, seed)?;
    control.checkpoint(Progress {
        rounds_done: 0,
        rounds_max: 2,
    })?;
    let LinearScratch {
        rows: rows_room,
        cells,
        labels,
        weights,
        values,
        means,
        toward,
        quadratic,
    } = scratch;
    labels.clear();
    labels.extend(train.iter().map(|&row| data.labels()[row as usize]));
    weights.clear();
    weights.extend(train.iter().map(|&row| data.weight(row)));
    let target = Target::new(labels, weights);
    let width = design.width();
    if target.is_constant() || width == 0 {
        return Ok(constant(design, &target));
    }
    let rows = DesignRows::new(&design, &training, data, &train, cells);
    normal_equations(&rows, &target, width, quadratic, means, values);
    control.checkpoint(Progress {
        rounds_done: 1,
        rounds_max: 2,
    })?;
    let penalty = options.penalties();
    let mut b = vec![0.0; width];
    let iterations = quadratic.minimise(penalty, options.max_iterations, options.tolerance, &mut b);
    toward.clear();
    let raw_means = design.terms().map(|(_, mean, scale)| mean * scale);
    toward.extend(means.iter().zip(raw_means).map(|(a, b)| a + b));
    let spreads = (penalty.l1 == 0.0).then(|| {
        let residual = residual_sum(&rows, &target, &b, offset(&b, means), width);
        Some((Inference::spreads(quadratic, penalty.l2, toward)?, residual))
    });
    *rows_room = train;
    let solution = Solution {
        b: &b,
        means,
        iterations,
        spreads: spreads.flatten(),
    };
    Ok(solution.fit(design, &target))
}

/// The answer where there is nothing to explain, or nothing that explains it.
pub(super) fn constant(design: Design, target: &Target) -> LinearFit {
    let coefficients = vec![0.0; design.width()];
    LinearFit {
        model: LinearModel::new(design, coefficients, target.mean, None),
        iterations: 0,
    }
}

/// What solved the normal equations, on any device.
pub(super) struct Solution<'a> {
    /// Coefficients of the standardised label.
    pub(super) b: &'a [f64],
    /// Means of the terms.
    pub(super) means: &'a [f64],
    pub(super) iterations: u32,
    /// Where they are told, with the weighted sum of squared residuals of the standardised label.
    pub(super) spreads: Option<(Spreads, f64)>,
}

impl Solution<'_> {
    /// The model in units of the label.
    pub(super) fn fit(self, design: Design, target: &Target) -> LinearFit {
        let spreads = self.spreads.as_ref();
        let inference = spreads.and_then(|(spreads, residual)| infer(spreads, target, *residual));
        let coefficients: Vec<f64> = self.b.iter().map(|b| b * target.deviation).collect();
        let intercept = target.mean - offset(self.b, self.means) * target.deviation;
        LinearFit {
            model: LinearModel::new(design, coefficients, intercept, inference),
            iterations: self.iterations,
        }
    }
}

/// What the means of the terms add to an answer.
fn offset(b: &[f64], means: &[f64]) -> f64 {
    b.iter().zip(means).map(|(b, mean)| b * mean).sum()
}

pub(crate) fn check_task(data: &Dataset) -> Result<(), DataError> {
    match data.task() {
        Task::Regression => Ok(()),
        Task::Classification { .. } => Err(DataError::WrongTask {
            learner: "linear",
            task: "classes, it needs numbers",
        }),
    }
}

/// Standard errors in units of the label, from the weighted sum of squared residuals of the standardised label.
fn infer(spreads: &Spreads, target: &Target, residual: f64) -> Option<Inference> {
    let freedom = target.labels.len() as f64 - 1.0 - spreads.freedom;
    // With less than half a row to spare the residuals say nothing about the noise.
    if freedom < 0.5 {
        return None;
    }
    let variance = target.deviation * target.deviation * residual / freedom / target.total;
    Inference::new(spreads, variance, variance, freedom)
}

/// Weighted sum of squared residuals of the standardised label.
fn residual_sum(rows: &DesignRows, target: &Target, b: &[f64], offset: f64, width: usize) -> f64 {
    let mut sum = 0.0;
    rows.chunks(|first, cells| {
        for (line, row) in cells.chunks_exact(width).zip(first..) {
            let answer: f64 = line.iter().zip(b).map(|(x, b)| x * b).sum();
            let label = (target.labels[row] - target.mean) / target.deviation;
            let residual = label - (answer - offset);
            sum += target.weights[row] * residual * residual;
        }
    });
    sum
}

/// The label of the training rows, with what standardises it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) labels: &'a [f64],
    pub(super) weights: &'a [f64],
    pub(super) total: f64,
    pub(super) mean: f64,
    pub(super) deviation: f64,
}

impl<'a> Target<'a> {
    pub(super) fn new(labels: &'a [f64], weights: &'a [f64]) -> Self {
        let total: f64 = weights.iter().sum();
        let weighted = |value: &dyn Fn(f64) -> f64| {
            labels
                .iter()
                .zip(weights)
                .map(|(&label, weight)| weight * value(label))
                .sum::<f64>()
                / total
        };
        let mean = weighted(&|label| label);
        let deviation = weighted(&|label| (label - mean).powi(2)).sqrt();
        Self {
            labels,
            weights,
            total,
            mean,
            deviation,
        }
    }

    /// Whether the label is constant up to rounding: there is nothing to explain.
    pub(super) fn is_constant(&self) -> bool {
        self.deviation <= 1e-12 * self.mean.abs()
    }
}

/// The Gram matrix of centred terms with their products with the standardised label, and the means of the terms: these
/// are not exactly 0 where values are missing, so the intercept has to make up for them.
fn normal_equations(
    rows: &DesignRows,
    target: &Target,
    width: usize,
    quadratic: &mut Quadratic,
    means: &mut Vec<f64>,
    values: &mut Vec<f64>,
) {
    let set = Instructions::detect();
    quadratic.reset(width);
    means.clear();
    means.resize(width, 0.0);
    rows.chunks(|first, cells| {
        let span = first..first + cells.len() / width;
        let weights = &target.weights[span.clone()];
        let standardised =
            |(label, weight): (&f64, &f64)| weight * (label - target.mean) / target.deviation;
        values.clear();
        values.extend(target.labels[span].iter().zip(weights).map(standardised));
        quadratic.add_rows(set, cells, weights);
        quadratic.add_linear(cells, values);
        for (line, weight) in cells.chunks_exact(width).zip(weights) {
            means
                .iter_mut()
                .zip(line)
                .for_each(|(mean, x)| *mean += weight * x / target.total);
        }
    });
    quadratic.finish(1.0 / target.total);
    centre(quadratic, means);
}

/// Takes the means of the terms out of the Gram matrix, as if every term had been centred.
fn centre(quadratic: &mut Quadratic, means: &[f64]) {
    let width = quadratic.width;
    for i in 0..width {
        for j in 0..width {
            quadratic.gram[i * width + j] -= means[i] * means[j];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::LinearOptions;
    use crate::matrix::{Column, Matrix};
    use crate::model::Prediction;
    use crate::random::{Stream, unit};

    fn line(rows: usize) -> Dataset {
        let x: Vec<f32> = (0..rows as u64)
            .map(|row| unit(1, Stream::Rows, 0, row) as f32 * 10.0)
            .collect();
        let z: Vec<u32> = (0..rows as u64)
            .map(|row| (unit(1, Stream::Rows, 1, row) * 3.0) as u32)
            .collect();
        let labels = x
            .iter()
            .zip(&z)
            .map(|(&x, &z)| 3.0 * f64::from(x) - 5.0 + 2.0 * f64::from(z))
            .collect();
        let columns = vec![
            Column::Numeric(x),
            Column::Categorical {
                codes: z,
                levels: 3,
            },
        ];
        let keys = (0..rows as u64)
            .map(|row| row.wrapping_mul(0x9E37_79B9_7F4A_7C15))
            .collect();
        Dataset::new(
            Matrix::new(columns, rows).unwrap(),
            labels,
            None,
            keys,
            Task::Regression,
        )
        .unwrap()
    }

    fn fitted(data: &Dataset, options: LinearOptions) -> LinearModel {
        let train: Vec<u32> = (0..data.rows() as u32).collect();
        let rows = FitRows {
            train: &train,
            valid: &[],
        };
        fit(
            data,
            rows,
            &options.check().unwrap(),
            0,
            &Control::default(),
            &mut LinearScratch::default(),
        )
        .unwrap()
        .model
    }

    #[test]
    fn recovers_a_known_line_with_a_category() {
        let data = line(200);
        let model = fitted(
            &data,
            LinearOptions {
                penalty: 1e-10,
                ..LinearOptions::default()
            },
        );
        let rows: Vec<u32> = (0..200).collect();
        let Prediction::Values(values) = model.predict(data.features(), &rows).unwrap() else {
            panic!("numbers")
        };
        for (value, label) in values.iter().zip(data.labels()) {
            assert!((value - label).abs() < 1e-5, "{value} {label}");
        }
    }

    #[test]
    fn lasso_drops_what_does_not_matter() {
        let rows = 300;
        let noise: Vec<f32> = (0..rows as u64)
            .map(|row| unit(2, Stream::Rows, 5, row) as f32)
            .collect();
        let x: Vec<f32> = (0..rows as u64)
            .map(|row| unit(2, Stream::Rows, 6, row) as f32)
            .collect();
        let labels = x.iter().map(|&x| f64::from(x)).collect();
        let columns = vec![Column::Numeric(noise), Column::Numeric(x)];
        let keys = (0..rows as u64).collect();
        let data = Dataset::new(
            Matrix::new(columns, rows).unwrap(),
            labels,
            None,
            keys,
            Task::Regression,
        )
        .unwrap();
        let importance = fitted(
            &data,
            LinearOptions {
                penalty: 0.2,
                l1_ratio: 1.0,
                ..LinearOptions::default()
            },
        )
        .importance();
        assert_eq!(importance[0], 0.0);
        assert!(importance[1] > 0.0);
    }

    #[test]
    fn missing_numbers_are_the_mean_and_have_a_term_of_their_own() {
        let rows = 100;
        let x: Vec<f32> = (0..rows)
            .map(|i| if i % 4 == 0 { f32::NAN } else { i as f32 })
            .collect();
        let labels = (0..rows)
            .map(|i| {
                if i % 4 == 0 {
                    1000.0
                } else {
                    2.0 * f64::from(i as u32)
                }
            })
            .collect();
        let keys = (0..rows as u64).collect();
        let matrix = Matrix::new(vec![Column::Numeric(x)], rows).unwrap();
        let data = Dataset::new(matrix, labels, None, keys, Task::Regression).unwrap();
        let model = fitted(
            &data,
            LinearOptions {
                penalty: 1e-12,
                ..LinearOptions::default()
            },
        );
        let Prediction::Values(values) = model.predict(data.features(), &[0, 1, 98]).unwrap()
        else {
            panic!("numbers")
        };
        assert!(
            (values[0] - 1000.0).abs() < 1e-3
                && (values[1] - 2.0).abs() < 1e-3
                && (values[2] - 196.0).abs() < 1e-3,
            "{values:?}"
        );
    }
}
