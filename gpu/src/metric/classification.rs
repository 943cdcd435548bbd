//! How good are predicted classes and probabilities?
//!
//! Labels are class indices; probabilities are row-major, `classes` per row. NaN means there is nothing to judge.

use super::{mean, weight};
use crate::math::ln;

/// Smallest probability that [`log_loss`] charges for, so that one sure and wrong row does not make it infinite.
const PROBABILITY_MIN: f64 = 1e-15;

/// Mean negative log probability of the true class.
pub fn log_loss(
    labels: &[f64],
    probabilities: &[f64],
    classes: usize,
    weights: Option<&[f64]>,
) -> f64 {
    mean(labels.len(), weights, |row| {
        let line = &probabilities[row * classes..(row + 1) * classes];
        let p = line.get(labels[row] as usize).copied().unwrap_or(0.0);
        -ln(p.clamp(PROBABILITY_MIN, 1.0 - PROBABILITY_MIN))
    })
}

/// The most probable class of each row; the first among equals.
fn classes_of(probabilities: &[f64], classes: usize) -> impl Iterator<Item = usize> + '_ {
    probabilities.chunks_exact(classes.max(1)).map(|line| {
        let mut top = 0;
        for (class, p) in line.iter().enumerate() {
            if *p > line[top] {
                top = class;
            }
        }
        top
    })
}

/// Share of rows whose most probable class is the true one.
pub fn accuracy(
    labels: &[f64],
    probabilities: &[f64],
    classes: usize,
    weights: Option<&[f64]>,
) -> f64 {
    let right: Vec<bool> = classes_of(probabilities, classes)
        .zip(labels)
        .map(|(class, &label)| class == label as usize)
        .collect();
    mean(labels.len(), weights, |row| f64::from(u8::from(right[row])))
}

/// Area under the receiver operating characteristic of a score for class 1: the chance that a random row of class 1
/// scores higher than one of class 0, ties counting half. NaN when a class is absent.
pub fn roc_auc(labels: &[f64], scores: &[f64], weights: Option<&[f64]>) -> f64 {
    let mut order: Vec<u32> = (0..labels.len() as u32).collect();
    order.sort_by(|&a, &b| scores[a as usize].total_cmp(&scores[b as usize]));
    let (mut below, mut wins, mut positives) = (0.0, 0.0, 0.0);
    for tie in order.chunk_by(|&a, &b| scores[a as usize] == scores[b as usize]) {
        let (mut zeros, mut ones) = (0.0, 0.0);
        for &row in tie {
            let row = row as usize;
            if labels[row] > 0.5 {
                ones += weight(weights, row)
            } else {
                zeros += weight(weights, row)
            }
        }
        wins += ones * (below + 0.5 * zeros);
        below += zeros;
        positives += ones;
    }
    if below > 0.0 && positives > 0.0 {
        wins / (below * positives)
    } else {
        f64::NAN
    }
}

/// Harmonic mean of precision and recall of `class`; 0 when it is neither present nor predicted.
pub fn f1(
    labels: &[f64],
    probabilities: &[f64],
    classes: usize,
    class: usize,
    weights: Option<&[f64]>,
) -> f64 {
    let (mut hit, mut predicted, mut present) = (0.0, 0.0, 0.0);
    for (row, answer) in classes_of(probabilities, classes).enumerate() {
        let weight = weight(weights, row);
        let is = labels[row] as usize == class;
        predicted += if answer == class { weight } else { 0.0 };
        present += if is { weight } else { 0.0 };
        hit += if is && answer == class { weight } else { 0.0 };
    }
    if predicted + present > 0.0 {
        2.0 * hit / (predicted + present)
    } else {
        0.0
    }
}

/// Unweighted mean of [`f1`] over the classes that are present or predicted.
pub fn macro_f1(
    labels: &[f64],
    probabilities: &[f64],
    classes: usize,
    weights: Option<&[f64]>,
) -> f64 {
    let mut seen = vec![false; classes];
    for &label in labels {
        if let Some(seen) = seen.get_mut(label as usize) {
            *seen = true;
        }
    }
    classes_of(probabilities, classes).for_each(|class| seen[class] = true);
    let count = seen.iter().filter(|&&seen| seen).count();
    let sum: f64 = (0..classes)
        .filter(|&class| seen[class])
        .map(|class| f1(labels, probabilities, classes, class, weights))
        .sum();
    if count > 0 {
        sum / count as f64
    } else {
        f64::NAN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABELS: [f64; 6] = [0.0, 1.0, 1.0, 0.0, 1.0, 0.0];
    const SCORES: [f64; 6] = [0.1, 0.4, 0.35, 0.8, 0.8, 0.2];
    const WEIGHTS: Option<&[f64]> = Some(&[1.0, 2.0, 0.5, 1.5, 1.0, 3.0]);

    fn pairs() -> Vec<f64> {
        SCORES.iter().flat_map(|&p| [1.0 - p, p]).collect()
    }

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
    }

    /// Reference values from scikit-learn 1.9.1.
    #[test]
    fn agrees_with_scikit_learn() {
        close(roc_auc(&LABELS, &SCORES, None), 0.722_222_222_222_222_2);
        close(roc_auc(&LABELS, &SCORES, WEIGHTS), 0.766_233_766_233_766_3);
        close(
            log_loss(&LABELS, &pairs(), 2, None),
            0.687_866_397_848_863_2,
        );
        close(
            log_loss(&LABELS, &pairs(), 2, WEIGHTS),
            0.641_064_901_729_273_9,
        );
        close(accuracy(&LABELS, &pairs(), 2, None), 0.5);
        close(f1(&LABELS, &pairs(), 2, 1, None), 0.4);
        close(macro_f1(&LABELS, &pairs(), 2, WEIGHTS), 0.5);
    }

    #[test]
    fn absent_classes_and_sure_mistakes_have_reasoned_answers() {
        assert!(roc_auc(&[1.0, 1.0], &[0.1, 0.9], None).is_nan());
        assert!(log_loss(&[1.0], &[1.0, 0.0], 2, None).is_finite());
        assert_eq!(f1(&[0.0], &[1.0, 0.0, 0.0], 3, 2, None), 0.0);
        assert!(accuracy(&[], &[], 2, None).is_nan());
    }
}
