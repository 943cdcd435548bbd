//! Which rows does a relation have on a server without any user objects?
//!
//! The rows of types, functions, operators, casts and so on are PostgreSQL 15's (`static/<relation>.tsv`, made by
//! `catalog/scripts/generate-system-relations`). Functions that no other built-in row refers to stand apart
//! ([`other_functions`]): a session lists those that it can call.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use super::layout::{Layout, layout, layouts};
use super::rows::{Rows, Value};

const TABLES: [(&str, &str); 12] = [
    ("pg_aggregate", include_str!("static/pg_aggregate.tsv")),
    ("pg_am", include_str!("static/pg_am.tsv")),
    ("pg_cast", include_str!("static/pg_cast.tsv")),
    ("pg_collation", include_str!("static/pg_collation.tsv")),
    ("pg_language", include_str!("static/pg_language.tsv")),
    ("pg_opclass", include_str!("static/pg_opclass.tsv")),
    ("pg_operator", include_str!("static/pg_operator.tsv")),
    ("pg_opfamily", include_str!("static/pg_opfamily.tsv")),
    ("pg_proc", include_str!("static/pg_proc.tsv")),
    ("pg_range", include_str!("static/pg_range.tsv")),
    ("pg_tablespace", include_str!("static/pg_tablespace.tsv")),
    ("pg_type", include_str!("static/pg_type.tsv")),
];

/// Rows that PostgreSQL does not have, in the columns of its own.
const OWN: [(&str, &str); 1] = [("pg_type", include_str!("static/pg_type_own.tsv"))];

/// The text of a relation's built-in rows, cut into fields.
#[derive(Debug)]
pub struct BuiltIn {
    /// Columns that are the same in every row, with their value
    constant: Vec<(&'static str, &'static str)>,
    /// Columns of `rows`
    columns: Vec<&'static str>,
    /// One entry per row, in COPY's text format
    rows: Vec<Vec<&'static str>>,
}

static BUILT_IN: LazyLock<HashMap<&'static str, BuiltIn>> = LazyLock::new(|| {
    let mut tables: HashMap<&'static str, BuiltIn> = TABLES
        .iter()
        .map(|(name, text)| (*name, BuiltIn::read(text)))
        .collect();
    for (name, text) in OWN {
        if let Some(table) = tables.get_mut(name) {
            table.rows.extend(BuiltIn::read(text).rows);
        }
    }
    tables
});

static OTHER_FUNCTIONS: LazyLock<BuiltIn> =
    LazyLock::new(|| BuiltIn::read(include_str!("static/functions.tsv")));

/// Rows of `pg_proc` that no other built-in row refers to.
pub fn other_functions() -> &'static BuiltIn {
    &OTHER_FUNCTIONS
}

/// Names of every function of PostgreSQL whose types are ours.
pub static PROC: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| FUNCTIONS.iter().map(|(_, name)| *name).collect());

/// The built-in rows of a relation of `pg_catalog` that has some.
pub fn built_in(relation: &str) -> Option<&'static BuiltIn> {
    BUILT_IN.get(relation)
}

impl BuiltIn {
    fn read(text: &'static str) -> BuiltIn {
        let mut lines = text.lines().map(|line| line.split('\t'));
        let constant = lines
            .next()
            .into_iter()
            .flatten()
            .skip(1)
            .filter_map(|part| part.split_once('='))
            .collect();
        let columns = lines.next().into_iter().flatten().skip(1).collect();
        BuiltIn {
            constant,
            columns,
            rows: lines.map(Iterator::collect).collect(),
        }
    }

    /// Adds every row.
    pub fn add_to(&self, rows: &mut Rows) {
        self.add_named(rows, "", |_| true);
    }

