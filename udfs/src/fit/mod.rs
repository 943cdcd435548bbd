//! What is fitted, on which rows, and how do many fits share one machine with queries and with each other?
//!
//! The one driver of training, behind the aggregates of a hand-written query and behind CREATE MODEL: [`algorithm`] reads
//! a learner's name and parameters, [`candidates`] is the order in which a search tries settings, [`split`] divides rows,
//! [`metric`] judges; [`group_rows`] holds the rows of many groups and [`group_fits`] makes a model of each; and [`queue`] runs flat lists of
//! fits for all statements of the process, which take turns and let interactive ones go first.

pub mod algorithm;
pub mod call_spec;
pub mod candidates;
pub mod error;
pub mod family;
pub mod group_fits;
pub mod group_model;
pub mod group_rows;
pub mod label_census;
pub mod metric;
pub mod option_value;
pub mod places;
mod priority;
pub mod queue;
pub mod row_key;
pub mod seat;
pub mod split;
mod turns;
