//! How many cells per second are written to clients, and how many bytes per second does COPY read?
//!
//! `cargo bench -p tarn-engine --bench postgres_types [-- FILE.csv]`; the file has a header, empty is NULL.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{
    ArrayRef, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{Field, Schema, SchemaRef};
use bytes::BytesMut;
use tarn_catalog::types::PgType;
use tarn_engine::parser::{CopyFormat, CopyOptions};
use tarn_engine::postgres::copy::decoder::CopyDecoder;
use tarn_engine::postgres::copy::encoder::CopyEncoder;
use tarn_engine::postgres::copy::form::CopyForm;
use tarn_engine::postgres::copy::inference::infer_csv_schema;
use tarn_engine::postgres::types::row::RowEncoder;
use tarn_engine::postgres::types::settings::{Format, FormatSettings};
use tarn_udfs::time::zone::Zone;

const ROWS: usize = 8192;
const ROUNDS: usize = 50;
const CHUNK_BYTES: usize = 64 * 1024;

fn columns() -> Vec<(&'static str, ArrayRef)> {
    let numbers = 0..ROWS as i64;
    let mixed = |at: i64| at.wrapping_mul(6_364_136_223_846_793_005).rotate_left(17);
    let moments: Vec<i64> = numbers
        .clone()
        .map(|at| 1_700_000_000_000_000 + mixed(at) % 31_536_000_000_000)
        .collect();
    vec![
        (
            "int8",
            Arc::new(Int64Array::from_iter_values(numbers.clone().map(mixed))),
        ),
        (
            "small int8",
            Arc::new(Int64Array::from_iter_values(numbers.clone())),
        ),
        (
            "float8",
            Arc::new(Float64Array::from_iter_values(
                numbers.clone().map(|at| mixed(at) as f64 / 1e15),
            )),
        ),
        (
            "short float8",
            Arc::new(Float64Array::from_iter_values(
                numbers.clone().map(|at| at as f64 / 4.0),
            )),
        ),
        (
            "numeric(12,2)",
            Arc::new(
                Decimal128Array::from_iter_values(
                    numbers
                        .clone()
                        .map(|at| i128::from(mixed(at) % 1_000_000_000)),
                )
                .with_precision_and_scale(12, 2)
                .expect("nine digits fit in twelve"),
            ),
        ),
        (
            "text",
            Arc::new(StringArray::from_iter_values(
                numbers.map(|at| format!("customer {at}")),
            )),
        ),
        (
            "timestamp",
            Arc::new(TimestampMicrosecondArray::from(moments.clone())),
        ),
        (
            "timestamptz",
            Arc::new(TimestampMicrosecondArray::from(moments).with_timezone("UTC")),
        ),
    ]
}

fn encode(name: &str, columns: Vec<ArrayRef>, format: Format) {
    let fields: Vec<Field> = columns
        .iter()
        .map(|c| Field::new("x", c.data_type().clone(), true))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let cells = ROWS * columns.len() * ROUNDS;
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).expect("columns of one length");
    let settings = FormatSettings {
        timezone: Zone::parse("America/New_York").expect("a known zone"),
        ..FormatSettings::default()
    };
    let mut encoder = RowEncoder::new(&schema, &[format], settings).expect("one format");
    let mut out = BytesMut::new();
    let start = Instant::now();
    let mut bytes = 0;
    for _ in 0..ROUNDS {
        out.clear();
        encoder
            .encode(&batch, 0..ROWS, &mut out)
            .expect("values in range");
        bytes += black_box(&out).len();
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "write {format:?} {name:<14} {:>7.1} M cells/s {:>7.0} MB/s",
        cells as f64 / seconds / 1e6,
        bytes as f64 / seconds / 1e6
    );
}

fn copy(name: &str, options: &CopyOptions, schema: &SchemaRef, data: &[u8]) -> Vec<RecordBatch> {
    let names: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    let form = CopyForm::check(options, &names).expect("options that go together");
    let rounds = (64_000_000 / data.len().max(1)).clamp(1, 1000);
    let mut batches = Vec::new();
    let start = Instant::now();
    for _ in 0..rounds {
        batches.clear();
        let mut decoder = CopyDecoder::new(
            form.clone(),
            Arc::clone(schema),
            "t",
            &FormatSettings::default(),
        )
        .expect("known types");
        for chunk in data.chunks(CHUNK_BYTES) {
            decoder.push(chunk, &mut batches).expect("sound data");
        }
        decoder.finish(&mut batches).expect("sound data");
        black_box(&batches);
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "COPY FROM {name:<24} {:>7.0} MB/s",
        (rounds * data.len()) as f64 / seconds / 1e6
    );
    batches
}

fn written(options: &CopyOptions, batches: &[RecordBatch]) -> Vec<u8> {
    let schema = batches[0].schema();
    let names: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    let form = CopyForm::check(options, &names).expect("options that go together");
    let mut encoder =
        CopyEncoder::new(form, &schema, FormatSettings::default()).expect("known types");
    let mut out = BytesMut::new();
    let start = Instant::now();
    encoder.start(&mut out);
    for batch in batches {
        encoder
            .encode(batch, 0..batch.num_rows(), &mut out)
            .expect("values in range");
    }
    encoder.finish(&mut out);
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "COPY TO {:?} {:>7.0} MB/s",
        options.format,
        out.len() as f64 / seconds / 1e6
    );
    let mut data = Vec::new();
    let mut rest = &out[..];
    while let [_, a, b, c, d, ..] = rest {
        let len = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        data.extend_from_slice(&rest[5..1 + len]);
        rest = &rest[1 + len..];
    }
    data
}

fn main() {
    let columns = columns();
    for format in [Format::Text, Format::Binary] {
        for (name, column) in &columns {
            encode(name, vec![Arc::clone(column)], format);
        }
        encode(
            "all of them",
            columns
                .iter()
                .map(|(_, column)| Arc::clone(column))
                .collect(),
            format,
        );
    }
    let csv = CopyOptions {
        format: CopyFormat::Csv,
        header: true,
        ..CopyOptions::default()
    };
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, column)| Field::new(*name, column.data_type().clone(), true))
        .collect();
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .expect("columns of one length");
    let batches = vec![batch; 20];
    for format in [CopyFormat::Csv, CopyFormat::Text, CopyFormat::Binary] {
        let options = CopyOptions {
            format,
            ..CopyOptions::default()
        };
        let data = written(&options, &batches);
        copy(
            &format!("{format:?}, eight columns"),
            &options,
            &batches[0].schema(),
            &data,
        );
    }
    for path in std::env::args()
        .skip(1)
        .filter(|argument| argument.ends_with(".csv"))
    {
        let data = std::fs::read(&path).expect("a readable file");
        let form = CopyForm::check(&csv, &[]).expect("a header is allowed");
        let types = infer_csv_schema(&data, &form, true).expect("a sound file");
        let fields: Vec<Field> = types
            .iter()
            .map(|(name, pg_type): &(String, PgType)| pg_type.field(name, true))
            .collect();
        println!(
            "{path}: {}",
            types
                .iter()
                .map(|(name, t)| format!("{name} {}", t.sql_name()))
                .collect::<Vec<_>>()
                .join(", ")
        );
        copy("the file", &csv, &Arc::new(Schema::new(fields)), &data);
    }
}
