//! How are many rows scored at once? Inputs become ranks among the model's cuts, one byte each; then every tree is
//! evaluated from its leaves up: a split chooses, for 128 rows in one go, between the leaf numbers of its two sides.
//!
//! All splits of a tree are evaluated for every row, where a walk takes only those on the row's path. But 128 rows of a
//! split are a comparison and a choice of bytes side by side, with no branch, no gather and no wait for the step before, and
//! the compiler makes them as wide as the instruction set is. Comparing many rows with one split is V-QuickScorer's idea
//! (Lucchese et al., "Exploiting CPU SIMD extensions to speed-up document scoring with tree ensembles", SIGIR 2016);
//! choosing bottom-up replaces its bit vectors, so that a tree may have 256 leaves. Scores are added in the order of the
//! trees, so a walk gives the same bits.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::model::{Node, TreesModel};
use crate::instructions::{Instructions, per_instruction_set};

/// Rows that are evaluated in one go.
pub(crate) const ABREAST: usize = 128;
/// Rows of a last word that spare the other half's work.
const HALF: usize = ABREAST / 2;
/// Rows that stay in the cache while all trees pass over them.
pub(crate) const TILE: usize = 512;
/// Rows below which a walk is faster: a call evaluates [`ABREAST`] rows at least.
const ROWS_MIN: usize = 16;
/// Groups of [`ABREAST`] rows in a tile.
const WORDS: usize = TILE / ABREAST;
/// Leaves of a tree whose numbers fit a byte.
const LEAVES_MAX: usize = 256;
/// Distinct cuts of an input whose ranks fit a byte.
const CUTS_MAX: usize = 255;
/// Keys that AVX-512 looks up with one instruction.
const LOOKUP_KEYS: usize = 32;
/// Leaf values that AVX-512 looks up in registers.
const LOOKUP_LEAVES: usize = 64;

/// One byte for each of [`ABREAST`] rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct Bytes(pub(crate) [u8; ABREAST]);

/// A split: rows whose rank exceeds `rank` take the leaf number in slot `right`, the others that in `left`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    /// First word of the input.
    words: u32,
    left: u16,
    right: u16,
    rank: u8,
}

/// Where the steps and the leaf values of a tree end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ends {
    steps: usize,
    values: usize,
}

/// The cuts of one input, as a search tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cuts {
    /// Comparisons that find a rank.
    levels: u32,
    /// Keys in the order of Eytzinger: the root is 1, the children of `i` are `2 i` and `2 i + 1`; padded with keys that
    /// nothing exceeds, to at least [`LOOKUP_KEYS`].
    tree: Vec<u32>,
}

/// A model prepared for scoring many rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ranked {
    /// Cuts of each of the model's inputs.
    cuts: Vec<Cuts>,
    /// Slots below this hold the leaf numbers themselves.
    leaves: usize,
    /// Steps of all trees, children before parents; the `k`-th of a tree writes slot `leaves + k`, the last its answer.
    steps: Vec<Step>,
    values: Vec<f32>,
    trees: Vec<Ends>,
}

/// The prepared form of a model, made when it is first worth it. Not part of what the model is: all are equal.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    ranked: OnceLock<Option<Arc<Ranked>>>,
    /// Rows that were walked so far: many small calls are worth it too.
    walked: AtomicUsize,
}

impl Clone for Prepared {
    fn clone(&self) -> Self {
        Self {
            ranked: self.ranked.clone(),
            walked: AtomicUsize::new(0),
        }
    }
}

