//! Text: quoting, encodings, JSON of a few values, names of types.

use super::{Call, Function, integer, text};
use crate::system::definitions::{quote_ident, quote_literal};
use crate::types::PgType;
use datafusion::common::exec_err;
use datafusion::error::Result;
use datafusion::scalar::ScalarValue;

/// `pg_encoding_to_char` of UTF8; the server has no other encoding.
const ENCODING_UTF8: i64 = 6;

pub(super) fn functions() -> Vec<Function> {
    let immutable = Function::immutable;
    vec![
        immutable("quote_ident", &[1], PgType::TEXT, |call| {
            text(quote_ident(&call.text(0).unwrap_or_default()))
        }),
        immutable("quote_literal", &[1], PgType::TEXT, |call| {
            text(quote_literal(&call.text(0).unwrap_or_default()))
        }),
        immutable("quote_nullable", &[1], PgType::TEXT, |call| {
            text(
                call.text(0)
                    .map_or_else(|| "NULL".to_string(), |value| quote_literal(&value)),
            )
        })
        .with_nulls(),
        immutable("like_escape", &[2], PgType::TEXT, like_escape),
        immutable("pg_encoding_to_char", &[1], PgType::NAME, |call| {
            let name = match call.integer(0) {
                Some(ENCODING_UTF8) => "UTF8",
                Some(0) => "SQL_ASCII",
                _ => "",
            };
            text(name)
        }),
        immutable("pg_char_to_encoding", &[1], PgType::INT4, |call| {
            let name = call
                .text(0)
                .unwrap_or_default()
                .to_uppercase()
                .replace(['-', '_'], "");
            integer(if name == "UTF8" || name == "UNICODE" {
                ENCODING_UTF8
            } else {
                -1
            })
        }),
        immutable("pg_encoding_max_length", &[1], PgType::INT4, |_| integer(4)),
        Function::stable("pg_typeof", &[1], PgType::REGTYPE, |call| {
            integer(PgType::of_field(&call.fields[0]).oid)
        })
        .with_nulls(),
        immutable("json_build_object", &[], PgType::JSON, json_object).with_nulls(),
        immutable("json_build_array", &[], PgType::JSON, |call| {
            let values = call.args.iter().map(json).collect::<Result<Vec<_>>>()?;
            text(format!("[{}]", values.join(", ")))
        })
        .with_nulls(),
    ]
}

/// Turns a pattern with another escape character into one with the backslash, as PostgreSQL's own function does.
fn like_escape(call: &Call) -> Result<ScalarValue> {
    let (pattern, escape) = (
        call.text(0).unwrap_or_default(),
        call.text(1).unwrap_or_default(),
    );
    let mut characters = escape.chars();
    let escape = characters.next();
    if characters.next().is_some() {
        return exec_err!("invalid escape string");
    }
    let mut translated = String::with_capacity(pattern.len() + 4);
    let mut is_escaped = false;
    for character in pattern.chars() {
        if Some(character) == escape && !is_escaped {
            translated.push('\\');
            is_escaped = true;
            continue;
        }
        // A backslash stands for itself under another escape character.
        if character == '\\' && !is_escaped {
            translated.push('\\');
        }
        translated.push(character);
        is_escaped = false;
    }
    text(translated)
}

fn json_object(call: &Call) -> Result<ScalarValue> {
    if !call.args.len().is_multiple_of(2) {
        return exec_err!("argument list must have even number of elements");
    }
    let mut members = Vec::new();
    for (at, pair) in call.args.chunks(2).enumerate() {
        let Some(key) = call.text(at * 2) else {
            return exec_err!("argument {} cannot be null", at * 2 + 1);
        };
        members.push(format!(
            "{} : {}",
            serde_json::Value::String(key),
            json(&pair[1])?
        ));
    }
    text(format!("{{{}}}", members.join(", ")))
}

fn json(value: &ScalarValue) -> Result<String> {
    Ok(match value {
        value if value.is_null() => "null".to_string(),
        ScalarValue::Boolean(Some(value)) => value.to_string(),
        value if value.data_type().is_numeric() => value.to_string(),
        value => serde_json::Value::String(value.to_string()).to_string(),
    })
}

#[cfg(test)]
mod tests {
    use datafusion::scalar::ScalarValue;

    use super::json;

    #[test]
    fn values_become_json() {
        assert_eq!(
            json(&ScalarValue::Utf8(Some("a\"b".to_string()))).unwrap(),
            "\"a\\\"b\""
        );
        assert_eq!(json(&ScalarValue::Int64(Some(7))).unwrap(), "7");
        assert_eq!(json(&ScalarValue::Boolean(None)).unwrap(), "null");
    }
}
