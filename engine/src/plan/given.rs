//! How does a statement plan SQL over rows that have no name in the catalog?
//!
//! UPDATE, DELETE and RETURNING are queries over something that was planned or computed before: the changed table
//! with the place of each row, the rows that were found, the rows that were written. Such a plan is given under a
//! name that nobody can write, and keeps its own column qualifiers, so that `t.a` and `o.b` mean what they mean in
//! the statement.

use std::collections::HashMap;

use datafusion::error::Result;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::sql::sqlparser::ast::{
    Ident, ObjectName, ObjectNamePart, Query, Select, SetExpr, TableFactor,
};

use crate::error::PgError;

/// Plans by the name that stands for them in FROM.
#[derive(Debug, Clone, Default)]
pub struct GivenPlans {
    plans: HashMap<String, LogicalPlan>,
}

impl GivenPlans {
    /// Gives a plan.
    pub fn insert(&mut self, marker: &str, plan: LogicalPlan) {
        self.plans.insert(marker.to_string(), plan);
    }

    /// Stands the name for a plan?
    pub fn contains(&self, name: &str) -> bool {
        self.plans.contains_key(name)
    }
}

impl RelationPlanner for GivenPlans {
    fn plan_relation(
        &self,
        relation: TableFactor,
        _context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        if let TableFactor::Table { name, alias, .. } = &relation
            && let [ObjectNamePart::Identifier(ident)] = name.0.as_slice()
            && let Some(plan) = self.plans.get(&ident.value)
        {
            let planned = PlannedRelation::new(plan.clone(), alias.clone());
            return Ok(RelationPlanning::Planned(Box::new(planned)));
        }
        Ok(RelationPlanning::Original(Box::new(relation)))
    }
}

/// `SELECT * FROM marker`, to be completed by the caller.
pub fn select_from(marker: &str) -> Result<Select, PgError> {
    let parsed = crate::parser::parse_query("SELECT * FROM t")?;
    let SetExpr::Select(mut select) = *parsed.body else {
        return Err(PgError::syntax("not a SELECT"));
    };
    if let Some(from) = select.from.first_mut()
        && let TableFactor::Table { name, .. } = &mut from.relation
    {
        *name = ObjectName::from(vec![Ident::with_quote('"', marker)]);
    }
    Ok(*select)
}

/// A SELECT as a query.
pub fn query_of(select: Select) -> Result<Query, PgError> {
    let mut query = crate::parser::parse_query("SELECT 1")?;
    *query.body = SetExpr::Select(Box::new(select));
    Ok(query)
}
