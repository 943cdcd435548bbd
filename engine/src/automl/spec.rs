//! What does a CREATE MODEL statement ask for, and can its query give it? Checked before the query runs.

use std::collections::HashSet;

use arrow::datatypes::{DataType, Field, Schema};
use tarn_udfs::model::features::SourceFamily;
use tarn_udfs::model::group_key::KeyColumn;
use tarn_udfs::model::label::Task;
use tarn_udfs::model::sql_type::sql_type_of;

use super::options::TrainOptions;
use super::training_set::Layout;
use tarn_udfs::fit::algorithm::{self, Algorithm};
use tarn_udfs::fit::candidates::CandidateLearner;
use tarn_udfs::fit::error::TrainError;
use tarn_udfs::fit::label_census::LabelCensus;
use tarn_udfs::fit::metric::Metric;
use tarn_udfs::fit::option_value::OptionValue;
use tarn_udfs::suggest::nearest;

/// What follows AS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LearnerSpec {
    /// `AUTOML (options)`.
    Automl(Vec<(String, OptionValue)>),
    /// `name (params)`.
    Named {
        /// Algorithm as written.
        name: String,
        /// Parameters as written.
        params: Vec<(String, OptionValue)>,
    },
}

/// A CREATE MODEL statement without its query; identifiers are folded already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainSpec {
    /// Model name, for messages.
    pub model_name: String,
    /// TARGET.
    pub target: String,
    /// PARTITION BY.
    pub partition_by: Vec<String>,
    /// ORDER BY.
    pub order_by: Option<String>,
    /// EXCLUDE.
    pub exclude: Vec<String>,
    /// WITH.
    pub options: Vec<(String, OptionValue)>,
    /// AS.
    pub learner: LearnerSpec,
}

/// A statement that fits its query.
#[derive(Debug, Clone)]
pub struct CheckedTrainSpec {
    /// Model name, for messages.
    pub model_name: String,
    /// Schema of the query.
    pub schema: Schema,
    /// Which column plays which role.
    pub layout: Layout,
    /// Checked options.
    pub options: TrainOptions,
    /// The named algorithm; `None` is AUTOML.
    pub algorithm: Option<Algorithm>,
    /// What the user should know before training starts.
    pub notices: Vec<String>,
}

impl CheckedTrainSpec {
    /// The seed of every random choice.
    pub fn seed(&self) -> u64 {
        self.algorithm
            .as_ref()
            .and_then(|algorithm| algorithm.seed)
            .unwrap_or(self.options.seed)
    }

    /// Name of the ORDER BY column when it is also a feature.
    pub fn order_feature(&self) -> Option<&str> {
        let position = self.layout.order_by?;
        self.layout
            .features
            .contains(&position)
            .then(|| self.schema.field(position).name().as_str())
    }
}

/// Checks a statement against the schema of its query.
pub fn check(spec: &TrainSpec, schema: &Schema) -> Result<CheckedTrainSpec, TrainError> {
    check_names(schema)?;
    let layout = layout_of(spec, schema)?;
    let (mut options, algorithm) = match &spec.learner {
        LearnerSpec::Automl(automl) => (
            TrainOptions::check(spec.options.iter().chain(automl), "AUTOML")?,
            None,
        ),
        LearnerSpec::Named { name, params } => (
            TrainOptions::check(&spec.options, "WITH")?,
            Some(algorithm::check(name, params)?),
        ),
    };
    if algorithm.is_some() && !options.timeout_given {
        // The default time is for searches; a setting that the statement names is fitted to its end.
        options.timeout = None;
    }
    check_task(&options, schema.field(layout.label))?;
    let mut notices = options.notices.clone();
    notices.extend(
        algorithm
            .iter()
            .flat_map(|algorithm| algorithm.notices.iter().cloned()),
    );
    Ok(CheckedTrainSpec {
        model_name: spec.model_name.clone(),
        schema: schema.clone(),
        layout,
        options,
        algorithm,
        notices,
    })
}

