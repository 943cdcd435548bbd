//! How does `FROM t, unnest(t.a) AS u` become a plan, where the function's argument is a column of another relation?
//!
//! DataFusion plans it as a join with a subquery that refers to the left side, and cannot run that. Unnesting the
//! list beside the left side's own columns gives the same rows without a join.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, TableReference, UnnestOptions};
use datafusion::error::Result;
use datafusion::logical_expr::{
    Expr, Join, JoinType, LogicalPlan, LogicalPlanBuilder, Projection, Unnest,
};

/// What the subquery calls the list that it unnests.
const LIST: &str = "\u{1e}list";

/// Turns every join with a function of the left side's columns into one unnesting.
pub fn rewrite(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Join(join) => match beside(&join)? {
            Some(unnested) => Ok(Transformed::yes(unnested)),
            None => Ok(Transformed::no(LogicalPlan::Join(join))),
        },
        node => Ok(Transformed::no(node)),
    })?;
    Ok(rewritten.data)
}

/// The parts of `(SELECT unnest(list), …) AS alias` over nothing.
struct Function<'p> {
    alias: TableReference,
    /// The columns as the subquery gives them.
    given: &'p Projection,
    unnest: &'p Unnest,
    /// The lists, which refer to the left side.
    lists: &'p Projection,
    names: Vec<String>,
}

fn function_of(plan: &LogicalPlan) -> Option<Function<'_>> {
    let (mut alias, mut names) = (None, None);
    let mut plan = plan;
    loop {
        match plan {
            LogicalPlan::SubqueryAlias(named) => {
                alias.get_or_insert_with(|| named.alias.clone());
                plan = named.input.as_ref();
            }
            LogicalPlan::Subquery(subquery) => plan = subquery.subquery.as_ref(),
            LogicalPlan::Projection(projection) => match projection.input.as_ref() {
                LogicalPlan::Unnest(unnest) => {
                    let LogicalPlan::Projection(lists) = unnest.input.as_ref() else {
                        return None;
                    };
                    if !matches!(lists.input.as_ref(), LogicalPlan::EmptyRelation(_)) {
                        return None;
                    }
                    let own = || output_names(projection);
                    return Some(Function {
                        alias: alias?,
                        given: projection,
                        unnest,
                        lists,
                        names: names.unwrap_or_else(own),
                    });
                }
                _ => {
                    // `AS alias (columns)` is a projection that only renames.
                    names.get_or_insert_with(|| output_names(projection));
                    plan = projection.input.as_ref();
                }
            },
            _ => return None,
        }
    }
}

fn output_names(projection: &Projection) -> Vec<String> {
    let fields = projection.schema.fields();
    fields.iter().map(|field| field.name().clone()).collect()
}

/// The join as one unnesting; None if it is another kind of join.
fn beside(join: &Join) -> Result<Option<LogicalPlan>> {
    let is_plain = join.on.is_empty()
        && match &join.filter {
            None => true,
            Some(Expr::Literal(value, _)) => {
                *value == datafusion::scalar::ScalarValue::Boolean(Some(true))
            }
            Some(_) => false,
        };
    if !is_plain || !matches!(join.join_type, JoinType::Inner | JoinType::Left) {
        return Ok(None);
    }
    let Some(function) = function_of(&join.right) else {
        return Ok(None);
    };
    if !function.lists.expr.iter().any(Expr::contains_outer) {
        return Ok(None);
    }
    let left: Vec<Expr> = join
        .left
        .schema()
        .iter()
        .map(|field| Expr::Column(Column::from(field)))
        .collect();
    // The lists get names that no column of the left side has.
    let list_name = |at: usize| format!("{LIST}{at}");
    let mut columns = left.clone();
    for (at, list) in function.lists.expr.iter().enumerate() {
        columns.push(inner_columns(list.clone())?.unalias().alias(list_name(at)));
    }
    let keeps_rows = join.join_type == JoinType::Left;
    let options = UnnestOptions::new().with_preserve_nulls(keeps_rows);
    let lists: Vec<Column> = (0..function.lists.expr.len())
        .map(|at| Column::new_unqualified(list_name(at)))
        .collect();
    let unnested = LogicalPlanBuilder::from(Arc::unwrap_or_clone(Arc::clone(&join.left)))
        .project(columns)?
        .unnest_columns_with_options(lists, options)?;
    let mut given = left;
    for (expr, name) in function.given.expr.iter().zip(&function.names) {
        let read = read_from(expr.clone(), &function, &list_name)?;
        given.push(
            read.unalias()
                .alias_qualified(Some(function.alias.clone()), name.clone()),
        );
    }
    Ok(Some(unnested.project(given)?.build()?))
}

/// References to the left side as its columns.
fn inner_columns(expr: Expr) -> Result<Expr> {
    let rewritten = expr.transform(|inner| match inner {
        Expr::OuterReferenceColumn(_, column) => Ok(Transformed::yes(Expr::Column(column))),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(rewritten.data)
}

/// An expression over the subquery's unnested columns, over those of ours.
fn read_from(expr: Expr, function: &Function, list_name: &dyn Fn(usize) -> String) -> Result<Expr> {
    let fields = function.unnest.schema.fields();
    let rewritten = expr.transform(|inner| match &inner {
        Expr::Column(column) => {
            let at = fields.iter().position(|field| field.name() == &column.name);
            Ok(match at {
                Some(at) => Transformed::yes(Expr::Column(Column::new_unqualified(list_name(at)))),
                None => Transformed::no(inner),
            })
        }
        _ => Ok(Transformed::no(inner)),
    })?;
    inner_columns(rewritten.data)
}
