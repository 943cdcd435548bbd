//! Which PostgreSQL types does the server know, and what does `pg_type` say about each?

use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};

/// OIDs of the built-in types, as in PostgreSQL 15's `pg_type`.
pub mod oid {
    /// `boolean`
    pub const BOOL: u32 = 16;
    /// `bytea`
    pub const BYTEA: u32 = 17;
    /// `"char"`, one byte
    pub const CHAR: u32 = 18;
    /// `name`
    pub const NAME: u32 = 19;
    /// `bigint`
    pub const INT8: u32 = 20;
    /// `smallint`
    pub const INT2: u32 = 21;
    /// `int2vector`
    pub const INT2VECTOR: u32 = 22;
    /// `integer`
    pub const INT4: u32 = 23;
    /// `regproc`
    pub const REGPROC: u32 = 24;
    /// `text`
    pub const TEXT: u32 = 25;
    /// `oid`
    pub const OID: u32 = 26;
    /// `tid`
    pub const TID: u32 = 27;
    /// `xid`
    pub const XID: u32 = 28;
    /// `cid`
    pub const CID: u32 = 29;
    /// `oidvector`
    pub const OIDVECTOR: u32 = 30;
    /// `json`
    pub const JSON: u32 = 114;
    /// `xml`
    pub const XML: u32 = 142;
    /// `pg_node_tree`
    pub const PG_NODE_TREE: u32 = 194;
    /// `real`
    pub const FLOAT4: u32 = 700;
    /// `double precision`
    pub const FLOAT8: u32 = 701;
    /// `unknown`, the type of an untyped literal
    pub const UNKNOWN: u32 = 705;
    /// `inet`
    pub const INET: u32 = 869;
    /// `aclitem`
    pub const ACLITEM: u32 = 1033;
    /// `character(n)`
    pub const BPCHAR: u32 = 1042;
    /// `character varying(n)`
    pub const VARCHAR: u32 = 1043;
    /// `date`
    pub const DATE: u32 = 1082;
    /// `time without time zone`
    pub const TIME: u32 = 1083;
    /// `timestamp without time zone`
    pub const TIMESTAMP: u32 = 1114;
    /// `timestamp with time zone`
    pub const TIMESTAMPTZ: u32 = 1184;
    /// `interval`
    pub const INTERVAL: u32 = 1186;
    /// `numeric`
    pub const NUMERIC: u32 = 1700;
    /// `regprocedure`
    pub const REGPROCEDURE: u32 = 2202;
    /// `regoper`
    pub const REGOPER: u32 = 2203;
    /// `regoperator`
    pub const REGOPERATOR: u32 = 2204;
    /// `regclass`
    pub const REGCLASS: u32 = 2205;
    /// `regtype`
    pub const REGTYPE: u32 = 2206;
    /// `record`
    pub const RECORD: u32 = 2249;
    /// `cstring`
    pub const CSTRING: u32 = 2275;
    /// `anyarray`
    pub const ANYARRAY: u32 = 2277;
    /// `void`
    pub const VOID: u32 = 2278;
    /// `uuid`
    pub const UUID: u32 = 2950;
    /// `pg_lsn`
    pub const PG_LSN: u32 = 3220;
    /// `regconfig`
    pub const REGCONFIG: u32 = 3734;
    /// `regdictionary`
    pub const REGDICTIONARY: u32 = 3769;
    /// `jsonb`
    pub const JSONB: u32 = 3802;
    /// `regnamespace`
    pub const REGNAMESPACE: u32 = 4089;
    /// `regrole`
    pub const REGROLE: u32 = 4096;
    /// `regcollation`
    pub const REGCOLLATION: u32 = 4191;
    /// `xid8`
    pub const XID8: u32 = 5069;
    /// `model`, a trained model as a value; its modifier is the OID of the type that it predicts. PostgreSQL has no such
    /// type: the number is the last of those that it never gives to objects of its users.
    pub const MODEL: u32 = 16_383;
}

