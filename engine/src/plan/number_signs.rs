//! What is `-x` of the smallest integer? An error, where DataFusion's sign gives the same integer again.
//!
//! The sign of an integer is planned as `0 - x`, which tells overflow; its type stays.

use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{Expr, ExprSchemable};
use datafusion::scalar::ScalarValue;
use tarn_udfs::scalar::number::arithmetic;
use tarn_udfs::scalar::number::types::Operator;

/// The signs of integers.
#[derive(Debug)]
pub struct NumberSigns;

impl FunctionRewrite for NumberSigns {
    fn name(&self) -> &str {
        "number_signs"
    }

    fn rewrite(
        &self,
        expr: Expr,
        schema: &DFSchema,
        _config: &ConfigOptions,
    ) -> Result<Transformed<Expr>> {
        rewrite_one(expr, schema)
    }
}

/// The same in an expression that is evaluated without a plan.
pub fn rewrite(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    Ok(expr.transform_up(|inner| rewrite_one(inner, schema))?.data)
}

fn rewrite_one(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Expr::Negative(operand) = expr else {
        return Ok(Transformed::no(expr));
    };
    let zero = match operand.get_type(schema) {
        Ok(DataType::Int16) => ScalarValue::Int16(Some(0)),
        Ok(DataType::Int32) => ScalarValue::Int32(Some(0)),
        Ok(DataType::Int64) => ScalarValue::Int64(Some(0)),
        _ => return Ok(Transformed::no(Expr::Negative(operand))),
    };
    let operands = vec![Expr::Literal(zero, None), *operand];
    Ok(Transformed::yes(Expr::ScalarFunction(
        ScalarFunction::new_udf(arithmetic::function(Operator::Subtract), operands),
    )))
}
