//! Do stored models score as they were trained, and do damaged files give errors and nothing worse?

use std::io::Cursor;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Float64Type};
use tarn_gpu::control::Control;
use tarn_gpu::fit::{Fit, Learner, Scratch, fit_one};
use tarn_gpu::matrix::{Dataset, Matrix, Task as GpuTask};
use tarn_gpu::trees::TreesOptions;

use super::artefact::{ArtefactWriter, Shared};
use super::bytes::mix;
use super::cache::ModelCache;
use super::features::FeatureSet;
use super::group_key::{KeyColumn, group_keys};
use super::label::Label;
use super::loaded::{Level, LoadedModel};
use super::observe::{ColumnObserver, Verdict};
use super::trained::{Member, TargetScale, TrainedModel};
use crate::error::ModelError;

const ROWS: usize = 400;

/// Region, size and colour of some things, of which the larger red ones are good.
pub fn columns() -> [ArrayRef; 3] {
    let region = StringArray::from_iter_values((0..ROWS).map(|row| ["north", "south"][row % 2]));
    let size = Float64Array::from_iter(
        (0..ROWS).map(|row| (row % 11 != 0).then_some((row * 37 % 101) as f64)),
    );
    let colour =
        StringArray::from_iter_values((0..ROWS).map(|row| ["red", "blue", "green"][row % 3]));
    [Arc::new(region), Arc::new(size), Arc::new(colour)]
}

fn features(columns: &[(&str, &ArrayRef)]) -> FeatureSet {
    let keep = |(name, values): &(&str, &ArrayRef)| {
        let mut observer =
            ColumnObserver::new(&Field::new(*name, values.data_type().clone(), true), false);
        observer.observe(values).unwrap();
        match observer.finish() {
            Verdict::Keep(feature) => feature,
            Verdict::Drop(reason) => panic!("{reason:?}"),
        }
    };
    FeatureSet {
        columns: columns.iter().map(keep).collect(),
    }
}

fn fitted(matrix: Matrix, rows: &[u32]) -> TrainedModel {
    let labels = (0..ROWS)
        .map(|row| f64::from(row % 3 == 0 && row * 37 % 101 > 40))
        .collect();
    let keys = (0..ROWS as u64).map(mix).collect();
    let task = GpuTask::Classification { classes: 2 };
    let options = TreesOptions {
        rounds: 20,
        min_rows: 2,
        ..TreesOptions::default()
    };
    let fit = Fit {
        data: Arc::new(Dataset::new(matrix, labels, None, keys, task).unwrap()),
        train: rows.into(),
        valid: Arc::from([]),
        learner: Learner::Trees(options.check().unwrap()),
        seed: 0,
    };
    let learner = fit_one(&fit, &Control::default(), &mut Scratch::default(), false)
        .unwrap()
        .model;
    let member = Member {
        weight: 1.0,
        target: TargetScale::IDENTITY,
        learner,
    };
    TrainedModel::new(vec![member], Vec::new(), None)
}

/// An artefact with a model for all rows and, when asked, one for the group `north`.
pub fn artefact(grouped: bool) -> Vec<u8> {
    let [region, size, colour] = columns();
    let label = Label::classification(
        &Field::new("good", DataType::Boolean, true),
        vec!["false".into(), "true".into()],
    );
    let key = KeyColumn::new(&Field::new("region", DataType::Utf8, true)).unwrap();
    let shared = Shared {
        label,
        keys: if grouped { vec![key] } else { vec![] },
        features: features(&[("size", &size), ("colour", &colour)]),
        key_features: if grouped {
            features(&[("region", &region)])
        } else {
            FeatureSet::default()
        },
    };
    let mut encoded = shared.features.encode(&[size, colour]).unwrap();
    if grouped {
        encoded.extend(
            shared
                .key_features
                .encode(std::slice::from_ref(&region))
                .unwrap(),
        );
    }
    let matrix = Matrix::new(encoded, ROWS).unwrap();
    let all: Vec<u32> = (0..ROWS as u32).collect();
    let north: Vec<u32> = all.iter().copied().filter(|row| row % 2 == 0).collect();
    let mut writer = ArtefactWriter::new(Cursor::new(Vec::new()), &shared).unwrap();
    if grouped {
        let key = group_keys(&shared.keys, &[region.slice(0, 1)], 1)
            .map(|keys| keys.to_array().value(0).to_vec());
        let own = fitted(matrix.clone(), &north);
        writer
            .group(key.unwrap(), 0.75, north.len() as u64, &own.to_bytes())
            .unwrap();
    }
    let (file, length) = writer.finish(&fitted(matrix, &all).to_bytes()).unwrap();
    assert_eq!(file.get_ref().len() as u64, length);
    file.into_inner()
}

