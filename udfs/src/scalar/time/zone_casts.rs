//! What do casts between dates and moments mean, where the session's zone or an infinity matters?

use arrow::array::ArrayRef;
use arrow::datatypes::{Date32Type, Time64MicrosecondType, TimestampMicrosecondType};
use datafusion::error::Result;
use datafusion::logical_expr::Volatility;

use crate::scalar::columns::{ColumnFunction, Columns};
use crate::scalar::overload::{Kind, Overload};
use crate::time::moment::{self, MICROS_PER_DAY};
use crate::time::zone::Zone;

/// `timestamp::timestamptz`, `date::timestamptz`
pub static TIMESTAMP_TO_TIMESTAMPTZ: ColumnFunction = ColumnFunction {
    name: "timestamptz",
    syntax: "timestamptz(timestamp)",
    description: "The moment at which clocks of the session's time zone show this",
    overloads: &[
        Overload::new(&[Kind::Timestamp], Kind::Timestamptz),
        Overload::new(&[Kind::Date], Kind::Timestamptz),
    ],
    gives: None,
    volatility: Volatility::Stable,
    body: |columns| from_clock(columns, columns.clock.zone),
};

/// `timestamptz::timestamp`
pub static TIMESTAMPTZ_TO_TIMESTAMP: ColumnFunction = ColumnFunction {
    name: "timestamp",
    syntax: "timestamp(timestamptz)",
    description: "What clocks of the session's time zone show at a moment",
    overloads: &[Overload::new(&[Kind::Timestamptz], Kind::Timestamp)],
    gives: None,
    volatility: Volatility::Stable,
    body: |columns| {
        let moments = columns.primitive::<TimestampMicrosecondType>(0);
        let zone = columns.clock.zone;
        columns.map::<TimestampMicrosecondType>(|row| {
            Ok(moment::to_wall_clock(moments.value(row), zone)?)
        })
    },
};

/// `date::timestamp`
pub static DATE_TO_TIMESTAMP: ColumnFunction = ColumnFunction {
    name: "date_timestamp",
    syntax: "date_timestamp(date)",
    description: "Midnight at the beginning of a date",
    overloads: &[Overload::new(&[Kind::Date], Kind::Timestamp)],
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| from_clock(columns, Zone::UTC),
};

/// `timestamptz::date`
pub static TIMESTAMPTZ_TO_DATE: ColumnFunction = ColumnFunction {
    name: "timestamptz_date",
    syntax: "timestamptz_date(timestamptz)",
    description: "The date in the session's time zone at a moment",
    overloads: &[Overload::new(&[Kind::Timestamptz], Kind::Date)],
    gives: None,
    volatility: Volatility::Stable,
    body: |columns| dates(columns, columns.clock.zone),
};

/// `timestamp::date`
pub static TIMESTAMP_TO_DATE: ColumnFunction = ColumnFunction {
    name: "timestamp_date",
    syntax: "timestamp_date(timestamp)",
    description: "The date of a timestamp",
    overloads: &[Overload::new(&[Kind::Timestamp], Kind::Date)],
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| dates(columns, Zone::UTC),
};

/// `timestamp::time`, `timestamptz::time`
pub static TIMESTAMP_TO_TIME: ColumnFunction = ColumnFunction {
    name: "timestamp_time",
    syntax: "timestamp_time(timestamp)",
    description: "The time of day of a timestamp, of a moment in the session's time zone",
    overloads: &[
        Overload::new(&[Kind::Timestamp], Kind::Time),
        Overload::new(&[Kind::Timestamptz], Kind::Time),
    ],
    gives: None,
    volatility: Volatility::Stable,
    body: times,
};

fn from_clock(columns: &Columns, zone: Zone) -> Result<ArrayRef> {
    if *columns.data_type(0) == Kind::Date.arrow() {
        let dates = columns.primitive::<Date32Type>(0);
        return columns.map::<TimestampMicrosecondType>(|row| {
            let midnight = moment::of_date(dates.value(row))?;
            Ok(moment::from_wall_clock(midnight, zone)?)
        });
    }
    let moments = columns.primitive::<TimestampMicrosecondType>(0);
    columns.map::<TimestampMicrosecondType>(|row| {
        Ok(moment::from_wall_clock(moments.value(row), zone)?)
    })
}

fn dates(columns: &Columns, zone: Zone) -> Result<ArrayRef> {
    let moments = columns.primitive::<TimestampMicrosecondType>(0);
    columns.map::<Date32Type>(|row| {
        let local = moment::to_wall_clock(moments.value(row), zone)?;
        Ok(moment::to_date(local))
    })
}

fn times(columns: &Columns) -> Result<ArrayRef> {
    let moments = columns.primitive::<TimestampMicrosecondType>(0);
    let zone = match *columns.data_type(0) == Kind::Timestamptz.arrow() {
        true => columns.clock.zone,
        false => Zone::UTC,
    };
    columns.map_some::<Time64MicrosecondType>(|row| {
        let local = moment::to_wall_clock(moments.value(row), zone)?;
        Ok(moment::is_finite(local).then(|| local.rem_euclid(MICROS_PER_DAY)))
    })
}
