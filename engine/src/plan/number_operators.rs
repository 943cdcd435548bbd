//! Which function computes an operator over numbers?
//!
//! DataFusion's own arithmetic wraps integers and has its own result types, so operators over numbers are planned
//! as the functions of `tarn_udfs::scalar::number`. Dates, intervals and texts are left to others.

use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::error::Result;
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::logical_expr::expr::{
    AggregateFunction, Placeholder, ScalarFunction, WindowFunction, WindowFunctionParams,
};
use datafusion::logical_expr::planner::{
    ExprPlanner, PlannerResult, RawAggregateExpr, RawBinaryExpr, RawWindowExpr,
};
use datafusion::logical_expr::{
    AggregateUDF, Cast, ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF,
    WindowFunctionDefinition,
};
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast::BinaryOperator;
use std::sync::Arc;
use tarn_udfs::aggregate::sum::sum_udaf;
use tarn_udfs::scalar::number::types::{Operator, operand_types, plain};
use tarn_udfs::scalar::number::{arithmetic, average, decimal};

use super::marked_casts;

/// Plans arithmetic over numbers.
#[derive(Debug)]
pub struct NumberOperators;

impl ExprPlanner for NumberOperators {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let operator = match expr.op {
            BinaryOperator::Plus => Operator::Add,
            BinaryOperator::Minus => Operator::Subtract,
            BinaryOperator::Multiply => Operator::Multiply,
            BinaryOperator::Divide => Operator::Divide,
            BinaryOperator::Modulo => Operator::Modulo,
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let (Some(left_type), Some(right_type)) =
            (type_of(&expr.left, schema), type_of(&expr.right, schema))
        else {
            return Ok(PlannerResult::Original(expr));
        };
        let (left_type, right_type) = match (left_type, right_type) {
            (Known(left), Known(right)) => (left, right),
            (Known(left), Open) if plain(&left).is_some() => (left.clone(), left),
            (Open, Known(right)) if plain(&right).is_some() => (right.clone(), right),
            _ => return Ok(PlannerResult::Original(expr)),
        };
        if operand_types(&left_type, &right_type).is_none() {
            return Ok(PlannerResult::Original(expr));
        }
        let operands = vec![
            settled(expr.left, &left_type),
            settled(expr.right, &right_type),
        ];
        Ok(PlannerResult::Planned(call(
            arithmetic::function(operator),
            operands,
        )?))
    }
}

/// Plans `avg` over numbers and the integer types of ranks.
#[derive(Debug)]
pub struct NumberAggregates;

impl ExprPlanner for NumberAggregates {
    /// `avg(x)` is the average of `sum(x)` and `count(x)`.
    fn plan_aggregate(
        &self,
        mut expr: RawAggregateExpr,
    ) -> Result<PlannerResult<RawAggregateExpr>> {
        expr.args = marked_casts::mark(expr.args)?;
        if expr.func.name() != "avg" || expr.args.len() != 1 {
            return Ok(PlannerResult::Original(expr));
        }
        let part = |function: Arc<AggregateUDF>| {
            Expr::AggregateFunction(AggregateFunction::new_udf(
                function,
                expr.args.clone(),
                expr.distinct,
                expr.filter.clone(),
                expr.order_by.clone(),
                expr.null_treatment,
            ))
        };
        let parts = vec![part(sum_udaf()), part(count_udaf())];
        Ok(PlannerResult::Planned(average_of(parts)))
    }

