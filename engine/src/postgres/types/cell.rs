//! How is one value of an Arrow array written as PostgreSQL's text or binary?
//!
//! [`cell`] looks at types once per array; the [`Cell`] it returns writes rows without looking again.

use std::ops::Range;

use arrow::array::{
    Array, AsArray, BinaryArrayType, FixedSizeBinaryArray, PrimitiveArray, RunArray,
    StringArrayType,
};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Date64Type, Decimal32Type, Decimal64Type,
    Decimal128Type, Decimal256Type, DurationMicrosecondType, DurationMillisecondType,
    DurationNanosecondType, DurationSecondType, Float16Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, IntervalDayTimeType, IntervalMonthDayNanoType, IntervalUnit,
    IntervalYearMonthType, RunEndIndexType, Time32MillisecondType, Time32SecondType,
    Time64MicrosecondType, Time64NanosecondType, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use tarn_catalog::types::{PgType, oid};

use super::bytes::{parse_uuid, push_bytea, push_uuid};
use super::datetime::{
    DAYS_TO_2000, MICROS_PER_DAY, MICROS_PER_SECOND, MICROS_TO_2000, Moment, push_date,
    push_infinite, push_time, push_timestamp, push_timestamptz,
};
use super::error::{DATETIME_OVERFLOW, NOT_SUPPORTED, ValueError};
use super::interval::{Interval, push_interval};
use super::nested::{json_cell, list_cell, record_cell};
use super::number::{parse_oid, push_f32, push_f64, push_signed, push_unsigned};
use super::numeric::{Decimal, push_i128_text};
use super::settings::{Format, FormatSettings};
use super::zone::OffsetCache;

/// Boxed, since it is returned for every cell and hardly ever there.
pub(super) type Written = Result<(), Box<ValueError>>;

/// A column's values, ready to be written.
pub(super) trait Cell {
    fn is_null(&self, row: usize) -> bool;

    /// Appends a value that is not NULL, without its length.
    fn write(&self, row: usize, out: &mut Vec<u8>) -> Written;

    /// Appends rows to a column; here, so that the loop is compiled once per kind of value.
    fn write_rows(&self, rows: Range<usize>, out: &mut Column) -> Written {
        for row in rows {
            if self.is_null(row) {
                out.lens.push(Column::NULL);
            } else {
                let start = out.bytes.len();
                self.write(row, &mut out.bytes)?;
                out.lens.push((out.bytes.len() - start) as i32);
            }
        }
        Ok(())
    }
}

/// Written values of some rows of one column, one behind the other.
#[derive(Debug, Default)]
pub(in crate::postgres) struct Column {
    pub bytes: Vec<u8>,
    /// Length of each value, [`Column::NULL`] for NULL.
    pub lens: Vec<i32>,
}

impl Column {
    pub(super) const NULL: i32 = -1;

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.lens.clear();
    }
}

/// An array and the function that writes one of its values.
struct Of<A, W> {
    array: A,
    write: W,
}

impl<A: Array, W: Fn(&A, usize, &mut Vec<u8>) -> Written> Cell for Of<A, W> {
    #[inline]
    fn is_null(&self, row: usize) -> bool {
        self.array.is_null(row)
    }

    #[inline]
    fn write(&self, row: usize, out: &mut Vec<u8>) -> Written {
        (self.write)(&self.array, row, out)
    }
}

fn of<'a, A, W>(array: A, write: W) -> Box<dyn Cell + 'a>
where
    A: Array + 'a,
    W: Fn(&A, usize, &mut Vec<u8>) -> Written + 'a,
{
    Box::new(Of { array, write })
}

fn of_values<'a, T, W>(array: &'a dyn Array, write: W) -> Box<dyn Cell + 'a>
where
    T: ArrowPrimitiveType,
    W: Fn(T::Native, &mut Vec<u8>) -> Written + 'a,
{
    of(
        array.as_primitive::<T>(),
        move |array: &&PrimitiveArray<T>, row, out: &mut Vec<u8>| write(array.value(row), out),
    )
}

struct AllNull;

impl Cell for AllNull {
    fn is_null(&self, _: usize) -> bool {
        true
    }

    fn write(&self, _: usize, _: &mut Vec<u8>) -> Written {
        Ok(())
    }
}

