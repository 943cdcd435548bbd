//! Which columns deserve to be features, and with which dictionaries and ranges?
//!
//! Observers see every training row once, in any order and in any number of parts that are merged later; their verdict
//! depends on the set of rows alone.

use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasherDefault;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field};

use super::bytes::mix;
use super::datetime::MomentPart;
use super::encode::{micros_of, visit_numbers, visit_text};
use super::features::{Affine, Dictionary, FeatureColumn, FeatureRole, SourceFamily, TextHasher};
use super::sql_type::sql_type_of;
use crate::error::ModelError;

/// Most levels that a text column may have before it counts as an identifier.
const LEVELS_MAX: usize = 1_000_000;
/// Values kept to count distinct ones: exact below, within about 2 % above.
const DISTINCT_SKETCH: usize = 4_096;
/// Fewer rows than this never make a column an identifier.
const IDENTIFIER_ROWS_MIN: u64 = 20;
/// Unique integers without gaps count as row numbers from this many rows on.
const SEQUENCE_ROWS_MIN: u64 = 100;
/// Share of distinct values above which text is an identifier or free text.
const UNIQUE_SHARE_MIN: f64 = 0.95;

/// Why a column is not a feature.
#[derive(Debug, Clone, PartialEq)]
pub enum Dropped {
    /// All values are NULL or NaN.
    AllMissing,
    /// The same value in every row.
    Constant,
    /// Nearly every row has its own value.
    Identifier,
    /// The type has no encoding; holds its SQL spelling.
    Unsupported(String),
}

impl Dropped {
    /// The reason as a phrase for a notice.
    pub fn phrase(&self) -> String {
        match self {
            Self::AllMissing => "it is NULL in every row".into(),
            Self::Constant => "it has the same value in every row".into(),
            Self::Identifier => "it looks like an identifier".into(),
            Self::Unsupported(sql_type) => format!("type {sql_type} cannot be a feature"),
        }
    }
}

/// What the observer of one column decided.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// A feature.
    Keep(FeatureColumn),
    /// Not a feature.
    Drop(Dropped),
}

/// What is known about one source column.
#[derive(Debug, Clone)]
pub struct ColumnObserver {
    name: String,
    sql_type: String,
    family: Option<SourceFamily>,
    integer: bool,
    /// Whether the column may turn out to be an identifier, for which its distinct values are counted.
    may_be_identifier: bool,
    varies: bool,
    first: Option<u64>,
    rows: u64,
    missing: u64,
    low: f64,
    high: f64,
    micros_low: i64,
    micros_high: i64,
    part_ranges: Vec<(f32, f32)>,
    distinct: DistinctSketch,
    levels: HashMap<String, u64, BuildHasherDefault<TextHasher>>,
    too_many_levels: bool,
}

impl ColumnObserver {
    /// An observer of a column; `may_be_identifier` is false for columns that the statement names itself.
    pub fn new(field: &Field, may_be_identifier: bool) -> Self {
        Self {
            name: field.name().clone(),
            sql_type: sql_type_of(field),
            family: SourceFamily::of(field.data_type()),
            integer: is_integer(field.data_type()),
            may_be_identifier,
            varies: false,
            first: None,
            rows: 0,
            missing: 0,
            low: f64::INFINITY,
            high: f64::NEG_INFINITY,
            micros_low: i64::MAX,
            micros_high: i64::MIN,
            part_ranges: vec![(f32::INFINITY, f32::NEG_INFINITY); MomentPart::ALL.len()],
            distinct: DistinctSketch::default(),
            levels: HashMap::default(),
            too_many_levels: false,
        }
    }

    /// Takes the column's values of some rows.
    pub fn observe(&mut self, values: &ArrayRef) -> Result<(), ModelError> {
        self.rows += values.len() as u64;
        match self.family {
            None => Ok(()),
            Some(SourceFamily::Text) => self.observe_text(values),
            Some(SourceFamily::Boolean | SourceFamily::Number) => self.observe_numbers(values),
            Some(SourceFamily::Date | SourceFamily::Timestamp) => self.observe_moments(values),
        }
    }

    fn observe_text(&mut self, values: &ArrayRef) -> Result<(), ModelError> {
        let (levels, missing, too_many) = (
            &mut self.levels,
            &mut self.missing,
            &mut self.too_many_levels,
        );
        visit_text(&self.name, values, |_, text| match text {
            None => *missing += 1,
            Some(_) if *too_many => {}
            Some(text) => {
                if let Some(count) = levels.get_mut(text) {
                    *count += 1;
                } else if levels.len() < LEVELS_MAX {
                    levels.insert(text.to_owned(), 1);
                } else {
                    *too_many = true;
                    levels.clear();
                }
            }
        })
    }

