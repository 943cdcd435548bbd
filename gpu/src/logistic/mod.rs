//! Logistic regression for two or more classes with an elastic-net penalty, by Newton steps.

mod cpu;
pub(crate) mod kernel;
mod model;
mod options;

pub(crate) use cpu::classes;
pub use cpu::{LogisticFit, LogisticScratch, fit};
pub use model::LogisticModel;
pub use options::{CheckedLogisticOptions, LogisticOptions};
