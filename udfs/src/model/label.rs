//! What does a model predict, and how do its numbers become values of the label's own type?

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, StringArray, UInt32Array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Field};

use super::bytes::{Reader, Writer};
use super::encode::{numbers_of, visit_text};
use super::sql_type::{PG_TYPE_KEY, sql_type_name};
use crate::error::ModelError;

/// Most classes of a label.
pub const CLASSES_MAX: usize = 1_000;

/// What kind of answer a model gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// A number.
    Regression,
    /// One of a fixed list of classes.
    Classification,
}

impl Task {
    /// The word in options, signatures and views.
    pub fn word(self) -> &'static str {
        match self {
            Self::Regression => "regression",
            Self::Classification => "classification",
        }
    }

    /// The task that a word in an option means.
    pub fn parse(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "regression" => Some(Self::Regression),
            "classification" | "binary" | "multiclass" => Some(Self::Classification),
            _ => None,
        }
    }
}

/// The label column of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// Column name.
    pub name: String,
    /// Number or class.
    pub task: Task,
    /// Arrow type of predictions. Integer labels of a regression are predicted as `double precision`: a mean of
    /// integers is not an integer.
    pub data_type: DataType,
    /// SQL spelling of the predicted type when the Arrow type alone does not say it.
    pub pg_type: Option<String>,
    /// Text of each class in the order of their codes: numbers ascending, false before true, text by bytes.
    pub classes: Vec<String>,
    /// Code of the class that `predict_proba` reports when no class is named.
    pub positive: u32,
}

impl Label {
    /// The label of a regression.
    pub fn regression(field: &Field) -> Self {
        let integer = field.data_type().is_integer();
        let data_type = if integer {
            DataType::Float64
        } else {
            field.data_type().clone()
        };
        let pg_type = if integer {
            None
        } else {
            field.metadata().get(PG_TYPE_KEY).cloned()
        };
        Self {
            name: field.name().clone(),
            task: Task::Regression,
            data_type,
            pg_type,
            classes: vec![],
            positive: 0,
        }
    }

    /// The label of a classification over these classes; see [`class_texts`] for their spelling.
    pub fn classification(field: &Field, classes: Vec<String>) -> Self {
        let positive = classes.len().saturating_sub(1) as u32;
        Self {
            name: field.name().clone(),
            task: Task::Classification,
            data_type: value_type(field.data_type()),
            pg_type: field.metadata().get(PG_TYPE_KEY).cloned(),
            classes,
            positive,
        }
    }

    /// Numbers that a model gives per row: one, or one probability per class.
    pub fn outputs(&self) -> usize {
        match self.task {
            Task::Classification => self.classes.len(),
            Task::Regression => 1,
        }
    }

    /// The field of a prediction.
    pub fn predicted_field(&self, name: &str) -> Field {
        let field = Field::new(name, self.data_type.clone(), true);
        match &self.pg_type {
            Some(pg_type) => {
                field.with_metadata([(PG_TYPE_KEY.to_owned(), pg_type.clone())].into())
            }
            None => field,
        }
    }

    /// The code of a class, by its text.
    pub fn class_code(&self, text: &str) -> Option<u32> {
        self.classes
            .iter()
            .position(|class| class == text)
            .map(|code| code as u32)
    }

    /// Class codes as values of the label's type.
    pub fn class_values(&self, codes: &[u32]) -> Result<ArrayRef, ModelError> {
        let texts: ArrayRef = std::sync::Arc::new(StringArray::from(self.classes.clone()));
        let values = self.cast_values(&texts)?;
        take(&values, &UInt32Array::from(codes.to_vec()), None)
            .map_err(|error| ModelError::damaged(error.to_string()))
    }

    /// Predicted numbers as values of the label's type.
    pub fn number_values(&self, numbers: Vec<f64>) -> Result<ArrayRef, ModelError> {
        let values: ArrayRef = std::sync::Arc::new(Float64Array::from(numbers));
        if self.data_type == DataType::Float64 {
            Ok(values)
        } else {
            self.cast_values(&values)
        }
    }

    fn cast_values(&self, values: &ArrayRef) -> Result<ArrayRef, ModelError> {
        cast(values, &self.data_type)
            .map_err(|_| ModelError::damaged("predictions do not fit the label's type"))
    }

    /// Appends the stored form.
    pub fn write(&self, writer: &mut Writer) {
        writer.text(&self.name);
        writer.u8(u8::from(self.task == Task::Classification));
        writer.text(&self.data_type.to_string());
        writer.text(self.pg_type.as_deref().unwrap_or(""));
        writer.u32(self.positive);
        writer.u32(self.classes.len() as u32);
        for class in &self.classes {
            writer.text(class);
        }
    }

