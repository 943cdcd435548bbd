//! How does a logistic regression reach a GPU and come back? Its rows go over as they are; coefficients, intercepts and
//! losses come back and become a model as on the CPU, so that both give the same model. The kernel is `logistic.cu`.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::cpu::{LogisticFit, Start, is_told};
use super::model::LogisticModel;
use super::options::CheckedLogisticOptions;
use crate::design::{MOMENTS_WORDS, Sources};
use crate::device::{Answer, DeviceError, DeviceFit, Launch, Module};
use crate::fit::{Fit, Learned};
use crate::linear::Inference;
use crate::linear::kernel::{
    SPREADS_WORDS, STATUS_DONE, SolverRules, TERMS_TASK_WORDS, Workspace, numbers_of, read_spreads,
};

/// The kernel.
pub(crate) const MODULE: Module = Module {
    source: "logistic/kernel/logistic.cu",
    ptx: include_str!("logistic.ptx"),
    kernels: &[KERNEL],
};
const KERNEL: &str = "logistic";
/// Words of `Task` in `logistic.cu`.
const TASK_WORDS: usize = TERMS_TASK_WORDS + 2;
/// Words of `LogisticAnswer` in `logistic.cu`.
const ANSWER_WORDS: usize = 3 + SPREADS_WORDS;

/// A fit that is laid out.
pub(crate) struct LogisticTask {
    sources: Arc<Sources>,
    options: CheckedLogisticOptions,
    workspace: Workspace,
    classes: u32,
    start: Start,
}

impl LogisticTask {
    /// Lays out a fit of so many classes, where a block may take `chip_bytes` of shared memory.
    pub(crate) fn new(
        sources: Arc<Sources>,
        classes: u32,
        options: CheckedLogisticOptions,
        chip_bytes: usize,
    ) -> Self {
        let start = Start::new(sources.labels(), sources.weights(), classes);
        let outputs = start.intercepts.len();
        // Scores of each output; where a step starts and ends, shares, curvatures, and what is summed.
        let workspace = Workspace::new(&sources, outputs, outputs + 5, chip_bytes);
        Self {
            sources,
            options,
            workspace,
            classes,
            start,
        }
    }

    fn outputs(&self) -> usize {
        self.start.intercepts.len()
    }

    fn answer_words(&self) -> usize {
        let (candidates, outputs) = (self.sources.candidates(), self.outputs());
        ANSWER_WORDS
            + MOMENTS_WORDS * candidates
            + outputs * (1 + candidates)
            + candidates
            + self.options.max_iterations as usize
    }
}

impl DeviceFit for LogisticTask {
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
        let words = TASK_WORDS
            + self.sources.words()
            + self.outputs()
            + self.workspace.scratch_words()
            + self.answer_words();
        8 * words as u64
    }

    fn write(&self, launch: &mut Launch) {
        let penalty = self.options.penalties();
        let wanted = is_told(self.outputs(), self.start.present) && penalty.l1 <= 0.0;
        let rules = SolverRules {
            penalty,
            tolerance: self.options.tolerance,
            iterations_max: self.options.max_iterations,
        };
        let starting = self.start.intercepts.iter();
        let intercepts_at = launch.put(starting.map(|intercept| intercept.to_bits()));
        let sizes = (self.start.total, self.answer_words());
        self.workspace.write(launch, &self.sources, &rules, sizes);
        launch.tasks.push(intercepts_at);
        launch
            .tasks
            .push(self.start.present as u64 | u64::from(wanted) << 32);
    }

    fn read(
        self: Box<Self>,
        _: &Fit,
        answer: &Answer,
        place: usize,
    ) -> Result<Learned, DeviceError> {
        let garbled = || DeviceError::Garbled {
            what: "a logistic regression",
        };
        let words = answer.output.get(place..place + self.answer_words());
        let (head, words) = words.ok_or_else(garbled)?.split_at(ANSWER_WORDS);
        let iterations = head[1] as usize;
        if head[0] != STATUS_DONE || iterations > self.options.max_iterations as usize {
            return Err(DeviceError::Status { code: head[0] });
        }
        let (candidates, outputs) = (self.sources.candidates(), self.outputs());
        let (moments, words) = words.split_at(MOMENTS_WORDS * candidates);
        let design = self.sources.design(moments).ok_or_else(garbled)?;
        let width = design.width();
        let (intercepts, words) = words.split_at(outputs);
        let (coefficients, words) = words.split_at(outputs * candidates);
        let (variances, losses) = words.split_at(candidates);
        let spreads = read_spreads(&head[3..], || numbers_of(&variances[..width]));
        let curvature = f64::from_bits(head[2]);
        let inference = spreads.and_then(|spreads| {
            Inference::new(&spreads, 1.0 / self.start.total, 1.0 / curvature, 0.0)
        });
        let of_output = |output: usize| numbers_of(&coefficients[output * candidates..][..width]);
        let fit = LogisticFit {
            model: LogisticModel {
                classes: self.classes.max(1),
                design,
                coefficients: (0..outputs).map(of_output).collect(),
                intercepts: numbers_of(intercepts),
                inference,
            },
            iterations: iterations as u32,
            train_loss: numbers_of(&losses[..iterations]),
        };
        Ok(fit.into())
    }
}
