//! One model per group, blended with one for all: from the training set to the artefact.
//!
//! The parent sees all rows and the key columns; it answers for unseen and tiny groups. What a group's own model is, and
//! how much it counts, is decided for all groups together: settings compete on out-of-fold answers of a sample of
//! groups, each blended with the parent's at `rows / (rows + kappa)`, and the pair of setting and kappa with the lowest
//! loss wins. A group that cannot be fitted keeps the parent and says why.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufWriter;
use std::sync::{Arc, Mutex, PoisonError};

use tarn_gpu::error::GpuError;
use tarn_gpu::fit::{Fit, FitOutcome};
use tarn_gpu::model::Model;
use tarn_udfs::fit::queue::{Finished, FitLimits};
use tarn_udfs::model::artefact::{ArtefactWriter, Shared};
use tarn_udfs::model::signature::Signature;
use tarn_udfs::model::trained::{Member, TrainedModel};

use super::decide::{Decided, decide, refit_rows, reported};
use super::evaluate::{ask, data_of, target_of};
use super::group_sample::GroupSample;
use super::grouped_writing::{Written, finish, write_buckets};
use super::groups::{AUTOML_ROWS_MIN, Group, NAMED_ROWS_MIN, judge_sizes, sample};
use super::problem::Problem;
use super::refit::refit;
use super::report::{GroupRow, source_importance};
use super::search::{Trial, TrialStatus};
use super::single::{Prepared, Told, Wanted, load, prepare, warn_of_leaks};
use super::train::{Progress, Trained, Training};
use tarn_udfs::fit::candidates::{Candidate, Portfolio};
use tarn_udfs::fit::error::TrainError;
use tarn_udfs::fit::metric::{Measured, Metric};
use tarn_udfs::fit::split::Fold;

/// Groups whose out-of-fold answers decide setting and kappa.
const SAMPLE_GROUPS: usize = 300;
/// Folds within a group.
const FOLDS: usize = 3;
/// Rows at which own model and parent count alike; 0 trusts the own model alone.
const KAPPAS: [f64; 7] = [0.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 5_000.0];
/// Groups that are fitted before their models are written.
const WRITE_GROUPS: usize = 256;

/// How groups are modelled.
#[derive(Debug, Clone)]
pub(super) struct Recipe {
    pub(super) candidate: Candidate,
    /// `None`: the parent alone answers best.
    kappa: Option<f64>,
}

impl Recipe {
    /// A group's fit as a model.
    fn model(&self, learner: Model) -> TrainedModel {
        let member = Member {
            weight: 1.0,
            target: target_of(&self.candidate),
            learner,
        };
        TrainedModel::new(vec![member], Vec::new(), None)
    }

    fn own_weight(&self, rows: usize) -> f64 {
        self.kappa
            .map_or(0.0, |kappa| rows as f64 / (rows as f64 + kappa))
    }
}