fn check_names(schema: &Schema) -> Result<(), TrainError> {
    let mut seen = HashSet::new();
    match schema
        .fields()
        .iter()
        .find(|field| !seen.insert(field.name()))
    {
        Some(field) => Err(TrainError::AmbiguousColumn {
            column: field.name().clone(),
        }),
        None => Ok(()),
    }
}

fn position(schema: &Schema, column: &str, clause: &'static str) -> Result<usize, TrainError> {
    let names = || schema.fields().iter().map(|field| field.name().as_str());
    names()
        .position(|name| name == column)
        .ok_or_else(|| TrainError::UnknownColumn {
            column: column.to_owned(),
            clause,
            suggestion: nearest(column, names()),
        })
}

fn layout_of(spec: &TrainSpec, schema: &Schema) -> Result<Layout, TrainError> {
    let label = position(schema, &spec.target, "TARGET")?;
    LabelCensus::new(schema.field(label))?;
    let mut keys = Vec::new();
    for column in &spec.partition_by {
        let key = position(schema, column, "PARTITION BY")?;
        KeyColumn::new(schema.field(key))?;
        no_second_role(&spec.target, column, "TARGET", "PARTITION BY")?;
        if keys.contains(&key) {
            return Err(roles(column, "PARTITION BY", "PARTITION BY"));
        }
        keys.push(key);
    }
    let order_by = spec
        .order_by
        .as_ref()
        .map(|column| position(schema, column, "ORDER BY"))
        .transpose()?;
    if let (Some(position), Some(column)) = (order_by, &spec.order_by) {
        no_second_role(&spec.target, column, "TARGET", "ORDER BY")?;
        check_order_type(schema.field(position))?;
    }
    let mut excluded = Vec::new();
    for column in &spec.exclude {
        let position = position(schema, column, "EXCLUDE")?;
        no_second_role(&spec.target, column, "TARGET", "EXCLUDE")?;
        if keys.contains(&position) {
            return Err(roles(column, "PARTITION BY", "EXCLUDE"));
        }
        excluded.push(position);
    }
    let numeric_order = order_by.filter(|&position| {
        !matches!(
            SourceFamily::of(schema.field(position).data_type()),
            Some(SourceFamily::Date | SourceFamily::Timestamp)
        )
    });
    let is_feature = |position: &usize| {
        *position != label
            && !keys.contains(position)
            && !excluded.contains(position)
            // A running number says only how late a row is, and later rows are all later than it.
            && numeric_order != Some(*position)
    };
    let features: Vec<usize> = (0..schema.fields().len()).filter(is_feature).collect();
    if features.is_empty() && keys.is_empty() {
        return Err(TrainError::Unlearnable {
            reason: "the query returns no column besides the target".into(),
            hint: "Select the columns that the model may learn from.".into(),
        });
    }
    Ok(Layout {
        label,
        keys,
        features,
        order_by,
    })
}

fn roles(column: &str, first: &'static str, second: &'static str) -> TrainError {
    TrainError::ColumnRoles {
        column: column.to_owned(),
        first,
        second,
    }
}

fn no_second_role(
    target: &str,
    column: &str,
    first: &'static str,
    second: &'static str,
) -> Result<(), TrainError> {
    if target == column {
        Err(roles(column, first, second))
    } else {
        Ok(())
    }
}

fn check_order_type(field: &Field) -> Result<(), TrainError> {
    match SourceFamily::of(field.data_type()) {
        Some(SourceFamily::Date | SourceFamily::Timestamp | SourceFamily::Number) => Ok(()),
        _ => Err(TrainError::ColumnType {
            column: field.name().clone(),
            sql_type: sql_type_of(field),
            role: "a time to order by",
        }),
    }
}

/// Refuses what the target's type alone rules out; the rest is known once the rows are.
fn check_task(options: &TrainOptions, target: &Field) -> Result<(), TrainError> {
    let text = !matches!(
        SourceFamily::of(target.data_type()),
        Some(SourceFamily::Number)
    );
    let task = match options.task {
        Some(Task::Regression) if text => {
            return Err(TrainError::WrongTask {
                what: format!(
                    "column \"{}\" of type {}",
                    target.name(),
                    sql_type_of(target)
                ),
                task: "regression",
                hint: "Leave the task option out: the column has classes.".into(),
            });
        }
        Some(task) => Some(task),
        None if text => Some(Task::Classification),
        None if matches!(target.data_type(), DataType::Float32 | DataType::Float64) => {
            Some(Task::Regression)
        }
        None => None,
    };
    match (task, options.metric) {
        (Some(task), Some(metric)) => check_metric(metric, task),
        _ => Ok(()),
    }
}

