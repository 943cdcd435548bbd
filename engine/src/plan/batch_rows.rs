//! How many rows are in the batches of one operator, when it is not as many as in those of the others?
//!
//! DataFusion has one size for all. A training function's state is the rows of its group: groups that went to a spill file
//! come back a batch at a time, and a batch of 8,192 groups would be all their rows at once.

use std::fmt;
use std::sync::Arc;

use datafusion::common::internal_err;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, Statistics,
};

/// What EXPLAIN shows of such an operator, from its input.
pub type Label = fn(&dyn ExecutionPlan) -> String;

/// Runs its input with batches of so many rows, whatever is above it; rows pass through.
#[derive(Debug)]
pub struct BatchRowsExec {
    input: Arc<dyn ExecutionPlan>,
    /// None leaves the size as it is above.
    rows: Option<usize>,
    label: Option<Label>,
}

impl BatchRowsExec {
    /// Batches of `rows` rows below.
    pub fn new(input: Arc<dyn ExecutionPlan>, rows: usize) -> Self {
        Self {
            input,
            rows: Some(rows),
            label: None,
        }
    }

    /// As [`BatchRowsExec::new`], or with batches as large as above, under a label of its own in EXPLAIN.
    pub fn labelled(input: Arc<dyn ExecutionPlan>, rows: Option<usize>, label: Label) -> Self {
        Self {
            input,
            rows,
            label: Some(label),
        }
    }
}

impl DisplayAs for BatchRowsExec {
    fn fmt_as(&self, _t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.label, self.rows) {
            (Some(label), _) => f.write_str(&label(self.input.as_ref())),
            (None, Some(rows)) => write!(f, "BatchRowsExec: rows={rows}"),
            (None, None) => f.write_str("BatchRowsExec"),
        }
    }
}

impl ExecutionPlan for BatchRowsExec {
    fn name(&self) -> &str {
        "BatchRowsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => Ok(Arc::new(Self { input, ..*self })),
            _ => internal_err!("BatchRowsExec has one input"),
        }
    }

    fn partition_statistics(&self, partition: Option<usize>) -> Result<Arc<Statistics>> {
        #[expect(deprecated)]
        self.input.partition_statistics(partition)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let context = match self.rows {
            Some(rows) => with_batch_rows(&context, rows),
            None => context,
        };
        self.input.execute(partition, context)
    }
}

fn with_batch_rows(context: &TaskContext, rows: usize) -> Arc<TaskContext> {
    Arc::new(TaskContext::new(
        context.task_id(),
        context.session_id(),
        context.session_config().clone().with_batch_size(rows),
        context.scalar_functions().clone(),
        context.higher_order_functions().clone(),
        context.aggregate_functions().clone(),
        context.window_functions().clone(),
        context.runtime_env(),
    ))
}
