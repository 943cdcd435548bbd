//! `FROM generate_series(1, 3)`: numbers from a bound to another.
//!
//! DataFusion makes the rows; integers come out as integers here, and the column has the name that PostgreSQL gives
//! it: that of the function or of the table alias.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::Column;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::error::Result;
use datafusion::logical_expr::{Cast, Expr, LogicalPlanBuilder};
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast;

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

/// The names that PostgreSQL gives the relation and its column.
pub fn name_column(factor: &mut ast::TableFactor) {
    let ast::TableFactor::Table {
        name,
        args: Some(_),
        alias,
        ..
    } = factor
    else {
        return;
    };
    let is_series = matches!(name.0.as_slice(), [ast::ObjectNamePart::Identifier(ident)]
        if super::names::fold(ident) == NAME);
    if !is_series {
        return;
    }
    let alias = alias.get_or_insert_with(|| ast::TableAlias {
        explicit: true,
        name: ast::Ident::new(NAME),
        columns: Vec::new(),
        at: None,
    });
    if alias.columns.is_empty() {
        alias.columns.push(ast::TableAliasColumnDef {
            name: alias.name.clone(),
            data_type: None,
        });
    }
}
