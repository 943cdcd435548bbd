//! Which spellings of arrays does DataFusion not plan?
//!
//! Pure rewrites of the AST: a slice without a bound gets it, and `ARRAY(SELECT …)` aggregates what the query gives.

use std::ops::ControlFlow;
use tarn_catalog::syntax_walk::{Node, each_expression, walk_mut};

use datafusion::sql::sqlparser::ast::{
    AccessExpr, Array, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentClause, FunctionArguments, GroupByExpr, Ident, OrderByExpr, OrderByKind,
    OrderByOptions, Query, Select, SelectItem, SetExpr, Subscript, TableFactor, Value, VisitorMut,
};

use super::names::fold;
use super::set_functions::is_set_returning;
use super::time_syntax::call;

/// Applies every rewrite to a statement or an expression.
pub fn normalise(node: &mut impl Node) {
    let _ = walk_mut(node, &mut Rewriter);
}

struct Rewriter;

impl VisitorMut for Rewriter {
    type Break = ();

    /// Before its expressions are rewritten: PostgreSQL calls the column `array`.
    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr @ Expr::Function(_)) = item
                && matches!(&*expr, Expr::Function(call) if array_query(call).is_some())
            {
                *item = SelectItem::ExprWithAlias {
                    expr: expr.clone(),
                    alias: Ident::with_quote('"', "array"),
                };
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::CompoundFieldAccess { access_chain, .. } => {
                access_chain.iter_mut().for_each(bound_slice);
            }
            Expr::Function(function) => {
                sort_distinct(function);
                if let Some(aggregated) = array_query(function).and_then(aggregated) {
                    *expr = aggregated;
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// The query of `ARRAY(SELECT …)`.
fn array_query(function: &Function) -> Option<&Query> {
    let name = function.name.0.last()?.as_ident()?;
    match &function.args {
        FunctionArguments::Subquery(query) if fold(name) == "array" => Some(query),
        _ => None,
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

/// `ARRAY(SELECT x … ORDER BY y)` as `coalesce((SELECT array_agg(x ORDER BY y) …), ARRAY[])`.
fn aggregated(query: &Query) -> Option<Expr> {
    let gathered = in_place(query).or_else(|| around(query))?;
    let none = Expr::Array(Array {
        elem: Vec::new(),
        named: true,
    });
    let values = Expr::Subquery(Box::new(gathered));
    Some(call("coalesce", vec![values, none]))
}

/// Aggregates what a query selects; None when its rows are not those of its FROM: DISTINCT, GROUP BY, LIMIT, UNION and
/// functions that give many rows.
fn in_place(query: &Query) -> Option<Query> {
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
    let value = selected(query).filter(|value| !gives_rows(value))?;
    let mut order = order_keys(query)?;
    for key in &mut order {
        if is_position(&key.expr) {
            key.expr = value.clone();
        }
    }
    let mut select = select.clone();
    select.projection = vec![SelectItem::UnnamedExpr(array_agg(value.clone(), order))];
    let mut query = query.clone();
    query.order_by = None;
    query.body = Box::new(SetExpr::Select(select));
    Some(query)
}

/// Aggregates the rows of a query as a table; None when they are ordered by something else than what they hold.
fn around(query: &Query) -> Option<Query> {
    let mut order = order_keys(query)?;
    let value = Expr::Identifier(Ident::new("value"));
    for key in &mut order {
        if !is_position(&key.expr) && selected(query) != Some(&key.expr) {
            return None;
        }
        key.expr = value.clone();
    }
    let mut outer = crate::parser::parse_query("SELECT 1 FROM (SELECT 1) AS given(value)").ok()?;
    let SetExpr::Select(select) = outer.body.as_mut() else {
        return None;
    };
    if let TableFactor::Derived { subquery, .. } = &mut select.from.first_mut()?.relation {
        **subquery = query.clone();
    }
    select.projection = vec![SelectItem::UnnamedExpr(array_agg(value, order))];
    Some(outer)
}

/// The one expression that a query selects.
fn selected(query: &Query) -> Option<&Expr> {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return None;
    };
    match select.projection.as_slice() {
        [SelectItem::UnnamedExpr(value) | SelectItem::ExprWithAlias { expr: value, .. }] => {
            Some(value)
        }
        _ => None,
    }
}

fn order_keys(query: &Query) -> Option<Vec<OrderByExpr>> {
    match query.order_by.as_ref().map(|order| &order.kind) {
        Some(OrderByKind::Expressions(keys)) => Some(keys.clone()),
        Some(OrderByKind::All(_)) => None,
        None => Some(Vec::new()),
    }
}

/// `ORDER BY 1` is the column.
fn is_position(key: &Expr) -> bool {
    matches!(key, Expr::Value(value) if matches!(&value.value, Value::Number(..)))
}

/// Does an expression call a function that gives many rows?
fn gives_rows(value: &Expr) -> bool {
    each_expression(value, |expr| match expr {
        Expr::Function(function) if is_set_returning(&function.name) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    })
    .is_break()
}

fn array_agg(value: Expr, order: Vec<OrderByExpr>) -> Expr {
    let mut aggregate = call("array_agg", vec![value]);
    if let Expr::Function(function) = &mut aggregate
        && let FunctionArguments::List(list) = &mut function.args
        && !order.is_empty()
    {
        list.clauses.push(FunctionArgumentClause::OrderBy(order));
    }
    aggregate
}
