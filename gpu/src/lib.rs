//! Here are numbers: fit them, score them, on whatever device exists.
//!
//! The pipeline, in order: [`matrix`] holds the numbers of a set of rows; a learner ([`trees`], [`linear`],
//! [`logistic`], [`baseline`]) turns checked options and rows into a [`model`]; [`fit`] runs many fits as one flat list,
//! [`device`] on a GPU where there is one and it pays;
//! [`metric`] judges predictions and [`calibration`] corrects probabilities. Nothing here knows SQL, Arrow, files or
//! sockets.

pub mod baseline;
pub mod bytes;
pub mod calibration;
pub mod control;
pub mod design;
pub mod device;
pub mod error;
pub mod fit;
pub mod instructions;
pub mod linear;
pub mod logistic;
pub mod math;
pub mod matrix;
mod memory;
pub mod metric;
pub mod model;
pub mod random;
pub mod trees;
