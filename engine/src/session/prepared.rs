//! What is a prepared statement, and how are its parameter types found?
//!
//! Types that the client gives win over inferred ones; what nobody can tell is text, as in Postgres. The
//! result's columns are fixed at Describe. Every execution plans again, because tables and models may have
//! moved on, and refuses (0A000) to give other columns than it promised.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::arrow::datatypes::{FieldRef, SchemaRef};
use datafusion::logical_expr::LogicalPlan;
use datafusion::scalar::ScalarValue;
use tarn_catalog::types::{PgType, oid};

use super::Session;
use crate::error::PgError;
use crate::parser::{Parsed, Statement};
use crate::{sqlstate, statement};

/// Parameters are numbered up to here, as in the protocol.
const PARAMETERS_MAX: usize = 65_535;

/// The values of one execution, with the types they were decoded by.
#[derive(Debug, Clone, Default)]
pub struct Parameters {
    /// One type per parameter.
    pub fields: Vec<Option<FieldRef>>,
    /// One value per parameter.
    pub values: Vec<ScalarValue>,
}

impl Parameters {
    /// Puts the values into a plan.
    pub fn fill(&self, plan: LogicalPlan) -> Result<LogicalPlan, PgError> {
        if self.values.is_empty() {
            let unbound = plan.get_parameter_fields()?;
            return match unbound.keys().min() {
                Some(name) => Err(PgError::new(
                    sqlstate::UNDEFINED_PARAMETER,
                    format!("there is no parameter {name}"),
                )),
                None => Ok(plan),
            };
        }
        Ok(plan.with_param_values(self.values.clone())?)
    }
}

/// Named prepared statements of a session; `pg_prepared_statements` reads them when it is asked.
#[derive(Debug, Clone, Default)]
pub struct PreparedStatements {
    by_name: Arc<Mutex<BTreeMap<String, Arc<Prepared>>>>,
}

impl PreparedStatements {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Prepared>>> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The statement of a name.
    pub fn get(&self, name: &str) -> Option<Arc<Prepared>> {
        self.lock().get(name).cloned()
    }

    /// Is there one of this name?
    pub fn contains_key(&self, name: &str) -> bool {
        self.lock().contains_key(name)
    }

    /// Keeps a statement.
    pub fn insert(&self, name: String, prepared: Arc<Prepared>) {
        self.lock().insert(name, prepared);
    }

    /// Forgets a statement.
    pub fn remove(&self, name: &str) {
        self.lock().remove(name);
    }

    /// Forgets all.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Name and text of each.
    pub fn texts(&self) -> Vec<(String, String)> {
        let text = |prepared: &Arc<Prepared>| {
            let parsed = prepared.parsed.as_ref();
            parsed.map_or_else(String::new, |parsed| parsed.text.clone())
        };
        self.lock()
            .iter()
            .map(|(name, prepared)| (name.clone(), text(prepared)))
            .collect()
    }
}

/// A statement with its parameter types and the columns it promised.
#[derive(Debug)]
pub struct Prepared {
    /// The statement; None for an empty string.
    pub parsed: Option<Parsed>,
    /// One type per parameter.
    pub parameters: Vec<PgType>,
    /// The columns of its rows; None when it gives none.
    pub columns: Option<SchemaRef>,
}

impl Session {
    /// Prepares a statement: finds its parameter types and its columns.
    pub async fn prepare(
        &mut self,
        parsed: Option<Parsed>,
        given: &[u32],
    ) -> Result<Arc<Prepared>, PgError> {
        let Some(parsed) = parsed else {
            return Ok(Arc::new(Prepared {
                parsed: None,
                parameters: Vec::new(),
                columns: None,
            }));
        };
        self.check_block(&parsed.statement)?;
        let had_transaction = self.transaction.is_some();
        self.open_transaction().await?;
        let described = self
            .describe(&parsed.statement, given)
            .await
            .map_err(|error| parsed.locate(error));
        if !had_transaction {
            self.drop_read_transaction();
        }
        let (parameters, columns) = described?;
        Ok(Arc::new(Prepared {
            parsed: Some(parsed),
            parameters,
            columns,
        }))
    }

