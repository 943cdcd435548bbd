//! How are values quoted inside arrays, records and JSON, and how are array and record literals taken apart?

use std::borrow::Cow;

use super::error::{INVALID_TEXT, ValueError};

/// Quotes the element that starts at `start` if an array literal needs it.
pub(super) fn quote_array_element(out: &mut Vec<u8>, start: usize) {
    let element = &out[start..];
    let special = |byte: &u8| {
        matches!(
            byte,
            b'{' | b'}' | b',' | b'"' | b'\\' | b' ' | b'\t' | b'\n' | b'\r' | 0x0B | 0x0C
        )
    };
    if element.is_empty() || element.iter().any(special) || element.eq_ignore_ascii_case(b"null") {
        wrap(out, start, |byte| {
            matches!(byte, b'"' | b'\\').then_some(b'\\')
        });
    }
}

/// Quotes the field that starts at `start` if a record literal needs it.
pub(super) fn quote_record_field(out: &mut Vec<u8>, start: usize) {
    let field = &out[start..];
    let special = |byte: &u8| {
        matches!(
            byte,
            b'(' | b')' | b',' | b'"' | b'\\' | b' ' | b'\t' | b'\n' | b'\r' | 0x0B | 0x0C
        )
    };
    if field.is_empty() || field.iter().any(special) {
        wrap(out, start, |byte| {
            matches!(byte, b'"' | b'\\').then_some(byte)
        });
    }
}

/// Puts quotes around the tail from `start` on and one byte before each that needs it, from the end backwards.
fn wrap(out: &mut Vec<u8>, start: usize, escape: impl Fn(u8) -> Option<u8>) {
    let len = out.len() - start;
    let escapes = out[start..]
        .iter()
        .filter(|byte| escape(**byte).is_some())
        .count();
    out.resize(start + len + escapes + 2, b'"');
    let mut to = out.len() - 1;
    for from in (start..start + len).rev() {
        let byte = out[from];
        to -= 1;
        out[to] = byte;
        if let Some(escape) = escape(byte) {
            to -= 1;
            out[to] = escape;
        }
    }
    out[start] = b'"';
}

/// Turns the tail from `start` on into a JSON string.
pub(super) fn quote_json(out: &mut Vec<u8>, start: usize) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let text = out.split_off(start);
    out.push(b'"');
    for byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// One element of an array literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Element<'a> {
    Null,
    Value(Cow<'a, str>),
    /// an inner array, with its braces
    Array(&'a str),
}

/// The elements of an array literal's outer level.
pub(super) fn array_elements(text: &str) -> Result<Vec<Element<'_>>, ValueError> {
    let malformed = |detail: &str| {
        ValueError::new(INVALID_TEXT, format!("malformed array literal: \"{text}\""))
            .with_detail(detail)
    };
    let mut body = text.trim_ascii();
    if body.starts_with('[') {
        // Bounds such as [0:2]= are of no use to an Arrow list.
        let (_, after) = body
            .split_once('=')
            .ok_or_else(|| malformed("Missing \"=\" after array dimensions."))?;
        body = after.trim_ascii_start();
    }
    let inside = body
        .strip_prefix('{')
        .ok_or_else(|| malformed("Array value must start with \"{\" or dimension information."))?;
    let mut elements = Vec::new();
    let mut rest = inside.trim_ascii_start();
    if let Some(after) = rest.strip_prefix('}') {
        return if after.is_empty() {
            Ok(elements)
        } else {
            Err(malformed("Junk after closing right brace."))
        };
    }
    loop {
        let (element, after) =
            array_element(rest).ok_or_else(|| malformed("Unexpected end of input."))?;
        if element == Element::Value(Cow::Borrowed("")) && !rest.starts_with('"') {
            let found = after.chars().next().unwrap_or('}');
            return Err(malformed(&format!("Unexpected \"{found}\" character.")));
        }
        elements.push(element);
        rest = after.trim_ascii_start();
        rest = match rest.as_bytes().first() {
            Some(b',') => rest[1..].trim_ascii_start(),
            Some(b'}') if rest.len() == 1 => return Ok(elements),
            Some(b'}') => return Err(malformed("Junk after closing right brace.")),
            Some(_) => return Err(malformed("Unexpected array element.")),
            None => return Err(malformed("Unexpected end of input.")),
        };
    }
}

/// One element and what follows it.
fn array_element(text: &str) -> Option<(Element<'_>, &str)> {
    if text.starts_with('{') {
        let end = matching_brace(text)?;
        return Some((Element::Array(&text[..end]), &text[end..]));
    }
    if let Some(quoted) = text.strip_prefix('"') {
        let (value, rest) = quoted_until(quoted, false)?;
        return Some((Element::Value(Cow::Owned(value)), rest));
    }
    let mut end = None;
    let mut escaped = false;
    let mut has_escape = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => (escaped, has_escape) = (true, true),
            b',' | b'}' => {
                end = Some(at);
                break;
            }
            b'"' | b'{' => return None,
            _ => {}
        }
    }
    let end = end?;
    let word = text[..end].trim_ascii_end();
    if word.eq_ignore_ascii_case("null") {
        return Some((Element::Null, &text[end..]));
    }
    let value = if has_escape {
        Cow::Owned(unescape(word))
    } else {
        Cow::Borrowed(word)
    };
    Some((Element::Value(value), &text[end..]))
}

/// Where the array that starts here ends, behind its brace.
fn matching_brace(text: &str) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b'{' if !quoted => depth += 1,
            b'}' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// Text up to the closing quote and what follows; in records a doubled quote is one.
