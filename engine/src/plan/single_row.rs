//! What does `(SELECT x FROM u WHERE u.id = t.id)` give when the planner cannot tell that it gives one row?
//!
//! DataFusion plans a correlated subquery as a join and wants it to be aggregated. So its rows are aggregated to the
//! first value and how many there are, and the value is taken outside, behind the join: more than one row is an
//! error (21000) only where the outer row asks for it, as in Postgres.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, StructArray};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields, Int64Type};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DataFusionError};
use datafusion::error::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, Expr, LogicalPlan,
    LogicalPlanBuilder, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Subquery, Volatility,
};
use datafusion::scalar::ScalarValue;

use crate::error::PgError;
use crate::sqlstate;

static COLLECT: LazyLock<Arc<AggregateUDF>> =
    LazyLock::new(|| Arc::new(AggregateUDF::from(CollectRows::new())));
static TAKE: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(ScalarUDF::from(TakeRow::new())));

/// Aggregates correlated scalar subqueries that may give several rows.
pub fn aggregate_subqueries(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_down_with_subqueries(|node| {
        node.map_expressions(|expr| {
            expr.transform_up(|inner| match inner {
                Expr::ScalarSubquery(subquery) if needs_aggregate(&subquery) => {
                    aggregate(subquery).map(Transformed::yes)
                }
                other => Ok(Transformed::no(other)),
            })
        })
    })?;
    Ok(rewritten.data)
}

fn needs_aggregate(subquery: &Subquery) -> bool {
    !subquery.outer_ref_columns.is_empty()
        && subquery.subquery.schema().fields().len() == 1
        && subquery.subquery.max_rows().is_none_or(|rows| rows > 1)
        && is_plain(&subquery.subquery)
}

/// Projections, filters and joins: what the join that the subquery becomes can look through.
fn is_plain(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::SubqueryAlias(_) => {
            plan.inputs().into_iter().all(is_plain)
        }
        LogicalPlan::Aggregate(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Distinct(_)
        | LogicalPlan::Window(_)
        | LogicalPlan::Union(_) => false,
        _ => true,
    }
}

fn aggregate(subquery: Subquery) -> Result<Expr> {
    let input = Arc::unwrap_or_clone(subquery.subquery);
    let column = Expr::Column(Column::from(input.schema().qualified_field(0)));
    let collected = COLLECT.call(vec![column]).alias("collected");
    let plan = LogicalPlanBuilder::from(input)
        .aggregate(Vec::<Expr>::new(), vec![collected])?
        .build()?;
    let collected = Expr::ScalarSubquery(Subquery {
        subquery: Arc::new(plan),
        ..subquery
    });
    Ok(TAKE.call(vec![collected]))
}

/// The first value with how many rows there are.
fn collected_type(value: &FieldRef) -> DataType {
    let value = value
        .as_ref()
        .clone()
        .with_name("value")
        .with_nullable(true);
    let rows = Field::new("rows", DataType::Int64, true);
    DataType::Struct(Fields::from(vec![value, rows]))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct CollectRows {
    signature: Signature,
}

impl CollectRows {
    fn new() -> Self {
        CollectRows {
            signature: Signature::any(1, Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for CollectRows {
    fn name(&self) -> &str {
        "tarn_collect_rows"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [value] => Ok(collected_type(&Arc::new(Field::new(
                "value",
                value.clone(),
                true,
            )))),
            _ => Err(DataFusionError::Plan("one column was expected".to_string())),
        }
    }

    fn return_field(&self, arguments: &[FieldRef]) -> Result<FieldRef> {
        match arguments {
            [value] => Ok(Arc::new(Field::new(
                self.name(),
                collected_type(value),
                true,
            ))),
            _ => Err(DataFusionError::Plan("one column was expected".to_string())),
        }
    }

    fn accumulator(&self, arguments: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let DataType::Struct(fields) = arguments.return_field.data_type() else {
            return Err(DataFusionError::Internal("not a collected row".to_string()));
        };
        Ok(Box::new(Collected {
            value: ScalarValue::try_from(fields[0].data_type())?,
            rows: 0,
            fields: fields.clone(),
        }))
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let DataType::Struct(fields) = arguments.return_field.data_type() else {
            return Err(DataFusionError::Internal("not a collected row".to_string()));
        };
        let named = |field: &FieldRef| {
            let name = format!("{}[{}]", arguments.name, field.name());
            Arc::new(field.as_ref().clone().with_name(name))
        };
        Ok(fields.iter().map(named).collect())
    }
}

#[derive(Debug)]
struct Collected {
    value: ScalarValue,
    rows: i64,
    fields: Fields,
}

impl Accumulator for Collected {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let column = &values[0];
        if self.rows == 0 && !column.is_empty() {
            self.value = ScalarValue::try_from_array(column, 0)?;
        }
        self.rows += column.len() as i64;
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let rows = Int64Array::from(vec![self.rows]);
        let columns: Vec<ArrayRef> = vec![self.value.to_array()?, Arc::new(rows)];
        let row = StructArray::try_new(self.fields.clone(), columns, None)?;
        Ok(ScalarValue::Struct(Arc::new(row)))
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.value.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![
            self.value.clone(),
            ScalarValue::Int64(Some(self.rows)),
        ])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let rows = states[1].as_primitive::<Int64Type>();
        for index in 0..rows.len() {
            if self.rows == 0 && rows.value(index) > 0 {
                self.value = ScalarValue::try_from_array(&states[0], index)?;
            }
            self.rows += rows.value(index);
        }
        Ok(())
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TakeRow {
    signature: Signature,
}

impl TakeRow {
    fn new() -> Self {
        TakeRow {
            signature: Signature::any(1, Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for TakeRow {
    fn name(&self) -> &str {
        "tarn_take_row"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [DataType::Struct(fields)] if fields.len() == 2 => Ok(fields[0].data_type().clone()),
            _ => Err(DataFusionError::Plan(
                "a collected row was expected".to_string(),
            )),
        }
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        match arguments.arg_fields.first().map(|field| field.data_type()) {
            Some(DataType::Struct(fields)) if fields.len() == 2 => {
                let value = fields[0].as_ref().clone();
                Ok(Arc::new(value.with_name(self.name()).with_nullable(true)))
            }
            _ => Err(DataFusionError::Plan(
                "a collected row was expected".to_string(),
            )),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let collected = arguments.args[0].to_array(arguments.number_rows)?;
        let collected = collected.as_struct();
        let rows = collected.column(1).as_primitive::<Int64Type>();
        let is_many = |index: usize| {
            collected.is_valid(index) && rows.is_valid(index) && rows.value(index) > 1
        };
        if (0..rows.len()).any(is_many) {
            return Err(PgError::new(
                sqlstate::CARDINALITY_VIOLATION,
                "more than one row returned by a subquery used as an expression",
            )
            .into_datafusion());
        }
        // A row of the outer query without a partner has neither a value nor a count.
        let (_, columns, nulls) = collected.clone().into_parts();
        let value = &columns[0];
        let Some(nulls) = nulls else {
            return Ok(ColumnarValue::Array(Arc::clone(value)));
        };
        let is_missing = datafusion::arrow::array::BooleanArray::from(
            (0..nulls.len())
                .map(|index| nulls.is_null(index))
                .collect::<Vec<_>>(),
        );
        let value = datafusion::arrow::compute::kernels::nullif::nullif(value, &is_missing)?;
        Ok(ColumnarValue::Array(value))
    }
}
