//! What exists (tables, models) and where is it stored?

pub mod types;
