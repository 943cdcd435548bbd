//! How do the rows of a result become messages?
//!
//! Columns are written one after the other for a block of rows, so that each loop knows its type; then the
//! block's messages are put together.

use std::ops::Range;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema};
use bytes::BytesMut;
use tarn_catalog::types::PgType;

use super::cell::{Column, Target, cell};
use super::error::{PROTOCOL, ValueError};
use super::settings::{Format, FormatSettings};

/// Field metadata keys that tell which table's column a result column is.
pub const TABLE_OID_KEY: &str = "tarn.table_oid";
/// See [`TABLE_OID_KEY`].
pub const ATTNUM_KEY: &str = "tarn.attnum";

/// Rows whose columns are written before their messages are: their bytes stay in the cache.
const BLOCK_ROWS: usize = 512;
/// Tag, length and field count.
const MESSAGE_HEAD_BYTES: usize = 7;
const LENGTH_BYTES: usize = 4;
const MESSAGE_BYTES_MAX: usize = i32::MAX as usize;

/// One column of a RowDescription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldDescription {
    /// as the client sees it
    pub name: String,
    /// OID of the table it is a column of, 0 for none
    pub table_oid: u32,
    /// `pg_attribute.attnum`, 0 for none
    pub attnum: i16,
    /// type and modifier
    pub pg_type: PgType,
    /// `pg_type.typlen`
    pub typlen: i16,
    /// how its values are sent
    pub format: Format,
}

impl FieldDescription {
    /// What a client is told of an Arrow field.
    pub fn of_field(field: &Field, format: Format) -> FieldDescription {
        let number = |key: &str| field.metadata().get(key).map(|text| text.as_str());
        let pg_type = PgType::of_field(field);
        FieldDescription {
            name: field.name().clone(),
            table_oid: number(TABLE_OID_KEY)
                .and_then(|text| text.parse().ok())
                .unwrap_or(0),
            attnum: number(ATTNUM_KEY)
                .and_then(|text| text.parse().ok())
                .unwrap_or(0),
            pg_type,
            typlen: pg_type.typlen(),
            format,
        }
    }
}

/// Describes every column; `formats` as in a Bind message: none means text, one counts for all.
pub fn describe(schema: &Schema, formats: &[Format]) -> Result<Vec<FieldDescription>, ValueError> {
    let count = schema.fields().len();
    if formats.len() > 1 && formats.len() != count {
        return Err(ValueError::new(
            PROTOCOL,
            format!(
                "bind message has {} result formats but query has {count} columns",
                formats.len()
            ),
        ));
    }
    let format = |at: usize| match formats {
        [] => Format::Text,
        [one] => *one,
        many => many[at],
    };
    Ok(schema
        .fields()
        .iter()
        .enumerate()
        .map(|(at, field)| FieldDescription::of_field(field, format(at)))
        .collect())
}

/// Writes the rows of one result as DataRow messages.
#[derive(Debug)]
pub struct RowEncoder {
    fields: Vec<FieldDescription>,
    settings: FormatSettings,
    columns: Vec<Column>,
}

impl RowEncoder {
    /// An encoder for batches of a schema; `formats` as for [`describe`].
    pub fn new(
        schema: &Schema,
        formats: &[Format],
        settings: FormatSettings,
    ) -> Result<RowEncoder, ValueError> {
        let fields = describe(schema, formats)?;
        let columns = fields.iter().map(|_| Column::default()).collect();
        Ok(RowEncoder {
            fields,
            settings,
            columns,
        })
    }

    /// The columns, as in the RowDescription.
    pub fn fields(&self) -> &[FieldDescription] {
        &self.fields
    }

    /// Appends rows of a batch as DataRow messages. After an error nothing has been appended of its block.
    pub fn encode(
        &mut self,
        batch: &RecordBatch,
        rows: Range<usize>,
        out: &mut BytesMut,
    ) -> Result<(), ValueError> {
        let field_count = (self.fields.len() as u16).to_be_bytes();
        self.blocks(batch, rows, |columns, block_rows| {
            assemble(columns, block_rows, field_count, out)
        })
    }

    /// The values of one row in text; `None` is NULL.
    pub fn texts(
        &mut self,
        batch: &RecordBatch,
        row: usize,
    ) -> Result<Vec<Option<String>>, ValueError> {
        let mut texts = Vec::with_capacity(batch.num_columns());
        self.blocks(batch, row..row + 1, |columns, _| {
            texts.extend(columns.iter().map(|column| {
                let has_value = column.lens.first().is_some_and(|len| *len >= 0);
                has_value.then(|| String::from_utf8_lossy(&column.bytes).into_owned())
            }));
            Ok(())
        })?;
        Ok(texts)
    }

    /// Writes columns block by block and hands each block on.
    pub(in crate::postgres) fn blocks(
        &mut self,
        batch: &RecordBatch,
        rows: Range<usize>,
        mut each: impl FnMut(&[Column], usize) -> Result<(), ValueError>,
    ) -> Result<(), ValueError> {
        if batch.num_columns() != self.fields.len() {
            return Err(ValueError::new(
                "XX000",
                "a batch has not as many columns as its description",
            ));
        }
        let settings = &self.settings;
        let cells = batch
            .columns()
            .iter()
            .zip(&self.fields)
            .map(|(array, field)| {
                cell(
                    array.as_ref(),
                    Target {
                        pg_type: field.pg_type,
                        format: field.format,
                        settings,
                    },
                )
            })
            .collect::<Result<Vec<_>, _>>()?;
        let end = rows.end.min(batch.num_rows());
        let mut start = rows.start;
        while start < end {
            let block = start..(start + BLOCK_ROWS).min(end);
            for (cell, column) in cells.iter().zip(&mut self.columns) {
                column.clear();
                cell.write_rows(block.clone(), column)
                    .map_err(|error| *error)?;
            }
            each(&self.columns, block.len())?;
            start = block.end;
        }
        Ok(())
    }
}

fn assemble(
    columns: &[Column],
    row_count: usize,
    field_count: [u8; 2],
    out: &mut BytesMut,
) -> Result<(), ValueError> {
    let head_bytes = MESSAGE_HEAD_BYTES + LENGTH_BYTES * columns.len();
    let value_bytes: usize = columns.iter().map(|column| column.bytes.len()).sum();
    let first = out.len();
    out.resize(first + head_bytes * row_count + value_bytes, 0);
    let mut messages = &mut out[first..];
    let mut places = vec![0usize; columns.len()];
    for row in 0..row_count {
        let values: usize = columns
            .iter()
            .map(|column| column.lens[row].max(0) as usize)
            .sum();
        let message_bytes = head_bytes + values;
        if message_bytes > MESSAGE_BYTES_MAX {
            out.truncate(first);
            return Err(ValueError::new("54000", "row is larger than 2 GB"));
        }
        let (message, rest) = messages.split_at_mut(message_bytes);
        messages = rest;
        message[0] = b'D';
        message[1..5].copy_from_slice(&(message_bytes as u32 - 1).to_be_bytes());
        message[5..7].copy_from_slice(&field_count);
        let mut at = MESSAGE_HEAD_BYTES;
        for (column, place) in columns.iter().zip(&mut places) {
            let len = column.lens[row];
            message[at..at + LENGTH_BYTES].copy_from_slice(&len.to_be_bytes());
            at += LENGTH_BYTES;
            let value = &column.bytes[*place..*place + len.max(0) as usize];
            message[at..at + value.len()].copy_from_slice(value);
            at += value.len();
            *place += value.len();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
