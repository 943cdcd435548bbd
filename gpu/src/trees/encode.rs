//! How do columns become the binned features of one fit? Cuts, levels and category statistics come from the training
//! rows alone; held-out rows are binned with them.

use std::borrow::Cow;

use rayon::prelude::{
    IndexedParallelIterator, IntoParallelIterator, ParallelIterator, ParallelSliceMut,
};

use super::bins::{CutSearch, Feature, Grid, LANES, Scale, Source, adaptive_bins, find_cuts};
use super::categories::{
    CategoryRows, StatisticTable, ordered_statistics, seen_levels, statistic_targets,
    visiting_order,
};
use super::options::TreesOptions;
use crate::error::DataError;
use crate::matrix::{Column, Dataset};
use crate::random::{Stream, unit};

/// Rows from which cuts are sought in very large tables.
pub(crate) const CUT_ROWS_MAX: usize = 200_000;
/// Most features of one model, levels that split alone counted one by one; splits number them in 16 bits, once for each
/// side of missing values.
pub(crate) const FEATURES_MAX: usize = 32_767;

/// The rows of a fit as its trees see them.
pub(crate) struct Encoded {
    pub(crate) features: Vec<Feature>,
    pub(crate) grid: Grid,
    pub(crate) tables: Vec<StatisticTable>,
}

/// Where the raw values of a feature are.
enum Raw<'a> {
    Numbers(&'a [f32]),
    Codes(&'a [u32]),
    /// One value per local row.
    Local(Vec<f32>),
}

/// What encoding needs to know about a fit.
pub(crate) struct EncodeInput<'a> {
    pub(crate) data: &'a Dataset,
    /// Canonical training rows, then held-out rows.
    pub(crate) rows: &'a [u32],
    pub(crate) train_rows: usize,
    pub(crate) options: &'a TreesOptions,
    pub(crate) seed: u64,
    pub(crate) parallel: bool,
}

/// Memory that encoding keeps from fit to fit.
#[derive(Debug, Default)]
pub(crate) struct EncodeRoom {
    /// The bins of the grid; a fit gives them back when it is done with them.
    pub(crate) bins: Vec<u64>,
    keys: Vec<u32>,
}

/// Bins all columns that vary.
pub(crate) fn encode(input: &EncodeInput) -> Result<Encoded, DataError> {
    encode_in(input, &mut EncodeRoom::default())
}

/// As [`encode`], in memory that is kept.
pub(crate) fn encode_in(input: &EncodeInput, room: &mut EncodeRoom) -> Result<Encoded, DataError> {
    let columns = input.data.features().columns();
    check_count(columns.len())?;
    let sample = cut_sample(input);
    let bins_max = match input.options.max_bins {
        0 => adaptive_bins(input.train_rows),
        bins => bins as usize,
    };
    let numeric = |column: usize, values: &[f32], keys: &mut Vec<u32>| {
        let known = sample
            .iter()
            .map(|&row| values[row as usize])
            .filter(|value| !value.is_nan());
        let cuts = find_cuts(known, keys, bins_max, input.options.min_bin_rows as usize);
        ordered_feature(
            Source::Column(column as u32),
            cuts,
            monotone(input.options, column),
        )
    };
    let cut = |keys: &mut Vec<u32>, column: usize| match &columns[column] {
        Column::Numeric(values) => Some(numeric(column, values, keys)),
        Column::Categorical { .. } => None,
    };
    let each = 0..columns.len();
    let cuts: Vec<Option<Feature>> = if input.parallel {
        each.into_par_iter().map_init(Vec::new, cut).collect()
    } else {
        each.map(|column| cut(&mut room.keys, column)).collect()
    };
    let mut builder = Builder {
        input,
        bins_max,
        features: Vec::new(),
        raw: Vec::new(),
        tables: Vec::new(),
        order: None,
    };
    for (column, (values, feature)) in columns.iter().zip(cuts).enumerate() {
        match (values, feature) {
            (Column::Numeric(values), Some(feature)) => {
                let varies = |missing: bool| {
                    input.rows[..input.train_rows]
                        .iter()
                        .any(|&row| values[row as usize].is_nan() == missing)
                };
                if feature.bins > 2 || (varies(true) && varies(false)) {
                    builder.push(feature, Raw::Numbers(values));
                }
            }
            (Column::Categorical { codes, levels }, _) => builder.category(column, codes, *levels),
            _ => {}
        }
    }
    builder.finish(&mut room.bins)
}

fn check_count(found: usize) -> Result<(), DataError> {
    if found > FEATURES_MAX {
        return Err(DataError::TooMany {
            what: "features of a tree model",
            found,
            limit: FEATURES_MAX,
        });
    }
    Ok(())
}

fn monotone(options: &TreesOptions, column: usize) -> i8 {
    options.monotone.get(column).copied().unwrap_or(0)
}

fn ordered_feature(source: Source, cuts: Vec<f32>, monotone: i8) -> Feature {
    Feature {
        source,
        bins: cuts.len() + 2,
        scale: Scale::Ordered { cuts },
        monotone,
    }
}

/// Training rows that stand for all when there are very many.
fn cut_sample<'a>(input: &EncodeInput<'a>) -> Cow<'a, [u32]> {
    let train = &input.rows[..input.train_rows];
    if train.len() <= CUT_ROWS_MAX {
        return Cow::Borrowed(train);
    }
    let share = CUT_ROWS_MAX as f64 / train.len() as f64;
    let keys = input.data.row_keys();
    train
        .iter()
        .copied()
        .filter(|&row| unit(input.seed, Stream::CutSample, 0, keys[row as usize]) < share)
        .collect()
}

