//! `pg_get_keywords()`: which words are special?

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use datafusion::arrow::datatypes::Schema;
use datafusion::catalog::{TableFunction, TableFunctionImpl, TableProvider};
use datafusion::datasource::MemTable;
use datafusion::error::Result;
use datafusion::logical_expr::Expr;

use crate::system::definitions::keywords;
use crate::types::PgType;

pub(super) fn table_functions() -> Vec<TableFunction> {
    vec![TableFunction::new(
        "pg_get_keywords".to_string(),
        Arc::new(Keywords),
    )]
}

#[derive(Debug)]
struct Keywords;

impl TableFunctionImpl for Keywords {
    fn call(&self, _args: &[Expr]) -> Result<Arc<dyn TableProvider>> {
        let schema = Arc::new(Schema::new(vec![
            PgType::TEXT.field("word", true),
            PgType::CHAR.field("catcode", true),
            PgType::BOOL.field("barelabel", true),
            PgType::TEXT.field("catdesc", true),
            PgType::TEXT.field("baredesc", true),
        ]));
        let column = |at: usize| -> ArrayRef {
            Arc::new(StringArray::from(
                keywords().map(|keyword| keyword[at]).collect::<Vec<_>>(),
            ))
        };
        let is_label: BooleanArray = keywords().map(|keyword| Some(keyword[2] == "t")).collect();
        let columns = vec![
            column(0),
            column(1),
            Arc::new(is_label),
            column(3),
            column(4),
        ];
        let batch = RecordBatch::try_new(schema.clone(), columns)?;
        Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))
    }
}