fn open(bytes: Vec<u8>, cache: &Arc<ModelCache>) -> Result<LoadedModel, ModelError> {
    LoadedModel::open("public.good@2", 2, Arc::new(bytes), cache)
}

#[test]
fn a_stored_model_scores_and_its_signature_says_what_it_needs() {
    let model = open(artefact(false), &ModelCache::new(0)).unwrap();
    let signature = super::signature::Signature::from_json(&model.signature().to_json()).unwrap();
    assert_eq!(signature, model.signature());
    let names: Vec<&str> = signature
        .arguments()
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(names, ["size", "colour"]);
    let size: ArrayRef = Arc::new(Int64Array::from(vec![90, 90, 10]));
    let colour: ArrayRef = Arc::new(StringArray::from(vec!["red", "blue", "red"]));
    let scores = model.score(&[size, colour], 3).unwrap();
    assert_eq!(scores.class_codes(), [1, 0, 0]);
    assert_eq!(scores.levels, [Level::Model; 3]);
    let sums = scores
        .probabilities(0)
        .into_iter()
        .zip(scores.probabilities(1))
        .map(|(no, yes)| no + yes);
    assert!(sums.into_iter().all(|sum| (sum - 1.0).abs() < 1e-12));
}

#[test]
fn groups_are_blended_and_unseen_ones_answered_by_the_parent() {
    let [_, size, colour] = columns();
    let region: ArrayRef = Arc::new(StringArray::from(vec![
        Some("north"),
        Some("south"),
        Some("moon"),
        None,
    ]));
    let cache = ModelCache::new(1 << 20);
    let model = open(artefact(true), &cache).unwrap();
    assert_eq!(
        (model.group_count(), model.arity(), cache.bytes()),
        (1, 3, 0)
    );
    let columns = [region, size.slice(0, 4), colour.slice(0, 4)];
    let scores = model.score(&columns, 4).unwrap();
    assert_eq!(
        scores.levels,
        [Level::Group, Level::Parent, Level::Parent, Level::Parent]
    );
    assert!(cache.bytes() > 0, "the group's model is kept");
    let again = model.score(&columns, 4).unwrap();
    assert_eq!(scores, again);
    drop(model);
    assert_eq!(cache.bytes(), 0, "a closed model leaves the cache");
}

#[test]
fn wrong_types_and_arity_are_typed_errors() {
    let model = open(artefact(true), &ModelCache::new(0)).unwrap();
    let check = |types: &[DataType]| model.check_types("predict", types).unwrap_err().to_string();
    assert_eq!(
        check(&[DataType::Utf8, DataType::Utf8, DataType::Utf8]),
        "column \"size\" is of type text but the model expects a number"
    );
    assert_eq!(
        check(&[DataType::Int64, DataType::Int64, DataType::Utf8]),
        "column \"region\" is of type bigint but the model expects text"
    );
    assert!(matches!(
        model.check_types("predict", &[]),
        Err(ModelError::WrongArity {
            expected: 3,
            got: 0,
            ..
        })
    ));
    assert!(matches!(
        model.class("maybe"),
        Err(ModelError::UnknownClass { .. })
    ));
}

