//! `predict_proba('model' [, 'class'], columns …)`: how probable is a class, by default the positive one?

use std::sync::Arc;

use arrow::array::Float64Array;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
};

use super::call::{Call, Scoring};
use super::value_call::ValueCall;
use crate::error::ModelError;
use crate::model::registry::ModelSource;
use crate::model::value::OpenedValues;

/// The function `predict_proba`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct PredictProba(pub(super) Scoring);

impl PredictProba {
    /// `predict_proba` over the models of `source`, and models that are values, kept in `opened`.
    pub fn new(source: &Arc<dyn ModelSource>, opened: &Arc<OpenedValues>) -> Self {
        Self(Scoring::new("predict_proba", source, opened))
    }
}

fn class_of(call: &Call) -> Result<u32, ModelError> {
    match &call.class {
        Some(class) => call.model.class(class),
        None => call.model.positive_class(),
    }
}

/// Probabilities by models that are values; a class that a model does not know has probability 0.
fn of_values(
    call: &ValueCall,
    scoring: &Scoring,
    args: &ScalarFunctionArgs,
) -> Result<ColumnarValue> {
    let mut values: Vec<Option<f64>> = vec![None; args.number_rows];
    for part in call.score(&scoring.opened, &args.args, args.number_rows)? {
        let positive = part.model.positive_class()?;
        let class = match &call.class {
            None => Some(positive),
            Some(class) => part.model.label().class_code(class),
        };
        let shares = match class {
            Some(class) => part.scores.probabilities(class),
            None => vec![0.0; part.rows.len()],
        };
        for (&row, share) in part.rows.iter().zip(shares) {
            values[row as usize] = Some(share);
        }
    }
    Ok(ColumnarValue::Array(Arc::new(Float64Array::from(values))))
}

impl ScalarUDFImpl for PredictProba {
    fn name(&self) -> &str {
        self.0.name
    }

    fn signature(&self) -> &Signature {
        &self.0.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        if ValueCall::plan(self.0.name, &args)?.is_some() {
            return Ok(Arc::new(Field::new(self.name(), DataType::Float64, true)));
        }
        class_of(&self.0.plan(&args, true)?)?;
        Ok(Arc::new(Field::new(self.name(), DataType::Float64, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if let Some(call) = ValueCall::execute(&args.args) {
            return of_values(&call, &self.0, &args);
        }
        let call = self.0.execute(&args.args, true)?;
        let class = class_of(&call)?;
        let scores = call.model.score(
            &call.columns(&args.args, args.number_rows)?,
            args.number_rows,
        )?;
        Ok(ColumnarValue::Array(Arc::new(Float64Array::from(
            scores.probabilities(class),
        ))))
    }
}
