//! Which of two intervals is longer? Not the one with more months, as Arrow has it: a month is 30 days.
//!
//! Comparisons, sorts, and `min` and `max` of intervals look at their span. An analyzer rule, so that it sees what
//! BETWEEN, CASE and type coercion add.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::error::Result;
use datafusion::functions_aggregate::first_last::first_value_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, InList, Sort as SortExpr};
use datafusion::logical_expr::{Between, BinaryExpr, Expr, ExprSchemable, LogicalPlan};
use datafusion::optimizer::AnalyzerRule;
use tarn_udfs::scalar::time::interval_arithmetic::SPAN;

use super::casts::rewrite_expressions;
use super::time_operators::call;

/// The rule as DataFusion asks it.
#[derive(Debug)]
pub struct IntervalOrder;

impl AnalyzerRule for IntervalOrder {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let plan = rewrite_expressions(plan, &rewrite)?;
        let sorted = plan.transform_up_with_subqueries(|node| match node {
            LogicalPlan::Sort(mut sort) => {
                let schema = Arc::clone(sort.input.schema());
                let mut is_changed = false;
                for key in &mut sort.expr {
                    is_changed |= by_span(key, &schema);
                }
                let node = LogicalPlan::Sort(sort);
                Ok(match is_changed {
                    true => Transformed::yes(node),
                    false => Transformed::no(node),
                })
            }
            node => Ok(Transformed::no(node)),
        })?;
        Ok(sorted.data)
    }

    fn name(&self) -> &str {
        "interval_order"
    }
}

fn is_interval(expr: &Expr, schema: &DFSchema) -> bool {
    matches!(expr.get_type(schema), Ok(DataType::Interval(_)))
}

fn span(expr: &Expr) -> Expr {
    call(&SPAN, vec![expr.clone()])
}

/// Sorts by the span; says whether it was an interval.
fn by_span(key: &mut SortExpr, schema: &DFSchema) -> bool {
    let is_changed = is_interval(&key.expr, schema);
    if is_changed {
        key.expr = span(&key.expr);
    }
    is_changed
}

fn rewrite(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    Ok(match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right })
            if op.supports_propagation()
                && is_interval(&left, schema)
                && is_interval(&right, schema) =>
        {
            Transformed::yes(Expr::BinaryExpr(BinaryExpr::new(
                Box::new(span(&left)),
                op,
                Box::new(span(&right)),
            )))
        }
        Expr::Between(between) if is_interval(&between.expr, schema) => {
            Transformed::yes(Expr::Between(Between::new(
                Box::new(span(&between.expr)),
                between.negated,
                Box::new(span(&between.low)),
                Box::new(span(&between.high)),
            )))
        }
        Expr::InList(list) if is_interval(&list.expr, schema) => {
            Transformed::yes(Expr::InList(InList::new(
                Box::new(span(&list.expr)),
                list.list.iter().map(span).collect(),
                list.negated,
            )))
        }
        Expr::AggregateFunction(function) => match extreme(&function, schema) {
            Some(rewritten) => Transformed::yes(rewritten),
            None => Transformed::no(Expr::AggregateFunction(function)),
        },
        other => Transformed::no(other),
    })
}

/// `min` and `max` of intervals as the first by their span.
fn extreme(function: &AggregateFunction, schema: &DFSchema) -> Option<Expr> {
    let is_ascending = match function.func.name() {
        "min" => true,
        "max" => false,
        _ => return None,
    };
    let [argument] = function.params.args.as_slice() else {
        return None;
    };
    if !is_interval(argument, schema) {
        return None;
    }
    let nulls_first = false;
    Some(Expr::AggregateFunction(AggregateFunction::new_udf(
        first_value_udaf(),
        vec![argument.clone()],
        false,
        function.params.filter.clone(),
        vec![SortExpr::new(span(argument), is_ascending, nulls_first)],
        None,
    )))
}
