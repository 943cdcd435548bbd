//! How does a list of fits find its device? Every fit is placed before anything runs, with the reason; those for the GPU go
//! over in launches of like shape that fit its memory, the others run as [`crate::fit::fit_each`] runs them.

use std::collections::BTreeMap;
use std::sync::Mutex;

use rayon::prelude::{
    IndexedParallelIterator, IntoParallelIterator, IntoParallelRefIterator, ParallelIterator,
};

use super::cost::Estimate;
use super::error::DeviceError;
use super::launch::{Device, Launch};
use super::obstacle::Obstacle;
use crate::control::{Control, Progress};
use crate::error::GpuError;
use crate::fit::{self, Fit, FitOutcome, Learner, fit_each};
use crate::trees::CheckedTreesOptions;
use crate::trees::boost::{self, BoostFit};

/// Fits that are binned before they are launched; bounds the memory of the host.
const FITS_AT_ONCE: usize = 4_096;
/// Steps of shared memory by which launches are told apart, in bytes.
const CHIP_STEP: usize = 16 << 10;

/// What the caller asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// The device that seems faster.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU, or an error that says why not.
    Gpu,
}

/// Where a fit ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// On the CPU.
    Cpu,
    /// On a GPU.
    Gpu,
}

impl DeviceKind {
    /// Name, as in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Gpu => "gpu",
        }
    }
}

/// Why a fit ran where it did.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Reason {
    /// The caller named the device.
    #[error("asked for")]
    Asked,
    /// There is no GPU.
    #[error("no GPU was found")]
    NoGpu,
    /// The GPU does not do what the fit asks for.
    #[error("{0}")]
    Obstacle(Obstacle),
    /// One device seemed faster for the whole list.
    #[error("estimated {cpu_seconds:.3} s on the CPU, {gpu_seconds:.3} s on the GPU")]
    Estimate {
        /// Guessed seconds of all fits that a GPU can do, on the CPU.
        cpu_seconds: f64,
        /// The same on the GPU.
        gpu_seconds: f64,
    },
}

/// Where a fit ran, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    /// The device.
    pub device: DeviceKind,
    /// Why it was that one.
    pub reason: Reason,
}

impl Placed {
    fn new(device: DeviceKind, reason: Reason) -> Self {
        Self { device, reason }
    }
}

/// Runs all fits on the device that `choice` and the fits themselves call for, and hands each outcome to `deliver` with
/// its position and where it ran. Outcomes are those of [`fit_each`] on either device, save their seconds.
///
/// Under [`DeviceChoice::Gpu`], a fit that the GPU does not do has an error for its outcome. A GPU that fails in the middle
/// makes errors of the fits that were meant for it, under [`DeviceChoice::Auto`] too. A launch is not interrupted: the
/// cancel switch is looked at between launches.
///
/// # Errors
/// [`DeviceError::Absent`] when a GPU was asked for and there is none, [`GpuError::Threads`] when the threads can't be
/// started; errors of single fits are delivered.
pub fn fit_each_on(
    fits: &[Fit],
    threads: usize,
    (choice, device): (DeviceChoice, Option<&Device>),
    control: &Control,
    deliver: impl Fn(usize, Result<FitOutcome, GpuError>, &Placed) + Sync,
) -> Result<(), GpuError> {
    let placed = place(fits, threads, choice, device)?;
    let (mut on_cpu, mut on_gpu) = (Vec::new(), Vec::new());
    for (position, placed) in placed.into_iter().enumerate() {
        match (placed.device, &placed.reason) {
            (DeviceKind::Gpu, Reason::Obstacle(obstacle)) => {
                let error = DeviceError::Obstacle(obstacle.clone());
                deliver(position, Err(error.into()), &placed);
            }
            (DeviceKind::Gpu, _) => on_gpu.push((position, placed)),
            (DeviceKind::Cpu, _) => on_cpu.push((position, placed)),
        }
    }
    if let (Some(device), false) = (device, on_gpu.is_empty()) {
        let queue = Queue {
            fits,
            device,
            control,
            returned: (choice == DeviceChoice::Auto).then(Mutex::default),
            deliver: &deliver,
        };
        let pool = fit::pool(threads)?;
        pool.install(|| queue.run(&on_gpu));
        let returned = queue.returned.map(Mutex::into_inner);
        on_cpu.extend(
            returned
                .into_iter()
                .flat_map(|returned| returned.unwrap_or_else(std::sync::PoisonError::into_inner)),
        );
    }
    if on_cpu.is_empty() {
        return Ok(());
    }
    let subset: Vec<Fit> = on_cpu
        .iter()
        .map(|&(position, _)| fits[position].clone())
        .collect();
    fit_each(&subset, threads, control, |index, outcome| {
        let (position, placed) = &on_cpu[index];
        deliver(*position, outcome, placed);
    })
}

