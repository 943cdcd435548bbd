//! `to_char(value, template)`: a date, an interval or a number as text by a template.

use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::{
    DataType, Decimal128Type, Float64Type, Int64Type, IntervalMonthDayNanoType,
    TimestampMicrosecondType,
};
use datafusion::error::Result;
use datafusion::logical_expr::Volatility;

use super::date_fields::DateFields;
use super::date_pattern::DatePattern;
use super::number_pattern::NumberPattern;
use super::{date_write, number_write};
use crate::error::FunctionError;
use crate::scalar::columns::{ColumnFunction, Columns};
use crate::scalar::overload::{Kind, Overload};
use crate::time::interval::Interval;
use crate::time::moment::{self, MICROS_PER_SECOND};
use crate::time::zone::Zone;

/// `to_char`
pub static TO_CHAR: ColumnFunction = ColumnFunction {
    name: "to_char",
    syntax: "to_char(value, 'template')",
    description: "A date, an interval or a number as text by a template such as `YYYY-MM-DD` or `FM990D00`",
    overloads: &[
        Overload::new(&[Kind::Timestamptz, Kind::Text], Kind::Text),
        Overload::new(&[Kind::Timestamp, Kind::Text], Kind::Text),
        Overload::new(&[Kind::Interval, Kind::Text], Kind::Text),
        Overload::new(&[Kind::Int8, Kind::Text], Kind::Text),
        Overload::new(&[Kind::Numeric, Kind::Text], Kind::Text),
        Overload::new(&[Kind::Float8, Kind::Text], Kind::Text),
    ],
    gives: None,
    volatility: Volatility::Stable,
    body: |columns| match columns.data_type(0) {
        DataType::Timestamp(_, None) => moments(columns, Zone::UTC, false),
        DataType::Timestamp(..) => moments(columns, columns.clock.zone, true),
        DataType::Interval(_) => intervals(columns),
        _ => numbers(columns),
    },
};

/// The templates of the rows, each parsed once as long as they do not change.
struct Patterns<'a, P> {
    templates: &'a StringArray,
    parse: fn(&str) -> Result<P, FunctionError>,
    last: Option<(&'a str, P)>,
}

impl<'a, P> Patterns<'a, P> {
    fn new(templates: &'a StringArray, parse: fn(&str) -> Result<P, FunctionError>) -> Self {
        Patterns {
            templates,
            parse,
            last: None,
        }
    }

    /// The template of a row; None if it is empty.
    fn at(&mut self, row: usize) -> Result<Option<&P>, FunctionError> {
        let template = self.templates.value(row);
        let is_known = matches!(&self.last, Some((known, _)) if *known == template);
        if !is_known {
            self.last = Some((template, (self.parse)(template)?));
        }
        Ok(match &self.last {
            Some((known, pattern)) if !known.is_empty() => Some(pattern),
            _ => None,
        })
    }
}

fn moments(columns: &Columns, zone: Zone, has_zone: bool) -> Result<ArrayRef> {
    let moments = columns.primitive::<TimestampMicrosecondType>(0);
    let mut patterns = Patterns::new(columns.text(1), |text| Ok(DatePattern::parse(text)));
    columns.map_text(|row, out| {
        let micros = moments.value(row);
        if !moment::is_finite(micros) {
            return Ok(false);
        }
        let Some(pattern) = patterns.at(row)? else {
            return Ok(false);
        };
        let seconds = micros.div_euclid(MICROS_PER_SECOND);
        let offset = zone.offset_at(seconds);
        let fields = DateFields::of_moment(moment::to_wall_clock(micros, zone)?, offset);
        let abbreviation = match has_zone && pattern.has_zone_name() {
            true => zone.abbreviation_at(seconds),
            false => String::new(),
        };
        date_write::write(out, pattern, &fields, &abbreviation)?;
        Ok(true)
    })
}

fn intervals(columns: &Columns) -> Result<ArrayRef> {
    let intervals = columns.primitive::<IntervalMonthDayNanoType>(0);
    let mut patterns = Patterns::new(columns.text(1), |text| Ok(DatePattern::parse(text)));
    columns.map_text(|row, out| {
        let Some(pattern) = patterns.at(row)? else {
            return Ok(false);
        };
        let fields = DateFields::of_interval(Interval::of_arrow(intervals.value(row)));
        date_write::write(out, pattern, &fields, "")?;
        Ok(true)
    })
}

fn numbers(columns: &Columns) -> Result<ArrayRef> {
    let mut patterns = Patterns::new(columns.text(1), NumberPattern::parse);
    let mut by_template = |number: &dyn Fn(usize) -> number_write::Number| {
        columns.map_text(|row, out| {
            let Some(pattern) = patterns.at(row)? else {
                return Ok(true);
            };
            number_write::write(out, pattern, number(row));
            Ok(true)
        })
    };
    match columns.data_type(0) {
        DataType::Int64 => {
            let values = columns.primitive::<Int64Type>(0);
            by_template(&|row| number_write::Number::Decimal(i128::from(values.value(row)), 0))
        }
        DataType::Float64 => {
            let values = columns.primitive::<Float64Type>(0);
            by_template(&|row| number_write::Number::Float(values.value(row)))
        }
        data_type => {
            let scale = match data_type {
                DataType::Decimal128(_, scale) => i32::from(*scale),
                _ => 0,
            };
            let values = columns.primitive::<Decimal128Type>(0);
            by_template(&|row| number_write::Number::Decimal(values.value(row), scale))
        }
    }
}
