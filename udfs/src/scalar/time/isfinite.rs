//! `isfinite(value)`: is a date or a moment neither infinity?

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Date32Type, TimestampMicrosecondType};
use datafusion::error::Result;
use datafusion::logical_expr::Volatility;

use crate::scalar::columns::{ColumnFunction, Columns};
use crate::scalar::overload::{Kind, Overload};
use crate::time::moment;

/// `isfinite`
pub static ISFINITE: ColumnFunction = ColumnFunction {
    name: "isfinite",
    syntax: "isfinite(value)",
    description: "Whether a date, a timestamp or an interval is neither infinity",
    overloads: &[
        Overload::new(&[Kind::Timestamptz], Kind::Boolean),
        Overload::new(&[Kind::Timestamp], Kind::Boolean),
        Overload::new(&[Kind::Date], Kind::Boolean),
        Overload::new(&[Kind::Interval], Kind::Boolean),
    ],
    gives: None,
    volatility: Volatility::Immutable,
    body: finite,
};

fn finite(columns: &Columns) -> Result<ArrayRef> {
    match columns.data_type(0) {
        DataType::Date32 => {
            let dates = columns.primitive::<Date32Type>(0);
            columns.map_boolean(|row| Ok(moment::is_finite_date(dates.value(row))))
        }
        DataType::Timestamp(..) => {
            let moments = columns.primitive::<TimestampMicrosecondType>(0);
            columns.map_boolean(|row| Ok(moment::is_finite(moments.value(row))))
        }
        _ => columns.map_boolean(|_| Ok(true)),
    }
}
