//! Which rows of a leaf go left? Both sides keep their order, whether one thread divides them or several.

use rayon::prelude::{
    IndexedParallelIterator, IntoParallelIterator, ParallelIterator, ParallelSliceMut,
};

use super::bins::{Grid, LANES};

/// Rows of one parallel piece.
const PIECE_ROWS: usize = 1 << 15;
/// Rows from which several threads divide a leaf, when the fit may use them.
const PARALLEL_ROWS_MIN: usize = 4 * PIECE_ROWS;

/// One split as the partition sees it.
pub(crate) struct Side<'a> {
    pub(crate) grid: &'a Grid,
    pub(crate) slot: usize,
    pub(crate) bin: u8,
    pub(crate) missing_left: bool,
    pub(crate) levels: bool,
    pub(crate) parallel: bool,
}

impl Side<'_> {
    /// Moves the rows that go left to the front, keeping order on both sides; answers how many.
    pub(crate) fn partition(&self, rows: &mut [u32], spare: &mut Vec<u32>) -> usize {
        let lines = self.grid.block_bins(self.slot / LANES);
        let shift = 8 * (self.slot % LANES);
        let cut = self.bin;
        if self.levels {
            // With missing rows on the right, ask for the level twice rather than for bin 0.
            let also = if self.missing_left { 0 } else { cut };
            return self.divide(rows, spare, |row| {
                let bin = (lines[row as usize] >> shift) as u8;
                (bin == cut) | (bin == also)
            });
        }
        if self.missing_left {
            return self.divide(rows, spare, |row| {
                (lines[row as usize] >> shift) as u8 <= cut
            });
        }
        // Bin 0 wraps to 255 and so lands right; no ordinary bin exceeds 255.
        self.divide(rows, spare, |row| {
            ((lines[row as usize] >> shift) as u8).wrapping_sub(1) < cut
        })
    }

    fn divide(
        &self,
        rows: &mut [u32],
        spare: &mut Vec<u32>,
        goes_left: impl Fn(u32) -> bool + Sync,
    ) -> usize {
        if spare.len() < rows.len() {
            spare.resize(rows.len(), 0);
        }
        let spare = &mut spare[..rows.len()];
        if self.parallel && rows.len() >= PARALLEL_ROWS_MIN {
            parallel_partition(rows, spare, goes_left)
        } else {
            stable_partition(rows, spare, goes_left)
        }
    }
}

fn stable_partition(rows: &mut [u32], spare: &mut [u32], goes_left: impl Fn(u32) -> bool) -> usize {
    let (mut left, mut right) = (0, 0);
    for position in 0..rows.len() {
        let row = rows[position];
        let is_left = goes_left(row);
        // Both writes happen; only the one that counts advances. `left` never passes `position`.
        rows[left] = row;
        spare[right] = row;
        left += usize::from(is_left);
        right += usize::from(!is_left);
    }
    rows[left..].copy_from_slice(&spare[..right]);
    left
}

/// Divides pieces on their own, then moves the left sides of all to the front, in their order.
fn parallel_partition(
    rows: &mut [u32],
    spare: &mut [u32],
    goes_left: impl Fn(u32) -> bool + Sync,
) -> usize {
    let counts: Vec<usize> = rows
        .par_chunks_mut(PIECE_ROWS)
        .zip(spare.par_chunks_mut(PIECE_ROWS))
        .map(|(rows, spare)| stable_partition(rows, spare, &goes_left))
        .collect();
    let total = counts.iter().sum();
    let (mut lefts, mut rights) = spare.split_at_mut(total);
    let mut moves = Vec::with_capacity(counts.len());
    for (piece, &count) in rows.chunks(PIECE_ROWS).zip(&counts) {
        let (left, lefts_after) = lefts.split_at_mut(count);
        let (right, rights_after) = rights.split_at_mut(piece.len() - count);
        moves.push((piece, left, right));
        (lefts, rights) = (lefts_after, rights_after);
    }
    moves.into_par_iter().for_each(|(piece, left, right)| {
        let (from_left, from_right) = piece.split_at(left.len());
        left.copy_from_slice(from_left);
        right.copy_from_slice(from_right);
    });
    rows.par_chunks_mut(PIECE_ROWS)
        .zip(spare.par_chunks_mut(PIECE_ROWS))
        .for_each(|(rows, spare)| rows.copy_from_slice(spare));
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_divide_as_one_does() {
        let rows: Vec<u32> = (0..200_003).map(|row| row * 7 % 200_003).collect();
        let goes_left = |row: u32| row % 3 == 1 || row < 40_000;
        let (mut one, mut many) = (rows.clone(), rows.clone());
        let mut spare = vec![0; rows.len()];
        let count = stable_partition(&mut one, &mut spare, goes_left);
        assert_eq!(parallel_partition(&mut many, &mut spare, goes_left), count);
        assert_eq!(one, many);
        let (left, right): (Vec<u32>, Vec<u32>) = rows.iter().partition(|&&row| goes_left(row));
        assert_eq!((&one[..count], &one[count..]), (&left[..], &right[..]));
    }
}
