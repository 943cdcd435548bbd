//! `concat(a, …)` and `concat_ws(separator, a, …)`: texts one behind the other, without NULLs.
//!
//! Arguments of other types have become text before.

use arrow::array::{Array, StringArray};
use datafusion::logical_expr::Volatility;

use crate::scalar::columns::{ColumnFunction, Columns};
use crate::scalar::overload::{Kind, Overload};

/// `concat`
pub static CONCAT: ColumnFunction = ColumnFunction {
    name: "concat",
    syntax: "concat(value, …)",
    description: "The values as one text; NULLs are left out",
    overloads: &[Overload::variadic(&[Kind::Any], Kind::Any, Kind::Text)],
    gives: None,
    volatility: Volatility::Stable,
    body: |columns| {
        let parts = texts(columns, 0);
        columns.map_text_with_nulls(|row, out| {
            for part in parts.iter().flatten() {
                if part.is_valid(row) {
                    out.push_str(part.value(row));
                }
            }
            Ok(true)
        })
    },
};

/// `concat_ws`
pub static CONCAT_WS: ColumnFunction = ColumnFunction {
    name: "concat_ws",
    syntax: "concat_ws(separator, value, …)",
    description: "The values as one text with a separator between them; NULLs are left out",
    overloads: &[Overload::variadic(&[Kind::Text], Kind::Any, Kind::Text)],
    gives: None,
    volatility: Volatility::Stable,
    body: |columns| {
        let separators = columns.text(0);
        let parts = texts(columns, 1);
        columns.map_text_with_nulls(|row, out| {
            if separators.is_null(row) {
                return Ok(false);
            }
            let mut is_first = true;
            for part in parts.iter().flatten().filter(|part| part.is_valid(row)) {
                if !is_first {
                    out.push_str(separators.value(row));
                }
                out.push_str(part.value(row));
                is_first = false;
            }
            Ok(true)
        })
    },
};

/// The arguments from one on; None for a literal NULL.
pub fn texts<'c>(columns: &'c Columns, from: usize) -> Vec<Option<&'c StringArray>> {
    (from..columns.len())
        .map(|at| columns.is_text(at).then(|| columns.text(at)))
        .collect()
}