/// How the values of an array are to be written.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub pg_type: PgType,
    pub format: Format,
    pub settings: &'a FormatSettings,
}

impl Target<'_> {
    fn is_binary(&self) -> bool {
        self.format == Format::Binary
    }
}

/// The writer of an array's values.
pub(super) fn cell<'a>(
    array: &'a dyn Array,
    target: Target<'a>,
) -> Result<Box<dyn Cell + 'a>, ValueError> {
    let is_json = matches!(target.pg_type.oid, oid::JSON | oid::JSONB);
    Ok(match array.data_type() {
        DataType::Null => Box::new(AllNull),
        DataType::Boolean => of(array.as_boolean(), {
            let (no, yes) = if target.is_binary() {
                (0, 1)
            } else {
                (b'f', b't')
            };
            move |array, row, out: &mut Vec<u8>| {
                out.push(if array.value(row) { yes } else { no });
                Ok(())
            }
        }),
        DataType::Int8 => integers::<Int8Type>(array, target),
        DataType::Int16 => integers::<Int16Type>(array, target),
        DataType::Int32 => integers::<Int32Type>(array, target),
        DataType::Int64 => integers::<Int64Type>(array, target),
        DataType::UInt8 => integers::<UInt8Type>(array, target),
        DataType::UInt16 => integers::<UInt16Type>(array, target),
        DataType::UInt32 => integers::<UInt32Type>(array, target),
        DataType::UInt64 => unsigned(array, target),
        DataType::Float16 => reals::<Float16Type>(array, target, |value| value.to_f32()),
        DataType::Float32 => reals::<Float32Type>(array, target, |value| value),
        DataType::Float64 => doubles(array, target),
        DataType::Decimal32(_, scale) => decimals::<Decimal32Type>(array, target, *scale),
        DataType::Decimal64(_, scale) => decimals::<Decimal64Type>(array, target, *scale),
        DataType::Decimal128(_, scale) => decimals::<Decimal128Type>(array, target, *scale),
        DataType::Decimal256(_, scale) => wide_decimals(array, target, *scale),
        DataType::Utf8 => texts(array.as_string::<i32>(), target),
        DataType::LargeUtf8 => texts(array.as_string::<i64>(), target),
        DataType::Utf8View => texts(array.as_string_view(), target),
        DataType::Binary => byteas(array.as_binary::<i32>(), target),
        DataType::LargeBinary => byteas(array.as_binary::<i64>(), target),
        DataType::BinaryView => byteas(array.as_binary_view(), target),
        DataType::FixedSizeBinary(_) => fixed_bytes(array.as_fixed_size_binary(), target),
        DataType::Date32 => dates::<Date32Type>(array, target, |days| days),
        DataType::Date64 => dates::<Date64Type>(array, target, |millis| {
            i32::try_from(millis.div_euclid(86_400_000)).unwrap_or(if millis > 0 {
                i32::MAX
            } else {
                i32::MIN
            })
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
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::FixedSizeList(_, _)
        | DataType::Struct(_)
        | DataType::Map(_, _)
            if is_json || matches!(array.data_type(), DataType::Map(_, _)) =>
        {
            return json_cell(array, target);
        }
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(_, _) => {
            return list_cell(array, target);
        }
        DataType::Struct(_) => return record_cell(array, target),
        DataType::Dictionary(_, _) => return dictionary(array, target),
        DataType::RunEndEncoded(ends, _) => match ends.data_type() {
            DataType::Int16 => return runs::<Int16Type>(array, target),
            DataType::Int32 => return runs::<Int32Type>(array, target),
            _ => return runs::<Int64Type>(array, target),
        },
        _ => return displayed(array),
    })
}

fn integers<'a, T>(array: &'a dyn Array, target: Target<'a>) -> Box<dyn Cell + 'a>
where
    T: ArrowPrimitiveType,
    T::Native: Into<i64>,
{
    let Target {
        pg_type,
        format,
        settings,
    } = target;
    if is_oid(pg_type) {
        return match format {
            Format::Binary => {
                of_values::<T, _>(array, move |value, out| push_oid(value.into(), out))
            }
            Format::Text => match settings.oid_names.as_ref().filter(|_| has_names(pg_type)) {
                Some(names) => of_values::<T, _>(array, move |value, out| {
                    let value: i64 = value.into();
                    match names(pg_type.oid, value as u32) {
                        Some(name) => out.extend_from_slice(name.as_bytes()),
                        None if value == 0 => out.push(b'-'),
                        None => push_signed(out, value),
                    }
                    Ok(())
                }),
                None => signed_text::<T>(array),
            },
        };
    }
    if format == Format::Text {
        return signed_text::<T>(array);
    }
    match pg_type.oid {
        oid::INT2 => of_values::<T, _>(array, |value, out| {
            let value: i64 = value.into();
            out.extend_from_slice(&(value as i16).to_be_bytes());
            Ok(())
        }),
        oid::INT4 => of_values::<T, _>(array, |value, out| {
            let value: i64 = value.into();
            out.extend_from_slice(&(value as i32).to_be_bytes());
            Ok(())
        }),
        _ => of_values::<T, _>(array, |value, out| {
            let value: i64 = value.into();
            out.extend_from_slice(&value.to_be_bytes());
            Ok(())
        }),
    }
}

fn signed_text<'a, T>(array: &'a dyn Array) -> Box<dyn Cell + 'a>
where
    T: ArrowPrimitiveType,
    T::Native: Into<i64>,
{
    of_values::<T, _>(array, |value, out| {
        push_signed(out, value.into());
        Ok(())
    })
}

