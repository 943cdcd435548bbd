//! What can go wrong with a GPU, as types that the edge turns into words for a user.

use thiserror::Error;

use super::obstacle::Obstacle;

/// Why a fit that was to run on a GPU has no outcome.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DeviceError {
    /// There is no GPU, or no driver for it.
    #[error("no GPU was found")]
    Absent,
    /// The driver is there but does not work.
    #[error("the GPU's driver does not work: {reason}")]
    Driver {
        /// The driver's words.
        reason: String,
    },
    /// The GPU does not do what the fit asks for.
    #[error("the fit can't run on a GPU: {0}")]
    Obstacle(#[from] Obstacle),
    /// An allocation failed.
    #[error("GPU {device} has no room for {bytes} bytes")]
    Memory {
        /// Name of the GPU.
        device: String,
        /// Bytes of the batch.
        bytes: u64,
    },
    /// The GPU stopped answering, or its driver refused a call.
    #[error("GPU {device} failed: {reason}")]
    Lost {
        /// Name of the GPU.
        device: String,
        /// The driver's words.
        reason: String,
    },
    /// A kernel ended in a way that it never should.
    #[error("a GPU kernel ended with status {code}")]
    Status {
        /// What it left behind.
        code: u64,
    },
    /// A kernel's answer makes no sense.
    #[error("the GPU's answer for {what} is not valid")]
    Garbled {
        /// What was read.
        what: &'static str,
    },
}