/// Trains a model with groups.
pub fn train(
    mut training: Training<'_>,
    progress: &mut Progress<'_>,
) -> Result<Trained, TrainError> {
    let mut prepared = prepare(&training)?;
    let sample = draw(&training, &mut prepared)?;
    let wanted = sample.as_ref().map_or(Wanted::All, Wanted::Sample);
    let mut loaded = load(&mut training, &prepared, true, wanted)?;
    if sample.is_none() {
        training.set.release_rows();
    }
    let problem = loaded.problem.clone().with_log_target()?;
    warn_of_leaks(&training, &problem, &mut prepared)?;
    let rows_min = rows_min(&training);
    judge_sizes(&mut loaded.groups, &problem, rows_min);
    let mut decided = decide(&training, &prepared, &problem, true, progress)?;
    let grouping = Grouping {
        training: &training,
        prepared: &prepared,
        problem: &problem,
        groups: &loaded.groups,
    };
    let recipe = grouping.choose(&mut decided, progress)?;
    if recipe.kappa.is_some() {
        // The correction was learned for the parent alone, and no longer suits once groups have a share.
        decided.outcome.calibrated = None;
    }
    let answers = grouping.report_answers(&recipe, &mut decided)?;
    let shared = Shared {
        label: prepared.label.clone(),
        keys: training.set.keys().to_vec(),
        features: prepared.profile.features.clone(),
        key_features: prepared.profile.key_features.clone(),
    };
    let (parent, importance) = fit_parent(&training, &problem, &decided, &shared)?;
    let outcome = &decided.outcome;
    let metrics = reported(&problem, &outcome.judged, outcome.calibrated.as_ref());
    let file = BufWriter::new(File::create(&training.context.artefact_path)?);
    let mut writer = ArtefactWriter::new(file, &shared)?;
    let mut written = if sample.is_none() {
        grouping.write_groups(&recipe, &mut writer, &answers, progress)?
    } else {
        let measured = grouping.measured(&answers);
        drop(problem);
        drop(loaded);
        write_buckets(
            &mut training,
            &prepared,
            &recipe,
            &mut writer,
            &measured,
            progress,
        )?
    };
    let artefact_bytes = finish(&training, writer, &parent, &mut written)?;
    let outcome = &decided.outcome;
    let told = Told {
        training: &training,
        prepared: &prepared,
        outcome,
        metrics: &metrics,
        loaded_rows: training.set.rows(),
    };
    let signature = Signature::of(&shared.label, &shared.keys, &shared.features);
    told.trained(importance, &written.rows, signature, artefact_bytes)
}

/// The model for all rows, and what its columns count for.
fn fit_parent(
    training: &Training<'_>,
    problem: &Problem,
    decided: &Decided,
    shared: &Shared,
) -> Result<(TrainedModel, Vec<(String, f64)>), TrainError> {
    let (outcome, seed) = (&decided.outcome, training.spec.seed());
    let rows = refit_rows(problem, outcome.refit_rows_max, seed);
    let refitted = refit(training.workshop, problem, &outcome.winners, &rows, seed)?;
    let sources = [&shared.features, &shared.key_features];
    let importance = source_importance(&sources, &refitted.importance);
    let calibrated = outcome.calibrated.as_ref();
    let calibration = calibrated.and_then(|calibrated| calibrated.calibration.clone());
    let parent = TrainedModel::new(refitted.members, Vec::new(), calibration);
    Ok((parent, importance))
}

/// The groups that choose, when there are too many rows for all of them.
fn draw(
    training: &Training<'_>,
    prepared: &mut Prepared,
) -> Result<Option<GroupSample>, TrainError> {
    let width = prepared.profile.features.width() + prepared.profile.key_features.width();
    let cells = training.context.group_cells;
    let cells_max = match training.spec.algorithm {
        Some(_) => cells.named_max,
        None => cells.search_max,
    };
    let sample = GroupSample::draw(&training.set, width, cells_max, training.spec.seed())?;
    if let Some(sample) = &sample {
        prepared.notices.push(format!(
            "the model for all rows and the report are made on {} of {} groups ({} of {} rows)",
            sample.drawn(),
            sample.groups,
            sample.rows,
            training.set.rows()
        ));
    }
    Ok(sample)
}

pub(super) fn rows_min(training: &Training<'_>) -> usize {
    if training.spec.algorithm.is_some() {
        NAMED_ROWS_MIN
    } else {
        AUTOML_ROWS_MIN
    }
}

/// Answers of the blend for report rows: group index, row positions, answers.
pub(super) type ReportAnswers = Vec<Option<(Vec<u32>, Vec<f64>)>>;

pub(super) struct Grouping<'a> {
    pub(super) training: &'a Training<'a>,
    pub(super) prepared: &'a Prepared,
    pub(super) problem: &'a Problem,
    pub(super) groups: &'a [Group],
}

