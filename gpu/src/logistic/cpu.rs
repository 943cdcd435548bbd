//! How are logistic coefficients fitted? By proximal Newton steps: the log loss is replaced by its quadratic at the
//! current scores, the penalised quadratic is solved exactly, and the step is halved until the penalised loss falls. With
//! more than two classes, the classes take turns.

use super::model::{LogisticModel, outputs};
use super::options::CheckedLogisticOptions;
use crate::control::{Control, Progress};
use crate::design::{Design, DesignRows};
use crate::error::{DataError, GpuError};
use crate::instructions::Instructions;
use crate::linear::{Penalty, Quadratic};
use crate::math::{exp, ln, sigmoid, softplus};
use crate::matrix::{Dataset, FitRows, Task};

/// Class shares are kept this far from 0 and 1 in starting intercepts.
const SHARE_MIN: f64 = 1e-12;
/// Mean curvature below which a class has nothing left to learn.
const CURVATURE_MIN: f64 = 1e-12;

/// What a logistic fit answers.
#[derive(Debug, Clone, PartialEq)]
pub struct LogisticFit {
    /// The model.
    pub model: LogisticModel,
    /// Newton iterations.
    pub iterations: u32,
    /// Mean training log loss after each iteration.
    pub train_loss: Vec<f64>,
}

/// Fits logistic regression on the training rows.
///
/// # Errors
/// [`GpuError::Data`] for numeric labels, no rows or too many terms; [`GpuError::Cancelled`].
pub fn fit(
    data: &Dataset,
    rows: FitRows,
    options: &CheckedLogisticOptions,
    seed: u64,
    control: &Control,
) -> Result<LogisticFit, GpuError> {
    let Task::Classification { classes } = data.task() else {
        return Err(DataError::WrongTask {
            learner: "logistic",
            task: "numbers, it needs classes",
        }
        .into());
    };
    let train = data.canonical_rows(rows.train)?;
    if train.is_empty() {
        return Err(DataError::NoRows.into());
    }
    let (design, training) = Design::learn(data, &train, seed)?;
    let mut newton = Newton::new(data, &train, classes, *options, &design);
    let rows = DesignRows::new(&design, &training, data, &train);
    let mut held = newton.objective();
    let mut train_loss = Vec::new();
    for iteration in 0..options.max_iterations {
        control.checkpoint(Progress {
            rounds_done: iteration,
            rounds_max: options.max_iterations,
        })?;
        let before = held;
        if newton.present >= 2 && design.width() > 0 {
            for output in 0..newton.outputs {
                held = newton.step(&rows, output, held);
            }
        }
        train_loss.push(newton.loss());
        if before - held <= options.tolerance * (1.0 + held.abs()) {
            break;
        }
    }
    let (coefficients, intercepts) = (newton.coefficients, newton.intercepts);
    let iterations = train_loss.len() as u32;
    let model = LogisticModel {
        classes: classes.max(1),
        design,
        coefficients,
        intercepts,
    };
    Ok(LogisticFit {
        model,
        iterations,
        train_loss,
    })
}

struct Newton {
    options: CheckedLogisticOptions,
    set: Instructions,
    outputs: usize,
    /// Classes that occur.
    present: usize,
    width: usize,
    labels: Vec<f64>,
    weights: Vec<f64>,
    total: f64,
    coefficients: Vec<Vec<f64>>,
    intercepts: Vec<f64>,
    /// `[output][row]`.
    scores: Vec<Vec<f64>>,
}

