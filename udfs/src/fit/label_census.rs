//! What values does the target column have, and what task do they ask for?

use std::collections::BTreeMap;

use crate::model::encode::numbers_of;
use crate::model::features::SourceFamily;
use crate::model::label::{CLASSES_MAX, Label, Task, class_texts, order_classes};
use crate::model::sql_type::sql_type_of;
use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::compute::is_not_null;
use arrow::datatypes::{DataType, Field};

use super::error::TrainError;

/// Labels beyond this cannot be learned: sums of squares would overflow.
pub const LABEL_MAX: f64 = 1e100;

/// Counts of the label's values, while there are few enough to be classes.
#[derive(Debug, Clone)]
pub struct LabelCensus {
    field: Field,
    counts: BTreeMap<String, u64>,
    too_many: bool,
    missing: u64,
    infinite: u64,
}

impl LabelCensus {
    /// A census of a column.
    pub fn new(field: &Field) -> Result<Self, TrainError> {
        let family = SourceFamily::of(field.data_type());
        if !matches!(
            family,
            Some(SourceFamily::Boolean | SourceFamily::Number | SourceFamily::Text)
        ) || matches!(
            field.data_type(),
            DataType::Time32(_) | DataType::Time64(_) | DataType::Duration(_)
        ) {
            return Err(TrainError::ColumnType {
                column: field.name().clone(),
                sql_type: sql_type_of(field),
                role: "the target",
            });
        }
        Ok(Self {
            field: field.clone(),
            counts: BTreeMap::new(),
            too_many: false,
            missing: 0,
            infinite: 0,
        })
    }

    /// Which rows have a label; counts those that have none.
    pub fn labelled(&mut self, values: &ArrayRef) -> Result<BooleanArray, TrainError> {
        let present = match values.data_type() {
            DataType::Float16 | DataType::Float32 | DataType::Float64 => {
                let numbers = numbers_of(self.field.name(), values)?;
                self.infinite += numbers
                    .iter()
                    .filter(|number| number.abs() > LABEL_MAX)
                    .count() as u64;
                BooleanArray::from_iter(
                    numbers.iter().map(|number| Some(number.abs() <= LABEL_MAX)),
                )
            }
            DataType::Dictionary(_, value) => is_not_null(&arrow::compute::cast(values, value)?)?,
            _ => is_not_null(values)?,
        };
        self.missing += (present.len() - present.true_count()) as u64;
        Ok(present)
    }

    /// Counts labels that are there.
    pub fn observe(&mut self, values: &ArrayRef) -> Result<(), TrainError> {
        if self.too_many {
            return Ok(());
        }
        for text in class_texts(self.field.name(), values)?
            .into_iter()
            .flatten()
        {
            *self.counts.entry(text).or_insert(0) += 1;
            if self.counts.len() > CLASSES_MAX {
                self.too_many = true;
                self.counts.clear();
                break;
            }
        }
        Ok(())
    }

    /// Rows skipped because their label is NULL, NaN or infinite.
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// The skipped rows whose label is infinite.
    pub fn infinite(&self) -> u64 {
        self.infinite
    }

    /// The label and, when the task was guessed from few values, a notice.
    pub fn label(&self, task: Option<Task>) -> Result<(Label, Option<String>), TrainError> {
        let integer = self.field.data_type().is_integer();
        let number = SourceFamily::of(self.field.data_type()) == Some(SourceFamily::Number);
        let two_integers = integer && !self.too_many && self.counts.len() == 2;
        let task = match task {
            Some(Task::Regression) if !number => return Err(self.wrong_task()),
            Some(task) => task,
            None if number && !two_integers => Task::Regression,
            None => Task::Classification,
        };
        if task == Task::Regression {
            return Ok((Label::regression(&self.field), None));
        }
        if self.too_many {
            return Err(TrainError::Unlearnable {
                reason: format!(
                    "column \"{}\" has more than {CLASSES_MAX} different values",
                    self.field.name()
                ),
                hint: "Group rare values together, or predict a number.".into(),
            });
        }
        let classes = order_classes(
            self.field.data_type(),
            self.counts.keys().cloned().collect(),
        );
        let notice = (number && two_integers).then(|| {
            format!(
                "column \"{}\" has exactly two values, {} and {}, and is treated as two classes; WITH (task = 'regression') predicts a number instead",
                self.field.name(), classes[0], classes[1]
            )
        });
        Ok((Label::classification(&self.field, classes), notice))
    }

    fn wrong_task(&self) -> TrainError {
        TrainError::WrongTask {
            what: format!(
                "column \"{}\" of type {}",
                self.field.name(),
                sql_type_of(&self.field)
            ),
            task: "regression",
            hint: "Leave the task option out: the column has classes.".into(),
        }
    }
}
