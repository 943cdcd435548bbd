//! Which table's column is a result column?
//!
//! RowDescription tells the table's OID and the column's number for columns that come unchanged from a table,
//! and drivers answer `getTableName`, or make results editable, from them.

use std::collections::HashMap;

use arrow::datatypes::{Field, SchemaRef};
use datafusion::common::{Column, TableReference};
use datafusion::logical_expr::{Distinct, Expr, JoinType, LogicalPlan};

use crate::postgres::types::row::{ATTNUM_KEY, TABLE_OID_KEY};

/// The relations of a statement: their OIDs and all their columns.
pub type Loaded = HashMap<TableReference, (u32, SchemaRef)>;

/// The field with its origin in the metadata, when it has one.
pub fn mark(field: Field, plan: &LogicalPlan, index: usize, loaded: &Loaded) -> Field {
    let Some((oid, attnum)) = origin(plan, index, loaded) else {
        return field;
    };
    let mut metadata = field.metadata().clone();
    metadata.insert(TABLE_OID_KEY.to_string(), oid.to_string());
    metadata.insert(ATTNUM_KEY.to_string(), attnum.to_string());
    field.with_metadata(metadata)
}

/// OID and column number behind the output column `index`.
fn origin(plan: &LogicalPlan, index: usize, loaded: &Loaded) -> Option<(u32, usize)> {
    match plan {
        LogicalPlan::Projection(projection) => {
            let column = plain_column(projection.expr.get(index)?)?;
            let input = projection.input.as_ref();
            origin(input, index_of(input, column)?, loaded)
        }
        LogicalPlan::Filter(filter) => origin(&filter.input, index, loaded),
        LogicalPlan::Sort(sort) => origin(&sort.input, index, loaded),
        LogicalPlan::Limit(limit) => origin(&limit.input, index, loaded),
        LogicalPlan::SubqueryAlias(alias) => origin(&alias.input, index, loaded),
        LogicalPlan::Distinct(Distinct::All(input)) => origin(input, index, loaded),
        LogicalPlan::Distinct(Distinct::On(on)) => {
            let column = plain_column(on.select_expr.get(index)?)?;
            origin(&on.input, index_of(&on.input, column)?, loaded)
        }
        LogicalPlan::Aggregate(aggregate) => {
            let column = plain_column(aggregate.group_expr.get(index)?)?;
            let input = aggregate.input.as_ref();
            origin(input, index_of(input, column)?, loaded)
        }
        // The columns of the input come first.
        LogicalPlan::Window(window) if index < window.input.schema().fields().len() => {
            origin(&window.input, index, loaded)
        }
        LogicalPlan::Join(join) => {
            let left_columns = join.left.schema().fields().len();
            match join.join_type {
                JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
                    if index < left_columns {
                        origin(&join.left, index, loaded)
                    } else {
                        origin(&join.right, index - left_columns, loaded)
                    }
                }
                _ => None,
            }
        }
        LogicalPlan::TableScan(scan) => {
            let (oid, columns) = loaded.get(&scan.table_name)?;
            let name = scan.projected_schema.field(index).name();
            Some((*oid, columns.index_of(name).ok()? + 1))
        }
        _ => None,
    }
}

fn plain_column(expr: &Expr) -> Option<&Column> {
    match expr {
        Expr::Column(column) => Some(column),
        Expr::Alias(alias) => plain_column(&alias.expr),
        _ => None,
    }
}

fn index_of(plan: &LogicalPlan, column: &Column) -> Option<usize> {
    plan.schema().maybe_index_of_column(column)
}
