//! How are integers added up without wrapping: in the next wider type, a total per group?

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;
use std::marker::PhantomData;
use std::ops::{AddAssign, SubAssign};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

/// A type of totals over integers.
pub trait Total<I: ArrowPrimitiveType>:
    ArrowPrimitiveType<Native: From<I::Native> + AddAssign + SubAssign + Default>
{
}

impl<I, T> Total<I> for T
where
    I: ArrowPrimitiveType,
    T: ArrowPrimitiveType<Native: From<I::Native> + AddAssign + SubAssign + Default>,
{
}

/// One total, which values may leave again as a window moves on.
#[derive(Debug)]
pub struct OneTotal<I, T: ArrowPrimitiveType> {
    total: T::Native,
    count: u64,
    data_type: DataType,
    added: PhantomData<fn() -> I>,
}

impl<I: ArrowPrimitiveType, T: Total<I>> OneTotal<I, T> {
    /// Nothing added yet.
    pub fn new(data_type: DataType) -> Self {
        Self {
            total: T::Native::default(),
            count: 0,
            data_type,
            added: PhantomData,
        }
    }

    fn value(&self) -> Result<ScalarValue> {
        let total = (self.count > 0).then_some(self.total);
        ScalarValue::new_primitive::<T>(total, &self.data_type)
    }
}

/// The total of an array's values.
fn sum_of<I: ArrowPrimitiveType, T: Total<I>>(values: &PrimitiveArray<I>) -> T::Native {
    let mut total = T::Native::default();
    if values.null_count() == 0 {
        for value in values.values() {
            total += T::Native::from(*value);
        }
    } else {
        for value in values.iter().flatten() {
            total += T::Native::from(value);
        }
    }
    total
}

impl<I: ArrowPrimitiveType + Debug, T: Total<I> + Debug> Accumulator for OneTotal<I, T> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = values[0].as_primitive::<I>();
        self.total += sum_of::<I, T>(values);
        self.count += (values.len() - values.null_count()) as u64;
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = values[0].as_primitive::<I>();
        self.total -= sum_of::<I, T>(values);
        self.count -= (values.len() - values.null_count()) as u64;
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.value()
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.value()?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for total in states[0].as_primitive::<T>().iter().flatten() {
            self.total += total;
            self.count += 1;
        }
        Ok(())
    }
}

/// The total of the values that differ.
#[derive(Debug)]
pub struct DistinctTotal<I: ArrowPrimitiveType, T> {
    values: HashSet<I::Native>,
    data_type: DataType,
    total: PhantomData<fn() -> T>,
}

impl<I, T> DistinctTotal<I, T>
where
    I: ArrowPrimitiveType<Native: Hash + Eq>,
    T: Total<I>,
{
    /// Nothing added yet.
    pub fn new(data_type: DataType) -> Self {
        Self {
            values: HashSet::new(),
            data_type,
            total: PhantomData,
        }
    }
}

impl<I, T> Accumulator for DistinctTotal<I, T>
where
    I: ArrowPrimitiveType<Native: Hash + Eq> + Debug,
    T: Total<I> + Debug,
{
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.values
            .extend(values[0].as_primitive::<I>().iter().flatten());
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut total = T::Native::default();
        for value in &self.values {
            total += T::Native::from(*value);
        }
        let total = (!self.values.is_empty()).then_some(total);
        ScalarValue::new_primitive::<T>(total, &self.data_type)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.values.capacity() * size_of::<I::Native>() * 2
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values: PrimitiveArray<I> =
            PrimitiveArray::from_iter_values(self.values.iter().copied());
        let list = datafusion::common::utils::SingleRowListArrayBuilder::new(Arc::new(values));
        Ok(vec![list.build_list_scalar()])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for list in states[0].as_list::<i32>().iter().flatten() {
            self.update_batch(&[list])?;
        }
        Ok(())
    }
}

/// A total per group.
#[derive(Debug)]
pub struct GroupTotals<I, T: ArrowPrimitiveType> {
    totals: Vec<T::Native>,
    /// Which groups have a value that is not NULL.
    seen: Vec<bool>,
    data_type: DataType,
    added: PhantomData<fn() -> I>,
}

impl<I: ArrowPrimitiveType, T: Total<I>> GroupTotals<I, T> {
    /// No groups yet.
    pub fn new(data_type: DataType) -> Self {
        Self {
            totals: Vec::new(),
            seen: Vec::new(),
            data_type,
            added: PhantomData,
        }
    }

