//! How do the engine's columns become Delta columns, and back?
//!
//! A table has a *storage* schema (what Parquet and the Delta log have) and a *logical* one (what a query sees). They differ
//! for `time` (Int64 microseconds in storage) and `interval` (ISO 8601 text), also inside arrays and structs. The PostgreSQL
//! spelling travels as field metadata of the Delta schema.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, IntervalMonthDayNanoArray, ListArray, MapArray, RecordBatch,
    RecordBatchOptions, StringArray, StructArray,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DataType, Field, FieldRef, Fields, IntervalMonthDayNanoType, IntervalUnit, Schema, SchemaRef,
    TimeUnit,
};
use arrow::error::ArrowError;
use deltalake_core::kernel::StructType;
use deltalake_core::kernel::engine::arrow_conversion::{TryIntoArrow, TryIntoKernel};

use crate::table::error::{Result, TableError};
use crate::table::interval;
use crate::types::{PG_TYPE_KEY, PgType, storage_of};

const CAST: CastOptions<'static> = CastOptions {
    safe: false,
    format_options: arrow::util::display::FormatOptions::new(),
};

/// The storage schema of a table with the given logical columns, in types that Delta has.
pub fn storage_schema(logical: &Schema) -> Result<SchemaRef> {
    let fields = logical
        .fields()
        .iter()
        .map(|field| storage_field(field))
        .collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(Schema::new(fields)))
}

fn storage_field(field: &Field) -> Result<Field> {
    let canonical = canonical_type(field)?;
    let storage = storage_of(&canonical);
    let mut metadata: HashMap<String, String> = field.metadata().clone();
    if storage != canonical {
        let spelling = PgType::of_field(&field.clone().with_data_type(canonical)).short_name();
        metadata.insert(PG_TYPE_KEY.to_string(), spelling);
    }
    Ok(Field::new(field.name(), storage, field.is_nullable()).with_metadata(metadata))
}

/// The one logical Arrow type for a column of this kind: no views, dictionaries, large offsets or unsigned integers.
fn canonical_type(field: &Field) -> Result<DataType> {
    let unsupported = || TableError::ColumnType {
        column: field.name().clone(),
        data_type: field.data_type().to_string(),
    };
    match field.data_type() {
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::ListView(element)
        | DataType::LargeListView(element)
        | DataType::FixedSizeList(element, _) => {
            let element_type = canonical_type(element)?;
            Ok(DataType::List(Arc::new(Field::new_list_field(
                element_type,
                element.is_nullable(),
            ))))
        }
        DataType::Struct(fields) => {
            let fields: Fields = fields
                .iter()
                .map(|inner| {
                    let data_type = canonical_type(inner)?;
                    Ok(inner.as_ref().clone().with_data_type(data_type))
                })
                .collect::<Result<Vec<_>>>()?
                .into();
            Ok(DataType::Struct(fields))
        }
        DataType::Map(entries, _) => {
            let entries_type = canonical_type(entries)?;
            let entries = entries.as_ref().clone().with_data_type(entries_type);
            Ok(DataType::Map(Arc::new(entries), false))
        }
        _ => match PgType::of_field(field).logical() {
            DataType::Decimal256(_, _) => Err(unsupported()),
            data_type => Ok(data_type),
        },
    }
}

/// The logical schema of a table with the given storage columns. Metadata stays on the fields.
pub fn logical_schema(storage: &Schema) -> SchemaRef {
    let fields: Vec<Field> = storage
        .fields()
        .iter()
        .map(|field| {
            let data_type = logical_type(field);
            field.as_ref().clone().with_data_type(data_type)
        })
        .collect();
    Arc::new(Schema::new(fields))
}

fn logical_type(storage: &Field) -> DataType {
    let declared = storage
        .metadata()
        .get(PG_TYPE_KEY)
        .and_then(|spelling| PgType::parse(spelling).ok())
        .map(PgType::logical);
    let stored = list_fields_named_item(storage.data_type());
    match declared {
        // Only then does the metadata say more than the Arrow type.
        Some(logical) if logical != stored && storage_of(&logical) == stored => logical,
        _ => stored,
    }
}

