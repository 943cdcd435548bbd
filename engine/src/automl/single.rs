//! One model for all rows: from the training set to the artefact, step by step.

use std::fs::File;
use std::io::BufWriter;

use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use tarn_udfs::model::artefact::{ArtefactWriter, Shared};
use tarn_udfs::model::features::FeatureSet;
use tarn_udfs::model::label::{Label, Task};
use tarn_udfs::model::signature::Signature;
use tarn_udfs::model::trained::TrainedModel;

use super::decide::{Outcome, decide, refit_rows, reported};
use super::group_sample::GroupSample;
use super::groups::{Group, note_groups};
use super::problem::{Problem, ProblemBuilder};
use super::profile::{Profile, leaking_columns, profile};
use super::refit::{Winner, refit};
use super::report::{
    GroupRow, MetricRow, Summary, groups_batch, metrics_batch, source_importance, trials_batch,
};
use super::row_sample::RowSample;
use super::spec::{check_algorithm, check_metric};
use super::train::{Progress, Trained, Training};
use super::training_set::TrainingSet;
use tarn_udfs::fit::error::TrainError;
use tarn_udfs::fit::metric::Metric;

/// Fewest rows with a label.
const ROWS_MIN: u64 = 10;

/// What is decided before any fit.
pub struct Prepared {
    /// What is predicted.
    pub label: Label,
    /// What is optimised.
    pub metric: Metric,
    /// Features and what was left out.
    pub profile: Profile,
    /// What the user should read.
    pub notices: Vec<String>,
}

/// Label, metric and features, with everything that the user should know about them.
pub fn prepare(training: &Training<'_>) -> Result<Prepared, TrainError> {
    let (spec, set) = (training.spec, &training.set);
    let census = set.census();
    let mut notices = spec.notices.clone();
    if set.rows() < ROWS_MIN {
        return Err(TrainError::Unlearnable {
            reason: format!(
                "{} rows have a label; at least {ROWS_MIN} are needed",
                set.rows()
            ),
            hint: "Select more rows, or check the target for NULL.".into(),
        });
    }
    let (mut label, guessed) = census.label(spec.options.task)?;
    notices.extend(guessed);
    if label.task == Task::Classification && label.classes.len() < 2 {
        return Err(TrainError::Unlearnable {
            reason: format!("column \"{}\" has only one value", label.name),
            hint: "A classification needs rows of at least two classes.".into(),
        });
    }
    set_positive(&mut label, spec.options.positive_label.as_deref())?;
    let metric = spec
        .options
        .metric
        .unwrap_or(Metric::default_of(label.task));
    check_metric(metric, label.task)?;
    if let Some(algorithm) = &spec.algorithm {
        check_algorithm(&algorithm.candidate.learner, label.task)?;
    }
    if census.missing() > 0 {
        let infinite = if census.infinite() > 0 {
            ", NaN or infinite"
        } else {
            ""
        };
        notices.push(format!(
            "{} rows without a label (NULL{infinite}) are skipped",
            census.missing()
        ));
    }
    let profile = profile(set, spec.order_feature())?;
    for (column, reason) in &profile.dropped {
        notices.push(format!(
            "column \"{column}\" is not used: {}",
            reason.phrase()
        ));
    }
    if profile.features.columns.is_empty() {
        notices.push("no column is left to learn from: the model is a constant".into());
    }
    Ok(Prepared {
        label,
        metric,
        profile,
        notices,
    })
}

