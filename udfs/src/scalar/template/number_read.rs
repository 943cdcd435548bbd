//! What number does a text mean by a template?

use super::number_pattern::{Key, Node, NumberPattern};
use crate::error::FunctionError;

/// Reads a text by a template, with as many decimals as the template has.
///
/// A sign may stand before or behind the digits; separators are passed over where the template has them.
pub fn read(text: &str, pattern: &NumberPattern) -> Result<i128, FunctionError> {
    if pattern.is_roman {
        return Err(FunctionError::new(
            "0A000",
            "\"RN\" not supported for input",
        ));
    }
    if pattern.is_scientific {
        return Err(FunctionError::new(
            "0A000",
            "\"EEEE\" not supported for input",
        ));
    }
    let mut reader = Reader {
        rest: text,
        is_negative: false,
        has_sign: false,
        digits: String::new(),
        decimals: None,
        decimals_max: pattern.digits_after + pattern.shifted_digits,
    };
    for node in &pattern.nodes {
        if reader.rest.is_empty() {
            break;
        }
        reader.node(*node, pattern);
    }
    reader.trailing_sign(pattern);
    reader.finish(pattern)
}

struct Reader<'t> {
    rest: &'t str,
    is_negative: bool,
    has_sign: bool,
    digits: String,
    /// Digits read behind the point.
    decimals: Option<usize>,
    decimals_max: usize,
}

impl Reader<'_> {
    fn node(&mut self, node: Node, pattern: &NumberPattern) {
        match node {
            Node::Key(Key::Nine | Key::Zero) => self.digit(pattern),
            Node::Key(Key::Point) => self.point(),
            Node::Key(Key::Comma | Key::Group) => {
                self.skip_spaces();
                if self.rest.starts_with(',') {
                    self.skip();
                }
            }
            Node::Key(Key::Currency) => {
                if self.rest.starts_with(['$', ' ']) {
                    self.skip();
                }
            }
            Node::Key(Key::Minus | Key::Sign | Key::Plus) => self.sign(),
            Node::Key(Key::Ordinal(_)) => {
                self.skip();
                self.skip();
            }
            Node::Key(Key::Roman { .. }) => {}
            Node::Letter(letter) => {
                // A letter of the template passes over one of the text, but not over its digits.
                if letter.is_whitespace() || !self.rest.starts_with(is_numeric) {
                    self.skip();
                }
            }
        }
    }

    fn skip(&mut self) {
        let mut characters = self.rest.chars();
        characters.next();
        self.rest = characters.as_str();
    }

    fn skip_spaces(&mut self) {
        if self.digits.is_empty() {
            self.rest = self.rest.trim_start();
        }
    }

    fn sign(&mut self) {
        if self.has_sign {
            return;
        }
        let first = self.rest.chars().next();
        match first {
            Some('-') | Some('<') => (self.is_negative, self.has_sign) = (true, true),
            Some('+') => self.has_sign = true,
            Some(' ') => {}
            _ => return,
        }
        self.skip();
    }

    fn digit(&mut self, pattern: &NumberPattern) {
        self.skip_spaces();
        if self.digits.is_empty() && self.decimals.is_none() {
            self.sign();
        }
        match self.rest.bytes().next() {
            Some(digit) if digit.is_ascii_digit() => {
                self.digits.push(char::from(digit));
                if let Some(decimals) = &mut self.decimals {
                    *decimals += 1;
                }
                self.rest = &self.rest[1..];
            }
            Some(b'.') if pattern.has_point => {
                self.point();
                self.digit(pattern);
            }
            _ => {}
        }
    }

    fn point(&mut self) {
        if self.rest.starts_with('.') && self.decimals.is_none() {
            self.decimals = Some(0);
            self.skip();
        }
    }

    fn trailing_sign(&mut self, pattern: &NumberPattern) {
        let takes_sign = pattern.sign.is_some() || pattern.has_minus || pattern.has_brackets;
        if takes_sign && !self.has_sign && self.rest.starts_with('-') {
            self.is_negative = true;
        }
    }

    fn finish(self, pattern: &NumberPattern) -> Result<i128, FunctionError> {
        if self.digits.is_empty() {
            return Err(FunctionError::new(
                "22P02",
                "invalid input syntax for type numeric: \" \"",
            ));
        }
        let amount: i128 = self
            .digits
            .parse()
            .map_err(|_| FunctionError::new("22003", "numeric field overflow"))?;
        // A template with V has its decimals in its digits.
        let decimals = self.decimals.unwrap_or(0) + pattern.shifted_digits;
        let missing = self.decimals_max.saturating_sub(decimals) as u32;
        let scaled = amount * 10i128.pow(missing.min(18));
        Ok(if self.is_negative { -scaled } else { scaled })
    }
}

fn is_numeric(character: char) -> bool {
    character.is_ascii_digit() || matches!(character, '+' | '-' | '.' | ',')
}
