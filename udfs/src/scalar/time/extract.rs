//! `extract(field FROM value)` as `numeric`, and `date_part('field', value)` as `double precision`.

use arrow::array::{Array, StringArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float64Type, IntervalMonthDayNanoType,
    Time64MicrosecondType, TimestampMicrosecondType,
};
use datafusion::error::Result;
use datafusion::logical_expr::{ReturnFieldArgs, Volatility};

use crate::error::FunctionError;
use crate::scalar::columns::{ColumnFunction, Columns};
use crate::scalar::overload::{Kind, Overload, sql_name};
use crate::time::field::{Field, unsupported};
use crate::time::interval::Interval;
use crate::time::moment::{self, MICROS_PER_SECOND};
use crate::time::parts;
use crate::time::zone::Zone;

/// Digits of a part: an epoch in microseconds, or a Julian date with its decimals.
const PRECISION: u8 = 38;

/// `extract`
pub static EXTRACT: ColumnFunction = ColumnFunction {
    name: "extract",
    syntax: "extract(field FROM value)",
    description: "A field of a date, a time or an interval, such as `year`, `dow` or `epoch`, as numeric",
    overloads: &[
        Overload::new(&[Kind::Text, Kind::Timestamp], Kind::Any),
        Overload::new(&[Kind::Text, Kind::Timestamptz], Kind::Any),
        Overload::new(&[Kind::Text, Kind::Date], Kind::Any),
        Overload::new(&[Kind::Text, Kind::Time], Kind::Any),
        Overload::new(&[Kind::Text, Kind::Interval], Kind::Any),
    ],
    gives: Some(extract_type),
    volatility: Volatility::Stable,
    body: |columns| {
        let parts = parts_of(columns)?;
        let scale = match columns.gives {
            DataType::Decimal128(_, scale) => *scale,
            _ => 0,
        };
        columns.map_some::<Decimal128Type>(|row| Ok(parts(row)?.map(|part| rescaled(part, scale))))
    },
};

/// `date_part`
pub static DATE_PART: ColumnFunction = ColumnFunction {
    name: "date_part",
    syntax: "date_part('field', value)",
    description: "A field of a date, a time or an interval as double precision",
    overloads: &[
        Overload::new(&[Kind::Text, Kind::Timestamp], Kind::Float8),
        Overload::new(&[Kind::Text, Kind::Timestamptz], Kind::Float8),
        Overload::new(&[Kind::Text, Kind::Time], Kind::Float8),
        Overload::new(&[Kind::Text, Kind::Interval], Kind::Float8),
    ],
    gives: None,
    volatility: Volatility::Stable,
    body: |columns| {
        let parts = parts_of(columns)?;
        columns.map_some::<Float64Type>(|row| {
            Ok(parts(row)?.map(|part| match part {
                Part::Finite(amount, scale) => amount as f64 / 10f64.powi(i32::from(scale)),
                Part::Infinite(is_negative) => match is_negative {
                    true => f64::NEG_INFINITY,
                    false => f64::INFINITY,
                },
            }))
        })
    },
};

/// A part in units of 10 to the minus scale.
#[derive(Debug, Clone, Copy)]
enum Part {
    Finite(i128, i8),
    Infinite(bool),
}

fn rescaled(part: Part, scale: i8) -> i128 {
    match part {
        Part::Finite(amount, own) if own <= scale => amount * 10i128.pow((scale - own) as u32),
        Part::Finite(amount, own) => amount / 10i128.pow((own - scale) as u32),
        // Refused before.
        Part::Infinite(_) => 0,
    }
}

fn extract_type(args: &ReturnFieldArgs) -> Result<DataType> {
    let word = match args.scalar_arguments.first() {
        Some(Some(word)) => word.try_as_str().flatten().unwrap_or_default(),
        _ => "",
    };
    let value = args.arg_fields[1].data_type();
    let field = Field::of(word, sql_name(value))?;
    let has_time = *value != DataType::Date32;
    Ok(DataType::Decimal128(
        PRECISION,
        parts::scale(field, has_time),
    ))
}

type Parts<'a> = Box<dyn Fn(usize) -> Result<Option<Part>> + 'a>;

