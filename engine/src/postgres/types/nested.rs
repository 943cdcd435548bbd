//! How are lists, structs and maps written: as arrays, records and JSON?

use std::ops::Range;

use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType;
use tarn_catalog::types::{PgType, oid};

use super::cell::{Cell, Target, Written, cell};
use super::error::{NOT_SUPPORTED, ValueError};
use super::quoting::{quote_array_element, quote_json, quote_record_field};
use super::settings::Format;

const NULL_LENGTH: i32 = -1;

/// Which of a list's values are in a row.
type Ranges<'a> = Box<dyn Fn(usize) -> Range<usize> + 'a>;

/// The rows of a list's values, whatever kind of list it is.
struct Lists<'a> {
    array: &'a dyn Array,
    range: Ranges<'a>,
    values: &'a dyn Array,
}

impl<'a> Lists<'a> {
    fn of(array: &'a dyn Array) -> Result<Lists<'a>, ValueError> {
        let (values, range): (&'a dyn Array, Ranges<'a>) = match array.data_type() {
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                let offsets = list.value_offsets();
                (
                    list.values().as_ref(),
                    Box::new(|row| offsets[row] as usize..offsets[row + 1] as usize),
                )
            }
            DataType::LargeList(_) => {
                let list = array.as_list::<i64>();
                let offsets = list.value_offsets();
                (
                    list.values().as_ref(),
                    Box::new(|row| offsets[row] as usize..offsets[row + 1] as usize),
                )
            }
            DataType::FixedSizeList(_, size) => {
                let size = *size as usize;
                let list = array.as_fixed_size_list();
                (
                    list.values().as_ref(),
                    Box::new(move |row| row * size..(row + 1) * size),
                )
            }
            other => {
                return Err(ValueError::new(
                    NOT_SUPPORTED,
                    format!("{other} is not a list"),
                ));
            }
        };
        Ok(Lists {
            array,
            range,
            values,
        })
    }
}

/// A list's elements are values, or lists again: one more dimension of the same array.
enum Elements<'a> {
    Values {
        cell: Box<dyn Cell + 'a>,
        quoted: bool,
    },
    Lists(Box<ListCell<'a>>),
}

struct ListCell<'a> {
    lists: Lists<'a>,
    elements: Elements<'a>,
    element_oid: u32,
    format: Format,
    /// `int2vector` and `oidvector`: spaces instead of braces, counted from 0
    is_vector: bool,
}

/// A list as a PostgreSQL array.
pub(super) fn list_cell<'a>(
    array: &'a dyn Array,
    target: Target<'a>,
) -> Result<Box<dyn Cell + 'a>, ValueError> {
    Ok(Box::new(ListCell::of(array, target)?))
}

