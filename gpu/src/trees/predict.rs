//! How are rows scored? The inputs of a tile of rows become integer keys. Few rows walk each tree, eight at once, for as
//! many steps as its longest path, without a branch, so that their memory waits overlap; many rows are ranked first (see
//! [`super::ranked`]). Both give the same bits.

use super::bins::order_key;
use super::model::{ColumnKind, Input, Link, MissingSide, Node, TreesModel};
use super::ranked::{self, Ranked, RankedTile};
use crate::error::DataError;
use crate::instructions::Instructions;
use crate::matrix::{Column, MISSING_LEVEL, Matrix};
use crate::model::Prediction;

/// Rows of one tile.
const TILE: usize = 64;
/// Rows that walk a tree together.
const ABREAST: usize = 8;

impl TreesModel {
    /// Scores every row.
    ///
    /// # Errors
    /// [`DataError::ColumnMismatch`] when a column is missing or of another kind than in training.
    pub fn predict(&self, features: &Matrix) -> Result<Prediction, DataError> {
        let rows: Vec<u32> = (0..features.rows() as u32).collect();
        self.predict_rows(features, &rows)
    }

    /// Scores the rows at the given positions, in their order.
    ///
    /// # Errors
    /// As [`TreesModel::predict`], and [`DataError::RowOutOfRange`].
    pub fn predict_rows(&self, features: &Matrix, rows: &[u32]) -> Result<Prediction, DataError> {
        self.check_columns(features)?;
        if let Some(&row) = rows.iter().find(|&&row| row as usize >= features.rows()) {
            return Err(DataError::RowOutOfRange {
                row,
                rows: features.rows(),
            });
        }
        let outputs = self.base.len();
        let mut scores = vec![0.0; rows.len() * outputs];
        match self.prepared.get(self, rows.len()) {
            Some(ranked) => self.score_ranked(ranked, features.columns(), rows, &mut scores),
            None => self.score_walking(features.columns(), rows, &mut scores),
        }
        Ok(self.answer(scores))
    }

    fn score_ranked(&self, ranked: &Ranked, columns: &[Column], rows: &[u32], scores: &mut [f64]) {
        let (set, outputs) = (Instructions::detect(), self.base.len());
        let mut tile = RankedTile::new(ranked, outputs);
        let tiles = rows.chunks(ranked::TILE);
        for (rows, out) in tiles.zip(scores.chunks_mut(ranked::TILE * outputs)) {
            for input in 0..self.inputs.len() {
                self.keys(input, columns, rows, &mut tile.keys);
                tile.rank(set, ranked, input, rows.len());
            }
            tile.score(set, ranked, &self.base, rows.len(), out);
        }
    }

    fn score_walking(&self, columns: &[Column], rows: &[u32], scores: &mut [f64]) {
        let outputs = self.base.len();
        let mut tile = TileRows::new(self);
        for (rows, out) in rows.chunks(TILE).zip(scores.chunks_mut(TILE * outputs)) {
            tile.fill(self, columns, rows);
            tile.score(self, rows.len(), out);
        }
    }

    /// Writes the keys of an input for the given rows.
    fn keys(&self, input: usize, columns: &[Column], rows: &[u32], keys: &mut [u32]) {
        let input = self.inputs[input];
        match (input, &columns[input.column() as usize]) {
            (Input::Number { missing, .. }, Column::Numeric(values)) => {
                each_row(values, rows, keys, |value| key(value, missing));
            }
            (
                Input::Level {
                    level, or_missing, ..
                },
                Column::Categorical { codes, levels },
            ) => {
                // A code past the dictionary is missing, whatever it says.
                let known = |code: u32| if code < *levels { code } else { MISSING_LEVEL };
                let also = if or_missing { MISSING_LEVEL } else { level };
                let (no, yes) = (order_key(0.0), order_key(1.0));
                each_row(codes, rows, keys, |code| {
                    let code = known(code);
                    if code == level || code == also {
                        yes
                    } else {
                        no
                    }
                });
            }
            (Input::Statistic { table, missing, .. }, Column::Categorical { codes, .. }) => {
                let table = &self.tables[table as usize];
                each_row(codes, rows, keys, |code| key(table.value(code), missing));
            }
            // Unreachable after `check_columns`.
            _ => keys.fill(0),
        }
    }

    fn check_columns(&self, features: &Matrix) -> Result<(), DataError> {
        for (position, kind) in self.columns.iter().enumerate() {
            let fits = matches!(
                (kind, features.columns().get(position)),
                (ColumnKind::Numeric, Some(Column::Numeric(_)))
                    | (ColumnKind::Categorical, Some(Column::Categorical { .. }))
            );
            if !fits {
                let expected = if *kind == ColumnKind::Numeric {
                    "numeric"
                } else {
                    "categorical"
                };
                return Err(DataError::ColumnMismatch {
                    column: position,
                    expected,
                });
            }
        }
        Ok(())
    }

