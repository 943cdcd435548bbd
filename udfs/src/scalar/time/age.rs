//! `age(later, earlier)`: years, months, days and time between two moments; with one argument, until today.

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, IntervalMonthDayNanoType, TimestampMicrosecondType};
use datafusion::error::Result;
use datafusion::logical_expr::Volatility;

use crate::error::FunctionError;
use crate::scalar::columns::{ColumnFunction, Columns};
use crate::scalar::overload::{Kind, Overload};
use crate::time::calendar::{day_of, days_of_month};
use crate::time::interval::Interval;
use crate::time::moment::{self, MICROS_PER_DAY};
use crate::time::zone::Zone;

/// `age`
pub static AGE: ColumnFunction = ColumnFunction {
    name: "age",
    syntax: "age(moment [, earlier])",
    description: "Years, months, days and time between two moments, or from one until the day begins",
    overloads: &[
        Overload::new(&[Kind::Timestamptz, Kind::Timestamptz], Kind::Interval),
        Overload::new(&[Kind::Timestamp, Kind::Timestamp], Kind::Interval),
        Overload::new(&[Kind::Timestamptz], Kind::Interval),
        Overload::new(&[Kind::Timestamp], Kind::Interval),
    ],
    gives: None,
    volatility: Volatility::Stable,
    body: ages,
};

fn ages(columns: &Columns) -> Result<ArrayRef> {
    let zone = match columns.data_type(0) {
        DataType::Timestamp(_, None) => Zone::UTC,
        _ => columns.clock.zone,
    };
    let first = columns.primitive::<TimestampMicrosecondType>(0);
    if columns.len() == 1 {
        let today = moment::to_wall_clock(columns.clock.transaction_micros, columns.clock.zone)?;
        let midnight = today - today.rem_euclid(MICROS_PER_DAY);
        return columns.map::<IntervalMonthDayNanoType>(|row| {
            let local = moment::to_wall_clock(first.value(row), zone)?;
            Ok(between(midnight, local)?.to_arrow()?)
        });
    }
    let second = columns.primitive::<TimestampMicrosecondType>(1);
    columns.map::<IntervalMonthDayNanoType>(|row| {
        let (later, earlier) = (first.value(row), second.value(row));
        let later = moment::to_wall_clock(later, zone)?;
        let earlier = moment::to_wall_clock(earlier, zone)?;
        Ok(between(later, earlier)?.to_arrow()?)
    })
}

/// Field by field, borrowing days from the month of the earlier moment.
fn between(later: i64, earlier: i64) -> Result<Interval, FunctionError> {
    if !moment::is_finite(later) || !moment::is_finite(earlier) {
        return Err(FunctionError::new("22008", "timestamp out of range"));
    }
    if later < earlier {
        return ordered(earlier, later).negated();
    }
    Ok(ordered(later, earlier))
}

fn ordered(later: i64, earlier: i64) -> Interval {
    let (to, from) = (
        day_of(later.div_euclid(MICROS_PER_DAY)),
        day_of(earlier.div_euclid(MICROS_PER_DAY)),
    );
    let mut micros = later.rem_euclid(MICROS_PER_DAY) - earlier.rem_euclid(MICROS_PER_DAY);
    let mut days = i64::from(to.day) - i64::from(from.day);
    let mut months = (to.year - from.year) * 12 + i64::from(to.month) - i64::from(from.month);
    if micros < 0 {
        micros += MICROS_PER_DAY;
        days -= 1;
    }
    while days < 0 {
        days += i64::from(days_of_month(from.year, from.month));
        months -= 1;
    }
    Interval {
        months: months as i32,
        days: days as i32,
        micros,
    }
}
