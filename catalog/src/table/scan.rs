//! How does a query read a plain table?
//!
//! Plain means: no deletion vectors, column mapping, row tracking or type widening. Such a table is lowered to DataFusion's own
//! Parquet scan, with real partition columns, statistics per file and files left out that the filters cannot match. Files that
//! a transaction has written but not committed are read the same way.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use datafusion::config::TableParquetOptions;
use datafusion::datasource::TableType;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use object_store::ObjectMeta;
use parquet::arrow::RowNumber;

use crate::table::error::TableError;
use crate::table::from_storage;
use crate::table::location::Location;
use crate::table::prune::{self, Candidate};
use crate::table::statistics;
use crate::table::version::{DataFile, TableVersion};

/// Names of two last columns that say where a row lies: the path of its file and its number in that file, from 0.
#[derive(Debug, Clone, Copy)]
pub struct PlaceColumns<'a> {
    /// `Utf8`
    pub file: &'a str,
    /// `Int64`
    pub row: &'a str,
}

/// A plain table as a query sees it.
#[derive(Debug)]
pub struct PlainTable {
    location: Location,
    version: Arc<TableVersion>,
    files: Arc<Vec<Arc<DataFile>>>,
    /// the columns of [`PlaceColumns`]
    place: Option<(FieldRef, FieldRef)>,
    schema: SchemaRef,
}

impl PlainTable {
    /// A table with these files, and with the place of each row if asked.
    pub fn new(
        location: Location,
        version: Arc<TableVersion>,
        files: Arc<Vec<Arc<DataFile>>>,
        place: Option<PlaceColumns<'_>>,
    ) -> PlainTable {
        let place = place.map(|place| {
            let file = Field::new(place.file, DataType::Utf8, false);
            let row = Field::new(place.row, DataType::Int64, false).with_extension_type(RowNumber);
            (Arc::new(file), Arc::new(row))
        });
        let mut fields: Vec<FieldRef> = version.logical_schema.fields().to_vec();
        if let Some((file, row)) = &place {
            fields.extend([Arc::clone(file), Arc::clone(row)]);
        }
        PlainTable {
            location,
            version,
            files,
            place,
            schema: Arc::new(Schema::new(fields)),
        }
    }

    /// The columns as the scan has them: those in the files, then the partition columns, then the place of the row.
    fn scan_schema(&self) -> Result<TableSchema, TableError> {
        let mut partition_fields = self.version.partition_fields()?;
        let mut virtual_fields: Vec<FieldRef> = Vec::new();
        if let Some((file, row)) = &self.place {
            partition_fields.push(Arc::clone(file));
            virtual_fields.push(Arc::clone(row));
        }
        Ok(TableSchema::builder(self.version.file_schema())
            .with_table_partition_cols(partition_fields)
            .with_virtual_columns(virtual_fields)
            .build())
    }

    fn candidates(&self, scan: &TableSchema) -> Result<Vec<Candidate>, TableError> {
        let partition_fields = self.version.partition_fields()?;
        self.files
            .iter()
            .map(|file| {
                let mut partition_values = file.partition_values(&partition_fields)?;
                if self.place.is_some() {
                    partition_values.push(ScalarValue::Utf8(Some(file.add.path.clone())));
                }
                Ok(Candidate {
                    statistics: file.statistics(scan.file_schema()),
                    partition_values,
                })
            })
            .collect()
    }

    fn partitioned_file(
        &self,
        file: &DataFile,
        candidate: Candidate,
    ) -> Result<PartitionedFile, TableError> {
        let bytes = u64::try_from(file.add.size).map_err(|_| TableError::Damaged {
            table: self.location.to_string(),
            reason: format!("file {} has size {}", file.add.path, file.add.size),
        })?;
        let mut partitioned = PartitionedFile::new_from_meta(ObjectMeta {
            location: self.location.file(&file.add.path)?,
            last_modified: chrono::DateTime::from_timestamp_millis(file.add.modification_time)
                .unwrap_or_default(),
            size: bytes,
            e_tag: None,
            version: None,
        });
        let mut statistics = candidate.statistics.to_datafusion(bytes);
        // Not `PartitionedFile::with_statistics`: it says that a partition value is never NULL.
        for value in &candidate.partition_values {
            statistics
                .column_statistics
                .push(partition_statistics(value, statistics.num_rows));
        }
        if self.place.is_some() {
            let unknown = ColumnStatistics::new_unknown();
            statistics.column_statistics.push(unknown);
        }
        partitioned.partition_values = candidate.partition_values;
        partitioned.statistics = Some(Arc::new(statistics));
        Ok(partitioned)
    }

    fn files_to_read(
        &self,
        session: &dyn Session,
        filters: &[Expr],
        scan: &TableSchema,
    ) -> Result<Vec<PartitionedFile>, TableError> {
        let candidates = self.candidates(scan)?;
        let usable: Vec<Expr> = filters
            .iter()
            .filter(|filter| self.is_stored_as_seen(filter))
            .cloned()
            .collect();
        let columns = scan.file_schema().fields().len();
        let schema = scan.schema_without_virtual_columns();
        let keep = prune::keep(session, &usable, schema, &candidates, columns)?;
        self.files
            .iter()
            .zip(candidates)
            .zip(keep)
            .filter(|(_, keep)| *keep)
            .map(|((file, candidate), _)| self.partitioned_file(file, candidate))
            .collect()
    }

