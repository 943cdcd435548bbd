//! Functions in FROM: `pg_catalog.generate_series(…) AS s(r)`, `unnest(…) x`, `pg_partition_ancestors(…)`.

use crate::syntax_walk::walk_mut;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, ObjectName, Statement, TableAlias, TableAliasColumnDef, TableFactor, Value,
    VisitorMut,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::relations::system_function;
use super::syntax::{argument, call};

pub(super) fn rewrite(statement: &mut Statement) {
    let _ = walk_mut(statement, &mut TableFunctions);
}

struct TableFunctions;

impl VisitorMut for TableFunctions {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let (name, arguments, alias) = match factor {
            TableFactor::Table {
                name,
                args: Some(args),
                alias,
                ..
            } => (name, &args.args, alias),
            TableFactor::Function {
                name, args, alias, ..
            } => (name, &*args, alias),
            TableFactor::UNNEST {
                alias: Some(alias), ..
            } => {
                name_column(alias);
                return ControlFlow::Continue(());
            }
            _ => return ControlFlow::Continue(()),
        };
        let Some(function_name) = system_function(name) else {
            return ControlFlow::Continue(());
        };
        *name = ObjectName::from(vec![Ident::new(function_name.clone())]);
        let arguments: Vec<Expr> = arguments.iter().filter_map(argument).cloned().collect();
        let written = alias.clone();
        let mut alias = alias.clone();
        if let Some(alias) = &mut alias {
            name_column(alias);
        }
        let replaced = match function_name.as_str() {
            "unnest" => Some(TableFactor::UNNEST {
                alias: alias.clone(),
                array_exprs: arguments,
                with_offset: false,
                with_offset_alias: None,
                with_ordinality: false,
            }),
            "generate_series" if !arguments.iter().all(is_literal) => {
                // DataFusion's table function takes literals only; its array function takes any expression.
                derived(
                    call("unnest", vec![call("generate_series", arguments)]),
                    &alias,
                    "generate_series",
                )
            }
            // No table is partitioned, so no table has ancestors.
            "pg_partition_ancestors" if names_more_than_one(&written) => {
                nothing(&written, "0 AS relid, 0 AS ordinality")
            }
            "pg_partition_ancestors" => nothing(&written, "0 AS relid"),
            "pg_partition_tree" => nothing(
                &written,
                "0 AS relid, 0 AS parentrelid, false AS isleaf, 0 AS level",
            ),
            // No foreign server has options.
            "pg_options_to_table" => nothing(&written, "'' AS option_name, '' AS option_value"),
            _ => None,
        };
        match replaced {
            Some(replaced) => *factor = replaced,
            None => set_alias(factor, alias),
        }
        ControlFlow::Continue(())
    }
}

/// In PostgreSQL the alias of a function with one column also names that column.
fn name_column(alias: &mut TableAlias) {
    if alias.columns.is_empty() {
        alias
            .columns
            .push(TableAliasColumnDef::from_name(alias.name.value.clone()));
    }
}

/// Gives the function its alias with a column name, unless it has several columns, which keep their own names.
fn set_alias(factor: &mut TableFactor, new_alias: Option<TableAlias>) {
    let is_single_column = factor_name(factor).as_deref() == Some("generate_series");
    if let TableFactor::Table { alias, .. } | TableFactor::Function { alias, .. } = factor {
        let names_columns = alias
            .as_ref()
            .is_some_and(|alias| !alias.columns.is_empty());
        if names_columns || is_single_column {
            *alias = new_alias;
        }
    }
}

fn factor_name(factor: &TableFactor) -> Option<String> {
    match factor {
        TableFactor::Table { name, .. } | TableFactor::Function { name, .. } => {
            system_function(name)
        }
        _ => None,
    }
}

fn is_literal(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => matches!(value.value, Value::Number(..)),
        Expr::UnaryOp { expr, .. } => is_literal(expr),
        _ => false,
    }
}

/// `(SELECT expr AS name) AS alias`
fn derived(expr: Expr, alias: &Option<TableAlias>, name: &str) -> Option<TableFactor> {
    let mut factor = parse(&format!("(SELECT 1 AS {name}) AS {name}"))?;
    if let TableFactor::Derived {
        subquery,
        alias: own,
        ..
    } = &mut factor
    {
        let _ = walk_mut(subquery.as_mut(), &mut ReplaceOne(Some(expr)));
        if alias.is_some() {
            *own = alias.clone();
        }
    }
    Some(factor)
}

/// WITH ORDINALITY adds a column, which the alias names too.
fn names_more_than_one(alias: &Option<TableAlias>) -> bool {
    alias.as_ref().is_some_and(|alias| alias.columns.len() > 1)
}

/// `(SELECT columns WHERE false) AS alias`
fn nothing(alias: &Option<TableAlias>, columns: &str) -> Option<TableFactor> {
    let mut factor = parse(&format!("(SELECT {columns} WHERE false) AS nothing"))?;
    if let (TableFactor::Derived { alias: own, .. }, Some(_)) = (&mut factor, alias) {
        *own = alias.clone();
    }
    Some(factor)
}

/// Puts an expression in the place of the only literal.
struct ReplaceOne(Option<Expr>);

impl VisitorMut for ReplaceOne {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if matches!(expr, Expr::Value(_))
            && let Some(replacement) = self.0.take()
        {
            *expr = replacement;
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

fn parse(sql: &str) -> Option<TableFactor> {
    Parser::new(&PostgreSqlDialect {})
        .try_with_sql(sql)
        .ok()?
        .parse_table_factor()
        .ok()
}

/// Calls of SRFs that have no rows here, in a select list.
pub(super) fn is_empty_set(function: &str) -> bool {
    function == "pg_partition_ancestors"
}
