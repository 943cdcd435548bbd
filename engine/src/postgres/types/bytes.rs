//! How are bytea, uuid and character strings of limited length read and written?

use std::borrow::Cow;

use tarn_catalog::types::{PgType, oid};

use super::error::{INVALID_TEXT, TEXT_TOO_LONG, ValueError};
use super::settings::ByteaOutput;

/// What PostgreSQL says of hexadecimal data, unlike of other text.
const INVALID_PARAMETER: &str = "22023";
const HEX: &[u8; 16] = b"0123456789abcdef";
/// Bytes of a uuid before which its text has a hyphen.
const UUID_HYPHENS: [usize; 4] = [4, 6, 8, 10];

/// Appends bytes as `\x00ff`, or with octal escapes.
pub(super) fn push_bytea(out: &mut Vec<u8>, bytes: &[u8], style: ByteaOutput) {
    if style == ByteaOutput::Hex {
        out.extend_from_slice(b"\\x");
        return push_hex(out, bytes);
    }
    for byte in bytes {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x20..=0x7E => out.push(*byte),
            _ => out.extend_from_slice(&[
                b'\\',
                b'0' + (byte >> 6),
                b'0' + (byte >> 3 & 7),
                b'0' + (byte & 7),
            ]),
        }
    }
}

fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(2 * bytes.len());
    for byte in bytes {
        out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
}

/// Reads `\x00ff`, spaces between pairs allowed, or text with octal escapes.
pub(super) fn parse_bytea(text: &str) -> Result<Vec<u8>, ValueError> {
    match text.strip_prefix("\\x") {
        Some(hex) => parse_hex(hex),
        None => parse_escaped(text),
    }
}

fn parse_hex(text: &str) -> Result<Vec<u8>, ValueError> {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    let mut high = None;
    for c in text.chars() {
        if c.is_ascii_whitespace() && high.is_none() {
            continue;
        }
        let Some(digit) = c.to_digit(16) else {
            return Err(ValueError::new(
                INVALID_PARAMETER,
                format!("invalid hexadecimal digit: \"{c}\""),
            ));
        };
        match high.take() {
            None => high = Some(digit),
            Some(high) => bytes.push((high * 16 + digit) as u8),
        }
    }
    match high {
        None => Ok(bytes),
        Some(_) => Err(ValueError::new(
            INVALID_PARAMETER,
            "invalid hexadecimal data: odd number of digits",
        )),
    }
}

fn parse_escaped(text: &str) -> Result<Vec<u8>, ValueError> {
    let octal = |byte: u8, max: u8| byte.checked_sub(b'0').filter(|digit| *digit <= max);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [] => return Ok(bytes),
            [b'\\', b'\\', rest @ ..] => {
                bytes.push(b'\\');
                rest
            }
            [b'\\', high, middle, low, rest @ ..] => {
                let digits = (octal(*high, 3), octal(*middle, 7), octal(*low, 7));
                let (Some(high), Some(middle), Some(low)) = digits else {
                    return Err(ValueError::new(
                        INVALID_TEXT,
                        "invalid input syntax for type bytea",
                    ));
                };
                bytes.push(high << 6 | middle << 3 | low);
                rest
            }
            [b'\\', ..] => {
                return Err(ValueError::new(
                    INVALID_TEXT,
                    "invalid input syntax for type bytea",
                ));
            }
            [byte, rest @ ..] => {
                bytes.push(*byte);
                rest
            }
        };
    }
}

