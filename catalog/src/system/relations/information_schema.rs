//! `information_schema`: the same facts under the names of the SQL standard.

use super::{Contents, Filler};
use crate::system::builtin::type_of_oid;
use crate::system::layout::layouts;
use crate::system::oids;
use crate::system::rows::{Rows, Value};
use crate::system::snapshot::{
    Column, Constraint, ConstraintKind, Identity, Relation, RelationKind,
};
use crate::types::PgType;

const TABLE_PRIVILEGES: [&str; 7] = [
    "INSERT",
    "SELECT",
    "UPDATE",
    "DELETE",
    "TRUNCATE",
    "REFERENCES",
    "TRIGGER",
];
const COLUMN_PRIVILEGES: [&str; 4] = ["INSERT", "SELECT", "UPDATE", "REFERENCES"];

/// How the filled relations of the schema are made; the rest are empty.
pub(super) fn fillers() -> Vec<Filler> {
    let filler = Filler::in_information_schema;
    vec![
        filler("information_schema_catalog_name", catalog_name),
        filler("schemata", schemata),
        filler("tables", tables),
        filler("columns", columns).by_key("", &[]),
        filler("views", views),
        filler("sequences", sequences),
        filler("table_constraints", table_constraints),
        filler("key_column_usage", key_column_usage),
        filler("constraint_column_usage", constraint_column_usage),
        filler("constraint_table_usage", constraint_table_usage),
        filler("referential_constraints", referential_constraints),
        filler("check_constraints", check_constraints),
        filler("table_privileges", table_privileges),
        filler("role_table_grants", table_privileges),
        filler("column_privileges", column_privileges).by_key("", &[]),
        filler("role_column_grants", column_privileges).by_key("", &[]),
        filler("enabled_roles", enabled_roles),
        filler("character_sets", character_sets),
        filler("collations", collations),
    ]
}

fn catalog_name(contents: &Contents, rows: &mut Rows) {
    rows.add([("catalog_name", contents.snapshot.database.as_str().into())]);
}

fn schemata(contents: &Contents, rows: &mut Rows) {
    let snapshot = &contents.snapshot;
    let (_, owner) = snapshot.bootstrap_role();
    let built_in = ["pg_catalog", "information_schema", "pg_toast"].map(|name| (name, owner));
    let own = snapshot
        .schemas
        .iter()
        .map(|schema| (schema.name.as_str(), schema.owner.as_str()));
    for (name, owner) in own.chain(built_in) {
        rows.add([
            ("catalog_name", snapshot.database.as_str().into()),
            ("schema_name", name.into()),
            ("schema_owner", owner.into()),
        ]);
    }
}

/// Tables and views, not sequences.
fn with_rows(contents: &Contents) -> impl Iterator<Item = &Relation> {
    let relations = contents.snapshot.relations.iter();
    relations.filter(|relation| !matches!(relation.kind, RelationKind::Sequence(_)))
}

fn tables(contents: &Contents, rows: &mut Rows) {
    let database = contents.snapshot.database.as_str();
    let own = with_rows(contents).map(|relation| {
        (
            relation.schema.as_str(),
            relation.name.as_str(),
            relation.relkind(),
        )
    });
    let built_in = layouts()
        .iter()
        .map(|layout| (layout.schema, layout.name, layout.relkind));
    for (schema, name, relkind) in own.chain(built_in) {
        let is_table = relkind == "r";
        let yes_or_no = if is_table { "YES" } else { "NO" };
        rows.add([
            ("table_catalog", database.into()),
            ("table_schema", schema.into()),
            ("table_name", name.into()),
            (
                "table_type",
                if is_table { "BASE TABLE" } else { "VIEW" }.into(),
            ),
            ("is_insertable_into", yes_or_no.into()),
            ("is_typed", "NO".into()),
        ]);
    }
}

fn columns(contents: &Contents, rows: &mut Rows) {
    let database = contents.snapshot.database.clone();
    for (relation, columns) in contents.with_columns() {
        for (at, column) in columns.iter().enumerate() {
            let place = (
                database.as_str(),
                relation.schema.as_str(),
                relation.name.as_str(),
            );
            let described = described(place, at, column);
            rows.add_all(described.into_iter().chain(of_table(relation, column)));
        }
    }
    for layout in layouts() {
        for (at, column) in layout.columns.iter().enumerate() {
            let place = (database.as_str(), layout.schema, layout.name);
            let column = Column {
                name: column.name.to_string(),
                pg_type: column.pg_type,
                not_null: column.not_null,
            };
            rows.add_all(described(place, at, &column));
        }
    }
}

