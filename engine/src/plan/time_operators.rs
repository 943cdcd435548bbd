//! What do `+`, `-`, `*` and `/` mean between dates, times, moments, intervals and numbers?
//!
//! The table is PostgreSQL's `pg_operator`; a literal whose type nobody has said takes the type with which the
//! operator has a meaning.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, cast};
use datafusion::sql::sqlparser::ast::BinaryOperator;
use tarn_udfs::error::FunctionError;
use tarn_udfs::scalar::columns::ColumnFunction;
use tarn_udfs::scalar::overload::{Kind, sql_name};
use tarn_udfs::scalar::time::date_arithmetic as dates;
use tarn_udfs::scalar::time::extract::EXTRACT;
use tarn_udfs::scalar::time::interval_arithmetic as intervals;
use tarn_udfs::scalar::time::moment_arithmetic as moments;
use tarn_udfs::scalar::time::time_arithmetic as times;

/// Plans operators and EXTRACT over dates and their like.
#[derive(Debug)]
pub struct TimeOperators;

impl ExprPlanner for TimeOperators {
    fn plan_binary_op(
        &self,
        raw: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let operation = Operation {
            left_type: known_type(&raw.left, schema),
            right_type: known_type(&raw.right, schema),
            op: &raw.op,
            left: &raw.left,
            right: &raw.right,
        };
        Ok(match plan(&operation)? {
            Some(planned) => PlannerResult::Planned(planned),
            None => PlannerResult::Original(raw),
        })
    }

    fn plan_extract(&self, arguments: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        Ok(PlannerResult::Planned(call(&EXTRACT, arguments)))
    }
}

/// An operator between two operands.
struct Operation<'a> {
    op: &'a BinaryOperator,
    left: &'a Expr,
    right: &'a Expr,
    /// None for a literal or parameter whose type nobody has said.
    left_type: Option<DataType>,
    right_type: Option<DataType>,
}

/// The type of an expression, unless it takes the type that its neighbours ask for.
fn known_type(expr: &Expr, schema: &DFSchema) -> Option<DataType> {
    let is_literal_text = matches!(
        expr,
        Expr::Literal(ScalarValue::Utf8(_) | ScalarValue::Null, None)
    );
    if is_literal_text {
        return None;
    }
    match expr.get_type(schema) {
        Ok(DataType::Null) | Err(_) => None,
        Ok(data_type) => Some(data_type),
    }
}

/// A call of a function.
pub fn call(function: &'static ColumnFunction, arguments: Vec<Expr>) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(function.udf()), arguments))
}

/// An operand's type, as far as these operators tell types apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Date,
    Time,
    Timestamp,
    Timestamptz,
    Interval,
    Integer,
    Number,
    Unknown,
    Other,
}

impl Side {
    fn of(data_type: Option<&DataType>) -> Side {
        match data_type {
            None => Side::Unknown,
            Some(DataType::Date32 | DataType::Date64) => Side::Date,
            Some(DataType::Time32(_) | DataType::Time64(_)) => Side::Time,
            Some(DataType::Timestamp(_, None)) => Side::Timestamp,
            Some(DataType::Timestamp(_, Some(_))) => Side::Timestamptz,
            Some(DataType::Interval(_) | DataType::Duration(_)) => Side::Interval,
            Some(kind) if kind.is_integer() => Side::Integer,
            Some(kind) if kind.is_numeric() => Side::Number,
            Some(_) => Side::Other,
        }
    }

    fn is_temporal(self) -> bool {
        matches!(
            self,
            Side::Date | Side::Time | Side::Timestamp | Side::Timestamptz | Side::Interval
        )
    }
}

/// A function, and whether it takes the operands in the other order.
type Meaning = (&'static ColumnFunction, Order);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    AsWritten,
    Swapped,
}

/// What an operator between dates and their like means.
fn plan(operation: &Operation) -> Result<Option<Expr>> {
    let (left, right) = (
        Side::of(operation.left_type.as_ref()),
        Side::of(operation.right_type.as_ref()),
    );
    if !left.is_temporal() && !right.is_temporal() {
        return Ok(None);
    }
    let meaning = match operation.op {
        BinaryOperator::Plus => sum(left, right),
        BinaryOperator::Minus => difference(left, right),
        BinaryOperator::Multiply => product(left, right),
        BinaryOperator::Divide => quotient(left, right),
        _ => return Ok(None),
    };
    let Some((function, order)) = meaning else {
        return Err(missing(operation, left, right).into());
    };
    let (first, second) = match order {
        Order::AsWritten => (operation.left, operation.right),
        Order::Swapped => (operation.right, operation.left),
    };
    let arguments = function.overloads[0]
        .arguments
        .iter()
        .zip([
            (first, operation_type(operation, order, 0)),
            (second, operation_type(operation, order, 1)),
        ])
        .map(|(kind, (expr, data_type))| argument(expr, data_type, *kind))
        .collect();
    Ok(Some(call(function, arguments)))
}

fn operation_type<'o>(operation: &'o Operation, order: Order, at: usize) -> Option<&'o DataType> {
    let is_left = (at == 0) == (order == Order::AsWritten);
    match is_left {
        true => operation.left_type.as_ref(),
        false => operation.right_type.as_ref(),
    }
}

