//! Which spellings of arrays does DataFusion not plan?
//!
//! Pure rewrites of the AST: a slice without a bound gets it, and `ARRAY(SELECT …)` aggregates what the query gives.

use std::ops::ControlFlow;
use tarn_catalog::syntax_walk::{Node, walk_mut};

use datafusion::sql::sqlparser::ast::{
    AccessExpr, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentClause, FunctionArguments, GroupByExpr, OrderByExpr, OrderByKind,
    OrderByOptions, Query, SelectItem, SetExpr, Subscript, Value, VisitorMut,
};

use super::names::fold;
use super::time_syntax::call;

/// Applies every rewrite to a statement or an expression.
pub fn normalise(node: &mut impl Node) {
    let _ = walk_mut(node, &mut Rewriter);
}

struct Rewriter;

impl VisitorMut for Rewriter {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::CompoundFieldAccess { access_chain, .. } => {
                access_chain.iter_mut().for_each(bound_slice);
            }
            Expr::Function(function) => {
                let is_array = function
                    .name
                    .0
                    .last()
                    .and_then(|part| part.as_ident())
                    .is_some_and(|name| fold(name) == "array");
                sort_distinct(function);
                if is_array
                    && let FunctionArguments::Subquery(query) = &function.args
                    && let Some(aggregated) = aggregated(query)
                {
                    *expr = aggregated;
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// `array_agg(DISTINCT x)` gives the values in order, since they are sorted to be made distinct.
fn sort_distinct(function: &mut Function) {
    let FunctionArguments::List(list) = &mut function.args else {
        return;
    };
    let is_distinct = matches!(list.duplicate_treatment, Some(DuplicateTreatment::Distinct));
    let gathers = function
        .name
        .0
        .last()
        .and_then(|part| part.as_ident())
        .is_some_and(|name| matches!(fold(name).as_str(), "array_agg" | "string_agg"));
    if !is_distinct || !gathers || !list.clauses.is_empty() {
        return;
    }
    if let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(value))) = list.args.first() {
        let key = OrderByExpr {
            expr: value.clone(),
            options: OrderByOptions {
                asc: None,
                nulls_first: None,
            },
            with_fill: None,
        };
        list.clauses
            .push(FunctionArgumentClause::OrderBy(vec![key]));
    }
}

fn number(digits: &str) -> Expr {
    Expr::Value(Value::Number(digits.to_string(), false).into())
}

/// `[:2]` begins with the first element, `[2:]` ends with the last.
fn bound_slice(access: &mut AccessExpr) {
    const LAST: &str = "2147483647";
    if let AccessExpr::Subscript(Subscript::Slice {
        lower_bound,
        upper_bound,
        ..
    }) = access
    {
        lower_bound.get_or_insert_with(|| number("1"));
        upper_bound.get_or_insert_with(|| number(LAST));
    }
}

/// `ARRAY(SELECT x … ORDER BY y)` as `(SELECT array_agg(x ORDER BY y) …)`.
///
/// None for queries whose rows are not those of their FROM: DISTINCT, GROUP BY, LIMIT, UNION.
fn aggregated(query: &Query) -> Option<Expr> {
    if query.limit_clause.is_some() || query.fetch.is_some() || query.with.is_some() {
        return None;
    }
    let SetExpr::Select(select) = query.body.as_ref() else {
        return None;
    };
    let is_grouped =
        !matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
    if select.distinct.is_some() || is_grouped || select.having.is_some() {
        return None;
    }
    let [SelectItem::UnnamedExpr(value) | SelectItem::ExprWithAlias { expr: value, .. }] =
        select.projection.as_slice()
    else {
        return None;
    };
    let mut order: Vec<OrderByExpr> = match query.order_by.as_ref().map(|order| &order.kind) {
        Some(OrderByKind::Expressions(keys)) => keys.clone(),
        Some(OrderByKind::All(_)) => return None,
        None => Vec::new(),
    };
    for key in &mut order {
        // `ORDER BY 1` is the column.
        if matches!(&key.expr, Expr::Value(value) if matches!(&value.value, Value::Number(..))) {
            key.expr = value.clone();
        }
    }
    let mut aggregate = call("array_agg", vec![value.clone()]);
    if let Expr::Function(function) = &mut aggregate
        && let FunctionArguments::List(list) = &mut function.args
        && !order.is_empty()
    {
        list.clauses.push(FunctionArgumentClause::OrderBy(order));
    }
    let mut select = select.clone();
    select.projection = vec![SelectItem::UnnamedExpr(aggregate)];
    let mut query = query.clone();
    query.order_by = None;
    query.body = Box::new(SetExpr::Select(select));
    Some(Expr::Subquery(Box::new(query)))
}