/// What a column's default and identity say.
fn of_table(relation: &Relation, column: &Column) -> Vec<(&'static str, Value)> {
    let Some(table) = relation.table() else {
        return vec![("is_updatable", "NO".into())];
    };
    let Some(identity) = table.identity.get(&column.name) else {
        return vec![(
            "column_default",
            table.defaults.get(&column.name).cloned().into(),
        )];
    };
    let generation = if *identity == Identity::Always {
        "ALWAYS"
    } else {
        "BY DEFAULT"
    };
    vec![
        ("is_identity", "YES".into()),
        ("identity_generation", generation.into()),
    ]
}

/// Columns of `information_schema.columns` that follow from the type; `place` is database, schema, relation.
fn described(place: (&str, &str, &str), at: usize, column: &Column) -> Vec<(&'static str, Value)> {
    let (database, schema, relation) = place;
    let pg_type = column.pg_type;
    let bare = PgType::of_oid(pg_type.oid);
    let data_type = match bare {
        _ if pg_type.is_array() => "ARRAY".to_string(),
        PgType::BPCHAR => "character".to_string(),
        other => other.sql_name(),
    };
    let is_text = matches!(bare, PgType::TEXT | PgType::VARCHAR | PgType::BPCHAR);
    let length = if pg_type.is_array() {
        None
    } else {
        pg_type.length_max().map(|length| length as i64)
    };
    let octets = if is_text {
        Some(length.map_or(1 << 30, |length| length * 4))
    } else {
        None
    };
    let (precision, radix, scale) = numeric(pg_type);
    let is_time = matches!(
        bare,
        PgType::TIME | PgType::TIMESTAMP | PgType::TIMESTAMPTZ | PgType::INTERVAL
    );
    let datetime = match bare {
        PgType::DATE => Some(0),
        _ if is_time => Some(if pg_type.typmod >= 0 {
            i64::from(pg_type.typmod) & 0xFFFF
        } else {
            6
        }),
        _ => None,
    };
    let udt_name = type_of_oid(pg_type.oid).map_or(pg_type.typname(), |known| known.name);
    vec![
        ("table_catalog", database.into()),
        ("table_schema", schema.into()),
        ("table_name", relation.into()),
        ("column_name", column.name.as_str().into()),
        ("ordinal_position", (at as i64 + 1).into()),
        (
            "is_nullable",
            if column.not_null { "NO" } else { "YES" }.into(),
        ),
        ("data_type", data_type.into()),
        ("character_maximum_length", length.into()),
        ("character_octet_length", octets.into()),
        ("numeric_precision", precision.into()),
        ("numeric_precision_radix", radix.into()),
        ("numeric_scale", scale.into()),
        ("datetime_precision", datetime.into()),
        ("udt_catalog", database.into()),
        ("udt_schema", "pg_catalog".into()),
        ("udt_name", udt_name.into()),
        ("dtd_identifier", (at + 1).to_string().into()),
        ("is_self_referencing", "NO".into()),
        ("is_identity", "NO".into()),
        ("identity_cycle", "NO".into()),
        ("is_generated", "NEVER".into()),
        ("is_updatable", "YES".into()),
    ]
}

/// Precision, radix and scale of a number.
fn numeric(pg_type: PgType) -> (Option<i64>, Option<i64>, Option<i64>) {
    match PgType::of_oid(pg_type.oid) {
        PgType::INT2 => (Some(16), Some(2), Some(0)),
        PgType::INT4 => (Some(32), Some(2), Some(0)),
        PgType::INT8 => (Some(64), Some(2), Some(0)),
        PgType::FLOAT4 => (Some(24), Some(2), None),
        PgType::FLOAT8 => (Some(53), Some(2), None),
        PgType::NUMERIC => {
            let declared = pg_type.precision_scale();
            (
                declared.map(|(precision, _)| precision.into()),
                Some(10),
                declared.map(|(_, scale)| scale.into()),
            )
        }
        _ => (None, None, None),
    }
}

fn views(contents: &Contents, rows: &mut Rows) {
    let database = contents.snapshot.database.as_str();
    for relation in &contents.snapshot.relations {
        if let RelationKind::View { sql } = &relation.kind {
            let mut values = vec![
                ("table_catalog", database.into()),
                ("table_schema", relation.schema.as_str().into()),
                ("table_name", relation.name.as_str().into()),
                ("view_definition", sql.as_str().into()),
                ("check_option", "NONE".into()),
            ];
            let answers = [
                "is_updatable",
                "is_insertable_into",
                "is_trigger_updatable",
                "is_trigger_deletable",
                "is_trigger_insertable_into",
            ];
            values.extend(answers.map(|name| (name, Value::from("NO"))));
            rows.add_all(values);
        }
    }
}