    /// Turns row-major scores into what the caller asked for.
    fn answer(&self, mut scores: Vec<f64>) -> Prediction {
        let outputs = self.base.len();
        match self.link {
            Link::Identity => Prediction::Values(scores),
            Link::Exp => {
                scores
                    .iter_mut()
                    .for_each(|score| *score = crate::math::exp(*score));
                Prediction::Values(scores)
            }
            Link::Logistic => binary(self.classes, scores.into_iter().map(crate::math::sigmoid)),
            Link::Softmax => {
                scores
                    .chunks_exact_mut(outputs)
                    .for_each(crate::math::softmax);
                Prediction::Probabilities {
                    classes: outputs,
                    values: scores,
                }
            }
            Link::Shares if outputs == 1 => binary(
                self.classes,
                scores.into_iter().map(|share| share.clamp(0.0, 1.0)),
            ),
            Link::Shares => {
                scores.chunks_exact_mut(outputs).for_each(normalise);
                Prediction::Probabilities {
                    classes: outputs,
                    values: scores,
                }
            }
        }
    }
}

/// Both classes' probabilities from that of class 1; a label with one class is certain.
fn binary(classes: u32, shares: impl Iterator<Item = f64>) -> Prediction {
    if classes < 2 {
        return Prediction::Probabilities {
            classes: 1,
            values: shares.map(|_| 1.0).collect(),
        };
    }
    Prediction::Probabilities {
        classes: 2,
        values: shares.flat_map(|p| [1.0 - p, p]).collect(),
    }
}

/// Clips shares below 0 and scales them to sum to 1; all zero becomes uniform.
fn normalise(shares: &mut [f64]) {
    let mut sum = 0.0;
    for share in shares.iter_mut() {
        *share = share.max(0.0);
        sum += *share;
    }
    let uniform = 1.0 / shares.len() as f64;
    for share in shares.iter_mut() {
        *share = if sum > 0.0 { *share / sum } else { uniform };
    }
}

/// The input keys of one tile: `[group of rows][input][row]`, the absent input in front.
struct TileRows {
    keys: Vec<u32>,
    /// Inputs with the absent one.
    width: usize,
}

/// Key of a value that trees compare.
#[inline(always)]
fn key(value: f32, missing: MissingSide) -> u32 {
    match (value.is_nan(), missing) {
        (false, _) => order_key(value),
        (true, MissingSide::Left) => 0,
        (true, MissingSide::Right) => u32::MAX,
    }
}

/// Writes the key of each row's value; consecutive rows, the usual case, need no index.
fn each_row<T: Copy>(values: &[T], rows: &[u32], keys: &mut [u32], key: impl Fn(T) -> u32) {
    let first = rows.first().map_or(0, |&row| row as usize);
    let consecutive = rows
        .windows(2)
        .all(|pair| pair[1] == pair[0].wrapping_add(1));
    if consecutive {
        let values = &values[first..first + rows.len()];
        for (slot, &value) in keys.iter_mut().zip(values) {
            *slot = key(value);
        }
        return;
    }
    for (slot, &row) in keys.iter_mut().zip(rows) {
        *slot = key(values[row as usize]);
    }
}

impl TileRows {
    fn new(model: &TreesModel) -> Self {
        let width = model.inputs.len() + 1;
        Self {
            keys: vec![0; width * TILE],
            width,
        }
    }

    fn fill(&mut self, model: &TreesModel, columns: &[Column], rows: &[u32]) {
        let mut keys = [0; TILE];
        for input in 0..model.inputs.len() {
            model.keys(input, columns, rows, &mut keys);
            let groups = self.keys.chunks_exact_mut(self.width * ABREAST);
            let at = (input + 1) * ABREAST;
            for (group, keys) in groups.zip(keys[..rows.len()].chunks(ABREAST)) {
                group[at..at + keys.len()].copy_from_slice(keys);
            }
        }
    }

    /// Writes row-major scores of the first `rows` rows.
    fn score(&self, model: &TreesModel, rows: usize, out: &mut [f64]) {
        let outputs = model.base.len();
        for line in out.chunks_exact_mut(outputs) {
            line.copy_from_slice(&model.base);
        }
        for position in 0..model.trees.len() {
            let output = position % outputs;
            let (nodes, depth) = (model.tree_nodes(position), model.trees[position].depth);
            let groups = self.keys.chunks_exact(self.width * ABREAST);
            for (group, first) in groups.zip((0..rows).step_by(ABREAST)) {
                let leaves = walk(nodes, depth, group);
                for (lane, value) in leaves.into_iter().enumerate().take(rows - first) {
                    out[(first + lane) * outputs + output] += f64::from(value);
                }
            }
        }
    }
}

/// Leaf values of [`ABREAST`] rows; rows past the tile's end hold stale keys and are ignored by the caller.
#[inline]
fn walk(nodes: &[Node], depth: u32, keys: &[u32]) -> [f32; ABREAST] {
    let mut at = [0u32; ABREAST];
    for _ in 0..depth {
        for (lane, at) in at.iter_mut().enumerate() {
            // SAFETY: nodes come from a fit or from `read_tree`, which both keep children inside the tree and inputs below
            // the tile's width, and `keys` holds ABREAST keys for each of them.
            let (node, key) = unsafe {
                let node = nodes.get_unchecked(*at as usize);
                (
                    node,
                    *keys.get_unchecked(usize::from(node.input) * ABREAST + lane),
                )
            };
            *at = u32::from(node.left) + u32::from(key > node.key);
        }
    }
    // SAFETY: as above, `at` stays inside the tree.
    at.map(|position| unsafe { nodes.get_unchecked(position as usize).value() })
}
