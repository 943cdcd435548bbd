//! How are logistic coefficients fitted? By proximal Newton steps: the log loss is replaced by its quadratic at the
//! current scores, the penalised quadratic is solved exactly, and the step is halved until the penalised loss falls. With
//! more than two classes, the classes take turns.

use super::model::{LogisticModel, outputs};
use super::options::CheckedLogisticOptions;
use crate::control::{Control, Progress};
use crate::design::{Design, DesignRows};
use crate::error::{DataError, GpuError};
use crate::instructions::Instructions;
use crate::linear::{INFERENCE_TERMS_MAX, Inference, Quadratic};
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

/// Working memory of fits, kept by each worker from one fit to the next.
#[derive(Debug, Default)]
pub struct LogisticScratch {
    rows: Vec<u32>,
    cells: Vec<f64>,
    labels: Vec<f64>,
    weights: Vec<f64>,
    /// `[output][row]`.
    scores: Vec<f64>,
    shares: Vec<f64>,
    curvature: Vec<f64>,
    response: Vec<f64>,
    means: Vec<f64>,
    step: Step,
    quadratic: Quadratic,
}

/// Where a Newton step starts and where it would end.
#[derive(Debug, Default)]
struct Step {
    from: Vec<f64>,
    to: Vec<f64>,
    scores_from: Vec<f64>,
    scores_to: Vec<f64>,
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
    scratch: &mut LogisticScratch,
) -> Result<LogisticFit, GpuError> {
    let classes = classes(data)?;
    let mut train = std::mem::take(&mut scratch.rows);
    train.clear();
    data.append_canonical_rows(rows.train, &mut train)?;
    if train.is_empty() {
        return Err(DataError::NoRows.into());
    }
    let (design, training) = Design::learn(data, &train, seed)?;
    let mut cells = std::mem::take(&mut scratch.cells);
    let rows = DesignRows::new(&design, &training, data, &train, &mut cells);
    let mut newton = Newton::new(data, &train, classes, *options, &design, scratch);
    let learned = newton.run(&rows, control);
    let inference = newton.infer(&rows);
    let (coefficients, intercepts) = (newton.coefficients, newton.intercepts);
    (scratch.cells, scratch.rows) = (cells, train);
    let train_loss = learned?;
    let iterations = train_loss.len() as u32;
    let model = LogisticModel {
        classes: classes.max(1),
        design,
        coefficients,
        intercepts,
        inference,
    };
    Ok(LogisticFit {
        model,
        iterations,
        train_loss,
    })
}

/// Classes of the data.
pub(crate) fn classes(data: &Dataset) -> Result<u32, DataError> {
    match data.task() {
        Task::Classification { classes } => Ok(classes),
        Task::Regression => Err(DataError::WrongTask {
            learner: "logistic",
            task: "numbers, it needs classes",
        }),
    }
}

/// Where the steps begin.
pub(super) struct Start {
    /// Weight of all rows.
    pub(super) total: f64,
    /// Classes that occur.
    pub(super) present: usize,
    /// Of each output, as the classes' shares have them.
    pub(super) intercepts: Vec<f64>,
}

impl Start {
    pub(super) fn new(labels: &[f64], weights: &[f64], classes: u32) -> Self {
        let total: f64 = weights.iter().sum();
        let mut shares = vec![0.0; classes.max(1) as usize];
        labels
            .iter()
            .zip(weights)
            .for_each(|(&label, weight)| shares[label as usize] += weight / total);
        let limited = |share: f64| share.clamp(SHARE_MIN, 1.0 - SHARE_MIN);
        Self {
            total,
            present: shares.iter().filter(|&&share| share > 0.0).count(),
            intercepts: if classes == 2 {
                vec![ln(limited(shares[1]) / limited(shares[0]))]
            } else {
                shares.iter().map(|&share| ln(limited(share))).collect()
            },
        }
    }
}

/// Whether standard errors are told: of two classes that occur.
pub(super) fn is_told(outputs: usize, present: usize) -> bool {
    outputs == 1 && present == 2
}

struct Newton<'a> {
    options: CheckedLogisticOptions,
    set: Instructions,
    design: &'a Design,
    outputs: usize,
    /// Classes that occur.
    present: usize,
    width: usize,
    rows: usize,
    total: f64,
    coefficients: Vec<Vec<f64>>,
    intercepts: Vec<f64>,
    room: &'a mut LogisticScratch,
}