impl<'a> ListCell<'a> {
    fn of(array: &'a dyn Array, target: Target<'a>) -> Result<ListCell<'a>, ValueError> {
        let lists = Lists::of(array)?;
        let is_vector = matches!(target.pg_type.oid, oid::INT2VECTOR | oid::OIDVECTOR);
        let element = match target.pg_type.oid {
            oid::INT2VECTOR => PgType::INT2,
            oid::OIDVECTOR => PgType::OID,
            _ => target.pg_type.element().unwrap_or(PgType::TEXT),
        };
        let is_list = matches!(
            lists.values.data_type(),
            DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(_, _)
        );
        let elements = if is_list
            && !matches!(
                element.oid,
                oid::INT2VECTOR | oid::OIDVECTOR | oid::JSON | oid::JSONB
            ) {
            Elements::Lists(Box::new(ListCell::of(lists.values, target)?))
        } else {
            // Numbers and booleans never need quotes.
            let quoted = !(lists.values.data_type().is_numeric()
                || *lists.values.data_type() == DataType::Boolean);
            Elements::Values {
                cell: cell(
                    lists.values,
                    Target {
                        pg_type: element,
                        ..target
                    },
                )?,
                quoted,
            }
        };
        Ok(ListCell {
            lists,
            elements,
            element_oid: element.oid,
            format: target.format,
            is_vector,
        })
    }

    fn write_text(&self, row: usize, out: &mut Vec<u8>) -> Written {
        let separator = if self.is_vector { b' ' } else { b',' };
        if !self.is_vector {
            out.push(b'{');
        }
        for (at, place) in (self.lists.range)(row).enumerate() {
            if at > 0 {
                out.push(separator);
            }
            match &self.elements {
                Elements::Values { cell, .. } if cell.is_null(place) => {
                    out.extend_from_slice(b"NULL")
                }
                Elements::Values { cell, quoted } => {
                    let start = out.len();
                    cell.write(place, out)?;
                    if *quoted {
                        quote_array_element(out, start);
                    }
                }
                Elements::Lists(inner) if inner.is_null(place) => out.extend_from_slice(b"NULL"),
                Elements::Lists(inner) => inner.write_text(place, out)?,
            }
        }
        if !self.is_vector {
            out.push(b'}');
        }
        Ok(())
    }

    fn write_binary(&self, row: usize, out: &mut Vec<u8>) -> Written {
        let mut sizes = Vec::new();
        self.collect_sizes(row, &mut sizes);
        if sizes.contains(&0) {
            sizes.clear();
        }
        let lower_bound = i32::from(!self.is_vector);
        out.extend_from_slice(&(sizes.len() as i32).to_be_bytes());
        let flag = out.len();
        out.extend_from_slice(&0i32.to_be_bytes());
        out.extend_from_slice(&self.leaf_oid().to_be_bytes());
        for size in &sizes {
            out.extend_from_slice(&(*size as i32).to_be_bytes());
            out.extend_from_slice(&lower_bound.to_be_bytes());
        }
        if self.write_elements(row, &sizes, out)? {
            out[flag + 3] = 1;
        }
        Ok(())
    }

    fn leaf_oid(&self) -> u32 {
        match &self.elements {
            Elements::Values { .. } => self.element_oid,
            Elements::Lists(inner) => inner.leaf_oid(),
        }
    }

    /// Lengths of the dimensions, as the first element of each has them.
    fn collect_sizes(&self, row: usize, sizes: &mut Vec<usize>) {
        let range = (self.lists.range)(row);
        sizes.push(range.len());
        if let Elements::Lists(inner) = &self.elements
            && !range.is_empty()
        {
            inner.collect_sizes(range.start, sizes);
        }
    }

    /// Appends the elements with their lengths; true when one of them is NULL.
    fn write_elements(
        &self,
        row: usize,
        sizes: &[usize],
        out: &mut Vec<u8>,
    ) -> Result<bool, Box<ValueError>> {
        let ragged = || {
            let message =
                "multidimensional arrays must have array expressions with matching dimensions";
            Box::new(
                ValueError::new("2202E", message).with_hint("The text format can show this value."),
            )
        };
        let range = (self.lists.range)(row);
        if range.len() != sizes.first().copied().unwrap_or(0)
            && !(sizes.is_empty() && self.is_hollow(row))
        {
            return Err(ragged());
        }
        if sizes.is_empty() {
            return Ok(false);
        }
        let mut has_null = false;
        for place in range {
            match &self.elements {
                Elements::Values { cell, .. } if cell.is_null(place) => {
                    has_null = true;
                    out.extend_from_slice(&NULL_LENGTH.to_be_bytes());
                }
                Elements::Values { cell, .. } => write_sized(cell.as_ref(), place, out)?,
                Elements::Lists(inner) if inner.is_null(place) => return Err(ragged()),
                Elements::Lists(inner) => {
                    has_null |= inner.write_elements(place, &sizes[1..], out)?
                }
            }
        }
        Ok(has_null)
    }

    /// Lists without any value in them.
    fn is_hollow(&self, row: usize) -> bool {
        match &self.elements {
            Elements::Values { .. } => (self.lists.range)(row).is_empty(),
            Elements::Lists(inner) => (self.lists.range)(row).all(|place| inner.is_hollow(place)),
        }
    }
}

