//! Which numbers does a search see? A training set's rows, encoded and put side by side.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use tarn_gpu::matrix::{self, Column, Dataset, MISSING_LEVEL, Matrix};
use tarn_udfs::error::ModelError;
use tarn_udfs::model::encode::{micros_of, numbers_of};
use tarn_udfs::model::features::{FeatureSet, SourceFamily};
use tarn_udfs::model::label::{Label, Task, class_texts};

use super::training_set::SortedRows;
use tarn_udfs::fit::error::TrainError;
use tarn_udfs::fit::split::SplitRows;

/// Rows that models are fitted on.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Features, labels and row keys.
    pub data: Arc<Dataset>,
    /// The same rows with ln(1 + label), when that is worth a try.
    pub log_data: Option<Arc<Dataset>>,
    /// Place in time per row, when the statement has ORDER BY.
    pub times: Option<Arc<Vec<i64>>>,
    /// Number or class.
    pub task: Task,
    /// Numbers per prediction: 1, or the number of classes.
    pub outputs: usize,
    /// Code of the positive class.
    pub positive: u32,
}

impl Problem {
    /// What a split looks at.
    pub fn split_rows(&self, seed: u64) -> SplitRows<'_> {
        SplitRows {
            row_keys: self.data.row_keys(),
            labels: self.data.labels(),
            task: self.task,
            times: self.times.as_ref().map(|times| times.as_slice()),
            seed,
        }
    }

    /// All row positions.
    pub fn all_rows(&self) -> Vec<u32> {
        (0..self.data.rows() as u32).collect()
    }

    /// Labels of some rows.
    pub fn labels_of(&self, rows: &[u32]) -> Vec<f64> {
        rows.iter()
            .map(|&row| self.data.labels()[row as usize])
            .collect()
    }

    /// Adds ln(1 + label) as a second target when labels are positive and their right tail is long.
    pub fn with_log_target(self) -> Result<Self, TrainError> {
        if self.task == Task::Regression && is_skewed(self.data.labels()) {
            return self.with_logs();
        }
        Ok(self)
    }

    /// Adds ln(1 + label) as a second target, whatever the labels look like; those below -1 count as nearly -1.
    pub fn with_logs(mut self) -> Result<Self, TrainError> {
        let labels = self
            .data
            .labels()
            .iter()
            .map(|label| label.max(-0.999_999).ln_1p())
            .collect();
        let features = self.data.shared_features();
        let keys = self.data.row_keys().to_vec();
        let data = Dataset::new(features, labels, None, keys, matrix::Task::Regression);
        self.log_data = Some(Arc::new(data.map_err(tarn_gpu::error::GpuError::from)?));
        Ok(self)
    }
}

/// Third moment above 1 in the label and nearer to symmetric after ln(1 + y).
fn is_skewed(labels: &[f64]) -> bool {
    if labels.len() < 100 || labels.iter().any(|&label| label < 0.0) {
        return false;
    }
    let plain = skewness(labels);
    let logs: Vec<f64> = labels.iter().map(|label| label.ln_1p()).collect();
    plain > 1.0 && skewness(&logs).abs() < plain
}

fn skewness(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let moment = |power: i32| {
        values
            .iter()
            .map(|value| (value - mean).powi(power))
            .sum::<f64>()
            / n
    };
    let spread = moment(2).sqrt();
    if spread > 0.0 {
        moment(3) / spread.powi(3)
    } else {
        0.0
    }
}

/// Encodes rows bucket by bucket and puts them together.
#[derive(Debug)]
pub struct ProblemBuilder<'a> {
    features: &'a FeatureSet,
    key_features: &'a FeatureSet,
    key_positions: Vec<usize>,
    label: &'a Label,
    columns: Vec<Column>,
    labels: Vec<f64>,
    row_keys: Vec<u64>,
    times: Option<Vec<i64>>,
}

impl<'a> ProblemBuilder<'a> {
    /// Rows as these features see them; `positions` are the kept ones among the set's feature columns. Key features
    /// follow, found at `key_positions` among the key columns; an empty set leaves them out.
    pub fn new(
        features: &'a FeatureSet,
        key_features: &'a FeatureSet,
        key_positions: Vec<usize>,
        label: &'a Label,
    ) -> Self {
        Self {
            features,
            key_features,
            key_positions,
            label,
            columns: Vec::new(),
            labels: Vec::new(),
            row_keys: Vec::new(),
            times: None,
        }
    }

    /// Bytes that one row takes, for the memory account: its model numbers, label and key, and in every fit that runs
    /// at the time its bins, gradients and scores.
    pub fn row_bytes(&self, threads: usize) -> usize {
        let width = self.features.width() + self.key_features.width();
        4 * width + 16 + threads * (width + 48)
    }