    fn observe_numbers(&mut self, values: &ArrayRef) -> Result<(), ModelError> {
        let (mut low, mut high, mut missing) = (self.low, self.high, 0);
        let counts_distinct = self.may_be_identifier && self.integer;
        let (mut first, mut varies) = (self.first, self.varies);
        let distinct = &mut self.distinct;
        visit_numbers(&self.name, values, |_, value| {
            if value.is_nan() {
                missing += 1;
                return;
            }
            if value.is_finite() {
                low = low.min(value);
                high = high.max(value);
            }
            let bits = (value + 0.0).to_bits();
            varies |= *first.get_or_insert(bits) != bits;
            if counts_distinct {
                distinct.insert(bits);
            }
        })?;
        (self.low, self.high, self.first, self.varies) = (low, high, first, varies);
        self.missing += missing;
        Ok(())
    }

    /// Whether there are several values is always known; how many only where it matters, since counting them takes
    /// longer than anything else.
    fn note_value(&mut self, bits: u64) {
        self.varies |= *self.first.get_or_insert(bits) != bits;
        if self.may_be_identifier && self.integer {
            self.distinct.insert(bits);
        }
    }

    fn observe_moments(&mut self, values: &ArrayRef) -> Result<(), ModelError> {
        for micros in micros_of(&self.name, values)? {
            let Some(micros) = micros else {
                self.missing += 1;
                continue;
            };
            self.micros_low = self.micros_low.min(micros);
            self.micros_high = self.micros_high.max(micros);
            self.note_value(micros as u64);
            for (part, range) in MomentPart::ALL
                .into_iter()
                .zip(&mut self.part_ranges)
                .skip(1)
            {
                let value = part.of(micros, 0);
                *range = (range.0.min(value), range.1.max(value));
            }
        }
        Ok(())
    }

    /// Takes over what another observer of the same column saw.
    pub fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        self.missing += other.missing;
        self.low = self.low.min(other.low);
        self.high = self.high.max(other.high);
        self.micros_low = self.micros_low.min(other.micros_low);
        self.micros_high = self.micros_high.max(other.micros_high);
        for (mine, theirs) in self.part_ranges.iter_mut().zip(other.part_ranges) {
            *mine = (mine.0.min(theirs.0), mine.1.max(theirs.1));
        }
        self.varies |= other.varies;
        match (self.first, other.first) {
            (Some(mine), Some(theirs)) => self.varies |= mine != theirs,
            (mine, theirs) => self.first = mine.or(theirs),
        }
        self.distinct.merge(other.distinct);
        self.too_many_levels |= other.too_many_levels;
        for (level, count) in other.levels {
            *self.levels.entry(level).or_insert(0) += count;
        }
        if self.too_many_levels || self.levels.len() > LEVELS_MAX {
            self.too_many_levels = true;
            self.levels.clear();
        }
    }

    /// Rows seen and rows missing.
    pub fn counts(&self) -> (u64, u64) {
        (self.rows, self.missing)
    }

    /// The verdict over all rows seen.
    pub fn finish(self) -> Verdict {
        let Some(family) = self.family else {
            return Verdict::Drop(Dropped::Unsupported(self.sql_type));
        };
        let present = self.rows - self.missing;
        if present == 0 {
            return Verdict::Drop(Dropped::AllMissing);
        }
        let constant = match family {
            SourceFamily::Text => self.levels.len() == 1 && !self.too_many_levels,
            _ => !self.varies,
        };
        if constant && self.missing == 0 {
            return Verdict::Drop(Dropped::Constant);
        }
        if self.may_be_identifier && self.is_identifier(family, present) {
            return Verdict::Drop(Dropped::Identifier);
        }
        let role = match family {
            SourceFamily::Boolean => FeatureRole::Boolean,
            SourceFamily::Number if self.low > self.high => FeatureRole::Numeric(Affine::IDENTITY),
            SourceFamily::Number => FeatureRole::Numeric(Affine::for_range(self.low, self.high)),
            SourceFamily::Text => FeatureRole::Categorical(Dictionary::from_counts(self.levels)),
            SourceFamily::Date | SourceFamily::Timestamp => FeatureRole::Moment {
                parts: self.varying_parts(),
                origin_micros: self.micros_low,
            },
        };
        Verdict::Keep(FeatureColumn {
            name: self.name,
            family,
            sql_type: self.sql_type,
            role,
        })
    }

    fn varying_parts(&self) -> Vec<MomentPart> {
        let varies = |index: usize| self.part_ranges[index].0 < self.part_ranges[index].1;
        let mut parts = vec![MomentPart::Elapsed];
        let later = MomentPart::ALL.into_iter().enumerate().skip(1);
        parts.extend(
            later
                .filter(|&(index, _)| varies(index))
                .map(|(_, part)| part),
        );
        parts
    }

    fn is_identifier(&self, family: SourceFamily, present: u64) -> bool {
        if present < IDENTIFIER_ROWS_MIN {
            return false;
        }
        let distinct = match family {
            SourceFamily::Text => self.levels.len() as u64,
            _ => self.distinct.estimate(),
        };
        match family {
            SourceFamily::Text => {
                self.too_many_levels || distinct as f64 >= UNIQUE_SHARE_MIN * present as f64
            }
            SourceFamily::Number if self.integer && self.missing == 0 => {
                let unique = if self.distinct.is_exact() {
                    distinct == present
                } else {
                    distinct as f64 >= UNIQUE_SHARE_MIN * present as f64
                };
                let gapless =
                    present >= SEQUENCE_ROWS_MIN && self.high - self.low < 2.0 * present as f64;
                unique && (gapless || is_identifier_name(&self.name))
            }
            _ => false,
        }
    }
}

