//! How does a function that gives several rows become a plan?
//!
//! `generate_series`, `regexp_matches` and their kin stand in FROM or in a SELECT list. Each has a twin that gives
//! one list; the rewrite calls the twin and unnests what it gives. `WITH ORDINALITY` unnests the numbers of the
//! elements beside them.

use std::ops::ControlFlow;
use tarn_catalog::syntax_walk::{Node, try_walk_mut, walk_mut};

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Query,
    Select, SelectItem, SetExpr, TableAlias, TableAliasColumnDef, TableFactor, UnaryOperator,
    Value, ValueWithSpan, VisitorMut,
};
use tarn_catalog::system::query_rewrite::column_name;

use super::names::fold;
use super::time_syntax::call;
use crate::error::PgError;

/// (function, its twin that gives a list)
const TWINS: [(&str, &str); 4] = [
    ("generate_series", "generate_series_list"),
    ("regexp_matches", "regexp_matches_list"),
    ("regexp_split_to_table", "regexp_split_to_array"),
    ("string_to_table", "string_to_array"),
];
const SERIES: &str = "generate_series";

/// Applies the rewrites to a statement.
pub fn normalise(node: &mut impl Node) -> Result<(), PgError> {
    try_walk_mut(node, &mut Rewriter)
}

struct Rewriter;

impl VisitorMut for Rewriter {
    type Break = Box<PgError>;

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        for item in &mut select.projection {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    let name = column_name(expr);
                    if unnest_calls(expr) {
                        *item = SelectItem::ExprWithAlias {
                            expr: expr.clone(),
                            alias: Ident::with_quote('"', name),
                        };
                    }
                }
                SelectItem::ExprWithAlias { expr, .. } => {
                    unnest_calls(expr);
                }
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        match in_from(factor) {
            Ok(Some(rewritten)) => *factor = rewritten,
            Ok(None) => name_series(factor),
            Err(error) => return ControlFlow::Break(Box::new(error)),
        }
        ControlFlow::Continue(())
    }
}

/// The function's name without its schema, if that is where functions are.
fn function_name(name: &ObjectName) -> Option<String> {
    let parts: Vec<String> = name
        .0
        .iter()
        .filter_map(|part| part.as_ident().map(fold))
        .collect();
    match parts.as_slice() {
        [name] => Some(name.clone()),
        [schema, name] if schema == "pg_catalog" => Some(name.clone()),
        _ => None,
    }
}

fn twin_of(name: &str) -> Option<&'static str> {
    TWINS
        .iter()
        .find(|(function, _)| *function == name)
        .map(|(_, twin)| *twin)
}

/// Does a function of this name give many rows?
pub fn is_set_returning(name: &ObjectName) -> bool {
    function_name(name).is_some_and(|name| name == "unnest" || twin_of(&name).is_some())
}

/// Turns calls in an expression of a SELECT list into `unnest(twin(…))`; says whether there were any.
fn unnest_calls(expr: &mut Expr) -> bool {
    #[derive(Default)]
    struct Calls {
        found: bool,
        /// Subqueries around the node; their own SELECT lists are visited on their own.
        depth: usize,
    }
    impl VisitorMut for Calls {
        type Break = ();

        fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
            self.depth += 1;
            ControlFlow::Continue(())
        }

        fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
            self.depth -= 1;
            ControlFlow::Continue(())
        }

        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            if self.depth == 0
                && let Expr::Function(function) = expr
                && let Some(list) = list_call(function)
            {
                *expr = call("unnest", vec![list]);
                self.found = true;
            }
            ControlFlow::Continue(())
        }
    }
    let mut calls = Calls::default();
    let _ = walk_mut(expr, &mut calls);
    calls.found
}

/// The call of a function's twin.
fn list_call(function: &Function) -> Option<Expr> {
    let twin = twin_of(&function_name(&function.name)?)?;
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    Some(call(twin, values(&list.args)?))
}

/// The arguments of a call that names none of them.
fn values(arguments: &[FunctionArg]) -> Option<Vec<Expr>> {
    arguments
        .iter()
        .map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
            _ => None,
        })
        .collect()
}

