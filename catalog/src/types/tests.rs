//! Do spellings, modifiers and Arrow types agree with PostgreSQL 15?

use super::known::KNOWN;
use super::{PG_TYPE_KEY, PgType, TypeError};
use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};

/// (as written, `format_type`, oid, typmod); the last three are answers of PostgreSQL 15.
const SPELLINGS: &[(&str, &str, u32, i32)] = &[
    ("int", "integer", 23, -1),
    ("INT8", "bigint", 20, -1),
    ("bool", "boolean", 16, -1),
    ("float(24)", "real", 700, -1),
    ("float(25)", "double precision", 701, -1),
    ("varchar(20)", "character varying(20)", 1043, 24),
    (
        "character varying ( 20 )",
        "character varying(20)",
        1043,
        24,
    ),
    ("varchar", "character varying", 1043, -1),
    ("char", "character(1)", 1042, 5),
    ("bpchar", "bpchar", 1042, -1),
    ("\"char\"", "\"char\"", 18, -1),
    ("numeric", "numeric", 1700, -1),
    ("decimal(10,2)", "numeric(10,2)", 1700, 655366),
    ("numeric(38)", "numeric(38,0)", 1700, 2490372),
    ("timestamp", "timestamp without time zone", 1114, -1),
    (
        "timestamp(3) with time zone",
        "timestamp(3) with time zone",
        1184,
        3,
    ),
    ("timestamptz", "timestamp with time zone", 1184, -1),
    ("time(0)", "time(0) without time zone", 1083, 0),
    ("interval", "interval", 1186, -1),
    ("interval(3)", "interval(3)", 1186, 2147418115),
    (
        "interval year to month",
        "interval year to month",
        1186,
        458751,
    ),
    (
        "interval day to second(3)",
        "interval day to second(3)",
        1186,
        470286339,
    ),
    ("text[]", "text[]", 1009, -1),
    ("int4[3][3]", "integer[]", 1007, -1),
    ("varchar(20)[]", "character varying(20)[]", 1015, 24),
    ("integer array", "integer[]", 1007, -1),
    ("_int4", "integer[]", 1007, -1),
    ("pg_catalog.uuid", "uuid", 2950, -1),
    ("regclass", "regclass", 2205, -1),
    ("int2vector", "int2vector", 22, -1),
];

#[test]
fn spellings_are_read_and_printed_as_format_type_does() {
    for (written, printed, oid, typmod) in SPELLINGS {
        let read = PgType::parse(written).unwrap();
        assert_eq!(
            read,
            PgType {
                oid: *oid,
                typmod: *typmod
            },
            "{written}"
        );
        assert_eq!(read.sql_name(), *printed, "{written}");
        assert_eq!(PgType::parse(printed).unwrap(), read, "{printed}");
        assert_eq!(
            PgType::parse(&read.short_name()).unwrap(),
            read,
            "{}",
            read.short_name()
        );
    }
}

#[test]
fn refused_names_say_why() {
    let refused = |text: &str| PgType::parse(text).unwrap_err();
    assert_eq!(
        refused("integr").to_string(),
        "type \"integr\" does not exist"
    );
    assert_eq!(refused("integr").sqlstate(), "42704");
    assert_eq!(refused("timetz").sqlstate(), "0A000");
    assert_eq!(refused("numeric(39,2)").sqlstate(), "22023");
    assert_eq!(
        refused("numeric(5,6)").to_string(),
        "NUMERIC scale 6 must be between 0 and precision 5"
    );
    assert_eq!(
        refused("varchar(0)").to_string(),
        "length for type varchar must be at least 1"
    );
    assert_eq!(
        refused("int(4)").to_string(),
        "type modifier is not allowed for type \"int4\""
    );
    assert!(matches!(refused("varchar(20"), TypeError::Syntax { .. }));
    assert!(matches!(refused(""), TypeError::Unknown { .. }));
}

#[test]
fn a_field_comes_back_as_its_type() {
    for (written, ..) in SPELLINGS {
        let pg_type = PgType::parse(written).unwrap();
        assert_eq!(
            PgType::of_field(&pg_type.field("x", true)),
            pg_type,
            "{written}"
        );
    }
    for known in KNOWN {
        for pg_type in [
            Some(PgType::of_oid(known.oid)),
            PgType::of_oid(known.oid).array(),
        ] {
            let Some(pg_type) = pg_type.filter(|t| t.element().unwrap_or(*t).oid != 2249) else {
                continue;
            };
            assert_eq!(
                PgType::of_field(&pg_type.field("x", true)),
                pg_type,
                "{}",
                known.name
            );
            assert_eq!(PgType::parse(&pg_type.short_name()).unwrap(), pg_type);
        }
    }
}

#[test]
fn metadata_that_does_not_fit_the_arrow_type_is_ignored() {
    let field = PgType::UUID
        .field("x", true)
        .with_data_type(DataType::Int32);
    assert_eq!(PgType::of_field(&field), PgType::INT4);
    let field = PgType::TEXT.field("x", true);
    assert!(!field.metadata().contains_key(PG_TYPE_KEY));
}

#[test]
fn lists_of_lists_are_arrays_of_the_same_element() {
    let inner = DataType::new_list(DataType::Int32, true);
    let outer = Field::new("x", DataType::new_list(inner, true), true);
    assert_eq!(PgType::of_field(&outer), PgType::INT4.array().unwrap());
    let uuid = Field::new("x", DataType::FixedSizeBinary(16), true)
        .with_metadata([("ARROW:extension:name".to_string(), "arrow.uuid".to_string())].into());
    assert_eq!(PgType::of_field(&uuid), PgType::UUID);
}

#[test]
fn storage_differs_for_time_interval_and_model_only() {
    let model = PgType::parse("model(double precision)").unwrap();
    assert_eq!((model.oid, model.typmod), (16_383, 701));
    assert_eq!(model.short_name(), "model(double precision)");
    assert_eq!(PgType::of_field(&model.field("m", true)), model);
    assert_eq!(
        (model.logical(), model.storage()),
        (DataType::BinaryView, DataType::Binary)
    );
    assert!(PgType::parse("model(nothing)").is_err());
    assert_eq!(PgType::TIME.storage(), DataType::Int64);
    assert_eq!(
        PgType::TIME.logical(),
        DataType::Time64(TimeUnit::Microsecond)
    );
    assert_eq!(PgType::INTERVAL.storage(), DataType::Utf8);
    assert_eq!(
        PgType::INTERVAL.logical(),
        DataType::Interval(IntervalUnit::MonthDayNano)
    );
    assert_eq!(PgType::NUMERIC.storage(), DataType::Decimal128(38, 10));
    for known in KNOWN
        .iter()
        .filter(|known| !matches!(known.oid, 1083 | 1186 | 16_383))
    {
        let pg_type = PgType::of_oid(known.oid);
        assert_eq!(pg_type.storage(), pg_type.logical(), "{}", known.name);
    }
    let times = PgType::parse("time[]").unwrap();
    assert_eq!(times.storage(), DataType::new_list(DataType::Int64, true));
}

#[test]
fn known_types_are_in_oid_order() {
    assert!(KNOWN.windows(2).all(|pair| pair[0].oid < pair[1].oid));
}
