//! Does a whole training give a model that scores, the same one for the same rows?

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, StringArray, UInt32Array,
};
use arrow::compute::take_record_batch;
use arrow::datatypes::{Float64Type, Int64Type};
use arrow::record_batch::RecordBatch;
use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryPool};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use tarn_gpu::control::CancelToken;
use tarn_udfs::fit::queue::FitQueue;
use tarn_udfs::model::cache::ModelCache;
use tarn_udfs::model::loaded::LoadedModel;

use super::group_sample::GroupCells;
use super::spec::{LearnerSpec, TrainSpec, check};
use super::train::{TrainContext, Trained, train};
use tarn_udfs::fit::error::TrainError;
use tarn_udfs::fit::option_value::OptionValue;

mod memory;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("tarn-automl-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// How a test trains.
struct Setting {
    threads: usize,
    memory_bytes: usize,
    cancel: CancelToken,
    group_cells: GroupCells,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            threads: 2,
            memory_bytes: 1 << 30,
            cancel: CancelToken::new(),
            group_cells: GroupCells::default(),
        }
    }
}

fn spec(target: &str) -> TrainSpec {
    TrainSpec {
        model_name: "m".into(),
        target: target.into(),
        partition_by: vec![],
        order_by: None,
        exclude: vec![],
        options: vec![],
        learner: LearnerSpec::Automl(vec![("max_trials".into(), OptionValue::Number("5".into()))]),
    }
}

/// Trains in a folder and gives the result with the artefact's bytes.
fn run(
    spec: &TrainSpec,
    batches: Vec<RecordBatch>,
    setting: &Setting,
) -> Result<(Trained, Vec<u8>), TrainError> {
    let folder = Folder::new();
    let schema = batches[0].schema();
    let memory: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(setting.memory_bytes));
    let context = TrainContext {
        cancel: setting.cancel.clone(),
        progress: Arc::new(|_| ()),
        memory: Arc::clone(&memory),
        spill_dir: folder.0.clone(),
        artefact_path: folder.0.join("1.model"),
        queue: FitQueue::new(setting.threads, None),
        threads_max: 0,
        group_cells: setting.group_cells,
    };
    let checked = check(spec, &schema)?;
    let rows = futures::stream::iter(batches.into_iter().map(Ok));
    let rows = Box::pin(RecordBatchStreamAdapter::new(schema, rows));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let trained = runtime.block_on(train(checked, rows, context))?;
    assert_eq!(memory.reserved(), 0, "all memory is given back");
    let bytes = std::fs::read(folder.0.join("1.model")).unwrap();
    assert_eq!(bytes.len() as u64, trained.artefact_bytes);
    Ok((trained, bytes))
}

fn open(bytes: Vec<u8>) -> LoadedModel {
    LoadedModel::open("public.m@1", 1, Arc::new(bytes), &ModelCache::new(1 << 20)).unwrap()
}

/// A cheap stand-in for random numbers that is the same everywhere.
fn noise(row: usize, stream: u64) -> f64 {
    let word = tarn_udfs::model::bytes::mix(row as u64 * 31 + stream * 0x9E37_79B9);
    (word >> 11) as f64 / (1_u64 << 53) as f64
}

/// Houses: a price that depends on size, district and a little luck.
fn houses(rows: usize) -> RecordBatch {
    let size: Vec<Option<f64>> = (0..rows)
        .map(|row| (row % 17 != 0).then(|| 30.0 + 100.0 * noise(row, 1)))
        .collect();
    let district: Vec<String> = (0..rows)
        .map(|row| format!("d{}", (noise(row, 2) * 6.0) as u32))
        .collect();
    let price: Vec<Option<f64>> = (0..rows)
        .map(|row| {
            let base = size[row].unwrap_or(80.0) * 3.0;
            let place = if district[row].as_str() < "d3" {
                150.0
            } else {
                0.0
            };
            (row % 50 != 7).then(|| base + place + 20.0 * noise(row, 3))
        })
        .collect();
    RecordBatch::try_from_iter([
        (
            "id",
            Arc::new(Int64Array::from_iter_values(0..rows as i64)) as ArrayRef,
        ),
        ("size", Arc::new(Float64Array::from(size))),
        ("district", Arc::new(StringArray::from(district))),
        ("country", Arc::new(StringArray::from(vec!["x"; rows]))),
        ("price", Arc::new(Float64Array::from(price))),
    ])
    .unwrap()
}

