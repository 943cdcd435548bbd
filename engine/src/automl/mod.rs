//! How does CREATE MODEL turn a query's rows into a model and its report?
//!
//! In reading order: [`options`] and [`algorithm`] check what the statement asked for; [`training_set`] takes the rows
//! once, in an order of its own; [`profile`] chooses features; [`problem`] holds them as numbers; [`split`] divides the
//! rows; [`candidates`], [`search`] and [`ensemble`] find what does best; [`judge`] and [`calibrate`] say how good it
//! is, and [`decide`] puts that together; [`refit`] fits the winners on all rows; [`single`] and [`grouped`] are the two ways through; [`report`] is what
//! the ml views will show.

pub mod algorithm;
pub mod calibrate;
pub mod candidates;
pub mod decide;
pub mod ensemble;
pub mod error;
pub mod evaluate;
pub mod grouped;
pub mod groups;
pub mod judge;
pub mod label_census;
pub mod metric;
pub mod options;
pub mod problem;
pub mod profile;
pub mod refit;
pub mod refit_plan;
pub mod report;
pub mod row_key;
pub mod search;
pub mod single;
pub mod spec;
pub mod split;
#[cfg(test)]
mod tests;
pub mod train;
pub mod training_set;
