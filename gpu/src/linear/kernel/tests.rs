//! Does the GPU's kernel fit the same models as the CPU, to the byte? It runs here as plain C; see `device::emulation`.

use std::sync::Arc;

use super::{LinearTask, Sources};
use crate::device::emulation::Emulation;
use crate::device::parity::{Dice, check_parity, check_what_is_found, dataset, digest, run};
use crate::device::{DeviceChoice, DeviceError, DeviceFit, DeviceKind, Launch, Obstacle, Reason};
use crate::error::GpuError;
use crate::fit::{Fit, Learner, fit_all};
use crate::linear::{CheckedLinearOptions, LinearOptions};
use crate::matrix::{Column, Dataset, Matrix, Task};
use crate::trees::TreesOptions;

fn options(dice: &mut Dice) -> CheckedLinearOptions {
    let options = LinearOptions {
        penalty: dice.pick(&[0.0, 1e-9, 1e-3, 0.1, 10.0]),
        l1_ratio: dice.pick(&[0.0, 0.0, 0.5, 1.0]),
        max_iterations: dice.pick(&[1, 50, 1_000]),
        tolerance: dice.pick(&[1e-12, 1e-7, 1e-2]),
    };
    options.check().unwrap()
}

fn random_fit(case: u32) -> Fit {
    let mut dice = Dice::new(case);
    let rows = dice.pick(&[1, 2, 9, 40, 150, 500]) + dice.below(40);
    let data = dataset(&mut dice, rows as usize, Task::Regression, false);
    let held_out = dice.pick(&[0.0, 0.25]);
    let (valid, train) = (0..rows).partition::<Vec<u32>, _>(|_| dice.unit() < held_out);
    Fit {
        data,
        train: train.into(),
        valid: valid.into(),
        learner: Learner::Linear(options(&mut dice)),
        seed: u64::from(case),
    }
}

#[test]
fn random_fits_are_the_cpus_to_the_byte() {
    let fits: Vec<Fit> = (0..600).map(random_fit).collect();
    check_parity(&fits, &Emulation::new(1).device(200 << 10));
}

/// Little shared memory pushes matrices, then the tile off the chip.
#[test]
fn every_layout_gives_the_same_bytes() {
    let fits: Vec<Fit> = (1_000..1_100).map(random_fit).collect();
    let mut seen = std::collections::BTreeSet::new();
    for chip_bytes in [0, 16 << 10, 48 << 10, 100 << 10] {
        check_parity(&fits, &Emulation::new(1).device(chip_bytes));
        for fit in &fits {
            seen.extend(prepared(fit, chip_bytes).map(|fit| fit.workspace.flags()));
        }
    }
    assert!(seen.len() >= 3, "{seen:?}");
}

#[test]
fn any_number_of_threads_in_a_block_gives_the_same_bytes() {
    let fits: Vec<Fit> = (2_000..2_030).map(random_fit).collect();
    for threads in [2, 7, 40] {
        check_parity(&fits, &Emulation::new(threads).device(48 << 10));
    }
}

fn prepared(fit: &Fit, chip_bytes: usize) -> Option<LinearTask> {
    let Learner::Linear(options) = &fit.learner else {
        return None;
    };
    let sources = Arc::new(Sources::new(fit).ok()?);
    Some(LinearTask::new(sources, *options, chip_bytes))
}

fn fit_of(columns: Vec<Column>, labels: Vec<f64>, task: Task) -> Fit {
    let rows = labels.len();
    let matrix = Matrix::new(columns, rows).unwrap();
    let keys = (0..rows as u64).collect();
    let data = Dataset::new(matrix, labels, None, keys, task).unwrap();
    Fit {
        data: Arc::new(data),
        train: (0..rows as u32).collect(),
        valid: Arc::from([]),
        learner: Learner::Linear(LinearOptions::default().check().unwrap()),
        seed: 1,
    }
}

