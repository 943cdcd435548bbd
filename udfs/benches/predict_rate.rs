//! How many rows a second does one core score, from Arrow columns to predictions? 100 trees of depth 6, 12 numbers.
//!
//! ```text
//! cargo bench -p tarn-udfs --bench predict_rate
//! ```

use std::io::Cursor;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, Float64Array};
use arrow::datatypes::{DataType, Field};
use tarn_gpu::control::Control;
use tarn_gpu::fit::{Fit, Learner, Scratch, fit_one};
use tarn_gpu::matrix::{Dataset, Matrix, Task};
use tarn_gpu::trees::{Growth, TreesOptions};
use tarn_udfs::model::artefact::{ArtefactWriter, Shared};
use tarn_udfs::model::bytes::mix;
use tarn_udfs::model::cache::ModelCache;
use tarn_udfs::model::features::{Affine, FeatureColumn, FeatureRole, FeatureSet, SourceFamily};
use tarn_udfs::model::label::Label;
use tarn_udfs::model::loaded::LoadedModel;
use tarn_udfs::model::trained::{Member, TargetScale, TrainedModel};

const COLUMNS: usize = 12;
const TRAIN_ROWS: usize = 20_000;
/// DataFusion's batch.
const BATCH_ROWS: usize = 8_192;
const BATCHES: usize = 100;

fn unit(row: usize, column: usize) -> f64 {
    (mix((row * 64 + column) as u64) >> 11) as f64 / (1_u64 << 53) as f64
}

fn columns(rows: usize, offset: usize) -> Vec<ArrayRef> {
    let values = |column| (0..rows).map(move |row| unit(row + offset, column));
    let array = |column| Arc::new(Float64Array::from_iter_values(values(column))) as ArrayRef;
    (0..COLUMNS).map(array).collect()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let feature = |column: usize| FeatureColumn {
        name: format!("x{column}"),
        family: SourceFamily::Number,
        sql_type: "double precision".into(),
        role: FeatureRole::Numeric(Affine::IDENTITY),
    };
    let shared = Shared {
        label: Label::regression(&Field::new("y", DataType::Float64, true)),
        keys: Vec::new(),
        features: FeatureSet {
            columns: (0..COLUMNS).map(feature).collect(),
        },
        key_features: FeatureSet::default(),
    };
    let labels = (0..TRAIN_ROWS).map(|row| {
        (0..COLUMNS)
            .map(|c| (unit(row, c) * (c + 1) as f64).sin())
            .sum()
    });
    let matrix = Matrix::new(shared.features.encode(&columns(TRAIN_ROWS, 0))?, TRAIN_ROWS)?;
    let keys = (0..TRAIN_ROWS as u64).map(mix).collect();
    let options = TreesOptions {
        growth: Growth::Depth,
        max_leaves: 0,
        max_depth: 6,
        ..TreesOptions::default()
    };
    let fit = Fit {
        data: Arc::new(Dataset::new(
            matrix,
            labels.collect(),
            None,
            keys,
            Task::Regression,
        )?),
        train: (0..TRAIN_ROWS as u32).collect(),
        valid: Arc::from([]),
        learner: Learner::Trees(options.check()?),
        seed: 0,
    };
    let learner = fit_one(&fit, &Control::default(), &mut Scratch::default(), false)?.model;
    let members = vec![Member {
        weight: 1.0,
        target: TargetScale::IDENTITY,
        learner,
    }];
    let blob = TrainedModel::new(members, Vec::new(), None).to_bytes();
    let (file, _) = ArtefactWriter::new(Cursor::new(Vec::new()), &shared)?.finish(&blob)?;
    let model = LoadedModel::open("bench", 1, Arc::new(file.into_inner()), &ModelCache::new(0))?;
    let batches: Vec<Vec<ArrayRef>> = (0..BATCHES)
        .map(|batch| columns(BATCH_ROWS, batch * BATCH_ROWS))
        .collect();
    let mut rates = Vec::new();
    for _ in 0..5 {
        let started = Instant::now();
        for batch in &batches {
            std::hint::black_box(model.score(batch, BATCH_ROWS)?);
        }
        rates.push((BATCHES * BATCH_ROWS) as f64 / started.elapsed().as_secs_f64());
    }
    rates.sort_by(f64::total_cmp);
    println!(
        "{:.0} rows/s on one core (median of 5; best {:.0})",
        rates[2], rates[4]
    );
    Ok(())
}
