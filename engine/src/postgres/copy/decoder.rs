//! How do the chunks of COPY … FROM STDIN become batches of a table's columns?

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::binary::BinaryRows;
use super::csv::{self, Shape};
use super::form::{CopyForm, Header};
use super::lines::Lines;
use super::sink::{Sink, Value};
use super::text;
use crate::error::PgError;
use crate::parser::CopyFormat;
use crate::postgres::types::builder::text_of;
use crate::postgres::types::error::ValueError;
use crate::postgres::types::settings::FormatSettings;

/// Alone on a line, it ends the data.
const END_OF_DATA: &[u8] = b"\\.";
const BYTE_ORDER_MARK: &[u8] = "\u{FEFF}".as_bytes();

/// Reads COPY data of any of the three formats.
pub struct CopyDecoder {
    form: CopyForm,
    sink: Sink,
    input: Input,
    /// `\.` has been seen; what follows is not looked at
    ended: bool,
}

enum Input {
    Lines(Lines),
    Binary(BinaryRows),
}

impl CopyDecoder {
    /// A decoder into batches of `schema`, the logical columns copied in their order; `relation` is for
    /// errors.
    pub fn new(
        form: CopyForm,
        schema: SchemaRef,
        relation: &str,
        settings: &FormatSettings,
    ) -> Result<CopyDecoder, ValueError> {
        let input = match form.format {
            CopyFormat::Binary => Input::Binary(BinaryRows::new()),
            CopyFormat::Text | CopyFormat::Csv => Input::Lines(Lines::new(&form)),
        };
        let sink = Sink::new(&form, schema, relation, settings)?;
        Ok(CopyDecoder {
            form,
            sink,
            input,
            ended: false,
        })
    }

    /// Takes a chunk, which may end anywhere, and appends the batches that are complete.
    pub fn push(&mut self, chunk: &[u8], batches: &mut Vec<RecordBatch>) -> Result<(), PgError> {
        let lines = match &mut self.input {
            Input::Binary(rows) => return rows.push(chunk, &mut self.sink, batches),
            Input::Lines(lines) => lines,
        };
        if self.ended {
            return Ok(());
        }
        lines.push(chunk);
        while let Some(line) = lines.next_line() {
            if line == END_OF_DATA {
                self.ended = true;
                return Ok(());
            }
            batches.extend(take_line(&mut self.sink, &self.form, line)?);
        }
        Ok(())
    }

    /// Reads what is left and appends the last batch; the number of rows of all batches.
    pub fn finish(&mut self, batches: &mut Vec<RecordBatch>) -> Result<u64, PgError> {
        match &mut self.input {
            Input::Binary(rows) => rows.finish(&self.sink)?,
            Input::Lines(lines) if !self.ended => {
                let (line, in_quotes) = lines.rest();
                if in_quotes {
                    self.sink.line += 1;
                    let error = ValueError::new(
                        super::sink::BAD_COPY_FORMAT,
                        "unterminated CSV quoted field",
                    );
                    return Err(self
                        .sink
                        .located(error, Some(&String::from_utf8_lossy(line))));
                }
                if !line.is_empty() && line != END_OF_DATA {
                    batches.extend(take_line(&mut self.sink, &self.form, line)?);
                }
            }
            Input::Lines(_) => {}
        }
        batches.extend(self.sink.take_batch()?);
        Ok(self.sink.rows())
    }

    /// Rows read so far.
    pub fn rows(&self) -> u64 {
        self.sink.rows()
    }
}

fn take_line(
    sink: &mut Sink,
    form: &CopyForm,
    line: &[u8],
) -> Result<Option<RecordBatch>, PgError> {
    let line = if sink.line == 0 {
        line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line)
    } else {
        line
    };
    let is_header = sink.line == 0 && form.header != Header::Absent;
    sink.line += 1;
    let line = text_of(line).map_err(|error| sink.located(error, None))?;
    if is_header {
        let names = header_names(form, line).map_err(|error| sink.located(error, Some(line)))?;
        sink.check_header(&names, form.header, line)?;
        return Ok(None);
    }
    match form.format {
        CopyFormat::Csv => take_csv(sink, form, line)?,
        _ => take_text(sink, form, line)?,
    }
    sink.end_row(line.len() + 1)
}

/// The fields of a header line.
pub(super) fn header_names(form: &CopyForm, line: &str) -> Result<Vec<String>, ValueError> {
    match form.format {
        CopyFormat::Csv => csv::Fields::new(line, Shape::of(form))
            .map(|field| field.map(|field| field.value.into_owned()))
            .collect(),
        _ => text::Fields::new(line, form.delimiter)
            .map(|field| field.map(|field| field.value.into_owned()))
            .collect(),
    }
}

fn take_csv(sink: &mut Sink, form: &CopyForm, line: &str) -> Result<(), PgError> {
    let mut fields = csv::Fields::new(line, Shape::of(form));
    for at in 0..sink.column_count() {
        let field = match fields.next() {
            Some(Ok(field)) => field,
            Some(Err(error)) => return Err(sink.located(error, Some(line))),
            None => return Err(sink.missing_column(at, line)),
        };
        let is_null = !field.quoted && *field.value == *form.null;
        sink.append(
            at,
            Value {
                text: &field.value,
                is_null,
                quoted: field.quoted,
            },
        )?;
    }
    match fields.next() {
        Some(_) => Err(sink.extra_data(line)),
        None => Ok(()),
    }
}

fn take_text(sink: &mut Sink, form: &CopyForm, line: &str) -> Result<(), PgError> {
    let mut fields = text::Fields::new(line, form.delimiter);
    for at in 0..sink.column_count() {
        let field = match fields.next() {
            Some(Ok(field)) => field,
            Some(Err(error)) => return Err(sink.located(error, Some(line))),
            None => return Err(sink.missing_column(at, line)),
        };
        let is_null = field.raw == form.null;
        sink.append(
            at,
            Value {
                text: &field.value,
                is_null,
                quoted: false,
            },
        )?;
    }
    match fields.next() {
        Some(_) => Err(sink.extra_data(line)),
        None => Ok(()),
    }
}
