//! `sum(x)`: bigint for smallint and integer, numeric for bigint and numeric, double precision for the rest.
//!
//! Integers are added up in the type of the result, so that a sum never wraps; all else is DataFusion's.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{
    DECIMAL128_MAX_PRECISION, DataType, Decimal128Type, Field, FieldRef, Int32Type, Int64Type,
};
use datafusion::error::Result;
use datafusion::functions_aggregate::sum;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, GroupsAccumulator, ReversedUDAF,
    SetMonotonicity, Signature, Volatility,
};

use super::total::{DistinctTotal, GroupTotals, OneTotal};
use crate::model::sql_type::sql_type_name;
use crate::scalar::number::arithmetic::bare_if_one_is;
use crate::scalar::number::error::NumberError;
use crate::scalar::number::types::plain;

/// The function `sum`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Sum {
    inner: Arc<AggregateUDF>,
    signature: Signature,
}

/// The function `sum`, one for all plans.
pub fn sum_udaf() -> Arc<AggregateUDF> {
    static FUNCTION: LazyLock<Arc<AggregateUDF>> = LazyLock::new(|| {
        Arc::new(AggregateUDF::from(Sum {
            inner: sum::sum_udaf(),
            signature: Signature::user_defined(Volatility::Immutable),
        }))
    });
    Arc::clone(&FUNCTION)
}

/// What is added up for values of a type.
fn added(data_type: &DataType) -> Option<DataType> {
    match data_type {
        DataType::Null => Some(DataType::Float64),
        DataType::Interval(_) | DataType::Duration(_) => Some(data_type.clone()),
        other => Some(match plain(other)? {
            DataType::Int16 => DataType::Int32,
            DataType::Float32 => DataType::Float64,
            number => number,
        }),
    }
}

/// The integer type that is added up here, if one is.
fn integer_of<'a>(mut fields: impl Iterator<Item = &'a FieldRef>) -> Option<&'a DataType> {
    let data_type = fields.next()?.data_type();
    matches!(data_type, DataType::Int32 | DataType::Int64).then_some(data_type)
}

impl AggregateUDFImpl for Sum {
    fn name(&self) -> &str {
        "sum"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        match arg_types {
            [one] => added(one).map(|added| vec![added]),
            _ => None,
        }
        .ok_or_else(|| {
            let names: Vec<String> = arg_types.iter().map(sql_type_name).collect();
            let shown = format!("function sum({}) does not exist", names.join(", "));
            NumberError::NoSuchOperator(shown).into()
        })
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        match arg_types {
            [DataType::Int32] => Ok(DataType::Int64),
            [DataType::Int64] => Ok(DataType::Decimal128(DECIMAL128_MAX_PRECISION, 0)),
            _ => self.inner.return_type(arg_types),
        }
    }

    fn return_field(&self, arg_fields: &[FieldRef]) -> Result<FieldRef> {
        let types: Vec<DataType> = arg_fields
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        let field = Field::new(self.name(), self.return_type(&types)?, true);
        Ok(Arc::new(bare_if_one_is(field, arg_fields)))
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let total = args.return_field.data_type().clone();
        Ok(
            match (integer_of(args.expr_fields.iter()), args.is_distinct) {
                (Some(DataType::Int32), false) => {
                    Box::new(OneTotal::<Int32Type, Int64Type>::new(total))
                }
                (Some(DataType::Int32), true) => {
                    Box::new(DistinctTotal::<Int32Type, Int64Type>::new(total))
                }
                (Some(_), false) => Box::new(OneTotal::<Int64Type, Decimal128Type>::new(total)),
                (Some(_), true) => Box::new(DistinctTotal::<Int64Type, Decimal128Type>::new(total)),
                (None, _) => return self.inner.accumulator(args),
            },
        )
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        match integer_of(args.input_fields.iter()) {
            Some(integer) if args.is_distinct => {
                let element = Field::new_list_field(integer.clone(), true);
                let name = format_state_name(args.name, "sum distinct");
                Ok(vec![Arc::new(Field::new_list(name, element, true))])
            }
            _ => self.inner.state_fields(args),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        let total = args.return_field.data_type().clone();
        Ok(match integer_of(args.expr_fields.iter()) {
            Some(DataType::Int32) => Box::new(GroupTotals::<Int32Type, Int64Type>::new(total)),
            Some(_) => Box::new(GroupTotals::<Int64Type, Decimal128Type>::new(total)),
            None => return self.inner.create_groups_accumulator(args),
        })
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match integer_of(args.expr_fields.iter()) {
            Some(_) if !args.is_distinct => self.accumulator(args),
            _ => self.inner.create_sliding_accumulator(args),
        }
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn set_monotonicity(&self, _data_type: &DataType) -> SetMonotonicity {
        SetMonotonicity::NotMonotonic
    }
}

#[cfg(test)]
mod tests {
    use super::sum_udaf;
    use arrow::datatypes::DataType::{Decimal128, Float32, Float64, Int16, Int32, Int64};

    #[test]
    fn sums_are_wider_than_what_is_added() {
        let sum = sum_udaf();
        for (one, total) in [
            (Int16, Int64),
            (Int32, Int64),
            (Int64, Decimal128(38, 0)),
            (Decimal128(10, 2), Decimal128(20, 2)),
            (Float32, Float64),
        ] {
            let added = sum.coerce_types(&[one]).unwrap();
            assert_eq!(sum.return_type(&added).unwrap(), total);
        }
    }
}
