//! How do nextval, currval, lastval and setval work?
//!
//! Numbers are taken from the catalog in blocks and are gone once taken, also after ROLLBACK, as in Postgres.
//! `currval` and `lastval` belong to the session.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, Int64Array, StringArray};
use arrow::datatypes::DataType;
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::prelude::SessionContext;
use tarn_catalog::Catalog;
use tarn_catalog::state::Relation;
use tarn_catalog::system::SystemSession;
use uuid::Uuid;

use crate::error::PgError;
use crate::plan::names::qualified_text;
use crate::sqlstate;

/// Most numbers taken at a time.
const BLOCK_NUMBERS_MAX: usize = 65_536;

/// Adds the functions to a session.
pub fn register(context: &SessionContext, catalog: Catalog, session: Arc<dyn SystemSession>) {
    let memory: Arc<Mutex<Memory>> = Arc::default();
    for kind in [Kind::Next, Kind::Current, Kind::Last] {
        context.register_udf(ScalarUDF::from(SequenceFunction {
            kind,
            signature: kind.signature(),
            catalog: catalog.clone(),
            session: Arc::clone(&session),
            memory: Arc::clone(&memory),
        }));
    }
}

/// What the session was given last.
#[derive(Debug, Default)]
struct Memory {
    values: HashMap<Uuid, i64>,
    last: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Next,
    Current,
    Last,
}

impl Kind {
    fn signature(self) -> Signature {
        match self {
            Kind::Last => Signature::nullary(Volatility::Volatile),
            _ => Signature::exact(vec![DataType::Utf8], Volatility::Volatile),
        }
    }
}

struct SequenceFunction {
    kind: Kind,
    signature: Signature,
    catalog: Catalog,
    session: Arc<dyn SystemSession>,
    memory: Arc<Mutex<Memory>>,
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
        self.kind == other.kind && Arc::ptr_eq(&self.memory, &other.memory)
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
        let state = self.catalog.state();
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
            .with_hint("A sequence made in this transaction gives numbers after COMMIT.")
        })?;
        match relation.sequence() {
            Some(_) => Ok(relation),
            None => Err(PgError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("\"{name}\" is not a sequence"),
            )),
        }
    }

    fn next(&self, name: &str, count: usize) -> Result<Vec<i64>, PgError> {
        let relation = self.find(name)?;
        let mut numbers = Vec::with_capacity(count);
        while numbers.len() < count {
            let wanted = (count - numbers.len()).min(BLOCK_NUMBERS_MAX) as u32;
            let block =
                self.catalog
                    .take_numbers(&self.session.current_user(), relation.id, wanted)?;
            numbers.extend(block.values());
        }
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = numbers.last() {
            memory.values.insert(relation.id, *last);
            memory.last = Some(*last);
        }
        Ok(numbers)
    }

    fn current(&self, name: &str) -> Result<i64, PgError> {
        let relation = self.find(name)?;
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
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

    fn last(&self) -> Result<i64, PgError> {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.last.ok_or_else(|| {
            PgError::new(
                sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                "lastval is not yet defined in this session",
            )
        })
    }
}

impl ScalarUDFImpl for SequenceFunction {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Next => "nextval",
            Kind::Current => "currval",
            Kind::Last => "lastval",
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
