//! How does a parameter of a Bind message become a value of a plan?

use std::sync::Arc;

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DECIMAL256_MAX_SCALE};
use datafusion::common::ScalarValue;
use tarn_catalog::types::{NUMERIC_BARE, PgType};

use super::builder::{builder, text_of};
use super::error::ValueError;
use super::numeric::{self, Size};
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

/// Reads a numeric without declared precision and scale with all the digits that it is sent with.
pub fn decode_numeric(bytes: Option<&[u8]>, format: Format) -> Result<ScalarValue, ValueError> {
    let Some(bytes) = bytes else {
        return Ok(ScalarValue::Decimal128(
            None,
            NUMERIC_BARE.0,
            NUMERIC_BARE.1,
        ));
    };
    let size = |scale: i32| Size {
        precision: DECIMAL256_MAX_PRECISION,
        scale: scale.clamp(0, i32::from(DECIMAL256_MAX_SCALE)) as i8,
    };
    let (value, scale) = match format {
        Format::Text => {
            let text = text_of(bytes)?;
            let size = size(numeric::text_scale(text));
            (numeric::parse(text, size)?, size.scale)
        }
        Format::Binary => {
            let size = size(numeric::binary_scale(bytes));
            (numeric::parse_binary(bytes, size)?, size.scale)
        }
    };
    let digits = value.wrapping_abs().checked_ilog10().unwrap_or_default() as u8 + 1;
    let precision = digits.max(scale.unsigned_abs());
    Ok(match value.to_i128() {
        Some(narrow) if precision <= DECIMAL128_MAX_PRECISION => {
            ScalarValue::Decimal128(Some(narrow), precision, scale)
        }
        _ => ScalarValue::Decimal256(Some(value), DECIMAL256_MAX_PRECISION, scale),
    })
}

#[cfg(test)]
mod tests;
