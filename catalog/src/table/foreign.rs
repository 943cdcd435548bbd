//! How does a query read a table that our own scan cannot?
//!
//! Tables with deletion vectors, column mapping and other features go through deltalake's provider. Its columns get the same
//! logical types as those of a plain table.

use std::sync::Arc;

use arrow::datatypes::{FieldRef, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;

use crate::table::error::Result as TableResult;
use crate::table::from_storage;
use crate::table::location::Location;
use crate::table::open::Tables;
use crate::table::version::TableVersion;

/// A table read through deltalake.
#[derive(Debug)]
pub struct ForeignTable {
    inner: Arc<dyn TableProvider>,
    schema: SchemaRef,
}

impl ForeignTable {
    /// Opens the version through deltalake.
    pub async fn open(
        tables: &Tables,
        location: &Location,
        version: &TableVersion,
    ) -> TableResult<ForeignTable> {
        let table = tables.deltalake(location, Some(version.version)).await?;
        let inner = table.table_provider().build().await?;
        Ok(ForeignTable {
            inner: Arc::new(inner),
            schema: Arc::clone(&version.logical_schema),
        })
    }
}

#[async_trait]
impl TableProvider for ForeignTable {
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
        let inner_schema = self.inner.schema();
        let columns: Vec<usize> = match projection {
            Some(columns) => columns.clone(),
            None => (0..self.schema.fields().len()).collect(),
        };
        let logical: Vec<FieldRef> = columns
            .iter()
            .map(|column| Arc::clone(&self.schema.fields()[*column]))
            .collect();
        let inner_columns = logical
            .iter()
            .map(|field| Ok(inner_schema.index_of(field.name())?))
            .collect::<Result<Vec<_>>>()?;
        let limit = limit.filter(|_| filters.is_empty());
        // Filters stay above this scan: deltalake's column types are not always ours.
        let plan = self
            .inner
            .scan(session, Some(&inner_columns), &[], limit)
            .await?;
        from_storage::project(plan, &logical, session.config().options())
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![
            TableProviderFilterPushDown::Unsupported;
            filters.len()
        ])
    }
}
