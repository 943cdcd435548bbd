//! How do CREATE TABLE, CREATE TABLE AS and CREATE TABLE … LOCATION make a table?

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::sql::sqlparser::ast;
use tarn_catalog::error::{CatalogError, ObjectKind};
use tarn_catalog::state::{
    Constraint, ConstraintKind, Op, Relation, RelationKind, Sequence, SequenceType, Table,
};
use tarn_catalog::types::PgType;
use uuid::Uuid;

use super::insert;
use super::schema::exists_notice;
use crate::error::PgError;
use crate::parser::CreateTableAt;
use crate::plan::names::{fold, qualified};
use crate::plan::syntax::plain_name;
use crate::session::Session;
use crate::session::notice::Notice;
use crate::session::outcome::Outcome;
use crate::session::prepared::Parameters;
use crate::sqlstate;

/// What the definition of a table says beside its columns.
#[derive(Default)]
struct Definition {
    fields: Vec<Field>,
    defaults: BTreeMap<String, String>,
    checks: Vec<(String, String)>,
    constraints: Vec<Constraint>,
    identity: BTreeMap<String, Uuid>,
    sequences: Vec<(String, SequenceType)>,
}

/// CREATE TABLE [IF NOT EXISTS] t (…) | AS query
pub async fn run(
    session: &mut Session,
    create: &ast::CreateTable,
    parameters: &Parameters,
) -> Result<Outcome, PgError> {
    session.check_writable("CREATE TABLE")?;
    refuse_variants(create)?;
    let Some(place) = place(session, &create.name, create.if_not_exists)? else {
        return Ok(Outcome::Command("CREATE TABLE".to_string()));
    };
    match &create.query {
        Some(query) => create_as(session, create, query, place, parameters).await,
        None => create_empty(session, create, place).await,
    }
}

/// Where a new table goes.
struct Place {
    schema: String,
    name: String,
}

/// The place of a new relation; None when it is there already and may be.
fn place(
    session: &mut Session,
    name: &ast::ObjectName,
    if_not_exists: bool,
) -> Result<Option<Place>, PgError> {
    let written = qualified(name)?;
    let names = session.names();
    let schema = names.schema_for_new(&written)?;
    if names.state.relation(&schema, &written.name).is_some() {
        if if_not_exists {
            session.notify(exists_notice(ObjectKind::Relation, &written.name));
            return Ok(None);
        }
        return Err(CatalogError::AlreadyExists {
            kind: ObjectKind::Relation,
            name: written.name,
        }
        .into());
    }
    Ok(Some(Place {
        schema,
        name: written.name,
    }))
}

fn refuse_variants(create: &ast::CreateTable) -> Result<(), PgError> {
    let refused = if create.temporary {
        Some("CREATE TEMPORARY TABLE")
    } else if create.or_replace {
        Some("CREATE OR REPLACE TABLE")
    } else if create.like.is_some() {
        Some("CREATE TABLE … LIKE")
    } else if create.inherits.is_some() {
        Some("INHERITS")
    } else if create.partition_of.is_some() {
        Some("PARTITION OF")
    } else {
        None
    };
    match refused {
        Some(what) => Err(PgError::unsupported(format!("{what} is not supported"))),
        None => Ok(()),
    }
}

/// `PARTITIONED BY (a, b)`: the columns that make Delta partitions.
fn partition_columns(create: &ast::CreateTable) -> Result<Vec<String>, PgError> {
    if create.partition_by.is_some() {
        return Err(
            PgError::unsupported("PARTITION BY in CREATE TABLE is not supported")
                .with_hint("Write PARTITIONED BY (column, …) for Delta partitions."),
        );
    }
    match &create.hive_distribution {
        ast::HiveDistributionStyle::PARTITIONED { columns } => {
            Ok(columns.iter().map(|column| fold(&column.name)).collect())
        }
        _ => Ok(Vec::new()),
    }
}

async fn create_as(
    session: &mut Session,
    create: &ast::CreateTable,
    query: &ast::Query,
    place: Place,
    parameters: &Parameters,
) -> Result<Outcome, PgError> {
    let planned = session
        .planner()?
        .query(query.clone(), &parameters.fields)
        .await?;
    let plan = parameters.fill(planned)?;
    let names: Vec<String> = create
        .columns
        .iter()
        .map(|column| fold(&column.name))
        .collect();
    let schema = table_schema(plan.schema().inner(), &names)?;
    let relation = new_relation(session, place, Table::default())?;
    let partitions = partition_columns(create)?;
    session
        .transaction()?
        .create_table(relation.clone(), Arc::clone(&schema), partitions)
        .await?;
    session.system.remember_columns(relation.oid, &schema);
    let rows = insert::append(session, &relation, &schema, &plan).await?;
    Ok(Outcome::Command(format!("SELECT {rows}")))
}

