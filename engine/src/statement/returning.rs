//! What does RETURNING give?
//!
//! The written rows are kept, beside those of FROM or USING that they were joined with, and the list behind
//! RETURNING is a SELECT over them. It is evaluated before the statement's transaction commits: when it fails,
//! nothing was written.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use datafusion::catalog::MemTable;
use datafusion::common::{Column, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::sql::sqlparser::ast;
use futures::{StreamExt, TryStreamExt, stream};

use super::query;
use crate::error::PgError;
use crate::plan::given::{query_of, select_from};
use crate::session::Session;
use crate::session::outcome::{Outcome, Rows, RowsTag};
use crate::session::prepared::Parameters;
use crate::sqlstate;

/// The name that stands for the written rows.
const WRITTEN_MARKER: &str = "written\u{1f}w\u{1f}0";

/// Columns with the names of the tables that they belong to.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    columns: Vec<(Option<TableReference>, FieldRef)>,
}

impl Layout {
    /// The columns of a table that the statement calls by a name.
    pub fn of_table(qualifier: &TableReference, schema: &SchemaRef) -> Layout {
        let fields = schema.fields().iter();
        Layout {
            columns: fields
                .map(|field| (Some(qualifier.clone()), Arc::clone(field)))
                .collect(),
        }
    }

    /// Adds a column.
    pub fn push(&mut self, qualifier: Option<TableReference>, field: FieldRef) {
        self.columns.push((qualifier, field));
    }

    /// All columns in order.
    pub fn columns(&self) -> &[(Option<TableReference>, FieldRef)] {
        &self.columns
    }

    /// A relation with these columns and no rows.
    pub fn no_rows(&self) -> Result<LogicalPlan, PgError> {
        self.relation(Vec::new())
    }

    /// Batches of the numbered schema as a relation with the statement's own names.
    fn relation(&self, batches: Vec<RecordBatch>) -> Result<LogicalPlan, PgError> {
        let table = MemTable::try_new(self.numbered_schema(), vec![batches])?;
        let source = provider_as_source(Arc::new(table));
        let scan = LogicalPlanBuilder::scan("written", source, None)?.build()?;
        let columns = self.columns.iter().enumerate();
        let named = columns.map(|(index, (qualifier, field))| {
            let column = Column::from(scan.schema().qualified_field(index));
            Expr::Column(column).alias_qualified(qualifier.clone(), field.name())
        });
        let named: Vec<Expr> = named.collect();
        Ok(LogicalPlanBuilder::from(scan).project(named)?.build()?)
    }

    /// The same columns under names that cannot collide.
    fn numbered_schema(&self) -> SchemaRef {
        let fields = self.columns.iter().enumerate().map(|(index, (_, field))| {
            let field = field.as_ref().clone();
            field.with_name(format!("c{index}")).with_nullable(true)
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }
}

/// The rows that were written, within the memory budget.
#[derive(Debug, Clone)]
pub struct Buffer {
    layout: Layout,
    schema: SchemaRef,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug)]
struct Kept {
    batches: Vec<RecordBatch>,
    reservation: MemoryReservation,
}

impl Buffer {
    /// An empty buffer for rows with these columns.
    pub fn new(session: &Session, layout: &Layout) -> Buffer {
        let pool = &session.state().runtime_env().memory_pool;
        Buffer {
            schema: layout.numbered_schema(),
            layout: layout.clone(),
            kept: Arc::new(Mutex::new(Kept {
                batches: Vec::new(),
                reservation: MemoryConsumer::new("RETURNING").register(pool),
            })),
        }
    }

    /// Keeps rows.
    pub fn push(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<(), PgError> {
        if rows == 0 {
            return Ok(());
        }
        let fitted = columns
            .into_iter()
            .zip(self.schema.fields())
            .map(
                |(column, field)| match column.data_type() == field.data_type() {
                    true => Ok(column),
                    false => arrow::compute::cast(&column, field.data_type()),
                },
            )
            .collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), fitted, &options)?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.reservation.try_grow(batch.get_array_memory_size())?;
        kept.batches.push(batch);
        Ok(())
    }

    /// The same rows, kept while they flow by.
    pub fn keep(&self, rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
        let schema = rows.schema();
        let buffer = self.clone();
        let kept = rows.map(move |batch| {
            let batch = batch?;
            buffer
                .push(batch.columns().to_vec(), batch.num_rows())
                .map_err(PgError::into_datafusion)?;
            Ok(batch)
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, kept))
    }

    /// The kept batches.
    pub fn batches(&self) -> Vec<RecordBatch> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.batches.clone()
    }

    /// The kept rows as a relation with the statement's own names.
    pub fn plan(&self) -> Result<LogicalPlan, PgError> {
        self.layout.relation(self.batches())
    }
}

/// The plan and the columns of a RETURNING list, before there are rows.
pub async fn describe(
    session: &mut Session,
    items: &[ast::SelectItem],
    layout: &Layout,
    known: &[Option<FieldRef>],
) -> Result<(LogicalPlan, SchemaRef), PgError> {
    plan(session, items, layout.no_rows()?, known).await
}

/// The answer of a statement with RETURNING; every row that it wrote is one that it returns.
pub async fn rows(
    session: &mut Session,
    items: &[ast::SelectItem],
    buffer: Buffer,
    parameters: &Parameters,
    word: &'static str,
) -> Result<Outcome, PgError> {
    let written = buffer.plan()?;
    let (plan, schema) = plan(session, items, written, &parameters.fields).await?;
    let plan = parameters.fill(plan)?;
    let batches: Vec<RecordBatch> = query::stream(session, &plan).await?.try_collect().await?;
    let sent = stream::iter(batches).map(move |batch| {
        // The memory stays taken until the rows are on their way.
        let _kept = &buffer;
        Ok(batch)
    });
    Ok(Outcome::Rows(Rows {
        schema,
        batches: sent.boxed(),
        tag: RowsTag::Counted(word),
    }))
}

async fn plan(
    session: &mut Session,
    items: &[ast::SelectItem],
    written: LogicalPlan,
    known: &[Option<FieldRef>],
) -> Result<(LogicalPlan, SchemaRef), PgError> {
    let mut select = select_from(WRITTEN_MARKER)?;
    select.projection = items.to_vec();
    let mut planner = session.planner()?;
    planner.given.insert(WRITTEN_MARKER, written);
    let plan = planner.query(query_of(select)?, known).await?;
    refuse_aggregates(&plan)?;
    let columns = planner.columns(&plan);
    Ok((plan, columns))
}

/// RETURNING speaks of one row at a time.
fn refuse_aggregates(plan: &LogicalPlan) -> Result<(), PgError> {
    match plan {
        LogicalPlan::Aggregate(_) => Err(PgError::new(
            sqlstate::GROUPING_ERROR,
            "aggregate functions are not allowed in RETURNING",
        )),
        LogicalPlan::Window(_) => Err(PgError::new(
            sqlstate::WINDOWING_ERROR,
            "window functions are not allowed in RETURNING",
        )),
        LogicalPlan::Projection(projection) => refuse_aggregates(&projection.input),
        _ => Ok(()),
    }
}
