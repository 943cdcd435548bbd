//! What does one statement see of a table?

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;

use crate::table::error::{Result, TableError};
use crate::table::foreign::ForeignTable;
use crate::table::location::Location;
use crate::table::open::Tables;
use crate::table::scan::{PlaceColumns, PlainTable};
use crate::table::version::{DataFile, FileId, Files, TableVersion};

/// A table at the version that a transaction pinned, with what the transaction itself has added and removed.
#[derive(Debug, Clone)]
pub struct TableSnapshot {
    location: Location,
    version: Arc<TableVersion>,
    files: Arc<Vec<Arc<DataFile>>>,
    foreign: Option<Arc<ForeignTable>>,
}

impl TableSnapshot {
    /// The version as committed.
    pub async fn committed(
        tables: &Tables,
        location: &Location,
        version: Arc<TableVersion>,
    ) -> Result<TableSnapshot> {
        let foreign = match version.abilities.not_plain {
            Some(_) => Some(Arc::new(
                ForeignTable::open(tables, location, &version).await?,
            )),
            None => None,
        };
        let files = version.files.values().cloned().collect();
        Ok(TableSnapshot {
            location: location.clone(),
            version,
            files: Arc::new(files),
            foreign,
        })
    }

    /// A plain version with other files in place of its own.
    pub fn with_files(
        location: &Location,
        version: Arc<TableVersion>,
        files: &Files,
    ) -> TableSnapshot {
        TableSnapshot {
            location: location.clone(),
            version,
            files: Arc::new(files.values().cloned().collect()),
            foreign: None,
        }
    }

    /// Columns in logical types, with the metadata of the Delta schema.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.version.logical_schema)
    }

    /// The committed version underneath.
    pub fn version(&self) -> u64 {
        self.version.version
    }

    /// Names of the columns that partition the table.
    pub fn partition_columns(&self) -> &[String] {
        &self.version.metadata.partition_columns
    }

    /// The table's Delta properties.
    pub fn properties(&self) -> &std::collections::HashMap<String, String> {
        &self.version.metadata.configuration
    }

    /// Number of data files and their bytes.
    pub fn size(&self) -> (usize, u64) {
        let bytes = self.files.iter().map(|file| file.add.size.unsigned_abs());
        (self.files.len(), bytes.sum())
    }

    /// Why the table cannot be written, if so.
    pub fn read_only(&self) -> Option<&str> {
        self.version.abilities.read_only.as_deref()
    }

    /// What a query reads.
    pub fn provider(&self) -> Arc<dyn TableProvider> {
        match &self.foreign {
            Some(foreign) => Arc::clone(foreign) as Arc<dyn TableProvider>,
            None => Arc::new(self.plain(Arc::clone(&self.files), None)),
        }
    }

    /// The same with the place of each row in two last columns ([`FileId`] and number), of all files or only some.
    ///
    /// Errors: `Unsupported` for tables that only deltalake reads, since their rows cannot be rewritten.
    pub fn provider_with_places(
        &self,
        place: PlaceColumns<'_>,
        only: Option<&[FileId]>,
    ) -> Result<Arc<dyn TableProvider>> {
        if let Some(feature) = &self.version.abilities.not_plain {
            return Err(TableError::Unsupported {
                table: self.location.to_string(),
                action: "written",
                feature: feature.clone(),
            });
        }
        let files = match only {
            None => Arc::clone(&self.files),
            Some(only) => {
                let wanted: HashSet<&str> = only.iter().map(|file| file.0.as_str()).collect();
                let chosen = self
                    .files
                    .iter()
                    .filter(|file| wanted.contains(file.add.path.as_str()));
                Arc::new(chosen.cloned().collect())
            }
        };
        Ok(Arc::new(self.plain(files, Some(place))))
    }

    /// Rows by the statistics of the files; `None` if a file does not tell.
    pub fn row_count_estimate(&self) -> Option<u64> {
        let file_schema = self.version.file_schema();
        self.files
            .iter()
            .map(|file| file.statistics(&file_schema).rows)
            .sum()
    }

    /// Rows of a file by its statistics; `None` if it does not tell.
    pub fn file_rows(&self, file: &FileId) -> Option<u64> {
        let found = self.files.iter().find(|known| known.add.path == file.0)?;
        found.statistics(&self.version.file_schema()).rows
    }

    fn plain(&self, files: Arc<Vec<Arc<DataFile>>>, place: Option<PlaceColumns<'_>>) -> PlainTable {
        PlainTable::new(
            self.location.clone(),
            Arc::clone(&self.version),
            files,
            place,
        )
    }
}
