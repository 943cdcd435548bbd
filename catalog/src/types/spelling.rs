//! How is a type written in SQL, read and printed?

use super::known::{self, oid};
use super::{NUMERIC_PRECISION_MAX, PgType, TypeError};

/// The full range of interval fields, as `interval(p)` has it.
const INTERVAL_FULL_RANGE: i32 = 0x7FFF;
const INTERVAL_FULL_PRECISION: i32 = 0xFFFF;
const VARCHAR_LENGTH_MAX: i64 = 10_485_760;

/// (bit of the typmod range, keyword), in the order of SQL.
const INTERVAL_FIELDS: [(i32, &str); 6] = [
    (1 << 2, "year"),
    (1 << 1, "month"),
    (1 << 3, "day"),
    (1 << 10, "hour"),
    (1 << 11, "minute"),
    (1 << 12, "second"),
];

pub(super) fn parse(text: &str) -> Result<PgType, TypeError> {
    if let Some(predicted) = model_of(text) {
        let predicted = parse(predicted)?;
        return Ok(PgType {
            oid: oid::MODEL,
            typmod: predicted.oid as i32,
        });
    }
    let words = Words::split(text)?;
    words.read().ok_or_else(|| TypeError::Unknown {
        name: text.trim().to_string(),
    })?
}

/// What stands between the brackets of `model(…)`.
fn model_of(text: &str) -> Option<&str> {
    let (name, rest) = text.trim().split_once('(')?;
    let is_model = name.trim().eq_ignore_ascii_case("model");
    is_model.then(|| rest.strip_suffix(')')).flatten()
}

/// `model(text)`: what a model predicts is part of its type.
fn model_name(typmod: i32) -> String {
    match u32::try_from(typmod).ok().and_then(PgType::known) {
        Some(predicted) => format!("model({})", format_type(predicted)),
        None => "model".into(),
    }
}

/// One word of a type name, a quoted word, a modifier list or a pair of brackets.
#[derive(Debug, PartialEq)]
enum Part {
    Word(String),
    Quoted(String),
    Modifiers(Vec<i64>),
    Brackets,
    Dot,
}

struct Words {
    parts: Vec<Part>,
    text: String,
}

