//! Which coefficients minimise a penalised quadratic? Cholesky for ridge, coordinate descent on the Gram matrix for the
//! elastic net (Friedman, Hastie and Tibshirani, "Regularization paths for generalized linear models", 2010).

use crate::instructions::{Instructions, per_instruction_set};

/// The quadratic ½ bᵀGb − cᵀb, with G symmetric, `width × width`, stored in full.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Quadratic {
    pub(crate) width: usize,
    pub(crate) gram: Vec<f64>,
    pub(crate) linear: Vec<f64>,
    room: Room,
}

/// Working memory of the solvers, kept from one problem to the next.
#[derive(Debug, Clone, Default, PartialEq)]
struct Room {
    factor: Vec<f64>,
    columns: Vec<f64>,
    inverse: Vec<f64>,
    slope: Vec<f64>,
}

/// Strengths of the two penalties: l1·Σ|b| + l2·Σb²/2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Penalty {
    pub(crate) l1: f64,
    pub(crate) l2: f64,
}

impl Quadratic {
    /// Empties it for `width` terms, keeping its memory.
    pub(crate) fn reset(&mut self, width: usize) {
        self.width = width;
        self.gram.clear();
        self.gram.resize(width * width, 0.0);
        self.linear.clear();
        self.linear.resize(width, 0.0);
    }

    /// Adds Σ w x xᵀ to the upper triangle of the Gram matrix.
    pub(crate) fn add_rows(&mut self, set: Instructions, cells: &[f64], weights: &[f64]) {
        if self.width > 0 {
            add_outer(set, &mut self.gram, self.width, cells, weights);
        }
    }

    /// Adds Σ v x to the linear part.
    pub(crate) fn add_linear(&mut self, cells: &[f64], values: &[f64]) {
        if self.width == 0 {
            return;
        }
        for (line, &value) in cells.chunks_exact(self.width).zip(values) {
            self.linear
                .iter_mut()
                .zip(line)
                .for_each(|(sum, &x)| *sum += value * x);
        }
    }

    /// Scales everything and copies the upper triangle to the lower.
    pub(crate) fn finish(&mut self, factor: f64) {
        self.linear.iter_mut().for_each(|value| *value *= factor);
        for i in 0..self.width {
            for j in i..self.width {
                let value = self.gram[i * self.width + j] * factor;
                self.gram[i * self.width + j] = value;
                self.gram[j * self.width + i] = value;
            }
        }
    }

    /// Minimises with the penalty, starting from `b`; answers the sweeps used.
    pub(crate) fn minimise(
        &mut self,
        penalty: Penalty,
        sweeps_max: u32,
        tolerance: f64,
        b: &mut [f64],
    ) -> u32 {
        if penalty.l1 == 0.0 && self.cholesky(penalty.l2, b) {
            return 1;
        }
        self.descend(penalty, sweeps_max, tolerance, b)
    }

    fn descend(&mut self, penalty: Penalty, sweeps_max: u32, tolerance: f64, b: &mut [f64]) -> u32 {
        let p = self.width;
        // slope[j] = c_j − (G b)_j, kept up to date as coefficients move.
        let slope = &mut self.room.slope;
        slope.clone_from(&self.linear);
        for (j, &value) in b.iter().enumerate().filter(|(_, value)| **value != 0.0) {
            let line = &self.gram[j * p..(j + 1) * p];
            slope
                .iter_mut()
                .zip(line)
                .for_each(|(slope, &g)| *slope -= g * value);
        }
        for sweep in 1..=sweeps_max {
            let mut largest = 0.0f64;
            for j in 0..p {
                let own = self.gram[j * p + j];
                let curvature = own + penalty.l2;
                if curvature <= 0.0 {
                    continue;
                }
                let pull = slope[j] + own * b[j];
                let next = pull.signum() * (pull.abs() - penalty.l1).max(0.0) / curvature;
                let change = next - b[j];
                if change != 0.0 {
                    b[j] = next;
                    let line = &self.gram[j * p..(j + 1) * p];
                    slope
                        .iter_mut()
                        .zip(line)
                        .for_each(|(slope, &g)| *slope -= g * change);
                    largest = largest.max(change.abs() * own.sqrt());
                }
            }
            if largest <= tolerance {
                return sweep;
            }
        }
        sweeps_max
    }

