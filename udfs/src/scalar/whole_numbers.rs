//! Functions that count elements of arrays: `cardinality`, `array_length` and their like give integer.
//!
//! DataFusion gives them an unsigned type that PostgreSQL does not have and that clients would read as numeric.

use std::sync::Arc;

use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::error::Result;
use datafusion::functions_nested;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};

/// A function of DataFusion whose unsigned result is an integer.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct WholeNumber {
    inner: Arc<ScalarUDF>,
}

/// The functions.
pub fn functions() -> Vec<ScalarUDF> {
    [
        functions_nested::cardinality::cardinality_udf(),
        functions_nested::length::array_length_udf(),
        functions_nested::dimension::array_ndims_udf(),
        functions_nested::position::array_position_udf(),
        functions_nested::position::array_positions_udf(),
    ]
    .map(|inner| ScalarUDF::from(WholeNumber { inner }))
    .into()
}

/// The signed type in place of an unsigned one.
fn signed(data_type: &DataType) -> DataType {
    match data_type {
        DataType::UInt64 => DataType::Int32,
        DataType::List(element) => {
            let element_type = signed(element.data_type());
            let element = element.as_ref().clone().with_data_type(element_type);
            DataType::List(Arc::new(element))
        }
        other => other.clone(),
    }
}

impl ScalarUDFImpl for WholeNumber {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(arg_types)
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(signed(&self.inner.return_type(arg_types)?))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let field = self.inner.return_field_from_args(args)?;
        let data_type = signed(field.data_type());
        Ok(Arc::new(field.as_ref().clone().with_data_type(data_type)))
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let types: Vec<DataType> = args
            .arg_fields
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        let target = args.return_field.data_type().clone();
        let unsigned = self.inner.return_type(&types)?;
        args.return_field = Arc::new(Field::new(self.name(), unsigned, true));
        Ok(match self.inner.invoke_with_args(args)? {
            ColumnarValue::Array(array) => ColumnarValue::Array(cast(&array, &target)?),
            ColumnarValue::Scalar(value) => ColumnarValue::Scalar(value.cast_to(&target)?),
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}
