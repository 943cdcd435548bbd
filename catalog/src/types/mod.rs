//! Which Arrow type holds a PostgreSQL type, in a Delta file and while computing?
//!
//! A column has a PostgreSQL type ([`PgType`]), a *logical* Arrow type that the engine computes with and a
//! *storage* type that the Delta file has. Where the Arrow type alone does not say which PostgreSQL type is
//! meant (`uuid` and `varchar(20)` are both Utf8), the field carries the SQL spelling under
//! [`PG_TYPE_KEY`].

mod convert;
pub mod interval;
mod known;
mod planned;
mod spelling;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use thiserror::Error;

pub use convert::{to_logical, to_storage};
use known::Carrier;
pub use known::oid;
pub use planned::column_type;

/// Field metadata key that holds the SQL spelling of a column's PostgreSQL type.
pub const PG_TYPE_KEY: &str = "tarn.pg_type";

/// Most digits of a `numeric` column: what Decimal128 and Delta hold.
pub const NUMERIC_PRECISION_MAX: i64 = 38;

/// (precision, scale) that holds a `numeric` declared without modifiers.
pub const NUMERIC_BARE: (u8, i8) = (38, 10);

/// A Decimal256 with this scale or more is a product or a quotient, whose zeros at the end mean nothing.
const COMPUTED_SCALE_MIN: i8 = 20;

/// Why a type name or its modifiers were refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TypeError {
    /// No such type.
    #[error("type \"{name}\" does not exist")]
    Unknown {
        /// as written
        name: String,
    },
    /// PostgreSQL has it, this server does not.
    #[error("type \"{name}\" is not supported")]
    Unsupported {
        /// its SQL name
        name: String,
    },
    /// The text is not a type name.
    #[error("invalid type name \"{name}\"")]
    Syntax {
        /// as written
        name: String,
    },
    /// A length, precision or scale out of range, or on a type that takes none.
    #[error("{message}")]
    Modifier {
        /// in PostgreSQL's words where it has them
        message: String,
    },
}

impl TypeError {
    /// The SQLSTATE a client sees.
    pub fn sqlstate(&self) -> &'static str {
        match self {
            TypeError::Unknown { .. } => "42704",
            TypeError::Unsupported { .. } => "0A000",
            TypeError::Syntax { .. } => "42601",
            TypeError::Modifier { .. } => "22023",
        }
    }
}

/// A PostgreSQL type: its OID in `pg_type` and its modifier as in `pg_attribute.atttypmod`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PgType {
    /// `pg_type.oid`
    pub oid: u32,
    /// length, precision or scale in PostgreSQL's encoding; -1 for none. Arrays carry their element's.
    pub typmod: i32,
}

macro_rules! constants {
    ($($name:ident),* $(,)?) => {
        $(#[doc = concat!("The type without modifiers; see [`oid::", stringify!($name), "`].")]
        pub const $name: PgType = PgType { oid: oid::$name, typmod: -1 };)*
    };
}

impl PgType {
    constants!(
        BOOL,
        BYTEA,
        CHAR,
        NAME,
        INT8,
        INT2,
        INT2VECTOR,
        INT4,
        REGPROC,
        TEXT,
        OID,
        XID,
        OIDVECTOR,
        JSON,
        FLOAT4,
        FLOAT8,
        UNKNOWN,
        BPCHAR,
        VARCHAR,
        DATE,
        TIME,
        TIMESTAMP,
        TIMESTAMPTZ,
        INTERVAL,
        NUMERIC,
        REGPROCEDURE,
        REGCLASS,
        REGTYPE,
        RECORD,
        VOID,
        UUID,
        JSONB,
        REGNAMESPACE,
        REGROLE,
    );

    /// The type of an OID without modifiers, whether or not it is known.
    pub const fn of_oid(oid: u32) -> PgType {
        PgType { oid, typmod: -1 }
    }

    /// The type of an OID if this server knows it, array types included.
    pub fn known(oid: u32) -> Option<PgType> {
        let pg_type = PgType::of_oid(oid);
        (known::scalar(oid).is_some() || pg_type.is_array()).then_some(pg_type)
    }

    /// `numeric(precision, scale)`, refused beyond what a Delta table holds.
    pub fn numeric(precision: i64, scale: i64) -> Result<PgType, TypeError> {
        spelling::check_numeric(precision, scale)?;
        Ok(PgType::numeric_unchecked(precision as i32, scale as i32))
    }

    const fn numeric_unchecked(precision: i32, scale: i32) -> PgType {
        PgType {
            oid: oid::NUMERIC,
            typmod: ((precision << 16) | (scale & 0x7FF)) + 4,
        }
    }

    /// `character varying(length)`, in characters.
    pub const fn varchar(length: u32) -> PgType {
        PgType {
            oid: oid::VARCHAR,
            typmod: length as i32 + 4,
        }
    }

    /// Reads a type as SQL spells it: `int`, `varchar(20)`, `timestamp(3) with time zone`, `text[]`, `_int4`.
    pub fn parse(text: &str) -> Result<PgType, TypeError> {
        spelling::parse(text)
    }

