//! Which rows does a kernel of linear terms read? The columns of the training rows as they are, with the list of terms that
//! they may become: which of these vary, and their moments, is found on the GPU (`terms.h`), as [`Design::learn`] finds them
//! here. Fits of one fold share their rows, whatever their configuration.

use super::{Candidates, Design, Reading, Term, propose};
use crate::device::{DeviceError, Launch, Obstacle, pairs};
use crate::error::{DataError, GpuError};
use crate::fit::Fit;
use crate::matrix::{Column, Dataset};

/// Terms of a fit on a GPU at most: a block of it solves for all of them.
pub(crate) const TERMS_ON_GPU_MAX: usize = 512;
/// Words of `Candidate` and of `Moments` in `terms.h`.
const CANDIDATE_WORDS: usize = 4;
pub(crate) const MOMENTS_WORDS: usize = 3;

/// What the rows follow from. Shared data and rows are known by their address: equal keys mean equal rows, unequal ones may
/// still do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SourcesKey {
    rows: [usize; 3],
    /// 0 unless there are categories, whose statistics draw an order of rows.
    seed: u64,
}

impl SourcesKey {
    pub(crate) fn new(fit: &Fit) -> Self {
        let columns = fit.data.features().columns();
        let categories = columns
            .iter()
            .any(|column| matches!(column, Column::Categorical { .. }));
        Self {
            rows: [
                std::sync::Arc::as_ptr(&fit.data).addr(),
                fit.train.as_ptr().addr(),
                fit.train.len(),
            ],
            seed: if categories { fit.seed } else { 0 },
        }
    }
}

/// A term that a column may become.
struct Candidate {
    column: u32,
    reading: Reading,
    /// Which of the columns that are sent it reads.
    source: u32,
}

/// Training rows in canonical order, as kernels read them.
pub(crate) struct Sources {
    labels: Vec<f64>,
    weights: Vec<f64>,
    weighted: bool,
    /// Numbers as bits, codes as they are: a column after the other, each in whole words.
    columns: Vec<u32>,
    candidates: Vec<Candidate>,
}

impl Sources {
    /// What keeps rows of so many columns from a GPU.
    pub(crate) fn obstacle(columns: usize) -> Option<Obstacle> {
        (columns > TERMS_ON_GPU_MAX).then_some(Obstacle::Terms {
            limit: TERMS_ON_GPU_MAX,
        })
    }

    /// The rows that a fit learns from.
    ///
    /// # Errors
    /// [`GpuError::Data`] for no rows, and [`Obstacle::Terms`].
    pub(crate) fn new(fit: &Fit) -> Result<Self, GpuError> {
        let data = fit.data.as_ref();
        let train = data.canonical_rows(&fit.train)?;
        if train.is_empty() {
            return Err(DataError::NoRows.into());
        }
        let mut gathering = Gathering {
            data,
            train: &train,
            columns: Vec::new(),
            last: None,
            candidates: Vec::new(),
        };
        propose(data, &train, fit.seed, &mut gathering)?;
        let Gathering {
            columns,
            candidates,
            ..
        } = gathering;
        Ok(Self {
            labels: train
                .iter()
                .map(|&row| data.labels()[row as usize])
                .collect(),
            weights: train.iter().map(|&row| data.weight(row)).collect(),
            weighted: data.weights().is_some(),
            columns,
            candidates,
        })
    }

    /// Labels of the rows.
    pub(crate) fn labels(&self) -> &[f64] {
        &self.labels
    }

    /// Weights of the rows; 1 each where there are none.
    pub(crate) fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Whether rows have weights.
    pub(crate) fn weighted(&self) -> bool {
        self.weighted
    }

    /// Terms that there may be.
    pub(crate) fn candidates(&self) -> usize {
        self.candidates.len()
    }

    /// Words of input.
    pub(crate) fn words(&self) -> usize {
        self.columns.len() / 2
            + self.labels.len() * (1 + usize::from(self.weighted))
            + CANDIDATE_WORDS * self.candidates.len()
    }