/// Appends a uuid as 8-4-4-4-12 lower-case digits.
pub(super) fn push_uuid(out: &mut Vec<u8>, uuid: &[u8]) {
    for (at, byte) in uuid.iter().enumerate() {
        if UUID_HYPHENS.contains(&at) {
            out.push(b'-');
        }
        out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
}

/// Reads a uuid in any case, in braces, with a hyphen after any four digits or none.
pub(super) fn parse_uuid(text: &str) -> Result<[u8; 16], ValueError> {
    let invalid = || ValueError::syntax("uuid", text);
    let body = match text.strip_prefix('{') {
        Some(inside) => inside.strip_suffix('}').ok_or_else(invalid)?,
        None => text,
    };
    let mut uuid = [0u8; 16];
    let mut digits = 0;
    let mut after_hyphen = true;
    for c in body.chars() {
        if c == '-' {
            if digits % 4 != 0 || after_hyphen || digits == 32 {
                return Err(invalid());
            }
            after_hyphen = true;
            continue;
        }
        let digit = c.to_digit(16).ok_or_else(invalid)? as u8;
        if digits == 32 {
            return Err(invalid());
        }
        uuid[digits / 2] |= if digits % 2 == 0 { digit << 4 } else { digit };
        digits += 1;
        after_hyphen = false;
    }
    if digits == 32 {
        Ok(uuid)
    } else {
        Err(invalid())
    }
}

/// Text as a column of a character type holds it: within its length, `char(n)` without padding.
///
/// Too long is an error unless only spaces are too much. `char(n)` is kept without its padding, so that
/// comparisons ignore it as in PostgreSQL; the encoder pads again.
pub fn fit_text(text: &str, pg_type: PgType) -> Result<Cow<'_, str>, ValueError> {
    let fitted = match pg_type.length_max() {
        // Characters are never more than bytes.
        Some(length_max) if text.len() > length_max => match text.char_indices().nth(length_max) {
            Some((end, _)) if text[end..].bytes().all(|byte| byte == b' ') => &text[..end],
            Some(_) => {
                return Err(ValueError::new(
                    TEXT_TOO_LONG,
                    format!(
                        "value too long for type {}",
                        pg_type.element().unwrap_or(pg_type).sql_name()
                    ),
                ));
            }
            None => text,
        },
        _ => text,
    };
    Ok(Cow::Borrowed(match pg_type.oid {
        oid::BPCHAR => fitted.trim_end_matches(' '),
        oid::CHAR => fitted
            .chars()
            .next()
            .map_or("", |first| &fitted[..first.len_utf8()]),
        oid::NAME if fitted.len() > 63 => {
            let end = (0..=63)
                .rev()
                .find(|at| fitted.is_char_boundary(*at))
                .unwrap_or(0);
            &fitted[..end]
        }
        _ => fitted,
    }))
}

#[cfg(test)]
mod tests {
    use super::{ByteaOutput, fit_text, parse_bytea, parse_uuid, push_bytea, push_uuid};
    use tarn_catalog::types::PgType;

    #[test]
    fn bytes_print_and_read_in_both_styles() {
        let bytes: Vec<u8> = (0..=255).collect();
        for style in [ByteaOutput::Hex, ByteaOutput::Escape] {
            let mut out = Vec::new();
            push_bytea(&mut out, &bytes, style);
            assert_eq!(
                parse_bytea(std::str::from_utf8(&out).unwrap()).unwrap(),
                bytes
            );
        }
        let mut out = Vec::new();
        push_bytea(&mut out, b"\0\xff\\A", ByteaOutput::Escape);
        assert_eq!(out, b"\\000\\377\\\\A");
        assert_eq!(parse_bytea("\\xDE ad").unwrap(), [0xDE, 0xAD]);
        assert_eq!(parse_bytea("").unwrap(), b"");
        for text in ["\\9", "\\400", "a\\", "\\\u{1}00"] {
            assert_eq!(parse_bytea(text).unwrap_err().sqlstate, "22P02", "{text}");
        }
        for text in ["\\xd", "\\xzz", "\\xé"] {
            assert_eq!(parse_bytea(text).unwrap_err().sqlstate, "22023", "{text}");
        }
    }

    #[test]
    fn uuids_are_normalised() {
        let canonical = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
        for text in [
            canonical,
            "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
            "{a0eebc999c0b4ef8bb6d6bb9bd380a11}",
            "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11",
        ] {
            let mut out = Vec::new();
            push_uuid(&mut out, &parse_uuid(text).unwrap());
            assert_eq!(String::from_utf8(out).unwrap(), canonical);
        }
        for text in [
            "",
            "a0eebc99",
            "{a0eebc999c0b4ef8bb6d6bb9bd380a11",
            "a-0eebc999c0b4ef8bb6d6bb9bd380a11",
            "é",
        ] {
            assert_eq!(parse_uuid(text).unwrap_err().sqlstate, "22P02", "{text}");
        }
    }

    #[test]
    fn text_is_cut_to_its_type() {
        let varchar = PgType::parse("varchar(3)").unwrap();
        assert_eq!(fit_text("äöü", varchar).unwrap(), "äöü");
        assert_eq!(fit_text("abc  ", varchar).unwrap(), "abc");
        let error = fit_text("abcd", varchar).unwrap_err();
        assert_eq!(
            (error.sqlstate, error.message.as_str()),
            ("22001", "value too long for type character varying(3)")
        );
        assert_eq!(
            fit_text("a  ", PgType::parse("char(3)").unwrap()).unwrap(),
            "a"
        );
        assert_eq!(fit_text("xyz", PgType::CHAR).unwrap(), "x");
        assert_eq!(fit_text(&"n".repeat(70), PgType::NAME).unwrap().len(), 63);
    }
}
