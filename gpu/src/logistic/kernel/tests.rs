//! Does the GPU's kernel fit the same models as the CPU, to the byte? It runs here as plain C; see `device::emulation`.

use std::sync::Arc;

use super::{LogisticTask, Sources};
use crate::control::Control;
use crate::device::DeviceFit;
use crate::device::emulation::Emulation;
use crate::device::parity::{Dice, check_parity, check_what_is_found, dataset, digest, run};
use crate::device::{DeviceChoice, DeviceKind, Placed, Reason};
use crate::fit::{Fit, Learner, fit_all};
use crate::logistic::{CheckedLogisticOptions, LogisticOptions, classes};
use crate::matrix::{Column, Dataset, Matrix, Task};
use crate::model::Model;

fn options(dice: &mut Dice) -> CheckedLogisticOptions {
    let options = LogisticOptions {
        penalty: dice.pick(&[1e-12, 1e-6, 1e-3, 0.1, 10.0]),
        l1_ratio: dice.pick(&[0.0, 0.0, 0.5, 1.0]),
        max_iterations: dice.pick(&[1, 3, 100]),
        tolerance: dice.pick(&[1e-12, 1e-7, 1e-2]),
    };
    options.check().unwrap()
}

fn random_fit(case: u32) -> Fit {
    let mut dice = Dice::new(case);
    let rows = dice.pick(&[1, 2, 9, 40, 150, 300]) + dice.below(40);
    let classes = dice.pick(&[1, 2, 2, 2, 3, 5]);
    let task = Task::Classification { classes };
    let data = dataset(&mut dice, rows as usize, task, false);
    let held_out = dice.pick(&[0.0, 0.25]);
    let (valid, train) = (0..rows).partition::<Vec<u32>, _>(|_| dice.unit() < held_out);
    Fit {
        data,
        train: train.into(),
        valid: valid.into(),
        learner: Learner::Logistic(options(&mut dice)),
        seed: u64::from(case),
    }
}

#[test]
fn random_fits_are_the_cpus_to_the_byte() {
    let fits: Vec<Fit> = (0..400).map(random_fit).collect();
    check_parity(&fits, &Emulation::new(1).device(200 << 10));
    let told = fit_all(&fits, 2, &Control::default());
    let told = told.iter().filter(|outcome| {
        let model = outcome.as_ref().map(|outcome| &outcome.model);
        matches!(model, Ok(Model::Logistic(model)) if model.inference.is_some())
    });
    assert!(told.count() > 50);
}

/// Little shared memory pushes what is kept per row, then matrices, then the tile off the chip.
#[test]
fn every_layout_gives_the_same_bytes() {
    let fits: Vec<Fit> = (1_000..1_060).map(random_fit).collect();
    let mut seen = std::collections::BTreeSet::new();
    for chip_bytes in [0, 16 << 10, 48 << 10, 100 << 10] {
        check_parity(&fits, &Emulation::new(1).device(chip_bytes));
        for fit in &fits {
            seen.extend(prepared(fit, chip_bytes).map(|fit| fit.workspace.flags()));
        }
    }
    assert!(seen.len() >= 4, "{seen:?}");
}

fn prepared(fit: &Fit, chip_bytes: usize) -> Option<LogisticTask> {
    let Learner::Logistic(options) = &fit.learner else {
        return None;
    };
    let sources = Arc::new(Sources::new(fit).ok()?);
    let classes = classes(&fit.data).ok()?;
    Some(LogisticTask::new(sources, classes, *options, chip_bytes))
}

#[test]
fn any_number_of_threads_in_a_block_gives_the_same_bytes() {
    // Few steps: a barrier of a process's threads takes its time.
    let few = |case: u32| {
        let l1_ratio = if case.is_multiple_of(4) { 0.5 } else { 0.0 };
        let options = LogisticOptions {
            penalty: 0.01,
            l1_ratio,
            max_iterations: 2,
            ..LogisticOptions::default()
        };
        Fit {
            learner: Learner::Logistic(options.check().unwrap()),
            ..random_fit(case)
        }
    };
    let fits: Vec<Fit> = (2_000..2_008).map(few).collect();
    for threads in [2, 7, 40] {
        check_parity(&fits, &Emulation::new(threads).device(48 << 10));
    }
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
        learner: Learner::Logistic(LogisticOptions::default().check().unwrap()),
        seed: 1,
    }
}

/// What has no coefficients, and what can't be learned, is answered as on the CPU.
#[test]
fn single_classes_constant_columns_and_errors_are_the_cpus() {
    let numbers = |scale: f32| Column::Numeric((0..9u16).map(|i| f32::from(i) * scale).collect());
    let labels = || (0..9).map(|i| f64::from(i % 2)).collect::<Vec<f64>>();
    let separable = (0..9).map(|i| f64::from(u8::from(i > 4))).collect();
    let two = Task::Classification { classes: 2 };
    let three = Task::Classification { classes: 3 };
    let mut none = fit_of(vec![numbers(1.0)], labels(), two);
    none.train = Arc::from([]);
    let fits = [
        fit_of(vec![Column::Numeric(vec![3.0; 9])], labels(), two),
        fit_of(vec![], labels(), two),
        fit_of(vec![numbers(1.0)], vec![1.0; 9], two),
        fit_of(vec![numbers(1.0)], vec![2.0; 9], three),
        fit_of(vec![numbers(1.0)], labels(), three),
        fit_of(vec![numbers(1.0)], separable, two),
        // 1e308 has no place in a column of f32: it is infinite there.
        fit_of(
            vec![numbers(1e308_f64 as f32), numbers(-1.0)],
            labels(),
            two,
        ),
        fit_of(vec![numbers(1.0)], labels(), Task::Regression),
        none,
    ];
    let expected = fit_all(&fits, 1, &Control::default());
    let device = Emulation::new(3).device(48 << 10);
    for (position, (found, placed)) in run(&fits, DeviceChoice::Gpu, &device).iter().enumerate() {
        let asked = Placed {
            device: DeviceKind::Gpu,
            reason: Reason::Asked,
        };
        assert_eq!(placed, &asked);
        assert_eq!(digest(found), digest(&expected[position]), "{position}");
    }
    assert!(expected[6].is_ok() && expected[7].is_err() && expected[8].is_err());
}

#[test]
fn a_fit_is_charged_for_all_the_memory_that_it_writes_to() {
    for case in 0..40 {
        let fit = random_fit(case);
        if let Some(fit) = prepared(&fit, 16 << 10) {
            let mut launch = crate::device::Launch::default();
            fit.write(&mut launch);
            assert_eq!(launch.bytes(), fit.memory_bytes());
        }
    }
}

#[test]
fn what_is_found_here_fits_as_the_cpu_does() {
    check_what_is_found(0..2_000, random_fit);
}

/// Few enough for a run under a checker of memory and races.
#[test]
fn what_is_found_here_fits_a_few_as_the_cpu_does() {
    check_what_is_found(0..40, random_fit);
}