fn sequences(contents: &Contents, rows: &mut Rows) {
    let owned: Vec<u32> = contents
        .snapshot
        .tables()
        .flat_map(|(_, table)| {
            table
                .identity
                .keys()
                .filter_map(|name| table.sequences.get(name).copied())
        })
        .collect();
    for relation in &contents.snapshot.relations {
        // The sequence of an identity column is an implementation detail of that column.
        if let RelationKind::Sequence(sequence) = &relation.kind
            && !owned.contains(&relation.oid)
        {
            rows.add([
                (
                    "sequence_catalog",
                    contents.snapshot.database.as_str().into(),
                ),
                ("sequence_schema", relation.schema.as_str().into()),
                ("sequence_name", relation.name.as_str().into()),
                ("data_type", "bigint".into()),
                ("numeric_precision", 64.into()),
                ("numeric_precision_radix", 2.into()),
                ("numeric_scale", 0.into()),
                ("start_value", sequence.start.to_string().into()),
                ("minimum_value", sequence.min.to_string().into()),
                ("maximum_value", sequence.max.to_string().into()),
                ("increment", sequence.increment.to_string().into()),
                (
                    "cycle_option",
                    if sequence.cycle { "YES" } else { "NO" }.into(),
                ),
            ]);
        }
    }
}

fn constraints(contents: &Contents) -> impl Iterator<Item = (&Relation, &Constraint)> {
    contents
        .snapshot
        .tables()
        .flat_map(|(relation, table)| table.constraints.iter().map(move |one| (relation, one)))
}