impl Newton {
    fn new(
        data: &Dataset,
        train: &[u32],
        classes: u32,
        options: CheckedLogisticOptions,
        design: &Design,
    ) -> Self {
        let labels: Vec<f64> = train
            .iter()
            .map(|&row| data.labels()[row as usize])
            .collect();
        let weights: Vec<f64> = train.iter().map(|&row| data.weight(row)).collect();
        let total: f64 = weights.iter().sum();
        let mut shares = vec![0.0; classes.max(1) as usize];
        labels
            .iter()
            .zip(&weights)
            .for_each(|(&label, weight)| shares[label as usize] += weight / total);
        let present = shares.iter().filter(|&&share| share > 0.0).count();
        let outputs = outputs(classes.max(1));
        let limited = |share: f64| share.clamp(SHARE_MIN, 1.0 - SHARE_MIN);
        let intercepts: Vec<f64> = if outputs == 1 && classes == 2 {
            vec![ln(limited(shares[1]) / limited(shares[0]))]
        } else {
            shares.iter().map(|&share| ln(limited(share))).collect()
        };
        let width = design.width();
        Self {
            options,
            set: Instructions::detect(),
            outputs,
            present,
            width,
            scores: intercepts
                .iter()
                .map(|&intercept| vec![intercept; labels.len()])
                .collect(),
            labels,
            weights,
            total,
            coefficients: vec![vec![0.0; width]; outputs],
            intercepts,
        }
    }

    fn penalty(&self) -> Penalty {
        let Penalty { l1, l2 } = Penalty {
            l1: self.options.l1_ratio,
            l2: 1.0 - self.options.l1_ratio,
        };
        Penalty {
            l1: self.options.penalty * l1,
            l2: self.options.penalty * l2,
        }
    }

    /// Mean log loss of the training rows.
    fn loss(&self) -> f64 {
        let row_loss = |row: usize| {
            if self.outputs == 1 {
                let s = self.scores[0][row];
                return if self.present < 2 {
                    0.0
                } else {
                    softplus(s) - self.labels[row] * s
                };
            }
            let top = self
                .scores
                .iter()
                .map(|scores| scores[row])
                .fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = self
                .scores
                .iter()
                .map(|scores| exp(scores[row] - top))
                .sum();
            ln(sum) + top - self.scores[self.labels[row] as usize][row]
        };
        let sum: f64 = (0..self.labels.len())
            .map(|row| self.weights[row] * row_loss(row))
            .sum();
        sum / self.total
    }

    fn objective(&self) -> f64 {
        let penalty = self.penalty();
        let held_back = |b: &f64| penalty.l1 * b.abs() + 0.5 * penalty.l2 * b * b;
        self.loss()
            + self
                .coefficients
                .iter()
                .flatten()
                .map(held_back)
                .sum::<f64>()
    }

    /// Probability of each row's output.
    fn shares(&self, output: usize) -> Vec<f64> {
        let rows = 0..self.labels.len();
        if self.outputs == 1 {
            return rows.map(|row| sigmoid(self.scores[0][row])).collect();
        }
        rows.map(|row| {
            let top = self
                .scores
                .iter()
                .map(|scores| scores[row])
                .fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = self
                .scores
                .iter()
                .map(|scores| exp(scores[row] - top))
                .sum();
            exp(self.scores[output][row] - top) / sum
        })
        .collect()
    }

    /// One Newton step of one output; answers the penalised loss after it.
    fn step(&mut self, rows: &DesignRows, output: usize, held: f64) -> f64 {
        let shares = self.shares(output);
        let class = if self.outputs == 1 {
            1.0
        } else {
            output as f64
        };
        let curvature: Vec<f64> = shares
            .iter()
            .zip(&self.weights)
            .map(|(p, w)| w * (p * (1.0 - p)).max(1e-9))
            .collect();
        let total: f64 = curvature.iter().sum();
        if total / self.total < CURVATURE_MIN {
            return held;
        }
        // Curvature times the working response: the score plus the Newton step of the row alone.
        let response: Vec<f64> = (0..shares.len())
            .map(|row| {
                let target = f64::from(u8::from(self.labels[row] == class));
                curvature[row] * self.scores[output][row]
                    + self.weights[row] * (target - shares[row])
            })
            .collect();
        let (quadratic, means, response_mean) = self.quadratic(rows, &curvature, &response, total);
        let mut b = self.coefficients[output].clone();
        quadratic.minimise(self.penalty(), 1_000, 1e-9, &mut b);
        let intercept = response_mean - b.iter().zip(&means).map(|(b, mean)| b * mean).sum::<f64>();
        let scores = self.scores_of(rows, &b, intercept);
        self.move_to(output, &b, intercept, &scores, held)
    }

