//! What are `time + interval` and `time - time`? Clocks go round at midnight.

use arrow::array::ArrayRef;
use arrow::datatypes::{IntervalMonthDayNanoType, Time64MicrosecondType};
use datafusion::error::Result;
use datafusion::logical_expr::Volatility;

use crate::scalar::columns::{ColumnFunction, Columns};
use crate::scalar::overload::{Kind, Overload};
use crate::time::interval::Interval;
use crate::time::moment::MICROS_PER_DAY;

/// `time + interval`
pub static TIME_PLUS: ColumnFunction = ColumnFunction {
    name: "time_pl_interval",
    syntax: "time_pl_interval(time, interval)",
    description: "The time of day so much later; months and days of the interval do not count",
    overloads: &[Overload::new(&[Kind::Time, Kind::Interval], Kind::Time)],
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| shifted(columns, 1),
};

/// `time - interval`
pub static TIME_MINUS: ColumnFunction = ColumnFunction {
    name: "time_mi_interval",
    syntax: "time_mi_interval(time, interval)",
    description: "The time of day so much earlier; months and days of the interval do not count",
    overloads: &[Overload::new(&[Kind::Time, Kind::Interval], Kind::Time)],
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| shifted(columns, -1),
};

/// `time - time`
pub static TIME_DIFFERENCE: ColumnFunction = ColumnFunction {
    name: "time_mi_time",
    syntax: "time_mi_time(time, time)",
    description: "The interval between two times of day",
    overloads: &[Overload::new(&[Kind::Time, Kind::Time], Kind::Interval)],
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| {
        let (left, right) = (
            columns.primitive::<Time64MicrosecondType>(0),
            columns.primitive::<Time64MicrosecondType>(1),
        );
        columns.map::<IntervalMonthDayNanoType>(|row| {
            Ok(Interval::of_micros(left.value(row) - right.value(row)).to_arrow()?)
        })
    },
};

fn shifted(columns: &Columns, sign: i64) -> Result<ArrayRef> {
    let (times, intervals) = (
        columns.primitive::<Time64MicrosecondType>(0),
        columns.primitive::<IntervalMonthDayNanoType>(1),
    );
    columns.map::<Time64MicrosecondType>(|row| {
        let micros = Interval::of_arrow(intervals.value(row)).micros;
        Ok((times.value(row) + sign * (micros % MICROS_PER_DAY)).rem_euclid(MICROS_PER_DAY))
    })
}