    /// The type of a column: what its metadata says if that fits its Arrow type, else what the Arrow type means.
    ///
    /// Metadata that does not fit is ignored, since expressions may hand a column's metadata on with another type.
    pub fn of_field(field: &Field) -> PgType {
        if let Some(spelling) = field.metadata().get(PG_TYPE_KEY)
            && let Ok(declared) = PgType::parse(spelling)
            && declared.fits(field.data_type())
        {
            return declared;
        }
        match field.extension_type_name() {
            Some("arrow.uuid") => PgType::UUID,
            Some("arrow.json") => PgType::JSON,
            _ => PgType::of_arrow(field.data_type()),
        }
    }

    /// What an Arrow type without metadata is reported as.
    pub fn of_arrow(data_type: &DataType) -> PgType {
        match data_type {
            DataType::Boolean => PgType::BOOL,
            DataType::Int8 | DataType::Int16 | DataType::UInt8 => PgType::INT2,
            DataType::Int32 | DataType::UInt16 => PgType::INT4,
            DataType::Int64 | DataType::UInt32 => PgType::INT8,
            DataType::UInt64 => PgType::numeric_unchecked(20, 0),
            DataType::Float16 | DataType::Float32 => PgType::FLOAT4,
            DataType::Float64 => PgType::FLOAT8,
            DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                PgType::TEXT
            }
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => PgType::BYTEA,
            DataType::Date32 | DataType::Date64 => PgType::DATE,
            DataType::Time32(_) | DataType::Time64(_) => PgType::TIME,
            DataType::Timestamp(_, None) => PgType::TIMESTAMP,
            DataType::Timestamp(_, Some(_)) => PgType::TIMESTAMPTZ,
            DataType::Interval(_) | DataType::Duration(_) => PgType::INTERVAL,
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale)
                if (*precision, *scale) != NUMERIC_BARE =>
            {
                PgType::numeric_unchecked(i32::from(*precision), i32::from(*scale))
            }
            DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) => {
                PgType::NUMERIC
            }
            // No column declares so many digits: they are those of a computed value.
            DataType::Decimal256(_, scale) if *scale >= COMPUTED_SCALE_MIN => PgType::NUMERIC,
            DataType::Decimal256(precision, scale) => {
                PgType::numeric_unchecked(i32::from(*precision), i32::from(*scale))
            }
            DataType::List(element)
            | DataType::LargeList(element)
            | DataType::FixedSizeList(element, _)
            | DataType::ListView(element)
            | DataType::LargeListView(element) => {
                let element = PgType::of_field(element);
                // A list of lists is an array of more dimensions over the same element.
                if element.is_array() {
                    element
                } else {
                    element.array().unwrap_or(PgType::JSON)
                }
            }
            DataType::Struct(_) => PgType::RECORD,
            DataType::Map(_, _) | DataType::Union(_, _) => PgType::JSON,
            DataType::Dictionary(_, values) => PgType::of_arrow(values),
            DataType::RunEndEncoded(_, values) => PgType::of_field(values),
        }
    }

    /// Can values of this Arrow type be sent as this PostgreSQL type?
    fn fits(self, data_type: &DataType) -> bool {
        match data_type {
            DataType::Dictionary(_, values) => return self.fits(values),
            DataType::RunEndEncoded(_, values) => return self.fits(values.data_type()),
            DataType::Null => return true,
            _ => {}
        }
        let is_text = matches!(
            data_type,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
        );
        if let Some(element) = list_element(data_type) {
            return match self.oid {
                oid::INT2VECTOR | oid::OIDVECTOR => element.is_integer(),
                oid::JSON | oid::JSONB => true,
                _ => self
                    .element()
                    .is_some_and(|own| own.fits(element) || self.fits(element)),
            };
        }
        let Some(known) = known::scalar(self.oid) else {
            return false;
        };
        match known.carrier {
            Carrier::Text if self.oid == oid::UUID => {
                is_text || *data_type == DataType::FixedSizeBinary(16)
            }
            Carrier::Text if matches!(self.oid, oid::JSON | oid::JSONB) => {
                is_text || data_type.is_nested()
            }
            Carrier::Text => is_text,
            Carrier::Oid => data_type.is_integer() || (is_text && self.oid != oid::OID),
            Carrier::Numeric => data_type.is_decimal() || *data_type == DataType::UInt64,
            Carrier::Int2Vector | Carrier::OidVector => is_text,
            Carrier::Record => matches!(data_type, DataType::Struct(_)),
            Carrier::Model => matches!(
                data_type,
                DataType::Binary | DataType::LargeBinary | DataType::BinaryView
            ),
            _ => PgType::of_arrow(data_type).oid == self.oid || *data_type == self.logical(),
        }
    }

    /// The Arrow type the engine computes with.
    pub fn logical(self) -> DataType {
        if let Some(element) = self.element() {
            return DataType::List(Arc::new(Field::new_list_field(element.logical(), true)));
        }
        let list = |item| DataType::List(Arc::new(Field::new_list_field(item, true)));
        match known::scalar(self.oid).map(|known| known.carrier) {
            Some(Carrier::Numeric) => {
                let (precision, scale) = self
                    .precision_scale()
                    .unwrap_or((u32::from(NUMERIC_BARE.0), i32::from(NUMERIC_BARE.1)));
                if i64::from(precision) <= NUMERIC_PRECISION_MAX {
                    DataType::Decimal128(precision as u8, scale as i8)
                } else {
                    DataType::Decimal256(precision.min(76) as u8, scale.min(76) as i8)
                }
            }
            Some(Carrier::Int2Vector) => list(DataType::Int16),
            Some(Carrier::OidVector) => list(DataType::Int64),
            Some(carrier) => carrier.arrow().unwrap_or(DataType::Utf8),
            None => DataType::Utf8,
        }
    }

    /// The Arrow type in the Delta file; differs from [`PgType::logical`] for `time`, `interval` and `model` only.
    pub fn storage(self) -> DataType {
        storage_of(&self.logical())
    }

    /// A logical column of this type, with metadata where the Arrow type alone would be read as another type.
    pub fn field(self, name: &str, nullable: bool) -> Field {
        let field = Field::new(name, self.logical(), nullable);
        if PgType::of_arrow(field.data_type()) == self {
            return field;
        }
        field.with_metadata(HashMap::from([(
            PG_TYPE_KEY.to_string(),
            self.short_name(),
        )]))
    }

    /// The spelling of `format_type`: `character varying(20)`, `timestamp with time zone`, `integer[]`.
    pub fn sql_name(self) -> String {
        spelling::format_type(self)
    }

    /// The spelling in field metadata: `varchar(20)`, `timestamptz`, `int4[]`. [`PgType::parse`] reads it back.
    pub fn short_name(self) -> String {
        spelling::short(self)
    }

    /// `pg_type.typname`, the `udt_name` of `information_schema`: `int4`, `_int4`.
    pub fn typname(self) -> &'static str {
        if let Some(known) = known::scalar(self.oid) {
            return known.name;
        }
        known::element_of(self.oid).map_or("unknown", |known| known.array_name)
    }

    /// `pg_type.typlen` in bytes; -1 for variable length, -2 for a C string.
    pub fn typlen(self) -> i16 {
        known::scalar(self.oid).map_or(-1, |known| known.len)
    }

    /// Is this an array type (`_int4`)? The vectors of the system catalog are not.
    pub fn is_array(self) -> bool {
        known::element_of(self.oid).is_some()
    }

    /// The element type of an array type, with the array's modifier.
    pub fn element(self) -> Option<PgType> {
        known::element_of(self.oid).map(|known| PgType {
            oid: known.oid,
            ..self
        })
    }

    /// The array type over this type.
    pub fn array(self) -> Option<PgType> {
        known::scalar(self.oid)
            .filter(|known| known.array_oid != 0)
            .map(|known| PgType {
                oid: known.array_oid,
                ..self
            })
    }

    /// Precision in digits and scale of a `numeric` that declares them.
    pub fn precision_scale(self) -> Option<(u32, i32)> {
        if self.element().unwrap_or(self).oid != oid::NUMERIC || self.typmod < 4 {
            return None;
        }
        let packed = self.typmod - 4;
        // The scale is 11 bits, signed.
        let scale = ((packed & 0x7FF) ^ 1024) - 1024;
        Some(((packed >> 16) as u32 & 0xFFFF, scale))
    }

    /// Most characters of a `varchar(n)` or `char(n)`.
    pub fn length_max(self) -> Option<usize> {
        let scalar = self.element().unwrap_or(self);
        (matches!(scalar.oid, oid::VARCHAR | oid::BPCHAR) && self.typmod >= 4)
            .then(|| self.typmod as usize - 4)
    }
}

