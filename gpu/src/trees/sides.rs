//! What does a fit minimise, and on which labels? The plan of a fit, and the labels, weights and scores of its training
//! and held-out rows.

use super::model::Link;
use super::objective::{self, Targets};
use super::options::{CheckedTreesOptions, Mode, Objective};
use crate::error::DataError;
use crate::instructions::Instructions;
use crate::matrix::{Dataset, FitRows, Task};

/// What is minimised and what comes out, decided once per fit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) objective: Objective,
    pub(crate) link: Link,
    /// 0 for numbers.
    pub(crate) classes: u32,
    pub(crate) outputs: usize,
    /// Whether trees are independent and averaged.
    pub(crate) averaged: bool,
}

impl Plan {
    pub(crate) fn new(data: &Dataset, options: &CheckedTreesOptions) -> Result<Self, DataError> {
        let objective = options.objective.resolve(data.task())?;
        let classes = match data.task() {
            Task::Regression => 0,
            Task::Classification { classes } => classes.max(1),
        };
        let averaged = options.mode != Mode::Boost;
        if averaged && classes > 0 {
            // The variance of class indicators is their Gini impurity, so squared error grows Gini trees.
            let outputs = if classes <= 2 { 1 } else { classes as usize };
            return Ok(Self {
                objective: Objective::Squared,
                link: Link::Shares,
                classes,
                outputs,
                averaged,
            });
        }
        let link = match objective {
            Objective::Logistic => Link::Logistic,
            Objective::Softmax => Link::Softmax,
            Objective::Poisson | Objective::Tweedie { .. } => Link::Exp,
            _ => Link::Identity,
        };
        Ok(Self {
            objective,
            link,
            classes,
            outputs: objective::outputs(objective, classes),
            averaged,
        })
    }

    /// Whether output `k` learns the indicator of a class instead of the label.
    pub(crate) fn indicator(&self, output: usize) -> Option<f64> {
        match (self.link, self.outputs) {
            (Link::Shares, 1) => Some(1.0),
            (Link::Shares, _) => Some(output as f64),
            _ => None,
        }
    }
}

/// Training rows in canonical order, then held-out rows; and how many are training rows.
pub(crate) fn canonical(
    data: &Dataset,
    rows: FitRows,
    objective: Objective,
) -> Result<(Vec<u32>, usize), DataError> {
    let mut all = Vec::new();
    let train_rows = canonical_in(data, rows, objective, &mut all)?;
    Ok((all, train_rows))
}

/// As [`canonical`], into a list whose memory is kept.
pub(crate) fn canonical_in(
    data: &Dataset,
    rows: FitRows,
    objective: Objective,
    all: &mut Vec<u32>,
) -> Result<usize, DataError> {
    all.clear();
    data.append_canonical_rows(rows.train, all)?;
    let train_rows = all.len();
    if train_rows == 0 {
        return Err(DataError::NoRows);
    }
    data.append_canonical_rows(rows.valid, all)?;
    check_labels(data, all, objective)?;
    Ok(train_rows)
}

fn check_labels(data: &Dataset, rows: &[u32], objective: Objective) -> Result<(), DataError> {
    if !matches!(objective, Objective::Poisson | Objective::Tweedie { .. }) {
        return Ok(());
    }
    for &row in rows {
        let value = data.labels()[row as usize];
        if value < 0.0 {
            return Err(DataError::LabelNegative {
                objective: objective.name(),
                row: row as usize,
                value,
            });
        }
    }
    Ok(())
}

/// Labels, weights and scores of one side of the split, rows in canonical order.
#[derive(Debug, Default)]
pub(crate) struct SideRows {
    /// One row of labels, or one per output when outputs learn indicators.
    pub(crate) labels: Vec<Vec<f64>>,
    pub(crate) weights: Option<Vec<f64>>,
    /// `[output][row]`.
    pub(crate) scores: Vec<f64>,
    pub(crate) rows: usize,
}

impl SideRows {
    /// Takes the rows of another fit, keeping its memory.
    pub(crate) fn fill(&mut self, data: &Dataset, rows: &[u32], plan: &Plan) {
        let label = |row: &u32| data.labels()[*row as usize];
        let indicators = plan.indicator(0).is_some();
        self.labels
            .resize(if indicators { plan.outputs } else { 1 }, Vec::new());
        for (output, labels) in self.labels.iter_mut().enumerate() {
            labels.clear();
            match plan.indicator(output) {
                None => labels.extend(rows.iter().map(label)),
                Some(class) => {
                    let is_class = |row| f64::from(u8::from(label(row) == class));
                    labels.extend(rows.iter().map(is_class));
                }
            }
        }
        self.weights = data.weights().map(|_| {
            let mut weights = self.weights.take().unwrap_or_default();
            weights.clear();
            weights.extend(rows.iter().map(|&row| data.weight(row)));
            weights
        });
        self.scores.clear();
        self.scores.resize(rows.len() * plan.outputs, 0.0);
        self.rows = rows.len();
    }

    pub(crate) fn targets(&self, output: usize) -> Targets<'_> {
        let labels = self.labels.get(output).unwrap_or(&self.labels[0]);
        Targets {
            labels,
            weights: self.weights.as_deref(),
        }
    }

    pub(crate) fn start(&mut self, base: &[f64]) {
        for (scores, &score) in self.scores.chunks_mut(self.rows.max(1)).zip(base) {
            scores.fill(score);
        }
    }

    /// Loss over all outputs; indicator outputs are averaged.
    pub(crate) fn loss(&self, set: Instructions, plan: &Plan) -> f64 {
        if plan.indicator(0).is_none() {
            return objective::loss(
                set,
                plan.objective,
                plan.outputs,
                self.targets(0),
                &self.scores,
            );
        }
        let each = |output: usize| {
            let scores = &self.scores[output * self.rows..(output + 1) * self.rows];
            objective::loss(set, plan.objective, 1, self.targets(output), scores)
        };
        (0..plan.outputs).map(each).sum::<f64>() / plan.outputs as f64
    }
}
