//! How does a linear or logistic model weigh its columns, and how sure is it of that?
//!
//! `ml.describe` shows a term per coefficient, in the units of the columns as the query gave them. What a term multiplies
//! reads as SQL: a column, `column = 'level'`, `column IS NULL`, or the mean label of a column's level.

use serde_json::{Map, Value};
use tarn_gpu::design::TermSource;
use tarn_gpu::linear::Coefficient;
use tarn_gpu::model::Model;

use crate::error::ModelError;
use crate::model::features::{Affine, FeatureRole, FeatureSet};
use crate::model::label::Label;
use crate::model::trained::{Member, TargetScale, TrainedModel};

/// The coefficients of a member of a model: label per unit of a term, or log odds of a class. `None` for learners that
/// have none, and when the label was moved before learning, which no training function does.
///
/// A standard error and a p-value that the fit does not tell are NULL.
///
/// # Errors
/// [`ModelError::Damaged`] when a term is about a column or a level that the model does not have.
pub fn coefficients(
    model: &TrainedModel,
    member: &Member,
    features: &FeatureSet,
    label: &Label,
) -> Result<Option<Vec<Value>>, ModelError> {
    let columns = ModelColumns::of(features);
    match &member.learner {
        Model::Linear(linear) if member.target == TargetScale::IDENTITY => {
            Ok(Some(columns.terms(&linear.coefficients())?))
        }
        Model::Logistic(logistic) => {
            let outputs = logistic.coefficients();
            // Two classes have one set of coefficients: those of the second.
            let first = usize::from(outputs.len() == 1);
            let mut all = Vec::new();
            for (output, own) in outputs.iter().enumerate() {
                let class = class_of(model, label, first + output);
                for mut term in columns.terms(own)? {
                    term["class"] = class.into();
                    all.push(term);
                }
            }
            Ok(Some(all))
        }
        Model::Linear(_) | Model::Trees(_) | Model::Baseline(_) => Ok(None),
    }
}

fn class_of<'a>(model: &TrainedModel, label: &'a Label, output: usize) -> Option<&'a str> {
    let code = model
        .classes
        .get(output)
        .map_or(output, |&code| code as usize);
    label.classes.get(code).map(String::as_str)
}

/// The columns that a learner sees, with what each is made of.
struct ModelColumns<'a>(Vec<(&'a FeatureRole, String)>);

impl<'a> ModelColumns<'a> {
    fn of(features: &'a FeatureSet) -> Self {
        let columns = features.columns.iter().flat_map(|column| {
            let names = column.model_names().into_iter();
            names.map(|name| (&column.role, name))
        });
        Self(columns.collect())
    }

    /// How a term's numbers were moved before learning.
    fn moved(&self, source: TermSource) -> Affine {
        let role = match source {
            TermSource::Number { column } => self.0.get(column as usize).map(|found| found.0),
            _ => None,
        };
        match role {
            Some(FeatureRole::Numeric(affine)) => *affine,
            _ => Affine::IDENTITY,
        }
    }

    /// A document per coefficient, the intercept first.
    fn terms(&self, own: &[Coefficient]) -> Result<Vec<Value>, ModelError> {
        // The fit's intercept is the answer where moved columns are at their offsets.
        let shift: f64 = own
            .iter()
            .map(|term| {
                let moved = self.moved(term.source);
                term.value * moved.scale * moved.offset
            })
            .sum();
        own.iter()
            .map(|coefficient| {
                let is_shifted = coefficient.source == TermSource::Intercept && shift != 0.0;
                let scale = self.moved(coefficient.source).scale;
                let value = if is_shifted {
                    coefficient.value - shift
                } else {
                    coefficient.value * scale
                };
                let told = coefficient.uncertainty.filter(|_| !is_shifted);
                let error = told.map(|told| told.standard_error * scale);
                let mut shown = self.named(coefficient.source)?;
                shown.insert("value".into(), value.into());
                shown.insert("standard_error".into(), error.into());
                shown.insert("p_value".into(), told.map(|told| told.p_value).into());
                Ok(Value::Object(shown))
            })
            .collect()
    }

    /// What a term is: as SQL, and the column and level apart.
    fn named(&self, source: TermSource) -> Result<Map<String, Value>, ModelError> {
        let (column, level) = match source {
            TermSource::Intercept => {
                return Ok(Map::from_iter([("term".to_owned(), "intercept".into())]));
            }
            TermSource::Level { column, level } => (column, Some(level)),
            TermSource::Number { column }
            | TermSource::Missing { column }
            | TermSource::Statistic { column } => (column, None),
        };
        let found = self.0.get(column as usize);
        let (role, name) = found.ok_or_else(|| ModelError::damaged("a term has no column"))?;
        let mut shown = Map::from_iter([("column".to_owned(), name.as_str().into())]);
        let term = match (source, role, level) {
            (TermSource::Missing { .. }, ..) => format!("{name} IS NULL"),
            (TermSource::Statistic { .. }, ..) => format!("mean label by {name}"),
            (_, FeatureRole::Categorical(known), Some(level)) => {
                let level = known.levels().get(level as usize);
                let level = level.ok_or_else(|| ModelError::damaged("a term has no level"))?;
                shown.insert("level".into(), level.as_str().into());
                format!("{name} = '{}'", level.replace('\'', "''"))
            }
            _ => name.clone(),
        };
        shown.insert("term".into(), term.into());
        Ok(shown)
    }
}
