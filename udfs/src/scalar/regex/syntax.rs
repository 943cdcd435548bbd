//! How is a regular expression of PostgreSQL written for the engine that runs it?
//!
//! The dialect is that of advanced regular expressions. Back references and lookaround are refused, since the
//! engine runs in linear time and has neither; of several alternatives it takes the first that fits, where
//! PostgreSQL takes the longest.

use std::iter::Peekable;
use std::str::Chars;

use regex::{Regex, RegexBuilder};

use super::flags::Flags;
use crate::error::FunctionError;

/// Bytes that a compiled expression may take.
const COMPILED_BYTES_MAX: usize = 16 << 20;

/// A compiled expression, or 2201B.
pub fn compile(pattern: &str, flags: Flags) -> Result<Regex, FunctionError> {
    let (flags, pattern) = embedded_options(pattern, flags)?;
    let translated = match flags.is_literal {
        true => regex::escape(pattern),
        false => Translator::new(pattern).run()?,
    };
    RegexBuilder::new(&translated)
        .case_insensitive(flags.ignores_case)
        .dot_matches_new_line(!flags.stops_at_lines)
        .multi_line(flags.has_line_anchors)
        .ignore_whitespace(flags.is_expanded)
        .size_limit(COMPILED_BYTES_MAX)
        .build()
        .map_err(|error| invalid(&error))
}

/// An expression in the engine's own words, for operators that compile it themselves; or 2201B.
pub fn translate(pattern: &str) -> Result<String, FunctionError> {
    compile(pattern, Flags::NONE)?;
    let (flags, body) = embedded_options(pattern, Flags::NONE)?;
    let translated = match flags.is_literal {
        true => regex::escape(body),
        false => Translator::new(body).run()?,
    };
    let mut options = String::new();
    if flags.ignores_case {
        options.push('i');
    }
    if !flags.stops_at_lines && translated.contains('.') {
        options.push('s');
    }
    if flags.has_line_anchors {
        options.push('m');
    }
    if flags.is_expanded {
        options.push('x');
    }
    Ok(match options.is_empty() {
        true => translated,
        false => format!("(?{options}){translated}"),
    })
}

/// `(?i)…`, `***=…` and `***:…`
fn embedded_options(pattern: &str, flags: Flags) -> Result<(Flags, &str), FunctionError> {
    let mut flags = flags;
    let mut body = pattern;
    if let Some(literal) = body.strip_prefix("***=") {
        flags.is_literal = true;
        return Ok((flags, literal));
    }
    if let Some(advanced) = body.strip_prefix("***:") {
        body = advanced;
    }
    if let Some(rest) = body.strip_prefix("(?")
        && let Some((letters, after)) = rest.split_once(')')
        && !letters.is_empty()
        && letters.chars().all(|letter| letter.is_ascii_lowercase())
    {
        flags.add(letters)?;
        body = after;
    }
    Ok((flags, body))
}

struct Translator<'p> {
    rest: Peekable<Chars<'p>>,
    out: String,
}

impl<'p> Translator<'p> {
    fn new(pattern: &'p str) -> Self {
        Translator {
            rest: pattern.chars().peekable(),
            out: String::with_capacity(pattern.len() + 8),
        }
    }

    fn run(mut self) -> Result<String, FunctionError> {
        while let Some(character) = self.rest.next() {
            match character {
                '\\' => self.escape()?,
                '[' => self.bracket()?,
                '(' => self.group()?,
                '{' => self.bound(),
                '}' => self.out.push_str("\\}"),
                // Outside of an expanded expression these stand for themselves anyway.
                other => self.out.push(other),
            }
        }
        Ok(self.out)
    }