/// `oid` and the types that are an oid with another text.
fn is_oid(pg_type: PgType) -> bool {
    matches!(pg_type.oid, oid::OID | oid::XID | oid::CID) || has_names(pg_type)
}

fn has_names(pg_type: PgType) -> bool {
    matches!(
        pg_type.oid,
        oid::REGPROC
            | oid::REGPROCEDURE
            | oid::REGOPER
            | oid::REGOPERATOR
            | oid::REGCLASS
            | oid::REGTYPE
            | oid::REGCONFIG
            | oid::REGDICTIONARY
            | oid::REGNAMESPACE
            | oid::REGROLE
            | oid::REGCOLLATION
    )
}

fn push_oid(value: i64, out: &mut Vec<u8>) -> Written {
    let value =
        u32::try_from(value).map_err(|_| ValueError::out_of_range("oid", &value.to_string()))?;
    out.extend_from_slice(&value.to_be_bytes());
    Ok(())
}

fn unsigned<'a>(array: &'a dyn Array, target: Target<'a>) -> Box<dyn Cell + 'a> {
    let pg_type = target.pg_type;
    match target.format {
        Format::Text => of_values::<UInt64Type, _>(array, |value, out| {
            push_unsigned(out, value);
            Ok(())
        }),
        Format::Binary if is_oid(pg_type) => of_values::<UInt64Type, _>(array, |value, out| {
            push_oid(i64::try_from(value).unwrap_or(i64::MAX), out)
        }),
        Format::Binary => of_values::<UInt64Type, _>(array, |value, out| {
            Decimal::of_i128(i128::from(value), 0).push_binary(out);
            Ok(())
        }),
    }
}

fn reals<'a, T: ArrowPrimitiveType>(
    array: &'a dyn Array,
    target: Target<'a>,
    single: impl Fn(T::Native) -> f32 + 'a,
) -> Box<dyn Cell + 'a> {
    let digits = target.settings.extra_float_digits;
    if target.is_binary() {
        return of_values::<T, _>(array, move |value, out| {
            out.extend_from_slice(&single(value).to_be_bytes());
            Ok(())
        });
    }
    of_values::<T, _>(array, move |value, out| {
        push_f32(out, single(value), digits);
        Ok(())
    })
}

fn doubles<'a>(array: &'a dyn Array, target: Target<'a>) -> Box<dyn Cell + 'a> {
    let digits = target.settings.extra_float_digits;
    if target.is_binary() {
        return of_values::<Float64Type, _>(array, |value, out| {
            out.extend_from_slice(&value.to_be_bytes());
            Ok(())
        });
    }
    of_values::<Float64Type, _>(array, move |value, out| {
        push_f64(out, value, digits);
        Ok(())
    })
}