/// Where each fit is to run.
fn place(
    fits: &[Fit],
    threads: usize,
    choice: DeviceChoice,
    device: Option<&Device>,
) -> Result<Vec<Placed>, GpuError> {
    let everywhere = |kind, reason: Reason| Ok(vec![Placed::new(kind, reason); fits.len()]);
    let device = match (choice, device) {
        (DeviceChoice::Cpu, _) => return everywhere(DeviceKind::Cpu, Reason::Asked),
        (DeviceChoice::Gpu, None) => return Err(DeviceError::Absent.into()),
        (DeviceChoice::Auto, None) => return everywhere(DeviceKind::Cpu, Reason::NoGpu),
        (DeviceChoice::Auto | DeviceChoice::Gpu, Some(device)) => device,
    };
    let obstacles: Vec<Option<Obstacle>> = fits.iter().map(obstacle).collect();
    let able = fits
        .iter()
        .zip(&obstacles)
        .filter(|(_, obstacle)| obstacle.is_none());
    let estimate = Estimate::new(able.map(|(fit, _)| fit), threads, device.processors);
    let faster = if estimate.favours_gpu() {
        DeviceKind::Gpu
    } else {
        DeviceKind::Cpu
    };
    let of = |obstacle: Option<Obstacle>| match (choice, obstacle) {
        (DeviceChoice::Gpu, None) => Placed::new(DeviceKind::Gpu, Reason::Asked),
        (DeviceChoice::Gpu, Some(obstacle)) => {
            Placed::new(DeviceKind::Gpu, Reason::Obstacle(obstacle))
        }
        (_, Some(obstacle)) => Placed::new(DeviceKind::Cpu, Reason::Obstacle(obstacle)),
        (_, None) => Placed::new(
            faster,
            Reason::Estimate {
                cpu_seconds: estimate.cpu_seconds,
                gpu_seconds: estimate.gpu_seconds,
            },
        ),
    };
    Ok(obstacles.into_iter().map(of).collect())
}

fn obstacle(fit: &Fit) -> Option<Obstacle> {
    match &fit.learner {
        Learner::Trees(options) => boost::obstacle(&fit.data, options),
        other => Some(Obstacle::Learner {
            learner: other.name(),
        }),
    }
}

/// A fit that is ready to go over.
struct Ready<'a> {
    position: usize,
    placed: &'a Placed,
    fit: BoostFit,
}

/// What makes fits alike: the kernel, its threads, the shared memory of a block.
type Shape = (bool, u32, usize);

/// The GPU's share of a list.
struct Queue<'a, Deliver> {
    fits: &'a [Fit],
    device: &'a Device,
    control: &'a Control,
    /// Fits that turned out too large and may run on the CPU instead; `None` when they may not.
    returned: Option<Mutex<Vec<(usize, Placed)>>>,
    deliver: &'a Deliver,
}

