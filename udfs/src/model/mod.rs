//! What does a training function return and `predict` take?
//!
//! [`observe`] decides which columns are features, [`features`] and [`encode`] turn them into numbers, [`label`] knows
//! the answer's type, [`group_key`] the groups and [`distinct_keys`] their numbers; [`trained`] scores numbers, [`artefact`] stores all of it in one file,
//! [`loaded`] scores Arrow batches from such a file through [`cache`], and [`registry`] is where the functions find it; [`value`] is a model that travels in a query.

pub mod artefact;
pub mod bytes;
pub mod cache;
pub mod datetime;
pub mod distinct_keys;
pub mod encode;
pub mod features;
pub mod group_key;
pub mod label;
pub mod loaded;
pub mod observe;
pub mod registry;
pub mod signature;
pub mod sql_type;
#[cfg(test)]
pub mod tests;
pub mod trained;
pub mod value;
