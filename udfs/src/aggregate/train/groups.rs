//! How are the models of many groups made at once?

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryViewBuilder, BooleanArray};
use datafusion::error::Result;
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};

use super::Plan;
use crate::fit::group_fits::fit_groups;
use crate::fit::group_rows::{GroupRows, SortedGroups};

/// The rows of many groups, and in the end their models.
#[derive(Debug)]
pub(super) struct GroupModels {
    plan: Plan,
    rows: GroupRows,
}

impl GroupModels {
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            rows: GroupRows::new(plan.fields.clone(), plan.weighted),
            plan,
        }
    }
}

/// Fits the groups; the runtime's thread is given up for that long, so that other statements go on.
pub(super) fn models(plan: &Plan, groups: &SortedGroups) -> Result<Vec<Option<Vec<u8>>>> {
    let fit = || fit_groups(groups, &plan.checked, plan.task, &plan.seat);
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) if runtime.runtime_flavor() == tokio::runtime::RuntimeFlavor::MultiThread => {
            tokio::task::block_in_place(fit)
        }
        _ => fit(),
    }
}

impl GroupsAccumulator for GroupModels {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.rows
            .push(values, group_indices, opt_filter, total_num_groups)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let groups = self.rows.take_sorted(emit_to)?;
        let mut values = BinaryViewBuilder::new();
        for model in models(&self.plan, &groups)? {
            values.append_option(model);
        }
        Ok(Arc::new(values.finish()))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.rows.take_lists(emit_to)?])
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.rows
            .push_lists(&values[0], group_indices, total_num_groups)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.rows.singles(values, opt_filter)?])
    }

    fn size(&self) -> usize {
        // Rows are put in order in a copy before anything is fitted.
        2 * self.rows.bytes()
    }
}
