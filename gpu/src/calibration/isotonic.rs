//! Which rising function of the stated probability fits best? Pool-adjacent-violators (Ayer et al. 1955; Zadrozny and
//! Elkan 2002 for probabilities), read between its steps by straight lines.

use crate::bytes::{Reader, Writer};
use crate::error::DecodeError;

/// Steps of one function at most.
const STEPS_MAX: usize = 1 << 20;

/// A rising function through points of stated and observed probability.
#[derive(Debug, Clone, PartialEq)]
pub struct Isotonic {
    /// Stated probabilities, ascending.
    stated: Vec<f64>,
    /// Observed shares, never falling.
    observed: Vec<f64>,
}

#[derive(Debug, Clone, Copy)]
struct Pool {
    stated: f64,
    happened: f64,
    weight: f64,
}

impl Isotonic {
    /// Fits labels (0 or 1) against stated probabilities of class 1; `None` without rows.
    pub fn fit(labels: &[f64], stated: &[f64], weights: Option<&[f64]>) -> Option<Self> {
        let mut rows: Vec<Pool> = labels
            .iter()
            .zip(stated)
            .enumerate()
            .map(|(row, (&label, &p))| {
                let weight = weights.map_or(1.0, |weights| weights[row]);
                Pool {
                    stated: p * weight,
                    happened: label * weight,
                    weight,
                }
            })
            .filter(|pool| pool.weight > 0.0)
            .collect();
        rows.sort_by(|a, b| {
            (a.stated / a.weight)
                .total_cmp(&(b.stated / b.weight))
                .then(a.happened.total_cmp(&b.happened))
        });
        let mut pools: Vec<Pool> = Vec::new();
        for row in rows {
            let mut merged = row;
            while let Some(last) = pools.last() {
                let tie = last.stated / last.weight == merged.stated / merged.weight;
                let falls = last.happened / last.weight >= merged.happened / merged.weight;
                if !tie && !falls {
                    break;
                }
                merged = Pool {
                    stated: last.stated + merged.stated,
                    happened: last.happened + merged.happened,
                    weight: last.weight + merged.weight,
                };
                pools.pop();
            }
            pools.push(merged);
        }
        if pools.is_empty() {
            return None;
        }
        let of =
            |value: fn(&Pool) -> f64| pools.iter().map(|pool| value(pool) / pool.weight).collect();
        Some(Self {
            stated: of(|pool| pool.stated),
            observed: of(|pool| pool.happened),
        })
    }

    /// The corrected probability; constant beyond the ends.
    pub fn probability(&self, p: f64) -> f64 {
        let after = self.stated.partition_point(|&at| at < p);
        match (after.checked_sub(1), self.stated.get(after)) {
            (None, _) => self.observed[0],
            (Some(before), None) => self.observed[before],
            (Some(before), Some(&right)) => {
                let left = self.stated[before];
                let share = if right > left {
                    (p - left) / (right - left)
                } else {
                    1.0
                };
                self.observed[before] + share * (self.observed[after] - self.observed[before])
            }
        }
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.f64s(&self.stated);
        out.f64s(&self.observed);
    }

    pub(crate) fn read(from: &mut Reader) -> Result<Self, DecodeError> {
        let stated = from.finite_f64s("isotonic steps", STEPS_MAX)?;
        let observed = from.finite_f64s("isotonic steps", STEPS_MAX)?;
        if stated.is_empty()
            || stated.len() != observed.len()
            || !stated.is_sorted()
            || !observed.is_sorted()
        {
            return Err(DecodeError::Invalid {
                what: "isotonic steps",
            });
        }
        Ok(Self { stated, observed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At its points the function equals scikit-learn's `IsotonicRegression`.
    #[test]
    fn pools_adjacent_violators() {
        let stated = [0.1, 0.2, 0.3, 0.4, 0.5];
        let labels = [0.0, 1.0, 0.0, 1.0, 1.0];
        let fitted = Isotonic::fit(&labels, &stated, None).unwrap();
        assert!((fitted.probability(0.1) - 0.0).abs() < 1e-12);
        assert!((fitted.probability(0.25) - 0.5).abs() < 1e-12);
        assert!((fitted.probability(0.45) - 1.0).abs() < 1e-12);
        assert_eq!(fitted.probability(0.0), 0.0);
        assert_eq!(fitted.probability(2.0), 1.0);
        assert!(Isotonic::fit(&[], &[], None).is_none());
    }

    #[test]
    fn never_falls_and_comes_back_from_bytes() {
        let stated: Vec<f64> = (0..500)
            .map(|i| f64::from(i * 7919 % 500) / 500.0)
            .collect();
        let labels: Vec<f64> = (0..500)
            .map(|i| f64::from(u8::from((i * 31 % 97) > 40)))
            .collect();
        let fitted = Isotonic::fit(&labels, &stated, None).unwrap();
        let values: Vec<f64> = (0..=100)
            .map(|i| fitted.probability(f64::from(i) / 100.0))
            .collect();
        assert!(values.is_sorted());
        let mut writer = Writer::new();
        fitted.write(&mut writer);
        let bytes = writer.finish();
        assert_eq!(Isotonic::read(&mut Reader::new(&bytes)).unwrap(), fitted);
        for cut in 0..bytes.len() {
            assert!(Isotonic::read(&mut Reader::new(&bytes[..cut])).is_err());
        }
    }
}