    /// The weighted least-squares problem, its terms centred so that the intercept drops out.
    fn quadratic(
        &self,
        rows: &DesignRows,
        curvature: &[f64],
        response: &[f64],
        total: f64,
    ) -> (Quadratic, Vec<f64>, f64) {
        let width = self.width;
        let mut quadratic = Quadratic::new(width);
        let mut means = vec![0.0; width];
        rows.chunks(|first, cells| {
            let span = first..first + cells.len() / width;
            quadratic.add_rows(self.set, cells, &curvature[span.clone()]);
            quadratic.add_linear(cells, &response[span.clone()]);
            for (line, &weight) in cells.chunks_exact(width).zip(&curvature[span]) {
                means
                    .iter_mut()
                    .zip(line)
                    .for_each(|(mean, &x)| *mean += weight * x / total);
            }
        });
        quadratic.finish(1.0 / self.total);
        let response_mean = response.iter().sum::<f64>() / total;
        let share = total / self.total;
        for i in 0..width {
            quadratic.linear[i] -= share * means[i] * response_mean;
            for j in 0..width {
                quadratic.gram[i * width + j] -= share * means[i] * means[j];
            }
        }
        (quadratic, means, response_mean)
    }

    fn scores_of(&self, rows: &DesignRows, b: &[f64], intercept: f64) -> Vec<f64> {
        let mut scores = Vec::with_capacity(self.labels.len());
        rows.chunks(|_, cells| {
            let lines = cells.chunks_exact(self.width);
            scores.extend(lines.map(|line| {
                line.iter()
                    .zip(b)
                    .fold(intercept, |sum, (x, b)| sum + x * b)
            }));
        });
        scores
    }

