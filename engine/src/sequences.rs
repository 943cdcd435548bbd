//! How do nextval, currval, lastval and setval work?
//!
//! Numbers are taken from the catalog in blocks and are gone once taken, also after ROLLBACK, as in Postgres.
//! `currval` and `lastval` belong to the session.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, Int64Builder, StringArray};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
    Volatility,
};
use datafusion::prelude::SessionContext;
use tarn_catalog::Catalog;
use tarn_catalog::state::{Op, Relation, Sequence, SequenceBlock, SequencePosition, State};
use tarn_catalog::system::SystemSession;
use uuid::Uuid;

use crate::error::PgError;
use crate::plan::names::qualified_text;
use crate::sqlstate;

/// Most numbers taken at a time.
const BLOCK_NUMBERS_MAX: usize = 65_536;

/// What a session sees of the catalog, with its transaction's own changes.
pub type Visible = Arc<dyn Fn() -> Arc<State> + Send + Sync>;

/// Adds the functions to a session.
pub fn register(
    context: &SessionContext,
    catalog: Catalog,
    session: Arc<dyn SystemSession>,
    visible: Visible,
    memory: &SequenceMemory,
) {
    for kind in [Kind::Next, Kind::Current, Kind::Last, Kind::Set] {
        context.register_udf(ScalarUDF::from(SequenceFunction {
            kind,
            signature: kind.signature(),
            catalog: catalog.clone(),
            session: Arc::clone(&session),
            visible: Arc::clone(&visible),
            memory: memory.clone(),
        }));
    }
}

/// What a session was given last, and where the sequences stand that only its transaction knows.
#[derive(Debug, Clone, Default)]
pub struct SequenceMemory {
    inner: Arc<Mutex<Memory>>,
}

#[derive(Debug, Default)]
struct Memory {
    values: HashMap<Uuid, i64>,
    last: Option<i64>,
    unpublished: HashMap<Uuid, SequencePosition>,
}

impl SequenceMemory {
    fn lock(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// DISCARD SEQUENCES
    pub fn forget_values(&self) {
        let mut memory = self.lock();
        memory.values.clear();
        memory.last = None;
    }

    /// Positions of sequences that the transaction made, which its commit has to publish.
    pub fn take_unpublished(&self) -> HashMap<Uuid, SequencePosition> {
        std::mem::take(&mut self.lock().unpublished)
    }

    /// Where a sequence stands that the transaction made.
    pub fn unpublished(&self, sequence: Uuid) -> Option<SequencePosition> {
        self.lock().unpublished.get(&sequence).copied()
    }

    /// The catalog knows better now.
    pub fn forget_unpublished(&self, sequence: Uuid) {
        self.lock().unpublished.remove(&sequence);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Next,
    Current,
    Last,
    Set,
}

impl Kind {
    fn signature(self) -> Signature {
        use DataType::{Boolean, Int64, Utf8};
        let volatility = Volatility::Volatile;
        match self {
            Kind::Last => Signature::nullary(volatility),
            Kind::Set => Signature::one_of(
                vec![
                    TypeSignature::Exact(vec![Utf8, Int64]),
                    TypeSignature::Exact(vec![Utf8, Int64, Boolean]),
                ],
                volatility,
            ),
            Kind::Next | Kind::Current => Signature::exact(vec![Utf8], volatility),
        }
    }
}

struct SequenceFunction {
    kind: Kind,
    signature: Signature,
    catalog: Catalog,
    session: Arc<dyn SystemSession>,
    visible: Visible,
    memory: SequenceMemory,
}

impl std::fmt::Debug for SequenceFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SequenceFunction")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl PartialEq for SequenceFunction {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && Arc::ptr_eq(&self.memory.inner, &other.memory.inner)
    }
}

impl Eq for SequenceFunction {}

impl Hash for SequenceFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.kind.hash(state);
    }
}

