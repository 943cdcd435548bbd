//! `num_nulls(a, …)` and `num_nonnulls(a, …)`: how many of the values are NULL, or are not?

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int32Array};
use datafusion::error::Result;
use datafusion::logical_expr::Volatility;

use crate::scalar::columns::{ColumnFunction, Columns};
use crate::scalar::overload::{Kind, Overload};

/// `num_nulls`
pub static NUM_NULLS: ColumnFunction = ColumnFunction {
    name: "num_nulls",
    syntax: "num_nulls(value, …)",
    description: "How many of the values are NULL",
    overloads: &[Overload::variadic(&[Kind::Any], Kind::Any, Kind::Int4)],
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| counted(columns, true),
};

/// `num_nonnulls`
pub static NUM_NONNULLS: ColumnFunction = ColumnFunction {
    name: "num_nonnulls",
    syntax: "num_nonnulls(value, …)",
    description: "How many of the values are not NULL",
    overloads: &[Overload::variadic(&[Kind::Any], Kind::Any, Kind::Int4)],
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| counted(columns, false),
};

fn counted(columns: &Columns, counts_nulls: bool) -> Result<ArrayRef> {
    let nulls: Vec<_> = (0..columns.len())
        .map(|at| columns.array(at).logical_nulls())
        .collect();
    let counts: Int32Array = (0..columns.rows)
        .map(|row| {
            let is_counted = |nulls: &&Option<arrow::buffer::NullBuffer>| {
                nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) == counts_nulls
            };
            Some(nulls.iter().filter(is_counted).count() as i32)
        })
        .collect();
    Ok(Arc::new(counts))
}
