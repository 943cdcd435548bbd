//! What does DESCRIBE t show? Column names, types and nullability.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::sql::sqlparser::ast::{Expr, ObjectName};
use tarn_catalog::types::PgType;

use crate::error::PgError;
use crate::session::Session;
use crate::session::outcome::{Outcome, Rows, RowsTag};

const NAMES: [&str; 3] = ["column_name", "data_type", "is_nullable"];

/// The columns of DESCRIBE.
pub fn columns() -> SchemaRef {
    Arc::new(Schema::new(
        NAMES
            .map(|name| Field::new(name, DataType::Utf8, true))
            .to_vec(),
    ))
}

/// DESCRIBE table
pub async fn run(session: &mut Session, name: &ObjectName) -> Result<Outcome, PgError> {
    let mut query = crate::parser::parse_query("SELECT * FROM t")?;
    if let datafusion::sql::sqlparser::ast::SetExpr::Select(select) = query.body.as_mut()
        && let Some(from) = select.from.first_mut()
        && let datafusion::sql::sqlparser::ast::TableFactor::Table { name: slot, .. } =
            &mut from.relation
    {
        slot.clone_from(name);
        select.selection = None::<Expr>;
    }
    let plan = session.planner()?.query(query, &[]).await?;
    let rows: Vec<Vec<Option<String>>> = plan
        .schema()
        .fields()
        .iter()
        .map(|field| {
            vec![
                Some(field.name().clone()),
                Some(PgType::of_field(field).sql_name()),
                Some(if field.is_nullable() { "YES" } else { "NO" }.to_string()),
            ]
        })
        .collect();
    Ok(Outcome::Rows(Rows::texts(
        &NAMES,
        &rows,
        RowsTag::Counted("SELECT"),
    )?))
}