    /// Solves (G + l2 I) b = c; `false`, with `b` as it was, when the matrix is not safely positive definite.
    fn cholesky(&mut self, l2: f64, b: &mut [f64]) -> bool {
        if !self.factorise(l2) {
            return false;
        }
        let (p, l) = (self.width, &self.room.factor);
        b.copy_from_slice(&self.linear);
        for i in 0..p {
            let dot: f64 = l[i * p..i * p + i]
                .iter()
                .zip(&b[..i])
                .map(|(a, b)| a * b)
                .sum();
            b[i] = (b[i] - dot) / l[i * p + i];
        }
        for i in (0..p).rev() {
            let dot: f64 = (i + 1..p).map(|k| l[k * p + i] * b[k]).sum();
            b[i] = (b[i] - dot) / l[i * p + i];
        }
        true
    }

    /// Finds the lower triangle L of G + l2 I = L Lᵀ; `false` when the matrix is not safely positive definite.
    fn factorise(&mut self, l2: f64) -> bool {
        let p = self.width;
        let l = &mut self.room.factor;
        l.clone_from(&self.gram);
        let largest = (0..p).map(|i| l[i * p + i]).fold(0.0f64, f64::max) + l2;
        for i in 0..p {
            l[i * p + i] += l2;
            for j in 0..=i {
                let (head, tail) = l.split_at(i * p);
                let dot: f64 = if j == i {
                    tail[..j].iter().map(|x| x * x).sum()
                } else {
                    tail[..j]
                        .iter()
                        .zip(&head[j * p..j * p + j])
                        .map(|(a, b)| a * b)
                        .sum()
                };
                if i == j {
                    let pivot = l[i * p + i] - dot;
                    if pivot.is_nan() || pivot <= 1e-11 * largest {
                        return false;
                    }
                    l[i * p + i] = pivot.sqrt();
                } else {
                    l[i * p + j] = (l[i * p + j] - dot) / l[j * p + j];
                }
            }
        }
        true
    }

    /// The inverse of G + l2 I; `None` when the matrix is not safely positive definite.
    pub(crate) fn inverse(&mut self, l2: f64) -> Option<&[f64]> {
        if !self.factorise(l2) {
            return None;
        }
        let p = self.width;
        let Room {
            factor: l,
            columns,
            inverse,
            ..
        } = &mut self.room;
        // Line j holds column j of L⁻¹, so that all sums run along lines.
        columns.clear();
        columns.resize(p * p, 0.0);
        for j in 0..p {
            let line = &mut columns[j * p..(j + 1) * p];
            line[j] = 1.0 / l[j * p + j];
            for i in j + 1..p {
                let known = l[i * p + j..i * p + i].iter().zip(&line[j..i]);
                let dot: f64 = known.map(|(a, b)| a * b).sum();
                line[i] = -dot / l[i * p + i];
            }
        }
        inverse.clear();
        inverse.resize(p * p, 0.0);
        for i in 0..p {
            for j in 0..=i {
                let own = columns[i * p + i..(i + 1) * p].iter();
                let other = &columns[j * p + i..(j + 1) * p];
                let dot: f64 = own.zip(other).map(|(a, b)| a * b).sum();
                inverse[i * p + j] = dot;
                inverse[j * p + i] = dot;
            }
        }
        Some(inverse)
    }
}

#[inline(always)]
fn add_outer_body(gram: &mut [f64], width: usize, cells: &[f64], weights: &[f64]) {
    // Four rows at a time quarter the traffic on the Gram matrix.
    let mut rows = cells.chunks_exact(4 * width);
    let mut quads = weights.chunks_exact(4);
    for (block, w) in (&mut rows).zip(&mut quads) {
        let (x0, rest) = block.split_at(width);
        let (x1, rest) = rest.split_at(width);
        let (x2, x3) = rest.split_at(width);
        for i in 0..width {
            let (a0, a1, a2, a3) = (w[0] * x0[i], w[1] * x1[i], w[2] * x2[i], w[3] * x3[i]);
            let line = &mut gram[i * width + i..(i + 1) * width];
            let tails = x0[i..]
                .iter()
                .zip(&x1[i..])
                .zip(x2[i..].iter().zip(&x3[i..]));
            for (sum, ((b0, b1), (b2, b3))) in line.iter_mut().zip(tails) {
                *sum += (a0 * b0 + a1 * b1) + (a2 * b2 + a3 * b3);
            }
        }
    }
    for (x, &w) in rows.remainder().chunks_exact(width).zip(quads.remainder()) {
        for i in 0..width {
            let a = w * x[i];
            let line = &mut gram[i * width + i..(i + 1) * width];
            line.iter_mut()
                .zip(&x[i..])
                .for_each(|(sum, &b)| *sum += a * b);
        }
    }
}