/// A table with exactly these columns, for COPY … WITH (CREATE).
pub async fn with_schema(
    session: &mut Session,
    name: &ast::ObjectName,
    schema: SchemaRef,
) -> Result<Relation, PgError> {
    let Some(place) = place(session, name, false)? else {
        return Err(PgError::new(
            sqlstate::DUPLICATE_TABLE,
            "the table exists already",
        ));
    };
    let relation = new_relation(session, place, Table::default())?;
    session
        .transaction()?
        .create_table(relation.clone(), Arc::clone(&schema), Vec::new())
        .await?;
    session.system.remember_columns(relation.oid, &schema);
    Ok(relation)
}

/// The columns of a query as columns of a table: unique names, storable types, all nullable.
pub fn table_schema(schema: &Schema, names: &[String]) -> Result<SchemaRef, PgError> {
    if names.len() > schema.fields().len() {
        return Err(PgError::syntax("too many column names were specified"));
    }
    let mut fields: Vec<Field> = Vec::with_capacity(schema.fields().len());
    for (index, field) in schema.fields().iter().enumerate() {
        let name = names
            .get(index)
            .map_or(plain_name(field.name()), String::as_str);
        if fields.iter().any(|earlier| earlier.name() == name) {
            return Err(PgError::new(
                sqlstate::DUPLICATE_COLUMN,
                format!("column \"{name}\" specified more than once"),
            ));
        }
        // Going by the Postgres type turns views, dictionaries and unsigned numbers into what a file holds.
        // Maps and records have no Postgres type of their own: they are kept as they are.
        let kept = match field.data_type() {
            DataType::Map(..) | DataType::Struct(_) => {
                Field::new(name, field.data_type().clone(), true)
            }
            _ => PgType::of_field(field).field(name, true),
        };
        fields.push(kept);
    }
    Ok(Arc::new(Schema::new(fields)))
}

async fn create_empty(
    session: &mut Session,
    create: &ast::CreateTable,
    place: Place,
) -> Result<Outcome, PgError> {
    let definition = define(session, create, &place)?;
    if !definition.constraints.is_empty() {
        session.notify(Notice::plain(
            "PRIMARY KEY, UNIQUE and FOREIGN KEY are informational and not enforced",
        ));
    }
    let mut defaults = definition.defaults;
    let mut identity = definition.identity;
    for (column, data_type) in definition.sequences {
        let sequence = owned_sequence(session, &place, &column, data_type)?;
        defaults.insert(
            column.clone(),
            format!("nextval('{}.{}')", sequence.schema, sequence.name),
        );
        identity.insert(column, sequence.id);
    }
    let partitions = partition_columns(create)?;
    let schema = Arc::new(Schema::new(definition.fields));
    let table = Table {
        defaults,
        checks: definition.checks,
        constraints: definition.constraints,
        identity,
        ..Table::default()
    };
    let relation = new_relation(session, place, table)?;
    session
        .transaction()?
        .create_table(relation.clone(), Arc::clone(&schema), partitions)
        .await?;
    session.system.remember_columns(relation.oid, &schema);
    check_expressions(session, &relation, &schema)?;
    Ok(Outcome::Command("CREATE TABLE".to_string()))
}

/// Fails now if a DEFAULT or CHECK could not be evaluated later.
fn check_expressions(
    session: &mut Session,
    relation: &Relation,
    schema: &SchemaRef,
) -> Result<(), PgError> {
    super::constraints::Constraints::new(session, relation, Arc::clone(schema))?;
    let planner = session.planner()?;
    for sql in insert::table_of(relation)?.defaults.values() {
        let default = crate::parser::parse_expression(sql)?;
        planner.expression(default, &datafusion::common::DFSchema::empty())?;
    }
    Ok(())
}

/// A relation with an id and an OID of its own; its files get a folder named by the id.
fn new_relation(session: &mut Session, place: Place, table: Table) -> Result<Relation, PgError> {
    let id = Uuid::new_v4();
    Ok(Relation {
        oid: session.engine.catalog.allocate_oid()?,
        id,
        schema: place.schema,
        name: place.name,
        owner: session.user.clone(),
        comment: None,
        kind: RelationKind::Table(Table {
            location: format!("tables/{id}"),
            managed: true,
            ..table
        }),
    })
}

