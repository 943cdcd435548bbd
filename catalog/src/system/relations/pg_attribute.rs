//! `pg_attribute`: which columns does a relation have?

use super::{Contents, Filler};
use crate::system::builtin::type_of_oid;
use crate::system::layout::layouts;
use crate::system::rows::{Rows, Value};
use crate::system::snapshot::{Column, Identity, Relation, RelationKind};
use crate::types::PgType;

pub(super) const FILLER: Filler = Filler::new("pg_attribute", rows).by_key("attrelid", &[]);

fn rows(contents: &Contents, rows: &mut Rows) {
    for (relation, columns) in contents.with_columns() {
        for (at, column) in columns.iter().enumerate() {
            add_column(relation, at, column, rows);
        }
        if let Some(table) = relation.table() {
            for constraint in &table.constraints {
                let keys = constraint.index_columns().unwrap_or_default();
                let named = |name: &String| columns.iter().find(|column| column.name == *name);
                for (at, column) in keys.iter().filter_map(named).enumerate() {
                    rows.add_all(described(
                        relation.index_oid(constraint),
                        at,
                        &column.name,
                        column.pg_type,
                        false,
                    ));
                }
            }
        }
    }
    for relation in &contents.snapshot.relations {
        if let RelationKind::Sequence(_) = relation.kind {
            let columns = [
                ("last_value", PgType::INT8),
                ("log_cnt", PgType::INT8),
                ("is_called", PgType::BOOL),
            ];
            for (at, (name, pg_type)) in columns.into_iter().enumerate() {
                rows.add_all(described(relation.oid, at, name, pg_type, true));
            }
        }
    }
}

fn add_column(relation: &Relation, at: usize, column: &Column, rows: &mut Rows) {
    let table = relation.table();
    let identity = match table.and_then(|table| table.identity.get(&column.name)) {
        Some(Identity::Always) => "a",
        Some(Identity::ByDefault) => "d",
        None => "",
    };
    let has_default = table.is_some_and(|table| table.defaults.contains_key(&column.name));
    let described = described(
        relation.oid,
        at,
        &column.name,
        column.pg_type,
        column.not_null,
    );
    rows.add_all(described.into_iter().chain([
        ("attidentity", identity.into()),
        ("atthasdef", (has_default && identity.is_empty()).into()),
    ]));
}

/// What is known of a column from its type.
fn described(
    relation: u32,
    at: usize,
    name: &str,
    pg_type: PgType,
    not_null: bool,
) -> Vec<(&'static str, Value)> {
    let known = type_of_oid(pg_type.oid);
    vec![
        ("attrelid", relation.into()),
        ("attname", name.into()),
        ("atttypid", pg_type.oid.into()),
        ("attstattarget", (-1).into()),
        ("attlen", known.map_or(-1, |known| known.length).into()),
        ("attnum", (at as i64 + 1).into()),
        ("attndims", i32::from(pg_type.is_array()).into()),
        ("attcacheoff", (-1).into()),
        ("atttypmod", pg_type.typmod.into()),
        ("attbyval", known.is_some_and(|known| known.by_value).into()),
        ("attalign", known.map_or("i", |known| known.align).into()),
        (
            "attstorage",
            known.map_or("x", |known| known.storage).into(),
        ),
        ("attnotnull", not_null.into()),
        ("attislocal", true.into()),
        (
            "attcollation",
            known.map_or(0, |known| known.collation).into(),
        ),
    ]
}

/// The columns of the system relations.
pub(super) fn built_in(rows: &mut Rows) {
    for layout in layouts() {
        for (at, column) in layout.columns.iter().enumerate() {
            rows.add_all(described(
                layout.oid,
                at,
                column.name,
                column.pg_type,
                column.not_null,
            ));
        }
    }
}
