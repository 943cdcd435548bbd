//! How do ADD, DROP and RENAME COLUMN and ALTER COLUMN … TYPE change the columns of a table?

use std::ops::ControlFlow;
use std::sync::Arc;
use tarn_catalog::syntax_walk::{each_expression, each_expression_mut};

use arrow::datatypes::FieldRef;
use datafusion::logical_expr::ExprSchemable;
use datafusion::sql::sqlparser::ast;
use tarn_catalog::state::{CommentTarget, ConstraintKind, Op, TableOptions};

use super::constraints::{self, null_error};
use super::views;
use super::{Altered, options_of};
use crate::error::PgError;
use crate::plan::names::fold;
use crate::session::Session;
use crate::session::notice::Notice;
use crate::sqlstate;
use crate::statement::assignment::is_assignable;
use crate::statement::table_definition::{
    Definition, column_type, define_column, nextval_of, owned_sequence,
};

/// ADD COLUMN [IF NOT EXISTS] column type [options]
pub(super) async fn add(
    session: &mut Session,
    altered: &mut Altered,
    column: &ast::ColumnDef,
    if_not_exists: bool,
) -> Result<(), PgError> {
    let name = fold(&column.name);
    let table = altered.relation.name.clone();
    if altered.find(&name).is_some() {
        let message = format!("column \"{name}\" of relation \"{table}\" already exists");
        if if_not_exists {
            session.notify(Notice {
                code: sqlstate::DUPLICATE_COLUMN,
                ..Notice::plain(format!("{message}, skipping"))
            });
            return Ok(());
        }
        return Err(PgError::new(sqlstate::DUPLICATE_COLUMN, message));
    }
    let mut definition = Definition {
        checks: altered.table()?.checks.clone(),
        constraints: altered.table()?.constraints.clone(),
        ..Definition::default()
    };
    define_column(session, &mut definition, column, &table)?;
    constraints::check_one_primary_key(&definition.constraints, &table)?;
    let Some(field) = definition.fields.pop().map(Arc::new) else {
        return Err(PgError::syntax("a column was expected"));
    };
    let old_checks = altered.table()?.checks.len();
    let new_checks = definition.checks[old_checks..].to_vec();
    let default = definition.defaults.get(&name).cloned();
    let default = match definition.sequences.pop() {
        None => default,
        Some((column, sequence)) => {
            let schema = altered.relation.schema.clone();
            let sequence = owned_sequence(session, &schema, &table, &column, sequence)?;
            let default = nextval_of(&sequence);
            let mut options = altered.options()?;
            options.identity.insert(column, sequence.id);
            altered.set_options(session, options)?;
            // The rows that are there draw from it right away.
            session.refresh_view();
            Some(default)
        }
    };
    append(session, altered, &field, default.as_deref()).await?;
    let mut options = altered.options()?;
    if let Some(default) = default {
        options.defaults.insert(name, default);
    }
    options.checks = definition.checks;
    options.constraints = definition.constraints;
    options.generated.extend(definition.generated);
    altered.set_options(session, options)?;
    for (check, condition) in new_checks {
        constraints::check_rows(session, altered, &check, &condition).await?;
    }
    Ok(())
}

/// The column behind the others, with its default in the rows that are there.
async fn append(
    session: &mut Session,
    altered: &mut Altered,
    field: &FieldRef,
    default: Option<&str>,
) -> Result<(), PgError> {
    let Some(default) = default.filter(|_| altered.has_files) else {
        if !field.is_nullable() && altered.has_files {
            let all = datafusion::logical_expr::lit(true);
            if altered.has_row(session, all).await? {
                return Err(null_error(field.name(), &altered.relation.name));
            }
        }
        let mut fields = altered.schema.fields().to_vec();
        fields.push(Arc::clone(field));
        return altered.redefine(session, fields).await;
    };
    let written = crate::parser::parse_expression(default)?;
    let value = altered.expression(session, written, field)?;
    let mut columns: Vec<_> = (0..altered.schema.fields().len())
        .map(|index| altered.kept(index))
        .collect();
    columns.push((Arc::clone(field), value));
    altered.rewrite(session, columns).await
}