/// One row of `pg_type` with the Arrow type that carries its values.
#[derive(Debug)]
pub(crate) struct Known {
    pub oid: u32,
    /// OID of the array over this type; 0 when there is none.
    pub array_oid: u32,
    /// `pg_type.typname`
    pub name: &'static str,
    /// `pg_type.typname` of the array over this type
    pub array_name: &'static str,
    /// What `format_type` prints, without modifiers.
    pub sql: &'static str,
    /// `pg_type.typlen`: bytes, -1 for variable, -2 for a C string.
    pub len: i16,
    /// How a value is held while computing.
    pub carrier: Carrier,
}

/// The Arrow family that holds a type's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carrier {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Numeric,
    Text,
    Bytes,
    Date,
    Time,
    Timestamp,
    Timestamptz,
    Interval,
    /// `oid` and its relatives: unsigned 32 bit in PostgreSQL, held as Int64.
    Oid,
    Int2Vector,
    OidVector,
    Record,
    Model,
}

impl Carrier {
    /// The logical Arrow type, before modifiers. Numeric and the vectors are decided by the caller.
    pub(crate) fn arrow(self) -> Option<DataType> {
        Some(match self {
            Carrier::Bool => DataType::Boolean,
            Carrier::Int2 => DataType::Int16,
            Carrier::Int4 => DataType::Int32,
            Carrier::Int8 | Carrier::Oid => DataType::Int64,
            Carrier::Float4 => DataType::Float32,
            Carrier::Float8 => DataType::Float64,
            Carrier::Text => DataType::Utf8,
            Carrier::Bytes => DataType::Binary,
            // A join repeats a model for each of its rows, and a view repeats without a copy.
            Carrier::Model => DataType::BinaryView,
            Carrier::Date => DataType::Date32,
            Carrier::Time => DataType::Time64(TimeUnit::Microsecond),
            Carrier::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Carrier::Timestamptz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Carrier::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
            Carrier::Numeric | Carrier::Int2Vector | Carrier::OidVector | Carrier::Record => {
                return None;
            }
        })
    }
}

macro_rules! known {
    ($(($oid:expr, $array:expr, $name:literal, $array_name:literal, $sql:literal, $len:expr, $carrier:ident)),* $(,)?) => {
        &[$(Known { oid: $oid, array_oid: $array, name: $name, array_name: $array_name, sql: $sql, len: $len, carrier: Carrier::$carrier }),*]
    };
}