fn owned_sequence(
    session: &mut Session,
    place: &Place,
    column: &str,
    data_type: SequenceType,
) -> Result<Relation, PgError> {
    let state = session.catalog_state();
    let base = format!("{}_{column}_seq", place.name);
    let mut name = base.clone();
    let mut number = 0;
    while state.relation(&place.schema, &name).is_some() {
        number += 1;
        name = format!("{base}{number}");
    }
    let relation = Relation {
        oid: session.engine.catalog.allocate_oid()?,
        id: Uuid::new_v4(),
        schema: place.schema.clone(),
        name,
        owner: session.user.clone(),
        comment: None,
        kind: RelationKind::Sequence(Sequence::ascending(data_type)),
    };
    session.transaction()?.apply(Op::CreateRelation {
        relation: relation.clone(),
    })?;
    Ok(relation)
}

fn define(
    session: &Session,
    create: &ast::CreateTable,
    place: &Place,
) -> Result<Definition, PgError> {
    let mut definition = Definition::default();
    for column in &create.columns {
        define_column(session, &mut definition, column, &place.name)?;
    }
    for constraint in &create.constraints {
        define_constraint(session, &mut definition, constraint, &place.name)?;
    }
    Ok(definition)
}

fn define_column(
    session: &Session,
    definition: &mut Definition,
    column: &ast::ColumnDef,
    table: &str,
) -> Result<(), PgError> {
    let name = fold(&column.name);
    if definition.fields.iter().any(|field| field.name() == &name) {
        return Err(PgError::new(
            sqlstate::DUPLICATE_COLUMN,
            format!("column \"{name}\" specified more than once"),
        ));
    }
    let (pg_type, serial) = column_type(&column.data_type)?;
    let mut not_null = serial.is_some();
    if let Some(data_type) = serial {
        definition.sequences.push((name.clone(), data_type));
    }
    for option in &column.options {
        let own_name = option.name.as_ref().map(fold);
        match &option.option {
            ast::ColumnOption::Null => {}
            ast::ColumnOption::NotNull => not_null = true,
            ast::ColumnOption::Default(expr) => {
                definition.defaults.insert(name.clone(), expr.to_string());
            }
            ast::ColumnOption::Check(check) => {
                let own_name = own_name.unwrap_or_else(|| format!("{table}_{name}_check"));
                definition.checks.push((own_name, check.expr.to_string()));
            }
            ast::ColumnOption::PrimaryKey(_) => {
                not_null = true;
                let columns = vec![name.clone()];
                definition.constraints.push(Constraint {
                    name: own_name.unwrap_or_else(|| format!("{table}_pkey")),
                    kind: ConstraintKind::PrimaryKey { columns },
                });
            }
            ast::ColumnOption::Unique(_) => {
                let columns = vec![name.clone()];
                definition.constraints.push(Constraint {
                    name: own_name.unwrap_or_else(|| format!("{table}_{name}_key")),
                    kind: ConstraintKind::Unique { columns },
                });
            }
            ast::ColumnOption::ForeignKey(key) => {
                let own_name = own_name.unwrap_or_else(|| format!("{table}_{name}_fkey"));
                let kind = foreign_key(session, vec![name.clone()], key)?;
                definition.constraints.push(Constraint {
                    name: own_name,
                    kind,
                });
            }
            ast::ColumnOption::Generated {
                generation_expr: None,
                ..
            } => {
                not_null = true;
                definition
                    .sequences
                    .push((name.clone(), sequence_type(pg_type)?));
            }
            ast::ColumnOption::Collation(_) => {}
            other => {
                return Err(PgError::unsupported(format!(
                    "column option {other} is not supported"
                )));
            }
        }
    }
    definition.fields.push(pg_type.field(&name, !not_null));
    Ok(())
}

/// The type of a column, and the sequence's type when it is a serial.
fn column_type(data_type: &ast::DataType) -> Result<(PgType, Option<SequenceType>), PgError> {
    let spelling = data_type.to_string();
    match spelling.to_lowercase().as_str() {
        "smallserial" | "serial2" => Ok((PgType::parse("smallint")?, Some(SequenceType::SmallInt))),
        "serial" | "serial4" => Ok((PgType::parse("integer")?, Some(SequenceType::Integer))),
        "bigserial" | "serial8" => Ok((PgType::parse("bigint")?, Some(SequenceType::BigInt))),
        // Spellings of Delta users.
        "string" => Ok((PgType::TEXT, None)),
        "double" => Ok((PgType::parse("double precision")?, None)),
        "long" => Ok((PgType::parse("bigint")?, None)),
        "binary" => Ok((PgType::parse("bytea")?, None)),
        _ => Ok((PgType::parse(&spelling)?, None)),
    }
}

fn sequence_type(pg_type: PgType) -> Result<SequenceType, PgError> {
    match pg_type.sql_name().as_str() {
        "smallint" => Ok(SequenceType::SmallInt),
        "integer" => Ok(SequenceType::Integer),
        "bigint" => Ok(SequenceType::BigInt),
        _ => Err(PgError::new(
            sqlstate::INVALID_PARAMETER_VALUE,
            "identity column type must be smallint, integer, or bigint",
        )),
    }
}

