//! Which Postgres spellings does the planner not know, and what do they mean?
//!
//! Pure rewrites of the AST with the same meaning: `TABLE t` is `SELECT * FROM t`. Columns without a name get
//! the one that Postgres would give; where two would be equal, which DataFusion refuses, all but the first get
//! a mark that [`plain_name`] takes off again.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use tarn_catalog::syntax_walk::{each_expression, try_walk_mut};

use arrow::datatypes::FieldRef;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, LimitClause, ObjectName, ObjectNamePart, Query, Select, SelectItem, SetExpr,
    Statement, Value, ValueWithSpan, VisitorMut,
};
use tarn_catalog::system::query_rewrite::column_name;
use tarn_catalog::types::PgType;

use super::names::fold;
use crate::error::PgError;
use crate::statement::insert::{note_parameter, placeholder_number};

/// Applies every rewrite.
pub fn normalise(statement: &mut Statement) -> Result<(), PgError> {
    try_walk_mut(statement, &mut Rewriter)
}

struct Rewriter;

impl VisitorMut for Rewriter {
    type Break = Box<PgError>;

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        name_columns(select);
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        fetch_as_limit(query);
        match table_query(&mut query.body) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(Box::new(error)),
        }
    }
}

/// `$1::int` and `'a' = ANY($1)` say the types of their parameters, where nobody has.
pub fn cast_parameters(statement: &Statement, known: &[Option<FieldRef>]) -> Vec<Option<FieldRef>> {
    let mut typed = known.to_vec();
    let _ = each_expression(statement, |expr| {
        let found = match expr {
            Expr::Cast {
                expr, data_type, ..
            } => placeholder_number(expr).map(|number| (number, data_type.to_string())),
            Expr::AnyOp { left, right, .. } | Expr::AllOp { left, right, .. } => {
                placeholder_number(right)
                    .zip(literal_type(left))
                    .map(|(number, element)| (number, format!("{element}[]")))
            }
            _ => None,
        };
        if let Some((number, spelling)) = found
            && let Ok(pg_type) = PgType::parse(&spelling)
        {
            let field: FieldRef = Arc::new(pg_type.field("", true));
            note_parameter(&mut typed, number, &field);
        }
        ControlFlow::<()>::Continue(())
    });
    typed
}

/// The type of a literal's own spelling.
fn literal_type(expr: &Expr) -> Option<&'static str> {
    match expr {
        Expr::Value(ValueWithSpan { value, .. }) => match value {
            Value::SingleQuotedString(_) => Some("text"),
            Value::Number(digits, _) if digits.parse::<i32>().is_ok() => Some("integer"),
            Value::Number(digits, _) if digits.parse::<i64>().is_ok() => Some("bigint"),
            Value::Number(..) => Some("numeric"),
            Value::Boolean(_) => Some("boolean"),
            _ => None,
        },
        _ => None,
    }
}

/// `FETCH FIRST n ROWS ONLY` is LIMIT n.
fn fetch_as_limit(query: &mut Query) {
    let Some(fetch) = &query.fetch else { return };
    if fetch.with_ties || fetch.percent {
        return;
    }
    let count = fetch.quantity.clone();
    let one = || Expr::Value(Value::Number("1".to_string(), false).into());
    let count = count.unwrap_or_else(one);
    match &mut query.limit_clause {
        Some(LimitClause::LimitOffset { limit, .. }) if limit.is_none() => *limit = Some(count),
        None => {
            query.limit_clause = Some(LimitClause::LimitOffset {
                limit: Some(count),
                offset: None,
                limit_by: Vec::new(),
            });
        }
        _ => return,
    }
    query.fetch = None;
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
