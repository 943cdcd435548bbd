//! `predict_struct('model', columns …)`: the prediction, its probability, and which model and version gave it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, StringArray, StructArray};
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::common::internal_err;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
};

use super::call::Scoring;
use super::predict::predicted_values;
use super::value_call::{ValueCall, predictions};
use crate::error::ModelError;
use crate::model::label::Task;
use crate::model::loaded::{LoadedModel, Scores};
use crate::model::registry::ModelSource;
use crate::model::value::OpenedValues;

/// The function `predict_struct`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct PredictStruct(pub(super) Scoring);

impl PredictStruct {
    /// `predict_struct` over the models of `source`, and models that are values, kept in `opened`.
    pub fn new(source: &Arc<dyn ModelSource>, opened: &Arc<OpenedValues>) -> Self {
        Self(Scoring::new("predict_struct", source, opened))
    }
}

/// Fields of the answer: `value`, `probability` of that value (NULL for numbers), `model_level`, `model_version`.
fn fields(value: Field) -> Fields {
    Fields::from(vec![
        value,
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
    let answer = StructArray::try_new(
        fields(model.label().predicted_field("value")),
        columns,
        None,
    );
    Ok(Arc::new(
        answer.map_err(|error| ModelError::damaged(error.to_string()))?,
    ))
}

/// Answers by models that are values; they have no version.
fn of_values(
    call: &ValueCall,
    scoring: &Scoring,
    args: &ScalarFunctionArgs,
) -> Result<ColumnarValue> {
    let rows = args.number_rows;
    let scored = call.score(&scoring.opened, &args.args, rows)?;
    let mut probability: Vec<Option<f64>> = vec![None; rows];
    let mut levels: Vec<Option<&str>> = vec![None; rows];
    for part in &scored {
        let known = probabilities_of_predictions(&part.model, &part.scores);
        for (index, &row) in part.rows.iter().enumerate() {
            probability[row as usize] = known.is_valid(index).then(|| known.value(index));
            levels[row as usize] = Some(part.scores.levels[index].word());
        }
    }
    let DataType::Struct(answer) = args.return_field.data_type() else {
        return internal_err!("predict_struct answers a struct");
    };
    let columns: Vec<ArrayRef> = vec![
        predictions(scored, answer[0].data_type(), rows)?,
        Arc::new(Float64Array::from(probability)),
        Arc::new(StringArray::from(levels)),
        Arc::new(Int64Array::new_null(rows)),
    ];
    let answers = StructArray::try_new(answer.clone(), columns, None)?;
    Ok(ColumnarValue::Array(Arc::new(answers)))
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
        let value = match ValueCall::plan(self.0.name, &args)? {
            Some((_, predicted)) => Field::new("value", predicted, true),
            None => {
                let call = self.0.plan(&args, false)?;
                call.model.label().predicted_field("value")
            }
        };
        let answer = DataType::Struct(fields(value));
        Ok(Arc::new(Field::new(self.name(), answer, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if let Some(call) = ValueCall::execute(&args.args) {
            return of_values(&call, &self.0, &args);
        }
        let call = self.0.execute(&args.args, false)?;
        let scores = call.model.score(
            &call.columns(&args.args, args.number_rows)?,
            args.number_rows,
        )?;
        Ok(ColumnarValue::Array(answer(&call.model, scores)?))
    }
}
