//! What do casts to and from text mean? The text is what PostgreSQL prints and reads, in the session's formats.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DFSchema, internal_err};
use datafusion::error::Result;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility, cast,
};
use datafusion::scalar::ScalarValue;
use tarn_catalog::types::{PgType, oid};
use tarn_udfs::scalar::text::TAKE_ANY_AS_TEXT;

use super::CastCall;
use super::format::SessionFormat;
use crate::error::PgError;
use crate::postgres::types::cast::{cut_texts, output_of, texts_of, values_of};

/// The function that a cast calls.
pub fn plan(asked: &CastCall) -> Result<Option<Expr>> {
    let (from, to) = (asked.from.data_type(), asked.to.data_type());
    let target = PgType::of_field(asked.to);
    let direction = match (is_text(from), *to == DataType::Utf8) {
        (true, true) if target.length_max().is_some() || target.oid == oid::NAME => Direction::Cut,
        (true, true) if matches!(target.oid, oid::UUID | oid::JSON | oid::JSONB) => Direction::Read,
        (true, true) => return Ok(None),
        (true, false) if is_read(to) => Direction::Read,
        (false, true) if is_written(from) => Direction::Write,
        _ => return Ok(None),
    };
    let operand = match is_text(from) && *from != DataType::Utf8 {
        true => cast(asked.operand.clone(), DataType::Utf8),
        false => asked.operand.clone(),
    };
    let call = |direction, operand| {
        let function = ScalarUDF::from(TextCast::new(direction, target, asked.to));
        Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(function), vec![operand]))
    };
    let converted = call(direction, operand);
    let is_cut = direction == Direction::Write && target.length_max().is_some();
    Ok(Some(match is_cut {
        true => call(Direction::Cut, converted),
        false => converted,
    }))
}

/// The arguments of functions that take everything as text.
pub fn write_arguments(function: &ScalarFunction, schema: &DFSchema) -> Option<Expr> {
    if !TAKE_ANY_AS_TEXT.contains(&function.func.name()) {
        return None;
    }
    let field: FieldRef = Arc::new(PgType::TEXT.field("", true));
    let mut is_changed = false;
    let arguments = function
        .args
        .iter()
        .map(|argument| match argument.get_type(schema) {
            Ok(from) if is_written(&from) => {
                is_changed = true;
                let cast = TextCast::new(Direction::Output, PgType::TEXT, &field);
                let cast = Arc::new(ScalarUDF::from(cast));
                Expr::ScalarFunction(ScalarFunction::new_udf(cast, vec![argument.clone()]))
            }
            _ => argument.clone(),
        })
        .collect();
    is_changed.then(|| {
        Expr::ScalarFunction(ScalarFunction::new_udf(
            Arc::clone(&function.func),
            arguments,
        ))
    })
}

fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}

fn is_read(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Boolean
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Float32
            | DataType::Float64
            | DataType::Decimal128(..)
            | DataType::Decimal256(..)
            | DataType::Binary
            | DataType::Date32
            | DataType::Time64(_)
            | DataType::Timestamp(..)
            | DataType::Interval(_)
            | DataType::List(_)
    )
}

fn is_written(data_type: &DataType) -> bool {
    data_type.is_numeric()
        || data_type.is_temporal()
        || data_type.is_nested()
        || matches!(
            data_type,
            DataType::Boolean | DataType::Binary | DataType::BinaryView
        )
}

/// Which way a cast goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Direction {
    /// from text
    Read,
    /// to text
    Write,
    /// from text to text of a length
    Cut,
    /// to text as clients read it, where a boolean is a letter
    Output,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TextCast {
    direction: Direction,
    target: PgType,
    field: FieldRef,
    name: String,
    signature: Signature,
}

impl TextCast {
    fn new(direction: Direction, target: PgType, field: &FieldRef) -> TextCast {
        // The cut is a function of the text alone; the rest looks at settings of the session.
        let volatility = match direction {
            Direction::Cut => Volatility::Immutable,
            _ => Volatility::Stable,
        };
        TextCast {
            direction,
            target,
            field: Arc::clone(field),
            name: format!("cast_to_{}", target.short_name()),
            signature: Signature::any(1, volatility),
        }
    }

    fn cast(&self, array: &ArrayRef, from: &Field, args: &ScalarFunctionArgs) -> Result<ArrayRef> {
        let settings = SessionFormat::of(&args.config_options);
        let result: Result<ArrayRef, _> = match self.direction {
            Direction::Read => values_of(
                array.as_string(),
                self.target,
                self.field.data_type(),
                &settings,
            ),
            Direction::Write => texts_of(array.as_ref(), PgType::of_field(from), &settings)
                .map(|texts| Arc::new(texts) as ArrayRef),
            Direction::Output => output_of(array.as_ref(), PgType::of_field(from), &settings)
                .map(|texts| Arc::new(texts) as ArrayRef),
            Direction::Cut => Ok(Arc::new(cut_texts(array.as_string(), self.target))),
        };
        result.map_err(|error| PgError::from(error).into_datafusion())
    }
}

impl ScalarUDFImpl for TextCast {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        internal_err!("a cast gives a field")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let is_nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        let field = self.field.as_ref().clone().with_nullable(is_nullable);
        Ok(Arc::new(field))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let from = Arc::clone(&args.arg_fields[0]);
        match &args.args[0] {
            ColumnarValue::Array(array) => {
                Ok(ColumnarValue::Array(self.cast(array, &from, &args)?))
            }
            ColumnarValue::Scalar(value) => {
                let result = self.cast(&value.to_array()?, &from, &args)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
                    &result, 0,
                )?))
            }
        }
    }
}