fn is_identifier_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [
        "id",
        "uuid",
        "guid",
        "key",
        "pk",
        "index",
        "rowid",
        "row_number",
    ]
    .contains(&name.as_str())
        || ["_id", "_key", "_uuid", "_guid", "_pk"]
            .iter()
            .any(|end| name.ends_with(end))
}

fn is_integer(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => is_integer(value),
        DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) => *scale <= 0,
        DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => *scale <= 0,
        other => other.is_integer(),
    }
}

/// Counts distinct values from the smallest hashes seen (k minimum values; Bar-Yossef et al., RANDOM 2002).
#[derive(Debug, Clone, Default)]
struct DistinctSketch {
    smallest: BTreeSet<u64>,
    full: bool,
}

impl DistinctSketch {
    fn insert(&mut self, value: u64) {
        self.insert_hash(mix(value ^ 0x5851_F42D_4C95_7F2D));
    }

    fn insert_hash(&mut self, hash: u64) {
        if self.smallest.len() == DISTINCT_SKETCH
            && self.smallest.last().is_some_and(|largest| hash > *largest)
        {
            self.full = true;
            return;
        }
        self.smallest.insert(hash);
        if self.smallest.len() > DISTINCT_SKETCH {
            self.smallest.pop_last();
            self.full = true;
        }
    }

    fn merge(&mut self, other: Self) {
        self.full |= other.full;
        for hash in other.smallest {
            self.insert_hash(hash);
        }
    }

    fn is_exact(&self) -> bool {
        !self.full
    }

    fn estimate(&self) -> u64 {
        match self.smallest.last() {
            Some(&largest) if self.full => {
                let share = (largest as f64 + 1.0) / 2f64.powi(64);
                ((DISTINCT_SKETCH - 1) as f64 / share).round() as u64
            }
            _ => self.smallest.len() as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Array, Float64Array, Int64Array, StringArray};

    use super::*;

    fn verdict(name: &str, values: ArrayRef) -> Verdict {
        let mut observer =
            ColumnObserver::new(&Field::new(name, values.data_type().clone(), true), true);
        observer.observe(&values).unwrap();
        observer.finish()
    }

    #[test]
    fn identifiers_constants_and_empty_columns_are_dropped() {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..200));
        assert_eq!(verdict("n", numbers), Verdict::Drop(Dropped::Identifier));
        let sparse: ArrayRef = Arc::new(Int64Array::from_iter_values((0..200).map(|i| i * i)));
        assert!(matches!(
            verdict("salary", Arc::clone(&sparse)),
            Verdict::Keep(_)
        ));
        assert_eq!(
            verdict("customer_id", sparse),
            Verdict::Drop(Dropped::Identifier)
        );
        let names: ArrayRef = Arc::new(StringArray::from_iter_values(
            (0..50).map(|i| format!("name {i}")),
        ));
        assert_eq!(verdict("name", names), Verdict::Drop(Dropped::Identifier));
        let constant: ArrayRef = Arc::new(Float64Array::from(vec![1.5; 30]));
        assert_eq!(verdict("c", constant), Verdict::Drop(Dropped::Constant));
        let missing: ArrayRef = Arc::new(Float64Array::from(vec![None, Some(f64::NAN)]));
        assert_eq!(verdict("m", missing), Verdict::Drop(Dropped::AllMissing));
    }

    #[test]
    fn the_verdict_ignores_order_and_parts() {
        let values: Vec<String> = (0..300).map(|i| format!("level {}", i % 7)).collect();
        let field = Field::new("x", DataType::Utf8, true);
        let whole: ArrayRef = Arc::new(StringArray::from(values.clone()));
        let mut one = ColumnObserver::new(&field, true);
        one.observe(&whole).unwrap();
        let mut parts = ColumnObserver::new(&field, true);
        parts.observe(&whole.slice(200, 100)).unwrap();
        let mut rest = ColumnObserver::new(&field, true);
        rest.observe(&whole.slice(0, 200)).unwrap();
        parts.merge(rest);
        assert_eq!(one.finish(), parts.finish());
    }

    #[test]
    fn distinct_counts_are_close_when_sketched() {
        let mut sketch = DistinctSketch::default();
        for value in 0..100_000_u64 {
            sketch.insert(value);
            sketch.insert(value / 2);
        }
        assert!(!sketch.is_exact());
        assert!(
            (sketch.estimate() as f64 / 100_000.0 - 1.0).abs() < 0.06,
            "{}",
            sketch.estimate()
        );
    }
}
