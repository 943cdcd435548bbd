//! How does an object read as SQL?

use super::{Call, Function, text, text_or_null};
use crate::system::definitions::{constraint_definition, index_definition, qualified, quote_ident};
use crate::system::error::SystemError;
use crate::system::names;
use crate::system::snapshot::RelationKind;
use crate::types::PgType;
use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::scalar::ScalarValue;

pub(super) fn functions() -> Vec<Function> {
    let stable = Function::stable;
    vec![
        stable("format_type", &[2], PgType::TEXT, format_type).with_nulls(),
        // Expressions are kept as text, not as trees.
        stable("pg_get_expr", &[2, 3], PgType::TEXT, |call| {
            text_or_null(call.text(0))
        }),
        stable("pg_get_constraintdef", &[1, 2], PgType::TEXT, constraint),
        stable("pg_get_indexdef", &[1, 3], PgType::TEXT, index),
        stable("pg_get_viewdef", &[1, 2], PgType::TEXT, view),
        stable("pg_get_ruledef", &[1, 2], PgType::TEXT, none),
        stable("pg_get_triggerdef", &[1, 2], PgType::TEXT, none),
        stable("pg_get_partkeydef", &[1], PgType::TEXT, none),
        stable("pg_get_partition_constraintdef", &[1], PgType::TEXT, none),
        stable("pg_get_statisticsobjdef", &[1], PgType::TEXT, none),
        stable("pg_get_statisticsobjdef_columns", &[1], PgType::TEXT, none),
        stable("pg_get_functiondef", &[1], PgType::TEXT, none),
        stable(
            "pg_get_function_result",
            &[1],
            PgType::TEXT,
            function_result,
        ),
        stable(
            "pg_get_function_arguments",
            &[1],
            PgType::TEXT,
            function_arguments,
        ),
        stable(
            "pg_get_function_identity_arguments",
            &[1],
            PgType::TEXT,
            function_arguments,
        ),
        stable("pg_get_function_sqlbody", &[1], PgType::TEXT, none),
        stable(
            "pg_get_serial_sequence",
            &[2],
            PgType::TEXT,
            serial_sequence,
        ),
        stable("pg_relation_is_publishable", &[1], PgType::BOOL, |call| {
            let snapshot = call.session.snapshot();
            let is_table = snapshot
                .relation(call.oid(0).unwrap_or(0))
                .is_some_and(|found| found.table().is_some());
            super::boolean(is_table)
        }),
        stable("pg_relation_is_updatable", &[2], PgType::INT4, |call| {
            let snapshot = call.session.snapshot();
            let is_table = snapshot
                .relation(call.oid(0).unwrap_or(0))
                .is_some_and(|found| found.table().is_some());
            // Bits: 8 INSERT, 4 UPDATE, 16 DELETE.
            super::integer(if is_table { 28 } else { 0 })
        }),
    ]
}

fn none(_call: &Call) -> Result<ScalarValue> {
    Ok(ScalarValue::Utf8(None))
}

fn format_type(call: &Call) -> Result<ScalarValue> {
    let Some(oid) = call.oid(0) else {
        return none(call);
    };
    let typmod = call
        .integer(1)
        .and_then(|typmod| i32::try_from(typmod).ok());
    text(names::print_type(call.session, oid, typmod))
}

fn constraint(call: &Call) -> Result<ScalarValue> {
    let oid = call.oid(0).unwrap_or(0);
    let snapshot = call.session.snapshot();
    let Some((_, constraint)) = names::constraint_of_oid(&snapshot.relations, oid) else {
        return none(call);
    };
    text(constraint_definition(constraint, |schema, table| {
        let target = snapshot.relation_named(schema, table);
        let visible =
            target.and_then(|target| names::relation_is_visible(call.session, target.oid));
        visible == Some(true)
    }))
}

fn index(call: &Call) -> Result<ScalarValue> {
    let oid = call.oid(0).unwrap_or(0);
    let snapshot = call.session.snapshot();
    let Some((relation, constraint)) = names::index_of_oid(&snapshot.relations, oid) else {
        return none(call);
    };
    match call
        .integer(1)
        .and_then(|column| usize::try_from(column).ok())
    {
        None | Some(0) => text(index_definition(relation, constraint)),
        Some(column) => {
            let columns = constraint.index_columns().unwrap_or_default();
            text(
                columns
                    .get(column - 1)
                    .map(|name| quote_ident(name))
                    .unwrap_or_default(),
            )
        }
    }
}

fn view(call: &Call) -> Result<ScalarValue> {
    let oid = match call.args[0].data_type() {
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => Some(names::resolve(
            call.session,
            PgType::REGCLASS,
            &call.text(0).unwrap_or_default(),
        )?),
        _ => call.oid(0),
    };
    let snapshot = call.session.snapshot();
    let definition =
        oid.and_then(|oid| snapshot.relation(oid))
            .and_then(|relation| match &relation.kind {
                RelationKind::View { sql } => {
                    Some(format!(" {};", sql.trim().trim_end_matches(';')))
                }
                _ => None,
            });
    text_or_null(definition)
}

/// Types of a built-in function: the result, then the arguments.
fn function_types(call: &Call) -> Option<Vec<String>> {
    let wanted = call.oid(0)?.to_string();
    let rows = crate::system::builtin::built_in("pg_proc")?.values([
        "oid",
        "prorettype",
        "proargtypes",
        "proretset",
    ]);
    let [_, result, arguments, set] = rows.into_iter().find(|row| row[0] == wanted)?;
    let print = |oid: &str| names::print_type(call.session, oid.parse().unwrap_or(0), None);
    let result = if set == "t" {
        format!("SETOF {}", print(result))
    } else {
        print(result)
    };
    Some(
        [result]
            .into_iter()
            .chain(
                arguments
                    .split(' ')
                    .filter(|oid| !oid.is_empty())
                    .map(print),
            )
            .collect(),
    )
}

fn function_result(call: &Call) -> Result<ScalarValue> {
    text_or_null(function_types(call).and_then(|types| types.into_iter().next()))
}

fn function_arguments(call: &Call) -> Result<ScalarValue> {
    text_or_null(function_types(call).map(|types| types[1..].join(", ")))
}

fn serial_sequence(call: &Call) -> Result<ScalarValue> {
    let (table, column) = (
        call.text(0).unwrap_or_default(),
        call.text(1).unwrap_or_default(),
    );
    let oid = names::resolve(call.session, PgType::REGCLASS, &table)?;
    let snapshot = call.session.snapshot();
    let Some(relation) = snapshot.relation(oid) else {
        return Err(SystemError::UndefinedRelation(table).into());
    };
    let sequence = relation
        .table()
        .and_then(|table| table.sequences.get(&column));
    let named = sequence.and_then(|oid| snapshot.relation(*oid));
    text_or_null(named.map(|sequence| qualified(&sequence.schema, &sequence.name)))
}
