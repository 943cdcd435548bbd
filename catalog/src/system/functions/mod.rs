//! What can a query ask of the catalog by calling a function? A file per purpose.
//!
//! A function sees one row at a time: these are called on a handful of catalog rows, and one body that reads like
//! PostgreSQL's documentation is worth more here than a vectorised one.

mod arrays;
mod casts;
mod control;
mod definitions;
mod descriptions;
mod identity;
mod keywords;
mod privileges;
mod settings;
mod sizes;
mod text;
mod visibility;

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::catalog::TableFunction;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    TypeSignature, Volatility,
};
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;

pub(super) use arrays::{ARRAY_SUBQUERY, COALESCE, ELEMENT, EXPANDED, NO_RELATIONS, SUBSCRIPTS};
pub(super) use casts::{REG_IN, REG_OUT, REG_TYPES};

use super::session::SystemSession;
use crate::types::PgType;

/// Registers every function of the system catalog for one session. Functions of DataFusion of the same name
/// (`version`, `array_to_string` …) are replaced by those with PostgreSQL's meaning.
pub fn register(context: &SessionContext, session: &Arc<dyn SystemSession>) {
    for function in functions() {
        context.register_udf(udf(function, session));
    }
    for table_function in keywords::table_functions() {
        let function: Arc<TableFunction> = Arc::new(table_function);
        context.register_udtf(function.name(), function.function().clone());
    }
}

/// Names of every scalar function of the system catalog.
pub(super) fn function_names() -> impl Iterator<Item = &'static str> {
    functions().into_iter().map(|function| function.name)
}

fn functions() -> Vec<Function> {
    [
        arrays::functions(),
        casts::functions(),
        control::functions(),
        definitions::functions(),
        descriptions::functions(),
        identity::functions(),
        privileges::functions(),
        settings::functions(),
        sizes::functions(),
        text::functions(),
        visibility::functions(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn udf(function: Function, session: &Arc<dyn SystemSession>) -> ScalarUDF {
    ScalarUDF::new_from_impl(SystemFunction::new(function, session.clone()))
}

/// What a function gives back.
#[derive(Debug, Clone, Copy)]
pub(super) enum Returns {
    /// always this type
    Type(PgType),
    /// made from the types of the arguments
    From(fn(&[FieldRef]) -> Result<FieldRef>),
    /// made from the values of those arguments that are constants
    FromConstants(fn(&[Option<&ScalarValue>]) -> Result<FieldRef>),
}

impl From<PgType> for Returns {
    fn from(pg_type: PgType) -> Returns {
        Returns::Type(pg_type)
    }
}

/// One function: its name, how many arguments it takes, what it gives and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Function {
    name: &'static str,
    /// Argument counts; empty for any number.
    arity: &'static [usize],
    returns: Returns,
    volatility: Volatility,
    /// Is the result NULL as soon as an argument is?
    strict: bool,
    body: fn(&Call) -> Result<ScalarValue>,
}

impl Function {
    /// A function of the session or of the catalog: constant during a statement, NULL for NULL.
    pub(super) fn stable(
        name: &'static str,
        arity: &'static [usize],
        returns: impl Into<Returns>,
        body: fn(&Call) -> Result<ScalarValue>,
    ) -> Function {
        Function {
            name,
            arity,
            returns: returns.into(),
            volatility: Volatility::Stable,
            strict: true,
            body,
        }
    }

    /// A function of its arguments alone.
    pub(super) fn immutable(
        name: &'static str,
        arity: &'static [usize],
        returns: impl Into<Returns>,
        body: fn(&Call) -> Result<ScalarValue>,
    ) -> Function {
        Function {
            volatility: Volatility::Immutable,
            ..Function::stable(name, arity, returns, body)
        }
    }

    /// A function that does something.
    pub(super) fn volatile(
        name: &'static str,
        arity: &'static [usize],
        returns: impl Into<Returns>,
        body: fn(&Call) -> Result<ScalarValue>,
    ) -> Function {
        Function {
            volatility: Volatility::Volatile,
            ..Function::stable(name, arity, returns, body)
        }
    }

    /// The body sees NULL arguments.
    pub(super) fn with_nulls(self) -> Function {
        Function {
            strict: false,
            ..self
        }
    }
}

/// A call for one row.
pub(super) struct Call<'a> {
    pub session: &'a dyn SystemSession,
    pub args: &'a [ScalarValue],
    pub fields: &'a [FieldRef],
    pub return_field: &'a Field,
}

impl Call<'_> {
    /// An argument as text; None for NULL or a missing argument.
    pub fn text(&self, at: usize) -> Option<String> {
        let value = self.args.get(at)?;
        match value {
            ScalarValue::Utf8(text)
            | ScalarValue::Utf8View(text)
            | ScalarValue::LargeUtf8(text) => text.clone(),
            other if other.is_null() => None,
            other => Some(other.to_string()),
        }
    }

    /// An argument as an integer; None for NULL, a missing argument or text that is no number.
    pub fn integer(&self, at: usize) -> Option<i64> {
        match self.args.get(at)?.cast_to(&DataType::Int64) {
            Ok(ScalarValue::Int64(value)) => value,
            _ => None,
        }
    }

    /// An argument as an OID.
    pub fn oid(&self, at: usize) -> Option<u32> {
        self.integer(at).and_then(|value| u32::try_from(value).ok())
    }

    /// An argument as a boolean, `'t'` and its like included.
    pub fn boolean(&self, at: usize) -> Option<bool> {
        match self.args.get(at)?.cast_to(&DataType::Boolean) {
            Ok(ScalarValue::Boolean(value)) => value,
            _ => None,
        }
    }
}

