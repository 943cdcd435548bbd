//! `pg_class`: which tables, views, sequences and indexes are there?
//!
//! The indexes are those that PostgreSQL would have behind a PRIMARY KEY or UNIQUE constraint; clients read keys
//! from them.

use super::{Contents, Filler};
use crate::system::layout::layouts;
use crate::system::names::TEMPORARY;
use crate::system::oids;
use crate::system::rows::{Rows, Value};
use crate::system::snapshot::{Constraint, ConstraintKind, Relation, RelationKind};

pub(super) const FILLER: Filler = Filler::new("pg_class", rows).by_key("oid", &["relnatts"]);

fn rows(contents: &Contents, rows: &mut Rows) {
    for relation in &contents.snapshot.relations {
        add_relation(contents, relation, rows);
        for constraint in relation
            .table()
            .map(|table| table.constraints.as_slice())
            .unwrap_or_default()
        {
            if let Some(columns) = constraint.index_columns() {
                add_index(contents, relation, constraint, columns.len(), rows);
            }
        }
    }
}

fn add_relation(contents: &Contents, relation: &Relation, rows: &mut Rows) {
    let table = relation.table();
    let constraints = table
        .map(|table| table.constraints.as_slice())
        .unwrap_or_default();
    let checks = constraints
        .iter()
        .filter(|constraint| matches!(constraint.kind, ConstraintKind::Check { .. }));
    let persistence = match relation.schema.starts_with(TEMPORARY) {
        true => "t",
        false => "p",
    };
    let attributes = match relation.kind {
        RelationKind::Sequence(_) => 3,
        _ => contents.columns.get(&relation.oid).map_or(0, Vec::len),
    };
    let is_table = table.is_some();
    let is_view = matches!(relation.kind, RelationKind::View { .. });
    let rows_known = contents.session.relation_rows(relation.oid);
    let takes_part_in_foreign_key = is_table && in_foreign_key(contents, relation);
    rows.add([
        ("oid", relation.oid.into()),
        ("relname", relation.name.as_str().into()),
        (
            "relnamespace",
            contents
                .snapshot
                .schema_oid(&relation.schema)
                .unwrap_or(0)
                .into(),
        ),
        ("reltype", relation.row_type_oid().into()),
        ("relowner", contents.owner(&relation.owner).into()),
        ("relam", if is_table { oids::HEAP } else { 0 }.into()),
        ("relfilenode", if is_view { 0 } else { relation.oid }.into()),
        (
            "reltuples",
            rows_known.map_or(-1.0, |rows| rows as f64).into(),
        ),
        (
            "relhasindex",
            constraints
                .iter()
                .any(|constraint| constraint.index_columns().is_some())
                .into(),
        ),
        ("relpersistence", persistence.into()),
        ("relkind", relation.relkind().into()),
        ("relnatts", (attributes as i64).into()),
        ("relchecks", (checks.count() as i64).into()),
        ("relhasrules", is_view.into()),
        ("relhastriggers", takes_part_in_foreign_key.into()),
        ("relispopulated", true.into()),
        ("relreplident", if is_table { "d" } else { "n" }.into()),
    ]);
}

/// PostgreSQL keeps triggers on both tables of a foreign key, and psql asks for foreign keys only where there are any.
fn in_foreign_key(contents: &Contents, relation: &Relation) -> bool {
    contents.snapshot.tables().any(|(owner, table)| {
        table
            .constraints
            .iter()
            .any(|constraint| match &constraint.kind {
                ConstraintKind::ForeignKey {
                    target_schema,
                    target_table,
                    ..
                } => {
                    owner.oid == relation.oid
                        || (*target_schema == relation.schema && *target_table == relation.name)
                }
                _ => false,
            })
    })
}

fn add_index(
    contents: &Contents,
    relation: &Relation,
    constraint: &Constraint,
    columns: usize,
    rows: &mut Rows,
) {
    rows.add([
        ("oid", relation.index_oid(constraint).into()),
        ("relname", constraint.name.as_str().into()),
        (
            "relnamespace",
            contents
                .snapshot
                .schema_oid(&relation.schema)
                .unwrap_or(0)
                .into(),
        ),
        ("relowner", contents.owner(&relation.owner).into()),
        ("relam", oids::BTREE.into()),
        ("relpages", 1.into()),
        ("relpersistence", "p".into()),
        ("relkind", "i".into()),
        ("relnatts", (columns as i64).into()),
        ("relispopulated", true.into()),
        ("relreplident", "n".into()),
    ]);
}

/// The system relations themselves.
pub(super) fn built_in(rows: &mut Rows) {
    for layout in layouts() {
        let is_table = layout.relkind == "r";
        let namespace = if layout.schema == "pg_catalog" {
            oids::PG_CATALOG
        } else {
            oids::INFORMATION_SCHEMA
        };
        rows.add([
            ("oid", layout.oid.into()),
            ("relname", layout.name.into()),
            ("relnamespace", namespace.into()),
            ("reltype", layout.row_type.into()),
            ("relowner", oids::BOOTSTRAP_ROLE.into()),
            ("relam", if is_table { oids::HEAP } else { 0 }.into()),
            ("relfilenode", if is_table { layout.oid } else { 0 }.into()),
            ("reltuples", Value::Float(-1.0)),
            ("relpersistence", "p".into()),
            ("relkind", layout.relkind.into()),
            ("relnatts", (layout.columns.len() as i64).into()),
            ("relhasrules", (!is_table).into()),
            ("relispopulated", true.into()),
            ("relreplident", "n".into()),
        ]);
    }
}
