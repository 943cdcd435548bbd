//! Which object does a name mean in a session, and how is an object named in it?
//!
//! The types regclass, regtype, regproc, regnamespace and regrole: text to OID and back, with the search path.

use datafusion::error::Result;

use super::builtin::{
    self, function_of_oid, functions_named, operator_of_oid, type_named, type_of_oid,
};
use super::definitions::{qualified, quote_ident};
use super::error::SystemError;
use super::layout::{layout, layout_of_oid};
use super::oids;
use super::session::SystemSession;
use super::snapshot::{Constraint, Relation};
use crate::types::PgType;

/// Splits `a."B c"` into folded parts; None if it is no name.
pub fn split_name(text: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    loop {
        let (part, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let end = closing_quote(quoted)?;
                (quoted[..end].replace("\"\"", "\""), &quoted[end + 1..])
            }
            None => {
                let end = rest.find(['.', '"', ' ']).unwrap_or(rest.len());
                (rest[..end].to_lowercase(), &rest[end..])
            }
        };
        if part.is_empty() {
            return None;
        }
        parts.push(part);
        match after.trim_start().strip_prefix('.') {
            Some(next) => rest = next.trim_start(),
            None => return after.trim().is_empty().then_some(parts),
        }
    }
}

/// Where the quoted part ends: a quote that is not doubled.
fn closing_quote(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'"' {
            if bytes.get(at + 1) != Some(&b'"') {
                return Some(at);
            }
            at += 1;
        }
        at += 1;
    }
    None
}

/// Schemas in which names are looked up: temporary tables, then `pg_catalog` unless the path names it.
pub fn lookup_path(session: &dyn SystemSession) -> Vec<String> {
    let snapshot = session.snapshot();
    let user = session.current_user();
    let mut path: Vec<String> = session
        .search_path()
        .into_iter()
        .map(|name| if name == "$user" { user.clone() } else { name })
        .filter(|name| snapshot.schema_oid(name).is_some())
        .collect();
    if !path.iter().any(|name| name == "pg_catalog") {
        path.insert(0, "pg_catalog".to_string());
    }
    let temporary = format!("{TEMPORARY}{}", session.backend_pid());
    if snapshot.schema_oid(&temporary).is_some() {
        path.insert(0, temporary);
    }
    path
}

/// The schemas of temporary tables begin so.
pub const TEMPORARY: &str = "pg_temp_";

/// An index: the relation and the constraint that it stands for.
pub fn index_of_oid(relations: &[Relation], oid: u32) -> Option<(&Relation, &Constraint)> {
    each_constraint(relations).find(|(relation, constraint)| {
        constraint.index_columns().is_some() && relation.index_oid(constraint) == oid
    })
}

/// A constraint with its relation.
pub fn constraint_of_oid(relations: &[Relation], oid: u32) -> Option<(&Relation, &Constraint)> {
    each_constraint(relations)
        .find(|(relation, constraint)| relation.constraint_oid(constraint) == oid)
}

fn each_constraint(relations: &[Relation]) -> impl Iterator<Item = (&Relation, &Constraint)> {
    relations.iter().flat_map(|relation| {
        let constraints = relation
            .table()
            .map(|table| table.constraints.as_slice())
            .unwrap_or_default();
        constraints
            .iter()
            .map(move |constraint| (relation, constraint))
    })
}

fn relation_in(session: &dyn SystemSession, schema: &str, name: &str) -> Option<u32> {
    if let Some(layout) = layout(schema, name) {
        return Some(layout.oid);
    }
    let snapshot = session.snapshot();
    if let Some(relation) = snapshot.relation_named(schema, name) {
        return Some(relation.oid);
    }
    each_constraint(&snapshot.relations)
        .find(|(relation, constraint)| {
            relation.schema == schema
                && constraint.name == name
                && constraint.index_columns().is_some()
        })
        .map(|(relation, constraint)| relation.index_oid(constraint))
}