    /// Adds the rows whose `column` is wanted.
    pub fn add_named(&self, rows: &mut Rows, column: &str, is_wanted: impl Fn(&str) -> bool) {
        let key = self.columns.iter().position(|name| *name == column);
        let wanted = |row: &&Vec<&'static str>| {
            let value = key.and_then(|at| row.get(at)).copied();
            is_wanted(value.unwrap_or(""))
        };
        for row in self.rows.iter().filter(wanted) {
            // Columns with a plus are none of the relation's.
            let varying = self
                .columns
                .iter()
                .zip(row)
                .filter(|(name, _)| !name.starts_with('+'))
                .map(|(name, value)| (*name, Value::Raw(value)));
            rows.add_all(
                self.constant
                    .iter()
                    .map(|(name, value)| (*name, Value::Raw(value)))
                    .chain(varying),
            );
        }
    }

    /// The values of some columns of each row, in COPY's text format.
    pub fn values<const N: usize>(&self, columns: [&str; N]) -> Vec<[&'static str; N]> {
        let value = |row: &[&'static str], name: &str| {
            let constant = self
                .constant
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| *value);
            let position = self.columns.iter().position(|known| *known == name);
            constant
                .or_else(|| position.and_then(|at| row.get(at).copied()))
                .unwrap_or("")
        };
        self.rows
            .iter()
            .map(|row| columns.map(|name| value(row, name)))
            .collect()
    }
}

/// A built-in type.
#[derive(Debug, Clone, Copy)]
pub struct BuiltInType {
    /// `pg_type.typname`
    pub name: &'static str,
    /// OID of its schema
    pub namespace: u32,
    /// element type of an array type, else 0
    pub element: u32,
    /// `pg_type.typcollation`
    pub collation: u32,
    /// `pg_type.typbyval`
    pub by_value: bool,
    /// `pg_type.typalign`
    pub align: &'static str,
    /// `pg_type.typstorage`
    pub storage: &'static str,
    /// `pg_type.typlen`
    pub length: i16,
}

static TYPES: LazyLock<HashMap<u32, BuiltInType>> = LazyLock::new(|| {
    let columns = [
        "oid",
        "typname",
        "typnamespace",
        "typelem",
        "typcollation",
        "typbyval",
        "typalign",
        "typstorage",
        "typlen",
        "typcategory",
    ];
    let rows = built_in("pg_type")
        .map(|table| table.values(columns))
        .unwrap_or_default();
    let read = |text: &str| text.parse().unwrap_or(0);
    let listed = rows.into_iter().map(
        |[
            oid,
            name,
            namespace,
            element,
            collation,
            by_value,
            align,
            storage,
            length,
            category,
        ]| {
            // Vectors have elements too, but are no arrays to format_type.
            let element = if category == "A" && !name.ends_with("vector") {
                read(element)
            } else {
                0
            };
            let found = BuiltInType {
                name,
                namespace: read(namespace),
                element,
                collation: read(collation),
                by_value: by_value == "t",
                align,
                storage,
                length: length.parse().unwrap_or(-1),
            };
            (read(oid), found)
        },
    );
    listed.chain(layouts().iter().map(row_type)).collect()
});

fn row_type(layout: &'static Layout) -> (u32, BuiltInType) {
    let namespace = if layout.schema == "pg_catalog" {
        super::oids::PG_CATALOG
    } else {
        super::oids::INFORMATION_SCHEMA
    };
    let found = BuiltInType {
        name: layout.name,
        namespace,
        element: 0,
        collation: 0,
        by_value: false,
        align: "d",
        storage: "x",
        length: -1,
    };
    (layout.row_type, found)
}

/// The built-in type of an OID, row types of system relations included.
pub fn type_of_oid(oid: u32) -> Option<&'static BuiltInType> {
    TYPES.get(&oid)
}

/// OID of the built-in type of a name in a schema.
pub fn type_named(namespace: u32, name: &str) -> Option<u32> {
    TYPES
        .iter()
        .find(|(_, known)| known.namespace == namespace && known.name == name)
        .map(|(oid, _)| *oid)
}

static FUNCTIONS: LazyLock<Vec<(u32, &'static str)>> = LazyLock::new(|| {
    functions(["oid", "proname"])
        .map(|[oid, name]| (oid.parse().unwrap_or(0), name))
        .collect()
});

