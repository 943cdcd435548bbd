//! `concat(a, …)`: the values behind one another as text, NULL as nothing.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, DocSection, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};

use super::number::call::over_arrays;

/// The function `concat`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Concat {
    signature: Signature,
}

/// The function `concat`.
pub fn function() -> ScalarUDF {
    ScalarUDF::from(Concat {
        signature: Signature::user_defined(Volatility::Immutable),
    })
}

impl ScalarUDFImpl for Concat {
    fn name(&self) -> &str {
        "concat"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let text = |data_type: &DataType| match data_type {
            DataType::Boolean => DataType::Boolean,
            _ => DataType::Utf8,
        };
        Ok(arg_types.iter().map(text).collect())
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn documentation(&self) -> Option<&Documentation> {
        static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
            let section = DocSection {
                include: true,
                label: "String Functions",
                description: None,
            };
            let gives = "The values behind one another as text; NULL is nothing.";
            Documentation::builder(section, gives, "concat(a[, …])").build()
        });
        Some(&DOCUMENTATION)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        over_arrays(&args, |arrays| {
            let rows = arrays.first().map_or(0, |array| array.len());
            let parts: Vec<ArrayRef> = arrays.iter().map(texts).collect::<Result<_>>()?;
            let parts: Vec<_> = parts.iter().map(|part| part.as_string::<i32>()).collect();
            let mut joined = StringBuilder::new();
            for row in 0..rows {
                let mut text = String::new();
                for part in parts.iter().filter(|part| part.is_valid(row)) {
                    text.push_str(part.value(row));
                }
                joined.append_value(text);
            }
            Ok(Arc::new(joined.finish()) as ArrayRef)
        })
    }
}

/// Values as text; booleans are the letters that a client reads.
fn texts(array: &ArrayRef) -> Result<ArrayRef> {
    if array.data_type() != &DataType::Boolean {
        return Ok(cast(array, &DataType::Utf8)?);
    }
    let letters = array.as_boolean().iter().map(|truth| match truth? {
        true => Some("t"),
        false => Some("f"),
    });
    Ok(Arc::new(letters.collect::<arrow::array::StringArray>()))
}
