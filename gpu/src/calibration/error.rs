//! How far are stated probabilities from what happens?

/// Expected calibration error with `bins` equal slices of the top class's probability: the mean gap between stated
/// confidence and observed accuracy, weighted by rows (Guo et al., "On calibration of modern neural networks", 2017).
///
/// For two classes the probability of class 1 is judged instead of the top class's, so that rare events count. NaN
/// without rows.
pub fn expected_calibration_error(
    labels: &[f64],
    probabilities: &[f64],
    classes: usize,
    bins: usize,
) -> f64 {
    if labels.is_empty() || classes == 0 || bins == 0 {
        return f64::NAN;
    }
    let mut sums = vec![(0.0f64, 0.0f64, 0.0f64); bins];
    for (line, &label) in probabilities.chunks_exact(classes).zip(labels) {
        let (stated, happened) = judged(line, label as usize);
        let bin = ((stated * bins as f64) as usize).min(bins - 1);
        sums[bin].0 += stated;
        sums[bin].1 += happened;
        sums[bin].2 += 1.0;
    }
    let gap: f64 = sums
        .iter()
        .map(|(stated, happened, _)| (stated - happened).abs())
        .sum();
    gap / labels.len() as f64
}

fn judged(line: &[f64], label: usize) -> (f64, f64) {
    if let [_, p] = line {
        return (*p, f64::from(u8::from(label == 1)));
    }
    let mut top = 0;
    for (class, p) in line.iter().enumerate() {
        if *p > line[top] {
            top = class;
        }
    }
    (line[top], f64::from(u8::from(label == top)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn honest_probabilities_have_no_error_and_bragging_ones_do() {
        let labels = [1.0, 0.0, 0.0, 0.0];
        let honest = [0.75, 0.25].repeat(4);
        assert!(expected_calibration_error(&labels, &honest, 2, 10).abs() < 1e-12);
        let bragging = [0.1, 0.9].repeat(4);
        assert!((expected_calibration_error(&labels, &bragging, 2, 10) - 0.65).abs() < 1e-12);
        let three = [0.8, 0.1, 0.1].repeat(4);
        assert!((expected_calibration_error(&labels, &three, 3, 10) - 0.05).abs() < 1e-12);
        assert!(expected_calibration_error(&[], &[], 2, 10).is_nan());
    }
}
