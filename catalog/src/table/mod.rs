//! How does a Delta table become rows, and rows a Delta table?
//!
//! Reading order: [`location`] says where a table lies, [`log`] what a commit says, [`version`] what a table holds at one
//! version, [`open`] which version is the newest, [`scan`] how a query reads it, [`write`] how rows become data files and
//! [`commit`] how files join the table. A version is immutable; nothing is written but whole data files and whole commits.

pub mod commit;
pub mod error;
pub mod foreign;
mod from_storage;
pub mod fsync_store;
mod interval;
pub mod location;
pub mod log;
pub mod open;
pub(crate) mod partition;
mod prune;
pub mod scan;
pub mod schema;
pub mod snapshot;
pub mod statistics;
pub mod version;
pub mod write;
