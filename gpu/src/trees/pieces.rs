//! Which steps of a fit go over all its rows, one after the other? Those where rows don't touch each other run in pieces,
//! on several threads when the fit may use them.

use rayon::prelude::{IndexedParallelIterator, ParallelIterator, ParallelSliceMut};

use super::sums::{sum_listed, sum_pairs};

/// Rows of one piece.
const PIECE_ROWS: usize = 1 << 15;

/// Calls `step` with pieces of two lists of equal length and the position where each piece starts.
pub(crate) fn each_piece<A: Send, B: Send>(
    parallel: bool,
    a: &mut [A],
    b: &mut [B],
    step: impl Fn(usize, &mut [A], &mut [B]) + Sync,
) {
    if !parallel {
        step(0, a, b);
        return;
    }
    a.par_chunks_mut(PIECE_ROWS)
        .zip(b.par_chunks_mut(PIECE_ROWS))
        .enumerate()
        .for_each(|(piece, (a, b))| step(piece * PIECE_ROWS, a, b));
}

/// Sums of |gradient| and hessian over the rows of the sample.
pub(crate) fn magnitudes(g: &[f64], h: &[f64], bag: &[u32], units: bool) -> (f64, f64) {
    let whole = bag.len() == g.len();
    let sum = |values: &[f64]| {
        if whole {
            sum_pairs(values, values, |value, _| value.abs())
        } else {
            sum_listed(bag, |row| values[row].abs())
        }
    };
    (sum(g), if units { bag.len() as f64 } else { sum(h) })
}

/// Poisson(1) by inversion of its distribution function.
pub(crate) fn poisson_count(u: f64) -> f64 {
    let mut probability = (-1.0f64).exp();
    let mut below = probability;
    let mut count = 0.0;
    while u >= below && count < 12.0 {
        count += 1.0;
        probability /= count;
        below += probability;
    }
    count
}
