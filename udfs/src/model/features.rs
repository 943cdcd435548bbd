//! Which numbers does a model see of a row?
//!
//! The one encoder of the program: training, `predict` and later doors turn columns into numbers here and nowhere
//! else. A source column becomes one or more model columns of 32-bit floats or category codes:
//!
//! | source | becomes |
//! |---|---|
//! | boolean | 0 or 1 |
//! | number | `(x - offset) * scale`, computed in 64 bits, kept in 32: offset and scale keep large integers apart |
//! | text | index of its level, by count then bytes; a level never seen in training counts as missing |
//! | date, timestamp | parts in UTC: elapsed days, year, month, day, weekday, hour |
//!
//! NULL and NaN are missing. Nothing here depends on the order of rows.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use arrow::datatypes::DataType;

use super::bytes::{Reader, Writer, hash_bytes};
use super::datetime::MomentPart;
use crate::error::ModelError;

/// Most source columns of a model.
pub const FEATURES_MAX: usize = 20_000;

/// Largest absolute model number: far inside `f32`, so that sums of squares stay finite in `f64`.
pub const NUMBER_MAX: f32 = 1e30;

/// What a column is, apart from its exact width: `predict` accepts any type of the same family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceFamily {
    /// `boolean`
    Boolean,
    /// Any integer, float or decimal; also time of day and intervals, as microseconds.
    Number,
    /// Any text type.
    Text,
    /// `date`; timestamps are accepted in its place.
    Date,
    /// `timestamp` and `timestamptz`; dates are accepted in its place.
    Timestamp,
}

impl SourceFamily {
    /// The family of an Arrow type; `None` when it cannot be a feature.
    pub fn of(data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::Boolean => Some(Self::Boolean),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(Self::Text),
            DataType::Date32 | DataType::Date64 => Some(Self::Date),
            DataType::Timestamp(..) => Some(Self::Timestamp),
            DataType::Time32(_) | DataType::Time64(_) | DataType::Duration(_) => Some(Self::Number),
            DataType::Dictionary(_, value) => Self::of(value),
            other if other.is_numeric() => Some(Self::Number),
            _ => None,
        }
    }

    /// How an error names it.
    pub fn sql_words(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Number => "a number",
            Self::Text => "text",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
        }
    }

    /// Stable spelling for the signature.
    pub fn tag(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Number => "number",
            Self::Text => "text",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
        }
    }

    fn byte(self) -> u8 {
        match self {
            Self::Boolean => 0,
            Self::Number => 1,
            Self::Text => 2,
            Self::Date => 3,
            Self::Timestamp => 4,
        }
    }

    fn from_byte(byte: u8) -> Result<Self, ModelError> {
        [
            Self::Boolean,
            Self::Number,
            Self::Text,
            Self::Date,
            Self::Timestamp,
        ]
        .into_iter()
        .find(|family| family.byte() == byte)
        .ok_or_else(|| ModelError::damaged("unknown column family"))
    }
}

/// An affine map in 64 bits that brings values into the range where 32 bits keep them apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine {
    /// Subtracted first.
    pub offset: f64,
    /// Multiplied second; a power of two.
    pub scale: f64,
}

impl Affine {
    /// Leaves values alone.
    pub const IDENTITY: Self = Self {
        offset: 0.0,
        scale: 1.0,
    };

    /// The map for values between `low` and `high`.
    ///
    /// Ordinary columns keep the identity, so that thresholds read as the user's numbers; a column whose values are
    /// large against their spread (keys, epochs) is moved, and one beyond 1e30 is scaled down.
    pub fn for_range(low: f64, high: f64) -> Self {
        let magnitude = low.abs().max(high.abs());
        let spread = high - low;
        let exact_in_f32 = magnitude <= 16_777_216.0;
        let offset = if exact_in_f32 || spread <= 0.0 || magnitude / spread < 64.0 {
            0.0
        } else {
            low
        };
        let reach = (high - offset).abs().max((low - offset).abs());
        let scale = if reach > 1e29 {
            2f64.powi(-(reach.log2().ceil() as i32) + 30)
        } else {
            1.0
        };
        Self { offset, scale }
    }

    /// The model number of a value; not a number stays missing, infinities are clamped.
    #[inline]
    pub fn apply(self, value: f64) -> f32 {
        let moved = (value - self.offset) * self.scale;
        (moved as f32).clamp(-NUMBER_MAX, NUMBER_MAX)
    }
}

