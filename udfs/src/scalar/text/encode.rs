//! `encode(bytes, format)` and `decode(text, format)`: bytes as `hex`, `base64` or `escape`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryBuilder};
use datafusion::error::Result;
use datafusion::logical_expr::Volatility;

use crate::error::FunctionError;
use crate::scalar::columns::{ColumnFunction, Columns};
use crate::scalar::overload::{Kind, Overload};

/// `encode`
pub static ENCODE: ColumnFunction = ColumnFunction {
    name: "encode",
    syntax: "encode(bytes, 'format')",
    description: "Bytes as text in the format `hex`, `base64` or `escape`",
    overloads: &[Overload::new(&[Kind::Bytea, Kind::Text], Kind::Text)],
    gives: None,
    volatility: Volatility::Immutable,
    body: |columns| {
        let (values, formats) = (columns.array(0).as_binary::<i32>(), columns.text(1));
        columns.map_text(|row, out| {
            let bytes = values.value(row);
            match Format::parse(formats.value(row))? {
                Format::Hex => push_hex(out, bytes),
                Format::Base64 => push_base64(out, bytes),
                Format::Escape => push_escaped(out, bytes),
            }
            Ok(true)
        })
    },
};

/// `decode`
pub static DECODE: ColumnFunction = ColumnFunction {
    name: "decode",
    syntax: "decode('text', 'format')",
    description: "The bytes that a text in the format `hex`, `base64` or `escape` means",
    overloads: &[Overload::new(&[Kind::Text, Kind::Text], Kind::Bytea)],
    gives: None,
    volatility: Volatility::Immutable,
    body: decoded,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Hex,
    Base64,
    Escape,
}

impl Format {
    fn parse(name: &str) -> Result<Format, FunctionError> {
        match name.to_ascii_lowercase().as_str() {
            "hex" => Ok(Format::Hex),
            "base64" => Ok(Format::Base64),
            "escape" => Ok(Format::Escape),
            _ => Err(invalid(format!("unrecognized encoding: \"{name}\""))),
        }
    }
}

fn invalid(message: impl Into<String>) -> FunctionError {
    FunctionError::new("22023", message)
}

fn push_hex(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// Lines end after so many characters, as in MIME.
const LINE_CHARACTERS: usize = 76;

fn push_base64(out: &mut String, bytes: &[u8]) {
    let mut in_line = 0;
    for group in bytes.chunks(3) {
        if in_line == LINE_CHARACTERS {
            out.push('\n');
            in_line = 0;
        }
        let at = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = (at(0) << 16) | (at(1) << 8) | at(2);
        for index in 0..4 {
            let digit = BASE64[(bits >> (18 - 6 * index)) as usize & 63];
            let is_padding = index > group.len();
            out.push(if is_padding { '=' } else { char::from(digit) });
        }
        in_line += 4;
    }
}

fn push_escaped(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        match byte {
            b'\\' => out.push_str("\\\\"),
            0 | 128.. => out.push_str(&format!("\\{byte:03o}")),
            byte => out.push(char::from(*byte)),
        }
    }
}

fn decoded(columns: &Columns) -> Result<ArrayRef> {
    let (texts, formats) = (columns.text(0), columns.text(1));
    let mut values = BinaryBuilder::new();
    for row in 0..columns.rows {
        if texts.is_null(row) || formats.is_null(row) {
            values.append_null();
            continue;
        }
        let text = texts.value(row);
        values.append_value(match Format::parse(formats.value(row))? {
            Format::Hex => from_hex(text)?,
            Format::Base64 => from_base64(text)?,
            Format::Escape => from_escaped(text)?,
        });
    }
    Ok(Arc::new(values.finish()))
}

fn from_hex(text: &str) -> Result<Vec<u8>, FunctionError> {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    let mut high = None;
    for character in text
        .chars()
        .filter(|c| !matches!(c, ' ' | '\n' | '\t' | '\r'))
    {
        let digit = character
            .to_digit(16)
            .ok_or_else(|| invalid(format!("invalid hexadecimal digit: \"{character}\"")))?
            as u8;
        match high.take() {
            Some(high) => bytes.push(high << 4 | digit),
            None => high = Some(digit),
        }
    }
    match high {
        None => Ok(bytes),
        Some(_) => Err(invalid("invalid hexadecimal data: odd number of digits")),
    }
}

fn from_base64(text: &str) -> Result<Vec<u8>, FunctionError> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count, mut padding) = (0u32, 0, 0);
    for character in text.chars().filter(|c| !c.is_ascii_whitespace()) {
        let value = match character {
            '=' => {
                padding += 1;
                0
            }
            _ if padding > 0 => {
                return Err(invalid("unexpected \"=\" while decoding base64 sequence"));
            }
            _ => BASE64
                .iter()
                .position(|digit| char::from(*digit) == character)
                .ok_or_else(|| {
                    invalid(format!(
                        "invalid symbol \"{character}\" found while decoding base64 sequence"
                    ))
                })? as u32,
        };
        bits = bits << 6 | value;
        count += 1;
        if count == 4 {
            let group = bits.to_be_bytes();
            if padding > 2 {
                return Err(invalid("unexpected \"=\" while decoding base64 sequence"));
            }
            bytes.extend_from_slice(&group[1..4 - padding]);
            (bits, count) = (0, 0);
        }
    }
    match count {
        0 => Ok(bytes),
        _ => Err(invalid("invalid base64 end sequence")
            .with_hint("Input data is missing padding, is truncated, or is otherwise corrupted.")),
    }
}

fn from_escaped(text: &str) -> Result<Vec<u8>, FunctionError> {
    let refused = || FunctionError::new("22P02", "invalid input syntax for type bytea");
    let source = text.as_bytes();
    let mut bytes = Vec::with_capacity(source.len());
    let mut at = 0;
    while let Some(byte) = source.get(at) {
        if *byte != b'\\' {
            bytes.push(*byte);
            at += 1;
            continue;
        }
        match source.get(at + 1..at + 4) {
            Some([a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7']) => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                at += 4;
            }
            _ if source.get(at + 1) == Some(&b'\\') => {
                bytes.push(b'\\');
                at += 2;
            }
            _ => return Err(refused()),
        }
    }
    Ok(bytes)
}