impl PartialEq for Prepared {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Prepared {
    /// The prepared form, if there is one or `rows` rows are worth making it.
    pub(crate) fn get(&self, model: &TreesModel, rows: usize) -> Option<&Ranked> {
        if rows < ROWS_MIN {
            return None;
        }
        // Preparing costs as much as walking about one row per sixteen nodes.
        if self.ranked.get().is_none() {
            let walked = rows + self.walked.fetch_add(rows, Ordering::Relaxed);
            if walked < ROWS_MIN.max(model.nodes.len() / 16) {
                return None;
            }
        }
        self.ranked
            .get_or_init(|| Ranked::new(model).map(Arc::new))
            .as_deref()
    }
}

impl Cuts {
    fn new(mut keys: Vec<u32>) -> Option<Self> {
        keys.sort_unstable();
        keys.dedup();
        if keys.len() > CUTS_MAX {
            return None;
        }
        let width = (keys.len() + 1).next_power_of_two();
        keys.resize(width, u32::MAX);
        let levels = width.trailing_zeros();
        let mut tree = vec![u32::MAX; width.max(LOOKUP_KEYS)];
        for (position, slot) in tree.iter_mut().enumerate().take(width).skip(1) {
            // On level d, the p-th node cuts the p-th of 2^d equal parts in the middle.
            let level = position.ilog2();
            let part = position - (1 << level);
            *slot = keys[(part << (levels - level)) + (1 << (levels - level - 1)) - 1];
        }
        Some(Self { levels, tree })
    }

    /// Number of cuts below a key; of a cut's own key, its position among them.
    fn position(&self, key: u32) -> u8 {
        let mut rank = [Bytes([0; ABREAST])];
        self.rank(Instructions::Baseline, &[key; ABREAST], &mut rank);
        rank[0].0[0]
    }

    /// Writes the number of cuts below each key.
    fn rank(&self, set: Instructions, keys: &[u32], ranks: &mut [Bytes]) {
        match self.levels {
            0 => ranks.fill(Bytes([0; ABREAST])),
            1 => self.rank_in::<1>(set, keys, ranks),
            2 => self.rank_in::<2>(set, keys, ranks),
            3 => self.rank_in::<3>(set, keys, ranks),
            4 => self.rank_in::<4>(set, keys, ranks),
            5 => self.rank_in::<5>(set, keys, ranks),
            6 => self.rank_in::<6>(set, keys, ranks),
            7 => self.rank_in::<7>(set, keys, ranks),
            _ => self.rank_in::<8>(set, keys, ranks),
        }
    }

    fn rank_in<const LEVELS: u32>(&self, set: Instructions, keys: &[u32], ranks: &mut [Bytes]) {
        let tree = &self.tree[..(1 << LEVELS).max(LOOKUP_KEYS)];
        #[cfg(target_arch = "x86_64")]
        if set == Instructions::Avx512 {
            // SAFETY: sets above the baseline are only made by `Instructions::available`, which has asked the processor.
            unsafe { avx512::rank::<LEVELS>(tree, keys, ranks) };
            return;
        }
        let _ = set;
        // Without a branch, so that the searches of neighbouring rows overlap.
        for (word, keys) in ranks.iter_mut().zip(keys.chunks_exact(ABREAST)) {
            for (rank, &key) in word.0.iter_mut().zip(keys) {
                let mut at = 1usize;
                for _ in 0..LEVELS {
                    // SAFETY: `at` has at most `LEVELS` bits here, and `tree` an entry for each such number.
                    let below = unsafe { *tree.get_unchecked(at) } < key;
                    at = 2 * at + usize::from(below);
                }
                *rank = (at - (1 << LEVELS)) as u8;
            }
        }
    }
}

impl Ranked {
    /// Prepares a model; `None` when one of its trees has too many leaves, or an input too many cuts, for bytes.
    fn new(model: &TreesModel) -> Option<Self> {
        let mut keys = vec![Vec::new(); model.inputs.len()];
        for node in model.nodes.iter().filter(|node| !node.is_leaf()) {
            keys[usize::from(node.input) - 1].push(node.key);
        }
        let cuts = keys
            .into_iter()
            .map(Cuts::new)
            .collect::<Option<Vec<_>>>()?;
        let trees = || (0..model.trees.len()).map(|position| model.tree_nodes(position));
        let leaf_count = |nodes: &[Node]| nodes.iter().filter(|node| node.is_leaf()).count();
        let leaves = trees().map(leaf_count).max().unwrap_or(1);
        if leaves > LEAVES_MAX {
            return None;
        }
        let mut ranked = Self {
            cuts,
            leaves,
            steps: Vec::with_capacity(model.nodes.len() / 2),
            values: Vec::with_capacity(model.nodes.len()),
            trees: Vec::with_capacity(model.trees.len()),
        };
        let mut slots = Vec::new();
        trees().for_each(|nodes| ranked.push(nodes, &mut slots));
        Some(ranked)
    }

