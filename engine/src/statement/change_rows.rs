//! How do UPDATE and DELETE change rows of files that never change?
//!
//! Copy on write: a first query finds the files that hold matching rows and counts them, a second one writes
//! those files' rows anew, changed or left out, and the transaction swaps the files. Both queries see one
//! snapshot, so a condition must not change between them: volatile functions are refused.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, FieldRef, SchemaRef};
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast;
use futures::TryStreamExt;
use tarn_catalog::state::Relation;
use tarn_catalog::table::snapshot::TableSnapshot;
use tarn_catalog::table::version::FileId;

use super::constraints::Constraints;
use super::insert::{
    column_index, is_volatile, note_parameter, placeholder_number, table_of, target_table,
};
use super::query;
use crate::error::PgError;
use crate::plan::names::{fold, qualified};
use crate::session::Session;
use crate::session::outcome::Outcome;
use crate::session::prepared::Parameters;
use crate::sqlstate;

/// The name of the column that says which file a row lies in.
const FILE_COLUMN: &str = "_tarn_file";

/// The name that stands for the changed table in both queries.
const TARGET_MARKER: &str = "target\u{1f}w\u{1f}0";

/// What one UPDATE or DELETE is about.
struct Change {
    relation: Arc<Relation>,
    snapshot: TableSnapshot,
    schema: SchemaRef,
    /// The name by which the statement calls the table.
    alias: ast::Ident,
    condition: Option<ast::Expr>,
    /// New values by column index; empty for DELETE.
    assignments: HashMap<usize, ast::Expr>,
    is_delete: bool,
}

/// UPDATE t SET … [WHERE …]
pub async fn update(
    session: &mut Session,
    update: &ast::Update,
    parameters: &Parameters,
) -> Result<Outcome, PgError> {
    session.check_writable("UPDATE")?;
    let change = read_update(session, update).await?;
    let rows = run(session, &change, parameters).await?;
    Ok(Outcome::Command(format!("UPDATE {rows}")))
}

/// DELETE FROM t [WHERE …]
pub async fn delete(
    session: &mut Session,
    delete: &ast::Delete,
    parameters: &Parameters,
) -> Result<Outcome, PgError> {
    session.check_writable("DELETE")?;
    let change = read_delete(session, delete).await?;
    let rows = run(session, &change, parameters).await?;
    Ok(Outcome::Command(format!("DELETE {rows}")))
}

/// The plan whose parameters Describe reports.
pub async fn plan_update(
    session: &mut Session,
    update: &ast::Update,
    known: &[Option<FieldRef>],
) -> Result<LogicalPlan, PgError> {
    let change = read_update(session, update).await?;
    let mut known = known.to_vec();
    for (column, value) in &change.assignments {
        if let Some(number) = placeholder_number(value) {
            note_parameter(&mut known, number, &change.schema.fields()[*column]);
        }
    }
    plan_rewrite(session, &change, None, &known).await
}

/// The plan whose parameters Describe reports.
pub async fn plan_delete(
    session: &mut Session,
    delete: &ast::Delete,
    known: &[Option<FieldRef>],
) -> Result<LogicalPlan, PgError> {
    let change = read_delete(session, delete).await?;
    plan_find(session, &change, known).await
}

async fn read_update(session: &mut Session, update: &ast::Update) -> Result<Change, PgError> {
    if update.from.is_some() {
        return Err(PgError::unsupported("UPDATE … FROM is not supported")
            .with_hint("Use a subquery: SET a = (SELECT … WHERE …) WHERE key IN (SELECT …)."));
    }
    if update.returning.is_some() {
        return Err(PgError::unsupported("UPDATE … RETURNING is not supported"));
    }
    let mut change = target(session, &update.table, update.selection.clone()).await?;
    for assignment in &update.assignments {
        let ast::AssignmentTarget::ColumnName(column) = &assignment.target else {
            return Err(PgError::unsupported("SET (a, b) = (…) is not supported")
                .with_hint("Assign the columns one by one."));
        };
        let name = qualified(column)?.name;
        let index = column_index(&change.schema, &name, &change.relation)?;
        let value = assigned_value(&change, index, &assignment.value)?;
        if change.assignments.insert(index, value).is_some() {
            return Err(PgError::syntax(format!(
                "multiple assignments to same column \"{name}\""
            )));
        }
    }
    Ok(change)
}