impl Grouping<'_> {
    fn loss(&self, labels: &[f64], predictions: &[f64]) -> f64 {
        let (outputs, positive) = (self.problem.outputs, self.problem.positive);
        self.prepared.metric.loss(Measured {
            labels,
            predictions,
            outputs,
            positive,
        })
    }

    fn fit(
        &self,
        candidate: &Candidate,
        rounds: Option<u32>,
        fold: &Fold,
    ) -> Result<Fit, TrainError> {
        Ok(Fit {
            data: Arc::clone(data_of(self.problem, candidate)),
            train: fold.train.clone().into(),
            valid: fold.valid.clone().into(),
            learner: candidate.learner(rounds).map_err(GpuError::from)?,
            seed: self.training.spec.seed(),
        })
    }

    /// Runs fits and gives what `keep` makes of each outcome, in order; `None` when the deadline came first.
    fn run<T: Send>(
        &self,
        fits: &[Fit],
        limits: &FitLimits,
        keep: impl Fn(usize, FitOutcome) -> Result<T, GpuError> + Sync,
    ) -> Result<Option<Vec<Result<T, GpuError>>>, TrainError> {
        let kept: Mutex<Vec<Option<Result<T, GpuError>>>> =
            Mutex::new(fits.iter().map(|_| None).collect());
        let finished = self
            .training
            .workshop
            .queue
            .run(fits, limits, |position, outcome| {
                let answer = outcome.and_then(|outcome| keep(position, outcome));
                kept.lock().unwrap_or_else(PoisonError::into_inner)[position] = Some(answer);
            })?;
        if finished == Finished::Deadline {
            return Ok(None);
        }
        let kept = kept.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Some(
            kept.into_iter()
                .map(|answer| answer.unwrap_or(Err(GpuError::Cancelled)))
                .collect(),
        ))
    }

    /// Chooses setting and kappa; adds the settings to the trials.
    fn choose(
        &self,
        decided: &mut Decided,
        progress: &mut Progress<'_>,
    ) -> Result<Recipe, TrainError> {
        if let Some(algorithm) = &self.training.spec.algorithm {
            // A named algorithm is what each group asked for: the parent stands in only where a group has no model.
            return Ok(Recipe {
                candidate: algorithm.candidate.clone(),
                kappa: Some(0.0),
            });
        }
        let portfolio = Portfolio {
            task: self.problem.task,
            rows: self.problem.data.rows(),
            families: self.training.spec.options.families.clone(),
            skewed_target: self.problem.log_data.is_some(),
            seed: self.training.spec.seed(),
        };
        let candidates = portfolio.for_groups();
        let chosen = sample(self.groups, SAMPLE_GROUPS, self.training.spec.seed());
        let mut best: Option<(f64, Recipe)> = None;
        for candidate in candidates {
            if chosen.is_empty() {
                break;
            }
            let Some(answers) = self.out_of_fold(&candidate, &chosen, decided)? else {
                break;
            };
            let (loss, recipe) = self.best_kappa(&candidate, &answers);
            decided.outcome.trials.push(Trial {
                number: decided.outcome.trials.len() as u32 + 1,
                candidate: candidate.clone(),
                status: TrialStatus::Complete,
                loss,
                folds: Vec::new(),
                seconds: answers.seconds,
            });
            if best.as_ref().is_none_or(|(lowest, _)| loss < *lowest) {
                best = Some((loss, recipe));
            }
            progress.tell(|| {
                format!(
                    "{} settings tried on {} groups",
                    decided.outcome.trials.len(),
                    chosen.len()
                )
            });
        }
        let fallback = || Recipe {
            candidate: decided.outcome.winners[0].candidate.clone(),
            kappa: None,
        };
        Ok(best.map_or_else(fallback, |(_, recipe)| recipe))
    }

    /// Out-of-fold answers of own models and of the parent for the rows of some groups.
    fn out_of_fold(
        &self,
        candidate: &Candidate,
        chosen: &[usize],
        decided: &Decided,
    ) -> Result<Option<OutOfFold>, TrainError> {
        let split = self.problem.split_rows(self.training.spec.seed());
        let mut fits = Vec::new();
        let mut owners: Vec<(usize, Vec<u32>)> = Vec::new();
        for &group in chosen {
            let rows = decided.without_report(&self.groups[group].positions());
            for fold in split.folds(&rows, FOLDS) {
                fits.push(self.fit(candidate, None, &fold)?);
                owners.push((rows.len(), fold.valid));
            }
        }
        let limits = self.training.workshop.limits;
        let target = target_of(candidate);
        let kept = self.run(&fits, limits, |position, outcome| {
            let seconds = outcome.seconds;
            let rows = &owners[position].1;
            Ok((ask(&outcome.model, self.problem, target, rows)?, seconds))
        })?;
        let Some(kept) = kept else { return Ok(None) };
        let mut all = OutOfFold::default();
        for ((size, rows), answer) in owners.into_iter().zip(kept) {
            let Ok((answer, seconds)) = answer else {
                continue;
            };
            all.seconds += seconds;
            for (row, own) in rows.iter().zip(answer.chunks_exact(self.problem.outputs)) {
                let Some(parent) = decided.parent_answer(*row) else {
                    continue;
                };
                all.labels.push(self.problem.data.labels()[*row as usize]);
                all.sizes.push(size);
                all.own.extend_from_slice(own);
                all.parent.extend_from_slice(parent);
            }
        }
        Ok(Some(all))
    }

    fn best_kappa(&self, candidate: &Candidate, answers: &OutOfFold) -> (f64, Recipe) {
        let outputs = self.problem.outputs;
        let mut best = (self.loss(&answers.labels, &answers.parent), None);
        for kappa in KAPPAS {
            let recipe = Recipe {
                candidate: candidate.clone(),
                kappa: Some(kappa),
            };
            let mut blend = answers.parent.clone();
            for (row, size) in answers.sizes.iter().enumerate() {
                let weight = recipe.own_weight(*size);
                let range = row * outputs..(row + 1) * outputs;
                for (answer, own) in blend[range.clone()].iter_mut().zip(&answers.own[range]) {
                    *answer = weight * own + (1.0 - weight) * *answer;
                }
            }
            let loss = self.loss(&answers.labels, &blend);
            if loss < best.0 {
                best = (loss, Some(kappa));
            }
        }
        (
            best.0,
            Recipe {
                candidate: candidate.clone(),
                kappa: best.1,
            },
        )
    }

    /// Blended answers for each group's report rows, by models that did not see them; puts them into the judgement.
    fn report_answers(
        &self,
        recipe: &Recipe,
        decided: &mut Decided,
    ) -> Result<ReportAnswers, TrainError> {
        let mut answers: ReportAnswers = vec![None; self.groups.len()];
        if recipe.kappa.is_none() || decided.division.report.is_empty() {
            return Ok(answers);
        }
        let split = self.problem.split_rows(self.training.spec.seed());
        let (mut fits, mut owners) = (Vec::new(), Vec::new());
        for (index, group) in self
            .groups
            .iter()
            .enumerate()
            .filter(|(_, group)| group.unfit.is_none())
        {
            let positions = group.positions();
            let train = decided.without_report(&positions);
            let report: Vec<u32> = positions
                .into_iter()
                .filter(|row| decided.is_report(*row))
                .collect();
            if report.is_empty() || train.len() < 2 {
                continue;
            }
            let weight = recipe.own_weight(train.len());
            fits.push(self.fit(
                &recipe.candidate,
                None,
                &stopping_fold(&split, &recipe.candidate, train),
            )?);
            owners.push((index, report, weight));
        }
        let target = target_of(&recipe.candidate);
        let limits = FitLimits {
            deadline: None,
            ..self.training.workshop.limits.clone()
        };
        let kept = self.run(&fits, &limits, |position, outcome| {
            ask(&outcome.model, self.problem, target, &owners[position].1)
        })?;
        for ((index, report, weight), own) in owners.iter().zip(kept.unwrap_or_default()) {
            let Ok(own) = own else { continue };
            let blended = decided.blend_report(report, &own, *weight);
            answers[*index] = Some((report.clone(), blended));
        }
        Ok(answers)
    }

    /// The metric of each group on its report rows.
    fn measured(&self, answers: &ReportAnswers) -> HashMap<String, f64> {
        let rows = self.groups.iter().zip(answers);
        rows.filter_map(|(group, answer)| {
            let value = self.row_of(group, answer.as_ref()).value?;
            Some((group.text.clone(), value))
        })
        .collect()
    }

    /// Fits every group on all its rows and writes the models, some groups at a time.
    pub(super) fn write_groups<W: std::io::Write + std::io::Seek>(
        &self,
        recipe: &Recipe,
        writer: &mut ArtefactWriter<W>,
        answers: &ReportAnswers,
        progress: &mut Progress<'_>,
    ) -> Result<Written, TrainError> {
        let keys = self.groups.iter().map(|group| group.key.clone()).collect();
        let mut rows: Vec<GroupRow> = self
            .groups
            .iter()
            .zip(answers)
            .map(|(group, answer)| self.row_of(group, answer.as_ref()))
            .collect();
        if recipe.kappa.is_none() {
            let reason = || Some("the model for all rows answers better".to_owned());
            for row in &mut rows {
                row.reason = row.reason.take().or_else(reason);
            }
            return Ok(Written { rows, keys });
        }
        let split = self.problem.split_rows(self.training.spec.seed());
        let limits = FitLimits {
            deadline: None,
            ..self.training.workshop.limits.clone()
        };
        let fit: Vec<usize> = (0..self.groups.len())
            .filter(|&group| self.groups[group].unfit.is_none())
            .collect();
        let mut done = 0;
        for chunk in fit.chunks(WRITE_GROUPS) {
            let mut fits = Vec::with_capacity(chunk.len());
            for &group in chunk {
                let fold = stopping_fold(&split, &recipe.candidate, self.groups[group].positions());
                fits.push(self.fit(&recipe.candidate, None, &fold)?);
            }
            let models = self
                .run(&fits, &limits, |_, outcome| Ok(outcome.model))?
                .unwrap_or_default();
            for (&group, model) in chunk.iter().zip(models) {
                let row = &mut rows[group];
                match model {
                    Ok(learner) => {
                        let weight = recipe.own_weight(row.rows as usize);
                        let (key, model) = (&self.groups[group].key, recipe.model(learner));
                        writer.group(key.clone(), weight, row.rows as u64, &model.to_bytes())?;
                        row.status = "trained";
                        row.algorithm = Some(recipe.candidate.family().name());
                        row.own_weight = weight;
                    }
                    Err(GpuError::Cancelled) => return Err(TrainError::Cancelled),
                    Err(error) => {
                        row.status = "failed";
                        row.reason = Some(error.to_string());
                    }
                }
            }
            done += chunk.len();
            progress.tell(|| format!("{done} of {} groups fitted", fit.len()));
        }
        Ok(Written { rows, keys })
    }

    fn row_of(&self, group: &Group, answer: Option<&(Vec<u32>, Vec<f64>)>) -> GroupRow {
        let metric: Metric = self.prepared.metric;
        let value = answer.map(|(rows, predictions)| {
            let labels = self.problem.labels_of(rows);
            let (outputs, positive) = (self.problem.outputs, self.problem.positive);
            metric.value(Measured {
                labels: &labels,
                predictions,
                outputs,
                positive,
            })
        });
        GroupRow {
            key: group.text.clone(),
            status: "global",
            reason: group.unfit.clone(),
            rows: i64::from(group.rows.end - group.rows.start),
            algorithm: None,
            own_weight: 0.0,
            value,
        }
    }
}

/// All rows to learn from, or a part held out when held-out rows decide the rounds.
fn stopping_fold(
    split: &tarn_udfs::fit::split::SplitRows<'_>,
    candidate: &Candidate,
    rows: Vec<u32>,
) -> Fold {
    const STOPPING_SHARE: f64 = 0.2;
    if candidate.stops_early() {
        split.cut(&rows, STOPPING_SHARE)
    } else {
        Fold {
            train: rows,
            valid: Vec::new(),
        }
    }
}

/// Out-of-fold answers, row after row.
#[derive(Debug, Default)]
struct OutOfFold {
    labels: Vec<f64>,
    sizes: Vec<usize>,
    own: Vec<f64>,
    parent: Vec<f64>,
    seconds: f64,
}