    /// Reads the stored form.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, ModelError> {
        let name = reader.text()?.to_owned();
        let task = match reader.u8()? {
            0 => Task::Regression,
            1 => Task::Classification,
            _ => return Err(ModelError::damaged("unknown task")),
        };
        let data_type = read_data_type(reader)?;
        let pg_type = Some(reader.text()?.to_owned()).filter(|spelling| !spelling.is_empty());
        let positive = reader.u32()?;
        let count = reader.count(8)?;
        if count > CLASSES_MAX
            || (task == Task::Classification && (count < 2 || positive as usize >= count))
        {
            return Err(ModelError::damaged("the classes do not fit the task"));
        }
        let classes = (0..count)
            .map(|_| Ok(reader.text()?.to_owned()))
            .collect::<Result<Vec<_>, ModelError>>()?;
        Ok(Self {
            name,
            task,
            data_type,
            pg_type,
            classes,
            positive,
        })
    }
}

/// Reads an Arrow type from its text; nested types are refused, so that no text recurses.
pub fn read_data_type(reader: &mut Reader<'_>) -> Result<DataType, ModelError> {
    let text = reader.text()?;
    if text.len() > 100 || text.matches('(').count() > 2 {
        return Err(ModelError::damaged("a type is too long"));
    }
    text.parse()
        .map_err(|_| ModelError::damaged("unknown type"))
}

fn value_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, value) => value_type(value),
        other => other.clone(),
    }
}

/// The class of each row as text, `None` for NULL and NaN.
pub fn class_texts(column: &str, values: &ArrayRef) -> Result<Vec<Option<String>>, ModelError> {
    let unsupported = || ModelError::UnsupportedType {
        column: column.to_owned(),
        got: sql_type_name(values.data_type()),
        role: "label",
    };
    let mut texts = Vec::with_capacity(values.len());
    if matches!(
        values.data_type(),
        DataType::Float16 | DataType::Float32 | DataType::Float64
    ) {
        for number in numbers_of(column, values)? {
            texts.push((!number.is_nan()).then(|| number.to_string()));
        }
        return Ok(texts);
    }
    if !(values.data_type().is_primitive() || is_label_type(values.data_type())) {
        return Err(unsupported());
    }
    let text = match values.data_type() {
        DataType::Boolean => {
            let flags = values.as_boolean();
            return Ok(flags
                .iter()
                .map(|flag| flag.map(|flag| flag.to_string()))
                .collect());
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..) => {
            values.clone()
        }
        _ => cast(values, &DataType::Utf8).map_err(|_| unsupported())?,
    };
    visit_text(column, &text, |_, text| texts.push(text.map(str::to_owned)))
        .map_err(|_| unsupported())?;
    Ok(texts)
}

fn is_label_type(data_type: &DataType) -> bool {
    match data_type {
        DataType::Boolean | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, value) => is_label_type(value),
        _ => false,
    }
}

/// Classes in the order of their codes: numerically when the label is a number, else by bytes.
pub fn order_classes(data_type: &DataType, mut classes: Vec<String>) -> Vec<String> {
    if data_type.is_numeric() {
        let number = |text: &String| text.parse::<f64>().unwrap_or(f64::NAN);
        classes.sort_by(|left, right| {
            number(left)
                .total_cmp(&number(right))
                .then_with(|| left.cmp(right))
        });
    } else {
        classes.sort();
    }
    classes.dedup();
    classes
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{BooleanArray, Int32Array};

    use super::*;

    #[test]
    fn classes_come_back_in_the_labels_own_type() {
        let field = Field::new("y", DataType::Int32, true);
        let values: ArrayRef = Arc::new(Int32Array::from(vec![Some(10), Some(9), None]));
        let texts = class_texts("y", &values).unwrap();
        assert_eq!(texts[2], None);
        let classes = order_classes(&DataType::Int32, texts.into_iter().flatten().collect());
        let label = Label::classification(&field, classes);
        assert_eq!(label.classes, ["9", "10"]);
        let back = label.class_values(&[1, 0]).unwrap();
        assert_eq!(
            back.as_primitive::<arrow::datatypes::Int32Type>().values(),
            &[10, 9]
        );

        let flags: ArrayRef = Arc::new(BooleanArray::from(vec![true]));
        let label = Label::classification(
            &Field::new("b", DataType::Boolean, true),
            vec!["false".into(), "true".into()],
        );
        assert_eq!(&label.class_values(&[1]).unwrap(), &flags);
        assert_eq!(label.positive, 1);
    }

    #[test]
    fn the_stored_form_comes_back_with_its_type() {
        for data_type in [
            DataType::Decimal128(38, 10),
            DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, Some("UTC".into())),
            DataType::Utf8View,
            DataType::Float32,
        ] {
            let mut field = Field::new("y", data_type, true);
            field.set_metadata([(PG_TYPE_KEY.to_owned(), "varchar(20)".to_owned())].into());
            let label = Label::classification(&field, vec!["a".into(), "b".into()]);
            let mut writer = Writer::default();
            label.write(&mut writer);
            assert_eq!(
                Label::read(&mut Reader::new(&writer.into_bytes())).unwrap(),
                label
            );
        }
    }

    #[test]
    fn an_integer_regression_predicts_doubles() {
        let label = Label::regression(&Field::new("n", DataType::Int64, true));
        assert_eq!(label.data_type, DataType::Float64);
    }
}
