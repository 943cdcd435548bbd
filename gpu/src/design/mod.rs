//! How do columns become the standardised terms of a linear model?
//!
//! - A number is centred and scaled by the training rows' mean and standard deviation; infinities count as the largest
//!   finite value of training. A missing number becomes the mean, and when training has missing ones, a further 0/1 term
//!   says that it was missing, so that nothing is silently taken for zero.
//! - A category of at most [`ONE_HOT_LEVELS_MAX`] levels becomes one 0/1 term per level, missing being all 0. A category
//!   of more levels becomes the smoothed mean label (or class shares) of its level: leak-free ordered statistics while fitting, a table
//!   afterwards.
//! - Terms that do not vary are dropped.

mod sources;

pub(crate) use sources::{MOMENTS_WORDS, Sources, SourcesKey, TERMS_ON_GPU_MAX};

use crate::bytes::{Reader, Writer};
use crate::error::{DataError, DecodeError, GpuError};
use crate::matrix::{COLUMNS_MAX, Column, Dataset, LEVELS_MAX, Matrix};
use crate::trees::{
    CategoryRows, StatisticTable, ordered_statistics, seen_levels, statistic_targets,
    visiting_order,
};

/// Levels above which a category becomes a single statistic.
pub const ONE_HOT_LEVELS_MAX: usize = 32;
/// Terms of one model at most; the Gram matrix is its square.
pub const TERMS_MAX: usize = 4_096;
/// Rows of prior mixed into each level's statistic.
const SMOOTHING: f64 = 10.0;
/// Rows encoded at a time.
pub(crate) const CHUNK_ROWS: usize = 512;

/// What one term reads from its column.
#[derive(Debug, Clone, PartialEq)]
enum Reading {
    /// The number, limited to what training saw; missing is the mean.
    Number { low: f64, high: f64 },
    /// 1 when missing.
    Missing,
    /// 1 when the column has the level.
    Level(u32),
    /// The statistic of the level; missing is the mean.
    Statistic(StatisticTable),
}

/// What a term of a linear model is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TermSource {
    /// 1 for every row.
    Intercept,
    /// The column's number; a missing one counts as the mean.
    Number {
        /// Position of the column.
        column: u32,
    },
    /// 1 where the column's number is missing.
    Missing {
        /// Position of the column.
        column: u32,
    },
    /// 1 where the column has the level.
    Level {
        /// Position of the column.
        column: u32,
        /// Code of the level.
        level: u32,
    },
    /// The mean label of the column's level, or the share of a class in it.
    Statistic {
        /// Position of the column.
        column: u32,
    },
}

/// One standardised term: (reading − mean) × scale.
#[derive(Debug, Clone, PartialEq)]
struct Term {
    column: u32,
    reading: Reading,
    mean: f64,
    scale: f64,
}

/// The recipe from columns to terms, part of every linear model.
#[derive(Debug, Clone, PartialEq)]
pub struct Design {
    terms: Vec<Term>,
}

/// Leak-free values of statistic terms for the training rows, by term.
pub(crate) struct TrainingValues(Vec<Option<Vec<f64>>>);

impl Design {
    /// Learns the recipe from the training rows.
    ///
    /// # Errors
    /// [`DataError::TooMany`] beyond [`TERMS_MAX`] terms.
    pub(crate) fn learn(
        data: &Dataset,
        train: &[u32],
        seed: u64,
    ) -> Result<(Self, TrainingValues), GpuError> {
        let mut learning = Learning {
            data,
            train,
            terms: Vec::new(),
            values: Vec::new(),
        };
        propose(data, train, seed, &mut learning)?;
        let Learning { terms, values, .. } = learning;
        Ok((Self { terms }, TrainingValues(values)))
    }

    /// Number of terms.
    pub(crate) fn width(&self) -> usize {
        self.terms.len()
    }

