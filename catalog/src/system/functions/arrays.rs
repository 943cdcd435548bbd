//! Arrays as PostgreSQL sees them: vectors count from 0, arrays from 1.

use std::sync::Arc;

use super::{Call, Function, Returns, integer, text};
use crate::types::PgType;
use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::common::{internal_err, plan_err};
use datafusion::error::Result;
use datafusion::scalar::ScalarValue;

/// Name of the list behind `generate_subscripts`, which the rewriting pass unnests.
pub(crate) const SUBSCRIPTS: &str = "pg_subscripts";
/// Name of the list behind `information_schema._pg_expandarray`, which the rewriting pass unnests.
pub(crate) const EXPANDED: &str = "_pg_expandarray";
/// Name of the function behind `array[i]`.
pub(crate) const ELEMENT: &str = "pg_array_element";

/// Name of the empty list behind `pg_partition_ancestors`, which the rewriting pass unnests.
pub(crate) const NO_RELATIONS: &str = "pg_no_relations";
/// Name of the mark on a subquery that gives an array, which the rewriting pass takes away.
pub(crate) const ARRAY_SUBQUERY: &str = "pg_array_subquery";

/// Name of the mark on a COALESCE with an untyped array, which the rewriting pass takes away.
pub(crate) const COALESCE: &str = "pg_coalesce";

pub(super) fn functions() -> Vec<Function> {
    let immutable = Function::immutable;
    vec![
        immutable("array_upper", &[2], PgType::INT4, |call| {
            bound(call, |first, length| first + length - 1)
        }),
        immutable("array_lower", &[2], PgType::INT4, |call| {
            bound(call, |first, _| first)
        }),
        immutable("array_to_string", &[2, 3], PgType::TEXT, join).with_nulls(),
        Function::immutable(SUBSCRIPTS, &[2], Returns::From(int_list), subscripts),
        Function::immutable(EXPANDED, &[1], Returns::From(expanded_list), expanded),
        Function::stable(
            NO_RELATIONS,
            &[1],
            PgType::REGCLASS.array().unwrap_or(PgType::TEXT),
            |_| {
                Ok(ScalarValue::List(ScalarValue::new_list_nullable(
                    &[],
                    &DataType::Int64,
                )))
            },
        ),
        Function::stable(ARRAY_SUBQUERY, &[1], Returns::From(array_of), |_| {
            internal_err!("a subquery that gives an array was not planned")
        }),
        Function::immutable(COALESCE, &[], Returns::From(first), |_| {
            internal_err!("a COALESCE of arrays was not planned")
        }),
        Function::immutable(ELEMENT, &[2], Returns::From(element_field), element),
    ]
}

/// The elements of a list argument; None if it is no list or NULL.
fn elements(value: &ScalarValue) -> Option<ArrayRef> {
    match value {
        ScalarValue::List(list) if !list.is_null(0) => Some(list.value(0)),
        ScalarValue::LargeList(list) if !list.is_null(0) => Some(list.value(0)),
        ScalarValue::FixedSizeList(list) if !list.is_null(0) => Some(list.value(0)),
        _ => None,
    }
}

/// First subscript of an array of this type.
fn first_subscript(field: &Field) -> i64 {
    let pg_type = PgType::of_field(field);
    i64::from(pg_type != PgType::INT2VECTOR && pg_type != PgType::OIDVECTOR)
}

fn bound(call: &Call, value: fn(i64, i64) -> i64) -> Result<ScalarValue> {
    match elements(&call.args[0]) {
        Some(elements) if !elements.is_empty() && call.integer(1) == Some(1) => integer(value(
            first_subscript(&call.fields[0]),
            elements.len() as i64,
        )),
        _ => Ok(ScalarValue::Int32(None)),
    }
}

fn array_of(args: &[FieldRef]) -> Result<FieldRef> {
    let Some(field) = args.first() else {
        return plan_err!("ARRAY takes a subquery");
    };
    let item = field.as_ref().clone().with_name("item").with_nullable(true);
    Ok(Arc::new(Field::new(
        ARRAY_SUBQUERY,
        DataType::List(Arc::new(item)),
        true,
    )))
}

fn first(args: &[FieldRef]) -> Result<FieldRef> {
    match args.first() {
        Some(field) => Ok(field.clone()),
        None => plan_err!("COALESCE takes arguments"),
    }
}

