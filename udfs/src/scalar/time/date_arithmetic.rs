//! What are `date + 3`, `date - date` and `date + time`?

use arrow::array::ArrayRef;
use arrow::datatypes::{Date32Type, Int32Type, Time64MicrosecondType, TimestampMicrosecondType};
use datafusion::error::Result;
use datafusion::logical_expr::Volatility;

use crate::error::FunctionError;
use crate::scalar::columns::{ColumnFunction, Columns};
use crate::scalar::overload::{Kind, Overload};
use crate::time::moment;

/// `date + integer`
pub static DATE_PLUS_DAYS: ColumnFunction = ColumnFunction {
    name: "date_pli",
    syntax: "date_pli(date, days)",
    description: "The date so many days later: what `date + integer` means",
    overloads: &[Overload::new(&[Kind::Date, Kind::Int4], Kind::Date)],
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| shifted(columns, 1),
};

/// `date - integer`
pub static DATE_MINUS_DAYS: ColumnFunction = ColumnFunction {
    name: "date_mii",
    syntax: "date_mii(date, days)",
    description: "The date so many days earlier: what `date - integer` means",
    overloads: &[Overload::new(&[Kind::Date, Kind::Int4], Kind::Date)],
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| shifted(columns, -1),
};

/// `date - date`
pub static DATE_MINUS_DATE: ColumnFunction = ColumnFunction {
    name: "date_mi",
    syntax: "date_mi(date, date)",
    description: "The number of days between two dates: what `date - date` means",
    overloads: &[Overload::new(&[Kind::Date, Kind::Date], Kind::Int4)],
    gives: None,
    volatility: Volatility::Immutable,
    body: difference,
};

/// `date + time`
pub static DATE_PLUS_TIME: ColumnFunction = ColumnFunction {
    name: "datetime_pl",
    syntax: "datetime_pl(date, time)",
    description: "A date and a time of day as a timestamp: what `date + time` means",
    overloads: &[Overload::new(&[Kind::Date, Kind::Time], Kind::Timestamp)],
    gives: None,
    volatility: Volatility::Immutable,
    body: at_time,
};

fn shifted(columns: &Columns, sign: i64) -> Result<ArrayRef> {
    let (dates, days) = (
        columns.primitive::<Date32Type>(0),
        columns.primitive::<Int32Type>(1),
    );
    columns.map::<Date32Type>(|row| {
        let date = dates.value(row);
        if !moment::is_finite_date(date) {
            return Ok(date);
        }
        Ok(moment::checked_date(
            i64::from(date) + sign * i64::from(days.value(row)),
        )?)
    })
}

fn difference(columns: &Columns) -> Result<ArrayRef> {
    let (left, right) = (
        columns.primitive::<Date32Type>(0),
        columns.primitive::<Date32Type>(1),
    );
    columns.map::<Int32Type>(|row| {
        let (left, right) = (left.value(row), right.value(row));
        if !moment::is_finite_date(left) || !moment::is_finite_date(right) {
            return Err(FunctionError::new("22008", "cannot subtract infinite dates").into());
        }
        Ok(left.wrapping_sub(right))
    })
}

fn at_time(columns: &Columns) -> Result<ArrayRef> {
    let (dates, times) = (
        columns.primitive::<Date32Type>(0),
        columns.primitive::<Time64MicrosecondType>(1),
    );
    columns.map::<TimestampMicrosecondType>(|row| {
        let midnight = moment::of_date(dates.value(row))?;
        if !moment::is_finite(midnight) {
            return Ok(midnight);
        }
        Ok(moment::checked(midnight.checked_add(times.value(row)))?)
    })
}