    fn escape(&mut self) -> Result<(), FunctionError> {
        let Some(escaped) = self.rest.next() else {
            return Err(syntax("invalid escape \\ sequence"));
        };
        match escaped {
            'm' => self.out.push_str("\\b{start}"),
            'M' => self.out.push_str("\\b{end}"),
            'y' => self.out.push_str("\\b"),
            'Y' => self.out.push_str("\\B"),
            'Z' => self.out.push_str("\\z"),
            'b' => self.out.push_str("\\x08"),
            'B' => self.out.push_str("\\\\"),
            'e' => self.out.push_str("\\x1B"),
            'a' => self.out.push_str("\\x07"),
            '0' => self.out.push_str("\\x00"),
            '1'..='9' => {
                return Err(FunctionError::new(
                    "0A000",
                    "regular expressions with back references are not supported",
                ));
            }
            'A' | 'd' | 'D' | 's' | 'S' | 'w' | 'W' | 'f' | 'n' | 'r' | 't' | 'v' | 'u' | 'U'
            | 'x' => {
                self.out.push('\\');
                self.out.push(escaped);
            }
            letter if letter.is_ascii_alphanumeric() => {
                return Err(syntax("invalid escape \\ sequence"));
            }
            other => self
                .out
                .push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
        Ok(())
    }

    fn group(&mut self) -> Result<(), FunctionError> {
        self.out.push('(');
        if self.rest.peek() != Some(&'?') {
            return Ok(());
        }
        self.rest.next();
        match self.rest.next() {
            Some(':') => {
                self.out.push_str("?:");
                Ok(())
            }
            Some('=' | '!' | '<') => Err(FunctionError::new(
                "0A000",
                "regular expressions with lookahead or lookbehind are not supported",
            )),
            _ => Err(syntax("quantifier operand invalid")),
        }
    }

    /// `{2,3}`; a brace before anything but a digit stands for itself.
    fn bound(&mut self) {
        if !self.rest.peek().is_some_and(char::is_ascii_digit) {
            return self.out.push_str("\\{");
        }
        self.out.push('{');
        for character in self.rest.by_ref() {
            self.out.push(character);
            if character == '}' {
                break;
            }
        }
    }

    /// `[…]`, in which the engine knows operators that PostgreSQL does not.
    fn bracket(&mut self) -> Result<(), FunctionError> {
        let ahead: String = self.rest.clone().take(6).collect();
        for (boundary, meaning) in [("[:<:]]", "\\b{start}"), ("[:>:]]", "\\b{end}")] {
            if ahead == boundary {
                self.out.push_str(meaning);
                self.rest.by_ref().take(6).for_each(drop);
                return Ok(());
            }
        }
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        let mut is_first = true;
        loop {
            let Some(character) = self.rest.next() else {
                return Err(syntax("brackets [] not balanced"));
            };
            match character {
                ']' if !is_first => break,
                '[' if matches!(self.rest.peek(), Some(':' | '.' | '=')) => self.class()?,
                '\\' => self.escape_in_bracket()?,
                ']' | '[' | '&' | '~' | '^' => {
                    self.out.push('\\');
                    self.out.push(character);
                }
                other => self.out.push(other),
            }
            is_first = false;
        }
        self.out.push(']');
        Ok(())
    }

    fn escape_in_bracket(&mut self) -> Result<(), FunctionError> {
        match self.rest.peek() {
            Some('d' | 's' | 'w' | 'D' | 'S' | 'W' | 'n' | 't' | 'r' | 'f' | 'v' | 'u' | 'x') => {
                self.out.push('\\');
                self.out.extend(self.rest.next());
                Ok(())
            }
            _ => self.escape(),
        }
    }

    /// `[:alpha:]`, `[.-.]` and `[=e=]`, behind the bracket.
    fn class(&mut self) -> Result<(), FunctionError> {
        let kind = self.rest.next().unwrap_or(':');
        let mut name = String::new();
        while let Some(character) = self.rest.next() {
            if character == kind && self.rest.next_if_eq(&']').is_some() {
                match kind {
                    ':' => self.out.push_str(&format!("[:{name}:]")),
                    _ => self.out.push_str(&regex::escape(&name)),
                }
                return Ok(());
            }
            name.push(character);
        }
        Err(syntax("brackets [] not balanced"))
    }
}

fn syntax(reason: &str) -> FunctionError {
    FunctionError::new("2201B", format!("invalid regular expression: {reason}"))
}

/// The reason in the words of PostgreSQL, where it has them.
fn invalid(error: &regex::Error) -> FunctionError {
    if let regex::Error::CompiledTooBig(_) = error {
        return syntax("regular expression is too complex");
    }
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    let known = [
        ("group", "parentheses () not balanced"),
        ("class", "brackets [] not balanced"),
        ("repetition", "quantifier operand invalid"),
        ("range", "invalid character range"),
        ("escape", "invalid escape \\ sequence"),
    ];
    let found = known.iter().find(|(word, _)| last.contains(word));
    match found {
        Some((_, reason)) => syntax(reason),
        None => syntax(last.trim_start_matches("error: ")),
    }
}
