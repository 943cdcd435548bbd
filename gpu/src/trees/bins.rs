//! Into which of at most 255 bins does a value fall? Cuts are f32 midpoints between neighbouring distinct values, so a
//! model that stores them routes a raw value exactly as training routed its bin. Bin 0 is missing.

/// Features that are scanned together; one histogram line of 8 × 8 bytes is one cache line.
pub(crate) const LANES: usize = 8;

/// Categories of at most this many levels split like numbers, without the penalty on categories.
const FREE_LEVELS: usize = 4;

/// Where a feature's values come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A column as it is.
    Column(u32),
    /// A category column replaced by the numbers of a statistics table.
    Statistic {
        /// The category column.
        column: u32,
        /// Index of the table in the model.
        table: u32,
    },
}

impl Source {
    /// The column that the caller sees.
    pub(crate) fn column(self) -> u32 {
        match self {
            Self::Column(column) | Self::Statistic { column, .. } => column,
        }
    }
}

/// What the bins of a feature stand for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scale {
    /// Bin `b ≥ 1` holds values in `(cuts[b-2], cuts[b-1]]`.
    Ordered {
        /// Ascending cuts.
        cuts: Vec<f32>,
    },
    /// Bin `b ≥ 1` holds the level `levels[b-1]`.
    Levels {
        /// Levels seen in training, ascending.
        levels: Vec<u32>,
    },
}

/// One binned feature.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Feature {
    pub(crate) source: Source,
    pub(crate) scale: Scale,
    /// Bins with the missing one.
    pub(crate) bins: usize,
    /// 1 never falls, -1 never rises, 0 free.
    pub(crate) monotone: i8,
}

impl Feature {
    pub(crate) fn is_levels(&self) -> bool {
        matches!(self.scale, Scale::Levels { .. })
    }

    /// Whether splits on this feature are held back by the penalty on categories.
    pub(crate) fn is_penalised(&self) -> bool {
        self.is_levels() && self.bins > FREE_LEVELS + 1
    }
}

/// Up to eight features side by side: their bins are one u64 per row, their histogram `bins` lines of eight sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    /// Features in this block, 1 to [`LANES`].
    pub(crate) lanes: usize,
    /// Bins of the widest feature.
    pub(crate) bins: usize,
    /// First histogram entry.
    pub(crate) offset: usize,
    /// Whether the features split one level against the rest.
    pub(crate) levels: bool,
    /// Whether the penalty on categories holds its splits back.
    pub(crate) penalised: bool,
}

/// The binned rows that trees grow on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Grid {
    pub(crate) blocks: Vec<Block>,
    /// Feature of each lane, `blocks × LANES` long; `u32::MAX` is padding.
    pub(crate) slots: Vec<u32>,
    /// `[block][row]`, one byte per lane.
    pub(crate) bins: Vec<u64>,
    pub(crate) rows: usize,
    /// Entries of one histogram.
    pub(crate) histogram_len: usize,
}

impl Grid {
    /// Lays out the chosen features in blocks of similar width, so that narrow features don't pay for wide ones.
    pub(crate) fn arrange(
        &mut self,
        features: &[Feature],
        chosen: impl Iterator<Item = u32>,
        rows: usize,
    ) {
        let mut order: Vec<u32> = chosen.collect();
        order.sort_by_key(|&id| {
            let feature = &features[id as usize];
            (
                feature.is_levels(),
                !feature.is_penalised(),
                std::cmp::Reverse(feature.bins),
                id,
            )
        });
        self.blocks.clear();
        self.slots.clear();
        let mut offset = 0;
        let mut next = 0;
        while next < order.len() {
            let first = &features[order[next] as usize];
            let kind = |feature: &Feature| (feature.is_levels(), feature.is_penalised());
            let (levels, penalised) = kind(first);
            let lanes = order[next..]
                .iter()
                .take(LANES)
                .take_while(|&&id| kind(&features[id as usize]) == (levels, penalised))
                .count();
            self.blocks.push(Block {
                lanes,
                bins: first.bins,
                offset,
                levels,
                penalised,
            });
            self.slots.extend_from_slice(&order[next..next + lanes]);
            self.slots.resize(self.blocks.len() * LANES, u32::MAX);
            offset += first.bins * LANES;
            next += lanes;
        }
        self.rows = rows;
        self.histogram_len = offset;
        self.bins.clear();
        self.bins.resize(self.blocks.len() * rows, 0);
    }