impl<'a> Newton<'a> {
    fn new(
        data: &Dataset,
        train: &[u32],
        classes: u32,
        options: CheckedLogisticOptions,
        design: &'a Design,
        room: &'a mut LogisticScratch,
    ) -> Self {
        let labels = train.iter().map(|&row| data.labels()[row as usize]);
        room.labels.clear();
        room.labels.extend(labels);
        room.weights.clear();
        room.weights
            .extend(train.iter().map(|&row| data.weight(row)));
        let Start {
            total,
            present,
            intercepts,
        } = Start::new(&room.labels, &room.weights, classes);
        let outputs = outputs(classes.max(1));
        room.scores.clear();
        for &intercept in &intercepts {
            let end = room.scores.len() + train.len();
            room.scores.resize(end, intercept);
        }
        let width = design.width();
        Self {
            options,
            set: Instructions::detect(),
            design,
            outputs,
            present,
            width,
            rows: train.len(),
            total,
            coefficients: vec![vec![0.0; width]; outputs],
            intercepts,
            room,
        }
    }

    /// Iterates to the answer; the loss after each iteration.
    fn run(&mut self, rows: &DesignRows, control: &Control) -> Result<Vec<f64>, GpuError> {
        let mut held = self.objective();
        let mut train_loss = Vec::new();
        for iteration in 0..self.options.max_iterations {
            control.checkpoint(Progress {
                rounds_done: iteration,
                rounds_max: self.options.max_iterations,
            })?;
            let before = held;
            if self.present >= 2 && self.width > 0 {
                for output in 0..self.outputs {
                    held = self.step(rows, output, held);
                }
            }
            train_loss.push(self.loss());
            if before - held <= self.options.tolerance * (1.0 + held.abs()) {
                break;
            }
        }
        Ok(train_loss)
    }

    /// Standard errors of two classes' coefficients, where the penalty has a curvature.
    fn infer(&mut self, rows: &DesignRows) -> Option<Inference> {
        let penalty = self.options.penalties();
        let told = is_told(self.outputs, self.present) && self.width > 0;
        if !told || penalty.l1 > 0.0 || self.width > INFERENCE_TERMS_MAX {
            return None;
        }
        let total = self.weigh(0)?;
        // Only the curvature is wanted.
        self.room.response.clear();
        self.room.response.resize(self.rows, 0.0);
        self.quadratic(rows, total);
        let raw_means = self.design.terms().map(|(_, mean, scale)| mean * scale);
        let toward: Vec<f64> = self
            .room
            .means
            .iter()
            .zip(raw_means)
            .map(|(a, b)| a + b)
            .collect();
        let spreads = Inference::spreads(&mut self.room.quadratic, penalty.l2, &toward)?;
        Inference::new(&spreads, 1.0 / self.total, 1.0 / total, 0.0)
    }

    fn scores(&self, output: usize) -> &[f64] {
        &self.room.scores[output * self.rows..(output + 1) * self.rows]
    }

    /// The largest score of a row, and the sum of all relative to it.
    fn softmax_terms(&self, row: usize) -> (f64, f64) {
        let at = |output: usize| self.room.scores[output * self.rows + row];
        let top = (0..self.outputs).map(at).fold(f64::NEG_INFINITY, f64::max);
        let sum = (0..self.outputs).map(|output| exp(at(output) - top)).sum();
        (top, sum)
    }

    /// Mean log loss of the training rows.
    fn loss(&self) -> f64 {
        let row_loss = |row: usize| {
            let label = self.room.labels[row];
            if self.outputs == 1 {
                let s = self.room.scores[row];
                return if self.present < 2 {
                    0.0
                } else {
                    softplus(s) - label * s
                };
            }
            let (top, sum) = self.softmax_terms(row);
            ln(sum) + top - self.room.scores[label as usize * self.rows + row]
        };
        let sum: f64 = (0..self.rows)
            .map(|row| self.room.weights[row] * row_loss(row))
            .sum();
        sum / self.total
    }

    fn objective(&self) -> f64 {
        let penalty = self.options.penalties();
        let held_back = |b: &f64| penalty.l1 * b.abs() + 0.5 * penalty.l2 * b * b;
        self.loss()
            + self
                .coefficients
                .iter()
                .flatten()
                .map(held_back)
                .sum::<f64>()
    }

