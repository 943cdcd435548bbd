//! How are dates, times, moments and intervals of an Arrow array written?

use arrow::array::Array;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Date64Type, DurationMicrosecondType,
    DurationMillisecondType, DurationNanosecondType, DurationSecondType, IntervalDayTimeType,
    IntervalMonthDayNanoType, IntervalUnit, IntervalYearMonthType, Time32MillisecondType,
    Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};

use super::cell::{Cell, Target, displayed, of_values};
use super::datetime::{
    DAYS_TO_2000, MICROS_PER_DAY, MICROS_PER_SECOND, MICROS_TO_2000, Moment, push_date,
    push_infinite, push_time, push_timestamp, push_timestamptz,
};
use super::error::{DATETIME_OVERFLOW, NOT_SUPPORTED, ValueError};
use super::interval::{Interval, push_interval};
use super::settings::Format;
use tarn_udfs::time::zone::OffsetCache;

const MILLIS_PER_DAY: i64 = 86_400_000;

/// The writer of a temporal array's values.
pub(super) fn datetime_cell<'a>(
    array: &'a dyn Array,
    target: Target<'a>,
) -> Result<Box<dyn Cell + 'a>, ValueError> {
    Ok(match array.data_type() {
        DataType::Date32 => dates::<Date32Type>(array, target, |days| days),
        DataType::Date64 => dates::<Date64Type>(array, target, |millis| {
            let infinity = if millis > 0 { i32::MAX } else { i32::MIN };
            i32::try_from(millis.div_euclid(MILLIS_PER_DAY)).unwrap_or(infinity)
        }),
        DataType::Time32(TimeUnit::Second) => {
            times::<Time32SecondType>(array, target, |value| i64::from(value) * MICROS_PER_SECOND)
        }
        DataType::Time32(_) => {
            times::<Time32MillisecondType>(array, target, |value| i64::from(value) * 1000)
        }
        DataType::Time64(TimeUnit::Nanosecond) => {
            times::<Time64NanosecondType>(array, target, |value| value / 1000)
        }
        DataType::Time64(_) => times::<Time64MicrosecondType>(array, target, |value| value),
        DataType::Timestamp(unit, zone) => timestamps(array, target, *unit, zone.is_some()),
        DataType::Interval(_) | DataType::Duration(_) => return intervals(array, target),
        _ => return displayed(array),
    })
}

fn dates<'a, T: ArrowPrimitiveType>(
    array: &'a dyn Array,
    target: Target<'a>,
    days: impl Fn(T::Native) -> i32 + 'a,
) -> Box<dyn Cell + 'a> {
    let style = target.settings.date_style;
    match target.format {
        Format::Text => of_values::<T, _>(array, move |value, out| {
            push_date(out, days(value), style);
            Ok(())
        }),
        Format::Binary => of_values::<T, _>(array, move |value, out| {
            let since_2000 = match days(value) {
                infinite @ (i32::MAX | i32::MIN) => infinite,
                days => days
                    .checked_sub(DAYS_TO_2000 as i32)
                    .ok_or_else(|| ValueError::new(DATETIME_OVERFLOW, "date out of range"))?,
            };
            out.extend_from_slice(&since_2000.to_be_bytes());
            Ok(())
        }),
    }
}

fn times<'a, T: ArrowPrimitiveType>(
    array: &'a dyn Array,
    target: Target<'a>,
    micros: impl Fn(T::Native) -> i64 + 'a,
) -> Box<dyn Cell + 'a> {
    let checked = move |value| {
        let micros = micros(value);
        if (0..=MICROS_PER_DAY).contains(&micros) {
            Ok(micros)
        } else {
            Err(Box::new(ValueError::new(
                DATETIME_OVERFLOW,
                "time out of range",
            )))
        }
    };
    match target.format {
        Format::Text => of_values::<T, _>(array, move |value, out| {
            push_time(out, checked(value)?);
            Ok(())
        }),
        Format::Binary => of_values::<T, _>(array, move |value, out| {
            out.extend_from_slice(&checked(value)?.to_be_bytes());
            Ok(())
        }),
    }
}

fn timestamps<'a>(
    array: &'a dyn Array,
    target: Target<'a>,
    unit: TimeUnit,
    zoned: bool,
) -> Box<dyn Cell + 'a> {
    let split = |value: i64, per_second: i64| Moment {
        seconds: value.div_euclid(per_second),
        micros: (value.rem_euclid(per_second) * (MICROS_PER_SECOND / per_second)) as u32,
    };
    match unit {
        TimeUnit::Second => moments::<TimestampSecondType>(array, target, zoned, |seconds| {
            Moment { seconds, micros: 0 }
        }),
        TimeUnit::Millisecond => {
            moments::<TimestampMillisecondType>(array, target, zoned, move |millis| {
                split(millis, 1000)
            })
        }
        TimeUnit::Microsecond => {
            moments::<TimestampMicrosecondType>(array, target, zoned, Moment::of_micros)
        }
        TimeUnit::Nanosecond => moments::<TimestampNanosecondType>(array, target, zoned, |nanos| {
            Moment::of_micros(nanos.div_euclid(1000))
        }),
    }
}

