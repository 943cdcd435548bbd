//! How do NOT NULL, CHECK and informational keys come to a table that has rows, and go?

use std::sync::Arc;

use arrow::datatypes::FieldRef;
use datafusion::logical_expr::{Expr, ExprSchemable};
use datafusion::sql::sqlparser::ast;
use tarn_catalog::state::{Constraint, ConstraintKind};

use super::Altered;
use crate::error::PgError;
use crate::plan::names::fold;
use crate::session::Session;
use crate::session::notice::Notice;
use crate::sqlstate;
use crate::statement::table_definition::{Definition, INFORMATIONAL, define_constraint};

/// 23502 for a column that has NULL already.
pub(super) fn null_error(column: &str, table: &str) -> PgError {
    PgError::new(
        sqlstate::NOT_NULL_VIOLATION,
        format!("column \"{column}\" of relation \"{table}\" contains null values"),
    )
}

/// SET NOT NULL, if no row has NULL there.
pub(super) async fn set_not_null(
    session: &mut Session,
    altered: &mut Altered,
    columns: &[usize],
) -> Result<(), PgError> {
    let mut fields = altered.schema.fields().to_vec();
    for column in columns {
        let (field, value) = altered.kept(*column);
        if !field.is_nullable() {
            continue;
        }
        if altered.has_row(session, value.is_null()).await? {
            return Err(null_error(field.name(), &altered.relation.name));
        }
        fields[*column] = nullable(&field, false);
    }
    if fields.as_slice() == &altered.schema.fields()[..] {
        return Ok(());
    }
    altered.redefine(session, fields).await
}

fn nullable(field: &FieldRef, is_nullable: bool) -> FieldRef {
    Arc::new(field.as_ref().clone().with_nullable(is_nullable))
}

/// DROP NOT NULL, unless a key or an identity needs it.
pub(super) async fn drop_not_null(
    session: &mut Session,
    altered: &mut Altered,
    column: usize,
) -> Result<(), PgError> {
    let field = Arc::clone(&altered.schema.fields()[column]);
    let table = altered.table()?;
    if table.generated.contains_key(field.name()) {
        let error = format!(
            "column \"{}\" of relation \"{}\" is an identity column",
            field.name(),
            altered.relation.name
        );
        return Err(PgError::syntax(error));
    }
    let is_key = table.constraints.iter().any(|constraint| {
        matches!(&constraint.kind, ConstraintKind::PrimaryKey { columns }
            if columns.contains(field.name()))
    });
    if is_key {
        let error = format!("column \"{}\" is in a primary key", field.name());
        return Err(PgError::new(sqlstate::INVALID_TABLE_DEFINITION, error));
    }
    if field.is_nullable() {
        return Ok(());
    }
    let mut fields = altered.schema.fields().to_vec();
    fields[column] = nullable(&field, true);
    altered.redefine(session, fields).await
}

/// ADD [CONSTRAINT name] CHECK | PRIMARY KEY | UNIQUE | FOREIGN KEY [NOT VALID]
pub(super) async fn add(
    session: &mut Session,
    altered: &mut Altered,
    constraint: &ast::TableConstraint,
    not_valid: bool,
) -> Result<(), PgError> {
    let table = altered.table()?.clone();
    let fields = altered.schema.fields().iter();
    let mut definition = Definition {
        fields: fields.map(|field| field.as_ref().clone()).collect(),
        checks: table.checks.clone(),
        constraints: table.constraints.clone(),
        ..Definition::default()
    };
    let name = altered.relation.name.clone();
    define_constraint(session, &mut definition, constraint, &name)?;
    check_one_primary_key(&definition.constraints, &name)?;
    check_name_is_free(&definition, &table.checks, &table.constraints, &name)?;
    let added_key = definition.constraints.get(table.constraints.len());
    if let Some(added) = added_key {
        for column in super::columns::columns_of(&added.kind) {
            let missing = || missing_key_column(column);
            altered.find(column).ok_or_else(missing)?;
        }
        session.notify(Notice::plain(INFORMATIONAL));
        if let ConstraintKind::PrimaryKey { columns } = &added.kind {
            let indices: Vec<usize> = columns.iter().filter_map(|c| altered.find(c)).collect();
            set_not_null(session, altered, &indices).await?;
        }
    }
    let mut options = altered.options()?;
    options.checks = definition.checks;
    options.constraints = definition.constraints;
    let added_check = options.checks.get(table.checks.len()).cloned();
    altered.set_options(session, options)?;
    match added_check {
        Some((check, condition)) if !not_valid => {
            check_rows(session, altered, &check, &condition).await
        }
        _ => Ok(()),
    }
}