    /// What each term is about, with the mean and the scale that standardise it.
    pub(crate) fn terms(&self) -> impl Iterator<Item = (TermSource, f64, f64)> + '_ {
        self.terms.iter().map(|term| {
            let column = term.column;
            let source = match term.reading {
                Reading::Number { .. } => TermSource::Number { column },
                Reading::Missing => TermSource::Missing { column },
                Reading::Level(level) => TermSource::Level { column, level },
                Reading::Statistic(_) => TermSource::Statistic { column },
            };
            (source, term.mean, term.scale)
        })
    }

    /// The column of each term.
    pub(crate) fn columns(&self) -> impl Iterator<Item = usize> + '_ {
        self.terms.iter().map(|term| term.column as usize)
    }

    /// Fails unless the columns are of the kinds that the terms read.
    pub(crate) fn check(&self, features: &Matrix) -> Result<(), DataError> {
        for term in &self.terms {
            let column = term.column as usize;
            let numeric = term
                .reading
                .is_numeric_column(features.columns().get(column));
            match numeric {
                Some(true) => {}
                Some(false) | None => {
                    let expected = if term.reading.reads_category() {
                        "categorical"
                    } else {
                        "numeric"
                    };
                    return Err(DataError::ColumnMismatch { column, expected });
                }
            }
        }
        Ok(())
    }

    /// Writes the standardised terms of `rows`, row-major.
    pub(crate) fn encode(&self, columns: &[Column], rows: &[u32], out: &mut [f64]) {
        self.encode_with(columns, rows, 0, None, out);
    }

    /// As [`Design::encode`]; with training values, `rows` are the training rows from position `first` on.
    pub(crate) fn encode_with(
        &self,
        columns: &[Column],
        rows: &[u32],
        first: usize,
        training: Option<&TrainingValues>,
        out: &mut [f64],
    ) {
        let width = self.width();
        for (position, term) in self.terms.iter().enumerate() {
            let held = training.and_then(|training| training.0[position].as_deref());
            let lines = out.chunks_exact_mut(width).zip(rows).enumerate();
            for (offset, (line, &row)) in lines {
                let value = match held {
                    Some(values) => values[first + offset],
                    None => term
                        .reading
                        .value(&columns[term.column as usize], row as usize),
                };
                line[position] = if value.is_nan() {
                    0.0
                } else {
                    (value - term.mean) * term.scale
                };
            }
        }
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.count(self.terms.len());
        for term in &self.terms {
            out.u32(term.column);
            out.f64(term.mean);
            out.f64(term.scale);
            match &term.reading {
                Reading::Number { low, high } => {
                    out.u8(0);
                    out.f64(*low);
                    out.f64(*high);
                }
                Reading::Missing => out.u8(1),
                Reading::Level(level) => {
                    out.u8(2);
                    out.u32(*level);
                }
                Reading::Statistic(table) => {
                    out.u8(3);
                    table.write(out);
                }
            }
        }
    }

    pub(crate) fn read(from: &mut Reader) -> Result<Self, DecodeError> {
        let count = from.count("terms", TERMS_MAX, 21)?;
        let mut terms = Vec::with_capacity(count);
        for _ in 0..count {
            let column = from.bounded("a term's column", COLUMNS_MAX)? as u32;
            let (mean, scale) = (from.finite("a mean")?, from.finite("a scale")?);
            let reading = match from.u8()? {
                0 => Reading::Number {
                    low: from.finite("a bound")?,
                    high: from.finite("a bound")?,
                },
                1 => Reading::Missing,
                2 => Reading::Level(from.bounded("a level", LEVELS_MAX)? as u32),
                3 => Reading::Statistic(StatisticTable::read(from)?),
                _ => {
                    return Err(DecodeError::Invalid {
                        what: "the kind of a term",
                    });
                }
            };
            if matches!(reading, Reading::Number { low, high } if low > high) {
                return Err(DecodeError::Invalid { what: "a bound" });
            }
            terms.push(Term {
                column,
                reading,
                mean,
                scale,
            });
        }
        Ok(Self { terms })
    }
}

impl Reading {
    fn reads_category(&self) -> bool {
        matches!(self, Self::Level(_) | Self::Statistic(_))
    }