impl Words {
    fn split(text: &str) -> Result<Words, TypeError> {
        let invalid = || TypeError::Syntax {
            name: text.trim().to_string(),
        };
        let mut parts = Vec::new();
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let used = match first {
                '"' => {
                    let end = rest[1..].find('"').ok_or_else(invalid)?;
                    parts.push(Part::Quoted(rest[1..=end].to_string()));
                    end + 2
                }
                '(' => {
                    let end = rest.find(')').ok_or_else(invalid)?;
                    let numbers = rest[1..end]
                        .split(',')
                        .map(|number| number.trim().parse::<i64>().map_err(|_| invalid()))
                        .collect::<Result<Vec<_>, _>>()?;
                    parts.push(Part::Modifiers(numbers));
                    end + 1
                }
                '[' => {
                    let end = rest.find(']').ok_or_else(invalid)?;
                    if !rest[1..end].trim().chars().all(|c| c.is_ascii_digit()) {
                        return Err(invalid());
                    }
                    parts.push(Part::Brackets);
                    end + 1
                }
                '.' => {
                    parts.push(Part::Dot);
                    1
                }
                c if c.is_alphanumeric() || c == '_' => {
                    let end = rest
                        .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'))
                        .unwrap_or(rest.len());
                    parts.push(Part::Word(rest[..end].to_lowercase()));
                    end
                }
                _ => return Err(invalid()),
            };
            rest = rest[used..].trim_start();
        }
        Ok(Words {
            parts,
            text: text.trim().to_string(),
        })
    }

    /// None: no type has this name.
    fn read(mut self) -> Option<Result<PgType, TypeError>> {
        let is_array = self.take_array_suffix();
        self.drop_schema();
        let scalar = match self.scalar()? {
            Ok(scalar) => scalar,
            Err(error) => return Some(Err(error)),
        };
        if !is_array || scalar.is_array() {
            return Some(Ok(scalar));
        }
        Some(scalar.array().ok_or(TypeError::Unknown { name: self.text }))
    }

    fn take_array_suffix(&mut self) -> bool {
        let mut found = false;
        while let Some(last) = self.parts.last() {
            match last {
                Part::Brackets => found = true,
                Part::Word(word) if word == "array" && self.parts.len() > 1 => found = true,
                _ => break,
            }
            self.parts.pop();
        }
        found
    }

    fn drop_schema(&mut self) {
        let schema = match self.parts.first() {
            Some(Part::Word(word)) | Some(Part::Quoted(word)) => word.as_str(),
            _ => return,
        };
        if schema == "pg_catalog" && self.parts.get(1) == Some(&Part::Dot) {
            self.parts.drain(..2);
        }
    }

    fn scalar(&mut self) -> Option<Result<PgType, TypeError>> {
        let modifiers = self.take_modifiers();
        if let [Part::Quoted(name)] = self.parts.as_slice() {
            return by_typname(name).map(|known| with_modifiers(known, &modifiers));
        }
        let words: Vec<&str> = self
            .parts
            .iter()
            .map(|part| match part {
                Part::Word(word) => Some(word.as_str()),
                _ => None,
            })
            .collect::<Option<_>>()?;
        if let Some((&"interval", fields)) = words.split_first() {
            return interval(fields, &modifiers);
        }
        let (name, modifiers) = match words.as_slice() {
            ["int"] | ["integer"] => (oid::INT4, modifiers),
            ["bigint"] => (oid::INT8, modifiers),
            ["smallint"] => (oid::INT2, modifiers),
            ["boolean"] => (oid::BOOL, modifiers),
            ["real"] => (oid::FLOAT4, modifiers),
            ["double", "precision"] => (oid::FLOAT8, modifiers),
            ["float"] => match modifiers.as_slice() {
                [] => (oid::FLOAT8, vec![]),
                [1..=24] => (oid::FLOAT4, vec![]),
                [25..=53] => (oid::FLOAT8, vec![]),
                _ => {
                    return Some(Err(TypeError::Modifier {
                        message: "precision for type float must be between 1 and 53 bits".into(),
                    }));
                }
            },
            ["decimal"] | ["dec"] => (oid::NUMERIC, modifiers),
            ["character", "varying"] | ["char", "varying"] => (oid::VARCHAR, modifiers),
            ["character"] | ["char"] if modifiers.is_empty() => (oid::BPCHAR, vec![1]),
            ["character"] | ["char"] => (oid::BPCHAR, modifiers),
            ["timestamp", "without", "time", "zone"] => (oid::TIMESTAMP, modifiers),
            ["timestamp", "with", "time", "zone"] => (oid::TIMESTAMPTZ, modifiers),
            ["time", "without", "time", "zone"] => (oid::TIME, modifiers),
            ["time", "with", "time", "zone"] | ["timetz"] => {
                return Some(Err(TypeError::Unsupported {
                    name: "time with time zone".into(),
                }));
            }
            [
                name @ ("money" | "bit" | "varbit" | "point" | "tsvector" | "tsquery" | "cidr"
                | "macaddr"),
            ] => {
                return Some(Err(TypeError::Unsupported {
                    name: (*name).to_string(),
                }));
            }
            [name] => return by_typname(name).map(|found| with_modifiers(found, &modifiers)),
            _ => return None,
        };
        Some(with_modifiers(PgType::of_oid(name), &modifiers))
    }

    fn take_modifiers(&mut self) -> Vec<i64> {
        let at = self
            .parts
            .iter()
            .position(|part| matches!(part, Part::Modifiers(_)));
        match at.map(|at| self.parts.remove(at)) {
            Some(Part::Modifiers(numbers)) => numbers,
            _ => Vec::new(),
        }
    }
}

/// `int4` and, as PostgreSQL has it, `_int4` for the array over it.
fn by_typname(name: &str) -> Option<PgType> {
    if let Some(known) = known::named(name) {
        return Some(PgType::of_oid(known.oid));
    }
    let element = known::named(name.strip_prefix('_')?)?;
    (element.array_oid != 0).then(|| PgType::of_oid(element.array_oid))
}

fn with_modifiers(pg_type: PgType, modifiers: &[i64]) -> Result<PgType, TypeError> {
    let refuse = |message: String| Err(TypeError::Modifier { message });
    let typmod = match (pg_type.oid, modifiers) {
        (_, []) => -1,
        (oid::NUMERIC, [precision]) => return PgType::numeric(*precision, 0),
        (oid::NUMERIC, [precision, scale]) => return PgType::numeric(*precision, *scale),
        (oid::VARCHAR | oid::BPCHAR, [length]) => {
            let sql = if pg_type.oid == oid::VARCHAR {
                "varchar"
            } else {
                "char"
            };
            if *length < 1 {
                return refuse(format!("length for type {sql} must be at least 1"));
            }
            if *length > VARCHAR_LENGTH_MAX {
                return refuse(format!(
                    "length for type {sql} cannot exceed {VARCHAR_LENGTH_MAX}"
                ));
            }
            *length as i32 + 4
        }
        (oid::TIME | oid::TIMESTAMP | oid::TIMESTAMPTZ, [precision]) => {
            if !(0..=6).contains(precision) {
                return refuse(format!("precision {precision} must be between 0 and 6"));
            }
            *precision as i32
        }
        _ => {
            return refuse(format!(
                "type modifier is not allowed for type \"{}\"",
                pg_type.typname()
            ));
        }
    };
    Ok(PgType { typmod, ..pg_type })
}

