//! Does the GPU's kernel fit the same models as the CPU, to the byte? It runs here as plain C; see `device::emulation`.

use std::sync::{Arc, Mutex};

use super::{Binned, BinnedKey, BoostFit};
use crate::baseline::BaselineOptions;
use crate::control::Control;
use crate::device::emulation::Emulation;
use crate::device::parity::{
    Dice, Outcome, check_parity, check_what_is_found, dataset, digest, run,
};
use crate::device::{
    DeviceChoice, DeviceError, DeviceFit, DeviceKind, Launch, Obstacle, Reason, fit_each_on,
};
use crate::error::GpuError;
use crate::fit::{Fit, Learner, fit_all};
use crate::matrix::Task;
use crate::trees::{Growth, Mode, Objective, TreesOptions};

fn options(dice: &mut Dice, objective: Objective) -> TreesOptions {
    let max_depth = dice.pick(&[0, 1, 2, 3, 6, 9]);
    let forest =
        dice.below(4) == 0 && !matches!(objective, Objective::Poisson | Objective::Tweedie { .. });
    TreesOptions {
        mode: if forest { Mode::Forest } else { Mode::Boost },
        objective,
        growth: dice.pick(&[Growth::Depth, Growth::Leaf]),
        rounds: 1 + dice.below(6),
        learning_rate: dice.pick(&[0.1, 0.3, 1.0]),
        max_depth,
        max_leaves: dice.pick(&[0, 0, 2, 5, 20]),
        min_rows: dice.pick(&[0, 1, 1, 5, 20]),
        min_hessian: dice.pick(&[0.0, 1e-3, 1.0]),
        min_gain: dice.pick(&[0.0, 0.0, 0.01]),
        l1: dice.pick(&[0.0, 0.0, 0.3]),
        l2: dice.pick(&[0.0, 1.0, 5.0]),
        category_l2: dice.pick(&[0.0, 10.0]),
        max_bins: dice.pick(&[0, 2, 16, 255]),
        min_bin_rows: dice.pick(&[1, 3]),
        row_fraction: dice.pick(&[1.0, 1.0, 0.5, 0.02]),
        column_fraction: dice.pick(&[1.0, 1.0, 0.4]),
        node_column_fraction: dice.pick(&[1.0, 1.0, 0.5]),
        early_stopping: dice.pick(&[0, 1, 3]),
        train_loss: dice.below(2) == 0,
        one_vs_rest_levels: dice.pick(&[0, 8, 64]),
        softmax_factor: dice.pick(&[0.0, 2.0]),
        ..TreesOptions::default()
    }
}

fn random_fit(case: u32) -> Fit {
    let mut dice = Dice::new(case);
    let (task, objective) = dice.pick(&[
        (Task::Regression, Objective::Squared),
        (Task::Regression, Objective::Squared),
        (Task::Regression, Objective::Huber { delta: 0.7 }),
        (Task::Regression, Objective::Poisson),
        (Task::Regression, Objective::Tweedie { power: 1.3 }),
        (Task::Classification { classes: 2 }, Objective::Auto),
        (Task::Classification { classes: 2 }, Objective::Logistic),
        (Task::Classification { classes: 3 }, Objective::Softmax),
        (Task::Classification { classes: 2 }, Objective::Softmax),
    ]);
    let positive = matches!(objective, Objective::Poisson | Objective::Tweedie { .. });
    let rows = dice.pick(&[1, 2, 9, 40, 150, 300]) + dice.below(40);
    let data = dataset(&mut dice, rows as usize, task, positive);
    let held_out = dice.pick(&[0.0, 0.25]);
    let (valid, train) = (0..rows).partition::<Vec<u32>, _>(|_| dice.unit() < held_out);
    let options = options(&mut dice, objective).check().unwrap();
    Fit {
        data,
        train: train.into(),
        valid: valid.into(),
        learner: Learner::Trees(options),
        seed: u64::from(case) << 33 | 5,
    }
}

