//! Who may fit now, and on how many threads?
//!
//! The process has one queue. A statement brings flat lists of fits, waits its turn for threads, and gives them back
//! after a portion, so that statements alternate; lists of one statement are worked off one after another. Fits run at
//! low priority and step aside, between two trees, while interactive statements run.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use tarn_gpu::control::{CancelToken, Control, Progress};
use tarn_gpu::device::{Device, DeviceChoice, DeviceError, fit_each_on};
use tarn_gpu::error::GpuError;
use tarn_gpu::fit::{Fit, FitOutcome, Scratch, each_largest_first};

use super::places::FitPlaces;
use super::priority::{lower_own_priority, step_aside};
use super::turns::{List, Turns};

/// Tells whether interactive statements are running now; asked often, so it must be cheap.
pub type Pressure = Arc<dyn Fn() -> bool + Send + Sync>;

/// What a look for a GPU came to.
pub type FoundDevice = Result<Option<Device>, DeviceError>;

/// Pieces of work for each thread after which another statement may have its turn.
const PORTION_PIECES: usize = 64;
/// What a list of fits obeys.
#[derive(Debug, Clone, Default)]
pub struct FitLimits {
    /// Raised to stop the statement.
    pub cancel: CancelToken,
    /// When the list has to be over.
    pub deadline: Option<Instant>,
    /// Threads that the list may use at most; 0 is no limit of its own.
    pub threads_max: usize,
    /// Where fits may run.
    pub device: DeviceChoice,
    /// Where they ran.
    pub places: FitPlaces,
}

/// How a list of fits ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// Every fit was delivered.
    All,
    /// The deadline passed; some fits were not delivered.
    Deadline,
}

/// What one worker of a list has.
pub struct WorkerSeat<'a> {
    /// Stops and pauses the worker's fits.
    pub control: &'a Control,
    /// Working memory, kept from piece to piece.
    pub scratch: &'a mut Scratch,
    /// Whether a large fit may use the list's other threads.
    pub parallel: bool,
}

/// The fit queue of a process.
pub struct FitQueue {
    threads: usize,
    turns: Turns,
    pressure: Option<Pressure>,
    /// Looked for when a fit first asks: a driver may take seconds to compile its kernels.
    device: LazyLock<FoundDevice>,
}

impl std::fmt::Debug for FitQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FitQueue")
            .field("threads", &self.threads)
            .finish()
    }
}

impl FitQueue {
    /// A queue over this many threads of the CPU.
    pub fn new(threads: usize, pressure: Option<Pressure>) -> Arc<Self> {
        Self::with_device(threads, pressure, || Ok(None))
    }

    /// A queue over this many threads and what `look` finds of a GPU.
    pub fn with_device(
        threads: usize,
        pressure: Option<Pressure>,
        look: fn() -> FoundDevice,
    ) -> Arc<Self> {
        let threads = threads.max(1);
        Arc::new(Self {
            threads,
            turns: Turns::of(threads),
            pressure,
            device: LazyLock::new(look),
        })
    }

    /// The GPU that such a choice may use.
    ///
    /// # Errors
    /// [`DeviceError`] when a GPU is asked for and there is none, or none that works.
    pub fn gpu(&self, choice: DeviceChoice) -> Result<Option<&Device>, DeviceError> {
        if choice == DeviceChoice::Cpu {
            return Ok(None);
        }
        match (choice, &*self.device) {
            (DeviceChoice::Gpu, Ok(None)) => Err(DeviceError::Absent),
            (DeviceChoice::Gpu, Err(broken)) => Err(broken.clone()),
            (_, Err(_)) => Ok(None),
            (_, Ok(found)) => Ok(found.as_ref()),
        }
    }

    /// Whether interactive statements run now.
    pub fn is_pressed(&self) -> bool {
        self.pressure.as_ref().is_some_and(|busy| busy())
    }

