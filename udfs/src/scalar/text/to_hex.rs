//! `to_hex(number)`: an integer in hexadecimal digits; a negative one as its two's complement.

use arrow::datatypes::{DataType, Int32Type, Int64Type};
use datafusion::logical_expr::Volatility;

use crate::scalar::columns::ColumnFunction;
use crate::scalar::overload::{Kind, Overload};

/// `to_hex`
pub static TO_HEX: ColumnFunction = ColumnFunction {
    name: "to_hex",
    syntax: "to_hex(number)",
    description: "An integer in hexadecimal digits",
    overloads: &[
        Overload::new(&[Kind::Int8], Kind::Text),
        Overload::new(&[Kind::Int4], Kind::Text),
    ],
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| {
        if *columns.data_type(0) == DataType::Int32 {
            let values = columns.primitive::<Int32Type>(0);
            return columns.map_text(|row, out| {
                out.push_str(&format!("{:x}", values.value(row)));
                Ok(true)
            });
        }
        let values = columns.primitive::<Int64Type>(0);
        columns.map_text(|row, out| {
            out.push_str(&format!("{:x}", values.value(row)));
            Ok(true)
        })
    },
};