impl Cell for ListCell<'_> {
    fn is_null(&self, row: usize) -> bool {
        self.lists.array.is_null(row)
    }

    fn write(&self, row: usize, out: &mut Vec<u8>) -> Written {
        match self.format {
            Format::Text => self.write_text(row, out),
            Format::Binary => self.write_binary(row, out),
        }
    }
}

fn write_sized(cell: &dyn Cell, row: usize, out: &mut Vec<u8>) -> Written {
    let at = out.len();
    out.extend_from_slice(&NULL_LENGTH.to_be_bytes());
    cell.write(row, out)?;
    let len = (out.len() - at - 4) as i32;
    out[at..at + 4].copy_from_slice(&len.to_be_bytes());
    Ok(())
}

struct RecordCell<'a> {
    array: &'a dyn Array,
    fields: Vec<(u32, Box<dyn Cell + 'a>)>,
    format: Format,
}

/// A struct as a PostgreSQL record.
pub(super) fn record_cell<'a>(
    array: &'a dyn Array,
    target: Target<'a>,
) -> Result<Box<dyn Cell + 'a>, ValueError> {
    let columns = array.as_struct();
    let fields = columns
        .fields()
        .iter()
        .zip(columns.columns())
        .map(|(field, column)| {
            let pg_type = PgType::of_field(field);
            Ok((
                pg_type.oid,
                cell(column.as_ref(), Target { pg_type, ..target })?,
            ))
        })
        .collect::<Result<_, ValueError>>()?;
    Ok(Box::new(RecordCell {
        array,
        fields,
        format: target.format,
    }))
}

impl Cell for RecordCell<'_> {
    fn is_null(&self, row: usize) -> bool {
        self.array.is_null(row)
    }

    fn write(&self, row: usize, out: &mut Vec<u8>) -> Written {
        if self.format == Format::Binary {
            out.extend_from_slice(&(self.fields.len() as i32).to_be_bytes());
            for (oid, field) in &self.fields {
                out.extend_from_slice(&oid.to_be_bytes());
                if field.is_null(row) {
                    out.extend_from_slice(&NULL_LENGTH.to_be_bytes());
                } else {
                    write_sized(field.as_ref(), row, out)?;
                }
            }
            return Ok(());
        }
        out.push(b'(');
        for (at, (_, field)) in self.fields.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            if !field.is_null(row) {
                let start = out.len();
                field.write(row, out)?;
                quote_record_field(out, start);
            }
        }
        out.push(b')');
        Ok(())
    }
}

/// A value of JSON text.
enum Json<'a> {
    /// numbers; those that are not finite become strings
    Number(Box<dyn Cell + 'a>),
    Bool(Box<dyn Cell + 'a>),
    Text(Box<dyn Cell + 'a>),
    /// already JSON
    Ready(Box<dyn Cell + 'a>),
    List(Lists<'a>, Box<Json<'a>>),
    Struct(&'a dyn Array, Vec<(Vec<u8>, Json<'a>)>),
    Map(&'a dyn Array, &'a [i32], Box<Json<'a>>, Box<Json<'a>>),
}

struct JsonCell<'a> {
    json: Json<'a>,
    /// `jsonb` in binary starts with its version
    has_version: bool,
}

/// A map, list or struct as JSON.
pub(super) fn json_cell<'a>(
    array: &'a dyn Array,
    target: Target<'a>,
) -> Result<Box<dyn Cell + 'a>, ValueError> {
    let has_version = target.pg_type.oid == oid::JSONB && target.format == Format::Binary;
    let text = Target {
        format: Format::Text,
        ..target
    };
    Ok(Box::new(JsonCell {
        json: Json::of(array, text, PgType::TEXT)?,
        has_version,
    }))
}

