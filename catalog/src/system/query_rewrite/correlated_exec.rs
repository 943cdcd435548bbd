//! How does a subquery run for each row around it?

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, new_empty_array};
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, exec_err};
use datafusion::error::Result;
use datafusion::execution::SessionState;
use datafusion::logical_expr::async_udf::{AsyncScalarUDF, AsyncScalarUDFImpl};
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, TypeSignature, Volatility, lit,
};
use datafusion::physical_plan::collect;
use datafusion::scalar::ScalarValue;

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

/// A subquery as a function: (guard, value to look for, outer columns…).
#[derive(Debug)]
pub(super) struct Correlated {
    plan: Arc<LogicalPlan>,
    outer: Vec<Column>,
    mode: Mode,
    field: FieldRef,
    state: Arc<SessionState>,
    signature: Signature,
}

/// Arguments before the outer columns.
const FIXED_ARGUMENTS: usize = 2;

impl Correlated {
    pub(super) fn new(
        plan: Arc<LogicalPlan>,
        outer: Vec<Column>,
        mode: Mode,
        field: Field,
        state: Arc<SessionState>,
    ) -> Correlated {
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
        }
    }

    pub(super) fn into_scalar_udf(self) -> ScalarUDF {
        AsyncScalarUDF::new(Arc::new(self)).into_scalar_udf()
    }

    /// The subquery with the outer columns replaced by their values in one row.
    fn bound(&self, values: &[ScalarValue]) -> Result<LogicalPlan> {
        let bind = |expr: Expr| match &expr {
            Expr::OuterReferenceColumn(_, column) => {
                match self.outer.iter().position(|outer| outer == column) {
                    Some(at) => Ok(Transformed::yes(lit(values[at].clone()))),
                    None => Ok(Transformed::no(expr)),
                }
            }
            _ => Ok(Transformed::no(expr)),
        };
        let plan = self.plan.as_ref().clone();
        let bound = plan.transform_up_with_subqueries(|node| {
            node.map_expressions(|expr| expr.transform_up(bind))?
                .map_data(LogicalPlan::recompute_schema)
        })?;
        Ok(bound.data)
    }

    /// The first column of the subquery's rows.
    async fn rows(&self, values: &[ScalarValue]) -> Result<ArrayRef> {
        let plan = self
            .state
            .create_physical_plan(&self.bound(values)?)
            .await?;
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

#[async_trait]
impl AsyncScalarUDFImpl for Correlated {
    async fn invoke_async_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut known: HashMap<Vec<ScalarValue>, ArrayRef> = HashMap::new();
        let mut results = Vec::with_capacity(args.number_rows);
        for row in 0..args.number_rows {
            let mut values = Vec::with_capacity(args.args.len());
            for argument in &args.args {
                values.push(match argument {
                    ColumnarValue::Scalar(scalar) => scalar.clone(),
                    ColumnarValue::Array(array) => ScalarValue::try_from_array(array, row)?,
                });
            }
            if values[0] != ScalarValue::Boolean(Some(true)) {
                results.push(ScalarValue::try_from(self.field.data_type())?);
                continue;
            }
            let needle = values[1].clone();
            let key = values.split_off(FIXED_ARGUMENTS);
            let rows = match known.get(&key) {
                Some(rows) => rows.clone(),
                None => {
                    let rows = self.rows(&key).await?;
                    known.insert(key, rows.clone());
                    rows
                }
            };
            results.push(self.value(&rows, &needle)?);
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