fn int_list(_args: &[FieldRef]) -> Result<FieldRef> {
    let item = Field::new_list_field(DataType::Int32, true);
    Ok(Arc::new(Field::new(
        SUBSCRIPTS,
        DataType::List(Arc::new(item)),
        true,
    )))
}

fn subscripts(call: &Call) -> Result<ScalarValue> {
    let count = elements(&call.args[0])
        .filter(|_| call.integer(1) == Some(1))
        .map_or(0, |found| found.len());
    let first = first_subscript(&call.fields[0]) as i32;
    let values: Vec<ScalarValue> = (0..count as i32)
        .map(|at| ScalarValue::Int32(Some(first + at)))
        .collect();
    Ok(ScalarValue::List(ScalarValue::new_list_nullable(
        &values,
        &DataType::Int32,
    )))
}

fn item_field(args: &[FieldRef]) -> Result<DataType> {
    match args.first().map(|field| field.data_type()) {
        Some(
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _),
        ) => Ok(item.data_type().clone()),
        Some(DataType::Null) => Ok(DataType::Null),
        other => {
            plan_err!("cannot subscript type {other:?} because it does not support subscripting")
        }
    }
}

fn expanded_fields(item: DataType) -> Fields {
    Fields::from(vec![
        Field::new("x", item, true),
        Field::new("n", DataType::Int32, true),
    ])
}

fn expanded_list(args: &[FieldRef]) -> Result<FieldRef> {
    let row = DataType::Struct(expanded_fields(item_field(args)?));
    Ok(Arc::new(Field::new(
        EXPANDED,
        DataType::List(Arc::new(Field::new_list_field(row, true))),
        true,
    )))
}

/// The elements with their position, which counts from 1 for vectors too.
fn expanded(call: &Call) -> Result<ScalarValue> {
    let found = elements(&call.args[0]);
    let count = found.as_ref().map_or(0, |found| found.len());
    let DataType::List(row) = call.return_field.data_type() else {
        return plan_err!("{EXPANDED} gives a list");
    };
    let DataType::Struct(fields) = row.data_type() else {
        return plan_err!("{EXPANDED} gives rows");
    };
    let mut rows = Vec::with_capacity(count);
    for at in 0..count {
        let x = match &found {
            Some(found) => ScalarValue::try_from_array(found, at)?,
            None => ScalarValue::Null,
        };
        let columns = [
            x.to_array()?,
            ScalarValue::Int32(Some(at as i32 + 1)).to_array()?,
        ];
        let row =
            datafusion::arrow::array::StructArray::try_new(fields.clone(), columns.to_vec(), None)?;
        rows.push(ScalarValue::Struct(Arc::new(row)));
    }
    Ok(ScalarValue::List(ScalarValue::new_list_nullable(
        &rows,
        row.data_type(),
    )))
}

fn element_field(args: &[FieldRef]) -> Result<FieldRef> {
    let item = match args.first().map(|field| field.data_type()) {
        Some(DataType::List(item) | DataType::LargeList(item)) => {
            item.as_ref().clone().with_nullable(true)
        }
        _ => Field::new("item", item_field(args)?, true),
    };
    Ok(Arc::new(item))
}

/// NULL outside of the array; nothing counts from the end.
fn element(call: &Call) -> Result<ScalarValue> {
    let at = call.integer(1).unwrap_or(-1) - first_subscript(&call.fields[0]);
    match (elements(&call.args[0]), usize::try_from(at)) {
        (Some(found), Ok(at)) if at < found.len() => ScalarValue::try_from_array(&found, at),
        _ => ScalarValue::try_from(call.return_field.data_type()),
    }
}

/// `array_to_string`: NULL elements are left out unless a third argument stands for them.
fn join(call: &Call) -> Result<ScalarValue> {
    let (Some(found), Some(separator)) = (elements(&call.args[0]), call.text(1)) else {
        return Ok(ScalarValue::Utf8(None));
    };
    let for_null = call.text(2);
    let mut parts = Vec::with_capacity(found.len());
    for at in 0..found.len() {
        if found.is_null(at) {
            parts.extend(for_null.clone());
        } else if let Some(nested) = found.as_list_opt::<i32>() {
            let value = ScalarValue::try_from_array(&nested.value(at), 0)?;
            parts.push(value.to_string());
        } else {
            parts.push(ScalarValue::try_from_array(&found, at)?.to_string());
        }
    }
    text(parts.join(&separator))
}
