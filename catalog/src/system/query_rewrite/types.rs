//! Which Arrow field does a type name of SQL mean?

use std::sync::Arc;

use datafusion::arrow::datatypes::FieldRef;
use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast::DataType as SqlType;

use crate::types::{PgType, TypeError, declared};

/// Plans type names as [`PgType`] reads them, with PostgreSQL's type in the field's metadata.
#[derive(Debug)]
pub struct SystemTypes;

impl TypePlanner for SystemTypes {
    fn plan_type_field(&self, sql_type: &SqlType) -> Result<Option<FieldRef>> {
        match PgType::parse(&sql_type.to_string()) {
            // Declared even where the Arrow type says it all: `name::text` would stay a name otherwise.
            Ok(pg_type) => Ok(Some(Arc::new(declared(pg_type.field("", true), pg_type)))),
            Err(TypeError::Modifier { message }) => plan_err!("{message}"),
            // DataFusion knows names that PostgreSQL does not, and gives the error for the rest.
            Err(_) => Ok(None),
        }
    }
}
