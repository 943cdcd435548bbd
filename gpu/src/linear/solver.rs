//! Which coefficients minimise a penalised quadratic? Cholesky for ridge, coordinate descent on the Gram matrix for the
//! elastic net (Friedman, Hastie and Tibshirani, "Regularization paths for generalized linear models", 2010).

use crate::instructions::{Instructions, per_instruction_set};

/// The quadratic ½ bᵀGb − cᵀb, with G symmetric, `width × width`, stored in full.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Quadratic {
    pub(crate) width: usize,
    pub(crate) gram: Vec<f64>,
    pub(crate) linear: Vec<f64>,
}

/// Strengths of the two penalties: l1·Σ|b| + l2·Σb²/2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Penalty {
    pub(crate) l1: f64,
    pub(crate) l2: f64,
}

impl Quadratic {
    pub(crate) fn new(width: usize) -> Self {
        Self {
            width,
            gram: vec![0.0; width * width],
            linear: vec![0.0; width],
        }
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
        &self,
        penalty: Penalty,
        sweeps_max: u32,
        tolerance: f64,
        b: &mut [f64],
    ) -> u32 {
        if penalty.l1 == 0.0
            && let Some(solution) = self.cholesky(penalty.l2)
        {
            b.copy_from_slice(&solution);
            return 1;
        }
        self.descend(penalty, sweeps_max, tolerance, b)
    }

    fn descend(&self, penalty: Penalty, sweeps_max: u32, tolerance: f64, b: &mut [f64]) -> u32 {
        let p = self.width;
        // slope[j] = c_j − (G b)_j, kept up to date as coefficients move.
        let mut slope = self.linear.clone();
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

    /// Solves (G + l2 I) b = c; `None` when the matrix is not safely positive definite.
    fn cholesky(&self, l2: f64) -> Option<Vec<f64>> {
        let p = self.width;
        let mut l = self.gram.clone();
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
                        return None;
                    }
                    l[i * p + i] = pivot.sqrt();
                } else {
                    l[i * p + j] = (l[i * p + j] - dot) / l[j * p + j];
                }
            }
        }
        let mut b = self.linear.clone();
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
        Some(b)
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
        let mut quadratic = Quadratic::new(2);
        let cells = [1.0, 2.0, -1.0, 0.5, 0.3, 0.7, 2.0, -1.0, 1.0, 1.0];
        quadratic.add_rows(Instructions::detect(), &cells, &[1.0, 1.0, 2.0, 1.0, 0.5]);
        quadratic.add_linear(&cells, &[1.0, 2.0, 3.0, 4.0, 5.0]);
        quadratic.finish(1.0);
        quadratic
    }

    #[test]
    fn both_solvers_agree_and_satisfy_the_normal_equations() {
        let quadratic = example();
        let penalty = Penalty { l1: 0.0, l2: 0.1 };
        let exact = quadratic.cholesky(0.1).unwrap();
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
    fn a_strong_l1_penalty_gives_zero_and_singular_matrices_fall_back() {
        let quadratic = example();
        let mut b = vec![1.0; 2];
        quadratic.minimise(Penalty { l1: 1e6, l2: 0.0 }, 100, 1e-12, &mut b);
        assert_eq!(b, vec![0.0, 0.0]);
        let singular = Quadratic {
            width: 2,
            gram: vec![1.0; 4],
            linear: vec![1.0; 2],
        };
        let mut b = vec![0.0; 2];
        singular.minimise(Penalty { l1: 0.0, l2: 0.0 }, 100, 1e-12, &mut b);
        assert!((b[0] + b[1] - 1.0).abs() < 1e-9);
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        let cells: Vec<f64> = (0..700).map(|i| (f64::from(i) * 0.731).sin()).collect();
        let weights: Vec<f64> = (0..100).map(|i| 1.0 + f64::from(i % 3)).collect();
        let with = |set| {
            let mut quadratic = Quadratic::new(7);
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
