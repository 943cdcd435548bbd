//! Are files skipped that cannot match, and only those?

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array,
    RecordBatch, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{Float64Type, Int64Type};
use datafusion::catalog::TableProvider;
use datafusion::physical_plan::{ExecutionPlan, displayable};
use datafusion::prelude::SessionContext;
use tarn_catalog::table::open::Tables;

use crate::rows::{Scratch, append, create, provider, pushing_session, query, query_in, session};

/// Ten rows around `base`, one file.
fn file(base: i64) -> RecordBatch {
    let range = base..base + 10;
    let text: Vec<String> = range
        .clone()
        .map(|n| format!("{}{n:06}", "prefix ".repeat(8)))
        .collect();
    let decimals = Decimal128Array::from_iter_values(range.clone().map(i128::from));
    RecordBatch::try_from_iter_with_nullable(vec![
        (
            "n",
            Arc::new(Int64Array::from_iter_values(range.clone())) as ArrayRef,
            true,
        ),
        (
            "f",
            Arc::new(Float64Array::from_iter_values(
                range
                    .clone()
                    .map(|n| if n == base { f64::NAN } else { n as f64 }),
            )) as ArrayRef,
            true,
        ),
        ("s", Arc::new(StringArray::from(text)) as ArrayRef, true),
        (
            "d",
            Arc::new(Date32Array::from_iter_values(
                range.clone().map(|n| n as i32),
            )) as ArrayRef,
            true,
        ),
        (
            "m",
            Arc::new(decimals.with_precision_and_scale(12, 2).unwrap()) as ArrayRef,
            true,
        ),
        (
            "ts",
            Arc::new(TimestampMicrosecondArray::from_iter_values(
                range.clone().map(|n| n * 333),
            )) as ArrayRef,
            true,
        ),
        (
            "tm",
            Arc::new(Time64MicrosecondArray::from_iter_values(range.clone())) as ArrayRef,
            true,
        ),
        (
            "z",
            Arc::new(Int32Array::from_iter(
                range.map(|n| (base == 100).then_some(n as i32)),
            )) as ArrayRef,
            true,
        ),
    ])
    .unwrap()
}

async fn plan(
    session: &SessionContext,
    provider: Arc<dyn TableProvider>,
    sql: &str,
) -> Arc<dyn ExecutionPlan> {
    session.register_table("t", provider).unwrap();
    #[expect(clippy::disallowed_methods, reason = "the SQL is the test's own")]
    let frame = session.sql(sql).await.unwrap();
    frame.create_physical_plan().await.unwrap()
}

fn files_read(plan: &str) -> usize {
    plan.matches(".parquet").count()
}

#[tokio::test]
async fn filters_skip_files_and_no_rows() {
    let scratch = Scratch::new();
    let (tables, location) = (Tables::new(), scratch.location("t"));
    let files = [file(0), file(100), file(200)];
    create(&tables, &location, &files[0], &[]).await.unwrap();
    append(&tables, &location, &files[1]).await.unwrap();
    append(&tables, &location, &files[2]).await.unwrap();
    let memory = || {
        datafusion::datasource::MemTable::try_new(files[0].schema(), vec![files.to_vec()]).unwrap()
    };
    // (filter, most files that may be read)
    for (filter, files_max) in [
        ("n = 105", 1),
        ("n > 109 AND n < 200", 0),
        ("n <> 105", 3),
        ("n IN (1, 209)", 2),
        ("n < 5 OR n > 205", 2),
        ("f < 100", 3),
        ("f < 50", 1),
        ("f > 1000", 3),
        ("f = 'NaN'::double", 3),
        (
            "s = 'prefix prefix prefix prefix prefix prefix prefix prefix 000105'",
            3,
        ),
        ("s < 'prefix'", 0),
        ("s > 'q'", 0),
        ("d >= DATE '1970-07-01'", 2),
        ("m = 1.05", 1),
        ("m > 2.09", 0),
        ("ts = arrow_cast(66600, 'Timestamp(Microsecond, None)')", 1),
        ("ts < arrow_cast(333, 'Timestamp(Microsecond, None)')", 1),
        ("tm = arrow_cast(105, 'Time64(Microsecond)')", 3),
        ("z IS NULL", 2),
        ("z IS NOT NULL", 1),
        ("z > 1000", 0),
    ] {
        let table = provider(&tables, &location).await;
        let shown = plan(
            &session(),
            Arc::clone(&table),
            &format!("SELECT n FROM t WHERE {filter}"),
        )
        .await;
        let shown = displayable(shown.as_ref()).indent(true).to_string();
        assert!(files_read(&shown) <= files_max, "{filter}: {shown}");
        let sql = format!("SELECT n FROM t WHERE {filter} ORDER BY n");
        let expected = query(Arc::new(memory()), &sql).await;
        let pushed = query_in(&pushing_session(), Arc::clone(&table), &sql).await;
        assert_eq!(
            pushed.column(0).to_data(),
            expected.column(0).to_data(),
            "{filter}"
        );
        let found = query(table, &sql).await;
        assert_eq!(
            found.column(0).to_data(),
            expected.column(0).to_data(),
            "{filter}"
        );
    }
}

#[tokio::test]
async fn the_greatest_numbers_are_nan() {
    let scratch = Scratch::new();
    let (tables, location) = (Tables::new(), scratch.location("t"));
    create(&tables, &location, &file(0), &[]).await.unwrap();
    for base in [100, 200, 300, 400] {
        append(&tables, &location, &file(base)).await.unwrap();
    }
    let sql = "SELECT f FROM t ORDER BY f DESC LIMIT 5";
    let found = query(provider(&tables, &location).await, sql).await;
    let values = found.column(0).as_primitive::<Float64Type>().values();
    assert!(
        values.len() == 5 && values.iter().all(|f| f.is_nan()),
        "{values:?}"
    );
}

#[tokio::test]
async fn counts_come_from_the_log() {
    let scratch = Scratch::new();
    let (tables, location) = (Tables::new(), scratch.location("t"));
    create(&tables, &location, &file(0), &[]).await.unwrap();
    append(&tables, &location, &file(100)).await.unwrap();
    let sql = "SELECT count(*) AS a, count(z) AS b, min(n) AS c, max(n) AS d FROM t";
    let table = provider(&tables, &location).await;
    let shown = plan(&session(), Arc::clone(&table), sql).await;
    let shown = displayable(shown.as_ref()).indent(true).to_string();
    assert_eq!(files_read(&shown), 0, "{shown}");
    let found = query(table, sql).await;
    let value = |column: usize| found.column(column).as_primitive::<Int64Type>().value(0);
    assert_eq!((value(0), value(1), value(2), value(3)), (20, 10, 0, 109));
}
