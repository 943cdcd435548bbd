//! What are the columns called that a query does not name?
//!
//! PostgreSQL calls `count(*)` count, `x::text` after x, a CASE case and anything else `?column?`, and several columns
//! may have one name. DataFusion calls a column by its expression and wants the names to differ.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, Expr, Ident, Select, SelectItem, SetExpr, Statement, VisitMut, VisitorMut,
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
    let _ = statement.visit(&mut NameColumns);
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

fn figured(expr: &Expr) -> String {
    name_of(expr).unwrap_or_else(|| NO_NAME.to_string())
}

fn name_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(ident) => Some(folded(ident)),
        Expr::CompoundIdentifier(idents) => idents.last().map(folded),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => name_of(inner),
        Expr::Function(function) => parts(&function.name).pop(),
        Expr::Cast {
            expr, data_type, ..
        } => name_of(expr).or_else(|| {
            PgType::parse(&data_type.to_string())
                .ok()
                .map(|found| found.typname().to_string())
        }),
        // CASE is named by its ELSE if that has a name.
        Expr::Case { else_result, .. } => else_result
            .as_deref()
            .and_then(name_of)
            .or_else(|| Some("case".to_string())),
        Expr::Subquery(query) => output_names(&query.body).into_iter().next(),
        Expr::Exists { .. } => Some("exists".to_string()),
        Expr::Array(_) => Some("array".to_string()),
        Expr::Trim { .. } => Some("btrim".to_string()),
        Expr::Substring { .. } => Some("substring".to_string()),
        Expr::Extract { .. } => Some("extract".to_string()),
        Expr::Position { .. } => Some("position".to_string()),
        Expr::CompoundFieldAccess { root, access_chain } => match access_chain.last() {
            Some(AccessExpr::Dot(Expr::Identifier(field))) => Some(folded(field)),
            _ => name_of(root),
        },
        _ => None,
    }
}
