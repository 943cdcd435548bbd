//! What does a learner offer to a GPU? Whether a fit can go there, the rows as its kernel reads them, the fit as words, and
//! the model out of what comes back. An arm for each learner here is all that the rest of [`super`] knows of them.

use std::sync::Arc;

use super::error::DeviceError;
use super::launch::{Answer, Launch};
use super::obstacle::Obstacle;
use crate::design::{Sources, SourcesKey, TERMS_ON_GPU_MAX};
use crate::error::GpuError;
use crate::fit::{Fit, Learned, Learner};
use crate::linear;
use crate::logistic;
use crate::trees::boost::{self, Binned, BinnedKey, BoostFit};

/// A fit that is ready to go over.
pub(crate) trait DeviceFit: Send {
    /// The kernel that runs it.
    fn kernel(&self) -> &'static str;
    /// Threads of its block.
    fn threads(&self) -> u32;
    /// Shared memory of its block, in bytes.
    fn chip_bytes(&self) -> usize;
    /// Memory of the GPU that it takes, in bytes.
    fn memory_bytes(&self) -> u64;
    /// Adds it to a launch, and its rows unless they are there.
    fn write(&self, launch: &mut Launch);
    /// Makes the model out of what the kernel answered at `place`.
    fn read(
        self: Box<Self>,
        fit: &Fit,
        answer: &Answer,
        place: usize,
    ) -> Result<Learned, DeviceError>;
}

/// What rows as kernels read them follow from. Equal keys mean equal rows, unequal ones may still do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RowsKey {
    Binned(BinnedKey),
    Sources(SourcesKey),
}

/// Rows as kernels read them, shared by the fits of one fold.
#[derive(Clone)]
pub(super) enum Rows {
    Binned(Arc<Binned>),
    Sources(Arc<Sources>),
}

fn unknown(learner: &Learner) -> Obstacle {
    Obstacle::Learner {
        learner: learner.name(),
    }
}

/// What keeps a fit from a GPU, as far as is known before its rows are looked at.
pub(super) fn obstacle(fit: &Fit) -> Option<Obstacle> {
    match &fit.learner {
        Learner::Trees(options) => boost::obstacle(&fit.data, options),
        Learner::Linear(_) | Learner::Logistic(_) => {
            Sources::obstacle(fit.data.features().columns().len())
        }
        Learner::Baseline(_) => Some(unknown(&fit.learner)),
    }
}

/// Which fits share their rows.
pub(super) fn rows_key(fit: &Fit) -> Result<RowsKey, Obstacle> {
    match &fit.learner {
        Learner::Trees(options) => Ok(RowsKey::Binned(BinnedKey::new(fit, options))),
        Learner::Linear(_) | Learner::Logistic(_) => Ok(RowsKey::Sources(SourcesKey::new(fit))),
        Learner::Baseline(_) => Err(unknown(&fit.learner)),
    }
}

/// Bytes that the host holds for the rows of a fit while it waits.
pub(super) fn rows_bytes(fit: &Fit) -> usize {
    let columns = fit.data.features().columns().len();
    match &fit.learner {
        // Bins go over eight to a word; labels, weights and keys are words.
        Learner::Trees(_) => (fit.train.len() + fit.valid.len()) * (columns + 32),
        _ => fit.train.len() * (4 * columns.min(TERMS_ON_GPU_MAX) + 32),
    }
}

/// The rows of a fit as its kernel reads them.
pub(super) fn rows(fit: &Fit) -> Result<Rows, GpuError> {
    match &fit.learner {
        Learner::Trees(options) => Ok(Rows::Binned(Arc::new(Binned::new(fit, options)?))),
        Learner::Linear(_) => {
            linear::check_task(&fit.data)?;
            Ok(Rows::Sources(Arc::new(Sources::new(fit)?)))
        }
        Learner::Logistic(_) => {
            logistic::classes(&fit.data)?;
            Ok(Rows::Sources(Arc::new(Sources::new(fit)?)))
        }
        Learner::Baseline(_) => Err(refusal(fit)),
    }
}

/// A fit laid out for blocks that may take `chip_bytes` of shared memory.
pub(super) fn prepare(
    fit: &Fit,
    rows: Rows,
    chip_bytes: usize,
) -> Result<Box<dyn DeviceFit>, GpuError> {
    match (&fit.learner, rows) {
        (Learner::Trees(options), Rows::Binned(binned)) => {
            let fit = BoostFit::new(&fit.data, binned, options, fit.seed, chip_bytes)?;
            Ok(Box::new(fit))
        }
        (Learner::Linear(options), Rows::Sources(sources)) => Ok(Box::new(
            linear::kernel::LinearTask::new(sources, *options, chip_bytes),
        )),
        (Learner::Logistic(options), Rows::Sources(sources)) => {
            let classes = logistic::classes(&fit.data)?;
            Ok(Box::new(logistic::kernel::LogisticTask::new(
                sources, classes, *options, chip_bytes,
            )))
        }
        _ => Err(refusal(fit)),
    }
}

fn refusal(fit: &Fit) -> GpuError {
    DeviceError::Obstacle(unknown(&fit.learner)).into()
}
