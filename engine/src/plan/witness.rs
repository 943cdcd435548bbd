//! Which types was a function called with that does not take them?
//!
//! When planning fails over a function, the statement is planned once more with a witness in the function's place:
//! it is asked for the type of its result, sees what it is given, and says so in PostgreSQL's words.

use std::hash::{Hash, Hasher};

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{exec_err, plan_err};
use datafusion::error::Result;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::type_coercion::functions::{UDFCoercionExt, fields_with_udf};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast::{SetExpr, Statement};
use tarn_catalog::types::{PG_TYPE_KEY, PgType};

use crate::planning_error::missing_function;

/// Rows of VALUES beyond which a statement is not kept for a second look.
const VALUES_ROWS_MAX: usize = 100;

/// Is a statement small enough to be kept in case its planning fails?
pub fn is_kept(statement: &Statement) -> bool {
    let query = match statement {
        Statement::Query(query) => Some(query),
        Statement::Insert(insert) => insert.source.as_ref(),
        _ => None,
    };
    match query.map(|query| query.body.as_ref()) {
        Some(SetExpr::Values(values)) => values.rows.len() <= VALUES_ROWS_MAX,
        _ => true,
    }
}

/// A witness in the place of a function, or of one that is not there.
pub fn of(name: &str, state: &SessionState) -> ScalarUDF {
    let real = if let Some(function) = state.scalar_functions().get(name) {
        Real::Scalar(function.as_ref().clone())
    } else if let Some(function) = state.aggregate_functions().get(name) {
        Real::Aggregate(function.as_ref().clone())
    } else {
        Real::Missing
    };
    ScalarUDF::new_from_impl(Witness {
        name: name.to_string(),
        real,
        signature: Signature::one_of(
            vec![
                datafusion::logical_expr::TypeSignature::Nullary,
                datafusion::logical_expr::TypeSignature::VariadicAny,
            ],
            Volatility::Volatile,
        ),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum Real {
    Scalar(ScalarUDF),
    Aggregate(datafusion::logical_expr::AggregateUDF),
    Missing,
}

#[derive(Debug)]
struct Witness {
    name: String,
    real: Real,
    signature: Signature,
}

fn accepted<F: UDFCoercionExt>(function: &F, fields: &[FieldRef]) -> Option<Vec<FieldRef>> {
    fields_with_udf(fields, function).ok()
}

/// The name of an argument's type.
fn type_name(field: &FieldRef, constant: Option<&ScalarValue>) -> String {
    let is_declared = field.metadata().contains_key(PG_TYPE_KEY);
    if !is_declared
        && (field.data_type().is_null()
            || matches!(
                constant,
                Some(ScalarValue::Utf8(_) | ScalarValue::Utf8View(_))
            ))
    {
        return "unknown".to_string();
    }
    if let Some(ScalarValue::Int64(Some(value))) = constant
        && i32::try_from(*value).is_ok()
        && !is_declared
    {
        return PgType::INT4.sql_name();
    }
    let pg_type = PgType {
        typmod: -1,
        ..PgType::of_field(field)
    };
    pg_type.sql_name()
}

impl ScalarUDFImpl for Witness {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        plan_err!("a witness needs fields")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let is_accepted = match &self.real {
            Real::Scalar(function) => accepted(function, args.arg_fields).and_then(|arg_fields| {
                function
                    .return_field_from_args(ReturnFieldArgs {
                        arg_fields: &arg_fields,
                        scalar_arguments: args.scalar_arguments,
                    })
                    .ok()
            }),
            Real::Aggregate(function) => accepted(function, args.arg_fields)
                .and_then(|arg_fields| function.return_field(&arg_fields).ok()),
            Real::Missing => None,
        };
        if let Some(field) = is_accepted {
            return Ok(field);
        }
        let types: Vec<String> = args
            .arg_fields
            .iter()
            .zip(args.scalar_arguments)
            .map(|(field, constant)| type_name(field, *constant))
            .collect();
        Err(missing_function(&self.name, &types.join(", ")).into_datafusion())
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        exec_err!("a witness is not run")
    }
}

impl PartialEq for Witness {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.real == other.real
    }
}

impl Eq for Witness {}

impl Hash for Witness {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}
