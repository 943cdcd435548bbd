//! Is COPY data read and written as PostgreSQL 15 does? Expected rows, messages and bytes are its answers.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Int32Array, RecordBatch, StringArray};
use arrow::datatypes::{Schema, SchemaRef};
use bytes::BytesMut;
use tarn_catalog::types::PgType;

use super::decoder::CopyDecoder;
use super::encoder::CopyEncoder;
use super::form::CopyForm;
use super::inference::{column_names, infer_csv_schema};
use crate::error::PgError;
use crate::parser::{CopyFormat, CopyOptions};
use crate::postgres::types::settings::FormatSettings;

const BINARY_START: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

fn text() -> CopyOptions {
    CopyOptions::default()
}

fn csv() -> CopyOptions {
    CopyOptions {
        format: CopyFormat::Csv,
        ..CopyOptions::default()
    }
}

fn binary() -> CopyOptions {
    CopyOptions {
        format: CopyFormat::Binary,
        ..CopyOptions::default()
    }
}

/// t(a int, b text)
fn table() -> SchemaRef {
    Arc::new(Schema::new(vec![
        PgType::INT4.field("a", true),
        PgType::TEXT.field("b", true),
    ]))
}

fn names(schema: &Schema) -> Vec<String> {
    schema
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect()
}

fn form(options: &CopyOptions, schema: &Schema) -> CopyForm {
    CopyForm::check(options, &names(schema)).unwrap()
}

fn read(
    options: &CopyOptions,
    schema: &SchemaRef,
    data: &[u8],
    chunk_bytes: usize,
) -> Result<Vec<RecordBatch>, PgError> {
    let settings = FormatSettings::default();
    let mut decoder =
        CopyDecoder::new(form(options, schema), Arc::clone(schema), "t", &settings).unwrap();
    let mut batches = Vec::new();
    for chunk in data.chunks(chunk_bytes.max(1)) {
        decoder.push(chunk, &mut batches)?;
    }
    let rows = decoder.finish(&mut batches)?;
    assert_eq!(
        rows as usize,
        batches.iter().map(RecordBatch::num_rows).sum::<usize>()
    );
    Ok(batches)
}

/// Rows as `a|b`, NULL as `-`.
fn rows(batches: &[RecordBatch]) -> Vec<String> {
    let mut rows = Vec::new();
    for batch in batches {
        let a = batch
            .column(0)
            .as_any()
            .downcast_ref::<Int32Array>()
            .unwrap();
        let b = batch
            .column(1)
            .as_any()
            .downcast_ref::<StringArray>()
            .unwrap();
        for row in 0..batch.num_rows() {
            let a = if a.is_null(row) {
                "-".to_string()
            } else {
                a.value(row).to_string()
            };
            let b = if b.is_null(row) { "-" } else { b.value(row) };
            rows.push(format!("{a}|{b}"));
        }
    }
    rows
}

/// The same data in one piece, byte by byte and in every other chunk size.
#[track_caller]
fn check(options: CopyOptions, data: &[u8], expected: &[&str]) {
    for chunk_bytes in 1..=data.len().max(1) {
        let batches = read(&options, &table(), data, chunk_bytes).unwrap();
        assert_eq!(rows(&batches), expected, "in chunks of {chunk_bytes} bytes");
    }
}

#[track_caller]
fn check_error(
    options: CopyOptions,
    data: &[u8],
    sqlstate: &str,
    message: &str,
    context: Option<&str>,
) {
    for chunk_bytes in 1..=data.len() {
        let error = read(&options, &table(), data, chunk_bytes).unwrap_err();
        assert_eq!((error.code.0, error.message.as_str()), (sqlstate, message));
        assert_eq!(error.context.as_deref(), context);
    }
}

