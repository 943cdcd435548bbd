//! What are sums, multiples and parts of intervals, and which of two is longer?

use arrow::array::ArrayRef;
use arrow::datatypes::{Decimal128Type, Float64Type, IntervalMonthDayNanoType};
use datafusion::error::Result;
use datafusion::logical_expr::Volatility;

use crate::error::FunctionError;
use crate::scalar::columns::{ColumnFunction, Columns};
use crate::scalar::overload::{Kind, Overload};
use crate::time::interval::Interval;

/// `interval + interval`
pub static PLUS: ColumnFunction = ColumnFunction {
    name: "interval_pl",
    syntax: "interval_pl(interval, interval)",
    description: "The sum of two intervals",
    overloads: &[Overload::new(
        &[Kind::Interval, Kind::Interval],
        Kind::Interval,
    )],
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| combined(columns, Interval::plus),
};

/// `interval - interval`
pub static MINUS: ColumnFunction = ColumnFunction {
    name: "interval_mi",
    syntax: "interval_mi(interval, interval)",
    description: "The difference of two intervals",
    overloads: &[Overload::new(
        &[Kind::Interval, Kind::Interval],
        Kind::Interval,
    )],
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| combined(columns, Interval::minus),
};

/// `- interval`
pub static NEGATED: ColumnFunction = ColumnFunction {
    name: "interval_um",
    syntax: "interval_um(interval)",
    description: "The interval the other way",
    overloads: &[Overload::new(&[Kind::Interval], Kind::Interval)],
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| {
        let intervals = columns.primitive::<IntervalMonthDayNanoType>(0);
        columns.map::<IntervalMonthDayNanoType>(|row| {
            Ok(Interval::of_arrow(intervals.value(row))
                .negated()?
                .to_arrow()?)
        })
    },
};

/// `interval * number`
pub static TIMES: ColumnFunction = ColumnFunction {
    name: "interval_mul",
    syntax: "interval_mul(interval, number)",
    description: "A multiple of an interval; fractions of months become days, of days time",
    overloads: &[Overload::new(
        &[Kind::Interval, Kind::Float8],
        Kind::Interval,
    )],
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| scaled(columns, Interval::times),
};

/// `interval / number`
pub static DIVIDED: ColumnFunction = ColumnFunction {
    name: "interval_div",
    syntax: "interval_div(interval, number)",
    description: "A part of an interval; fractions of months become days, of days time",
    overloads: &[Overload::new(
        &[Kind::Interval, Kind::Float8],
        Kind::Interval,
    )],
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| {
        scaled(columns, |interval, divisor| {
            if divisor == 0.0 {
                return Err(FunctionError::new("22012", "division by zero"));
            }
            interval.divided(divisor)
        })
    },
};

/// What comparisons of intervals compare.
pub static SPAN: ColumnFunction = ColumnFunction {
    name: "interval_span",
    syntax: "interval_span(interval)",
    description: "How many microseconds an interval has with months of 30 days and days of 24 hours",
    overloads: &[Overload::new(&[Kind::Interval], Kind::Any)],
    gives: Some(|_| Ok(arrow::datatypes::DataType::Decimal128(38, 0))),
    volatility: Volatility::Immutable,
    body: |columns| {
        let intervals = columns.primitive::<IntervalMonthDayNanoType>(0);
        columns
            .map::<Decimal128Type>(|row| Ok(Interval::of_arrow(intervals.value(row)).span_micros()))
    },
};

fn combined(
    columns: &Columns,
    combine: fn(Interval, Interval) -> Result<Interval, FunctionError>,
) -> Result<ArrayRef> {
    let (left, right) = (
        columns.primitive::<IntervalMonthDayNanoType>(0),
        columns.primitive::<IntervalMonthDayNanoType>(1),
    );
    columns.map::<IntervalMonthDayNanoType>(|row| {
        let (left, right) = (
            Interval::of_arrow(left.value(row)),
            Interval::of_arrow(right.value(row)),
        );
        Ok(combine(left, right)?.to_arrow()?)
    })
}

fn scaled(
    columns: &Columns,
    scale: fn(Interval, f64) -> Result<Interval, FunctionError>,
) -> Result<ArrayRef> {
    let (intervals, factors) = (
        columns.primitive::<IntervalMonthDayNanoType>(0),
        columns.primitive::<Float64Type>(1),
    );
    columns.map::<IntervalMonthDayNanoType>(|row| {
        let interval = Interval::of_arrow(intervals.value(row));
        Ok(scale(interval, factors.value(row))?.to_arrow()?)
    })
}