#[test]
fn a_newer_format_is_named_and_not_guessed_at() {
    let mut bytes = artefact(false);
    bytes[8] = 9;
    assert!(matches!(
        open(bytes, &ModelCache::new(0)),
        Err(ModelError::NewerFormat {
            found: 9,
            supported: 1
        })
    ));
}

/// Opens, scores and so loads groups; the answer does not matter, panics do.
fn exercise(bytes: Vec<u8>) -> bool {
    let [region, size, colour] = columns();
    let Ok(model) = open(bytes, &ModelCache::new(1 << 20)) else {
        return false;
    };
    let columns = [region.slice(0, 20), size.slice(0, 20), colour.slice(0, 20)];
    let wanted = if model.arity() == 3 {
        &columns[..]
    } else {
        &columns[1..]
    };
    if model.arity() == wanted.len()
        && model
            .check_types(
                "predict",
                &wanted
                    .iter()
                    .map(|a| a.data_type().clone())
                    .collect::<Vec<_>>(),
            )
            .is_ok()
    {
        return model.score(wanted, 20).is_ok();
    }
    false
}

#[test]
fn flipped_bytes_cuts_and_insertions_are_errors() {
    let whole = artefact(true);
    assert!(exercise(whole.clone()));
    for round in 0..1_500_u64 {
        let mut bytes = whole.clone();
        let place = (mix(round) % bytes.len() as u64) as usize;
        match round % 4 {
            0 => bytes[place] ^= 1 << (mix(round + 7) % 8),
            1 => bytes.truncate(place),
            2 => bytes.insert(place, mix(round + 9) as u8),
            _ => bytes[place..]
                .iter_mut()
                .take(8)
                .for_each(|byte| *byte = 0xFF),
        }
        if bytes != whole {
            assert!(!exercise(bytes), "round {round}: a damaged file scored");
        }
    }
}

/// Checksums stop chance, not intent: what lies behind them must hold by itself.
#[test]
fn hostile_blobs_and_sections_are_errors_or_answers_and_never_panics() {
    let [_, size, colour] = columns();
    let model = open(artefact(false), &ModelCache::new(0)).unwrap();
    let label = model.label().clone();
    let blob = model.artefact().parent_blob().unwrap();
    let mut answered = 0;
    for round in 0..3_000_u64 {
        let mut bytes = blob.clone();
        for change in 0..=(round % 3) {
            let place = (mix(round * 5 + change) % bytes.len() as u64) as usize;
            bytes[place] = mix(round + change * 11) as u8;
        }
        if let Ok(model) = TrainedModel::from_bytes(&bytes, &label) {
            let features = features(&[("size", &size), ("colour", &colour)]);
            let matrix = Matrix::new(
                features.encode(&[size.clone(), colour.clone()]).unwrap(),
                ROWS,
            )
            .unwrap();
            answered += usize::from(model.score(&matrix, &label).is_ok());
        }
    }
    assert!(answered < 3_000);
}

#[test]
fn predictions_keep_the_labels_type() {
    let model = open(artefact(false), &ModelCache::new(0)).unwrap();
    let size: ArrayRef = Arc::new(Float64Array::from(vec![90.0]));
    let colour: ArrayRef = Arc::new(StringArray::from(vec!["red"]));
    let scores = model.score(&[size, colour], 1).unwrap();
    let values = crate::scalar::predict::predicted_values(&model, scores).unwrap();
    assert!(values.as_boolean().value(0));
    let numbers = Label::regression(&Field::new("y", DataType::Float32, true))
        .number_values(vec![1.5])
        .unwrap();
    assert_eq!(numbers.data_type(), &DataType::Float32);
    let doubles = Label::regression(&Field::new("y", DataType::Int32, true))
        .number_values(vec![1.5])
        .unwrap();
    assert_eq!(doubles.as_primitive::<Float64Type>().value(0), 1.5);
}
