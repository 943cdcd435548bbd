//! How is a model made of all rows, without GROUP BY?

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{Accumulator, EmitTo};

use super::Plan;
use super::groups::models;
use crate::fit::group_rows::GroupRows;

/// The rows, and in the end their model.
#[derive(Debug)]
pub(super) struct OneModel {
    plan: Plan,
    rows: GroupRows,
}

impl OneModel {
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            rows: GroupRows::new(plan.fields.clone(), plan.weighted),
            plan,
        }
    }
}

impl Accumulator for OneModel {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let owners = vec![0; values[0].len()];
        self.rows.push(values, &owners, None, 1)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sorted = self.rows.take_sorted(EmitTo::All)?;
        let models = models(&self.plan, &sorted)?;
        Ok(ScalarValue::BinaryView(models.into_iter().next().flatten()))
    }

    fn size(&self) -> usize {
        size_of_val(self) + 2 * self.rows.bytes()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        // A partition without rows still has one list, an empty one.
        self.rows.note_groups(1);
        let lists = self.rows.take_lists(EmitTo::All)?;
        let list = lists.as_list::<i64>().clone();
        Ok(vec![ScalarValue::LargeList(Arc::new(list))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let owners = vec![0; states[0].len()];
        self.rows.push_lists(&states[0], &owners, 1)
    }
}