    /// May a float column of any file hold NaN, which Parquet's own statistics leave out?
    fn may_have_nan(&self) -> bool {
        self.files
            .iter()
            .any(|file| !statistics::is_nan_free(file.add.tags.as_ref()))
    }

    /// Does the filter touch only columns that have the same type in the files as in the query?
    fn is_stored_as_seen(&self, filter: &Expr) -> bool {
        filter.column_refs().iter().all(|column| {
            let stored = self.version.storage_schema.field_with_name(column.name());
            let seen = self.schema.field_with_name(column.name());
            match (stored, seen) {
                (Ok(stored), Ok(seen)) => stored.data_type() == seen.data_type(),
                (Err(_), Ok(_)) => true,
                _ => false,
            }
        })
    }
}

fn partition_statistics(value: &ScalarValue, rows: Precision<usize>) -> ColumnStatistics {
    if value.is_null() {
        return ColumnStatistics {
            null_count: rows,
            ..ColumnStatistics::default()
        };
    }
    ColumnStatistics {
        null_count: Precision::Exact(0),
        min_value: Precision::Exact(value.clone()),
        max_value: Precision::Exact(value.clone()),
        distinct_count: Precision::Exact(1),
        ..ColumnStatistics::default()
    }
}

/// Statistics of all files together; of what a file does not tell, nothing is known.
fn merged(files: &[PartitionedFile], schema: &SchemaRef) -> Result<Statistics> {
    let known = files.iter().filter_map(|file| file.statistics.as_deref());
    let mut merged = Statistics::try_merge_iter(known, schema)?;
    for column in &mut merged.column_statistics {
        // A merge of distinct counts is a guess at best.
        column.distinct_count = Precision::Absent;
    }
    Ok(merged)
}

/// Reading options of the session, and what Delta prescribes: INT96 timestamps are microseconds in UTC.
fn parquet_options(session: &dyn Session, may_have_nan: bool) -> TableParquetOptions {
    let mut options = session.default_table_options().parquet;
    options.global = session.config_options().execution.parquet.clone();
    options.global.coerce_int96 = Some("us".to_string());
    options.global.schema_force_view_types = false;
    if may_have_nan {
        options.global.pruning = false;
        options.global.enable_page_index = false;
    }
    options
}

#[async_trait]
impl TableProvider for PlainTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let scan = self.scan_schema().map_err(external)?;
        let columns: Vec<usize> = match projection {
            Some(columns) => columns.clone(),
            None => (0..self.schema.fields().len()).collect(),
        };
        let logical: Vec<FieldRef> = columns
            .iter()
            .map(|column| Arc::clone(&self.schema.fields()[*column]))
            .collect();
        let files = self
            .files_to_read(session, filters, &scan)
            .map_err(external)?;
        if files.is_empty() {
            return Ok(Arc::new(EmptyExec::new(Arc::new(Schema::new(logical)))));
        }
        let in_scan = logical
            .iter()
            .map(|field| Ok(scan.table_schema().index_of(field.name())?))
            .collect::<Result<Vec<_>>>()?;
        let statistics = merged(&files, scan.table_schema())?;
        let may_have_nan =
            logical.iter().any(|field| field.data_type().is_floating()) && self.may_have_nan();
        let options = parquet_options(session, may_have_nan);
        let source = ParquetSource::new(scan).with_table_parquet_options(options.clone());
        let groups = FileGroup::new(files).split_files(session.config().target_partitions());
        let config =
            FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), Arc::new(source))
                .with_file_groups(groups)
                .with_statistics(statistics)
                .with_projection_indices(Some(in_scan))?
                .with_limit(limit.filter(|_| filters.is_empty()))
                .build();
        let plan = ParquetFormat::default()
            .with_options(options)
            .create_physical_plan(session, config)
            .await?;
        from_storage::project(plan, &logical, session.config().options())
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        // Files and pages are skipped by bounds; every row that comes is checked again.
        Ok(filters
            .iter()
            .map(|filter| match self.is_stored_as_seen(filter) {
                true => TableProviderFilterPushDown::Inexact,
                false => TableProviderFilterPushDown::Unsupported,
            })
            .collect())
    }

    fn statistics(&self) -> Option<Statistics> {
        let file_schema = self.version.file_schema();
        let rows = self
            .files
            .iter()
            .map(|file| file.statistics(&file_schema).rows)
            .try_fold(0_usize, |total, rows| {
                total.checked_add(usize::try_from(rows?).ok()?)
            });
        Some(Statistics {
            num_rows: rows.map_or(Precision::Absent, Precision::Exact),
            ..Statistics::new_unknown(&self.schema)
        })
    }
}

fn external(error: TableError) -> DataFusionError {
    match error {
        TableError::DataFusion(error) => error,
        error => DataFusionError::External(Box::new(error)),
    }
}
