//! How does a list of fits find its device? Every fit is placed before anything runs, with the reason; those for the GPU go
//! over in launches of like shape that fit its memory, the others run as [`crate::fit::fit_each`] runs them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

use super::cost::Estimate;
use super::error::DeviceError;
use super::launch::{Answer, Device, Launch};
use super::obstacle::Obstacle;
use super::offload::{self, DeviceFit, Rows, RowsKey};
use crate::control::{Control, Progress};
use crate::error::GpuError;
use crate::fit::{self, Fit, FitOutcome, fit_each};

/// Fits that are prepared before they are launched, and what their rows may take of the host's memory. Twice as much is held:
/// the next fits are prepared while these run.
const FITS_AT_ONCE: usize = 2_048;
const HOST_BYTES_MAX: usize = 512 << 20;
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
    pub(super) fn new(device: DeviceKind, reason: Reason) -> Self {
        Self { device, reason }
    }

    /// The error of a fit that was to run on a GPU which does not do it.
    pub fn refusal(&self) -> Option<GpuError> {
        match (self.device, &self.reason) {
            (DeviceKind::Gpu, Reason::Obstacle(obstacle)) => {
                Some(DeviceError::Obstacle(obstacle.clone()).into())
            }
            _ => None,
        }
    }
}

/// Runs all fits on the device that `choice` and the fits themselves call for, and hands each outcome to `deliver` with
/// its position and where it ran. Outcomes are those of [`fit_each`] on either device, save their seconds.
///
/// Under [`DeviceChoice::Gpu`], a fit that the GPU does not do has an error for its outcome. A GPU that fails in the middle
/// makes errors of the fits that were meant for it, under [`DeviceChoice::Auto`] too.
///
/// # Errors
/// [`DeviceError::Absent`] when a GPU was asked for and there is none, and as [`fit_each`]; errors of single fits are
/// delivered.
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
        match placed.refusal() {
            Some(error) => deliver(position, Err(error), &placed),
            None if placed.device == DeviceKind::Gpu => on_gpu.push((position, placed)),
            None => on_cpu.push((position, placed)),
        }
    }
    if let (Some(device), false) = (device, on_gpu.is_empty()) {
        let returned = fit_each_on_gpu(fits, &on_gpu, (device, threads), control, &deliver)?;
        for (position, obstacle) in returned {
            let placed = placed_despite(choice, obstacle);
            match placed.refusal() {
                Some(error) => deliver(position, Err(error), &placed),
                None => on_cpu.push((position, placed)),
            }
        }
    }
    if on_cpu.is_empty() {
        return Ok(());
    }
    let in_order = on_cpu
        .iter()
        .map(|&(position, _)| position)
        .eq(0..fits.len());
    let subset: Vec<Fit>;
    let list = if in_order {
        fits
    } else {
        subset = on_cpu
            .iter()
            .map(|&(position, _)| fits[position].clone())
            .collect();
        &subset
    };
    fit_each(list, threads, control, |index, outcome| {
        let (position, placed) = &on_cpu[index];
        deliver(*position, outcome, placed);
    })
}

/// Runs the fits at the positions listed on the GPU, for which [`place`] put them there, and hands each outcome to
/// `deliver`. Rows are prepared and models read on `threads` threads. Answers the fits that turned out not to be
/// for the GPU, which were not run.
///
/// A launch is not interrupted: the switch of `control` is looked at, and its hook called, before rows are prepared
/// and between launches.
///
/// # Errors
/// [`GpuError::Threads`] when the threads can't be started; errors of single fits are delivered.
fn fit_each_on_gpu(
    fits: &[Fit],
    wanted: &[(usize, Placed)],
    (device, threads): (&Device, usize),
    control: &Control,
    deliver: &(impl Fn(usize, Result<FitOutcome, GpuError>, &Placed) + Sync),
) -> Result<Vec<(usize, Obstacle)>, GpuError> {
    let queue = Queue {
        fits,
        device,
        control,
        returned: Mutex::default(),
        failed: Mutex::default(),
        deliver,
    };
    fit::pool(threads)?.install(|| queue.run(wanted));
    let returned = queue.returned.into_inner();
    Ok(returned.unwrap_or_else(PoisonError::into_inner))
}

