//! How do array and record literals, text or binary, become Arrow lists and structs?

use std::sync::Arc;

use arrow::array::{ArrayRef, ListArray, NullBufferBuilder, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use tarn_catalog::types::{PgType, oid};

use super::builder::{Builder, builder};
use super::error::{INVALID_TEXT, NOT_SUPPORTED, ValueError};
use super::quoting::{Element, array_elements, record_fields};
use super::settings::FormatSettings;

/// More dimensions than PostgreSQL allows.
const DIMENSIONS_MAX: usize = 6;

/// Values are elements, or lists again: one more dimension of the same array.
enum Elements {
    Values(Box<dyn Builder>),
    Lists(Box<Lists>),
}

struct Lists {
    field: FieldRef,
    element: PgType,
    elements: Elements,
    /// where each list ends among the elements
    lengths: Vec<usize>,
    nulls: NullBufferBuilder,
    /// `int2vector` and `oidvector`: spaces instead of braces
    is_vector: bool,
}

/// A builder of a List column; `pg_type` is the array's.
pub(super) fn list_builder(
    pg_type: PgType,
    field: &FieldRef,
    settings: &Arc<FormatSettings>,
) -> Result<Box<dyn Builder>, ValueError> {
    Ok(Box::new(Lists::new(pg_type, field, settings)?))
}

impl Lists {
    fn new(
        pg_type: PgType,
        field: &FieldRef,
        settings: &Arc<FormatSettings>,
    ) -> Result<Lists, ValueError> {
        let element = match pg_type.oid {
            oid::INT2VECTOR => PgType::INT2,
            oid::OIDVECTOR => PgType::OID,
            _ => pg_type.element().unwrap_or_else(|| PgType::of_field(field)),
        };
        let elements = match field.data_type() {
            DataType::List(inner) if !matches!(element.oid, oid::INT2VECTOR | oid::OIDVECTOR) => {
                Elements::Lists(Box::new(Lists::new(pg_type, inner, settings)?))
            }
            data_type => Elements::Values(builder(element, data_type, settings)?),
        };
        Ok(Lists {
            field: Arc::clone(field),
            element,
            elements,
            lengths: Vec::new(),
            nulls: NullBufferBuilder::new(0),
            is_vector: matches!(pg_type.oid, oid::INT2VECTOR | oid::OIDVECTOR),
        })
    }

    fn end_list(&mut self, length: usize) {
        self.lengths.push(length);
        self.nulls.append_non_null();
    }

    fn too_many_dimensions(&self) -> ValueError {
        ValueError::new(
            NOT_SUPPORTED,
            format!(
                "a column of type {}[] holds arrays of one dimension only",
                self.element.sql_name()
            ),
        )
    }

    /// The lists of one more dimension, whose elements follow in the binary form.
    fn append_sizes(&mut self, sizes: &[usize], cursor: &mut Cursor<'_>) -> Result<(), ValueError> {
        let (length, inner) = match sizes {
            [] => (0, sizes),
            [length, inner @ ..] => (*length, inner),
        };
        for _ in 0..length {
            match &mut self.elements {
                Elements::Lists(lists) => lists.append_sizes(inner, cursor)?,
                Elements::Values(_) if !inner.is_empty() => return Err(self.too_many_dimensions()),
                Elements::Values(values) => match cursor.value()? {
                    Some(bytes) => values.append_binary(bytes)?,
                    None => values.append_null(),
                },
            }
        }
        self.end_list(length);
        Ok(())
    }

    fn append_vector(&mut self, text: &str) -> Result<(), ValueError> {
        let mut length = 0;
        for word in text.split_ascii_whitespace() {
            if let Elements::Values(values) = &mut self.elements {
                values.append_text(word)?;
            }
            length += 1;
        }
        self.end_list(length);
        Ok(())
    }

    fn leaf(&self) -> PgType {
        match &self.elements {
            Elements::Lists(lists) => lists.leaf(),
            Elements::Values(_) => self.element,
        }
    }
}

impl Builder for Lists {
    fn append_null(&mut self) {
        self.lengths.push(0);
        self.nulls.append_null();
    }

    fn append_text(&mut self, text: &str) -> Result<(), ValueError> {
        if self.is_vector {
            return self.append_vector(text);
        }
        let literals = array_elements(text)?;
        for literal in &literals {
            match (&mut self.elements, literal) {
                (Elements::Values(values), Element::Null) => values.append_null(),
                (Elements::Values(values), Element::Value(value)) => values.append_text(value)?,
                (Elements::Values(_), Element::Array(_)) => return Err(self.too_many_dimensions()),
                (Elements::Lists(lists), Element::Null) => lists.append_null(),
                (Elements::Lists(lists), Element::Array(inner)) => lists.append_text(inner)?,
                (Elements::Lists(lists), Element::Value(value)) => lists.append_text(value)?,
            }
        }
        self.end_list(literals.len());
        Ok(())
    }

    fn append_binary(&mut self, bytes: &[u8]) -> Result<(), ValueError> {
        let mut cursor = Cursor {
            bytes,
            type_name: "array",
        };
        let dimensions = cursor.int()? as usize;
        let _has_nulls = cursor.int()?;
        let element = cursor.int()? as u32;
        if dimensions > DIMENSIONS_MAX {
            return Err(ValueError::new(
                "54000",
                format!(
                    "number of array dimensions ({dimensions}) exceeds the maximum allowed ({DIMENSIONS_MAX})"
                ),
            ));
        }
        let expected = self.leaf();
        if element != expected.oid {
            return Err(ValueError::new(
                "42804",
                format!(
                    "binary data has array element type {element} ({}) instead of expected {} ({})",
                    PgType::of_oid(element).sql_name(),
                    expected.oid,
                    expected.sql_name()
                ),
            ));
        }
        let mut sizes = Vec::with_capacity(dimensions);
        let mut element_count = 1usize;
        for _ in 0..dimensions {
            let size = usize::try_from(cursor.int()?).map_err(|_| ValueError::binary("array"))?;
            let _lower_bound = cursor.int()?;
            element_count = element_count.saturating_mul(size);
            sizes.push(size);
        }
        // Each element has a length of four bytes, so more cannot be in the message.
        if dimensions > 0 && element_count > cursor.bytes.len() / 4 {
            return Err(ValueError::binary("array"));
        }
        self.append_sizes(&sizes, &mut cursor)?;
        cursor.end()
    }

    fn finish(&mut self) -> Result<ArrayRef, ValueError> {
        let values = match &mut self.elements {
            Elements::Values(values) => values.finish()?,
            Elements::Lists(lists) => lists.finish()?,
        };
        let offsets = OffsetBuffer::from_lengths(std::mem::take(&mut self.lengths));
        let list = ListArray::try_new(
            Arc::clone(&self.field),
            offsets,
            values,
            self.nulls.finish(),
        )
        .map_err(|error| ValueError::new("23502", error.to_string()))?;
        Ok(Arc::new(list))
    }
}

/// Reads the words and sized values of a binary array or record.
struct Cursor<'a> {
    bytes: &'a [u8],
    type_name: &'static str,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], ValueError> {
        let (taken, rest) = self
            .bytes
            .split_at_checked(len)
            .ok_or_else(|| ValueError::binary(self.type_name))?;
        self.bytes = rest;
        Ok(taken)
    }

    fn int(&mut self) -> Result<i32, ValueError> {
        let bytes = self.take(4)?;
        Ok(i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn value(&mut self) -> Result<Option<&'a [u8]>, ValueError> {
        match self.int()? {
            -1 => Ok(None),
            len => {
                let len = usize::try_from(len).map_err(|_| ValueError::binary(self.type_name))?;
                self.take(len).map(Some)
            }
        }
    }

    fn end(&self) -> Result<(), ValueError> {
        if self.bytes.is_empty() {
            Ok(())
        } else {
            Err(ValueError::binary(self.type_name))
        }
    }
}

