//! Spellings that only PostgreSQL has: `pg_catalog.f()`, `OPERATOR(pg_catalog.~)`, `COLLATE`, `ARRAY(SELECT …)`,
//! `LIKE … ESCAPE`, `'{a,b}'::text[]`, `a[1]`, `(f(x)).n` and set-returning functions.
//!
//! Each rule replaces an expression by one with the same value in PostgreSQL:
//!
//! | written | planned as |
//! |---|---|
//! | `pg_catalog.f(x)` | `f(x)` |
//! | `a OPERATOR(pg_catalog.~) b` | `a ~ b` |
//! | `a COLLATE c` | `a`, since text compares by bytes here, as in collation C |
//! | `a LIKE p ESCAPE e` | `a LIKE like_escape(p, e)`, PostgreSQL's own definition |
//! | `x = ANY ('{a,b}')`, `'{1,2}'::oid[]` | `x = ANY (ARRAY['a', 'b'])`, `ARRAY['1'::oid, '2'::oid]` |
//! | `x::regclass`, `x::oid` … | `pg_reg_in(x, 'regclass')`, the OID, or 42P01 and its like |
//! | `COALESCE(a, '{}')` | `pg_coalesce(a, '{}')`, until the type of `a` is known |
//! | `a[i]` | `pg_array_element(a, i)`, which counts vectors from 0 |
//! | `(f(x)).n` | `get_field(f(x), 'n')` |
//! | `ARRAY(SELECT …)` | `pg_array_subquery((SELECT …))`, run row by row |
//! | `generate_subscripts(a, 1)` | `unnest(pg_subscripts(a, 1))` |
//! | `_pg_expandarray(a)` | `unnest(_pg_expandarray(a))` |
//! | `col_description(t, n)` | the subquery over `pg_description` that it is in PostgreSQL |

use crate::syntax_walk::walk_mut;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, Array, ArrayElemTypeDef, BinaryOperator, CastKind, DataType as SqlType, Expr,
    Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident,
    ObjectName, Statement, Subscript, Value, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::arrays::elements_of_literal;
use super::relations::system_function;
use super::table_functions::is_empty_set;
use crate::system::functions::{
    ARRAY_SUBQUERY, COALESCE, ELEMENT, EXPANDED, NO_RELATIONS, REG_IN, REG_TYPES, SUBSCRIPTS,
};
use crate::types::PgType;

pub(super) fn rewrite(statement: &mut Statement) {
    let _ = walk_mut(statement, &mut Syntax);
}

struct Syntax;

impl VisitorMut for Syntax {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        // Before its parts are visited, since the subquery that replaces it must be visited too.
        if let Expr::Function(function) = expr
            && system_function(&function.name).as_deref() == Some("col_description")
            && let Some(subquery) = column_description(function)
        {
            *expr = subquery;
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let taken = std::mem::replace(expr, Expr::value(Value::Null));
        *expr = rewritten(taken);
        ControlFlow::Continue(())
    }
}

fn rewritten(expr: Expr) -> Expr {
    match expr {
        Expr::Function(function) => function_call(function),
        Expr::Identifier(ident) => match bare_function(&ident) {
            Some(name) => call(name, Vec::new()),
            None => Expr::Identifier(ident),
        },
        Expr::Collate { expr, .. } => *expr,
        Expr::BinaryOp {
            left,
            op: BinaryOperator::PGCustomBinaryOperator(name),
            right,
        } => {
            let op = operator(&name).unwrap_or(BinaryOperator::PGCustomBinaryOperator(name));
            Expr::BinaryOp { left, op, right }
        }
        Expr::Like {
            negated,
            any,
            expr,
            pattern,
            escape_char: Some(escape),
        } => {
            let pattern = call("like_escape", vec![*pattern, Expr::Value(escape)]);
            Expr::Like {
                negated,
                any,
                expr,
                pattern: Box::new(pattern),
                escape_char: None,
            }
        }
        Expr::AnyOp {
            left,
            compare_op,
            right,
            is_some,
        } => Expr::AnyOp {
            left,
            compare_op,
            right: Box::new(array_operand(*right)),
            is_some,
        },
        Expr::AllOp {
            left,
            compare_op,
            right,
        } => Expr::AllOp {
            left,
            compare_op,
            right: Box::new(array_operand(*right)),
        },
        Expr::Cast { .. } => cast(expr),
        Expr::CompoundFieldAccess { root, access_chain } => access(*root, access_chain),
        other => other,
    }
}