/// OID of the relation or index that text names; None if there is none.
pub fn find_relation(session: &dyn SystemSession, text: &str) -> Option<u32> {
    if let Ok(oid) = text.parse() {
        return Some(oid);
    }
    let parts = split_name(text)?;
    match parts.as_slice() {
        [name] => lookup_path(session)
            .iter()
            .find_map(|schema| relation_in(session, schema, name)),
        [schema, name] | [_, schema, name] => relation_in(session, schema, name),
        _ => None,
    }
}

/// (schema, name) of the relation or index of an OID.
pub fn relation_of_oid(session: &dyn SystemSession, oid: u32) -> Option<(String, String)> {
    if let Some(layout) = layout_of_oid(oid) {
        return Some((layout.schema.to_string(), layout.name.to_string()));
    }
    let snapshot = session.snapshot();
    if let Some(relation) = snapshot.relation(oid) {
        return Some((relation.schema.clone(), relation.name.clone()));
    }
    let (relation, constraint) = index_of_oid(&snapshot.relations, oid)?;
    Some((relation.schema.clone(), constraint.name.clone()))
}

/// Is this what the bare name means in the session?
pub fn relation_is_visible(session: &dyn SystemSession, oid: u32) -> Option<bool> {
    let (_, name) = relation_of_oid(session, oid)?;
    let path = lookup_path(session);
    Some(
        path.iter()
            .find_map(|schema| relation_in(session, schema, &name))
            == Some(oid),
    )
}

/// Is the schema of an object that no other hides on the search path?
pub fn schema_is_visible(session: &dyn SystemSession, schema_oid: u32) -> bool {
    lookup_path(session)
        .iter()
        .any(|name| session.snapshot().schema_oid(name) == Some(schema_oid))
}

/// The relation as regclass prints it: qualified if the bare name means another or none.
pub fn print_relation(session: &dyn SystemSession, oid: u32) -> String {
    match relation_of_oid(session, oid) {
        None if oid == 0 => "-".to_string(),
        None => oid.to_string(),
        Some((_, name)) if relation_is_visible(session, oid) == Some(true) => quote_ident(&name),
        Some((schema, name)) => qualified(&schema, &name),
    }
}

/// OID of the type that text names; None if there is none.
pub fn find_type(session: &dyn SystemSession, text: &str) -> Option<u32> {
    if let Ok(oid) = text.parse() {
        return Some(oid);
    }
    if let Ok(known) = PgType::parse(text) {
        return Some(known.oid);
    }
    let (bare, is_array) = match text.trim().strip_suffix("[]") {
        Some(element) => (element, true),
        None => (text.trim(), false),
    };
    let parts = split_name(bare)?;
    let found = match parts.as_slice() {
        [name] => lookup_path(session)
            .iter()
            .find_map(|schema| type_in(session, schema, name)),
        [schema, name] => type_in(session, schema, name),
        _ => None,
    }?;
    if is_array {
        array_over(session, found)
    } else {
        Some(found)
    }
}

fn array_over(session: &dyn SystemSession, element: u32) -> Option<u32> {
    let snapshot = session.snapshot();
    if let Some(relation) = snapshot
        .relations
        .iter()
        .find(|relation| relation.row_type_oid() == element)
    {
        return Some(relation.row_array_oid());
    }
    let known = type_of_oid(element)?;
    type_named(known.namespace, &format!("_{}", known.name))
}

fn type_in(session: &dyn SystemSession, schema: &str, name: &str) -> Option<u32> {
    let snapshot = session.snapshot();
    if let Some(oid) = type_named(snapshot.schema_oid(schema)?, name) {
        return Some(oid);
    }
    let array_of = name.strip_prefix('_');
    let named = |name: &str| {
        snapshot
            .relation_named(schema, name)
            .filter(|relation| relation.row_type_oid() != 0)
    };
    named(name)
        .map(Relation::row_type_oid)
        .or_else(|| array_of.and_then(named).map(Relation::row_array_oid))
}

