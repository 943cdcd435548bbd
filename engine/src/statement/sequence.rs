//! How do CREATE SEQUENCE and ALTER SEQUENCE work?

use std::sync::Arc;

use datafusion::sql::sqlparser::ast;
use tarn_catalog::error::{CatalogError, ObjectKind};
use tarn_catalog::state::{Op, Relation, RelationKind, Sequence, SequencePosition, SequenceType};
use uuid::Uuid;

use super::alter_table::{check_owner_name, options_of};
use super::insert::table_of;
use super::schema::exists_notice;
use crate::error::PgError;
use crate::parser::{AlterSequence, CreateSequence, SequenceAction, SequenceClauses};
use crate::plan::names::{QualifiedName, fold, qualified};
use crate::session::Session;
use crate::session::notice::Notice;
use crate::session::outcome::Outcome;
use crate::sqlstate;

/// CREATE SEQUENCE [IF NOT EXISTS] name [options]
pub async fn create(session: &mut Session, create: &CreateSequence) -> Result<Outcome, PgError> {
    session.check_writable("CREATE SEQUENCE")?;
    let written = qualified(&create.name)?;
    let names = session.names();
    let schema = names.schema_for_new(&written)?;
    let done = Outcome::Command("CREATE SEQUENCE".to_string());
    if names.state.relation(&schema, &written.name).is_some() {
        if create.if_not_exists {
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
    if create.clauses.restart.is_some() {
        return Err(PgError::syntax("syntax error at or near \"RESTART\""));
    }
    let sequence = new_sequence(&create.clauses)?;
    let relation = Relation {
        oid: session.engine.catalog.allocate_oid()?,
        id: Uuid::new_v4(),
        schema,
        name: written.name,
        owner: session.user.clone(),
        comment: None,
        kind: RelationKind::Sequence(sequence),
    };
    session.transaction()?.apply(Op::CreateRelation {
        relation: relation.clone(),
    })?;
    if let Some(Some(owner)) = &create.clauses.owned_by {
        own(session, &relation, owner).await?;
    }
    Ok(done)
}

/// ALTER SEQUENCE [IF EXISTS] name …
pub async fn alter(session: &mut Session, alter: &AlterSequence) -> Result<Outcome, PgError> {
    session.check_writable("ALTER SEQUENCE")?;
    let done = Outcome::Command("ALTER SEQUENCE".to_string());
    let written = qualified(&alter.name)?;
    let names = session.names();
    let relation = match names.find_relation(&written) {
        None if alter.if_exists => {
            let message = format!("relation \"{}\" does not exist, skipping", written.name);
            session.notify(Notice::plain(message));
            return Ok(done);
        }
        _ => names.alterable(&written)?,
    };
    let Some(sequence) = relation.sequence() else {
        return Err(PgError::new(
            sqlstate::WRONG_OBJECT_TYPE,
            format!("\"{}\" is not a sequence", relation.name),
        ));
    };
    match &alter.action {
        SequenceAction::Rename(name) => session.transaction()?.apply(Op::RenameRelation {
            target: relation.reference(),
            schema: relation.schema.clone(),
            name: fold(name),
        })?,
        SequenceAction::Owner(role) => check_owner_name(session, role)?,
        SequenceAction::Change(clauses) => {
            change(session, &relation, sequence, clauses).await?;
        }
    }
    Ok(done)
}

async fn change(
    session: &mut Session,
    relation: &Arc<Relation>,
    old: &Sequence,
    clauses: &SequenceClauses,
) -> Result<(), PgError> {
    let sequence = changed(old, clauses)?;
    let position = session.catalog_state().sequences.get(&relation.id).copied();
    let position = session
        .system
        .sequences
        .unpublished(relation.id)
        .or(position)
        .unwrap_or(old.initial_position());
    let moved = match clauses.restart {
        Some(restart) => {
            let first = restart.unwrap_or(sequence.start);
            check_within("RESTART", first, &sequence)?;
            SequencePosition {
                next: Some(first),
                last: None,
            }
        }
        None => position.under(&sequence),
    };
    if sequence != *old {
        let mut changed = Relation::clone(relation);
        changed.kind = RelationKind::Sequence(sequence);
        session
            .transaction()?
            .apply(Op::ReplaceRelation { relation: changed })?;
    }
    if moved != position {
        session.system.sequences.forget_unpublished(relation.id);
        session.transaction()?.apply(Op::SetSequence {
            target: relation.reference(),
            next: moved.next,
            last: moved.last,
        })?;
    }
    match &clauses.owned_by {
        None => Ok(()),
        Some(Some(owner)) => own(session, relation, owner).await,
        Some(None) => disown(session, relation),
    }
}

/// OWNED BY table.column: the sequence goes when the column goes.
async fn own(
    session: &mut Session,
    sequence: &Relation,
    owner: &ast::ObjectName,
) -> Result<(), PgError> {
    let mut parts = owner.0.clone();
    let column = parts.pop();
    let (Some(ast::ObjectNamePart::Identifier(column)), false) = (column, parts.is_empty()) else {
        return Err(PgError::syntax("invalid OWNED BY option")
            .with_hint("Specify OWNED BY table.column or OWNED BY NONE."));
    };
    let table: QualifiedName = qualified(&ast::ObjectName(parts))?;
    let relation = session.names().relation(&table)?;
    let found = table_of(&relation)?.clone();
    let schema = session.transaction()?.snapshot(&relation).await?.schema();
    let name = fold(&column);
    if schema.index_of(&name).is_err() {
        return Err(PgError::new(
            sqlstate::UNDEFINED_COLUMN,
            format!(
                "column \"{name}\" of relation \"{}\" does not exist",
                relation.name
            ),
        ));
    }
    if relation.schema != sequence.schema {
        return Err(PgError::new(
            sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
            "sequence must be in same schema as table it is linked to",
        ));
    }
    let mut options = options_of(&found);
    match options.identity.insert(name.clone(), sequence.id) {
        Some(other) if other != sequence.id => Err(PgError::unsupported(format!(
            "column \"{name}\" owns a sequence already"
        ))),
        _ => {
            session.transaction()?.apply(Op::SetTableOptions {
                target: relation.reference(),
                options,
            })?;
            Ok(())
        }
    }
}

fn disown(session: &Session, sequence: &Relation) -> Result<(), PgError> {
    let state = session.catalog_state();
    let is_owned = state.relations.values().any(|relation| {
        relation
            .table()
            .is_some_and(|table| table.identity.values().any(|id| *id == sequence.id))
    });
    match is_owned {
        true => Err(PgError::unsupported(
            "a sequence cannot be taken from its column",
        )),
        false => Ok(()),
    }
}

/// A sequence as it is created.
pub fn new_sequence(clauses: &SequenceClauses) -> Result<Sequence, PgError> {
    let data_type = match &clauses.data_type {
        None => SequenceType::BigInt,
        Some(data_type) => sequence_type(data_type)?,
    };
    sequence_of(data_type, clauses)
}

/// A sequence of a type that is settled already.
pub fn sequence_of(
    data_type: SequenceType,
    clauses: &SequenceClauses,
) -> Result<Sequence, PgError> {
    let increment = clauses.increment.unwrap_or(1);
    let mut sequence = Sequence {
        increment,
        ..Sequence::ascending(data_type)
    };
    if increment < 0 {
        sequence.min = data_type.min();
        sequence.max = -1;
    }
    settle(&mut sequence, clauses)?;
    sequence.start = match (clauses.start, increment < 0) {
        (Some(start), _) => start,
        (None, true) => sequence.max,
        (None, false) => sequence.min,
    };
    checked(sequence)
}

fn changed(old: &Sequence, clauses: &SequenceClauses) -> Result<Sequence, PgError> {
    let mut sequence = old.clone();
    if let Some(data_type) = &clauses.data_type {
        let data_type = sequence_type(data_type)?;
        // Bounds that were those of the old type follow the new one.
        if sequence.max == sequence.data_type.max() {
            sequence.max = data_type.max();
        }
        if sequence.min == sequence.data_type.min() {
            sequence.min = data_type.min();
        }
        sequence.data_type = data_type;
    }
    if let Some(increment) = clauses.increment {
        sequence.increment = increment;
    }
    settle(&mut sequence, clauses)?;
    if let Some(start) = clauses.start {
        sequence.start = start;
    }
    checked(sequence)
}

fn settle(sequence: &mut Sequence, clauses: &SequenceClauses) -> Result<(), PgError> {
    let descends = sequence.increment < 0;
    let data_type = sequence.data_type;
    match clauses.min {
        Some(Some(min)) => sequence.min = min,
        Some(None) => sequence.min = if descends { data_type.min() } else { 1 },
        None => {}
    }
    match clauses.max {
        Some(Some(max)) => sequence.max = max,
        Some(None) => sequence.max = if descends { -1 } else { data_type.max() },
        None => {}
    }
    if let Some(cycle) = clauses.cycle {
        sequence.cycle = cycle;
    }
    if let Some(cache) = clauses.cache {
        if cache <= 0 {
            return Err(invalid(format!(
                "CACHE ({cache}) must be greater than zero"
            )));
        }
        sequence.cache = u32::try_from(cache).unwrap_or(u32::MAX);
    }
    Ok(())
}

fn checked(sequence: Sequence) -> Result<Sequence, PgError> {
    let bounds = sequence.data_type.min()..=sequence.data_type.max();
    let type_name = match sequence.data_type {
        SequenceType::SmallInt => "smallint",
        SequenceType::Integer => "integer",
        SequenceType::BigInt => "bigint",
    };
    if sequence.increment == 0 {
        return Err(invalid("INCREMENT must not be zero".to_string()));
    }
    for (word, value) in [("MAXVALUE", sequence.max), ("MINVALUE", sequence.min)] {
        if !bounds.contains(&value) {
            return Err(invalid(format!(
                "{word} ({value}) is out of range for sequence data type {type_name}"
            )));
        }
    }
    if sequence.min >= sequence.max {
        return Err(invalid(format!(
            "MINVALUE ({}) must be less than MAXVALUE ({})",
            sequence.min, sequence.max
        )));
    }
    check_within("START", sequence.start, &sequence)?;
    match sequence.fault() {
        Some(fault) => Err(invalid(fault)),
        None => Ok(sequence),
    }
}

fn check_within(word: &str, value: i64, sequence: &Sequence) -> Result<(), PgError> {
    if value < sequence.min {
        return Err(invalid(format!(
            "{word} value ({value}) cannot be less than MINVALUE ({})",
            sequence.min
        )));
    }
    if value > sequence.max {
        return Err(invalid(format!(
            "{word} value ({value}) cannot be greater than MAXVALUE ({})",
            sequence.max
        )));
    }
    Ok(())
}

fn invalid(message: String) -> PgError {
    PgError::new(sqlstate::INVALID_PARAMETER_VALUE, message)
}

fn sequence_type(data_type: &ast::DataType) -> Result<SequenceType, PgError> {
    match data_type.to_string().to_lowercase().as_str() {
        "smallint" | "int2" => Ok(SequenceType::SmallInt),
        "integer" | "int" | "int4" => Ok(SequenceType::Integer),
        "bigint" | "int8" => Ok(SequenceType::BigInt),
        _ => Err(invalid(
            "sequence type must be smallint, integer, or bigint".to_string(),
        )),
    }
}

/// The options behind GENERATED … AS IDENTITY.
pub fn identity_clauses(options: &[ast::SequenceOptions]) -> Result<SequenceClauses, PgError> {
    let mut clauses = SequenceClauses::default();
    for option in options {
        match option {
            ast::SequenceOptions::IncrementBy(value, _) => clauses.increment = Some(whole(value)?),
            ast::SequenceOptions::MinValue(value) => {
                clauses.min = Some(value.as_ref().map(whole).transpose()?);
            }
            ast::SequenceOptions::MaxValue(value) => {
                clauses.max = Some(value.as_ref().map(whole).transpose()?);
            }
            ast::SequenceOptions::StartWith(value, _) => clauses.start = Some(whole(value)?),
            ast::SequenceOptions::Cache(value) => clauses.cache = Some(whole(value)?),
            ast::SequenceOptions::Cycle(no) => clauses.cycle = Some(!no),
        }
    }
    Ok(clauses)
}

fn whole(expr: &ast::Expr) -> Result<i64, PgError> {
    expr.to_string()
        .parse()
        .map_err(|_| invalid(format!("\"{expr}\" is not a whole number")))
}