fn decimals<'a, T>(array: &'a dyn Array, target: Target<'a>, scale: i8) -> Box<dyn Cell + 'a>
where
    T: ArrowPrimitiveType,
    T::Native: Into<i128>,
{
    // A numeric without declared scale shows no zeros that only our storage added.
    let is_bare = target.pg_type.typmod < 0;
    match (target.format, is_bare) {
        (Format::Text, false) => of_values::<T, _>(array, move |value, out| {
            push_i128_text(out, value.into(), scale);
            Ok(())
        }),
        (Format::Text, true) => of_values::<T, _>(array, move |value, out| {
            Decimal::of_i128(value.into(), scale)
                .trimmed()
                .push_text(out);
            Ok(())
        }),
        (Format::Binary, _) => of_values::<T, _>(array, move |value, out| {
            let decimal = Decimal::of_i128(value.into(), scale);
            if is_bare {
                decimal.trimmed().push_binary(out)
            } else {
                decimal.push_binary(out)
            }
            Ok(())
        }),
    }
}

fn wide_decimals<'a>(array: &'a dyn Array, target: Target<'a>, scale: i8) -> Box<dyn Cell + 'a> {
    let (is_bare, is_binary) = (target.pg_type.typmod < 0, target.is_binary());
    of_values::<Decimal256Type, _>(array, move |value, out| {
        let mut decimal = Decimal::of_i256(value, scale);
        if is_bare {
            decimal = decimal.trimmed();
        }
        if is_binary {
            decimal.push_binary(out)
        } else {
            decimal.push_text(out)
        }
        Ok(())
    })
}

fn texts<'a, A>(array: A, target: Target<'a>) -> Box<dyn Cell + 'a>
where
    A: StringArrayType<'a> + 'a,
{
    let Target {
        pg_type, format, ..
    } = target;
    if pg_type.oid == oid::BPCHAR
        && let Some(length) = pg_type.length_max()
    {
        return of(array, move |array: &A, row, out| {
            let text = array.value(row);
            out.extend_from_slice(text.as_bytes());
            let padding = length.saturating_sub(text.chars().count());
            out.extend(std::iter::repeat_n(b' ', padding));
            Ok(())
        });
    }
    let plain = |array: &A, row: usize, out: &mut Vec<u8>| -> Written {
        out.extend_from_slice(array.value(row).as_bytes());
        Ok(())
    };
    if format == Format::Text {
        return of(array, plain);
    }
    match pg_type.oid {
        oid::JSONB => of(array, |array: &A, row, out| {
            // The version of the binary form.
            out.push(1);
            out.extend_from_slice(array.value(row).as_bytes());
            Ok(())
        }),
        oid::UUID => of(array, |array: &A, row, out| {
            out.extend_from_slice(&parse_uuid(array.value(row))?);
            Ok(())
        }),
        oid::CHAR => of(array, |array: &A, row, out| {
            out.push(array.value(row).bytes().next().unwrap_or(0));
            Ok(())
        }),
        oid::INT2VECTOR | oid::OIDVECTOR => of(array, move |array: &A, row, out| {
            push_vector(array.value(row), pg_type, out)
        }),
        _ if is_oid(pg_type) => of(array, |array: &A, row, out| {
            push_oid(parse_oid(array.value(row))?, out)
        }),
        oid::INET | oid::ACLITEM | oid::TID | oid::PG_LSN => of(array, move |_: &A, _, _| {
            let name = pg_type.typname();
            Err(ValueError::new(
                "42883",
                format!("no binary output function available for type {name}"),
            )
            .into())
        }),
        _ => of(array, plain),
    }
}

/// Numbers with spaces between them, as an array that counts from 0.
fn push_vector(text: &str, pg_type: PgType, out: &mut Vec<u8>) -> Written {
    let numbers = text
        .split_ascii_whitespace()
        .map(parse_oid)
        .collect::<Result<Vec<_>, _>>()?;
    let is_short = pg_type.oid == oid::INT2VECTOR;
    let element = if is_short { oid::INT2 } else { oid::OID };
    for word in [1, 0, element as i32, numbers.len() as i32, 0] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    for number in numbers {
        if is_short {
            out.extend_from_slice(&2i32.to_be_bytes());
            out.extend_from_slice(&(number as i16).to_be_bytes());
        } else {
            out.extend_from_slice(&4i32.to_be_bytes());
            out.extend_from_slice(&(number as u32).to_be_bytes());
        }
    }
    Ok(())
}

