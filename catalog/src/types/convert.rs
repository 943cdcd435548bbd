//! How do a column's values get from a Delta file to the engine and back?
//!
//! Only `time` and `interval` change; they may sit inside lists, structs and maps.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, IntervalMonthDayNanoArray, LargeListArray,
    ListArray, MapArray, StringArray, StructArray,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Field, Int64Type, IntervalMonthDayNanoType, IntervalUnit, Time64MicrosecondType,
    TimeUnit,
};
use arrow::error::ArrowError;

use super::interval::{from_iso8601, to_iso8601};
use super::storage_of;

const TIME: DataType = DataType::Time64(TimeUnit::Microsecond);
const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

/// Logical values as the Delta file holds them.
pub fn to_storage(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    convert(array, &storage_of(array.data_type()))
}

/// Values of a Delta file as the engine computes with them; `logical` is the column's logical type.
///
/// Fails on text that is not an ISO 8601 interval.
pub fn to_logical(array: &ArrayRef, logical: &DataType) -> Result<ArrayRef, ArrowError> {
    convert(array, logical)
}

fn convert(array: &ArrayRef, target: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == target {
        return Ok(Arc::clone(array));
    }
    Ok(match (array.data_type(), target) {
        (DataType::Time32(_) | DataType::Time64(_), DataType::Int64) => {
            let micros = cast(array, &TIME)?;
            let micros = micros.as_primitive::<Time64MicrosecondType>();
            Arc::new(micros.reinterpret_cast::<Int64Type>())
        }
        (DataType::Int64, DataType::Time64(TimeUnit::Microsecond)) => {
            let micros = array.as_primitive::<Int64Type>();
            Arc::new(micros.reinterpret_cast::<Time64MicrosecondType>())
        }
        (DataType::Interval(_) | DataType::Duration(_), DataType::Utf8) => {
            intervals_to_text(array)?
        }
        (DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View, DataType::Interval(_)) => {
            text_to_intervals(array)?
        }
        (from, to) if from.is_nested() && to.is_nested() => convert_nested(array, target)?,
        _ => cast(array, target)?,
    })
}

/// Lists, structs and maps of values that change.
fn convert_nested(array: &ArrayRef, target: &DataType) -> Result<ArrayRef, ArrowError> {
    let inner = |values: &ArrayRef, field: &Arc<Field>| convert(values, field.data_type());
    let nulls = array.nulls().cloned();
    Ok(match (array.data_type(), target) {
        (DataType::List(_), DataType::List(field)) => {
            let list = array.as_list::<i32>();
            let values = inner(list.values(), field)?;
            Arc::new(ListArray::try_new(
                Arc::clone(field),
                list.offsets().clone(),
                values,
                nulls,
            )?)
        }
        (DataType::LargeList(_), DataType::LargeList(field)) => {
            let list = array.as_list::<i64>();
            let values = inner(list.values(), field)?;
            let offsets = list.offsets().clone();
            Arc::new(LargeListArray::try_new(
                Arc::clone(field),
                offsets,
                values,
                nulls,
            )?)
        }
        (DataType::FixedSizeList(_, _), DataType::FixedSizeList(field, size)) => {
            let values = inner(array.as_fixed_size_list().values(), field)?;
            Arc::new(FixedSizeListArray::try_new(
                Arc::clone(field),
                *size,
                values,
                nulls,
            )?)
        }
        (DataType::Struct(_), DataType::Struct(fields)) => {
            let columns = array.as_struct().columns().iter().zip(fields);
            let converted = columns
                .map(|(column, field)| inner(column, field))
                .collect::<Result<Vec<_>, _>>()?;
            Arc::new(StructArray::try_new(fields.clone(), converted, nulls)?)
        }
        (DataType::Map(_, _), DataType::Map(field, sorted)) => {
            let map = array.as_map();
            let entries: ArrayRef = Arc::new(map.entries().clone());
            let entries = inner(&entries, field)?.as_struct().clone();
            let offsets = map.offsets().clone();
            Arc::new(MapArray::try_new(
                Arc::clone(field),
                offsets,
                entries,
                nulls,
                *sorted,
            )?)
        }
        _ => cast(array, target)?,
    })
}

fn intervals_to_text(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let intervals = cast(array, &INTERVAL)?;
    let text: StringArray = intervals
        .as_primitive::<IntervalMonthDayNanoType>()
        .iter()
        .map(|value| value.map(to_iso8601))
        .collect();
    Ok(Arc::new(text))
}

fn text_to_intervals(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let text = cast(array, &DataType::Utf8)?;
    let intervals = text
        .as_string::<i32>()
        .iter()
        .map(|value| {
            value
                .map(|text| {
                    from_iso8601(text).ok_or_else(|| {
                        ArrowError::ParseError(format!("not an ISO 8601 interval: \"{text}\""))
                    })
                })
                .transpose()
        })
        .collect::<Result<IntervalMonthDayNanoArray, _>>()?;
    Ok(Arc::new(intervals))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{to_logical, to_storage};
    use crate::types::PgType;
    use arrow::array::{
        Array, ArrayRef, IntervalMonthDayNanoArray, ListArray, StringArray, Time64MicrosecondArray,
    };
    use arrow::buffer::OffsetBuffer;
    use arrow::datatypes::{DataType, Field, IntervalMonthDayNano};

    #[test]
    fn times_and_intervals_come_back() {
        let times: ArrayRef = Arc::new(Time64MicrosecondArray::from(vec![
            Some(0),
            None,
            Some(86_399_999_999),
        ]));
        let intervals: ArrayRef = Arc::new(IntervalMonthDayNanoArray::from(vec![
            Some(IntervalMonthDayNano::new(1, -2, 3)),
            None,
            Some(IntervalMonthDayNano::new(0, 0, i64::MIN)),
        ]));
        for (logical, storage) in [(times, DataType::Int64), (intervals, DataType::Utf8)] {
            let stored = to_storage(&logical).unwrap();
            assert_eq!(stored.data_type(), &storage);
            assert_eq!(stored.null_count(), 1);
            assert_eq!(&to_logical(&stored, logical.data_type()).unwrap(), &logical);
        }
    }

    #[test]
    fn times_inside_lists_come_back() {
        let times = Arc::new(Time64MicrosecondArray::from(vec![Some(1), None, Some(3)]));
        let field = Arc::new(Field::new_list_field(PgType::TIME.logical(), true));
        let lists: ArrayRef = Arc::new(ListArray::new(
            field,
            OffsetBuffer::from_lengths([2, 0, 1]),
            times,
            None,
        ));
        let stored = to_storage(&lists).unwrap();
        assert_eq!(stored.data_type(), &PgType::TIME.array().unwrap().storage());
        assert_eq!(&to_logical(&stored, lists.data_type()).unwrap(), &lists);
    }

    #[test]
    fn damaged_intervals_are_errors() {
        let text: ArrayRef = Arc::new(StringArray::from(vec!["one day"]));
        assert!(to_logical(&text, &PgType::INTERVAL.logical()).is_err());
    }
}
