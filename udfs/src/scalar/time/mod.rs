//! Functions of dates, times, moments and intervals, and what operators on them mean.

pub mod age;
pub mod date_arithmetic;
pub mod date_bin;
pub mod date_trunc;
pub mod extract;
pub mod interval_arithmetic;
pub mod isfinite;
pub mod justify;
pub mod make;
pub mod moment_arithmetic;
pub mod now;
pub mod precision;
pub mod time_arithmetic;
pub mod time_casts;
pub mod timezone;
pub mod zone_casts;

use super::columns::ColumnFunction;

/// Every function of this folder.
pub static FUNCTIONS: &[&ColumnFunction] = &[
    &age::AGE,
    &date_arithmetic::DATE_PLUS_DAYS,
    &date_arithmetic::DATE_MINUS_DAYS,
    &date_arithmetic::DATE_MINUS_DATE,
    &date_arithmetic::DATE_PLUS_TIME,
    &date_bin::DATE_BIN,
    &date_trunc::DATE_TRUNC,
    &extract::DATE_PART,
    &extract::EXTRACT,
    &interval_arithmetic::PLUS,
    &interval_arithmetic::MINUS,
    &interval_arithmetic::NEGATED,
    &interval_arithmetic::TIMES,
    &interval_arithmetic::DIVIDED,
    &interval_arithmetic::SPAN,
    &isfinite::ISFINITE,
    &justify::JUSTIFY_DAYS,
    &justify::JUSTIFY_HOURS,
    &justify::JUSTIFY_INTERVAL,
    &make::MAKE_DATE,
    &make::MAKE_INTERVAL,
    &make::MAKE_TIME,
    &make::MAKE_TIMESTAMP,
    &make::MAKE_TIMESTAMPTZ,
    &moment_arithmetic::TIMESTAMP_PLUS,
    &moment_arithmetic::TIMESTAMP_MINUS,
    &moment_arithmetic::TIMESTAMPTZ_PLUS,
    &moment_arithmetic::TIMESTAMPTZ_MINUS,
    &moment_arithmetic::TIMESTAMP_DIFFERENCE,
    &moment_arithmetic::TIMESTAMPTZ_DIFFERENCE,
    &now::CLOCK_TIMESTAMP,
    &now::CURRENT_DATE,
    &now::CURRENT_TIMESTAMP,
    &now::LOCALTIME,
    &now::LOCALTIMESTAMP,
    &now::NOW,
    &now::STATEMENT_TIMESTAMP,
    &now::TRANSACTION_TIMESTAMP,
    &precision::ROUNDED,
    &time_arithmetic::TIME_PLUS,
    &time_arithmetic::TIME_MINUS,
    &time_arithmetic::TIME_DIFFERENCE,
    &time_casts::INTERVAL_TO_TIME,
    &time_casts::TIME_TO_INTERVAL,
    &timezone::TIMEZONE,
    &zone_casts::TIMESTAMP_TO_TIMESTAMPTZ,
    &zone_casts::TIMESTAMPTZ_TO_TIMESTAMP,
    &zone_casts::DATE_TO_TIMESTAMP,
    &zone_casts::TIMESTAMPTZ_TO_DATE,
    &zone_casts::TIMESTAMP_TO_DATE,
    &zone_casts::TIMESTAMP_TO_TIME,
];
