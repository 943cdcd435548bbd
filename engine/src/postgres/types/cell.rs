//! How is one value of an Arrow array written as PostgreSQL's text or binary?
//!
//! [`cell`] looks at types once per array; the [`Cell`] it returns writes rows without looking again.

use std::ops::Range;

use arrow::array::{Array, AsArray, PrimitiveArray, RunArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Int16Type, Int32Type, Int64Type, RunEndIndexType,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use tarn_catalog::types::{PgType, oid};

use super::datetime_cell::datetime_cell;
use super::error::{NOT_SUPPORTED, ValueError};
use super::nested::{json_cell, list_cell, record_cell};
use super::number_cell::number_cell;
use super::settings::{Format, FormatSettings};
use super::text_cell::{byteas, fixed_bytes, texts};

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

/// A cell of any array and the function that writes one of its values.
pub(super) fn of<'a, A, W>(array: A, write: W) -> Box<dyn Cell + 'a>
where
    A: Array + 'a,
    W: Fn(&A, usize, &mut Vec<u8>) -> Written + 'a,
{
    Box::new(Of { array, write })
}

/// A cell of a primitive array.
pub(super) fn of_values<'a, T, W>(array: &'a dyn Array, write: W) -> Box<dyn Cell + 'a>
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
    pub(super) fn is_binary(&self) -> bool {
        self.format == Format::Binary
    }
}
/// The writer of an array's values.
pub(super) fn cell<'a>(
    array: &'a dyn Array,
    target: Target<'a>,
) -> Result<Box<dyn Cell + 'a>, ValueError> {
    let is_json = matches!(target.pg_type.oid, oid::JSON | oid::JSONB);
    match array.data_type() {
        DataType::Null => Ok(Box::new(AllNull)),
        DataType::Boolean => Ok(booleans(array, target)),
        DataType::Utf8 => Ok(texts(array.as_string::<i32>(), target)),
        DataType::LargeUtf8 => Ok(texts(array.as_string::<i64>(), target)),
        DataType::Utf8View => Ok(texts(array.as_string_view(), target)),
        DataType::Binary => Ok(byteas(array.as_binary::<i32>(), target)),
        DataType::LargeBinary => Ok(byteas(array.as_binary::<i64>(), target)),
        DataType::BinaryView => Ok(byteas(array.as_binary_view(), target)),
        DataType::FixedSizeBinary(_) => Ok(fixed_bytes(array.as_fixed_size_binary(), target)),
        DataType::Map(_, _) => json_cell(array, target),
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(_, _) if is_json => {
            json_cell(array, target)
        }
        DataType::Struct(_) if is_json => json_cell(array, target),
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(_, _) => {
            list_cell(array, target)
        }
        DataType::Struct(_) => record_cell(array, target),
        DataType::Dictionary(_, _) => dictionary(array, target),
        DataType::RunEndEncoded(ends, _) => match ends.data_type() {
            DataType::Int16 => runs::<Int16Type>(array, target),
            DataType::Int32 => runs::<Int32Type>(array, target),
            _ => runs::<Int64Type>(array, target),
        },
        other if other.is_numeric() => number_cell(array, target),
        other if other.is_temporal() => datetime_cell(array, target),
        _ => displayed(array),
    }
}

fn booleans<'a>(array: &'a dyn Array, target: Target<'a>) -> Box<dyn Cell + 'a> {
    let (no, yes) = if target.is_binary() {
        (0, 1)
    } else {
        (b'f', b't')
    };
    of(array.as_boolean(), move |array, row, out: &mut Vec<u8>| {
        out.push(if array.value(row) { yes } else { no });
        Ok(())
    })
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

pub(super) fn displayed(array: &dyn Array) -> Result<Box<dyn Cell + '_>, ValueError> {
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
