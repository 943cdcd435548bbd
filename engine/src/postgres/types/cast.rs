//! What are the values of a column as text, and what does a column of texts mean as another type?
//!
//! `x::text` gives what a client reads of `x`, and `t::date` takes what a literal may be.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, StringBuilder};
use arrow::datatypes::DataType;
use tarn_catalog::types::{PgType, oid};

use super::builder::builder;
use super::cell::{Target, cell};
use super::error::ValueError;
use super::settings::{Format, FormatSettings};

/// Bytes that a text has room for before its column grows.
const TEXT_BYTES: usize = 16;

/// A column as texts.
pub fn texts_of(
    array: &dyn Array,
    pg_type: PgType,
    settings: &FormatSettings,
) -> Result<StringArray, ValueError> {
    if *array.data_type() == DataType::Boolean {
        // The one type whose cast to text is not what clients read.
        let word = |value| if value { "true" } else { "false" };
        let words = array.as_boolean().iter().map(|value| value.map(word));
        return Ok(words.collect());
    }
    output_of(array, pg_type, settings)
}

/// A column as the texts that clients read.
pub fn output_of(
    array: &dyn Array,
    pg_type: PgType,
    settings: &FormatSettings,
) -> Result<StringArray, ValueError> {
    let target = Target {
        pg_type,
        format: Format::Text,
        settings,
    };
    let cell = cell(array, target)?;
    let mut texts = StringBuilder::with_capacity(array.len(), array.len() * TEXT_BYTES);
    let mut bytes = Vec::with_capacity(TEXT_BYTES);
    for row in 0..array.len() {
        if cell.is_null(row) {
            texts.append_null();
            continue;
        }
        bytes.clear();
        cell.write(row, &mut bytes).map_err(|error| *error)?;
        texts.append_value(String::from_utf8_lossy(&bytes));
    }
    Ok(texts.finish())
}

/// A column of texts as values of a type that this Arrow type holds.
pub fn values_of(
    texts: &StringArray,
    pg_type: PgType,
    data_type: &DataType,
    settings: &Arc<FormatSettings>,
) -> Result<ArrayRef, ValueError> {
    let mut column = builder(pg_type, data_type, settings)?;
    for text in texts {
        match text {
            Some(text) => column.append_text(text)?,
            None => column.append_null(),
        }
    }
    column.finish()
}

/// A column of texts cut to the length of `varchar(n)`, `char(n)` or `name`, as an explicit cast does.
pub fn cut_texts(texts: &StringArray, pg_type: PgType) -> StringArray {
    let length_max = pg_type.length_max().unwrap_or(usize::MAX);
    texts
        .iter()
        .map(|text| text.map(|text| cut(text, pg_type.oid, length_max)))
        .collect()
}

/// Bytes of a `name`.
const NAME_BYTES_MAX: usize = 63;

fn cut(text: &str, type_oid: u32, length_max: usize) -> &str {
    let end = match type_oid {
        oid::NAME => text.floor_char_boundary(NAME_BYTES_MAX),
        // Characters are never more than bytes.
        _ if text.len() <= length_max => text.len(),
        _ => text
            .char_indices()
            .nth(length_max)
            .map_or(text.len(), |(at, _)| at),
    };
    match type_oid {
        oid::BPCHAR => text[..end].trim_end_matches(' '),
        _ => &text[..end],
    }
}
