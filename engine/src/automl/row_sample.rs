//! Which rows does a model without groups learn from when memory does not hold them all?
//!
//! A share of them, by a hash of their content, so that the draw depends on the rows and the share alone. The share is
//! the largest of a fixed ladder whose encoded rows fit into what the memory limit leaves now.

use datafusion::execution::memory_pool::MemoryReservation;
use tarn_udfs::fit::error::TrainError;
use tarn_udfs::model::bytes::mix;

/// One step down the ladder of shares.
const STEP: f64 = 0.8;
/// Fewest rows that stand for more: below, the statement fails for want of memory.
const ROWS_MIN: u64 = 1_000;

/// The rows that take part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RowSample {
    share: f64,
}

impl RowSample {
    /// Draws as many of `rows` rows as `reservation` can take at `row_bytes` each, beside `reading_bytes` while they are
    /// read, and reserves their memory.
    ///
    /// # Errors
    /// 53200 when not even [`ROWS_MIN`] rows fit.
    pub fn reserve(
        reservation: &MemoryReservation,
        rows: u64,
        row_bytes: usize,
        reading_bytes: usize,
    ) -> Result<Self, TrainError> {
        let mut share = STEP;
        loop {
            let sample = Self { share };
            let bytes = sample.rows_of(rows) as usize * row_bytes;
            let reserved = reservation.try_grow(bytes + reading_bytes);
            match reserved {
                Ok(()) => {
                    reservation.shrink(reading_bytes);
                    return Ok(sample);
                }
                Err(full) if sample.rows_of(rows) < ROWS_MIN => return Err(full.into()),
                Err(_) => share *= STEP,
            }
        }
    }

    /// How many of `rows` rows take part, about.
    pub fn rows_of(self, rows: u64) -> u64 {
        (rows as f64 * self.share).ceil() as u64
    }

    /// Whether a row takes part, by its content.
    pub fn takes(self, row_key: u64) -> bool {
        mix(row_key ^ 0x3A9E) as f64 <= self.share * u64::MAX as f64
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryConsumer, MemoryPool};

    use super::*;

    fn reserve(pool_bytes: usize, rows: u64) -> (Result<RowSample, TrainError>, usize) {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(pool_bytes));
        let reservation = MemoryConsumer::new("rows").register(&pool);
        let sample = RowSample::reserve(&reservation, rows, 100, 50_000);
        (sample, reservation.size())
    }

    #[test]
    fn as_many_rows_take_part_as_fit_beside_the_reading() {
        let (sample, reserved) = reserve(1_000_000, 100_000);
        let sample = sample.unwrap();
        let rows = sample.rows_of(100_000);
        assert_eq!(reserved, rows as usize * 100);
        assert!((7_600..=9_500).contains(&rows), "{rows}");
        let taken = (0..100_000).filter(|&row| sample.takes(mix(row))).count();
        assert!(taken.abs_diff(rows as usize) < 400, "{taken} of {rows}");
    }

    #[test]
    fn too_little_memory_for_any_sample_is_out_of_memory() {
        let (sample, _) = reserve(60_000, 100_000);
        assert_eq!(sample.unwrap_err().sqlstate(), Some("53200"));
    }
}
