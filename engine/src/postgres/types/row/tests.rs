//! Is every Arrow type written as PostgreSQL 15 writes it? Expected text and bytes are its answers.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryViewArray, BooleanArray, Date32Array, Date64Array,
    Decimal32Array, Decimal64Array, Decimal128Array, Decimal256Array, DictionaryArray,
    DurationMillisecondArray, FixedSizeBinaryArray, FixedSizeListArray, Float32Array, Float64Array,
    Int8Array, Int16Array, Int32Array, Int64Array, IntervalDayTimeArray, IntervalMonthDayNanoArray,
    IntervalYearMonthArray, LargeListArray, LargeStringArray, ListArray, MapBuilder, NullArray,
    RecordBatch, RunArray, StringArray, StringBuilder, StringViewArray, StructArray,
    Time32SecondArray, Time64MicrosecondArray, Time64NanosecondArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray, UInt8Array,
    UInt32Array, UInt64Array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Field, Float16Type, Int32Type, IntervalDayTime, IntervalMonthDayNano, Schema, i256,
};
use bytes::BytesMut;
use tarn_catalog::types::{PG_TYPE_KEY, PgType};

use super::{ATTNUM_KEY, FieldDescription, RowEncoder, TABLE_OID_KEY};
use crate::postgres::types::error::ValueError;
use crate::postgres::types::settings::{Format, FormatSettings};

const YEAR_CLOCK: IntervalMonthDayNano = IntervalMonthDayNano::new(14, 3, 14_706_789_000_000);