fn define_constraint(
    session: &Session,
    definition: &mut Definition,
    constraint: &ast::TableConstraint,
    table: &str,
) -> Result<(), PgError> {
    let named = |name: &Option<ast::Ident>, fallback: String| name.as_ref().map_or(fallback, fold);
    match constraint {
        ast::TableConstraint::Check(check) => {
            let name = named(&check.name, check_name(definition, table, &check.expr));
            definition.checks.push((name, check.expr.to_string()));
        }
        ast::TableConstraint::PrimaryKey(key) => {
            let columns = index_columns(&key.columns)?;
            for field in &mut definition.fields {
                if columns.contains(field.name()) {
                    *field = field.clone().with_nullable(false);
                }
            }
            let name = named(&key.name, format!("{table}_pkey"));
            definition.constraints.push(Constraint {
                name,
                kind: ConstraintKind::PrimaryKey { columns },
            });
        }
        ast::TableConstraint::Unique(key) => {
            let columns = index_columns(&key.columns)?;
            let name = named(&key.name, format!("{table}_{}_key", columns.join("_")));
            definition.constraints.push(Constraint {
                name,
                kind: ConstraintKind::Unique { columns },
            });
        }
        ast::TableConstraint::ForeignKey(key) => {
            let columns: Vec<String> = key.columns.iter().map(fold).collect();
            let name = named(&key.name, format!("{table}_{}_fkey", columns.join("_")));
            let kind = foreign_key(session, columns, key)?;
            definition.constraints.push(Constraint { name, kind });
        }
        other => {
            return Err(PgError::unsupported(format!(
                "constraint {other} is not supported"
            )));
        }
    }
    Ok(())
}

/// `t_a_check` when the condition is about one column, `t_check` otherwise; numbered when taken.
fn check_name(definition: &Definition, table: &str, condition: &ast::Expr) -> String {
    let mut columns: Vec<String> = Vec::new();
    let _ = ast::visit_expressions(condition, |expr| {
        if let ast::Expr::Identifier(ident) = expr {
            let column = fold(ident);
            if !columns.contains(&column) {
                columns.push(column);
            }
        }
        std::ops::ControlFlow::<()>::Continue(())
    });
    let base = match columns.as_slice() {
        [column] => format!("{table}_{column}_check"),
        _ => format!("{table}_check"),
    };
    let is_taken = |name: &String| definition.checks.iter().any(|(taken, _)| taken == name);
    let numbered = (1..).map(|number| format!("{base}{number}"));
    std::iter::once(base.clone())
        .chain(numbered)
        .find(|name| !is_taken(name))
        .unwrap_or(base)
}

fn index_columns(columns: &[ast::IndexColumn]) -> Result<Vec<String>, PgError> {
    columns
        .iter()
        .map(|column| match &column.column.expr {
            ast::Expr::Identifier(ident) => Ok(fold(ident)),
            other => Err(PgError::syntax(format!("\"{other}\" is not a column"))),
        })
        .collect()
}

fn foreign_key(
    session: &Session,
    columns: Vec<String>,
    key: &ast::ForeignKeyConstraint,
) -> Result<ConstraintKind, PgError> {
    let target = session.names().relation(&qualified(&key.foreign_table)?)?;
    Ok(ConstraintKind::ForeignKey {
        columns,
        references: target.id,
        referenced_columns: key.referred_columns.iter().map(fold).collect(),
    })
}

/// CREATE TABLE t LOCATION 'path'
pub async fn at_location(
    session: &mut Session,
    create: &CreateTableAt,
) -> Result<Outcome, PgError> {
    session.check_writable("CREATE TABLE")?;
    let done = Outcome::Command("CREATE TABLE".to_string());
    let Some(place) = place(session, &create.name, create.if_not_exists)? else {
        return Ok(done);
    };
    let path = session.files.check(&create.location)?;
    if !path.join("_delta_log").is_dir() {
        return Err(PgError::new(
            sqlstate::UNDEFINED_FILE,
            format!("\"{}\" is not a Delta table", create.location),
        )
        .with_detail("It has no folder _delta_log."));
    }
    let mut relation = new_relation(session, place, Table::default())?;
    relation.kind = RelationKind::Table(Table {
        location: path.to_string_lossy().into_owned(),
        managed: false,
        ..Table::default()
    });
    let transaction = session.transaction()?;
    transaction.apply(Op::CreateRelation {
        relation: relation.clone(),
    })?;
    // Opening it now tells a broken log before anybody relies on the name.
    transaction.snapshot(&relation).await?;
    Ok(done)
}
