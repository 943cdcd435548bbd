//! How do text and binary values become an Arrow column?
//!
//! [`builder`] looks at types once per column; parameters and COPY append values through the same
//! [`Builder`].

use std::sync::Arc;

use arrow::array::{
    ArrayRef, ArrowPrimitiveType, BinaryBuilder, BooleanBuilder, FixedSizeBinaryBuilder,
    PrimitiveBuilder, StringBuilder,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit,
    Time64MicrosecondType, TimeUnit, TimestampMicrosecondType, i256,
};
use tarn_catalog::types::{PgType, oid};

use super::bytes::{fit_text, parse_bytea, parse_uuid, push_uuid};
use super::datetime::{DAYS_TO_2000, MICROS_PER_DAY, MICROS_TO_2000};
use super::datetime_text::{parse_date, parse_time, parse_timestamp, parse_timestamptz};
use super::error::{DATETIME_OVERFLOW, INVALID_TEXT, NOT_SUPPORTED, OUT_OF_RANGE, ValueError};
use super::interval::Interval;
use super::interval_text;
use super::nested_builder::{list_builder, record_builder};
use super::number::{parse_bool, parse_f32, parse_f64, parse_integer, parse_oid, parse_reg};
use super::numeric::{self, Size};
use super::settings::FormatSettings;

/// A column under construction.
pub(in crate::postgres) trait Builder: Send {
    fn append_null(&mut self);

    /// A value in the text format.
    fn append_text(&mut self, text: &str) -> Result<(), ValueError>;

    /// A value in the binary format.
    fn append_binary(&mut self, bytes: &[u8]) -> Result<(), ValueError>;

    /// The column so far; the builder starts again, empty.
    fn finish(&mut self) -> Result<ArrayRef, ValueError>;
}

/// A builder of a column with a PostgreSQL type and the Arrow type that holds it.
pub(in crate::postgres) fn builder(
    pg_type: PgType,
    data_type: &DataType,
    settings: &Arc<FormatSettings>,
) -> Result<Box<dyn Builder>, ValueError> {
    Ok(match data_type {
        DataType::Boolean => Box::new(Bools(BooleanBuilder::new())),
        DataType::Int8 => integers::<Int8Type>(pg_type),
        DataType::Int16 => integers::<Int16Type>(pg_type),
        DataType::Int32 => integers::<Int32Type>(pg_type),
        DataType::Int64 if is_oid(pg_type) => oids(pg_type),
        DataType::Int64 => integers::<Int64Type>(pg_type),
        DataType::Float32 => values::<Float32Type>(parse_f32, |bytes| {
            Ok(f32::from_be_bytes(exact(bytes, PgType::FLOAT4)?))
        }),
        DataType::Float64 => values::<Float64Type>(parse_f64, |bytes| {
            Ok(f64::from_be_bytes(exact(bytes, PgType::FLOAT8)?))
        }),
        DataType::Decimal128(precision, scale) => decimals(Size {
            precision: *precision,
            scale: *scale,
        }),
        DataType::Decimal256(precision, scale) => wide_decimals(Size {
            precision: *precision,
            scale: *scale,
        }),
        DataType::Utf8 => texts(pg_type),
        DataType::Binary => Box::new(Bytes(BinaryBuilder::new())),
        DataType::FixedSizeBinary(size) => Box::new(FixedBytes {
            builder: FixedSizeBinaryBuilder::new(*size),
            size: *size as usize,
            pg_type,
        }),
        DataType::Date32 => dates(settings),
        DataType::Time64(TimeUnit::Microsecond) => times(pg_type, settings),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            timestamps(pg_type, zone.clone(), settings)
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => intervals(),
        DataType::List(field) => return list_builder(pg_type, field, settings),
        DataType::Struct(fields) => return record_builder(fields, settings),
        other => return cast_from(carrier(other), pg_type, other, settings),
    })
}

/// The Arrow type through which values of a rarer one are built.
fn carrier(data_type: &DataType) -> Option<DataType> {
    Some(match data_type {
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        DataType::Date64 => DataType::Date32,
        DataType::Time32(_) | DataType::Time64(_) => DataType::Time64(TimeUnit::Microsecond),
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
        DataType::Interval(_) => DataType::Interval(IntervalUnit::MonthDayNano),
        DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
            DataType::List(Arc::clone(field))
        }
        DataType::Dictionary(_, values) => values.as_ref().clone(),
        DataType::RunEndEncoded(_, values) => values.data_type().clone(),
        _ => return None,
    })
}

