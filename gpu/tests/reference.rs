//! Boosted trees against LightGBM 4.6 with the same options on the same eighty rows: every objective but the
//! quantile (which LightGBM interpolates by another definition), weights, penalties,
//! constraints, categories, missing values and early stopping. The rows come from a formula; the constants are LightGBM's
//! predictions for every thirteenth row (`min_data_in_bin=1, boost_from_average=true, num_threads=1`).

use std::sync::Arc;

use tarn_gpu::control::Control;
use tarn_gpu::fit::{Fit, FitOutcome, Learner, Scratch, fit_one};
use tarn_gpu::matrix::{Column, Dataset, Matrix, Task};
use tarn_gpu::metric::{log_loss, rmse};
use tarn_gpu::trees::{Objective, TreesOptions};

const ROWS: u32 = 80;

fn word(i: u32) -> u32 {
    let x = i.wrapping_mul(2_654_435_761);
    let x = (x ^ x >> 15).wrapping_mul(2_246_822_519);
    x ^ x >> 13
}

fn unit(i: u32) -> f64 {
    f64::from((word(i) >> 8) % 1_024) / 1_024.0
}

fn column(position: u32) -> Vec<f32> {
    (0..ROWS)
        .map(|row| unit(4 * row + 1 + position) as f32)
        .collect()
}

fn numbers() -> Vec<Column> {
    (0..3)
        .map(|position| Column::Numeric(column(position)))
        .collect()
}

fn label(row: u32) -> f64 {
    let x = |position: u32| unit(4 * row + 1 + position);
    4.0 * x(0) + 2.0 * (3.0 * x(1)).round_ties_even() + x(2) * x(0) + 0.5 * unit(5_000 + row)
}

fn labels(of: impl Fn(f64) -> f64) -> Vec<f64> {
    (0..ROWS).map(label).map(of).collect()
}

fn options(change: impl FnOnce(&mut TreesOptions)) -> TreesOptions {
    let mut options = TreesOptions {
        rounds: 8,
        learning_rate: 0.2,
        max_leaves: 5,
        min_rows: 4,
        min_hessian: 1e-3,
        l2: 0.5,
        max_bins: 255,
        min_bin_rows: 1,
        ..TreesOptions::lightgbm_defaults()
    };
    change(&mut options);
    options
}

struct Case {
    columns: Vec<Column>,
    labels: Vec<f64>,
    weights: Option<Vec<f32>>,
    task: Task,
    held_out: fn(u32) -> bool,
}

impl Case {
    fn regression(labels: Vec<f64>) -> Self {
        Self {
            columns: numbers(),
            labels,
            weights: None,
            task: Task::Regression,
            held_out: |_| false,
        }
    }

    fn fit(self, options: TreesOptions) -> (FitOutcome, Arc<Dataset>) {
        let matrix = Matrix::new(self.columns, ROWS as usize).expect("equal lengths");
        let keys = (0..u64::from(ROWS)).collect();
        let data = Dataset::new(matrix, self.labels, self.weights, keys, self.task);
        let data = Arc::new(data.expect("labels that can be learned"));
        let (valid, train): (Vec<u32>, Vec<u32>) = (0..ROWS).partition(|&row| (self.held_out)(row));
        let fit = Fit {
            data: data.clone(),
            train: train.into(),
            valid: valid.into(),
            learner: Learner::Trees(options.check().expect("valid options")),
            seed: 0,
        };
        let outcome = fit_one(&fit, &Control::default(), &mut Scratch::default(), false);
        (outcome.expect("a fit"), data)
    }

    /// Compares the predictions for every thirteenth row.
    fn matches(self, what: &str, options: TreesOptions, expected: &[f64]) {
        let two = self.task == Task::Classification { classes: 2 };
        let (outcome, data) = self.fit(options);
        let rows: Vec<u32> = (0..ROWS).step_by(13).collect();
        let found = outcome
            .model
            .predict_rows(data.features(), &rows)
            .expect("same columns");
        let found: Vec<f64> = match two {
            true => found.numbers().chunks(2).map(|line| line[1]).collect(),
            false => found.numbers().to_vec(),
        };
        assert_eq!(found.len(), expected.len(), "{what}");
        for (found, expected) in found.iter().zip(expected) {
            let gap = (found - expected).abs();
            assert!(
                gap <= 1e-5 * expected.abs(),
                "{what}: {found} instead of {expected}"
            );
        }
    }
}

