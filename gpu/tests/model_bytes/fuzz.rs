//! How are model bytes damaged, and what must hold whatever they are? Shared by the short test and the long program.

use std::sync::Arc;

use tarn_gpu::baseline::BaselineOptions;
use tarn_gpu::control::Control;
use tarn_gpu::fit::{Fit, Learner, Scratch, fit_one};
use tarn_gpu::linear::LinearOptions;
use tarn_gpu::logistic::LogisticOptions;
use tarn_gpu::matrix::{Column, Dataset, MISSING_LEVEL, Matrix, Task};
use tarn_gpu::model::Model;
use tarn_gpu::random::{Stream, draw, unit};
use tarn_gpu::trees::{Objective, TreesOptions};

use crate::counting::usage;

const ROWS: usize = 300;
/// Rows that walk; all rows together are ranked.
const FEW: usize = 9;

/// A model's bytes and rows that it scores.
pub struct Specimen {
    pub bytes: Vec<u8>,
    pub features: Matrix,
}

/// Whether damaged bytes still were a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Refused,
    Accepted,
}

fn dataset(task: Task) -> Dataset {
    let number = |stream: u32| -> Vec<f32> {
        let value = |row: usize| unit(11, Stream::Rows, stream, row as u64) as f32;
        let missing = |row: usize| row % 9 == 3;
        (0..ROWS)
            .map(|row| if missing(row) { f32::NAN } else { value(row) })
            .collect()
    };
    let codes = |levels: u64| -> Vec<u32> {
        let code = |row: usize| (draw(12, Stream::Rows, 0, row as u64) % (levels + 1)) as u32;
        (0..ROWS)
            .map(|row| match code(row) {
                code if u64::from(code) == levels => MISSING_LEVEL,
                code => code,
            })
            .collect()
    };
    let category = |levels: u32| Column::Categorical {
        codes: codes(u64::from(levels)),
        levels,
    };
    let columns = vec![
        Column::Numeric(number(0)),
        Column::Numeric(number(1)),
        category(4),
        category(90),
    ];
    let signal = |row: usize| {
        2.0 * unit(11, Stream::Rows, 0, row as u64) + unit(11, Stream::Rows, 1, row as u64)
    };
    let labels = (0..ROWS).map(|row| match task {
        Task::Regression => signal(row),
        Task::Classification { classes } => signal(row).floor().min(f64::from(classes - 1)),
    });
    let keys = (0..ROWS as u64)
        .map(|row| draw(13, Stream::Rows, 0, row))
        .collect();
    let matrix = Matrix::new(columns, ROWS).expect("equal lengths");
    Dataset::new(matrix, labels.collect(), None, keys, task).expect("labels that can be learned")
}

fn learners(task: Task) -> Vec<Learner> {
    let trees = |options: TreesOptions| {
        let few = TreesOptions {
            rounds: 6,
            ..options
        };
        Learner::Trees(few.check().expect("valid options"))
    };
    let mut learners = vec![
        trees(TreesOptions::default()),
        trees(TreesOptions {
            one_vs_rest_levels: 2,
            ..TreesOptions::xgboost_defaults()
        }),
        trees(TreesOptions::forest_defaults()),
        trees(TreesOptions::extra_trees_defaults()),
        Learner::Baseline(BaselineOptions::default().check().expect("valid options")),
    ];
    match task {
        Task::Regression => {
            learners.push(trees(TreesOptions {
                objective: Objective::Poisson,
                ..TreesOptions::default()
            }));
            for l1_ratio in [0.0, 0.5] {
                let options = LinearOptions {
                    l1_ratio,
                    ..LinearOptions::default()
                };
                learners.push(Learner::Linear(options.check().expect("valid options")));
            }
        }
        Task::Classification { .. } => {
            let options = LogisticOptions::default().check();
            learners.push(Learner::Logistic(options.expect("valid options")));
        }
    }
    learners
}

/// Small models of every learner and task.
pub fn specimens() -> Vec<Specimen> {
    let tasks = [
        Task::Regression,
        Task::Classification { classes: 2 },
        Task::Classification { classes: 3 },
    ];
    let mut specimens = Vec::new();
    for task in tasks {
        let data = Arc::new(dataset(task));
        for learner in learners(task) {
            let fit = Fit {
                data: data.clone(),
                train: (0..ROWS as u32).collect(),
                valid: Arc::from([]),
                learner,
                seed: 1,
            };
            let outcome = fit_one(&fit, &Control::default(), &mut Scratch::default(), false);
            specimens.push(Specimen {
                bytes: outcome.expect("a fit").model.to_bytes(),
                features: data.features().clone(),
            });
        }
    }
    specimens
}

