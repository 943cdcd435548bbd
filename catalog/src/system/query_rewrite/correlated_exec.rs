//! How does a subquery run for each row around it?

use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, new_empty_array};
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::exec_err;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::execution::SessionState;
use datafusion::logical_expr::async_udf::{AsyncScalarUDF, AsyncScalarUDFImpl};
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, TypeSignature, Volatility, lit,
};
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::scalar::ScalarValue;

use super::cells::Cells;
use crate::system::error::SystemError;

/// What is made of a subquery's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Mode {
    /// the value of its one row; NULL without rows, an error with several
    Scalar,
    /// Has it any row?
    Exists,
    /// Is a value among them? NULL if not but one of them is NULL.
    In,
    /// an array of them, in their order
    Array,
}

/// A subquery as a function: (guard, value to look for, outer columns and parameters…).
#[derive(Debug)]
pub(super) struct Correlated {
    plan: Arc<LogicalPlan>,
    outer: Vec<Expr>,
    mode: Mode,
    field: FieldRef,
    state: Arc<SessionState>,
    signature: Signature,
    is_recursive: bool,
}

/// Arguments before the outer columns.
const FIXED_ARGUMENTS: usize = 2;

impl Correlated {
    pub(super) fn new(
        plan: Arc<LogicalPlan>,
        outer: Vec<Expr>,
        mode: Mode,
        field: Field,
        state: Arc<SessionState>,
    ) -> Correlated {
        let is_recursive = plan
            .exists(|node| Ok(matches!(node, LogicalPlan::RecursiveQuery(_))))
            .unwrap_or(true);
        // Volatile, so that DataFusion neither moves it into a join nor runs it before the guard is known.
        let signature = Signature::new(
            TypeSignature::Any(FIXED_ARGUMENTS + outer.len()),
            Volatility::Volatile,
        );
        Correlated {
            plan,
            outer,
            mode,
            field: Arc::new(field),
            state,
            signature,
            is_recursive,
        }
    }

    pub(super) fn into_scalar_udf(self) -> ScalarUDF {
        AsyncScalarUDF::new(Arc::new(self)).into_scalar_udf()
    }

    /// The subquery with each outer column replaced by what `replace` gives for its position.
    fn bound(&self, replace: impl Fn(usize) -> Expr) -> Result<LogicalPlan> {
        let bind = |expr: Expr| match self.outer.iter().position(|outer| *outer == expr) {
            Some(at) => Ok(Transformed::yes(replace(at))),
            None => Ok(Transformed::no(expr)),
        };
        let plan = self.plan.as_ref().clone();
        let bound = plan.transform_up_with_subqueries(|node| {
            // Without outer columns a lateral item is an ordinary one.
            let node = match node {
                LogicalPlan::Subquery(lateral) => lateral.subquery.as_ref().clone(),
                other => other,
            };
            node.map_expressions(|expr| expr.transform_up(bind))?
                .map_data(LogicalPlan::recompute_schema)
        })?;
        Ok(bound.data)
    }

    /// Plans the subquery for many rows: columns that are the same in all of them become literals, which relations can
    /// look at, the others are read from `cells`, which each run fills.
    async fn prepare(
        &self,
        keys: &[Vec<ScalarValue>],
        cells: &Cells,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let first = keys.first().map(Vec::as_slice).unwrap_or_default();
        let is_constant = |at: usize| keys.iter().all(|key| key[at] == first[at]);
        let placeholder = |at: usize| {
            let field = Arc::new(Field::new("outer", first[at].data_type(), true));
            Expr::Placeholder(Placeholder::new_with_field(
                Cells::placeholder(at),
                Some(field),
            ))
        };
        let bound = self.bound(|at| {
            if is_constant(at) {
                lit(first[at].clone())
            } else {
                placeholder(at)
            }
        })?;
        // Placeholders can be moved by the optimizer like values; functions that read a cell could not.
        let optimized = self.state.optimize(&bound)?;
        let filled = optimized.transform_up_with_subqueries(|node| {
            node.map_expressions(|expr| expr.transform_up(|expr| Ok(cells.read_instead(expr))))
        })?;
        self.state
            .query_planner()
            .create_physical_plan(&filled.data, self.state.as_ref())
            .await
    }

    /// The rows of the subquery for each key.
    async fn run(
        &self,
        keys: Vec<Vec<ScalarValue>>,
    ) -> Result<HashMap<Vec<ScalarValue>, ArrayRef>> {
        let mut found = HashMap::with_capacity(keys.len());
        if keys.is_empty() {
            return Ok(found);
        }
        if self.is_recursive {
            // Its work table keeps rows of the run before.
            for key in keys {
                let plan = self
                    .prepare(std::slice::from_ref(&key), &Cells::default())
                    .await?;
                let rows = self.rows(plan).await?;
                found.insert(key, rows);
            }
            return Ok(found);
        }
        let cells = Cells::default();
        let mut plan = self.prepare(&keys, &cells).await?;
        for key in keys {
            cells.fill(&key);
            plan = reset_plan_states(plan)?;
            let rows = self.rows(plan.clone()).await?;
            found.insert(key, rows);
        }
        Ok(found)
    }