#[test]
fn random_fits_are_the_cpus_to_the_byte() {
    let fits: Vec<Fit> = (0..500).map(random_fit).collect();
    check_parity(&fits, &Emulation::new(1).device(200 << 10));
}

/// Little shared memory pushes rows, then tables, then histograms off the chip.
#[test]
fn every_layout_gives_the_same_bytes() {
    let fits: Vec<Fit> = (1_000..1_100).map(random_fit).collect();
    let mut seen = std::collections::BTreeSet::new();
    for chip_bytes in [0, 4 << 10, 8 << 10, 20 << 10, 48 << 10, 100 << 10] {
        check_parity(&fits, &Emulation::new(1).device(chip_bytes));
        for fit in &fits {
            seen.insert(super::layout_flags(fit, chip_bytes));
        }
    }
    assert!(seen.len() >= 5, "{seen:?}");
}

#[test]
fn any_number_of_threads_in_a_block_gives_the_same_bytes() {
    let fits: Vec<Fit> = (2_000..2_030).map(random_fit).collect();
    for threads in [2, 7, 40] {
        check_parity(&fits, &Emulation::new(threads).device(48 << 10));
    }
}

#[test]
fn what_a_gpu_does_not_fit_has_a_name() {
    let device = Emulation::new(1).device(48 << 10);
    let plain = TreesOptions {
        rounds: 3,
        ..TreesOptions::xgboost_defaults()
    };
    type Spoil = fn(&mut TreesOptions);
    let cases: [(Obstacle, Spoil); 4] = [
        (Obstacle::RandomCuts, |o| o.mode = Mode::ExtraTrees),
        (Obstacle::Monotone, |o| o.monotone = vec![0, 1]),
        (Obstacle::StepLimit, |o| o.max_delta_step = 0.5),
        (
            Obstacle::LeafQuantile {
                objective: "absolute",
            },
            |o| o.objective = Objective::Absolute,
        ),
    ];
    let fit = |learner| {
        let mut dice = Dice::new(7);
        let data = dataset(&mut dice, 60, Task::Regression, false);
        let train = (0..60).collect();
        Fit {
            data,
            train,
            valid: Arc::from([]),
            learner,
            seed: 1,
        }
    };
    let mut fits = vec![fit(Learner::Trees(plain.clone().check().unwrap()))];
    for (_, spoil) in &cases {
        let mut options = plain.clone();
        spoil(&mut options);
        fits.push(fit(Learner::Trees(options.check().unwrap())));
    }
    fits.push(fit(Learner::Baseline(
        BaselineOptions::default().check().unwrap(),
    )));
    let mut expected: Vec<Obstacle> = cases.into_iter().map(|(obstacle, _)| obstacle).collect();
    expected.push(Obstacle::Learner {
        learner: "baseline",
    });
    let forced = run(&fits, DeviceChoice::Gpu, &device);
    assert!(forced[0].0.is_ok());
    let chosen = run(&fits, DeviceChoice::Auto, &device);
    assert!(matches!(chosen[0].1.reason, Reason::Estimate { .. }));
    for (position, obstacle) in expected.iter().enumerate() {
        let (outcome, _) = &forced[position + 1];
        let error = GpuError::from(DeviceError::from(obstacle.clone()));
        assert_eq!(outcome.as_ref().err(), Some(&error));
        let (outcome, placed) = &chosen[position + 1];
        assert!(outcome.is_ok());
        assert_eq!(placed.device, DeviceKind::Cpu);
        assert_eq!(placed.reason, Reason::Obstacle(obstacle.clone()));
    }
    let alone = fit_each_on(
        &fits,
        1,
        (DeviceChoice::Gpu, None),
        &Control::default(),
        |_, _, _| {},
    );
    assert_eq!(alone, Err(DeviceError::Absent.into()));
}

