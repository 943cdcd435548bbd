//! Where does the tour's table come from?
//!
//! The red-wine table of Cortez et al., "Modeling wine preferences by data mining from physicochemical
//! properties" (2009), as the crate `linfa-datasets` carries it.

use std::path::Path;

use super::write_file;
use crate::error::PgError;

/// Writes the table as CSV with a header.
pub fn write_csv(path: &Path) -> Result<(), PgError> {
    let wine = linfa_datasets::winequality();
    let mut text = String::new();
    for name in wine.feature_names() {
        text.push_str(&name.to_lowercase().replace(' ', "_"));
        text.push(',');
    }
    text.push_str("quality\n");
    for (record, quality) in wine.records.rows().into_iter().zip(wine.targets.iter()) {
        for value in record {
            text.push_str(&format!("{value},"));
        }
        text.push_str(&format!("{quality}\n"));
    }
    write_file(path, &text)
}
