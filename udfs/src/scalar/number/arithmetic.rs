//! `a + b`, `a - b`, `a * b`, `a / b` and `a % b` over numbers.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, new_null_array};
use arrow::datatypes::{DataType, Field, FieldRef, Int16Type, Int32Type, Int64Type};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;

use super::call::{is_nullable, types_of};
use super::documentation;
use super::error::NumberError;
use super::types::{BARE_NUMERIC, BARE_TYPE, Operator, operand_types, result_type};
use super::{decimal, float, integer};
use crate::model::sql_type::{PG_TYPE_KEY, sql_type_name};

/// An arithmetic operator as a function of two numbers.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Arithmetic {
    name: &'static str,
    operator: Operator,
    signature: Signature,
}

/// The function of an operator.
pub fn function(operator: Operator) -> Arc<ScalarUDF> {
    static FUNCTIONS: LazyLock<[Arc<ScalarUDF>; 5]> = LazyLock::new(|| {
        [
            ("add", Operator::Add),
            ("subtract", Operator::Subtract),
            ("multiply", Operator::Multiply),
            ("divide", Operator::Divide),
            ("modulo", Operator::Modulo),
        ]
        .map(|(name, operator)| Arc::new(named(name, operator)))
    });
    Arc::clone(&FUNCTIONS[operator as usize])
}

/// `mod(a, b)`, which is `a % b`.
pub fn modulo() -> ScalarUDF {
    named("mod", Operator::Modulo)
}

fn named(name: &'static str, operator: Operator) -> ScalarUDF {
    ScalarUDF::from(Arithmetic {
        name,
        operator,
        signature: Signature::user_defined(Volatility::Immutable),
    })
}

impl Arithmetic {
    fn no_such_operator(&self, types: &[DataType]) -> NumberError {
        let names: Vec<String> = types.iter().map(sql_type_name).collect();
        let shown = names.join(&format!(" {} ", self.operator.symbol()));
        NumberError::NoSuchOperator(format!("operator does not exist: {shown}"))
    }

    fn result(&self, types: &[DataType]) -> Result<DataType, NumberError> {
        let found = match types {
            [left, right] => operand_types(left, right)
                .and_then(|(left, right)| result_type(self.operator, &left, &right)),
            _ => None,
        };
        found.ok_or_else(|| self.no_such_operator(types))
    }

    fn written(&self, operands: impl Iterator<Item = String>) -> String {
        let operands: Vec<String> = operands.collect();
        operands.join(&format!(" {} ", self.operator.symbol()))
    }
}

impl ScalarUDFImpl for Arithmetic {
    fn name(&self) -> &str {
        self.name
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        Ok(self.written(args.iter().map(operand_text)))
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(self.written(args.iter().map(|arg| operand_text(&arg.schema_name()))))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        match arg_types {
            [left, right] => operand_types(left, right).map(|(left, right)| vec![left, right]),
            _ => None,
        }
        .ok_or_else(|| self.no_such_operator(arg_types).into())
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(self.result(arg_types)?)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let data_type = self.result(&types_of(&args))?;
        let field = Field::new(self.name(), data_type, is_nullable(&args));
        Ok(Arc::new(bare_if_one_is(field, args.arg_fields)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        documentation::of(self.name())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = args.args.as_slice() else {
            return Err(self.no_such_operator(&[]).into());
        };
        let is_scalar = |value: &ColumnarValue| matches!(value, ColumnarValue::Scalar(_));
        let both_scalar = is_scalar(left) && is_scalar(right);
        let rows = if both_scalar { 1 } else { args.number_rows };
        let result = self.evaluate(left, right, rows, args.return_field.data_type())?;
        if both_scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
                &result, 0,
            )?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

impl Arithmetic {
    fn evaluate(
        &self,
        left: &ColumnarValue,
        right: &ColumnarValue,
        rows: usize,
        result: &DataType,
    ) -> Result<ArrayRef> {
        if rows == 0 {
            return Ok(new_null_array(result, 0));
        }
        if !result.is_integer() {
            let (left, right) = (left.to_array(rows)?, right.to_array(rows)?);
            let computed = match result.is_floating() {
                true => float::evaluate(self.operator, &left, &right)?,
                false => decimal::evaluate(self.operator, &left, &right, result)?,
            };
            return Ok(computed);
        }
        // A constant stays one value: the kernels repeat it.
        let one = |value: &ColumnarValue| -> Result<(ArrayRef, bool)> {
            Ok(match value {
                ColumnarValue::Array(array) => (Arc::clone(array), false),
                ColumnarValue::Scalar(scalar) => (scalar.to_array()?, true),
            })
        };
        let ((left, is_left_scalar), (right, is_right_scalar)) = (one(left)?, one(right)?);
        let scalars = (is_left_scalar, is_right_scalar);
        let computed = match result {
            DataType::Int16 => {
                integer::evaluate::<Int16Type>(self.operator, &left, &right, scalars)
            }
            DataType::Int32 => {
                integer::evaluate::<Int32Type>(self.operator, &left, &right, scalars)
            }
            _ => integer::evaluate::<Int64Type>(self.operator, &left, &right, scalars),
        }?;
        Ok(computed)
    }
}

/// An operand as it is written: an operation inside stands in parentheses.
fn operand_text(operand: &impl std::fmt::Display) -> String {
    let text = operand.to_string();
    let is_operation = ["+", "-", "*", "/", "%"]
        .iter()
        .any(|symbol| text.contains(&format!(" {symbol} ")));
    match is_operation {
        true => format!("({text})"),
        false => text,
    }
}

/// A numeric is one without a declared scale when an operand is.
pub fn bare_if_one_is(field: Field, operands: &[FieldRef]) -> Field {
    let is_bare = |operand: &FieldRef| match operand.metadata().get(PG_TYPE_KEY) {
        Some(spelling) => spelling == BARE_NUMERIC,
        None => operand.data_type() == &BARE_TYPE,
    };
    if !field.data_type().is_decimal() || !operands.iter().any(is_bare) {
        return field;
    }
    let bare = (PG_TYPE_KEY.to_string(), BARE_NUMERIC.to_string());
    field.with_metadata(std::collections::HashMap::from([bare]))
}
