//! How does a linear regression reach a GPU and come back? Its rows go over as they are; what solves the normal equations
//! comes back and becomes a model as on the CPU, so that both give the same model. The kernel is `linear.cu`.

mod workspace;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub(crate) use workspace::{SPREADS_WORDS, SolverRules, TERMS_TASK_WORDS, Workspace};

use super::cpu::{Solution, Target, constant};
use super::inference::Spreads;
use super::options::CheckedLinearOptions;
use crate::design::{MOMENTS_WORDS, Sources};
use crate::device::{Answer, DeviceError, DeviceFit, Launch, Module};
use crate::fit::{Fit, Learned};

/// The kernel.
pub(crate) const MODULE: Module = Module {
    source: "linear/kernel/linear.cu",
    ptx: include_str!("linear.ptx"),
    kernels: &[KERNEL],
};
const KERNEL: &str = "linear";
/// Words of `Task` in `linear.cu`.
const TASK_WORDS: usize = TERMS_TASK_WORDS + 3;
/// Words of `Answer` in `linear.cu`.
const ANSWER_WORDS: usize = 3 + SPREADS_WORDS;
pub(crate) const STATUS_DONE: u64 = 1;

/// A fit that is laid out.
pub(crate) struct LinearTask {
    sources: Arc<Sources>,
    options: CheckedLinearOptions,
    workspace: Workspace,
    /// Of the label; see [`Target`].
    total: f64,
    mean: f64,
    deviation: f64,
}

impl LinearTask {
    /// Lays out a fit whose rows have passed [`super::check_task`], where a block may take `chip_bytes` of shared memory.
    pub(crate) fn new(
        sources: Arc<Sources>,
        options: CheckedLinearOptions,
        chip_bytes: usize,
    ) -> Self {
        let target = Target::new(sources.labels(), sources.weights());
        Self {
            options,
            workspace: Workspace::new(&sources, 1, 0, chip_bytes),
            total: target.total,
            mean: target.mean,
            deviation: target.deviation,
            sources,
        }
    }

    fn target(&self) -> Target<'_> {
        Target {
            labels: self.sources.labels(),
            weights: self.sources.weights(),
            total: self.total,
            mean: self.mean,
            deviation: self.deviation,
        }
    }

    fn answer_words(&self) -> usize {
        ANSWER_WORDS + (MOMENTS_WORDS + 3) * self.sources.candidates()
    }
}

impl DeviceFit for LinearTask {
    fn kernel(&self) -> &'static str {
        KERNEL
    }

    fn threads(&self) -> u32 {
        self.workspace.threads()
    }

    fn chip_bytes(&self) -> usize {
        self.workspace.chip_bytes()
    }

    fn memory_bytes(&self) -> u64 {
        let scratch = self.workspace.scratch_words();
        8 * (TASK_WORDS + self.sources.words() + scratch + self.answer_words()) as u64
    }

    fn write(&self, launch: &mut Launch) {
        let rules = SolverRules {
            penalty: self.options.penalties(),
            tolerance: self.options.tolerance,
            iterations_max: self.options.max_iterations,
        };
        let sizes = (self.total, self.answer_words());
        self.workspace.write(launch, &self.sources, &rules, sizes);
        let own = [self.mean.to_bits(), self.deviation.to_bits()];
        launch.tasks.extend(own);
        launch.tasks.push(u64::from(self.target().is_constant()));
    }

    fn read(
        self: Box<Self>,
        _: &Fit,
        answer: &Answer,
        place: usize,
    ) -> Result<Learned, DeviceError> {
        let garbled = || DeviceError::Garbled {
            what: "a linear regression",
        };
        let words = answer.output.get(place..place + self.answer_words());
        let (head, words) = words.ok_or_else(garbled)?.split_at(ANSWER_WORDS);
        if head[0] != STATUS_DONE {
            return Err(DeviceError::Status { code: head[0] });
        }
        let candidates = self.sources.candidates();
        let (moments, numbers) = words.split_at(MOMENTS_WORDS * candidates);
        let design = self.sources.design(moments).ok_or_else(garbled)?;
        let width = design.width();
        let target = self.target();
        if target.is_constant() || width == 0 {
            return Ok(constant(design, &target).into());
        }
        let list = |part: usize| numbers_of(&numbers[part * candidates..][..width]);
        let (residual, spreads) = (f64::from_bits(head[2]), &head[3..]);
        let solution = Solution {
            b: &list(0),
            means: &list(1),
            iterations: head[1] as u32,
            spreads: read_spreads(spreads, || list(2)).map(|spreads| (spreads, residual)),
        };
        Ok(solution.fit(design, &target).into())
    }
}

/// Numbers out of words.
pub(crate) fn numbers_of(words: &[u64]) -> Vec<f64> {
    words.iter().map(|&word| f64::from_bits(word)).collect()
}

/// `Spreads` of `solver.h`, where they are told.
pub(crate) fn read_spreads(words: &[u64], variances: impl FnOnce() -> Vec<f64>) -> Option<Spreads> {
    (words[0] == 1).then(|| Spreads {
        variances: variances(),
        toward: f64::from_bits(words[1]),
        freedom: f64::from_bits(words[2]),
    })
}
