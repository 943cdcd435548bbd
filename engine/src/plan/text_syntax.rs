//! How do patterns of LIKE with another escape character, and of SIMILAR TO, become patterns that DataFusion has?
//!
//! Pure rewrites of the AST: LIKE gets the backslash as its escape character, SIMILAR TO becomes a match of a
//! regular expression.

use std::ops::ControlFlow;
use tarn_catalog::syntax_walk::{Node, try_walk_mut};

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Value, ValueWithSpan, VisitorMut};
use tarn_udfs::error::FunctionError;
use tarn_udfs::scalar::regex::similar::regular_expression;

use super::time_syntax::call;
use crate::error::PgError;

/// Applies every rewrite to a statement or an expression.
pub fn normalise(node: &mut impl Node) -> Result<(), PgError> {
    try_walk_mut(node, &mut Rewriter)
}

struct Rewriter;

impl VisitorMut for Rewriter {
    type Break = Box<PgError>;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        let done = match expr {
            Expr::Like {
                pattern,
                escape_char,
                ..
            }
            | Expr::ILike {
                pattern,
                escape_char,
                ..
            } => like(pattern, escape_char),
            Expr::SimilarTo { .. } => similar(expr),
            _ => Ok(()),
        };
        match done {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(Box::new(error)),
        }
    }
}

fn literal_text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(ValueWithSpan {
            value: Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text),
            ..
        }) => Some(text),
        _ => None,
    }
}

fn literal(text: String) -> Expr {
    Expr::Value(Value::SingleQuotedString(text).into())
}

/// The escape character as written; None where it is the backslash.
fn escape_of(escape: Option<&ValueWithSpan>) -> Option<String> {
    match escape.map(|escape| &escape.value) {
        Some(Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text)) => {
            (text != "\\").then(|| text.clone())
        }
        _ => None,
    }
}

fn like(pattern: &mut Expr, escape: &mut Option<ValueWithSpan>) -> Result<(), PgError> {
    let other = escape_of(escape.as_ref());
    *escape = None;
    let rewritten = match (literal_text(pattern), other) {
        (Some(text), None) => {
            let trailing = text.len() - text.trim_end_matches('\\').len();
            if trailing % 2 == 1 {
                return Err(trailing_escape().into());
            }
            return Ok(());
        }
        (None, None) => return Ok(()),
        (Some(text), Some(other)) => literal(with_backslash(text, &other)?),
        (None, Some(other)) => call("like_escape", vec![pattern.clone(), literal(other)]),
    };
    *pattern = rewritten;
    Ok(())
}

fn trailing_escape() -> FunctionError {
    FunctionError::new("22025", "LIKE pattern must not end with escape character")
}

/// A pattern with another escape character, or none, as one with the backslash.
fn with_backslash(pattern: &str, escape: &str) -> Result<String, PgError> {
    let mut escapes = escape.chars();
    let escape = escapes.next();
    if escapes.next().is_some() {
        return Err(FunctionError::new("22019", "invalid escape string")
            .with_hint("Escape string must be empty or one character.")
            .into());
    }
    let mut out = String::with_capacity(pattern.len() + 4);
    let mut rest = pattern.chars();
    while let Some(character) = rest.next() {
        if Some(character) == escape {
            let escaped = rest.next().ok_or_else(trailing_escape)?;
            out.push('\\');
            out.push(escaped);
        } else {
            if character == '\\' {
                out.push('\\');
            }
            out.push(character);
        }
    }
    Ok(out)
}

fn similar(expr: &mut Expr) -> Result<(), PgError> {
    let Expr::SimilarTo {
        negated,
        expr: operand,
        pattern,
        escape_char,
    } = expr
    else {
        return Ok(());
    };
    let escape = escape_of(escape_char.as_ref()).unwrap_or_else(|| "\\".to_string());
    let expression = match literal_text(pattern) {
        Some(text) => literal(regular_expression(text, &escape)?),
        None => call(
            "similar_to_escape",
            vec![(**pattern).clone(), literal(escape)],
        ),
    };
    let op = match negated {
        true => BinaryOperator::PGRegexNotMatch,
        false => BinaryOperator::PGRegexMatch,
    };
    *expr = Expr::Nested(Box::new(Expr::BinaryOp {
        left: operand.clone(),
        op,
        right: Box::new(expression),
    }));
    Ok(())
}
