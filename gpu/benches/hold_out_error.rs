//! How good are the presets on real tables?
//!
//! `cargo bench -p tarn-gpu --bench hold_out_error -- DIR` reads CSV files from DIR (a header, empty is missing) and
//! prints the mean error of five splits (row number modulo 5) per table; `python gpu/benches/hold_out_error.py DIR`
//! prints LightGBM's and XGBoost's on the same splits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tarn_gpu::control::Control;
use tarn_gpu::fit::{Fit, Learner, fit_all};
use tarn_gpu::linear::LinearOptions;
use tarn_gpu::logistic::LogisticOptions;
use tarn_gpu::matrix::{Column, Dataset, MISSING_LEVEL, Matrix, Task};
use tarn_gpu::metric::{log_loss, rmse, roc_auc};
use tarn_gpu::random::{Stream, draw};
use tarn_gpu::trees::TreesOptions;

/// File, target column, and the threshold that makes two classes of a number.
const TABLES: [(&str, &str, Option<f64>); 14] = [
    ("wine_quality", "quality", Some(7.0)),
    ("adult_train", "income", None),
    ("california_housing", "median_house_value", None),
    ("king_county", "price", None),
    ("beijing_pollution", "pm25", None),
    ("cls_breast_cancer", "class", None),
    ("cls_credit_g", "class", None),
    ("cls_segment_challenge", "class", None),
    ("cls_soybean", "class", None),
    ("reg_autompg", "class", None),
    ("reg_cleveland", "num", None),
    ("reg_cpu", "class", None),
    ("reg_housing", "class", None),
    ("reg_sensory", "score", None),
];
const SPLITS: u32 = 5;

fn main() {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"))
        .collect();
    let Some(folder) = words.first() else {
        println!("hold_out_error needs the folder of the tables");
        return;
    };
    let only = words.get(1);
    for (file, target, threshold) in TABLES
        .iter()
        .filter(|(file, ..)| only.is_none_or(|only| only == file))
    {
        let Ok(text) = std::fs::read_to_string(format!("{folder}/{file}.csv")) else {
            println!("{file:>22}: not there");
            continue;
        };
        let data = Arc::new(read(&text, target, *threshold));
        for (name, learner) in learners(&data) {
            let started = Instant::now();
            let error = mean_error(&data, &learner);
            println!(
                "{file:>22} {name:>10} {error}  {:8.1} ms/fit",
                started.elapsed().as_secs_f64() * 1e3 / f64::from(SPLITS)
            );
        }
    }
}

fn learners(data: &Dataset) -> Vec<(&'static str, Learner)> {
    let trees = |options: TreesOptions| {
        Learner::Trees(
            TreesOptions {
                train_loss: false,
                ..options
            }
            .check()
            .expect("a preset"),
        )
    };
    let linear = match data.task() {
        Task::Regression => Learner::Linear(LinearOptions::default().check().expect("defaults")),
        Task::Classification { .. } => {
            Learner::Logistic(LogisticOptions::default().check().expect("defaults"))
        }
    };
    vec![
        ("lightgbm", trees(TreesOptions::lightgbm_defaults())),
        ("xgboost", trees(TreesOptions::xgboost_defaults())),
        ("default", trees(TreesOptions::default())),
        ("forest", trees(TreesOptions::forest_defaults())),
        ("extra", trees(TreesOptions::extra_trees_defaults())),
        ("linear", linear),
    ]
}

