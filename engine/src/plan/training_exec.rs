//! What stands above an aggregation that trains: how large are its batches, and what does EXPLAIN tell of its fits, their
//! device and their memory?

use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use tarn_udfs::aggregate::train::Train;

use super::batch_rows::BatchRowsExec;

/// Groups whose rows come back from spill files together. Fits of so many run side by side; their rows must fit in memory.
const GROUPS_TOGETHER: usize = 16;

/// Runs an aggregation that trains in batches of few groups, if it has groups, and tells about it.
pub fn over_training(aggregation: Arc<dyn ExecutionPlan>) -> BatchRowsExec {
    let rows = has_groups(aggregation.as_ref()).then_some(GROUPS_TOGETHER);
    BatchRowsExec::labelled(aggregation, rows, told)
}

/// The training functions of an aggregation.
pub fn trained_by(aggregation: &AggregateExec) -> impl Iterator<Item = &Train> {
    let aggregates = aggregation.aggr_expr().iter();
    aggregates.filter_map(|aggregate| aggregate.fun().inner().downcast_ref::<Train>())
}

/// Whether an operator adds up by group.
pub fn has_groups(node: &dyn ExecutionPlan) -> bool {
    node.downcast_ref::<AggregateExec>()
        .is_some_and(|aggregation| !aggregation.group_expr().is_empty())
}

fn told(node: &dyn ExecutionPlan) -> String {
    let Some(aggregation) = node.downcast_ref::<AggregateExec>() else {
        return "TrainingExec".to_owned();
    };
    let mut told: Vec<String> = trained_by(aggregation).map(Train::explained).collect();
    told.push(match held_bytes(aggregation) {
        Some(bytes) => format!("memory={:.1} MiB", bytes as f64 / (1 << 20) as f64),
        None => "memory=twice the rows".to_owned(),
    });
    format!("TrainingExec: {}", told.join(", "))
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
