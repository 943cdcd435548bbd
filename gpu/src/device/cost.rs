//! Is a list of fits faster on the GPU? Counted steps times constants. The CPU's constants come from measured fits
//! (`docs/BENCHMARKS.md`); the GPU's are computed from datasheets and wait for a measurement.

use super::fits::{DeviceKind, Placed, Reason};
use crate::design::ONE_HOT_LEVELS_MAX;
use crate::fit::{Fit, Learner};
use crate::linear::Penalty;
use crate::matrix::{Column, Task};
use crate::trees::TreesOptions;

/// CPU: one row and column counted, one candidate judged, one row moved to a child.
const CPU_COUNT_NS: f64 = 0.4;
const CPU_JUDGE_NS: f64 = 0.5;
const CPU_MOVE_NS: f64 = 4.0;
/// GPU, per block: one row and column counted, one candidate judged, one level of one tree waited for.
const GPU_COUNT_NS: f64 = 0.25;
const GPU_JUDGE_NS: f64 = 0.5;
const GPU_LEVEL_NS: f64 = 12_000.0;
/// Blocks that a multiprocessor runs at once.
const GPU_BLOCKS: f64 = 2.0;
/// Starting a launch, and the way there and back per byte.
const GPU_LAUNCH_NS: f64 = 2e6;
const GPU_BYTE_NS: f64 = 0.1;
/// The CPU bins the rows and reads the trees of either device's fits: per value, and per node.
const HOST_VALUE_NS: f64 = 20.0;
const HOST_NODE_NS: f64 = 30.0;
/// CPU, linear terms: one value made a term, one seen by a solver's step, one product added to a Gram matrix, one step of a
/// factor or an inverse per term cubed.
const CPU_TERM_NS: f64 = 25.0;
const CPU_SEEN_NS: f64 = 2.0;
const CPU_PRODUCT_NS: f64 = 0.1;
const CPU_SOLVE_NS: f64 = 0.5;
/// The same on a GPU, per block, and one row of a sum that one thread adds up.
const GPU_SEEN_NS: f64 = 0.2;
const GPU_PRODUCT_NS: f64 = 0.05;
const GPU_SOLVE_NS: f64 = 0.3;
const GPU_SUM_NS: f64 = 20.0;
/// Sweeps of coordinate descent; the step of a coefficient, per term on the CPU, as a whole on a GPU, whose block waits.
const SWEEPS: f64 = 30.0;
const CPU_SWEEP_NS: f64 = 0.3;
const GPU_COORDINATE_NS: f64 = 400.0;
/// Newton steps of a logistic regression, and one row of one of its outputs seen in a step.
const NEWTON_STEPS: f64 = 7.0;
const CPU_EXP_NS: f64 = 25.0;
const GPU_EXP_NS: f64 = 1.0;
/// The CPU gathers the values that a GPU makes terms of.
const HOST_GATHER_NS: f64 = 8.0;
/// How much faster the GPU must seem: a wrong guess for the CPU costs less.
const GPU_ADVANTAGE_MIN: f64 = 1.3;

/// What a fit takes: nanoseconds of the CPU alone; or of the CPU beside the GPU, of a block of it, and bytes to send.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    cpu: f64,
    host: f64,
    block: f64,
    bytes: f64,
}

fn cost(fit: &Fit) -> Cost {
    match &fit.learner {
        Learner::Trees(options) => trees_cost(&steps(fit, options)),
        Learner::Linear(options) => terms_cost(fit, 1.0, options.penalties()),
        Learner::Logistic(options) => newton_cost(fit, options.penalties()),
        Learner::Baseline(_) => Cost::default(),
    }
}

fn trees_cost(steps: &Steps) -> Cost {
    let binned = steps.values * HOST_VALUE_NS;
    // Every other level is counted on average, since siblings are subtracted.
    let counted = steps.counted * 0.5 * CPU_COUNT_NS;
    Cost {
        cpu: binned + counted + steps.judged * CPU_JUDGE_NS + steps.moved * CPU_MOVE_NS,
        host: binned + steps.nodes * HOST_NODE_NS,
        block: steps.counted * GPU_COUNT_NS
            + steps.judged * GPU_JUDGE_NS
            + steps.levels * GPU_LEVEL_NS,
        bytes: steps.values + 16.0 * steps.nodes,
    }
}

