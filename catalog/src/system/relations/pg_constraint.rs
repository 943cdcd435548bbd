//! `pg_constraint`: which constraints do tables have?

use super::{Contents, Filler};
use crate::system::rows::{Rows, Value};
use crate::system::snapshot::{Constraint, ConstraintKind, Relation};

pub(super) const FILLER: Filler =
    Filler::new("pg_constraint", rows).by_key("conrelid", &["conkey", "confkey"]);

fn rows(contents: &Contents, rows: &mut Rows) {
    for (relation, table) in contents.snapshot.tables() {
        for constraint in &table.constraints {
            add(contents, relation, constraint, rows);
        }
    }
}

fn add(contents: &Contents, relation: &Relation, constraint: &Constraint, rows: &mut Rows) {
    let snapshot = &contents.snapshot;
    let mut values = vec![
        ("oid", Value::from(relation.constraint_oid(constraint))),
        ("conname", constraint.name.as_str().into()),
        (
            "connamespace",
            snapshot.schema_oid(&relation.schema).unwrap_or(0).into(),
        ),
        ("contype", constraint.contype().into()),
        ("convalidated", true.into()),
        ("conrelid", relation.oid.into()),
        ("conislocal", true.into()),
        ("connoinherit", (constraint.contype() != "c").into()),
    ];
    match &constraint.kind {
        ConstraintKind::PrimaryKey { columns } | ConstraintKind::Unique { columns } => values
            .extend([
                ("conindid", relation.index_oid(constraint).into()),
                ("conkey", contents.attnums(relation.oid, columns).into()),
                ("confupdtype", " ".into()),
                ("confdeltype", " ".into()),
                ("confmatchtype", " ".into()),
            ]),
        ConstraintKind::ForeignKey {
            columns,
            target_schema,
            target_table,
            target_columns,
        } => {
            let target = snapshot.relation_named(target_schema, target_table);
            let backing = target.and_then(|target| backing_index(target, target_columns));
            values.extend([
                ("conkey", contents.attnums(relation.oid, columns).into()),
                ("confrelid", target.map_or(0, |target| target.oid).into()),
                ("conindid", backing.unwrap_or(0).into()),
                ("confupdtype", "a".into()),
                ("confdeltype", "a".into()),
                ("confmatchtype", "s".into()),
            ]);
            if let Some(target) = target {
                values.push((
                    "confkey",
                    contents.attnums(target.oid, target_columns).into(),
                ));
            }
        }
        ConstraintKind::Check { sql } => values.extend([
            (
                "conkey",
                contents
                    .attnums(relation.oid, &mentioned(contents, relation, sql))
                    .into(),
            ),
            ("conbin", sql.as_str().into()),
            ("confupdtype", " ".into()),
            ("confdeltype", " ".into()),
            ("confmatchtype", " ".into()),
        ]),
    }
    rows.add_all(values);
}

/// The index of the key that a foreign key refers to.
fn backing_index(target: &Relation, columns: &[String]) -> Option<u32> {
    let constraints = &target.table()?.constraints;
    let key = constraints
        .iter()
        .find(|constraint| constraint.index_columns() == Some(columns))?;
    Some(target.index_oid(key))
}

/// Columns whose name occurs as a word in the condition of a CHECK.
fn mentioned(contents: &Contents, relation: &Relation, sql: &str) -> Vec<String> {
    let columns = contents
        .columns
        .get(&relation.oid)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let words: Vec<&str> = sql
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .collect();
    columns
        .iter()
        .map(|column| column.name.clone())
        .filter(|name| words.contains(&name.as_str()))
        .collect()
}