/// Customers: churn depends on age and plan.
fn customers(rows: usize) -> RecordBatch {
    let age: Vec<i64> = (0..rows)
        .map(|row| 18 + (noise(row, 1) * 60.0) as i64)
        .collect();
    let plan: Vec<&str> = (0..rows)
        .map(|row| ["free", "pro", "team"][(noise(row, 2) * 3.0) as usize])
        .collect();
    let churned: Vec<&str> = (0..rows)
        .map(|row| {
            let chance =
                if plan[row] == "free" { 0.7 } else { 0.1 } + if age[row] < 30 { 0.2 } else { 0.0 };
            if noise(row, 3) < chance { "yes" } else { "no" }
        })
        .collect();
    RecordBatch::try_from_iter([
        ("age", Arc::new(Int64Array::from(age)) as ArrayRef),
        ("plan", Arc::new(StringArray::from(plan))),
        ("churned", Arc::new(StringArray::from(churned))),
    ])
    .unwrap()
}

fn metric(trained: &Trained, name: &str) -> f64 {
    let names = trained
        .metrics
        .column_by_name("metric")
        .unwrap()
        .as_string::<i32>()
        .clone();
    let values = trained
        .metrics
        .column_by_name("value")
        .unwrap()
        .as_primitive::<Float64Type>()
        .clone();
    let row = names
        .iter()
        .position(|metric| metric == Some(name))
        .unwrap();
    values.value(row)
}

#[test]
fn a_regression_is_trained_told_and_scored() {
    let rows = houses(2_000);
    let (trained, bytes) = run(&spec("price"), vec![rows.clone()], &Setting::default()).unwrap();
    let rmse = metric(&trained, "rmse");
    assert!(rmse < 12.0, "noise alone gives 5.8, the trials gave {rmse}");
    let told = trained.notices.join("\n");
    assert!(
        told.contains("40 rows without a label (NULL) are skipped"),
        "{told}"
    );
    assert!(
        told.contains("column \"id\" is not used: it looks like an identifier"),
        "{told}"
    );
    assert!(
        told.contains("column \"country\" is not used: it has the same value in every row"),
        "{told}"
    );
    assert_eq!(trained.trials.num_rows(), 5);
    let model = open(bytes);
    let names: Vec<String> = model
        .signature()
        .features
        .into_iter()
        .map(|column| column.name)
        .collect();
    assert_eq!(names, ["size", "district"]);
    let columns = [rows.column(1).clone(), rows.column(2).clone()];
    let scores = model.score(&columns, rows.num_rows()).unwrap();
    let labels = rows.column(4).as_primitive::<Float64Type>();
    let errors = labels
        .iter()
        .zip(&scores.values)
        .filter_map(|(label, score)| label.map(|l| (l - score).abs()));
    let worst_mean = errors.clone().sum::<f64>() / errors.count() as f64;
    assert!(worst_mean < 10.0, "{worst_mean}");
}

#[test]
fn a_classification_gives_classes_and_probabilities() {
    let rows = customers(1_500);
    let (trained, bytes) = run(&spec("churned"), vec![rows.clone()], &Setting::default()).unwrap();
    assert!(
        metric(&trained, "roc_auc") > 0.75,
        "{}",
        trained.notices.join("\n")
    );
    let model = open(bytes);
    assert_eq!(model.label().classes, ["no", "yes"]);
    let scores = model
        .score(&[rows.column(0).clone(), rows.column(1).clone()], 1_500)
        .unwrap();
    let yes = scores.probabilities(1);
    let mean = yes.iter().sum::<f64>() / 1_500.0;
    let truth = rows
        .column(2)
        .as_string::<i32>()
        .iter()
        .filter(|class| *class == Some("yes"))
        .count();
    assert!((mean - truth as f64 / 1_500.0).abs() < 0.03, "{mean}");
    let unseen: ArrayRef = Arc::new(StringArray::from(vec![Some("new plan"), None]));
    let ages: ArrayRef = Arc::new(Int64Array::from(vec![Some(40), None]));
    assert_eq!(model.score(&[ages, unseen], 2).unwrap().values.len(), 4);
}

