//! How do PREPARE, EXECUTE and DEALLOCATE work?

use std::sync::Arc;

use datafusion::common::DFSchema;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::scalar::ScalarValue;
use tarn_catalog::types::PgType;

use crate::error::PgError;
use crate::parser::{ExecutePrepared, Parsed, Prepare};
use crate::session::Session;
use crate::session::outcome::Outcome;
use crate::session::prepared::{Parameters, Prepared};
use crate::sqlstate;

/// PREPARE name [(types)] AS statement
pub async fn prepare(
    session: &mut Session,
    prepare: &Prepare,
    text: &str,
) -> Result<Outcome, PgError> {
    if session.prepared.contains_key(&prepare.name) {
        return Err(duplicate(&prepare.name));
    }
    let given = prepare
        .types
        .iter()
        .map(|spelling| Ok(PgType::parse(&spelling.to_string())?.oid))
        .collect::<Result<Vec<u32>, PgError>>()?;
    let parsed = Parsed {
        statement: prepare.statement.clone(),
        text: text.to_string(),
        source: std::sync::Arc::from(text),
        start: 0,
    };
    let prepared = session.prepare(Some(parsed), &given).await?;
    session.prepared.insert(prepare.name.clone(), prepared);
    Ok(Outcome::Command("PREPARE".to_string()))
}

/// 42P05
pub fn duplicate(name: &str) -> PgError {
    PgError::new(
        sqlstate::DUPLICATE_PREPARED_STATEMENT,
        format!("prepared statement \"{name}\" already exists"),
    )
}

/// The prepared statement of a name, or 26000.
pub fn find(session: &Session, name: &str) -> Result<Arc<Prepared>, PgError> {
    session.prepared.get(name).ok_or_else(|| {
        PgError::new(
            sqlstate::INVALID_SQL_STATEMENT_NAME,
            format!("prepared statement \"{name}\" does not exist"),
        )
    })
}

/// EXECUTE name [(arguments)]
pub async fn execute(session: &mut Session, execute: &ExecutePrepared) -> Result<Outcome, PgError> {
    let prepared = find(session, &execute.name)?;
    if execute.arguments.len() != prepared.parameters.len() {
        return Err(PgError::syntax(format!(
            "wrong number of parameters for prepared statement \"{}\"",
            execute.name
        ))
        .with_detail(format!(
            "Expected {} parameters but got {}.",
            prepared.parameters.len(),
            execute.arguments.len()
        )));
    }
    let mut values = Vec::with_capacity(execute.arguments.len());
    for (argument, pg_type) in execute.arguments.iter().zip(&prepared.parameters) {
        values.push(constant(session, argument.clone(), *pg_type)?);
    }
    let parameters = Parameters {
        fields: prepared.parameter_fields(),
        values,
    };
    let Some(parsed) = &prepared.parsed else {
        return Ok(Outcome::Command("EXECUTE".to_string()));
    };
    let outcome = super::execute(session, parsed, &parameters).await?;
    if let Outcome::Rows(rows) = &outcome {
        prepared.check_columns(&rows.schema)?;
    }
    Ok(outcome)
}

/// Evaluates an argument, cast to its parameter's type.
fn constant(
    session: &mut Session,
    argument: datafusion::sql::sqlparser::ast::Expr,
    pg_type: PgType,
) -> Result<ScalarValue, PgError> {
    let nothing = DFSchema::empty();
    let expr = session
        .planner()?
        .expression(argument, &nothing)?
        .cast_to(&pg_type.logical(), &nothing)?;
    let context = SimplifyContext::builder()
        .with_schema(Arc::new(nothing.clone()))
        .build();
    let simplifier = ExprSimplifier::new(context);
    let simple = simplifier.simplify(simplifier.coerce(expr, &nothing)?)?;
    simple
        .as_literal()
        .cloned()
        .ok_or_else(|| PgError::unsupported("an EXECUTE argument must be a constant expression"))
}

/// DEALLOCATE name | ALL
pub fn deallocate(session: &mut Session, name: Option<&str>) -> Result<Outcome, PgError> {
    match name {
        Some(name) => {
            find(session, name)?;
            session.prepared.remove(name);
            Ok(Outcome::Command("DEALLOCATE".to_string()))
        }
        None => {
            session.prepared.clear();
            Ok(Outcome::Command("DEALLOCATE ALL".to_string()))
        }
    }
}
