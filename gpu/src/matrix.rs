//! What numbers does a fit see? Columns of features, labels, weights and row keys, and views of them by row index.

use std::sync::Arc;

use crate::error::DataError;

/// The code of a missing category, or of one that the dictionary does not know.
pub const MISSING_LEVEL: u32 = u32::MAX;

/// Most columns of one matrix.
pub const COLUMNS_MAX: usize = 65_000;
/// Most rows of one matrix.
pub const ROWS_MAX: usize = 1 << 30;
/// Most levels of one categorical column.
pub const LEVELS_MAX: usize = 1 << 24;
/// Most classes of one label.
pub const CLASSES_MAX: usize = 1_000;
/// Largest magnitude of a label: leaf values are f32.
const LABEL_MAX: f64 = 1e37;

/// One feature of all rows.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Numbers; NaN is missing, infinities are ordinary extremes.
    Numeric(Vec<f32>),
    /// Codes into a dictionary of `levels` entries; [`MISSING_LEVEL`] and any code past the dictionary are missing.
    Categorical {
        /// One code per row.
        codes: Vec<u32>,
        /// Entries of the dictionary.
        levels: u32,
    },
}

impl Column {
    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::Numeric(values) => values.len(),
            Self::Categorical { codes, .. } => codes.len(),
        }
    }

    /// Whether the column has no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Feature columns of equal length.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    columns: Vec<Column>,
    rows: usize,
}

impl Matrix {
    /// Takes columns of `rows` values each; a matrix may have no columns at all.
    ///
    /// # Errors
    /// [`DataError::Ragged`] and [`DataError::TooMany`].
    pub fn new(columns: Vec<Column>, rows: usize) -> Result<Self, DataError> {
        check_limit("columns", columns.len(), COLUMNS_MAX)?;
        check_limit("rows", rows, ROWS_MAX)?;
        for (position, column) in columns.iter().enumerate() {
            check_length(|| format!("column {position}"), column.len(), rows)?;
            if let Column::Categorical { levels, .. } = column {
                check_limit(
                    "levels of one category column",
                    *levels as usize,
                    LEVELS_MAX,
                )?;
            }
        }
        Ok(Self { columns, rows })
    }

    /// The columns, in the order of the model's features.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }
}

/// Puts columns in another order of rows; each column's old memory takes the next one's values.
#[derive(Debug)]
pub struct RowOrder<'a> {
    order: &'a [u32],
    identity: bool,
    numbers: Vec<f32>,
    codes: Vec<u32>,
}

impl<'a> RowOrder<'a> {
    /// An order of all of so many rows: row `at` of the result is row `order[at]`.
    ///
    /// # Errors
    /// [`DataError::RowOutOfRange`] for an entry past the rows.
    pub fn new(order: &'a [u32]) -> Result<Self, DataError> {
        let rows = order.len();
        if let Some(&row) = order.iter().find(|&&row| row as usize >= rows) {
            return Err(DataError::RowOutOfRange { row, rows });
        }
        Ok(Self {
            order,
            identity: order.iter().zip(0..).all(|(&row, at)| row == at),
            numbers: Vec::new(),
            codes: Vec::new(),
        })
    }

    /// Puts a column in order.
    ///
    /// # Errors
    /// [`DataError::Ragged`] unless it has as many rows as the order.
    pub fn apply(&mut self, column: &mut Column) -> Result<(), DataError> {
        check_length(
            || "a column to put in order".to_owned(),
            column.len(),
            self.order.len(),
        )?;
        if self.identity {
            return Ok(());
        }
        match column {
            Column::Numeric(values) => put_in_order(values, self.order, &mut self.numbers),
            Column::Categorical { codes, .. } => put_in_order(codes, self.order, &mut self.codes),
        }
        Ok(())
    }
}

fn put_in_order<T: Copy>(values: &mut Vec<T>, order: &[u32], spare: &mut Vec<T>) {
    spare.clear();
    spare.extend(order.iter().map(|&row| values[row as usize]));
    std::mem::swap(values, spare);
}

/// What the label means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Labels are numbers.
    Regression,
    /// Labels are class indices `0.0, 1.0, … classes - 1`.
    Classification {
        /// Number of classes, at least 1.
        classes: u32,
    },
}

