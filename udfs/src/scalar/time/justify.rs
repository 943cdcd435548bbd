//! `justify_hours`, `justify_days` and `justify_interval`: 24 hours as a day, 30 days as a month.

use arrow::array::ArrayRef;
use arrow::datatypes::IntervalMonthDayNanoType;
use datafusion::error::Result;
use datafusion::logical_expr::Volatility;

use crate::error::FunctionError;
use crate::scalar::columns::{ColumnFunction, Columns};
use crate::scalar::overload::{Kind, Overload};
use crate::time::interval::Interval;

const OVERLOADS: &[Overload] = &[Overload::new(&[Kind::Interval], Kind::Interval)];

/// `justify_hours`
pub static JUSTIFY_HOURS: ColumnFunction = ColumnFunction {
    name: "justify_hours",
    syntax: "justify_hours(interval)",
    description: "The interval with each 24 hours as a day",
    overloads: OVERLOADS,
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| justified(columns, Interval::justified_hours),
};

/// `justify_days`
pub static JUSTIFY_DAYS: ColumnFunction = ColumnFunction {
    name: "justify_days",
    syntax: "justify_days(interval)",
    description: "The interval with each 30 days as a month",
    overloads: OVERLOADS,
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| justified(columns, Interval::justified_days),
};

/// `justify_interval`
pub static JUSTIFY_INTERVAL: ColumnFunction = ColumnFunction {
    name: "justify_interval",
    syntax: "justify_interval(interval)",
    description: "The interval with each 24 hours as a day, each 30 days as a month, and one sign",
    overloads: OVERLOADS,
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| justified(columns, Interval::justified),
};

fn justified(
    columns: &Columns,
    justify: fn(Interval) -> Result<Interval, FunctionError>,
) -> Result<ArrayRef> {
    let intervals = columns.primitive::<IntervalMonthDayNanoType>(0);
    columns.map::<IntervalMonthDayNanoType>(|row| {
        Ok(justify(Interval::of_arrow(intervals.value(row)))?.to_arrow()?)
    })
}
