//! How are `max(a)` and `max(a::text)` told apart?
//!
//! DataFusion names the column of an aggregate after its arguments and leaves casts out of the name, so that both
//! would have one name, which it refuses. While a plan is built, a cast in an aggregate's argument is a function
//! that has the cast in its name; [`MarkedCasts`] makes it a cast again.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, internal_err};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{
    Cast, ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use tarn_catalog::types::PgType;

/// A cast to the type of a field.
#[derive(Debug, PartialEq, Eq, Hash)]
struct MarkedCast {
    target: FieldRef,
    signature: Signature,
}

/// Marks the casts of an aggregate's arguments; literals are read elsewhere.
pub fn mark(arguments: Vec<Expr>) -> Result<Vec<Expr>> {
    let marked = |argument: Expr| -> Result<Expr> {
        let marked = argument.transform_up(|expr| match expr {
            Expr::Cast(cast) if !matches!(cast.expr.as_ref(), Expr::Literal(..)) => {
                let function = ScalarUDF::from(MarkedCast {
                    target: cast.field,
                    signature: Signature::any(1, Volatility::Immutable),
                });
                let call = ScalarFunction::new_udf(Arc::new(function), vec![*cast.expr]);
                Ok(Transformed::yes(Expr::ScalarFunction(call)))
            }
            other => Ok(Transformed::no(other)),
        })?;
        Ok(marked.data)
    };
    arguments.into_iter().map(marked).collect()
}

/// Makes marked casts plain ones again, before anything else looks at a plan.
#[derive(Debug)]
pub struct MarkedCasts;

impl FunctionRewrite for MarkedCasts {
    fn name(&self) -> &str {
        "marked_casts"
    }

    fn rewrite(
        &self,
        expr: Expr,
        _schema: &DFSchema,
        _config: &ConfigOptions,
    ) -> Result<Transformed<Expr>> {
        let Expr::ScalarFunction(call) = expr else {
            return Ok(Transformed::no(expr));
        };
        let marked = call.func.inner().as_ref() as &dyn std::any::Any;
        let target = marked
            .downcast_ref::<MarkedCast>()
            .map(|m| Arc::clone(&m.target));
        let Some(target) = target else {
            return Ok(Transformed::no(Expr::ScalarFunction(call)));
        };
        let Some(operand) = call.args.into_iter().next() else {
            return internal_err!("a marked cast has one operand");
        };
        let cast = Cast::new_from_field(Box::new(operand), target);
        Ok(Transformed::yes(Expr::Cast(cast)))
    }
}

impl ScalarUDFImpl for MarkedCast {
    fn name(&self) -> &str {
        "cast"
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let args: Vec<String> = args
            .iter()
            .map(|arg| arg.schema_name().to_string())
            .collect();
        let target = PgType::of_field(&self.target).sql_name();
        Ok(format!("CAST({} AS {target})", args.join(", ")))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(self.target.data_type().clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let is_nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        let field = self.target.as_ref().clone();
        Ok(Arc::new(
            field.with_name(self.name()).with_nullable(is_nullable),
        ))
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("a marked cast is a cast again before it is computed")
    }
}