fn moments<'a, T: ArrowPrimitiveType<Native = i64>>(
    array: &'a dyn Array,
    target: Target<'a>,
    zoned: bool,
    moment: impl Fn(i64) -> Moment + 'a,
) -> Box<dyn Cell + 'a> {
    let (style, zone) = (target.settings.date_style, target.settings.timezone);
    match (target.format, zoned) {
        (Format::Binary, _) => of_values::<T, _>(array, move |value, out| {
            let since_2000 = match value {
                infinite @ (i64::MAX | i64::MIN) => Some(infinite),
                finite => {
                    let Moment { seconds, micros } = moment(finite);
                    seconds.checked_mul(MICROS_PER_SECOND).and_then(|whole| {
                        whole
                            .checked_add(i64::from(micros))?
                            .checked_sub(MICROS_TO_2000)
                    })
                }
            };
            let since_2000 = since_2000
                .ok_or_else(|| ValueError::new(DATETIME_OVERFLOW, "timestamp out of range"))?;
            out.extend_from_slice(&since_2000.to_be_bytes());
            Ok(())
        }),
        (Format::Text, false) => of_values::<T, _>(array, move |value, out| {
            if !push_infinite(out, value) {
                push_timestamp(out, moment(value), style);
            }
            Ok(())
        }),
        (Format::Text, true) => {
            let offsets = OffsetCache::new(zone);
            of_values::<T, _>(array, move |value, out| {
                if !push_infinite(out, value) {
                    push_timestamptz(out, moment(value), style, zone, &offsets);
                }
                Ok(())
            })
        }
    }
}

fn intervals<'a>(
    array: &'a dyn Array,
    target: Target<'a>,
) -> Result<Box<dyn Cell + 'a>, ValueError> {
    let time = |micros| Interval {
        months: 0,
        days: 0,
        micros,
    };
    let long = move |value: i64, micros_each: i64| {
        value
            .checked_mul(micros_each)
            .map(time)
            .ok_or_else(|| Box::new(ValueError::new(DATETIME_OVERFLOW, "interval out of range")))
    };
    Ok(match array.data_type() {
        DataType::Interval(IntervalUnit::YearMonth) => {
            spans::<IntervalYearMonthType>(array, target, |months| {
                Ok(Interval {
                    months,
                    days: 0,
                    micros: 0,
                })
            })
        }
        DataType::Interval(IntervalUnit::DayTime) => {
            spans::<IntervalDayTimeType>(array, target, |value| {
                Ok(Interval {
                    months: 0,
                    days: value.days,
                    micros: i64::from(value.milliseconds) * 1000,
                })
            })
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            spans::<IntervalMonthDayNanoType>(array, target, |value| Ok(Interval::of_arrow(value)))
        }
        DataType::Duration(TimeUnit::Second) => {
            spans::<DurationSecondType>(array, target, move |value| long(value, MICROS_PER_SECOND))
        }
        DataType::Duration(TimeUnit::Millisecond) => {
            spans::<DurationMillisecondType>(array, target, move |value| long(value, 1000))
        }
        DataType::Duration(TimeUnit::Microsecond) => {
            spans::<DurationMicrosecondType>(array, target, move |value| Ok(time(value)))
        }
        DataType::Duration(TimeUnit::Nanosecond) => {
            spans::<DurationNanosecondType>(array, target, move |value| Ok(time(value / 1000)))
        }
        other => {
            return Err(ValueError::new(
                NOT_SUPPORTED,
                format!("{other} is not an interval"),
            ));
        }
    })
}

fn spans<'a, T: ArrowPrimitiveType>(
    array: &'a dyn Array,
    target: Target<'a>,
    interval: impl Fn(T::Native) -> Result<Interval, Box<ValueError>> + 'a,
) -> Box<dyn Cell + 'a> {
    let style = target.settings.interval_style;
    match target.format {
        Format::Text => of_values::<T, _>(array, move |value, out| {
            push_interval(out, interval(value)?, style);
            Ok(())
        }),
        Format::Binary => of_values::<T, _>(array, move |value, out| {
            let Interval {
                months,
                days,
                micros,
            } = interval(value)?;
            out.extend_from_slice(&micros.to_be_bytes());
            out.extend_from_slice(&days.to_be_bytes());
            out.extend_from_slice(&months.to_be_bytes());
            Ok(())
        }),
    }
}
