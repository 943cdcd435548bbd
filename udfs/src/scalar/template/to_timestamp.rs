//! `to_timestamp(text, template)` and `to_timestamp(seconds)`: the moment that they mean.

use arrow::array::ArrayRef;
use arrow::datatypes::{Float64Type, TimestampMicrosecondType};
use datafusion::error::Result;
use datafusion::logical_expr::Volatility;

use super::to_date::reader;
use crate::error::FunctionError;
use crate::scalar::columns::{ColumnFunction, Columns};
use crate::scalar::overload::{Kind, Overload};
use crate::time::moment::{self, MICROS_PER_DAY};
use crate::time::zone::Zone;

/// `to_timestamp`
pub static TO_TIMESTAMP: ColumnFunction = ColumnFunction {
    name: "to_timestamp",
    syntax: "to_timestamp('text', 'template')",
    description: "The moment that a text means by a template, or so many seconds after 1970",
    overloads: &[
        Overload::new(&[Kind::Float8], Kind::Timestamptz),
        Overload::new(&[Kind::Text, Kind::Text], Kind::Timestamptz),
    ],
    gives: None,
    volatility: Volatility::Stable,
    body: |columns| match columns.len() {
        1 => since_1970(columns),
        _ => by_template(columns),
    },
};

fn by_template(columns: &Columns) -> Result<ArrayRef> {
    let read = reader(columns);
    let session_zone = columns.clock.zone;
    columns.map::<TimestampMicrosecondType>(|row| {
        let read = read(row)?;
        let local = read
            .days
            .checked_mul(MICROS_PER_DAY)
            .and_then(|midnight| midnight.checked_add(read.micros));
        let zone = read.offset_seconds.map_or(session_zone, Zone::Fixed);
        Ok(moment::from_wall_clock(moment::checked(local)?, zone)?)
    })
}

fn since_1970(columns: &Columns) -> Result<ArrayRef> {
    let seconds = columns.primitive::<Float64Type>(0);
    columns.map::<TimestampMicrosecondType>(|row| {
        let seconds = seconds.value(row);
        if seconds.is_nan() {
            return Err(FunctionError::new("22008", "timestamp cannot be NaN").into());
        }
        if seconds.is_infinite() {
            return Ok(if seconds > 0.0 { i64::MAX } else { i64::MIN });
        }
        let micros = (seconds * 1e6).round_ties_even();
        let fits = micros.abs() < 9.2e18;
        Ok(moment::checked(fits.then_some(micros as i64)).map_err(|_| {
            FunctionError::new("22008", format!("timestamp out of range: \"{seconds}\""))
        })?)
    })
}