    /// Whether the column is of the kind that this reads; `None` when it is absent.
    fn is_numeric_column(&self, column: Option<&Column>) -> Option<bool> {
        column.map(|column| matches!(column, Column::Categorical { .. }) == self.reads_category())
    }

    /// The raw value of a row; NaN stands for the mean.
    fn value(&self, column: &Column, row: usize) -> f64 {
        match (self, column) {
            (Self::Number { low, high }, Column::Numeric(values)) => {
                let value = f64::from(values[row]);
                if value.is_infinite() {
                    value.clamp(*low, *high)
                } else {
                    value
                }
            }
            (Self::Missing, Column::Numeric(values)) => f64::from(u8::from(values[row].is_nan())),
            (Self::Level(level), Column::Categorical { codes, .. }) => {
                f64::from(u8::from(codes[row] == *level))
            }
            (Self::Statistic(table), Column::Categorical { codes, .. }) => {
                f64::from(table.value(codes[row]))
            }
            _ => f64::NAN,
        }
    }
}

/// What is done with the terms that columns may become.
trait Candidates {
    /// A term that becomes one if it varies: `raw` are its values by position among the training rows, `values` the same
    /// where they are not those of its reading.
    fn candidate(
        &mut self,
        column: u32,
        reading: Reading,
        raw: impl Fn(usize) -> f64,
        values: Option<Vec<f64>>,
    );

    /// Called behind each column.
    fn check(&self) -> Result<(), GpuError>;
}

/// Every term that a column may become, column by column.
fn propose(
    data: &Dataset,
    train: &[u32],
    seed: u64,
    candidates: &mut impl Candidates,
) -> Result<(), GpuError> {
    let proposal = Proposal { data, train, seed };
    for (position, column) in data.features().columns().iter().enumerate() {
        match column {
            Column::Numeric(values) => proposal.number(position as u32, values, candidates),
            Column::Categorical { codes, levels } => {
                proposal.category(position as u32, codes, *levels, candidates);
            }
        }
        candidates.check()?;
    }
    Ok(())
}

/// Terms that vary, with their moments.
struct Learning<'a> {
    data: &'a Dataset,
    train: &'a [u32],
    terms: Vec<Term>,
    values: Vec<Option<Vec<f64>>>,
}

impl Candidates for Learning<'_> {
    fn candidate(
        &mut self,
        column: u32,
        reading: Reading,
        raw: impl Fn(usize) -> f64,
        values: Option<Vec<f64>>,
    ) {
        let (mut sum, mut total) = (0.0, 0.0);
        for (position, &row) in self.train.iter().enumerate() {
            let value = raw(position);
            if !value.is_nan() {
                sum += self.data.weight(row) * value;
                total += self.data.weight(row);
            }
        }
        if total <= 0.0 {
            return;
        }
        let mean = sum / total;
        let squares: f64 = (0..self.train.len())
            .map(|position| {
                let value = raw(position);
                if value.is_nan() {
                    0.0
                } else {
                    self.data.weight(self.train[position]) * (value - mean).powi(2)
                }
            })
            .sum();
        let deviation = (squares / total).sqrt();
        // Below this the column is constant up to the rounding of its mean.
        if deviation.is_finite()
            && deviation > 1e-12 * mean.abs()
            && deviation > 0.0
            && (1.0 / deviation).is_finite()
        {
            self.terms.push(Term {
                column,
                reading,
                mean,
                scale: 1.0 / deviation,
            });
            self.values.push(values);
        }
    }

    fn check(&self) -> Result<(), GpuError> {
        let found = self.terms.len();
        if found > TERMS_MAX {
            return Err(DataError::TooMany {
                what: "terms of a linear model",
                found,
                limit: TERMS_MAX,
            }
            .into());
        }
        Ok(())
    }
}

/// The rows out of which candidates are made.
struct Proposal<'a> {
    data: &'a Dataset,
    train: &'a [u32],
    seed: u64,
}