per_instruction_set! {
    fn add_outer(gram: &mut [f64], width: usize, cells: &[f64], weights: &[f64]) = add_outer_body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Quadratic {
        let mut quadratic = Quadratic::default();
        quadratic.reset(2);
        let cells = [1.0, 2.0, -1.0, 0.5, 0.3, 0.7, 2.0, -1.0, 1.0, 1.0];
        quadratic.add_rows(Instructions::detect(), &cells, &[1.0, 1.0, 2.0, 1.0, 0.5]);
        quadratic.add_linear(&cells, &[1.0, 2.0, 3.0, 4.0, 5.0]);
        quadratic.finish(1.0);
        quadratic
    }

    #[test]
    fn both_solvers_agree_and_satisfy_the_normal_equations() {
        let mut quadratic = example();
        let penalty = Penalty { l1: 0.0, l2: 0.1 };
        let mut exact = [0.0; 2];
        assert!(quadratic.cholesky(0.1, &mut exact));
        let mut descended = vec![0.0; 2];
        quadratic.descend(penalty, 10_000, 1e-14, &mut descended);
        for j in 0..2 {
            let left: f64 = (0..2)
                .map(|k| quadratic.gram[j * 2 + k] * exact[k])
                .sum::<f64>()
                + 0.1 * exact[j];
            assert!((left - quadratic.linear[j]).abs() < 1e-12);
            assert!((exact[j] - descended[j]).abs() < 1e-10);
        }
    }

    #[test]
    fn the_inverse_times_the_matrix_is_one() {
        let mut quadratic = example();
        let inverse = quadratic.inverse(0.3).unwrap().to_vec();
        for i in 0..2 {
            for j in 0..2 {
                let own = |k: usize| quadratic.gram[k * 2 + j] + if k == j { 0.3 } else { 0.0 };
                let found: f64 = (0..2).map(|k| inverse[i * 2 + k] * own(k)).sum();
                assert!(
                    (found - f64::from(u8::from(i == j))).abs() < 1e-12,
                    "{found}"
                );
            }
        }
    }

    #[test]
    fn a_strong_l1_penalty_gives_zero_and_singular_matrices_fall_back() {
        let mut quadratic = example();
        let mut b = vec![1.0; 2];
        quadratic.minimise(Penalty { l1: 1e6, l2: 0.0 }, 100, 1e-12, &mut b);
        assert_eq!(b, vec![0.0, 0.0]);
        let mut singular = Quadratic {
            width: 2,
            gram: vec![1.0; 4],
            linear: vec![1.0; 2],
            ..Quadratic::default()
        };
        assert!(singular.inverse(0.0).is_none());
        let mut b = vec![0.0; 2];
        singular.minimise(Penalty { l1: 0.0, l2: 0.0 }, 100, 1e-12, &mut b);
        assert!((b[0] + b[1] - 1.0).abs() < 1e-9);
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        let cells: Vec<f64> = (0..700).map(|i| (f64::from(i) * 0.731).sin()).collect();
        let weights: Vec<f64> = (0..100).map(|i| 1.0 + f64::from(i % 3)).collect();
        let with = |set| {
            let mut quadratic = Quadratic::default();
            quadratic.reset(7);
            quadratic.add_rows(set, &cells, &weights);
            quadratic.finish(0.01);
            quadratic
                .gram
                .iter()
                .map(|g| g.to_bits())
                .collect::<Vec<_>>()
        };
        for set in Instructions::available() {
            assert_eq!(with(set), with(Instructions::Baseline));
        }
    }
}
