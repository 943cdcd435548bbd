//! `generate_series(from, to [, step])` as one list: numbers, or moments an interval apart.

use std::sync::Arc;

use arrow::array::{ArrayRef, ArrowPrimitiveType, ListArray, PrimitiveArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{
    DataType, Decimal128Type, Field, Int32Type, Int64Type, IntervalMonthDayNanoType,
    TimestampMicrosecondType,
};
use datafusion::error::Result;
use datafusion::logical_expr::{ReturnFieldArgs, Volatility};

use super::columns::{ColumnFunction, Columns};
use super::overload::Kind::{Int4, Int8, Interval as Span, Numeric, Timestamp, Timestamptz};
use super::overload::{Kind, Overload};
use crate::error::FunctionError;
use crate::time::interval::Interval;
use crate::time::zone::Zone;

/// Values that one call may give; a series beyond it would fill the memory.
const VALUES_MAX: usize = 1 << 27;

/// What `generate_series` gives, as one list for `unnest`.
pub static GENERATE_SERIES_LIST: ColumnFunction = ColumnFunction {
    name: "generate_series_list",
    syntax: "generate_series(from, to [, step])",
    description: "A row for each number or moment from one to another",
    overloads: &[
        Overload::new(&[Int4, Int4], Kind::Any),
        Overload::new(&[Int4, Int4, Int4], Kind::Any),
        Overload::new(&[Int8, Int8], Kind::Any),
        Overload::new(&[Int8, Int8, Int8], Kind::Any),
        Overload::new(&[Numeric, Numeric], Kind::Any),
        Overload::new(&[Numeric, Numeric, Numeric], Kind::Any),
        Overload::new(&[Timestamp, Timestamp, Span], Kind::Any),
        Overload::new(&[Timestamptz, Timestamptz, Span], Kind::Any),
    ],
    gives: Some(list_of_first),
    volatility: Volatility::Stable,
    body: |columns| match columns.data_type(0) {
        DataType::Int32 => {
            numbers::<Int32Type>(columns, &|value| i128::from(value), &|value| value as i32)
        }
        DataType::Int64 => {
            numbers::<Int64Type>(columns, &|value| i128::from(value), &|value| value as i64)
        }
        DataType::Timestamp(_, None) => moments(columns, Zone::UTC),
        DataType::Timestamp(..) => moments(columns, columns.clock.zone),
        _ => decimals(columns),
    },
};

/// Decimals come in the largest scale of the arguments.
fn list_of_first(args: &ReturnFieldArgs) -> Result<DataType> {
    let element = match args.arg_fields[0].data_type() {
        DataType::Decimal128(..) => DataType::Decimal128(
            38,
            scale_of(args.arg_fields.iter().map(|field| field.data_type())),
        ),
        other => other.clone(),
    };
    Ok(DataType::new_list(element, true))
}

fn scale_of<'d>(types: impl Iterator<Item = &'d DataType>) -> i8 {
    types
        .map(|data_type| match data_type {
            DataType::Decimal128(_, scale) => *scale,
            _ => 0,
        })
        .max()
        .unwrap_or(0)
}

/// The lists of all rows under construction.
struct Series<T: ArrowPrimitiveType> {
    values: Vec<T::Native>,
    lengths: Vec<usize>,
    nulls: Option<NullBuffer>,
}

impl<T: ArrowPrimitiveType> Series<T> {
    fn of(columns: &Columns) -> Self {
        Series {
            values: Vec::new(),
            lengths: Vec::with_capacity(columns.rows),
            nulls: columns.nulls(),
        }
    }

    fn push(&mut self, value: T::Native) -> Result<()> {
        if self.values.len() >= VALUES_MAX {
            return Err(
                FunctionError::new("54000", "generate_series() gives too many values")
                    .with_detail(format!("At most {VALUES_MAX} fit into one call."))
                    .into(),
            );
        }
        self.values.push(value);
        Ok(())
    }

    fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    fn finish(self, gives: &DataType) -> Result<ArrayRef> {
        let DataType::List(element) = gives else {
            return datafusion::common::internal_err!("a series is a list");
        };
        let values = PrimitiveArray::<T>::from_iter_values(self.values)
            .with_data_type(element.data_type().clone());
        let field = Arc::new(Field::new_list_field(element.data_type().clone(), true));
        let offsets = OffsetBuffer::from_lengths(self.lengths);
        Ok(Arc::new(ListArray::try_new(
            field,
            offsets,
            Arc::new(values),
            self.nulls,
        )?))
    }
}

fn zero_step() -> FunctionError {
    FunctionError::new("22023", "step size cannot equal zero")
}

fn numbers<T: ArrowPrimitiveType>(
    columns: &Columns,
    widen: &dyn Fn(T::Native) -> i128,
    narrow: &dyn Fn(i128) -> T::Native,
) -> Result<ArrayRef> {
    let mut series = Series::<T>::of(columns);
    let value = |at: usize, row: usize| widen(columns.primitive::<T>(at).value(row));
    for row in 0..columns.rows {
        let before = series.values.len();
        if !series.is_null(row) {
            let step = if columns.len() > 2 { value(2, row) } else { 1 };
            if step == 0 {
                return Err(zero_step().into());
            }
            let (mut next, last) = (value(0, row), value(1, row));
            while (step > 0 && next <= last) || (step < 0 && next >= last) {
                series.push(narrow(next))?;
                next += step;
            }
        }
        series.lengths.push(series.values.len() - before);
    }
    series.finish(columns.gives)
}

fn decimals(columns: &Columns) -> Result<ArrayRef> {
    let scale = scale_of((0..columns.len()).map(|at| columns.data_type(at)));
    let mut series = Series::<Decimal128Type>::of(columns);
    let value = |at: usize, row: usize| {
        let own = scale_of(std::iter::once(columns.data_type(at)));
        columns.primitive::<Decimal128Type>(at).value(row) * 10i128.pow((scale - own) as u32)
    };
    for row in 0..columns.rows {
        let before = series.values.len();
        if !series.is_null(row) {
            let one = 10i128.pow(scale as u32);
            let step = if columns.len() > 2 {
                value(2, row)
            } else {
                one
            };
            if step == 0 {
                return Err(zero_step().into());
            }
            let (mut next, last) = (value(0, row), value(1, row));
            while (step > 0 && next <= last) || (step < 0 && next >= last) {
                series.push(next)?;
                next += step;
            }
        }
        series.lengths.push(series.values.len() - before);
    }
    series.finish(columns.gives)
}

fn moments(columns: &Columns, zone: Zone) -> Result<ArrayRef> {
    let mut series = Series::<TimestampMicrosecondType>::of(columns);
    let (first, last) = (
        columns.primitive::<TimestampMicrosecondType>(0),
        columns.primitive::<TimestampMicrosecondType>(1),
    );
    let steps = columns.primitive::<IntervalMonthDayNanoType>(2);
    for row in 0..columns.rows {
        let before = series.values.len();
        if !series.is_null(row) {
            let step = Interval::of_arrow(steps.value(row));
            let direction = step.span_micros();
            if direction == 0 {
                return Err(zero_step().into());
            }
            let (mut next, last) = (first.value(row), last.value(row));
            while (direction > 0 && next <= last) || (direction < 0 && next >= last) {
                series.push(next)?;
                next = step.after_in_zone(next, zone)?;
            }
        }
        series.lengths.push(series.values.len() - before);
    }
    series.finish(columns.gives)
}