    /// The bytes of one block, eight per row.
    pub(crate) fn block_bins(&self, block: usize) -> &[u64] {
        &self.bins[block * self.rows..(block + 1) * self.rows]
    }

    /// Copies the columns of `chosen` features out of `full`.
    pub(crate) fn select(&mut self, full: &Grid, features: &[Feature], chosen: &[u32]) {
        self.arrange(features, chosen.iter().copied(), full.rows);
        let mut home = vec![0usize; features.len()];
        for (slot, &feature) in full.slots.iter().enumerate() {
            if feature != u32::MAX {
                home[feature as usize] = slot;
            }
        }
        for (block, target) in self.bins.chunks_exact_mut(full.rows.max(1)).enumerate() {
            for (lane, &feature) in self.slots[block * LANES..(block + 1) * LANES]
                .iter()
                .enumerate()
            {
                if feature == u32::MAX {
                    continue;
                }
                let slot = home[feature as usize];
                let source = full.block_bins(slot / LANES);
                let shift = 8 * (slot % LANES);
                for (to, from) in target.iter_mut().zip(source) {
                    *to |= (from >> shift & 255) << (8 * lane);
                }
            }
        }
    }
}

/// Bins for `rows` training rows when the caller leaves the number open: narrow histograms for small fits, whose cost is
/// their histograms, and the full width where rows dominate.
pub(crate) fn adaptive_bins(rows: usize) -> usize {
    if rows > 8_192 {
        255
    } else {
        (rows / 8).next_power_of_two().clamp(16, 64)
    }
}

/// An unsigned integer that orders as the float does, with -0 equal to 0. Keys of numbers lie strictly between 0 and
/// `u32::MAX`, which are left for missing values.
#[inline(always)]
pub(crate) fn order_key(value: f32) -> u32 {
    let bits = (value + 0.0).to_bits();
    if bits >> 31 == 1 {
        !bits
    } else {
        bits | 1 << 31
    }
}

/// The float of a key.
pub(crate) fn from_order_key(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 {
        key & !(1 << 31)
    } else {
        !key
    })
}

/// Cuts that give each of at most `bins_max` bins a like number of rows; a value that fills a bin alone gets one.
///
/// `values` are the training values without NaN, in any order; `keys` is scratch.
pub(crate) fn find_cuts(
    values: impl Iterator<Item = f32>,
    keys: &mut Vec<u32>,
    bins_max: usize,
    bin_rows_min: usize,
) -> Vec<f32> {
    keys.clear();
    keys.extend(values.map(order_key));
    keys.sort_unstable();
    let rows = keys.len();
    let distinct = keys.chunk_by(|a, b| a == b).count();
    let bins = bins_max.min(rows / bin_rows_min.max(1)).max(1);
    let mut cuts = Vec::with_capacity(bins.min(distinct));
    let everything_fits = distinct <= bins_max;
    let mut rows_left = rows;
    let mut bins_left = bins;
    let mut in_bin = 0usize;
    let mut groups = keys.chunk_by(|a, b| a == b).peekable();
    while let Some(group) = groups.next() {
        in_bin += group.len();
        rows_left -= group.len();
        let Some(next) = groups.peek() else { break };
        let target = (rows_left + in_bin) as f64 / bins_left as f64;
        let full = if everything_fits {
            in_bin >= bin_rows_min
        } else {
            // Close early when the next value is so frequent that it would more than fill this bin.
            in_bin as f64 >= target
                || (next.len() as f64 >= target && in_bin as f64 >= 0.5 * target)
        };
        if full && (everything_fits || bins_left > 1) && rows_left >= bin_rows_min.min(rows) {
            cuts.push(midpoint(from_order_key(group[0]), from_order_key(next[0])));
            in_bin = 0;
            bins_left = bins_left.saturating_sub(1).max(1);
        }
    }
    cuts
}

