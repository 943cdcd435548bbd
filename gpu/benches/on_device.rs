//! What is the GPU of this machine worth? Additions to its shared memory, lists of fits on it and on all cores, and how
//! near the guesses of `device = auto` come. Prints Markdown for `docs/BENCHMARKS.md`; fails where there is no GPU.
//!
//! `gpu/build-on-device.sh` builds it, `gpu/on-device.sh` runs it; without a GPU, `cargo bench -p tarn-gpu --bench on_device
//! -- --rehearse` runs the CPU's half on a few fits.

use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use cudarc::driver::{CudaContext, DriverError, LaunchConfig, PushKernelArg, sys};
use cudarc::nvrtc::Ptx;
use tarn_gpu::control::Control;
use tarn_gpu::device::{Device, DeviceChoice, DeviceKind, Reason, detect, fit_each_on};
use tarn_gpu::fit::{Fit, Learner};
use tarn_gpu::instructions::Instructions;
use tarn_gpu::linear::LinearOptions;
use tarn_gpu::logistic::LogisticOptions;
use tarn_gpu::matrix::{Column, Dataset, Matrix, Task};
use tarn_gpu::random::{Stream, draw, unit};
use tarn_gpu::trees::TreesOptions;

/// Seconds after which no further row of the last table is measured.
const SECONDS_MAX: f64 = 270.0;

fn main() -> ExitCode {
    let started = Instant::now();
    let rehearse = std::env::args().any(|word| word == "--rehearse");
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let device = match detect() {
        Ok(device) => device,
        Err(error) => {
            eprintln!("on_device: {error}");
            return ExitCode::FAILURE;
        }
    };
    if device.is_none() && !rehearse {
        eprintln!("on_device: no GPU was found; nothing was measured");
        return ExitCode::FAILURE;
    }
    match &device {
        Some(device) => println!(
            "{}, {:.0} GiB for fits; CPU: {threads} threads, {}\n",
            device.name(),
            device.memory_bytes() as f64 / f64::from(1u32 << 30),
            Instructions::detect().name()
        ),
        None => println!("Rehearsal without a GPU: {threads} threads\n"),
    }
    if device.is_some()
        && let Err(error) = atomics()
    {
        eprintln!("on_device: {error}");
        return ExitCode::FAILURE;
    }
    let scale = if rehearse { 100 } else { 1 };
    lists(device.as_ref(), threads, scale);
    terms(device.as_ref(), threads, scale);
    sizes(device.as_ref(), threads, scale, started);
    ExitCode::SUCCESS
}

/// Additions per second into shared memory, by kind of addition and number of bins.
fn atomics() -> Result<(), DriverError> {
    const STEPS: u32 = 20_000;
    const THREADS: u32 = 256;
    let context = CudaContext::new(0)?;
    let stream = context.default_stream();
    let attribute = |which| context.attribute(which);
    let processors =
        attribute(sys::CUdevice_attribute_enum::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)? as u32;
    let module = context.load_module(Ptx::from_src(include_str!("atomics.ptx")))?;
    println!("| Additions to shared memory | 8 bins | 64 bins | 2,048 bins |\n|---|---|---|---|");
    for (name, kernel) in [
        ("one 32-bit word", "add_32"),
        ("two 32-bit words", "add_pair"),
        ("one 64-bit word", "add_64"),
    ] {
        let kernel = module.load_function(kernel)?;
        let mut cells = Vec::new();
        for bins in [8u32, 64, 2_048] {
            let mut fastest = f32::INFINITY;
            for _ in 0..4 {
                let mut out = stream.alloc_zeros::<u32>(1)?;
                let shape = LaunchConfig {
                    grid_dim: (4 * processors, 1, 1),
                    block_dim: (THREADS, 1, 1),
                    shared_mem_bytes: 0,
                };
                let (steps, mask) = (STEPS, bins - 1);
                let mut call = stream.launch_builder(&kernel);
                call.arg(&mut out).arg(&steps).arg(&mask);
                call.record_kernel_launch(sys::CUevent_flags_enum::CU_EVENT_DEFAULT);
                // SAFETY: the arguments are those of the kernels in `atomics.cu`.
                let events = unsafe { call.launch(shape) }?;
                stream.synchronize()?;
                if let Some((start, end)) = events {
                    fastest = fastest.min(start.elapsed_ms(&end)?);
                }
            }
            let additions = f64::from(4 * processors * THREADS) * f64::from(STEPS);
            cells.push(format!("{:.2}", additions / f64::from(fastest) / 1e9));
        }
        println!("| {name} | {} |", cells.join(" | "));
    }
    println!("\nIn 10^12 per second over the whole GPU.\n");
    Ok(())
}

/// One list of fits on one device.
struct Timing {
    wall: f64,
    /// Time of the kernels alone.
    device: f64,
    failures: usize,
}

