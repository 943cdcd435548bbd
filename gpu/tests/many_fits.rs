//! Lists of fits of every learner: the same bytes on any number of threads, and bytes that nothing can make panic.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tarn_gpu::baseline::BaselineOptions;
use tarn_gpu::control::Control;
use tarn_gpu::error::GpuError;
use tarn_gpu::fit::{Fit, FitOutcome, Learner, fit_all, fit_each};
use tarn_gpu::linear::LinearOptions;
use tarn_gpu::logistic::LogisticOptions;
use tarn_gpu::matrix::{Column, Dataset, MISSING_LEVEL, Matrix, Task};
use tarn_gpu::model::Model;
use tarn_gpu::random::{Stream, draw, unit};
use tarn_gpu::trees::TreesOptions;

fn dataset(rows: u64, task: Task) -> Arc<Dataset> {
    let number = |stream: u32| -> Vec<f32> {
        let value = |row| unit(1, Stream::Rows, stream, row) as f32;
        (0..rows)
            .map(|row| if row % 9 == 3 { f32::NAN } else { value(row) })
            .collect()
    };
    let codes = |levels: u64| -> Vec<u32> {
        let code = |row| (draw(2, Stream::Rows, levels as u32, row) % levels) as u32;
        (0..rows)
            .map(|row| {
                if row % 13 == 5 {
                    MISSING_LEVEL
                } else {
                    code(row)
                }
            })
            .collect()
    };
    let columns = vec![
        Column::Numeric(number(0)),
        Column::Numeric(number(1)),
        Column::Categorical {
            codes: codes(4),
            levels: 4,
        },
        Column::Categorical {
            codes: codes(100),
            levels: 100,
        },
    ];
    let label =
        |row: u64| unit(1, Stream::Rows, 0, row) * 2.0 + unit(1, Stream::Rows, 7, row) * 0.3;
    let labels = (0..rows).map(|row| match task {
        Task::Regression => label(row),
        Task::Classification { classes } => (label(row) * 1.2).floor().min(f64::from(classes - 1)),
    });
    let keys = (0..rows).map(|row| draw(3, Stream::Rows, 0, row)).collect();
    let matrix = Matrix::new(columns, rows as usize).expect("equal lengths");
    Arc::new(Dataset::new(matrix, labels.collect(), None, keys, task).expect("finite labels"))
}

fn learners(task: Task) -> Vec<Learner> {
    let trees = |options: TreesOptions| {
        Learner::Trees(
            TreesOptions {
                rounds: 12,
                ..options
            }
            .check()
            .expect("valid"),
        )
    };
    let mut learners = vec![
        trees(TreesOptions {
            early_stopping: 4,
            ..TreesOptions::default()
        }),
        trees(TreesOptions {
            one_vs_rest_levels: 8,
            row_fraction: 0.7,
            ..TreesOptions::xgboost_defaults()
        }),
        trees(TreesOptions::forest_defaults()),
        Learner::Baseline(BaselineOptions::default().check().expect("valid")),
    ];
    learners.push(match task {
        Task::Regression => Learner::Linear(
            LinearOptions {
                l1_ratio: 0.3,
                ..LinearOptions::default()
            }
            .check()
            .expect("valid"),
        ),
        Task::Classification { .. } => {
            Learner::Logistic(LogisticOptions::default().check().expect("valid"))
        }
    });
    learners
}

/// Fits of all learners on groups of very different size, three tasks, folds included.
fn fits() -> Vec<Fit> {
    let mut fits = Vec::new();
    for task in [
        Task::Regression,
        Task::Classification { classes: 2 },
        Task::Classification { classes: 3 },
    ] {
        let data = dataset(4_000, task);
        for (group, size) in [(0u32, 3_000u32), (3_000, 600), (3_600, 37), (3_637, 2)] {
            for learner in learners(task) {
                let fold = |held: bool| {
                    (group..group + size)
                        .filter(|row| (row % 4 == 1) == held)
                        .collect()
                };
                fits.push(Fit {
                    data: data.clone(),
                    train: fold(false),
                    valid: fold(true),
                    learner,
                    seed: 5,
                });
            }
        }
    }
    fits
}