#[test]
fn text_lines() {
    check(text(), b"1\tx\n2\t\\N\n", &["1|x", "2|-"]);
    check(
        text(),
        b"1\ta\\tb\\\\c\\101\\x42\\q\\\nd\n",
        &["1|a\tb\\cABq\nd"],
    );
    check(text(), b"1\tx", &["1|x"]);
    check(text(), b"1\tx\n\\.\nfoo\n", &["1|x"]);
    check(text(), b"1\tx\r\n2\ty\r\n", &["1|x", "2|y"]);
    check(text(), b"1\tx\r2\ty\r", &["1|x", "2|y"]);
    check(text(), b"", &[]);
    let options = CopyOptions {
        delimiter: Some("|".into()),
        null: Some("nil".into()),
        header: true,
        ..text()
    };
    check(
        options,
        b"a|b\n1|\n2|nil\n3|a\\|b\n",
        &["1|", "2|-", "3|a|b"],
    );
}

#[test]
fn csv_lines() {
    let data = b"1,x\n2,\n3,\"\"\n4,\"a\"\"b\"\n5,\"x\ny\"\n6,a\"b,c\"d\n7,\"a,b\"\n";
    check(
        csv(),
        data,
        &["1|x", "2|-", "3|", "4|a\"b", "5|x\ny", "6|ab,cd", "7|a,b"],
    );
    check(csv(), b"1,x\r\n2,\"y\r\nz\"\r\n", &["1|x", "2|y\r\nz"]);
    check(csv(), b"1,x\r\n2,y\r", &["1|x", "2|y"]);
    check(csv(), "\u{FEFF}1,é\n".as_bytes(), &["1|é"]);
    check(csv(), b"1,x\n\\.\nfoo\n", &["1|x"]);
    check(
        CopyOptions {
            header: true,
            ..csv()
        },
        b"a,b\n1,x\n",
        &["1|x"],
    );
    check(
        CopyOptions {
            header_match: true,
            ..csv()
        },
        b"a,\"b\"\n1,x\n",
        &["1|x"],
    );
    check(
        CopyOptions {
            force_null: vec!["b".into()],
            ..csv()
        },
        b"1,\"\"\n2,\n",
        &["1|-", "2|-"],
    );
    check(
        CopyOptions {
            force_not_null: vec!["b".into()],
            ..csv()
        },
        b"1,\"\"\n2,\n",
        &["1|", "2|"],
    );
    let options = CopyOptions {
        delimiter: Some(";".into()),
        quote: Some("'".into()),
        escape: Some("\\".into()),
        ..csv()
    };
    check(
        options,
        b"1;'x''y'\n2;'a\\'b'\n3;'\\\\'\n",
        &["1|xy", "2|a'b", "3|\\"],
    );
}

#[test]
fn damaged_lines_are_located() {
    let missing = "missing data for column \"b\"";
    check_error(
        text(),
        b"1\tx\n2\n",
        "22P04",
        missing,
        Some("COPY t, line 2: \"2\""),
    );
    check_error(
        csv(),
        b"1,x\n2\n",
        "22P04",
        missing,
        Some("COPY t, line 2: \"2\""),
    );
    check_error(csv(), b"\n", "22P04", missing, Some("COPY t, line 1: \"\""));
    let extra = "extra data after last expected column";
    check_error(
        text(),
        b"1\tx\ty\n",
        "22P04",
        extra,
        Some("COPY t, line 1: \"1\tx\ty\""),
    );
    let long = [b"1,".as_slice(), "z".repeat(120).as_bytes(), b",3\n"].concat();
    let context = format!("COPY t, line 1: \"1,{}...\"", "z".repeat(98));
    check_error(csv(), &long, "22P04", extra, Some(&context));
    let context = Some("COPY t, line 1, column a: \"x\"");
    check_error(
        text(),
        b"x\ty\n",
        "22P02",
        "invalid input syntax for type integer: \"x\"",
        context,
    );
    let message = "value \"12345678901\" is out of range for type integer";
    check_error(
        csv(),
        b"12345678901,a\n",
        "22003",
        message,
        Some("COPY t, line 1, column a: \"12345678901\""),
    );
    let message = "invalid byte sequence for encoding \"UTF8\": 0xff";
    check_error(csv(), b"1,\xff\n", "22021", message, Some("COPY t, line 1"));
    check_error(
        text(),
        b"1\t\\377\n",
        "22021",
        message,
        Some("COPY t, line 1: \"1\t\\377\""),
    );
}