fn time(fits: &[Fit], threads: usize, choice: (DeviceChoice, Option<&Device>)) -> Timing {
    let sums = Mutex::new((0.0, 0usize));
    let started = Instant::now();
    let outcome = fit_each_on(
        fits,
        threads,
        choice,
        &Control::default(),
        |_, outcome, _| {
            let mut sums = sums.lock().expect("no panic in another thread");
            match outcome {
                Ok(outcome) => sums.0 += outcome.seconds,
                Err(_) => sums.1 += 1,
            }
        },
    );
    let wall = started.elapsed().as_secs_f64();
    let (device, failures) = sums.into_inner().expect("no panic in another thread");
    Timing {
        wall,
        device,
        failures: if outcome.is_ok() {
            failures
        } else {
            fits.len()
        },
    }
}

/// The two workloads of the goals: 1,000 fits, and the same with 16 configurations and 3 folds.
fn lists(device: Option<&Device>, threads: usize, scale: u32) {
    println!(
        "| Fits of 500 × 20, 100 trees of depth 6, 64 bins | CPU | GPU | kernels alone | failed |"
    );
    println!("|---|---|---|---|---|");
    let one = grouped(1_000 / scale, 500, 20, 1, 1);
    let search = grouped(1_000 / scale, 500, 20, 16, 3);
    for (name, fits) in [("1,000", &one), ("1,000 × 16 × 3", &search)] {
        let cpu = time(fits, threads, (DeviceChoice::Cpu, None));
        let gpu =
            device.map(|device| {
                // The first run of a kernel pays for its compilation.
                time(&fits[..1], threads, (DeviceChoice::Gpu, Some(device)));
                let runs =
                    [0, 1, 2].map(|_| time(fits, threads, (DeviceChoice::Gpu, Some(device))));
                let [first, second, third] = runs;
                [second, third].into_iter().fold(first, |best, run| {
                    if run.wall < best.wall { run } else { best }
                })
            });
        let (wall, kernels, failures) = gpu.map_or((f64::NAN, f64::NAN, 0), |gpu| {
            (gpu.wall, gpu.device, gpu.failures)
        });
        println!(
            "| {name} | {:.3} s | {wall:.3} s | {kernels:.3} s | {} |",
            cpu.wall,
            failures + cpu.failures
        );
    }
    println!();
}

/// Lists of many sizes on both devices, with the guesses of `device = auto`.
fn sizes(device: Option<&Device>, threads: usize, scale: u32, started: Instant) {
    println!("| Fits | Rows | Columns | CPU | guessed | GPU | guessed | kernels alone | auto |");
    println!("|---|---|---|---|---|---|---|---|---|");
    let shapes = [
        (1_000, 100, 10),
        (1_000, 500, 50),
        (1_000, 2_000, 20),
        (300, 5_000, 20),
        (100, 10_000, 20),
        (100, 500, 20),
        (30, 500, 20),
        (10, 500, 20),
        (1, 500, 20),
        (100, 2_000, 100),
        (30, 20_000, 20),
        (10, 50_000, 20),
        (1, 50_000, 20),
        (10_000, 100, 10),
        (3_000, 200, 20),
        (10_000, 500, 20),
        (300, 1_000, 200),
        (100, 100, 10),
        (10, 100, 10),
        (1, 200_000, 20),
    ];
    for (count, rows, columns) in shapes {
        if started.elapsed().as_secs_f64() > SECONDS_MAX {
            println!("\nStopped after {SECONDS_MAX} s.");
            return;
        }
        let fits = grouped((count / scale).max(1), rows, columns, 1, 1);
        print_size(&fits, columns, threads, device);
    }
}

/// The linear learners on both devices.
fn terms(device: Option<&Device>, threads: usize, scale: u32) {
    let linear = Learner::Linear(LinearOptions::default().check().expect("valid options"));
    let logistic = Learner::Logistic(LogisticOptions::default().check().expect("valid options"));
    for learner in [linear, logistic] {
        println!(
            "| Fits, {} | Rows | Columns | CPU | guessed | GPU | guessed | kernels alone | auto |",
            learner.name()
        );
        println!("|---|---|---|---|---|---|---|---|---|");
        let shapes = [
            (10_000, 100, 10),
            (1_000, 500, 20),
            (1_000, 500, 100),
            (100, 10_000, 50),
            (10, 10_000, 200),
            (1, 100_000, 50),
        ];
        for (count, rows, columns) in shapes {
            let fits = alone(&learner, (count / scale).max(1), rows, columns);
            if let Some(device) = device {
                // The first run of a kernel pays for its compilation.
                time(&fits[..1], threads, (DeviceChoice::Gpu, Some(device)));
            }
            print_size(&fits, columns, threads, device);
        }
        println!();
    }
}

