//! Values that a plan reads anew in each run.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock};

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::exec_err;
use datafusion::common::tree_node::Transformed;
use datafusion::error::Result;
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::scalar::ScalarValue;

const PREFIX: &str = "$outer_";

/// One value per outer column of a subquery.
#[derive(Debug, Clone, Default)]
pub(super) struct Cells {
    values: Arc<RwLock<Vec<ScalarValue>>>,
}

impl Cells {
    /// Sets the values that the next run reads.
    pub(super) fn fill(&self, values: &[ScalarValue]) {
        *self.values.write().unwrap_or_else(PoisonError::into_inner) = values.to_vec();
    }

    /// The placeholder of a cell in a plan. A client's parameters are `$1`, `$2` …, so this is none of them.
    pub(super) fn placeholder(at: usize) -> String {
        format!("{PREFIX}{at}")
    }

    /// The placeholder of a cell as a function that reads it.
    pub(super) fn read_instead(&self, expr: Expr) -> Transformed<Expr> {
        match &expr {
            Expr::Placeholder(Placeholder {
                id,
                field: Some(field),
            }) => {
                let Some(at) = id.strip_prefix(PREFIX).and_then(|at| at.parse().ok()) else {
                    return Transformed::no(expr);
                };
                let cell = Cell {
                    cells: self.clone(),
                    at,
                    field: field.clone(),
                    signature: Signature::nullary(Volatility::Volatile),
                };
                Transformed::yes(ScalarUDF::new_from_impl(cell).call(Vec::new()))
            }
            _ => Transformed::no(expr),
        }
    }
}

#[derive(Debug)]
struct Cell {
    cells: Cells,
    at: usize,
    field: FieldRef,
    signature: Signature,
}

impl ScalarUDFImpl for Cell {
    fn name(&self) -> &str {
        "outer_value"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(self.field.data_type().clone())
    }

    fn return_field_from_args(&self, _args: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(self.field.clone())
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let values = self
            .cells
            .values
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        match values.get(self.at) {
            Some(value) => Ok(ColumnarValue::Scalar(value.clone())),
            None => exec_err!("no value for an outer column"),
        }
    }
}

impl PartialEq for Cell {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at && Arc::ptr_eq(&self.cells.values, &other.cells.values)
    }
}

impl Eq for Cell {}

impl Hash for Cell {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.at.hash(state);
    }
}
