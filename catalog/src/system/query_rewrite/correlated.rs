//! Subqueries that depend on the row around them, and that DataFusion cannot turn into joins.
//!
//! Such a subquery becomes a call of an asynchronous function of the outer columns and parameters that it refers to; the function
//! runs the subquery for each distinct row of them, which is what SQL says it means
//! (see [`super::correlated_exec`]). Catalog relations are small, and a subquery inside a CASE runs only for the rows
//! that reach it.
//!
//! DataFusion keeps those that it can do: uncorrelated scalar subqueries, and EXISTS and IN that are conditions of a
//! WHERE and correlated by plain equality.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema};
use datafusion::error::Result;
use datafusion::execution::SessionState;
use datafusion::logical_expr::expr::{Case, Exists, InSubquery};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{
    conjunction, merge_schema, split_conjunction, split_conjunction_owned,
};
use datafusion::logical_expr::{
    BinaryExpr, Expr, Filter, LogicalPlan, Operator, Projection, Subquery, lit,
};

use super::correlated_exec::{Correlated, Mode};
use crate::system::functions::ARRAY_SUBQUERY;
use crate::types::{column_type, declared};

/// Replaces the subqueries that DataFusion cannot run, innermost first.
pub(super) fn rewrite(plan: LogicalPlan, state: &SessionState) -> Result<LogicalPlan> {
    let state = Arc::new(state.clone());
    Ok(plan
        .transform_up_with_subqueries(|node| rewrite_node(node, &state))?
        .data)
}

fn rewrite_node(node: LogicalPlan, state: &Arc<SessionState>) -> Result<Transformed<LogicalPlan>> {
    let mut has_subquery = false;
    node.apply_expressions(|expr| {
        has_subquery |= expr.exists(|expr| Ok(is_subquery(expr)))?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    if !has_subquery {
        return Ok(Transformed::no(node));
    }
    let inputs = node.inputs();
    let schema = if inputs.is_empty() {
        DFSchema::empty()
    } else {
        merge_schema(&inputs)
    };
    let is_filter = matches!(node, LogicalPlan::Filter(_));
    let joins_aggregates = is_filter || matches!(node, LogicalPlan::Projection(_));
    let mut replacer = Replacer {
        schema: &schema,
        state,
        count: 0,
        is_filter,
        joins_aggregates,
    };
    let names = NamePreserver::new(&node);
    let node = node
        .map_expressions(|expr| {
            let name = names.save(&expr);
            let replaced = replacer.replace(expr, None)?;
            Ok(Transformed::yes(name.restore(replaced)))
        })?
        .data;
    if replacer.count == 0 {
        return Ok(Transformed::no(node));
    }
    match node {
        LogicalPlan::Filter(filter) => Ok(Transformed::yes(filter_below(filter)?)),
        other => Ok(Transformed::yes(other.recompute_schema()?)),
    }
}

/// Computes conditions in a projection below, since a filter with an asynchronous function may be pushed into a join,
/// where DataFusion does not run those. Conditions without one stay with the input.
fn filter_below(filter: Filter) -> Result<LogicalPlan> {
    const CONDITION: &str = "pg_condition";
    let (lifted, kept): (Vec<Expr>, Vec<Expr>) = split_conjunction_owned(filter.predicate)
        .into_iter()
        .partition(has_asynchronous);
    let input = match conjunction(kept) {
        Some(condition) => Arc::new(LogicalPlan::Filter(Filter::try_new(
            condition,
            filter.input,
        )?)),
        None => filter.input,
    };
    let columns: Vec<Expr> = input
        .schema()
        .iter()
        .map(|field| Expr::Column(Column::from(field)))
        .collect();
    let mut with_condition = columns.clone();
    with_condition.extend(conjunction(lifted).map(|condition| condition.alias(CONDITION)));
    let computed = LogicalPlan::Projection(Projection::try_new(with_condition, input)?);
    let condition = Expr::Column(Column::from_name(CONDITION));
    let filtered = LogicalPlan::Filter(Filter::try_new(condition, Arc::new(computed))?);
    Ok(LogicalPlan::Projection(Projection::try_new(
        columns,
        Arc::new(filtered),
    )?))
}

fn has_asynchronous(expr: &Expr) -> bool {
    let is_asynchronous = |expr: &Expr| match expr {
        Expr::ScalarFunction(function) => function.func.as_async().is_some(),
        _ => false,
    };
    expr.exists(|expr| Ok(is_asynchronous(expr)))
        .unwrap_or(true)
}

fn is_subquery(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_)
    )
}

