//! `ml.describe(model)`: what a model value predicts, from which columns, and how.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::internal_err;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, DocSection, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use serde_json::{Map, Value, json};

use super::coefficients::coefficients;
use crate::error::ModelError;
use crate::model::loaded::LoadedModel;
use crate::model::sql_type::{PG_TYPE_KEY, sql_type_of};
use crate::model::value::{MODEL_ARROW_TYPE, OpenedValues, predicted_by};

const NAME: &str = "ml.describe";

/// The function `ml.describe`.
#[derive(Debug)]
pub struct Describe {
    signature: Signature,
    pub(super) opened: Arc<OpenedValues>,
}

impl PartialEq for Describe {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Describe {}

impl std::hash::Hash for Describe {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        NAME.hash(state);
    }
}

/// The function `ml.describe`; models are kept in `opened`.
pub fn function(opened: &Arc<OpenedValues>) -> ScalarUDF {
    ScalarUDF::from(Describe {
        signature: Signature::any(1, Volatility::Immutable),
        opened: Arc::clone(opened),
    })
}

/// The document of one model.
fn document(model: &LoadedModel, bytes: usize) -> Result<Value, ModelError> {
    let signature = model.signature();
    let features: Vec<Value> = signature
        .features
        .iter()
        .map(|feature| {
            let mut shown = Map::new();
            shown.insert("name".into(), feature.name.clone().into());
            shown.insert("type".into(), feature.sql_type.clone().into());
            if let Some(levels) = feature.levels {
                shown.insert("levels".into(), levels.into());
            }
            Value::Object(shown)
        })
        .collect();
    let encoding = &model.artefact().shared().features;
    let names = encoding.model_names();
    let members: Vec<Value> = model
        .parent()
        .members
        .iter()
        .map(|member| {
            let shares = member.learner.importance(names.len());
            let mut importance: Vec<(&String, f64)> = names.iter().zip(shares).collect();
            importance.retain(|(_, share)| *share > 0.0);
            importance.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(b.0)));
            let importance: Vec<Value> = importance
                .into_iter()
                .map(|(name, share)| json!({"column": name, "share": share}))
                .collect();
            let mut shown = json!({
                "algorithm": member.learner.learner(),
                "weight": member.weight,
                "importance": importance,
            });
            if let Some(terms) = coefficients(model.parent(), member, encoding, model.label())? {
                shown["coefficients"] = terms.into();
            }
            Ok(shown)
        })
        .collect::<Result<_, ModelError>>()?;
    let mut shown = json!({
        "task": signature.task,
        "label": signature.label,
        "predicts": signature.label_sql_type,
        "features": features,
        "members": members,
        "bytes": bytes,
    });
    if let (Value::Object(shown), false) = (&mut shown, signature.classes.is_empty()) {
        shown.insert("classes".into(), signature.classes.into());
    }
    Ok(shown)
}

impl ScalarUDFImpl for Describe {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        internal_err!("the type of {NAME} is told by its field")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let argument = &args.arg_fields[0];
        if predicted_by(argument).is_none() && !argument.data_type().is_null() {
            return Err(ModelError::NotAModel {
                function: NAME,
                got: sql_type_of(argument),
            }
            .into());
        }
        let metadata = [(PG_TYPE_KEY.to_owned(), "json".to_owned())].into();
        let field = Field::new(self.name(), DataType::Utf8, true).with_metadata(metadata);
        Ok(Arc::new(field))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let models: ArrayRef = cast(&args.args[0].to_array(args.number_rows)?, &MODEL_ARROW_TYPE)?;
        let models = models.as_binary_view();
        let mut documents = StringBuilder::new();
        for row in 0..models.len() {
            if models.is_null(row) {
                documents.append_null();
                continue;
            }
            let bytes = models.value(row);
            let model = self.opened.open(bytes)?;
            documents.append_value(document(&model, bytes.len())?.to_string());
        }
        Ok(ColumnarValue::Array(Arc::new(documents.finish())))
    }

    fn documentation(&self) -> Option<&Documentation> {
        static PAGE: LazyLock<Documentation> = LazyLock::new(|| {
            let section = DocSection {
                include: true,
                label: "Models",
                description: None,
            };
            let about = "What a model value predicts, from which columns and how, as a JSON document; with \
                 coefficients, standard errors and p-values where the model is linear or logistic";
            Documentation::builder(section, about, "ml.describe(model)").build()
        });
        Some(&PAGE)
    }
}