/// An operand as its parameter's type, with a cast where it has another.
fn argument(expr: &Expr, data_type: Option<&DataType>, kind: Kind) -> Expr {
    match data_type {
        Some(data_type) if *data_type == kind.arrow() => expr.clone(),
        _ => cast(expr.clone(), kind.arrow()),
    }
}

fn sum(left: Side, right: Side) -> Option<Meaning> {
    use Order::{AsWritten, Swapped};
    Some(match (left, right) {
        (Side::Date, Side::Integer) => (&dates::DATE_PLUS_DAYS, AsWritten),
        (Side::Integer, Side::Date) => (&dates::DATE_PLUS_DAYS, Swapped),
        (Side::Date, Side::Time) => (&dates::DATE_PLUS_TIME, AsWritten),
        (Side::Time, Side::Date) => (&dates::DATE_PLUS_TIME, Swapped),
        (Side::Date | Side::Timestamp, Side::Interval)
        | (Side::Timestamp, Side::Unknown | Side::Time) => (&moments::TIMESTAMP_PLUS, AsWritten),
        (Side::Interval, Side::Date | Side::Timestamp)
        | (Side::Unknown | Side::Time, Side::Timestamp) => (&moments::TIMESTAMP_PLUS, Swapped),
        (Side::Timestamptz, Side::Interval | Side::Unknown | Side::Time) => {
            (&moments::TIMESTAMPTZ_PLUS, AsWritten)
        }
        (Side::Interval | Side::Unknown | Side::Time, Side::Timestamptz) => {
            (&moments::TIMESTAMPTZ_PLUS, Swapped)
        }
        (Side::Time, Side::Interval) => (&times::TIME_PLUS, AsWritten),
        (Side::Interval, Side::Time) => (&times::TIME_PLUS, Swapped),
        (Side::Interval, Side::Interval | Side::Unknown) | (Side::Unknown, Side::Interval) => {
            (&intervals::PLUS, AsWritten)
        }
        _ => return None,
    })
}

fn difference(left: Side, right: Side) -> Option<Meaning> {
    let function = match (left, right) {
        (Side::Date, Side::Integer) => &dates::DATE_MINUS_DAYS,
        (Side::Date, Side::Date | Side::Unknown) | (Side::Unknown, Side::Date) => {
            &dates::DATE_MINUS_DATE
        }
        (Side::Date | Side::Timestamp, Side::Interval) | (Side::Timestamp, Side::Time) => {
            &moments::TIMESTAMP_MINUS
        }
        (Side::Timestamptz, Side::Interval | Side::Time) => &moments::TIMESTAMPTZ_MINUS,
        (Side::Timestamp, Side::Timestamp | Side::Date | Side::Unknown)
        | (Side::Date | Side::Unknown, Side::Timestamp) => &moments::TIMESTAMP_DIFFERENCE,
        (Side::Timestamptz, Side::Timestamptz | Side::Timestamp | Side::Date | Side::Unknown)
        | (Side::Timestamp | Side::Date | Side::Unknown, Side::Timestamptz) => {
            &moments::TIMESTAMPTZ_DIFFERENCE
        }
        (Side::Time, Side::Interval | Side::Unknown) => &times::TIME_MINUS,
        (Side::Time, Side::Time) => &times::TIME_DIFFERENCE,
        (Side::Interval, Side::Interval | Side::Unknown | Side::Time)
        | (Side::Unknown, Side::Interval) => &intervals::MINUS,
        _ => return None,
    };
    Some((function, Order::AsWritten))
}

fn product(left: Side, right: Side) -> Option<Meaning> {
    match (left, right) {
        (Side::Interval, Side::Integer | Side::Number | Side::Unknown) => {
            Some((&intervals::TIMES, Order::AsWritten))
        }
        (Side::Integer | Side::Number | Side::Unknown, Side::Interval) => {
            Some((&intervals::TIMES, Order::Swapped))
        }
        _ => None,
    }
}

fn quotient(left: Side, right: Side) -> Option<Meaning> {
    match (left, right) {
        (Side::Interval, Side::Integer | Side::Number | Side::Unknown) => {
            Some((&intervals::DIVIDED, Order::AsWritten))
        }
        _ => None,
    }
}

fn missing(operation: &Operation, left: Side, right: Side) -> FunctionError {
    let name = |data_type: Option<&DataType>| data_type.map_or("unknown", sql_name);
    let shown = format!(
        "{} {} {}",
        name(operation.left_type.as_ref()),
        operation.op,
        name(operation.right_type.as_ref()),
    );
    let takes_several = matches!(operation.op, BinaryOperator::Plus | BinaryOperator::Minus)
        && matches!(
            (left, right),
            (Side::Date | Side::Time, Side::Unknown) | (Side::Unknown, Side::Date | Side::Time)
        );
    if takes_several {
        return FunctionError::new("42725", format!("operator is not unique: {shown}")).with_hint(
            "Could not choose a best candidate operator. You might need to add explicit type casts.",
        );
    }
    FunctionError::new("42883", format!("operator does not exist: {shown}")).with_hint(
        "No operator matches the given name and argument types. You might need to add explicit type casts.",
    )
}