/// How one source column becomes model columns.
#[derive(Debug, Clone, PartialEq)]
pub enum FeatureRole {
    /// 0 or 1.
    Boolean,
    /// One number.
    Numeric(Affine),
    /// Index into the levels.
    Categorical(Dictionary),
    /// One model column per part, in UTC.
    Moment {
        /// Parts that varied in training.
        parts: Vec<MomentPart>,
        /// Microseconds since 1970 at which elapsed time starts.
        origin_micros: i64,
    },
}

/// One source column of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureColumn {
    /// Column name, as the training query gave it.
    pub name: String,
    /// What the column is.
    pub family: SourceFamily,
    /// The SQL spelling of its type, for DESCRIBE MODEL.
    pub sql_type: String,
    /// How it is encoded.
    pub role: FeatureRole,
}

impl FeatureColumn {
    /// Number of model columns that it becomes.
    pub fn width(&self) -> usize {
        match &self.role {
            FeatureRole::Moment { parts, .. } => parts.len(),
            _ => 1,
        }
    }

    /// Names of its model columns.
    pub fn model_names(&self) -> Vec<String> {
        match &self.role {
            FeatureRole::Moment { parts, .. } => parts
                .iter()
                .map(|part| format!("{}.{}", self.name, part.name()))
                .collect(),
            _ => vec![self.name.clone()],
        }
    }
}

/// The columns of a model, in the order in which `predict` receives them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FeatureSet {
    /// Source columns.
    pub columns: Vec<FeatureColumn>,
}

impl FeatureSet {
    /// Number of model columns.
    pub fn width(&self) -> usize {
        self.columns.iter().map(FeatureColumn::width).sum()
    }

    /// Names of all model columns.
    pub fn model_names(&self) -> Vec<String> {
        self.columns
            .iter()
            .flat_map(FeatureColumn::model_names)
            .collect()
    }

    /// Appends the stored form.
    pub fn write(&self, writer: &mut Writer) {
        writer.u32(self.columns.len() as u32);
        for column in &self.columns {
            writer.text(&column.name);
            writer.text(&column.sql_type);
            writer.u8(column.family.byte());
            write_role(&column.role, writer);
        }
    }

    /// Reads the stored form.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, ModelError> {
        let count = reader.count(18)?;
        if count > FEATURES_MAX {
            return Err(ModelError::damaged("too many features"));
        }
        let mut columns = Vec::with_capacity(count);
        for _ in 0..count {
            let name = reader.text()?.to_owned();
            let sql_type = reader.text()?.to_owned();
            let family = SourceFamily::from_byte(reader.u8()?)?;
            let role = read_role(reader)?;
            let fits = matches!(
                (family, &role),
                (SourceFamily::Boolean, FeatureRole::Boolean)
                    | (SourceFamily::Number, FeatureRole::Numeric(_))
                    | (SourceFamily::Text, FeatureRole::Categorical(_))
                    | (
                        SourceFamily::Date | SourceFamily::Timestamp,
                        FeatureRole::Moment { .. }
                    )
            );
            if !fits {
                return Err(ModelError::damaged(
                    "a column's role does not suit its type",
                ));
            }
            columns.push(FeatureColumn {
                name,
                family,
                sql_type,
                role,
            });
        }
        Ok(Self { columns })
    }
}

fn write_role(role: &FeatureRole, writer: &mut Writer) {
    match role {
        FeatureRole::Boolean => writer.u8(0),
        FeatureRole::Numeric(affine) => {
            writer.u8(1);
            writer.f64(affine.offset);
            writer.f64(affine.scale);
        }
        FeatureRole::Categorical(dictionary) => {
            writer.u8(2);
            writer.u32(dictionary.levels().len() as u32);
            for level in dictionary.levels() {
                writer.text(level);
            }
        }
        FeatureRole::Moment {
            parts,
            origin_micros,
        } => {
            writer.u8(3);
            writer.i64(*origin_micros);
            writer.u32(parts.len() as u32);
            for part in parts {
                writer.u8(part.byte());
            }
        }
    }
}

fn read_role(reader: &mut Reader<'_>) -> Result<FeatureRole, ModelError> {
    match reader.u8()? {
        0 => Ok(FeatureRole::Boolean),
        1 => Ok(FeatureRole::Numeric(Affine {
            offset: reader.finite()?,
            scale: reader.finite()?,
        })),
        2 => {
            let count = reader.count(8)?;
            let levels = (0..count)
                .map(|_| Ok(reader.text()?.to_owned()))
                .collect::<Result<Vec<_>, ModelError>>()?;
            Ok(FeatureRole::Categorical(Dictionary::new(levels)))
        }
        3 => {
            let origin_micros = reader.i64()?;
            let count = reader.count(1)?;
            let parts = (0..count)
                .map(|_| MomentPart::from_byte(reader.u8()?))
                .collect::<Result<Vec<_>, _>>()?;
            Ok(FeatureRole::Moment {
                parts,
                origin_micros,
            })
        }
        _ => Err(ModelError::damaged("unknown feature role")),
    }
}