    /// Rows so far.
    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    /// Appends rows.
    pub fn push(&mut self, rows: &SortedRows, positions: &[usize]) -> Result<(), TrainError> {
        let arrays: Vec<ArrayRef> = positions
            .iter()
            .map(|&position| rows.features()[position].clone())
            .collect();
        let mut encoded = self.features.encode(&arrays)?;
        let keys: Vec<ArrayRef> = self
            .key_positions
            .iter()
            .map(|&position| rows.keys()[position].clone())
            .collect();
        encoded.extend(self.key_features.encode(&keys)?);
        if self.columns.is_empty() {
            self.columns = encoded;
        } else {
            self.columns
                .iter_mut()
                .zip(encoded)
                .for_each(|(column, more)| append(column, more));
        }
        self.labels.extend(label_numbers(self.label, rows.label())?);
        self.row_keys.extend_from_slice(rows.row_keys());
        if let Some(order_by) = rows.order_by() {
            self.times
                .get_or_insert_default()
                .extend(times_of(order_by)?);
        }
        Ok(())
    }

    /// All rows are here.
    pub fn finish(self) -> Result<Problem, TrainError> {
        let rows = self.labels.len();
        let task = match self.label.task {
            Task::Regression => matrix::Task::Regression,
            Task::Classification => matrix::Task::Classification {
                classes: self.label.classes.len() as u32,
            },
        };
        let matrix = Matrix::new(self.columns, rows).map_err(tarn_gpu::error::GpuError::from)?;
        let data = Dataset::new(matrix, self.labels, None, self.row_keys, task);
        Ok(Problem {
            data: Arc::new(data.map_err(tarn_gpu::error::GpuError::from)?),
            log_data: None,
            times: self.times.map(Arc::new),
            task: self.label.task,
            outputs: self.label.outputs(),
            positive: self.label.positive,
        })
    }
}

fn append(column: &mut Column, more: Column) {
    match (column, more) {
        (Column::Numeric(values), Column::Numeric(more)) => values.extend(more),
        (Column::Categorical { codes, .. }, Column::Categorical { codes: more, .. }) => {
            codes.extend(more)
        }
        // One encoder gives one kind of column, so kinds never mix; if they did, missing is the honest answer.
        (Column::Numeric(values), more) => values.extend(std::iter::repeat_n(f32::NAN, more.len())),
        (Column::Categorical { codes, .. }, more) => {
            codes.extend(std::iter::repeat_n(MISSING_LEVEL, more.len()))
        }
    }
}

fn label_numbers(label: &Label, values: &ArrayRef) -> Result<Vec<f64>, TrainError> {
    if label.task == Task::Regression {
        return Ok(numbers_of(&label.name, values)?);
    }
    let code = |text: Option<String>| {
        let code = text.as_deref().and_then(|text| label.class_code(text));
        code.map(f64::from)
            .ok_or_else(|| ModelError::damaged("a class appeared after the classes were counted"))
    };
    Ok(class_texts(&label.name, values)?
        .into_iter()
        .map(code)
        .collect::<Result<Vec<_>, _>>()?)
}

/// ORDER BY values as places in time; NULL comes first.
fn times_of(values: &ArrayRef) -> Result<Vec<i64>, TrainError> {
    match SourceFamily::of(values.data_type()) {
        Some(SourceFamily::Date | SourceFamily::Timestamp) => Ok(micros_of("ORDER BY", values)?
            .into_iter()
            .map(|micros| micros.unwrap_or(i64::MIN))
            .collect()),
        _ => Ok(numbers_of("ORDER BY", values)?
            .into_iter()
            .map(place_of_number)
            .collect()),
    }
}

/// Orders as the numbers do: the bits of a positive float rise with it, those of a negative one fall.
fn place_of_number(number: f64) -> i64 {
    if number.is_nan() {
        return i64::MIN;
    }
    let bits = (number + 0.0).to_bits() as i64;
    if bits < 0 { bits ^ i64::MAX } else { bits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_order_as_places_in_time() {
        let numbers = [
            f64::NAN,
            f64::NEG_INFINITY,
            -2.5,
            -1.0,
            0.0,
            1e-300,
            3.0,
            f64::INFINITY,
        ];
        let places: Vec<i64> = numbers.into_iter().map(place_of_number).collect();
        assert!(places.is_sorted());
        assert_eq!(place_of_number(-0.0), place_of_number(0.0));
    }

    #[test]
    fn a_long_right_tail_is_skewed_and_a_bell_is_not() {
        let tail: Vec<f64> = (0..1_000).map(|i| (f64::from(i) / 100.0).exp()).collect();
        assert!(is_skewed(&tail));
        let even: Vec<f64> = (0..1_000).map(f64::from).collect();
        assert!(!is_skewed(&even));
        let negative: Vec<f64> = tail.iter().map(|value| value - 2.0).collect();
        assert!(!is_skewed(&negative));
    }
}
