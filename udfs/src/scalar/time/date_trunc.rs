//! `date_trunc('month', value [, zone])`: a moment or an interval without what is smaller than a field.

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, IntervalMonthDayNanoType, TimestampMicrosecondType};
use datafusion::error::Result;
use datafusion::logical_expr::Volatility;

use crate::error::FunctionError;
use crate::scalar::columns::{ColumnFunction, Columns};
use crate::scalar::overload::{Kind, Overload, sql_name};
use crate::time::calendar::{Day, day_of, days_since_epoch, iso_new_year, iso_week, weekday};
use crate::time::field::{Field, unsupported};
use crate::time::interval::Interval;
use crate::time::moment::{
    self, MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND,
};
use crate::time::zone::Zone;

/// `date_trunc`
pub static DATE_TRUNC: ColumnFunction = ColumnFunction {
    name: "date_trunc",
    syntax: "date_trunc('field', value [, zone])",
    description: "A moment or an interval without what is smaller than a field such as `day` or `month`",
    overloads: &[
        Overload::new(&[Kind::Text, Kind::Timestamp], Kind::Timestamp),
        Overload::new(&[Kind::Text, Kind::Timestamptz], Kind::Timestamptz),
        Overload::new(&[Kind::Text, Kind::Interval], Kind::Interval),
        Overload::new(
            &[Kind::Text, Kind::Timestamptz, Kind::Text],
            Kind::Timestamptz,
        ),
    ],
    gives: None,
    volatility: Volatility::Stable,
    body: |columns| match columns.data_type(1) {
        DataType::Interval(_) => intervals(columns),
        DataType::Timestamp(_, None) => moments(columns, Zone::UTC),
        _ => moments(columns, columns.clock.zone),
    },
};

fn moments(columns: &Columns, session_zone: Zone) -> Result<ArrayRef> {
    let (words, values) = (
        columns.text(0),
        columns.primitive::<TimestampMicrosecondType>(1),
    );
    let type_name = sql_name(columns.data_type(1));
    let zones = (columns.len() > 2).then(|| columns.text(2));
    let truncated_in = |field, micros, zone, word| -> Result<i64> {
        truncated_moment(field, micros, zone)?.ok_or_else(|| unsupported(word, type_name).into())
    };
    let constant = words.iter().next().flatten();
    let constant_field = match constant {
        Some(word) => Some(Field::to_cut_at(word, type_name)?),
        None => None,
    };
    columns.map::<TimestampMicrosecondType>(|row| {
        let word = words.value(row);
        let field = match constant_field {
            Some(field) if constant == Some(word) => field,
            _ => Field::to_cut_at(word, type_name)?,
        };
        let zone = match zones {
            Some(zones) => Zone::of_name(zones.value(row))?,
            None => session_zone,
        };
        truncated_in(field, values.value(row), zone, word)
    })
}

/// None: moments are not cut at this field.
fn truncated_moment(field: Field, micros: i64, zone: Zone) -> Result<Option<i64>, FunctionError> {
    if field > Field::Millennium {
        return Ok(None);
    }
    if !moment::is_finite(micros) {
        return Ok(Some(micros));
    }
    let local = moment::to_wall_clock(micros, zone)?;
    let unit = match field {
        Field::Microseconds => 1,
        Field::Milliseconds => 1000,
        Field::Second => MICROS_PER_SECOND,
        Field::Minute => MICROS_PER_MINUTE,
        Field::Hour => MICROS_PER_HOUR,
        Field::Day => MICROS_PER_DAY,
        _ => {
            let day = first_day(field, local.div_euclid(MICROS_PER_DAY));
            let midnight = moment::checked(day.checked_mul(MICROS_PER_DAY))?;
            return moment::from_wall_clock(midnight, zone).map(Some);
        }
    };
    let cut = local.rem_euclid(unit);
    if unit < MICROS_PER_DAY {
        // Within a day the distance from UTC stays, also in an hour that clocks show twice.
        return Ok(Some(micros - cut));
    }
    moment::from_wall_clock(local - cut, zone).map(Some)
}

/// The first day of a week, month, year or more.
fn first_day(field: Field, days: i64) -> i64 {
    let day = day_of(days);
    let first_of = |year, month| {
        days_since_epoch(Day {
            year,
            month,
            day: 1,
        })
    };
    match field {
        Field::Week => {
            let (year, week) = iso_week(days);
            debug_assert!(weekday(iso_new_year(year)) == 1);
            iso_new_year(year) + (week - 1) * 7
        }
        Field::Month => first_of(day.year, day.month),
        Field::Quarter => first_of(day.year, (day.month - 1) / 3 * 3 + 1),
        Field::Decade => first_of(day.year.div_euclid(10) * 10, 1),
        Field::Century => first_of((day.year - 1).div_euclid(100) * 100 + 1, 1),
        Field::Millennium => first_of((day.year - 1).div_euclid(1000) * 1000 + 1, 1),
        _ => first_of(day.year, 1),
    }
}

fn intervals(columns: &Columns) -> Result<ArrayRef> {
    let (words, values) = (
        columns.text(0),
        columns.primitive::<IntervalMonthDayNanoType>(1),
    );
    columns.map::<IntervalMonthDayNanoType>(|row| {
        let word = words.value(row);
        let field = Field::to_cut_at(word, "interval")?;
        let interval = Interval::of_arrow(values.value(row));
        let truncated = truncated_interval(field, interval).ok_or_else(|| {
            let error = unsupported(word, "interval");
            match field {
                Field::Week => error.with_detail("Months usually have fractional weeks."),
                _ => error,
            }
        })?;
        Ok(truncated.to_arrow()?)
    })
}

/// None: intervals are not cut at this field.
fn truncated_interval(field: Field, interval: Interval) -> Option<Interval> {
    let time = |unit: i64| Interval {
        micros: interval.micros / unit * unit,
        ..interval
    };
    let months = |unit: i32| Interval {
        months: interval.months / unit * unit,
        days: 0,
        micros: 0,
    };
    Some(match field {
        Field::Microseconds => interval,
        Field::Milliseconds => time(1000),
        Field::Second => time(MICROS_PER_SECOND),
        Field::Minute => time(MICROS_PER_MINUTE),
        Field::Hour => time(MICROS_PER_HOUR),
        Field::Day => Interval {
            micros: 0,
            ..interval
        },
        Field::Month => months(1),
        Field::Quarter => months(3),
        Field::Year => months(12),
        Field::Decade => months(120),
        Field::Century => months(1200),
        Field::Millennium => months(12_000),
        _ => return None,
    })
}
