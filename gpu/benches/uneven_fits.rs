//! Does one huge fit beside many tiny ones use all cores?
//!
//! `cargo bench -p tarn-gpu --bench uneven_fits -- [THREADS]` runs a list with one fit of 400,000 rows and 1,000 of 200, then
//! the huge fit alone, on one thread and on THREADS (all cores), and prints how much faster the threads are.

use std::sync::Arc;
use std::time::Instant;

use tarn_gpu::control::Control;
use tarn_gpu::fit::{Fit, Learner, fit_each};
use tarn_gpu::matrix::{Column, Dataset, Matrix, Task};
use tarn_gpu::random::{Stream, draw, unit};
use tarn_gpu::trees::TreesOptions;

const HUGE_ROWS: u32 = 400_000;
const TINY_ROWS: u32 = 200;
const TINY_FITS: u32 = 1_000;
const COLUMNS: u32 = 20;
const REPEATS: usize = 3;

fn main() {
    let given = std::env::args().find_map(|word| word.parse::<usize>().ok());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = given.unwrap_or(cores);
    let data = Arc::new(table());
    let fit = |first: u32, rows: u32| Fit {
        data: data.clone(),
        train: (first..first + rows).collect(),
        valid: Arc::from([]),
        learner: Learner::Trees(
            TreesOptions {
                train_loss: false,
                ..TreesOptions::default()
            }
            .check()
            .expect("valid options"),
        ),
        seed: 0,
    };
    let huge = vec![fit(0, HUGE_ROWS)];
    let tiny: Vec<Fit> = (0..TINY_FITS)
        .map(|group| fit(group * TINY_ROWS, TINY_ROWS))
        .collect();
    let both: Vec<Fit> = huge.iter().chain(&tiny).cloned().collect();
    println!("{threads} threads of {cores} cores, best of {REPEATS}");
    for (name, fits) in [("tiny", &tiny), ("huge", &huge), ("huge and tiny", &both)] {
        let (one, many) = (seconds(fits, 1), seconds(fits, threads));
        println!(
            "{name:>14}: {one:7.3} s on one thread, {many:7.3} s on {threads}: {:.2} times as fast",
            one / many
        );
    }
}

fn seconds(fits: &[Fit], threads: usize) -> f64 {
    let run = || {
        let started = Instant::now();
        fit_each(fits, threads, &Control::default(), |_, outcome| {
            std::hint::black_box(outcome.expect("a fit"));
        })
        .expect("threads");
        started.elapsed().as_secs_f64()
    };
    (0..REPEATS).map(|_| run()).fold(f64::INFINITY, f64::min)
}

fn table() -> Dataset {
    let number = |column: u32| -> Vec<f32> {
        (0..HUGE_ROWS)
            .map(|row| unit(1, Stream::Rows, column, u64::from(row)) as f32)
            .collect()
    };
    let columns: Vec<Vec<f32>> = (0..COLUMNS).map(number).collect();
    let label = |row: usize| {
        let x = |column: usize| f64::from(columns[column][row]);
        (6.0 * x(0)).sin() + 2.0 * x(1) * x(2) + x(3) + unit(2, Stream::Rows, 0, row as u64)
    };
    let labels = (0..HUGE_ROWS as usize).map(label).collect();
    // Keys ascend, as those of a training set do that is ordered by them.
    let mut keys: Vec<u64> = (0..u64::from(HUGE_ROWS))
        .map(|row| draw(3, Stream::Rows, 0, row))
        .collect();
    keys.sort_unstable();
    let features = columns.into_iter().map(Column::Numeric).collect();
    let matrix = Matrix::new(features, HUGE_ROWS as usize).expect("equal lengths");
    Dataset::new(matrix, labels, None, keys, Task::Regression).expect("finite labels")
}