/// Some columns of every function of PostgreSQL whose types are ours.
fn functions<const N: usize>(
    columns: [&'static str; N],
) -> impl Iterator<Item = [&'static str; N]> {
    built_in("pg_proc")
        .into_iter()
        .chain([other_functions()])
        .flat_map(move |table| table.values(columns))
}

/// Arguments and result of a function of PostgreSQL, as it prints them.
pub fn function_texts(oid: u32) -> Option<[&'static str; 2]> {
    let wanted = oid.to_string();
    functions(["oid", "+arguments", "+result"])
        .find(|[known, _, _]| *known == wanted)
        .map(|[_, arguments, result]| [arguments, result])
}

/// The function of a name whose arguments have these types, with blanks between their OIDs.
pub fn function_with(name: &str, types: &str) -> Option<u32> {
    functions(["oid", "proname", "proargtypes"])
        .find(|[_, known, arguments]| *known == name && *arguments == types)
        .and_then(|[oid, _, _]| oid.parse().ok())
}

/// The types of a function's arguments.
pub fn argument_types(oid: u32) -> Option<Vec<u32>> {
    let wanted = oid.to_string();
    let [_, types] = functions(["oid", "proargtypes"]).find(|[known, _]| *known == wanted)?;
    Some(
        types
            .split(' ')
            .filter_map(|oid| oid.parse().ok())
            .collect(),
    )
}

/// A function as CREATE FUNCTION would make it: language, kind, volatility, parallel, strict, leakproof, source.
pub fn function_source(oid: u32) -> Option<[&'static str; 7]> {
    let wanted = oid.to_string();
    let columns = [
        "oid",
        "prolang",
        "prokind",
        "provolatile",
        "proparallel",
        "proisstrict",
        "proleakproof",
        "prosrc",
    ];
    functions(columns).find(|row| row[0] == wanted).map(
        |[
            _,
            language,
            kind,
            volatility,
            parallel,
            strict,
            leakproof,
            source,
        ]| {
            [
                language, kind, volatility, parallel, strict, leakproof, source,
            ]
        },
    )
}

/// Name of the built-in function of an OID.
pub fn function_of_oid(oid: u32) -> Option<&'static str> {
    FUNCTIONS
        .iter()
        .find(|(known, _)| *known == oid)
        .map(|(_, name)| *name)
}

/// OIDs of the built-in functions of a name.
pub fn functions_named(name: &str) -> Vec<u32> {
    FUNCTIONS
        .iter()
        .filter(|(_, known)| *known == name)
        .map(|(oid, _)| *oid)
        .collect()
}

/// The built-in operator of an OID.
pub fn operator_of_oid(oid: u32) -> Option<&'static str> {
    let wanted = oid.to_string();
    let rows = built_in("pg_operator")?.values(["oid", "oprname"]);
    rows.into_iter()
        .find(|[known, _]| *known == wanted)
        .map(|[_, name]| name)
}

/// Does a relation of `pg_catalog` of this name exist?
pub fn is_pg_catalog_relation(name: &str) -> bool {
    layout("pg_catalog", name).is_some()
}

#[cfg(test)]
mod tests {
    use super::{OWN, TABLES, built_in, function_of_oid, type_named, type_of_oid};
    use crate::system::layout::layout;
    use crate::system::rows::Rows;

    #[test]
    fn every_static_table_is_read_in_full() {
        for (name, text) in TABLES {
            let mut rows = Rows::new(layout("pg_catalog", name).unwrap());
            built_in(name).unwrap().add_to(&mut rows);
            let own = OWN.iter().filter(|(table, _)| *table == name);
            let own: usize = own.map(|(_, text)| text.lines().count() - 2).sum();
            assert_eq!(
                rows.finish().unwrap().num_rows(),
                text.lines().count() - 2 + own,
                "{name}"
            );
        }
    }

    #[test]
    fn types_and_functions_are_found_by_oid_and_name() {
        assert_eq!(type_of_oid(23).unwrap().name, "int4");
        assert_eq!(type_of_oid(1007).unwrap().element, 23);
        assert_eq!(type_of_oid(22).unwrap().element, 0);
        assert_eq!(type_named(11, "uuid"), Some(2950));
        assert_eq!(type_named(11, "pg_class"), Some(83));
        assert_eq!(function_of_oid(750), Some("array_in"));
    }
}