/// Text as a result.
pub(super) fn text(value: impl Into<String>) -> Result<ScalarValue> {
    Ok(ScalarValue::Utf8(Some(value.into())))
}

/// Text or NULL as a result.
pub(super) fn text_or_null(value: Option<impl Into<String>>) -> Result<ScalarValue> {
    Ok(ScalarValue::Utf8(value.map(Into::into)))
}

/// A boolean as a result.
pub(super) fn boolean(value: bool) -> Result<ScalarValue> {
    Ok(ScalarValue::Boolean(Some(value)))
}

/// An integer of any width as a result; it is cast to the declared type.
pub(super) fn integer(value: impl Into<i64>) -> Result<ScalarValue> {
    Ok(ScalarValue::Int64(Some(value.into())))
}

/// A [`Function`] of one session as DataFusion calls it.
#[derive(Debug)]
struct SystemFunction {
    function: Function,
    signature: Signature,
    session: Arc<dyn SystemSession>,
}

impl SystemFunction {
    fn new(function: Function, session: Arc<dyn SystemSession>) -> SystemFunction {
        let any = |count: &usize| {
            if *count == 0 {
                TypeSignature::Nullary
            } else {
                TypeSignature::Any(*count)
            }
        };
        let signature = match function.arity {
            [] => TypeSignature::OneOf(vec![TypeSignature::Nullary, TypeSignature::VariadicAny]),
            [only] => any(only),
            several => TypeSignature::OneOf(several.iter().map(any).collect()),
        };
        SystemFunction {
            function,
            signature: Signature::new(signature, function.volatility),
            session,
        }
    }

    fn evaluate(
        &self,
        args: &[ScalarValue],
        fields: &[FieldRef],
        return_field: &Field,
    ) -> Result<ScalarValue> {
        let return_type = return_field.data_type();
        if self.function.strict && args.iter().any(ScalarValue::is_null) {
            return ScalarValue::try_from(return_type);
        }
        let call = Call {
            session: self.session.as_ref(),
            args,
            fields,
            return_field,
        };
        let value = (self.function.body)(&call)?;
        if value.data_type() == *return_type {
            Ok(value)
        } else {
            value.cast_to(return_type)
        }
    }
}

impl PartialEq for SystemFunction {
    fn eq(&self, other: &Self) -> bool {
        self.function.name == other.function.name && Arc::ptr_eq(&self.session, &other.session)
    }
}

impl Eq for SystemFunction {}

impl Hash for SystemFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name.hash(state);
    }
}

impl ScalarUDFImpl for SystemFunction {
    fn name(&self) -> &str {
        self.function.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        match self.function.returns {
            Returns::Type(pg_type) => Ok(pg_type.logical()),
            Returns::From(_) | Returns::FromConstants(_) => Err(DataFusionError::Internal(
                format!("{}: its type needs fields", self.name()),
            )),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        match self.function.returns {
            Returns::Type(pg_type) => Ok(Arc::new(pg_type.field(self.name(), true))),
            Returns::From(field) => Ok(Arc::new(
                Field::clone(field(args.arg_fields)?.as_ref()).with_name(self.name()),
            )),
            Returns::FromConstants(field) => field(args.scalar_arguments),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let return_type = args.return_field.data_type();
        let constants: Option<Vec<ScalarValue>> = args
            .args
            .iter()
            .map(|value| match value {
                ColumnarValue::Scalar(scalar) => Some(scalar.clone()),
                ColumnarValue::Array(_) => None,
            })
            .collect();
        if let Some(constants) = constants {
            return Ok(ColumnarValue::Scalar(self.evaluate(
                &constants,
                &args.arg_fields,
                &args.return_field,
            )?));
        }
        let mut results = Vec::with_capacity(args.number_rows);
        for row in 0..args.number_rows {
            let values = args
                .args
                .iter()
                .map(|value| match value {
                    ColumnarValue::Scalar(scalar) => Ok(scalar.clone()),
                    ColumnarValue::Array(array) => ScalarValue::try_from_array(array, row),
                })
                .collect::<Result<Vec<_>>>()?;
            results.push(self.evaluate(&values, &args.arg_fields, &args.return_field)?);
        }
        if results.is_empty() {
            return Ok(ColumnarValue::Array(
                datafusion::arrow::array::new_empty_array(return_type),
            ));
        }
        Ok(ColumnarValue::Array(ScalarValue::iter_to_array(results)?))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    #[test]
    fn no_two_functions_share_a_name() {
        let mut seen = HashSet::new();
        for function in super::functions() {
            assert!(
                seen.insert(function.name),
                "{} is defined twice",
                function.name
            );
        }
        assert!(seen.len() > 100, "{} functions", seen.len());
    }
}
