//! What does the definition of a table say?
//!
//! Columns with their options and constraints, as CREATE TABLE and ALTER TABLE … ADD write them.

use std::collections::BTreeMap;
use tarn_catalog::syntax_walk::each_expression;

use arrow::datatypes::Field;
use datafusion::sql::sqlparser::ast;
use tarn_catalog::state::{
    Constraint, ConstraintKind, Identity, Op, Relation, RelationKind, Sequence, SequenceType,
};
use tarn_catalog::types::PgType;
use uuid::Uuid;

use super::alter_table::check_one_primary_key;
use super::insert::table_of;
use super::sequence::{identity_clauses, sequence_of};
use crate::error::PgError;
use crate::parser::LikeClause;
use crate::plan::names::{fold, qualified};
use crate::session::Session;
use crate::sqlstate;

/// Said when a key is declared.
pub const INFORMATIONAL: &str =
    "PRIMARY KEY, UNIQUE and FOREIGN KEY are informational and not enforced";

/// What the definition of a table says beside its columns.
#[derive(Default)]
pub struct Definition {
    /// The columns.
    pub fields: Vec<Field>,
    /// DEFAULT by column.
    pub defaults: BTreeMap<String, String>,
    /// CHECK constraints: name and condition.
    pub checks: Vec<(String, String)>,
    /// Informational keys.
    pub constraints: Vec<Constraint>,
    /// Columns GENERATED … AS IDENTITY.
    pub generated: BTreeMap<String, Identity>,
    /// COMMENT ON COLUMN by column.
    pub comments: BTreeMap<String, String>,
    /// Columns that need a sequence, with its definition.
    pub sequences: Vec<(String, Sequence)>,
}

/// Reads all columns and constraints of a CREATE TABLE, with the columns that LIKE copies.
pub async fn define(
    session: &mut Session,
    create: &ast::CreateTable,
    likes: &[LikeClause],
    table: &str,
) -> Result<Definition, PgError> {
    let mut definition = Definition::default();
    for position in 0..=create.columns.len() {
        for like in likes.iter().filter(|like| like.position == position) {
            copy_columns(session, &mut definition, like, table).await?;
        }
        if let Some(column) = create.columns.get(position) {
            define_column(session, &mut definition, column, table)?;
        }
    }
    for constraint in &create.constraints {
        define_constraint(session, &mut definition, constraint, table)?;
    }
    check_one_primary_key(&definition.constraints, table)?;
    Ok(definition)
}

/// LIKE: names, types and NOT NULL of another table's columns, and what INCLUDING asks for.
async fn copy_columns(
    session: &mut Session,
    definition: &mut Definition,
    like: &LikeClause,
    table: &str,
) -> Result<(), PgError> {
    let relation = session
        .names()
        .relation(&qualified(&like.table)?)
        .map_err(|error| error.at(&like.table))?;
    let copied = table_of(&relation)?.clone();
    let schema = session.transaction()?.snapshot(&relation).await?.schema();
    let includes = |part: &str| like.including.iter().any(|known| known == part);
    for field in schema.fields() {
        let name = field.name();
        check_column_is_new(definition, name)?;
        let pg_type = PgType::of_field(field);
        definition
            .fields
            .push(pg_type.field(name, field.is_nullable()));
        let generated = copied.generated.get(name);
        if let (None, Some(default), true) =
            (generated, copied.defaults.get(name), includes("defaults"))
        {
            definition.defaults.insert(name.clone(), default.clone());
        }
        let state = session.catalog_state();
        let sequence = copied
            .identity
            .get(name)
            .and_then(|id| state.relation_by_id(*id)?.sequence().cloned());
        if let (Some(generated), Some(sequence), true) = (generated, sequence, includes("identity"))
        {
            definition.generated.insert(name.clone(), *generated);
            definition.sequences.push((name.clone(), sequence));
        }
        if let (Some(comment), true) = (copied.column_comments.get(name), includes("comments")) {
            definition.comments.insert(name.clone(), comment.clone());
        }
    }
    if includes("constraints") {
        definition.checks.extend(copied.checks);
    }
    if includes("indexes") {
        let keys = copied.constraints.into_iter();
        definition
            .constraints
            .extend(keys.filter_map(|key| renamed_key(key, table)));
    }
    Ok(())
}

/// A copied key under the name that it would have got in its new table.
fn renamed_key(key: Constraint, table: &str) -> Option<Constraint> {
    let name = match &key.kind {
        ConstraintKind::PrimaryKey { .. } => format!("{table}_pkey"),
        ConstraintKind::Unique { columns } => format!("{table}_{}_key", columns.join("_")),
        ConstraintKind::ForeignKey { .. } => return None,
    };
    Some(Constraint { name, ..key })
}

fn check_column_is_new(definition: &Definition, name: &str) -> Result<(), PgError> {
    match definition.fields.iter().any(|field| field.name() == name) {
        true => Err(PgError::new(
            sqlstate::DUPLICATE_COLUMN,
            format!("column \"{name}\" specified more than once"),
        )),
        false => Ok(()),
    }
}

