//! How does CREATE SEQUENCE work?

use datafusion::sql::sqlparser::ast;
use tarn_catalog::error::{CatalogError, ObjectKind};
use tarn_catalog::state::{Op, Relation, RelationKind, Sequence, SequenceType};
use uuid::Uuid;

use super::schema::exists_notice;
use crate::error::PgError;
use crate::plan::names::qualified;
use crate::session::Session;
use crate::session::outcome::Outcome;
use crate::sqlstate;

/// CREATE SEQUENCE [IF NOT EXISTS] name [options]
pub fn create(session: &mut Session, statement: &ast::Statement) -> Result<Outcome, PgError> {
    session.check_writable("CREATE SEQUENCE")?;
    let ast::Statement::CreateSequence {
        if_not_exists,
        name,
        data_type,
        sequence_options,
        ..
    } = statement
    else {
        return Err(PgError::syntax("not a CREATE SEQUENCE"));
    };
    let written = qualified(name)?;
    let names = session.names();
    let schema = names.schema_for_new(&written)?;
    let done = Outcome::Command("CREATE SEQUENCE".to_string());
    if names.state.relation(&schema, &written.name).is_some() {
        if *if_not_exists {
            session.notify(exists_notice(ObjectKind::Relation, &written.name));
            return Ok(done);
        }
        let kind = ObjectKind::Relation;
        return Err(CatalogError::AlreadyExists {
            kind,
            name: written.name,
        }
        .into());
    }
    let data_type = match data_type.as_ref().map(|t| t.to_string().to_lowercase()) {
        None => SequenceType::BigInt,
        Some(spelling) => match spelling.as_str() {
            "smallint" | "int2" => SequenceType::SmallInt,
            "integer" | "int" | "int4" => SequenceType::Integer,
            "bigint" | "int8" => SequenceType::BigInt,
            _ => {
                return Err(PgError::new(
                    sqlstate::INVALID_PARAMETER_VALUE,
                    "sequence type must be smallint, integer, or bigint",
                ));
            }
        },
    };
    let sequence = options(data_type, sequence_options)?;
    let relation = Relation {
        oid: session.engine.catalog.allocate_oid()?,
        id: Uuid::new_v4(),
        schema,
        name: written.name,
        owner: session.user.clone(),
        comment: None,
        kind: RelationKind::Sequence(sequence),
    };
    session
        .transaction()?
        .apply(Op::CreateRelation { relation })?;
    Ok(done)
}

fn options(data_type: SequenceType, options: &[ast::SequenceOptions]) -> Result<Sequence, PgError> {
    let mut sequence = Sequence::ascending(data_type);
    let mut start = None;
    let (mut low, mut high) = (None, None);
    for option in options {
        match option {
            ast::SequenceOptions::IncrementBy(value, _) => sequence.increment = whole(value)?,
            ast::SequenceOptions::MinValue(value) => low = value.as_ref().map(whole).transpose()?,
            ast::SequenceOptions::MaxValue(value) => {
                high = value.as_ref().map(whole).transpose()?
            }
            ast::SequenceOptions::StartWith(value, _) => start = Some(whole(value)?),
            ast::SequenceOptions::Cache(value) => {
                sequence.cache = u32::try_from(whole(value)?.max(1)).unwrap_or(u32::MAX);
            }
            ast::SequenceOptions::Cycle(no) => sequence.cycle = !no,
        }
    }
    let descends = sequence.increment < 0;
    sequence.min = low.unwrap_or(if descends { data_type.min() } else { 1 });
    sequence.max = high.unwrap_or(if descends { -1 } else { data_type.max() });
    sequence.start = start.unwrap_or(if descends { sequence.max } else { sequence.min });
    match sequence.fault() {
        Some(fault) => Err(PgError::new(sqlstate::INVALID_PARAMETER_VALUE, fault)),
        None => Ok(sequence),
    }
}

fn whole(expr: &ast::Expr) -> Result<i64, PgError> {
    expr.to_string().parse().map_err(|_| {
        PgError::new(
            sqlstate::INVALID_PARAMETER_VALUE,
            format!("\"{expr}\" is not a whole number"),
        )
    })
}