struct Replacer<'a> {
    schema: &'a DFSchema,
    state: &'a Arc<SessionState>,
    /// how many were replaced
    count: usize,
    /// Is the expression the condition of a WHERE?
    is_filter: bool,
    /// Does DataFusion join subqueries that aggregate here?
    joins_aggregates: bool,
}

impl Replacer<'_> {
    /// `guard`: what must be true for the value to matter; None if it always does.
    fn replace(&mut self, expr: Expr, guard: Option<Expr>) -> Result<Expr> {
        if self.is_filter && guard.is_none() && is_plain_condition(&expr) {
            return Ok(expr);
        }
        match expr {
            Expr::BinaryExpr(BinaryExpr {
                left,
                op: Operator::And,
                right,
            }) if guard.is_none() => {
                let left = self.replace(*left, None)?;
                let right = self.replace(*right, None)?;
                Ok(left.and(right))
            }
            Expr::Case(case) => self.replace_in_case(case, guard),
            Expr::ScalarFunction(function) if function.name() == ARRAY_SUBQUERY => {
                match function.args.into_iter().next() {
                    Some(Expr::ScalarSubquery(subquery)) => {
                        self.call(subquery, Mode::Array, guard, None)
                    }
                    other => {
                        Ok(other.unwrap_or_else(|| lit(datafusion::scalar::ScalarValue::Null)))
                    }
                }
            }
            Expr::ScalarSubquery(subquery)
                if subquery.outer_ref_columns.is_empty()
                    || self.joins_aggregates && is_plain_aggregate(&subquery.subquery) =>
            {
                Ok(Expr::ScalarSubquery(subquery))
            }
            Expr::ScalarSubquery(subquery) => self.call(subquery, Mode::Scalar, guard, None),
            Expr::Exists(Exists { subquery, negated }) => {
                let exists = self.call(subquery, Mode::Exists, guard, None)?;
                Ok(if negated {
                    Expr::Not(Box::new(exists))
                } else {
                    exists
                })
            }
            Expr::InSubquery(InSubquery {
                expr,
                subquery,
                negated,
            }) => {
                let needle = self.replace(*expr, guard.clone())?;
                let is_in = self.call(subquery, Mode::In, guard, Some(needle))?;
                Ok(if negated {
                    Expr::Not(Box::new(is_in))
                } else {
                    is_in
                })
            }
            other => {
                // The conditions of a WHERE are at its top; below that a subquery is a value.
                let is_filter = std::mem::replace(&mut self.is_filter, false);
                let replaced = other
                    .map_children(|child| self.replace(child, guard.clone()).map(Transformed::yes));
                self.is_filter = is_filter;
                Ok(replaced?.data)
            }
        }
    }

    /// A subquery behind THEN counts only in rows for which its WHEN is the first that is true.
    fn replace_in_case(&mut self, case: Case, guard: Option<Expr>) -> Result<Expr> {
        let is_filter = std::mem::replace(&mut self.is_filter, false);
        let mut branches = Vec::with_capacity(case.when_then_expr.len());
        for (when, then) in case.when_then_expr {
            let reached = match &case.expr {
                None => when.as_ref().clone(),
                Some(operand) => operand.as_ref().clone().eq(when.as_ref().clone()),
            };
            let then_guard = narrowed(guard.clone(), &reached)?;
            let when = self.replace(*when, guard.clone())?;
            branches.push((Box::new(when), Box::new(self.replace(*then, then_guard)?)));
        }
        let operand = case
            .expr
            .map(|expr| self.replace(*expr, guard.clone()))
            .transpose()?;
        let other = case
            .else_expr
            .map(|expr| self.replace(*expr, guard))
            .transpose()?;
        self.is_filter = is_filter;
        Ok(Expr::Case(Case::new(
            operand.map(Box::new),
            branches,
            other.map(Box::new),
        )))
    }

    fn call(
        &mut self,
        subquery: Subquery,
        mode: Mode,
        guard: Option<Expr>,
        needle: Option<Expr>,
    ) -> Result<Expr> {
        self.count += 1;
        let field = match mode {
            Mode::Scalar => first_column(&subquery.subquery),
            Mode::Exists | Mode::In => Field::new("exists", DataType::Boolean, true),
            Mode::Array => {
                let item = first_column(&subquery.subquery).with_name("item");
                Field::new("array", DataType::List(Arc::new(item)), true)
            }
        };
        let outer = outer_values(&subquery.subquery)?;
        let mut arguments = vec![
            guard.unwrap_or_else(|| lit(true)),
            needle.unwrap_or_else(|| lit(true)),
        ];
        for value in &outer {
            arguments.push(match value {
                // A column of this query; one of a query around it is replaced in its turn.
                Expr::OuterReferenceColumn(_, column) if self.schema.has_column(column) => {
                    Expr::Column(column.clone())
                }
                other => other.clone(),
            });
        }
        let function = Correlated::new(subquery.subquery, outer, mode, field, self.state.clone());
        Ok(function.into_scalar_udf().call(arguments))
    }
}

