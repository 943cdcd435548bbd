//! From text to an object and back: `regclass`, `regtype`, `regproc`, `regnamespace`, `regrole`.
//!
//! Values of these types are OIDs (Int64) with the type in the field's metadata, which a cast of DataFusion would lose
//! as it casts from Int64 to Int64. The rewriting pass
//! ([`crate::system::query_rewrite`]) puts [`REG_IN`] where something is cast to such a type and [`REG_OUT`] where such a
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
const LENIENT: [(&str, PgType); 6] = [
    ("to_regclass", PgType::REGCLASS),
    ("to_regtype", PgType::REGTYPE),
    ("to_regproc", PgType::REGPROC),
    ("to_regprocedure", PgType::REGPROCEDURE),
    ("to_regnamespace", PgType::REGNAMESPACE),
    ("to_regrole", PgType::REGROLE),
];

/// The types whose values are OIDs of named objects.
pub(crate) const REG_TYPES: [PgType; 6] = [
    PgType::REGCLASS,
    PgType::REGTYPE,
    PgType::REGPROC,
    PgType::REGPROCEDURE,
    PgType::REGNAMESPACE,
    PgType::REGROLE,
];

pub(super) fn functions() -> Vec<Function> {
    let mut functions = vec![
        Function::stable(REG_IN, &[2], Returns::FromConstants(named), |call| {
            let name = call.text(0).unwrap_or_default();
            integer(names::resolve(call.session, target(call), &name)?)
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

/// The type that the second argument names.
fn named(constants: &[Option<&ScalarValue>]) -> Result<FieldRef> {
    let name = match constants.get(1) {
        Some(Some(ScalarValue::Utf8(Some(name)))) => name.as_str(),
        _ => "oid",
    };
    Ok(Arc::new(
        PgType::parse(name)
            .unwrap_or(PgType::OID)
            .field(REG_IN, true),
    ))
}

fn printed(_args: &[FieldRef]) -> Result<FieldRef> {
    Ok(Arc::new(Field::new(REG_OUT, DataType::Utf8, true)))
}