impl SequenceFunction {
    fn find(&self, name: &str) -> Result<Arc<Relation>, PgError> {
        let written = qualified_text(name)?;
        let state = (self.visible)();
        let found = match &written.schema {
            Some(schema) => state.relation(schema, &written.name).cloned(),
            None => self
                .session
                .search_path()
                .iter()
                .find_map(|schema| state.relation(schema, &written.name).cloned()),
        };
        let relation = found.ok_or_else(|| {
            PgError::new(
                sqlstate::UNDEFINED_TABLE,
                format!("relation \"{name}\" does not exist"),
            )
        })?;
        match relation.sequence() {
            Some(_) => Ok(relation),
            None => Err(PgError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("\"{name}\" is not a sequence"),
            )),
        }
    }

    /// Is it a sequence that only this session's transaction knows?
    fn is_unpublished(&self, relation: &Relation) -> bool {
        self.catalog.state().relation_by_id(relation.id).is_none()
    }

    fn next(&self, name: &str, count: usize) -> Result<Vec<i64>, PgError> {
        let relation = self.find(name)?;
        let is_unpublished = self.is_unpublished(&relation);
        let mut numbers = Vec::with_capacity(count);
        while numbers.len() < count {
            let wanted = (count - numbers.len()).min(BLOCK_NUMBERS_MAX) as u32;
            let block = match is_unpublished {
                true => self.take_unpublished(&relation, wanted)?,
                false => {
                    let user = self.session.current_user();
                    self.catalog.take_numbers(&user, relation.id, wanted)?
                }
            };
            numbers.extend(block.values());
        }
        let mut memory = self.memory.lock();
        if let Some(last) = numbers.last() {
            memory.values.insert(relation.id, *last);
            memory.last = Some(*last);
        }
        Ok(numbers)
    }

    fn take_unpublished(&self, relation: &Relation, count: u32) -> Result<SequenceBlock, PgError> {
        let sequence = sequence_of(relation)?;
        let mut memory = self.memory.lock();
        let known = memory.unpublished.get(&relation.id).copied();
        let position = known.unwrap_or_else(|| self.position(relation, sequence));
        let (block, position) = sequence.take(&relation.name, position, count)?;
        memory.unpublished.insert(relation.id, position);
        Ok(block)
    }

    fn position(&self, relation: &Relation, sequence: &Sequence) -> SequencePosition {
        let known = (self.visible)().sequences.get(&relation.id).copied();
        known.unwrap_or(sequence.initial_position())
    }

    fn current(&self, name: &str) -> Result<i64, PgError> {
        let relation = self.find(name)?;
        let memory = self.memory.lock();
        memory.values.get(&relation.id).copied().ok_or_else(|| {
            PgError::new(
                sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!(
                    "currval of sequence \"{}\" is not yet defined in this session",
                    relation.name
                ),
            )
        })
    }

    /// setval: at once and for everybody, as in Postgres.
    fn set(&self, name: &str, value: i64, is_called: bool) -> Result<i64, PgError> {
        let relation = self.find(name)?;
        let sequence = sequence_of(&relation)?;
        if !(sequence.min..=sequence.max).contains(&value) {
            return Err(PgError::new(
                sqlstate::NUMERIC_VALUE_OUT_OF_RANGE,
                format!(
                    "setval: value {value} is out of bounds for sequence \"{}\" ({}..{})",
                    relation.name, sequence.min, sequence.max
                ),
            ));
        }
        let position = match is_called {
            true => sequence.position_after(value),
            false => SequencePosition {
                next: Some(value),
                last: None,
            },
        };
        if self.is_unpublished(&relation) {
            let mut memory = self.memory.lock();
            memory.unpublished.insert(relation.id, position);
        } else {
            let base = self.catalog.state().seq;
            let op = Op::SetSequence {
                target: relation.reference(),
                next: position.next,
                last: position.last,
            };
            let user = self.session.current_user();
            self.catalog.commit(&user, base, vec![op])?;
        }
        if is_called {
            self.memory.lock().values.insert(relation.id, value);
        }
        Ok(value)
    }

    fn last(&self) -> Result<i64, PgError> {
        self.memory.lock().last.ok_or_else(|| {
            PgError::new(
                sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                "lastval is not yet defined in this session",
            )
        })
    }
}

fn sequence_of(relation: &Relation) -> Result<&Sequence, PgError> {
    relation.sequence().ok_or_else(|| {
        PgError::new(
            sqlstate::WRONG_OBJECT_TYPE,
            format!("\"{}\" is not a sequence", relation.name),
        )
    })
}

impl SequenceFunction {
    fn set_rows(
        &self,
        names: &StringArray,
        others: &[ColumnarValue],
        rows: usize,
    ) -> Result<ArrayRef, PgError> {
        let values = others[0].to_array(rows)?;
        let values = values.as_primitive::<Int64Type>();
        let called = others.get(1).map(|called| called.to_array(rows));
        let called = called.transpose()?;
        let mut set = Int64Builder::with_capacity(rows);
        for row in 0..rows {
            let is_called = called.as_ref().map(|called| called.as_boolean());
            let has_null = names.is_null(row)
                || values.is_null(row)
                || is_called.is_some_and(|called| called.is_null(row));
            if has_null {
                set.append_null();
                continue;
            }
            let is_called = is_called.is_none_or(|called| called.value(row));
            set.append_value(self.set(names.value(row), values.value(row), is_called)?);
        }
        Ok(Arc::new(set.finish()))
    }
}

impl ScalarUDFImpl for SequenceFunction {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Next => "nextval",
            Kind::Current => "currval",
            Kind::Last => "lastval",
            Kind::Set => "setval",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> DfResult<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let rows = arguments.number_rows;
        let invoke = || -> Result<ArrayRef, PgError> {
            if self.kind == Kind::Last {
                return Ok(Arc::new(Int64Array::from(vec![self.last()?; rows])));
            }
            let names = arguments.args[0].to_array(rows)?;
            let names = names
                .as_any()
                .downcast_ref::<StringArray>()
                .ok_or_else(|| {
                    PgError::new(sqlstate::DATATYPE_MISMATCH, "a sequence's name is text")
                })?;
            if self.kind == Kind::Set {
                return self.set_rows(names, &arguments.args[1..], rows);
            }
            let constant = names.len() > 0
                && names
                    .iter()
                    .all(|name| name == names.iter().next().flatten());
            if self.kind == Kind::Next && constant && names.is_valid(0) {
                return Ok(Arc::new(Int64Array::from(self.next(names.value(0), rows)?)));
            }
            let values = names
                .iter()
                .map(|name| match (name, self.kind) {
                    (None, _) => Ok(None),
                    (Some(name), Kind::Next) => Ok(self.next(name, 1)?.first().copied()),
                    (Some(name), _) => self.current(name).map(Some),
                })
                .collect::<Result<Int64Array, PgError>>()?;
            Ok(Arc::new(values))
        };
        invoke()
            .map(ColumnarValue::Array)
            .map_err(PgError::into_datafusion)
    }
}
