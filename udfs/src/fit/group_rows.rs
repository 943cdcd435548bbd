//! Where do the rows of many groups wait until their models are fitted?
//!
//! They are kept as columns, in the order of their arrival, with the number of their group. When models are asked for,
//! they are put in order: by group, and within a group by a hash of their content, so that the same rows give the same
//! models whatever order, batches and partitions they came in.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, LargeListArray, StructArray, UInt32Array,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{and, cast, concat, filter, is_not_null, take};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Float64Type};
use datafusion::common::internal_err;
use datafusion::error::Result;
use datafusion::logical_expr::EmitTo;

use super::label_census::LABEL_MAX;
use super::row_key::row_keys;
use crate::error::FunctionError;
use crate::model::encode::numbers_of;

/// Rows of groups `0..count`, unordered.
#[derive(Debug)]
pub struct GroupRows {
    /// The label, weights if there are any, then features, in the types that are kept.
    fields: Fields,
    weighted: bool,
    pieces: Vec<Piece>,
    groups: usize,
    bytes: usize,
}

/// Some rows and their groups.
#[derive(Debug)]
struct Piece {
    columns: Vec<ArrayRef>,
    groups: Vec<u32>,
}

impl GroupRows {
    /// Rows of these columns: the label, with `weighted` a weight, then features.
    pub fn new(fields: Fields, weighted: bool) -> Self {
        Self {
            fields,
            weighted,
            pieces: Vec::new(),
            groups: 0,
            bytes: 0,
        }
    }

    /// Bytes that the rows hold.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// There are so many groups at least, with or without rows.
    pub fn note_groups(&mut self, count: usize) {
        self.groups = self.groups.max(count);
    }

    /// Takes rows, each with its group; those without a label are left out.
    ///
    /// # Errors
    /// 22023 for a weight that is negative or not finite.
    pub fn push(
        &mut self,
        columns: &[ArrayRef],
        groups: &[usize],
        wanted: Option<&BooleanArray>,
        group_count: usize,
    ) -> Result<()> {
        self.note_groups(group_count);
        let (columns, mask) = self.kept(columns, wanted)?;
        let kept: Vec<u32> = match &mask {
            None => groups.iter().map(|&group| group as u32).collect(),
            Some(mask) => mask
                .values()
                .set_indices()
                .map(|row| groups[row] as u32)
                .collect(),
        };
        self.keep(columns, kept);
        Ok(())
    }

    fn keep(&mut self, columns: Vec<ArrayRef>, groups: Vec<u32>) {
        if groups.is_empty() {
            return;
        }
        let bytes = |column: &ArrayRef| {
            let data = column.to_data();
            data.get_slice_memory_size()
                .unwrap_or_else(|_| column.get_array_memory_size())
        };
        self.bytes += columns.iter().map(bytes).sum::<usize>() + 4 * groups.len();
        self.pieces.push(Piece { columns, groups });
    }

    /// The columns in the types that are kept, without the rows that cannot be learned from; the mask that was applied.
    fn kept(
        &self,
        columns: &[ArrayRef],
        wanted: Option<&BooleanArray>,
    ) -> Result<(Vec<ArrayRef>, Option<BooleanArray>)> {
        let mut typed = Vec::with_capacity(columns.len());
        for (column, field) in columns.iter().zip(&self.fields) {
            typed.push(if column.data_type() == field.data_type() {
                Arc::clone(column)
            } else {
                cast(column, field.data_type())?
            });
        }
        let mut mask = has_label(&typed[0])?;
        if self.weighted {
            check_weights(&typed[1])?;
            mask = and(&mask, &is_not_null(&typed[1])?)?;
        }
        if let Some(wanted) = wanted {
            let wanted =
                BooleanArray::from_iter(wanted.iter().map(|flag| Some(flag == Some(true))));
            mask = and(&mask, &wanted)?;
        }
        if mask.true_count() == mask.len() {
            return Ok((typed, None));
        }
        let filtered = typed.iter().map(|column| filter(column, &mask));
        Ok((filtered.collect::<std::result::Result<_, _>>()?, Some(mask)))
    }