/// Where each fit is to run on `threads` threads or on the GPU, and why; decided before anything runs.
///
/// # Errors
/// [`DeviceError::Absent`] when a GPU was asked for and there is none.
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
    let obstacles: Vec<Option<Obstacle>> = fits.iter().map(offload::obstacle).collect();
    // Learners have different advantages: those of one list may go to different devices.
    let mut estimates: BTreeMap<&str, Placed> = BTreeMap::new();
    let mut free = |fit: &Fit| {
        let learner = fit.learner.name();
        let estimate = estimates.entry(learner).or_insert_with(|| {
            let able = fits.iter().zip(&obstacles);
            let able =
                able.filter(|(fit, obstacle)| obstacle.is_none() && fit.learner.name() == learner);
            Estimate::new(able.map(|(fit, _)| fit), threads, device.processors).placed()
        });
        estimate.clone()
    };
    let of = |(fit, obstacle): (&Fit, &Option<Obstacle>)| match (obstacle, choice) {
        (Some(obstacle), _) => placed_despite(choice, obstacle.clone()),
        (None, DeviceChoice::Gpu) => Placed::new(DeviceKind::Gpu, Reason::Asked),
        (None, _) => free(fit),
    };
    Ok(fits.iter().zip(&obstacles).map(of).collect())
}

fn placed_despite(choice: DeviceChoice, obstacle: Obstacle) -> Placed {
    let device = match choice {
        DeviceChoice::Gpu => DeviceKind::Gpu,
        _ => DeviceKind::Cpu,
    };
    Placed::new(device, Reason::Obstacle(obstacle))
}

/// A poisoned lock only says that another worker panicked; what it holds is still right.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A fit that is to go over.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    /// Place in the order of launching.
    rank: usize,
    position: usize,
    placed: &'a Placed,
}

/// A fit that is ready to go over.
struct Ready<'a> {
    rank: usize,
    position: usize,
    placed: &'a Placed,
    fit: Box<dyn DeviceFit>,
}