/// Delta calls the field of a list `element`, DataFusion `item`; two names would be two types to DataFusion.
fn list_fields_named_item(data_type: &DataType) -> DataType {
    let renamed = |field: &FieldRef| {
        let inner = list_fields_named_item(field.data_type());
        field.as_ref().clone().with_data_type(inner)
    };
    match data_type {
        DataType::List(element) => DataType::List(Arc::new(Field::new_list_field(
            list_fields_named_item(element.data_type()),
            element.is_nullable(),
        ))),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(renamed).collect()),
        DataType::Map(entries, sorted) => DataType::Map(Arc::new(renamed(entries)), *sorted),
        other => other.clone(),
    }
}

/// The Delta schema as the log has it.
pub fn encode(storage: &Schema) -> Result<String> {
    if let Some(field) = storage
        .fields()
        .iter()
        .find(|field| unsupported_in_delta(field.data_type()))
    {
        return Err(TableError::ColumnType {
            column: field.name().clone(),
            data_type: field.data_type().to_string(),
        });
    }
    let kernel: StructType = storage
        .try_into_kernel()
        .map_err(|error: ArrowError| TableError::Arrow(error))?;
    serde_json::to_string(&kernel).map_err(|error| TableError::Schema {
        reason: error.to_string(),
    })
}

fn unsupported_in_delta(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(field) | DataType::Map(field, _) => unsupported_in_delta(field.data_type()),
        DataType::Struct(fields) => fields
            .iter()
            .any(|field| unsupported_in_delta(field.data_type())),
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Utf8
        | DataType::Binary
        | DataType::Date32
        | DataType::Decimal128(_, _)
        | DataType::Timestamp(TimeUnit::Microsecond, _) => false,
        _ => true,
    }
}

/// The storage schema that a log's schema text means.
pub fn decode(schema_string: &str) -> Result<SchemaRef> {
    let kernel: StructType =
        serde_json::from_str(schema_string).map_err(|error| TableError::Schema {
            reason: error.to_string(),
        })?;
    let arrow: Schema = (&kernel).try_into_arrow().map_err(TableError::Arrow)?;
    let fields: Vec<Field> = arrow
        .fields()
        .iter()
        .map(|field| {
            let data_type = list_fields_named_item(field.data_type());
            field.as_ref().clone().with_data_type(data_type)
        })
        .collect();
    Ok(Arc::new(Schema::new(fields)))
}

/// Does the schema hold a timestamp without time zone anywhere? Delta needs a table feature for it.
pub fn has_timestamp_ntz(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(_, None) => true,
        DataType::List(field) | DataType::Map(field, _) => has_timestamp_ntz(field.data_type()),
        DataType::Struct(fields) => fields
            .iter()
            .any(|field| has_timestamp_ntz(field.data_type())),
        _ => false,
    }
}

/// Rows in the table's storage types. Columns are matched by position, as in SQL.
pub fn to_storage(rows: &RecordBatch, storage: &SchemaRef) -> Result<RecordBatch> {
    if rows.num_columns() != storage.fields().len() {
        return Err(TableError::Schema {
            reason: format!(
                "{} columns for a table of {}",
                rows.num_columns(),
                storage.fields().len()
            ),
        });
    }
    let columns = rows
        .columns()
        .iter()
        .zip(storage.fields())
        .map(|(column, field)| {
            let converted = convert(column, field.data_type())?;
            if !field.is_nullable() && converted.logical_null_count() > 0 {
                return Err(TableError::NotNull {
                    column: field.name().clone(),
                });
            }
            Ok(converted)
        })
        .collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    Ok(RecordBatch::try_new_with_options(
        Arc::clone(storage),
        columns,
        &options,
    )?)
}

