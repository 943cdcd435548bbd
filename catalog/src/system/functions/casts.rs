//! From text to an object and back: `regclass`, `regtype`, `regproc`, `regnamespace`, `regrole`.
//!
//! Values of these types are OIDs (Int64) with the type in the field's metadata. The rewriting pass
//! ([`crate::system::query_rewrite`]) puts [`REG_IN`] where text is cast to such a type and [`REG_OUT`] where such a
//! value is cast to text or leaves the query.

use std::sync::Arc;

use super::{Call, Function, Returns, integer, text};
use crate::system::names;
use crate::types::PgType;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::error::Result;
use datafusion::scalar::ScalarValue;

/// Text as a type's OID: (text, type name).
pub(crate) const REG_IN: &str = "pg_reg_in";
/// A value of an OID type as text: (value, type name).
pub(crate) const REG_OUT: &str = "pg_reg_out";

/// `to_regclass` and its like give NULL where the cast is an error.
const LENIENT: [(&str, PgType); 5] = [
    ("to_regclass", PgType::REGCLASS),
    ("to_regtype", PgType::REGTYPE),
    ("to_regproc", PgType::REGPROC),
    ("to_regnamespace", PgType::REGNAMESPACE),
    ("to_regrole", PgType::REGROLE),
];

/// The types whose values are OIDs of named objects.
pub(crate) const REG_TYPES: [PgType; 5] = [
    PgType::REGCLASS,
    PgType::REGTYPE,
    PgType::REGPROC,
    PgType::REGNAMESPACE,
    PgType::REGROLE,
];

pub(super) fn functions() -> Vec<Function> {
    let mut functions = vec![
        Function::stable(REG_IN, &[2], PgType::OID, |call| {
            integer(names::resolve(
                call.session,
                target(call),
                &call.text(0).unwrap_or_default(),
            )?)
        }),
        Function::stable(REG_OUT, &[2], Returns::From(printed), |call| {
            text(names::print(
                call.session,
                target(call),
                call.oid(0).unwrap_or(0),
            ))
        }),
    ];
    functions.extend(LENIENT.map(|(name, pg_type)| Function::stable(name, &[1], pg_type, lenient)));
    functions
}

fn target(call: &Call) -> PgType {
    PgType::parse(&call.text(1).unwrap_or_default()).unwrap_or(PgType::OID)
}

fn lenient(call: &Call) -> Result<ScalarValue> {
    let name = call.text(0).unwrap_or_default();
    let pg_type = PgType::of_field(call.return_field);
    Ok(ScalarValue::Int64(
        names::find(call.session, pg_type, &name).map(i64::from),
    ))
}

fn printed(_args: &[FieldRef]) -> Result<FieldRef> {
    Ok(Arc::new(Field::new(REG_OUT, DataType::Utf8, true)))
}