    /// Appends a tree; `slots` is scratch for the slot of each node.
    fn push(&mut self, nodes: &[Node], slots: &mut Vec<u16>) {
        slots.clear();
        slots.resize(nodes.len(), 0);
        let (mut leaves, mut steps) = (0, self.leaves);
        // Children follow their parents, so from the back they come first.
        for (position, node) in nodes.iter().enumerate().rev() {
            if node.is_leaf() {
                slots[position] = leaves;
                leaves += 1;
                self.values.push(node.value());
                continue;
            }
            let (input, left) = (usize::from(node.input) - 1, usize::from(node.left));
            self.steps.push(Step {
                words: (input * WORDS) as u32,
                left: slots[left],
                right: slots[left + 1],
                rank: self.cuts[input].position(node.key),
            });
            slots[position] = steps as u16;
            steps += 1;
        }
        let width = usize::from(leaves);
        let padded = match width {
            0..=32 => 32,
            33..=LOOKUP_LEAVES => LOOKUP_LEAVES,
            _ => width,
        };
        self.values.resize(self.values.len() + padded - width, 0.0);
        self.trees.push(Ends {
            steps: self.steps.len(),
            values: self.values.len(),
        });
    }
}

/// The ranks of a tile of rows, and room to score them.
pub(crate) struct RankedTile {
    /// `[input][word]`.
    ranks: Vec<Bytes>,
    /// Leaf numbers, then what each step of a tree chose.
    slots: Vec<Bytes>,
    /// Leaf numbers of one tree.
    chosen: [Bytes; WORDS],
    /// `[output][row]`.
    scores: Vec<f64>,
    /// Keys of one input.
    pub(crate) keys: Vec<u32>,
}

impl RankedTile {
    pub(crate) fn new(ranked: &Ranked, outputs: usize) -> Self {
        let mut slots: Vec<Bytes> = (0..ranked.leaves)
            .map(|leaf| Bytes([leaf as u8; ABREAST]))
            .collect();
        // A tree has one split less than leaves.
        slots.resize(2 * ranked.leaves, Bytes([0; ABREAST]));
        Self {
            ranks: vec![Bytes([0; ABREAST]); ranked.cuts.len() * WORDS],
            slots,
            chosen: [Bytes([0; ABREAST]); WORDS],
            scores: vec![0.0; outputs * TILE],
            keys: vec![0; TILE],
        }
    }

    /// Ranks the first `rows` rows of an input, whose keys are already in [`RankedTile::keys`].
    pub(crate) fn rank(&mut self, set: Instructions, ranked: &Ranked, input: usize, rows: usize) {
        let words = rows.div_ceil(ABREAST);
        let ranks = &mut self.ranks[input * WORDS..input * WORDS + words];
        ranked.cuts[input].rank(set, &self.keys, ranks);
    }