    /// Adds the rows to a launch, unless they are there; answers where its columns, labels, weights and candidates lie.
    pub(crate) fn write(&self, launch: &mut Launch) -> [u64; 4] {
        launch.share(self, |launch| {
            let weights: &[f64] = if self.weighted { &self.weights } else { &[] };
            [
                launch.put(pairs(&self.columns)),
                launch.put(self.labels.iter().map(|label| label.to_bits())),
                launch.put(weights.iter().map(|weight| weight.to_bits())),
                launch.put(self.candidates.iter().flat_map(Candidate::words)),
            ]
        })
    }

    /// The terms that vary, by the moments that a kernel found for each candidate; `None` when they make no sense.
    pub(crate) fn design(&self, moments: &[u64]) -> Option<Design> {
        let mut terms = Vec::with_capacity(self.candidates.len());
        for (candidate, words) in self.candidates.iter().zip(moments.as_chunks().0) {
            let [kept, mean, scale]: [u64; MOMENTS_WORDS] = *words;
            let (mean, scale) = (f64::from_bits(mean), f64::from_bits(scale));
            if kept > 1 || kept == 1 && !(mean.is_finite() && scale.is_finite()) {
                return None;
            }
            if kept == 1 {
                terms.push(Term {
                    column: candidate.column,
                    reading: candidate.reading.clone(),
                    mean,
                    scale,
                });
            }
        }
        Some(Design { terms })
    }
}

impl Candidate {
    /// As `Candidate` in `terms.h`.
    fn words(&self) -> [u64; CANDIDATE_WORDS] {
        let (reading, level, limits) = match &self.reading {
            Reading::Number { low, high } => (0, 0, [*low, *high]),
            Reading::Missing => (1, 0, [0.0; 2]),
            Reading::Level(level) => (2, *level, [0.0; 2]),
            Reading::Statistic(_) => (3, 0, [0.0; 2]),
        };
        [
            u64::from(self.source) | reading << 32,
            u64::from(level),
            limits[0].to_bits(),
            limits[1].to_bits(),
        ]
    }
}

/// Columns and candidates while they are gathered.
struct Gathering<'a> {
    data: &'a Dataset,
    train: &'a [u32],
    columns: Vec<u32>,
    /// The column that was gathered last.
    last: Option<u32>,
    candidates: Vec<Candidate>,
}

impl Gathering<'_> {
    fn gather(&mut self, values: impl Iterator<Item = u32>) {
        self.columns.extend(values);
        if self.columns.len() % 2 == 1 {
            self.columns.push(0);
        }
    }
}

impl Candidates for Gathering<'_> {
    fn candidate(
        &mut self,
        column: u32,
        reading: Reading,
        _: impl Fn(usize) -> f64,
        values: Option<Vec<f64>>,
    ) {
        let train = self.train;
        match (&self.data.features().columns()[column as usize], values) {
            (_, Some(values)) => {
                // Statistics are f32 where they come from.
                self.gather(values.iter().map(|&value| (value as f32).to_bits()));
            }
            _ if self.last == Some(column) => {}
            (Column::Numeric(values), None) => {
                self.gather(train.iter().map(|&row| values[row as usize].to_bits()));
            }
            (Column::Categorical { codes, .. }, None) => {
                self.gather(train.iter().map(|&row| codes[row as usize]));
            }
        }
        self.last = Some(column);
        let stride = self.train.len().next_multiple_of(2);
        self.candidates.push(Candidate {
            column,
            reading,
            source: (self.columns.len() / stride) as u32 - 1,
        });
    }

    fn check(&self) -> Result<(), GpuError> {
        if self.candidates.len() > TERMS_ON_GPU_MAX {
            let limit = TERMS_ON_GPU_MAX;
            return Err(DeviceError::Obstacle(Obstacle::Terms { limit }).into());
        }
        Ok(())
    }
}
