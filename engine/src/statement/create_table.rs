//! How do CREATE TABLE, CREATE TABLE AS and CREATE TABLE … LOCATION make a table?

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Field, Schema, SchemaRef};
use datafusion::sql::sqlparser::ast;
use tarn_catalog::error::{CatalogError, ObjectKind};
use tarn_catalog::state::{Op, Relation, RelationKind, Table};
use tarn_catalog::types::PgType;
use uuid::Uuid;

use super::schema::exists_notice;
use super::table_definition::{Definition, INFORMATIONAL, define, nextval_of, owned_sequence};
use super::{insert, replace_table};
use crate::error::PgError;
use crate::parser::{CreateTableAt, LikeClause};
use crate::plan::names::{fold, qualified};
use crate::plan::syntax::plain_name;
use crate::session::Session;
use crate::session::notice::Notice;
use crate::session::outcome::Outcome;
use crate::session::prepared::Parameters;
use crate::sqlstate;

/// Most digits after the point of a column that was computed: with PostgreSQL's 20 of a quotient, 18 stay before it.
const COMPUTED_SCALE_MAX: i8 = 20;

/// CREATE [OR REPLACE] TABLE [IF NOT EXISTS] t (…) | AS query
pub async fn run(
    session: &mut Session,
    create: &ast::CreateTable,
    likes: &[LikeClause],
    parameters: &Parameters,
) -> Result<Outcome, PgError> {
    session.check_writable("CREATE TABLE")?;
    refuse_variants(create)?;
    if create.or_replace {
        let written = qualified(&create.name)?;
        let names = session.names();
        let schema = names.schema_for_new(&written)?;
        if let Some(existing) = names.state.relation(&schema, &written.name).cloned() {
            return replace_table::run(session, create, likes, &existing, parameters).await;
        }
    }
    let is_temporary = create.temporary || names_temporary_schema(&create.name)?;
    let found = match is_temporary {
        true => temporary_place(session, &create.name, create.if_not_exists)?,
        false => place(session, &create.name, create.if_not_exists)?,
    };
    let Some(place) = found else {
        return Ok(Outcome::Command("CREATE TABLE".to_string()));
    };
    if let Some(rule) = create.on_commit
        && !is_temporary
        && rule != ast::OnCommit::PreserveRows
    {
        return Err(PgError::new(
            sqlstate::INVALID_TABLE_DEFINITION,
            "ON COMMIT can only be used on temporary tables",
        ));
    }
    let (schema, name) = (place.schema.clone(), place.name.clone());
    let outcome = match &create.query {
        Some(query) => create_as(session, create, query, place, parameters).await,
        None => create_empty(session, create, likes, place).await,
    }?;
    if let (Some(rule), Some(relation)) = (
        create.on_commit,
        session.catalog_state().relation(&schema, &name),
    ) {
        session.set_on_commit(relation.id, rule);
    }
    Ok(outcome)
}

/// Is it `pg_temp.name`?
fn names_temporary_schema(name: &ast::ObjectName) -> Result<bool, PgError> {
    Ok(qualified(name)?.schema.as_deref() == Some("pg_temp"))
}

/// The place of a new temporary table; None when it is there already and may be.
fn temporary_place(
    session: &mut Session,
    name: &ast::ObjectName,
    if_not_exists: bool,
) -> Result<Option<Place>, PgError> {
    let written = qualified(name)?;
    let own = session.temporary_schema();
    if let Some(schema) = &written.schema
        && schema != "pg_temp"
        && *schema != own
    {
        return Err(PgError::new(
            sqlstate::INVALID_TABLE_DEFINITION,
            "cannot create temporary relation in non-temporary schema",
        ));
    }
    let schema = session.open_temporary_schema()?;
    free_place(session, schema, written.name, if_not_exists)
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
    let schema = session.names().schema_for_new(&written)?;
    free_place(session, schema, written.name, if_not_exists)
}

/// A place that nothing has, or None when something may.
fn free_place(
    session: &Session,
    schema: String,
    name: String,
    if_not_exists: bool,
) -> Result<Option<Place>, PgError> {
    if session.catalog_state().relation(&schema, &name).is_none() {
        return Ok(Some(Place { schema, name }));
    }
    if if_not_exists {
        session.notify(exists_notice(ObjectKind::Relation, &name));
        return Ok(None);
    }
    let kind = ObjectKind::Relation;
    Err(CatalogError::AlreadyExists { kind, name }.into())
}

fn refuse_variants(create: &ast::CreateTable) -> Result<(), PgError> {
    let refused = if create.temporary && create.or_replace {
        Some("CREATE OR REPLACE TEMPORARY TABLE")
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
pub fn partition_columns(create: &ast::CreateTable) -> Result<Vec<String>, PgError> {
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
            DataType::Decimal256(_, scale) => wide_numeric(name, *scale),
            _ => PgType::of_field(field).field(name, true),
        };
        fields.push(kept);
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// The column of a computed numeric: as many digits after the point as leave room before it.
fn wide_numeric(name: &str, scale: i8) -> Field {
    let field = PgType::NUMERIC.field(name, true);
    field.with_data_type(DataType::Decimal128(
        DECIMAL128_MAX_PRECISION,
        scale.min(COMPUTED_SCALE_MAX),
    ))
}

async fn create_empty(
    session: &mut Session,
    create: &ast::CreateTable,
    likes: &[LikeClause],
    place: Place,
) -> Result<Outcome, PgError> {
    let definition = define(session, create, likes, &place.name).await?;
    if !definition.constraints.is_empty() {
        session.notify(Notice::plain(INFORMATIONAL));
    }
    let partitions = partition_columns(create)?;
    let (table, schema) = table_of_definition(session, definition, &place.schema, &place.name)?;
    let relation = new_relation(session, place, table)?;
    session
        .transaction()?
        .create_table(relation.clone(), Arc::clone(&schema), partitions)
        .await?;
    session.system.remember_columns(relation.oid, &schema);
    check_expressions(session, &relation, &schema)?;
    Ok(Outcome::Command("CREATE TABLE".to_string()))
}

/// What the catalog keeps of a definition, and its columns; their sequences are made.
pub fn table_of_definition(
    session: &mut Session,
    definition: Definition,
    schema: &str,
    name: &str,
) -> Result<(Table, SchemaRef), PgError> {
    let mut defaults = definition.defaults;
    let mut identity = BTreeMap::new();
    for (column, sequence) in definition.sequences {
        let sequence = owned_sequence(session, schema, name, &column, sequence)?;
        defaults.insert(column.clone(), nextval_of(&sequence));
        identity.insert(column, sequence.id);
    }
    let table = Table {
        defaults,
        checks: definition.checks,
        constraints: definition.constraints,
        identity,
        generated: definition.generated,
        column_comments: definition.comments,
        ..Table::default()
    };
    Ok((table, Arc::new(Schema::new(definition.fields))))
}

/// Fails now if a DEFAULT or CHECK could not be evaluated later.
pub fn check_expressions(
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
