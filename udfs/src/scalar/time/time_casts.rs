//! What do casts between `time` and `interval` mean?

use arrow::datatypes::{IntervalMonthDayNanoType, Time64MicrosecondType};
use datafusion::logical_expr::Volatility;

use crate::scalar::columns::ColumnFunction;
use crate::scalar::overload::{Kind, Overload};
use crate::time::interval::Interval;
use crate::time::moment::MICROS_PER_DAY;

/// `interval::time`
pub static INTERVAL_TO_TIME: ColumnFunction = ColumnFunction {
    name: "interval_time",
    syntax: "interval_time(interval)",
    description: "The time part of an interval as a time of day",
    overloads: &[Overload::new(&[Kind::Interval], Kind::Time)],
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| {
        let intervals = columns.primitive::<IntervalMonthDayNanoType>(0);
        columns.map::<Time64MicrosecondType>(|row| {
            let micros = Interval::of_arrow(intervals.value(row)).micros;
            Ok(micros.rem_euclid(MICROS_PER_DAY))
        })
    },
};

/// `time::interval`
pub static TIME_TO_INTERVAL: ColumnFunction = ColumnFunction {
    name: "time_interval",
    syntax: "time_interval(time)",
    description: "A time of day as an interval since midnight",
    overloads: &[Overload::new(&[Kind::Time], Kind::Interval)],
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| {
        let times = columns.primitive::<Time64MicrosecondType>(0);
        columns.map::<IntervalMonthDayNanoType>(|row| {
            Ok(Interval::of_micros(times.value(row)).to_arrow()?)
        })
    },
};
