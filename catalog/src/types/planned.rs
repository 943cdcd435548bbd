//! Which PostgreSQL type does a column of a plan have, where the engine only remembers its Arrow type?
//!
//! DataFusion hands the metadata of a field on through plain columns, and forgets it in CASE, COALESCE, aggregates,
//! unions and recursive queries. `array_agg(oid)` is `oid[]` all the same, and binary clients read it as such.

use std::sync::Arc;

use datafusion::common::Column;
use datafusion::logical_expr::expr::{AggregateFunction, Case, ScalarFunction};
use datafusion::logical_expr::{Distinct, Expr, ExprSchemable, JoinType, LogicalPlan};

use super::{PG_TYPE_KEY, PgType};

/// Functions that give back one of their arguments.
const CHOICES: [&str; 4] = ["coalesce", "nullif", "greatest", "least"];
/// Aggregates that give back a value of their argument's type.
const PICKS: [&str; 5] = ["min", "max", "first_value", "last_value", "nth_value"];

/// The declared type behind an output column; None where its Arrow type says all there is.
pub fn column_type(plan: &LogicalPlan, index: usize) -> Option<PgType> {
    let field = plan.schema().fields().get(index)?;
    let found = match plan {
        LogicalPlan::Projection(projection) => {
            expression_type(projection.expr.get(index)?, &projection.input)
        }
        LogicalPlan::Aggregate(aggregate) => {
            let groups = aggregate.group_expr.len();
            let expr = aggregate
                .group_expr
                .get(index)
                .or_else(|| aggregate.aggr_expr.get(index.checked_sub(groups)?))?;
            expression_type(expr, &aggregate.input)
        }
        LogicalPlan::Window(window) => {
            let columns = window.input.schema().fields().len();
            match index.checked_sub(columns) {
                Some(at) => expression_type(window.window_expr.get(at)?, &window.input),
                None => column_type(&window.input, index),
            }
        }
        LogicalPlan::Join(join) => {
            let left_columns = join.left.schema().fields().len();
            match (join.join_type, index.checked_sub(left_columns)) {
                (JoinType::RightSemi | JoinType::RightAnti, _) => column_type(&join.right, index),
                (_, None) => column_type(&join.left, index),
                (JoinType::LeftMark | JoinType::RightMark, Some(_)) => None,
                (_, Some(at)) => column_type(&join.right, at),
            }
        }
        LogicalPlan::Union(union) => {
            let of_input = |input: &Arc<LogicalPlan>| {
                let field = input.schema().fields().get(index)?;
                column_type(input, index).or_else(|| Some(PgType::of_field(field)))
            };
            // The metadata of the inputs is merged, so it says nothing where they differ.
            let merged = agreed(union.inputs.iter().map(of_input));
            Some(merged.unwrap_or_else(|| PgType::of_arrow(field.data_type())))
        }
        LogicalPlan::RecursiveQuery(query) => column_type(&query.static_term, index),
        LogicalPlan::Distinct(Distinct::All(input)) => column_type(input, index),
        LogicalPlan::Distinct(Distinct::On(on)) => {
            expression_type(on.select_expr.get(index)?, &on.input)
        }
        LogicalPlan::Filter(filter) => column_type(&filter.input, index),
        LogicalPlan::Sort(sort) => column_type(&sort.input, index),
        LogicalPlan::Limit(limit) => column_type(&limit.input, index),
        LogicalPlan::SubqueryAlias(alias) => column_type(&alias.input, index),
        LogicalPlan::Subquery(subquery) => column_type(&subquery.subquery, index),
        _ => None,
    };
    let declared = || {
        let has_type = field.metadata().contains_key(PG_TYPE_KEY);
        has_type.then(|| PgType::of_field(field))
    };
    found
        .filter(|pg_type| pg_type.fits(field.data_type()))
        .or_else(declared)
}

/// The declared type of an expression over a plan's columns.
fn expression_type(expr: &Expr, input: &LogicalPlan) -> Option<PgType> {
    match expr {
        Expr::Alias(alias) => expression_type(&alias.expr, input),
        Expr::Column(column) => column_type(input, position(input, column)?),
        Expr::Case(case) => agreed(outcomes(case).map(|outcome| expression_type(outcome, input))),
        Expr::ScalarFunction(ScalarFunction { func, args }) if CHOICES.contains(&func.name()) => {
            agreed(
                args.iter()
                    .filter(|argument| !is_null(argument))
                    .map(|argument| expression_type(argument, input)),
            )
        }
        Expr::ScalarSubquery(subquery) => column_type(&subquery.subquery, 0),
        Expr::AggregateFunction(AggregateFunction { func, params }) => {
            aggregated(func.name(), &params.args, input)
        }
        Expr::WindowFunction(window) => aggregated(window.fun.name(), &window.params.args, input),
        other => {
            let (_, field) = other.to_field(input.schema().as_ref()).ok()?;
            field
                .metadata()
                .contains_key(PG_TYPE_KEY)
                .then(|| PgType::of_field(&field))
        }
    }
}

fn aggregated(function: &str, arguments: &[Expr], input: &LogicalPlan) -> Option<PgType> {
    let argument = arguments.first()?;
    if PICKS.contains(&function) {
        return expression_type(argument, input).map(without_modifier);
    }
    if function != "array_agg" {
        return None;
    }
    let pg_type = expression_type(argument, input)?;
    // An array of arrays is an array of more dimensions.
    let array = if pg_type.is_array() {
        Some(pg_type)
    } else {
        pg_type.array()
    };
    array.map(without_modifier)
}

/// What a CASE can give, NULL aside.
fn outcomes(case: &Case) -> impl Iterator<Item = &Expr> {
    case.when_then_expr
        .iter()
        .map(|(_, then)| then.as_ref())
        .chain(case.else_expr.as_deref())
        .filter(|outcome| !is_null(outcome))
}

fn is_null(expr: &Expr) -> bool {
    match expr {
        Expr::Alias(alias) => is_null(&alias.expr),
        Expr::Cast(cast) => cast.field.metadata().is_empty() && is_null(&cast.expr),
        Expr::Literal(value, _) => value.is_null(),
        _ => false,
    }
}

/// One type for all; its modifier only if that is the same everywhere.
fn agreed(mut types: impl Iterator<Item = Option<PgType>>) -> Option<PgType> {
    let first = types.next()??;
    types.try_fold(first, |known, found| {
        let found = found.filter(|found| found.oid == known.oid)?;
        Some(if found == known {
            known
        } else {
            without_modifier(known)
        })
    })
}

fn without_modifier(pg_type: PgType) -> PgType {
    PgType {
        typmod: -1,
        ..pg_type
    }
}

fn position(plan: &LogicalPlan, column: &Column) -> Option<usize> {
    plan.schema().maybe_index_of_column(column)
}
