//! Which kernels are there? A learner's module says what the driver compiles; a line in [`MODULES`] makes it known.

use crate::{linear, logistic, trees::boost};

/// Kernels of one source, compiled together.
pub(crate) struct Module {
    /// Their source below `gpu/src`, in CUDA C.
    pub(crate) source: &'static str,
    /// The text that drivers compile, which `gpu/ptx.py` makes out of the source.
    pub(crate) ptx: &'static str,
    /// Names of the kernels. All take the same arguments: `Task`s, input, scratch, output, nodes, the number of nodes used,
    /// and of nodes that there is room for.
    pub(crate) kernels: &'static [&'static str],
}

/// All modules; `KERNELS` in `gpu/ptx.py` lists their sources.
pub(super) const MODULES: [&Module; 3] = [
    &boost::MODULE,
    &linear::kernel::MODULE,
    &logistic::kernel::MODULE,
];
