//! What can a SELECT call?
//!
//! [`model`] is what training returns and scoring takes, with the one encoder from columns to numbers; [`scalar`] holds
//! the functions of a SELECT list, [`aggregate`] those of a GROUP BY; [`time`] what dates and intervals are. Nothing
//! here knows the wire, statements or sessions.

use std::sync::Arc;

use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

pub mod aggregate;
pub mod error;
pub mod fit;
pub mod model;
pub mod scalar;
pub mod suggest;
pub mod time;

use fit::seat::Seat;
use model::registry::ModelSource;

/// Every function of this crate, over the models of `source`.
pub fn scalar_functions(source: &Arc<dyn ModelSource>) -> Vec<ScalarUDF> {
    // One for all: a model that predict has opened is not opened and kept again by predict_proba.
    let opened = Arc::default();
    let mut functions = vec![
        ScalarUDF::from(scalar::predict::Predict::new(source, &opened)),
        ScalarUDF::from(scalar::predict_proba::PredictProba::new(source, &opened)),
        ScalarUDF::from(scalar::predict_struct::PredictStruct::new(source, &opened)),
        scalar::describe::function(&opened),
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
    functions.extend(scalar::number::functions());
    functions.extend(scalar::whole_numbers::functions());
    functions
}

/// The training functions, which belong to a session.
pub fn training_functions(seat: &Arc<Seat>) -> Vec<AggregateUDF> {
    aggregate::train::functions(seat)
}

/// Every other aggregate function of this crate.
pub fn aggregate_functions() -> Vec<AggregateUDF> {
    let variance = datafusion::functions_aggregate::variance::var_samp_udaf();
    vec![
        aggregate::sum::sum_udaf().as_ref().clone(),
        variance.as_ref().clone().with_aliases(["variance"]),
    ]
}