/// The value of an assignment; DEFAULT is the column's default.
fn assigned_value(change: &Change, index: usize, value: &ast::Expr) -> Result<ast::Expr, PgError> {
    let is_default = matches!(value, ast::Expr::Identifier(ident)
        if ident.quote_style.is_none() && fold(ident) == "default");
    if !is_default {
        return Ok(value.clone());
    }
    let defaults = &table_of(&change.relation)?.defaults;
    match defaults.get(change.schema.field(index).name()) {
        Some(sql) => crate::parser::parse_expression(sql),
        None => Ok(ast::Expr::Value(ast::Value::Null.into())),
    }
}

async fn read_delete(session: &mut Session, delete: &ast::Delete) -> Result<Change, PgError> {
    if delete.using.is_some() {
        return Err(PgError::unsupported("DELETE … USING is not supported")
            .with_hint("Use a subquery: WHERE key IN (SELECT …)."));
    }
    if delete.returning.is_some() {
        return Err(PgError::unsupported("DELETE … RETURNING is not supported"));
    }
    let (ast::FromTable::WithFromKeyword(from) | ast::FromTable::WithoutKeyword(from)) =
        &delete.from;
    let [table] = from.as_slice() else {
        return Err(PgError::syntax("DELETE takes one table"));
    };
    let mut change = target(session, table, delete.selection.clone()).await?;
    change.is_delete = true;
    Ok(change)
}

async fn target(
    session: &mut Session,
    table: &ast::TableWithJoins,
    condition: Option<ast::Expr>,
) -> Result<Change, PgError> {
    let (
        [],
        ast::TableFactor::Table {
            name,
            alias,
            args: None,
            ..
        },
    ) = (table.joins.as_slice(), &table.relation)
    else {
        return Err(PgError::syntax("the changed table must be one table"));
    };
    let relation = target_table(session, name)?;
    let snapshot = session.transaction()?.snapshot(&relation).await?;
    let alias = match alias {
        Some(alias) => alias.name.clone(),
        None => ast::Ident::with_quote('"', relation.name.clone()),
    };
    Ok(Change {
        schema: snapshot.schema(),
        relation,
        snapshot,
        alias,
        condition,
        assignments: HashMap::new(),
        is_delete: false,
    })
}

async fn run(
    session: &mut Session,
    change: &Change,
    parameters: &Parameters,
) -> Result<u64, PgError> {
    let plan = parameters.fill(plan_find(session, change, &parameters.fields).await?)?;
    if is_volatile(&plan) {
        return Err(PgError::unsupported(
            "a volatile function in the condition of UPDATE or DELETE is not supported",
        )
        .with_hint("Choose the rows first, into a table of their own."));
    }
    let (files, rows) = find_files(session, &plan).await?;
    if files.is_empty() {
        return Ok(0);
    }
    let plan = plan_rewrite(session, change, Some(&files), &parameters.fields).await?;
    let plan = parameters.fill(plan)?;
    let constraints = Constraints::new(session, &change.relation, Arc::clone(&change.schema))?;
    let stream = constraints.check(query::stream(session, &plan).await?);
    let relation = Arc::clone(&change.relation);
    session
        .transaction()?
        .rewrite(&relation, files, stream)
        .await?;
    Ok(rows)
}