/// The part of each row; the fields are read once where they are all the same.
fn parts_of<'a>(columns: &'a Columns) -> Result<Parts<'a>> {
    let value = columns.data_type(1).clone();
    let type_name = sql_name(&value);
    let fields = Fields::of(columns.text(0), type_name)?;
    let zone = columns.clock.zone;
    let is_extract = columns.gives.is_decimal();
    Ok(match value {
        DataType::Date32 => {
            let dates = columns.primitive::<Date32Type>(1);
            Box::new(move |row| {
                let (field, date) = (fields.at(row)?, dates.value(row));
                if !moment::is_finite_date(date) {
                    return infinite(field, date < 0, is_extract);
                }
                let part = parts::of_day(field, i64::from(date));
                finite(part, field, false, &fields, row)
            })
        }
        DataType::Time64(_) => {
            let times = columns.primitive::<Time64MicrosecondType>(1);
            Box::new(move |row| {
                let field = fields.at(row)?;
                finite(
                    parts::of_time(field, times.value(row)),
                    field,
                    true,
                    &fields,
                    row,
                )
            })
        }
        DataType::Interval(_) => {
            let intervals = columns.primitive::<IntervalMonthDayNanoType>(1);
            Box::new(move |row| {
                let field = fields.at(row)?;
                let interval = Interval::of_arrow(intervals.value(row));
                finite(
                    parts::of_interval(field, interval),
                    field,
                    true,
                    &fields,
                    row,
                )
            })
        }
        DataType::Timestamp(_, None) => {
            let moments = columns.primitive::<TimestampMicrosecondType>(1);
            Box::new(move |row| {
                let (field, micros) = (fields.at(row)?, moments.value(row));
                if !moment::is_finite(micros) {
                    return infinite(field, micros < 0, is_extract);
                }
                finite(parts::of_moment(field, micros), field, true, &fields, row)
            })
        }
        _ => in_zone(columns, fields, zone),
    })
}

/// Parts of moments as the clocks of the session's zone show them.
fn in_zone<'a>(columns: &'a Columns, fields: Fields<'a>, zone: Zone) -> Parts<'a> {
    let is_extract = columns.gives.is_decimal();
    let moments = columns.primitive::<TimestampMicrosecondType>(1);
    Box::new(move |row| {
        let (field, micros) = (fields.at(row)?, moments.value(row));
        if !moment::is_finite(micros) {
            return infinite(field, micros < 0, is_extract);
        }
        let offset = zone.offset_at(micros.div_euclid(MICROS_PER_SECOND));
        let local = micros + i64::from(offset) * MICROS_PER_SECOND;
        let part = match field {
            Field::Epoch => Some(i128::from(micros)),
            _ => parts::of_offset(field, offset).or_else(|| parts::of_moment(field, local)),
        };
        finite(part, field, true, &fields, row)
    })
}

fn finite(
    part: Option<i128>,
    field: Field,
    has_time: bool,
    fields: &Fields,
    row: usize,
) -> Result<Option<Part>> {
    let amount = part.ok_or_else(|| unsupported(fields.words.value(row), fields.type_name))?;
    Ok(Some(Part::Finite(amount, parts::scale(field, has_time))))
}

/// Fields that only grow are infinite where the date is, the others are NULL.
fn infinite(field: Field, is_negative: bool, is_extract: bool) -> Result<Option<Part>> {
    let grows = matches!(
        field,
        Field::Year
            | Field::Decade
            | Field::Century
            | Field::Millennium
            | Field::Julian
            | Field::Isoyear
            | Field::Epoch
    );
    if !grows {
        return Ok(None);
    }
    if is_extract {
        return Err(
            FunctionError::new("0A000", "numeric cannot hold an infinity")
                .with_hint("date_part() gives double precision, which can.")
                .into(),
        );
    }
    Ok(Some(Part::Infinite(is_negative)))
}

/// The field of each row.
struct Fields<'a> {
    words: &'a StringArray,
    type_name: &'static str,
    /// The field of the first row's word.
    first: Option<(&'a str, Field)>,
}

impl<'a> Fields<'a> {
    fn of(words: &'a StringArray, type_name: &'static str) -> Result<Fields<'a>> {
        let first = match words.is_empty() || words.is_null(0) {
            true => None,
            false => Some((words.value(0), Field::of(words.value(0), type_name)?)),
        };
        Ok(Fields {
            words,
            type_name,
            first,
        })
    }

    fn at(&self, row: usize) -> Result<Field> {
        let word = self.words.value(row);
        match self.first {
            Some((known, field)) if known == word => Ok(field),
            _ => Ok(Field::of(word, self.type_name)?),
        }
    }
}
