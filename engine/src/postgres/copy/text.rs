//! How is a line of COPY's text format taken apart?

use std::borrow::Cow;

use crate::postgres::types::builder::text_of;
use crate::postgres::types::error::ValueError;

/// A field as written and as meant.
pub(super) struct Field<'a> {
    pub raw: &'a str,
    pub value: Cow<'a, str>,
}

/// The fields of a line, one after the other.
pub(super) struct Fields<'a> {
    rest: Option<&'a str>,
    delimiter: u8,
}

impl<'a> Fields<'a> {
    pub(super) fn new(line: &'a str, delimiter: u8) -> Fields<'a> {
        Fields {
            rest: Some(line),
            delimiter,
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, ValueError>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.rest?;
        let bytes = text.as_bytes();
        let mut at = 0;
        let mut has_escape = false;
        while at < bytes.len() && bytes[at] != self.delimiter {
            if bytes[at] == b'\\' {
                has_escape = true;
                at += 1;
            }
            at += 1;
        }
        let end = at.min(bytes.len());
        let raw = &text[..end];
        self.rest = (end < bytes.len()).then(|| &text[end + 1..]);
        let value = if has_escape {
            unescape(raw).map(Cow::Owned)
        } else {
            Ok(Cow::Borrowed(raw))
        };
        Some(value.map(|value| Field { raw, value }))
    }
}

/// Backslash escapes; octal and hexadecimal ones may make bytes that are not text.
fn unescape(raw: &str) -> Result<String, ValueError> {
    let mut value = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes().peekable();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            value.push(byte);
            continue;
        }
        let Some(escaped) = bytes.next() else {
            value.push(b'\\');
            break;
        };
        value.push(match escaped {
            b'b' => 0x08,
            b'f' => 0x0C,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 0x0B,
            b'0'..=b'7' => {
                let mut number = u32::from(escaped - b'0');
                for _ in 0..2 {
                    match bytes.peek() {
                        Some(digit @ b'0'..=b'7') => {
                            number = number * 8 + u32::from(digit - b'0');
                            bytes.next();
                        }
                        _ => break,
                    }
                }
                number as u8
            }
            b'x' => {
                let mut number = None;
                for _ in 0..2 {
                    match bytes.peek().and_then(|byte| char::from(*byte).to_digit(16)) {
                        Some(digit) => {
                            number = Some(number.unwrap_or(0) * 16 + digit);
                            bytes.next();
                        }
                        None => break,
                    }
                }
                number.map_or(b'x', |number: u32| number as u8)
            }
            other => other,
        });
    }
    text_of(&value)?;
    String::from_utf8(value).map_err(|error| ValueError::encoding(error.as_bytes(), 0))
}

/// Appends a value with the escapes that the text format needs.
pub(super) fn push_escaped(out: &mut Vec<u8>, value: &[u8], delimiter: u8) {
    let special = |byte: &u8| matches!(byte, b'\\' | 0x08..=0x0D) || *byte == delimiter;
    let mut rest = value;
    while let Some(at) = rest.iter().position(special) {
        out.extend_from_slice(&rest[..at]);
        out.push(b'\\');
        out.push(match rest[at] {
            0x08 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            0x0B => b'v',
            0x0C => b'f',
            b'\r' => b'r',
            other => other,
        });
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}