fn mean_error(data: &Arc<Dataset>, learner: &Learner) -> String {
    let rows = data.rows() as u32;
    let fit = |split: u32| Fit {
        data: data.clone(),
        train: (0..rows).filter(|row| row % SPLITS != split).collect(),
        valid: (0..rows).filter(|row| row % SPLITS == split).collect(),
        learner: learner.clone(),
        seed: 0,
    };
    let fits: Vec<Fit> = (0..SPLITS).map(fit).collect();
    let (mut first, mut second) = (0.0, 0.0);
    for (fit, outcome) in fits.iter().zip(fit_all(&fits, 1, &Control::default())) {
        let outcome = outcome.expect("a fit");
        let labels: Vec<f64> = fit
            .valid
            .iter()
            .map(|&row| data.labels()[row as usize])
            .collect();
        let numbers = outcome.held_out.numbers();
        match data.task() {
            Task::Regression => first += rmse(&labels, numbers, None),
            Task::Classification { classes } => {
                first += log_loss(&labels, numbers, classes as usize, None);
                let ones: Vec<f64> = numbers
                    .chunks(classes as usize)
                    .map(|line| line[1])
                    .collect();
                second += if classes == 2 {
                    roc_auc(&labels, &ones, None)
                } else {
                    0.0
                };
            }
        }
    }
    let splits = f64::from(SPLITS);
    match data.task() {
        Task::Regression => format!("rmse {:.5}", first / splits),
        Task::Classification { classes: 2 } => {
            format!("log loss {:.5} auc {:.5}", first / splits, second / splits)
        }
        Task::Classification { .. } => format!("log loss {:.5}", first / splits),
    }
}

/// Columns of a CSV text; quotes are not needed by these tables except around a stray `b'` in one header.
fn read(text: &str, target: &str, threshold: Option<f64>) -> Dataset {
    let mut lines = text.lines();
    let header: Vec<&str> = lines
        .next()
        .unwrap_or_default()
        .trim_start_matches("b'")
        .split(',')
        .collect();
    let cells: Vec<Vec<&str>> = lines
        .filter(|line| !line.is_empty())
        .map(|line| line.split(',').collect())
        .collect();
    let at = header
        .iter()
        .position(|name| *name == target)
        .expect("the target column");
    let cells: Vec<Vec<&str>> = cells
        .into_iter()
        .filter(|line| line.len() == header.len() && !line[at].is_empty())
        .collect();
    let column = |position: usize| cells.iter().map(move |line| line[position].trim());
    let (labels, task) = labels(&column(at).collect::<Vec<_>>(), threshold);
    let features = (0..header.len())
        .filter(|&position| position != at && header[position] != "no")
        .map(|position| {
            let values: Vec<&str> = column(position).collect();
            let numbers: Option<Vec<f32>> = values
                .iter()
                .map(|value| {
                    if value.is_empty() {
                        Some(f32::NAN)
                    } else {
                        value.parse().ok()
                    }
                })
                .collect();
            numbers.map_or_else(|| category(&values), Column::Numeric)
        });
    let matrix = Matrix::new(features.collect(), cells.len()).expect("equal lengths");
    let keys = (0..cells.len() as u64)
        .map(|row| draw(0, Stream::Rows, 0, row))
        .collect();
    Dataset::new(matrix, labels, None, keys, task).expect("labels that can be learned")
}

fn labels(values: &[&str], threshold: Option<f64>) -> (Vec<f64>, Task) {
    let numbers: Option<Vec<f64>> = values.iter().map(|value| value.parse().ok()).collect();
    match (numbers, threshold) {
        (Some(numbers), None) => (numbers, Task::Regression),
        (Some(numbers), Some(threshold)) => {
            let labels = numbers
                .iter()
                .map(|&value| f64::from(u8::from(value >= threshold)))
                .collect();
            (labels, Task::Classification { classes: 2 })
        }
        (None, _) => {
            let Column::Categorical { codes, levels } = category(values) else {
                unreachable!()
            };
            (
                codes.into_iter().map(f64::from).collect(),
                Task::Classification { classes: levels },
            )
        }
    }
}

fn category(values: &[&str]) -> Column {
    let mut dictionary: BTreeMap<&str, u32> = values
        .iter()
        .filter(|value| !value.is_empty())
        .map(|value| (*value, 0))
        .collect();
    dictionary
        .values_mut()
        .enumerate()
        .for_each(|(position, code)| *code = position as u32);
    let codes = values
        .iter()
        .map(|value| dictionary.get(value).copied().unwrap_or(MISSING_LEVEL))
        .collect();
    Column::Categorical {
        codes,
        levels: dictionary.len() as u32,
    }
}
