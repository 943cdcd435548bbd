//! What exists (tables, models) and where is it stored?

pub mod artefact;
#[cfg(test)]
mod artefact_tests;
pub mod backup;
#[cfg(test)]
mod backup_tests;
mod catalog;
#[cfg(test)]
mod catalog_tests;
pub mod data_dir;
pub mod error;
pub mod orphans;
pub mod state;
pub mod store;
pub mod syntax_walk;
pub mod system;
pub mod table;
#[cfg(test)]
mod test_dir;
pub mod transaction;
pub mod types;

pub use catalog::Catalog;