/// Refuses a metric of the other task.
pub fn check_metric(metric: Metric, task: Task) -> Result<(), TrainError> {
    if metric.task() == task {
        return Ok(());
    }
    let suits: Vec<&str> = Metric::reported(task)
        .iter()
        .map(|metric| metric.name())
        .collect();
    Err(TrainError::WrongTask {
        what: format!("metric {}", metric.name()),
        task: task.word(),
        hint: format!("Metrics for {}: {}.", task.word(), suits.join(", ")),
    })
}

/// Refuses an algorithm of the other task.
pub fn check_algorithm(learner: &CandidateLearner, task: Task) -> Result<(), TrainError> {
    let (name, instead) = match (learner, task) {
        (CandidateLearner::Linear(_), Task::Classification) => ("linear", "logistic"),
        (CandidateLearner::Logistic(_), Task::Regression) => ("logistic", "linear"),
        _ => return Ok(()),
    };
    Err(TrainError::WrongTask {
        what: format!("algorithm {name}"),
        task: task.word(),
        hint: format!("Use AS {instead}, or AS trees."),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        Schema::new(vec![
            Field::new("age", DataType::Int64, true),
            Field::new("plan", DataType::Utf8, true),
            Field::new("day", DataType::Date32, true),
            Field::new("churned", DataType::Boolean, true),
        ])
    }

    fn spec() -> TrainSpec {
        TrainSpec {
            model_name: "churn".into(),
            target: "churned".into(),
            partition_by: vec![],
            order_by: None,
            exclude: vec![],
            options: vec![],
            learner: LearnerSpec::Automl(vec![]),
        }
    }

    #[test]
    fn roles_are_resolved_and_misspelled_columns_suggested() {
        let full = TrainSpec {
            partition_by: vec!["plan".into()],
            order_by: Some("day".into()),
            exclude: vec!["age".into()],
            ..spec()
        };
        let checked = check(&full, &schema()).unwrap();
        assert_eq!(
            checked.layout,
            Layout {
                label: 3,
                keys: vec![1],
                features: vec![2],
                order_by: Some(2)
            }
        );
        assert_eq!(checked.order_feature(), Some("day"));
        let error = check(
            &TrainSpec {
                target: "churnd".into(),
                ..spec()
            },
            &schema(),
        )
        .unwrap_err();
        assert_eq!(
            (error.sqlstate(), error.hint().as_deref()),
            (Some("42703"), Some("Did you mean \"churned\"?"))
        );
        let both = TrainSpec {
            exclude: vec!["churned".into()],
            ..spec()
        };
        assert_eq!(
            check(&both, &schema()).unwrap_err().sqlstate(),
            Some("42701")
        );
    }

    #[test]
    fn tasks_metrics_and_types_are_checked_before_the_query_runs() {
        let with = |name: &str, value: &str| TrainSpec {
            options: vec![(name.into(), OptionValue::Text(value.into()))],
            ..spec()
        };
        assert_eq!(
            check(&with("metric", "rmse"), &schema())
                .unwrap_err()
                .sqlstate(),
            Some("42809")
        );
        assert_eq!(
            check(&with("task", "regression"), &schema())
                .unwrap_err()
                .sqlstate(),
            Some("42809")
        );
        assert!(check(&with("metric", "auc"), &schema()).is_ok());
        let by_plan = TrainSpec {
            order_by: Some("plan".into()),
            ..spec()
        };
        assert_eq!(
            check(&by_plan, &schema()).unwrap_err().sqlstate(),
            Some("42804")
        );
        let twice = Schema::new(vec![
            Field::new("a", DataType::Int64, true),
            Field::new("a", DataType::Int64, true),
        ]);
        assert_eq!(
            check(&spec(), &twice).unwrap_err().sqlstate(),
            Some("42702")
        );
    }
}