/// The words of one case, in order.
struct Words {
    seed: u64,
    case: u64,
    next: u32,
}

impl Words {
    fn word(&mut self) -> u64 {
        self.next += 1;
        draw(self.seed, Stream::Rows, self.next, self.case)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.word() % limit.max(1) as u64) as usize
    }
}

/// Bytes of case number `case`: a specimen with one to four kinds of damage, and the rows it should score.
pub fn damaged(seed: u64, case: u64, specimens: &[Specimen]) -> (Vec<u8>, &Matrix) {
    let mut words = Words {
        seed,
        case,
        next: 0,
    };
    let chosen = words.below(specimens.len());
    let mut bytes = specimens[chosen].bytes.clone();
    for _ in 0..1 + words.below(4) {
        damage(&mut bytes, &mut words, specimens);
    }
    (bytes, &specimens[chosen].features)
}

fn damage(bytes: &mut Vec<u8>, words: &mut Words, specimens: &[Specimen]) {
    const NUMBERS: [u32; 8] = [0, 1, 2, 0xff, 0xffff, 0x7fff_ffff, 0xffff_fffe, u32::MAX];
    const FLOATS: [f64; 6] = [
        f64::NAN,
        f64::INFINITY,
        -0.0,
        1e308,
        -1e308,
        f64::MIN_POSITIVE,
    ];
    let at = words.below(bytes.len());
    let put = |bytes: &mut Vec<u8>, value: &[u8]| {
        for (slot, &byte) in bytes.iter_mut().skip(at).zip(value) {
            *slot = byte;
        }
    };
    match words.below(9) {
        0 => {
            let bit = words.below(8);
            put(bytes, &[bytes.get(at).map_or(0, |byte| byte ^ (1 << bit))]);
        }
        1 => put(bytes, &[words.word() as u8]),
        2 => put(bytes, &NUMBERS[words.below(NUMBERS.len())].to_le_bytes()),
        3 => put(bytes, &(words.below(64) as u32).to_le_bytes()),
        4 => put(bytes, &FLOATS[words.below(FLOATS.len())].to_le_bytes()),
        5 => bytes.truncate(at),
        6 => {
            let other = &specimens[words.below(specimens.len())].bytes;
            let from = words.below(other.len());
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
        7 => {
            let end = (at + words.below(40)).min(bytes.len());
            bytes.drain(at..end);
        }
        _ => {
            let end = (at + words.below(40)).min(bytes.len());
            let copy = bytes[at..end].to_vec();
            bytes.splice(at..at, copy);
        }
    }
}

/// Decodes bytes and, when they are a model, scores with it; panics when a promise is broken.
pub fn examine(bytes: &[u8], features: &Matrix) -> Verdict {
    let (decoded, decoding) = usage(|| Model::from_bytes(bytes));
    assert!(
        decoding.peak <= 64 * bytes.len() + 4_096,
        "decoding {} bytes took {}",
        bytes.len(),
        decoding.peak
    );
    let Ok(model) = decoded else {
        return Verdict::Refused;
    };
    let again = model.to_bytes();
    let back = Model::from_bytes(&again).expect("its own bytes");
    assert_eq!(
        back.to_bytes(),
        again,
        "a model changes when written and read"
    );
    assert_eq!(
        model.importance(features.columns().len()).len(),
        features.columns().len()
    );
    let few: Vec<u32> = (0..FEW as u32).collect();
    let (all, scoring) = usage(|| model.predict(features));
    assert!(
        scoring.peak <= 2_048 * bytes.len() + (4 << 20),
        "scoring with {} bytes took {}",
        bytes.len(),
        scoring.peak
    );
    match (all, model.predict_rows(features, &few)) {
        (Ok(all), Ok(some)) => {
            let bits = |numbers: &[f64]| numbers.iter().map(|p| p.to_bits()).collect::<Vec<_>>();
            let width = all.numbers().len() / ROWS;
            assert_eq!(
                bits(&all.numbers()[..FEW * width]),
                bits(some.numbers()),
                "few and many rows"
            );
        }
        (Err(all), Err(some)) => assert_eq!(all, some),
        (all, some) => {
            unreachable!("all rows and some of them disagree: {all:?} {some:?}")
        }
    }
    Verdict::Accepted
}