/// The rows that fits share: features, labels, weights and content hashes.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    features: Arc<Matrix>,
    labels: Vec<f64>,
    weights: Option<Vec<f32>>,
    row_keys: Vec<u64>,
    task: Task,
}

impl Dataset {
    /// Checks and takes the rows.
    ///
    /// `row_keys` are hashes of each row's content (label included): sampling, ordering and category statistics key on
    /// them, so that the same rows in any order give the same model. Rows with equal keys must have equal content.
    ///
    /// # Errors
    /// [`DataError`] when lengths differ, a label can't be learned or a weight is negative or not finite.
    pub fn new(
        features: impl Into<Arc<Matrix>>,
        labels: Vec<f64>,
        weights: Option<Vec<f32>>,
        row_keys: Vec<u64>,
        task: Task,
    ) -> Result<Self, DataError> {
        let features = features.into();
        let rows = features.rows();
        check_length(|| "the label".to_owned(), labels.len(), rows)?;
        check_length(|| "the row key".to_owned(), row_keys.len(), rows)?;
        if let Some(weights) = &weights {
            check_length(|| "the weight".to_owned(), weights.len(), rows)?;
            for (row, &value) in weights.iter().enumerate() {
                if !(value >= 0.0 && value.is_finite()) {
                    return Err(DataError::WeightInvalid { row, value });
                }
            }
        }
        check_labels(&labels, task)?;
        Ok(Self {
            features,
            labels,
            weights,
            row_keys,
            task,
        })
    }

    /// Feature columns, to be shared with other labels.
    pub fn shared_features(&self) -> Arc<Matrix> {
        Arc::clone(&self.features)
    }

    /// Feature columns.
    pub fn features(&self) -> &Matrix {
        &self.features
    }

    /// One label per row.
    pub fn labels(&self) -> &[f64] {
        &self.labels
    }

    /// One weight per row, or `None` when all weigh 1.
    pub fn weights(&self) -> Option<&[f32]> {
        self.weights.as_deref()
    }

    /// Content hash per row.
    pub fn row_keys(&self) -> &[u64] {
        &self.row_keys
    }

    /// What the label means.
    pub fn task(&self) -> Task {
        self.task
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.features.rows()
    }

    /// The weight of a row.
    pub(crate) fn weight(&self, row: u32) -> f64 {
        self.weights
            .as_ref()
            .map_or(1.0, |weights| f64::from(weights[row as usize]))
    }

    /// Rows of positive weight ordered by content hash, so that every later sum is over the same sequence whatever
    /// order the rows arrived in.
    pub(crate) fn canonical_rows(&self, rows: &[u32]) -> Result<Vec<u32>, DataError> {
        let mut kept = Vec::new();
        self.append_canonical_rows(rows, &mut kept)?;
        Ok(kept)
    }

    /// As [`Dataset::canonical_rows`], behind the rows that `kept` holds.
    pub(crate) fn append_canonical_rows(
        &self,
        rows: &[u32],
        kept: &mut Vec<u32>,
    ) -> Result<(), DataError> {
        let first = kept.len();
        kept.reserve(rows.len());
        for &row in rows {
            if row as usize >= self.rows() {
                return Err(DataError::RowOutOfRange {
                    row,
                    rows: self.rows(),
                });
            }
            if self.weight(row) > 0.0 {
                kept.push(row);
            }
        }
        let key = |row: &u32| self.row_keys[*row as usize];
        let added = &mut kept[first..];
        if !added.is_sorted_by_key(key) {
            // Rows with equal keys have equal content, so their positions only make the sort repeatable.
            added.sort_unstable_by_key(|row| (key(row), *row));
        }
        Ok(())
    }
}

/// The rows of one fit: those it learns from, and those held out for early stopping and out-of-fold predictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FitRows<'a> {
    /// Rows to learn from.
    pub train: &'a [u32],
    /// Held-out rows; may be empty.
    pub valid: &'a [u32],
}

fn check_limit(what: &'static str, found: usize, limit: usize) -> Result<(), DataError> {
    if found > limit {
        Err(DataError::TooMany { what, found, limit })
    } else {
        Ok(())
    }
}