/// Every known type that is not an array, in OID order.
#[rustfmt::skip]
pub(crate) static KNOWN: &[Known] = known![
    (oid::BOOL, 1000, "bool", "_bool", "boolean", 1, Bool),
    (oid::BYTEA, 1001, "bytea", "_bytea", "bytea", -1, Bytes),
    (oid::CHAR, 1002, "char", "_char", "\"char\"", 1, Text),
    (oid::NAME, 1003, "name", "_name", "name", 64, Text),
    (oid::INT8, 1016, "int8", "_int8", "bigint", 8, Int8),
    (oid::INT2, 1005, "int2", "_int2", "smallint", 2, Int2),
    (oid::INT2VECTOR, 1006, "int2vector", "_int2vector", "int2vector", -1, Int2Vector),
    (oid::INT4, 1007, "int4", "_int4", "integer", 4, Int4),
    (oid::REGPROC, 1008, "regproc", "_regproc", "regproc", 4, Oid),
    (oid::TEXT, 1009, "text", "_text", "text", -1, Text),
    (oid::OID, 1028, "oid", "_oid", "oid", 4, Oid),
    (oid::TID, 1010, "tid", "_tid", "tid", 6, Text),
    (oid::XID, 1011, "xid", "_xid", "xid", 4, Oid),
    (oid::CID, 1012, "cid", "_cid", "cid", 4, Oid),
    (oid::OIDVECTOR, 1013, "oidvector", "_oidvector", "oidvector", -1, OidVector),
    (oid::JSON, 199, "json", "_json", "json", -1, Text),
    (oid::XML, 143, "xml", "_xml", "xml", -1, Text),
    (oid::PG_NODE_TREE, 0, "pg_node_tree", "", "pg_node_tree", -1, Text),
    (oid::FLOAT4, 1021, "float4", "_float4", "real", 4, Float4),
    (oid::FLOAT8, 1022, "float8", "_float8", "double precision", 8, Float8),
    (oid::UNKNOWN, 0, "unknown", "", "unknown", -2, Text),
    (oid::INET, 1041, "inet", "_inet", "inet", -1, Text),
    (oid::ACLITEM, 1034, "aclitem", "_aclitem", "aclitem", 12, Text),
    (oid::BPCHAR, 1014, "bpchar", "_bpchar", "character", -1, Text),
    (oid::VARCHAR, 1015, "varchar", "_varchar", "character varying", -1, Text),
    (oid::DATE, 1182, "date", "_date", "date", 4, Date),
    (oid::TIME, 1183, "time", "_time", "time without time zone", 8, Time),
    (oid::TIMESTAMP, 1115, "timestamp", "_timestamp", "timestamp without time zone", 8, Timestamp),
    (oid::TIMESTAMPTZ, 1185, "timestamptz", "_timestamptz", "timestamp with time zone", 8, Timestamptz),
    (oid::INTERVAL, 1187, "interval", "_interval", "interval", 16, Interval),
    (oid::NUMERIC, 1231, "numeric", "_numeric", "numeric", -1, Numeric),
    (oid::REGPROCEDURE, 2207, "regprocedure", "_regprocedure", "regprocedure", 4, Oid),
    (oid::REGOPER, 2208, "regoper", "_regoper", "regoper", 4, Oid),
    (oid::REGOPERATOR, 2209, "regoperator", "_regoperator", "regoperator", 4, Oid),
    (oid::REGCLASS, 2210, "regclass", "_regclass", "regclass", 4, Oid),
    (oid::REGTYPE, 2211, "regtype", "_regtype", "regtype", 4, Oid),
    (oid::RECORD, 2287, "record", "_record", "record", -1, Record),
    (oid::CSTRING, 1263, "cstring", "_cstring", "cstring", -2, Text),
    (oid::ANYARRAY, 0, "anyarray", "", "anyarray", -1, Text),
    (oid::VOID, 0, "void", "", "void", 4, Text),
    (oid::UUID, 2951, "uuid", "_uuid", "uuid", 16, Text),
    (oid::PG_LSN, 3221, "pg_lsn", "_pg_lsn", "pg_lsn", 8, Text),
    (oid::REGCONFIG, 3735, "regconfig", "_regconfig", "regconfig", 4, Oid),
    (oid::REGDICTIONARY, 3770, "regdictionary", "_regdictionary", "regdictionary", 4, Oid),
    (oid::JSONB, 3807, "jsonb", "_jsonb", "jsonb", -1, Text),
    (oid::REGNAMESPACE, 4090, "regnamespace", "_regnamespace", "regnamespace", 4, Oid),
    (oid::REGROLE, 4097, "regrole", "_regrole", "regrole", 4, Oid),
    (oid::REGCOLLATION, 4192, "regcollation", "_regcollation", "regcollation", 4, Oid),
    (oid::XID8, 271, "xid8", "_xid8", "xid8", 8, Int8),
    (oid::MODEL, 0, "model", "", "model", -1, Model),
];

/// The row of a scalar type.
pub(crate) fn scalar(oid: u32) -> Option<&'static Known> {
    KNOWN
        .binary_search_by_key(&oid, |known| known.oid)
        .ok()
        .map(|at| &KNOWN[at])
}

/// The row of the element type of an array type.
pub(crate) fn element_of(array_oid: u32) -> Option<&'static Known> {
    KNOWN
        .iter()
        .find(|known| known.array_oid == array_oid && array_oid != 0)
}

/// The row of a scalar type by `typname`.
pub(crate) fn named(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}
