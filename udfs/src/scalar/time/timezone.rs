//! `value AT TIME ZONE zone`: what clocks of a zone show at a moment, or the moment at which they show it.

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, IntervalMonthDayNanoType, TimestampMicrosecondType};
use datafusion::error::Result;
use datafusion::logical_expr::Volatility;

use crate::error::FunctionError;
use crate::scalar::columns::{ColumnFunction, Columns};
use crate::scalar::overload::{Kind, Overload};
use crate::time::interval::Interval;
use crate::time::moment::{self, MICROS_PER_SECOND};
use crate::time::zone::Zone;

/// `AT TIME ZONE`
pub static TIMEZONE: ColumnFunction = ColumnFunction {
    name: "timezone",
    syntax: "timezone(zone, value)",
    description: "What `value AT TIME ZONE zone` means: a timestamp for a timestamptz, and a timestamptz for a timestamp",
    overloads: &[
        Overload::new(&[Kind::Text, Kind::Timestamptz], Kind::Timestamp),
        Overload::new(&[Kind::Text, Kind::Timestamp], Kind::Timestamptz),
        Overload::new(&[Kind::Interval, Kind::Timestamptz], Kind::Timestamp),
        Overload::new(&[Kind::Interval, Kind::Timestamp], Kind::Timestamptz),
    ],
    gives: None,
    volatility: Volatility::Immutable,
    body: converted,
};

fn converted(columns: &Columns) -> Result<ArrayRef> {
    let convert = match columns.data_type(1) {
        DataType::Timestamp(_, None) => moment::from_wall_clock,
        _ => moment::to_wall_clock,
    };
    let moments = columns.primitive::<TimestampMicrosecondType>(1);
    if matches!(columns.data_type(0), DataType::Interval(_)) {
        let distances = columns.primitive::<IntervalMonthDayNanoType>(0);
        return columns.map::<TimestampMicrosecondType>(|row| {
            let zone = zone_of_interval(Interval::of_arrow(distances.value(row)))?;
            Ok(convert(moments.value(row), zone)?)
        });
    }
    let names = columns.text(0);
    let first = match names.is_empty() || names.is_null(0) {
        true => None,
        false => Some((names.value(0), Zone::of_name(names.value(0))?)),
    };
    columns.map::<TimestampMicrosecondType>(|row| {
        let zone = match first {
            Some((name, zone)) if name == names.value(row) => zone,
            _ => Zone::of_name(names.value(row))?,
        };
        Ok(convert(moments.value(row), zone)?)
    })
}

fn zone_of_interval(distance: Interval) -> Result<Zone, FunctionError> {
    if distance.months != 0 || distance.days != 0 {
        return Err(FunctionError::new(
            "22023",
            "interval time zone must not include months or days",
        ));
    }
    Ok(Zone::Fixed((distance.micros / MICROS_PER_SECOND) as i32))
}