fn cast_from(
    carrier: Option<DataType>,
    pg_type: PgType,
    target: &DataType,
    settings: &Arc<FormatSettings>,
) -> Result<Box<dyn Builder>, ValueError> {
    let carrier = carrier.ok_or_else(|| {
        ValueError::new(
            NOT_SUPPORTED,
            format!("values of type {target} cannot be read"),
        )
    })?;
    let inner = builder(pg_type, &carrier, settings)?;
    Ok(Box::new(Cast {
        inner,
        target: target.clone(),
    }))
}

struct Cast {
    inner: Box<dyn Builder>,
    target: DataType,
}

impl Builder for Cast {
    fn append_null(&mut self) {
        self.inner.append_null();
    }

    fn append_text(&mut self, text: &str) -> Result<(), ValueError> {
        self.inner.append_text(text)
    }

    fn append_binary(&mut self, bytes: &[u8]) -> Result<(), ValueError> {
        self.inner.append_binary(bytes)
    }

    fn finish(&mut self) -> Result<ArrayRef, ValueError> {
        let array = self.inner.finish()?;
        cast(&array, &self.target).map_err(|error| ValueError::new(OUT_OF_RANGE, error.to_string()))
    }
}

/// The bytes of a binary value of fixed length.
pub(super) fn exact<const N: usize>(bytes: &[u8], pg_type: PgType) -> Result<[u8; N], ValueError> {
    bytes
        .try_into()
        .map_err(|_| ValueError::binary(&pg_type.sql_name()))
}

struct Values<T: ArrowPrimitiveType, P, Q> {
    builder: PrimitiveBuilder<T>,
    of_text: P,
    of_binary: Q,
}

fn values<T: ArrowPrimitiveType>(
    of_text: impl Fn(&str) -> Result<T::Native, ValueError> + Send + 'static,
    of_binary: impl Fn(&[u8]) -> Result<T::Native, ValueError> + Send + 'static,
) -> Box<dyn Builder> {
    Box::new(Values {
        builder: PrimitiveBuilder::<T>::new(),
        of_text,
        of_binary,
    })
}

