//! How do Arrow columns of any suitable type become a model's numbers?

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use tarn_gpu::error::DataError;
use tarn_gpu::matrix::{Column, MISSING_LEVEL, RowOrder};

use super::features::{Affine, Dictionary, FeatureColumn, FeatureRole, FeatureSet, SourceFamily};
use super::sql_type::sql_type_name;
use crate::error::ModelError;

impl FeatureSet {
    /// Encodes one array per source column, in the set's order.
    ///
    /// # Errors
    /// [`ModelError::WrongType`] when an array is not of its column's family.
    pub fn encode(&self, arrays: &[ArrayRef]) -> Result<Vec<Column>, ModelError> {
        let mut columns = Vec::with_capacity(self.width());
        for (feature, array) in self.columns.iter().zip(arrays) {
            feature.encode(array, &mut columns)?;
        }
        Ok(columns)
    }
}

impl FeatureSet {
    /// As [`FeatureSet::encode`], with the rows put in another order, a column while it is at hand.
    ///
    /// # Errors
    /// As [`FeatureSet::encode`], and when the order has another number of rows.
    pub fn encode_in_order(
        &self,
        arrays: &[ArrayRef],
        order: &mut RowOrder<'_>,
    ) -> Result<Vec<Column>, ModelError> {
        let mut columns = Vec::with_capacity(self.width());
        for (feature, array) in self.columns.iter().zip(arrays) {
            let first = columns.len();
            feature.encode(array, &mut columns)?;
            for column in &mut columns[first..] {
                let ragged = |error: DataError| ModelError::Learner(error.to_string());
                order.apply(column).map_err(ragged)?;
            }
        }
        Ok(columns)
    }
}

impl FeatureColumn {
    /// Fails unless an argument of this type can stand for the column.
    pub fn check_type(&self, data_type: &DataType) -> Result<(), ModelError> {
        let moment = |family| matches!(family, SourceFamily::Date | SourceFamily::Timestamp);
        let suits = match SourceFamily::of(data_type) {
            _ if *data_type == DataType::Null => true,
            Some(family) => family == self.family || (moment(family) && moment(self.family)),
            None => false,
        };
        if suits {
            return Ok(());
        }
        Err(ModelError::WrongType {
            column: self.name.clone(),
            expected: self.family.sql_words().into(),
            got: sql_type_name(data_type),
        })
    }

    fn encode(&self, array: &ArrayRef, columns: &mut Vec<Column>) -> Result<(), ModelError> {
        self.check_type(array.data_type())?;
        let typed = if *array.data_type() == DataType::Null {
            self.missing_array(array.len())
        } else {
            array.clone()
        };
        match &self.role {
            FeatureRole::Boolean => columns.push(Column::Numeric(scaled(
                &self.name,
                &typed,
                Affine::IDENTITY,
            )?)),
            FeatureRole::Numeric(affine) => {
                columns.push(Column::Numeric(scaled(&self.name, &typed, *affine)?))
            }
            FeatureRole::Categorical(dictionary) => {
                let codes = codes_of(&self.name, &typed, dictionary)?;
                columns.push(Column::Categorical {
                    codes,
                    levels: dictionary.levels().len() as u32,
                });
            }
            FeatureRole::Moment {
                parts,
                origin_micros,
            } => {
                let moments = micros_of(&self.name, &typed)?;
                for part in parts {
                    let numbers = moments
                        .iter()
                        .map(|m| m.map_or(f32::NAN, |micros| part.of(micros, *origin_micros)));
                    columns.push(Column::Numeric(numbers.collect()));
                }
            }
        }
        Ok(())
    }

    fn missing_array(&self, rows: usize) -> ArrayRef {
        let data_type = match self.family {
            SourceFamily::Boolean => DataType::Boolean,
            SourceFamily::Number => DataType::Float64,
            SourceFamily::Text => DataType::Utf8,
            SourceFamily::Date | SourceFamily::Timestamp => {
                DataType::Timestamp(TimeUnit::Microsecond, None)
            }
        };
        arrow::array::new_null_array(&data_type, rows)
    }
}

fn unsupported(column: &str, data_type: &DataType) -> ModelError {
    ModelError::UnsupportedType {
        column: column.into(),
        got: sql_type_name(data_type),
        role: "feature",
    }
}