fn set_positive(label: &mut Label, wanted: Option<&str>) -> Result<(), TrainError> {
    let Some(wanted) = wanted else { return Ok(()) };
    match label.class_code(wanted) {
        Some(code) => {
            label.positive = code;
            Ok(())
        }
        None => Err(TrainError::OptionValue {
            name: "positive_label".into(),
            value: wanted.to_owned(),
            accepted: label
                .classes
                .iter()
                .take(20)
                .cloned()
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}

/// Rows as one problem, its memory accounted for until the problem is dropped.
pub struct LoadedProblem {
    /// The rows.
    pub problem: Problem,
    /// Which rows belong together; empty without keys.
    pub groups: Vec<Group>,
    _memory: MemoryReservation,
}

/// Which rows of the training set are loaded.
#[derive(Clone, Copy)]
pub enum Wanted<'a> {
    /// All of them.
    All,
    /// Those that a sample of groups takes.
    Sample(&'a GroupSample),
    /// Those that a sample of rows takes.
    Rows(RowSample),
    /// Those of one bucket.
    Bucket(usize),
}

/// Rows as one problem. With keys, the key columns become features too.
pub fn load(
    training: &mut Training<'_>,
    prepared: &Prepared,
    with_keys: bool,
    mut wanted: Wanted<'_>,
) -> Result<LoadedProblem, TrainError> {
    let profile = &prepared.profile;
    let none = FeatureSet::default();
    let (key_features, positions) = if with_keys {
        (&profile.key_features, profile.key_positions.clone())
    } else {
        (&none, Vec::new())
    };
    let mut builder =
        ProblemBuilder::new(&profile.features, key_features, positions, &prepared.label);
    let reservation = MemoryConsumer::new("encoded rows").register(&training.context.memory);
    let row_bytes = builder.row_bytes(training.workshop.queue.threads());
    let bytes_of = |set: &TrainingSet| match wanted {
        // How many rows a bucket of files has is not known before it is read.
        Wanted::Bucket(_) if set.is_spilled() => 0,
        Wanted::Sample(sample) => sample.rows as usize * row_bytes,
        Wanted::Rows(sample) => sample.rows_of(set.rows()) as usize * row_bytes,
        _ => set.rows() as usize * row_bytes,
    };
    let mut bytes = bytes_of(&training.set);
    if reservation
        .try_grow(bytes + training.set.reading_bytes())
        .is_err()
    {
        training.set.move_to_files()?;
        let set = &training.set;
        bytes = bytes_of(set);
        match (wanted, reservation.try_grow(bytes)) {
            (_, Ok(())) => {}
            (Wanted::All, Err(_)) if set.keys().is_empty() => {
                let (rows, reading) = (set.rows(), set.bucket_reading_bytes());
                let sample = RowSample::reserve(&reservation, rows, row_bytes, reading)?;
                wanted = Wanted::Rows(sample);
            }
            (_, Err(full)) => return Err(full.into()),
        }
    } else {
        reservation.shrink(training.set.reading_bytes());
    }
    let buckets = match wanted {
        Wanted::Bucket(bucket) => bucket..bucket + 1,
        _ => 0..training.set.buckets(),
    };
    let mut groups = Vec::new();
    for bucket in buckets {
        let mut rows = training.set.bucket(bucket)?;
        match wanted {
            Wanted::Sample(sample) => {
                rows = rows.filtered(|key, row_key| sample.takes(key, row_key))?;
            }
            Wanted::Rows(sample) => rows = rows.filtered(|_, row_key| sample.takes(row_key))?,
            Wanted::All | Wanted::Bucket(_) => {}
        }
        if bytes == 0 {
            reservation.try_grow(rows.len() * row_bytes)?;
        }
        note_groups(&mut groups, &rows, builder.rows());
        builder.push(&rows, &profile.positions)?;
    }
    Ok(LoadedProblem {
        problem: builder.finish()?,
        groups,
        _memory: reservation,
    })
}

/// Adds a notice for every column that gives the target away.
pub fn warn_of_leaks(
    training: &Training<'_>,
    problem: &Problem,
    prepared: &mut Prepared,
) -> Result<(), TrainError> {
    for column in leaking_columns(training.workshop, problem, &prepared.profile.features)? {
        prepared.notices.push(format!(
            "column \"{column}\" alone predicts the target almost perfectly; if it is not known before the target is, \
             add EXCLUDE ({column})"
        ));
    }
    Ok(())
}

/// Trains one model for all rows.
pub fn train(
    mut training: Training<'_>,
    progress: &mut Progress<'_>,
) -> Result<Trained, TrainError> {
    let mut prepared = prepare(&training)?;
    let loaded = load(&mut training, &prepared, false, Wanted::All)?;
    let loaded_rows = loaded.problem.data.rows() as u64;
    if loaded_rows < training.set.rows() {
        prepared.notices.push(format!(
            "memory_limit has room for {loaded_rows} of the {} rows: the model learns from those, drawn by a hash of their content",
            training.set.rows()
        ));
    }
    training.set.release_rows();
    let problem = loaded.problem.clone().with_log_target()?;
    warn_of_leaks(&training, &problem, &mut prepared)?;
    let outcome = decide(&training, &prepared, &problem, false, progress)?.outcome;
    progress.tell(|| "fitting the best settings on all rows".to_owned());
    let refitted = refit(
        training.workshop,
        &problem,
        &outcome.winners,
        &refit_rows(&problem, outcome.refit_rows_max, training.spec.seed()),
        training.spec.seed(),
    )?;
    let calibration = outcome
        .calibrated
        .as_ref()
        .and_then(|calibrated| calibrated.calibration.clone());
    let model = TrainedModel::new(refitted.members, Vec::new(), calibration);
    let shared = Shared {
        label: prepared.label.clone(),
        keys: Vec::new(),
        features: prepared.profile.features.clone(),
        key_features: FeatureSet::default(),
    };
    let file = BufWriter::new(File::create(&training.context.artefact_path)?);
    let (file, artefact_bytes) = ArtefactWriter::new(file, &shared)?.finish(&model.to_bytes())?;
    file.into_inner()
        .map_err(|error| error.into_error())?
        .sync_all()?;
    let metrics = reported(&problem, &outcome.judged, outcome.calibrated.as_ref());
    let importance = source_importance(&[&prepared.profile.features], &refitted.importance);
    let told = Told {
        training: &training,
        prepared: &prepared,
        outcome: &outcome,
        metrics: &metrics,
        loaded_rows,
    };
    told.trained(
        importance,
        &[],
        Signature::of(&shared.label, &shared.keys, &shared.features),
        artefact_bytes,
    )
}

/// What a finished training tells.
pub struct Told<'a> {
    /// The training.
    pub training: &'a Training<'a>,
    /// Label, features and notices.
    pub prepared: &'a Prepared,
    /// Trials and winners.
    pub outcome: &'a Outcome,
    /// The reported metrics.
    pub metrics: &'a [MetricRow],
    /// Rows that memory had room for.
    pub loaded_rows: u64,
}

impl Told<'_> {
    /// Everything that the caller records and shows.
    pub fn trained(
        &self,
        importance: Vec<(String, f64)>,
        groups: &[GroupRow],
        signature: Signature,
        artefact_bytes: u64,
    ) -> Result<Trained, TrainError> {
        let metric = self.prepared.metric;
        let summary = self.summary(importance, groups);
        let mut notices = self.prepared.notices.clone();
        notices.push(self.last_notice(&summary));
        Ok(Trained {
            signature_json: signature.to_json(),
            summary_json: serde_json::to_string(&summary)
                .expect("a summary holds texts and numbers, so it always serialises"),
            trials: trials_batch(&self.outcome.trials, &self.outcome.shares, metric)?,
            groups: groups_batch(groups, metric)?,
            metrics: metrics_batch(self.metrics, metric)?,
            notices,
            artefact_bytes,
        })
    }

    fn summary(&self, importance: Vec<(String, f64)>, groups: &[GroupRow]) -> Summary {
        let (set, outcome) = (&self.training.set, self.outcome);
        let heaviest = outcome
            .winners
            .iter()
            .max_by(|a, b| a.weight.total_cmp(&b.weight));
        let value = self
            .metrics
            .iter()
            .find(|row| row.metric == self.prepared.metric.name())
            .map(|row| row.value);
        let describe = |winner: &Winner| {
            let name = winner.candidate.family().name();
            (
                format!("{name} ({})", winner.candidate.parameters()),
                winner.weight,
            )
        };
        let dropped = self.prepared.profile.dropped.iter();
        Summary {
            task: self.prepared.label.task.word(),
            algorithm: heaviest.map_or("baseline", |winner| winner.candidate.family().name()),
            metric: self.prepared.metric.name(),
            metric_value: value.filter(|value| value.is_finite()),
            rows: set.rows(),
            rows_skipped: set.census().missing(),
            features: self.prepared.profile.features.columns.len(),
            dropped: dropped
                .map(|(column, reason)| (column.clone(), reason.phrase()))
                .collect(),
            groups: groups.len() as u64,
            groups_trained: groups.iter().filter(|group| group.own_weight > 0.0).count() as u64,
            trials: outcome.trials.len(),
            fitted_rows: outcome
                .refit_rows_max
                .map_or(self.loaded_rows, |most| self.loaded_rows.min(most as u64)),
            replay: self.replay(),
            ended: outcome.ended.clone(),
            winners: outcome.winners.iter().map(describe).collect(),
            calibration_error: outcome
                .calibrated
                .as_ref()
                .map(|fit| (fit.error_before, fit.error_after)),
            importance,
            seed: self.training.spec.seed(),
            device: self.training.workshop.limits.places.device(),
            seconds: self.training.started.elapsed().as_secs_f64(),
        }
    }

    /// The options that repeat a search without its clock.
    fn replay(&self) -> Option<String> {
        let (spec, outcome) = (self.training.spec, self.outcome);
        // How many rows a sample has depends on the memory of its time.
        if spec.algorithm.is_some() || self.loaded_rows < self.training.set.rows() {
            return None;
        }
        let numbers = outcome
            .shares
            .iter()
            .map(|share| outcome.trials[share.trial].number.to_string());
        let rows = outcome
            .refit_rows_max
            .map_or_else(String::new, |most| format!(", refit_rows = {most}"));
        Some(format!(
            "max_trials = {}, seed = {}, blend_trials = '{}', bags = {}{rows}",
            outcome.trials.len(),
            spec.seed(),
            numbers.collect::<Vec<_>>().join(","),
            outcome.bags
        ))
    }

    fn last_notice(&self, summary: &Summary) -> String {
        let metrics: Vec<String> = self
            .metrics
            .iter()
            .map(|row| format!("{} {:.4}", row.metric, row.value))
            .collect();
        let groups = if summary.groups > 0 {
            format!(
                " in {} groups ({} with a model of their own)",
                summary.groups, summary.groups_trained
            )
        } else {
            String::new()
        };
        let fitted = if summary.fitted_rows < summary.rows {
            format!(
                " (the last fit on {} of them, for want of {})",
                summary.fitted_rows,
                if summary.fitted_rows < self.loaded_rows {
                    "time"
                } else {
                    "memory"
                }
            )
        } else {
            String::new()
        };
        format!(
            "model \"{}\": {} on {} rows{fitted}{groups}, {} features, {} trials in {:.1} s on {} ({}); held-out {}",
            self.training.spec.model_name,
            summary.algorithm,
            summary.rows,
            summary.features,
            summary.trials,
            summary.seconds,
            self.training.workshop.limits.places.words(),
            summary.ended,
            metrics.join(", ")
        )
    }
}