    /// Writes row-major scores of the first `rows` rows.
    pub(crate) fn score(
        &mut self,
        set: Instructions,
        ranked: &Ranked,
        base: &[f64],
        rows: usize,
        out: &mut [f64],
    ) {
        for (scores, &base) in self.scores.chunks_exact_mut(TILE).zip(base) {
            scores.fill(base);
        }
        let words = rows.div_ceil(ABREAST);
        let mut begin = Ends {
            steps: 0,
            values: 0,
        };
        for (position, &end) in ranked.trees.iter().enumerate() {
            let output = position % base.len();
            let steps = &ranked.steps[begin.steps..end.steps];
            let values = &ranked.values[begin.values..end.values];
            let chosen = &mut self.chosen[..words];
            let tree = (steps, ranked.leaves);
            choose(set, tree, &self.ranks, &mut self.slots, rows, chosen);
            let scores = &mut self.scores[output * TILE..output * TILE + words * ABREAST];
            add_values(set, values, chosen, scores);
            begin = end;
        }
        for (row, line) in out.chunks_exact_mut(base.len()).enumerate() {
            for (output, score) in line.iter_mut().enumerate() {
                *score = self.scores[output * TILE + row];
            }
        }
    }
}

/// Leaf numbers that a tree, its steps and most leaves, chooses for each word of `rows` rows.
#[inline(always)]
fn choose_body(
    (steps, leaves): (&[Step], usize),
    ranks: &[Bytes],
    slots: &mut [Bytes],
    rows: usize,
    chosen: &mut [Bytes],
) {
    let Some(last) = steps.len().checked_sub(1) else {
        chosen.fill(Bytes([0; ABREAST]));
        return;
    };
    assert!(slots.len() > leaves + last && chosen.len() <= WORDS);
    for (word, chosen) in chosen.iter_mut().enumerate() {
        let lanes = if rows.saturating_sub(word * ABREAST) <= HALF {
            choose_word::<HALF>((steps, leaves), &ranks[word..], slots);
            // What an earlier tree left in the other half need not be a leaf of this one.
            *chosen = Bytes([0; ABREAST]);
            HALF
        } else {
            choose_word::<ABREAST>((steps, leaves), &ranks[word..], slots);
            ABREAST
        };
        chosen.0[..lanes].copy_from_slice(&slots[leaves + last].0[..lanes]);
    }
}

/// Chooses for the first `LANES` rows of the word in front.
#[inline(always)]
fn choose_word<const LANES: usize>(
    (steps, leaves): (&[Step], usize),
    ranks: &[Bytes],
    slots: &mut [Bytes],
) {
    for (position, step) in steps.iter().enumerate() {
        // SAFETY: `Ranked::push` numbers inputs below the number of cuts and slots below that of the step, which
        // `choose_body` checks for the last; a tile has all words of every input.
        let (rank, left, right, target) = unsafe {
            (
                ranks.get_unchecked(step.words as usize).0,
                slots.get_unchecked(usize::from(step.left)).0,
                slots.get_unchecked(usize::from(step.right)).0,
                slots.get_unchecked_mut(leaves + position),
            )
        };
        let cut = step.rank;
        let mut chosen = [0; LANES];
        for lane in 0..LANES {
            let above = 0u8.wrapping_sub(u8::from(rank[lane] > cut));
            chosen[lane] = (left[lane] & !above) | (right[lane] & above);
        }
        target.0[..LANES].copy_from_slice(&chosen);
    }
}

per_instruction_set! {
    fn choose(tree: (&[Step], usize), ranks: &[Bytes], slots: &mut [Bytes], rows: usize, chosen: &mut [Bytes]) = choose_body
}

/// Adds the values of the chosen leaves to the scores.
fn add_values(set: Instructions, values: &[f32], chosen: &[Bytes], scores: &mut [f64]) {
    #[cfg(target_arch = "x86_64")]
    if set == Instructions::Avx512 && values.len() <= LOOKUP_LEAVES {
        // SAFETY: sets above the baseline are only made by `Instructions::available`, which has asked the processor.
        unsafe {
            match values.len() {
                LOOKUP_LEAVES => avx512::add_values::<true>(values, chosen, scores),
                _ => avx512::add_values::<false>(values, chosen, scores),
            }
        };
        return;
    }
    let _ = set;
    for (scores, chosen) in scores.chunks_exact_mut(ABREAST).zip(chosen) {
        for (score, &leaf) in scores.iter_mut().zip(&chosen.0) {
            *score += f64::from(values[usize::from(leaf)]);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::{
        __m512i, _mm_loadu_si128, _mm_storeu_si128, _mm512_add_epi32, _mm512_add_pd,
        _mm512_castps512_ps256, _mm512_cmpgt_epu32_mask, _mm512_cvtepi32_epi8,
        _mm512_cvtepu8_epi32, _mm512_cvtps_pd, _mm512_extractf32x8_ps, _mm512_loadu_pd,
        _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mask_add_epi32, _mm512_mask_blend_epi32,
        _mm512_mask_blend_ps, _mm512_permutex2var_epi32, _mm512_permutex2var_ps, _mm512_set1_epi32,
        _mm512_setzero_ps, _mm512_storeu_pd, _mm512_test_epi32_mask,
    };

    use super::{ABREAST, Bytes};

    /// Finds the ranks of sixteen keys at once in a tree that is held in registers.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    pub(super) fn rank<const LEVELS: u32>(tree: &[u32], keys: &[u32], ranks: &mut [Bytes]) {
        assert!(tree.len() >= (1 << LEVELS).max(32));
        let load = |at: usize| -> __m512i {
            // Levels beyond the tree's are never asked.
            let at = if at < tree.len() { at } else { 0 };
            // SAFETY: the tree has a multiple of 32 entries.
            unsafe { _mm512_loadu_si512(tree.as_ptr().add(at).cast()) }
        };
        let tables = (
            [load(0), load(16)],
            [load(32), load(48)],
            [load(64), load(80), load(96), load(112)],
            [load(128), load(144), load(160), load(176)],
            [load(192), load(208), load(224), load(240)],
        );
        let look =
            |low: __m512i, at: __m512i, high: __m512i| _mm512_permutex2var_epi32(low, at, high);
        let either = |bit: i32, at: __m512i, low: __m512i, high: __m512i| {
            _mm512_mask_blend_epi32(
                _mm512_test_epi32_mask(at, _mm512_set1_epi32(bit)),
                low,
                high,
            )
        };
        let four = |table: &[__m512i; 4], at: __m512i| {
            either(
                32,
                at,
                look(table[0], at, table[1]),
                look(table[2], at, table[3]),
            )
        };
        let search = |keys: __m512i| {
            let mut at = _mm512_set1_epi32(1);
            for level in 0..LEVELS {
                // A look-up reads the low five bits, which number the entries of a level beyond the fifth.
                let cut = match level {
                    0..=4 => look(tables.0[0], at, tables.0[1]),
                    5 => look(tables.1[0], at, tables.1[1]),
                    6 => four(&tables.2, at),
                    _ => either(64, at, four(&tables.3, at), four(&tables.4, at)),
                };
                let twice = _mm512_add_epi32(at, at);
                let above = _mm512_cmpgt_epu32_mask(keys, cut);
                at = _mm512_mask_add_epi32(twice, above, twice, _mm512_set1_epi32(1));
            }
            _mm512_cvtepi32_epi8(_mm512_add_epi32(at, _mm512_set1_epi32(-(1 << LEVELS))))
        };
        for (word, keys) in ranks.iter_mut().zip(keys.chunks_exact(ABREAST)) {
            for (piece, keys) in word.0.chunks_exact_mut(16).zip(keys.chunks_exact(16)) {
                // SAFETY: sixteen keys and sixteen bytes.
                unsafe {
                    let found = search(_mm512_loadu_si512(keys.as_ptr().cast()));
                    _mm_storeu_si128(piece.as_mut_ptr().cast(), found);
                }
            }
        }
    }

    /// Looks values up in registers: 32 of them, or 64 when `WIDE`.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    pub(super) fn add_values<const WIDE: bool>(
        values: &[f32],
        chosen: &[Bytes],
        scores: &mut [f64],
    ) {
        assert!(values.len() >= if WIDE { 64 } else { 32 });
        // SAFETY: the line above.
        let load = |at: usize| unsafe { _mm512_loadu_ps(values.as_ptr().add(at)) };
        let (first, second) = (load(0), load(16));
        let (third, fourth) = if WIDE {
            (load(32), load(48))
        } else {
            (_mm512_setzero_ps(), _mm512_setzero_ps())
        };
        let high = _mm512_set1_epi32(32);
        for (scores, chosen) in scores.chunks_exact_mut(ABREAST).zip(chosen) {
            for (scores, leaves) in scores.chunks_exact_mut(16).zip(chosen.0.chunks_exact(16)) {
                // SAFETY: sixteen bytes.
                let leaves =
                    _mm512_cvtepu8_epi32(unsafe { _mm_loadu_si128(leaves.as_ptr().cast()) });
                let mut found = _mm512_permutex2var_ps(first, leaves, second);
                if WIDE {
                    let above = _mm512_permutex2var_ps(third, leaves, fourth);
                    found =
                        _mm512_mask_blend_ps(_mm512_test_epi32_mask(leaves, high), found, above);
                }
                let halves = [
                    _mm512_castps512_ps256(found),
                    _mm512_extractf32x8_ps::<1>(found),
                ];
                for (scores, half) in scores.chunks_exact_mut(8).zip(halves) {
                    // SAFETY: eight numbers.
                    unsafe {
                        let sum =
                            _mm512_add_pd(_mm512_loadu_pd(scores.as_ptr()), _mm512_cvtps_pd(half));
                        _mm512_storeu_pd(scores.as_mut_ptr(), sum);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Stream, draw};

    #[test]
    fn ranks_count_the_cuts_below_with_every_instruction_set() {
        for count in [
            0usize, 1, 2, 3, 7, 8, 15, 16, 31, 32, 63, 64, 100, 127, 128, 200, 255,
        ] {
            let word = |row: usize| draw(4, Stream::Rows, count as u32, row as u64) as u32;
            let held: Vec<u32> = (0..count).map(word).collect();
            let cuts = Cuts::new(held.clone()).unwrap();
            // Keys between the cuts, the cuts themselves and both ends.
            let mut keys: Vec<u32> = (0..TILE).map(|row| word(1_000 + row)).collect();
            keys[..count].copy_from_slice(&held);
            (keys[TILE - 2], keys[TILE - 1]) = (0, u32::MAX);
            for set in Instructions::available() {
                let mut ranks = [Bytes([9; ABREAST]); WORDS];
                cuts.rank(set, &keys, &mut ranks);
                for (row, key) in keys.iter().enumerate() {
                    let below = held.iter().filter(|&held| held < key).count();
                    let found = ranks[row / ABREAST].0[row % ABREAST];
                    assert_eq!(
                        usize::from(found),
                        below,
                        "{set:?}, {count} cuts, key {key}"
                    );
                }
            }
        }
        assert!(Cuts::new((0..256).collect()).is_none());
    }

    #[test]
    fn values_are_looked_up_alike_with_every_instruction_set() {
        for leaves in [1usize, 5, 32, 33, 64, 200, 256] {
            let width = match leaves {
                0..=32 => 32,
                33..=64 => 64,
                _ => leaves,
            };
            let values: Vec<f32> = (0..width).map(|leaf| (leaf as f32).sin()).collect();
            let word = |row: usize| draw(5, Stream::Rows, 0, row as u64) as usize % leaves;
            let chosen: Vec<Bytes> = (0..3)
                .map(|at| Bytes(std::array::from_fn(|lane| word(at * ABREAST + lane) as u8)))
                .collect();
            for set in Instructions::available() {
                let mut scores = vec![0.25; 3 * ABREAST];
                add_values(set, &values, &chosen, &mut scores);
                for (row, score) in scores.iter().enumerate() {
                    assert_eq!(*score, 0.25 + f64::from(values[word(row)]), "{set:?}");
                }
            }
        }
    }
}
