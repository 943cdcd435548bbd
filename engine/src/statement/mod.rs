//! How does each statement do its work?
//!
//! A file per statement; the two `match`es here are the only dispatch.

pub mod change_rows;
pub mod comment;
pub mod constraints;
pub mod copy;
pub mod create_model;
pub mod create_table;
pub mod cursor;
pub mod describe;
pub mod drop;
pub mod explain;
pub mod insert;
pub mod models;
pub mod prepared;
pub mod query;
pub mod rename;
pub mod schema;
pub mod sequence;
pub mod settings;
pub mod truncate;
pub mod view;

use std::sync::Arc;

use datafusion::arrow::datatypes::{FieldRef, SchemaRef};
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast;

use crate::error::PgError;
use crate::parser::{Parsed, Statement};
use crate::session::Session;
use crate::session::outcome::Outcome;
use crate::session::prepared::Parameters;

/// Runs one statement inside the session's open transaction.
pub async fn execute(
    session: &mut Session,
    parsed: &Parsed,
    parameters: &Parameters,
) -> Result<Outcome, PgError> {
    match &parsed.statement {
        Statement::Sql(statement) => execute_sql(session, statement, parsed, parameters).await,
        Statement::CreateTableAt(create) => create_table::at_location(session, create).await,
        Statement::DropModel(dropped) => models::drop(session, dropped),
        Statement::DescribeModel(name) => models::describe(session, name),
        Statement::DescribeTable(name) => describe::run(session, name).await,
        Statement::ShowModels(pattern) => models::show(session, pattern.as_deref()),
        Statement::Copy(copy) => copy::run(session, copy, parameters).await,
        Statement::CreateModel(create) => {
            create_model::run(session, create, &parsed.text, parameters).await
        }
        Statement::Set(set) => settings::set(session, set),
        Statement::Show(name) => settings::show(session, name.as_deref()),
        Statement::Reset(name) => settings::reset(session, name.as_deref()),
        Statement::Discard(what) => settings::discard(session, what),
        Statement::Prepare(prepare) => prepared::prepare(session, prepare, &parsed.text).await,
        Statement::Execute(execute) => Box::pin(prepared::execute(session, execute)).await,
        Statement::Deallocate(name) => prepared::deallocate(session, name.as_deref()),
        Statement::Declare(declare) => cursor::declare(session, declare, parameters).await,
        Statement::Fetch(fetch) => cursor::fetch(session, fetch).await,
        Statement::CloseCursor(name) => cursor::close(session, name.as_deref()),
        Statement::Unlisten(_) => Ok(Outcome::Command("UNLISTEN".to_string())),
        Statement::Transaction(_) => Err(PgError::syntax(
            "a transaction statement cannot stand inside another statement",
        )),
    }
}

async fn execute_sql(
    session: &mut Session,
    statement: &ast::Statement,
    parsed: &Parsed,
    parameters: &Parameters,
) -> Result<Outcome, PgError> {
    match statement {
        ast::Statement::Query(query) => query::run(session, query, parameters).await,
        ast::Statement::Explain { .. } => explain::run(session, statement, parameters).await,
        ast::Statement::Insert(insert) => insert::run(session, insert, parameters).await,
        ast::Statement::Update(update) => change_rows::update(session, update, parameters).await,
        ast::Statement::Delete(delete) => change_rows::delete(session, delete, parameters).await,
        ast::Statement::Truncate(truncated) => truncate::run(session, truncated).await,
        ast::Statement::CreateTable(create) => create_table::run(session, create, parameters).await,
        ast::Statement::CreateView(create) => view::create(session, create, parsed).await,
        ast::Statement::CreateSchema {
            schema_name,
            if_not_exists,
            ..
        } => schema::create(session, schema_name, *if_not_exists),
        ast::Statement::CreateSequence { .. } => sequence::create(session, statement),
        ast::Statement::Drop { .. } => drop::run(session, statement),
        ast::Statement::AlterTable(alter) => rename::alter_table(session, alter),
        ast::Statement::Comment { .. } => comment::run(session, statement),
        other => Err(unsupported(other)),
    }
}

fn unsupported(statement: &ast::Statement) -> PgError {
    let text = statement.to_string();
    let words: Vec<&str> = text
        .split_whitespace()
        .take(2)
        .filter(|word| word.chars().all(|c| c.is_ascii_alphabetic()))
        .collect();
    PgError::unsupported(format!(
        "{} is not supported",
        words.join(" ").to_uppercase()
    ))
}

/// A plan with the columns that the client will get from it.
pub struct Described {
    /// Has the parameters.
    pub plan: LogicalPlan,
    /// None for statements without rows.
    pub columns: Option<SchemaRef>,
}

/// A plan of a statement that returns no rows.
fn no_rows(plan: LogicalPlan) -> Described {
    Described {
        plan,
        columns: None,
    }
}

/// The plan whose parameters and columns Describe reports; None for statements that have none.
pub async fn plan_for_describe(
    session: &mut Session,
    statement: &Statement,
    known: &[Option<FieldRef>],
) -> Result<Option<Described>, PgError> {
    let Statement::Sql(inner) = statement else {
        return match statement {
            Statement::Declare(declare) => {
                let query = (*declare.query).clone();
                Ok(Some(no_rows(session.planner()?.query(query, known).await?)))
            }
            _ => Ok(None),
        };
    };
    let plan = match inner.as_ref() {
        ast::Statement::Query(query) => {
            let mut planner = session.planner()?;
            let plan = planner.query((**query).clone(), known).await?;
            let columns = Some(planner.columns(&plan));
            Described { plan, columns }
        }
        ast::Statement::Explain { statement, .. } => match statement.as_ref() {
            ast::Statement::Query(query) => Described {
                plan: session.planner()?.query((**query).clone(), known).await?,
                columns: Some(explain::columns()),
            },
            _ => return Ok(None),
        },
        ast::Statement::Insert(insert) => {
            no_rows(insert::plan(session, insert, known).await?.source)
        }
        ast::Statement::Update(update) => {
            no_rows(change_rows::plan_update(session, update, known).await?)
        }
        ast::Statement::Delete(delete) => {
            no_rows(change_rows::plan_delete(session, delete, known).await?)
        }
        ast::Statement::CreateTable(create) => match &create.query {
            Some(query) => no_rows(session.planner()?.query((**query).clone(), known).await?),
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    Ok(Some(plan))
}

/// The columns of statements that have no plan.
pub fn fixed_columns(
    session: &Session,
    statement: &Statement,
) -> Result<Option<SchemaRef>, PgError> {
    Ok(match statement {
        Statement::Show(name) => Some(settings::columns(name.as_deref())),
        Statement::ShowModels(_) => Some(models::show_columns()),
        Statement::DescribeModel(_) => Some(models::describe_columns()),
        Statement::DescribeTable(_) => Some(describe::columns()),
        Statement::Sql(inner) if matches!(inner.as_ref(), ast::Statement::Explain { .. }) => {
            Some(explain::columns())
        }
        Statement::Execute(execute) => {
            let prepared = prepared::find(session, &execute.name)?;
            prepared.columns.clone()
        }
        Statement::Fetch(fetch) if !fetch.is_move => {
            Some(Arc::clone(&cursor::find(session, &fetch.name)?.schema))
        }
        _ => None,
    })
}