#[test]
fn order_batches_threads_and_spilling_do_not_change_a_byte() {
    let rows = customers(1_200);
    let (_, plain) = run(&spec("churned"), vec![rows.clone()], &Setting::default()).unwrap();
    let shuffled: UInt32Array = (0..1_200_u32).map(|row| Some(row * 7 % 1_200)).collect();
    let rows = take_record_batch(&rows, &shuffled).unwrap();
    let pieces: Vec<RecordBatch> = (0..12).map(|piece| rows.slice(piece * 100, 100)).collect();
    for threads in [1, 16] {
        let setting = Setting {
            threads,
            ..Setting::default()
        };
        let (_, other) = run(&spec("churned"), pieces.clone(), &setting).unwrap();
        assert!(plain == other, "{threads} threads");
    }
    let tight = Setting {
        memory_bytes: 200_000,
        ..Setting::default()
    };
    let (_, spilled) = run(&spec("churned"), pieces, &tight).unwrap();
    assert!(plain == spilled);
}

/// A timed search ends about when it should, and what the clock made of it can be made again without the clock.
#[test]
fn a_timed_search_can_be_replayed() {
    let rows = houses(4_000);
    let mut timed = spec("price");
    let timeout = OptionValue::Text("1500 ms".into());
    timed.learner = LearnerSpec::Automl(vec![("timeout".into(), timeout)]);
    let (trained, bytes) = run(&timed, vec![rows.clone()], &Setting::default()).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&trained.summary_json).unwrap();
    let replay = summary["replay"].as_str().unwrap();
    let options = replay.split(", ").map(|option| {
        let (name, value) = option.split_once(" = ").unwrap();
        let value = value.trim_matches('\'').to_owned();
        (name.to_owned(), OptionValue::Text(value))
    });
    let mut counted = spec("price");
    counted.learner = LearnerSpec::Automl(options.collect());
    let (_, again) = run(&counted, vec![rows], &Setting::default()).unwrap();
    assert!(bytes == again, "{replay}");
}

#[test]
fn small_tables_are_judged_by_nested_folds() {
    let (trained, _) = run(&spec("price"), vec![houses(300)], &Setting::default()).unwrap();
    let rows = trained
        .metrics
        .column_by_name("rows")
        .unwrap()
        .as_primitive::<Int64Type>()
        .value(0);
    assert_eq!(rows, 294, "every row with a label is judged once");
    assert!(metric(&trained, "r2") > 0.8);
}

#[test]
fn named_algorithms_fit_what_they_are_told() {
    let named = |name: &str, params: &[(&str, &str)]| TrainSpec {
        learner: LearnerSpec::Named {
            name: name.into(),
            params: params
                .iter()
                .map(|(n, v)| ((*n).into(), OptionValue::Number((*v).into())))
                .collect(),
        },
        ..spec("price")
    };
    let (line, _) = run(
        &named("linear", &[]),
        vec![houses(1_500)],
        &Setting::default(),
    )
    .unwrap();
    assert!(metric(&line, "r2") > 0.9);
    let trees = named(
        "xgboost",
        &[("n_estimators", "40"), ("early_stopping_rounds", "5")],
    );
    let (trees, bytes) = run(&trees, vec![houses(1_500)], &Setting::default()).unwrap();
    assert!(metric(&trees, "r2") > 0.9);
    assert_eq!(open(bytes).parent().members.len(), 1);
    let wrong = run(
        &named("logistic", &[]),
        vec![houses(200)],
        &Setting::default(),
    )
    .unwrap_err();
    assert_eq!(wrong.sqlstate(), Some("42809"));
}

#[test]
fn a_column_that_gives_the_target_away_is_named() {
    let rows = customers(600);
    let leak = rows
        .column(2)
        .as_string::<i32>()
        .iter()
        .map(|class| Some(class == Some("yes")));
    let leak: ArrayRef = Arc::new(BooleanArray::from_iter(leak));
    let columns = rows
        .schema()
        .fields()
        .iter()
        .zip(rows.columns())
        .map(|(field, column)| (field.name().clone(), column.clone()))
        .chain([("cancelled".to_owned(), leak)])
        .collect::<Vec<_>>();
    let rows = RecordBatch::try_from_iter(columns).unwrap();
    let (trained, _) = run(&spec("churned"), vec![rows], &Setting::default()).unwrap();
    let told = trained.notices.join("\n");
    assert!(told.contains("EXCLUDE (cancelled)"), "{told}");
    assert!(
        !told.contains("EXCLUDE (age)") && !told.contains("EXCLUDE (plan)"),
        "{told}"
    );
}