/// Of Newton steps: each output of each step solves normal equations, and sees every row's exponential.
fn newton_cost(fit: &Fit, penalty: Penalty) -> Cost {
    let outputs = match fit.data.task() {
        Task::Classification { classes } if classes > 2 => f64::from(classes),
        _ => 1.0,
    };
    let seen = fit.train.len() as f64 * outputs * outputs * NEWTON_STEPS;
    let squares = terms_cost(fit, outputs * NEWTON_STEPS, penalty);
    Cost {
        cpu: squares.cpu + seen * CPU_EXP_NS,
        block: squares.block + seen * GPU_EXP_NS,
        ..squares
    }
}

/// Of normal equations that are solved so often.
fn terms_cost(fit: &Fit, times: f64, penalty: Penalty) -> Cost {
    let rows = fit.train.len() as f64;
    let columns = fit.data.features().columns();
    let terms = columns.iter().map(|column| match column {
        Column::Numeric(_) => 1,
        Column::Categorical { levels, .. } => (*levels as usize).min(ONE_HOT_LEVELS_MAX),
    });
    let terms = terms.sum::<usize>() as f64;
    let products = rows * terms * terms / 2.0;
    // Sweeps of coordinate descent; or a factor each time, and once the inverse for standard errors.
    let cube = terms * terms * terms;
    let (cpu_solve, gpu_solve) = if penalty.l1 > 0.0 {
        let steps = times * SWEEPS * terms;
        (steps * terms * CPU_SWEEP_NS, steps * GPU_COORDINATE_NS)
    } else {
        let cubes = (times + 1.0) * cube;
        (cubes * CPU_SOLVE_NS, cubes * GPU_SOLVE_NS)
    };
    Cost {
        cpu: rows * terms * CPU_TERM_NS
            + times * (rows * terms * CPU_SEEN_NS + products * CPU_PRODUCT_NS)
            + cpu_solve,
        host: rows * columns.len() as f64 * HOST_GATHER_NS,
        // Moments take two sums; residuals, or what a step weighs, one and more.
        block: 2.0 * rows * GPU_SUM_NS
            + times
                * (rows * terms * GPU_SEEN_NS
                    + products * GPU_PRODUCT_NS
                    + 2.0 * rows * GPU_SUM_NS)
            + gpu_solve,
        bytes: 4.0 * rows * columns.len() as f64,
    }
}

/// Steps of one fit of boosted trees.
struct Steps {
    counted: f64,
    judged: f64,
    moved: f64,
    levels: f64,
    values: f64,
    nodes: f64,
}

fn steps(fit: &Fit, options: &TreesOptions) -> Steps {
    let rows = fit.train.len() as f64;
    let all_rows = rows + fit.valid.len() as f64;
    let columns = fit.data.features().columns().len() as f64;
    let bins = match options.max_bins {
        0 => (rows / 8.0).clamp(16.0, 64.0),
        bins => f64::from(bins),
    };
    let depth = f64::from(if options.max_depth == 0 {
        8
    } else {
        options.max_depth.min(12)
    });
    let leaf_rows = f64::from(options.min_rows.max(1));
    let nodes = (2f64.powf(depth) - 1.0).min(rows / leaf_rows).max(1.0);
    let trees = f64::from(options.rounds);
    Steps {
        counted: trees * rows * columns * depth,
        judged: trees * nodes * columns * bins,
        moved: trees * all_rows * depth,
        levels: trees * depth,
        values: all_rows * columns,
        nodes: trees * 2.0 * nodes,
    }
}

/// Guessed seconds of fits on the CPU and on a GPU.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) cpu_seconds: f64,
    pub(crate) gpu_seconds: f64,
}

