//! `predict_struct('model', columns …)`: the prediction, its probability, and which model and version gave it.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray, StructArray};
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::common::internal_err;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
};

use super::call::Scoring;
use super::predict::predicted_values;
use crate::error::ModelError;
use crate::model::label::Task;
use crate::model::loaded::{LoadedModel, Scores};
use crate::model::registry::ModelSource;

/// The function `predict_struct`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct PredictStruct(Scoring);

impl PredictStruct {
    /// `predict_struct` over the models of `source`.
    pub fn new(source: &Arc<dyn ModelSource>) -> Self {
        Self(Scoring::new("predict_struct", source))
    }
}

/// Fields of the answer: `value`, `probability` of that value (NULL for numbers), `model_level`, `model_version`.
fn fields(model: &LoadedModel) -> Fields {
    Fields::from(vec![
        model.label().predicted_field("value"),
        Field::new("probability", DataType::Float64, true),
        Field::new("model_level", DataType::Utf8, true),
        Field::new("model_version", DataType::Int64, true),
    ])
}

fn probabilities_of_predictions(model: &LoadedModel, scores: &Scores) -> Float64Array {
    if model.label().task == Task::Regression {
        return Float64Array::new_null(scores.levels.len());
    }
    let codes = scores.class_codes();
    let probability =
        |(row, &code): (usize, &u32)| scores.values[row * scores.outputs + code as usize];
    Float64Array::from_iter_values(codes.iter().enumerate().map(probability))
}

fn answer(model: &LoadedModel, scores: Scores) -> Result<ArrayRef, ModelError> {
    let rows = scores.levels.len();
    let probability = probabilities_of_predictions(model, &scores);
    let levels = StringArray::from_iter_values(scores.levels.iter().map(|level| level.word()));
    let columns: Vec<ArrayRef> = vec![
        predicted_values(model, scores)?,
        Arc::new(probability),
        Arc::new(levels),
        Arc::new(Int64Array::from(vec![model.version(); rows])),
    ];
    let answer = StructArray::try_new(fields(model), columns, None);
    Ok(Arc::new(
        answer.map_err(|error| ModelError::damaged(error.to_string()))?,
    ))
}

impl ScalarUDFImpl for PredictStruct {
    fn name(&self) -> &str {
        self.0.name
    }

    fn signature(&self) -> &Signature {
        &self.0.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        internal_err!("the type of predict_struct depends on its model")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let call = self.0.plan(&args, false)?;
        Ok(Arc::new(Field::new(
            self.name(),
            DataType::Struct(fields(&call.model)),
            true,
        )))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let call = self.0.execute(&args.args, false)?;
        let scores = call.model.score(
            &call.columns(&args.args, args.number_rows)?,
            args.number_rows,
        )?;
        Ok(ColumnarValue::Array(answer(&call.model, scores)?))
    }
}