/// Files with matching rows, and how many rows match in all.
async fn find_files(session: &Session, plan: &LogicalPlan) -> Result<(Vec<FileId>, u64), PgError> {
    let batches: Vec<_> = query::stream(session, plan).await?.try_collect().await?;
    let mut files = Vec::new();
    let mut rows = 0;
    for batch in &batches {
        let paths = arrow::compute::cast(batch.column(0), &DataType::Utf8)?;
        let counts = arrow::compute::cast(batch.column(1), &DataType::Int64)?;
        let (Some(paths), Some(counts)) = (
            paths.as_any().downcast_ref::<StringArray>(),
            counts.as_any().downcast_ref::<Int64Array>(),
        ) else {
            return Err(PgError::new(
                sqlstate::INTERNAL_ERROR,
                "file column of another type",
            ));
        };
        for row in 0..batch.num_rows() {
            files.push(FileId(paths.value(row).to_string()));
            rows += counts.value(row) as u64;
        }
    }
    Ok((files, rows))
}

/// `SELECT file, count(*) FROM t WHERE condition GROUP BY file`
async fn plan_find(
    session: &mut Session,
    change: &Change,
    known: &[Option<FieldRef>],
) -> Result<LogicalPlan, PgError> {
    let mut select = skeleton("SELECT f, count(*) FROM t GROUP BY f")?;
    let file = column(&change.alias, FILE_COLUMN);
    select.projection[0] = ast::SelectItem::UnnamedExpr(file.clone());
    select.group_by = ast::GroupByExpr::Expressions(vec![file], Vec::new());
    select.selection.clone_from(&change.condition);
    plan_over(session, change, select, None, known).await
}

/// The rows that replace the files: all but the matching ones, or all with the matching ones changed.
async fn plan_rewrite(
    session: &mut Session,
    change: &Change,
    files: Option<&[FileId]>,
    known: &[Option<FieldRef>],
) -> Result<LogicalPlan, PgError> {
    if let Some(condition) = change.condition.as_ref().filter(|c| has_subquery(c)) {
        let condition = condition.clone();
        return plan_rewrite_by_parts(session, change, condition, files, known).await;
    }
    let mut select = skeleton("SELECT f FROM t")?;
    let condition = change.condition.clone();
    if change.is_delete {
        // NULL is no match: such rows stay.
        let stays = condition.map(|condition| {
            ast::Expr::IsNotTrue(Box::new(ast::Expr::Nested(Box::new(condition))))
        });
        select.selection = Some(stays.unwrap_or_else(|| boolean(false)));
    }
    select.projection = change
        .schema
        .fields()
        .iter()
        .enumerate()
        .map(|(index, field)| {
            let old = column(&change.alias, field.name());
            let expr = match (change.assignments.get(&index), &change.condition) {
                (Some(new), Some(condition)) => case(condition.clone(), new.clone(), old),
                (Some(new), None) => new.clone(),
                (None, _) => old,
            };
            ast::SelectItem::ExprWithAlias {
                expr,
                alias: ast::Ident::with_quote('"', field.name().clone()),
            }
        })
        .collect();
    let plan = plan_over(session, change, select, files, known).await?;
    cast_to_schema(plan, &change.schema)
}

fn has_subquery(condition: &ast::Expr) -> bool {
    ast::visit_expressions(condition, |expr| match expr {
        ast::Expr::Subquery(_) | ast::Expr::InSubquery { .. } | ast::Expr::Exists { .. } => {
            std::ops::ControlFlow::Break(())
        }
        _ => std::ops::ControlFlow::Continue(()),
    })
    .is_break()
}

/// A subquery plans in WHERE but not in CASE: the rows that stay, and the changed ones behind them.
async fn plan_rewrite_by_parts(
    session: &mut Session,
    change: &Change,
    condition: ast::Expr,
    files: Option<&[FileId]>,
    known: &[Option<FieldRef>],
) -> Result<LogicalPlan, PgError> {
    let mut stays = skeleton("SELECT f FROM t")?;
    let nested = ast::Expr::Nested(Box::new(condition.clone()));
    stays.selection = Some(ast::Expr::IsNotTrue(Box::new(nested)));
    stays.projection = columns_with(change, |_| None);
    let plan = plan_over(session, change, stays, files, known).await?;
    let kept = cast_to_schema(plan, &change.schema)?;
    if change.is_delete {
        return Ok(kept);
    }
    let mut changes = skeleton("SELECT f FROM t")?;
    changes.selection = Some(condition);
    changes.projection = columns_with(change, |index| change.assignments.get(&index).cloned());
    let plan = plan_over(session, change, changes, files, known).await?;
    let changed = cast_to_schema(plan, &change.schema)?;
    let both = datafusion::logical_expr::LogicalPlanBuilder::from(kept).union(changed)?;
    Ok(both.build()?)
}