/// An array literal, a cast between types of OIDs, or the cast as it is.
fn cast(expr: Expr) -> Expr {
    let Expr::Cast {
        expr: inner,
        data_type,
        ..
    } = &expr
    else {
        return expr;
    };
    if let Some(elements) = array_literal(inner, data_type) {
        return elements;
    }
    match oid_type(data_type) {
        Some(name) => call(REG_IN, vec![inner.as_ref().clone(), literal(Some(&name))]),
        None => expr,
    }
}

/// The function behind a word that sqlparser takes for a column, unlike `current_user` and others.
fn bare_function(ident: &Ident) -> Option<&'static str> {
    let words = ["current_schema", "current_role"];
    words
        .into_iter()
        .find(|word| ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case(word))
}

/// `f(arguments)`
pub(super) fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    let args = arguments
        .into_iter()
        .map(|expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)))
        .collect();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// The expression of a positional argument.
pub(super) fn argument(argument: &FunctionArg) -> Option<&Expr> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

fn arguments(function: &Function) -> Vec<Expr> {
    match &function.args {
        FunctionArguments::List(list) => list.args.iter().filter_map(argument).cloned().collect(),
        _ => Vec::new(),
    }
}

fn function_call(mut function: Function) -> Expr {
    let Some(name) = system_function(&function.name) else {
        return Expr::Function(function);
    };
    if let FunctionArguments::Subquery(query) = function.args {
        if name == "array" {
            return call(ARRAY_SUBQUERY, vec![Expr::Subquery(query)]);
        }
        function.args = FunctionArguments::Subquery(query);
        return Expr::Function(function);
    }
    if function.name.0.len() > 1 {
        function.name = ObjectName::from(vec![Ident::new(name.clone())]);
    }
    match name.as_str() {
        "coalesce" if arguments(&function).iter().any(is_array_text) => {
            call(COALESCE, arguments(&function))
        }
        "generate_subscripts" => call("unnest", vec![call(SUBSCRIPTS, arguments(&function))]),
        "_pg_expandarray" => call("unnest", vec![call(EXPANDED, arguments(&function))]),
        name if is_empty_set(name) => {
            call("unnest", vec![call(NO_RELATIONS, arguments(&function))])
        }
        _ => Expr::Function(function),
    }
}

/// `(SELECT description FROM pg_description WHERE objoid = t AND classoid = 'pg_class' AND objsubid = n)`
fn column_description(function: &Function) -> Option<Expr> {
    let [table, column] = <[Expr; 2]>::try_from(arguments(function)).ok()?;
    let sql = "(SELECT pg_description.description FROM pg_catalog.pg_description \
               WHERE pg_description.objoid = $1 AND pg_description.classoid = 1259 AND pg_description.objsubid = $2)";
    let mut subquery = Parser::new(&PostgreSqlDialect {})
        .try_with_sql(sql)
        .ok()?
        .parse_expr()
        .ok()?;
    let _ = walk_mut(&mut subquery, &mut FillIn([Some(table), Some(column)]));
    Some(subquery)
}

/// Puts expressions in the place of `$1` and `$2`.
struct FillIn([Option<Expr>; 2]);

impl VisitorMut for FillIn {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Value(value) = expr
            && let Value::Placeholder(placeholder) = &value.value
            && let Some(replacement) = self.0[usize::from(placeholder == "$2")].take()
        {
            *expr = replacement;
        }
        ControlFlow::Continue(())
    }
}

