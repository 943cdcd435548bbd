//! What are `timestamp + interval` and `timestamp - timestamp`, with and without a zone?

use arrow::array::ArrayRef;
use arrow::datatypes::{IntervalMonthDayNanoType, TimestampMicrosecondType};
use datafusion::error::Result;
use datafusion::logical_expr::Volatility;

use crate::error::FunctionError;
use crate::scalar::columns::{ColumnFunction, Columns};
use crate::scalar::overload::{Kind, Overload};
use crate::time::interval::{Interval, out_of_range};
use crate::time::moment;
use crate::time::zone::Zone;

const WITHOUT_ZONE: &[Overload] = &[Overload::new(
    &[Kind::Timestamp, Kind::Interval],
    Kind::Timestamp,
)];
const WITH_ZONE: &[Overload] = &[Overload::new(
    &[Kind::Timestamptz, Kind::Interval],
    Kind::Timestamptz,
)];

/// `timestamp + interval`
pub static TIMESTAMP_PLUS: ColumnFunction = ColumnFunction {
    name: "timestamp_pl_interval",
    syntax: "timestamp_pl_interval(timestamp, interval)",
    description: "The timestamp so much later",
    overloads: WITHOUT_ZONE,
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| shifted(columns, Zone::UTC, Ok),
};

/// `timestamp - interval`
pub static TIMESTAMP_MINUS: ColumnFunction = ColumnFunction {
    name: "timestamp_mi_interval",
    syntax: "timestamp_mi_interval(timestamp, interval)",
    description: "The timestamp so much earlier",
    overloads: WITHOUT_ZONE,
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| shifted(columns, Zone::UTC, Interval::negated),
};

/// `timestamptz + interval`
pub static TIMESTAMPTZ_PLUS: ColumnFunction = ColumnFunction {
    name: "timestamptz_pl_interval",
    syntax: "timestamptz_pl_interval(timestamptz, interval)",
    description: "The moment so much later; days are days of the session's time zone",
    overloads: WITH_ZONE,
    gives: None,
    volatility: Volatility::Stable,
    body: |columns| shifted(columns, columns.clock.zone, Ok),
};

/// `timestamptz - interval`
pub static TIMESTAMPTZ_MINUS: ColumnFunction = ColumnFunction {
    name: "timestamptz_mi_interval",
    syntax: "timestamptz_mi_interval(timestamptz, interval)",
    description: "The moment so much earlier; days are days of the session's time zone",
    overloads: WITH_ZONE,
    gives: None,
    volatility: Volatility::Stable,
    body: |columns| shifted(columns, columns.clock.zone, Interval::negated),
};

/// `timestamp - timestamp`
pub static TIMESTAMP_DIFFERENCE: ColumnFunction = ColumnFunction {
    name: "timestamp_mi",
    syntax: "timestamp_mi(timestamp, timestamp)",
    description: "The interval between two timestamps in days and time",
    overloads: &[Overload::new(
        &[Kind::Timestamp, Kind::Timestamp],
        Kind::Interval,
    )],
    gives: None,
    volatility: Volatility::Immutable,
    body: difference,
};

/// `timestamptz - timestamptz`
pub static TIMESTAMPTZ_DIFFERENCE: ColumnFunction = ColumnFunction {
    name: "timestamptz_mi",
    syntax: "timestamptz_mi(timestamptz, timestamptz)",
    description: "The interval between two moments in days of 24 hours and time",
    overloads: &[Overload::new(
        &[Kind::Timestamptz, Kind::Timestamptz],
        Kind::Interval,
    )],
    gives: None,
    volatility: Volatility::Immutable,
    body: difference,
};

fn shifted(
    columns: &Columns,
    zone: Zone,
    signed: fn(Interval) -> Result<Interval, FunctionError>,
) -> Result<ArrayRef> {
    let (moments, intervals) = (
        columns.primitive::<TimestampMicrosecondType>(0),
        columns.primitive::<IntervalMonthDayNanoType>(1),
    );
    columns.map::<TimestampMicrosecondType>(|row| {
        let interval = signed(Interval::of_arrow(intervals.value(row)))?;
        Ok(interval.after_in_zone(moments.value(row), zone)?)
    })
}

fn difference(columns: &Columns) -> Result<ArrayRef> {
    let (left, right) = (
        columns.primitive::<TimestampMicrosecondType>(0),
        columns.primitive::<TimestampMicrosecondType>(1),
    );
    columns.map::<IntervalMonthDayNanoType>(|row| {
        let (left, right) = (left.value(row), right.value(row));
        if !moment::is_finite(left) || !moment::is_finite(right) {
            return Err(FunctionError::new("22008", "cannot subtract infinite timestamps").into());
        }
        let micros = left.checked_sub(right).ok_or_else(out_of_range)?;
        Ok(Interval::of_micros(micros).justified_hours()?.to_arrow()?)
    })
}