/// Prints a line on a list of equal fits: measured and guessed seconds of both devices.
fn print_size(fits: &[Fit], columns: usize, threads: usize, device: Option<&Device>) {
    let cpu = time(fits, threads, (DeviceChoice::Cpu, None));
    let gpu = device.map(|device| time(fits, threads, (DeviceChoice::Gpu, Some(device))));
    let (wall, kernels) = gpu.map_or((f64::NAN, f64::NAN), |gpu| (gpu.wall, gpu.device));
    let (guessed_cpu, guessed_gpu, chosen) = guesses(fits, threads, device);
    println!(
        "| {} | {} | {columns} | {:.3} s | {guessed_cpu:.3} s | {wall:.3} s | {guessed_gpu:.3} s | {kernels:.3} s | {chosen} |",
        fits.len(),
        fits[0].train.len(),
        cpu.wall,
    );
}

/// What `device = auto` guesses, found out by asking and stopping at once.
fn guesses(fits: &[Fit], threads: usize, device: Option<&Device>) -> (f64, f64, &'static str) {
    let control = Control::default();
    control.cancel.cancel();
    let found = Mutex::new((f64::NAN, f64::NAN, DeviceKind::Cpu.name()));
    let choice = (DeviceChoice::Auto, device);
    let ran = fit_each_on(fits, threads, choice, &control, |_, _, placed| {
        if let Reason::Estimate {
            cpu_seconds,
            gpu_seconds,
        } = placed.reason
        {
            *found.lock().expect("no panic in another thread") =
                (cpu_seconds, gpu_seconds, placed.device.name());
        }
    });
    ran.expect("threads that were there before");
    found.into_inner().expect("no panic in another thread")
}

/// Fits of `groups` groups, each with its own rows: Friedman's first function, with noise.
fn grouped(groups: u32, rows: usize, columns: usize, settings: u32, folds: u32) -> Vec<Fit> {
    let mut fits = Vec::new();
    for group in 0..groups {
        let data = Arc::new(table(group, rows, columns));
        for fold in 0..folds {
            let held = |row: &u32| folds > 1 && row % folds == fold;
            let (valid, train): (Vec<u32>, Vec<u32>) = (0..rows as u32).partition(held);
            let (valid, train): (Arc<[u32]>, Arc<[u32]>) = (valid.into(), train.into());
            for setting in 0..settings {
                let options = TreesOptions {
                    learning_rate: 0.1 + 0.01 * f64::from(setting),
                    max_bins: 64,
                    min_rows: 1 + setting % 4,
                    train_loss: false,
                    min_bin_rows: 3,
                    ..TreesOptions::xgboost_defaults()
                };
                fits.push(Fit {
                    data: data.clone(),
                    train: train.clone(),
                    valid: valid.clone(),
                    learner: Learner::Trees(options.check().expect("valid options")),
                    seed: 1,
                });
            }
        }
    }
    fits
}

/// One fit for each of `groups` groups.
fn alone(learner: &Learner, groups: u32, rows: usize, columns: usize) -> Vec<Fit> {
    let train: Arc<[u32]> = (0..rows as u32).collect();
    let fit = |group| Fit {
        data: Arc::new(match learner {
            Learner::Logistic(_) => classes(&table(group, rows, columns)),
            _ => table(group, rows, columns),
        }),
        train: train.clone(),
        valid: Arc::from([]),
        learner: learner.clone(),
        seed: 1,
    };
    (0..groups).map(fit).collect()
}

/// The same rows, with the label above its middle or below.
fn classes(numbers: &Dataset) -> Dataset {
    let above = |&label: &f64| f64::from(u8::from(label > 15.0));
    let labels = numbers.labels().iter().map(above).collect();
    let keys = numbers.row_keys().to_vec();
    let task = Task::Classification { classes: 2 };
    Dataset::new(numbers.features().clone(), labels, None, keys, task).expect("two classes")
}

fn table(group: u32, rows: usize, columns: usize) -> Dataset {
    let seed = u64::from(group);
    let number =
        |column: usize, row: usize| unit(seed, Stream::Rows, column as u32, row as u64) as f32;
    let features: Vec<Vec<f32>> = (0..columns)
        .map(|column| (0..rows).map(|row| number(column, row)).collect())
        .collect();
    let labels = (0..rows)
        .map(|row| {
            let x = |column: usize| f64::from(features[column][row]);
            10.0 * (std::f64::consts::PI * x(0) * x(1)).sin()
                + 20.0 * (x(2) - 0.5).powi(2)
                + 10.0 * x(3)
                + 5.0 * x(4)
                + 3.0 * unit(seed, Stream::Cuts, 0, row as u64)
        })
        .collect();
    let keys = (0..rows as u64)
        .map(|row| draw(seed, Stream::Rows, u32::MAX, row))
        .collect();
    let matrix = Matrix::new(features.into_iter().map(Column::Numeric).collect(), rows)
        .expect("equal lengths");
    Dataset::new(matrix, labels, None, keys, Task::Regression).expect("finite labels")
}