fn interval(fields: &[&str], modifiers: &[i64]) -> Option<Result<PgType, TypeError>> {
    let bit = |word: &str| INTERVAL_FIELDS.iter().position(|(_, name)| *name == word);
    let range = match fields {
        [] => INTERVAL_FULL_RANGE,
        [one] => INTERVAL_FIELDS[bit(one)?].0,
        [from, "to", until] => {
            let (from, until) = (bit(from)?, bit(until)?);
            // year to month, or within day to second: nothing crosses from months to days.
            if from >= until || (from < 2) != (until < 2) {
                return None;
            }
            INTERVAL_FIELDS[from..=until]
                .iter()
                .map(|(bit, _)| bit)
                .sum()
        }
        _ => return None,
    };
    let precision = match modifiers {
        [] => INTERVAL_FULL_PRECISION,
        [precision @ 0..=6] => *precision as i32,
        _ => {
            return Some(Err(TypeError::Modifier {
                message: "interval precision must be between 0 and 6".into(),
            }));
        }
    };
    let typmod = if range == INTERVAL_FULL_RANGE && precision == INTERVAL_FULL_PRECISION {
        -1
    } else {
        (range << 16) | precision
    };
    Some(Ok(PgType {
        oid: oid::INTERVAL,
        typmod,
    }))
}

/// The spelling of `format_type`.
pub(super) fn format_type(pg_type: PgType) -> String {
    if let Some(element) = pg_type.element() {
        return format!("{}[]", format_type(element));
    }
    let Some(known) = known::scalar(pg_type.oid) else {
        return "???".to_string();
    };
    let typmod = pg_type.typmod;
    if typmod < 0 {
        // CHARACTER alone would mean CHARACTER(1), so an unlimited one has only its internal name.
        return if pg_type.oid == oid::BPCHAR {
            "bpchar".into()
        } else {
            known.sql.into()
        };
    }
    match pg_type.oid {
        oid::VARCHAR | oid::BPCHAR => format!("{}({})", known.sql, typmod - 4),
        oid::NUMERIC => match pg_type.precision_scale() {
            Some((precision, scale)) => format!("numeric({precision},{scale})"),
            None => known.sql.into(),
        },
        oid::TIME => format!("time({typmod}) without time zone"),
        oid::TIMESTAMP => format!("timestamp({typmod}) without time zone"),
        oid::TIMESTAMPTZ => format!("timestamp({typmod}) with time zone"),
        oid::INTERVAL => interval_name(typmod),
        oid::MODEL => model_name(typmod),
        _ => known.sql.into(),
    }
}

fn interval_name(typmod: i32) -> String {
    let (range, precision) = (
        typmod >> 16 & INTERVAL_FULL_RANGE,
        typmod & INTERVAL_FULL_PRECISION,
    );
    let mut name = String::from("interval");
    if range != INTERVAL_FULL_RANGE {
        let held: Vec<&str> = INTERVAL_FIELDS
            .iter()
            .filter(|(bit, _)| range & bit != 0)
            .map(|(_, name)| *name)
            .collect();
        if let (Some(first), Some(last)) = (held.first(), held.last()) {
            name.push(' ');
            name.push_str(first);
            if held.len() > 1 {
                name.push_str(" to ");
                name.push_str(last);
            }
        }
    }
    if precision != INTERVAL_FULL_PRECISION {
        name.push_str(&format!("({precision})"));
    }
    name
}

/// The spelling kept in field metadata: the short names that people write in DDL.
pub(super) fn short(pg_type: PgType) -> String {
    if let Some(element) = pg_type.element() {
        return format!("{}[]", short(element));
    }
    let Some(known) = known::scalar(pg_type.oid) else {
        return pg_type.oid.to_string();
    };
    let typmod = pg_type.typmod;
    match pg_type.oid {
        oid::CHAR => "\"char\"".into(),
        oid::BPCHAR if typmod >= 4 => format!("char({})", typmod - 4),
        oid::VARCHAR if typmod >= 4 => format!("varchar({})", typmod - 4),
        oid::TIME | oid::TIMESTAMP | oid::TIMESTAMPTZ if typmod >= 0 => {
            format!("{}({typmod})", known.name)
        }
        oid::NUMERIC | oid::INTERVAL | oid::MODEL => format_type(pg_type),
        _ => known.name.into(),
    }
}

/// `numeric(p,s)` within what a Delta table can hold.
pub(super) fn check_numeric(precision: i64, scale: i64) -> Result<(), TypeError> {
    if !(1..=NUMERIC_PRECISION_MAX).contains(&precision) {
        return Err(TypeError::Modifier {
            message: format!(
                "NUMERIC precision {precision} must be between 1 and {NUMERIC_PRECISION_MAX}"
            ),
        });
    }
    if !(0..=precision).contains(&scale) {
        return Err(TypeError::Modifier {
            message: format!("NUMERIC scale {scale} must be between 0 and precision {precision}"),
        });
    }
    Ok(())
}
