//! How does CREATE MODEL turn a query's rows into a model and its report?
//!
//! In reading order: [`options`] and [`spec`] check what the statement asked for; [`training_set`] takes the rows
//! once, in an order of its own; [`profile`] chooses features; [`problem`] holds them as numbers; [`search`] and
//! [`ensemble`] find what does best, over the candidates, folds and metrics of [`tarn_udfs::fit`]; [`judge`] and
//! [`calibrate`] say how good it is, and [`decide`] puts that together; [`refit`] fits the winners on all rows;
//! [`single`] and [`grouped`] are the two ways through; [`report`] is what the ml views will show. [`row_sample`] and
//! [`group_sample`] are for tables that memory does not hold.

pub mod calibrate;
pub mod decide;
pub mod ensemble;
pub mod evaluate;
pub mod group_sample;
pub mod grouped;
mod grouped_writing;
pub mod groups;
pub mod judge;
pub mod options;
pub mod problem;
pub mod profile;
pub mod refit;
pub mod refit_plan;
pub mod report;
pub mod row_sample;
pub mod search;
pub mod single;
pub mod spec;
#[cfg(test)]
mod tests;
pub mod train;
pub mod training_set;
