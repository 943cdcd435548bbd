//! What do casts between numbers mean? They round where Arrow cuts, and tell what does not fit.

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::ScalarFunction;
use tarn_udfs::scalar::number::cast::{NumberCast, is_lossy};

use super::CastCall;

/// The function that a cast calls.
pub fn plan(asked: &CastCall) -> Result<Option<Expr>> {
    if !is_lossy(asked.from.data_type(), asked.to.data_type()) {
        return Ok(None);
    }
    let function = Arc::new(NumberCast::function(Arc::clone(asked.to)));
    Ok(Some(Expr::ScalarFunction(ScalarFunction::new_udf(
        function,
        vec![asked.operand.clone()],
    ))))
}
