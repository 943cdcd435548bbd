//! What type does `1` have, and `1.50`, and `1e3`?
//!
//! DataFusion reads every whole number as a bigint. In PostgreSQL it is an integer if that holds it, else a bigint,
//! else a numeric; a point or an exponent makes a numeric. The types have to be right while the plan is built, since
//! everything above takes its own from them. DataFusion's SQL planner asks nobody about literals, but it does ask
//! about EXTRACT: so [`mark`] turns each number of the statement into an EXTRACT of a field that nobody can type,
//! and [`NumberLiterals`] plans that as the literal.

use std::ops::ControlFlow;
use tarn_catalog::syntax_walk::walk_mut;

use arrow::datatypes::i256;
use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult};
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::ast::VisitorMut;

use crate::error::PgError;
use crate::sqlstate;
use tarn_udfs::scalar::number::bits::COMPLEMENT;

/// The field of a marked number: it starts with a character that no identifier has.
const MARK: &str = "\u{1e}number";

/// Most digits of a numeric while computing: a Decimal256.
const DIGITS_MAX: i64 = 76;

/// Most digits of a numeric that fits a Decimal128.
const NARROW_DIGITS_MAX: i64 = 38;

/// Marks the numbers of a statement.
pub fn mark(statement: &mut ast::Statement) {
    let _ = walk_mut(statement, &mut Marker);
}

/// Marks the numbers of an expression.
pub fn mark_expression(expression: &mut ast::Expr) {
    let _ = walk_mut(expression, &mut Marker);
}

struct Marker;

