//! `timestamp(p)` and `time(p)`: values with fewer digits behind the second.

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Int32Type, Time64MicrosecondType, TimestampMicrosecondType};
use datafusion::error::Result;
use datafusion::logical_expr::Volatility;

use crate::scalar::columns::{ColumnFunction, Columns};
use crate::scalar::overload::{Kind, Overload};
use crate::time::moment;

/// What a cast to `timestamp(p)` calls.
pub static ROUNDED: ColumnFunction = ColumnFunction {
    name: "timestamp_round",
    syntax: "timestamp_round(value, digits)",
    description: "A timestamp or a time of day rounded to so many digits behind the second",
    overloads: &[
        Overload::new(&[Kind::Timestamp, Kind::Int4], Kind::Timestamp),
        Overload::new(&[Kind::Timestamptz, Kind::Int4], Kind::Timestamptz),
        Overload::new(&[Kind::Time, Kind::Int4], Kind::Time),
    ],
    gives: None,
    volatility: Volatility::Immutable,
    body: rounded,
};

fn rounded(columns: &Columns) -> Result<ArrayRef> {
    let digits = columns.primitive::<Int32Type>(1);
    if matches!(columns.data_type(0), DataType::Time64(_)) {
        let times = columns.primitive::<Time64MicrosecondType>(0);
        return columns
            .map::<Time64MicrosecondType>(|row| Ok(round(times.value(row), digits.value(row))));
    }
    let moments = columns.primitive::<TimestampMicrosecondType>(0);
    columns.map::<TimestampMicrosecondType>(|row| {
        let micros = moments.value(row);
        match moment::is_finite(micros) {
            true => Ok(round(micros, digits.value(row))),
            false => Ok(micros),
        }
    })
}

/// Half a unit goes away from 1970, as in PostgreSQL from 2000.
pub fn round(micros: i64, digits: i32) -> i64 {
    const DIGITS_MAX: i32 = 6;
    let unit = 10i64.pow((DIGITS_MAX - digits.clamp(0, DIGITS_MAX)) as u32);
    match micros >= 0 {
        true => (micros + unit / 2) / unit * unit,
        false => -((unit / 2 - micros) / unit * unit),
    }
}
