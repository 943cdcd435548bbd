//! How does a bound call of a training function become a function of its own?
//!
//! The binding pass has put everything but the columns into a constant text ([`CALL_MARK`]). While DataFusion plans,
//! that text becomes part of the function, which then knows its result's type and the names of its columns.

use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawAggregateExpr};
use datafusion::logical_expr::{AggregateUDF, Expr};
use tarn_udfs::aggregate::train::Train;
use tarn_udfs::fit::call_spec::CallSpec;

use super::marked_casts;

/// What the constant text of a bound call begins with.
pub const CALL_MARK: &str = "\u{1}call ";

/// Plans the calls of training functions.
#[derive(Debug)]
pub struct TrainingCalls;

impl ExprPlanner for TrainingCalls {
    fn plan_aggregate(
        &self,
        mut expr: RawAggregateExpr,
    ) -> Result<PlannerResult<RawAggregateExpr>> {
        let Some(train) = expr.func.inner().downcast_ref::<Train>() else {
            return Ok(PlannerResult::Original(expr));
        };
        let spec = expr.args.first().and_then(spec_of).ok_or_else(|| {
            DataFusionError::Internal(format!("a call of {} was not bound", expr.func.name()))
        })?;
        let bound = train
            .for_call(spec)
            .map_err(|error| DataFusionError::External(Box::new(error)))?;
        expr.func = AggregateUDF::from(bound).into();
        expr.args.remove(0);
        expr.args = marked_casts::mark(expr.args)?;
        Ok(PlannerResult::Original(expr))
    }
}

fn spec_of(argument: &Expr) -> Option<CallSpec> {
    let Expr::Literal(ScalarValue::Utf8(Some(text)), _) = argument else {
        return None;
    };
    CallSpec::from_json(text.strip_prefix(CALL_MARK)?)
}
