//! What can a SELECT call?
//!
//! [`model`] is what training returns and scoring takes, with the one encoder from columns to numbers; [`scalar`] holds
//! the functions of a SELECT list; [`time`] what dates and intervals are. Nothing here knows the wire, statements or sessions.

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

pub mod error;
pub mod fit;
pub mod model;
pub mod scalar;
pub mod time;

use model::registry::ModelSource;

/// Every function of this crate, over the models of `source`.
pub fn scalar_functions(source: &Arc<dyn ModelSource>) -> Vec<ScalarUDF> {
    let mut functions = vec![
        ScalarUDF::from(scalar::predict::Predict::new(source)),
        ScalarUDF::from(scalar::predict_proba::PredictProba::new(source)),
        ScalarUDF::from(scalar::predict_struct::PredictStruct::new(source)),
    ];
    let folders: [&[_]; 6] = [
        scalar::array::FUNCTIONS,
        &[&scalar::series::GENERATE_SERIES_LIST],
        scalar::regex::FUNCTIONS,
        scalar::template::FUNCTIONS,
        scalar::text::FUNCTIONS,
        scalar::time::FUNCTIONS,
    ];
    functions.extend(folders.into_iter().flatten().map(|function| function.udf()));
    functions
}