struct Builder<'a> {
    input: &'a EncodeInput<'a>,
    bins_max: usize,
    features: Vec<Feature>,
    raw: Vec<Raw<'a>>,
    tables: Vec<StatisticTable>,
    order: Option<Vec<u32>>,
}

impl<'a> Builder<'a> {
    fn push(&mut self, feature: Feature, raw: Raw<'a>) {
        self.features.push(feature);
        self.raw.push(raw);
    }

    fn category(&mut self, column: usize, codes: &'a [u32], dictionary: u32) {
        let train = &self.input.rows[..self.input.train_rows];
        let local: Vec<u32> = train.iter().map(|&row| codes[row as usize]).collect();
        let levels = seen_levels(local.iter().copied(), dictionary);
        let some_missing = local.iter().any(|&code| code >= dictionary);
        if levels.len() + usize::from(some_missing) < 2 {
            return;
        }
        if levels.len() <= self.input.options.one_vs_rest_levels as usize {
            let bins = levels.len() + 1;
            let source = Source::Column(column as u32);
            self.push(
                Feature {
                    source,
                    scale: Scale::Levels { levels },
                    bins,
                    monotone: 0,
                },
                Raw::Codes(codes),
            );
            return;
        }
        self.statistics(
            column,
            codes,
            &CategoryRows {
                codes: &local,
                dictionary,
                levels: &levels,
                order: &[],
            },
        );
    }

    /// Replaces a category of many levels by the mean label, or by the share of each class.
    fn statistics(&mut self, column: usize, codes: &[u32], rows: &CategoryRows) {
        let (data, all) = (self.input.data, self.input.rows);
        let train = &all[..self.input.train_rows];
        let keys = data.row_keys();
        let order = self.order.take().unwrap_or_else(|| {
            visiting_order(self.input.seed, train.iter().map(|&row| keys[row as usize]))
        });
        let rows = CategoryRows {
            order: &order,
            ..*rows
        };
        for class in statistic_targets(data, train) {
            let target = |position: usize| class.target(data, train[position]);
            let (mut values, table) =
                ordered_statistics(&rows, target, self.input.options.category_smoothing);
            let known = values.iter().copied().filter(|value| !value.is_nan());
            let cuts = find_cuts(
                known,
                &mut Vec::with_capacity(values.len()),
                self.bins_max,
                self.input.options.min_bin_rows as usize,
            );
            values.extend(
                all[train.len()..]
                    .iter()
                    .map(|&row| table.value(codes[row as usize])),
            );
            let source = Source::Statistic {
                column: column as u32,
                table: self.tables.len() as u32,
            };
            self.tables.push(table);
            self.push(ordered_feature(source, cuts, 0), Raw::Local(values));
        }
        self.order = Some(order);
    }

    fn finish(self, bins: &mut Vec<u64>) -> Result<Encoded, DataError> {
        let levels: usize = self
            .features
            .iter()
            .map(|feature| if feature.is_levels() { feature.bins } else { 1 })
            .sum();
        check_count(levels)?;
        let rows = self.input.rows;
        let mut grid = Grid {
            bins: std::mem::take(bins),
            ..Grid::default()
        };
        grid.arrange(&self.features, 0..self.features.len() as u32, rows.len());
        let slots = &grid.slots;
        let (features, raw) = (&self.features, &self.raw);
        let fill = |(block, lines): (usize, &mut [u64])| {
            for lane in 0..LANES {
                let id = slots[block * LANES + lane];
                if id != u32::MAX {
                    fill_lane(
                        &features[id as usize],
                        &raw[id as usize],
                        rows,
                        lines,
                        8 * lane,
                    );
                }
            }
        };
        let blocks = rows.len().max(1);
        if self.input.parallel {
            grid.bins
                .par_chunks_exact_mut(blocks)
                .enumerate()
                .for_each(fill);
        } else {
            grid.bins
                .chunks_exact_mut(blocks)
                .enumerate()
                .for_each(fill);
        }
        Ok(Encoded {
            features: self.features,
            grid,
            tables: self.tables,
        })
    }
}

/// Writes the bins of one feature into its byte of every line.
fn fill_lane(feature: &Feature, raw: &Raw, rows: &[u32], lines: &mut [u64], shift: usize) {
    match (&feature.scale, raw) {
        (Scale::Ordered { cuts }, Raw::Numbers(values)) => {
            let search = CutSearch::new(cuts);
            for (line, &row) in lines.iter_mut().zip(rows) {
                *line |= u64::from(search.bin(values[row as usize])) << shift;
            }
        }
        (Scale::Ordered { cuts }, Raw::Local(values)) => {
            let search = CutSearch::new(cuts);
            for (line, &value) in lines.iter_mut().zip(values) {
                *line |= u64::from(search.bin(value)) << shift;
            }
        }
        (Scale::Levels { levels }, Raw::Codes(codes)) => {
            for (line, &row) in lines.iter_mut().zip(rows) {
                let position = levels.binary_search(&codes[row as usize]);
                *line |= position.map_or(0, |position| position as u64 + 1) << shift;
            }
        }
        _ => {}
    }
}
