//! `make_date`, `make_time`, `make_timestamp`, `make_timestamptz` and `make_interval`: values from their parts.

use arrow::array::ArrayRef;
use arrow::datatypes::{
    Date32Type, Float64Type, Int32Type, IntervalMonthDayNanoType, Time64MicrosecondType,
    TimestampMicrosecondType,
};
use datafusion::error::Result;
use datafusion::logical_expr::Volatility;

use crate::error::FunctionError;
use crate::scalar::columns::{ColumnFunction, Columns};
use crate::scalar::overload::{Kind, Overload};
use crate::time::calendar::{Day, days_of_month, days_since_epoch};
use crate::time::interval::{Interval, out_of_range};
use crate::time::moment::{self, MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE};
use crate::time::zone::Zone;

/// `make_date`
pub static MAKE_DATE: ColumnFunction = ColumnFunction {
    name: "make_date",
    syntax: "make_date(year, month, day)",
    description: "The date of a year, a month and a day; negative years are BC",
    overloads: &[Overload::new(
        &[Kind::Int4, Kind::Int4, Kind::Int4],
        Kind::Date,
    )],
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| columns.map::<Date32Type>(|row| Ok(date_at(columns, row)?)),
};

/// `make_time`
pub static MAKE_TIME: ColumnFunction = ColumnFunction {
    name: "make_time",
    syntax: "make_time(hour, minute, second)",
    description: "The time of day of an hour, a minute and seconds",
    overloads: &[Overload::new(
        &[Kind::Int4, Kind::Int4, Kind::Float8],
        Kind::Time,
    )],
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| columns.map::<Time64MicrosecondType>(|row| Ok(time_at(columns, 0, row)?)),
};

/// `make_timestamp`
pub static MAKE_TIMESTAMP: ColumnFunction = ColumnFunction {
    name: "make_timestamp",
    syntax: "make_timestamp(year, month, day, hour, minute, second)",
    description: "The timestamp of a date's and a time's parts",
    overloads: &[Overload::new(
        &[
            Kind::Int4,
            Kind::Int4,
            Kind::Int4,
            Kind::Int4,
            Kind::Int4,
            Kind::Float8,
        ],
        Kind::Timestamp,
    )],
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| moments(columns, Zone::UTC),
};

/// `make_timestamptz`
pub static MAKE_TIMESTAMPTZ: ColumnFunction = ColumnFunction {
    name: "make_timestamptz",
    syntax: "make_timestamptz(year, month, day, hour, minute, second [, zone])",
    description: "The moment at which clocks of a zone, or of the session's, show these parts",
    overloads: &[
        Overload::new(
            &[
                Kind::Int4,
                Kind::Int4,
                Kind::Int4,
                Kind::Int4,
                Kind::Int4,
                Kind::Float8,
            ],
            Kind::Timestamptz,
        ),
        Overload::new(
            &[
                Kind::Int4,
                Kind::Int4,
                Kind::Int4,
                Kind::Int4,
                Kind::Int4,
                Kind::Float8,
                Kind::Text,
            ],
            Kind::Timestamptz,
        ),
    ],
    gives: None,
    volatility: Volatility::Stable,
    body: |columns| moments(columns, columns.clock.zone),
};

/// `make_interval`
pub static MAKE_INTERVAL: ColumnFunction = ColumnFunction {
    name: "make_interval",
    syntax: "make_interval(years, months, weeks, days, hours, mins, secs)",
    description: "The interval of these parts; any may be left out, and named as in `days => 10`",
    overloads: &[
        Overload::new(&[], Kind::Interval),
        Overload::new(&[Kind::Int4], Kind::Interval),
        Overload::new(&[Kind::Int4, Kind::Int4], Kind::Interval),
        Overload::new(&[Kind::Int4, Kind::Int4, Kind::Int4], Kind::Interval),
        Overload::new(
            &[Kind::Int4, Kind::Int4, Kind::Int4, Kind::Int4],
            Kind::Interval,
        ),
        Overload::new(
            &[Kind::Int4, Kind::Int4, Kind::Int4, Kind::Int4, Kind::Int4],
            Kind::Interval,
        ),
        Overload::new(
            &[
                Kind::Int4,
                Kind::Int4,
                Kind::Int4,
                Kind::Int4,
                Kind::Int4,
                Kind::Int4,
            ],
            Kind::Interval,
        ),
        Overload::new(
            &[
                Kind::Int4,
                Kind::Int4,
                Kind::Int4,
                Kind::Int4,
                Kind::Int4,
                Kind::Int4,
                Kind::Float8,
            ],
            Kind::Interval,
        ),
    ],
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| {
        columns.map::<IntervalMonthDayNanoType>(|row| Ok(interval_at(columns, row)?.to_arrow()?))
    },
};

