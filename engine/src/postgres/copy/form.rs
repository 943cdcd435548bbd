//! Which of COPY's options go together, and what do they default to?

use crate::parser::{CopyFormat, CopyOptions};
use crate::postgres::types::error::{NOT_SUPPORTED, ValueError};

const SYNTAX_ERROR: &str = "42601";
const INVALID_PARAMETER: &str = "22023";
const UNDEFINED_COLUMN: &str = "42703";
/// Bytes that mean something behind a backslash in the text format.
const TEXT_RESERVED: &[u8] = b"\\.abcdefghijklmnopqrstuvwxyz0123456789";

/// What the first line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// data
    Absent,
    /// column names; skipped when reading
    Present,
    /// column names that must be those of the table
    Match,
}

/// Checked options of one COPY over known columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyForm {
    /// text, CSV or binary
    pub format: CopyFormat,
    /// between values
    pub delimiter: u8,
    /// what stands for NULL
    pub null: String,
    /// the first line
    pub header: Header,
    /// around values of CSV
    pub quote: u8,
    /// before a quote inside quotes
    pub escape: u8,
    /// per column: always quoted when written
    pub force_quote: Vec<bool>,
    /// per column: a quoted NULL text is NULL too
    pub force_null: Vec<bool>,
    /// per column: never NULL
    pub force_not_null: Vec<bool>,
}

impl CopyForm {
    /// Checks options against each other and the names of the columns copied.
    pub fn check(options: &CopyOptions, columns: &[String]) -> Result<CopyForm, ValueError> {
        let is_csv = options.format == CopyFormat::Csv;
        if options.format == CopyFormat::Binary {
            refuse_in_binary(options)?;
        }
        if !is_csv {
            refuse_outside_csv(options)?;
        }
        let delimiter = one_byte(
            options.delimiter.as_deref(),
            "delimiter",
            if is_csv { b',' } else { b'\t' },
        )?;
        let null = options
            .null
            .clone()
            .unwrap_or_else(|| if is_csv { "" } else { "\\N" }.to_string());
        let quote = one_byte(options.quote.as_deref(), "quote", b'"')?;
        let escape = one_byte(options.escape.as_deref(), "escape", quote)?;
        let form = CopyForm {
            format: options.format,
            delimiter,
            null,
            header: match (options.header, options.header_match) {
                (_, true) => Header::Match,
                (true, false) => Header::Present,
                (false, false) => Header::Absent,
            },
            quote,
            escape,
            force_quote: match &options.force_quote {
                Some(names) if names.is_empty() => vec![true; columns.len()],
                Some(names) => marked(names, columns, "FORCE_QUOTE")?,
                None => vec![false; columns.len()],
            },
            force_null: marked(&options.force_null, columns, "FORCE_NULL")?,
            force_not_null: marked(&options.force_not_null, columns, "FORCE_NOT_NULL")?,
        };
        form.check_bytes()?;
        Ok(form)
    }

    fn check_bytes(&self) -> Result<(), ValueError> {
        let invalid = |message: &str| Err(ValueError::new(INVALID_PARAMETER, message));
        let is_csv = self.format == CopyFormat::Csv;
        if matches!(self.delimiter, b'\n' | b'\r') {
            return invalid("COPY delimiter cannot be newline or carriage return");
        }
        if self.null.contains(['\n', '\r']) {
            return invalid("COPY null representation cannot use newline or carriage return");
        }
        if !is_csv && TEXT_RESERVED.contains(&self.delimiter) {
            let delimiter = char::from(self.delimiter);
            return invalid(&format!("COPY delimiter cannot be \"{delimiter}\""));
        }
        if is_csv && self.delimiter == self.quote {
            return invalid("COPY delimiter and quote must be different");
        }
        if self.null.as_bytes().contains(&self.delimiter) {
            return Err(ValueError::new(
                NOT_SUPPORTED,
                "COPY delimiter must not appear in the NULL specification",
            ));
        }
        if is_csv && self.null.as_bytes().contains(&self.quote) {
            let message = "CSV quote character must not appear in the NULL specification";
            return Err(ValueError::new(NOT_SUPPORTED, message));
        }
        Ok(())
    }
}

fn refuse_in_binary(options: &CopyOptions) -> Result<(), ValueError> {
    let refused = [
        (options.delimiter.is_some(), "DELIMITER"),
        (options.null.is_some(), "NULL"),
        (options.header || options.header_match, "HEADER"),
    ];
    match refused.iter().find(|(given, _)| *given) {
        Some((_, name)) => Err(ValueError::new(
            SYNTAX_ERROR,
            format!("cannot specify {name} in BINARY mode"),
        )),
        None => Ok(()),
    }
}

fn refuse_outside_csv(options: &CopyOptions) -> Result<(), ValueError> {
    let refused = [
        (options.quote.is_some(), "quote"),
        (options.escape.is_some(), "escape"),
        (options.force_quote.is_some(), "force quote"),
        (!options.force_not_null.is_empty(), "force not null"),
        (!options.force_null.is_empty(), "force null"),
    ];
    match refused.iter().find(|(given, _)| *given) {
        Some((_, name)) => Err(ValueError::new(
            NOT_SUPPORTED,
            format!("COPY {name} available only in CSV mode"),
        )),
        None => Ok(()),
    }
}

fn one_byte(text: Option<&str>, name: &str, default: u8) -> Result<u8, ValueError> {
    match text.map(str::as_bytes) {
        None => Ok(default),
        Some([byte]) => Ok(*byte),
        Some(_) => Err(ValueError::new(
            NOT_SUPPORTED,
            format!("COPY {name} must be a single one-byte character"),
        )),
    }
}

fn marked(names: &[String], columns: &[String], option: &str) -> Result<Vec<bool>, ValueError> {
    if let Some(unknown) = names.iter().find(|name| !columns.contains(name)) {
        return Err(ValueError::new(
            UNDEFINED_COLUMN,
            format!("{option} column \"{unknown}\" not referenced by COPY"),
        ));
    }
    Ok(columns
        .iter()
        .map(|column| names.contains(column))
        .collect())
}