/// Hashes text with the program's own fixed hash: fast on short strings, and not attackable into collisions that
/// matter, since levels come from the training data.
#[derive(Debug, Default, Clone, Copy)]
pub struct TextHasher(u64);

impl Hasher for TextHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = hash_bytes(self.0, bytes);
    }

    fn write_u8(&mut self, _terminator: u8) {
        // `str` appends 0xFF after its bytes; a single string per key needs no terminator.
    }
}

/// The levels of a text column.
#[derive(Debug, Clone, Default)]
pub struct Dictionary {
    levels: Vec<String>,
    codes: HashMap<String, u32, BuildHasherDefault<TextHasher>>,
}

impl PartialEq for Dictionary {
    fn eq(&self, other: &Self) -> bool {
        self.levels == other.levels
    }
}

impl Dictionary {
    /// Levels in the order of their codes.
    pub fn new(levels: Vec<String>) -> Self {
        let codes = levels
            .iter()
            .enumerate()
            .map(|(code, level)| (level.clone(), code as u32))
            .collect();
        Self { levels, codes }
    }

    /// Levels ordered by count, largest first, then by bytes: any order of rows gives the same codes.
    pub fn from_counts(counts: impl IntoIterator<Item = (String, u64)>) -> Self {
        let mut counted: Vec<(String, u64)> = counts.into_iter().collect();
        counted.sort_unstable_by(|left, right| {
            right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0))
        });
        Self::new(counted.into_iter().map(|(level, _)| level).collect())
    }

    /// All levels; a level's index is its code.
    pub fn levels(&self) -> &[String] {
        &self.levels
    }

    /// The code of a level, `None` when training never saw it.
    #[inline]
    pub fn code(&self, level: &str) -> Option<u32> {
        self.codes.get(level).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_ordered_by_count_then_bytes() {
        let dictionary =
            Dictionary::from_counts([("b".into(), 2), ("a".into(), 2), ("z".into(), 9)]);
        assert_eq!(dictionary.levels(), ["z", "a", "b"]);
        assert_eq!(dictionary.code("b"), Some(2));
        assert_eq!(dictionary.code("new"), None);
    }

    #[test]
    fn large_keys_stay_apart_in_32_bits() {
        let affine = Affine::for_range(9_007_199_254_000_000.0, 9_007_199_254_000_900.0);
        assert_ne!(
            affine.apply(9_007_199_254_000_001.0),
            affine.apply(9_007_199_254_000_002.0)
        );
        assert_eq!(Affine::for_range(0.0, 1000.0), Affine::IDENTITY);
        assert_eq!(Affine::for_range(-3e9, 5e9), Affine::IDENTITY);
    }

    #[test]
    fn extreme_numbers_stay_finite_and_ordered() {
        let affine = Affine::for_range(-1e308, 1e308);
        assert!(affine.apply(1e308).is_finite());
        assert!(
            affine.apply(-1e308) < affine.apply(0.0) && affine.apply(0.0) < affine.apply(1e307)
        );
        assert_eq!(Affine::IDENTITY.apply(f64::INFINITY), NUMBER_MAX);
        assert!(Affine::IDENTITY.apply(f64::NAN).is_nan());
    }

    #[test]
    fn the_stored_form_comes_back() {
        let set = FeatureSet {
            columns: vec![
                FeatureColumn {
                    name: "x".into(),
                    family: SourceFamily::Number,
                    sql_type: "integer".into(),
                    role: FeatureRole::Numeric(Affine {
                        offset: 0.1,
                        scale: 0.5,
                    }),
                },
                FeatureColumn {
                    name: "färbe".into(),
                    family: SourceFamily::Text,
                    sql_type: "text".into(),
                    role: FeatureRole::Categorical(Dictionary::new(vec![
                        "rot".into(),
                        String::new(),
                    ])),
                },
                FeatureColumn {
                    name: "at".into(),
                    family: SourceFamily::Timestamp,
                    sql_type: "timestamptz".into(),
                    role: FeatureRole::Moment {
                        parts: MomentPart::ALL.to_vec(),
                        origin_micros: -7,
                    },
                },
            ],
        };
        let mut writer = Writer::default();
        set.write(&mut writer);
        let bytes = writer.into_bytes();
        let mut reader = Reader::new(&bytes);
        assert_eq!(FeatureSet::read(&mut reader).unwrap(), set);
        reader.finish().unwrap();
    }
}