/// An f32 `c` with `low <= c < high`, near the middle.
fn midpoint(low: f32, high: f32) -> f32 {
    let middle = (f64::from(low) * 0.5 + f64::from(high) * 0.5) as f32;
    if middle >= low && middle < high {
        middle
    } else {
        low
    }
}

/// The cuts of one feature padded for a search without branches.
pub(crate) struct CutSearch {
    padded: [f32; 256],
}

impl CutSearch {
    /// Takes at most 254 ascending cuts.
    pub(crate) fn new(cuts: &[f32]) -> Self {
        let mut padded = [f32::INFINITY; 256];
        padded[..cuts.len()].copy_from_slice(cuts);
        Self { padded }
    }

    /// 0 for NaN, otherwise 1 + the number of cuts below the value.
    #[inline(always)]
    pub(crate) fn bin(&self, value: f32) -> u8 {
        let mut position = 0usize;
        for step in [128, 64, 32, 16, 8, 4, 2, 1] {
            // The position stays below 256 because the steps sum to 255.
            let below = self.padded[(position + step - 1) & 255] < value;
            position += if below { step } else { 0 };
        }
        if value.is_nan() {
            0
        } else {
            (position + 1) as u8
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cuts(values: &[f32], bins: usize, rows_min: usize) -> Vec<f32> {
        find_cuts(values.iter().copied(), &mut Vec::new(), bins, rows_min)
    }

    #[test]
    fn few_values_are_cut_at_their_midpoints() {
        assert_eq!(cuts(&[3.0, 1.0, 2.0, 1.0], 255, 1), vec![1.5, 2.5]);
        assert_eq!(cuts(&[5.0; 9], 255, 1), Vec::<f32>::new());
        assert_eq!(cuts(&[], 255, 1), Vec::<f32>::new());
        assert_eq!(cuts(&[-0.0, 0.0, 1.0], 255, 1), vec![0.5]);
    }

    #[test]
    fn extremes_and_neighbours_are_still_separated() {
        let next = f32::from_bits(1.0f32.to_bits() + 1);
        for pair in [
            [1.0, next],
            [f32::NEG_INFINITY, 0.0],
            [0.0, f32::INFINITY],
            [f32::NEG_INFINITY, f32::INFINITY],
            [-f32::MAX, f32::MAX],
        ] {
            let found = cuts(&pair, 255, 1);
            assert_eq!(found.len(), 1, "{pair:?}");
            let search = CutSearch::new(&found);
            assert_eq!(
                (search.bin(pair[0]), search.bin(pair[1])),
                (1, 2),
                "{pair:?}"
            );
            assert!(pair[0] <= found[0] && pair[1] > found[0]);
        }
    }

    #[test]
    fn many_values_fall_into_bins_of_like_size_and_frequent_values_stay_alone() {
        let mut values: Vec<f32> = (0..10_000).map(|i| i as f32 * 0.37).collect();
        values.extend(std::iter::repeat_n(500.0, 5_000));
        let found = cuts(&values, 64, 1);
        assert!((55..=63).contains(&found.len()), "{}", found.len());
        let search = CutSearch::new(&found);
        let mut counts = [0usize; 256];
        values
            .iter()
            .for_each(|&value| counts[search.bin(value) as usize] += 1);
        let heavy = counts[search.bin(500.0) as usize];
        assert!((5_000..5_200).contains(&heavy), "{heavy}");
        assert!(
            counts
                .iter()
                .filter(|&&count| count < 5_000)
                .all(|&count| count <= 400)
        );
        assert_eq!(cuts(&values, 255, 1).len() + 1, 255);
    }

    #[test]
    fn the_search_agrees_with_counting() {
        let found: Vec<f32> = (0..254).map(|i| i as f32).collect();
        let search = CutSearch::new(&found);
        for value in [
            -1.0,
            0.0,
            0.5,
            100.0,
            253.0,
            253.5,
            1e9,
            f32::INFINITY,
            f32::NEG_INFINITY,
        ] {
            let expected = 1 + found.iter().filter(|&&cut| cut < value).count();
            assert_eq!(usize::from(search.bin(value)), expected, "{value}");
        }
        assert_eq!(search.bin(f32::NAN), 0);
    }
}