fn cast_to(column: &str, array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ModelError> {
    cast(array, to).map_err(|_| unsupported(column, array.data_type()))
}

fn scaled(column: &str, array: &ArrayRef, affine: Affine) -> Result<Vec<f32>, ModelError> {
    if let Some(values) = array.as_primitive_opt::<Float32Type>()
        && affine == Affine::IDENTITY
        && values.null_count() == 0
    {
        let limit = super::features::NUMBER_MAX;
        return Ok(values
            .values()
            .iter()
            .map(|value| value.clamp(-limit, limit))
            .collect());
    }
    let mut scaled = Vec::with_capacity(array.len());
    visit_numbers(column, array, |_, value| scaled.push(affine.apply(value)))?;
    Ok(scaled)
}

/// Calls `visit` with each row's number; NULL is not a number. The usual types are read where they lie.
pub fn visit_numbers(
    column: &str,
    array: &ArrayRef,
    mut visit: impl FnMut(usize, f64),
) -> Result<(), ModelError> {
    fn each<T: ArrowPrimitiveType>(
        array: &PrimitiveArray<T>,
        wide: impl Fn(T::Native) -> f64,
        mut visit: impl FnMut(usize, f64),
    ) {
        if array.null_count() == 0 {
            for (row, &value) in array.values().iter().enumerate() {
                visit(row, wide(value));
            }
        } else {
            for (row, value) in array.iter().enumerate() {
                visit(row, value.map_or(f64::NAN, &wide));
            }
        }
    }
    match array.data_type() {
        DataType::Float64 => each(array.as_primitive::<Float64Type>(), |value| value, visit),
        DataType::Float32 => each(array.as_primitive::<Float32Type>(), f64::from, visit),
        DataType::Int32 => each(array.as_primitive::<Int32Type>(), f64::from, visit),
        DataType::Int16 => each(array.as_primitive::<Int16Type>(), f64::from, visit),
        DataType::Int64 => each(
            array.as_primitive::<Int64Type>(),
            |value| value as f64,
            visit,
        ),
        _ => {
            for (row, value) in numbers_of(column, array)?.into_iter().enumerate() {
                visit(row, value);
            }
        }
    }
    Ok(())
}

/// The values of a boolean or number column; NULL is not a number.
pub fn numbers_of(column: &str, array: &ArrayRef) -> Result<Vec<f64>, ModelError> {
    let plain = match array.data_type() {
        DataType::Time32(_) => cast_to(
            column,
            &cast_to(column, array, &DataType::Int32)?,
            &DataType::Int64,
        )?,
        DataType::Time64(_) | DataType::Duration(_) => cast_to(column, array, &DataType::Int64)?,
        DataType::Dictionary(_, value) => cast_to(column, array, value)?,
        _ => array.clone(),
    };
    let wide = match plain.data_type() {
        DataType::Float64 => plain,
        _ => cast_to(column, &plain, &DataType::Float64)?,
    };
    let values = wide.as_primitive::<Float64Type>();
    if values.null_count() == 0 {
        return Ok(values.values().to_vec());
    }
    Ok(values
        .iter()
        .map(|value| value.unwrap_or(f64::NAN))
        .collect())
}

/// The moments of a date or timestamp column, in microseconds since 1970 UTC, saturating at the ends of `i64`.
pub fn micros_of(column: &str, array: &ArrayRef) -> Result<Vec<Option<i64>>, ModelError> {
    let moments = match array.data_type() {
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>();
            days.iter()
                .map(|day| day.map(|day| i64::from(day).saturating_mul(86_400_000_000)))
                .collect()
        }
        DataType::Date64 => scale_moments(array.as_primitive::<Date64Type>().iter(), 1_000),
        DataType::Timestamp(TimeUnit::Second, _) => scale_moments(
            array.as_primitive::<TimestampSecondType>().iter(),
            1_000_000,
        ),
        DataType::Timestamp(TimeUnit::Millisecond, _) => scale_moments(
            array.as_primitive::<TimestampMillisecondType>().iter(),
            1_000,
        ),
        DataType::Timestamp(TimeUnit::Microsecond, _) => array
            .as_primitive::<TimestampMicrosecondType>()
            .iter()
            .collect(),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            let nanos = array.as_primitive::<TimestampNanosecondType>();
            nanos
                .iter()
                .map(|nano| nano.map(|nano| nano.div_euclid(1_000)))
                .collect()
        }
        DataType::Dictionary(_, value) => {
            return micros_of(column, &cast_to(column, array, value)?);
        }
        other => return Err(unsupported(column, other)),
    };
    Ok(moments)
}

fn scale_moments(moments: impl Iterator<Item = Option<i64>>, factor: i64) -> Vec<Option<i64>> {
    moments
        .map(|moment| moment.map(|moment| moment.saturating_mul(factor)))
        .collect()
}

/// Calls `visit` with each row's text, `None` for NULL; a dictionary array is visited row by row too.
pub fn visit_text(
    column: &str,
    array: &ArrayRef,
    mut visit: impl FnMut(usize, Option<&str>),
) -> Result<(), ModelError> {
    match array.data_type() {
        DataType::Utf8 => array
            .as_string::<i32>()
            .iter()
            .enumerate()
            .for_each(|(row, text)| visit(row, text)),
        DataType::LargeUtf8 => array
            .as_string::<i64>()
            .iter()
            .enumerate()
            .for_each(|(row, text)| visit(row, text)),
        DataType::Utf8View => array
            .as_string_view()
            .iter()
            .enumerate()
            .for_each(|(row, text)| visit(row, text)),
        DataType::Dictionary(_, value) => {
            return visit_text(column, &cast_to(column, array, value)?, visit);
        }
        other => return Err(unsupported(column, other)),
    }
    Ok(())
}

