//! How does a query become rows?

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream, execute_stream};
use datafusion::sql::sqlparser::ast;
use futures::StreamExt;

use crate::error::PgError;
use crate::session::Session;
use crate::session::outcome::{Outcome, Rows, RowsTag};
use crate::session::prepared::Parameters;

/// SELECT, VALUES, TABLE, WITH.
pub async fn run(
    session: &mut Session,
    query: &ast::Query,
    parameters: &Parameters,
) -> Result<Outcome, PgError> {
    Ok(Outcome::Rows(rows(session, query, parameters).await?))
}

/// The rows of a query.
pub async fn rows(
    session: &mut Session,
    query: &ast::Query,
    parameters: &Parameters,
) -> Result<Rows, PgError> {
    let mut planner = session.planner()?;
    let planned = planner.query(query.clone(), &parameters.fields).await?;
    let schema: SchemaRef = planner.columns(&planned);
    let plan = parameters.fill(planned)?;
    let stream = stream(session, &plan).await?;
    Ok(Rows {
        schema,
        batches: stream.map(|batch| batch.map_err(PgError::from)).boxed(),
        tag: RowsTag::Counted("SELECT"),
    })
}

/// Optimises and starts a plan.
pub async fn stream(
    session: &Session,
    plan: &LogicalPlan,
) -> Result<SendableRecordBatchStream, PgError> {
    let physical = physical(session, plan).await?;
    Ok(execute_stream(physical, session.state().task_ctx())?)
}

/// Batches that are there already, as a stream.
pub fn of_batches(schema: &SchemaRef, batches: Vec<RecordBatch>) -> SendableRecordBatchStream {
    let rows = futures::stream::iter(batches.into_iter().map(Ok));
    Box::pin(RecordBatchStreamAdapter::new(Arc::clone(schema), rows))
}

/// Optimises a plan down to operators.
pub async fn physical(
    session: &Session,
    plan: &LogicalPlan,
) -> Result<Arc<dyn ExecutionPlan>, PgError> {
    Ok(session.state().create_physical_plan(plan).await?)
}
