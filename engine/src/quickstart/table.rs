//! How does a row set look on a terminal? As psql prints it.

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use bytes::BytesMut;

use crate::error::PgError;
use crate::postgres::types::row::RowEncoder;
use crate::postgres::types::settings::FormatSettings;

/// Header, rule, rows and count.
pub fn text(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<String, PgError> {
    let names: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    let rows = cells(schema, batches)?;
    let widths: Vec<usize> = (0..names.len())
        .map(|column| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0).max(names[column].chars().count())
        })
        .collect();
    let numeric: Vec<bool> = schema
        .fields()
        .iter()
        .map(|field| is_number(field.data_type()))
        .collect();
    let mut lines = Vec::with_capacity(rows.len() + 3);
    let header: Vec<String> = names
        .iter()
        .zip(&widths)
        .map(|(name, width)| format!("{name:^width$}"))
        .collect();
    lines.push(format!(" {} ", header.join(" | ")).trim_end().to_string());
    let rules: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
    lines.push(rules.join("+"));
    for row in &rows {
        let padded: Vec<String> = row
            .iter()
            .zip(&widths)
            .zip(&numeric)
            .map(|((cell, width), right)| match right {
                true => format!("{cell:>width$}"),
                false => format!("{cell:<width$}"),
            })
            .collect();
        lines.push(format!(" {} ", padded.join(" | ")).trim_end().to_string());
    }
    let plural = if rows.len() == 1 { "" } else { "s" };
    lines.push(format!("({} row{plural})", rows.len()));
    Ok(lines.join("\n"))
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric()
}

/// The cells as the wire sends them in text.
fn cells(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Vec<Vec<String>>, PgError> {
    let mut encoder = RowEncoder::new(schema, &[], FormatSettings::default())?;
    let mut rows = Vec::new();
    for batch in batches {
        let mut wire = BytesMut::new();
        encoder.encode(batch, 0..batch.num_rows(), &mut wire)?;
        let mut rest: &[u8] = &wire;
        while let Some(row) = take_row(&mut rest) {
            rows.push(row);
        }
    }
    Ok(rows)
}

/// One DataRow message: tag, length, number of fields, then length and bytes of each.
fn take_row(rest: &mut &[u8]) -> Option<Vec<String>> {
    let (_, after_tag) = rest.split_first()?;
    let (_, body) = after_tag.split_at_checked(4)?;
    let (count, mut body) = body.split_at_checked(2)?;
    let count = u16::from_be_bytes([count[0], count[1]]);
    let mut row = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let (length, after) = body.split_at_checked(4)?;
        let length = i32::from_be_bytes([length[0], length[1], length[2], length[3]]);
        body = after;
        match usize::try_from(length) {
            Ok(length) => {
                let (value, after) = body.split_at_checked(length)?;
                row.push(String::from_utf8_lossy(value).into_owned());
                body = after;
            }
            Err(_) => row.push(String::new()),
        }
    }
    *rest = body;
    Some(row)
}
