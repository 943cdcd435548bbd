//! Does a device fit the models of the CPU, to the byte? Random rows to learn from, and the comparison; for tests.

use std::sync::{Arc, Mutex};

use super::{Device, DeviceChoice, DeviceKind, Placed, fit_each_on};
use crate::control::Control;
use crate::error::GpuError;
use crate::fit::{Fit, FitOutcome, fit_all};
use crate::matrix::{Column, Dataset, MISSING_LEVEL, Matrix, Task};
use crate::random::{Stream, draw, unit};

/// Draws for case `case`: each call another number.
pub(crate) struct Dice {
    case: u32,
    turn: u64,
}

impl Dice {
    pub(crate) fn new(case: u32) -> Self {
        Self { case, turn: 0 }
    }

    pub(crate) fn unit(&mut self) -> f64 {
        self.turn += 1;
        unit(1, Stream::Cuts, self.case, self.turn)
    }

    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        (self.unit() * f64::from(bound)) as u32
    }

    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u32) as usize]
    }
}

pub(crate) fn columns(dice: &mut Dice, rows: usize) -> Vec<Column> {
    let count = 1 + dice.below(19) as usize;
    let mut columns = Vec::new();
    for _ in 0..count {
        let missing = dice.pick(&[0.0, 0.0, 0.1, 0.9]);
        columns.push(match dice.below(6) {
            0 => Column::Categorical {
                codes: (0..rows)
                    .map(|_| {
                        if dice.unit() < missing {
                            MISSING_LEVEL
                        } else {
                            dice.below(7)
                        }
                    })
                    .collect(),
                levels: 7,
            },
            1 => Column::Categorical {
                codes: (0..rows).map(|_| dice.below(90)).collect(),
                levels: 90,
            },
            kind => Column::Numeric(
                (0..rows)
                    .map(|_| {
                        let number = dice.unit() as f32 * 4.0 - 2.0;
                        match kind {
                            _ if dice.unit() < missing => f32::NAN,
                            2 => number.round(),
                            _ => number,
                        }
                    })
                    .collect(),
            ),
        });
    }
    columns
}

pub(crate) fn signal(columns: &[Column], row: usize) -> f64 {
    let value = |column: &Column| match column {
        Column::Numeric(values) if values[row].is_nan() => 0.7,
        Column::Numeric(values) => f64::from(values[row]),
        Column::Categorical { codes, .. } => f64::from(codes[row] % 3),
    };
    let first = value(&columns[0]);
    let last = value(&columns[columns.len() - 1]);
    first * last + (3.0 * first).sin() + last
}

pub(crate) fn dataset(dice: &mut Dice, rows: usize, task: Task, positive: bool) -> Arc<Dataset> {
    let columns = columns(dice, rows);
    let scale = dice.pick(&[1.0, 1.0, 1e-9, 1e12]);
    let labels = (0..rows)
        .map(|row| {
            let signal = signal(&columns, row) + 0.3 * dice.unit();
            match task {
                Task::Classification { classes } => {
                    (signal + 1.0).floor().clamp(0.0, f64::from(classes - 1))
                }
                Task::Regression if positive => (signal * 1.5).abs().floor(),
                Task::Regression => signal * scale,
            }
        })
        .collect();
    let weights = (dice.below(3) == 0).then(|| {
        (0..rows)
            .map(|_| dice.pick(&[0.0, 0.5, 1.0, 3.0]))
            .collect()
    });
    let keys = (0..rows as u64)
        .map(|row| draw(9, Stream::Rows, dice.case, row))
        .collect();
    let matrix = Matrix::new(columns, rows).unwrap();
    Arc::new(Dataset::new(matrix, labels, weights, keys, task).unwrap())
}

pub(crate) type Outcome = (Result<FitOutcome, GpuError>, Placed);

pub(crate) fn run(fits: &[Fit], choice: DeviceChoice, device: &Device) -> Vec<Outcome> {
    let outcomes: Mutex<Vec<Option<Outcome>>> = Mutex::new(vec![None; fits.len()]);
    fit_each_on(
        fits,
        2,
        (choice, Some(device)),
        &Control::default(),
        |position, outcome, placed| {
            let mut outcomes = outcomes.lock().unwrap();
            assert!(outcomes[position].is_none(), "delivered twice");
            outcomes[position] = Some((outcome, placed.clone()));
        },
    )
    .unwrap();
    let outcomes = outcomes.into_inner().unwrap();
    outcomes.into_iter().map(Option::unwrap).collect()
}

/// All of an outcome that two runs share; models by their bytes.
pub(crate) type Digest = Result<(Vec<u8>, u32, Vec<u64>, Vec<u64>, Vec<u64>), GpuError>;

pub(crate) fn digest(outcome: &Result<FitOutcome, GpuError>) -> Digest {
    let bits = |numbers: &[f64]| numbers.iter().map(|x| x.to_bits()).collect();
    outcome.as_ref().map_err(Clone::clone).map(|outcome| {
        (
            outcome.model.to_bytes(),
            outcome.rounds,
            bits(&outcome.train_loss),
            bits(&outcome.valid_loss),
            bits(outcome.held_out.numbers()),
        )
    })
}

pub(crate) fn check_parity(fits: &[Fit], device: &Device) {
    let expected = fit_all(fits, 2, &Control::default());
    let mut learned = 0;
    for (position, (found, placed)) in run(fits, DeviceChoice::Gpu, device).iter().enumerate() {
        assert_eq!(placed.device, DeviceKind::Gpu);
        let same = digest(found) == digest(&expected[position]);
        assert!(
            same,
            "fit {position} of {device:?}: {:?}\n{found:?}\n{:?}",
            fits[position].learner, expected[position]
        );
        if let Ok(outcome) = found {
            learned += usize::from(outcome.importance.iter().any(|&share| share > 0.0));
        }
    }
    assert!(learned * 2 > fits.len(), "{learned} of {}", fits.len());
}

/// Detection answers where there is no driver and where there is one; the GPU that it finds is held to the same bytes.
pub(crate) fn check_what_is_found(cases: std::ops::Range<u32>, random_fit: fn(u32) -> Fit) {
    let found = super::detect().expect("no driver, or one that works");
    println!("found: {found:?}");
    if let Some(device) = found {
        let fits: Vec<Fit> = cases.map(random_fit).collect();
        check_parity(&fits, &device);
        println!("{} fits are the same to the byte", fits.len());
    }
}
