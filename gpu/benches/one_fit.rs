//! How long does one fit take, and how many rows does one core score in a second?
//!
//! `cargo bench -p tarn-gpu --bench one_fit -- [--big] [--export DIR]`; with `--export` the tables are written as CSV files,
//! and `python gpu/benches/one_fit.py DIR [--big]` measures LightGBM and XGBoost on the same rows. `--big` adds a table of
//! a million rows.

use std::time::Instant;

use tarn_gpu::control::Control;
use tarn_gpu::instructions::Instructions;
use tarn_gpu::matrix::{Column, Dataset, FitRows, Matrix, Task};
use tarn_gpu::model::Prediction;
use tarn_gpu::random::{Stream, draw, unit};
use tarn_gpu::trees::{TreesFit, TreesOptions, TreesScratch, fit};

const COLUMNS: usize = 20;
const SIZES: [usize; 4] = [100, 500, 2_000, 10_000];
const HELD_OUT: usize = 5_000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let export = arguments
        .iter()
        .position(|word| word == "--export")
        .and_then(|at| arguments.get(at + 1));
    let big = arguments.iter().any(|word| word == "--big");
    println!(
        "instruction set: {}, one thread, minimum of several runs",
        Instructions::detect().name()
    );
    for rows in SIZES {
        let data = table(rows + HELD_OUT, COLUMNS);
        if let Some(folder) = export {
            write_csv(&format!("{folder}/w1_{rows}.csv"), &data);
        }
        for (name, options) in settings() {
            report(
                &format!("{rows} x {COLUMNS}, {name}"),
                &data,
                rows,
                options,
                if rows > 2_000 { 10 } else { 40 },
            );
        }
    }
    scoring();
    if big {
        let data = table(1_000_000, 28);
        if let Some(folder) = export {
            write_csv(&format!("{folder}/big.csv"), &data);
        }
        report(
            "1000000 x 28, leaf, 255 bins",
            &data,
            900_000,
            TreesOptions::lightgbm_defaults(),
            1,
        );
    }
}

fn settings() -> [(&'static str, TreesOptions); 4] {
    let plain = |options: TreesOptions| TreesOptions {
        train_loss: false,
        min_bin_rows: 3,
        ..options
    };
    let leaf = plain(TreesOptions::lightgbm_defaults());
    let depth = plain(TreesOptions {
        learning_rate: 0.1,
        ..TreesOptions::xgboost_defaults()
    });
    [
        (
            "leaf, 64 bins",
            TreesOptions {
                max_bins: 64,
                ..leaf.clone()
            },
        ),
        ("leaf, 255 bins", leaf),
        (
            "depth 6, 64 bins",
            TreesOptions {
                max_bins: 64,
                ..depth.clone()
            },
        ),
        ("depth 6, 255 bins", depth),
    ]
}

/// Friedman's first function on the first five of `columns` uniform numbers, with noise.
fn table(rows: usize, columns: usize) -> Dataset {
    let number =
        |column: usize, row: usize| unit(1, Stream::Rows, column as u32, row as u64) as f32;
    let features: Vec<Vec<f32>> = (0..columns)
        .map(|column| (0..rows).map(|row| number(column, row)).collect())
        .collect();
    let noise = |row: usize| {
        (0..12)
            .map(|k| unit(2, Stream::Rows, k, row as u64))
            .sum::<f64>()
            - 6.0
    };
    let labels = (0..rows)
        .map(|row| {
            let x = |column: usize| f64::from(features[column][row]);
            10.0 * (std::f64::consts::PI * x(0) * x(1)).sin()
                + 20.0 * (x(2) - 0.5).powi(2)
                + 10.0 * x(3)
                + 5.0 * x(4)
                + noise(row)
        })
        .collect();
    let keys = (0..rows as u64)
        .map(|row| draw(3, Stream::Rows, 0, row))
        .collect();
    let matrix = Matrix::new(features.into_iter().map(Column::Numeric).collect(), rows)
        .expect("equal lengths");
    Dataset::new(matrix, labels, None, keys, Task::Regression).expect("finite labels")
}

fn report(name: &str, data: &Dataset, train_rows: usize, options: TreesOptions, repeats: usize) {
    let options = options.check().expect("valid options");
    let train: Vec<u32> = (0..train_rows as u32).collect();
    let rows = FitRows {
        train: &train,
        valid: &[],
    };
    let mut scratch = TreesScratch::default();
    let mut run = || -> (TreesFit, f64) {
        let started = Instant::now();
        let fitted = fit(
            data,
            rows,
            &options,
            0,
            &Control::default(),
            &mut scratch,
            false,
        )
        .expect("a fit");
        (fitted, started.elapsed().as_secs_f64() * 1e3)
    };
    let cpu_before = cpu_ms();
    let (fitted, first) = run();
    let fastest = (1..repeats).map(|_| run().1).fold(first, f64::min);
    let cpu = (cpu_ms() - cpu_before) / repeats as f64;
    let held_out: Vec<u32> = (train_rows as u32..data.rows() as u32).collect();
    let Ok(Prediction::Values(values)) = fitted.model.predict_rows(data.features(), &held_out)
    else {
        return;
    };
    let labels: Vec<f64> = held_out
        .iter()
        .map(|&row| data.labels()[row as usize])
        .collect();
    let error = tarn_gpu::metric::rmse(&labels, &values, None);
    println!(
        "{name:>28}: {fastest:9.3} ms (mean processor time {cpu:9.3} ms), hold-out RMSE {error:.4}"
    );
}

/// Processor time of this thread so far, which a busy machine distorts less than wall time; 0 where Linux doesn't say.
fn cpu_ms() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ')
        .next()
        .and_then(|field| field.parse::<f64>().ok())
        .unwrap_or(0.0)
        / 1e6
}

/// Rows per second of models with 100 trees.
fn scoring() {
    for (name, columns, options) in [
        (
            "100 trees, depth 6, 12 columns",
            12,
            TreesOptions::xgboost_defaults(),
        ),
        (
            "100 trees, 31 leaves, 20 columns",
            20,
            TreesOptions::lightgbm_defaults(),
        ),
    ] {
        let data = table(200_000, columns);
        let train: Vec<u32> = (0..20_000).collect();
        let options = options.check().expect("valid options");
        let rows = FitRows {
            train: &train,
            valid: &[],
        };
        let scratch = &mut TreesScratch::default();
        let fitted = fit(
            &data,
            rows,
            &options,
            0,
            &Control::default(),
            scratch,
            false,
        )
        .expect("a fit");
        let mut fastest = f64::INFINITY;
        let cpu_before = cpu_ms();
        for _ in 0..5 {
            let started = Instant::now();
            std::hint::black_box(fitted.model.predict(data.features()).expect("same columns"));
            fastest = fastest.min(started.elapsed().as_secs_f64());
        }
        let by_cpu = 0.2 * 5e3 / (cpu_ms() - cpu_before);
        println!(
            "{name:>34}: {:.2} million rows/s ({by_cpu:.2} by processor time)",
            0.2 / fastest
        );
    }
}

fn write_csv(path: &str, data: &Dataset) {
    use std::io::Write;
    let file = std::fs::File::create(path).expect("a writable folder");
    let mut out = std::io::BufWriter::new(file);
    for row in 0..data.rows() {
        for column in data.features().columns() {
            if let Column::Numeric(values) = column {
                write!(out, "{},", values[row]).expect("room on disk");
            }
        }
        writeln!(out, "{}", data.labels()[row]).expect("room on disk");
    }
}
