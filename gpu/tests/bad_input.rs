//! Input that nobody wants to learn from, for every learner: a reasoned answer or an error that says what is wrong.

use std::sync::Arc;

use tarn_gpu::baseline::BaselineOptions;
use tarn_gpu::control::Control;
use tarn_gpu::error::{DataError, GpuError};
use tarn_gpu::fit::{Fit, FitOutcome, Learner, Scratch, fit_one};
use tarn_gpu::linear::LinearOptions;
use tarn_gpu::logistic::LogisticOptions;
use tarn_gpu::matrix::{Column, Dataset, MISSING_LEVEL, Matrix, Task};
use tarn_gpu::model::Model;
use tarn_gpu::random::{Stream, draw, unit};
use tarn_gpu::trees::TreesOptions;

const TWO: Task = Task::Classification { classes: 2 };

fn learners(task: Task) -> Vec<(&'static str, Learner)> {
    let trees = |options: TreesOptions| {
        let few = TreesOptions {
            rounds: 20,
            min_rows: 1,
            min_bin_rows: 1,
            ..options
        };
        Learner::Trees(few.check().expect("valid options"))
    };
    let mut learners = vec![
        ("trees", trees(TreesOptions::default())),
        ("depth", trees(TreesOptions::xgboost_defaults())),
        ("forest", trees(TreesOptions::forest_defaults())),
        ("extra", trees(TreesOptions::extra_trees_defaults())),
        (
            "baseline",
            Learner::Baseline(BaselineOptions::default().check().expect("valid options")),
        ),
    ];
    match task {
        Task::Regression => {
            for (name, penalty, l1_ratio) in
                [("ols", 0.0, 0.0), ("ridge", 1e-3, 0.0), ("net", 0.1, 0.5)]
            {
                let options = LinearOptions {
                    penalty,
                    l1_ratio,
                    ..LinearOptions::default()
                };
                learners.push((
                    name,
                    Learner::Linear(options.check().expect("valid options")),
                ));
            }
        }
        Task::Classification { .. } => {
            for (name, l1_ratio) in [("logistic", 0.0), ("lasso", 1.0)] {
                let options = LogisticOptions {
                    l1_ratio,
                    ..LogisticOptions::default()
                };
                learners.push((
                    name,
                    Learner::Logistic(options.check().expect("valid options")),
                ));
            }
        }
    }
    learners
}

fn learn(data: Dataset, learner: Learner) -> Result<FitOutcome, GpuError> {
    let rows: Arc<[u32]> = (0..data.rows() as u32).collect();
    let fit = Fit {
        data: Arc::new(data),
        train: rows.clone(),
        valid: rows,
        learner,
        seed: 3,
    };
    fit_one(&fit, &Control::default(), &mut Scratch::default(), false)
}

fn data(columns: Vec<Column>, labels: Vec<f64>, task: Task) -> Dataset {
    let rows = labels.len();
    let keys = (0..rows as u64)
        .map(|row| draw(7, Stream::Rows, 0, row))
        .collect();
    let matrix = Matrix::new(columns, rows).expect("equal lengths");
    Dataset::new(matrix, labels, None, keys, task).expect("labels that can be learned")
}

/// Fits every learner of the task and checks what any sane answer fulfils: it is finite, probabilities sum to 1, the bytes
/// come back as the same model. Answers the held-out numbers by learner.
fn answers(columns: &[Column], labels: &[f64], task: Task) -> Vec<(&'static str, Vec<f64>)> {
    let mut found = Vec::new();
    for (name, learner) in learners(task) {
        let outcome = learn(data(columns.to_vec(), labels.to_vec(), task), learner)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let numbers = outcome.held_out.numbers().to_vec();
        assert!(
            numbers.iter().all(|number| number.is_finite()),
            "{name}: {numbers:?}"
        );
        assert!(
            outcome
                .importance
                .iter()
                .all(|share| (0.0..=1.0).contains(share)),
            "{name}: {:?}",
            outcome.importance
        );
        if let Task::Classification { classes } = task {
            for line in numbers.chunks(classes as usize) {
                assert!(
                    (line.iter().sum::<f64>() - 1.0).abs() < 1e-9,
                    "{name}: {line:?}"
                );
                assert!(
                    line.iter().all(|p| (0.0..=1.0).contains(p)),
                    "{name}: {line:?}"
                );
            }
        }
        let bytes = outcome.model.to_bytes();
        let back = Model::from_bytes(&bytes).expect("its own bytes");
        assert_eq!(back, outcome.model, "{name}");
        found.push((name, numbers));
    }
    found
}