    /// Threads of the queue.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Runs all fits and hands each outcome with its position to `deliver`, from the thread that made it.
    ///
    /// # Errors
    /// [`GpuError::Cancelled`] when the statement is cancelled, before or while it runs.
    pub fn run(
        &self,
        fits: &[Fit],
        limits: &FitLimits,
        deliver: impl Fn(usize, Result<FitOutcome, GpuError>) + Sync,
    ) -> Result<Finished, GpuError> {
        if let Some(gpu) = self.gpu(limits.device)? {
            // A GPU makes its own batches of the whole list.
            let list = self.turns.list(&limits.cancel);
            return self.in_turn(&list, fits.len(), limits, |control, threads| {
                let device = (limits.device, Some(gpu));
                self.fit(fits, threads, device, control, limits, &deliver)
            });
        }
        let work = |fit: &Fit| {
            let rows = fit.train.len() + fit.valid.len();
            fit.learner.work(rows, fit.data.features().columns().len())
        };
        let works: Vec<f64> = fits.iter().map(work).collect();
        self.in_turns(&works, limits, |portion, control, threads| {
            let part: Vec<Fit> = portion.iter().map(|&at| fits[at].clone()).collect();
            let device = (limits.device, None);
            self.fit(&part, threads, device, control, limits, &|at, outcome| {
                deliver(portion[at], outcome);
            })
        })
    }

    fn fit(
        &self,
        fits: &[Fit],
        threads: usize,
        device: (DeviceChoice, Option<&Device>),
        control: &Control,
        limits: &FitLimits,
        deliver: &(impl Fn(usize, Result<FitOutcome, GpuError>) + Sync),
    ) -> Result<(), GpuError> {
        fit_each_on(
            fits,
            threads,
            device,
            control,
            |position, outcome, placed| {
                limits.places.note(placed);
                if !control.cancel.is_cancelled() {
                    deliver(position, outcome);
                }
            },
        )
    }