/// (schema OID, name, element type) of a type of any kind.
fn type_facts(session: &dyn SystemSession, oid: u32) -> Option<(u32, String, u32)> {
    if let Some(known) = type_of_oid(oid) {
        return Some((known.namespace, known.name.to_string(), known.element));
    }
    let snapshot = session.snapshot();
    snapshot
        .relations
        .iter()
        .filter(|relation| relation.row_type_oid() != 0)
        .find_map(|relation| {
            let schema = snapshot.schema_oid(&relation.schema)?;
            if relation.row_type_oid() == oid {
                Some((schema, relation.name.clone(), 0))
            } else if relation.row_array_oid() == oid {
                Some((
                    schema,
                    format!("_{}", relation.name),
                    relation.row_type_oid(),
                ))
            } else {
                None
            }
        })
}

/// `format_type`: the type as SQL spells it. Without a modifier `char` and `bit` mean `char(1)` and `bit(1)` in SQL, so
/// PostgreSQL prints the two otherwise when it knows that there is none (-1) than when it does not (None).
pub fn print_type(session: &dyn SystemSession, oid: u32, typmod: Option<i32>) -> String {
    const BIT: u32 = 1560;
    match (oid, typmod) {
        (oid, None) if oid == PgType::BPCHAR.oid => return "character".to_string(),
        (BIT, None) => return "bit".to_string(),
        _ => {}
    }
    if PgType::known(oid).is_some() {
        return PgType {
            oid,
            typmod: typmod.unwrap_or(-1),
        }
        .sql_name();
    }
    match type_facts(session, oid) {
        None if oid == 0 => "-".to_string(),
        None => "???".to_string(),
        Some((_, _, element)) if element != 0 => {
            format!("{}[]", print_type(session, element, typmod))
        }
        Some((schema, name, _)) if schema_is_visible(session, schema) => quote_ident(&name),
        Some((schema, name, _)) => match schema_name(session, schema) {
            Some(schema) => qualified(&schema, &name),
            None => quote_ident(&name),
        },
    }
}

/// Is the bare name of a type enough?
pub fn type_is_visible(session: &dyn SystemSession, oid: u32) -> Option<bool> {
    type_facts(session, oid).map(|(schema, ..)| schema_is_visible(session, schema))
}

/// Name of the schema of an OID.
pub fn schema_name(session: &dyn SystemSession, oid: u32) -> Option<String> {
    match oid {
        oids::PG_CATALOG => Some("pg_catalog".to_string()),
        oids::INFORMATION_SCHEMA => Some("information_schema".to_string()),
        oids::PG_TOAST => Some("pg_toast".to_string()),
        _ => session
            .snapshot()
            .schemas
            .iter()
            .find(|schema| schema.oid == oid)
            .map(|schema| schema.name.clone()),
    }
}

/// An object as its type (`regclass`, `regtype` …) prints it.
pub fn print(session: &dyn SystemSession, pg_type: PgType, oid: u32) -> String {
    let named = match PgType::of_oid(pg_type.oid) {
        PgType::REGCLASS => return print_relation(session, oid),
        PgType::REGTYPE if type_facts(session, oid).is_some() || PgType::known(oid).is_some() => {
            return print_type(session, oid, None);
        }
        PgType::REGPROC => function_of_oid(oid).map(quote_ident),
        PgType::REGPROCEDURE => print_procedure(session, oid),
        PgType::REGNAMESPACE => schema_name(session, oid).map(|name| quote_ident(&name)),
        PgType::REGROLE => session.snapshot().role_name(oid).map(quote_ident),
        _ => operator_of_oid(oid)
            .filter(|_| pg_type.sql_name().starts_with("regoper"))
            .map(str::to_string),
    };
    let missing = || {
        if oid == 0 {
            "-".to_string()
        } else {
            oid.to_string()
        }
    };
    named.unwrap_or_else(missing)
}

