//! How does the catalog's state read as a snapshot for the system relations?

use std::collections::BTreeMap;

use uuid::Uuid;

use super::oids;
use super::snapshot::{
    Constraint, ConstraintKind, Identity, Relation, RelationKind, Role, Schema, Sequence,
    SystemSnapshot, Table,
};
use crate::state::{self, EVERY_ROLE, FIRST_OWNER, SequenceType, State};
use crate::types::PgType;

impl SystemSnapshot {
    /// What `state` says exists in `database`, with its one superuser.
    pub fn from_state(state: &State, database: &str) -> SystemSnapshot {
        SystemSnapshot {
            database: database.to_string(),
            roles: vec![Role {
                oid: oids::BOOTSTRAP_ROLE,
                name: FIRST_OWNER.to_string(),
                superuser: true,
                can_login: true,
                settings: settings_of(state, FIRST_OWNER),
            }],
            settings: settings_of(state, EVERY_ROLE),
            schemas: state
                .schemas
                .values()
                .map(|schema| schema_of(schema))
                .collect(),
            relations: state
                .relations
                .values()
                .map(|relation| relation_of(state, relation))
                .collect(),
        }
    }
}

/// `name=value`, by name.
fn settings_of(state: &State, role: &str) -> Vec<String> {
    let own = state.role_settings.get(role).into_iter().flatten();
    own.map(|(name, value)| format!("{name}={value}")).collect()
}

fn schema_of(schema: &state::Schema) -> Schema {
    Schema {
        oid: schema.oid,
        name: schema.name.clone(),
        owner: schema.owner.clone(),
        comment: schema.comment.clone(),
    }
}

fn relation_of(state: &State, relation: &state::Relation) -> Relation {
    let (kind, column_comments) = match &relation.kind {
        state::RelationKind::Table(table) => (
            RelationKind::Table(table_of(state, table)),
            table.column_comments.clone(),
        ),
        state::RelationKind::View(view) => (
            RelationKind::View {
                sql: view.sql.clone(),
            },
            view.column_comments.clone(),
        ),
        state::RelationKind::Sequence(sequence) => {
            let last = state
                .sequences
                .get(&relation.id)
                .and_then(|position| position.last);
            (
                RelationKind::Sequence(sequence_of(sequence, last)),
                BTreeMap::new(),
            )
        }
    };
    Relation {
        oid: relation.oid,
        schema: relation.schema.clone(),
        name: relation.name.clone(),
        owner: relation.owner.clone(),
        comment: relation.comment.clone(),
        column_comments,
        kind,
    }
}

fn sequence_of(sequence: &state::Sequence, last: Option<i64>) -> Sequence {
    Sequence {
        pg_type: match sequence.data_type {
            SequenceType::SmallInt => PgType::INT2,
            SequenceType::Integer => PgType::INT4,
            SequenceType::BigInt => PgType::INT8,
        },
        start: sequence.start,
        increment: sequence.increment,
        min: sequence.min,
        max: sequence.max,
        cache: sequence.cache.into(),
        cycle: sequence.cycle,
        last,
    }
}

fn table_of(state: &State, table: &state::Table) -> Table {
    let oid_of = |id: &Uuid| state.relation_by_id(*id).map(|sequence| sequence.oid);
    let checks = table.checks.iter().map(|(name, sql)| Constraint {
        name: name.clone(),
        kind: ConstraintKind::Check { sql: sql.clone() },
    });
    let keys = table
        .constraints
        .iter()
        .filter_map(|constraint| constraint_of(state, constraint));
    Table {
        // The sequence of an identity column is no default to clients, that of a serial is.
        defaults: table
            .defaults
            .iter()
            .filter(|(column, _)| !table.generated.contains_key(*column))
            .map(|(column, sql)| (column.clone(), sql.clone()))
            .collect(),
        identity: table
            .generated
            .iter()
            .map(|(column, generated)| (column.clone(), identity_of(*generated)))
            .collect(),
        sequences: table
            .identity
            .iter()
            .filter_map(|(column, id)| Some((column.clone(), oid_of(id)?)))
            .collect(),
        constraints: keys.chain(checks).collect(),
    }
}

fn identity_of(generated: state::Identity) -> Identity {
    match generated {
        state::Identity::Always => Identity::Always,
        state::Identity::ByDefault => Identity::ByDefault,
    }
}

/// None for a foreign key to a table that is gone.
fn constraint_of(state: &State, constraint: &state::Constraint) -> Option<Constraint> {
    let kind = match &constraint.kind {
        state::ConstraintKind::PrimaryKey { columns } => ConstraintKind::PrimaryKey {
            columns: columns.clone(),
        },
        state::ConstraintKind::Unique { columns } => ConstraintKind::Unique {
            columns: columns.clone(),
        },
        state::ConstraintKind::ForeignKey {
            columns,
            references,
            referenced_columns,
        } => {
            let target = state.relation_by_id(*references)?;
            ConstraintKind::ForeignKey {
                columns: columns.clone(),
                target_schema: target.schema.clone(),
                target_table: target.name.clone(),
                target_columns: referenced_columns.clone(),
            }
        }
    };
    Some(Constraint {
        name: constraint.name.clone(),
        kind,
    })
}
