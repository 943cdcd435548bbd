//! How is a line of CSV taken apart, and when is a value quoted?

use std::borrow::Cow;

use super::form::CopyForm;
use crate::postgres::types::error::ValueError;

/// A field's value and whether any of it stood in quotes, which decides about NULL.
pub(super) struct Field<'a> {
    pub value: Cow<'a, str>,
    pub quoted: bool,
}

/// The bytes that shape CSV.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub delimiter: u8,
    pub quote: u8,
    pub escape: u8,
}

impl Shape {
    pub(super) fn of(form: &CopyForm) -> Shape {
        Shape {
            delimiter: form.delimiter,
            quote: form.quote,
            escape: form.escape,
        }
    }
}

/// The fields of a line, one after the other.
pub(super) struct Fields<'a> {
    rest: Option<&'a str>,
    shape: Shape,
}

impl<'a> Fields<'a> {
    pub(super) fn new(line: &'a str, shape: Shape) -> Fields<'a> {
        Fields {
            rest: Some(line),
            shape,
        }
    }

    /// Ends the field before byte `end`, where its delimiter or nothing stands.
    fn end_at(&mut self, text: &'a str, end: usize) {
        self.rest = (end < text.len()).then(|| &text[end + 1..]);
    }

    /// A field wholly in quotes without a quote or escape inside.
    fn plainly_quoted(&mut self, text: &'a str) -> Option<Field<'a>> {
        let Shape {
            delimiter,
            quote,
            escape,
        } = self.shape;
        let inside = &text.as_bytes()[1..];
        let end = inside
            .iter()
            .position(|byte| *byte == quote || *byte == escape)?;
        if inside[end] != quote || inside.get(end + 1).is_some_and(|next| *next != delimiter) {
            return None;
        }
        let value = &text[1..1 + end];
        self.end_at(text, end + 2);
        Some(Field {
            value: Cow::Borrowed(value),
            quoted: true,
        })
    }

    /// A field with quotes anywhere, byte by byte.
    fn quoted(&mut self, text: &'a str) -> Result<Field<'a>, ValueError> {
        let Shape {
            delimiter,
            quote,
            escape,
        } = self.shape;
        let bytes = text.as_bytes();
        let mut value = Vec::with_capacity(text.len());
        let mut in_quotes = false;
        let mut at = 0;
        while at < bytes.len() {
            let byte = bytes[at];
            if !in_quotes && byte == delimiter {
                break;
            }
            let next = bytes.get(at + 1).copied();
            if in_quotes
                && byte == escape
                && next.is_some_and(|next| next == quote || next == escape)
            {
                value.extend(next);
                at += 1;
            } else if byte == quote {
                in_quotes = !in_quotes;
            } else {
                value.push(byte);
            }
            at += 1;
        }
        if in_quotes {
            return Err(ValueError::new(
                super::sink::BAD_COPY_FORMAT,
                "unterminated CSV quoted field",
            ));
        }
        self.end_at(text, at);
        let value =
            String::from_utf8(value).map_err(|error| ValueError::encoding(error.as_bytes(), 0))?;
        Ok(Field {
            value: Cow::Owned(value),
            quoted: true,
        })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, ValueError>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.rest?;
        let bytes = text.as_bytes();
        let Shape {
            delimiter, quote, ..
        } = self.shape;
        if bytes.first() == Some(&quote)
            && let Some(field) = self.plainly_quoted(text)
        {
            return Some(Ok(field));
        }
        let end = bytes
            .iter()
            .position(|byte| *byte == delimiter || *byte == quote)
            .unwrap_or(bytes.len());
        if bytes.get(end) == Some(&quote) {
            return Some(self.quoted(text));
        }
        self.end_at(text, end);
        Some(Ok(Field {
            value: Cow::Borrowed(&text[..end]),
            quoted: false,
        }))
    }
}

/// Appends a value, in quotes if it needs or is to have them.
pub(super) fn push_value(
    out: &mut Vec<u8>,
    value: &[u8],
    form: &CopyForm,
    force_quote: bool,
    is_only: bool,
) {
    let Shape {
        delimiter,
        quote,
        escape,
    } = Shape::of(form);
    let special = |byte: &u8| matches!(byte, b'\n' | b'\r') || *byte == delimiter || *byte == quote;
    // Alone on a line, \. would end the data.
    let ends_data = is_only && value == b"\\.";
    if !force_quote && !ends_data && value != form.null.as_bytes() && !value.iter().any(special) {
        return out.extend_from_slice(value);
    }
    out.push(quote);
    for byte in value {
        if *byte == quote || *byte == escape {
            out.push(escape);
        }
        out.push(*byte);
    }
    out.push(quote);
}