/// DROP COLUMN [IF EXISTS] column [CASCADE]
pub(super) async fn drop(
    session: &mut Session,
    altered: &mut Altered,
    name: &ast::Ident,
    if_exists: bool,
    is_cascade: bool,
) -> Result<(), PgError> {
    let column = match altered.column(name) {
        Ok(column) => column,
        Err(error) if if_exists => {
            session.notify(Notice::plain(format!("{}, skipping", error.message)));
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let name = altered.schema.field(column).name().clone();
    if altered.partition_by.contains(&name) {
        return Err(PgError::unsupported(format!(
            "cannot drop column \"{name}\": it partitions the table"
        ))
        .with_hint("CREATE TABLE … AS SELECT … makes a table without it."));
    }
    if altered.schema.fields().len() == 1 {
        return Err(PgError::unsupported(
            "a Delta table needs at least one column",
        ));
    }
    let columns: Vec<_> = (0..altered.schema.fields().len())
        .filter(|index| *index != column)
        .map(|index| altered.kept(index))
        .collect();
    let mut options = altered.options()?;
    forget(&mut options, &name)?;
    forget_comment(session, altered, &name)?;
    altered.set_options(session, options)?;
    altered.rewrite(session, columns).await?;
    views::check(
        session,
        &altered.relation,
        &views::Reason::Drop(&name),
        is_cascade,
    )
    .await
}

/// What the catalog says of a column goes with it, also the constraints that name it, as in Postgres.
fn forget(options: &mut TableOptions, column: &str) -> Result<(), PgError> {
    options.defaults.remove(column);
    options.identity.remove(column);
    options.generated.remove(column);
    let mut kept = Vec::new();
    for (name, condition) in std::mem::take(&mut options.checks) {
        if !mentions(&crate::parser::parse_expression(&condition)?, column) {
            kept.push((name, condition));
        }
    }
    options.checks = kept;
    options
        .constraints
        .retain(|constraint| !columns_of(&constraint.kind).iter().any(|own| own == column));
    Ok(())
}

fn forget_comment(
    session: &mut Session,
    altered: &mut Altered,
    column: &str,
) -> Result<(), PgError> {
    if altered.table()?.column_comments.contains_key(column) {
        let target = CommentTarget::Column(altered.relation.reference(), column.to_string());
        session.transaction()?.apply(Op::SetComment {
            target,
            comment: None,
        })?;
        altered.refresh(session);
    }
    Ok(())
}

/// The columns of this table that a key is about.
pub(super) fn columns_of(kind: &ConstraintKind) -> &[String] {
    match kind {
        ConstraintKind::PrimaryKey { columns }
        | ConstraintKind::Unique { columns }
        | ConstraintKind::ForeignKey { columns, .. } => columns,
    }
}

fn mentions(condition: &ast::Expr, column: &str) -> bool {
    each_expression(condition, |expr| match expr {
        ast::Expr::Identifier(ident) if fold(ident) == column => ControlFlow::Break(()),
        ast::Expr::CompoundIdentifier(parts)
            if parts.last().is_some_and(|last| fold(last) == column) =>
        {
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    })
    .is_break()
}

/// RENAME COLUMN a TO b
pub(super) async fn rename(
    session: &mut Session,
    altered: &mut Altered,
    old: &ast::Ident,
    new: &ast::Ident,
) -> Result<(), PgError> {
    let new_name = fold(new);
    let Ok(column) = altered.column(old) else {
        let error = format!("column \"{}\" does not exist", fold(old));
        return Err(PgError::new(sqlstate::UNDEFINED_COLUMN, error));
    };
    if altered.find(&new_name).is_some() {
        let error = format!(
            "column \"{new_name}\" of relation \"{}\" already exists",
            altered.relation.name
        );
        return Err(PgError::new(sqlstate::DUPLICATE_COLUMN, error));
    }
    let old_name = altered.schema.field(column).name().clone();
    let columns: Vec<_> = (0..altered.schema.fields().len())
        .map(|index| {
            let (field, expr) = altered.kept(index);
            match index == column {
                true => {
                    let renamed = field.as_ref().clone().with_name(&new_name);
                    (Arc::new(renamed), expr)
                }
                false => (field, expr),
            }
        })
        .collect();
    rename_in_catalog(session, altered, &old_name, &new_name)?;
    for partition in &mut altered.partition_by {
        if *partition == old_name {
            partition.clone_from(&new_name);
        }
    }
    altered.rewrite(session, columns).await?;
    let reason = views::Reason::Rename(&old_name);
    views::check(session, &altered.relation, &reason, false).await
}

fn rename_in_catalog(
    session: &mut Session,
    altered: &mut Altered,
    old: &str,
    new: &str,
) -> Result<(), PgError> {
    let mut options = altered.options()?;
    if let Some(default) = options.defaults.remove(old) {
        options.defaults.insert(new.to_string(), default);
    }
    if let Some(sequence) = options.identity.remove(old) {
        options.identity.insert(new.to_string(), sequence);
    }
    if let Some(generated) = options.generated.remove(old) {
        options.generated.insert(new.to_string(), generated);
    }
    for (_, condition) in &mut options.checks {
        *condition = renamed_in(condition, old, new)?;
    }
    for constraint in &mut options.constraints {
        let (ConstraintKind::PrimaryKey { columns }
        | ConstraintKind::Unique { columns }
        | ConstraintKind::ForeignKey { columns, .. }) = &mut constraint.kind;
        rename_in_list(columns, old, new);
    }
    let comment = altered.table()?.column_comments.get(old).cloned();
    forget_comment(session, altered, old)?;
    altered.set_options(session, options)?;
    if comment.is_some() {
        let target = CommentTarget::Column(altered.relation.reference(), new.to_string());
        session
            .transaction()?
            .apply(Op::SetComment { target, comment })?;
        altered.refresh(session);
    }
    rename_in_foreign_keys(session, altered, old, new)
}

fn rename_in_list(columns: &mut [String], old: &str, new: &str) {
    for column in columns.iter_mut().filter(|column| *column == old) {
        *column = new.to_string();
    }
}

/// Other tables' keys that point to the column.
fn rename_in_foreign_keys(
    session: &mut Session,
    altered: &Altered,
    old: &str,
    new: &str,
) -> Result<(), PgError> {
    let state = session.catalog_state();
    for other in state.relations.values() {
        let Some(table) = other.table() else { continue };
        let mut constraints = table.constraints.clone();
        for constraint in &mut constraints {
            if let ConstraintKind::ForeignKey {
                references,
                referenced_columns,
                ..
            } = &mut constraint.kind
                && *references == altered.relation.id
            {
                rename_in_list(referenced_columns, old, new);
            }
        }
        if constraints != table.constraints {
            let options = TableOptions {
                constraints,
                ..options_of(table)
            };
            session.transaction()?.apply(Op::SetTableOptions {
                target: other.reference(),
                options,
            })?;
        }
    }
    Ok(())
}

fn renamed_in(condition: &str, old: &str, new: &str) -> Result<String, PgError> {
    let mut expr = crate::parser::parse_expression(condition)?;
    let _ = each_expression_mut(&mut expr, |expr| {
        let ident = match expr {
            ast::Expr::Identifier(ident) => Some(ident),
            ast::Expr::CompoundIdentifier(parts) => parts.last_mut(),
            _ => None,
        };
        if let Some(ident) = ident.filter(|ident| fold(ident) == old) {
            *ident = ast::Ident::with_quote('"', new);
        }
        ControlFlow::<()>::Continue(())
    });
    Ok(expr.to_string())
}

/// ALTER COLUMN … [SET DATA] TYPE type [USING expression]
pub(super) async fn set_type(
    session: &mut Session,
    altered: &mut Altered,
    column: usize,
    data_type: &ast::DataType,
    using: Option<&ast::Expr>,
) -> Result<(), PgError> {
    let (pg_type, _) = column_type(data_type)?;
    let old = Arc::clone(&altered.schema.fields()[column]);
    let field: FieldRef = Arc::new(pg_type.field(old.name(), old.is_nullable()));
    let value = match using {
        Some(written) => altered.expression(session, written.clone(), &field)?,
        None if is_assignable(old.data_type(), field.data_type()) => {
            let (_, kept) = altered.kept(column);
            kept.cast_to(field.data_type(), &altered.columns()?)?
        }
        None => {
            let name = pg_type.sql_name();
            let error = format!(
                "column \"{}\" cannot be cast automatically to type {name}",
                old.name()
            );
            return Err(
                PgError::new(sqlstate::DATATYPE_MISMATCH, error).with_hint(format!(
                    "You might need to specify \"USING {}::{name}\".",
                    old.name()
                )),
            );
        }
    };
    let columns: Vec<_> = (0..altered.schema.fields().len())
        .map(|index| match index == column {
            true => (Arc::clone(&field), value.clone()),
            false => altered.kept(index),
        })
        .collect();
    altered.rewrite(session, columns).await?;
    let reason = views::Reason::Type(old.name());
    views::check(session, &altered.relation, &reason, false).await
}
