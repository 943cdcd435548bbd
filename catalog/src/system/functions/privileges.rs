//! May a role do something to an object?
//!
//! Superusers may do all; owners may do all to what they own; everyone may use the built-in objects and connect.
//! There is no GRANT yet, so nothing else is allowed.

use super::{Call, Function, boolean};
use crate::system::error::SystemError;
use crate::system::names;
use crate::system::oids::FIRST_USER;
use crate::types::PgType;
use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::scalar::ScalarValue;

const PRIVILEGES: [&str; 16] = [
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "TRUNCATE",
    "REFERENCES",
    "TRIGGER",
    "USAGE",
    "CREATE",
    "CONNECT",
    "TEMP",
    "TEMPORARY",
    "EXECUTE",
    "SET",
    "ALTER SYSTEM",
    "MEMBER",
];

/// Functions over objects that everyone may use or that only `pg_catalog` has.
const OPEN: [&str; 8] = [
    "has_database_privilege",
    "has_function_privilege",
    "has_language_privilege",
    "has_tablespace_privilege",
    "has_type_privilege",
    "has_server_privilege",
    "has_foreign_data_wrapper_privilege",
    "has_parameter_privilege",
];

pub(super) fn functions() -> Vec<Function> {
    let stable = Function::stable;
    let mut functions = vec![
        stable("has_table_privilege", &[2, 3], PgType::BOOL, |call| {
            on_relation(call, call.args.len() - 2)
        }),
        stable("has_sequence_privilege", &[2, 3], PgType::BOOL, |call| {
            on_relation(call, call.args.len() - 2)
        }),
        stable("has_any_column_privilege", &[2, 3], PgType::BOOL, |call| {
            on_relation(call, call.args.len() - 2)
        }),
        stable("has_column_privilege", &[3, 4], PgType::BOOL, |call| {
            on_relation(call, call.args.len() - 3)
        }),
        stable("has_schema_privilege", &[2, 3], PgType::BOOL, on_schema),
        stable("pg_has_role", &[2, 3], PgType::BOOL, has_role),
        stable("row_security_active", &[1], PgType::BOOL, |_| {
            boolean(false)
        }),
    ];
    functions.extend(OPEN.map(|name| Function::stable(name, &[2, 3], PgType::BOOL, open)));
    functions
}

/// The role that is asked about: the first of the arguments if there is one more than needed.
fn role(call: &Call, is_given: bool) -> Result<String> {
    if !is_given {
        return Ok(call.session.current_user());
    }
    let snapshot = call.session.snapshot();
    let given = call.text(0).unwrap_or_default();
    let found = match call.oid(0) {
        Some(oid) => snapshot.role_name(oid),
        None => snapshot
            .role_oid(&given)
            .and_then(|oid| snapshot.role_name(oid)),
    };
    let missing = || SystemError::UndefinedObject("role", given.clone()).into();
    found.map(str::to_string).ok_or_else(missing)
}

fn is_superuser(call: &Call, role: &str) -> bool {
    call.session
        .snapshot()
        .roles
        .iter()
        .any(|known| known.name == role && known.superuser)
}

/// The last argument lists privileges: `SELECT, UPDATE WITH GRANT OPTION`.
fn check_privileges(call: &Call) -> Result<()> {
    let list = call.text(call.args.len() - 1).unwrap_or_default();
    for privilege in list.split(',') {
        let upper = privilege.trim().to_uppercase();
        if !PRIVILEGES.contains(&upper.trim_end_matches(" WITH GRANT OPTION")) {
            return Err(SystemError::UnknownPrivilege(privilege.trim().to_string()).into());
        }
    }
    Ok(())
}

fn is_text(value: &ScalarValue) -> bool {
    matches!(
        value.data_type(),
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8
    )
}

/// `at`: which argument is the relation.
fn on_relation(call: &Call, at: usize) -> Result<ScalarValue> {
    check_privileges(call)?;
    let role = role(call, at == 1)?;
    let oid = if is_text(&call.args[at]) {
        names::resolve(
            call.session,
            PgType::REGCLASS,
            &call.text(at).unwrap_or_default(),
        )?
    } else {
        call.oid(at).unwrap_or(0)
    };
    let snapshot = call.session.snapshot();
    if oid < FIRST_USER {
        let exists = names::relation_of_oid(call.session, oid).is_some();
        return Ok(ScalarValue::Boolean(exists.then_some(true)));
    }
    let owner = snapshot
        .relation(oid)
        .map(|relation| relation.owner.clone())
        .or_else(|| {
            names::index_of_oid(&snapshot.relations, oid)
                .map(|(relation, _)| relation.owner.clone())
        });
    // NULL for an object that does not exist.
    Ok(ScalarValue::Boolean(
        owner.map(|owner| owner == role || is_superuser(call, &role)),
    ))
}

fn on_schema(call: &Call) -> Result<ScalarValue> {
    check_privileges(call)?;
    let at = call.args.len() - 2;
    let role = role(call, at == 1)?;
    let snapshot = call.session.snapshot();
    let name = match call.oid(at) {
        Some(oid) => names::schema_name(call.session, oid),
        None => {
            let name = call.text(at).unwrap_or_default();
            if snapshot.schema_oid(&name).is_none() {
                return Err(SystemError::UndefinedSchema(name).into());
            }
            Some(name)
        }
    };
    let Some(name) = name else {
        return Ok(ScalarValue::Boolean(None));
    };
    let owner = snapshot
        .schemas
        .iter()
        .find(|schema| schema.name == name)
        .map(|schema| schema.owner.clone());
    boolean(
        owner.is_none_or(|owner| owner == role || is_superuser(call, &role) || name == "public"),
    )
}

fn has_role(call: &Call) -> Result<ScalarValue> {
    let at = call.args.len() - 2;
    let role = role(call, at == 1)?;
    let snapshot = call.session.snapshot();
    let wanted = match call.oid(at) {
        Some(oid) => snapshot.role_name(oid).map(str::to_string),
        None => call.text(at),
    };
    boolean(is_superuser(call, &role) || wanted.as_deref() == Some(role.as_str()))
}

fn open(call: &Call) -> Result<ScalarValue> {
    check_privileges(call)?;
    role(call, call.args.len() == 3)?;
    boolean(true)
}