    /// Runs pieces of work that are more than a fit: `run` gets the position of each, the largest first, and a worker's
    /// seat, under whose control it fits.
    ///
    /// # Errors
    /// As [`FitQueue::run`].
    pub fn run_each(
        &self,
        works: &[f64],
        limits: &FitLimits,
        run: impl Fn(usize, &mut WorkerSeat<'_>) + Sync,
    ) -> Result<Finished, GpuError> {
        let begin = Progress {
            rounds_done: 0,
            rounds_max: 1,
        };
        self.in_turns(works, limits, |portion, control, threads| {
            let part: Vec<f64> = portion.iter().map(|&at| works[at]).collect();
            each_largest_first(&part, threads, |at, scratch, parallel| {
                let mut seat = WorkerSeat {
                    control,
                    scratch,
                    parallel,
                };
                if control.checkpoint(begin).is_ok() {
                    run(portion[at], &mut seat);
                }
            })
        })
    }

    /// Works on a list in portions, the largest pieces first, and lets another statement go between two portions.
    fn in_turns(
        &self,
        works: &[f64],
        limits: &FitLimits,
        work: impl Fn(&[usize], &Control, usize) -> Result<(), GpuError>,
    ) -> Result<Finished, GpuError> {
        let mut order: Vec<usize> = (0..works.len()).collect();
        order.sort_by(|&a, &b| works[b].total_cmp(&works[a]).then(a.cmp(&b)));
        let list = self.turns.list(&limits.cancel);
        for portion in order.chunks(self.threads * PORTION_PIECES) {
            let finished = self.in_turn(&list, portion.len(), limits, |control, threads| {
                work(portion, control, threads)
            })?;
            if finished == Finished::Deadline {
                return Ok(finished);
            }
        }
        Ok(Finished::All)
    }

    /// Waits for the statement's turn and works on a list of `count` pieces with the threads that it got.
    fn in_turn(
        &self,
        list: &List<'_>,
        count: usize,
        limits: &FitLimits,
        work: impl FnOnce(&Control, usize) -> Result<(), GpuError>,
    ) -> Result<Finished, GpuError> {
        let wanted = if limits.threads_max == 0 {
            self.threads
        } else {
            limits.threads_max.min(self.threads)
        };
        let permit = list.take_turn(wanted.min(count.max(1)))?;
        // The list has a token of its own, so that a deadline ends this list and not the statement.
        let own = CancelToken::new();
        let control = Control {
            cancel: own.clone(),
            yield_point: Some(self.yield_point(limits, &own)),
        };
        work(&control, permit.threads())?;
        if limits.cancel.is_cancelled() {
            return Err(GpuError::Cancelled);
        }
        Ok(if own.is_cancelled() {
            Finished::Deadline
        } else {
            Finished::All
        })
    }

    fn yield_point(&self, limits: &FitLimits, own: &CancelToken) -> tarn_gpu::control::YieldPoint {
        let (limits, own, pressure) = (limits.clone(), own.clone(), self.pressure.clone());
        Arc::new(move |_| {
            lower_own_priority();
            if limits.cancel.is_cancelled()
                || limits
                    .deadline
                    .is_some_and(|deadline| Instant::now() >= deadline)
            {
                own.cancel();
            }
            let busy = || pressure.as_ref().is_some_and(|busy| busy());
            step_aside(|| !own.is_cancelled() && busy());
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tarn_gpu::baseline::BaselineOptions;
    use tarn_gpu::fit::Learner;
    use tarn_gpu::matrix::{Dataset, Matrix, Task};

    use super::*;

    fn fits(count: usize) -> Vec<Fit> {
        let features = Matrix::new(vec![], 4).unwrap();
        let labels = vec![1.0, 2.0, 3.0, 4.0];
        let data =
            Dataset::new(features, labels, None, vec![1, 2, 3, 4], Task::Regression).unwrap();
        let fit = Fit {
            data: Arc::new(data),
            train: Arc::from([0, 1, 2, 3]),
            valid: Arc::from([]),
            learner: Learner::Baseline(BaselineOptions::default().check().unwrap()),
            seed: 0,
        };
        vec![fit; count]
    }

    #[test]
    fn statements_share_the_threads_and_all_fits_arrive() {
        let queue = FitQueue::new(2, Some(Arc::new(|| true)));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let arrived = Mutex::new(0);
                    let fits = fits(10);
                    let finished = queue.run(&fits, &FitLimits::default(), |_, outcome| {
                        outcome.unwrap();
                        *arrived.lock().unwrap() += 1;
                    });
                    assert_eq!(finished, Ok(Finished::All));
                    assert_eq!(*arrived.lock().unwrap(), 10);
                });
            }
        });
        assert_eq!(queue.turns.free_threads(), 2);
    }

    #[test]
    fn a_cancelled_statement_gives_up_and_others_go_on() {
        let queue = FitQueue::new(1, None);
        let limits = FitLimits::default();
        limits.cancel.cancel();
        let list = queue.turns.list(&CancelToken::new());
        let held = list.take_turn(1).unwrap();
        assert_eq!(
            queue.run(&fits(1), &limits, |_, _| ()),
            Err(GpuError::Cancelled)
        );
        drop(held);
        assert_eq!(
            queue.run(&fits(1), &FitLimits::default(), |_, _| ()),
            Ok(Finished::All)
        );
    }

    #[test]
    fn a_long_list_lets_a_short_one_go_in_between() {
        let queue = FitQueue::new(1, None);
        let (long, short) = (AtomicUsize::new(0), AtomicUsize::new(usize::MAX));
        std::thread::scope(|scope| {
            let pieces = vec![1.0; 40 * PORTION_PIECES];
            let (queue, long, short) = (&queue, &long, &short);
            scope.spawn(move || {
                let work = |_, _: &mut WorkerSeat<'_>| {
                    std::thread::sleep(Duration::from_micros(100));
                    long.fetch_add(1, Ordering::SeqCst);
                };
                queue
                    .run_each(&pieces, &FitLimits::default(), work)
                    .unwrap();
            });
            while long.load(Ordering::SeqCst) == 0 {
                std::thread::yield_now();
            }
            let work = |_, _: &mut WorkerSeat<'_>| {
                short.store(long.load(Ordering::SeqCst), Ordering::SeqCst);
            };
            queue.run_each(&[1.0], &FitLimits::default(), work).unwrap();
        });
        assert!(short.load(Ordering::SeqCst) < 20 * PORTION_PIECES);
        assert_eq!(long.load(Ordering::SeqCst), 40 * PORTION_PIECES);
    }

    #[test]
    fn a_gpu_that_was_asked_for_and_is_not_there_is_an_error() {
        let queue = FitQueue::new(1, None);
        let on = |device| FitLimits {
            device,
            ..FitLimits::default()
        };
        let absent = Err(GpuError::Device(DeviceError::Absent));
        assert_eq!(
            queue.run(&fits(1), &on(DeviceChoice::Gpu), |_, _| ()),
            absent
        );
        let auto = on(DeviceChoice::Auto);
        assert_eq!(queue.run(&fits(2), &auto, |_, _| ()), Ok(Finished::All));
        assert_eq!(auto.places.words(), "cpu (no GPU was found)");
    }

    #[test]
    fn a_deadline_ends_the_list_and_not_the_statement() {
        let queue = FitQueue::new(1, None);
        let limits = FitLimits {
            deadline: Some(Instant::now()),
            ..FitLimits::default()
        };
        assert_eq!(
            queue.run(&fits(3), &limits, |_, _| ()),
            Ok(Finished::Deadline)
        );
        assert!(!limits.cancel.is_cancelled());
    }
}