/// The OID that text means as `regclass`, `regtype` …; None if there is no such object.
pub fn find(session: &dyn SystemSession, pg_type: PgType, text: &str) -> Option<u32> {
    if text.trim() == "-" {
        return Some(0);
    }
    if let Ok(oid) = text.trim().parse() {
        return Some(oid);
    }
    match PgType::of_oid(pg_type.oid) {
        PgType::REGCLASS => find_relation(session, text),
        PgType::REGTYPE => find_type(session, text),
        PgType::REGPROC => find_function(text),
        PgType::REGPROCEDURE => find_procedure(session, text),
        PgType::REGNAMESPACE => {
            let parts = split_name(text)?;
            session.snapshot().schema_oid(parts.first()?)
        }
        PgType::REGROLE => {
            let parts = split_name(text)?;
            session.snapshot().role_oid(parts.first()?)
        }
        _ => None,
    }
}

/// OID of the only built-in function of a name; arguments in brackets are ignored.
fn find_function(text: &str) -> Option<u32> {
    let parts = split_name(text.split('(').next()?)?;
    match functions_named(parts.last()?).as_slice() {
        [only] => Some(*only),
        _ => None,
    }
}

/// OID of the function of a name with these types: `abs(integer)`.
fn find_procedure(session: &dyn SystemSession, text: &str) -> Option<u32> {
    let (name, arguments) = text.trim().strip_suffix(')')?.split_once('(')?;
    let parts = split_name(name)?;
    let wanted: Vec<String> = arguments
        .split(',')
        .filter(|argument| !argument.trim().is_empty())
        .map(|argument| find_type(session, argument.trim()).map(|oid| oid.to_string()))
        .collect::<Option<_>>()?;
    builtin::function_with(parts.last()?, &wanted.join(" "))
}

/// `abs(integer)`
fn print_procedure(session: &dyn SystemSession, oid: u32) -> Option<String> {
    let name = function_of_oid(oid)?;
    let types: Vec<String> = builtin::argument_types(oid)?
        .into_iter()
        .map(|oid| print_type(session, oid, None))
        .collect();
    Some(format!("{}({})", quote_ident(name), types.join(",")))
}

/// Like [`find`], but a missing object is the error that PostgreSQL gives.
pub fn resolve(session: &dyn SystemSession, pg_type: PgType, text: &str) -> Result<u32> {
    find(session, pg_type, text).ok_or_else(|| {
        let name = text.to_string();
        let error = match PgType::of_oid(pg_type.oid) {
            PgType::REGCLASS => SystemError::UndefinedRelation(name),
            PgType::REGTYPE => SystemError::UndefinedType(name),
            PgType::REGPROC | PgType::REGPROCEDURE => SystemError::UndefinedFunction(name),
            PgType::REGNAMESPACE => SystemError::UndefinedSchema(name),
            PgType::REGROLE => SystemError::UndefinedObject("role", name),
            other => SystemError::InvalidText(other.sql_name(), name),
        };
        error.into()
    })
}

/// Does `pg_catalog` have a relation of this name?
pub fn is_system_relation(schema: Option<&str>, name: &str) -> bool {
    match schema {
        Some(schema) => layout(schema, name).is_some(),
        None => builtin::is_pg_catalog_relation(name),
    }
}

#[cfg(test)]
mod tests {
    use super::split_name;

    #[test]
    fn names_fold_unless_quoted() {
        let parts = |text| split_name(text).unwrap_or_default();
        assert_eq!(parts("Shop.Orders"), ["shop", "orders"]);
        assert_eq!(parts("\"Shop\".\"or\"\"ders\""), ["Shop", "or\"ders"]);
        assert_eq!(parts("shop . orders"), ["shop", "orders"]);
        assert!(split_name("a b").is_none());
        assert!(split_name("\"a").is_none());
        assert!(split_name("a.").is_none());
    }
}
