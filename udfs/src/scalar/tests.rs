//! Do the scoring functions plan and run inside DataFusion as a query would use them?

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use arrow::record_batch::RecordBatch;
use datafusion::logical_expr::{ScalarUDF, col, lit};
use datafusion::prelude::{Expr, SessionContext};

use crate::error::ModelError;
use crate::model::cache::ModelCache;
use crate::model::loaded::LoadedModel;
use crate::model::registry::ModelSource;
use crate::model::tests::{artefact, columns};
use crate::model::value::OpenedValues;
use crate::scalar::describe::Describe;
use crate::scalar::predict::Predict;
use crate::scalar::predict_proba::PredictProba;
use crate::scalar::predict_struct::PredictStruct;

#[derive(Debug)]
struct Two(Arc<LoadedModel>, Arc<LoadedModel>);

impl ModelSource for Two {
    fn loaded(&self, id: &str) -> Result<Arc<LoadedModel>, ModelError> {
        match id {
            "public.good@1" => Ok(Arc::clone(&self.0)),
            "public.good@2" => Ok(Arc::clone(&self.1)),
            _ => Err(ModelError::UnknownModel {
                model: id.to_owned(),
            }),
        }
    }
}

fn functions() -> Vec<ScalarUDF> {
    let cache = ModelCache::new(1 << 20);
    let open = |grouped, version| {
        Arc::new(
            LoadedModel::open("public.good", version, Arc::new(artefact(grouped)), &cache).unwrap(),
        )
    };
    let source: Arc<dyn ModelSource> = Arc::new(Two(open(false, 1), open(true, 2)));
    crate::scalar_functions(&source)
}

fn function(name: &str) -> ScalarUDF {
    functions()
        .into_iter()
        .find(|function| function.name() == name)
        .unwrap()
}

fn run(call: Expr) -> Result<ArrayRef, String> {
    let [region, size, colour] = columns();
    let batch =
        RecordBatch::try_from_iter([("region", region), ("size", size), ("colour", colour)])
            .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let frame = SessionContext::new()
        .read_batch(batch)
        .map_err(|error| error.to_string())?;
    let frame = frame
        .select(vec![call.alias("answer")])
        .map_err(|error| error.find_root().to_string())?;
    let batches = runtime
        .block_on(frame.collect())
        .map_err(|error| error.find_root().to_string())?;
    let answers: Vec<&dyn Array> = batches
        .iter()
        .map(|batch| batch.column(0).as_ref())
        .collect();
    Ok(arrow::compute::concat(&answers).unwrap())
}

#[test]
fn predict_has_the_labels_type_and_proba_a_class() {
    let labels =
        run(function("predict").call(vec![lit("public.good@1"), col("size"), col("colour")]))
            .unwrap();
    assert_eq!(labels.data_type(), &DataType::Boolean);
    let positive =
        run(function("predict_proba").call(vec![lit("public.good@1"), col("size"), col("colour")]))
            .unwrap();
    let negative = function("predict_proba");
    let negative = run(negative.call(vec![
        lit("public.good@1"),
        lit("false"),
        col("size"),
        col("colour"),
    ]))
    .unwrap();
    let pairs = positive
        .as_primitive::<Float64Type>()
        .iter()
        .zip(negative.as_primitive::<Float64Type>());
    for ((yes, no), label) in pairs.zip(labels.as_boolean()) {
        let (yes, no) = (yes.unwrap(), no.unwrap());
        assert!((yes + no - 1.0).abs() < 1e-12);
        assert_eq!(label, Some(yes > no));
    }
}

#[test]
fn a_model_value_is_opened_once_for_all_functions() {
    let opened: Vec<*const OpenedValues> = functions()
        .iter()
        .filter_map(|function| {
            let function = function.inner();
            let opened = function.downcast_ref::<Predict>().map(|f| &f.0.opened);
            let opened = opened.or(function.downcast_ref::<PredictProba>().map(|f| &f.0.opened));
            let opened = opened.or(function
                .downcast_ref::<PredictStruct>()
                .map(|f| &f.0.opened));
            opened
                .or(function.downcast_ref::<Describe>().map(|f| &f.opened))
                .map(Arc::as_ptr)
        })
        .collect();
    assert_eq!(opened, [opened[0]; 4]);
}

#[test]
fn predict_struct_says_which_model_answered() {
    let call = function("predict_struct");
    let answers = run(call.call(vec![
        lit("public.good@2"),
        col("region"),
        col("size"),
        col("colour"),
    ]))
    .unwrap();
    let fields = answers.as_struct();
    let levels = fields
        .column_by_name("model_level")
        .unwrap()
        .as_string::<i32>();
    assert_eq!((levels.value(0), levels.value(1)), ("group", "global"));
    let versions = fields
        .column_by_name("model_version")
        .unwrap()
        .as_primitive::<Int64Type>();
    assert!(versions.iter().all(|version| version == Some(2)));
    let probability = fields
        .column_by_name("probability")
        .unwrap()
        .as_primitive::<Float64Type>();
    assert!(
        probability
            .iter()
            .flatten()
            .all(|probability| (0.5..=1.0).contains(&probability))
    );
}

#[test]
fn bad_calls_are_refused_at_planning_by_name() {
    let predict = |arguments: Vec<Expr>| run(function("predict").call(arguments)).unwrap_err();
    assert!(
        predict(vec![lit("public.none@1"), col("size")])
            .contains("model \"public.none@1\" does not exist")
    );
    assert!(predict(vec![col("colour"), col("size")]).contains("must be a constant model name"));
    let wrong = predict(vec![lit("public.good@1"), col("colour"), col("colour")]);
    assert!(
        wrong.contains("column \"size\" is of type text but the model expects a number"),
        "{wrong}"
    );
    assert!(predict(vec![lit("public.good@1"), col("size")]).contains("takes 2 columns"));
    let class = function("predict_proba");
    let class = run(class.call(vec![
        lit("public.good@1"),
        lit("maybe"),
        col("size"),
        col("colour"),
    ]))
    .unwrap_err();
    assert!(class.contains("has no class \"maybe\""), "{class}");
}
