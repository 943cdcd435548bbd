//! What goes to a GPU, and what comes back? Words of 8 bytes, so that nothing depends on a struct's layout in Rust.

use std::collections::BTreeMap;

use super::error::DeviceError;

/// Shared memory that kernels take for themselves, in bytes; the rest holds the fit.
pub(crate) const RESERVED_CHIP_BYTES: usize = 2_048;

/// Fits that run together: a block each.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Launch {
    /// Name of the kernel that runs them.
    pub(crate) kernel: &'static str,
    /// Threads of a block.
    pub(crate) threads: u32,
    /// Shared memory of a block, in bytes.
    pub(crate) chip_bytes: usize,
    /// What each fit is, in the layout of its kernel.
    pub(crate) tasks: Vec<u64>,
    /// Where in the output each fit answers.
    pub(crate) places: Vec<usize>,
    /// What kernels read.
    pub(crate) input: Vec<u64>,
    /// Words that kernels work in.
    pub(crate) scratch_words: usize,
    /// Words that kernels answer in.
    pub(crate) output_words: usize,
    /// Nodes that the trees of all fits may have.
    pub(crate) nodes_max: usize,
    /// Where in the input the parts of rows lie that several fits share, by the address of the rows.
    shared: BTreeMap<usize, Vec<u64>>,
}

impl Launch {
    /// An empty launch of a kernel with so many threads to a block.
    pub(crate) fn new(kernel: &'static str, threads: u32) -> Self {
        Self {
            kernel,
            threads,
            ..Self::default()
        }
    }

    /// Appends words to the input; answers where they begin.
    pub(crate) fn put(&mut self, words: impl Iterator<Item = u64>) -> u64 {
        let at = self.input.len() as u64;
        self.input.extend(words);
        at
    }

    /// Where the parts of `rows` lie; writes them unless another fit has.
    pub(crate) fn share<Rows, const PARTS: usize>(
        &mut self,
        rows: &Rows,
        write: impl FnOnce(&mut Self) -> [u64; PARTS],
    ) -> [u64; PARTS] {
        let address = std::ptr::from_ref(rows).addr();
        if let Some(&places) = self
            .shared
            .get(&address)
            .and_then(|places| places.as_array::<PARTS>())
        {
            return places;
        }
        let places = write(self);
        self.shared.insert(address, places.to_vec());
        places
    }

    /// Memory that the launch takes, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        let words = self.tasks.len()
            + self.input.len()
            + self.scratch_words
            + self.output_words
            + 2 * self.nodes_max;
        8 * words as u64
    }
}

/// Two numbers to a word, the first one low.
pub(crate) fn pairs(numbers: &[u32]) -> impl Iterator<Item = u64> + '_ {
    numbers
        .chunks(2)
        .map(|pair| u64::from(pair[0]) | pair.get(1).map_or(0, |&high| u64::from(high) << 32))
}

/// What kernels left behind.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Answer {
    pub(crate) output: Vec<u64>,
    /// The nodes that were used, two words each.
    pub(crate) nodes: Vec<u64>,
    /// Time that the kernel took.
    pub(crate) seconds: f64,
}

/// Something that runs launches: a GPU, or in tests its emulation.
pub(crate) trait Launcher: Send + Sync {
    /// Runs a launch to its end.
    fn launch(&self, launch: &Launch) -> Result<Answer, DeviceError>;
}

/// A GPU that was found and works.
pub struct Device {
    pub(crate) name: String,
    /// Multiprocessors.
    pub(crate) processors: u32,
    /// Shared memory that a block may take, in bytes.
    pub(crate) chip_bytes: usize,
    /// Memory that fits may take, in bytes.
    pub(crate) memory_bytes: u64,
    pub(crate) launcher: Box<dyn Launcher>,
}

impl Device {
    /// Name, as the driver gives it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Memory that fits may take, in bytes.
    pub fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    /// Lets fits take at most `bytes` of the memory.
    pub fn limit_memory(&mut self, bytes: u64) {
        self.memory_bytes = self.memory_bytes.min(bytes);
    }
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Device")
            .field("name", &self.name)
            .field("processors", &self.processors)
            .field("chip_bytes", &self.chip_bytes)
            .field("memory_bytes", &self.memory_bytes)
            .finish_non_exhaustive()
    }
}