fn integer(columns: &Columns, at: usize, row: usize) -> i32 {
    columns.primitive::<Int32Type>(at).value(row)
}

fn date_at(columns: &Columns, row: usize) -> Result<i32, FunctionError> {
    let (year, month, day) = (
        integer(columns, 0, row),
        integer(columns, 1, row),
        integer(columns, 2, row),
    );
    let refused = || {
        FunctionError::new(
            "22008",
            format!("date field value out of range: {year}-{month:02}-{day:02}"),
        )
    };
    // -1 is 1 BC, which the calendar counts as 0.
    let counted = i64::from(year) + i64::from(year < 0);
    let (Ok(month), Ok(day)) = (u32::try_from(month), u32::try_from(day)) else {
        return Err(refused());
    };
    let is_day = year != 0
        && (1..=12).contains(&month)
        && (1..=days_of_month(counted, month)).contains(&day);
    if !is_day {
        return Err(refused());
    }
    moment::checked_date(days_since_epoch(Day {
        year: counted,
        month,
        day,
    }))
    .map_err(|_| {
        FunctionError::new(
            "22008",
            format!("date out of range: {year}-{month:02}-{day:02}"),
        )
    })
}

/// The time whose parts begin at an argument.
fn time_at(columns: &Columns, from: usize, row: usize) -> Result<i64, FunctionError> {
    let (hour, minute) = (integer(columns, from, row), integer(columns, from + 1, row));
    let second = columns.primitive::<Float64Type>(from + 2).value(row);
    let micros = (second * 1e6).round_ties_even();
    let total = i64::from(hour) * MICROS_PER_HOUR + i64::from(minute) * MICROS_PER_MINUTE;
    let is_time = (0..=24).contains(&hour)
        && (0..60).contains(&minute)
        && (0.0..=60e6).contains(&micros)
        && total + micros as i64 <= MICROS_PER_DAY;
    if !is_time {
        return Err(FunctionError::new(
            "22008",
            format!("time field value out of range: {hour}:{minute:02}:{second:02}"),
        ));
    }
    Ok(total + micros as i64)
}

fn moments(columns: &Columns, session_zone: Zone) -> Result<ArrayRef> {
    columns.map::<TimestampMicrosecondType>(|row| {
        let midnight = moment::of_date(date_at(columns, row)?)?;
        let local = moment::checked(midnight.checked_add(time_at(columns, 3, row)?))?;
        let zone = match columns.len() > 6 {
            true => east_zone(columns.text(6).value(row))?,
            false => session_zone,
        };
        Ok(moment::from_wall_clock(local, zone)?)
    })
}

/// A zone whose distance, if it is one, is to the east.
fn east_zone(name: &str) -> Result<Zone, FunctionError> {
    match Zone::parse_offset(name.as_bytes()) {
        Some(east) => Ok(Zone::Fixed(east)),
        None => Zone::of_name(name),
    }
}

fn interval_at(columns: &Columns, row: usize) -> Result<Interval, FunctionError> {
    let part = |at: usize| match at < columns.len() {
        true => i64::from(integer(columns, at, row)),
        false => 0,
    };
    let seconds = match columns.len() > 6 {
        true => columns.primitive::<Float64Type>(6).value(row),
        false => 0.0,
    };
    if !seconds.is_finite() {
        return Err(out_of_range());
    }
    let months = part(0) * 12 + part(1);
    let days = part(2) * 7 + part(3);
    let micros = (part(4) * MICROS_PER_HOUR)
        .checked_add(part(5) * MICROS_PER_MINUTE)
        .and_then(|whole| whole.checked_add((seconds * 1e6).round_ties_even() as i64));
    Ok(Interval {
        months: i32::try_from(months).map_err(|_| out_of_range())?,
        days: i32::try_from(days).map_err(|_| out_of_range())?,
        micros: micros.ok_or_else(out_of_range)?,
    })
}