impl Proposal<'_> {
    fn number(&self, column: u32, values: &[f32], candidates: &mut impl Candidates) {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        let mut missing = false;
        for &row in self.train {
            let value = f64::from(values[row as usize]);
            missing |= value.is_nan();
            if value.is_finite() {
                low = low.min(value);
                high = high.max(value);
            }
        }
        if low > high {
            (low, high) = (0.0, 0.0);
        }
        let train = self.train;
        let column_values = |position: usize| {
            let value = f64::from(values[train[position] as usize]);
            if value.is_infinite() {
                value.clamp(low, high)
            } else {
                value
            }
        };
        candidates.candidate(column, Reading::Number { low, high }, column_values, None);
        if missing {
            let absent =
                |position: usize| f64::from(u8::from(values[train[position] as usize].is_nan()));
            candidates.candidate(column, Reading::Missing, absent, None);
        }
    }

    fn category(
        &self,
        column: u32,
        codes: &[u32],
        dictionary: u32,
        candidates: &mut impl Candidates,
    ) {
        let local: Vec<u32> = self.train.iter().map(|&row| codes[row as usize]).collect();
        let levels = seen_levels(local.iter().copied(), dictionary);
        if levels.len() <= ONE_HOT_LEVELS_MAX {
            for &level in &levels {
                let has = |position: usize| f64::from(u8::from(local[position] == level));
                candidates.candidate(column, Reading::Level(level), has, None);
            }
            return;
        }
        let (data, train) = (self.data, self.train);
        let order = visiting_order(
            self.seed,
            train.iter().map(|&row| data.row_keys()[row as usize]),
        );
        let rows = CategoryRows {
            codes: &local,
            dictionary,
            levels: &levels,
            order: &order,
        };
        for class in statistic_targets(data, train) {
            let target = |position: usize| class.target(data, train[position]);
            let (values, table) = ordered_statistics(&rows, target, SMOOTHING);
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let raw = values.clone();
            candidates.candidate(
                column,
                Reading::Statistic(table),
                |position| raw[position],
                Some(values),
            );
        }
    }
}

/// The encoded training rows, held when small and encoded afresh on every pass when large.
pub(crate) struct DesignRows<'a> {
    design: &'a Design,
    training: &'a TrainingValues,
    columns: &'a [Column],
    train: &'a [u32],
    held: Option<&'a [f64]>,
}

/// Cells of a design that is held in memory.
pub(crate) const HELD_CELLS_MAX: usize = 8 << 20;

impl<'a> DesignRows<'a> {
    pub(crate) fn new(
        design: &'a Design,
        training: &'a TrainingValues,
        data: &'a Dataset,
        train: &'a [u32],
        room: &'a mut Vec<f64>,
    ) -> Self {
        let columns = data.features().columns();
        let cells = design.width() * train.len();
        let held = (cells <= HELD_CELLS_MAX).then(|| {
            if room.len() < cells {
                room.resize(cells, 0.0);
            }
            let held = &mut room[..cells];
            design.encode_with(columns, train, 0, Some(training), held);
            &*held
        });
        Self {
            design,
            training,
            columns,
            train,
            held,
        }
    }

    /// Calls `visit(first_row, cells)` for consecutive chunks of rows, in order.
    pub(crate) fn chunks(&self, mut visit: impl FnMut(usize, &[f64])) {
        let width = self.design.width();
        let mut buffer = vec![
            0.0;
            if self.held.is_some() {
                0
            } else {
                width * CHUNK_ROWS
            }
        ];
        for first in (0..self.train.len()).step_by(CHUNK_ROWS) {
            let rows = &self.train[first..(first + CHUNK_ROWS).min(self.train.len())];
            match self.held {
                Some(cells) => visit(first, &cells[first * width..(first + rows.len()) * width]),
                None => {
                    let cells = &mut buffer[..rows.len() * width];
                    self.design
                        .encode_with(self.columns, rows, first, Some(self.training), cells);
                    visit(first, cells);
                }
            }
        }
    }
}