fn number(values: &[f32]) -> Column {
    Column::Numeric(values.to_vec())
}

#[test]
fn constant_columns_teach_nothing_and_disturb_nothing() {
    let constant = [
        number(&[5.0; 6]),
        number(&[f32::NAN; 6]),
        number(&[f32::INFINITY; 6]),
        Column::Categorical {
            codes: vec![2; 6],
            levels: 3,
        },
        Column::Categorical {
            codes: vec![MISSING_LEVEL; 6],
            levels: 3,
        },
    ];
    let labels = [1.0, 2.0, 3.0, 4.0, 5.0, 9.0];
    for (name, numbers) in answers(&constant, &labels, Task::Regression) {
        for number in numbers {
            // Forests average the means of bootstrap samples.
            let slack = if name == "forest" { 1.5 } else { 1e-9 };
            assert!((number - 4.0).abs() < slack, "{name}: {number}");
        }
    }
    for (name, numbers) in answers(&constant, &[0.0, 1.0, 1.0, 1.0, 0.0, 1.0], TWO) {
        for line in numbers.chunks(2) {
            let slack = if name == "forest" { 0.3 } else { 1e-6 };
            assert!((line[1] - 2.0 / 3.0).abs() < slack, "{name}: {line:?}");
        }
    }
    let varies = [number(&[1.0, 2.0, 3.0, 4.0, 5.0, 9.0])];
    let with: Vec<Column> = constant.iter().chain(&varies).cloned().collect();
    let alone = answers(&varies, &labels, Task::Regression);
    for ((name, with), (_, alone)) in answers(&with, &labels, Task::Regression).iter().zip(&alone) {
        // Random draws of columns and cuts depend on how many there are.
        if !["forest", "extra"].contains(name) {
            assert_eq!(with, alone, "{name}");
        }
    }
}

#[test]
fn one_row_is_answered_with_its_label() {
    let columns = [
        number(&[3.0]),
        Column::Categorical {
            codes: vec![1],
            levels: 2,
        },
    ];
    for (name, numbers) in answers(&columns, &[4.5], Task::Regression) {
        assert!((numbers[0] - 4.5).abs() < 1e-12, "{name}: {numbers:?}");
    }
    for (name, numbers) in answers(&columns, &[1.0], TWO) {
        assert!(numbers[1] > 0.999, "{name}: {numbers:?}");
    }
    for (name, learner) in learners(Task::Regression) {
        let error = learn(data(vec![], vec![], Task::Regression), learner);
        assert!(
            matches!(error, Err(GpuError::Data(DataError::NoRows))),
            "{name}: no rows"
        );
    }
}

#[test]
fn missing_and_extreme_numbers_keep_answers_in_range() {
    let extremes = [
        f32::NAN,
        f32::NEG_INFINITY,
        -f32::MAX,
        -0.0,
        0.0,
        f32::MIN_POSITIVE,
        f32::MAX,
        f32::INFINITY,
    ];
    let columns = [
        number(&extremes),
        number(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]),
    ];
    let labels = [1.0, 2.0, 3.0, 4.0, 4.0, 5.0, 6.0, 7.0];
    for (name, numbers) in answers(&columns, &labels, Task::Regression) {
        assert!(
            numbers.iter().all(|number| (0.0..=8.0).contains(number)),
            "{name}: {numbers:?}"
        );
    }
    answers(&columns, &[0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0], TWO);
    // A number seen in no row of training.
    for (name, learner) in learners(Task::Regression) {
        let fitted = learn(
            data(columns.to_vec(), labels.to_vec(), Task::Regression),
            learner,
        );
        let strange = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30];
        let rows = Matrix::new(vec![number(&strange), number(&[f32::NAN; 4])], 4);
        let model = fitted.expect("a fit").model;
        let found = model
            .predict(&rows.expect("equal lengths"))
            .expect("same columns");
        assert!(
            found.numbers().iter().all(|n| n.is_finite()),
            "{name}: {found:?}"
        );
    }
}

