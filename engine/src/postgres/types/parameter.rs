//! How does a parameter of a Bind message become a value of a plan?

use std::sync::Arc;

use datafusion::common::ScalarValue;
use tarn_catalog::types::PgType;

use super::builder::{builder, text_of};
use super::error::ValueError;
use super::settings::{Format, FormatSettings};

/// Reads a parameter as a value of its type's logical Arrow type; NULL is a NULL of that type.
///
/// The same function reads literals: `'2024-01-01'::date` is a parameter in text.
pub fn decode_parameter(
    bytes: Option<&[u8]>,
    format: Format,
    pg_type: PgType,
    settings: &FormatSettings,
) -> Result<ScalarValue, ValueError> {
    let data_type = pg_type.logical();
    let internal = |error: &dyn std::fmt::Display| ValueError::new("XX000", error.to_string());
    let Some(bytes) = bytes else {
        return ScalarValue::try_from(&data_type).map_err(|error| internal(&error));
    };
    let mut column = builder(pg_type, &data_type, &Arc::new(settings.clone()))?;
    match format {
        Format::Text => column.append_text(text_of(bytes)?)?,
        Format::Binary => column.append_binary(bytes)?,
    }
    let array = column.finish()?;
    ScalarValue::try_from_array(&array, 0).map_err(|error| internal(&error))
}

#[cfg(test)]
mod tests;
