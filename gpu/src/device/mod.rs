//! Does a fit run on the CPU or on a GPU? [`fits`] decides and runs lists of fits, [`Device`] is a GPU that was found,
//! [`cost`] guesses which is faster. The CPU is the definition of right: what a GPU fits equals what the CPU fits, byte by
//! byte, and what it does not fit is an [`Obstacle`] by name.

mod cost;
mod cuda;
#[cfg(test)]
pub(crate) mod emulation;
mod error;
mod fits;
mod launch;
mod module;
mod obstacle;
mod offload;
#[cfg(test)]
pub(crate) mod parity;

pub use cuda::detect;
pub use error::DeviceError;
pub use fits::{DeviceChoice, DeviceKind, Placed, Reason, fit_each_on};
pub use launch::Device;
pub(crate) use launch::{Answer, Launch, RESERVED_CHIP_BYTES, pairs};
pub(crate) use module::Module;
pub use obstacle::Obstacle;
pub(crate) use offload::DeviceFit;
