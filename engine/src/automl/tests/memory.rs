//! What happens to a table that the memory limit does not hold?

use super::super::training_set::batch_bytes;
use super::{LearnerSpec, OptionValue, RecordBatch, Setting, TrainSpec, houses, open, run, spec};

fn trees() -> TrainSpec {
    TrainSpec {
        learner: LearnerSpec::Named {
            name: "trees".into(),
            params: vec![("rounds".into(), OptionValue::Number("20".into()))],
        },
        ..spec("price")
    }
}

fn pieces(rows: &RecordBatch) -> Vec<RecordBatch> {
    let starts = (0..rows.num_rows()).step_by(1_000);
    starts.map(|start| rows.slice(start, 1_000)).collect()
}

#[test]
fn a_table_of_four_times_the_memory_trains_on_a_sample_and_says_so() {
    let rows = houses(40_000);
    let bytes: usize = pieces(&rows).iter().map(batch_bytes).sum();
    let tight = Setting {
        memory_bytes: bytes / 4,
        ..Setting::default()
    };
    let (trained, sampled) = run(&trees(), pieces(&rows), &tight).unwrap();
    let told = |notice: &&String| notice.contains("memory_limit has room for");
    assert_eq!(trained.notices.iter().filter(told).count(), 1);
    let summary: serde_json::Value = serde_json::from_str(&trained.summary_json).unwrap();
    let fitted = summary["fitted_rows"].as_u64().unwrap();
    assert!((1_000..40_000).contains(&fitted), "{fitted} rows");
    assert!(summary["rows"].as_u64() > Some(fitted));
    let (_, again) = run(&trees(), pieces(&rows), &tight).unwrap();
    assert!(sampled == again, "the same memory gives the same sample");
    // A sample learns about what all rows teach.
    let (whole_trained, whole) = run(&trees(), pieces(&rows), &Setting::default()).unwrap();
    assert_eq!(whole_trained.notices.iter().filter(told).count(), 0);
    let inputs = &rows.columns()[1..3];
    let score = |bytes| open(bytes).score(inputs, rows.num_rows()).unwrap().values;
    let (all, part) = (score(whole), score(sampled));
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let spread: Vec<f64> = all.iter().map(|value| (value - mean(&all)).abs()).collect();
    let apart: Vec<f64> = all.iter().zip(&part).map(|(a, b)| (a - b).abs()).collect();
    assert!(mean(&apart) < 0.2 * mean(&spread));
}