    fn drop_read_transaction(&mut self) {
        if let Some(transaction) = self.transaction.take() {
            transaction.rollback();
        }
    }

    async fn describe(
        &mut self,
        statement: &Statement,
        given: &[u32],
    ) -> Result<(Vec<PgType>, Option<SchemaRef>), PgError> {
        let known = given_fields(given)?;
        let Some(described) = statement::plan_for_describe(self, statement, &known).await? else {
            let columns = statement::fixed_columns(self, statement)?;
            return Ok((types_of(&known), columns));
        };
        let merged = merge(&known, &described.plans)?;
        let columns = if merged.len() == known.len() && merged.iter().eq(known.iter()) {
            described.columns
        } else {
            let planned = statement::plan_for_describe(self, statement, &merged).await?;
            planned.and_then(|described| described.columns)
        };
        Ok((types_of(&merged), columns))
    }
}

/// The fields of the OIDs that the client gave; 0 and `unknown` leave it to us.
fn given_fields(given: &[u32]) -> Result<Vec<Option<FieldRef>>, PgError> {
    given
        .iter()
        .map(|type_oid| match *type_oid {
            0 | oid::UNKNOWN => Ok(None),
            known => {
                let pg_type = PgType {
                    oid: known,
                    typmod: -1,
                };
                if pg_type.sql_name().is_empty() {
                    return Err(PgError::new(
                        sqlstate::UNDEFINED_OBJECT,
                        format!("type with OID {known} does not exist"),
                    ));
                }
                Ok(Some(Arc::new(pg_type.field("", true))))
            }
        })
        .collect()
}

/// Client types, then inferred ones, then text.
fn merge(
    known: &[Option<FieldRef>],
    plans: &[LogicalPlan],
) -> Result<Vec<Option<FieldRef>>, PgError> {
    let mut inferred: HashMap<String, Option<FieldRef>> = HashMap::new();
    for plan in plans {
        for (name, field) in plan.get_parameter_fields()? {
            let found = inferred.entry(name).or_default();
            *found = found.take().or(field);
        }
    }
    let mut count = known.len();
    for name in inferred.keys() {
        let number: usize = name.trim_start_matches('$').parse().map_err(|_| {
            PgError::new(
                sqlstate::UNDEFINED_PARAMETER,
                format!("there is no parameter {name}"),
            )
        })?;
        if number > PARAMETERS_MAX {
            return Err(PgError::new(
                sqlstate::UNDEFINED_PARAMETER,
                format!("there is no parameter ${number}"),
            ));
        }
        count = count.max(number);
    }
    let text: FieldRef = Arc::new(PgType::TEXT.field("", true));
    Ok((0..count)
        .map(|index| {
            let own = known.get(index).cloned().flatten();
            let found = inferred.get(&format!("${}", index + 1)).cloned().flatten();
            let usable = found.filter(|field| !field.data_type().is_null());
            Some(own.or(usable).unwrap_or_else(|| Arc::clone(&text)))
        })
        .collect())
}

fn types_of(fields: &[Option<FieldRef>]) -> Vec<PgType> {
    fields
        .iter()
        .map(|field| {
            field
                .as_ref()
                .map_or(PgType::TEXT, |field| PgType::of_field(field))
        })
        .collect()
}

impl Prepared {
    /// The parameter types as the planner takes them.
    pub fn parameter_fields(&self) -> Vec<Option<FieldRef>> {
        self.parameters
            .iter()
            .map(|pg_type| Some(Arc::new(pg_type.field("", true)) as FieldRef))
            .collect()
    }

    /// Refuses other columns than were promised.
    pub fn check_columns(&self, columns: &SchemaRef) -> Result<(), PgError> {
        let Some(promised) = &self.columns else {
            return Ok(());
        };
        let same = promised.fields().len() == columns.fields().len()
            && promised
                .fields()
                .iter()
                .zip(columns.fields())
                .all(|(a, b)| PgType::of_field(a) == PgType::of_field(b));
        if same {
            return Ok(());
        }
        Err(PgError {
            is_outdated: true,
            ..PgError::unsupported("cached plan must not change result type")
                .with_hint("Prepare the statement again.")
        })
    }
}