/// What has no coefficients, and what can't be learned, is answered as on the CPU.
#[test]
fn constant_columns_labels_and_errors_are_the_cpus() {
    let numbers = |scale: f32| Column::Numeric((0..9u16).map(|i| f32::from(i) * scale).collect());
    let labels = || (0..9).map(f64::from).collect::<Vec<f64>>();
    let huge: Vec<f64> = (0..9).map(|i| f64::from(i) * 1e36).collect();
    let mut none = fit_of(vec![numbers(1.0)], labels(), Task::Regression);
    none.train = Arc::from([]);
    let fits = [
        fit_of(
            vec![Column::Numeric(vec![3.0; 9])],
            labels(),
            Task::Regression,
        ),
        fit_of(
            vec![Column::Numeric(vec![f32::NAN; 9])],
            labels(),
            Task::Regression,
        ),
        fit_of(vec![], labels(), Task::Regression),
        fit_of(vec![numbers(1.0)], vec![7.5; 9], Task::Regression),
        // 1e308 has no place in a column of f32: it is infinite there.
        fit_of(
            vec![numbers(1e308_f64 as f32), numbers(-1.0)],
            labels(),
            Task::Regression,
        ),
        fit_of(vec![numbers(4e37), numbers(1e-40)], huge, Task::Regression),
        fit_of(
            vec![numbers(1.0)],
            vec![1.0; 9],
            Task::Classification { classes: 9 },
        ),
        none,
    ];
    let expected = fit_all(&fits, 1, &crate::control::Control::default());
    let device = Emulation::new(3).device(48 << 10);
    for (position, (found, placed)) in run(&fits, DeviceChoice::Gpu, &device).iter().enumerate() {
        assert_eq!(placed.device, DeviceKind::Gpu);
        assert_eq!(digest(found), digest(&expected[position]), "{position}");
    }
    assert!(expected[4].is_ok() && expected[6].is_err() && expected[7].is_err());
}

#[test]
fn too_many_terms_are_an_error_on_the_gpu_and_fitted_on_the_cpu() {
    let wide = |columns: usize| {
        let column = |c: usize| (0..9).map(|row| ((row * (c + 3)) % 7) as f32).collect();
        let columns = (0..columns).map(|c| Column::Numeric(column(c))).collect();
        fit_of(columns, (0..9).map(f64::from).collect(), Task::Regression)
    };
    // The first has too many columns, the second only with its terms of missing values.
    let mut second = wide(300);
    let mut columns = second.data.features().columns().to_vec();
    for column in &mut columns {
        if let Column::Numeric(values) = column {
            values[3] = f32::NAN;
        }
    }
    second = fit_of(columns, second.data.labels().to_vec(), Task::Regression);
    let fits = [wide(513), second, wide(300)];
    let device = Emulation::new(1).device(48 << 10);
    let forced = run(&fits, DeviceChoice::Gpu, &device);
    let refused = GpuError::from(DeviceError::Obstacle(Obstacle::Terms { limit: 512 }));
    for (outcome, _) in &forced[..2] {
        assert_eq!(outcome.as_ref().err(), Some(&refused));
    }
    let expected = fit_all(&fits, 1, &crate::control::Control::default());
    assert_eq!(digest(&forced[2].0), digest(&expected[2]));
    let chosen = run(&fits, DeviceChoice::Auto, &device);
    for ((outcome, placed), expected) in chosen.iter().zip(&expected) {
        assert_eq!(digest(outcome), digest(expected));
        let refused = placed.reason == Reason::Obstacle(Obstacle::Terms { limit: 512 });
        assert!(!refused || placed.device == DeviceKind::Cpu);
    }
    assert_eq!(chosen[0].1.device, DeviceKind::Cpu);
}

/// Learners with kernels of their own share a list and a device.
#[test]
fn one_list_holds_linear_regressions_and_trees() {
    let trees = TreesOptions {
        rounds: 3,
        ..TreesOptions::xgboost_defaults()
    };
    let trees = Learner::Trees(trees.check().unwrap());
    let mut fits: Vec<Fit> = (0..12).map(random_fit).collect();
    for fit in fits.iter_mut().step_by(2) {
        fit.learner = trees.clone();
    }
    let device = Emulation::new(1).device(48 << 10);
    check_parity(&fits, &device);
    // Under `auto` each learner is judged by itself.
    let placed = run(&fits, DeviceChoice::Auto, &device);
    let reason = |position: usize| placed[position].1.reason.clone();
    assert!(matches!(reason(0), Reason::Estimate { .. }));
    assert!(reason(0) == reason(2) && reason(1) == reason(3) && reason(0) != reason(1));
}

/// Configurations of one fold are gathered and sent over once.
#[test]
fn fits_of_one_fold_share_their_rows() {
    let first = random_fit(3);
    let sources = Arc::new(Sources::new(&first).unwrap());
    let mut launch = Launch::default();
    let mut words = Vec::new();
    for penalty in [0.1, 0.2, 0.5] {
        let options = LinearOptions {
            penalty,
            ..LinearOptions::default()
        };
        let options = options.check().unwrap();
        LinearTask::new(sources.clone(), options, 48 << 10).write(&mut launch);
        words.push(launch.input.len());
    }
    assert!(words[0] > 50 && words[1] == words[0] && words[2] == words[0]);
}

#[test]
fn what_is_found_here_fits_as_the_cpu_does() {
    check_what_is_found(0..5_000, random_fit);
}

/// Few enough for a run under a checker of memory and races.
#[test]
fn what_is_found_here_fits_a_few_as_the_cpu_does() {
    check_what_is_found(0..40, random_fit);
}
