//! How does a row get its prediction from a model that is itself a value of the row?
//!
//! The engine's binding pass has turned names and wildcards into
//! `function(names as a constant text, model, columns …)`. Rows with the same model are scored together; a model takes
//! the columns that it knows by their names.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, StringBuilder, UInt32Array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs};
use datafusion::scalar::ScalarValue;
use serde::{Deserialize, Serialize};

use crate::error::ModelError;
use crate::model::label::Task;
use crate::model::loaded::{LoadedModel, Scores};
use crate::model::sql_type::sql_type_of;
use crate::model::value::{MODEL_ARROW_TYPE, OpenedValues, predicted_by};

/// What tells the first argument of such a call from a model's name.
const MARK: &str = "\u{1}columns ";

/// Names of a call's columns, and the class of `predict_proba`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueCall {
    /// Names of the columns after the model.
    pub columns: Vec<String>,
    /// The class whose probability is asked for.
    pub class: Option<String>,
}

impl ValueCall {
    /// The constant text of a resolved call.
    pub fn to_text(&self) -> String {
        let json =
            serde_json::to_string(self).expect("a call holds texts alone, so it always serialises");
        format!("{MARK}{json}")
    }

    fn from_scalar(value: &ScalarValue) -> Option<Self> {
        let text = value.try_as_str().flatten()?;
        serde_json::from_str(text.strip_prefix(MARK)?).ok()
    }

    /// The call at planning, if it is one on a model value, and the type that the model predicts.
    ///
    /// # Errors
    /// [`ModelError::NotAModel`] when the argument holds no models.
    pub fn plan(
        function: &'static str,
        args: &ReturnFieldArgs<'_>,
    ) -> Result<Option<(Self, DataType)>, ModelError> {
        let first = args.scalar_arguments.first().copied().flatten();
        let Some(call) = first.and_then(Self::from_scalar) else {
            return Ok(None);
        };
        let model = args
            .arg_fields
            .get(1)
            .ok_or(ModelError::ModelNotConstant { function })?;
        match predicted_by(model) {
            Some(predicted) => Ok(Some((call, predicted))),
            None => Err(ModelError::NotAModel {
                function,
                got: sql_type_of(model),
            }),
        }
    }

    /// The call at execution, if it is one on a model value.
    pub fn execute(args: &[ColumnarValue]) -> Option<Self> {
        match args.first()? {
            ColumnarValue::Scalar(scalar) => Self::from_scalar(scalar),
            ColumnarValue::Array(_) => None,
        }
    }

    /// Scores every row by its own model.
    ///
    /// # Errors
    /// [`ModelError`] when a value is no model, or a model needs a column that the call lacks or has in another type.
    pub fn score(
        &self,
        opened: &OpenedValues,
        args: &[ColumnarValue],
        rows: usize,
    ) -> Result<Vec<ScoredRows>> {
        let arrays: Vec<ArrayRef> = args[2..]
            .iter()
            .map(|value| value.to_array(rows))
            .collect::<Result<_>>()?;
        let mut scored = Vec::new();
        for (bytes, members) in rows_by_model(&args[1], rows)? {
            let model = opened.open(&bytes)?;
            let picked = self.pick(&model, &arrays)?;
            let own: Vec<ArrayRef> = if members.len() == rows {
                picked
            } else {
                let positions = UInt32Array::from(members.clone());
                picked
                    .iter()
                    .map(|array| take(array, &positions, None))
                    .collect::<Result<_, _>>()?
            };
            model.check_types("predict", &types_of(&own))?;
            let scores = model.score(&own, members.len())?;
            scored.push(ScoredRows {
                model,
                rows: members,
                scores,
            });
        }
        Ok(scored)
    }

    /// The columns that a model knows, in its order.
    fn pick(&self, model: &LoadedModel, arrays: &[ArrayRef]) -> Result<Vec<ArrayRef>, ModelError> {
        let features = &model.artefact().shared().features.columns;
        features
            .iter()
            .map(|feature| {
                let position = self.columns.iter().position(|name| *name == feature.name);
                position
                    .map(|position| Arc::clone(&arrays[position]))
                    .ok_or_else(|| ModelError::MissingFeature {
                        column: feature.name.clone(),
                    })
            })
            .collect()
    }
}

fn types_of(arrays: &[ArrayRef]) -> Vec<DataType> {
    arrays
        .iter()
        .map(|array| array.data_type().clone())
        .collect()
}

/// Rows that one model answered.
#[derive(Debug)]
pub struct ScoredRows {
    /// The model.
    pub model: Arc<LoadedModel>,
    /// The rows, by position in the batch.
    pub rows: Vec<u32>,
    /// Their scores, in that order.
    pub scores: Scores,
}

/// The distinct models of a batch with their rows; rows without a model belong to none.
fn rows_by_model(models: &ColumnarValue, rows: usize) -> Result<Vec<(Vec<u8>, Vec<u32>)>> {
    let array = match models {
        ColumnarValue::Scalar(scalar) => {
            let one = cast(&scalar.to_array()?, &MODEL_ARROW_TYPE)?;
            let one = one.as_binary_view();
            let all = || (one.value(0).to_vec(), (0..rows as u32).collect());
            return Ok(one.is_valid(0).then(all).into_iter().collect());
        }
        ColumnarValue::Array(array) => cast(array, &MODEL_ARROW_TYPE)?,
    };
    let array = array.as_binary_view();
    // Rows that a join made of one model share its view; equal models in different places are scored apart.
    let mut by_view: HashMap<u128, usize> = HashMap::new();
    let mut found: Vec<(Vec<u8>, Vec<u32>)> = Vec::new();
    for row in (0..array.len()).filter(|&row| array.is_valid(row)) {
        let group = *by_view.entry(array.views()[row]).or_insert_with(|| {
            found.push((array.value(row).to_vec(), Vec::new()));
            found.len() - 1
        });
        found[group].1.push(row as u32);
    }
    Ok(found)
}

/// Predictions of a batch, in the predicted type; NULL where there is no model.
///
/// # Errors
/// When a prediction does not fit the type.
pub fn predictions(scored: Vec<ScoredRows>, predicted: &DataType, rows: usize) -> Result<ArrayRef> {
    let is_number = scored
        .iter()
        .all(|part| part.model.label().task == Task::Regression);
    if is_number && *predicted == DataType::Float64 {
        let mut values: Vec<Option<f64>> = vec![None; rows];
        for part in scored {
            for (&row, value) in part.rows.iter().zip(part.scores.values) {
                values[row as usize] = Some(value);
            }
        }
        return Ok(Arc::new(Float64Array::from(values)));
    }
    let mut places: Vec<Option<(usize, u32)>> = vec![None; rows];
    for (index, part) in scored.iter().enumerate() {
        for (&row, code) in part.rows.iter().zip(part.scores.class_codes()) {
            places[row as usize] = Some((index, code));
        }
    }
    let mut texts = StringBuilder::new();
    for place in places {
        texts.append_option(place.and_then(|(part, code)| {
            let classes = &scored[part].model.label().classes;
            classes.get(code as usize)
        }));
    }
    Ok(cast(&texts.finish(), predicted)?)
}

/// The field of a value call's predictions.
pub fn predicted_field(name: &str, predicted: &DataType) -> FieldRef {
    Arc::new(arrow::datatypes::Field::new(name, predicted.clone(), true))
}