impl Estimate {
    /// For a list that runs on `threads` threads, or on a GPU of `processors` multiprocessors beside them.
    pub(crate) fn new<'a>(
        fits: impl Iterator<Item = &'a Fit>,
        threads: usize,
        processors: u32,
    ) -> Self {
        let (mut cpu, mut host, mut blocks, mut bytes) = (0.0, 0.0, 0.0, 0.0);
        let mut longest = 0.0f64;
        for fit in fits {
            let cost = cost(fit);
            cpu += cost.cpu;
            host += cost.host;
            blocks += cost.block;
            longest = longest.max(cost.block);
            bytes += cost.bytes;
        }
        let threads = threads.max(1) as f64;
        let parallel = f64::from(processors.max(1)) * GPU_BLOCKS;
        let gpu =
            GPU_LAUNCH_NS + host / threads + bytes * GPU_BYTE_NS + longest.max(blocks / parallel);
        Self {
            cpu_seconds: cpu / threads * 1e-9,
            gpu_seconds: gpu * 1e-9,
        }
    }

    /// Whether the GPU is worth it.
    fn favours_gpu(&self) -> bool {
        self.gpu_seconds * GPU_ADVANTAGE_MIN < self.cpu_seconds
    }

    /// The device that seems faster.
    pub(crate) fn placed(&self) -> Placed {
        let device = if self.favours_gpu() {
            DeviceKind::Gpu
        } else {
            DeviceKind::Cpu
        };
        let reason = Reason::Estimate {
            cpu_seconds: self.cpu_seconds,
            gpu_seconds: self.gpu_seconds,
        };
        Placed::new(device, reason)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::linear::LinearOptions;
    use crate::logistic::LogisticOptions;
    use crate::matrix::{Dataset, Matrix};

    fn fits(count: usize, rows: usize) -> Vec<Fit> {
        let learner = Learner::Trees(TreesOptions::xgboost_defaults().check().unwrap());
        fits_of(&learner, count, rows, 20)
    }

    fn fits_of(learner: &Learner, count: usize, rows: usize, columns: usize) -> Vec<Fit> {
        let columns = vec![Column::Numeric(vec![0.0; rows]); columns];
        let data = Dataset::new(
            Matrix::new(columns, rows).unwrap(),
            vec![0.0; rows],
            None,
            vec![0; rows],
            Task::Regression,
        );
        let fit = Fit {
            data: Arc::new(data.unwrap()),
            train: (0..rows as u32).collect(),
            valid: Arc::from([]),
            learner: learner.clone(),
            seed: 0,
        };
        vec![fit; count]
    }

    #[test]
    fn logistic_fits_favour_the_gpu_when_they_are_many() {
        let learner = Learner::Logistic(LogisticOptions::default().check().unwrap());
        let estimate = |count, rows, columns| {
            Estimate::new(fits_of(&learner, count, rows, columns).iter(), 2, 132)
        };
        assert!(estimate(1_000, 500, 20).favours_gpu());
        assert!(!estimate(1, 500, 20).favours_gpu());
        // Coordinates descend one after the other, which a block is slow at.
        let lasso = LogisticOptions {
            l1_ratio: 1.0,
            ..LogisticOptions::default()
        };
        let lasso = Learner::Logistic(lasso.check().unwrap());
        let lasso = Estimate::new(fits_of(&lasso, 1_000, 500, 20).iter(), 2, 132);
        assert!(lasso.gpu_seconds > estimate(1_000, 500, 20).gpu_seconds);
        let linear = Learner::Linear(LinearOptions::default().check().unwrap());
        let linear = Estimate::new(fits_of(&linear, 10, 500, 20).iter(), 2, 132);
        assert!(estimate(10, 500, 20).cpu_seconds > 1.3 * linear.cpu_seconds);
    }

    #[test]
    fn linear_fits_favour_the_gpu_when_they_are_many_and_wide() {
        let learner = Learner::Linear(LinearOptions::default().check().unwrap());
        let estimate = |count, rows, columns| {
            Estimate::new(fits_of(&learner, count, rows, columns).iter(), 2, 132)
        };
        assert!(estimate(1_000, 500, 100).favours_gpu());
        assert!(!estimate(1, 500, 100).favours_gpu());
        assert!(!estimate(100, 100, 5).favours_gpu());
        let (one, two) = (estimate(1, 500, 20), estimate(2, 500, 20));
        assert!((two.cpu_seconds / one.cpu_seconds - 2.0).abs() < 1e-6);
    }

    #[test]
    fn many_fits_favour_the_gpu_and_one_does_not() {
        let estimate = |count, rows| Estimate::new(fits(count, rows).iter(), 2, 132);
        assert!(estimate(1_000, 500).favours_gpu());
        assert!(!estimate(1, 500).favours_gpu());
        assert!(!estimate(2, 20).favours_gpu());
        let (one, many) = (estimate(1, 500), estimate(100, 500));
        assert!((many.cpu_seconds / one.cpu_seconds - 100.0).abs() < 1e-6);
    }
}
