//! What of a fit lies in a block's shared memory, and what in the GPU's? The sizes of `lay_out` in `fit.h`.

/// Histograms in the GPU's memory may take this much of it per fit; at least one node's always fits.
const HISTOGRAM_BYTES_MAX: usize = 4 << 20;

/// What each of two blocks on a multiprocessor takes beside its fit, in words.
const BLOCK_WORDS: usize = 256;

/// Where the parts of a fit lie, in words of 8 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Layout {
    /// Nodes that are grown.
    pub(super) nodes_max: usize,
    /// Nodes that are kept.
    pub(super) tree_nodes_max: usize,
    /// Nodes of a level that seek a split.
    pub(super) width_max: usize,
    pub(super) table_words: usize,
    pub(super) row_words: usize,
    /// Nodes whose histograms are held at once.
    pub(super) histograms: usize,
    pub(super) histogram_words: usize,
    pub(super) tables_on_chip: bool,
    pub(super) rows_on_chip: bool,
    pub(super) bins_on_chip: bool,
    /// Words of the bins, which lie in the input and are copied from there.
    pub(super) bin_words: usize,
    pub(super) histograms_on_chip: bool,
}

impl Layout {
    /// Words of the block's shared memory.
    pub(super) fn chip_words(&self) -> usize {
        let part = |on_chip: bool, words: usize| if on_chip { words } else { 0 };
        part(self.tables_on_chip, self.table_words)
            + part(self.rows_on_chip, self.row_words)
            + part(self.bins_on_chip, self.bin_words)
            + part(
                self.histograms_on_chip,
                self.histograms * self.histogram_words,
            )
    }

    /// Words of the GPU's memory beside it.
    pub(super) fn scratch_words(&self) -> usize {
        let part = |on_chip: bool, words: usize| if on_chip { 0 } else { words };
        part(self.tables_on_chip, self.table_words)
            + part(self.rows_on_chip, self.row_words)
            + part(
                self.histograms_on_chip,
                self.histograms * self.histogram_words,
            )
    }
}

/// The sizes that a layout follows from.
pub(super) struct Sizes {
    pub(super) train_rows: usize,
    pub(super) rows: usize,
    pub(super) outputs: usize,
    pub(super) softmax: bool,
    pub(super) units: bool,
    pub(super) blocks: usize,
    pub(super) columns_drawn: bool,
    pub(super) histogram_len: usize,
    pub(super) runs_len: usize,
    pub(super) nodes_max: usize,
    pub(super) width_max: usize,
    pub(super) tree_nodes_max: usize,
    pub(super) best_first: bool,
    pub(super) node_columns: bool,
    pub(super) bootstrap: bool,
}

impl Sizes {
    /// Words of the tables of nodes, in the order of `lay_out` in `fit.h`, without the runs of histograms.
    fn table_words(&self) -> usize {
        let (nodes, width) = (self.nodes_max, self.width_max);
        let wide = if self.units { 2 } else { 3 };
        let slots = if self.columns_drawn {
            8 * self.blocks
        } else {
            0
        };
        let by_node = wide * nodes + 6 * nodes.div_ceil(2);
        let by_turn = 6 * width + 4 * width.div_ceil(2);
        let ranked = if self.best_first { nodes } else { 0 };
        let paths = if self.node_columns { nodes } else { 0 };
        let best_first = ranked + 2 * ranked.div_ceil(2) + paths;
        by_node + by_turn + best_first + slots + slots.div_ceil(2)
    }

    /// Words of what is held per row.
    fn row_words(&self) -> usize {
        let shares = if self.softmax {
            self.train_rows * self.outputs
        } else {
            0
        };
        let hessians = if self.units { 0 } else { self.train_rows };
        self.rows * self.outputs
            + shares
            + self.rows
            + hessians
            + 2 * self.train_rows.div_ceil(2)
            + self.rows.div_ceil(2)
            + self.train_rows.div_ceil(2)
            + if self.bootstrap {
                self.train_rows.div_ceil(2)
            } else {
                0
            }
    }

    /// Words of the bins.
    fn bin_words(&self) -> usize {
        self.rows * self.blocks
    }

    /// Words of what comes with so many histograms: runs, and the columns that their nodes see.
    fn run_words(&self, histograms: usize) -> usize {
        let slots = histograms
            * if self.node_columns {
                8 * self.blocks
            } else {
                0
            };
        2 * (histograms * self.runs_len).div_ceil(2) + slots + slots.div_ceil(2)
    }

    /// Puts on the chip what fits there: tables, a few histograms, rows, bins, then more histograms. Two blocks share a multiprocessor where half of
    /// its memory is enough for a few nodes at once.
    pub(super) fn lay_out(&self, chip_words: usize) -> Layout {
        let few = self.width_max.clamp(1, 4);
        let half = (chip_words / 2).saturating_sub(BLOCK_WORDS);
        self.on_chip(half, few)
            .or_else(|| self.on_chip(chip_words, 1))
            .unwrap_or_else(|| self.in_memory(half))
    }

    /// With at least `few` histograms in so much shared memory, if they fit.
    fn on_chip(&self, chip_words: usize, few: usize) -> Option<Layout> {
        let tables = self.table_words();
        let with_runs = self.histogram_len + self.run_words(1);
        let tables_on_chip = tables + few * with_runs <= chip_words;
        let (left, each) = if tables_on_chip {
            (chip_words - tables, with_runs)
        } else {
            (chip_words, self.histogram_len)
        };
        if left < few * each {
            return None;
        }
        let rows_on_chip = self.row_words() + few * each <= left;
        let left = left - if rows_on_chip { self.row_words() } else { 0 };
        let bins_on_chip = self.bin_words() + few * each <= left;
        let left = left - if bins_on_chip { self.bin_words() } else { 0 };
        let histograms = (left / each.max(1)).clamp(1, self.width_max.max(1));
        Some(Layout {
            tables_on_chip,
            rows_on_chip,
            bins_on_chip,
            histograms_on_chip: true,
            ..self.with(histograms)
        })
    }

    /// With histograms in the GPU's memory, and the tables beside them unless they fit in so much shared memory.
    fn in_memory(&self, chip_words: usize) -> Layout {
        let held = HISTOGRAM_BYTES_MAX / (8 * self.histogram_len.max(1));
        let layout = self.with(held.clamp(1, self.width_max.max(1)));
        Layout {
            tables_on_chip: layout.table_words <= chip_words,
            ..layout
        }
    }

    fn with(&self, histograms: usize) -> Layout {
        Layout {
            nodes_max: self.nodes_max,
            width_max: self.width_max,
            tree_nodes_max: self.tree_nodes_max,
            table_words: self.table_words() + self.run_words(histograms),
            row_words: self.row_words(),
            bin_words: self.bin_words(),
            histogram_words: self.histogram_len,
            histograms,
            ..Layout::default()
        }
    }
}
