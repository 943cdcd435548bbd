//! `date_bin(stride, moment, origin)`: the start of the bin of equal length that a moment falls into.

use arrow::array::ArrayRef;
use arrow::datatypes::{IntervalMonthDayNanoType, TimestampMicrosecondType};
use datafusion::error::Result;
use datafusion::logical_expr::Volatility;

use crate::error::FunctionError;
use crate::scalar::columns::{ColumnFunction, Columns};
use crate::scalar::overload::{Kind, Overload};
use crate::time::interval::{Interval, out_of_range};
use crate::time::moment::{self, MICROS_PER_DAY};

/// `date_bin`
pub static DATE_BIN: ColumnFunction = ColumnFunction {
    name: "date_bin",
    syntax: "date_bin(stride, moment, origin)",
    description: "The start of the bin of equal length, counted from an origin, that a moment falls into",
    overloads: &[
        Overload::new(
            &[Kind::Interval, Kind::Timestamp, Kind::Timestamp],
            Kind::Timestamp,
        ),
        Overload::new(
            &[Kind::Interval, Kind::Timestamptz, Kind::Timestamptz],
            Kind::Timestamptz,
        ),
    ],
    gives: None,
    volatility: Volatility::Immutable,
    body: bins,
};

fn bins(columns: &Columns) -> Result<ArrayRef> {
    let strides = columns.primitive::<IntervalMonthDayNanoType>(0);
    let moments = columns.primitive::<TimestampMicrosecondType>(1);
    let origins = columns.primitive::<TimestampMicrosecondType>(2);
    columns.map::<TimestampMicrosecondType>(|row| {
        let (micros, origin) = (moments.value(row), origins.value(row));
        if !moment::is_finite(micros) {
            return Ok(micros);
        }
        if !moment::is_finite(origin) {
            return Err(FunctionError::new("22008", "origin out of range").into());
        }
        let stride = stride_micros(Interval::of_arrow(strides.value(row)))?;
        let distance = micros.checked_sub(origin).ok_or_else(out_of_range)?;
        Ok(origin + distance.div_euclid(stride) * stride)
    })
}

fn stride_micros(stride: Interval) -> Result<i64, FunctionError> {
    if stride.months != 0 {
        return Err(FunctionError::new(
            "0A000",
            "timestamps cannot be binned into intervals containing months or years",
        ));
    }
    let micros = i64::from(stride.days)
        .checked_mul(MICROS_PER_DAY)
        .and_then(|days| days.checked_add(stride.micros))
        .ok_or_else(out_of_range)?;
    if micros <= 0 {
        return Err(FunctionError::new(
            "22008",
            "stride must be greater than zero",
        ));
    }
    Ok(micros)
}
