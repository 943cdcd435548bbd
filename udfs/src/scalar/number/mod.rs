//! What do numbers do: operators, rounding, casts?
//!
//! DataFusion wraps integers that overflow, cuts where SQL rounds and gives quotients few digits. What a session
//! plans with numbers comes here instead: results have PostgreSQL's types and digits, and what does not fit is an
//! error, never another number.

use datafusion::logical_expr::ScalarUDF;

pub mod absolute;
pub mod arithmetic;
pub mod average;
pub mod bits;
pub mod call;
pub mod cast;
pub mod decimal;
pub mod divisors;
mod documentation;
pub mod error;
mod float;
mod integer;
pub mod powers;
pub mod quotient;
pub mod rounding;
pub mod sign;
pub mod types;
pub mod width_bucket;

/// The functions that are called by name.
pub fn functions() -> Vec<ScalarUDF> {
    let mut functions = vec![
        absolute::function(),
        arithmetic::modulo(),
        bits::complement(),
        quotient::function(),
        sign::function(),
        width_bucket::function(),
    ];
    functions.extend(rounding::functions());
    functions.extend(divisors::functions());
    functions.extend(powers::functions());
    functions
}
