//! How good is AUTOML on a table of your own, against a test table that it never sees?
//!
//! ```text
//! cargo bench -p tarn-engine --bench automl_quality -- TARGET METRIC TIMEOUT TRAIN.csv TEST.csv [TRAIN.csv TEST.csv …]
//! ```
//!
//! METRIC is `roc_auc` or `rmse`; TIMEOUT is a duration such as `60s`, or a number of trials. Prints the metric of every
//! pair on its test table, the rate of scoring and the mean. Empty cells are NULL.

use std::fs::File;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::ArrayRef;
use arrow::csv::ReaderBuilder;
use arrow::csv::reader::Format;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryPool};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use tarn_engine::automl::spec::{LearnerSpec, TrainSpec, check};
use tarn_engine::automl::train::{TrainContext, train};
use tarn_gpu::control::CancelToken;
use tarn_udfs::fit::metric::{Measured, Metric};
use tarn_udfs::fit::option_value::OptionValue;
use tarn_udfs::fit::queue::FitQueue;
use tarn_udfs::model::cache::ModelCache;
use tarn_udfs::model::encode::numbers_of;
use tarn_udfs::model::label::{Task, class_texts};
use tarn_udfs::model::loaded::LoadedModel;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn schema_of(paths: &[String]) -> Outcome<SchemaRef> {
    let format = Format::default().with_header(true);
    let schemas = paths
        .iter()
        .map(|path| Ok(format.infer_schema(File::open(path)?, None)?.0));
    // A column is as wide as its widest file: one file may hold integers alone where another has fractions.
    let schemas = schemas.collect::<Outcome<Vec<_>>>()?;
    let widest = schemas.iter().max_by_key(|schema| {
        schema
            .fields()
            .iter()
            .filter(|field| !field.data_type().is_integer())
            .count()
    });
    Ok(Arc::new(widest.ok_or("no file")?.clone()))
}

fn read(path: &str, schema: &SchemaRef) -> Outcome<Vec<RecordBatch>> {
    let reader = ReaderBuilder::new(Arc::clone(schema))
        .with_header(true)
        .build(File::open(path)?)?;
    Ok(reader.collect::<Result<Vec<_>, _>>()?)
}

fn train_on(
    rows: Vec<RecordBatch>,
    target: &str,
    limit: &str,
    path: &std::path::Path,
) -> Outcome<()> {
    let option = if limit.parse::<u32>().is_ok() {
        "max_trials"
    } else {
        "timeout"
    };
    let spec = TrainSpec {
        model_name: "bench".into(),
        target: target.into(),
        partition_by: vec![],
        order_by: None,
        exclude: vec![],
        options: vec![(option.into(), OptionValue::Text(limit.into()))],
        learner: LearnerSpec::Automl(vec![]),
    };
    let schema = rows.first().ok_or("no rows")?.schema();
    let memory: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(4 << 30));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let context = TrainContext {
        cancel: CancelToken::new(),
        progress: Arc::new(|line| eprintln!("  {line}")),
        memory,
        spill_dir: std::env::temp_dir(),
        artefact_path: path.to_owned(),
        queue: FitQueue::new(threads, None),
        threads_max: 0,
        group_cells: Default::default(),
    };
    let checked = check(&spec, &schema)?;
    let stream = futures::stream::iter(rows.into_iter().map(Ok));
    let stream = Box::pin(RecordBatchStreamAdapter::new(schema, stream));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let trained = runtime.block_on(train(checked, stream, context))?;
    for notice in &trained.notices {
        eprintln!("  {notice}");
    }
    let trials = arrow::util::pretty::pretty_format_batches(&[trained.trials])?;
    eprintln!("{trials}");
    Ok(())
}

fn score(
    path: &std::path::Path,
    rows: &[RecordBatch],
    target: &str,
    metric: Metric,
) -> Outcome<(f64, f64)> {
    let file: Arc<dyn tarn_udfs::model::artefact::ReadAt> = Arc::new(File::open(path)?);
    let model = LoadedModel::open("bench", 1, file, &ModelCache::new(1 << 30))?;
    let names: Vec<String> = model
        .signature()
        .arguments()
        .map(|column| column.name.clone())
        .collect();
    let (mut labels, mut predictions) = (Vec::new(), Vec::new());
    let mut seconds = 0.0;
    for batch in rows {
        let column = |name: &String| {
            batch
                .column_by_name(name)
                .cloned()
                .ok_or(format!("no column {name}"))
        };
        let columns: Vec<ArrayRef> = names.iter().map(column).collect::<Result<_, _>>()?;
        let started = Instant::now();
        let scores = model.score(&columns, batch.num_rows())?;
        seconds += started.elapsed().as_secs_f64();
        let truth = batch.column_by_name(target).ok_or("no target")?;
        let codes: Vec<f64> = match model.label().task {
            Task::Regression => numbers_of(target, truth)?,
            Task::Classification => class_texts(target, truth)?
                .iter()
                .map(|text| {
                    text.as_deref()
                        .and_then(|text| model.label().class_code(text))
                        .map_or(f64::NAN, f64::from)
                })
                .collect(),
        };
        labels.extend(codes);
        predictions.extend(scores.values);
    }
    let outputs = model.label().outputs();
    let measured = Measured {
        labels: &labels,
        predictions: &predictions,
        outputs,
        positive: model.label().positive,
    };
    Ok((metric.value(measured), labels.len() as f64 / seconds))
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let [target, metric, limit, files @ ..] = arguments.as_slice() else {
        eprintln!("TARGET METRIC TIMEOUT TRAIN.csv TEST.csv …; see the top of this file");
        return Ok(());
    };
    let metric = Metric::parse(metric).ok_or("unknown metric")?;
    let schema = schema_of(files)?;
    let path = std::env::temp_dir().join(format!("tarn-quality-{}.model", std::process::id()));
    let mut values = Vec::new();
    for pair in files.chunks_exact(2) {
        let started = Instant::now();
        train_on(read(&pair[0], &schema)?, target, limit, &path)?;
        let trained = started.elapsed().as_secs_f64();
        let (value, rate) = score(&path, &read(&pair[1], &schema)?, target, metric)?;
        println!(
            "{} {value:.5}  trained in {trained:.1} s, {:.0} rows/s scored",
            metric.name(),
            rate
        );
        values.push(value);
    }
    let _ = std::fs::remove_file(&path);
    println!(
        "mean {} {:.5}",
        metric.name(),
        values.iter().sum::<f64>() / values.len().max(1) as f64
    );
    Ok(())
}
