//! Do the probabilities mean what they say, and if not, what corrects them?

use tarn_gpu::calibration::{Calibration, Platt, Temperature, expected_calibration_error};

/// Calibration error on the report's rows above which probabilities are corrected.
pub const ERROR_MAX: f64 = 0.03;
/// Bins of the calibration error.
const BINS: usize = 10;

/// Probabilities and the classes that came true.
#[derive(Debug, Clone, Copy)]
pub struct Stated<'a> {
    /// Class codes.
    pub labels: &'a [f64],
    /// Row-major probabilities.
    pub probabilities: &'a [f64],
}

/// A correction and what it does to the report's rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibrated {
    /// The correction; `None` when none is needed or none helps.
    pub calibration: Option<Calibration>,
    /// Calibration error before.
    pub error_before: f64,
    /// Calibration error after.
    pub error_after: f64,
}

/// Learns a correction from out-of-fold answers when the report's rows show a calibration error above the limit, and
/// keeps it when the report's rows are better off with it.
pub fn calibrate(out_of_fold: Stated<'_>, report: Stated<'_>, classes: usize) -> Calibrated {
    let error = |probabilities: &[f64]| {
        expected_calibration_error(report.labels, probabilities, classes, BINS)
    };
    let error_before = error(report.probabilities);
    let unchanged = Calibrated {
        calibration: None,
        error_before,
        error_after: error_before,
    };
    if error_before.is_nan() || error_before <= ERROR_MAX {
        return unchanged;
    }
    let Some(calibration) = fit(out_of_fold, classes) else {
        return unchanged;
    };
    let mut corrected = report.probabilities.to_vec();
    calibration.apply(&mut corrected, classes);
    let error_after = error(&corrected);
    if error_after < error_before {
        Calibrated {
            calibration: Some(calibration),
            error_before,
            error_after,
        }
    } else {
        unchanged
    }
}

fn fit(stated: Stated<'_>, classes: usize) -> Option<Calibration> {
    if classes == 2 {
        let second: Vec<f64> = stated
            .probabilities
            .iter()
            .skip(1)
            .step_by(2)
            .copied()
            .collect();
        return Platt::fit(stated.labels, &second, None).map(Calibration::Platt);
    }
    Temperature::fit(stated.labels, stated.probabilities, classes, None)
        .map(Calibration::Temperature)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows whose true chance is known, stated too boldly.
    fn bold(rows: usize) -> (Vec<f64>, Vec<f64>) {
        let mut labels = Vec::new();
        let mut probabilities = Vec::new();
        for row in 0..rows {
            let chance = 0.2 + 0.6 * ((row * 7) % 10) as f64 / 9.0;
            let stated: f64 = 1.0 / (1.0 + (-(4.0 * (chance / (1.0 - chance)).ln())).exp());
            labels.push(f64::from(((row * 613) % 1_000) as f64 / 1_000.0 < chance));
            probabilities.extend([1.0 - stated, stated]);
        }
        (labels, probabilities)
    }

    #[test]
    fn bold_probabilities_are_toned_down_and_good_ones_left_alone() {
        let (labels, probabilities) = bold(5_000);
        let stated = Stated {
            labels: &labels,
            probabilities: &probabilities,
        };
        let calibrated = calibrate(stated, stated, 2);
        assert!(
            calibrated.error_before > 0.1 && calibrated.error_after < ERROR_MAX,
            "{calibrated:?}"
        );
        let mut corrected = probabilities.clone();
        calibrated.calibration.unwrap().apply(&mut corrected, 2);
        let good = Stated {
            labels: &labels,
            probabilities: &corrected,
        };
        assert_eq!(calibrate(good, good, 2).calibration, None);
    }
}
