//! Which columns and types does a CSV file have?
//!
//! For `\copy … WITH (CREATE)` and `read_csv`: rows are looked at one by one, in chunks that end anywhere, and
//! a column's type is the narrowest that all its values have. Empty means NULL.

use tarn_catalog::types::PgType;

use super::decoder::header_names;
use super::form::{CopyForm, Header};
use super::lines::Lines;
use crate::error::PgError;
use crate::postgres::types::error::ValueError;
use crate::postgres::types::plain::{PlainKind, plain_kind};

/// Looks at rows and remembers what types remain possible.
pub struct CsvInference {
    form: CopyForm,
    lines: Lines,
    names: Option<Vec<String>>,
    columns: Vec<Seen>,
    rows: usize,
    ended: bool,
}

/// Which kinds of values a column has had.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    booleans: bool,
    integers: bool,
    /// integers beyond 64 bits
    long_integers: bool,
    floats: bool,
    dates: bool,
    timestamps: bool,
    zoned_timestamps: bool,
    texts: bool,
}

impl Seen {
    fn add(&mut self, text: &str) {
        match plain_kind(text) {
            PlainKind::Boolean => self.booleans = true,
            PlainKind::Integer => self.integers = true,
            PlainKind::LongInteger => self.long_integers = true,
            PlainKind::Float => self.floats = true,
            PlainKind::Date => self.dates = true,
            PlainKind::Timestamp => self.timestamps = true,
            PlainKind::Timestamptz => self.zoned_timestamps = true,
            PlainKind::Text => self.texts = true,
        }
    }

    fn pg_type(self) -> PgType {
        let numbers = self.integers || self.long_integers || self.floats;
        let moments = self.dates || self.timestamps || self.zoned_timestamps;
        match (self.texts, self.booleans, numbers, moments) {
            (false, true, false, false) => PgType::BOOL,
            (false, false, true, false) if self.floats => PgType::FLOAT8,
            (false, false, true, false) if self.long_integers => {
                PgType::numeric(38, 0).unwrap_or(PgType::NUMERIC)
            }
            (false, false, true, false) => PgType::INT8,
            // A moment with a zone and one without are not the same kind of thing.
            (false, false, false, true) if self.zoned_timestamps => {
                if self.dates || self.timestamps {
                    PgType::TEXT
                } else {
                    PgType::TIMESTAMPTZ
                }
            }
            (false, false, false, true) if self.timestamps => PgType::TIMESTAMP,
            (false, false, false, true) => PgType::DATE,
            _ => PgType::TEXT,
        }
    }
}

impl CsvInference {
    /// Starts with no rows; `form` says how lines are taken apart and whether there is a header.
    pub fn new(form: CopyForm) -> CsvInference {
        let lines = Lines::new(&form);
        CsvInference {
            form,
            lines,
            names: None,
            columns: Vec::new(),
            rows: 0,
            ended: false,
        }
    }

    /// Looks at the rows of a chunk that are complete.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), PgError> {
        self.lines.push(chunk);
        loop {
            let line = match self.lines.next_line() {
                Some(line) => String::from_utf8_lossy(line).into_owned(),
                None => return Ok(()),
            };
            self.ended |= line == "\\.";
            if !self.ended {
                self.line(&line)?;
            }
        }
    }

    /// Rows looked at so far.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Names and types of the columns; a last line without its end counts only if `is_whole`.
    pub fn finish(mut self, is_whole: bool) -> Result<Vec<(String, PgType)>, PgError> {
        let (rest, in_quotes) = self.lines.rest();
        let rest = String::from_utf8_lossy(rest).into_owned();
        // With nothing else to go by, a half line is better than none.
        let is_needed = is_whole || (self.rows == 0 && self.names.is_none());
        if !rest.is_empty() && is_needed && !in_quotes && !self.ended && rest != "\\." {
            self.line(&rest)?;
        }
        let names = match self.names {
            Some(names) => names,
            None => (1..=self.columns.len())
                .map(|at| format!("column{at}"))
                .collect(),
        };
        let seen = self
            .columns
            .iter()
            .copied()
            .chain(std::iter::repeat(Seen::default()));
        Ok(names.into_iter().zip(seen.map(Seen::pg_type)).collect())
    }

    fn line(&mut self, line: &str) -> Result<(), PgError> {
        let line = line.trim_start_matches('\u{FEFF}');
        if self.names.is_none() && self.form.header != Header::Absent {
            let names = header_names(&self.form, line)?;
            self.columns = vec![Seen::default(); names.len()];
            self.names = Some(column_names(&names));
            return Ok(());
        }
        let values = header_names(&self.form, line)?;
        if self.rows == 0 && self.names.is_none() {
            self.columns = vec![Seen::default(); values.len()];
        }
        self.rows += 1;
        if values.len() != self.columns.len() {
            let (line_number, expected) = (
                self.rows + usize::from(self.names.is_some()),
                self.columns.len(),
            );
            let message = format!(
                "line {line_number} has {} columns, expected {expected}",
                values.len()
            );
            return Err(ValueError::new(super::sink::BAD_COPY_FORMAT, message).into());
        }
        for (seen, value) in self.columns.iter_mut().zip(&values) {
            if *value != self.form.null && !value.is_empty() {
                seen.add(value);
            }
        }
        Ok(())
    }
}

/// Names and types of a CSV file by its first bytes; the last line is left out unless the sample is the file.
pub fn infer_csv_schema(
    sample: &[u8],
    form: &CopyForm,
    is_whole: bool,
) -> Result<Vec<(String, PgType)>, PgError> {
    let mut inference = CsvInference::new(form.clone());
    inference.push(sample)?;
    inference.finish(is_whole)
}

/// Names that need no quotes in SQL: lower case, letters, digits and underscores, each once.
pub fn column_names(header: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(header.len());
    for (at, title) in header.iter().enumerate() {
        let mut name = String::new();
        for c in title.trim().chars().flat_map(char::to_lowercase) {
            if c.is_alphanumeric() || c == '_' {
                name.push(c);
            } else if !name.ends_with('_') {
                name.push('_');
            }
        }
        let trimmed = name.trim_matches('_');
        name = match trimmed.chars().next() {
            None => format!("column{}", at + 1),
            Some(first) if first.is_numeric() => format!("_{trimmed}"),
            Some(_) => trimmed.to_string(),
        };
        let mut unique = name.clone();
        let mut copy = 2;
        while names.contains(&unique) {
            unique = format!("{name}_{copy}");
            copy += 1;
        }
        names.push(unique);
    }
    names
}