    /// One list of rows per input row: the state of a group of its own.
    pub fn singles(&self, columns: &[ArrayRef], wanted: Option<&BooleanArray>) -> Result<ArrayRef> {
        let rows = columns[0].len();
        let (columns, mask) = self.kept(columns, wanted)?;
        let lengths = (0..rows).map(|row| usize::from(mask.as_ref().is_none_or(|m| m.value(row))));
        self.lists(columns, OffsetBuffer::from_lengths(lengths))
    }

    fn lists(&self, columns: Vec<ArrayRef>, offsets: OffsetBuffer<i64>) -> Result<ArrayRef> {
        let rows = StructArray::try_new(self.fields.clone(), columns, None)?;
        let lists = LargeListArray::try_new(self.item_field(), offsets, Arc::new(rows), None)?;
        Ok(Arc::new(lists))
    }

    fn item_field(&self) -> FieldRef {
        item_field(&self.fields)
    }

    /// The first groups' rows as one list each; they leave.
    pub fn take_lists(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let sorted = self.take_sorted(emit)?;
        let offsets = sorted.offsets.windows(2).map(|pair| pair[1] - pair[0]);
        let offsets = OffsetBuffer::from_lengths(offsets);
        self.lists(sorted.columns, offsets)
    }

    /// Takes in lists of rows, each with its group.
    pub fn push_lists(
        &mut self,
        lists: &ArrayRef,
        groups: &[usize],
        group_count: usize,
    ) -> Result<()> {
        self.note_groups(group_count);
        let Some(lists) = lists.as_list_opt::<i64>() else {
            return internal_err!("the state of a training function is a list of rows");
        };
        let offsets = lists.value_offsets();
        let (first, last) = (offsets[0] as usize, offsets[lists.len()] as usize);
        let rows = lists.values().slice(first, last - first);
        let columns = rows.as_struct().columns().to_vec();
        let mut owners = Vec::with_capacity(last - first);
        for (&group, pair) in groups.iter().zip(offsets.windows(2)) {
            owners.extend(std::iter::repeat_n(
                group as u32,
                (pair[1] - pair[0]) as usize,
            ));
        }
        self.keep(columns, owners);
        Ok(())
    }

    /// The first groups' rows in order; they leave, and the other groups move up.
    pub fn take_sorted(&mut self, emit: EmitTo) -> Result<SortedGroups> {
        let count = match emit {
            EmitTo::All => self.groups,
            EmitTo::First(count) => count.min(self.groups),
        };
        let pieces = std::mem::take(&mut self.pieces);
        let all = count == self.groups;
        self.groups -= count;
        self.bytes = 0;
        let groups: Vec<u32> = pieces
            .iter()
            .flat_map(|piece| piece.groups.clone())
            .collect();
        let columns = self.concatenated(&pieces)?;
        drop(pieces);
        if !all {
            let later: Vec<u32> = (0..groups.len() as u32)
                .filter(|&row| groups[row as usize] as usize >= count)
                .collect();
            let owners = later
                .iter()
                .map(|&row| groups[row as usize] - count as u32)
                .collect();
            self.keep(taken(&columns, later)?, owners);
        }
        self.sorted(&columns, &groups, count)
    }

    fn concatenated(&self, pieces: &[Piece]) -> Result<Vec<ArrayRef>> {
        let mut columns = Vec::with_capacity(self.fields.len());
        for (position, field) in self.fields.iter().enumerate() {
            let parts: Vec<&dyn Array> = pieces
                .iter()
                .map(|piece| piece.columns[position].as_ref())
                .collect();
            columns.push(if parts.is_empty() {
                arrow::array::new_empty_array(field.data_type())
            } else {
                concat(&parts)?
            });
        }
        Ok(columns)
    }

