//! Where did the fits of a statement run, and why there?

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tarn_gpu::device::{DeviceChoice, DeviceKind, Placed, Reason};

use super::error::TrainError;
use super::option_value::{OptionValue, bad_value};

/// Counts of fits by device.
#[derive(Debug, Clone, Default)]
pub struct FitPlaces(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    cpu: AtomicU64,
    gpu: AtomicU64,
    /// Why the first fit that did not run where it was asked for did not.
    reason: Mutex<Option<String>>,
}

impl FitPlaces {
    /// A fit has run.
    pub fn note(&self, placed: &Placed) {
        let counter = match placed.device {
            DeviceKind::Cpu => &self.0.cpu,
            DeviceKind::Gpu => &self.0.gpu,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        if placed.reason != Reason::Asked {
            let mut reason = self.0.reason.lock().unwrap_or_else(PoisonError::into_inner);
            reason.get_or_insert_with(|| placed.reason.to_string());
        }
    }

    /// Whether a GPU took part.
    pub fn used_gpu(&self) -> bool {
        self.0.gpu.load(Ordering::Relaxed) > 0
    }

    /// The device that did the most, as in SQL.
    pub fn device(&self) -> &'static str {
        let (cpu, gpu) = self.counts();
        if gpu > cpu {
            DeviceKind::Gpu.name()
        } else {
            DeviceKind::Cpu.name()
        }
    }

    fn counts(&self) -> (u64, u64) {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (load(&self.0.cpu), load(&self.0.gpu))
    }

    /// `cpu (no GPU was found)`, or how many ran where.
    pub fn words(&self) -> String {
        let reason = self.0.reason.lock().unwrap_or_else(PoisonError::into_inner);
        let why = match reason.as_ref() {
            Some(reason) => format!(" ({reason})"),
            None => String::new(),
        };
        match self.counts() {
            (cpu, gpu) if cpu > 0 && gpu > 0 => {
                format!("gpu ({gpu} fits) and cpu ({cpu} fits){why}")
            }
            _ => format!("{}{why}", self.device()),
        }
    }
}

/// Reads `auto`, `cpu` or `gpu`.
///
/// # Errors
/// [`TrainError::OptionValue`] for anything else.
pub fn parse_device(name: &str, value: &OptionValue) -> Result<DeviceChoice, TrainError> {
    match value.spelling().to_ascii_lowercase().as_str() {
        "auto" => Ok(DeviceChoice::Auto),
        "cpu" => Ok(DeviceChoice::Cpu),
        "gpu" | "cuda" => Ok(DeviceChoice::Gpu),
        _ => Err(bad_value(name, value, "'auto', 'cpu' or 'gpu'")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_and_the_busier_device_are_told() {
        let places = FitPlaces::default();
        let placed = |device, reason| Placed { device, reason };
        places.note(&placed(DeviceKind::Cpu, Reason::NoGpu));
        assert_eq!(places.words(), "cpu (no GPU was found)");
        for _ in 0..2 {
            places.note(&placed(DeviceKind::Gpu, Reason::Asked));
        }
        assert_eq!((places.device(), places.used_gpu()), ("gpu", true));
        assert_eq!(
            places.words(),
            "gpu (2 fits) and cpu (1 fits) (no GPU was found)"
        );
    }
}
