//! How are text and bytes of an Arrow array written?

use arrow::array::{BinaryArrayType, FixedSizeBinaryArray, StringArrayType};
use tarn_catalog::types::{PgType, oid};

use super::bytes::{parse_uuid, push_bytea, push_uuid};
use super::cell::{Cell, Target, Written, of};
use super::error::ValueError;
use super::number::parse_oid;
use super::number_cell::{is_oid, push_oid};
use super::settings::Format;

/// Text in any of Arrow's layouts; the binary form depends on the type it stands for.
pub(super) fn texts<'a, A>(array: A, target: Target<'a>) -> Box<dyn Cell + 'a>
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

pub(super) fn byteas<'a, A>(array: A, target: Target<'a>) -> Box<dyn Cell + 'a>
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

pub(super) fn fixed_bytes<'a>(
    array: &'a FixedSizeBinaryArray,
    target: Target<'a>,
) -> Box<dyn Cell + 'a> {
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
