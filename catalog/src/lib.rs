//! What exists (tables, models) and where is it stored?
