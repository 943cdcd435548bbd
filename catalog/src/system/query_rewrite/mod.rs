//! How do clients' catalog queries become plans?
//!
//! DataFusion does not plan everything that drivers and tools send. A query is rewritten only if every relation in it
//! is in `pg_catalog` or `information_schema` ([`is_catalog_query`]), so no rule here ever touches a query over users'
//! tables. Two passes, each rule in its own file:
//!
//! 1. [`rewrite_statement`], before planning: names, operators and functions that only PostgreSQL spells so.
//! 2. [`rewrite_plan`], after planning and before optimising, when types are known: casts between text and
//!    `regclass` and its like, untyped literals, and subqueries that DataFusion cannot turn into joins.
//!
//! [`SystemTypes`] must be the session's type planner, so that `::regclass`, `::"char"` and `::oid` keep their type.

mod arrays;
mod cells;
mod correlated;
mod correlated_exec;
mod output_names;
mod relations;
mod syntax;
mod system_columns;
mod table_functions;
mod typed;
mod types;

use datafusion::error::Result;
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{Expr, Statement};

pub use types::SystemTypes;

/// Is every relation of this query in `pg_catalog` or `information_schema`?
///
/// A query without any relation counts if it calls a function or names a type of the catalog:
/// `SELECT 'orders'::regclass`, `SELECT pg_catalog.version()`.
pub fn is_catalog_query(statement: &Statement) -> bool {
    relations::is_catalog_query(statement)
}

/// Makes the syntax of a catalog query plannable.
///
/// Gives the column names that PostgreSQL would report, for RowDescription: in a plan they must differ from each
/// other, for PostgreSQL they need not.
pub fn rewrite_statement(statement: &mut Statement) -> Vec<String> {
    // First, while the syntax still says what PostgreSQL would call a column.
    let names = output_names::rewrite(statement);
    relations::qualify(statement);
    system_columns::rewrite(statement);
    table_functions::rewrite(statement);
    syntax::rewrite(statement);
    names
}

/// What PostgreSQL calls a column of this expression that the query does not name.
pub fn column_name(expr: &Expr) -> String {
    output_names::figured(expr)
}

/// Makes the plan of a catalog query executable. `state` plans the subqueries that run row by row.
pub fn rewrite_plan(plan: LogicalPlan, state: &SessionState) -> Result<LogicalPlan> {
    let plan = typed::rewrite(plan, state)?;
    let plan = correlated::rewrite(plan, state)?;
    typed::print_output(plan, state)
}
