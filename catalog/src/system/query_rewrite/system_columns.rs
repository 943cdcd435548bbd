//! `tableoid` and `xmin`, which every relation of PostgreSQL has without showing them.
//!
//! `c.tableoid` becomes the OID of the relation that `c` stands for, or NULL in a row that an outer join filled up
//! (its first NOT NULL column is then NULL).

use crate::syntax_walk::walk_mut;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    CaseWhen, Expr, Ident, ObjectName, Select, Statement, TableFactor, Value, VisitorMut,
};

use super::relations::parts;
use crate::system::layout::{Layout, layout};

/// The system relations of one SELECT, by the name that its expressions use.
type Scope = Vec<(String, &'static Layout)>;

pub(super) fn rewrite(statement: &mut Statement) {
    let _ = walk_mut(statement, &mut SystemColumns { scopes: Vec::new() });
}

struct SystemColumns {
    scopes: Vec<Scope>,
}

impl VisitorMut for SystemColumns {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let mut scope = Scope::new();
        for from in &select.from {
            add(&from.relation, &mut scope);
            for join in &from.joins {
                add(&join.relation, &mut scope);
            }
        }
        self.scopes.push(scope);
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _select: &mut Select) -> ControlFlow<()> {
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let (qualifier, column) = match expr {
            Expr::CompoundIdentifier(idents) => match idents.as_slice() {
                [qualifier, column] => (
                    Some(qualifier.value.to_lowercase()),
                    column.value.to_lowercase(),
                ),
                _ => return ControlFlow::Continue(()),
            },
            Expr::Identifier(column) => (None, column.value.to_lowercase()),
            _ => return ControlFlow::Continue(()),
        };
        if column != "tableoid" && column != "xmin" {
            return ControlFlow::Continue(());
        }
        let found = self.scopes.iter().rev().find_map(|scope| match &qualifier {
            Some(qualifier) => scope.iter().find(|(name, _)| name == qualifier),
            None => scope.first().filter(|_| scope.len() == 1),
        });
        if let Some((name, layout)) = found {
            *expr = value(name, layout, &column);
        }
        ControlFlow::Continue(())
    }
}

fn add(factor: &TableFactor, scope: &mut Scope) {
    if let TableFactor::Table {
        name,
        alias,
        args: None,
        ..
    } = factor
        && let Some(layout) = system_layout(name)
    {
        let known_as = alias.as_ref().map_or(layout.name.to_string(), |alias| {
            alias.name.value.to_lowercase()
        });
        scope.push((known_as, layout));
    }
}

fn system_layout(name: &ObjectName) -> Option<&'static Layout> {
    match parts(name).as_slice() {
        [schema, relation] | [_, schema, relation] => layout(schema, relation),
        _ => None,
    }
}

fn value(name: &str, layout: &Layout, column: &str) -> Expr {
    // Rows of the catalog have one version here.
    let number = if column == "tableoid" { layout.oid } else { 1 };
    let literal = Expr::value(Value::Number(number.to_string(), false));
    match layout.columns.iter().find(|column| column.not_null) {
        None => literal,
        Some(present) => {
            let present =
                Expr::CompoundIdentifier(vec![Ident::new(name), Ident::new(present.name)]);
            Expr::Case {
                case_token: AttachedToken::empty(),
                end_token: AttachedToken::empty(),
                operand: None,
                conditions: vec![CaseWhen {
                    condition: Expr::IsNotNull(Box::new(present)),
                    result: literal,
                }],
                else_result: None,
            }
        }
    }
}
