//! What are the columns called that a query does not name?
//!
//! PostgreSQL calls `count(*)` count, `x::text` after x, a CASE case and anything else `?column?`, and several columns
//! may have one name. DataFusion calls a column by its expression and wants the names to differ.

use crate::syntax_walk::walk_mut;
use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, Expr, Ident, Select, SelectItem, SetExpr, Statement, TrimWhereField, VisitorMut,
};

use super::relations::parts;
use crate::types::PgType;

const NO_NAME: &str = "?column?";

/// Names every column, and gives those of the whole query; empty if it selects `*`.
pub(super) fn rewrite(statement: &mut Statement) -> Vec<String> {
    let names = match statement {
        Statement::Query(query) => output_names(&query.body),
        _ => Vec::new(),
    };
    let _ = walk_mut(statement, &mut NameColumns);
    names
}

fn output_names(body: &SetExpr) -> Vec<String> {
    match body {
        SetExpr::Select(select) => select
            .projection
            .iter()
            .map(item_name)
            .collect::<Option<_>>()
            .unwrap_or_default(),
        SetExpr::Query(query) => output_names(&query.body),
        SetExpr::SetOperation { left, .. } => output_names(left),
        _ => Vec::new(),
    }
}

struct NameColumns;

impl VisitorMut for NameColumns {
    type Break = ();

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let mut taken = HashSet::new();
        for item in &mut select.projection {
            // A plain column keeps its qualifier, by which ORDER BY may name it.
            let (name, is_named) = match &*item {
                SelectItem::UnnamedExpr(expr) => (
                    figured(expr),
                    matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)),
                ),
                SelectItem::ExprWithAlias { alias, .. } => (folded(alias), true),
                _ => continue,
            };
            let unique = (1..)
                .map(|count| {
                    if count == 1 {
                        name.clone()
                    } else {
                        format!("{name}_{count}")
                    }
                })
                .find(|candidate| !taken.contains(candidate))
                .unwrap_or_default();
            taken.insert(unique.clone());
            if unique != name || !is_named {
                rename(item, unique);
            }
        }
        ControlFlow::Continue(())
    }
}

fn rename(item: &mut SelectItem, name: String) {
    let alias = Ident::with_quote('"', name);
    match item {
        SelectItem::UnnamedExpr(expr) => {
            *item = SelectItem::ExprWithAlias {
                expr: expr.clone(),
                alias,
            }
        }
        SelectItem::ExprWithAlias { alias: old, .. } => *old = alias,
        _ => {}
    }
}

fn folded(ident: &Ident) -> String {
    if ident.quote_style.is_some() {
        ident.value.clone()
    } else {
        ident.value.to_lowercase()
    }
}

fn item_name(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::UnnamedExpr(expr) => Some(figured(expr)),
        SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
        _ => None,
    }
}

pub(super) fn figured(expr: &Expr) -> String {
    figure(expr).map_or_else(|| NO_NAME.to_string(), |(name, _)| name)
}

/// The name that an expression suggests, and whether it is better than the name of a type around it.
fn figure(expr: &Expr) -> Option<(String, bool)> {
    let good = |name: &str| Some((name.to_string(), true));
    match expr {
        Expr::Identifier(ident) => Some((folded(ident), true)),
        Expr::CompoundIdentifier(idents) => idents.last().map(|ident| (folded(ident), true)),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => figure(inner),
        Expr::Function(function) => parts(&function.name).pop().map(|name| (name, true)),
        Expr::Cast {
            expr, data_type, ..
        } => figure(expr).filter(|(_, is_good)| *is_good).or_else(|| {
            let pg_type = PgType::parse(&data_type.to_string()).ok()?;
            Some((pg_type.typname().to_string(), false))
        }),
        // CASE is named by its ELSE if that has a good name.
        Expr::Case { else_result, .. } => {
            let other = else_result
                .as_deref()
                .and_then(figure)
                .filter(|(_, is_good)| *is_good);
            other.or_else(|| Some(("case".to_string(), false)))
        }
        Expr::Subquery(query) => output_names(&query.body)
            .into_iter()
            .next()
            .map(|name| (name, true)),
        Expr::Exists { .. } => good("exists"),
        Expr::Array(_) => good("array"),
        Expr::Trim { trim_where, .. } => good(match trim_where {
            Some(TrimWhereField::Leading) => "ltrim",
            Some(TrimWhereField::Trailing) => "rtrim",
            _ => "btrim",
        }),
        Expr::Substring { .. } => good("substring"),
        Expr::Extract { .. } => good("extract"),
        Expr::Position { .. } => good("position"),
        Expr::Overlay { .. } => good("overlay"),
        Expr::Ceil { .. } => good("ceil"),
        Expr::Floor { .. } => good("floor"),
        Expr::CompoundFieldAccess { root, access_chain } => match access_chain.last() {
            Some(AccessExpr::Dot(Expr::Identifier(field))) => Some((folded(field), true)),
            _ => figure(root),
        },
        _ => None,
    }
}
