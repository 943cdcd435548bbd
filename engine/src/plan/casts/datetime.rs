//! What do casts between dates, times, moments and intervals mean? With a zone on one side, the session's.

use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, cast, lit};
use tarn_catalog::types::PgType;
use tarn_udfs::scalar::overload::Kind;
use tarn_udfs::scalar::time::{precision, time_casts, zone_casts};

use super::CastCall;
use crate::plan::time_operators::call;

/// The function that a cast calls.
pub fn plan(asked: &CastCall) -> Result<Option<Expr>> {
    let (from, to) = (asked.from.data_type(), asked.to.data_type());
    let function = match (from, to) {
        (DataType::Timestamp(_, None) | DataType::Date32, DataType::Timestamp(_, Some(_))) => {
            Some(&zone_casts::TIMESTAMP_TO_TIMESTAMPTZ)
        }
        (DataType::Timestamp(_, Some(_)), DataType::Timestamp(_, None)) => {
            Some(&zone_casts::TIMESTAMPTZ_TO_TIMESTAMP)
        }
        (DataType::Date32, DataType::Timestamp(_, None)) => Some(&zone_casts::DATE_TO_TIMESTAMP),
        (DataType::Timestamp(_, Some(_)), DataType::Date32) => {
            Some(&zone_casts::TIMESTAMPTZ_TO_DATE)
        }
        (DataType::Timestamp(_, None), DataType::Date32) => Some(&zone_casts::TIMESTAMP_TO_DATE),
        (DataType::Timestamp(..), DataType::Time64(_)) => Some(&zone_casts::TIMESTAMP_TO_TIME),
        (DataType::Interval(_), DataType::Time64(_)) => Some(&time_casts::INTERVAL_TO_TIME),
        (DataType::Time64(_), DataType::Interval(_)) => Some(&time_casts::TIME_TO_INTERVAL),
        _ => None,
    };
    let digits = digits_of(asked);
    let converted = match (function, digits) {
        (None, None) => return Ok(None),
        (None, Some(_)) => in_micros(asked.operand, from),
        (Some(function), _) => {
            let converted = call(function, vec![in_micros(asked.operand, from)]);
            match function.overloads[0].gives.arrow() == *to {
                true => converted,
                false => cast(converted, to.clone()),
            }
        }
    };
    Ok(Some(match digits {
        Some(digits) => call(&precision::ROUNDED, vec![converted, lit(digits)]),
        None => converted,
    }))
}

/// The digits behind the second that `timestamp(p)` and its like keep, in a cast between temporal types.
fn digits_of(asked: &CastCall) -> Option<i32> {
    let is_rounded =
        |data_type: &DataType| matches!(data_type, DataType::Timestamp(..) | DataType::Time64(_));
    if !is_rounded(asked.to.data_type()) || !asked.from.data_type().is_temporal() {
        return None;
    }
    let digits = PgType::of_field(asked.to).typmod;
    (digits >= 0).then_some(digits)
}

/// Moments of other writers' tables have other units.
fn in_micros(operand: &Expr, from: &DataType) -> Expr {
    let micros = match from {
        DataType::Timestamp(_, None) => Kind::Timestamp.arrow(),
        DataType::Timestamp(_, Some(_)) => Kind::Timestamptz.arrow(),
        _ => return operand.clone(),
    };
    match micros == *from {
        true => operand.clone(),
        false => cast(operand.clone(), micros),
    }
}