/// Values of one column in one format, taken out of the DataRow messages.
fn encoded(
    array: &ArrayRef,
    pg_type: &str,
    format: Format,
) -> Result<Vec<Option<Vec<u8>>>, ValueError> {
    let mut field = Field::new("x", array.data_type().clone(), true);
    if !pg_type.is_empty() {
        field = field.with_metadata([(PG_TYPE_KEY.to_string(), pg_type.to_string())].into());
    }
    let schema = Arc::new(Schema::new(vec![field]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::clone(array)]).unwrap();
    let mut encoder = RowEncoder::new(&schema, &[format], FormatSettings::default())?;
    let mut out = BytesMut::new();
    encoder.encode(&batch, 0..batch.num_rows(), &mut out)?;
    let mut values = Vec::new();
    let mut rest = &out[..];
    while !rest.is_empty() {
        assert_eq!(rest[0], b'D');
        let message_bytes = u32::from_be_bytes(rest[1..5].try_into().unwrap()) as usize;
        assert_eq!(&rest[5..7], [0, 1]);
        let len = i32::from_be_bytes(rest[7..11].try_into().unwrap());
        values.push((len >= 0).then(|| rest[11..11 + len as usize].to_vec()));
        assert_eq!(message_bytes, 10 + len.max(0) as usize);
        rest = &rest[1 + message_bytes..];
    }
    Ok(values)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `expected` is (text, binary) per row; ("", "") means NULL.
#[track_caller]
fn check(array: impl Array + 'static, pg_type: &str, expected: &[(&str, &str)]) {
    let array: ArrayRef = Arc::new(array);
    let text: Vec<_> = encoded(&array, pg_type, Format::Text)
        .unwrap()
        .into_iter()
        .map(|value| value.map(|bytes| String::from_utf8(bytes).unwrap()))
        .collect();
    let binary: Vec<_> = encoded(&array, pg_type, Format::Binary)
        .unwrap()
        .into_iter()
        .map(|v| v.map(|b| hex(&b)))
        .collect();
    let wanted = |value: &str, is_null: bool| (!is_null).then(|| value.to_string());
    let is_null = |(text, binary): &(&str, &str)| text.is_empty() && binary.is_empty();
    assert_eq!(
        text,
        expected
            .iter()
            .map(|e| wanted(e.0, is_null(e)))
            .collect::<Vec<_>>()
    );
    assert_eq!(
        binary,
        expected
            .iter()
            .map(|e| wanted(e.1, is_null(e)))
            .collect::<Vec<_>>()
    );
}

const NULL: (&str, &str) = ("", "");

#[test]
fn booleans_and_integers() {
    check(
        BooleanArray::from(vec![Some(true), None, Some(false)]),
        "",
        &[("t", "01"), NULL, ("f", "00")],
    );
    check(
        Int8Array::from(vec![Some(-128), None]),
        "",
        &[("-128", "ff80"), NULL],
    );
    check(UInt8Array::from(vec![255]), "", &[("255", "00ff")]);
    check(
        Int16Array::from(vec![Some(i16::MIN), None]),
        "",
        &[("-32768", "8000"), NULL],
    );
    check(
        Int32Array::from(vec![Some(i32::MIN), None]),
        "",
        &[("-2147483648", "80000000"), NULL],
    );
    check(
        UInt32Array::from(vec![u32::MAX]),
        "",
        &[("4294967295", "00000000ffffffff")],
    );
    check(
        Int64Array::from(vec![Some(i64::MIN), None]),
        "",
        &[("-9223372036854775808", "8000000000000000"), NULL],
    );
    check(
        UInt64Array::from(vec![u64::MAX]),
        "",
        &[(
            "18446744073709551615",
            "000500040000000007341a5802e103bb064f",
        )],
    );
    check(
        Int64Array::from(vec![4_294_967_295]),
        "oid",
        &[("4294967295", "ffffffff")],
    );
    check(
        Int64Array::from(vec![1259]),
        "regclass",
        &[("1259", "000004eb")],
    );
    check(NullArray::new(2), "", &[NULL, NULL]);
}

#[test]
fn floats() {
    check(
        Float64Array::from(vec![Some(-0.1), None, Some(f64::NAN)]),
        "",
        &[
            ("-0.1", "bfb999999999999a"),
            NULL,
            ("NaN", "7ff8000000000000"),
        ],
    );
    check(
        Float32Array::from(vec![1.5, f32::INFINITY]),
        "",
        &[("1.5", "3fc00000"), ("Infinity", "7f800000")],
    );
    let half = cast(&Float32Array::from(vec![1.5]), &DataType::Float16).unwrap();
    check(
        half.as_primitive::<Float16Type>().clone(),
        "",
        &[("1.5", "3fc00000")],
    );
}

#[test]
fn decimals_of_every_width() {
    let bare = Decimal128Array::from(vec![Some(15_000_000_000), None, Some(0)])
        .with_precision_and_scale(38, 10)
        .unwrap();
    check(
        bare,
        "numeric",
        &[
            ("1.5", "000200000000000100011388"),
            NULL,
            ("0", "0000000000000000"),
        ],
    );
    let declared = Decimal128Array::from(vec![Some(-5), None])
        .with_precision_and_scale(10, 2)
        .unwrap();
    check(declared, "", &[("-0.05", "0001ffff4000000201f4"), NULL]);
    let digits: i128 = 99_999_999_999_999_999_999_999_999_999_999_999_999;
    let wide = Decimal128Array::from(vec![digits])
        .with_precision_and_scale(38, 0)
        .unwrap();
    check(
        wide,
        "",
        &[(
            &"9".repeat(38),
            "000a0009000000000063270f270f270f270f270f270f270f270f270f",
        )],
    );
    let wider = Decimal256Array::from(vec![i256::from_i128(110)])
        .with_precision_and_scale(76, 2)
        .unwrap();
    check(wider, "", &[("1.10", "0002000000000002000103e8")]);
    check(
        Decimal32Array::from(vec![15])
            .with_precision_and_scale(9, 1)
            .unwrap(),
        "",
        &[("1.5", "000200000000000100011388")],
    );
    check(
        Decimal64Array::from(vec![1])
            .with_precision_and_scale(18, 4)
            .unwrap(),
        "",
        &[("0.0001", "0001ffff000000040001")],
    );
}

fn fixed(value: &[u8]) -> FixedSizeBinaryArray {
    FixedSizeBinaryArray::try_from_iter([value].into_iter()).unwrap()
}

#[test]
fn texts_of_every_layout() {
    let expected = [("é", "c3a9"), NULL];
    check(StringArray::from(vec![Some("é"), None]), "", &expected);
    check(LargeStringArray::from(vec![Some("é"), None]), "", &expected);
    check(
        StringViewArray::from(vec![Some("é"), None]),
        "varchar(20)",
        &expected,
    );
    check(
        StringArray::from(vec!["a"]),
        "char(3)",
        &[("a  ", "612020")],
    );
    check(
        StringArray::from(vec!["{\"a\": 1}"]),
        "json",
        &[("{\"a\": 1}", "7b2261223a20317d")],
    );
    check(
        StringArray::from(vec!["{\"a\": 1}"]),
        "jsonb",
        &[("{\"a\": 1}", "017b2261223a20317d")],
    );
    check(StringArray::from(vec!["a"]), "\"char\"", &[("a", "61")]);
    let uuid = "00112233-4455-6677-8899-aabbccddeeff";
    let uuid_bytes = "00112233445566778899aabbccddeeff";
    check(
        StringArray::from(vec![Some(uuid), None]),
        "uuid",
        &[(uuid, uuid_bytes), NULL],
    );
    let bytes = (0..16).map(|at| at * 0x11).collect::<Vec<u8>>();
    check(fixed(&bytes), "uuid", &[(uuid, uuid_bytes)]);
    check(fixed(&[0, 255]), "", &[("\\x00ff", "00ff")]);
    check(
        BinaryArray::from(vec![Some([0u8, 255].as_slice()), None]),
        "",
        &[("\\x00ff", "00ff"), NULL],
    );
    check(
        BinaryViewArray::from(vec![b"".as_slice(), b"a"]),
        "",
        &[("\\x", ""), ("\\x61", "61")],
    );
    check(
        StringArray::from(vec!["1 2"]),
        "int2vector",
        &[(
            "1 2",
            "0000000100000000000000150000000200000000000000020001000000020002",
        )],
    );
}

#[test]
fn dates_and_times() {
    check(
        Date32Array::from(vec![Some(19_723), None, Some(i32::MAX), Some(i32::MIN)]),
        "",
        &[
            ("2024-01-01", "0000223e"),
            NULL,
            ("infinity", "7fffffff"),
            ("-infinity", "80000000"),
        ],
    );
    check(
        Date64Array::from(vec![946_598_400_000]),
        "",
        &[("1999-12-31", "ffffffff")],
    );
    check(
        Time64MicrosecondArray::from(vec![Some(86_399_999_999), None]),
        "",
        &[("23:59:59.999999", "000000141dd75fff"), NULL],
    );
    check(
        Time64NanosecondArray::from(vec![86_399_999_999_999]),
        "",
        &[("23:59:59.999999", "000000141dd75fff")],
    );
    check(
        Time32SecondArray::from(vec![1]),
        "",
        &[("00:00:01", "00000000000f4240")],
    );
    check(
        TimestampMicrosecondArray::from(vec![Some(1_704_067_200_000_001), None, Some(i64::MAX)]),
        "",
        &[
            ("2024-01-01 00:00:00.000001", "0002b0d5d4e94001"),
            NULL,
            ("infinity", "7fffffffffffffff"),
        ],
    );
    let expected = [("1999-12-31 00:00:00+00", "ffffffebe228a000")];
    check(
        TimestampSecondArray::from(vec![946_598_400]).with_timezone("UTC"),
        "",
        &expected,
    );
    check(
        TimestampMillisecondArray::from(vec![946_598_400_000]).with_timezone("Asia/Tokyo"),
        "",
        &expected,
    );
    check(
        TimestampNanosecondArray::from(vec![946_598_400_000_000_999]).with_timezone("+01:00"),
        "",
        &expected,
    );
    let far: ArrayRef = Arc::new(TimestampSecondArray::from(vec![i64::MAX - 1]));
    assert_eq!(
        encoded(&far, "", Format::Binary).unwrap_err().sqlstate,
        "22008"
    );
}

#[test]
fn intervals_of_every_unit() {
    check(
        IntervalMonthDayNanoArray::from(vec![Some(YEAR_CLOCK), None]),
        "",
        &[
            (
                "1 year 2 mons 3 days 04:05:06.789",
                "000000036c97ca88000000030000000e",
            ),
            NULL,
        ],
    );
    check(
        IntervalYearMonthArray::from(vec![Some(13), None]),
        "",
        &[("1 year 1 mon", "0000000000000000000000000000000d"), NULL],
    );
    check(
        IntervalDayTimeArray::from(vec![IntervalDayTime::new(1, 1)]),
        "",
        &[("1 day 00:00:00.001", "00000000000003e80000000100000000")],
    );
    check(
        DurationMillisecondArray::from(vec![Some(-1), None]),
        "",
        &[("-00:00:00.001", "fffffffffffffc180000000000000000"), NULL],
    );
}

fn list(values: ArrayRef, lengths: Vec<usize>, nulls: Option<Vec<bool>>) -> ListArray {
    let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    ListArray::new(
        field,
        OffsetBuffer::from_lengths(lengths),
        values,
        nulls.map(NullBuffer::from),
    )
}

#[test]
fn lists_are_arrays() {
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(3)]));
    check(
        list(
            Arc::clone(&numbers),
            vec![3, 0, 0],
            Some(vec![true, true, false]),
        ),
        "",
        &[
            (
                "{1,NULL,3}",
                "00000001000000010000001700000003000000010000000400000001ffffffff0000000400000003",
            ),
            ("{}", "000000000000000000000017"),
            NULL,
        ],
    );
    let expected = [(
        "{1,NULL,3}",
        "00000001000000010000001700000003000000010000000400000001ffffffff0000000400000003",
    )];
    let field = Arc::new(Field::new_list_field(DataType::Int32, true));
    check(
        LargeListArray::new(
            Arc::clone(&field),
            OffsetBuffer::from_lengths([3]),
            Arc::clone(&numbers),
            None,
        ),
        "",
        &expected,
    );
    check(
        FixedSizeListArray::new(field, 3, numbers, None),
        "",
        &expected,
    );
}

