//! What does a template of numbers, such as `FM999G990D00`, ask for?

use super::ordinal::Ordinal;
use crate::error::FunctionError;

/// A part of a template that writes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the templates")]
pub enum Key {
    /// `9`
    Nine,
    /// `0`
    Zero,
    /// `.` and `D`
    Point,
    /// `,`
    Comma,
    /// `G`
    Group,
    /// `L`
    Currency,
    Roman {
        is_upper: bool,
    },
    Ordinal(Ordinal),
    /// `MI`
    Minus,
    /// `PL`
    Plus,
    /// `SG`
    Sign,
}

/// A part of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node {
    /// Writes something of the number.
    Key(Key),
    /// Stands for itself.
    Letter(char),
}

/// Where `S` puts the sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignPlace {
    /// Before the number.
    Before,
    /// Behind it.
    After,
}

/// A template in its parts, and what they say together.
#[derive(Debug, Clone, Default)]
pub struct NumberPattern {
    /// In order.
    pub nodes: Vec<Node>,
    /// Digits before the point.
    pub digits_before: usize,
    /// Digits behind it.
    pub digits_after: usize,
    /// Place of the first `0`.
    pub zero_start: usize,
    /// Place of the last `0`.
    pub zero_end: usize,
    /// Digits before `S`.
    pub digits_before_sign: usize,
    /// Digits behind `V`.
    pub shifted_digits: usize,
    /// Where `S` puts the sign.
    pub sign: Option<SignPlace>,
    /// `.` or `D`
    pub has_point: bool,
    /// `0` before the point
    pub has_zero: bool,
    /// `FM`
    pub fill_mode: bool,
    /// `PR`
    pub has_brackets: bool,
    /// `MI` or `SG`
    pub has_minus: bool,
    /// `PL` or `SG`
    pub has_plus: bool,
    /// `RN`
    pub is_roman: bool,
    /// `V`
    pub is_shifted: bool,
    /// `EEEE`
    pub is_scientific: bool,
}

/// A word of a template: what it means, and its key if it writes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Key(Key),
    Blank,
    Scientific,
    FillMode,
    Brackets,
    S,
    V,
    /// Known, and without effect.
    Nothing,
}

/// Longer words stand before their beginnings; letters are capital.
const WORDS: &[(&str, Word)] = &[
    (",", Word::Key(Key::Comma)),
    (".", Word::Key(Key::Point)),
    ("0", Word::Key(Key::Zero)),
    ("9", Word::Key(Key::Nine)),
    ("B", Word::Blank),
    ("C", Word::Nothing),
    ("D", Word::Key(Key::Point)),
    ("EEEE", Word::Scientific),
    ("FM", Word::FillMode),
    ("G", Word::Key(Key::Group)),
    ("L", Word::Key(Key::Currency)),
    ("MI", Word::Key(Key::Minus)),
    ("PL", Word::Key(Key::Plus)),
    ("PR", Word::Brackets),
    ("RN", Word::Key(Key::Roman { is_upper: true })),
    ("SG", Word::Key(Key::Sign)),
    ("SP", Word::Nothing),
    ("S", Word::S),
    ("TH", Word::Key(Key::Ordinal(Ordinal::Upper))),
    ("V", Word::V),
];

impl NumberPattern {
    /// Reads a template, or says why it is none (42601).
    pub fn parse(template: &str) -> Result<NumberPattern, FunctionError> {
        let mut pattern = NumberPattern::default();
        let mut rest = template;
        while let Some(first) = rest.chars().next() {
            if let Some((length, word)) = word(rest) {
                pattern.note(word)?;
                rest = &rest[length..];
                continue;
            }
            match first {
                '"' => {
                    let (letters, after) = rest[1..].split_once('"').unwrap_or((&rest[1..], ""));
                    pattern.nodes.extend(letters.chars().map(Node::Letter));
                    rest = after;
                }
                other => {
                    pattern.nodes.push(Node::Letter(other));
                    rest = &rest[other.len_utf8()..];
                }
            }
        }
        Ok(pattern)
    }

