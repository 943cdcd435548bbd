//! Which Postgres spellings does the planner not know, and what do they mean?
//!
//! Pure rewrites of the AST with the same meaning: `TABLE t` is `SELECT * FROM t`. Columns without a name get
//! the one that Postgres would give; where two would be equal, which DataFusion refuses, all but the first get
//! a mark that [`plain_name`] takes off again.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, ObjectName, ObjectNamePart, Query, Select, SelectItem, SetExpr, Statement,
    VisitMut, VisitorMut,
};
use tarn_catalog::system::query_rewrite::column_name;

use super::names::fold;
use crate::error::PgError;

/// Applies every rewrite.
pub fn normalise(statement: &mut Statement) -> Result<(), PgError> {
    let mut rewriter = Rewriter;
    match statement.visit(&mut rewriter) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(*error),
    }
}

struct Rewriter;

impl VisitorMut for Rewriter {
    type Break = Box<PgError>;

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        name_columns(select);
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        match table_query(&mut query.body) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(Box::new(error)),
        }
    }
}

/// Between a column's name and what makes it different from another of the same name.
const MARK: char = '\u{1e}';

/// A column's name as the client shall read it.
pub fn plain_name(name: &str) -> &str {
    name.split(MARK).next().unwrap_or(name)
}

fn name_columns(select: &mut Select) {
    let has_wildcard = select.projection.iter().any(|item| {
        matches!(
            item,
            SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)
        )
    });
    let mut taken: HashSet<String> = HashSet::new();
    for item in &mut select.projection {
        let (name, expr, is_named) = match &*item {
            SelectItem::UnnamedExpr(expr) => {
                let is_column = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
                (column_name(expr), expr.clone(), is_column && !has_wildcard)
            }
            SelectItem::ExprWithAlias { expr, alias } => (fold(alias), expr.clone(), true),
            _ => continue,
        };
        let is_column = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
        let must_differ = !taken.insert(name.clone()) || (has_wildcard && is_column && !is_named);
        if is_named && !must_differ {
            continue;
        }
        let unique = if must_differ {
            format!("{name}{MARK}{}", taken.len() + 1)
        } else {
            name
        };
        taken.insert(unique.clone());
        *item = SelectItem::ExprWithAlias {
            expr,
            alias: Ident::with_quote('"', unique),
        };
    }
}

/// `TABLE schema.t`, also as a branch of UNION.
fn table_query(body: &mut SetExpr) -> Result<(), PgError> {
    match body {
        SetExpr::SetOperation { left, right, .. } => {
            table_query(left)?;
            table_query(right)
        }
        SetExpr::Table(table) => {
            let mut select = *crate::parser::parse_query("SELECT * FROM t")?.body;
            let parts = table.schema_name.iter().chain(&table.table_name);
            let name = ObjectName(
                parts
                    .map(|part| ObjectNamePart::Identifier(Ident::new(part.clone())))
                    .collect(),
            );
            if let SetExpr::Select(select) = &mut select
                && let Some(from) = select.from.first_mut()
                && let datafusion::sql::sqlparser::ast::TableFactor::Table { name: slot, .. } =
                    &mut from.relation
            {
                *slot = name;
            }
            *body = select;
            Ok(())
        }
        _ => Ok(()),
    }
}