/// Where a constraint is: catalog, schema and name.
fn named(
    contents: &Contents,
    relation: &Relation,
    constraint: &Constraint,
) -> [(&'static str, Value); 3] {
    [
        (
            "constraint_catalog",
            contents.snapshot.database.as_str().into(),
        ),
        ("constraint_schema", relation.schema.as_str().into()),
        ("constraint_name", constraint.name.as_str().into()),
    ]
}

/// Where a table is: catalog, schema and name.
fn of(contents: &Contents, schema: &str, table: &str) -> [(&'static str, Value); 3] {
    [
        ("table_catalog", contents.snapshot.database.as_str().into()),
        ("table_schema", schema.into()),
        ("table_name", table.into()),
    ]
}

fn table_constraints(contents: &Contents, rows: &mut Rows) {
    for (relation, constraint) in constraints(contents) {
        let kind = match constraint.kind {
            ConstraintKind::PrimaryKey { .. } => "PRIMARY KEY",
            ConstraintKind::Unique { .. } => "UNIQUE",
            ConstraintKind::ForeignKey { .. } => "FOREIGN KEY",
            ConstraintKind::Check { .. } => "CHECK",
        };
        let unique = matches!(constraint.kind, ConstraintKind::Unique { .. });
        let values = named(contents, relation, constraint)
            .into_iter()
            .chain(of(contents, &relation.schema, &relation.name))
            .chain([
                ("constraint_type", kind.into()),
                ("is_deferrable", "NO".into()),
                ("initially_deferred", "NO".into()),
                ("enforced", "YES".into()),
                ("nulls_distinct", unique.then_some("YES").into()),
            ]);
        rows.add_all(values);
    }
}

fn key_column_usage(contents: &Contents, rows: &mut Rows) {
    for (relation, constraint) in constraints(contents) {
        let (columns, is_foreign) = match &constraint.kind {
            ConstraintKind::PrimaryKey { columns } | ConstraintKind::Unique { columns } => {
                (columns, false)
            }
            ConstraintKind::ForeignKey { columns, .. } => (columns, true),
            ConstraintKind::Check { .. } => continue,
        };
        for (at, column) in columns.iter().enumerate() {
            let position = at as i64 + 1;
            let values = named(contents, relation, constraint)
                .into_iter()
                .chain(of(contents, &relation.schema, &relation.name))
                .chain([
                    ("column_name", column.as_str().into()),
                    ("ordinal_position", position.into()),
                    (
                        "position_in_unique_constraint",
                        is_foreign.then_some(position).into(),
                    ),
                ]);
            rows.add_all(values);
        }
    }
}

/// The columns that a constraint uses: those of a key, or those that a foreign key refers to.
fn constraint_column_usage(contents: &Contents, rows: &mut Rows) {
    for (relation, constraint) in constraints(contents) {
        let (schema, table, columns) = match &constraint.kind {
            ConstraintKind::PrimaryKey { columns } | ConstraintKind::Unique { columns } => {
                (&relation.schema, &relation.name, columns)
            }
            ConstraintKind::ForeignKey {
                target_schema,
                target_table,
                target_columns,
                ..
            } => (target_schema, target_table, target_columns),
            ConstraintKind::Check { .. } => continue,
        };
        for column in columns {
            let values = named(contents, relation, constraint)
                .into_iter()
                .chain(of(contents, schema, table))
                .chain([("column_name", column.as_str().into())]);
            rows.add_all(values);
        }
    }
}

fn constraint_table_usage(contents: &Contents, rows: &mut Rows) {
    for (relation, constraint) in constraints(contents) {
        let (schema, table) = match &constraint.kind {
            ConstraintKind::ForeignKey {
                target_schema,
                target_table,
                ..
            } => (target_schema, target_table),
            ConstraintKind::Check { .. } => continue,
            _ => (&relation.schema, &relation.name),
        };
        rows.add_all(
            named(contents, relation, constraint)
                .into_iter()
                .chain(of(contents, schema, table)),
        );
    }
}

fn referential_constraints(contents: &Contents, rows: &mut Rows) {
    for (relation, constraint) in constraints(contents) {
        let ConstraintKind::ForeignKey {
            target_schema,
            target_table,
            target_columns,
            ..
        } = &constraint.kind
        else {
            continue;
        };
        let target = contents
            .snapshot
            .relation_named(target_schema, target_table);
        let keys = target
            .and_then(Relation::table)
            .map(|table| table.constraints.as_slice())
            .unwrap_or_default();
        let key = keys
            .iter()
            .find(|key| key.index_columns() == Some(target_columns));
        let database = contents.snapshot.database.as_str();
        let values = named(contents, relation, constraint).into_iter().chain([
            ("unique_constraint_catalog", key.map(|_| database).into()),
            (
                "unique_constraint_schema",
                key.map(|_| target_schema.as_str()).into(),
            ),
            (
                "unique_constraint_name",
                key.map(|key| key.name.as_str()).into(),
            ),
            ("match_option", "NONE".into()),
            ("update_rule", "NO ACTION".into()),
            ("delete_rule", "NO ACTION".into()),
        ]);
        rows.add_all(values);
    }
}

fn check_constraints(contents: &Contents, rows: &mut Rows) {
    for (relation, constraint) in constraints(contents) {
        if let ConstraintKind::Check { sql } = &constraint.kind {
            let clause = [("check_clause", format!("(({sql}))").into())];
            rows.add_all(
                named(contents, relation, constraint)
                    .into_iter()
                    .chain(clause),
            );
        }
    }
}

/// Owners hold every privilege; there are no others until GRANT exists.
fn table_privileges(contents: &Contents, rows: &mut Rows) {
    for relation in with_rows(contents) {
        for privilege in TABLE_PRIVILEGES {
            let hierarchy = if privilege == "SELECT" { "YES" } else { "NO" };
            rows.add_all(
                granted(&relation.owner, privilege)
                    .into_iter()
                    .chain(of(contents, &relation.schema, &relation.name))
                    .chain([("with_hierarchy", hierarchy.into())]),
            );
        }
    }
}

fn granted(owner: &str, privilege: &str) -> [(&'static str, Value); 4] {
    [
        ("grantor", owner.into()),
        ("grantee", owner.into()),
        ("privilege_type", privilege.into()),
        ("is_grantable", "YES".into()),
    ]
}

fn column_privileges(contents: &Contents, rows: &mut Rows) {
    for (relation, columns) in contents.with_columns() {
        for column in columns {
            for privilege in COLUMN_PRIVILEGES {
                let values = granted(&relation.owner, privilege)
                    .into_iter()
                    .chain(of(contents, &relation.schema, &relation.name))
                    .chain([("column_name", column.name.as_str().into())]);
                rows.add_all(values);
            }
        }
    }
}

fn enabled_roles(contents: &Contents, rows: &mut Rows) {
    for role in &contents.snapshot.roles {
        rows.add([("role_name", role.name.as_str().into())]);
    }
    rows.add([("role_name", oids::DATABASE_OWNER_ROLE.1.into())]);
}

fn character_sets(contents: &Contents, rows: &mut Rows) {
    rows.add([
        ("character_set_name", "UTF8".into()),
        ("character_repertoire", "UCS".into()),
        ("form_of_use", "UTF8".into()),
        (
            "default_collate_catalog",
            contents.snapshot.database.as_str().into(),
        ),
        ("default_collate_schema", "pg_catalog".into()),
        ("default_collate_name", "default".into()),
    ]);
}

fn collations(contents: &Contents, rows: &mut Rows) {
    for name in ["default", "C", "POSIX"] {
        rows.add([
            (
                "collation_catalog",
                contents.snapshot.database.as_str().into(),
            ),
            ("collation_schema", "pg_catalog".into()),
            ("collation_name", name.into()),
            ("pad_attribute", "NO PAD".into()),
        ]);
    }
}