fn check_length(what: impl Fn() -> String, found: usize, rows: usize) -> Result<(), DataError> {
    if found == rows {
        Ok(())
    } else {
        Err(DataError::Ragged {
            what: what(),
            found,
            rows,
        })
    }
}

fn check_labels(labels: &[f64], task: Task) -> Result<(), DataError> {
    match task {
        Task::Regression => {
            for (row, &value) in labels.iter().enumerate() {
                if value.is_nan() || value.abs() > LABEL_MAX {
                    return Err(DataError::LabelNotFinite { row, value });
                }
            }
        }
        Task::Classification { classes } => {
            check_limit("classes", classes as usize, CLASSES_MAX)?;
            for (row, &value) in labels.iter().enumerate() {
                if !(value >= 0.0 && value < f64::from(classes) && value.fract() == 0.0) {
                    return Err(DataError::LabelNotClass {
                        row,
                        value,
                        classes,
                    });
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_column(values: Vec<f32>) -> Matrix {
        let rows = values.len();
        Matrix::new(vec![Column::Numeric(values)], rows).unwrap()
    }

    #[test]
    fn refuses_ragged_columns_bad_labels_and_bad_weights() {
        assert!(matches!(
            Matrix::new(vec![Column::Numeric(vec![1.0])], 2),
            Err(DataError::Ragged { .. })
        ));
        let build = |label: f64, weight: f32, task| {
            Dataset::new(
                one_column(vec![1.0]),
                vec![label],
                Some(vec![weight]),
                vec![7],
                task,
            )
        };
        assert!(build(1.0, 1.0, Task::Regression).is_ok());
        for label in [f64::NAN, f64::INFINITY, 1e308, -1.1e37] {
            assert!(matches!(
                build(label, 1.0, Task::Regression),
                Err(DataError::LabelNotFinite { .. })
            ));
        }
        for weight in [-1.0, f32::NAN, f32::INFINITY] {
            assert!(matches!(
                build(1.0, weight, Task::Regression),
                Err(DataError::WeightInvalid { .. })
            ));
        }
        for label in [-1.0, 0.5, 2.0, f64::NAN] {
            let task = Task::Classification { classes: 2 };
            assert!(matches!(
                build(label, 1.0, task),
                Err(DataError::LabelNotClass { .. })
            ));
        }
    }

    #[test]
    fn rows_are_put_in_order() {
        let levels = |codes: Vec<u32>| Column::Categorical { codes, levels: 9 };
        let mut columns = [
            Column::Numeric(vec![0.5, 1.5, 2.5]),
            levels(vec![3, 4, 5]),
            Column::Numeric(vec![7.0, 8.0, 9.0]),
        ];
        let before = columns.clone();
        let apply = |order: &[u32], columns: &mut [Column]| {
            let mut order = RowOrder::new(order)?;
            columns
                .iter_mut()
                .try_for_each(|column| order.apply(column))
        };
        apply(&[0, 1, 2], &mut columns).unwrap();
        assert_eq!(columns, before);
        apply(&[2, 0, 1], &mut columns).unwrap();
        let expected = [
            Column::Numeric(vec![2.5, 0.5, 1.5]),
            levels(vec![5, 3, 4]),
            Column::Numeric(vec![9.0, 7.0, 8.0]),
        ];
        assert_eq!(columns, expected);
        assert!(matches!(
            apply(&[0, 1], &mut columns),
            Err(DataError::Ragged { .. })
        ));
        assert!(matches!(
            RowOrder::new(&[0, 1, 3]),
            Err(DataError::RowOutOfRange { row: 3, rows: 3 })
        ));
    }

    #[test]
    fn canonical_order_follows_the_row_key_and_drops_weightless_rows() {
        let data = Dataset::new(
            one_column(vec![0.0; 4]),
            vec![0.0; 4],
            Some(vec![1.0, 0.0, 1.0, 1.0]),
            vec![30, 5, 20, 10],
            Task::Regression,
        )
        .unwrap();
        assert_eq!(data.canonical_rows(&[0, 1, 2, 3]).unwrap(), vec![3, 2, 0]);
        assert_eq!(data.canonical_rows(&[3, 2, 1, 0]).unwrap(), vec![3, 2, 0]);
        assert!(matches!(
            data.canonical_rows(&[4]),
            Err(DataError::RowOutOfRange { .. })
        ));
    }
}
