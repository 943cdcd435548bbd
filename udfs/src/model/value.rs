//! What is a model as a value of a query: which type has it, and how is it opened for scoring?
//!
//! A model value is the whole artefact of one model without groups, as bytes. Its type says what it predicts,
//! `model(text)` or `model(double precision)`, so that the type of a prediction is known before any row is read.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::{DataType, Field};

use super::cache::ModelCache;
use super::features::SourceFamily;
use super::label::Task;
use super::loaded::LoadedModel;
use super::sql_type::{PG_TYPE_KEY, sql_type_name};
use crate::error::ModelError;

/// Arrow type of model values: a view, because a join repeats a model for each of its rows.
pub const MODEL_ARROW_TYPE: DataType = DataType::BinaryView;

/// Types that a model value may predict.
const PREDICTED: [DataType; 6] = [
    DataType::Boolean,
    DataType::Int16,
    DataType::Int32,
    DataType::Int64,
    DataType::Float64,
    DataType::Utf8,
];

/// Bytes of opened values that a scoring function keeps.
const OPENED_BYTES_MAX: usize = 64 << 20;

/// The type in which a label of this type is predicted; `None` when it cannot be a label.
pub fn predicted_type(label: &DataType, task: Task) -> Option<DataType> {
    let family = SourceFamily::of(label)?;
    let number = |data_type: &DataType| match data_type {
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => DataType::Int16,
        DataType::Int32 | DataType::UInt16 => DataType::Int32,
        DataType::Int64 | DataType::UInt32 => DataType::Int64,
        _ => DataType::Float64,
    };
    match (family, task) {
        _ if matches!(
            label,
            DataType::Time32(_) | DataType::Time64(_) | DataType::Duration(_)
        ) =>
        {
            None
        }
        (SourceFamily::Number, Task::Regression) => Some(DataType::Float64),
        (SourceFamily::Number, Task::Classification) => Some(match label {
            DataType::Dictionary(_, value) => number(value),
            other => number(other),
        }),
        (SourceFamily::Boolean, Task::Classification) => Some(DataType::Boolean),
        (SourceFamily::Text, Task::Classification) => Some(DataType::Utf8),
        _ => None,
    }
}

/// The field of a model value that predicts this type.
pub fn model_field(name: &str, predicted: &DataType) -> Field {
    let spelling = format!("model({})", sql_type_name(predicted));
    Field::new(name, MODEL_ARROW_TYPE, true)
        .with_metadata([(PG_TYPE_KEY.to_owned(), spelling)].into())
}

/// What the model values of a field predict; `None` when it holds no models.
pub fn predicted_by(field: &Field) -> Option<DataType> {
    let spelling = field.metadata().get(PG_TYPE_KEY)?;
    let inner = spelling.strip_prefix("model(")?.strip_suffix(')')?;
    PREDICTED
        .into_iter()
        .find(|data_type| sql_type_name(data_type) == inner)
}

/// Opened model values, by what stands in their headers: checksums of all their parts.
#[derive(Debug, Default)]
pub struct OpenedValues {
    inner: Mutex<Opened>,
}

#[derive(Debug, Default)]
struct Opened {
    models: HashMap<Box<[u8]>, Arc<LoadedModel>>,
    /// Keys and lengths, the oldest first.
    order: VecDeque<(Box<[u8]>, usize)>,
    bytes: usize,
}

impl OpenedValues {
    /// The model in these bytes.
    ///
    /// # Errors
    /// [`ModelError::Damaged`] when they are no model.
    pub fn open(&self, bytes: &[u8]) -> Result<Arc<LoadedModel>, ModelError> {
        let key: Box<[u8]> = bytes[..bytes.len().min(super::artefact::HEADER_BYTES)].into();
        if let Some(known) = self.lock().models.get(&key) {
            return Ok(Arc::clone(known));
        }
        let file: Arc<dyn super::artefact::ReadAt> = Arc::new(bytes.to_vec());
        let opened = LoadedModel::open("model value", 0, file, &ModelCache::new(0))?;
        if opened.is_grouped() {
            return Err(ModelError::damaged("a model value has groups"));
        }
        let opened = Arc::new(opened);
        let mut inner = self.lock();
        if inner
            .models
            .insert(key.clone(), Arc::clone(&opened))
            .is_none()
        {
            inner.order.push_back((key, bytes.len()));
            inner.bytes += bytes.len();
        }
        while inner.bytes > OPENED_BYTES_MAX && inner.order.len() > 1 {
            let Some((oldest, length)) = inner.order.pop_front() else {
                break;
            };
            inner.models.remove(&oldest);
            inner.bytes -= length;
        }
        Ok(opened)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Opened> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_says_what_a_model_predicts() {
        for data_type in PREDICTED {
            let field = model_field("m", &data_type);
            assert_eq!(predicted_by(&field), Some(data_type));
        }
        assert_eq!(predicted_by(&Field::new("b", MODEL_ARROW_TYPE, true)), None);
        let decimal = DataType::Decimal128(10, 2);
        assert_eq!(
            predicted_type(&decimal, Task::Regression),
            Some(DataType::Float64)
        );
        assert_eq!(predicted_type(&DataType::Utf8, Task::Regression), None);
        assert_eq!(
            predicted_type(&DataType::Date32, Task::Classification),
            None
        );
    }

    #[test]
    fn bytes_that_are_no_model_are_refused() {
        let opened = OpenedValues::default();
        for bytes in [&b""[..], b"TARNMODL", &[0; 200]] {
            assert!(matches!(
                opened.open(bytes),
                Err(ModelError::Damaged { .. })
            ));
        }
    }
}
