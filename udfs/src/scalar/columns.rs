//! How does a function over columns become one that a SELECT can call?
//!
//! A [`ColumnFunction`] says which arguments it takes, what it gives, and how it gets there from columns of
//! equal length. Everything else is the same for all of them and stands here.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::StringBuilder;
use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray, StringArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, FieldRef, Int32Type};
use datafusion::common::{exec_err, internal_err};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, DocSection, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;

use super::overload::{Kind, Overload, resolve};
use crate::time::clock::Clock;

/// A function: its name, its forms and its body.
#[derive(Debug)]
pub struct ColumnFunction {
    /// As SQL calls it.
    pub name: &'static str,
    /// How a call is written, for the reference.
    pub syntax: &'static str,
    /// What it gives, for the reference, in one sentence.
    pub description: &'static str,
    /// The argument types that it takes.
    pub overloads: &'static [Overload],
    /// The type of a result that no form says, from the arguments.
    pub gives: Option<fn(&ReturnFieldArgs) -> Result<DataType>>,
    /// May the result differ for the same arguments?
    pub volatility: Volatility,
    /// Columns in, a column out.
    pub body: fn(&Columns) -> Result<ArrayRef>,
}

impl ColumnFunction {
    /// As DataFusion calls it.
    pub fn udf(&'static self) -> ScalarUDF {
        ScalarUDF::from(Registered {
            function: self,
            signature: Signature::user_defined(self.volatility),
            documentation: Documentation::builder(
                DocSection::default(),
                self.description,
                self.syntax,
            )
            .build(),
        })
    }
}

/// The arguments of a call: columns of as many rows.
pub struct Columns<'a> {
    arrays: Vec<ArrayRef>,
    /// How many rows there are.
    pub rows: usize,
    /// The session's time and zone.
    pub clock: Clock,
    /// The arguments' fields.
    pub fields: &'a [FieldRef],
    /// The type of the result.
    pub gives: &'a DataType,
}