    fn sorted(&self, columns: &[ArrayRef], groups: &[u32], count: usize) -> Result<SortedGroups> {
        let names: Vec<String> = self
            .fields
            .iter()
            .map(|field| field.name().clone())
            .collect();
        let keys = row_keys(&names, columns, groups.len())?;
        let mut offsets = vec![0usize; count + 1];
        for &group in groups.iter().filter(|&&group| (group as usize) < count) {
            offsets[group as usize + 1] += 1;
        }
        for group in 0..count {
            offsets[group + 1] += offsets[group];
        }
        let mut next = offsets.clone();
        let mut order = vec![0u32; offsets[count]];
        for (row, &group) in groups.iter().enumerate() {
            if (group as usize) < count {
                let place = &mut next[group as usize];
                order[*place] = row as u32;
                *place += 1;
            }
        }
        for pair in offsets.windows(2) {
            order[pair[0]..pair[1]].sort_unstable_by_key(|&row| keys[row as usize]);
        }
        let row_keys = order.iter().map(|&row| keys[row as usize]).collect();
        Ok(SortedGroups {
            fields: self.fields.clone(),
            weighted: self.weighted,
            columns: taken(columns, order)?,
            row_keys,
            offsets,
        })
    }
}

/// The field of one row in a list of rows.
pub fn item_field(fields: &Fields) -> FieldRef {
    Arc::new(Field::new_list_field(
        DataType::Struct(fields.clone()),
        true,
    ))
}

fn taken(columns: &[ArrayRef], rows: Vec<u32>) -> Result<Vec<ArrayRef>> {
    let rows = UInt32Array::from(rows);
    let taken = columns.iter().map(|column| take(column, &rows, None));
    Ok(taken.collect::<std::result::Result<_, _>>()?)
}

fn has_label(label: &ArrayRef) -> Result<BooleanArray> {
    if *label.data_type() == DataType::Float64 {
        let numbers = label.as_primitive::<Float64Type>();
        let learnable = |number: Option<f64>| Some(number.is_some_and(|n| n.abs() <= LABEL_MAX));
        return Ok(BooleanArray::from_iter(numbers.iter().map(learnable)));
    }
    Ok(is_not_null(label)?)
}

fn check_weights(weights: &ArrayRef) -> Result<()> {
    let wrong = weights
        .as_primitive::<Float64Type>()
        .iter()
        .flatten()
        .find(|weight| !(*weight >= 0.0 && weight.is_finite()));
    match wrong {
        None => Ok(()),
        Some(weight) => Err(
            FunctionError::new("22023", format!("invalid weight: {weight}"))
                .with_detail("A weight is zero or more and finite.")
                .into(),
        ),
    }
}

/// The type in which a feature is kept: dictionaries and views would carry their whole buffers into every slice and file.
pub fn plain_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, value) => plain_type(value),
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        other => other.clone(),
    }
}

/// Rows of groups `0..count`, group after group.
#[derive(Debug)]
pub struct SortedGroups {
    fields: Fields,
    weighted: bool,
    columns: Vec<ArrayRef>,
    row_keys: Vec<u64>,
    /// Where each group begins, and where the last one ends.
    offsets: Vec<usize>,
}

impl SortedGroups {
    /// Number of groups.
    pub fn count(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Number of rows of a group.
    pub fn rows(&self, group: usize) -> usize {
        self.range(group).len()
    }

    /// Number of feature columns.
    pub fn features(&self) -> usize {
        self.columns.len() - 1 - usize::from(self.weighted)
    }

    fn range(&self, group: usize) -> Range<usize> {
        self.offsets[group]..self.offsets[group + 1]
    }

    /// The rows of a group.
    ///
    /// # Errors
    /// 42804 when weights are not numbers.
    pub fn group(
        &self,
        group: usize,
    ) -> std::result::Result<OneGroup<'_>, crate::error::ModelError> {
        let range = self.range(group);
        let slice = |column: &ArrayRef| column.slice(range.start, range.len());
        let leading = 1 + usize::from(self.weighted);
        let weights = match self.weighted {
            false => None,
            true => Some(
                numbers_of(self.fields[1].name(), &slice(&self.columns[1]))?
                    .into_iter()
                    .map(|weight| weight as f32)
                    .collect(),
            ),
        };
        Ok(OneGroup {
            label_field: &self.fields[0],
            label: slice(&self.columns[0]),
            weights,
            feature_fields: &self.fields[leading..],
            features: self.columns[leading..].iter().map(slice).collect(),
            row_keys: &self.row_keys[range],
        })
    }
}