/// The column that a subquery gives, with its declared type.
fn first_column(plan: &LogicalPlan) -> Field {
    let field = Field::clone(plan.schema().field(0)).with_nullable(true);
    match column_type(plan, 0) {
        Some(pg_type) => declared(field, pg_type),
        None => field,
    }
}

/// `guard AND reached`; what holds a subquery itself is left out, since a guard may only be too wide.
fn narrowed(guard: Option<Expr>, reached: &Expr) -> Result<Option<Expr>> {
    let mut all = guard;
    for condition in split_conjunction(reached) {
        if condition.exists(|expr| Ok(is_subquery(expr)))? {
            continue;
        }
        all = Some(match all {
            Some(guard) => guard.and(condition.clone()),
            None => condition.clone(),
        });
    }
    Ok(all)
}

/// What a plan takes from outside, each once: outer columns and the query's parameters.
fn outer_values(plan: &LogicalPlan) -> Result<Vec<Expr>> {
    let mut found: Vec<Expr> = Vec::new();
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                let is_outer =
                    matches!(expr, Expr::OuterReferenceColumn(..) | Expr::Placeholder(_));
                if is_outer && !found.contains(expr) {
                    found.push(expr.clone());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found)
}

/// Is this an EXISTS or IN that DataFusion turns into a join: nothing outer in it but equalities in its WHERE?
fn is_plain_condition(expr: &Expr) -> bool {
    match expr {
        Expr::Not(inner) => is_plain_condition(inner),
        Expr::Exists(Exists { subquery, .. }) => is_plain(&subquery.subquery),
        Expr::InSubquery(InSubquery { expr, subquery, .. }) => {
            !expr.exists(|expr| Ok(is_subquery(expr))).unwrap_or(true)
                && is_plain(&subquery.subquery)
        }
        _ => false,
    }
}

/// Is this one row of aggregates over rows that nothing outer chooses but equalities in WHERE?
fn is_plain_aggregate(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => {
            !projection.expr.iter().any(has_outer) && is_plain_aggregate(&projection.input)
        }
        LogicalPlan::Aggregate(aggregate) => {
            aggregate.group_expr.is_empty()
                && !aggregate.aggr_expr.iter().any(has_outer)
                && !aggregate.aggr_expr.iter().any(has_asynchronous)
                && is_plain(&aggregate.input)
        }
        _ => false,
    }
}

fn has_outer(expr: &Expr) -> bool {
    expr.exists(|expr| Ok(matches!(expr, Expr::OuterReferenceColumn(..))))
        .unwrap_or(true)
}

fn is_plain(plan: &LogicalPlan) -> bool {
    let mut is_plain = true;
    let visited = plan.apply_with_subqueries(|node| {
        let is_filter = matches!(node, LogicalPlan::Filter(_));
        is_plain &= !matches!(
            node,
            LogicalPlan::Limit(_)
                | LogicalPlan::Aggregate(_)
                | LogicalPlan::Window(_)
                | LogicalPlan::Union(_)
                | LogicalPlan::RecursiveQuery(_)
        );
        node.apply_expressions(|expr| {
            for condition in split_conjunction(expr) {
                is_plain &= !has_outer(condition) || (is_filter && is_outer_equality(condition));
                is_plain &= !has_asynchronous(condition);
            }
            Ok(TreeNodeRecursion::Continue)
        })
    });
    is_plain && visited.is_ok()
}

fn is_outer_equality(condition: &Expr) -> bool {
    let Expr::BinaryExpr(BinaryExpr {
        left,
        op: Operator::Eq,
        right,
    }) = condition
    else {
        return false;
    };
    matches!(
        (left.as_ref(), right.as_ref()),
        (Expr::OuterReferenceColumn(..), Expr::Column(_))
            | (Expr::Column(_), Expr::OuterReferenceColumn(..))
    )
}
