//! Why can't a fit run on the GPU? One answer per thing that only the CPU does.

use thiserror::Error;

/// What a GPU does not fit; the CPU does.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Obstacle {
    /// A learner without a kernel.
    #[error("learner {learner} runs on the CPU only")]
    Learner {
        /// Name of the learner.
        learner: &'static str,
    },
    /// Linear terms beyond what a block of a GPU solves in good time.
    #[error("more than {limit} terms of a linear model run on the CPU only")]
    Terms {
        /// Most terms that a GPU takes.
        limit: usize,
    },
    /// Extra-trees.
    #[error("mode = extra_trees runs on the CPU only")]
    RandomCuts,
    /// Columns drawn for each node, of very many.
    #[error("node_column_fraction below 1 with more than {limit} columns runs on the CPU only")]
    NodeColumns {
        /// Most columns of which a GPU draws.
        limit: usize,
    },
    /// Monotone constraints.
    #[error("monotone constraints run on the CPU only")]
    Monotone,
    /// A limit on leaf values.
    #[error("max_delta_step runs on the CPU only")]
    StepLimit,
    /// Leaves that are set to a quantile of their rows.
    #[error("objective {objective} runs on the CPU only")]
    LeafQuantile {
        /// Name of the objective.
        objective: &'static str,
    },
    /// A fit whose rows and histograms exceed the memory of the GPU.
    #[error("the fit needs {needed} bytes of GPU memory; {available} are there")]
    TooLarge {
        /// Bytes that the fit needs.
        needed: u64,
        /// Bytes that fits may take.
        available: u64,
    },
}