#[test]
fn a_batch_without_room_is_split_and_a_fit_without_room_goes_back() {
    let fits: Vec<Fit> = (0..24).map(|_| random_fit(3)).collect();
    let expected = digest(&fit_all(&fits[..1], 1, &Control::default())[0]);
    assert!(expected.is_ok());
    let whole = Emulation::new(1).device(48 << 10);
    let bytes = super::memory_bytes(&fits[0], 48 << 10);
    for (outcome, _) in run(&fits, DeviceChoice::Gpu, &whole) {
        assert_eq!(digest(&outcome), expected);
    }
    // Three fits at a time, known beforehand; then as a surprise.
    let mut limited = Emulation::new(1).device(48 << 10);
    limited.limit_memory(3 * bytes);
    let surprised = Emulation::new(1).with_room(3 * bytes).device(48 << 10);
    for device in [limited, surprised] {
        for (outcome, placed) in run(&fits, DeviceChoice::Gpu, &device) {
            assert_eq!(digest(&outcome), expected);
            assert_eq!(placed.device, DeviceKind::Gpu);
        }
    }
    let none = Emulation::new(1).with_room(bytes / 2).device(48 << 10);
    for (outcome, _) in run(&fits, DeviceChoice::Gpu, &none) {
        assert!(matches!(
            outcome,
            Err(GpuError::Device(DeviceError::Obstacle(
                Obstacle::TooLarge { .. }
            )))
        ));
    }
}

#[test]
fn a_lost_gpu_is_an_error_that_names_it_and_cancel_stops_between_launches() {
    let fits: Vec<Fit> = (0..24).map(|_| random_fit(3)).collect();
    let bytes = super::memory_bytes(&fits[0], 48 << 10);
    let mut device = Emulation::new(1).lost_after(2).device(48 << 10);
    device.limit_memory(4 * bytes);
    let outcomes = run(&fits, DeviceChoice::Gpu, &device);
    let lost = |outcome: &&Outcome| {
        outcome
            .0
            .as_ref()
            .is_err_and(|error| error.to_string().starts_with("GPU emulated failed"))
    };
    assert_eq!(outcomes.iter().filter(lost).count(), 24 - 2 * 4);
    let device = Emulation::new(1).device(48 << 10);
    let control = Control::default();
    control.cancel.cancel();
    let seen = Mutex::new(0);
    let choice = (DeviceChoice::Gpu, Some(&device));
    fit_each_on(&fits, 1, choice, &control, |_, outcome, _| {
        assert!(matches!(outcome, Err(GpuError::Cancelled)));
        *seen.lock().unwrap() += 1;
    })
    .unwrap();
    assert_eq!(*seen.lock().unwrap(), 24);
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

/// Configurations of one fold are binned and sent over once.
#[test]
fn fits_of_one_fold_share_their_rows() {
    let first = random_fit(3);
    let Learner::Trees(options) = &first.learner else {
        panic!("trees");
    };
    let fits: Vec<Fit> = [0.1, 0.2, 0.5]
        .map(|learning_rate| TreesOptions {
            learning_rate,
            ..(**options).clone()
        })
        .map(|options| Fit {
            learner: Learner::Trees(options.check().unwrap()),
            ..first.clone()
        })
        .into();
    check_parity(&fits, &Emulation::new(1).device(48 << 10));
    let key = |fit: &Fit| BinnedKey::new(fit, options);
    assert_eq!(key(&fits[0]), key(&fits[2]));
    assert_ne!(key(&fits[0]), key(&random_fit(3)));
    let binned = Arc::new(Binned::new(&first, options).unwrap());
    let mut launch = Launch::default();
    let mut words = Vec::new();
    for fit in &fits {
        let fit = BoostFit::new(&fit.data, binned.clone(), options, 1, 48 << 10).unwrap();
        fit.write(&mut launch);
        words.push(launch.input.len());
    }
    assert!(words[1] - words[0] < 5 && words[2] - words[1] < 5 && words[0] > 50);
}