/// What makes fits alike: the kernel, its threads, the shared memory of a block.
type Shape = (&'static str, u32, usize);

/// The GPU's share of a list.
struct Queue<'a, Deliver> {
    fits: &'a [Fit],
    device: &'a Device,
    control: &'a Control,
    /// Fits that turned out not to be for the GPU.
    returned: Mutex<Vec<(usize, Obstacle)>>,
    /// Why nothing more is launched.
    failed: Mutex<Option<GpuError>>,
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
        let mut rest = order.as_slice();
        let mut ready = self.next_portion(&mut rest);
        while let Some(shapes) = ready {
            // The next fits are prepared while these are on the GPU.
            (_, ready) = rayon::join(|| self.launch_all(shapes), || self.next_portion(&mut rest));
        }
    }

    /// Prepares as many of the next fits as may be held.
    fn next_portion<'b>(
        &self,
        rest: &mut &[&'b (usize, Placed)],
    ) -> Option<BTreeMap<Shape, Vec<Ready<'b>>>> {
        let mut bytes = 0;
        let held = rest.iter().take(FITS_AT_ONCE).take_while(|(position, _)| {
            bytes += offload::rows_bytes(&self.fits[*position]);
            bytes <= HOST_BYTES_MAX
        });
        let held = held.count().max(1).min(rest.len());
        let (portion, later) = rest.split_at(held);
        *rest = later;
        (held > 0).then(|| self.prepare(portion))
    }

    fn launch_all(&self, shapes: BTreeMap<Shape, Vec<Ready>>) {
        for (_, ready) in shapes {
            let mut rest = ready;
            while !rest.is_empty() {
                let later = rest.split_off(self.batch_len(&rest));
                match self.failure() {
                    None => self.launch(rest),
                    Some(error) => self.refuse(rest, &error),
                }
                rest = later;
            }
        }
    }

    fn failure(&self) -> Option<GpuError> {
        lock(&self.failed).clone()
    }

    /// Prepares the rows on all threads, once for all fits that share them, and sorts the fits by shape.
    fn prepare<'b>(&self, portion: &[&'b (usize, Placed)]) -> BTreeMap<Shape, Vec<Ready<'b>>> {
        let mut shared: BTreeMap<RowsKey, Vec<Wanted<'b>>> = BTreeMap::new();
        for (rank, (position, placed)) in portion.iter().enumerate() {
            let wanted = Wanted {
                rank,
                position: *position,
                placed,
            };
            match offload::rows_key(&self.fits[*position]) {
                Ok(key) => shared.entry(key).or_default().push(wanted),
                Err(obstacle) => self.give_back(*position, obstacle),
            }
        }
        let shared: Vec<Vec<Wanted>> = shared.into_values().collect();
        let mut ready: Vec<Ready> = shared
            .into_par_iter()
            .flat_map_iter(|wanted| self.prepare_shared(&wanted))
            .collect();
        ready.sort_unstable_by_key(|ready| ready.rank);
        let mut shapes: BTreeMap<Shape, Vec<Ready>> = BTreeMap::new();
        for ready in ready {
            let chip = ready.fit.chip_bytes().div_ceil(CHIP_STEP);
            let shape = (ready.fit.kernel(), ready.fit.threads(), chip);
            shapes.entry(shape).or_default().push(ready);
        }
        shapes
    }

    /// Prepares fits that share their rows; delivers those that fail, gives those back that the GPU does not do.
    fn prepare_shared<'b>(&self, wanted: &[Wanted<'b>]) -> Vec<Ready<'b>> {
        let rows = self.rows(wanted[0].position);
        let mut ready = Vec::with_capacity(wanted.len());
        for &Wanted {
            rank,
            position,
            placed,
        } in wanted
        {
            let fit = &self.fits[position];
            let prepared = rows
                .clone()
                .and_then(|rows| offload::prepare(fit, rows, self.device.chip_bytes));
            match prepared {
                Err(GpuError::Device(DeviceError::Obstacle(obstacle))) => {
                    self.give_back(position, obstacle);
                }
                Err(error) => (self.deliver)(position, Err(error), placed),
                Ok(fit) if fit.memory_bytes() > self.device.memory_bytes => {
                    self.too_large(position, fit.memory_bytes());
                }
                Ok(fit) => ready.push(Ready {
                    rank,
                    position,
                    placed,
                    fit,
                }),
            }
        }
        ready
    }

    fn rows(&self, position: usize) -> Result<Rows, GpuError> {
        if let Some(error) = self.failure() {
            return Err(error);
        }
        self.control.checkpoint(Progress {
            rounds_done: 0,
            rounds_max: 1,
        })?;
        offload::rows(&self.fits[position])
    }

    fn too_large(&self, position: usize, needed: u64) {
        let available = self.device.memory_bytes;
        self.give_back(position, Obstacle::TooLarge { needed, available });
    }

    fn give_back(&self, position: usize, obstacle: Obstacle) {
        lock(&self.returned).push((position, obstacle));
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
    fn launch(&self, mut ready: Vec<Ready>) {
        let progress = Progress {
            rounds_done: 0,
            rounds_max: 1,
        };
        if let Err(error) = self.control.checkpoint(progress) {
            return self.fail(ready, error);
        }
        let mut launch = Launch::new(ready[0].fit.kernel(), ready[0].fit.threads());
        for ready in &ready {
            ready.fit.write(&mut launch);
        }
        match self.device.launcher.launch(&launch) {
            Ok(answer) => self.read(ready, &launch.places, &answer),
            Err(DeviceError::Memory { .. }) if ready.len() > 1 => {
                drop(launch);
                let second = ready.split_off(ready.len() / 2);
                self.launch(ready);
                match self.failure() {
                    None => self.launch(second),
                    Some(error) => self.refuse(second, &error),
                }
            }
            Err(DeviceError::Memory { bytes, .. }) => {
                self.too_large(ready[0].position, bytes);
            }
            Err(error) => self.fail(ready, error.into()),
        }
    }

    /// Makes models of what came back, on all threads.
    fn read(&self, ready: Vec<Ready>, places: &[usize], answer: &Answer) {
        let seconds = answer.seconds / ready.len() as f64;
        ready
            .into_par_iter()
            .zip(places)
            .for_each(|(ready, &place)| {
                let fit = &self.fits[ready.position];
                let outcome = ready
                    .fit
                    .read(fit, answer, place)
                    .map_err(GpuError::from)
                    .and_then(|learned| fit::complete(fit, learned, seconds));
                (self.deliver)(ready.position, outcome, ready.placed);
            });
    }

    /// Refuses these fits and all that have not been launched.
    fn fail(&self, ready: Vec<Ready>, error: GpuError) {
        self.refuse(ready, &error);
        *lock(&self.failed) = Some(error);
    }

    fn refuse(&self, ready: Vec<Ready>, error: &GpuError) {
        for ready in ready {
            (self.deliver)(ready.position, Err(error.clone()), ready.placed);
        }
    }
}