/// A column in another type of the same meaning: storage from logical or logical from storage.
pub fn convert(column: &ArrayRef, target: &DataType) -> Result<ArrayRef, ArrowError> {
    if column.data_type() == target {
        return Ok(Arc::clone(column));
    }
    if !has_interval(column.data_type()) && !has_interval(target) {
        return cast_with_options(column, target, &CAST);
    }
    match (column.data_type(), target) {
        (DataType::Interval(IntervalUnit::MonthDayNano), DataType::Utf8) => {
            let intervals = column.as_primitive::<IntervalMonthDayNanoType>();
            let text: StringArray = intervals
                .iter()
                .map(|value| value.map(interval::format))
                .collect();
            Ok(Arc::new(text))
        }
        (DataType::Interval(_), DataType::Utf8) => {
            let wide = DataType::Interval(IntervalUnit::MonthDayNano);
            convert(&cast_with_options(column, &wide, &CAST)?, target)
        }
        (DataType::Utf8, DataType::Interval(IntervalUnit::MonthDayNano)) => parse_intervals(column),
        (DataType::List(_), DataType::List(element)) => {
            let list = column.as_list::<i32>();
            let values = convert(list.values(), element.data_type())?;
            Ok(Arc::new(ListArray::try_new(
                Arc::clone(element),
                list.offsets().clone(),
                values,
                list.nulls().cloned(),
            )?))
        }
        (DataType::Struct(_), DataType::Struct(fields)) => {
            Ok(Arc::new(convert_struct(column.as_struct(), fields)?))
        }
        (DataType::Map(_, _), DataType::Map(entries, sorted)) => {
            let map = column.as_map();
            let DataType::Struct(fields) = entries.data_type() else {
                return Err(ArrowError::SchemaError("map without entries".to_string()));
            };
            Ok(Arc::new(MapArray::try_new(
                Arc::clone(entries),
                map.offsets().clone(),
                convert_struct(map.entries(), fields)?,
                map.nulls().cloned(),
                *sorted,
            )?))
        }
        _ => cast_with_options(column, target, &CAST),
    }
}

fn convert_struct(column: &StructArray, fields: &Fields) -> Result<StructArray, ArrowError> {
    let columns = column
        .columns()
        .iter()
        .zip(fields)
        .map(|(inner, field)| convert(inner, field.data_type()))
        .collect::<Result<Vec<_>, _>>()?;
    StructArray::try_new(fields.clone(), columns, column.nulls().cloned())
}

fn parse_intervals(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let parsed: IntervalMonthDayNanoArray = column
        .as_string::<i32>()
        .iter()
        .map(|text| {
            text.map(|text| {
                interval::parse(text).ok_or_else(|| {
                    ArrowError::ParseError(format!("\"{text}\" is not an ISO 8601 interval"))
                })
            })
            .transpose()
        })
        .collect::<Result<_, _>>()?;
    Ok(Arc::new(parsed))
}

fn has_interval(data_type: &DataType) -> bool {
    match data_type {
        DataType::Interval(_) => true,
        DataType::List(field) | DataType::Map(field, _) => has_interval(field.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_interval(field.data_type())),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pg_type: &str) {
        let logical = Schema::new(vec![PgType::parse(pg_type).unwrap().field("c", true)]);
        let storage = storage_schema(&logical).unwrap();
        let read = decode(&encode(&storage).unwrap()).unwrap();
        let back = logical_schema(&read);
        assert_eq!(
            back.field(0).data_type(),
            logical.field(0).data_type(),
            "{pg_type}"
        );
        assert_eq!(
            PgType::of_field(back.field(0)),
            PgType::of_field(logical.field(0)),
            "{pg_type}"
        );
    }

    #[test]
    fn every_type_survives_the_delta_schema() {
        for pg_type in [
            "bool",
            "int2",
            "int4",
            "int8",
            "float4",
            "float8",
            "numeric",
            "numeric(12,3)",
            "text",
            "varchar(20)",
            "char(3)",
            "name",
            "uuid",
            "json",
            "jsonb",
            "bytea",
            "date",
            "time",
            "timestamp",
            "timestamptz",
            "interval",
            "oid",
            "int4[]",
            "text[]",
            "varchar(5)[]",
            "time[]",
            "interval[]",
            "numeric(10,2)[]",
            "timestamptz[]",
            "uuid[]",
        ] {
            check(pg_type);
        }
    }

    #[test]
    fn numbers_beyond_delta_are_refused() {
        let wide = Schema::new(vec![Field::new("c", DataType::Decimal256(60, 2), true)]);
        assert!(matches!(
            storage_schema(&wide),
            Err(TableError::ColumnType { .. })
        ));
    }

    #[test]
    fn a_null_in_a_not_null_column_is_refused() {
        let storage: SchemaRef =
            Arc::new(Schema::new(vec![Field::new("c", DataType::Int32, false)]));
        let nullable = Arc::new(Schema::new(vec![Field::new("c", DataType::Int32, true)]));
        let rows = RecordBatch::try_new(
            nullable,
            vec![Arc::new(arrow::array::Int32Array::from(vec![
                Some(1),
                None,
            ]))],
        )
        .unwrap();
        assert!(matches!(
            to_storage(&rows, &storage),
            Err(TableError::NotNull { column }) if column == "c"
        ));
    }
}
