//! Linear regression with a ridge, lasso or elastic-net penalty, by normal equations.

mod cpu;
mod model;
mod options;
mod solver;

pub use cpu::{LinearFit, fit};
pub use model::LinearModel;
pub(crate) use model::{importance, linear_scores};
pub use options::{CheckedLinearOptions, LinearOptions};
pub(crate) use solver::{Penalty, Quadratic};