    /// The first column of a run's rows.
    async fn rows(&self, plan: Arc<dyn ExecutionPlan>) -> Result<ArrayRef> {
        let batches: Vec<RecordBatch> = collect(plan, self.state.task_ctx()).await?;
        let columns: Vec<&dyn Array> = batches
            .iter()
            .filter(|batch| batch.num_rows() > 0)
            .map(|batch| batch.column(0).as_ref())
            .collect();
        match columns.as_slice() {
            [] => Ok(new_empty_array(self.plan.schema().field(0).data_type())),
            several => Ok(concat(several)?),
        }
    }

    fn value(&self, rows: &ArrayRef, needle: &ScalarValue) -> Result<ScalarValue> {
        let value = match self.mode {
            Mode::Exists => ScalarValue::Boolean(Some(!rows.is_empty())),
            Mode::In => is_among(rows, needle)?,
            Mode::Scalar => match rows.len() {
                0 => ScalarValue::try_from(self.field.data_type())?,
                1 => ScalarValue::try_from_array(rows, 0)?,
                _ => return Err(SystemError::SeveralRows.into()),
            },
            Mode::Array => {
                let elements = (0..rows.len())
                    .map(|at| ScalarValue::try_from_array(rows, at))
                    .collect::<Result<Vec<_>>>()?;
                let DataType::List(item) = self.field.data_type() else {
                    return exec_err!("a subquery that gives an array has the type of a list");
                };
                let elements = elements
                    .into_iter()
                    .map(|one| one.cast_to(item.data_type()))
                    .collect::<Result<Vec<_>>>()?;
                ScalarValue::List(ScalarValue::new_list_nullable(&elements, item.data_type()))
            }
        };
        value.cast_to(self.field.data_type())
    }
}

/// `needle IN (rows)` with SQL's three values.
fn is_among(rows: &ArrayRef, needle: &ScalarValue) -> Result<ScalarValue> {
    if rows.is_empty() {
        return Ok(ScalarValue::Boolean(Some(false)));
    }
    if needle.is_null() {
        return Ok(ScalarValue::Boolean(None));
    }
    for at in 0..rows.len() {
        let candidate = ScalarValue::try_from_array(rows, at)?;
        if !candidate.is_null() && candidate.cast_to(&needle.data_type())? == *needle {
            return Ok(ScalarValue::Boolean(Some(true)));
        }
    }
    Ok(ScalarValue::Boolean(
        (rows.null_count() == 0).then_some(false),
    ))
}

/// The arguments of one call.
struct OuterRow {
    /// Does the value matter in this row?
    is_reached: bool,
    /// what IN looks for
    needle: ScalarValue,
    /// the outer columns
    key: Vec<ScalarValue>,
}

impl OuterRow {
    fn read(arguments: &[ColumnarValue], row: usize) -> Result<OuterRow> {
        let values = arguments.iter().map(|argument| match argument {
            ColumnarValue::Scalar(scalar) => Ok(scalar.clone()),
            ColumnarValue::Array(array) => ScalarValue::try_from_array(array, row),
        });
        let mut values = values.collect::<Result<Vec<_>>>()?;
        let key = values.split_off(FIXED_ARGUMENTS);
        let needle = values.pop().unwrap_or(ScalarValue::Null);
        Ok(OuterRow {
            is_reached: values.first() == Some(&ScalarValue::Boolean(Some(true))),
            needle,
            key,
        })
    }
}

#[async_trait]
impl AsyncScalarUDFImpl for Correlated {
    async fn invoke_async_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut outer_rows = Vec::with_capacity(args.number_rows);
        for row in 0..args.number_rows {
            outer_rows.push(OuterRow::read(&args.args, row)?);
        }
        let keys: HashSet<Vec<ScalarValue>> = outer_rows
            .iter()
            .filter(|row| row.is_reached)
            .map(|row| row.key.clone())
            .collect();
        let found = self.run(keys.into_iter().collect()).await?;
        let mut results = Vec::with_capacity(outer_rows.len());
        for row in &outer_rows {
            results.push(match found.get(&row.key) {
                Some(rows) if row.is_reached => self.value(rows, &row.needle)?,
                _ => ScalarValue::try_from(self.field.data_type())?,
            });
        }
        if results.is_empty() {
            return Ok(ColumnarValue::Array(new_empty_array(
                self.field.data_type(),
            )));
        }
        let array = ScalarValue::iter_to_array(results)?;
        Ok(ColumnarValue::Array(datafusion::arrow::compute::cast(
            &array,
            self.field.data_type(),
        )?))
    }
}

impl ScalarUDFImpl for Correlated {
    fn name(&self) -> &str {
        "correlated_subquery"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(self.field.data_type().clone())
    }

    fn return_field_from_args(&self, _args: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(self.field.clone())
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        exec_err!("a correlated subquery is run asynchronously")
    }
}

impl PartialEq for Correlated {
    fn eq(&self, other: &Self) -> bool {
        self.mode == other.mode && self.outer == other.outer && self.plan == other.plan
    }
}

impl Eq for Correlated {}

impl Hash for Correlated {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.mode.hash(state);
        self.outer.hash(state);
        self.plan.hash(state);
    }
}
