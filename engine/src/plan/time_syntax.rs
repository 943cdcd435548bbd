//! Which spellings of dates and intervals does DataFusion read otherwise than PostgreSQL?
//!
//! Pure rewrites of the AST, for every statement: `x AT TIME ZONE z` is `timezone(z, x)`, `INTERVAL '1 day'` is a
//! cast, so that the literal is read as PostgreSQL reads it, and `make_interval(days => 3)` gets all its places.

use std::ops::ControlFlow;
use tarn_catalog::syntax_walk::{Node, try_walk_mut};

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, DateTimeField, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, Ident, Interval, ObjectName, Value, ValueWithSpan,
    VisitorMut,
};

use super::names::fold;
use crate::error::PgError;
use crate::sqlstate;

/// Applies every rewrite to a statement or an expression.
pub fn normalise(node: &mut impl Node) -> Result<(), PgError> {
    try_walk_mut(node, &mut Rewriter)
}

struct Rewriter;

impl VisitorMut for Rewriter {
    type Break = Box<PgError>;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        let rewritten = match expr {
            Expr::AtTimeZone {
                timestamp,
                time_zone,
            } => Ok(Some(call(
                "timezone",
                vec![(**time_zone).clone(), (**timestamp).clone()],
            ))),
            Expr::Interval(interval) => interval_literal(interval).map(Some),
            Expr::Function(function) => make_interval(function).map(|()| None),
            _ => Ok(None),
        };
        match rewritten {
            Ok(Some(rewritten)) => *expr = rewritten,
            Ok(None) => {}
            Err(error) => return ControlFlow::Break(Box::new(error)),
        }
        ControlFlow::Continue(())
    }
}

/// A call of a function by its name.
pub fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    let arguments = arguments
        .into_iter()
        .map(|argument| FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)))
        .collect();
    Expr::Function(Function {
        name: ObjectName::from(Ident::new(name)),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: arguments,
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// `INTERVAL '…' [fields]` as a cast of the text.
fn interval_literal(interval: &Interval) -> Result<Expr, PgError> {
    let Expr::Value(ValueWithSpan {
        value: Value::SingleQuotedString(text),
        span,
    }) = interval.value.as_ref()
    else {
        return Err(PgError::syntax(
            "syntax error: INTERVAL needs a literal in quotes",
        ));
    };
    let smallest = interval
        .last_field
        .as_ref()
        .or(interval.leading_field.as_ref());
    let unit = smallest.map(DateTimeField::to_string);
    let is_number = text.trim().parse::<f64>().is_ok();
    let text = match &unit {
        Some(unit) if is_number => format!("{text} {unit}"),
        _ => text.clone(),
    };
    let literal = Expr::Value(ValueWithSpan {
        value: Value::SingleQuotedString(text),
        span: *span,
    });
    let cast = Expr::Cast {
        kind: CastKind::DoubleColon,
        expr: Box::new(literal),
        data_type: DataType::Interval {
            fields: None,
            precision: None,
        },
        array: false,
        format: None,
    };
    Ok(match unit {
        Some(unit) if !unit.eq_ignore_ascii_case("second") => call(
            "date_trunc",
            vec![
                Expr::Value(Value::SingleQuotedString(unit.to_lowercase()).into()),
                cast,
            ],
        ),
        _ => cast,
    })
}

/// The parameters of `make_interval`, in order.
const INTERVAL_PARTS: [&str; 7] = ["years", "months", "weeks", "days", "hours", "mins", "secs"];

/// Puts named arguments of `make_interval` into their places, with zeros in the others.
fn make_interval(function: &mut Function) -> Result<(), PgError> {
    let is_called = function
        .name
        .0
        .last()
        .and_then(|part| part.as_ident())
        .is_some_and(|name| fold(name) == "make_interval");
    let FunctionArguments::List(list) = &mut function.args else {
        return Ok(());
    };
    let has_names = list
        .args
        .iter()
        .any(|argument| !matches!(argument, FunctionArg::Unnamed(_)));
    if !is_called || !has_names {
        return Ok(());
    }
    let zero = || FunctionArgExpr::Expr(Expr::Value(Value::Number("0".to_string(), false).into()));
    let mut places: [Option<FunctionArgExpr>; INTERVAL_PARTS.len()] = Default::default();
    for (at, argument) in list.args.iter().enumerate() {
        let (place, value) = match argument {
            FunctionArg::Named { name, arg, .. }
            | FunctionArg::ExprNamed {
                name: Expr::Identifier(name),
                arg,
                ..
            } => {
                let name = fold(name);
                let place = INTERVAL_PARTS.iter().position(|part| *part == name);
                (place.ok_or_else(|| unknown_part(&name))?, arg)
            }
            FunctionArg::Unnamed(value) => (at, value),
            FunctionArg::ExprNamed { .. } => return Ok(()),
        };
        match places.get_mut(place) {
            Some(slot) => *slot = Some(value.clone()),
            None => return Ok(()),
        }
    }
    list.args = places
        .into_iter()
        .map(|value| FunctionArg::Unnamed(value.unwrap_or_else(zero)))
        .collect();
    Ok(())
}

fn unknown_part(name: &str) -> PgError {
    PgError::new(
        sqlstate::UNDEFINED_FUNCTION,
        format!("function make_interval({name} => …) does not exist"),
    )
    .with_hint(format!(
        "Its parameters are: {}.",
        INTERVAL_PARTS.join(", ")
    ))
}