    fn add<V: ArrowPrimitiveType>(
        &mut self,
        values: &PrimitiveArray<V>,
        groups: &[usize],
        filter: Option<&BooleanArray>,
        group_count: usize,
    ) where
        T::Native: From<V::Native>,
    {
        self.totals.resize(group_count, T::Native::default());
        self.seen.resize(group_count, false);
        let is_plain = values.null_count() == 0 && filter.is_none();
        if is_plain {
            for (group, value) in groups.iter().zip(values.values()) {
                self.totals[*group] += T::Native::from(*value);
                self.seen[*group] = true;
            }
            return;
        }
        let passes = |row: usize| filter.is_none_or(|f| f.is_valid(row) && f.value(row));
        for (row, group) in groups.iter().enumerate() {
            if values.is_valid(row) && passes(row) {
                self.totals[*group] += T::Native::from(values.value(row));
                self.seen[*group] = true;
            }
        }
    }

    fn emit(&mut self, emit_to: EmitTo) -> ArrayRef {
        let totals = emit_to.take_needed(&mut self.totals);
        let nulls = NullBuffer::from(emit_to.take_needed(&mut self.seen));
        let nulls = (nulls.null_count() > 0).then_some(nulls);
        let totals = PrimitiveArray::<T>::new(totals.into(), nulls);
        Arc::new(totals.with_data_type(self.data_type.clone()))
    }
}

impl<I: ArrowPrimitiveType + Debug, T: Total<I> + Debug> GroupsAccumulator for GroupTotals<I, T> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        let values = values[0].as_primitive::<I>();
        self.add(values, group_indices, opt_filter, total_num_groups);
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        Ok(self.emit(emit_to))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.emit(emit_to)])
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        let values = values[0].as_primitive::<T>();
        self.add::<T>(values, group_indices, None, total_num_groups);
        Ok(())
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let values = values[0].as_primitive::<I>();
        let totals: PrimitiveArray<T> = (0..values.len())
            .map(|row| {
                let passes = opt_filter.is_none_or(|f| f.is_valid(row) && f.value(row));
                (values.is_valid(row) && passes).then(|| T::Native::from(values.value(row)))
            })
            .collect();
        Ok(vec![Arc::new(
            totals.with_data_type(self.data_type.clone()),
        )])
    }

    fn size(&self) -> usize {
        self.totals.capacity() * size_of::<T::Native>() + self.seen.capacity()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, Int64Array};
    use arrow::datatypes::{DataType, Decimal128Type, Int64Type};
    use datafusion::common::ScalarValue;
    use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

    use super::{DistinctTotal, GroupTotals, OneTotal};

    const SUM: DataType = DataType::Decimal128(38, 0);

    fn largest() -> ArrayRef {
        Arc::new(Int64Array::from(vec![Some(i64::MAX), None, Some(i64::MAX)]))
    }

    #[test]
    fn totals_do_not_wrap() {
        let twice = 2 * i128::from(i64::MAX);
        let mut one = OneTotal::<Int64Type, Decimal128Type>::new(SUM);
        assert_eq!(
            one.evaluate().unwrap(),
            ScalarValue::Decimal128(None, 38, 0)
        );
        one.update_batch(&[largest()]).unwrap();
        assert_eq!(
            one.evaluate().unwrap(),
            ScalarValue::Decimal128(Some(twice), 38, 0)
        );
        let mut groups = GroupTotals::<Int64Type, Decimal128Type>::new(SUM);
        groups
            .update_batch(&[largest()], &[0, 1, 0], None, 2)
            .unwrap();
        let totals = groups.evaluate(EmitTo::All).unwrap();
        let totals: Vec<_> = totals.as_primitive::<Decimal128Type>().iter().collect();
        assert_eq!(totals, [Some(twice), None]);
        let mut distinct = DistinctTotal::<Int64Type, Decimal128Type>::new(SUM);
        distinct.update_batch(&[largest()]).unwrap();
        let state = distinct.state().unwrap()[0].to_array().unwrap();
        distinct.merge_batch(&[state]).unwrap();
        let once = i128::from(i64::MAX);
        assert_eq!(
            distinct.evaluate().unwrap(),
            ScalarValue::Decimal128(Some(once), 38, 0)
        );
    }
}
