//! What do EXISTS and IN give where they are values, in a SELECT list or an argument?
//!
//! DataFusion plans them as joins where they are conditions of WHERE, and nowhere else. Here they become counts of rows,
//! which are scalar subqueries: `EXISTS (…)` asks whether there is a row; `x IN (…)` whether there is one that is equal, else
//! whether there is one of which nobody knows.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema};
use datafusion::error::Result;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::expr::InSubquery;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    Distinct, Expr, LogicalPlan, LogicalPlanBuilder, Subquery, col, lit, not, when,
};
use datafusion::scalar::ScalarValue;

/// Makes scalar subqueries of EXISTS and IN outside of conditions.
pub fn as_counts(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_down_with_subqueries(|node| {
        let is_condition = matches!(node, LogicalPlan::Filter(_) | LogicalPlan::Join(_));
        if is_condition || !has_subquery_values(&node)? {
            return Ok(Transformed::no(node));
        }
        let names = NamePreserver::new(&node);
        let inputs: Vec<_> = node.inputs().into_iter().map(LogicalPlan::schema).collect();
        let Some(schema) = inputs.first().map(|schema| Arc::clone(schema)) else {
            return Ok(Transformed::no(node));
        };
        let node = node.map_expressions(|expr| {
            let name = names.save(&expr);
            let counted = expr.transform_up(|inner| counted(inner, &schema))?;
            Ok(counted.update_data(|expr| name.restore(expr)))
        })?;
        node.map_data(LogicalPlan::recompute_schema)
    })?;
    Ok(rewritten.data)
}

fn has_subquery_values(node: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    node.apply_expressions(|expr| {
        found |= expr.exists(|inner| Ok(matches!(inner, Expr::Exists(_) | Expr::InSubquery(_))))?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

fn counted(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let (value, negated) = match expr {
        Expr::Exists(exists) => (has_rows(exists.subquery)?, exists.negated),
        Expr::InSubquery(found) => {
            let negated = found.negated;
            (contains(found, schema)?, negated)
        }
        other => return Ok(Transformed::no(other)),
    };
    Ok(Transformed::yes(if negated { not(value) } else { value }))
}

/// Whether a subquery has a row.
fn has_rows(subquery: Subquery) -> Result<Expr> {
    let rows = LogicalPlanBuilder::from(all_rows(&subquery.subquery).clone());
    // A join with the outer rows counts them all; alone, the first one is enough.
    let rows = match subquery.outer_ref_columns.is_empty() {
        true => rows.limit(0, Some(1))?,
        false => rows,
    };
    let plan = rows
        .aggregate(Vec::<Expr>::new(), vec![count(lit(1_i64)).alias("rows")])?
        .project([col("rows").gt(lit(0_i64)).alias("exists")])?
        .build()?;
    Ok(Expr::ScalarSubquery(Subquery {
        subquery: Arc::new(plan),
        ..subquery
    }))
}

/// The part of a plan that has rows exactly when the plan has.
fn all_rows(plan: &LogicalPlan) -> &LogicalPlan {
    match plan {
        LogicalPlan::Limit(limit) => {
            let skips_none = limit
                .skip
                .as_ref()
                .is_none_or(|rows| whole(rows) == Some(0));
            let keeps_first = |rows| whole(rows).is_some_and(|rows| rows > 0);
            match skips_none && limit.fetch.as_deref().is_none_or(keeps_first) {
                true => all_rows(&limit.input),
                false => plan,
            }
        }
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => all_rows(&sort.input),
        LogicalPlan::Distinct(Distinct::All(input)) => all_rows(input),
        LogicalPlan::Projection(projection) => all_rows(&projection.input),
        other => other,
    }
}

/// A constant whole number, whatever its type.
fn whole(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Literal(value, _) => match value.cast_to(&DataType::Int64).ok()? {
            ScalarValue::Int64(number) => number,
            _ => None,
        },
        Expr::Cast(cast) => whole(&cast.expr),
        _ => None,
    }
}

/// Whether the rows of a subquery contain a value; NULL when that depends on a NULL.
fn contains(found: InSubquery, schema: &DFSchema) -> Result<Expr> {
    let InSubquery { expr, subquery, .. } = found;
    let column = Expr::Column(Column::from(subquery.subquery.schema().qualified_field(0)));
    let mut outer_ref_columns = subquery.outer_ref_columns.clone();
    let outside = expr.as_ref().clone().transform(|inner| match inner {
        Expr::Column(column) => {
            let (_, field) = schema.qualified_field_from_column(&column)?;
            let outer = Expr::OuterReferenceColumn(Arc::clone(field), column);
            outer_ref_columns.push(outer.clone());
            Ok(Transformed::yes(outer))
        }
        other => Ok(Transformed::no(other)),
    })?;
    let among = |condition: Expr, outer_ref_columns: Vec<Expr>| {
        let rows = LogicalPlanBuilder::from(subquery.subquery.as_ref().clone());
        has_rows(Subquery {
            subquery: Arc::new(rows.filter(condition)?.build()?),
            outer_ref_columns,
            spans: subquery.spans.clone(),
        })
    };
    let equal = among(column.clone().eq(outside.data), outer_ref_columns)?;
    let unknown = among(column.is_null(), subquery.outer_ref_columns.clone())?;
    let any = has_rows(subquery.clone())?;
    let nobody_knows = unknown.or(expr.is_null().and(any));
    when(equal, lit(true))
        .when(nobody_knows, lit(ScalarValue::Boolean(None)))
        .otherwise(lit(false))
}