    /// Goes towards the solution as far as the penalised loss falls; stays when it never does.
    fn move_to(
        &mut self,
        output: usize,
        b: &[f64],
        intercept: f64,
        scores: &[f64],
        held: f64,
    ) -> f64 {
        let start = (
            self.coefficients[output].clone(),
            self.intercepts[output],
            self.scores[output].clone(),
        );
        let mut size = 1.0;
        while size > 1e-4 {
            let between = |from: f64, to: f64| from + size * (to - from);
            for (target, (&from, &to)) in self.coefficients[output]
                .iter_mut()
                .zip(start.0.iter().zip(b))
            {
                *target = between(from, to);
            }
            for (target, (&from, &to)) in self.scores[output]
                .iter_mut()
                .zip(start.2.iter().zip(scores))
            {
                *target = between(from, to);
            }
            self.intercepts[output] = between(start.1, intercept);
            let objective = self.objective();
            if objective <= held {
                return objective;
            }
            size *= 0.5;
        }
        (
            self.coefficients[output],
            self.intercepts[output],
            self.scores[output],
        ) = start;
        held
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logistic::LogisticOptions;
    use crate::matrix::{Column, Matrix};
    use crate::metric::{accuracy, log_loss};
    use crate::model::Prediction;
    use crate::random::{Stream, unit};

    fn data(labels: Vec<f64>, columns: Vec<Column>, classes: u32) -> Dataset {
        let rows = labels.len();
        let keys = (0..rows as u64)
            .map(|row| row.wrapping_mul(0x9E37_79B9_7F4A_7C15))
            .collect();
        Dataset::new(
            Matrix::new(columns, rows).unwrap(),
            labels,
            None,
            keys,
            Task::Classification { classes },
        )
        .unwrap()
    }

    fn fitted(data: &Dataset, options: LogisticOptions) -> (LogisticFit, Vec<f64>) {
        let train: Vec<u32> = (0..data.rows() as u32).collect();
        let rows = FitRows {
            train: &train,
            valid: &[],
        };
        let fit = fit(
            data,
            rows,
            &options.check().unwrap(),
            0,
            &Control::default(),
        )
        .unwrap();
        let Prediction::Probabilities { values, .. } =
            fit.model.predict(data.features(), &train).unwrap()
        else {
            panic!("probabilities")
        };
        (fit, values)
    }

    fn uniform(stream: u32, rows: u64) -> Vec<f32> {
        (0..rows)
            .map(|row| unit(5, Stream::Rows, stream, row) as f32)
            .collect()
    }

    #[test]
    fn the_gradient_of_the_penalised_loss_is_zero_at_the_answer() {
        let (x, z) = (uniform(0, 400), uniform(1, 400));
        let labels: Vec<f64> = (0..400u64)
            .map(|row| {
                f64::from(u8::from(
                    unit(5, Stream::Rows, 2, row) < sigmoid(f64::from(4.0 * x[row as usize] - 2.0)),
                ))
            })
            .collect();
        let data = data(
            labels.clone(),
            vec![Column::Numeric(x), Column::Numeric(z)],
            2,
        );
        let options = LogisticOptions {
            penalty: 0.05,
            tolerance: 1e-13,
            ..LogisticOptions::default()
        };
        let (fit, values) = fitted(&data, options);
        let rows: Vec<u32> = (0..400).collect();
        let mut cells = vec![0.0; 800];
        fit.model
            .design
            .encode(data.features().columns(), &rows, &mut cells);
        for term in 0..2 {
            let slope: f64 = (0..400)
                .map(|row| (values[row * 2 + 1] - labels[row]) * cells[row * 2 + term])
                .sum::<f64>()
                / 400.0;
            assert!(
                (slope + 0.05 * fit.model.coefficients[0][term]).abs() < 1e-6,
                "{slope}"
            );
        }
        let balance: f64 = (0..400).map(|row| values[row * 2 + 1] - labels[row]).sum();
        assert!(balance.abs() < 1e-4, "{balance}");
        assert!(fit.iterations < 15);
    }

    #[test]
    fn three_classes_are_told_apart_and_separable_ones_stay_finite() {
        let (x, z) = (uniform(3, 600), uniform(4, 600));
        let class = |row: usize| {
            if x[row] > 0.6 {
                2.0
            } else if z[row] > 0.5 {
                1.0
            } else {
                0.0
            }
        };
        let labels: Vec<f64> = (0..600).map(class).collect();
        let data = data(
            labels.clone(),
            vec![Column::Numeric(x.clone()), Column::Numeric(z.clone())],
            3,
        );
        let (_, values) = fitted(
            &data,
            LogisticOptions {
                penalty: 1e-5,
                ..LogisticOptions::default()
            },
        );
        assert!(accuracy(&labels, &values, 3, None) > 0.95);
        assert!(log_loss(&labels, &values, 3, None).is_finite());
    }

    #[test]
    fn one_class_and_no_columns_give_shares() {
        let single = data(
            vec![0.0; 5],
            vec![Column::Numeric(vec![1.0, 2.0, 3.0, 4.0, 5.0])],
            1,
        );
        assert_eq!(fitted(&single, LogisticOptions::default()).1, vec![1.0; 5]);
        let bare = data(vec![0.0, 1.0, 1.0, 1.0], vec![], 2);
        let values = fitted(&bare, LogisticOptions::default()).1;
        assert!((values[1] - 0.75).abs() < 1e-9);
        let absent = data(
            vec![1.0; 4],
            vec![Column::Numeric(vec![1.0, 2.0, 3.0, 4.0])],
            2,
        );
        assert!(fitted(&absent, LogisticOptions::default()).1[1] > 0.999);
    }
}
