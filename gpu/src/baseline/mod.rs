//! What would a model know that never looked at a feature? The mean or median of the label, or the class shares.

mod cpu;
mod model;
mod options;

pub use cpu::fit;
pub use model::BaselineModel;
pub use options::{BaselineOptions, Centre, CheckedBaselineOptions};
