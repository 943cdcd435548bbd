//! `chr(code)`: the character of a Unicode code point.

use arrow::datatypes::Int32Type;
use datafusion::logical_expr::Volatility;

use crate::error::FunctionError;
use crate::scalar::columns::ColumnFunction;
use crate::scalar::overload::{Kind, Overload};

/// `chr`
pub static CHR: ColumnFunction = ColumnFunction {
    name: "chr",
    syntax: "chr(code)",
    description: "The character of a Unicode code point",
    overloads: &[Overload::new(&[Kind::Int4], Kind::Text)],
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| {
        let codes = columns.primitive::<Int32Type>(0);
        columns.map_text(|row, out| {
            out.push(character(codes.value(row))?);
            Ok(true)
        })
    },
};

fn character(code: i32) -> Result<char, FunctionError> {
    match u32::try_from(code) {
        Err(_) => Err(FunctionError::new(
            "54000",
            "character number must be positive",
        )),
        Ok(0) => Err(FunctionError::new("54000", "null character not permitted")),
        Ok(code) => char::from_u32(code).ok_or_else(|| {
            let reason = match code {
                0x0011_0000.. => format!("requested character too large for encoding: {code}"),
                _ => format!("requested character not valid for encoding: {code}"),
            };
            FunctionError::new("54000", reason)
        }),
    }
}