fn codes_of(
    column: &str,
    array: &ArrayRef,
    dictionary: &Dictionary,
) -> Result<Vec<u32>, ModelError> {
    if let Some(encoded) = array.as_any_dictionary_opt() {
        let value_codes = codes_of(column, encoded.values(), dictionary)?;
        if value_codes.is_empty() {
            return Ok(vec![MISSING_LEVEL; array.len()]);
        }
        let keys = encoded.normalized_keys();
        let code = |(row, key): (usize, &usize)| {
            if encoded.keys().is_null(row) {
                MISSING_LEVEL
            } else {
                value_codes[*key]
            }
        };
        return Ok(keys.iter().enumerate().map(code).collect());
    }
    let mut codes = Vec::with_capacity(array.len());
    visit_text(column, array, |_, text| {
        codes.push(
            text.and_then(|text| dictionary.code(text))
                .unwrap_or(MISSING_LEVEL),
        );
    })?;
    Ok(codes)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float64Array, Int64Array,
        NullArray, StringArray, StringViewArray, TimestampMicrosecondArray,
    };
    use arrow::datatypes::{Field, Int32Type};

    use super::super::observe::{ColumnObserver, Verdict};
    use super::*;

    fn feature(values: &ArrayRef) -> FeatureColumn {
        let mut observer =
            ColumnObserver::new(&Field::new("x", values.data_type().clone(), true), false);
        observer.observe(values).unwrap();
        match observer.finish() {
            Verdict::Keep(feature) => feature,
            Verdict::Drop(reason) => panic!("dropped: {reason:?}"),
        }
    }

    fn encode(feature: &FeatureColumn, values: &ArrayRef) -> Vec<Column> {
        FeatureSet {
            columns: vec![feature.clone()],
        }
        .encode(std::slice::from_ref(values))
        .unwrap()
    }

    fn numbers(column: &Column) -> Vec<f32> {
        match column {
            Column::Numeric(values) => values.clone(),
            Column::Categorical { .. } => panic!("not numeric"),
        }
    }

    #[test]
    fn every_number_type_gives_the_same_numbers() {
        let integers: ArrayRef = Arc::new(Int64Array::from(vec![Some(3), None, Some(-4)]));
        let column = feature(&integers);
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![3.0, f64::NAN, -4.0]));
        let decimals: ArrayRef = Arc::new(
            Decimal128Array::from(vec![Some(300), None, Some(-400)])
                .with_precision_and_scale(38, 2)
                .unwrap(),
        );
        for values in [&integers, &floats, &decimals] {
            let encoded = numbers(&encode(&column, values)[0]);
            assert_eq!((encoded[0], encoded[2]), (3.0, -4.0));
            assert!(encoded[1].is_nan());
        }
    }

    #[test]
    fn every_text_type_gives_the_same_codes_and_new_levels_are_missing() {
        let plain: ArrayRef = Arc::new(StringArray::from(vec![
            Some("b"),
            Some("a"),
            None,
            Some("b"),
        ]));
        let column = feature(&plain);
        let view: ArrayRef = Arc::new(StringViewArray::from(vec![
            Some("b"),
            Some("a"),
            None,
            Some("new"),
        ]));
        let dictionary: DictionaryArray<Int32Type> = vec![Some("b"), Some("a"), None, Some("new")]
            .into_iter()
            .collect();
        let dictionary: ArrayRef = Arc::new(dictionary);
        for values in [&view, &dictionary] {
            let encoded = encode(&column, values);
            let codes = vec![0, 1, MISSING_LEVEL, MISSING_LEVEL];
            assert_eq!(encoded[0], Column::Categorical { codes, levels: 2 });
        }
    }

    #[test]
    fn dates_and_timestamps_give_utc_parts() {
        let days: ArrayRef = Arc::new(Date32Array::from(vec![0, 40]));
        let column = feature(&days);
        let names = column.model_names();
        assert_eq!(names, ["x.elapsed", "x.month", "x.day", "x.weekday"]);
        let moments: ArrayRef = Arc::new(
            TimestampMicrosecondArray::from(vec![43_200_000_000]).with_timezone("America/New_York"),
        );
        let encoded = encode(&column, &moments);
        assert_eq!(numbers(&encoded[0]), [0.5]);
        assert_eq!(numbers(&encoded[3]), [3.0]);
    }

    #[test]
    fn a_wrong_type_names_column_and_types_and_null_fits_everywhere() {
        let booleans: ArrayRef = Arc::new(BooleanArray::from(vec![true, false]));
        let column = feature(&booleans);
        assert_eq!(numbers(&encode(&column, &booleans)[0]), [1.0, 0.0]);
        let nulls: ArrayRef = Arc::new(NullArray::new(2));
        assert!(numbers(&encode(&column, &nulls)[0])[0].is_nan());
        let text: ArrayRef = Arc::new(StringArray::from(vec!["t", "f"]));
        let error = FeatureSet {
            columns: vec![column],
        }
        .encode(&[text])
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "column \"x\" is of type text but the model expects boolean"
        );
    }
}