#[test]
fn objectives_for_numbers() {
    let cases: [(&str, Objective, [f64; 7]); 3] = [
        (
            "squared",
            Objective::Squared,
            [
                7.31198386, 4.7721387, 7.73581601, 4.94612243, 4.7721387, 7.86805573, 7.31198386,
            ],
        ),
        (
            "absolute",
            Objective::Absolute,
            [
                6.8861562, 4.01856735, 6.8861562, 5.38391815, 4.01856735, 7.14482459, 7.14107325,
            ],
        ),
        (
            "huber",
            Objective::Huber { delta: 0.7 },
            [
                6.18741648, 4.54636909, 6.18741648, 4.80027564, 4.54636909, 6.18741648, 6.18741648,
            ],
        ),
    ];
    for (what, objective, expected) in cases {
        let case = Case::regression(labels(|y| y));
        case.matches(what, options(|o| o.objective = objective), &expected);
    }
}

#[test]
fn objectives_for_counts() {
    let counts = || Case::regression(labels(|y| (y / 3.0).exp().floor()));
    let poisson = [
        10.55088, 5.58666115, 11.3024334, 5.82604624, 5.58666115, 10.2505694, 10.55088,
    ];
    counts().matches(
        "poisson",
        options(|o| o.objective = Objective::Poisson),
        &poisson,
    );
    let tweedie = [
        12.2117066, 4.70896166, 12.5082319, 5.40470118, 4.70896166, 13.9298156, 12.2117066,
    ];
    let objective = Objective::Tweedie { power: 1.4 };
    counts().matches("tweedie", options(|o| o.objective = objective), &tweedie);
}

#[test]
fn objectives_for_classes() {
    let mut sorted = labels(|y| y);
    sorted.sort_by(f64::total_cmp);
    let median = 0.5 * (sorted[39] + sorted[40]);
    let two = Case {
        task: Task::Classification { classes: 2 },
        ..Case::regression(labels(|y| f64::from(u8::from(y > median))))
    };
    // Leaves by hessian: rows per leaf are an estimate for these, which LightGBM rounds.
    let classes = || options(|o| (o.min_rows, o.min_hessian) = (1, 0.5));
    let logistic = [
        0.893877006,
        0.160300581,
        0.893877006,
        0.688216993,
        0.160300581,
        0.893877006,
        0.868589567,
    ];
    two.matches("logistic", classes(), &logistic);
    let three = Case {
        task: Task::Classification { classes: 3 },
        ..Case::regression(labels(|y| (y / 3.0).floor().clamp(0.0, 2.0)))
    };
    let softmax = [
        [0.028053463, 0.0841032327, 0.887843304],
        [0.0931347082, 0.766435871, 0.14042942],
        [0.0288596191, 0.0577836378, 0.913356743],
        [0.0770928502, 0.779993624, 0.142913526],
        [0.0931347082, 0.766435871, 0.14042942],
        [0.0288596191, 0.0577836378, 0.913356743],
        [0.028053463, 0.0841032327, 0.887843304],
    ];
    three.matches("softmax", classes(), softmax.as_flattened());
}

#[test]
fn weights_penalties_and_constraints() {
    let weighted = Case {
        weights: Some((0..80).map(|row| [1.0, 0.5, 2.0][row % 3]).collect()),
        ..Case::regression(labels(|y| y))
    };
    let expected = [
        7.20203812, 4.93402684, 7.63118, 4.93402684, 4.93402684, 7.86469963, 7.20203812,
    ];
    weighted.matches("weighted", options(|_| {}), &expected);
    let monotone = [
        5.84713718, 6.03994889, 7.70402367, 5.84713718, 5.84713718, 7.7572543, 6.27790015,
    ];
    let constrained = options(|o| o.monotone = vec![-1, 1, 0]);
    Case::regression(labels(|y| y)).matches("monotone", constrained, &monotone);
    let l1 = [
        7.282473, 4.92274262, 7.63943963, 4.92274262, 4.92274262, 7.63943963, 7.282473,
    ];
    Case::regression(labels(|y| y)).matches("l1", options(|o| o.l1 = 3.0), &l1);
    let gain = [
        6.9898931, 4.97989817, 7.7161746, 4.97989817, 4.97989817, 7.7161746, 6.9898931,
    ];
    Case::regression(labels(|y| y)).matches("gain", options(|o| o.min_gain = 20.0), &gain);
}