    /// Finds the probability and the curvature of each row's output; answers the curvature of all, `None` when there is
    /// nothing left to learn.
    fn weigh(&mut self, output: usize) -> Option<f64> {
        let mut shares = std::mem::take(&mut self.room.shares);
        shares.clear();
        if self.outputs == 1 {
            shares.extend(self.scores(0).iter().map(|&score| sigmoid(score)));
        } else {
            shares.extend((0..self.rows).map(|row| {
                let (top, sum) = self.softmax_terms(row);
                exp(self.scores(output)[row] - top) / sum
            }));
        }
        let room = &mut *self.room;
        room.shares = shares;
        room.curvature.clear();
        let weighted = room.shares.iter().zip(&room.weights);
        room.curvature
            .extend(weighted.map(|(p, w)| w * (p * (1.0 - p)).max(1e-9)));
        let total: f64 = room.curvature.iter().sum();
        (total / self.total >= CURVATURE_MIN).then_some(total)
    }

    /// One Newton step of one output; answers the penalised loss after it.
    fn step(&mut self, rows: &DesignRows, output: usize, held: f64) -> f64 {
        let Some(total) = self.weigh(output) else {
            return held;
        };
        let class = if self.outputs == 1 {
            1.0
        } else {
            output as f64
        };
        // Curvature times the working response: the score plus the Newton step of the row alone.
        let mut response = std::mem::take(&mut self.room.response);
        response.clear();
        response.extend((0..self.rows).map(|row| {
            let room = &self.room;
            let target = f64::from(u8::from(room.labels[row] == class));
            room.curvature[row] * self.scores(output)[row]
                + room.weights[row] * (target - room.shares[row])
        }));
        self.room.response = response;
        let response_mean = self.quadratic(rows, total);
        let penalty = self.options.penalties();
        let mut step = std::mem::take(&mut self.room.step);
        step.from.clone_from(&self.coefficients[output]);
        step.to.clone_from(&self.coefficients[output]);
        let room = &mut *self.room;
        room.quadratic.minimise(penalty, 1_000, 1e-9, &mut step.to);
        let moved = step.to.iter().zip(&room.means);
        let intercept = response_mean - moved.map(|(b, mean)| b * mean).sum::<f64>();
        self.scores_of(rows, &step.to, intercept, &mut step.scores_to);
        let objective = self.move_to(output, intercept, &mut step, held);
        self.room.step = step;
        objective
    }

    /// The weighted least-squares problem of the present curvature and response, its terms centred so that the intercept
    /// drops out; answers the mean response.
    fn quadratic(&mut self, rows: &DesignRows, total: f64) -> f64 {
        let width = self.width;
        let LogisticScratch {
            quadratic,
            means,
            curvature,
            response,
            ..
        } = &mut *self.room;
        quadratic.reset(width);
        means.clear();
        means.resize(width, 0.0);
        let set = self.set;
        rows.chunks(|first, cells| {
            let span = first..first + cells.len() / width;
            quadratic.add_rows(set, cells, &curvature[span.clone()]);
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
        response_mean
    }

    fn scores_of(&self, rows: &DesignRows, b: &[f64], intercept: f64, scores: &mut Vec<f64>) {
        scores.clear();
        rows.chunks(|_, cells| {
            let lines = cells.chunks_exact(self.width);
            scores.extend(lines.map(|line| {
                line.iter()
                    .zip(b)
                    .fold(intercept, |sum, (x, b)| sum + x * b)
            }));
        });
    }

    /// Goes towards the solution as far as the penalised loss falls; stays when it never does.
    fn move_to(&mut self, output: usize, intercept: f64, step: &mut Step, held: f64) -> f64 {
        let span = output * self.rows..(output + 1) * self.rows;
        let start = self.intercepts[output];
        step.scores_from.clear();
        step.scores_from
            .extend_from_slice(&self.room.scores[span.clone()]);
        let mut size = 1.0;
        while size > 1e-4 {
            let between = |from: f64, to: f64| from + size * (to - from);
            for (target, (&from, &to)) in self.coefficients[output]
                .iter_mut()
                .zip(step.from.iter().zip(&step.to))
            {
                *target = between(from, to);
            }
            for (target, (&from, &to)) in self.room.scores[span.clone()]
                .iter_mut()
                .zip(step.scores_from.iter().zip(&step.scores_to))
            {
                *target = between(from, to);
            }
            self.intercepts[output] = between(start, intercept);
            let objective = self.objective();
            if objective <= held {
                return objective;
            }
            size *= 0.5;
        }
        self.coefficients[output].clone_from(&step.from);
        self.room.scores[span].copy_from_slice(&step.scores_from);
        self.intercepts[output] = start;
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
            &mut LogisticScratch::default(),
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
