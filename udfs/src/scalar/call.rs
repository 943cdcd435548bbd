//! What do all scoring functions share: a constant model id first, then columns?
//!
//! The engine's binding pass has already turned names, wildcards and aliases into
//! `function('schema.model@version' [, 'class'], key columns …, feature columns …)`.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarUDF, Signature, Volatility};
use datafusion::scalar::ScalarValue;

use super::predict::Predict;
use super::predict_proba::PredictProba;
use super::predict_struct::PredictStruct;
use crate::error::ModelError;
use crate::model::loaded::LoadedModel;
use crate::model::registry::ModelSource;
use crate::model::value::OpenedValues;

/// The state of a scoring function: where its models are, and that it takes any arguments.
#[derive(Debug, Clone)]
pub struct Scoring {
    /// Name in SQL.
    pub name: &'static str,
    /// Any arguments; types are checked against the model.
    pub signature: Signature,
    source: Arc<dyn ModelSource>,
    /// Models that came as values; all functions share them.
    pub opened: Arc<OpenedValues>,
}

impl PartialEq for Scoring {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.source, &other.source)
    }
}

impl Eq for Scoring {}

impl Hash for Scoring {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

/// How many groups' models a call of this function with this first argument asks; 0 when it asks no model with groups.
pub fn asks_groups(function: &ScalarUDF, first: &ScalarValue) -> usize {
    let function = function.inner();
    let predict = function.downcast_ref::<Predict>().map(|own| &own.0);
    let proba = || function.downcast_ref::<PredictProba>().map(|own| &own.0);
    let record = || function.downcast_ref::<PredictStruct>().map(|own| &own.0);
    let Some(scoring) = predict.or_else(proba).or_else(record) else {
        return 0;
    };
    let model = text_of(first).and_then(|id| scoring.source.loaded(&id).ok());
    model.map_or(0, |model| model.group_count())
}

/// A call whose model is found and whose arguments are checked.
#[derive(Debug)]
pub struct Call {
    /// The model.
    pub model: Arc<LoadedModel>,
    /// The class named after the model id.
    pub class: Option<String>,
    /// Arguments before the columns: 1, or 2 with a class.
    pub leading: usize,
}

impl Scoring {
    /// A function over the models of `source`, and models that are values, kept in `opened`.
    pub fn new(
        name: &'static str,
        source: &Arc<dyn ModelSource>,
        opened: &Arc<OpenedValues>,
    ) -> Self {
        let signature = Signature::variadic_any(Volatility::Immutable);
        Self {
            name,
            signature,
            source: Arc::clone(source),
            opened: Arc::clone(opened),
        }
    }

    /// Finds model and class at planning.
    pub fn plan(&self, args: &ReturnFieldArgs<'_>, with_class: bool) -> Result<Call, ModelError> {
        let texts: Vec<Option<String>> = args
            .scalar_arguments
            .iter()
            .map(|value| value.and_then(text_of))
            .collect();
        let types: Vec<DataType> = args
            .arg_fields
            .iter()
            .map(|field: &FieldRef| field.data_type().clone())
            .collect();
        self.resolve(&texts, &types, with_class)
    }

    /// Finds model and class at execution.
    pub fn execute(&self, args: &[ColumnarValue], with_class: bool) -> Result<Call, ModelError> {
        let text = |value: &ColumnarValue| match value {
            ColumnarValue::Scalar(scalar) => text_of(scalar),
            ColumnarValue::Array(_) => None,
        };
        let texts: Vec<Option<String>> = args.iter().take(2).map(text).collect();
        let types: Vec<DataType> = args.iter().map(ColumnarValue::data_type).collect();
        self.resolve(&texts, &types, with_class)
    }

    fn resolve(
        &self,
        texts: &[Option<String>],
        types: &[DataType],
        with_class: bool,
    ) -> Result<Call, ModelError> {
        let id = texts.first().and_then(Option::as_ref);
        let id = id.ok_or(ModelError::ModelNotConstant {
            function: self.name,
        })?;
        let model = self.source.loaded(id)?;
        let named_class = with_class && types.len() == model.arity() + 2;
        let class = if named_class {
            texts.get(1).cloned().flatten()
        } else {
            None
        };
        if named_class && class.is_none() {
            return Err(ModelError::UnknownClass {
                model: id.clone(),
                class: "NULL".into(),
                classes: model.label().classes.clone(),
            });
        }
        let leading = 1 + usize::from(named_class);
        model.check_types(self.name, &types[leading..])?;
        Ok(Call {
            model,
            class,
            leading,
        })
    }
}

impl Call {
    /// Column arguments as arrays of `rows` values.
    pub fn columns(
        &self,
        args: &[ColumnarValue],
        rows: usize,
    ) -> datafusion::error::Result<Vec<ArrayRef>> {
        args[self.leading..]
            .iter()
            .map(|value| value.to_array(rows))
            .collect()
    }
}

fn text_of(value: &ScalarValue) -> Option<String> {
    match value {
        ScalarValue::Dictionary(_, value) => text_of(value),
        other => other.try_as_str().flatten().map(str::to_owned),
    }
}