#[test]
fn a_cancelled_training_stops_at_once() {
    let setting = Setting::default();
    let spec = TrainSpec {
        learner: LearnerSpec::Automl(vec![]),
        ..spec("price")
    };
    let cancel = setting.cancel.clone();
    let cancelled_at = Arc::new(Mutex::new(None));
    let at = Arc::clone(&cancelled_at);
    std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(1_500));
        *at.lock().unwrap() = Some(std::time::Instant::now());
        cancel.cancel();
    });
    let error = run(&spec, vec![houses(20_000)], &setting).unwrap_err();
    assert_eq!(error.sqlstate(), Some("57014"));
    let waited = cancelled_at.lock().unwrap().unwrap().elapsed();
    assert!(waited < std::time::Duration::from_secs(1), "{waited:?}");
}

#[test]
fn rows_that_cannot_be_learned_are_a_clear_error() {
    let refuse = |values: Vec<Option<&str>>| {
        let x: ArrayRef = Arc::new(Int64Array::from_iter_values(
            (0..values.len() as i64).map(|i| i * i),
        ));
        let y: ArrayRef = Arc::new(StringArray::from(values));
        let rows = RecordBatch::try_from_iter([("x", x), ("y", y)]).unwrap();
        run(&spec("y"), vec![rows], &Setting::default())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refuse(vec![None; 20]),
        "cannot train a model: 0 rows have a label; at least 10 are needed"
    );
    assert_eq!(
        refuse(vec![Some("a"); 20]),
        "cannot train a model: column \"y\" has only one value"
    );
}

/// Stores that sell by different rules, one of them tiny and one without any label.
fn stores(rows: usize) -> RecordBatch {
    let store: Vec<Option<i64>> = (0..rows)
        .map(|row| match row % 40 {
            0 => None,
            1 if row > 300 => Some(8),
            1 => Some(99),
            _ => Some((noise(row, 5) * 8.0) as i64),
        })
        .collect();
    let price: Vec<f64> = (0..rows).map(|row| 1.0 + 9.0 * noise(row, 6)).collect();
    let units: Vec<Option<f64>> = (0..rows)
        .map(|row| {
            let rule = store[row].unwrap_or(4) as f64 - 3.5;
            (store[row] != Some(8)).then(|| 100.0 + rule * 10.0 * price[row] + 4.0 * noise(row, 7))
        })
        .collect();
    RecordBatch::try_from_iter([
        ("store", Arc::new(Int64Array::from(store)) as ArrayRef),
        ("price", Arc::new(Float64Array::from(price))),
        ("units", Arc::new(Float64Array::from(units))),
    ])
    .unwrap()
}

fn by_store() -> TrainSpec {
    TrainSpec {
        partition_by: vec!["store".into()],
        ..spec("units")
    }
}

#[test]
fn groups_get_models_and_bad_groups_get_reasons() {
    let (trained, bytes) = run(&by_store(), vec![stores(2_400)], &Setting::default()).unwrap();
    let column = |name: &str| {
        trained
            .groups
            .column_by_name(name)
            .unwrap()
            .as_string::<i32>()
            .clone()
    };
    let (keys, statuses, reasons) = (column("key"), column("status"), column("reason"));
    let of = |key: &str| {
        let row = keys.iter().position(|text| text == Some(key)).unwrap();
        (
            statuses.value(row).to_owned(),
            reasons.iter().nth(row).flatten().map(str::to_owned),
        )
    };
    assert_eq!(
        keys.len(),
        11,
        "eight stores, NULL, the tiny one and the one without labels"
    );
    assert_eq!(of("3"), ("trained".into(), None));
    assert_eq!(of("NULL"), ("trained".into(), None));
    assert!(of("99").1.unwrap().starts_with("only 8 rows have a label"));
    assert_eq!(
        of("8"),
        ("global".into(), Some("no row has a label".into()))
    );
    assert!(
        metric(&trained, "r2") > 0.97,
        "{}",
        trained.notices.join("\n")
    );
    let model = open(bytes);
    assert_eq!(model.signature().partition_by[0].name, "store");
    let store: ArrayRef = Arc::new(Int64Array::from(vec![Some(7), Some(0), None, Some(12_345)]));
    let price: ArrayRef = Arc::new(Float64Array::from(vec![5.0; 4]));
    let scores = model.score(&[store, price], 4).unwrap();
    let expected = [100.0 + 3.5 * 50.0, 100.0 - 3.5 * 50.0, 100.0 + 0.5 * 50.0];
    for (score, expected) in scores.values.iter().zip(expected) {
        assert!((score - expected).abs() < 12.0, "{score} {expected}");
    }
    let words: Vec<&str> = scores.levels.iter().map(|level| level.word()).collect();
    assert_eq!(words, ["group", "group", "group", "global"]);
    assert!(scores.values[3].is_finite());
}