#[test]
fn labels_beyond_reason_are_refused_and_large_ones_learned() {
    let column = || vec![number(&[0.0, 0.0, 0.0, 1.0, 1.0, 1.0])];
    for label in [1e308, -1e308, 1.1e37, f64::INFINITY, f64::NAN] {
        let matrix = Matrix::new(column(), 6).expect("equal lengths");
        let labels = vec![0.0, 0.0, 0.0, 0.0, 0.0, label];
        let refused = Dataset::new(matrix, labels, None, vec![0; 6], Task::Regression);
        assert!(
            matches!(refused, Err(DataError::LabelNotFinite { row: 5, .. })),
            "{label}"
        );
    }
    let labels = [-1e37, -1e37, -1e37, 1e37, 1e37, 1e37];
    for (name, numbers) in answers(&column(), &labels, Task::Regression) {
        if name != "baseline" {
            assert!(
                numbers[0] < -1e36 && numbers[5] > 1e36,
                "{name}: {numbers:?}"
            );
        }
    }
    // Steps that overshoot further each time end at the largest number there is.
    let wild = TreesOptions {
        learning_rate: 10.0,
        rounds: 200,
        min_rows: 1,
        min_bin_rows: 1,
        ..TreesOptions::default()
    };
    let wild = Learner::Trees(wild.check().expect("valid options"));
    let outcome = learn(data(column(), labels.to_vec(), Task::Regression), wild).expect("a fit");
    let bytes = outcome.model.to_bytes();
    assert_eq!(
        Model::from_bytes(&bytes).expect("its own bytes"),
        outcome.model
    );
    assert!(outcome.held_out.numbers().iter().all(|n| n.is_finite()));
}

#[test]
fn one_class_is_certain() {
    let columns = [number(&[1.0, 2.0, 3.0, 4.0])];
    for (name, numbers) in answers(&columns, &[1.0; 4], TWO) {
        assert!(
            numbers.chunks(2).all(|line| line[1] > 0.999),
            "{name}: {numbers:?}"
        );
    }
    let single = Task::Classification { classes: 1 };
    for (name, numbers) in answers(&columns, &[0.0; 4], single) {
        assert_eq!(numbers, vec![1.0; 4], "{name}");
    }
    let three = Task::Classification { classes: 3 };
    for (name, numbers) in answers(&columns, &[0.0, 2.0, 0.0, 2.0], three) {
        // The class that never occurred stays next to impossible.
        assert!(
            numbers.chunks(3).all(|line| line[1] < 0.05),
            "{name}: {numbers:?}"
        );
    }
}

