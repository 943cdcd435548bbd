//! How does an object read as SQL?

use super::{Call, Function, text, text_or_null};
use crate::system::builtin;
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
        stable(
            "pg_get_functiondef",
            &[1],
            PgType::TEXT,
            function_definition,
        ),
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
            identity_arguments,
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

/// Arguments and result of a function, as PostgreSQL prints them.
fn function_texts(call: &Call) -> Option<[String; 2]> {
    let oid = call.oid(0)?;
    if let Some(texts) = builtin::function_texts(oid) {
        return Some(texts.map(str::to_string));
    }
    let functions = call.session.functions();
    let own = functions.iter().find(|own| own.own_oid() == oid)?;
    let print = |oid: u32| names::print_type(call.session, oid, None);
    let mut arguments: Vec<String> = own.arguments.iter().map(|oid| print(*oid)).collect();
    if let Some(last) = arguments.last_mut().filter(|_| own.is_variadic) {
        last.insert_str(0, "VARIADIC ");
    }
    let set = if own.returns_set { "SETOF " } else { "" };
    Some([arguments.join(", "), format!("{set}{}", print(own.result))])
}

fn function_result(call: &Call) -> Result<ScalarValue> {
    text_or_null(function_texts(call).map(|[_, result]| result))
}

fn function_arguments(call: &Call) -> Result<ScalarValue> {
    text_or_null(function_texts(call).map(|[arguments, _]| arguments))
}

/// CREATE FUNCTION of a function of PostgreSQL; aggregates and our own have none.
fn function_definition(call: &Call) -> Result<ScalarValue> {
    let oid = call.oid(0).unwrap_or(0);
    let (Some(name), Some([arguments, result]), Some(facts)) = (
        builtin::function_of_oid(oid),
        builtin::function_texts(oid),
        builtin::function_source(oid),
    ) else {
        return none(call);
    };
    let [
        language,
        kind,
        volatility,
        parallel,
        strict,
        leakproof,
        source,
    ] = facts;
    if kind == "a" {
        return none(call);
    }
    let language = match language {
        "12" => "internal",
        "13" => "c",
        _ => "sql",
    };
    let traits = [
        (kind == "w", " WINDOW"),
        (volatility == "i", " IMMUTABLE"),
        (volatility == "s", " STABLE"),
        (parallel == "s", " PARALLEL SAFE"),
        (parallel == "r", " PARALLEL RESTRICTED"),
        (strict == "t", " STRICT"),
        (leakproof == "t", " LEAKPROOF"),
    ];
    let traits: String = traits
        .into_iter()
        .filter(|(holds, _)| *holds)
        .map(|(_, words)| words)
        .collect();
    let traits = if traits.is_empty() {
        traits
    } else {
        format!("{traits}\n")
    };
    text(format!(
        "CREATE OR REPLACE FUNCTION {}({arguments})\n RETURNS {result}\n LANGUAGE {language}\n\
         {traits}AS $function${source}$function$\n",
        qualified("pg_catalog", name)
    ))
}

/// The arguments without their defaults.
fn identity_arguments(call: &Call) -> Result<ScalarValue> {
    let arguments = function_texts(call).map(|[arguments, _]| {
        let declared = arguments.split(", ");
        let plain = declared.map(|one| one.split(" DEFAULT ").next().unwrap_or_default());
        plain.collect::<Vec<_>>().join(", ")
    });
    text_or_null(arguments)
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