/// Model bytes and the bits of the held-out answers.
type Digest = Result<(Vec<u8>, Vec<u64>), GpuError>;

fn digest(outcomes: &[Result<FitOutcome, GpuError>]) -> Vec<Digest> {
    let of = |outcome: &FitOutcome| {
        let held_out = outcome
            .held_out
            .numbers()
            .iter()
            .map(|p| p.to_bits())
            .collect();
        (outcome.model.to_bytes(), held_out)
    };
    outcomes
        .iter()
        .map(|outcome| outcome.as_ref().map(of).map_err(Clone::clone))
        .collect()
}

#[test]
fn any_number_of_threads_gives_the_same_outcomes() {
    let fits = fits();
    let expected = digest(&fit_all(&fits, 1, &Control::default()));
    assert!(expected.iter().filter(|outcome| outcome.is_ok()).count() > fits.len() * 9 / 10);
    for threads in [2, 16] {
        assert_eq!(
            digest(&fit_all(&fits, threads, &Control::default())),
            expected,
            "{threads} threads"
        );
    }
}

#[test]
fn outcomes_arrive_once_each_and_largest_first() {
    let fits = fits();
    let order = std::sync::Mutex::new(Vec::new());
    fit_each(&fits, 1, &Control::default(), |position, _| {
        order.lock().expect("no panic").push(position)
    })
    .expect("threads");
    let order = order.into_inner().expect("no panic");
    let mut sorted = order.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..fits.len()).collect::<Vec<_>>());
    assert!(fits[order[0]].train.len() > 1_000 && fits[order[order.len() - 1]].train.len() < 100);
}

#[test]
fn a_cancelled_list_answers_every_fit_with_cancelled() {
    let fits = fits();
    let started = Arc::new(AtomicUsize::new(0));
    let mut control = Control::default();
    let (counter, cancel) = (started.clone(), control.cancel.clone());
    control.yield_point = Some(Arc::new(move |_| {
        if counter.fetch_add(1, Ordering::Relaxed) == 20 {
            cancel.cancel();
        }
    }));
    let outcomes = fit_all(&fits, 2, &control);
    assert_eq!(outcomes.len(), fits.len());
    assert!(
        outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Err(GpuError::Cancelled)))
            .count()
            > fits.len() / 2
    );
}

#[test]
fn bytes_come_back_and_damaged_ones_never_panic() {
    let fits = fits();
    let mut mutations = 0u64;
    for (fit, outcome) in fits
        .iter()
        .zip(fit_all(&fits, 2, &Control::default()))
        .filter(|(fit, _)| fit.train.len() < 500)
    {
        let Ok(outcome) = outcome else { continue };
        let bytes = outcome.model.to_bytes();
        let back = Model::from_bytes(&bytes).expect("own bytes");
        assert_eq!(back, outcome.model);
        let features = fit.data.features();
        assert_eq!(
            back.predict_rows(features, &fit.valid)
                .expect("same columns"),
            outcome.held_out
        );
        for cut in (0..bytes.len()).step_by(1 + bytes.len() / 60) {
            assert!(Model::from_bytes(&bytes[..cut]).is_err());
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(Model::from_bytes(&longer).is_err());
        for _ in 0..300 {
            mutations += 1;
            let mut damaged = bytes.clone();
            for change in 0..1 + mutations % 4 {
                let word = draw(99, Stream::Rows, change as u32, mutations);
                let at = (word >> 8) as usize % damaged.len();
                damaged[at] = match word % 3 {
                    0 => word as u8 >> 3,
                    1 => 0xff,
                    _ => damaged[at] ^ (1 << (word >> 5 & 7)),
                };
            }
            // Most damage is refused; what is accepted must score without a panic or a wild read.
            if let Ok(model) = Model::from_bytes(&damaged) {
                let _ = model.predict_rows(features, &fit.valid);
            }
        }
    }
    assert!(mutations > 5_000);
    assert!(matches!(Model::from_bytes(&[]), Err(GpuError::Decode(_))));
    assert!(matches!(
        Model::from_bytes(&[9, 0]),
        Err(GpuError::Decode(tarn_gpu::error::DecodeError::Version {
            found: 9,
            ..
        }))
    ));
}
