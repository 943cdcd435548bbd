//! How does DataFusion read `pg_catalog` and `information_schema`?
//!
//! A relation's rows are made when a query scans it, from the session's snapshot. Columns of users' tables, which may
//! mean opening Delta logs, are loaded only if a column that depends on them is read, and only for the relations that
//! a filter on the relation's key leaves.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{SchemaProvider, Session, TableProvider};
use datafusion::common::Column as ColumnName;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::error::Result;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{
    BinaryExpr, Expr, Operator, TableProviderFilterPushDown, TableType,
};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::scalar::ScalarValue;

use super::layout::{Layout, layout, layouts};
use super::relations::{ColumnUse, Contents, Filler, filler};
use super::rows::Rows;
use super::session::SystemSession;
use super::snapshot::Relation;

/// `pg_catalog` or `information_schema` of one session.
#[derive(Debug)]
pub struct SystemSchema {
    name: &'static str,
    session: Arc<dyn SystemSession>,
}

impl SystemSchema {
    /// `pg_catalog`
    pub fn pg_catalog(session: Arc<dyn SystemSession>) -> SystemSchema {
        SystemSchema {
            name: "pg_catalog",
            session,
        }
    }

    /// `information_schema`
    pub fn information_schema(session: Arc<dyn SystemSession>) -> SystemSchema {
        SystemSchema {
            name: "information_schema",
            session,
        }
    }
}

#[async_trait]
impl SchemaProvider for SystemSchema {
    fn table_names(&self) -> Vec<String> {
        layouts()
            .iter()
            .filter(|layout| layout.schema == self.name)
            .map(|layout| layout.name.to_string())
            .collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let Some(layout) = layout(self.name, name) else {
            return Ok(None);
        };
        let table = SystemTable {
            layout,
            filler: filler(layout),
            session: self.session.clone(),
        };
        Ok(Some(Arc::new(table)))
    }

    fn table_exist(&self, name: &str) -> bool {
        layout(self.name, name).is_some()
    }
}

/// Is it the name of a relation of pg_catalog?
pub fn is_system_relation(name: &str) -> bool {
    layout("pg_catalog", name).is_some()
}

/// One system relation of one session.
#[derive(Debug)]
struct SystemTable {
    layout: &'static Layout,
    filler: Option<&'static Filler>,
    session: Arc<dyn SystemSession>,
}

impl SystemTable {
    /// OIDs of the relations whose columns this scan needs.
    fn wanted(
        &self,
        contents: &Contents,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
    ) -> Vec<u32> {
        let Some(filler) = self.filler else {
            return Vec::new();
        };
        match filler.column_use {
            ColumnUse::Never => Vec::new(),
            ColumnUse::ByKey { key, columns } => {
                let read = |column: &&str| {
                    let position = self.layout.position(column);
                    projection
                        .is_none_or(|projected| position.is_some_and(|at| projected.contains(&at)))
                };
                if !columns.is_empty() && !columns.iter().any(read) {
                    return Vec::new();
                }
                let keys = keys_left(key, filters);
                let is_left = |relation: &&Relation| {
                    keys.as_ref()
                        .is_none_or(|keys| described_by(relation).any(|oid| keys.contains(&oid)))
                };
                contents
                    .snapshot
                    .relations
                    .iter()
                    .filter(is_left)
                    .map(|relation| relation.oid)
                    .collect()
            }
        }
    }
}

/// OIDs under which the rows of system relations describe a relation: its own and those of its constraints and indexes.
fn described_by(relation: &Relation) -> impl Iterator<Item = i64> {
    let constraints = relation
        .table()
        .map(|table| table.constraints.as_slice())
        .unwrap_or_default();
    let derived = constraints
        .iter()
        .flat_map(|one| [relation.constraint_oid(one), relation.index_oid(one)]);
    [relation.oid].into_iter().chain(derived).map(i64::from)
}

/// The values that a column may have under the filters, if one of them lists them.
fn keys_left(key: &str, filters: &[Expr]) -> Option<Vec<i64>> {
    filters.iter().find_map(|filter| match filter {
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::Eq,
            right,
        }) => {
            let value = match (left.as_ref(), right.as_ref()) {
                (column, value) if is_column(column, key) => value,
                (value, column) if is_column(column, key) => value,
                _ => return None,
            };
            Some(vec![integer(value)?])
        }
        Expr::InList(InList {
            expr,
            list,
            negated: false,
        }) if is_column(expr, key) => list.iter().map(integer).collect(),
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::Or,
            right,
        }) => {
            let mut keys = keys_left(key, std::slice::from_ref(left))?;
            keys.extend(keys_left(key, std::slice::from_ref(right))?);
            Some(keys)
        }
        _ => None,
    })
}

fn is_column(expr: &Expr, name: &str) -> bool {
    matches!(expr, Expr::Column(ColumnName { name: found, .. }) if found == name)
}

fn integer(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Literal(value, _) => {
            match value.cast_to(&datafusion::arrow::datatypes::DataType::Int64) {
                Ok(ScalarValue::Int64(value)) => value,
                _ => None,
            }
        }
        _ => None,
    }
}

#[async_trait]
impl TableProvider for SystemTable {
    fn schema(&self) -> SchemaRef {
        self.layout.arrow.clone()
    }

    fn table_type(&self) -> TableType {
        if self.layout.relkind == "v" {
            TableType::View
        } else {
            TableType::Base
        }
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        // A filter tells which columns to load; DataFusion still applies it.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut contents = Contents {
            snapshot: self.session.snapshot(),
            session: self.session.clone(),
            columns: BTreeMap::new(),
        };
        for oid in self.wanted(&contents, projection, filters) {
            contents
                .columns
                .insert(oid, self.session.columns(oid).await?);
        }
        let mut rows = Rows::new(self.layout);
        if let Some(filler) = self.filler {
            (filler.rows)(&contents, &mut rows);
        }
        let own = rows.finish()?;
        let mut batches = vec![own];
        batches.extend(super::relations::built_in_batch(self.layout)?);
        // One partition even without rows: plans over none fail DataFusion's sanity check.
        Ok(MemorySourceConfig::try_new_exec(
            &[batches],
            self.layout.arrow.clone(),
            projection.cloned(),
        )?)
    }
}
