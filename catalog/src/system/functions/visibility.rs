//! Is the bare name of an object enough, as the search path is?

use super::{Call, Function};
use crate::system::names;
use crate::system::oids::FIRST_USER;
use crate::types::PgType;
use datafusion::error::Result;
use datafusion::scalar::ScalarValue;

/// Kinds of objects that only `pg_catalog` has here.
const BUILT_IN_KINDS: [&str; 11] = [
    "pg_function_is_visible",
    "pg_operator_is_visible",
    "pg_opclass_is_visible",
    "pg_opfamily_is_visible",
    "pg_collation_is_visible",
    "pg_conversion_is_visible",
    "pg_statistics_obj_is_visible",
    "pg_ts_config_is_visible",
    "pg_ts_dict_is_visible",
    "pg_ts_parser_is_visible",
    "pg_ts_template_is_visible",
];

pub(super) fn functions() -> Vec<Function> {
    let mut functions = vec![
        Function::stable("pg_table_is_visible", &[1], PgType::BOOL, |call| {
            let oid = call.oid(0).unwrap_or(0);
            Ok(ScalarValue::Boolean(names::relation_is_visible(
                call.session,
                oid,
            )))
        }),
        Function::stable("pg_type_is_visible", &[1], PgType::BOOL, |call| {
            let oid = call.oid(0).unwrap_or(0);
            Ok(ScalarValue::Boolean(names::type_is_visible(
                call.session,
                oid,
            )))
        }),
    ];
    functions
        .extend(BUILT_IN_KINDS.map(|name| Function::stable(name, &[1], PgType::BOOL, built_in)));
    functions
}

fn built_in(call: &Call) -> Result<ScalarValue> {
    // NULL for an object that does not exist, as PostgreSQL says.
    let is_own = |oid: u32| {
        let functions = call.session.functions();
        functions.iter().any(|own| own.own_oid() == oid)
    };
    let exists = call
        .oid(0)
        .is_some_and(|oid| oid != 0 && (oid < FIRST_USER || is_own(oid)));
    Ok(ScalarValue::Boolean(exists.then_some(true)))
}