/// The field with its PostgreSQL type in the metadata.
pub fn declared(field: Field, pg_type: PgType) -> Field {
    let mut metadata = field.metadata().clone();
    metadata.insert(PG_TYPE_KEY.to_string(), pg_type.short_name());
    field.with_metadata(metadata)
}

/// Where two Arrow types hold a column, the one in the Delta file, nested types included.
pub fn storage_of(logical: &DataType) -> DataType {
    let inner = |field: &Arc<Field>| {
        let storage = storage_of(field.data_type());
        Arc::new(field.as_ref().clone().with_data_type(storage))
    };
    match logical {
        DataType::Time64(_) | DataType::Time32(_) => DataType::Int64,
        DataType::Interval(_) => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::List(field) => DataType::List(inner(field)),
        DataType::LargeList(field) => DataType::LargeList(inner(field)),
        DataType::FixedSizeList(field, size) => DataType::FixedSizeList(inner(field), *size),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(inner).collect()),
        DataType::Map(entries, sorted) => DataType::Map(inner(entries), *sorted),
        other => other.clone(),
    }
}

fn list_element(data_type: &DataType) -> Option<&DataType> {
    match data_type {
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::FixedSizeList(element, _)
        | DataType::ListView(element)
        | DataType::LargeListView(element) => Some(element.data_type()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