#[test]
fn categories_and_missing_values() {
    let code = |row: u32| word(1_000 + row) % 4;
    let effect = [3.0, -1.0, 0.5, 2.0];
    let label =
        |row: u32| 2.0 * unit(4 * row + 1) + effect[code(row) as usize] + 0.3 * unit(5_000 + row);
    let category = Case {
        columns: vec![
            Column::Numeric(column(0)),
            Column::Categorical {
                codes: (0..ROWS).map(code).collect(),
                levels: 4,
            },
        ],
        ..Case::regression((0..ROWS).map(label).collect())
    };
    let expected = [
        0.860229254,
        2.50803744,
        0.301658014,
        1.43384939,
        0.0707642906,
        3.52487242,
        4.20758998,
    ];
    category.matches("category", options(|_| {}), &expected);
    let mut columns = numbers();
    let holes = column(1).into_iter().enumerate();
    columns[1] = Column::Numeric(
        holes
            .map(|(row, x)| if row % 7 == 0 { f32::NAN } else { x })
            .collect(),
    );
    let missing = Case {
        columns,
        ..Case::regression(labels(|y| y))
    };
    let expected = [
        5.64640251, 4.7260032, 7.65410792, 4.90038058, 4.7260032, 7.65410792, 7.13779956,
    ];
    missing.matches("missing", options(|_| {}), &expected);
}

#[test]
fn early_stopping() {
    let case = Case {
        held_out: |row| row % 4 == 0,
        ..Case::regression(labels(|y| y))
    };
    let (outcome, _) = case.fit(options(|o| {
        (o.rounds, o.learning_rate, o.early_stopping) = (200, 0.6, 5);
    }));
    assert_eq!(outcome.rounds, 5);
    assert!((outcome.valid_loss[4] - 0.5565222105895059).abs() < 1e-6);
    assert_eq!(outcome.valid_loss.len(), 10);
}

/// Mean error of three forests on 400 rows that 600 others taught, of Friedman's first function with three idle columns.
fn forest_error(options: TreesOptions, threshold: Option<f64>) -> f64 {
    let x = |row: u32, position: u32| unit(16 * row + position);
    let label = |row: u32| {
        10.0 * (std::f64::consts::PI * x(row, 0) * x(row, 1)).sin()
            + 20.0 * (x(row, 2) - 0.5).powi(2)
            + 10.0 * x(row, 3)
            + 5.0 * x(row, 4)
            + 4.0 * x(row, 9)
    };
    let column =
        |position| Column::Numeric((0..1_000).map(|row| x(row, position) as f32).collect());
    let matrix = Matrix::new((0..8).map(column).collect(), 1_000).expect("equal lengths");
    let labels = (0..1_000).map(label);
    let (labels, task): (Vec<f64>, Task) = match threshold {
        None => (labels.collect(), Task::Regression),
        Some(threshold) => (
            labels.map(|y| f64::from(u8::from(y > threshold))).collect(),
            Task::Classification { classes: 2 },
        ),
    };
    let data = Dataset::new(matrix, labels, None, (0..1_000).collect(), task);
    let data = Arc::new(data.expect("labels that can be learned"));
    let error = |seed: u64| {
        let fit = Fit {
            data: data.clone(),
            train: (0..600).collect(),
            valid: (600..1_000).collect(),
            learner: Learner::Trees(options.clone().check().expect("valid options")),
            seed,
        };
        let outcome = fit_one(&fit, &Control::default(), &mut Scratch::default(), false);
        let held_out = outcome.expect("a fit").held_out;
        match threshold {
            None => rmse(&data.labels()[600..], held_out.numbers(), None),
            Some(_) => log_loss(&data.labels()[600..], held_out.numbers(), 2, None),
        }
    };
    (0..3).map(error).sum::<f64>() / 3.0
}

/// Errors of scikit-learn 1.7 with the same number of trees, share of columns at a node and rows of a leaf.
#[test]
fn forests_err_as_those_of_scikit_learn() {
    let forest = forest_error(TreesOptions::forest_defaults(), None);
    assert!(forest < 1.03 * 2.3536, "{forest}");
    let extra = forest_error(TreesOptions::extra_trees_defaults(), None);
    assert!(extra < 1.03 * 2.2470, "{extra}");
    let classes = forest_error(TreesOptions::forest_defaults(), Some(16.26154692268115));
    assert!(classes < 1.03 * 0.3228, "{classes}");
}