fn missing_key_column(column: &str) -> PgError {
    PgError::new(
        sqlstate::UNDEFINED_COLUMN,
        format!("column \"{column}\" named in key does not exist"),
    )
}

/// 42P16 for a second primary key.
pub fn check_one_primary_key(constraints: &[Constraint], table: &str) -> Result<(), PgError> {
    let keys = constraints
        .iter()
        .filter(|constraint| matches!(constraint.kind, ConstraintKind::PrimaryKey { .. }));
    if keys.count() > 1 {
        let error = format!("multiple primary keys for table \"{table}\" are not allowed");
        return Err(PgError::new(sqlstate::INVALID_TABLE_DEFINITION, error));
    }
    Ok(())
}

fn check_name_is_free(
    definition: &Definition,
    checks: &[(String, String)],
    constraints: &[Constraint],
    table: &str,
) -> Result<(), PgError> {
    let old = || {
        let checks = checks.iter().map(|(name, _)| name);
        checks.chain(constraints.iter().map(|constraint| &constraint.name))
    };
    let new_checks = definition.checks.iter().skip(checks.len());
    let new_keys = definition.constraints.iter().skip(constraints.len());
    let mut added = new_checks
        .map(|(name, _)| name)
        .chain(new_keys.map(|constraint| &constraint.name));
    match added.find(|name| old().any(|taken| taken == *name)) {
        Some(name) => Err(PgError::new(
            sqlstate::DUPLICATE_OBJECT,
            format!("constraint \"{name}\" for relation \"{table}\" already exists"),
        )),
        None => Ok(()),
    }
}

/// 23514 if a row breaks the condition.
pub(super) async fn check_rows(
    session: &mut Session,
    altered: &Altered,
    name: &str,
    condition: &str,
) -> Result<(), PgError> {
    let columns = altered.columns()?;
    let written = crate::parser::parse_expression(condition)?;
    let condition = session.planner()?.expression(written, &columns)?;
    let condition = condition.cast_to(&arrow::datatypes::DataType::Boolean, &columns)?;
    let broken = Expr::IsFalse(Box::new(condition));
    if altered.has_files && altered.has_row(session, broken).await? {
        let error = format!(
            "check constraint \"{name}\" of relation \"{}\" is violated by some row",
            altered.relation.name
        );
        return Err(PgError::new(sqlstate::CHECK_VIOLATION, error));
    }
    Ok(())
}

fn missing(altered: &Altered, name: &str) -> String {
    let table = &altered.relation.name;
    format!("constraint \"{name}\" of relation \"{table}\" does not exist")
}

/// DROP CONSTRAINT [IF EXISTS] name
pub(super) fn drop(
    session: &mut Session,
    altered: &mut Altered,
    name: &ast::Ident,
    if_exists: bool,
) -> Result<(), PgError> {
    let name = fold(name);
    let mut options = altered.options()?;
    let before = options.checks.len() + options.constraints.len();
    options.checks.retain(|(check, _)| *check != name);
    options
        .constraints
        .retain(|constraint| constraint.name != name);
    if before == options.checks.len() + options.constraints.len() {
        let message = missing(altered, &name);
        if if_exists {
            session.notify(Notice::plain(format!("{message}, skipping")));
            return Ok(());
        }
        return Err(PgError::new(sqlstate::UNDEFINED_OBJECT, message));
    }
    altered.set_options(session, options)
}

/// RENAME CONSTRAINT a TO b
pub(super) fn rename(
    session: &mut Session,
    altered: &mut Altered,
    old: &ast::Ident,
    new: &ast::Ident,
) -> Result<(), PgError> {
    let (old, new) = (fold(old), fold(new));
    let mut options = altered.options()?;
    let checks = options.checks.iter_mut().map(|(name, _)| name);
    let keys = options
        .constraints
        .iter_mut()
        .map(|constraint| &mut constraint.name);
    let mut names: Vec<&mut String> = checks.chain(keys).collect();
    if names.iter().any(|name| **name == new) {
        let table = &altered.relation.name;
        let error = format!("constraint \"{new}\" for relation \"{table}\" already exists");
        return Err(PgError::new(sqlstate::DUPLICATE_OBJECT, error));
    }
    match names.iter_mut().find(|name| ***name == old) {
        Some(name) => **name = new,
        None => {
            let table = &altered.relation.name;
            let error = format!("constraint \"{old}\" for table \"{table}\" does not exist");
            return Err(PgError::new(sqlstate::UNDEFINED_OBJECT, error));
        }
    }
    altered.set_options(session, options)
}
