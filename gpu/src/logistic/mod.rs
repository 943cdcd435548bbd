//! Logistic regression for two or more classes with an elastic-net penalty, by Newton steps.

mod cpu;
mod model;
mod options;

pub use cpu::{LogisticFit, LogisticScratch, fit};
pub use model::LogisticModel;
pub use options::{CheckedLogisticOptions, LogisticOptions};