    /// The same over a window; ranks are bigint and `ntile` is integer.
    fn plan_window(&self, mut expr: RawWindowExpr) -> Result<PlannerResult<RawWindowExpr>> {
        expr.args = marked_casts::mark(expr.args)?;
        let rank_type = match (&expr.func_def, expr.func_def.name()) {
            (WindowFunctionDefinition::AggregateUDF(_), "avg") if expr.args.len() == 1 => None,
            (WindowFunctionDefinition::WindowUDF(_), "rank" | "dense_rank" | "row_number") => {
                Some(DataType::Int64)
            }
            (WindowFunctionDefinition::WindowUDF(_), "ntile") => Some(DataType::Int32),
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let over = |function: WindowFunctionDefinition| {
            Expr::from(WindowFunction {
                fun: function,
                params: WindowFunctionParams {
                    args: expr.args.clone(),
                    partition_by: expr.partition_by.clone(),
                    order_by: expr.order_by.clone(),
                    window_frame: expr.window_frame.clone(),
                    filter: expr.filter.clone(),
                    null_treatment: expr.null_treatment,
                    distinct: expr.distinct,
                },
            })
        };
        if let Some(data_type) = rank_type {
            let rank = Box::new(over(expr.func_def.clone()));
            return Ok(PlannerResult::Planned(Expr::Cast(Cast::new(
                rank, data_type,
            ))));
        }
        let parts = [sum_udaf(), count_udaf()].map(WindowFunctionDefinition::AggregateUDF);
        Ok(PlannerResult::Planned(average_of(parts.map(over).into())))
    }
}

fn average_of(parts: Vec<Expr>) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(average::function(), parts))
}

use Operand::{Known, Open};

/// What is known of an operand's type.
enum Operand {
    Known(DataType),
    /// A parameter or a text literal: the other operand says what it is.
    Open,
}

fn type_of(expr: &Expr, schema: &DFSchema) -> Option<Operand> {
    match expr {
        Expr::Placeholder(Placeholder { field: None, .. })
        | Expr::Literal(ScalarValue::Utf8(Some(_)), None) => Some(Open),
        other => other.get_type(schema).ok().map(Known),
    }
}

/// An open operand with the type that the other one gives it.
fn settled(expr: Expr, data_type: &DataType) -> Expr {
    match expr {
        Expr::Placeholder(parameter) if parameter.field.is_none() => {
            let field = arrow::datatypes::Field::new("", data_type.clone(), true);
            Expr::Placeholder(Placeholder::new_with_field(
                parameter.id,
                Some(Arc::new(field)),
            ))
        }
        Expr::Literal(ScalarValue::Utf8(_), None) => Expr::Cast(
            datafusion::logical_expr::Cast::new(Box::new(expr), data_type.clone()),
        ),
        other => other,
    }
}

/// The call; a constant at once where all operands are, so that LIMIT 5 + 5 and lists of literals see numbers.
fn call(function: Arc<ScalarUDF>, operands: Vec<Expr>) -> Result<Expr> {
    if let Some(value) = constant(&function, &operands) {
        return Ok(Expr::Literal(value, None));
    }
    Ok(Expr::ScalarFunction(ScalarFunction::new_udf(
        function, operands,
    )))
}

/// The value over literals; None if there are others, or if it is an error, which belongs to the execution.
fn constant(function: &ScalarUDF, operands: &[Expr]) -> Option<ScalarValue> {
    let values: Vec<ScalarValue> = operands
        .iter()
        .map(|operand| match operand {
            Expr::Literal(value, _) => Some(value.clone()),
            _ => None,
        })
        .collect::<Option<_>>()?;
    let types: Vec<DataType> = values.iter().map(ScalarValue::data_type).collect();
    let coerced = function.coerce_types(&types).ok()?;
    let values: Vec<ScalarValue> = values
        .iter()
        .zip(&coerced)
        .map(|(value, data_type)| value.cast_to(data_type).ok())
        .collect::<Option<_>>()?;
    if let [a, b] = values.as_slice()
        && function.name() == arithmetic::function(Operator::Divide).name()
        && let Some(quotient) = decimal::constant_quotient(a, b)
    {
        return Some(quotient);
    }
    let field =
        |data_type: &DataType| Arc::new(arrow::datatypes::Field::new("", data_type.clone(), true));
    let result = function.return_type(&coerced).ok()?;
    let computed = function.invoke_with_args(ScalarFunctionArgs {
        args: values.into_iter().map(ColumnarValue::Scalar).collect(),
        arg_fields: coerced.iter().map(field).collect(),
        number_rows: 1,
        return_field: field(&result),
        config_options: Arc::default(),
    });
    match computed.ok()? {
        ColumnarValue::Scalar(value) => Some(value),
        ColumnarValue::Array(_) => None,
    }
}
