//! How do the models of more groups than fit in memory get into one artefact?
//!
//! Bucket by bucket: the rows of one are read, encoded, fitted and written before the next is read.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::BufWriter;

use tarn_udfs::fit::error::TrainError;
use tarn_udfs::model::artefact::ArtefactWriter;
use tarn_udfs::model::trained::TrainedModel;

use super::grouped::{Grouping, Recipe, rows_min};
use super::groups::{judge_sizes, without_labels};
use super::report::GroupRow;
use super::single::{Prepared, Wanted, load};
use super::train::{Progress, Training};

/// Groups in the artefact, and rows of the report.
#[derive(Default)]
pub(super) struct Written {
    pub(super) rows: Vec<GroupRow>,
    pub(super) keys: HashSet<Vec<u8>>,
}

/// Fits and writes the groups of one bucket after another, so that one bucket's rows are in memory at a time.
pub(super) fn write_buckets<W: std::io::Write + std::io::Seek>(
    training: &mut Training<'_>,
    prepared: &Prepared,
    recipe: &Recipe,
    writer: &mut ArtefactWriter<W>,
    measured: &HashMap<String, f64>,
    progress: &mut Progress<'_>,
) -> Result<Written, TrainError> {
    let mut written = Written::default();
    let rows_min = rows_min(training);
    let mut bucket = 0;
    while bucket < training.set.buckets() {
        let mut loaded = load(training, prepared, true, Wanted::Bucket(bucket))?;
        let mut problem = loaded.problem.clone();
        if recipe.candidate.log_target {
            problem = problem.with_logs()?;
        }
        judge_sizes(&mut loaded.groups, &problem, rows_min);
        let grouping = Grouping {
            training,
            prepared,
            problem: &problem,
            groups: &loaded.groups,
        };
        let none = vec![None; loaded.groups.len()];
        let part = grouping.write_groups(recipe, writer, &none, progress)?;
        written.keys.extend(part.keys);
        written
            .rows
            .extend(part.rows.into_iter().map(|row| GroupRow {
                value: measured.get(&row.key).copied(),
                ..row
            }));
        bucket += 1;
    }
    training.set.release_rows();
    Ok(written)
}

/// Adds the groups without labels to the report and closes the artefact; gives its length.
pub(super) fn finish(
    training: &Training<'_>,
    writer: ArtefactWriter<BufWriter<File>>,
    parent: &TrainedModel,
    written: &mut Written,
) -> Result<u64, TrainError> {
    let unlabelled = without_labels(&training.set, &written.keys);
    let rows = unlabelled.into_iter().map(|(key, _)| GroupRow {
        key,
        status: "global",
        reason: Some("no row has a label".into()),
        rows: 0,
        algorithm: None,
        own_weight: 0.0,
        value: None,
    });
    written.rows.extend(rows);
    written.rows.sort_by(|a, b| a.key.cmp(&b.key));
    let (file, bytes) = writer.finish(&parent.to_bytes())?;
    file.into_inner()
        .map_err(|error| error.into_error())?
        .sync_all()?;
    Ok(bytes)
}