#[test]
fn lists_of_other_things_are_arrays() {
    let words: ArrayRef = Arc::new(StringArray::from(vec![
        Some("a"),
        Some("b"),
        Some("c"),
        None,
    ]));
    let pairs: ArrayRef = Arc::new(list(words, vec![2, 2], None));
    check(
        list(pairs, vec![2], None),
        "",
        &[(
            "{{a,b},{c,NULL}}",
            "00000002000000010000001900000002000000010000000200000001000000016100000001620000000163ffffffff",
        )],
    );
    let spans: ArrayRef = Arc::new(IntervalMonthDayNanoArray::from(vec![
        IntervalMonthDayNano::new(0, 1, 0),
    ]));
    check(
        list(spans, vec![1], None),
        "",
        &[(
            "{\"1 day\"}",
            "0000000100000000000004a200000001000000010000001000000000000000000000000100000000",
        )],
    );
    let keys: ArrayRef = Arc::new(Int16Array::from(vec![1, 2]));
    check(
        list(keys, vec![2], None),
        "int2vector",
        &[(
            "1 2",
            "0000000100000000000000150000000200000000000000020001000000020002",
        )],
    );
}

#[test]
fn ragged_lists_have_text_but_no_binary() {
    let values: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3]));
    let inner: ArrayRef = Arc::new(list(values, vec![1, 2], None));
    let ragged: ArrayRef = Arc::new(list(inner, vec![2], None));
    assert_eq!(
        encoded(&ragged, "", Format::Text).unwrap(),
        [Some(b"{{1},{2,3}}".to_vec())]
    );
    assert_eq!(
        encoded(&ragged, "", Format::Binary).unwrap_err().sqlstate,
        "2202E"
    );
    let hollow: ArrayRef = Arc::new(list(
        Arc::new(Int32Array::from(Vec::<i32>::new())),
        vec![0, 0],
        None,
    ));
    let hollow: ArrayRef = Arc::new(list(hollow, vec![2], None));
    assert_eq!(
        encoded(&hollow, "", Format::Binary).unwrap()[0]
            .as_deref()
            .map(hex)
            .as_deref(),
        Some("000000000000000000000017")
    );
}