#[test]
fn groups_give_the_same_bytes_in_any_order_on_any_threads() {
    let rows = stores(1_300);
    let (_, plain) = run(&by_store(), vec![rows.clone()], &Setting::default()).unwrap();
    let backwards = UInt32Array::from_iter_values((0..1_300).rev());
    let rows = take_record_batch(&rows, &backwards).unwrap();
    let pieces: Vec<RecordBatch> = (0..13).map(|piece| rows.slice(piece * 100, 100)).collect();
    let (_, other) = run(
        &by_store(),
        pieces.clone(),
        &Setting {
            threads: 7,
            ..Setting::default()
        },
    )
    .unwrap();
    assert!(plain == other);
    let tight = Setting {
        memory_bytes: 210_000,
        ..Setting::default()
    };
    let (_, spilled) = run(&by_store(), pieces, &tight).unwrap();
    assert!(plain == spilled);
}

#[test]
fn a_group_of_one_class_is_answered_by_the_model_for_all() {
    let rows = customers(1_200);
    let plan = rows.column(1).as_string::<i32>();
    let churned = rows.column(2).as_string::<i32>();
    let pure: StringArray = plan
        .iter()
        .zip(churned)
        .map(|(plan, class)| {
            if plan == Some("team") {
                Some("no")
            } else {
                class
            }
        })
        .collect();
    let rows = RecordBatch::try_from_iter([
        ("age", rows.column(0).clone()),
        ("plan", rows.column(1).clone()),
        ("churned", Arc::new(pure) as ArrayRef),
    ])
    .unwrap();
    let named = LearnerSpec::Named {
        name: "logistic".into(),
        params: vec![],
    };
    let spec = TrainSpec {
        partition_by: vec!["plan".into()],
        learner: named,
        ..spec("churned")
    };
    let (trained, _) = run(&spec, vec![rows], &Setting::default()).unwrap();
    let statuses: Vec<_> = trained
        .groups
        .column_by_name("status")
        .unwrap()
        .as_string::<i32>()
        .iter()
        .flatten()
        .map(str::to_owned)
        .collect();
    assert_eq!(statuses, ["trained", "trained", "global"]);
    let reasons = trained
        .groups
        .column_by_name("reason")
        .unwrap()
        .as_string::<i32>()
        .clone();
    assert_eq!(reasons.value(2), "all rows have the same class");
}

#[test]
fn a_part_of_the_groups_chooses_for_all_and_every_group_has_its_model() {
    let rows = stores(3_000);
    let part = GroupCells {
        search_max: 2_000,
        named_max: 2_000,
    };
    let mut spec = by_store();
    spec.learner = LearnerSpec::Named {
        name: "trees".into(),
        params: vec![("rounds".into(), OptionValue::Number("20".into()))],
    };
    let whole = run(&spec, vec![rows.clone()], &Setting::default()).unwrap();
    let with_part = |memory_bytes: usize, threads: usize| {
        let setting = Setting {
            threads,
            memory_bytes,
            group_cells: part,
            ..Setting::default()
        };
        run(&spec, vec![rows.clone()], &setting).unwrap()
    };
    let (trained, bytes) = with_part(1 << 30, 2);
    let told = |trained: &Trained| {
        let drawn = |notice: &&String| notice.contains("the report are made on");
        trained.notices.iter().filter(drawn).count()
    };
    assert_eq!((told(&whole.0), told(&trained)), (0, 1));
    let statuses = |trained: &Trained| trained.groups.column_by_name("status").cloned();
    assert_eq!(statuses(&trained), statuses(&whole.0));
    let (all, sampled) = (open(whole.1), open(bytes.clone()));
    assert_eq!(all.group_count(), sampled.group_count());
    for group in 0..all.group_count() {
        let (own, other) = (all.artefact().blob(group), sampled.artefact().blob(group));
        assert_eq!(
            own.unwrap(),
            other.unwrap(),
            "a named group's model is its own affair"
        );
    }
    let (spilled, from_files) = with_part(400_000, 1);
    assert_eq!(told(&spilled), 1);
    assert_eq!(bytes, from_files);
}
