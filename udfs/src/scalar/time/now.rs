//! `now()` and its kin: which time it is, once for a transaction, for a statement, or at every call.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use arrow::array::{
    Array, ArrayRef, Date32Array, Int32Array, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow::datatypes::Int32Type;
use datafusion::error::Result;
use datafusion::logical_expr::Volatility;

use crate::scalar::columns::{ColumnFunction, Columns};
use crate::scalar::overload::{Kind, Overload};
use crate::scalar::time::precision::round;
use crate::time::moment::{self, MICROS_PER_DAY};

macro_rules! moments {
    ($($constant:ident, $name:literal, $volatility:ident, $body:expr, $description:literal;)*) => {
        $(#[doc = concat!("`", $name, "`")]
        pub static $constant: ColumnFunction = ColumnFunction {
            name: $name,
            syntax: concat!($name, "()"),
            description: $description,
            overloads: &[Overload::new(&[], Kind::Timestamptz)],
            gives: None,
            volatility: Volatility::$volatility,
            body: |columns| with_zone(columns, $body(columns)),
        };)*
    };
}

moments! {
    NOW, "now", Stable, transaction, "When the transaction began";
    TRANSACTION_TIMESTAMP, "transaction_timestamp", Stable, transaction, "When the transaction began";
    STATEMENT_TIMESTAMP, "statement_timestamp", Stable, statement, "When the statement came in";
    CLOCK_TIMESTAMP, "clock_timestamp", Volatile, |_: &Columns| clock(), "Which time it is at this call";
}

/// `current_timestamp`
pub static CURRENT_TIMESTAMP: ColumnFunction = ColumnFunction {
    name: "current_timestamp",
    syntax: "current_timestamp[(digits)]",
    description: "When the transaction began, with so many digits behind the second",
    overloads: &[
        Overload::new(&[], Kind::Timestamptz),
        Overload::new(&[Kind::Int4], Kind::Timestamptz),
    ],
    gives: None,
    volatility: Volatility::Stable,
    body: |columns| with_zone(columns, rounded(columns, transaction(columns))),
};

/// `localtimestamp`
pub static LOCALTIMESTAMP: ColumnFunction = ColumnFunction {
    name: "localtimestamp",
    syntax: "localtimestamp[(digits)]",
    description: "When the transaction began, as clocks of the session's time zone show it",
    overloads: &[
        Overload::new(&[], Kind::Timestamp),
        Overload::new(&[Kind::Int4], Kind::Timestamp),
    ],
    gives: None,
    volatility: Volatility::Stable,
    body: |columns| {
        let local = rounded(columns, local(columns)?);
        Ok(Arc::new(TimestampMicrosecondArray::from_value(
            local,
            columns.rows,
        )))
    },
};

/// `localtime`
pub static LOCALTIME: ColumnFunction = ColumnFunction {
    name: "localtime",
    syntax: "localtime[(digits)]",
    description: "The time of day when the transaction began, in the session's time zone",
    overloads: &[
        Overload::new(&[], Kind::Time),
        Overload::new(&[Kind::Int4], Kind::Time),
    ],
    gives: None,
    volatility: Volatility::Stable,
    body: |columns| {
        let local = rounded(columns, local(columns)?);
        Ok(Arc::new(Time64MicrosecondArray::from_value(
            local.rem_euclid(MICROS_PER_DAY),
            columns.rows,
        )))
    },
};

/// `current_date`
pub static CURRENT_DATE: ColumnFunction = ColumnFunction {
    name: "current_date",
    syntax: "current_date",
    description: "The date when the transaction began, in the session's time zone",
    overloads: &[Overload::new(&[], Kind::Date)],
    gives: None,
    volatility: Volatility::Stable,
    body: |columns| {
        let today = moment::to_date(local(columns)?);
        Ok(Arc::new(Date32Array::from_value(today, columns.rows)))
    },
};

fn transaction(columns: &Columns) -> i64 {
    columns.clock.transaction_micros
}

fn statement(columns: &Columns) -> i64 {
    columns.clock.statement_micros
}

fn clock() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH);
    elapsed.map_or(0, |elapsed| elapsed.as_micros() as i64)
}

fn local(columns: &Columns) -> Result<i64> {
    Ok(moment::to_wall_clock(
        transaction(columns),
        columns.clock.zone,
    )?)
}

fn with_zone(columns: &Columns, micros: i64) -> Result<ArrayRef> {
    let moments = TimestampMicrosecondArray::from_value(micros, columns.rows);
    Ok(Arc::new(moments.with_data_type(columns.gives.clone())))
}

/// To the digits of the first argument, if there is one.
fn rounded(columns: &Columns, micros: i64) -> i64 {
    if columns.is_empty() || columns.rows == 0 {
        return micros;
    }
    let digits: &Int32Array = columns.primitive::<Int32Type>(0);
    match digits.is_null(0) {
        true => micros,
        false => round(micros, digits.value(0)),
    }
}