#[test]
fn structs_are_records_and_maps_are_json() {
    let columns: Vec<(Arc<Field>, ArrayRef)> = vec![
        (
            Arc::new(Field::new("a", DataType::Int32, true)),
            Arc::new(Int32Array::from(vec![1, 1])),
        ),
        (
            Arc::new(Field::new("b", DataType::Utf8, true)),
            Arc::new(StringArray::from(vec!["a", "x\"y z"])),
        ),
        (
            Arc::new(Field::new("c", DataType::Boolean, true)),
            Arc::new(BooleanArray::from(vec![None, Some(true)])),
        ),
    ];
    check(
        StructArray::from(columns),
        "",
        &[
            (
                "(1,a,)",
                "0000000300000017000000040000000100000019000000016100000010ffffffff",
            ),
            (
                "(1,\"x\"\"y z\",t)",
                "000000030000001700000004000000010000001900000005782279207a000000100000000101",
            ),
        ],
    );
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int32Array::builder(2));
    map.keys().append_value("a\"b");
    map.values().append_value(1);
    map.keys().append_value("c");
    map.values().append_null();
    map.append(true).unwrap();
    map.append(false).unwrap();
    let text = "{\"a\\\"b\": 1, \"c\": null}";
    check(
        map.finish(),
        "",
        &[(text, hex(text.as_bytes()).as_str()), NULL],
    );
    let floats: ArrayRef = Arc::new(Float64Array::from(vec![1.5, f64::NAN]));
    let text = "[1.5, \"NaN\"]";
    check(
        list(floats, vec![2], None),
        "json",
        &[(text, hex(text.as_bytes()).as_str())],
    );
}