fn byteas<'a, A>(array: A, target: Target<'a>) -> Box<dyn Cell + 'a>
where
    A: BinaryArrayType<'a> + 'a,
{
    let style = target.settings.bytea_output;
    match target.format {
        Format::Binary => of(array, |array: &A, row, out| {
            out.extend_from_slice(array.value(row));
            Ok(())
        }),
        Format::Text => of(array, move |array: &A, row, out| {
            push_bytea(out, array.value(row), style);
            Ok(())
        }),
    }
}

fn fixed_bytes<'a>(array: &'a FixedSizeBinaryArray, target: Target<'a>) -> Box<dyn Cell + 'a> {
    let style = target.settings.bytea_output;
    let is_uuid = target.pg_type.oid == oid::UUID;
    match target.format {
        Format::Binary => of(array, |array: &&FixedSizeBinaryArray, row, out| {
            out.extend_from_slice(array.value(row));
            Ok(())
        }),
        Format::Text if is_uuid => of(array, |array: &&FixedSizeBinaryArray, row, out| {
            push_uuid(out, array.value(row));
            Ok(())
        }),
        Format::Text => of(array, move |array: &&FixedSizeBinaryArray, row, out| {
            push_bytea(out, array.value(row), style);
            Ok(())
        }),
    }
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

/// Values that stand elsewhere, found by a row's place among them.
struct Indirect<'a, P> {
    values: Box<dyn Cell + 'a>,
    place: P,
}

impl<P: Fn(usize) -> Option<usize>> Cell for Indirect<'_, P> {
    fn is_null(&self, row: usize) -> bool {
        (self.place)(row).is_none_or(|place| self.values.is_null(place))
    }

    fn write(&self, row: usize, out: &mut Vec<u8>) -> Written {
        match (self.place)(row) {
            Some(place) => self.values.write(place, out),
            None => Ok(()),
        }
    }
}

fn dictionary<'a>(
    array: &'a dyn Array,
    target: Target<'a>,
) -> Result<Box<dyn Cell + 'a>, ValueError> {
    let dictionary = array.as_any_dictionary();
    let values = cell(dictionary.values().as_ref(), target)?;
    let nulls = dictionary.keys().nulls();
    // Without values there are no keys either, and every row is NULL.
    let keys = if dictionary.values().is_empty() {
        vec![0; array.len()]
    } else {
        dictionary.normalized_keys()
    };
    let place = move |row: usize| {
        nulls
            .is_none_or(|nulls| nulls.is_valid(row))
            .then(|| keys[row])
    };
    Ok(Box::new(Indirect { values, place }))
}

fn runs<'a, R: RunEndIndexType>(
    array: &'a dyn Array,
    target: Target<'a>,
) -> Result<Box<dyn Cell + 'a>, ValueError> {
    let run: &'a RunArray<R> = array.as_any().downcast_ref().ok_or_else(|| {
        ValueError::new(
            "XX000",
            format!("cannot read runs of {}", array.data_type()),
        )
    })?;
    let values = cell(run.values().as_ref(), target)?;
    Ok(Box::new(Indirect {
        values,
        place: move |row: usize| Some(run.get_physical_index(row)),
    }))
}

/// Arrow's own text, for unions and list views, which no table has.
struct Displayed<'a> {
    array: &'a dyn Array,
    formatter: ArrayFormatter<'a>,
}

fn displayed(array: &dyn Array) -> Result<Box<dyn Cell + '_>, ValueError> {
    const OPTIONS: &FormatOptions<'static> = &FormatOptions::new();
    let formatter = ArrayFormatter::try_new(array, OPTIONS)
        .map_err(|error| ValueError::new(NOT_SUPPORTED, error.to_string()))?;
    Ok(Box::new(Displayed { array, formatter }))
}

impl Cell for Displayed<'_> {
    fn is_null(&self, row: usize) -> bool {
        self.array.is_null(row)
    }

    fn write(&self, row: usize, out: &mut Vec<u8>) -> Written {
        let text = self
            .formatter
            .value(row)
            .try_to_string()
            .map_err(|error| ValueError::new(NOT_SUPPORTED, error.to_string()))?;
        out.extend_from_slice(text.as_bytes());
        Ok(())
    }
}