impl<'a> Json<'a> {
    fn of(
        array: &'a dyn Array,
        target: Target<'a>,
        pg_type: PgType,
    ) -> Result<Json<'a>, ValueError> {
        let of_field = |field: &arrow::datatypes::Field, values: &'a dyn Array| {
            Json::of(values, target, PgType::of_field(field))
        };
        Ok(match array.data_type() {
            DataType::List(field)
            | DataType::LargeList(field)
            | DataType::FixedSizeList(field, _) => {
                let lists = Lists::of(array)?;
                let elements = of_field(field, lists.values)?;
                Json::List(lists, Box::new(elements))
            }
            DataType::Struct(fields) => {
                let columns = array.as_struct().columns();
                let members = fields.iter().zip(columns).map(|(field, column)| {
                    let mut name = field.name().as_bytes().to_vec();
                    quote_json(&mut name, 0);
                    Ok((name, of_field(field, column.as_ref())?))
                });
                Json::Struct(array, members.collect::<Result<_, ValueError>>()?)
            }
            DataType::Map(_, _) => {
                let map = array.as_map();
                let key_type = PgType::of_arrow(map.keys().data_type());
                // Keys of JSON objects are strings.
                let keys = Json::Text(cell(
                    map.keys().as_ref(),
                    Target {
                        pg_type: key_type,
                        ..target
                    },
                )?);
                let value_type = PgType::of_arrow(map.values().data_type());
                let values = Json::of(map.values().as_ref(), target, value_type)?;
                Json::Map(array, map.value_offsets(), Box::new(keys), Box::new(values))
            }
            data_type => {
                let leaf = cell(array, Target { pg_type, ..target })?;
                match data_type {
                    DataType::Boolean => Json::Bool(leaf),
                    other if other.is_numeric() => Json::Number(leaf),
                    _ if matches!(pg_type.oid, oid::JSON | oid::JSONB) => Json::Ready(leaf),
                    _ => Json::Text(leaf),
                }
            }
        })
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Json::Number(cell) | Json::Bool(cell) | Json::Text(cell) | Json::Ready(cell) => {
                cell.is_null(row)
            }
            Json::List(lists, _) => lists.array.is_null(row),
            Json::Struct(array, _) | Json::Map(array, ..) => array.is_null(row),
        }
    }

    fn write(&self, row: usize, out: &mut Vec<u8>) -> Written {
        if self.is_null(row) {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        let start = out.len();
        match self {
            Json::Ready(cell) => cell.write(row, out)?,
            Json::Text(cell) => {
                cell.write(row, out)?;
                quote_json(out, start);
            }
            Json::Number(cell) => {
                cell.write(row, out)?;
                if out[start..].iter().any(|byte| matches!(byte, b'N' | b'I')) {
                    quote_json(out, start);
                }
            }
            Json::Bool(cell) => {
                cell.write(row, out)?;
                let is_true = out.pop() == Some(b't');
                out.extend_from_slice(if is_true { b"true" } else { b"false" });
            }
            Json::List(lists, elements) => {
                out.push(b'[');
                for (at, place) in (lists.range)(row).enumerate() {
                    separate(out, at);
                    elements.write(place, out)?;
                }
                out.push(b']');
            }
            Json::Struct(_, members) => {
                out.push(b'{');
                for (at, (name, value)) in members.iter().enumerate() {
                    separate(out, at);
                    out.extend_from_slice(name);
                    out.extend_from_slice(b": ");
                    value.write(row, out)?;
                }
                out.push(b'}');
            }
            Json::Map(_, offsets, keys, values) => {
                out.push(b'{');
                for (at, place) in (offsets[row] as usize..offsets[row + 1] as usize).enumerate() {
                    separate(out, at);
                    keys.write(place, out)?;
                    out.extend_from_slice(b": ");
                    values.write(place, out)?;
                }
                out.push(b'}');
            }
        }
        Ok(())
    }
}

fn separate(out: &mut Vec<u8>, at: usize) {
    if at > 0 {
        out.extend_from_slice(b", ");
    }
}

impl Cell for JsonCell<'_> {
    fn is_null(&self, row: usize) -> bool {
        self.json.is_null(row)
    }

    fn write(&self, row: usize, out: &mut Vec<u8>) -> Written {
        if self.has_version {
            out.push(1);
        }
        self.json.write(row, out)
    }
}