#[test]
fn dictionaries_and_runs_are_their_values() {
    let dictionary: DictionaryArray<Int32Type> = vec![Some("b"), None, Some("a"), Some("b")]
        .into_iter()
        .collect();
    check(
        dictionary,
        "",
        &[("b", "62"), NULL, ("a", "61"), ("b", "62")],
    );
    let runs = RunArray::try_new(
        &Int32Array::from(vec![2, 3]),
        &StringArray::from(vec![Some("a"), None]),
    )
    .unwrap();
    check(runs.slice(1, 2), "", &[("a", "61"), NULL]);
}

#[test]
fn rows_of_many_blocks_and_slices() {
    let rows = 3000;
    let schema = Arc::new(Schema::new(vec![
        Field::new("a", DataType::Int32, false),
        Field::new("b", DataType::Utf8, true),
    ]));
    let batch = RecordBatch::try_new(
        Arc::clone(&schema),
        vec![
            Arc::new(Int32Array::from_iter_values(0..rows)),
            Arc::new(StringArray::from_iter(
                (0..rows).map(|row| (row % 3 != 0).then(|| "x".repeat(row as usize % 7))),
            )),
        ],
    )
    .unwrap();
    let mut encoder = RowEncoder::new(&schema, &[], FormatSettings::default()).unwrap();
    let mut all = BytesMut::new();
    encoder.encode(&batch, 0..rows as usize, &mut all).unwrap();
    let mut pieces = BytesMut::new();
    for (from, to) in [(0, 1), (1, 700), (700, 2999), (2999, 9999)] {
        encoder.encode(&batch, from..to, &mut pieces).unwrap();
    }
    assert_eq!(all, pieces);
    let mut sliced = BytesMut::new();
    encoder
        .encode(&batch.slice(1000, 2), 0..2, &mut sliced)
        .unwrap();
    let row_1000 = b"D\0\0\0\x18\0\x02\0\0\0\x041000\0\0\0\x06xxxxxx";
    assert_eq!(&sliced[..row_1000.len()], row_1000);
}

#[test]
fn columns_are_described() {
    let field = PgType::parse("varchar(20)[]").unwrap().field("x", true);
    let mut metadata = field.metadata().clone();
    metadata.insert(TABLE_OID_KEY.to_string(), "16384".to_string());
    metadata.insert(ATTNUM_KEY.to_string(), "2".to_string());
    let description = FieldDescription::of_field(&field.with_metadata(metadata), Format::Binary);
    assert_eq!(
        (
            description.pg_type.oid,
            description.pg_type.typmod,
            description.typlen
        ),
        (1015, 24, -1)
    );
    assert_eq!((description.table_oid, description.attnum), (16_384, 2));
    let schema = Schema::new(vec![Field::new("a", DataType::Int32, true); 3]);
    assert_eq!(
        RowEncoder::new(&schema, &[Format::Text; 2], FormatSettings::default())
            .unwrap_err()
            .sqlstate,
        "08P01"
    );
}
