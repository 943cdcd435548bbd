//! How does each statement do its work?
//!
//! A file per statement; the two `match`es here are the only dispatch.

pub mod alter_role;
pub mod alter_table;
pub mod assignment;
pub mod backup;
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
pub mod on_conflict;
pub mod prepared;
pub mod query;
pub mod replace_table;
pub mod returning;
pub mod row_changes;
pub mod schema;
pub mod sequence;
pub mod settings;
pub mod table_definition;
pub mod truncate;
pub mod view;

use std::sync::Arc;

use datafusion::arrow::datatypes::{FieldRef, SchemaRef};
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast;

use crate::error::PgError;
use crate::parser::{Overriding, Parsed, Statement};
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
        Statement::InsertOverriding(statement, overriding) => match statement.as_ref() {
            ast::Statement::Insert(insert) => {
                insert::run(session, insert, *overriding, parameters).await
            }
            other => Err(unsupported(other)),
        },
        Statement::SetSchema(set) => alter_table::set_schema(session, set),
        Statement::CreateSequence(create) => sequence::create(session, create).await,
        Statement::AlterSequence(alter) => sequence::alter(session, alter).await,
        Statement::CreateTableLike(like) => {
            create_table::run(session, &like.create, &like.likes, parameters).await
        }
        Statement::CreateTableAt(create) => create_table::at_location(session, create).await,
        Statement::DropModel(dropped) => models::drop(session, dropped),
        Statement::DescribeModel(name) => models::describe(session, name),
        Statement::DescribeTable(name) => describe::run(session, name).await,
        Statement::ShowModels(pattern) => models::show(session, pattern.as_deref()),
        Statement::Backup(folder) => backup::run(session, folder).await,
        Statement::Copy(copy) => copy::run(session, copy, parameters).await,
        Statement::CreateModel(create) => {
            create_model::run(session, create, &parsed.text, parameters).await
        }
        Statement::AlterRole(alter) => alter_role::run(session, alter),
        Statement::Set(set) => settings::set(session, set),
        Statement::Show(name) => settings::show(session, name.as_deref()),
        Statement::Reset(name) => settings::reset(session, name.as_deref()),
        Statement::Discard(what) => settings::discard(session, what).await,
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
    if let Some((with, written)) = write_behind_with(statement)? {
        return match &written {
            ast::Statement::Insert(insert) => {
                insert::run(session, insert, Overriding::Nothing, parameters).await
            }
            ast::Statement::Update(update) => {
                change_rows::update(session, update, Some(with), parameters).await
            }
            ast::Statement::Delete(delete) => {
                change_rows::delete(session, delete, Some(with), parameters).await
            }
            other => Err(unsupported(other)),
        };
    }
    match statement {
        ast::Statement::Query(query) => query::run(session, query, parameters).await,
        ast::Statement::Explain { .. } => explain::run(session, statement, parameters).await,
        ast::Statement::Insert(insert) => {
            insert::run(session, insert, Overriding::Nothing, parameters).await
        }
        ast::Statement::Update(update) => {
            change_rows::update(session, update, None, parameters).await
        }
        ast::Statement::Delete(delete) => {
            change_rows::delete(session, delete, None, parameters).await
        }
        ast::Statement::Truncate(truncated) => truncate::run(session, truncated).await,
        ast::Statement::CreateTable(create) => {
            create_table::run(session, create, &[], parameters).await
        }
        ast::Statement::CreateView(create) => view::create(session, create, parsed).await,
        ast::Statement::CreateSchema {
            schema_name,
            if_not_exists,
            ..
        } => schema::create(session, schema_name, *if_not_exists),
        ast::Statement::Drop { .. } => drop::run(session, statement),
        ast::Statement::AlterTable(alter) => alter_table::run(session, alter).await,
        ast::Statement::Comment { .. } => comment::run(session, statement),
        other => Err(unsupported(other)),
    }
}

