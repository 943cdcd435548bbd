//! Which trials answer together, and with what shares?
//!
//! Greedy selection with replacement from the trials' out-of-fold answers (Caruana et al., ICML 2004), started from the
//! best single trial: a trial joins when the blend's loss falls by more than a hair.

/// Most selection steps, hence the finest share is one part in this many.
const STEPS_MAX: usize = 20;
/// Most different trials in a blend: scoring pays for each.
pub const MEMBERS_MAX: usize = 4;
/// Relative improvement below which a further step does not pay.
const GAIN_MIN: f64 = 2e-4;

/// A trial's share of a blend.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// Index among the answers given.
    pub trial: usize,
    /// Shares of a blend sum to 1.
    pub weight: f64,
}

/// Chooses shares that minimise `loss` over blends of at most `members_max` of the `answers`; answers that are `None`
/// cannot join.
///
/// Deterministic: equal losses go to the earlier trial.
pub fn select(
    answers: &[Option<&[f64]>],
    members_max: usize,
    loss: impl Fn(&[f64]) -> f64,
) -> Vec<Share> {
    let singles: Vec<(usize, f64)> = answers
        .iter()
        .enumerate()
        .filter_map(|(trial, answer)| answer.map(|answer| (trial, loss(answer))))
        .collect();
    let Some(&(best, mut best_loss)) = singles.iter().min_by(|a, b| a.1.total_cmp(&b.1)) else {
        return Vec::new();
    };
    // Trials far behind the best only cost time.
    let limit = best_loss + 0.15 * best_loss.abs();
    let pool: Vec<usize> = singles
        .iter()
        .filter(|(_, loss)| *loss <= limit)
        .map(|(trial, _)| *trial)
        .collect();
    let mut counts = vec![0_usize; answers.len()];
    counts[best] = 1;
    let mut sum: Vec<f64> = answers[best].unwrap_or_default().to_vec();
    let mut taken = 1;
    while taken < STEPS_MAX {
        let members = counts.iter().filter(|&&count| count > 0).count();
        let mut step: Option<(usize, f64)> = None;
        for &trial in &pool {
            if counts[trial] == 0 && members >= members_max {
                continue;
            }
            let answer = answers[trial].unwrap_or_default();
            let scale = 1.0 / (taken + 1) as f64;
            let blend: Vec<f64> = sum
                .iter()
                .zip(answer)
                .map(|(sum, answer)| (sum + answer) * scale)
                .collect();
            let blended = loss(&blend);
            if step.is_none_or(|(_, lowest)| blended < lowest) {
                step = Some((trial, blended));
            }
        }
        let Some((trial, lowest)) = step else { break };
        if lowest > best_loss - GAIN_MIN * best_loss.abs() {
            break;
        }
        best_loss = lowest;
        counts[trial] += 1;
        taken += 1;
        for (sum, answer) in sum.iter_mut().zip(answers[trial].unwrap_or_default()) {
            *sum += answer;
        }
    }
    let shares = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    shares
        .map(|(trial, &count)| Share {
            trial,
            weight: count as f64 / taken as f64,
        })
        .collect()
}

/// The blend of some answers.
pub fn blend(answers: &[(f64, &[f64])]) -> Vec<f64> {
    let length = answers.first().map_or(0, |(_, answer)| answer.len());
    let mut sum = vec![0.0; length];
    for (weight, answer) in answers {
        for (sum, value) in sum.iter_mut().zip(*answer) {
            *sum += weight * value;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn squared_error(truth: &[f64]) -> impl Fn(&[f64]) -> f64 {
        move |answer| {
            truth
                .iter()
                .zip(answer)
                .map(|(truth, answer)| (truth - answer).powi(2))
                .sum()
        }
    }

    #[test]
    fn opposite_errors_join_and_a_poor_trial_does_not() {
        let truth: Vec<f64> = (0..100).map(f64::from).collect();
        let high: Vec<f64> = truth.iter().map(|y| y + 1.0).collect();
        let low: Vec<f64> = truth.iter().map(|y| y - 1.05).collect();
        let poor = vec![0.0; 100];
        let shares = select(
            &[Some(&poor), Some(&high), None, Some(&low)],
            MEMBERS_MAX,
            squared_error(&truth),
        );
        assert_eq!(
            shares.iter().map(|share| share.trial).collect::<Vec<_>>(),
            [1, 3]
        );
        assert!((shares.iter().map(|share| share.weight).sum::<f64>() - 1.0).abs() < 1e-12);
        assert!((shares[0].weight - 0.5).abs() < 0.1);
    }

    #[test]
    fn a_lone_trial_has_all_shares() {
        let answer = [1.0, 2.0];
        assert_eq!(
            select(&[None, Some(&answer)], MEMBERS_MAX, |_| 1.0),
            [Share {
                trial: 1,
                weight: 1.0
            }]
        );
        assert!(select(&[None], MEMBERS_MAX, |_| 1.0).is_empty());
    }
}