/// A function in FROM as a subquery that unnests its list.
fn in_from(factor: &TableFactor) -> Result<Option<TableFactor>, PgError> {
    let (name, arguments, alias, has_numbers) = match factor {
        TableFactor::Table {
            name,
            args: Some(args),
            alias,
            with_ordinality,
            ..
        } => (name, args.args.as_slice(), alias, *with_ordinality),
        TableFactor::Function {
            name,
            args,
            alias,
            with_ordinality,
            ..
        } => (name, args.as_slice(), alias, *with_ordinality),
        TableFactor::UNNEST {
            alias,
            array_exprs,
            with_ordinality,
            ..
        } => return unnest_in_from(alias.as_ref(), array_exprs, *with_ordinality),
        _ => return Ok(None),
    };
    if function_name(name).as_deref() == Some("unnest")
        && let Some(arrays) = values(arguments)
    {
        return unnest_in_from(alias.as_ref(), &arrays, has_numbers);
    }
    let Some((name, twin)) = function_name(name).and_then(|name| {
        let twin = twin_of(&name)?;
        Some((name, twin))
    }) else {
        return Ok(None);
    };
    let Some(arguments) = values(arguments) else {
        return Ok(None);
    };
    // DataFusion makes series of integers a row at a time.
    if name == SERIES && !has_numbers && arguments.iter().all(is_integer) {
        return Ok(None);
    }
    let list = call(twin, arguments);
    unnested(&name, list, alias.as_ref(), has_numbers).map(Some)
}

/// A series of integers and its column are called as PostgreSQL calls them.
fn name_series(factor: &mut TableFactor) {
    let TableFactor::Table {
        name,
        args: Some(_),
        alias,
        ..
    } = factor
    else {
        return;
    };
    if function_name(name).as_deref() != Some(SERIES) {
        return;
    }
    let alias = alias.get_or_insert_with(|| TableAlias {
        explicit: true,
        name: Ident::new(SERIES),
        columns: Vec::new(),
        at: None,
    });
    if alias.columns.is_empty() {
        alias.columns.push(TableAliasColumnDef {
            name: alias.name.clone(),
            data_type: None,
        });
    }
}

fn unnest_in_from(
    alias: Option<&TableAlias>,
    arrays: &[Expr],
    has_numbers: bool,
) -> Result<Option<TableFactor>, PgError> {
    match arrays {
        [array] => unnested("unnest", array.clone(), alias, has_numbers).map(Some),
        _ => Ok(None),
    }
}

/// Is this a number without a point, or a parameter?
fn is_integer(expr: &Expr) -> bool {
    match expr {
        Expr::UnaryOp {
            op: UnaryOperator::Minus | UnaryOperator::Plus,
            expr,
        } => is_integer(expr),
        Expr::Nested(expr) => is_integer(expr),
        Expr::Value(ValueWithSpan { value, .. }) => match value {
            Value::Number(digits, _) => digits.parse::<i64>().is_ok(),
            Value::Placeholder(_) => true,
            _ => false,
        },
        _ => false,
    }
}

/// `(SELECT unnest(list) [, unnest(numbers)]) AS alias (columns)`
fn unnested(
    name: &str,
    list: Expr,
    alias: Option<&TableAlias>,
    has_numbers: bool,
) -> Result<TableFactor, PgError> {
    let mut query = crate::parser::parse_query("SELECT 1")?;
    let SetExpr::Select(select) = query.body.as_mut() else {
        return Err(PgError::syntax("syntax error in FROM"));
    };
    // The column of one value is called as the relation is.
    let value_name = alias.map_or_else(|| name.to_string(), |alias| fold(&alias.name));
    let item = |expr, alias: &str| SelectItem::ExprWithAlias {
        expr,
        alias: Ident::with_quote('"', alias),
    };
    select.projection = vec![item(call("unnest", vec![list.clone()]), &value_name)];
    if has_numbers {
        let one = Expr::Value(Value::Number("1".to_string(), false).into());
        let count = call("cardinality", vec![list]);
        let numbers = call("generate_series_list", vec![one, count]);
        select
            .projection
            .push(item(call("unnest", vec![numbers]), "ordinality"));
    }
    let plain = TableAlias {
        explicit: true,
        name: Ident::with_quote('"', name),
        columns: Vec::<TableAliasColumnDef>::new(),
        at: None,
    };
    Ok(TableFactor::Derived {
        // Functions in FROM see the relations before them without a word.
        lateral: true,
        subquery: Box::new(query),
        alias: Some(alias.cloned().unwrap_or(plain)),
        sample: None,
    })
}
