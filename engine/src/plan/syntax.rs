//! Which Postgres spellings does the planner not know, and what do they mean?
//!
//! Pure rewrites of the AST with the same meaning: `TABLE t` is `SELECT * FROM t`.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Ident, ObjectName, ObjectNamePart, Query, SetExpr, Statement, VisitMut, VisitorMut,
};

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

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        match table_query(&mut query.body) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(Box::new(error)),
        }
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
