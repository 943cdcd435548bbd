//! How does pg_sleep wait without holding a thread, so that cancel ends it at once?

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Float64Array, StringArray};
use arrow::datatypes::DataType;
use async_trait::async_trait;
use datafusion::error::Result;
use datafusion::logical_expr::async_udf::{AsyncScalarUDF, AsyncScalarUDFImpl};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// pg_sleep(seconds)
pub fn function() -> ScalarUDF {
    let sleep = PgSleep {
        signature: Signature::exact(vec![DataType::Float64], Volatility::Volatile),
    };
    AsyncScalarUDF::new(Arc::new(sleep)).into_scalar_udf()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct PgSleep {
    signature: Signature,
}

impl ScalarUDFImpl for PgSleep {
    fn name(&self) -> &str {
        "pg_sleep"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, _arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        datafusion::common::internal_err!("pg_sleep is asynchronous")
    }
}

#[async_trait]
impl AsyncScalarUDFImpl for PgSleep {
    async fn invoke_async_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = arguments.number_rows;
        let seconds = arguments.args[0].to_array(rows)?;
        let seconds: &Float64Array = datafusion::common::cast::as_float64_array(&seconds)?;
        let total: f64 = seconds.iter().flatten().filter(|s| *s > 0.0).sum();
        // Longer than a duration can be is forever enough.
        let wait = Duration::try_from_secs_f64(total).unwrap_or(Duration::MAX / 4);
        tokio::time::sleep(wait).await;
        let empty: StringArray = (0..rows).map(|_| Some("")).collect();
        Ok(ColumnarValue::Array(Arc::new(empty) as ArrayRef))
    }
}
