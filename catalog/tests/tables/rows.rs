//! Rows and tables for the tests of this folder.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    Int16Array, Int32Array, Int64Array, IntervalMonthDayNanoArray, ListArray, MapArray,
    RecordBatch, StringArray, StructArray, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{
    DataType, Field, Fields, Int32Type, IntervalMonthDayNanoType, Schema, SchemaRef,
};
use datafusion::catalog::TableProvider;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::{SessionConfig, SessionContext};
use tarn_catalog::table::commit::{self, Rebase, TransactionId};
use tarn_catalog::table::error::Result;
use tarn_catalog::table::location::Location;
use tarn_catalog::table::log::{Action, Metadata, Protocol};
use tarn_catalog::table::open::Tables;
use tarn_catalog::table::schema;
use tarn_catalog::table::snapshot::TableSnapshot;
use tarn_catalog::table::version::TableVersion;
use tarn_catalog::table::write::{WriteTarget, write_rows};
use tarn_catalog::types::PgType;

/// A directory that goes when the test ends.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new() -> Scratch {
        let path = std::env::temp_dir().join(format!("tarn-tables-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    pub fn location(&self, name: &str) -> Location {
        Location::resolve(name, &self.0).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn session() -> SessionContext {
    let config = SessionConfig::new().with_target_partitions(2);
    SessionContext::new_with_config(config)
}

pub fn stream(batches: Vec<RecordBatch>) -> SendableRecordBatchStream {
    let schema = batches[0].schema();
    let batches = futures::stream::iter(batches.into_iter().map(Ok));
    Box::pin(RecordBatchStreamAdapter::new(schema, batches))
}

pub fn transaction() -> TransactionId {
    TransactionId(uuid::Uuid::new_v4())
}

/// A new table with the given rows as its version 0.
pub async fn create(
    tables: &Tables,
    location: &Location,
    rows: &RecordBatch,
    partition_columns: &[&str],
) -> Result<Arc<TableVersion>> {
    let storage = schema::storage_schema(&rows.schema())?;
    let columns: Vec<String> = partition_columns
        .iter()
        .map(|name| (*name).to_string())
        .collect();
    let target = WriteTarget::new_table(location.clone(), Arc::clone(&storage), columns.clone());
    let written = write_rows(tables, &target, stream(vec![rows.clone()])).await?;
    let metadata = Metadata::new(uuid::Uuid::new_v4(), schema::encode(&storage)?, columns);
    let ntz = storage
        .fields()
        .iter()
        .any(|field| schema::has_timestamp_ntz(field.data_type()));
    let features: &[&str] = if ntz { &["timestampNtz"] } else { &[] };
    let mut actions: Vec<Action> = vec![Protocol::for_features(features).into(), metadata.into()];
    actions.extend(written.keep().0.into_iter().map(Action::from));
    let id = transaction();
    commit::create(
        tables,
        location,
        id,
        commit::complete(id, "CREATE TABLE AS SELECT", None, actions),
    )
    .await
}

pub async fn append(
    tables: &Tables,
    location: &Location,
    rows: &RecordBatch,
) -> Result<Arc<TableVersion>> {
    let read = tables.newest(location).await?;
    let target = WriteTarget::of(location, &read)?;
    let written = write_rows(tables, &target, stream(vec![rows.clone()])).await?;
    let actions = written.keep().0.into_iter().map(Action::from).collect();
    let id = transaction();
    let actions = commit::complete(id, "WRITE", Some(read.version), actions);
    commit::publish(tables, location, id, &read, Rebase::Append, actions).await
}

pub async fn provider(tables: &Tables, location: &Location) -> Arc<dyn TableProvider> {
    let version = tables.newest(location).await.unwrap();
    TableSnapshot::committed(tables, location, version)
        .await
        .unwrap()
        .provider()
}

/// A session that filters inside the Parquet reader.
pub fn pushing_session() -> SessionContext {
    let config = SessionConfig::new()
        .with_target_partitions(1)
        .set_bool("datafusion.execution.parquet.pushdown_filters", true)
        .set_bool("datafusion.execution.parquet.reorder_filters", true);
    SessionContext::new_with_config(config)
}

/// All rows of a query over table `t`.
pub async fn query(provider: Arc<dyn TableProvider>, sql: &str) -> RecordBatch {
    query_in(&session(), provider, sql).await
}

/// All rows of a query over table `t` in a fresh session.
pub async fn query_in(
    session: &SessionContext,
    provider: Arc<dyn TableProvider>,
    sql: &str,
) -> RecordBatch {
    session.register_table("t", provider).unwrap();
    #[expect(clippy::disallowed_methods, reason = "the SQL is the test's own")]
    let frame = session.sql(sql).await.unwrap();
    let schema: SchemaRef = Arc::new(frame.schema().as_arrow().clone());
    let batches = frame.collect().await.unwrap();
    let schema = batches.first().map_or(schema, RecordBatch::schema);
    arrow::compute::concat_batches(&schema, &batches).unwrap()
}

/// The name of a type, that of a column, and the column's rows.
type NamedColumn = (&'static str, &'static str, ArrayRef);

/// Three rows of each type: a small value, NULL, and an extreme; and the key `k`.
pub fn every_type() -> RecordBatch {
    let mut fields = vec![Field::new("k", DataType::Int32, false)];
    let mut columns: Vec<ArrayRef> = vec![Arc::new(Int32Array::from(vec![1, 2, 3]))];
    let named = [numbers(), texts(), times(), intervals_and_arrays()];
    for (pg_type, name, column) in named.into_iter().flatten() {
        let field = PgType::parse(pg_type).unwrap().field(name, true);
        assert_eq!(field.data_type(), column.data_type(), "{pg_type}");
        fields.push(field);
        columns.push(column);
    }
    let schema = Arc::new(Schema::new(fields));
    RecordBatch::try_new(schema, columns).unwrap()
}

fn numbers() -> Vec<NamedColumn> {
    let numeric = Decimal128Array::from(vec![Some(1), None, Some(10_i128.pow(38) - 1)]);
    let short = Decimal128Array::from(vec![Some(-12_345), None, Some(999_999)]);
    vec![
        (
            "bool",
            "a_bool",
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
        ),
        (
            "int2",
            "a_int2",
            Arc::new(Int16Array::from(vec![Some(1), None, Some(i16::MIN)])),
        ),
        (
            "int4",
            "a_int4",
            Arc::new(Int32Array::from(vec![Some(1), None, Some(i32::MAX)])),
        ),
        (
            "int8",
            "a_int8",
            Arc::new(Int64Array::from(vec![Some(1), None, Some(i64::MIN)])),
        ),
        (
            "float4",
            "a_float4",
            Arc::new(Float32Array::from(vec![
                Some(f32::NAN),
                None,
                Some(f32::NEG_INFINITY),
            ])),
        ),
        (
            "float8",
            "a_float8",
            Arc::new(Float64Array::from(vec![Some(-0.0), None, Some(f64::MAX)])),
        ),
        (
            "numeric",
            "a_numeric",
            Arc::new(numeric.with_precision_and_scale(38, 10).unwrap()),
        ),
        (
            "numeric(6,2)",
            "a_short_numeric",
            Arc::new(short.with_precision_and_scale(6, 2).unwrap()),
        ),
    ]
}

fn texts() -> Vec<NamedColumn> {
    vec![
        (
            "text",
            "a_text",
            Arc::new(StringArray::from(vec![Some("ü🦀\0"), None, Some("")])),
        ),
        (
            "varchar(20)",
            "a_varchar",
            Arc::new(StringArray::from(vec![
                Some("x"),
                None,
                Some("y".repeat(20).as_str()),
            ])),
        ),
        (
            "uuid",
            "a_uuid",
            Arc::new(StringArray::from(vec![
                Some("00000000-0000-0000-0000-000000000000"),
                None,
                None,
            ])),
        ),
        (
            "jsonb",
            "a_jsonb",
            Arc::new(StringArray::from(vec![
                Some(r#"{"a": [1, null]}"#),
                None,
                Some("null"),
            ])),
        ),
        (
            "bytea",
            "a_bytea",
            Arc::new(BinaryArray::from(vec![
                Some(&b"\x00\xff"[..]),
                None,
                Some(&b""[..]),
            ])),
        ),
    ]
}

fn times() -> Vec<NamedColumn> {
    let times = vec![Some(-210_866_803_200_000_000), None, Some(i64::MAX)];
    vec![
        // PostgreSQL's first and last dates and times.
        (
            "date",
            "a_date",
            Arc::new(Date32Array::from(vec![
                Some(-2_451_545 + 10_957),
                None,
                Some(2_145_031_948),
            ])),
        ),
        (
            "time",
            "a_time",
            Arc::new(Time64MicrosecondArray::from(vec![
                Some(0),
                None,
                Some(86_399_999_999),
            ])),
        ),
        (
            "timestamp",
            "a_timestamp",
            Arc::new(TimestampMicrosecondArray::from(times.clone())),
        ),
        (
            "timestamptz",
            "a_timestamptz",
            Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC")),
        ),
    ]
}

fn intervals_and_arrays() -> Vec<NamedColumn> {
    let interval =
        |months, days, nanos| Some(IntervalMonthDayNanoType::make_value(months, days, nanos));
    let intervals = vec![
        interval(14, -3, 4_005_006_000),
        None,
        interval(i32::MIN, i32::MAX, i64::MIN),
    ];
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
        Some(vec![Some(1), None]),
        None,
        Some(vec![]),
    ]);
    let element = Arc::new(Field::new_list_field(intervals_type(), true));
    let intervals: ArrayRef = Arc::new(IntervalMonthDayNanoArray::from(intervals));
    let nested = ListArray::new(
        element,
        OffsetBuffer::from_lengths([2, 0, 1]),
        Arc::clone(&intervals),
        Some(NullBuffer::from(vec![true, false, true])),
    );
    vec![
        ("interval", "a_interval", intervals),
        ("int4[]", "a_int4_array", Arc::new(lists)),
        ("interval[]", "a_interval_array", Arc::new(nested)),
    ]
}

fn intervals_type() -> DataType {
    PgType::INTERVAL.logical()
}

/// Nested columns that SQL does not declare but foreign tables have.
pub fn nested_types() -> RecordBatch {
    let fields: Fields = vec![
        Field::new("x", DataType::Int64, true),
        Field::new("y", DataType::Utf8, true),
    ]
    .into();
    let structs = StructArray::new(
        fields.clone(),
        vec![
            Arc::new(Int64Array::from(vec![Some(1), None, None])),
            Arc::new(StringArray::from(vec![Some("a"), None, Some("b")])),
        ],
        Some(NullBuffer::from(vec![true, false, true])),
    );
    let entries_fields: Fields = vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("value", DataType::Int32, true),
    ]
    .into();
    let entries = StructArray::new(
        entries_fields.clone(),
        vec![
            Arc::new(StringArray::from(vec!["p", "q"])),
            Arc::new(Int32Array::from(vec![Some(1), None])),
        ],
        None,
    );
    let entries_field = Arc::new(Field::new(
        "key_value",
        DataType::Struct(entries_fields),
        false,
    ));
    let map = MapArray::new(
        entries_field,
        OffsetBuffer::from_lengths([2, 0, 0]),
        entries,
        Some(NullBuffer::from(vec![true, false, true])),
        false,
    );
    RecordBatch::try_from_iter_with_nullable(vec![
        (
            "k",
            Arc::new(Int32Array::from(vec![1, 2, 3])) as ArrayRef,
            false,
        ),
        ("s", Arc::new(structs) as ArrayRef, true),
        ("m", Arc::new(map) as ArrayRef, true),
    ])
    .unwrap()
}