impl<T, P, Q> Builder for Values<T, P, Q>
where
    T: ArrowPrimitiveType,
    P: Fn(&str) -> Result<T::Native, ValueError> + Send,
    Q: Fn(&[u8]) -> Result<T::Native, ValueError> + Send,
{
    fn append_null(&mut self) {
        self.builder.append_null();
    }

    fn append_text(&mut self, text: &str) -> Result<(), ValueError> {
        self.builder.append_value((self.of_text)(text)?);
        Ok(())
    }

    fn append_binary(&mut self, bytes: &[u8]) -> Result<(), ValueError> {
        self.builder.append_value((self.of_binary)(bytes)?);
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef, ValueError> {
        Ok(Arc::new(self.builder.finish()))
    }
}

fn integers<T>(pg_type: PgType) -> Box<dyn Builder>
where
    T: ArrowPrimitiveType,
    T::Native: TryFrom<i64>,
{
    let bounds = match T::DATA_TYPE {
        DataType::Int8 => (i64::from(i8::MIN), i64::from(i8::MAX)),
        DataType::Int16 => (i64::from(i16::MIN), i64::from(i16::MAX)),
        DataType::Int32 => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    };
    let type_name = match pg_type.oid {
        oid::INT2 => "smallint",
        oid::INT4 => "integer",
        _ => "bigint",
    };
    let narrow = move |number: i64| {
        T::Native::try_from(number)
            .map_err(|_| ValueError::out_of_range(type_name, &number.to_string()))
    };
    values::<T>(
        move |text| narrow(parse_integer(text, type_name, bounds)?),
        move |bytes| {
            narrow(match pg_type.oid {
                oid::INT2 => i64::from(i16::from_be_bytes(exact(bytes, pg_type)?)),
                oid::INT4 => i64::from(i32::from_be_bytes(exact(bytes, pg_type)?)),
                _ => i64::from_be_bytes(exact(bytes, pg_type)?),
            })
        },
    )
}

fn is_oid(pg_type: PgType) -> bool {
    pg_type.typlen() == 4 && pg_type.logical() == DataType::Int64
}

fn oids(pg_type: PgType) -> Box<dyn Builder> {
    values::<Int64Type>(
        move |text| match pg_type.oid {
            oid::OID | oid::XID | oid::CID => parse_oid(text),
            _ => parse_reg(text, pg_type.typname()),
        },
        move |bytes| Ok(i64::from(u32::from_be_bytes(exact(bytes, pg_type)?))),
    )
}

fn decimals(size: Size) -> Box<dyn Builder> {
    let narrow = |value: i256| {
        value
            .to_i128()
            .ok_or_else(|| ValueError::new(OUT_OF_RANGE, "numeric field overflow"))
    };
    typed(
        PrimitiveBuilder::<Decimal128Type>::new()
            .with_data_type(DataType::Decimal128(size.precision, size.scale)),
        move |text| narrow(numeric::parse(text, size)?),
        move |bytes| narrow(numeric::parse_binary(bytes, size)?),
    )
}

fn wide_decimals(size: Size) -> Box<dyn Builder> {
    typed(
        PrimitiveBuilder::<Decimal256Type>::new()
            .with_data_type(DataType::Decimal256(size.precision, size.scale)),
        move |text| numeric::parse(text, size),
        move |bytes| numeric::parse_binary(bytes, size),
    )
}

/// Values whose Arrow type has parameters.
fn typed<T: ArrowPrimitiveType>(
    builder: PrimitiveBuilder<T>,
    of_text: impl Fn(&str) -> Result<T::Native, ValueError> + Send + 'static,
    of_binary: impl Fn(&[u8]) -> Result<T::Native, ValueError> + Send + 'static,
) -> Box<dyn Builder> {
    Box::new(Values {
        builder,
        of_text,
        of_binary,
    })
}

fn dates(settings: &Arc<FormatSettings>) -> Box<dyn Builder> {
    let settings = Arc::clone(settings);
    values::<Date32Type>(
        move |text| parse_date(text, &settings),
        |bytes| match i32::from_be_bytes(exact(bytes, PgType::DATE)?) {
            infinite @ (i32::MAX | i32::MIN) => Ok(infinite),
            days => days
                .checked_add(DAYS_TO_2000 as i32)
                .ok_or_else(|| ValueError::new(DATETIME_OVERFLOW, "date out of range")),
        },
    )
}

fn times(pg_type: PgType, settings: &Arc<FormatSettings>) -> Box<dyn Builder> {
    let settings = Arc::clone(settings);
    values::<Time64MicrosecondType>(
        move |text| Ok(round_to_precision(parse_time(text, &settings)?, pg_type)),
        move |bytes| {
            let micros = i64::from_be_bytes(exact(bytes, PgType::TIME)?);
            if !(0..=MICROS_PER_DAY).contains(&micros) {
                return Err(ValueError::new(DATETIME_OVERFLOW, "time out of range"));
            }
            Ok(round_to_precision(micros, pg_type))
        },
    )
}

fn timestamps(
    pg_type: PgType,
    zone: Option<Arc<str>>,
    settings: &Arc<FormatSettings>,
) -> Box<dyn Builder> {
    let settings = Arc::clone(settings);
    let parse = if zone.is_some() {
        parse_timestamptz
    } else {
        parse_timestamp
    };
    typed(
        PrimitiveBuilder::<TimestampMicrosecondType>::new().with_timezone_opt(zone),
        move |text| Ok(round_to_precision(parse(text, &settings)?, pg_type)),
        move |bytes| match i64::from_be_bytes(exact(bytes, pg_type)?) {
            infinite @ (i64::MAX | i64::MIN) => Ok(infinite),
            micros => micros
                .checked_add(MICROS_TO_2000)
                .map(|micros| round_to_precision(micros, pg_type))
                .ok_or_else(|| ValueError::new(DATETIME_OVERFLOW, "timestamp out of range")),
        },
    )
}

/// Rounds microseconds to the digits that `timestamp(p)` keeps.
fn round_to_precision(micros: i64, pg_type: PgType) -> i64 {
    let (0..=5, false) = (pg_type.typmod, matches!(micros, i64::MAX | i64::MIN)) else {
        return micros;
    };
    let unit = 10i64.pow(6 - pg_type.typmod as u32);
    micros.saturating_add(unit / 2).div_euclid(unit) * unit
}

fn intervals() -> Box<dyn Builder> {
    values::<IntervalMonthDayNanoType>(
        interval_text::parse,
        |bytes| -> Result<IntervalMonthDayNano, ValueError> {
            let bytes: [u8; 16] = exact(bytes, PgType::INTERVAL)?;
            let word = |at: usize| {
                i32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
            };
            let micros = i64::from(word(0)) << 32 | i64::from(word(4) as u32);
            Interval {
                months: word(12),
                days: word(8),
                micros,
            }
            .to_arrow()
            .ok_or_else(|| ValueError::new(DATETIME_OVERFLOW, "interval out of range"))
        },
    )
}

struct Bools(BooleanBuilder);

impl Builder for Bools {
    fn append_null(&mut self) {
        self.0.append_null();
    }

    fn append_text(&mut self, text: &str) -> Result<(), ValueError> {
        self.0.append_value(parse_bool(text)?);
        Ok(())
    }

    fn append_binary(&mut self, bytes: &[u8]) -> Result<(), ValueError> {
        let [byte] = exact(bytes, PgType::BOOL)?;
        self.0.append_value(byte != 0);
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef, ValueError> {
        Ok(Arc::new(self.0.finish()))
    }
}

/// What is done to text before it is kept.
#[derive(Clone, Copy)]
enum Check {
    Nothing,
    /// `varchar(n)`, `char(n)`, `"char"`, `name`
    Length,
    Json,
    Uuid,
}

struct Texts {
    builder: StringBuilder,
    check: Check,
    pg_type: PgType,
}

fn texts(pg_type: PgType) -> Box<dyn Builder> {
    let check = match pg_type.oid {
        oid::JSON | oid::JSONB => Check::Json,
        oid::UUID => Check::Uuid,
        oid::BPCHAR | oid::CHAR | oid::NAME => Check::Length,
        _ if pg_type.length_max().is_some() => Check::Length,
        _ => Check::Nothing,
    };
    Box::new(Texts {
        builder: StringBuilder::new(),
        check,
        pg_type,
    })
}

impl Texts {
    fn append_uuid(&mut self, uuid: [u8; 16]) {
        let mut text = Vec::with_capacity(36);
        push_uuid(&mut text, &uuid);
        self.builder.append_value(String::from_utf8_lossy(&text));
    }
}

impl Builder for Texts {
    fn append_null(&mut self) {
        self.builder.append_null();
    }

    #[inline]
    fn append_text(&mut self, text: &str) -> Result<(), ValueError> {
        match self.check {
            Check::Nothing => self.builder.append_value(text),
            Check::Length => self.builder.append_value(fit_text(text, self.pg_type)?),
            Check::Uuid => self.append_uuid(parse_uuid(text)?),
            Check::Json => {
                check_json(text, self.pg_type)?;
                self.builder.append_value(text);
            }
        }
        Ok(())
    }

    fn append_binary(&mut self, bytes: &[u8]) -> Result<(), ValueError> {
        let bytes = match self.pg_type.oid {
            oid::UUID => {
                self.append_uuid(exact(bytes, self.pg_type)?);
                return Ok(());
            }
            oid::JSONB => match bytes.split_first() {
                Some((1, text)) => text,
                _ => return Err(ValueError::binary("jsonb")),
            },
            _ => bytes,
        };
        let text = text_of(bytes)?;
        self.append_text(text)
    }

    fn finish(&mut self) -> Result<ArrayRef, ValueError> {
        Ok(Arc::new(self.builder.finish()))
    }
}

/// Bytes as text, refused where they are not UTF-8 or hold a zero byte.
pub(in crate::postgres) fn text_of(bytes: &[u8]) -> Result<&str, ValueError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| ValueError::encoding(bytes, error.valid_up_to()))?;
    match text.bytes().position(|byte| byte == 0) {
        Some(at) => Err(ValueError::encoding(bytes, at)),
        None => Ok(text),
    }
}

