//! What of a fit of linear terms lies in a block's shared memory, and what in the GPU's? The sizes of `lay_out` in
//! `solver.h`, and the words of `TermsTask` in `terms.h`.

use crate::design::Sources;
use crate::device::{Launch, RESERVED_CHIP_BYTES, pairs};
use crate::linear::Penalty;

/// Words of `TermsTask` in `terms.h`.
pub(crate) const TERMS_TASK_WORDS: usize = 17;
/// Words of `Spreads` in `solver.h`.
pub(crate) const SPREADS_WORDS: usize = 3;
/// Words of the lines of terms that are in shared memory at once, and their number at most.
const TILE_WORDS: usize = 2_048;
const TILE_ROWS_MAX: usize = 64;
/// What each of two blocks on a multiprocessor takes beside its fit, in words.
const BLOCK_WORDS: usize = 256;
/// Candidates from which more threads work on a fit.
const CANDIDATES_WIDE_MIN: usize = 16;

/// One of the parts that lie in one memory or the other.
#[derive(Debug, Clone, Copy, Default)]
struct Part {
    words: usize,
    on_chip: bool,
}

/// Where the parts of a fit lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Workspace {
    candidates: usize,
    outputs: usize,
    /// Rows whose terms are made at once: whole fours, as the Gram matrix takes them.
    tile_rows: usize,
    /// Numbers per term and the tile; matrices; what is kept per row.
    parts: [Part; 3],
}

/// What solvers are told.
pub(crate) struct SolverRules {
    pub(crate) penalty: Penalty,
    pub(crate) tolerance: f64,
    pub(crate) iterations_max: u32,
}

impl Workspace {
    /// For so many candidates, outputs and words per row, where a block may take `chip_bytes`. What is used most comes
    /// first; two blocks share a multiprocessor.
    pub(crate) fn new(
        sources: &Sources,
        outputs: usize,
        row_words: usize,
        chip_bytes: usize,
    ) -> Self {
        let candidates = sources.candidates();
        let pitch = candidates | 1;
        let tile_rows = (TILE_WORDS / pitch).clamp(4, TILE_ROWS_MAX) & !3;
        let work = 6 * candidates + tile_rows * (pitch + 2) + candidates.div_ceil(2);
        let matrices = candidates * candidates + 2 * candidates * pitch;
        let chip_words = chip_bytes.saturating_sub(RESERVED_CHIP_BYTES) / 8;
        let mut left = (chip_words / 2).saturating_sub(BLOCK_WORDS);
        let rows = row_words * sources.labels().len();
        let parts = [work, matrices, rows].map(|words| {
            let on_chip = words <= left;
            left -= if on_chip { words } else { 0 };
            Part { words, on_chip }
        });
        Self {
            candidates,
            outputs,
            tile_rows,
            parts,
        }
    }

    /// Threads of the block.
    pub(crate) fn threads(&self) -> u32 {
        if self.candidates < CANDIDATES_WIDE_MIN {
            128
        } else {
            256
        }
    }

    fn words(&self, on_chip: bool) -> usize {
        let parts = self.parts.iter();
        parts
            .filter(|part| part.on_chip == on_chip)
            .map(|part| part.words)
            .sum()
    }

    /// Shared memory of the block, in bytes.
    pub(crate) fn chip_bytes(&self) -> usize {
        8 * self.words(true)
    }

    /// Words of the GPU's memory beside it.
    pub(crate) fn scratch_words(&self) -> usize {
        self.words(false)
    }

    /// Which parts are in shared memory.
    #[cfg(test)]
    pub(crate) fn flags(&self) -> [bool; 3] {
        self.parts.map(|part| part.on_chip)
    }

    /// Adds the rows to a launch, and to its tasks the `TermsTask` of a fit that answers in `answer_words`; the words of
    /// its own follow.
    pub(crate) fn write(
        &self,
        launch: &mut Launch,
        sources: &Sources,
        rules: &SolverRules,
        (total, answer_words): (f64, usize),
    ) {
        let places = sources.write(launch);
        let [work, matrices, rows] = self.parts;
        let numbers = [total, rules.penalty.l1, rules.penalty.l2, rules.tolerance];
        let counts = [
            sources.labels().len() as u32,
            self.candidates as u32,
            u32::from(sources.weighted()),
            rules.iterations_max,
            self.outputs as u32,
            self.tile_rows as u32,
            work.words as u32,
            matrices.words as u32,
            u32::from(work.on_chip),
            u32::from(matrices.on_chip),
            u32::from(rows.on_chip),
            0,
        ];
        launch.places.push(launch.output_words);
        launch.tasks.extend(numbers.map(f64::to_bits));
        launch.tasks.extend(places);
        launch.tasks.push(launch.scratch_words as u64);
        launch.tasks.push(launch.output_words as u64);
        launch.tasks.push(rows.words as u64);
        launch.tasks.extend(pairs(&counts));
        launch.scratch_words += self.scratch_words();
        launch.output_words += answer_words;
        launch.chip_bytes = launch.chip_bytes.max(self.chip_bytes());
    }
}
