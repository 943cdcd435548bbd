//! How many rows does a model with groups score at a time?
//!
//! A batch of some thousand rows has a handful for each of a thousand groups, and reading a group's model costs more than
//! walking its trees for so few. So such a call sees larger batches; the order of rows stays.

use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr, expressions::Literal};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
#[expect(deprecated)]
use datafusion::physical_plan::coalesce_batches::CoalesceBatchesExec;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use tarn_udfs::scalar::call::asks_groups;

/// Rows of a batch for each group: enough to evaluate a model's trees for many rows side by side.
const GROUP_ROWS: usize = 384;
/// Fewest and most rows of such a batch.
const BATCH_ROWS: (usize, usize) = (8_192, 524_288);

/// Widens the batches below calls on models with groups.
#[derive(Debug)]
pub struct WideScoring;

impl PhysicalOptimizerRule for WideScoring {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let children = node.children();
            let [child] = children.as_slice() else {
                return Ok(Transformed::no(node));
            };
            let groups = groups_asked(&node)?;
            if groups == 0 {
                return Ok(Transformed::no(node));
            }
            let rows = (groups * GROUP_ROWS).clamp(BATCH_ROWS.0, BATCH_ROWS.1);
            // DataFusion's own operators combine their batches themselves, to its one size.
            #[expect(deprecated)]
            let wide = CoalesceBatchesExec::new(Arc::clone(child), rows);
            let anew = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
            let node = Arc::clone(&node).replace_children(vec![Arc::new(wide)], anew)?;
            Ok(Transformed::yes(node))
        })
        .data()
    }

    fn name(&self) -> &str {
        "wide_scoring"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Most groups that a call in this node asks.
fn groups_asked(node: &Arc<dyn ExecutionPlan>) -> Result<usize> {
    let mut most = 0;
    node.apply_expressions(&mut |expression| {
        expression.apply(|part| {
            most = most.max(groups_of_call(part));
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(most)
}

fn groups_of_call(expression: &Arc<dyn PhysicalExpr>) -> usize {
    let Some(call) = expression.downcast_ref::<ScalarFunctionExpr>() else {
        return 0;
    };
    let first: Option<&ScalarValue> = call
        .args()
        .first()
        .and_then(|first| first.downcast_ref::<Literal>())
        .map(Literal::value);
    first.map_or(0, |first| asks_groups(call.fun(), first))
}