#[test]
fn open_quotes_and_wrong_headers_are_located() {
    let error = read(&csv(), &table(), b"1,\"x\n", 3).unwrap_err();
    assert_eq!(
        (error.code.0, error.message.as_str()),
        ("22P04", "unterminated CSV quoted field")
    );
    let options = CopyOptions {
        header_match: true,
        ..csv()
    };
    let message = "column name mismatch in header line field 2: got \"c\", expected \"b\"";
    check_error(
        options.clone(),
        b"a,c\n1,x\n",
        "22P04",
        message,
        Some("COPY t, line 1: \"a,c\""),
    );
    let message = "wrong number of fields in header line: got 1, expected 2";
    check_error(
        options,
        b"a\n1,x\n",
        "22P04",
        message,
        Some("COPY t, line 1: \"a\""),
    );
}

#[test]
fn null_in_a_column_without_nulls_is_refused() {
    let schema: SchemaRef = Arc::new(Schema::new(vec![
        PgType::INT4.field("a", false),
        PgType::TEXT.field("b", true),
    ]));
    let error = read(&csv(), &schema, b"1,x\n,x\n", 4).unwrap_err();
    assert_eq!(error.code.0, "23502");
    assert_eq!(
        error.message,
        "null value in column \"a\" of relation \"t\" violates not-null constraint"
    );
    assert_eq!(error.context.as_deref(), Some("COPY t, line 2"));
}

#[test]
fn binary_rows() {
    let rows = b"\0\x02\0\0\0\x04\0\0\0\x01\0\0\0\x01x\0\x02\xff\xff\xff\xff\xff\xff\xff\xff";
    let empty_row = [BINARY_START, b"\0\0", rows, b"\xff\xff"].concat();
    check(
        binary(),
        &[BINARY_START, rows, b"\xff\xff"].concat(),
        &["1|x", "-|-"],
    );
    check(binary(), &[BINARY_START, rows].concat(), &["1|x", "-|-"]);
    let extended = [&BINARY_START[..15], b"\0\0\0\x03abc", rows, b"\xff\xff"].concat();
    check(binary(), &extended, &["1|x", "-|-"]);
    let message = "row field count is 0, expected 2";
    check_error(
        binary(),
        &empty_row,
        "22P04",
        message,
        Some("COPY t, line 1"),
    );
    check_error(
        binary(),
        b"abc",
        "22P04",
        "COPY file signature not recognized",
        None,
    );
    let fewer = [BINARY_START, b"\0\x01"].concat();
    let message = "row field count is 1, expected 2";
    check_error(binary(), &fewer, "22P04", message, Some("COPY t, line 1"));
    let cut = [BINARY_START, &rows[..10]].concat();
    assert_eq!(
        read(&binary(), &table(), &cut, 5).unwrap_err().message,
        "unexpected EOF in COPY data"
    );
    let short = [BINARY_START, b"\0\x02\0\0\0\x03\0\0\x01\0\0\0\x01x\xff\xff"].concat();
    let error = read(&binary(), &table(), &short, 100).unwrap_err();
    assert_eq!(error.context.as_deref(), Some("COPY t, line 1, column a"));
    let negative = [BINARY_START, b"\0\x02\xff\xff\xff\xfe\0\0"].concat();
    assert_eq!(
        read(&binary(), &table(), &negative, 100)
            .unwrap_err()
            .message,
        "invalid field size"
    );
}

#[test]
fn long_data_comes_in_batches() {
    let data: String = (0..20_000)
        .map(|row| format!("{row},\"text {row}\"\n"))
        .collect();
    let batches = read(&csv(), &table(), data.as_bytes(), 1000).unwrap();
    assert_eq!(
        batches
            .iter()
            .map(RecordBatch::num_rows)
            .collect::<Vec<_>>(),
        [8192, 8192, 3616]
    );
    assert_eq!(rows(&batches)[19_999], "19999|text 19999");
}

/// Payloads of CopyData messages, joined.
fn written(options: &CopyOptions, batch: &RecordBatch) -> Vec<u8> {
    let schema = batch.schema();
    let mut encoder =
        CopyEncoder::new(form(options, &schema), &schema, FormatSettings::default()).unwrap();
    let mut out = BytesMut::new();
    encoder.start(&mut out);
    encoder
        .encode(batch, 0..batch.num_rows(), &mut out)
        .unwrap();
    encoder.finish(&mut out);
    let mut payload = Vec::new();
    let mut rest = &out[..];
    while !rest.is_empty() {
        assert_eq!(rest[0], b'd');
        let len = u32::from_be_bytes(rest[1..5].try_into().unwrap()) as usize;
        payload.extend_from_slice(&rest[5..1 + len]);
        rest = &rest[1 + len..];
    }
    payload
}

