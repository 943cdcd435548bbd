//! What do the letters of a `flags` argument say?

use crate::error::FunctionError;

/// The options of a regular expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags {
    /// `g`: every match.
    pub is_global: bool,
    /// `i`: capital letters and small ones are the same.
    pub ignores_case: bool,
    /// `n` and `p`: a dot does not match a line's end.
    pub stops_at_lines: bool,
    /// `n` and `w`: `^` and `$` match at every line.
    pub has_line_anchors: bool,
    /// `x`: white space and comments do not count.
    pub is_expanded: bool,
    /// `q`: the expression is a plain text.
    pub is_literal: bool,
}

impl Flags {
    /// None of them.
    pub const NONE: Flags = Flags {
        is_global: false,
        ignores_case: false,
        stops_at_lines: false,
        has_line_anchors: false,
        is_expanded: false,
        is_literal: false,
    };

    /// Reads the letters, or 22023.
    pub fn parse(letters: &str) -> Result<Flags, FunctionError> {
        let mut flags = Flags::NONE;
        flags.add(letters)?;
        Ok(flags)
    }

    /// Reads more letters; the later ones win.
    pub fn add(&mut self, letters: &str) -> Result<(), FunctionError> {
        for letter in letters.chars() {
            match letter {
                'g' => self.is_global = true,
                'i' => self.ignores_case = true,
                'c' => self.ignores_case = false,
                'm' | 'n' => (self.stops_at_lines, self.has_line_anchors) = (true, true),
                'p' => (self.stops_at_lines, self.has_line_anchors) = (true, false),
                's' => (self.stops_at_lines, self.has_line_anchors) = (false, false),
                'w' => (self.stops_at_lines, self.has_line_anchors) = (false, true),
                'x' => self.is_expanded = true,
                't' => self.is_expanded = false,
                'q' => self.is_literal = true,
                'e' | 'b' => {}
                other => {
                    return Err(FunctionError::new(
                        "22023",
                        format!("invalid regular expression option: \"{other}\""),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Reads the letters of a function that looks for one match only, or 22023.
    pub fn parse_single(letters: &str, function: &str) -> Result<Flags, FunctionError> {
        let flags = Flags::parse(letters)?;
        match flags.is_global {
            false => Ok(flags),
            true => Err(FunctionError::new(
                "22023",
                format!("{function}() does not support the \"global\" option"),
            )),
        }
    }
}
