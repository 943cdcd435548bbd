//! How does a parameter of a Bind message become a value of a plan?

use std::sync::Arc;

use datafusion::common::ScalarValue;
use tarn_catalog::types::{NUMERIC_BARE, NUMERIC_PRECISION_MAX, PgType};

use super::builder::{builder, text_of};
use super::error::{OUT_OF_RANGE, ValueError};
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

/// [`decode_parameter`] of a type that may not say how many digits it has: a number that is too long for the usual
/// scale is read with fewer digits behind the point.
pub fn decode_fitting(
    bytes: Option<&[u8]>,
    format: Format,
    pg_type: PgType,
    settings: &FormatSettings,
) -> Result<ScalarValue, ValueError> {
    let decoded = decode_parameter(bytes, format, pg_type, settings);
    let Err(error) = decoded else { return decoded };
    if pg_type != PgType::NUMERIC || error.sqlstate != OUT_OF_RANGE {
        return Err(error);
    }
    (0..i64::from(NUMERIC_BARE.1))
        .rev()
        .filter_map(|scale| PgType::numeric(NUMERIC_PRECISION_MAX, scale).ok())
        .find_map(|narrower| decode_parameter(bytes, format, narrower, settings).ok())
        .ok_or(error)
}

#[cfg(test)]
mod tests;