fn texts(values: &[Option<&str>]) -> RecordBatch {
    let fields: Vec<_> = (0..values.len())
        .map(|at| PgType::TEXT.field(&format!("c,{at}"), true))
        .collect();
    let columns = values
        .iter()
        .map(|value| Arc::new(StringArray::from(vec![*value])) as ArrayRef)
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

#[test]
fn rows_are_written_as_text_and_csv() {
    let batch = texts(&[
        Some("1"),
        Some("a,b"),
        Some("q\"q"),
        Some(""),
        None,
        Some("l\nm"),
        Some("x"),
    ]);
    assert_eq!(
        written(&csv(), &batch),
        b"1,\"a,b\",\"q\"\"q\",\"\",,\"l\nm\",x\n"
    );
    let batch = texts(&[Some("tab\tnl\nbs\\cr\r"), Some(""), None]);
    let options = CopyOptions {
        header: true,
        ..text()
    };
    assert_eq!(
        written(&options, &batch),
        b"c,0\tc,1\tc,2\ntab\\tnl\\nbs\\\\cr\\r\t\t\\N\n"
    );
    assert_eq!(written(&csv(), &texts(&[Some("\\.")])), b"\"\\.\"\n");
    assert_eq!(written(&csv(), &texts(&[None])), b"\n");
    let options = CopyOptions {
        force_quote: Some(vec![]),
        header: true,
        ..csv()
    };
    assert_eq!(
        written(&options, &texts(&[Some("a"), None])),
        b"\"c,0\",\"c,1\"\n\"a\",\n"
    );
    let options = CopyOptions {
        quote: Some("'".into()),
        escape: Some("\\".into()),
        ..csv()
    };
    assert_eq!(
        written(&options, &texts(&[Some("it's \\ x")])),
        b"'it\\'s \\\\ x'\n"
    );
    let options = CopyOptions {
        delimiter: Some("|".into()),
        ..text()
    };
    assert_eq!(
        written(&options, &texts(&[Some("a|b"), Some("c")])),
        b"a\\|b|c\n"
    );
}

#[test]
fn what_is_written_is_read_again() {
    let words = [
        "",
        "a",
        "\\N",
        "\\.",
        "x,y",
        "q\"q",
        "nl\n",
        "cr\r\n",
        "tab\t",
        "é\u{1F600}",
        "\\",
        "\"",
        "NULL",
        " ",
    ];
    let batch = RecordBatch::try_new(
        table(),
        vec![
            Arc::new(Int32Array::from_iter(
                (0..=words.len() as i32).map(|at| (at % 3 != 0).then_some(at)),
            )),
            Arc::new(StringArray::from_iter(
                words.iter().map(|word| Some(*word)).chain([None]),
            )),
        ],
    )
    .unwrap();
    for options in [
        text(),
        csv(),
        binary(),
        CopyOptions {
            header_match: true,
            ..csv()
        },
    ] {
        let data = written(&options, &batch);
        for chunk_bytes in [1, 2, 7, data.len()] {
            let batches = read(&options, &table(), &data, chunk_bytes).unwrap();
            assert_eq!(batches, std::slice::from_ref(&batch), "{options:?}");
        }
    }
}

#[track_caller]
fn check_refused(options: CopyOptions, sqlstate: &str, message: &str) {
    let error = CopyForm::check(&options, &names(&table())).unwrap_err();
    assert_eq!(
        (error.sqlstate, error.message.as_str()),
        (sqlstate, message)
    );
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    let delimiter = |text: &str| CopyOptions {
        delimiter: Some(text.into()),
        ..csv()
    };
    let message = "COPY delimiter must be a single one-byte character";
    check_refused(delimiter("ab"), "0A000", message);
    let message = "COPY delimiter cannot be newline or carriage return";
    check_refused(delimiter("\n"), "22023", message);
    let options = CopyOptions {
        format: CopyFormat::Text,
        ..delimiter("a")
    };
    check_refused(options, "22023", "COPY delimiter cannot be \"a\"");
    let options = CopyOptions {
        format: CopyFormat::Binary,
        ..delimiter(",")
    };
    check_refused(options, "42601", "cannot specify DELIMITER in BINARY mode");
    let options = CopyOptions {
        quote: Some("'".into()),
        ..text()
    };
    check_refused(options, "0A000", "COPY quote available only in CSV mode");
    let options = CopyOptions {
        quote: Some(",".into()),
        ..csv()
    };
    check_refused(
        options,
        "22023",
        "COPY delimiter and quote must be different",
    );
    let options = CopyOptions {
        null: Some("a,b".into()),
        ..csv()
    };
    let message = "COPY delimiter must not appear in the NULL specification";
    check_refused(options, "0A000", message);
    let options = CopyOptions {
        force_null: vec!["z".into()],
        ..csv()
    };
    check_refused(
        options,
        "42703",
        "FORCE_NULL column \"z\" not referenced by COPY",
    );
}

#[test]
fn types_are_inferred() {
    let options = CopyOptions {
        header: true,
        ..csv()
    };
    let form = CopyForm::check(&options, &[]).unwrap();
    let sample = b"id,Median Income ($),when,at,ok,zip,mixed,none,big\n\
        1,1.5,2024-01-01,2024-01-01 00:00:00+00,true,01234,1,,12345678901234567890\n\
        2,3,2024-01-02 12:00:00,2024-01-01T00:00:00Z,f,99999,x,,1\n\
        3,,,,,,,,\n4,half a li";
    let types: Vec<(String, String)> = infer_csv_schema(sample, &form, false)
        .unwrap()
        .into_iter()
        .map(|(name, pg_type)| (name, pg_type.sql_name()))
        .collect();
    let expected = [
        ("id", "bigint"),
        ("median_income", "double precision"),
        ("when", "timestamp without time zone"),
        ("at", "timestamp with time zone"),
        ("ok", "boolean"),
        ("zip", "text"),
        ("mixed", "text"),
        ("none", "text"),
        ("big", "numeric(38,0)"),
    ];
    assert_eq!(
        types,
        expected.map(|(name, pg_type)| (name.to_string(), pg_type.to_string()))
    );
    let headless = CopyForm::check(&csv(), &[]).unwrap();
    let types = infer_csv_schema(b"a,1\nb,2", &headless, true).unwrap();
    assert_eq!(
        types,
        [
            ("column1".to_string(), PgType::TEXT),
            ("column2".to_string(), PgType::INT8)
        ]
    );
    let uneven = infer_csv_schema(b"a,b\n1\n", &form, true).unwrap_err();
    assert_eq!(
        (uneven.code.0, uneven.message.as_str()),
        ("22P04", "line 2 has 1 columns, expected 2")
    );
    assert_eq!(infer_csv_schema(b"", &form, true).unwrap(), []);
}

#[test]
fn titles_become_names() {
    let titles = ["A b", "a_b", "2nd", "", "é-ü", "%%", "order"].map(String::from);
    assert_eq!(
        column_names(&titles),
        ["a_b", "a_b_2", "_2nd", "column4", "é_ü", "column6", "order"]
    );
}

#[test]
fn columns_of_other_types_are_read() {
    let schema: SchemaRef = Arc::new(Schema::new(vec![
        PgType::BOOL.field("a", true),
        PgType::parse("int4[]").unwrap().field("b", true),
        PgType::parse("varchar(3)").unwrap().field("c", true),
    ]));
    let batches = read(&csv(), &schema, b"yes,\"{1,NULL}\",abc\n,,\n", 3).unwrap();
    assert_eq!(
        batches[0].column(0).as_ref(),
        &BooleanArray::from(vec![Some(true), None])
    );
    assert_eq!(written(&csv(), &batches[0]), b"t,\"{1,NULL}\",abc\n,,\n");
    let error = read(&csv(), &schema, b"t,{},abcd\n", 100).unwrap_err();
    assert_eq!(error.code.0, "22001");
}
