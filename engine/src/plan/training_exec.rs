//! What does EXPLAIN tell of a query that trains: which fits, on which device, with how much memory?

use std::fmt;
use std::sync::Arc;

use datafusion::common::internal_err;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use tarn_udfs::aggregate::train::Train;

use super::batch_rows::with_batch_rows;

/// Groups whose rows come back from spill files together. Fits of so many run side by side; their rows must fit in memory.
const GROUPS_TOGETHER: usize = 16;

/// Stands above an aggregation that trains, tells about it and runs it in batches of few groups. Rows pass through.
#[derive(Debug)]
pub struct TrainingExec {
    input: Arc<dyn ExecutionPlan>,
}

impl TrainingExec {
    /// Tells about this aggregation.
    pub fn new(aggregation: Arc<dyn ExecutionPlan>) -> Self {
        Self { input: aggregation }
    }

    /// The training functions of an aggregation.
    pub fn trained_by(aggregation: &AggregateExec) -> impl Iterator<Item = &Train> {
        let aggregates = aggregation.aggr_expr().iter();
        aggregates.filter_map(|aggregate| aggregate.fun().inner().downcast_ref::<Train>())
    }

    fn told(&self) -> String {
        let Some(aggregation) = self.input.downcast_ref::<AggregateExec>() else {
            return String::new();
        };
        let mut told: Vec<String> = Self::trained_by(aggregation)
            .map(|train| format!(", {}", train.explained()))
            .collect();
        told.push(match held_bytes(aggregation) {
            Some(bytes) => format!(", memory={:.1} MiB", bytes as f64 / (1 << 20) as f64),
            None => ", memory=twice the rows".to_string(),
        });
        told.concat()
    }
}

/// Bytes of rows that wait for their fits, if the number of rows is known: they are held once, and once more in order.
fn held_bytes(aggregation: &AggregateExec) -> Option<usize> {
    #[expect(deprecated)]
    let statistics = aggregation.input().partition_statistics(None).ok()?;
    let rows = *statistics.num_rows.get_value()?;
    let columns: usize = aggregation
        .aggr_expr()
        .iter()
        .filter(|aggregate| aggregate.fun().inner().downcast_ref::<Train>().is_some())
        .map(|aggregate| aggregate.expressions().len())
        .sum();
    Some(2 * 8 * rows * columns)
}

impl DisplayAs for TrainingExec {
    fn fmt_as(&self, _t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = self.told();
        write!(f, "TrainingExec: {}", told.trim_start_matches(", "))
    }
}

impl ExecutionPlan for TrainingExec {
    fn name(&self) -> &str {
        "TrainingExec"
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
            (Some(input), true) => Ok(Arc::new(Self { input })),
            _ => internal_err!("TrainingExec has one input"),
        }
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        self.input
            .execute(partition, with_batch_rows(&context, GROUPS_TOGETHER))
    }
}