/// Every column of the table: a new value where there is one, else the old one.
fn columns_with(change: &Change, new: impl Fn(usize) -> Option<ast::Expr>) -> Vec<ast::SelectItem> {
    let fields = change.schema.fields().iter().enumerate();
    fields
        .map(|(index, field)| ast::SelectItem::ExprWithAlias {
            expr: new(index).unwrap_or_else(|| column(&change.alias, field.name())),
            alias: ast::Ident::with_quote('"', field.name().clone()),
        })
        .collect()
}

fn cast_to_schema(plan: LogicalPlan, schema: &SchemaRef) -> Result<LogicalPlan, PgError> {
    use datafusion::common::Column;
    use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlanBuilder};
    let expressions = schema
        .fields()
        .iter()
        .enumerate()
        .map(|(index, field)| {
            let column = Expr::Column(Column::from(plan.schema().qualified_field(index)));
            Ok(column
                .cast_to(field.data_type(), plan.schema())?
                .alias(field.name()))
        })
        .collect::<Result<Vec<_>, PgError>>()?;
    Ok(LogicalPlanBuilder::from(plan)
        .project(expressions)?
        .build()?)
}

async fn plan_over(
    session: &mut Session,
    change: &Change,
    select: ast::Select,
    files: Option<&[FileId]>,
    known: &[Option<FieldRef>],
) -> Result<LogicalPlan, PgError> {
    let mut query = crate::parser::parse_query("SELECT 1")?;
    *query.body = ast::SetExpr::Select(Box::new(select));
    if let ast::SetExpr::Select(select) = query.body.as_mut()
        && let Some(from) = select.from.first_mut()
        && let ast::TableFactor::Table { name, alias, .. } = &mut from.relation
    {
        *name = ast::ObjectName::from(vec![ast::Ident::with_quote('"', TARGET_MARKER)]);
        *alias = Some(ast::TableAlias {
            explicit: true,
            name: change.alias.clone(),
            columns: Vec::new(),
            at: None,
        });
    }
    let provider = change
        .snapshot
        .provider_with_file_column(FILE_COLUMN, files)
        .map_err(tarn_catalog::error::CatalogError::from)?;
    let mut planner = session.planner()?;
    planner.given.insert(TARGET_MARKER.to_string(), provider);
    planner.query(query, known).await
}

fn skeleton(sql: &str) -> Result<ast::Select, PgError> {
    match *crate::parser::parse_query(sql)?.body {
        ast::SetExpr::Select(select) => Ok(*select),
        _ => Err(PgError::syntax("not a SELECT")),
    }
}

fn column(alias: &ast::Ident, name: &str) -> ast::Expr {
    ast::Expr::CompoundIdentifier(vec![alias.clone(), ast::Ident::with_quote('"', name)])
}

fn boolean(truth: bool) -> ast::Expr {
    ast::Expr::Value(ast::Value::Boolean(truth).into())
}

/// CASE WHEN condition THEN new ELSE old END
fn case(condition: ast::Expr, new: ast::Expr, old: ast::Expr) -> ast::Expr {
    ast::Expr::Case {
        case_token: ast::helpers::attached_token::AttachedToken::empty(),
        end_token: ast::helpers::attached_token::AttachedToken::empty(),
        operand: None,
        conditions: vec![ast::CaseWhen {
            condition,
            result: new,
        }],
        else_result: Some(Box::new(old)),
    }
}