#[test]
fn duplicate_rows_are_one_row_seen_often() {
    let rows = 40;
    let columns = [number(&vec![7.0; rows]), number(&vec![-2.0; rows])];
    let labels: Vec<f64> = (0..rows).map(|row| (row % 2) as f64).collect();
    for (name, numbers) in answers(&columns, &labels, Task::Regression) {
        let slack = if name == "forest" { 0.1 } else { 1e-9 };
        assert!((numbers[0] - 0.5).abs() < slack, "{name}: {}", numbers[0]);
    }
    // The very same rows, equal keys included, under one label.
    let matrix = Matrix::new(columns.to_vec(), rows).expect("equal lengths");
    for (name, learner) in learners(Task::Regression) {
        let same = Dataset::new(
            matrix.clone(),
            vec![3.0; rows],
            None,
            vec![1; rows],
            Task::Regression,
        );
        let outcome = learn(same.expect("labels that can be learned"), learner).expect("a fit");
        assert!(
            outcome
                .held_out
                .numbers()
                .iter()
                .all(|n| (n - 3.0).abs() < 1e-12),
            "{name}"
        );
    }
    // Twice the rows are twice the weight.
    let x: Vec<f32> = (0..30)
        .map(|row| unit(5, Stream::Rows, 0, row) as f32)
        .collect();
    let y: Vec<f64> = x.iter().map(|&x| f64::from(x * x)).collect();
    let twice = [x.clone(), x.clone()].concat();
    let labels = [y.clone(), y.clone()].concat();
    let once = answers(&[number(&x)], &y, Task::Regression);
    for ((name, twice), (_, once)) in answers(&[number(&twice)], &labels, Task::Regression)
        .iter()
        .zip(&once)
    {
        // Penalties per leaf, bootstrap samples and keys see the copies; means and ratios don't.
        if ["baseline", "ols", "ridge", "net"].contains(name) {
            for (twice, once) in twice.iter().zip(once) {
                assert!((twice - once).abs() < 1e-9, "{name}: {twice} {once}");
            }
        }
    }
}

#[test]
fn weights_of_zero_are_rows_that_are_not_there() {
    let columns = || vec![number(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])];
    let weighted = |weights: Vec<f32>| {
        let matrix = Matrix::new(columns(), 6).expect("equal lengths");
        let labels = vec![1.0, 2.0, 3.0, 4.0, 1e6, -1e6];
        let keys = (0..6).collect();
        Dataset::new(matrix, labels, Some(weights), keys, Task::Regression)
    };
    for weight in [-1.0, -f32::MIN_POSITIVE, f32::NAN, f32::INFINITY] {
        let refused = weighted(vec![1.0, 1.0, weight, 1.0, 1.0, 1.0]);
        assert!(
            matches!(refused, Err(DataError::WeightInvalid { row: 2, .. })),
            "{weight}"
        );
    }
    for (name, learner) in learners(Task::Regression) {
        let nothing = learn(weighted(vec![0.0; 6]).expect("weights"), learner.clone());
        assert!(
            matches!(nothing, Err(GpuError::Data(DataError::NoRows))),
            "{name}"
        );
        let some = weighted(vec![1.0, 1.0, 1.0, 1.0, 0.0, 0.0]).expect("weights");
        let outcome = learn(some, learner.clone()).expect("a fit");
        let numbers = outcome.held_out.numbers();
        assert!(
            numbers.iter().all(|n| (0.0..=8.0).contains(n)),
            "{name}: {numbers:?}"
        );
        let tiny = weighted(vec![1e-30; 6]).expect("weights");
        let outcome = learn(tiny, learner).expect("a fit");
        assert!(
            outcome.held_out.numbers().iter().all(|n| n.is_finite()),
            "{name}"
        );
    }
}

#[test]
fn ten_thousand_columns_are_learned_or_counted_in_an_error() {
    let rows = 40u64;
    let columns: Vec<Column> = (0..10_000u32)
        .map(|column| {
            let value = |row| unit(9, Stream::Rows, column, row) as f32;
            Column::Numeric((0..rows).map(value).collect())
        })
        .collect();
    let labels: Vec<f64> = (0..rows)
        .map(|row| unit(9, Stream::Rows, 4_321, row))
        .collect();
    for (name, learner) in learners(Task::Regression) {
        let is_linear = matches!(learner, Learner::Linear(_));
        match learn(
            data(columns.clone(), labels.clone(), Task::Regression),
            learner,
        ) {
            Err(GpuError::Data(DataError::TooMany { found, limit, .. })) if is_linear => {
                assert!(found > limit, "{name}");
            }
            Ok(outcome) if !is_linear => {
                assert!(
                    outcome
                        .held_out
                        .numbers()
                        .iter()
                        .all(|n| (0.0..=1.0).contains(n)),
                    "{name}"
                );
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}
