//! How many rows a second does one core score with 100 trees?
//!
//! `cargo bench -p tarn-gpu --bench scoring -- [--export DIR]`; with `--export`, models, rows and scores are written to DIR,
//! and `python gpu/benches/scoring.py DIR` loads exactly these trees into LightGBM, XGBoost and ONNX Runtime, holds their
//! scores against ours and measures them on the same rows.

use std::fmt::Write as _;
use std::time::Instant;

use tarn_gpu::control::Control;
use tarn_gpu::instructions::Instructions;
use tarn_gpu::matrix::{Column, Dataset, FitRows, Matrix, Task};
use tarn_gpu::random::{Stream, draw, unit};
use tarn_gpu::trees::{Question, TreeNode, TreesModel, TreesOptions, TreesScratch, fit};

const ROWS: usize = 200_000;
const TRAIN_ROWS: u32 = 20_000;
/// Rows of one call: everything, a batch of a query, a small page, one row.
const BATCHES: [usize; 4] = [ROWS, 8_192, 100, 1];
const REPEATS: usize = 7;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let export = arguments
        .iter()
        .position(|word| word == "--export")
        .and_then(|at| arguments.get(at + 1));
    println!(
        "instruction set: {}, one thread, best of {REPEATS}",
        Instructions::detect().name()
    );
    let leaves = |leaves: u32| TreesOptions {
        max_leaves: leaves,
        ..TreesOptions::lightgbm_defaults()
    };
    let settings = [
        ("depth6_c12", 12, TreesOptions::xgboost_defaults()),
        ("depth6_c20", 20, TreesOptions::xgboost_defaults()),
        ("leaves31_c20", 20, leaves(31)),
        ("leaves63_c20", 20, leaves(63)),
        ("leaves255_c20", 20, leaves(255)),
        ("leaves500_c20", 20, leaves(500)),
    ];
    for (name, columns, options) in settings {
        let data = table(columns);
        let model = fitted(&data, options);
        rates(name, &model, &data);
        if let Some(folder) = export {
            write(&format!("{folder}/{name}"), &model, &data);
        }
    }
}

/// Friedman's first function on the first five of `columns` uniform numbers.
fn table(columns: usize) -> Dataset {
    let number =
        |column: usize, row: usize| unit(1, Stream::Rows, column as u32, row as u64) as f32;
    let features: Vec<Vec<f32>> = (0..columns)
        .map(|column| (0..ROWS).map(|row| number(column, row)).collect())
        .collect();
    let label = |row: usize| {
        let x = |column: usize| f64::from(features[column][row]);
        let noise = 4.0 * unit(2, Stream::Rows, 0, row as u64);
        10.0 * (std::f64::consts::PI * x(0) * x(1)).sin()
            + 20.0 * (x(2) - 0.5).powi(2)
            + 10.0 * x(3)
            + 5.0 * x(4)
            + noise
    };
    let labels = (0..ROWS).map(label).collect();
    let keys = (0..ROWS as u64)
        .map(|row| draw(3, Stream::Rows, 0, row))
        .collect();
    let columns = features.into_iter().map(Column::Numeric).collect();
    let matrix = Matrix::new(columns, ROWS).expect("equal lengths");
    Dataset::new(matrix, labels, None, keys, Task::Regression).expect("finite labels")
}

fn fitted(data: &Dataset, options: TreesOptions) -> TreesModel {
    let train: Vec<u32> = (0..TRAIN_ROWS).collect();
    let rows = FitRows {
        train: &train,
        valid: &[],
    };
    let options = options.check().expect("valid options");
    let scratch = &mut TreesScratch::default();
    fit(data, rows, &options, 0, &Control::default(), scratch, false)
        .expect("a fit")
        .model
}

fn rates(name: &str, model: &TreesModel, data: &Dataset) {
    let mut line = format!("{name:>14} (deepest path {:>2}):", model.depth());
    for batch in BATCHES {
        // Batches of columns as a caller hands them over, enough of them for a tenth of a second.
        let total = if batch == 1 { 20_000 } else { ROWS };
        let batches: Vec<Matrix> = (0..total / batch)
            .map(|at| slice(data, at * batch, batch))
            .collect();
        let rows = (batches.len() * batch) as f64;
        let mut best = f64::INFINITY;
        for _ in 0..REPEATS {
            let started = Instant::now();
            for batch in &batches {
                std::hint::black_box(model.predict(batch).expect("same columns"));
            }
            best = best.min(started.elapsed().as_secs_f64());
        }
        let _ = match batch {
            1 => write!(line, "  one row {:.2} us", best / rows * 1e6),
            _ => write!(line, "  {batch} rows {:.2} M/s", rows / best / 1e6),
        };
    }
    println!("{line}");
}

fn slice(data: &Dataset, first: usize, rows: usize) -> Matrix {
    let columns = data.features().columns().iter().map(|column| match column {
        Column::Numeric(values) => Column::Numeric(values[first..first + rows].to_vec()),
        Column::Categorical { .. } => unreachable!("all columns are numbers"),
    });
    Matrix::new(columns.collect(), rows).expect("equal lengths")
}

/// Trees as lines of text, rows as f32 in row-major order, our scores as f64, all little-endian.
fn write(path: &str, model: &TreesModel, data: &Dataset) {
    let mut text = format!(
        "columns {}\nbase {:e}\n",
        data.features().columns().len(),
        model.base_scores()[0]
    );
    for tree in 0..model.tree_count() {
        text.push_str("tree\n");
        for node in model.tree(tree) {
            let _ = match node {
                TreeNode::Leaf { value } => writeln!(text, "leaf {value:e}"),
                TreeNode::Split {
                    question:
                        Question::AtMost {
                            column,
                            cut,
                            missing,
                        },
                    yes,
                    no,
                } => writeln!(
                    text,
                    "split {column} {cut:e} {} {yes} {no}",
                    u8::from(missing)
                ),
                TreeNode::Split { .. } => unreachable!("all columns are numbers"),
            };
        }
    }
    std::fs::write(format!("{path}.trees"), text).expect("a writable folder");
    let mut rows = Vec::with_capacity(data.rows() * data.features().columns().len() * 4);
    for row in 0..data.rows() {
        for column in data.features().columns() {
            if let Column::Numeric(values) = column {
                rows.extend_from_slice(&values[row].to_le_bytes());
            }
        }
    }
    std::fs::write(format!("{path}.rows"), rows).expect("room on disk");
    let scores = model.predict(data.features()).expect("same columns");
    let scores: Vec<u8> = scores
        .numbers()
        .iter()
        .flat_map(|score| score.to_le_bytes())
        .collect();
    std::fs::write(format!("{path}.scores"), scores).expect("room on disk");
}