/// The operator of `OPERATOR(pg_catalog.~)`.
fn operator(name: &[String]) -> Option<BinaryOperator> {
    let symbol = match name {
        [schema, symbol] if schema.eq_ignore_ascii_case("pg_catalog") => symbol,
        [symbol] => symbol,
        _ => return None,
    };
    Some(match symbol.as_str() {
        "=" => BinaryOperator::Eq,
        "<>" | "!=" => BinaryOperator::NotEq,
        "<" => BinaryOperator::Lt,
        "<=" => BinaryOperator::LtEq,
        ">" => BinaryOperator::Gt,
        ">=" => BinaryOperator::GtEq,
        "~" => BinaryOperator::PGRegexMatch,
        "~*" => BinaryOperator::PGRegexIMatch,
        "!~" => BinaryOperator::PGRegexNotMatch,
        "!~*" => BinaryOperator::PGRegexNotIMatch,
        "~~" => BinaryOperator::PGLikeMatch,
        "!~~" => BinaryOperator::PGNotLikeMatch,
        "~~*" => BinaryOperator::PGILikeMatch,
        "!~~*" => BinaryOperator::PGNotILikeMatch,
        "+" => BinaryOperator::Plus,
        "-" => BinaryOperator::Minus,
        "*" => BinaryOperator::Multiply,
        "/" => BinaryOperator::Divide,
        "||" => BinaryOperator::StringConcat,
        _ => return None,
    })
}

fn string(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// `'{}'`, which is an array if it stands beside one.
fn is_array_text(expr: &Expr) -> bool {
    string(expr).is_some_and(|text| elements_of_literal(text).is_some())
}

/// Name of a type whose values are OIDs: a cast from one to another must not be lost.
fn oid_type(data_type: &SqlType) -> Option<String> {
    let pg_type = PgType::parse(&data_type.to_string()).ok()?;
    (pg_type == PgType::OID || REG_TYPES.contains(&pg_type)).then(|| pg_type.short_name())
}

fn array(elements: Vec<Expr>) -> Expr {
    Expr::Array(Array {
        elem: elements,
        named: true,
    })
}

/// The right side of ANY and ALL: an untyped literal is an array there.
fn array_operand(expr: Expr) -> Expr {
    let inner = match &expr {
        Expr::Nested(inner) => inner.as_ref(),
        other => other,
    };
    match string(inner).and_then(elements_of_literal) {
        Some(elements) => array(
            elements
                .into_iter()
                .map(|text| literal(text.as_deref()))
                .collect(),
        ),
        None => expr,
    }
}

fn literal(text: Option<&str>) -> Expr {
    Expr::value(text.map_or(Value::Null, |text| {
        Value::SingleQuotedString(text.to_string())
    }))
}

/// `'{1,2}'::oid[]` as an array of casts.
fn array_literal(expr: &Expr, data_type: &SqlType) -> Option<Expr> {
    let SqlType::Array(ArrayElemTypeDef::SquareBracket(element, _)) = data_type else {
        return None;
    };
    let elements = elements_of_literal(string(expr)?)?;
    if elements.is_empty() {
        return None;
    }
    let element_of = |text: Option<&str>| Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(literal(text)),
        data_type: element.as_ref().clone(),
        array: false,
        format: None,
    };
    Some(array(
        elements
            .iter()
            .map(|text| element_of(text.as_deref()))
            .collect(),
    ))
}

fn access(root: Expr, chain: Vec<AccessExpr>) -> Expr {
    chain
        .into_iter()
        .fold(root, |value, access| match (value, access) {
            (value, AccessExpr::Subscript(Subscript::Index { index })) => {
                call(ELEMENT, vec![value, index])
            }
            // `con.conkey[1]`: a column of a relation, not a field of a value.
            (Expr::Identifier(relation), AccessExpr::Dot(Expr::Identifier(column))) => {
                Expr::CompoundIdentifier(vec![relation, column])
            }
            (Expr::CompoundIdentifier(mut idents), AccessExpr::Dot(Expr::Identifier(column))) => {
                idents.push(column);
                Expr::CompoundIdentifier(idents)
            }
            (value, AccessExpr::Dot(Expr::Identifier(field))) => {
                let name = if field.quote_style.is_some() {
                    field.value
                } else {
                    field.value.to_lowercase()
                };
                call(
                    "get_field",
                    vec![value, Expr::value(Value::SingleQuotedString(name))],
                )
            }
            (value, other) => Expr::CompoundFieldAccess {
                root: Box::new(value),
                access_chain: vec![other],
            },
        })
}
