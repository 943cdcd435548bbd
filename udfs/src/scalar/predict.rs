//! `predict('model', columns …)`: the label that a model expects for a row, in the label's own type.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::internal_err;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
};

use super::call::Scoring;
use super::value_call::{ValueCall, predicted_field, predictions};
use crate::error::ModelError;
use crate::model::label::Task;
use crate::model::loaded::{LoadedModel, Scores};
use crate::model::registry::ModelSource;
use crate::model::value::OpenedValues;

/// The function `predict`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Predict(pub(super) Scoring);

impl Predict {
    /// `predict` over the models of `source`, and models that are values, kept in `opened`.
    pub fn new(source: &Arc<dyn ModelSource>, opened: &Arc<OpenedValues>) -> Self {
        Self(Scoring::new("predict", source, opened))
    }
}

impl ScalarUDFImpl for Predict {
    fn name(&self) -> &str {
        self.0.name
    }

    fn signature(&self) -> &Signature {
        &self.0.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        internal_err!("the type of predict depends on its model")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        if let Some((_, predicted)) = ValueCall::plan(self.0.name, &args)? {
            return Ok(predicted_field(self.name(), &predicted));
        }
        let call = self.0.plan(&args, false)?;
        Ok(Arc::new(call.model.label().predicted_field(self.name())))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if let Some(call) = ValueCall::execute(&args.args) {
            let rows = args.number_rows;
            let scored = call.score(&self.0.opened, &args.args, rows)?;
            let values = predictions(scored, args.return_field.data_type(), rows)?;
            return Ok(ColumnarValue::Array(values));
        }
        let call = self.0.execute(&args.args, false)?;
        let scores = call.model.score(
            &call.columns(&args.args, args.number_rows)?,
            args.number_rows,
        )?;
        Ok(ColumnarValue::Array(predicted_values(&call.model, scores)?))
    }
}

/// Predictions as values of the label's type.
pub fn predicted_values(model: &LoadedModel, scores: Scores) -> Result<ArrayRef, ModelError> {
    match model.label().task {
        Task::Regression => model.label().number_values(scores.values),
        Task::Classification => model.label().class_values(&scores.class_codes()),
    }
}