    fn note(&mut self, word: Word) -> Result<(), FunctionError> {
        if self.is_scientific && !matches!(word, Word::FillMode | Word::Blank | Word::Nothing) {
            return Err(scientific_alone());
        }
        match word {
            Word::Key(key) => {
                self.note_key(key)?;
                self.nodes.push(Node::Key(key));
            }
            Word::Blank | Word::Nothing => {}
            Word::FillMode => self.fill_mode = true,
            Word::Brackets => {
                if self.sign.is_some() || self.has_plus || self.has_minus {
                    return Err(syntax(
                        "cannot use \"PR\" and \"S\"/\"PL\"/\"MI\"/\"SG\" together",
                    ));
                }
                self.has_brackets = true;
            }
            Word::S => self.note_sign()?,
            Word::V => {
                if self.has_point {
                    return Err(syntax("cannot use \"V\" and decimal point together"));
                }
                self.is_shifted = true;
            }
            Word::Scientific => {
                let is_alone = !(self.fill_mode
                    || self.sign.is_some()
                    || self.has_brackets
                    || self.has_minus
                    || self.has_plus
                    || self.is_roman
                    || self.is_shifted);
                if !is_alone {
                    return Err(scientific_alone());
                }
                self.is_scientific = true;
            }
        }
        Ok(())
    }

    fn note_key(&mut self, key: Key) -> Result<(), FunctionError> {
        match key {
            Key::Nine | Key::Zero if self.has_brackets => {
                let shown = if key == Key::Nine { "9" } else { "0" };
                return Err(syntax(&format!("\"{shown}\" must be ahead of \"PR\"")));
            }
            Key::Nine if self.is_shifted => self.shifted_digits += 1,
            Key::Nine if self.has_point => self.digits_after += 1,
            Key::Nine => self.digits_before += 1,
            Key::Zero => {
                if !self.has_zero && !self.has_point {
                    self.has_zero = true;
                    self.zero_start = self.digits_before + 1;
                }
                match self.has_point {
                    true => self.digits_after += 1,
                    false => self.digits_before += 1,
                }
                self.zero_end = self.digits_before + self.digits_after;
            }
            Key::Point if self.has_point => return Err(syntax("multiple decimal points")),
            Key::Point if self.is_shifted => {
                return Err(syntax("cannot use \"V\" and decimal point together"));
            }
            Key::Point => self.has_point = true,
            Key::Roman { .. } => self.is_roman = true,
            Key::Minus | Key::Plus | Key::Sign if self.sign.is_some() => {
                let shown = match key {
                    Key::Minus => "MI",
                    Key::Plus => "PL",
                    _ => "SG",
                };
                return Err(syntax(&format!(
                    "cannot use \"S\" and \"{shown}\" together"
                )));
            }
            Key::Minus => self.has_minus = true,
            Key::Plus => self.has_plus = true,
            Key::Sign => (self.has_minus, self.has_plus) = (true, true),
            Key::Comma | Key::Group | Key::Currency | Key::Ordinal(_) => {}
        }
        Ok(())
    }

    fn note_sign(&mut self) -> Result<(), FunctionError> {
        if self.sign.is_some() {
            return Err(syntax("cannot use \"S\" twice"));
        }
        if self.has_plus || self.has_minus || self.has_brackets {
            return Err(syntax(
                "cannot use \"S\" and \"PL\"/\"MI\"/\"SG\"/\"PR\" together",
            ));
        }
        self.sign = Some(match self.has_point {
            false => {
                self.digits_before_sign = self.digits_before;
                SignPlace::Before
            }
            true => SignPlace::After,
        });
        Ok(())
    }
}

fn word(rest: &str) -> Option<(usize, Word)> {
    let (spelling, word) = WORDS.iter().find(|(spelling, _)| {
        rest.starts_with(spelling) || rest.starts_with(&spelling.to_ascii_lowercase())
    })?;
    let is_lower = rest.starts_with(|letter: char| letter.is_ascii_lowercase());
    let word = match word {
        Word::Key(Key::Roman { .. }) if is_lower => Word::Key(Key::Roman { is_upper: false }),
        Word::Key(Key::Ordinal(_)) if is_lower => Word::Key(Key::Ordinal(Ordinal::Lower)),
        word => *word,
    };
    Some((spelling.len(), word))
}

fn syntax(message: &str) -> FunctionError {
    FunctionError::new("42601", message)
}

fn scientific_alone() -> FunctionError {
    syntax("\"EEEE\" is incompatible with other formats")
        .with_detail("\"EEEE\" may only be used together with digit and decimal point patterns.")
}