impl<Deliver> Queue<'_, Deliver>
where
    Deliver: Fn(usize, Result<FitOutcome, GpuError>, &Placed) + Sync,
{
    fn run(&self, wanted: &[(usize, Placed)]) {
        let mut order: Vec<&(usize, Placed)> = wanted.iter().collect();
        let work = |position: usize| {
            let fit = &self.fits[position];
            let rows = fit.train.len() + fit.valid.len();
            fit.learner.work(rows, fit.data.features().columns().len())
        };
        order.sort_by(|a, b| work(b.0).total_cmp(&work(a.0)).then(a.0.cmp(&b.0)));
        let mut failed = None;
        for portion in order.chunks(FITS_AT_ONCE) {
            for (_, ready) in self.prepare(portion, failed.as_ref()) {
                let mut rest = ready;
                while !rest.is_empty() {
                    let taken = self.batch_len(&rest);
                    let later = rest.split_off(taken);
                    match &failed {
                        None => failed = self.launch(rest).err(),
                        Some(error) => self.refuse(rest, error),
                    }
                    rest = later;
                }
            }
        }
    }

    /// Bins the fits on all threads and sorts them by shape.
    fn prepare<'b>(
        &self,
        portion: &[&'b (usize, Placed)],
        failed: Option<&GpuError>,
    ) -> BTreeMap<Shape, Vec<Ready<'b>>> {
        let ready: Vec<Option<Ready>> = portion
            .par_iter()
            .map(|(position, placed)| {
                let prepared = match failed {
                    Some(error) => Err(error.clone()),
                    None => self.bin(*position),
                };
                self.accept(*position, placed, prepared)
            })
            .collect();
        let mut shapes: BTreeMap<Shape, Vec<Ready>> = BTreeMap::new();
        for ready in ready.into_iter().flatten() {
            let chip = ready.fit.chip_bytes().div_ceil(CHIP_STEP);
            let shape = (ready.fit.histograms_on_chip(), ready.fit.threads(), chip);
            shapes.entry(shape).or_default().push(ready);
        }
        shapes
    }

    fn bin(&self, position: usize) -> Result<BoostFit, GpuError> {
        let fit = &self.fits[position];
        let options = trees(fit)?;
        self.control.checkpoint(Progress {
            rounds_done: 0,
            rounds_max: options.rounds,
        })?;
        BoostFit::new(
            &fit.data,
            fit.rows(),
            options,
            fit.seed,
            self.device.chip_bytes,
        )
    }

    /// Delivers a fit that failed, returns one that is too large.
    fn accept<'b>(
        &self,
        position: usize,
        placed: &'b Placed,
        prepared: Result<BoostFit, GpuError>,
    ) -> Option<Ready<'b>> {
        match prepared {
            Err(error) => {
                (self.deliver)(position, Err(error), placed);
                None
            }
            Ok(fit) if fit.memory_bytes() > self.device.memory_bytes => {
                self.too_large(position, placed, fit.memory_bytes());
                None
            }
            Ok(fit) => Some(Ready {
                position,
                placed,
                fit,
            }),
        }
    }

    fn too_large(&self, position: usize, placed: &Placed, needed: u64) {
        let available = self.device.memory_bytes;
        let obstacle = Obstacle::TooLarge { needed, available };
        match &self.returned {
            Some(returned) => returned
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .push((
                    position,
                    Placed::new(DeviceKind::Cpu, Reason::Obstacle(obstacle)),
                )),
            None => {
                let error = DeviceError::Obstacle(obstacle);
                (self.deliver)(position, Err(error.into()), placed);
            }
        }
    }

    /// How many of the fits go over together.
    fn batch_len(&self, fits: &[Ready]) -> usize {
        let mut bytes = 0;
        let fit_count = fits.iter().take_while(|ready| {
            bytes += ready.fit.memory_bytes();
            bytes <= self.device.memory_bytes
        });
        fit_count.count().max(1)
    }

    /// Launches fits of one shape and delivers what comes back; without room for all, each half for itself.
    fn launch(&self, mut ready: Vec<Ready>) -> Result<(), GpuError> {
        let checked = self.control.checkpoint(Progress {
            rounds_done: 0,
            rounds_max: 1,
        });
        if let Err(error) = checked {
            self.refuse(ready, &error);
            return Err(error);
        }
        let mut launch = Launch {
            histograms_on_chip: ready[0].fit.histograms_on_chip(),
            threads: ready[0].fit.threads(),
            ..Launch::default()
        };
        ready.iter().for_each(|ready| ready.fit.write(&mut launch));
        let answer = match self.device.launcher.launch(&launch) {
            Ok(answer) => answer,
            Err(DeviceError::Memory { .. }) if ready.len() > 1 => {
                drop(launch);
                let second = ready.split_off(ready.len() / 2);
                if let Err(error) = self.launch(ready) {
                    self.refuse(second, &error);
                    return Err(error);
                }
                return self.launch(second);
            }
            Err(DeviceError::Memory { bytes, .. }) => {
                self.too_large(ready[0].position, ready[0].placed, bytes);
                return Ok(());
            }
            Err(error) => {
                let error = GpuError::from(error);
                self.refuse(ready, &error);
                return Err(error);
            }
        };
        let seconds = answer.seconds / ready.len() as f64;
        ready
            .into_par_iter()
            .zip(&launch.places)
            .for_each(|(ready, &place)| {
                let fit = &self.fits[ready.position];
                let outcome = ready
                    .fit
                    .read(&fit.data, &answer, place)
                    .map_err(GpuError::from)
                    .and_then(|trees| fit::complete(fit, trees.into(), seconds));
                (self.deliver)(ready.position, outcome, ready.placed);
            });
        Ok(())
    }

    fn refuse(&self, ready: Vec<Ready>, error: &GpuError) {
        for ready in ready {
            (self.deliver)(ready.position, Err(error.clone()), ready.placed);
        }
    }
}

fn trees(fit: &Fit) -> Result<&CheckedTreesOptions, GpuError> {
    match &fit.learner {
        Learner::Trees(options) => Ok(options),
        other => Err(DeviceError::Obstacle(Obstacle::Learner {
            learner: other.name(),
        })
        .into()),
    }
}
