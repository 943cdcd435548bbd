//! `train_trees(label, columns …)` and its kin: a model of the rows of a group, as a value.
//!
//! The engine's binding pass writes names and parameters into a first, constant argument and makes a function of its
//! own for each call ([`Train::for_call`]); from then on the call has columns alone.

mod groups;
mod one;

use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::common::{internal_err, plan_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::AggregateFunctionParams;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, DocSection, Documentation, GroupsAccumulator,
    Signature, Volatility,
};

use tarn_gpu::device::DeviceChoice;

use crate::fit::call_spec::{CallSpec, CheckedCall, Choice, TRAINING_FUNCTIONS};
use crate::fit::error::TrainError;
use crate::fit::group_rows::{item_field, plain_type};
use crate::fit::seat::Seat;
use crate::model::features::SourceFamily;
use crate::model::label::Task;
use crate::model::sql_type::sql_type_of;
use crate::model::value::{model_field, predicted_type};

/// A training function, as such or for one call.
#[derive(Debug, Clone)]
pub struct Train {
    name: &'static str,
    signature: Signature,
    seat: Arc<Seat>,
    call: Option<Arc<Call>>,
}

/// What is fixed for one call.
#[derive(Debug)]
struct Call {
    spec: CallSpec,
    checked: CheckedCall,
}

impl PartialEq for Train {
    fn eq(&self, other: &Self) -> bool {
        let spec = |train: &Self| train.call.as_ref().map(|call| call.spec.clone());
        self.name == other.name && spec(self) == spec(other)
    }
}

impl Eq for Train {}

impl Hash for Train {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.call.as_ref().map(|call| &call.spec).hash(state);
    }
}

/// Every training function over a session's seat.
pub fn functions(seat: &Arc<Seat>) -> Vec<AggregateUDF> {
    TRAINING_FUNCTIONS
        .iter()
        .map(|(name, ..)| {
            AggregateUDF::from(Train {
                name,
                signature: Signature::variadic_any(Volatility::Immutable),
                seat: Arc::clone(seat),
                call: None,
            })
        })
        .collect()
}

/// What the accumulators of a call need to know.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Label, weights if there are any, features, in the types that are kept.
    pub(crate) fields: Fields,
    pub(crate) weighted: bool,
    pub(crate) task: Task,
    pub(crate) checked: CheckedCall,
    pub(crate) seat: Arc<Seat>,
}

impl Train {
    /// The function for one call, whose parameters are checked here.
    ///
    /// # Errors
    /// [`TrainError`] for a parameter that does not exist or is out of range.
    pub fn for_call(&self, spec: CallSpec) -> std::result::Result<Self, TrainError> {
        let checked = spec.check()?;
        Ok(Self {
            call: Some(Arc::new(Call { spec, checked })),
            ..self.clone()
        })
    }

    /// The fits of a call, where they would run now and what is fitted, for EXPLAIN.
    pub fn explained(&self) -> String {
        let Some(call) = &self.call else {
            return String::new();
        };
        let checked = &call.checked;
        let (fits, settings) = match &checked.choice {
            Choice::Named(candidate) => ("1".to_string(), candidate.parameters()),
            Choice::Search { folds, families } => {
                let names: Vec<&str> = families.iter().map(|family| family.name()).collect();
                let settings = format!("algorithms = {}", names.join(" "));
                (format!("{folds} for each candidate and 1"), settings)
            }
        };
        let device = match self.seat.queue.gpu(checked.device) {
            Ok(Some(gpu)) if checked.device == DeviceChoice::Auto => {
                format!("cpu or {}, by the estimate of its fits", gpu.name())
            }
            Ok(Some(gpu)) => gpu.name().to_string(),
            Ok(None) => "cpu".to_string(),
            Err(error) => error.to_string(),
        };
        format!(
            "{}: fits per group={fits}, device={device}, {settings}",
            self.name
        )
    }

    fn bound(&self) -> Result<&Call> {
        match &self.call {
            Some(call) => Ok(call),
            None => internal_err!("a call of {} was not bound", self.name),
        }
    }