fn check_json(text: &str, pg_type: PgType) -> Result<(), ValueError> {
    serde_json::from_str::<serde::de::IgnoredAny>(text)
        .map(|_| ())
        .map_err(|error| {
            ValueError::new(
                INVALID_TEXT,
                format!("invalid input syntax for type {}", pg_type.typname()),
            )
            .with_detail(format!("{error}."))
        })
}

struct Bytes(BinaryBuilder);

impl Builder for Bytes {
    fn append_null(&mut self) {
        self.0.append_null();
    }

    fn append_text(&mut self, text: &str) -> Result<(), ValueError> {
        self.0.append_value(parse_bytea(text)?);
        Ok(())
    }

    fn append_binary(&mut self, bytes: &[u8]) -> Result<(), ValueError> {
        self.0.append_value(bytes);
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef, ValueError> {
        Ok(Arc::new(self.0.finish()))
    }
}

struct FixedBytes {
    builder: FixedSizeBinaryBuilder,
    size: usize,
    pg_type: PgType,
}

impl Builder for FixedBytes {
    fn append_null(&mut self) {
        self.builder.append_null();
    }

    fn append_text(&mut self, text: &str) -> Result<(), ValueError> {
        match self.pg_type.oid {
            oid::UUID => self.append_binary(&parse_uuid(text)?),
            _ => self.append_binary(&parse_bytea(text)?),
        }
    }

    fn append_binary(&mut self, bytes: &[u8]) -> Result<(), ValueError> {
        let size = self.size;
        self.builder.append_value(bytes).map_err(|_| {
            ValueError::new(
                OUT_OF_RANGE,
                format!(
                    "a value of this column has {size} bytes, not {}",
                    bytes.len()
                ),
            )
        })
    }

    fn finish(&mut self) -> Result<ArrayRef, ValueError> {
        Ok(Arc::new(self.builder.finish()))
    }
}