/// Reads one column with its options.
pub fn define_column(
    session: &Session,
    definition: &mut Definition,
    column: &ast::ColumnDef,
    table: &str,
) -> Result<(), PgError> {
    let name = fold(&column.name);
    check_column_is_new(definition, &name)?;
    let (pg_type, serial) = column_type(&column.data_type)?;
    let mut not_null = serial.is_some();
    if let Some(data_type) = serial {
        let sequence = Sequence::ascending(data_type);
        definition.sequences.push((name.clone(), sequence));
    }
    let column_options = ColumnOptions {
        session,
        table,
        name: &name,
        pg_type,
    };
    for option in &column.options {
        not_null |= column_options.read(definition, option)?;
    }
    definition.fields.push(pg_type.field(&name, !not_null));
    Ok(())
}

/// The column that options belong to.
struct ColumnOptions<'a> {
    session: &'a Session,
    table: &'a str,
    name: &'a str,
    pg_type: PgType,
}

impl ColumnOptions<'_> {
    /// Reads one option; true when it forbids NULL.
    fn read(
        &self,
        definition: &mut Definition,
        option: &ast::ColumnOptionDef,
    ) -> Result<bool, PgError> {
        let (table, name) = (self.table, self.name);
        let named = |fallback: String| option.name.as_ref().map_or(fallback, fold);
        let columns = vec![name.to_string()];
        match &option.option {
            ast::ColumnOption::Null | ast::ColumnOption::Collation(_) => {}
            ast::ColumnOption::NotNull => return Ok(true),
            ast::ColumnOption::Default(expr) => {
                definition
                    .defaults
                    .insert(name.to_string(), expr.to_string());
            }
            ast::ColumnOption::Check(check) => {
                let own_name = named(format!("{table}_{name}_check"));
                definition.checks.push((own_name, check.expr.to_string()));
            }
            ast::ColumnOption::PrimaryKey(_) => {
                definition.constraints.push(Constraint {
                    name: named(format!("{table}_pkey")),
                    kind: ConstraintKind::PrimaryKey { columns },
                });
                return Ok(true);
            }
            ast::ColumnOption::Unique(_) => definition.constraints.push(Constraint {
                name: named(format!("{table}_{name}_key")),
                kind: ConstraintKind::Unique { columns },
            }),
            ast::ColumnOption::ForeignKey(key) => definition.constraints.push(Constraint {
                name: named(format!("{table}_{name}_fkey")),
                kind: foreign_key(self.session, columns, key)?,
            }),
            ast::ColumnOption::Generated {
                generation_expr: None,
                generated_as,
                sequence_options,
                ..
            } => {
                self.generate(definition, generated_as, sequence_options.as_deref())?;
                return Ok(true);
            }
            other => {
                return Err(PgError::unsupported(format!(
                    "column option {other} is not supported"
                )));
            }
        }
        Ok(false)
    }

    /// GENERATED … AS IDENTITY
    fn generate(
        &self,
        definition: &mut Definition,
        generated_as: &ast::GeneratedAs,
        options: Option<&[ast::SequenceOptions]>,
    ) -> Result<(), PgError> {
        let identity = match generated_as {
            ast::GeneratedAs::Always => Identity::Always,
            _ => Identity::ByDefault,
        };
        definition.generated.insert(self.name.to_string(), identity);
        let clauses = identity_clauses(options.unwrap_or_default())?;
        let sequence = sequence_of(sequence_type(self.pg_type)?, &clauses)?;
        definition.sequences.push((self.name.to_string(), sequence));
        Ok(())
    }
}

/// The type of a column, and the sequence's type when it is a serial.
pub fn column_type(data_type: &ast::DataType) -> Result<(PgType, Option<SequenceType>), PgError> {
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

/// Reads one constraint of the table.
pub fn define_constraint(
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
    let _ = each_expression(condition, |expr| {
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

/// Makes the sequence of a column; the default of the column draws from it.
pub fn owned_sequence(
    session: &mut Session,
    schema: &str,
    table: &str,
    column: &str,
    sequence: Sequence,
) -> Result<Relation, PgError> {
    let state = session.catalog_state();
    let base = format!("{table}_{column}_seq");
    let mut name = base.clone();
    let mut number = 0;
    while state.relation(schema, &name).is_some() {
        number += 1;
        name = format!("{base}{number}");
    }
    let relation = Relation {
        oid: session.engine.catalog.allocate_oid()?,
        id: Uuid::new_v4(),
        schema: schema.to_string(),
        name,
        owner: session.user.clone(),
        comment: None,
        kind: RelationKind::Sequence(sequence),
    };
    session.transaction()?.apply(Op::CreateRelation {
        relation: relation.clone(),
    })?;
    Ok(relation)
}

/// The default that draws from a sequence.
pub fn nextval_of(sequence: &Relation) -> String {
    let name = [&sequence.schema, &sequence.name].map(|part| quoted(part));
    format!("nextval('{}')", name.join(".").replace('\'', "''"))
}

/// A name as it must be written to be found again.
fn quoted(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    match name.chars().all(is_plain) {
        true => name.to_string(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}