    /// Task, and the type that is predicted, of a call with this label.
    fn label_of(&self, label: &Field) -> Result<(Task, DataType)> {
        let call = self.bound()?;
        let number = SourceFamily::of(label.data_type()) == Some(SourceFamily::Number);
        let task = call
            .checked
            .task_of(&call.spec.label, number)
            .map_err(external)?;
        let refused = || TrainError::ColumnType {
            column: call.spec.label.clone(),
            sql_type: sql_type_of(label),
            role: "the target",
        };
        let predicted = predicted_type(label.data_type(), task);
        Ok((task, predicted.ok_or_else(|| external(refused()))?))
    }

    /// The columns of a call in the types that are kept; unlike the arguments, they have names.
    fn plan(&self, arguments: &[FieldRef]) -> Result<Plan> {
        let call = self.bound()?;
        let spec = &call.spec;
        if arguments.len() != spec.leading() + spec.features.len() {
            return internal_err!("{} was bound to other columns", self.name);
        }
        let (task, label_type) = self.label_of(&arguments[0])?;
        let mut fields = vec![Field::new(&spec.label, label_type, true)];
        if spec.weighted {
            fields.push(Field::new("weight", DataType::Float64, true));
        }
        for (argument, name) in arguments[spec.leading()..].iter().zip(&spec.features) {
            let kept = plain_type(argument.data_type());
            if SourceFamily::of(&kept).is_none() {
                return Err(external(TrainError::ColumnType {
                    column: name.clone(),
                    sql_type: sql_type_of(argument),
                    role: "a feature",
                }));
            }
            let metadata = argument.metadata().clone();
            fields.push(Field::new(name, kept, true).with_metadata(metadata));
        }
        Ok(Plan {
            fields: fields.into(),
            weighted: spec.weighted,
            task,
            checked: call.checked.clone(),
            seat: Arc::clone(&self.seat),
        })
    }

    fn plan_of(&self, args: &AccumulatorArgs<'_>) -> Result<Plan> {
        if args.is_distinct || !args.order_bys.is_empty() {
            return plan_err!("{} takes neither DISTINCT nor ORDER BY", self.name);
        }
        self.plan(args.expr_fields)
    }

    /// Parameters as the statement wrote them, which tell two calls over the same columns apart.
    fn parameters(&self) -> String {
        let Some(call) = &self.call else {
            return String::new();
        };
        call.spec
            .parameters
            .iter()
            .map(|(name, value)| format!(", {name} => {}", value.spelling()))
            .collect()
    }
}

fn external(error: TrainError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

impl AggregateUDFImpl for Train {
    fn name(&self) -> &str {
        self.name
    }

    fn schema_name(&self, params: &AggregateFunctionParams) -> Result<String> {
        let plain = datafusion::logical_expr::udaf_default_schema_name(self, params)?;
        Ok(format!("{plain}{}", self.parameters()))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(crate::model::value::MODEL_ARROW_TYPE)
    }

    fn return_field(&self, arg_fields: &[FieldRef]) -> Result<FieldRef> {
        let Some(label) = arg_fields.first().filter(|_| self.call.is_some()) else {
            // The function as such, of which only its name is asked.
            return Ok(Arc::new(model_field(self.name, &DataType::Float64)));
        };
        self.plan(arg_fields)?;
        let (_, predicted) = self.label_of(label)?;
        Ok(Arc::new(model_field(self.name, &predicted)))
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(one::OneModel::new(self.plan_of(&args)?)))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let plan = self.plan(args.input_fields)?;
        let rows = DataType::LargeList(item_field(&plan.fields));
        let name = datafusion::logical_expr::utils::format_state_name(args.name, "rows");
        Ok(vec![Arc::new(Field::new(name, rows, true))])
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(groups::GroupModels::new(self.plan_of(&args)?)))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn documentation(&self) -> Option<&Documentation> {
        static DOCUMENTED: LazyLock<Vec<(&'static str, Documentation)>> = LazyLock::new(|| {
            let documented = |&(name, _, description): &(&'static str, _, &str)| {
                let syntax = format!("{name}(label, columns … [, parameter => value …])");
                let section = DocSection {
                    include: true,
                    label: "Models",
                    description: None,
                };
                let page = Documentation::builder(section, description, syntax).build();
                (name, page)
            };
            TRAINING_FUNCTIONS.iter().map(documented).collect()
        });
        let found = DOCUMENTED.iter().find(|(name, _)| *name == self.name);
        found.map(|(_, page)| page)
    }
}