fn quoted_until(text: &str, doubled: bool) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.push(chars.next()?.1),
            '"' if doubled && chars.peek().is_some_and(|(_, next)| *next == '"') => {
                chars.next();
                value.push('"');
            }
            '"' => return Some((value, &text[at + 1..])),
            c => value.push(c),
        }
    }
    None
}

fn unescape(text: &str) -> String {
    let mut value = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        value.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    value
}

/// The fields of a record literal `(1,"a b",)`; an empty field is NULL.
pub(super) fn record_fields(text: &str) -> Result<Vec<Option<Cow<'_, str>>>, ValueError> {
    let malformed = |detail: &str| {
        ValueError::new(
            INVALID_TEXT,
            format!("malformed record literal: \"{text}\""),
        )
        .with_detail(detail)
    };
    let mut rest = text
        .trim_ascii()
        .strip_prefix('(')
        .ok_or_else(|| malformed("Missing left parenthesis."))?;
    let mut fields = Vec::new();
    loop {
        let mut value = String::new();
        let mut is_null = true;
        loop {
            let next = rest
                .chars()
                .next()
                .ok_or_else(|| malformed("Unexpected end of input."))?;
            rest = match next {
                ',' | ')' => break,
                '"' => {
                    let (quoted, after) = quoted_until(&rest[1..], true)
                        .ok_or_else(|| malformed("Unexpected end of input."))?;
                    value.push_str(&quoted);
                    after
                }
                '\\' => {
                    let escaped = rest[1..]
                        .chars()
                        .next()
                        .ok_or_else(|| malformed("Unexpected end of input."))?;
                    value.push(escaped);
                    &rest[1 + escaped.len_utf8()..]
                }
                c => {
                    value.push(c);
                    &rest[c.len_utf8()..]
                }
            };
            is_null = false;
        }
        fields.push((!is_null).then_some(Cow::Owned(value)));
        let more = rest.starts_with(',');
        rest = &rest[1..];
        if !more {
            return if rest.is_empty() {
                Ok(fields)
            } else {
                Err(malformed("Junk after right parenthesis."))
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Element, array_elements, quote_array_element, quote_json, quote_record_field, record_fields,
    };

    fn quoted(text: &str, quote: fn(&mut Vec<u8>, usize)) -> String {
        let mut out = b"before".to_vec();
        out.extend_from_slice(text.as_bytes());
        quote(&mut out, 6);
        String::from_utf8(out[6..].to_vec()).unwrap()
    }

    /// Expected text: PostgreSQL 15.
    #[test]
    fn elements_are_quoted_as_in_postgresql() {
        let cases = [
            ("a", "a"),
            ("b c", "\"b c\""),
            ("d\"e", "\"d\\\"e\""),
            ("f\\g", "\"f\\\\g\""),
            ("", "\"\""),
            ("NULL", "\"NULL\""),
            ("nUll", "\"nUll\""),
            ("x,y", "\"x,y\""),
            ("{z}", "\"{z}\""),
            ("tab\t", "\"tab\t\""),
        ];
        for (text, expected) in cases {
            assert_eq!(quoted(text, quote_array_element), expected);
            let literal = format!("{{{expected}}}");
            assert_eq!(
                array_elements(&literal).unwrap(),
                [Element::Value(text.into())]
            );
        }
    }

    /// Expected text: PostgreSQL 15.
    #[test]
    fn fields_are_quoted_as_in_postgresql() {
        let cases = [
            ("1", "1"),
            ("a b", "\"a b\""),
            ("x\"y", "\"x\"\"y\""),
            ("", "\"\""),
            ("back\\slash", "\"back\\\\slash\""),
            ("(p)", "\"(p)\""),
        ];
        for (text, expected) in cases {
            assert_eq!(quoted(text, quote_record_field), expected);
            let literal = format!("({expected},)");
            let fields = record_fields(&literal).unwrap();
            assert_eq!(fields[0].as_deref(), Some(text));
            assert_eq!(fields[1], None);
        }
        assert_eq!(
            quoted("a\"\\\n\u{1}é", quote_json),
            "\"a\\\"\\\\\\n\\u0001é\""
        );
    }

    #[test]
    fn array_literals_are_taken_apart() {
        let elements = |text| array_elements(text).unwrap();
        let some = |text: &'static str| Element::Value(text.into());
        assert_eq!(elements("{}"), []);
        assert_eq!(
            elements(" { a , NULL,\"b,c\" } "),
            [some("a"), Element::Null, some("b,c")]
        );
        assert_eq!(
            elements("{{1,2},{3,NULL}}"),
            [Element::Array("{1,2}"), Element::Array("{3,NULL}")]
        );
        assert_eq!(elements("[0:1]={5,6}"), [some("5"), some("6")]);
        assert_eq!(elements(r"{a\,b,\n}"), [some("a,b"), some("n")]);
        assert_eq!(elements("{\"\"}"), [some("")]);
        for text in [
            "", "a", "{", "{a", "{a,}", "{,a}", "{a}b", "{\"a\"b}", "{\"a}", "{a\"b\"}", "{{1}",
            "[0:1]",
        ] {
            assert_eq!(
                array_elements(text).unwrap_err().sqlstate,
                "22P02",
                "{text}"
            );
        }
        for text in ["", "(", "(a", "a)", "(\"a)", "(a)b", "(\\"] {
            assert_eq!(record_fields(text).unwrap_err().sqlstate, "22P02", "{text}");
        }
    }
}