impl VisitorMut for Marker {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<()> {
        operator_as_function(expr);
        match expr {
            ast::Expr::Value(value) => {
                if let ast::Value::Number(digits, _) = &value.value {
                    *expr = marked(digits.to_string());
                }
            }
            ast::Expr::UnaryOp {
                op: ast::UnaryOperator::Minus,
                expr: inner,
            } => {
                if let Some(digits) = digits_of(inner)
                    && !digits.starts_with('-')
                {
                    *expr = marked(format!("-{digits}"));
                }
            }
            // A frame's bound and an interval's count are no values of the query.
            ast::Expr::Function(function) => unmark_frame(function),
            ast::Expr::Interval(interval) => unmark(&mut interval.value),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut ast::Select) -> ControlFlow<()> {
        // GROUP BY 1 is the first column.
        if let ast::GroupByExpr::Expressions(keys, _) = &mut select.group_by {
            keys.iter_mut().for_each(unmark);
        }
        if let Some(ast::Distinct::On(keys)) = &mut select.distinct {
            keys.iter_mut().for_each(unmark);
        }
        for definition in &mut select.named_window {
            if let ast::NamedWindowExpr::WindowSpec(window) = &mut definition.1 {
                unmark_window(window);
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut ast::Query) -> ControlFlow<()> {
        if let Some(order) = &mut query.order_by
            && let ast::OrderByKind::Expressions(keys) = &mut order.kind
        {
            keys.iter_mut().for_each(|key| unmark(&mut key.expr));
        }
        ControlFlow::Continue(())
    }
}

fn marked(digits: String) -> ast::Expr {
    let text = ast::Value::SingleQuotedString(digits);
    ast::Expr::Extract {
        field: ast::DateTimeField::Custom(ast::Ident::new(MARK)),
        syntax: ast::ExtractSyntax::From,
        expr: Box::new(ast::Expr::Value(text.into())),
    }
}

/// The digits of a marked number.
fn digits_of(expr: &ast::Expr) -> Option<&str> {
    let ast::Expr::Extract {
        field: ast::DateTimeField::Custom(field),
        expr,
        ..
    } = expr
    else {
        return None;
    };
    match expr.as_ref() {
        ast::Expr::Value(ast::ValueWithSpan {
            value: ast::Value::SingleQuotedString(digits),
            ..
        }) if field.value == MARK => Some(digits),
        _ => None,
    }
}

/// Makes a marked number a plain one again.
fn unmark(expr: &mut ast::Expr) {
    if let Some(digits) = digits_of(expr) {
        let number = ast::Value::Number(digits.to_string(), false);
        *expr = ast::Expr::Value(number.into());
    }
}

fn unmark_frame(function: &mut ast::Function) {
    if let Some(ast::WindowType::WindowSpec(window)) = &mut function.over {
        unmark_window(window);
    }
}

fn unmark_window(window: &mut ast::WindowSpec) {
    let Some(frame) = &mut window.window_frame else {
        return;
    };
    let bounds = std::iter::once(&mut frame.start_bound).chain(frame.end_bound.as_mut());
    for bound in bounds {
        if let ast::WindowFrameBound::Preceding(Some(count))
        | ast::WindowFrameBound::Following(Some(count)) = bound
        {
            unmark(count);
        }
    }
}

/// `@ x`, `|/ x`, `||/ x` and `~ x` are functions of one number.
fn operator_as_function(expr: &mut ast::Expr) {
    let ast::Expr::UnaryOp { op, expr: operand } = expr else {
        return;
    };
    let name = match op {
        ast::UnaryOperator::PGAbs => "abs",
        ast::UnaryOperator::PGSquareRoot => "sqrt",
        ast::UnaryOperator::PGCubeRoot => "cbrt",
        ast::UnaryOperator::BitwiseNot => COMPLEMENT,
        _ => return,
    };
    let Ok(mut call) = crate::parser::parse_expression(&format!("{name}(NULL)")) else {
        return;
    };
    if let ast::Expr::Function(function) = &mut call
        && let ast::FunctionArguments::List(list) = &mut function.args
        && let Some(ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(slot))) =
            list.args.first_mut()
    {
        std::mem::swap(slot, operand.as_mut());
        *expr = call;
    }
}

/// Plans marked numbers.
#[derive(Debug)]
pub struct NumberLiterals;

impl ExprPlanner for NumberLiterals {
    fn plan_extract(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        let text = |expr: &Expr| match expr {
            Expr::Literal(value, _) => value.try_as_str().flatten().map(str::to_string),
            _ => None,
        };
        let [field, digits] = args.as_slice() else {
            return Ok(PlannerResult::Original(args));
        };
        if text(field).as_deref() != Some(MARK) {
            return Ok(PlannerResult::Original(args));
        }
        let digits = text(digits).unwrap_or_default();
        let value = value_of(&digits).map_err(PgError::into_datafusion)?;
        Ok(PlannerResult::Planned(Expr::Literal(value, None)))
    }
}

/// The value of a number as it is written.
fn value_of(digits: &str) -> Result<ScalarValue, PgError> {
    let digits = digits.replace('_', "");
    if let Ok(value) = digits.parse::<i32>() {
        return Ok(ScalarValue::Int32(Some(value)));
    }
    if let Ok(value) = digits.parse::<i64>() {
        return Ok(ScalarValue::Int64(Some(value)));
    }
    decimal(&digits)
}

/// A numeric with the digits that are written, trailing zeros included.
fn decimal(text: &str) -> Result<ScalarValue, PgError> {
    let syntax = || PgError::syntax(format!("syntax error at or near \"{text}\""));
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (
            &text[..at],
            text[at + 1..].parse::<i64>().map_err(|_| syntax())?,
        ),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let scale = fraction.len() as i64 - exponent;
    let mut written = format!("{whole}{fraction}");
    // 1e3 has no digits after the point: they are zeros before it.
    for _ in scale..0.min(DIGITS_MAX) {
        written.push('0');
        if written.len() as i64 > 2 * DIGITS_MAX {
            break;
        }
    }
    let scale = scale.max(0);
    let significant = written.trim_start_matches(['-', '0']).len() as i64;
    let precision = significant.max(scale).max(1);
    if precision > DIGITS_MAX {
        return wide(text);
    }
    let value = match written.as_str() {
        "" | "-" => "0",
        digits => digits,
    };
    if precision <= NARROW_DIGITS_MAX {
        let value: i128 = value.parse().map_err(|_| syntax())?;
        return Ok(ScalarValue::Decimal128(
            Some(value),
            precision as u8,
            scale as i8,
        ));
    }
    let value = i256::from_string(value).ok_or_else(syntax)?;
    Ok(ScalarValue::Decimal256(
        Some(value),
        precision as u8,
        scale as i8,
    ))
}

/// More digits than a numeric holds here: an exponent makes it double precision, which PostgreSQL would cast it to
/// wherever such numbers are of use.
fn wide(text: &str) -> Result<ScalarValue, PgError> {
    let value: f64 = match text.contains(['e', 'E']) {
        true => text.parse().unwrap_or(f64::INFINITY),
        false => f64::INFINITY,
    };
    if value.is_infinite() {
        return Err(PgError::new(
            sqlstate::NUMERIC_VALUE_OUT_OF_RANGE,
            "value overflows numeric format",
        )
        .with_detail(format!("Numbers have up to {DIGITS_MAX} digits.")));
    }
    Ok(ScalarValue::Float64(Some(value)))
}

#[cfg(test)]
mod tests {
    use super::value_of;
    use datafusion::scalar::ScalarValue::{self, Decimal128, Float64, Int32, Int64};

    #[test]
    fn numbers_have_the_types_of_postgresql() {
        let cases: [(&str, ScalarValue); 12] = [
            ("1", Int32(Some(1))),
            ("-2147483647", Int32(Some(-2_147_483_647))),
            ("2147483648", Int64(Some(2_147_483_648))),
            ("-2147483648", Int32(Some(i32::MIN))),
            (
                "9223372036854775808",
                Decimal128(Some(9_223_372_036_854_775_808), 19, 0),
            ),
            ("1.50", Decimal128(Some(150), 3, 2)),
            (".5", Decimal128(Some(5), 1, 1)),
            ("5.", Decimal128(Some(5), 1, 0)),
            ("-0.001", Decimal128(Some(-1), 3, 3)),
            ("1e3", Decimal128(Some(1000), 4, 0)),
            ("1.5e-3", Decimal128(Some(15), 4, 4)),
            ("1e300", Float64(Some(1e300))),
        ];
        for (text, value) in cases {
            assert_eq!(value_of(text).unwrap(), value, "{text}");
        }
        assert!(value_of(&"9".repeat(80)).is_err());
    }
}
