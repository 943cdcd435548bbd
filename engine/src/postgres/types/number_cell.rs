//! How are integers, floats and decimals of an Arrow array written?

use arrow::array::Array;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use tarn_catalog::types::{PgType, oid};

use super::cell::{Cell, Target, Written, displayed, of_values};
use super::error::ValueError;
use super::number::{push_f32, push_f64, push_signed, push_unsigned};
use super::numeric::{Decimal, push_i128_text};
use super::settings::Format;
use tarn_udfs::scalar::number::types::QUOTIENT_SCALE;

/// The writer of a numeric array's values.
pub(super) fn number_cell<'a>(
    array: &'a dyn Array,
    target: Target<'a>,
) -> Result<Box<dyn Cell + 'a>, ValueError> {
    Ok(match array.data_type() {
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
pub(super) fn is_oid(pg_type: PgType) -> bool {
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

pub(super) fn push_oid(value: i64, out: &mut Vec<u8>) -> Written {
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
        if scale == QUOTIENT_SCALE {
            decimal = decimal.quotient();
        } else if is_bare {
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