struct Records {
    fields: Fields,
    columns: Vec<Box<dyn Builder>>,
    nulls: NullBufferBuilder,
}

/// A builder of a Struct column.
pub(super) fn record_builder(
    fields: &Fields,
    settings: &Arc<FormatSettings>,
) -> Result<Box<dyn Builder>, ValueError> {
    let columns = fields
        .iter()
        .map(|field: &Arc<Field>| builder(PgType::of_field(field), field.data_type(), settings))
        .collect::<Result<_, _>>()?;
    Ok(Box::new(Records {
        fields: fields.clone(),
        columns,
        nulls: NullBufferBuilder::new(0),
    }))
}

impl Builder for Records {
    fn append_null(&mut self) {
        for column in &mut self.columns {
            column.append_null();
        }
        self.nulls.append_null();
    }

    fn append_text(&mut self, text: &str) -> Result<(), ValueError> {
        let literals = record_fields(text)?;
        if literals.len() != self.columns.len() {
            let detail = if literals.len() < self.columns.len() {
                "Too few columns."
            } else {
                "Too many columns."
            };
            return Err(ValueError::new(
                INVALID_TEXT,
                format!("malformed record literal: \"{text}\""),
            )
            .with_detail(detail));
        }
        for (column, literal) in self.columns.iter_mut().zip(&literals) {
            match literal {
                Some(literal) => column.append_text(literal)?,
                None => column.append_null(),
            }
        }
        self.nulls.append_non_null();
        Ok(())
    }

    fn append_binary(&mut self, bytes: &[u8]) -> Result<(), ValueError> {
        let mut cursor = Cursor {
            bytes,
            type_name: "record",
        };
        let count = cursor.int()?;
        if usize::try_from(count) != Ok(self.columns.len()) {
            return Err(ValueError::new(
                "42804",
                format!(
                    "wrong number of columns: {count}, expected {}",
                    self.columns.len()
                ),
            ));
        }
        for column in &mut self.columns {
            let _type_oid = cursor.int()?;
            match cursor.value()? {
                Some(bytes) => column.append_binary(bytes)?,
                None => column.append_null(),
            }
        }
        self.nulls.append_non_null();
        cursor.end()
    }

    fn finish(&mut self) -> Result<ArrayRef, ValueError> {
        let columns = self
            .columns
            .iter_mut()
            .map(|column| column.finish())
            .collect::<Result<_, _>>()?;
        let record = StructArray::try_new(self.fields.clone(), columns, self.nulls.finish())
            .map_err(|error| ValueError::new("23502", error.to_string()))?;
        Ok(Arc::new(record))
    }
}