/// The rows of one group, by content hash.
#[derive(Debug)]
pub struct OneGroup<'a> {
    /// Name and kept type of the label.
    pub label_field: &'a Field,
    /// Labels, all there.
    pub label: ArrayRef,
    /// Weights, when the call has them.
    pub weights: Option<Vec<f32>>,
    /// Names and kept types of the features.
    pub feature_fields: &'a [FieldRef],
    /// Feature columns.
    pub features: Vec<ArrayRef>,
    /// Content hash per row.
    pub row_keys: &'a [u64],
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, Int64Array};

    use super::*;

    fn rows() -> GroupRows {
        let field = |name: &str, data_type| Field::new(name, data_type, true);
        let fields = vec![field("y", DataType::Float64), field("x", DataType::Int64)];
        GroupRows::new(fields.into(), false)
    }

    fn columns(labels: &[f64], numbers: &[i64]) -> Vec<ArrayRef> {
        vec![
            Arc::new(Float64Array::from(labels.to_vec())),
            Arc::new(Int64Array::from(numbers.to_vec())),
        ]
    }

    fn numbers(sorted: &SortedGroups, group: usize) -> Vec<i64> {
        let rows = sorted.group(group).unwrap();
        let mut numbers = rows.features[0]
            .as_primitive::<arrow::datatypes::Int64Type>()
            .values()
            .to_vec();
        numbers.sort_unstable();
        numbers
    }

    #[test]
    fn groups_leave_in_order_and_the_others_move_up() {
        let mut held = rows();
        held.push(
            &columns(&[1.0, 2.0, f64::NAN, 4.0], &[1, 2, 3, 4]),
            &[0, 1, 1, 2],
            None,
            3,
        )
        .unwrap();
        held.push(&columns(&[5.0, 6.0], &[5, 6]), &[1, 3], None, 5)
            .unwrap();
        let first = held.take_sorted(EmitTo::First(2)).unwrap();
        assert_eq!((first.count(), numbers(&first, 0)), (2, vec![1]));
        assert_eq!(
            numbers(&first, 1),
            [2, 5],
            "a row without a label is left out"
        );
        let rest = held.take_sorted(EmitTo::All).unwrap();
        assert_eq!(rest.count(), 3);
        assert_eq!((numbers(&rest, 0), numbers(&rest, 1)), (vec![4], vec![6]));
        assert_eq!(rest.rows(2), 0);
    }

    #[test]
    fn lists_carry_the_rows_over_and_order_does_not_matter() {
        let mut whole = rows();
        let labels: Vec<f64> = (0..60).map(f64::from).collect();
        let values: Vec<i64> = (0..60).map(|i| i * 7 % 13).collect();
        let groups: Vec<usize> = (0..60).map(|i| i % 4).collect();
        whole
            .push(&columns(&labels, &values), &groups, None, 4)
            .unwrap();
        let mut other = rows();
        let keep = BooleanArray::from_iter((0..60).map(|i| Some(i % 2 == 1)));
        let state = other
            .singles(&columns(&labels, &values), Some(&keep))
            .unwrap();
        other.push_lists(&state, &groups, 4).unwrap();
        let mut half = rows();
        let flipped = BooleanArray::from_iter((0..60).map(|i| (i % 2 == 0).then_some(true)));
        half.push(&columns(&labels, &values), &groups, Some(&flipped), 4)
            .unwrap();
        let lists = half.take_lists(EmitTo::All).unwrap();
        other.push_lists(&lists, &[0, 1, 2, 3], 4).unwrap();
        let (whole, other) = (
            whole.take_sorted(EmitTo::All).unwrap(),
            other.take_sorted(EmitTo::All).unwrap(),
        );
        assert_eq!(whole.row_keys, other.row_keys);
        assert_eq!(whole.columns, other.columns);
    }

    #[test]
    fn a_bad_weight_is_an_error() {
        let fields = ["y", "w"].map(|name| Field::new(name, DataType::Float64, true));
        let mut held = GroupRows::new(fields.to_vec().into(), true);
        let numbers =
            |values: &[f64]| -> ArrayRef { Arc::new(Float64Array::from(values.to_vec())) };
        let error = held
            .push(&[numbers(&[1.0]), numbers(&[-1.0])], &[0], None, 1)
            .unwrap_err();
        assert!(error.to_string().contains("invalid weight: -1"));
    }
}