impl Columns<'_> {
    /// How many arguments there are.
    pub fn len(&self) -> usize {
        self.arrays.len()
    }

    /// Are there no arguments?
    pub fn is_empty(&self) -> bool {
        self.arrays.is_empty()
    }

    /// An argument as it came.
    pub fn array(&self, at: usize) -> &ArrayRef {
        &self.arrays[at]
    }

    /// An argument of text.
    pub fn text(&self, at: usize) -> &StringArray {
        self.arrays[at].as_string()
    }

    /// An argument of this type.
    pub fn primitive<T: ArrowPrimitiveType>(&self, at: usize) -> &PrimitiveArray<T> {
        self.arrays[at].as_primitive()
    }

    /// Is an argument of text?
    pub fn is_text(&self, at: usize) -> bool {
        *self.arrays[at].data_type() == DataType::Utf8
    }

    /// An integer argument, or what it is if the call does not have it.
    pub fn integer_or(&self, at: usize, row: usize, absent: i32) -> i32 {
        match self.arrays.get(at) {
            Some(array) => array.as_primitive::<Int32Type>().value(row),
            None => absent,
        }
    }

    /// The type of an argument.
    pub fn data_type(&self, at: usize) -> &DataType {
        self.arrays[at].data_type()
    }

    /// Where an argument is NULL, and so the result.
    pub fn nulls(&self) -> Option<NullBuffer> {
        NullBuffer::union_many(self.arrays.iter().map(|array| array.nulls()))
    }

    /// A value for every row without a NULL.
    pub fn map<T: ArrowPrimitiveType>(
        &self,
        value: impl Fn(usize) -> Result<T::Native>,
    ) -> Result<ArrayRef> {
        let nulls = self.nulls();
        let mut values = Vec::with_capacity(self.rows);
        match &nulls {
            None => {
                for row in 0..self.rows {
                    values.push(value(row)?);
                }
            }
            Some(nulls) => {
                for row in 0..self.rows {
                    let is_null = nulls.is_null(row);
                    values.push(if is_null {
                        T::default_value()
                    } else {
                        value(row)?
                    });
                }
            }
        }
        let array = PrimitiveArray::<T>::try_new(values.into(), nulls)?;
        Ok(Arc::new(array.with_data_type(self.gives.clone())))
    }

    /// A value or NULL for every row without a NULL.
    pub fn map_some<T: ArrowPrimitiveType>(
        &self,
        value: impl Fn(usize) -> Result<Option<T::Native>>,
    ) -> Result<ArrayRef> {
        let nulls = self.nulls();
        let is_null = |row| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
        let mut values = Vec::with_capacity(self.rows);
        for row in 0..self.rows {
            values.push(if is_null(row) { None } else { value(row)? });
        }
        let array = PrimitiveArray::<T>::from_iter(values);
        Ok(Arc::new(array.with_data_type(self.gives.clone())))
    }

    /// A text for every row without a NULL: `write` appends it, and says whether there is one.
    pub fn map_text(
        &self,
        mut write: impl FnMut(usize, &mut String) -> Result<bool>,
    ) -> Result<ArrayRef> {
        let nulls = self.nulls();
        let mut texts = StringBuilder::with_capacity(self.rows, self.rows * 16);
        let mut buffer = String::new();
        for row in 0..self.rows {
            let is_null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
            buffer.clear();
            if !is_null && write(row, &mut buffer)? {
                texts.append_value(&buffer);
            } else {
                texts.append_null();
            }
        }
        Ok(Arc::new(texts.finish()))
    }

    /// A text for every row, also where arguments are NULL: `write` appends it, and says whether there is one.
    pub fn map_text_with_nulls(
        &self,
        mut write: impl FnMut(usize, &mut String) -> Result<bool>,
    ) -> Result<ArrayRef> {
        let mut texts = StringBuilder::with_capacity(self.rows, self.rows * 16);
        let mut buffer = String::new();
        for row in 0..self.rows {
            buffer.clear();
            match write(row, &mut buffer)? {
                true => texts.append_value(&buffer),
                false => texts.append_null(),
            }
        }
        Ok(Arc::new(texts.finish()))
    }

    /// True or false for every row without a NULL.
    pub fn map_boolean(&self, value: impl Fn(usize) -> Result<bool>) -> Result<ArrayRef> {
        let nulls = self.nulls();
        let mut values = Vec::with_capacity(self.rows);
        for row in 0..self.rows {
            let is_null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
            values.push(!is_null && value(row)?);
        }
        Ok(Arc::new(arrow::array::BooleanArray::new(
            values.into(),
            nulls,
        )))
    }
}

#[derive(Debug)]
struct Registered {
    function: &'static ColumnFunction,
    signature: Signature,
    documentation: Documentation,
}

impl PartialEq for Registered {
    fn eq(&self, other: &Self) -> bool {
        self.function.name == other.function.name
    }
}

impl Eq for Registered {}

impl Hash for Registered {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name.hash(state);
    }
}

impl ScalarUDFImpl for Registered {
    fn name(&self) -> &str {
        self.function.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        internal_err!("{} gives a field", self.name())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<DataType> = args
            .arg_fields
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        let overload = resolve(self.name(), self.function.overloads, &types)?;
        let data_type = match (overload.gives, self.function.gives) {
            (Kind::Any, Some(gives)) => gives(&args)?,
            (kind, _) => kind.arrow(),
        };
        Ok(Arc::new(Field::new(self.name(), data_type, true)))
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        // A call that means none of the forms is refused with its own error by `return_field_from_args`.
        Ok(
            match resolve(self.name(), self.function.overloads, arguments) {
                Ok(overload) => overload.targets(arguments),
                Err(_) => arguments.to_vec(),
            },
        )
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_constant = self.function.volatility != Volatility::Volatile
            && args
                .args
                .iter()
                .all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if is_constant { 1 } else { args.number_rows };
        let arrays = args
            .args
            .iter()
            .map(|value| value.to_array(rows))
            .collect::<Result<Vec<_>>>()?;
        let columns = Columns {
            arrays,
            rows,
            clock: Clock::of(&args.config_options),
            fields: &args.arg_fields,
            gives: args.return_field.data_type(),
        };
        let result = (self.function.body)(&columns)?;
        if result.len() != rows {
            return exec_err!("{} gave {} rows for {rows}", self.name(), result.len());
        }
        if is_constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
                &result, 0,
            )?));
        }
        Ok(ColumnarValue::Array(result))
    }
}
