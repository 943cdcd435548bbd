//! How do stored columns get their logical type inside a query plan?
//!
//! One scalar function, known by its name, so that a plan that holds it can travel: the target type is the return field of
//! the call.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::expressions::Column;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};

use crate::table::schema;

/// Name of the function in plans.
pub const NAME: &str = "tarn_from_storage";

#[derive(Debug, PartialEq, Eq, Hash)]
struct FromStorage {
    signature: Signature,
}

impl ScalarUDFImpl for FromStorage {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        // The planner never asks: calls are made by the scan, with the return field of the table's column.
        arguments
            .first()
            .cloned()
            .ok_or_else(|| DataFusionError::Plan(format!("{NAME} takes one column")))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let stored = args
            .args
            .first()
            .ok_or_else(|| DataFusionError::Execution(format!("{NAME} takes one column")))?;
        let array = stored.to_array(args.number_rows)?;
        let logical = schema::convert(&array, args.return_field.data_type())?;
        Ok(ColumnarValue::Array(logical))
    }
}

/// A plan whose columns have the logical `fields`; the input has the same columns in storage types.
pub fn project(
    input: Arc<dyn ExecutionPlan>,
    fields: &[FieldRef],
    config: &Arc<ConfigOptions>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let input_schema = input.schema();
    let same = |index: usize, field: &FieldRef| input_schema.field(index) == field.as_ref();
    if fields
        .iter()
        .enumerate()
        .all(|(index, field)| same(index, field))
    {
        return Ok(input);
    }
    let function = Arc::new(ScalarUDF::new_from_impl(FromStorage {
        signature: Signature::any(1, Volatility::Immutable),
    }));
    let expressions = fields.iter().enumerate().map(|(index, field)| {
        let column: Arc<dyn PhysicalExpr> =
            Arc::new(Column::new(input_schema.field(index).name(), index));
        let expr: Arc<dyn PhysicalExpr> = if same(index, field) {
            column
        } else {
            Arc::new(ScalarFunctionExpr::new(
                NAME,
                Arc::clone(&function),
                vec![column],
                Arc::clone(field),
                Arc::clone(config),
            ))
        };
        ProjectionExpr {
            expr,
            alias: field.name().clone(),
        }
    });
    Ok(Arc::new(ProjectionExec::try_new(expressions, input)?))
}
