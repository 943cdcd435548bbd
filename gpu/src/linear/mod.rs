//! Linear regression with a ridge, lasso or elastic-net penalty, by normal equations.

mod cpu;
mod inference;
pub(crate) mod kernel;
mod model;
mod options;
mod solver;

pub(crate) use cpu::check_task;
pub use cpu::{LinearFit, LinearScratch, fit};
pub(crate) use inference::Inference;
pub use inference::{INFERENCE_TERMS_MAX, Uncertainty, normal_two_sided, student_t_two_sided};
pub use model::{Coefficient, LinearModel};
pub(crate) use model::{importance, linear_scores, raw_coefficients};
pub use options::{CheckedLinearOptions, LinearOptions};
pub(crate) use solver::{Penalty, Quadratic};
