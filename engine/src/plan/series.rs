//! `FROM generate_series(1, 3)`: numbers from a bound to another.
//!
//! DataFusion makes the rows; integers come out as integers here. How relation and column are called is decided in
//! `set_functions`.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::Column;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::error::Result;
use datafusion::logical_expr::{Cast, Expr, LogicalPlanBuilder};
use datafusion::scalar::ScalarValue;

/// The function's name.
pub const NAME: &str = "generate_series";

/// generate_series over integers, and over what the inner function takes beside them.
#[derive(Debug)]
pub struct GenerateSeries {
    /// DataFusion's function.
    pub inner: Arc<dyn TableFunctionImpl>,
}

impl TableFunctionImpl for GenerateSeries {
    fn call_with_args(&self, args: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let bounds: Vec<Expr> = args.exprs().iter().map(wide).collect();
        let wide_args = TableFunctionArgs::new(&bounds, args.session());
        let rows = self.inner.call_with_args(wide_args)?;
        if !bounds.iter().all(is_integer) {
            return Ok(rows);
        }
        let scan = LogicalPlanBuilder::scan(NAME, provider_as_source(rows), None)?;
        let value = Column::from(scan.schema().qualified_field(0));
        let integers = Cast::new(Box::new(Expr::Column(value)), DataType::Int32);
        let plan = scan.project([Expr::Cast(integers).alias(NAME)])?.build()?;
        Ok(Arc::new(ViewTable::new(plan, None)))
    }
}

/// An integer as the bigint that DataFusion's function wants.
fn wide(bound: &Expr) -> Expr {
    match bound {
        Expr::Literal(value @ (ScalarValue::Int16(_) | ScalarValue::Int32(_)), _) => {
            let value = value.cast_to(&DataType::Int64);
            value.map_or_else(|_| bound.clone(), |value| Expr::Literal(value, None))
        }
        other => other.clone(),
    }
}

/// Is this a bound that an integer holds?
fn is_integer(bound: &Expr) -> bool {
    matches!(bound, Expr::Literal(ScalarValue::Int64(Some(value)), _) if i32::try_from(*value).is_ok())
}
