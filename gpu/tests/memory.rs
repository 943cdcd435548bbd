//! Memory of fits, counted by the allocator: what the estimate says before holds, and is not far off; a worker that has
//! seen a fit of the kind asks for little more than the model.

mod counting;

use std::sync::Arc;

use counting::usage;
use tarn_gpu::baseline::BaselineOptions;
use tarn_gpu::control::Control;
use tarn_gpu::fit::{Fit, Learner, Scratch, fit_one};
use tarn_gpu::linear::LinearOptions;
use tarn_gpu::logistic::LogisticOptions;
use tarn_gpu::matrix::{Column, Dataset, Matrix, Task};
use tarn_gpu::random::{Stream, draw, unit};
use tarn_gpu::trees::{Objective, TreesOptions};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

/// Most times that the estimate may exceed what was counted, beyond the fixed part of both.
const FACTOR: usize = 4;
const FIXED_BYTES: usize = 256 << 10;

fn dataset(rows: u64, columns: u32, task: Task) -> Arc<Dataset> {
    let number = |column: u32| -> Column {
        let value = |row| unit(21, Stream::Rows, column, row) as f32;
        Column::Numeric((0..rows).map(value).collect())
    };
    let codes = |row: u64| (draw(22, Stream::Rows, 0, row) % 100) as u32;
    let mut features: Vec<Column> = (0..columns).map(number).collect();
    features.push(Column::Categorical {
        codes: (0..rows).map(codes).collect(),
        levels: 100,
    });
    let signal = |row: u64| {
        3.0 * unit(21, Stream::Rows, 0, row) + (9.0 * unit(21, Stream::Rows, 1, row)).sin()
    };
    let labels = (0..rows).map(|row| match task {
        Task::Regression => signal(row) + unit(23, Stream::Rows, 0, row),
        Task::Classification { classes } => signal(row).floor().clamp(0.0, f64::from(classes - 1)),
    });
    let keys = (0..rows)
        .map(|row| draw(24, Stream::Rows, 0, row))
        .collect();
    let matrix = Matrix::new(features, rows as usize).expect("equal lengths");
    let data = Dataset::new(matrix, labels.collect(), None, keys, task);
    Arc::new(data.expect("labels that can be learned"))
}

fn learners(task: Task) -> Vec<(&'static str, Learner)> {
    let trees = |options: TreesOptions| Learner::Trees(options.check().expect("valid options"));
    let few = |options: TreesOptions| TreesOptions {
        rounds: 15,
        ..options
    };
    let mut learners = vec![
        ("leaf", trees(TreesOptions::default())),
        ("depth", trees(few(TreesOptions::xgboost_defaults()))),
        ("forest", trees(few(TreesOptions::forest_defaults()))),
        ("extra", trees(few(TreesOptions::extra_trees_defaults()))),
        (
            "sampled",
            trees(TreesOptions {
                column_fraction: 0.5,
                row_fraction: 0.5,
                ..few(TreesOptions::lightgbm_defaults())
            }),
        ),
        (
            "baseline",
            Learner::Baseline(BaselineOptions::default().check().expect("valid options")),
        ),
    ];
    if task == Task::Regression {
        learners.push((
            "median",
            trees(TreesOptions {
                objective: Objective::Absolute,
                ..few(TreesOptions::default())
            }),
        ));
        let options = LinearOptions::default().check().expect("valid options");
        learners.push(("linear", Learner::Linear(options)));
    } else {
        let options = LogisticOptions::default().check().expect("valid options");
        learners.push(("logistic", Learner::Logistic(options)));
    }
    learners
}

fn fits(rows: u32, columns: u32, task: Task) -> Vec<(&'static str, Fit)> {
    let data = dataset(u64::from(rows), columns, task);
    let fit = |(name, learner)| {
        let held = rows / 5;
        let fit = Fit {
            data: data.clone(),
            train: (held..rows).collect(),
            valid: (0..held).collect(),
            learner,
            seed: 1,
        };
        (name, fit)
    };
    learners(task).into_iter().map(fit).collect()
}

#[test]
fn the_estimate_covers_the_peak_and_stays_near_it() {
    let shapes = [
        (60, 5, Task::Regression),
        (500, 20, Task::Regression),
        (20_000, 8, Task::Regression),
        (300, 400, Task::Regression),
        (4_000, 10, Task::Classification { classes: 2 }),
        (4_000, 10, Task::Classification { classes: 4 }),
    ];
    for (rows, columns, task) in shapes {
        for (name, fit) in fits(rows, columns, task) {
            let estimate = fit.memory_bytes();
            let run = || fit_one(&fit, &Control::default(), &mut Scratch::default(), false);
            let (outcome, usage) = usage(run);
            outcome.expect("a fit");
            let what = format!(
                "{name}, {rows} x {columns}, {task:?}: estimate {estimate}, peak {}",
                usage.peak
            );
            assert!(usage.peak <= estimate, "{what}");
            // How early a tree without limits runs out of impure leaves, only the labels know.
            let factor = if ["forest", "extra"].contains(&name) {
                4 * FACTOR
            } else {
                FACTOR
            };
            // A constant takes next to nothing, whatever is said of it.
            let near = estimate <= factor * usage.peak + FIXED_BYTES;
            assert!(near || name == "baseline", "{what}");
        }
    }
}

#[test]
fn a_worker_that_is_warm_asks_for_nothing_that_grows_with_the_rows() {
    const ROWS: u32 = 20_000;
    for task in [Task::Regression, Task::Classification { classes: 2 }] {
        let data = dataset(u64::from(ROWS), 8, task);
        // Numbers alone: category statistics are counted afresh.
        let columns = data.features().columns()[..8].to_vec();
        let matrix = Matrix::new(columns, ROWS as usize).expect("equal lengths");
        let labels = data.labels().to_vec();
        let keys = data.row_keys().to_vec();
        let data = Dataset::new(matrix, labels, None, keys, task);
        let data = Arc::new(data.expect("labels that can be learned"));
        for (name, learner) in learners(task) {
            let learner = match learner {
                Learner::Trees(options) => {
                    let few = TreesOptions {
                        rounds: 5,
                        max_leaves: 31,
                        ..(*options).clone()
                    };
                    Learner::Trees(few.check().expect("valid options"))
                }
                other => other,
            };
            let fit = Fit {
                data: data.clone(),
                train: (0..ROWS).collect(),
                valid: Arc::from([]),
                learner,
                seed: 1,
            };
            let mut scratch = Scratch::default();
            let mut run = || fit_one(&fit, &Control::default(), &mut scratch, false);
            let first = run().expect("a fit");
            let (second, usage) = usage(run);
            assert_eq!(second.expect("a fit").model, first.model, "{name}");
            // A list of rows would be 80,000 bytes; constants and first medians sort all labels once.
            if !["baseline", "median"].contains(&name) {
                assert!(usage.largest < 20_000, "{name}, {task:?}: {usage:?}");
                assert!(usage.calls < 2_000, "{name}, {task:?}: {usage:?}");
            }
        }
    }
}
