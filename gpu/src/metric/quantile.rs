//! Where does a share of the weight lie? Weighted quantiles.

/// The value below which a share `alpha` of the weight lies, interpolated between neighbours; 0 for no values.
pub fn weighted_quantile(pairs: &mut [(f64, f64)], alpha: f64) -> f64 {
    pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = pairs.iter().map(|pair| pair.1).sum();
    // Each value sits at the middle of its weight; with equal weights this is Hazen's definition.
    let wanted = alpha * total;
    let mut before = 0.0;
    let mut previous: Option<(f64, f64)> = None;
    for &(value, weight) in pairs.iter() {
        let middle = before + 0.5 * weight;
        if middle >= wanted {
            return match previous {
                Some((held, at)) if middle > at => {
                    held + (value - held) * (wanted - at) / (middle - at)
                }
                _ => value,
            };
        }
        previous = Some((value, middle));
        before += weight;
    }
    previous.map_or(0.0, |(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_weights_give_hazens_quantiles() {
        let quantile = |alpha: f64| {
            weighted_quantile(&mut [(4.0, 1.0), (1.0, 1.0), (3.0, 1.0), (2.0, 1.0)], alpha)
        };
        assert_eq!(quantile(0.5), 2.5);
        assert_eq!(quantile(0.0), 1.0);
        assert_eq!(quantile(1.0), 4.0);
        assert_eq!(quantile(0.25), 1.5);
        assert_eq!(weighted_quantile(&mut [], 0.5), 0.0);
        assert_eq!(weighted_quantile(&mut [(7.0, 3.0)], 0.9), 7.0);
    }
}
