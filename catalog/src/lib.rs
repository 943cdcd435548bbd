//! What exists (tables, models) and where is it stored?

pub mod error;
pub mod state;
pub mod types;