/// `WITH … INSERT | UPDATE | DELETE`: the common table expressions and the statement. INSERT gets them in its source.
pub fn write_behind_with(
    statement: &ast::Statement,
) -> Result<Option<(&ast::With, ast::Statement)>, PgError> {
    let ast::Statement::Query(query) = statement else {
        return Ok(None);
    };
    let Some(with) = &query.with else {
        return Ok(None);
    };
    let is_write = |body: &ast::SetExpr| {
        matches!(
            body,
            ast::SetExpr::Insert(_) | ast::SetExpr::Update(_) | ast::SetExpr::Delete(_)
        )
    };
    if with.cte_tables.iter().any(|cte| is_write(&cte.query.body)) {
        return Err(
            PgError::unsupported("data-modifying statements in WITH are not supported")
                .with_hint("Run the statements one by one in a transaction block."),
        );
    }
    let (ast::SetExpr::Insert(written)
    | ast::SetExpr::Update(written)
    | ast::SetExpr::Delete(written)) = query.body.as_ref()
    else {
        return Ok(None);
    };
    let mut written = written.clone();
    if let ast::Statement::Insert(insert) = &mut written
        && let Some(source) = insert.source.as_mut()
    {
        let mut all = with.clone();
        if let Some(own) = source.with.take() {
            all.cte_tables.extend(own.cte_tables);
        }
        source.with = Some(all);
    }
    Ok(Some((with, written)))
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

/// Plans with the columns that the client will get.
pub struct Described {
    /// Have the parameters.
    pub plans: Vec<LogicalPlan>,
    /// None for statements without rows.
    pub columns: Option<SchemaRef>,
}

impl Described {
    /// A plan of a statement that returns no rows.
    pub fn of(plan: LogicalPlan) -> Self {
        Described {
            plans: vec![plan],
            columns: None,
        }
    }

    /// Adds the plan of the rows that are returned.
    pub fn with_rows(mut self, plan: LogicalPlan, columns: SchemaRef) -> Self {
        self.plans.push(plan);
        self.columns = Some(columns);
        self
    }
}

/// The plans whose parameters and columns Describe reports; None for statements that have none.
pub async fn plan_for_describe(
    session: &mut Session,
    statement: &Statement,
    known: &[Option<FieldRef>],
) -> Result<Option<Described>, PgError> {
    match statement {
        Statement::Sql(inner) => describe_sql(session, inner, known).await,
        Statement::InsertOverriding(inner, overriding) => match inner.as_ref() {
            ast::Statement::Insert(insert) => Ok(Some(
                insert::describe(session, insert, *overriding, known).await?,
            )),
            _ => Ok(None),
        },
        Statement::Declare(declare) => {
            let query = (*declare.query).clone();
            let plan = session.planner()?.query(query, known).await?;
            Ok(Some(Described::of(plan)))
        }
        _ => Ok(None),
    }
}

async fn describe_sql(
    session: &mut Session,
    statement: &ast::Statement,
    known: &[Option<FieldRef>],
) -> Result<Option<Described>, PgError> {
    if let Some((with, written)) = write_behind_with(statement)? {
        return Ok(Some(match &written {
            ast::Statement::Insert(insert) => {
                insert::describe(session, insert, Overriding::Nothing, known).await?
            }
            ast::Statement::Update(update) => {
                change_rows::describe_update(session, update, Some(with), known).await?
            }
            ast::Statement::Delete(delete) => {
                change_rows::describe_delete(session, delete, Some(with), known).await?
            }
            other => return Err(unsupported(other)),
        }));
    }
    Ok(Some(match statement {
        ast::Statement::Query(query) => {
            let mut planner = session.planner()?;
            let plan = planner.query((**query).clone(), known).await?;
            let columns = Some(planner.columns(&plan));
            let plans = vec![plan];
            Described { plans, columns }
        }
        ast::Statement::Explain { statement, .. } => {
            match Box::pin(describe_sql(session, statement, known)).await? {
                Some(described) => Described {
                    columns: Some(explain::columns()),
                    ..described
                },
                None => return Ok(None),
            }
        }
        ast::Statement::Insert(insert) => {
            insert::describe(session, insert, Overriding::Nothing, known).await?
        }
        ast::Statement::Update(update) => {
            change_rows::describe_update(session, update, None, known).await?
        }
        ast::Statement::Delete(delete) => {
            change_rows::describe_delete(session, delete, None, known).await?
        }
        ast::Statement::CreateTable(create) => match &create.query {
            Some(query) => Described::of(session.planner()?.query((**query).clone(), known).await?),
            None => return Ok(None),
        },
        _ => return Ok(None),
    }))
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
