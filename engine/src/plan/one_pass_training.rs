//! How do the rows of a group reach a training function?
//!
//! DataFusion adds up in two phases: each partition on its own, then all together. The first phase of a training has
//! nothing to add up: what it would hand on are the rows themselves. So the rows go to their group's partition at once,
//! and one phase holds them.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, Partitioning};

use super::batch_rows::BatchRowsExec;
use super::training_exec::{has_groups, over_training, trained_by};

/// Makes one phase of two where a training function is among the aggregates.
#[derive(Debug)]
pub struct OnePassTraining;

impl PhysicalOptimizerRule for OnePassTraining {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let node = match in_one_phase(&node)? {
                Some(one) => one,
                None => node,
            };
            if gives_models(&node) {
                let node = over_whole_batches(node, config.execution.batch_size.get())?;
                let told: Arc<dyn ExecutionPlan> = Arc::new(over_training(node));
                return Ok(Transformed::yes(told));
            }
            Ok(Transformed::no(node))
        })
        .data()
    }

    fn name(&self) -> &str {
        "one_pass_training"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Whether a node is the last phase of an aggregation that trains.
fn gives_models(node: &Arc<dyn ExecutionPlan>) -> bool {
    let Some(aggregation) = node.downcast_ref::<AggregateExec>() else {
        return false;
    };
    let is_first = *aggregation.mode() == AggregateMode::Partial;
    !is_first && trained_by(aggregation).next().is_some()
}

/// Keeps the batches below an aggregation with groups as large as they are elsewhere; its own are smaller.
fn over_whole_batches(node: Arc<dyn ExecutionPlan>, rows: usize) -> Result<Arc<dyn ExecutionPlan>> {
    let children = node.children();
    let [input] = children.as_slice() else {
        return Ok(node);
    };
    if !has_groups(node.as_ref()) {
        return Ok(node);
    }
    let whole: Arc<dyn ExecutionPlan> = Arc::new(BatchRowsExec::new(Arc::clone(input), rows));
    let anew = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    Arc::clone(&node).replace_children(vec![whole], anew)
}

fn in_one_phase(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(last) = node.downcast_ref::<AggregateExec>() else {
        return Ok(None);
    };
    let is_last = matches!(
        last.mode(),
        AggregateMode::Final | AggregateMode::FinalPartitioned
    );
    if !is_last || trained_by(last).next().is_none() {
        return Ok(None);
    }
    let Some(first) = first_phase(last.input()) else {
        return Ok(None);
    };
    let Some(first) = first.downcast_ref::<AggregateExec>() else {
        return Ok(None);
    };
    // A row of ROLLUP belongs to several groups, so it has no partition of its own.
    if first.group_expr().has_grouping_set() {
        return Ok(None);
    }
    let rows = Arc::clone(first.input());
    let partitions = rows.output_partitioning().partition_count();
    let keys = first.group_expr().input_exprs();
    let (mode, input): (_, Arc<dyn ExecutionPlan>) = if partitions == 1 {
        (AggregateMode::Single, rows)
    } else if keys.is_empty() {
        (
            AggregateMode::Single,
            Arc::new(CoalescePartitionsExec::new(rows)),
        )
    } else {
        let spread = Partitioning::Hash(keys, partitions);
        (
            AggregateMode::SinglePartitioned,
            Arc::new(RepartitionExec::try_new(rows, spread)?),
        )
    };
    let one = AggregateExec::try_new(
        mode,
        first.group_expr().clone(),
        first.aggr_expr().to_vec(),
        first.filter_expr().to_vec(),
        input,
        first.input_schema(),
    )?;
    Ok(Some(Arc::new(one)))
}

/// The first phase below a second one, which stand apart by operators that only move rows.
fn first_phase(input: &Arc<dyn ExecutionPlan>) -> Option<&Arc<dyn ExecutionPlan>> {
    let mut node = input;
    loop {
        if let Some(aggregate) = node.downcast_ref::<AggregateExec>() {
            return (*aggregate.mode() == AggregateMode::Partial).then_some(node);
        }
        let moves = node.is::<RepartitionExec>() || node.is::<CoalescePartitionsExec>();
        match node.children().as_slice() {
            [one] if moves => node = one,
            _ => return None,
        }
    }
}
