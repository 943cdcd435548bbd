//! `to_date(text, template)`: the date that a text means by a template.

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::Date32Type;
use datafusion::error::Result;
use datafusion::logical_expr::Volatility;

use super::date_pattern::DatePattern;
use super::date_read::{DateTime, read};
use crate::error::FunctionError;
use crate::scalar::columns::{ColumnFunction, Columns};
use crate::scalar::overload::{Kind, Overload};
use crate::time::moment;

/// `to_date`
pub static TO_DATE: ColumnFunction = ColumnFunction {
    name: "to_date",
    syntax: "to_date('text', 'template')",
    description: "The date that a text means by a template such as `DD.MM.YYYY`",
    overloads: &[Overload::new(&[Kind::Text, Kind::Text], Kind::Date)],
    gives: None,
    volatility: Volatility::Immutable,
    body: dates,
};

fn dates(columns: &Columns) -> Result<ArrayRef> {
    let read = reader(columns);
    columns.map::<Date32Type>(|row| {
        let text = columns.text(0).value(row);
        let date = read(row)?;
        Ok(moment::checked_date(date.days)
            .map_err(|_| FunctionError::new("22008", format!("date out of range: \"{text}\"")))?)
    })
}

/// Reads the text of a row by its template, which is parsed once where all are the same.
pub fn reader<'c>(columns: &'c Columns) -> impl Fn(usize) -> Result<DateTime, FunctionError> + 'c {
    let (texts, templates) = (columns.text(0), columns.text(1));
    let first = match templates.is_empty() || templates.is_null(0) {
        true => "",
        false => templates.value(0),
    };
    let pattern = DatePattern::parse(first);
    move |row| {
        let template = templates.value(row);
        match template == first {
            true => read(texts.value(row), &pattern),
            false => read(texts.value(row), &DatePattern::parse(template)),
        }
    }
}
