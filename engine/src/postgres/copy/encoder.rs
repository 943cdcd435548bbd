//! How do rows become the messages of COPY … TO STDOUT?
//!
//! One CopyData message per row, as PostgreSQL sends them: some drivers take a message for a row.

use std::ops::Range;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use bytes::{BufMut, BytesMut};

use super::binary::SIGNATURE;
use super::csv;
use super::form::{CopyForm, Header};
use super::text;
use crate::parser::CopyFormat;
use crate::postgres::types::error::ValueError;
use crate::postgres::types::row::RowEncoder;
use crate::postgres::types::settings::{Format, FormatSettings};

/// Writes batches as CopyData messages.
pub struct CopyEncoder {
    form: CopyForm,
    rows: RowEncoder,
    /// one row, reused
    line: Vec<u8>,
    /// what goes into the same message as the first row
    prefix: Vec<u8>,
}

impl CopyEncoder {
    /// An encoder for batches of a schema.
    pub fn new(
        form: CopyForm,
        schema: &Schema,
        settings: FormatSettings,
    ) -> Result<CopyEncoder, ValueError> {
        let format = if form.format == CopyFormat::Binary {
            Format::Binary
        } else {
            Format::Text
        };
        let rows = RowEncoder::new(schema, &[format], settings)?;
        Ok(CopyEncoder {
            form,
            rows,
            line: Vec::new(),
            prefix: Vec::new(),
        })
    }

    /// Overall format and formats of the columns for the CopyOutResponse.
    pub fn formats(&self) -> (i8, Vec<i16>) {
        let code = i16::from(self.form.format == CopyFormat::Binary);
        (code as i8, vec![code; self.rows.fields().len()])
    }

    /// Appends what stands before the rows: column names, or the signature.
    pub fn start(&mut self, out: &mut BytesMut) {
        self.line.clear();
        match self.form.format {
            CopyFormat::Binary => {
                // Drivers that take a message for a row look for it before the first one.
                self.prefix.extend_from_slice(SIGNATURE);
                self.prefix.extend_from_slice(&[0; 8]);
                return;
            }
            _ if self.form.header == Header::Absent => return,
            format => {
                let is_only = self.rows.fields().len() == 1;
                for (at, field) in self.rows.fields().iter().enumerate() {
                    if at > 0 {
                        self.line.push(self.form.delimiter);
                    }
                    let name = field.name.as_bytes();
                    match format {
                        CopyFormat::Csv => {
                            csv::push_value(&mut self.line, name, &self.form, false, is_only)
                        }
                        _ => text::push_escaped(&mut self.line, name, self.form.delimiter),
                    }
                }
                self.line.push(b'\n');
            }
        }
        push_message(out, &self.line);
    }

    /// Appends rows of a batch.
    pub fn encode(
        &mut self,
        batch: &RecordBatch,
        rows: Range<usize>,
        out: &mut BytesMut,
    ) -> Result<(), ValueError> {
        let CopyEncoder {
            form,
            rows: encoder,
            line,
            prefix,
        } = self;
        encoder.blocks(batch, rows, |columns, row_count| {
            let mut places = vec![0usize; columns.len()];
            let is_only = columns.len() == 1;
            for row in 0..row_count {
                line.clear();
                if form.format == CopyFormat::Binary {
                    line.append(prefix);
                    line.extend_from_slice(&(columns.len() as i16).to_be_bytes());
                }
                for (at, (column, place)) in columns.iter().zip(&mut places).enumerate() {
                    let len = column.lens[row];
                    let value = usize::try_from(len)
                        .ok()
                        .map(|len| &column.bytes[*place..*place + len]);
                    *place += value.map_or(0, <[u8]>::len);
                    if at > 0 && form.format != CopyFormat::Binary {
                        line.push(form.delimiter);
                    }
                    match (form.format, value) {
                        (CopyFormat::Binary, value) => {
                            line.extend_from_slice(&len.to_be_bytes());
                            line.extend_from_slice(value.unwrap_or_default());
                        }
                        (_, None) => line.extend_from_slice(form.null.as_bytes()),
                        (CopyFormat::Text, Some(value)) => {
                            text::push_escaped(line, value, form.delimiter)
                        }
                        (CopyFormat::Csv, Some(value)) => {
                            let force_quote = form.force_quote.get(at).copied().unwrap_or(false);
                            csv::push_value(line, value, form, force_quote, is_only);
                        }
                    }
                }
                if form.format != CopyFormat::Binary {
                    line.push(b'\n');
                }
                push_message(out, line);
            }
            Ok(())
        })
    }

    /// Appends what stands behind the rows.
    pub fn finish(&mut self, out: &mut BytesMut) {
        if self.form.format == CopyFormat::Binary {
            let mut end = std::mem::take(&mut self.prefix);
            end.extend_from_slice(&(-1i16).to_be_bytes());
            push_message(out, &end);
        }
    }
}

fn push_message(out: &mut BytesMut, payload: &[u8]) {
    out.reserve(payload.len() + 5);
    out.put_u8(b'd');
    out.put_u32(payload.len() as u32 + 4);
    out.extend_from_slice(payload);
}
